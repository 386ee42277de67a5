"""Outgoing documents (văn bản đi): what an agency sent, its way to each recipient, what is late.

Everything is asked for the agency the document belongs to (`about`); what a person may not read
does not exist for that person.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.console import files
from gateway.console.exports import form_of, send
from gateway.console.pages import (
    BASE,
    READS,
    Answer,
    Group,
    Handler,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Thing,
    Visit,
)
from gateway.console.sections.drafting import Drafting
from gateway.console.sections.outgoingwords import (
    WORDS,
    agency_choice,
    chosen_agency,
    page_number,
)
from gateway.console.sections.todos import TodoPages
from gateway.console.transfers import download, saved
from gateway.domain.access import Right
from gateway.domain.drafting import change_of
from gateway.domain.envelope import BusinessType
from gateway.domain.marking import told
from gateway.errors import Reason, RejectedError
from gateway.ports import Packet
from gateway.ports.accounts import Trail
from gateway.ports.clerk_send import Drafts, SentDesk, SentDocument, SentPage, Todos
from gateway.reports.advice import Words
from gateway.reports.tables import Column, Kind, Row, Table
from gateway.web.body import Limits
from gateway.web.studio import Studio

ROOT: Final = f"{BASE}/outgoing"
TABS: Final = {
    "sent": Say("Đã phát hành", "Issued"),
    "open": Say("Đang gửi, chưa hồi báo", "On the way, not confirmed"),
    "failed": Say("Gửi lỗi", "Failed"),
    "refused": Say("Không phát hành được", "Refused"),
    "returned": Say("Bị trả lại", "Returned"),
    "recalled": Say("Đã thu hồi", "Recalled"),
    "other-means": Say("Không liên thông", "Not connected"),
}

WAYS: Final = 30
"""Recipients on one page of a document."""
_FIRST: Final = {"bad": 0, "doubt": 1}

Late = Callable[[str], Awaitable[SentPage]]
"""Asks for one page of what is late, by the cursor of the page before."""

Panel = Callable[[Visit, SentDocument], Awaitable[Shown | None]]
"""Another section's part of the document page: a template that reads its values from `v`."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Pages of what was sent."""

    sent: SentDesk
    drafts: Drafts
    todos: Todos
    trail: Trail
    studio: Studio
    names: Callable[[str], str]
    panels: Sequence[Panel] = ()

    async def listing(self, visit: Visit) -> Answer:
        """Show one list."""
        agency = chosen_agency(visit, Right.READ)
        tab = visit.query("tab", "sent")
        if tab not in TABS:
            raise RejectedError(Reason.NOT_FOUND)
        after = visit.query("after")[:64]
        page = await self.sent.page(agency, tab, after=after)
        older = f"{ROOT}?agency={agency}&tab={tab}&after={page.after}" if page.after else ""
        return Shown(
            "outgoing-list.html.j2",
            {
                **agency_choice(visit, agency, Right.READ, self.names),
                "tabs": TABS,
                "tab": tab,
                "rows": page.items,
                "older": older,
                "first": f"{ROOT}?agency={agency}&tab={tab}" if after else "",
                **WORDS,
            },
        )

    async def late(self, visit: Visit) -> Answer:
        """Show whose answers are overdue (SND-09, RPT-14)."""
        agency = chosen_agency(visit, Right.READ)

        async def ask(after: str) -> SentPage:
            return await self.sent.late(agency, after=after)

        choice = agency_choice(visit, agency, Right.READ, self.names)
        return await self._late(visit, ask, f"{ROOT}/late?agency={agency}", choice)

    async def my_late(self, visit: Visit) -> Answer:
        """Show the same of what the person drafted (SND-09)."""

        async def ask(after: str) -> SentPage:
            page = await self.sent.late_of(visit.me, after=after)
            # A right taken away takes the list with it.
            rows = tuple(r for r in page.items if visit.me.may(Right.DRAFT, r.agency))
            return SentPage(rows, page.after)

        return await self._late(visit, ask, f"{ROOT}/late/mine?mine=1", {})

    async def _late(
        self, visit: Visit, ask: Late, here: str, choice: Mapping[str, object]
    ) -> Answer:
        if visit.query("form"):
            form, agency = form_of(visit), str(choice.get("agency", ""))
            await self.trail.viewed(visit.me, "list:late", what="export", agency=agency)
            name = self.names(agency) if agency else visit.me.name
            table = replace(_LATE, notes=(Words(name, name),), made_at=visit.now)
            return await send(visit, form, table, _late_rows(ask), "noi-nhan-qua-han")
        page = await ask(visit.query("after")[:80])
        values = {
            "rows": page.items,
            "here": here,
            "older": f"{here}&after={page.after}" if page.after else "",
            "first": here if visit.query("after") else "",
            "mine": not choice,
        }
        return Shown("outgoing-late.html.j2", {**values, **choice, **WORDS})

    async def document(self, visit: Visit) -> Answer:
        """Show one document with its way to each recipient."""
        document_id = visit.request.match_info["id"]
        agency = visit.thing.agency
        shown = await self.sent.document(document_id)
        verification = await self.sent.verification(document_id)
        panels = [await panel(visit, shown) for panel in self.panels]
        skip = int(text) if (text := visit.query("skip")).isdecimal() and len(text) < 6 else 0
        # What needs somebody stands first, whatever the number of recipients.
        ways = sorted(shown.ways, key=lambda w: (_FIRST.get(w.tone, 2), not w.follow_up))
        return Shown(
            "outgoing-document.html.j2",
            {
                "sent": shown,
                "ways": ways[skip : skip + WAYS],
                "counts": Counter(w.state for w in shown.ways),
                "fewer": f"?skip={max(0, skip - WAYS)}" if skip else "",
                "more": f"?skip={skip + WAYS}" if len(ways) > skip + WAYS else "",
                "doc": shown.document,
                "header": shown.document["header"],
                "view": await files.panel(visit, self.studio, verification, shown.document),
                "pdfs": [
                    f["index"]
                    for f in shown.document["attachments"]
                    if files.looks_like_pdf(f["safe_name"], f["content_type"])
                ],
                "panels": [panel for panel in panels if panel is not None],
                "todos": await self.todos.of_document(document_id),
                "agency": agency,
                "agency_name": self.names(agency),
                "may_send": visit.me.may(Right.SEND, agency),
                "may_draft": visit.me.may(Right.DRAFT, agency),
                **WORDS,
            },
        )

    async def receipts(self, visit: Visit) -> Answer:
        """Give the receipts to be kept."""
        document_id = visit.request.match_info["id"]
        found = await self.sent.receipts(document_id)
        body = json.dumps(
            told(found, training=visit.training), ensure_ascii=False, indent=1
        ).encode()
        return saved(f"hoi-bao-{document_id}.json", body, "application/json")

    async def report(self, visit: Visit) -> Answer:
        """Give the whole signature report, as a page or on paper."""
        document_id = visit.request.match_info["id"]
        shown = await self.sent.document(document_id)
        verification = await self.sent.verification(document_id)

        async def fetch(index: int) -> Packet:
            return await self.sent.file(document_id, index)

        return await files.report(
            visit, self.studio, document_id, verification, shown.document, fetch
        )

    async def file(self, visit: Visit) -> Answer:
        """Give one file to be saved."""
        return await download(visit, await self._file(visit))

    async def view(self, visit: Visit) -> Answer:
        """Show one page of a file, with the ways to the others."""
        number = page_number(visit.query("page", "1"))
        packet = await self._file(visit)
        found, why = await files.look(self.studio.previews, packet, number)
        return Shown(
            "incoming-view.html.j2",
            {
                "name": packet.name,
                "arrival_id": visit.request.match_info["id"],
                "root": ROOT,
                "index": visit.request.match_info["index"],
                "number": number,
                "count": found.pages,
                "picture": found.picture,
                "why": why,
            },
        )

    async def picture(self, visit: Visit) -> Answer:
        """Give one page as a picture."""
        number = page_number(visit.request.match_info["page"])
        return await files.picture(self.studio.previews, await self._file(visit), number)

    async def _file(self, visit: Visit) -> Packet:
        index = int(visit.request.match_info["index"])
        return await self.sent.file(visit.request.match_info["id"], index)

    async def resend(self, visit: Visit) -> Answer:
        """Put a failed delivery back."""
        document_id = visit.request.match_info["id"]
        why = visit.text("why")[:500] or "văn thư gửi lại"
        await self.sent.resend(document_id, visit.text("delivery"), why, by=visit.me)
        told = Say("Đã đưa lại hàng chờ gửi.", "It was put back into its lane.")
        return See(f"{ROOT}/{document_id}", told)

    async def copy(self, visit: Visit) -> Answer:
        """Draft it again: for whom it was returned, or somebody else."""
        document_id = visit.request.match_info["id"]
        agency, change = visit.thing.agency, change_of({"business": visit.text("change")})
        if change is not BusinessType.NEW:
            visit.must(Right.RECALL, agency)  # REC-03: an authorised person
        draft_id = await self.drafts.create(agency, by=visit.me, copy_of=document_id, change=change)
        return See(f"{ROOT}/drafts/{draft_id}", _DRAFTED[change])

    async def about(self, visit: Visit) -> Thing:
        """Find the document of the path: known to its agency's readers, and to who drafted it."""
        me, document_id = visit.me, visit.request.match_info["id"]
        agency, drafted_by = await self.sent.owner(document_id)
        own = me.may(Right.READ_OWN, agency) and drafted_by == me.account_id
        known = me.may(Right.READ, agency) or own
        return Thing(agency, f"document:{document_id}", known)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        one = "/outgoing/{id}"
        file = one + r"/files/{index:\d{1,4}}"
        picture = file + r"/pages/{page:\d{1,4}}.png"

        def page(path: str, name: str, handler: Handler, seen: str) -> Page:
            return Page("GET", path, name, handler, READS, about=self.about, seen=seen)

        def act(path: str, name: str, handler: Handler, right: Right) -> Page:
            return Page("POST", path, name, handler, right, takes="form", about=self.about, seen="")

        return (
            Page("GET", "/outgoing", "outgoing", self.listing, Right.READ),
            Page("GET", "/outgoing/late", "outgoing-late", self.late, Right.READ),
            Page("GET", "/outgoing/late/mine", "outgoing-late-mine", self.my_late, Right.DRAFT),
            page(one, "outgoing-document", self.document, "page"),
            page(f"{one}/receipts", "outgoing-receipts", self.receipts, "receipts"),
            page(f"{one}/verification", "outgoing-report", self.report, "report"),
            page(file, "outgoing-file", self.file, "file"),
            page(f"{file}/view", "outgoing-view", self.view, "preview"),
            page(picture, "outgoing-picture", self.picture, "preview"),
            act(f"{one}/resend", "outgoing-resend", self.resend, Right.SEND),
            act(f"{one}/copy", "outgoing-copy", self.copy, Right.DRAFT),
        )


