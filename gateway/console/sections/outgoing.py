"""Outgoing documents (văn bản đi): what an agency sent, its way to each recipient, what is late.

Everything is asked for the agency the document belongs to; what a person may not read does not
exist for that person, and every view leaves its audit entry before anything is shown.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.console.pages import (
    BASE,
    Answer,
    ForbiddenError,
    Group,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
)
from gateway.console.sections.drafting import Drafting
from gateway.console.sections.outgoingwords import (
    ANSWERS,
    NO_ANSWER,
    WORDS,
    agency_choice,
    chosen_agency,
)
from gateway.console.sections.todos import TodoPages
from gateway.console.transfers import download, saved
from gateway.domain.access import Right
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.clerk_send import Drafts, SentDesk, Todos
from gateway.web.body import Limits

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


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Pages of what was sent."""

    sent: SentDesk
    drafts: Drafts
    todos: Todos
    trail: Trail
    names: Callable[[str], str]

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
        after = visit.query("after")[:80]
        page = await self.sent.late(agency, after=after)
        older = f"{ROOT}/late?agency={agency}&after={page.after}" if page.after else ""
        return Shown(
            "outgoing-late.html.j2",
            {
                **agency_choice(visit, agency, Right.READ, self.names),
                "rows": page.items,
                "older": older,
                "first": f"{ROOT}/late?agency={agency}" if after else "",
                **WORDS,
            },
        )

    async def document(self, visit: Visit) -> Answer:
        """Show one document with its way to each recipient."""
        document_id = visit.request.match_info["id"]
        agency = await self._readable(visit, document_id)
        await self.trail.viewed(visit.me, f"document:{document_id}", what="page", agency=agency)
        shown = await self.sent.document(document_id)
        verification = await self.sent.verification(document_id)
        return Shown(
            "outgoing-document.html.j2",
            {
                "sent": shown,
                "doc": shown.document,
                "header": shown.document["header"],
                "verification": verification,
                "todos": await self.todos.of_document(document_id),
                "agency": agency,
                "agency_name": self.names(agency),
                "may_send": visit.me.may(Right.SEND, agency),
                "may_draft": visit.me.may(Right.DRAFT, agency),
                "answers": ANSWERS,
                "no_answer": NO_ANSWER,
                **WORDS,
            },
        )

    async def receipts(self, visit: Visit) -> Answer:
        """Give the receipts to be kept."""
        document_id = visit.request.match_info["id"]
        agency = await self._readable(visit, document_id)
        await self.trail.viewed(visit.me, f"document:{document_id}", what="receipts", agency=agency)
        found = await self.sent.receipts(document_id)
        body = json.dumps(found, ensure_ascii=False, indent=1).encode()
        return saved(f"hoi-bao-{document_id}.json", body, "application/json")

    async def file(self, visit: Visit) -> Answer:
        """Give one file to be saved."""
        document_id, index = visit.request.match_info["id"], visit.request.match_info["index"]
        agency = await self._readable(visit, document_id)
        await self.trail.viewed(visit.me, f"document:{document_id}", what="file", agency=agency)
        return await download(visit, await self.sent.file(document_id, int(index)))

    async def resend(self, visit: Visit) -> Answer:
        """Put a failed delivery back."""
        document_id = visit.request.match_info["id"]
        agency = await self._readable(visit, document_id)
        by = visit.must(Right.SEND, agency)
        why = visit.text("why")[:500] or "văn thư gửi lại"
        await self.sent.resend(document_id, visit.text("delivery"), why, by=by)
        told = Say("Đã đưa lại hàng chờ gửi.", "It was put back into its lane.")
        return See(f"{ROOT}/{document_id}", told)

    async def copy(self, visit: Visit) -> Answer:
        """Draft it again: for whom it was returned, or somebody else."""
        document_id = visit.request.match_info["id"]
        agency = await self._readable(visit, document_id)
        by = visit.must(Right.DRAFT, agency)
        draft_id = await self.drafts.create(agency, by=by, copy_of=document_id)
        told = Say(
            "Đã tạo dự thảo từ văn bản này: sửa, chọn nơi nhận rồi phát hành.",
            "A draft was made of this document: correct it, choose recipients, then issue it.",
        )
        return See(f"{ROOT}/drafts/{draft_id}", told)

    async def _readable(self, visit: Visit, document_id: str) -> str:
        """Return the agency of a document that this person may read.

        Raises:
            ForbiddenError: The person may read nothing at all.
            RejectedError: NOT_FOUND, also for what others may read.
        """
        me = visit.me
        if not (me.may_anywhere(Right.READ) or me.may_anywhere(Right.READ_OWN)):
            raise ForbiddenError("read")
        agency, drafted_by = await self.sent.owner(document_id)
        own = me.may(Right.READ_OWN, agency) and drafted_by == me.account_id
        if not (me.may(Right.READ, agency) or own):
            raise RejectedError(Reason.NOT_FOUND)
        return agency

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        one = "/outgoing/{id}"
        return (
            Page("GET", "/outgoing", "outgoing", self.listing, Right.READ),
            Page("GET", "/outgoing/late", "outgoing-late", self.late, Right.READ),
            Page("GET", one, "outgoing-document", self.document),
            Page("GET", f"{one}/receipts", "outgoing-receipts", self.receipts),
            Page("GET", one + r"/files/{index:\d{1,4}}", "outgoing-file", self.file),
            Page("POST", f"{one}/resend", "outgoing-resend", self.resend, Right.SEND, takes="form"),
            Page("POST", f"{one}/copy", "outgoing-copy", self.copy, Right.DRAFT, takes="form"),
        )


def section(  # noqa: PLR0917
    sent: SentDesk,
    drafts: Drafts,
    todos: Todos,
    trail: Trail,
    names: Callable[[str], str],
    limits: Limits,
) -> Section:
    """Return the section: sent documents, drafts, things to do."""
    outgoing = Outgoing(sent, drafts, todos, trail, names)
    drafting = Drafting(drafts, trail, names, limits)
    listed = TodoPages(todos, names)
    return Section(
        pages=(*drafting.pages(), *listed.pages(), *outgoing.pages()),
        nav=(
            Nav(
                "/outgoing/new", "Soạn, gửi văn bản", "Draft and send", Group.CLERK, Right.DRAFT, 30
            ),
            Nav("/outgoing/drafts", "Dự thảo", "Drafts", Group.CLERK, Right.DRAFT, 31),
            Nav("/outgoing", "Văn bản đi", "Outgoing", Group.CLERK, Right.READ, 32),
            Nav(
                "/outgoing/late", "Nơi nhận quá hạn", "Late receivers", Group.CLERK, Right.READ, 33
            ),
            Nav("/todo", "Việc cần làm", "Things to do", Group.CLERK, Right.SEND, 40),
        ),
    )