_COPIED: Final = Say(
    "Đã tạo dự thảo từ văn bản này: sửa, chọn nơi nhận rồi phát hành.",
    "A draft was made of this document: correct it, choose recipients, then issue it.",
)
_CHANGED: Final = Say(
    "Đã tạo dự thảo, sẵn các nơi đã nhận: ghi lý do, tải tệp đã ký số lên rồi phát hành.",
    "A draft was made, for all who have it: state why, upload the signed file, then issue it.",
)
_DRAFTED: Final = dict.fromkeys(BusinessType, _CHANGED) | {BusinessType.NEW: _COPIED}
_COLUMNS: Final = (
    Column("code", Words("Số, ký hiệu", "Number"), width=14),
    Column("subject", Words("Trích yếu nội dung", "Subject"), width=44),
    Column("due", Words("Hạn trả lời", "Due"), Kind.DAY),
    Column("days", Words("Quá hạn (ngày)", "Days late"), Kind.NUMBER),
    Column("who", Words("Nơi nhận chưa hoàn thành", "Not finished"), width=36),
)
_LATE: Final = Table(
    Words("DANH SÁCH NƠI NHẬN QUÁ HẠN TRẢ LỜI", "RECEIVERS WHOSE ANSWER IS OVERDUE"), _COLUMNS
)


async def _late_rows(ask: Late) -> AsyncIterator[list[Row]]:
    """Yield the whole list, a page at a time."""
    after = ""
    while True:
        page = await ask(after)
        yield [(r.code, r.subject, r.due, r.days_late, "; ".join(r.open_for)) for r in page.items]
        if not page.after:
            return
        after = page.after


def section(  # noqa: PLR0917
    sent: SentDesk,
    drafts: Drafts,
    todos: Todos,
    trail: Trail,
    studio: Studio,
    names: Callable[[str], str],
    limits: Limits,
    panels: Sequence[Panel] = (),
) -> Section:
    """Return the section: sent documents, drafts, things to do."""
    outgoing = Outgoing(sent, drafts, todos, trail, studio, names, panels)
    drafting = Drafting(drafts, names, limits, studio)
    listed = TodoPages(todos, names)
    return Section(
        pages=(*drafting.pages(), *listed.pages(), *outgoing.pages()),
        nav=(
            Nav(
                "/outgoing/new",
                "Soạn, gửi văn bản",
                "Draft and send",
                Group.OUTGOING,
                Right.DRAFT,
                30,
            ),
            Nav("/outgoing/drafts", "Dự thảo", "Drafts", Group.OUTGOING, Right.DRAFT, 31),
            Nav("/outgoing", "Văn bản đi", "Outgoing", Group.OUTGOING, Right.READ, 32),
            Nav(
                "/outgoing/late",
                "Nơi nhận quá hạn",
                "Late receivers",
                Group.OUTGOING,
                Right.READ,
                33,
            ),
            Nav(
                *("/outgoing/late/mine", "Quá hạn (tôi soạn)", "Late (drafted by me)"),
                *(Group.OUTGOING, Right.DRAFT, 34),
            ),
            Nav("/todo", "Gửi hình thức khác", "By other means", Group.OUTGOING, Right.SEND, 40),
        ),
    )
