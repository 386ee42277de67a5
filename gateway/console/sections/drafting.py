"""Drafting and issuing by form (soạn, phát hành): fields, recipients, files, check, release.

One form holds fields and recipients, and each of its buttons keeps what was typed first, so that
nothing is lost on the way to a search or a file. Who drafts prepares, who may send issues (SND-07).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.console import files
from gateway.console.pages import BASE, Answer, Handler, Page, Say, See, Shown, Thing, Visit
from gateway.console.sections.outgoingwords import (
    WORDS,
    agency_choice,
    chosen_agency,
    page_number,
)
from gateway.console.transfers import download, uploads
from gateway.domain.access import Right
from gateway.domain.doctypes import DOCUMENT_TYPES
from gateway.domain.drafting import DRAFT, LENGTHS, OPEN_STATES, DraftState, Recipient, clean_form
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Packet
from gateway.ports.clerk_send import Draft, Drafts
from gateway.rules.release import RELEASE_TEXTS
from gateway.web.body import Limits
from gateway.web.studio import Studio

ROOT: Final = f"{BASE}/outgoing/drafts"
_TABS: Final = {
    "ready": Say("Chờ phát hành", "Ready to be issued"),
    "draft": Say("Đang soạn", "Being drafted"),
    "sending": Say("Đang phát hành", "Being issued"),
    "mine": Say("Của tôi", "Mine"),
}
_REPLY: Final = ("reply_organ", "reply_code", "reply_date")
_AUTHORITY: Final = ("", "TM.", "KT.", "TL.", "TUQ.", "Q.")
_SECRET: Final = Say(
    "Văn bản có độ mật không được soạn, gửi qua hệ thống này (SEC-01).",
    "A document with a secrecy level may not be drafted or sent here (SEC-01).",
)


@dataclass(frozen=True, slots=True)
class Drafting:
    """Pages of drafts."""

    drafts: Drafts
    names: Callable[[str], str]
    limits: Limits
    studio: Studio

    # ------------------------------------------------------------ lists

    async def listing(self, visit: Visit) -> Answer:
        """Show drafts: an agency's, or the person's own."""
        agency = chosen_agency(visit, Right.DRAFT)
        whole = visit.me.may(Right.READ, agency)
        tab = visit.query("tab", "ready" if visit.me.may(Right.SEND, agency) else "mine")
        if tab not in _TABS or (tab != "mine" and not whole):
            tab = "mine"
        after = visit.query("after")[:64]
        if tab == "mine":
            page = await self.drafts.mine(visit.me, after=after)
        else:
            page = await self.drafts.of_agency(agency, DraftState(tab), after=after)
        here = f"{ROOT}?agency={agency}&tab={tab}"
        return Shown(
            "draft-list.html.j2",
            {
                **agency_choice(visit, agency, Right.DRAFT, self.names),
                "tabs": _TABS if whole else {"mine": _TABS["mine"]},
                "tab": tab,
                "rows": page.items,
                "states": DRAFT.texts,
                "older": f"{here}&after={page.after}" if page.after else "",
                "first": here if after else "",
                **WORDS,
            },
        )

    async def new(self, visit: Visit) -> Answer:
        """Ask for which agency, when there are several."""
        mine = sorted(visit.me.agencies(Right.DRAFT) - {""})
        return Shown("draft-new.html.j2", {"agencies": [(c, self.names(c)) for c in mine]})

    async def create(self, visit: Visit) -> Answer:
        """Begin a draft."""
        agency = visit.text("agency")
        person = visit.must(Right.DRAFT, agency)
        draft_id = await self.drafts.create(agency, by=person)
        answered = {name: visit.text(name) for name in _REPLY if visit.text(name)}
        if not answered:
            return See(f"{ROOT}/{draft_id}")
        draft, to = await self.drafts.get(draft_id), answered.get("reply_organ", "")[:35]
        recipients = [Recipient(to, self.names(to))] if to else []
        form = {**draft.form, **answered}
        await self.drafts.save(draft_id, draft.revision, form, recipients, by=person)
        told = Say("Đã tạo dự thảo văn bản trả lời.", "A draft of the reply was made.")
        return See(f"{ROOT}/{draft_id}", told)

    # ------------------------------------------------------------ one draft

    async def edit(self, visit: Visit) -> Answer:
        """Show the form."""
        draft: Draft = visit.thing.found
        if draft.state is DraftState.SENT:
            return See(f"{BASE}/outgoing/{draft.consignment_id}")
        return await self._form(visit, draft, query=visit.query("q")[:200])

    async def _form(
        self, visit: Visit, draft: Draft, *, query: str = "", fault: Say | None = None
    ) -> Shown:
        may_send = visit.me.may(Right.SEND, draft.agency)
        return Shown(
            "draft-edit.html.j2",
            {
                "draft": draft,
                "form": draft.form,
                "state_text": DRAFT.texts[draft.state],
                "open": draft.state in OPEN_STATES,
                "check": await self.drafts.check(draft),
                "agency_name": self.names(draft.agency),
                "query": query,
                "found": await self.drafts.find(query) if query else (),
                "recent": await self.drafts.recent(draft.agency),
                "groups": await self.drafts.groups(draft.agency),
                "types": DOCUMENT_TYPES,
                "authority": _AUTHORITY,
                "lengths": LENGTHS,
                "may_send": may_send,
                "fault": fault,
                "release_texts": RELEASE_TEXTS,
                **WORDS,
            },
            status=200 if fault is None else 409,
        )

    async def save(self, visit: Visit) -> Answer:
        """Keep what was typed, then do what the button says."""
        draft: Draft = visit.thing.found
        if visit.text("secrecy", "0") not in {"", "0"}:
            return await self._form(visit, draft, fault=_SECRET)
        form = {name: visit.text(name) for name in LENGTHS}
        do, _, what = visit.text("do").partition(":")
        recipients = await self._recipients(visit, draft, do, what)
        try:
            revision = _number(visit.text("revision"))
            kept = await self.drafts.save(draft.id, revision, form, recipients, by=visit.me)
        except RejectedError as exc:
            if exc.reason is not Reason.CONFLICT:
                raise
            typed = replace(draft, form=clean_form(form), recipients=tuple(recipients))
            return await self._form(visit, typed, fault=_CHANGED)
        return await self._then(visit, kept, do, what)

    async def _then(self, visit: Visit, draft: Draft, do: str, what: str) -> Answer:
        here = f"{ROOT}/{draft.id}"
        if do == "check":
            return See(f"{here}/check")
        if do == "ready":
            await self.drafts.mark_ready(draft.id, draft.revision, by=visit.me)
            told = Say("Đã chuyển văn thư phát hành.", "It was handed to the clerk.")
            return See(here, told)
        if do == "put-group":
            name = visit.text("group_name")
            if name:
                codes = [r.code for r in draft.recipients]
                await self.drafts.put_group(draft.agency, name, codes, by=visit.me)
            return See(here, Say("Đã lưu nhóm nơi nhận.", "The group was kept.") if name else None)
        if do == "drop-group":
            await self.drafts.put_group(draft.agency, what, (), by=visit.me)
            return See(here, Say("Đã bỏ nhóm nơi nhận.", "The group was taken away."))
        query = visit.text("q")[:200]
        if query and do in {"", "save", "find"}:
            return await self._form(visit, draft, query=query)
        quiet = do in {"add", "remove", "replace", "group", "recent"}
        place = f"{here}#recipients" if quiet else here
        return See(place, None if quiet else Say("Đã lưu.", "Kept."))

    async def _recipients(
        self, visit: Visit, draft: Draft, do: str, what: str
    ) -> Sequence[Recipient]:
        """Return the recipients after the button: added, taken out, replaced."""
        known = {r.code: r.name for r in draft.recipients}
        codes = [str(c)[:35] for c in visit.form.getall("to", []) if str(c).strip()][:2000]
        if do in {"add", "recent"} and what:
            codes.append(what[:35])
        elif do == "remove":
            codes = [c for c in codes if c != what]
        elif do == "replace":
            old, _, new = what.partition(">")
            codes = [new[:35] if c == old else c for c in codes]
        elif do == "group":
            groups = await self.drafts.groups(draft.agency)
            codes += [c for g in groups if g.id == what for c in g.codes]
        once = dict.fromkeys(codes)
        return [Recipient(c, self.names(c) or known.get(c, "")) for c in once]

    async def finder(self, visit: Visit) -> Answer:
        """Answer the search as you type: a piece of a page with buttons of the form."""
        text = visit.query("q")[:200]
        found = await self.drafts.find(text) if text else ()
        return Shown("draft-found.html.j2", {"found": found, "query": text})

    # ------------------------------------------------------------ files

    async def upload(self, visit: Visit) -> Answer:
        """Take files; each is looked at before it counts."""
        draft: Draft = visit.thing.found
        count = 0
        async for file in uploads(visit, self.limits):
            await self.drafts.add_file(draft.id, file, by=visit.me)
            count += 1
        told = Say(f"Đã nhận {count} tệp.", f"{count} file(s) taken.")
        return See(f"{ROOT}/{draft.id}#files", told)

    async def file(self, visit: Visit) -> Answer:
        """Give one file to be saved."""
        draft: Draft = visit.thing.found
        return await download(
            visit, await self.drafts.file(draft.id, visit.request.match_info["sha256"])
        )

    async def view(self, visit: Visit) -> Answer:
        """Show one page of a file, drawn in the sandbox."""
        packet = await self._file(visit)
        number = page_number(visit.query("page", "1"))
        found, why = await files.look(self.studio.previews, packet, number)
        return Shown(
            "incoming-view.html.j2",
            {
                "name": packet.name,
                "arrival_id": visit.request.match_info["id"],
                "root": ROOT,
                "index": visit.request.match_info["sha256"],
                "number": number,
                "count": found.pages,
                "picture": found.picture,
                "why": why,
            },
        )

    async def picture(self, visit: Visit) -> Answer:
        """Give one page as a picture."""
        packet = await self._file(visit)
        number = page_number(visit.request.match_info["page"])
        return await files.picture(self.studio.previews, packet, number)

    async def _file(self, visit: Visit) -> Packet:
        draft: Draft = visit.thing.found
        return await self.drafts.file(draft.id, visit.request.match_info["sha256"])

    async def change_file(self, visit: Visit) -> Answer:
        """Make a file the main document, or take it out."""
        draft: Draft = visit.thing.found
        do, _, sha256 = visit.text("do").partition(":")
        if do == "main":
            await self.drafts.move_file(draft.id, sha256, by=visit.me)
        elif do == "drop":
            await self.drafts.drop_file(draft.id, sha256, by=visit.me)
        return See(f"{ROOT}/{draft.id}#files")

    # ------------------------------------------------------------ check and release

    async def check(self, visit: Visit) -> Answer:
        """Show everything that is to be said, and the button that fits."""
        draft: Draft = visit.thing.found
        if draft.state is DraftState.SENT:
            return See(f"{BASE}/outgoing/{draft.consignment_id}")
        return await self._checked(visit, draft)

    async def _checked(self, visit: Visit, draft: Draft, fault: Say | None = None) -> Shown:
        return Shown(
            "draft-check.html.j2",
            {
                "draft": draft,
                "form": draft.form,
                "check": await self.drafts.check(draft),
                "state_text": DRAFT.texts[draft.state],
                "open": draft.state in OPEN_STATES,
                "agency_name": self.names(draft.agency),
                "may_send": visit.me.may(Right.SEND, draft.agency),
                "fault": fault,
                "release_texts": RELEASE_TEXTS,
                **WORDS,
            },
            status=200 if fault is None else 422,
        )

    async def release(self, visit: Visit) -> Answer:
        """Issue it, once."""
        draft: Draft = visit.thing.found
        revision, confirmed = _number(visit.text("revision")), visit.text("confirmed") == "1"
        here = f"{ROOT}/{draft.id}/check"
        try:
            sent = await self.drafts.release(draft.id, revision, confirmed=confirmed, by=visit.me)
        except UnavailableError:
            return See(here, _LATER, good=False)
        except RejectedError as exc:
            if exc.reason is Reason.SECRECY:
                raise
            return await self._checked(visit, await self.drafts.get(draft.id), _refused(exc))
        if sent is None:
            return See(here, _LATER, good=False)
        return See(f"{BASE}/outgoing/{sent}", Say("Đã phát hành.", "Issued."))

    async def send_back(self, visit: Visit) -> Answer:
        """Hand it back to the drafter."""
        draft: Draft = visit.thing.found
        revision, note = _number(visit.text("revision")), visit.text("note")
        await self.drafts.send_back(draft.id, revision, note, by=visit.me)
        return See(ROOT, Say("Đã trả lại người soạn.", "It went back to its drafter."))

    async def drop(self, visit: Visit) -> Answer:
        """Give it up."""
        draft: Draft = visit.thing.found
        await self.drafts.drop(draft.id, _number(visit.text("revision")), by=visit.me)
        return See(ROOT, Say("Đã bỏ dự thảo.", "The draft was dropped."))

    # ------------------------------------------------------------ whose

    async def about(self, visit: Visit) -> Thing:
        """Find the draft of the path: known to who drafts there, if one's own or if one reads."""
        me = visit.me
        draft = await self.drafts.get(visit.request.match_info["id"])
        own = draft.account_id == me.account_id
        reads = own or me.may(Right.READ, draft.agency)
        known = reads and me.may(Right.DRAFT, draft.agency)
        return Thing(draft.agency, f"draft:{draft.id}", known, draft)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        root, right = "/outgoing/drafts", Right.DRAFT
        one = f"{root}/{{id}}"
        file = one + r"/files/{sha256:[0-9a-f]{64}}"
        picture = file + r"/pages/{page:\d{1,4}}.png"

        def page(path: str, name: str, handler: Handler, seen: str) -> Page:
            return Page("GET", path, name, handler, right, about=self.about, seen=seen)

        def act(path: str, name: str, handler: Handler, right: Right = right) -> Page:
            about = self.about
            return Page("POST", path, name, handler, right, takes="form", about=about, seen="page")

        upload = Page(
            *("POST", f"{one}/files", "draft-upload", self.upload, right),
            takes="upload",
            about=self.about,
            seen="page",
        )
        return (
            Page("GET", "/outgoing/new", "draft-new", self.new, right),
            Page("GET", "/outgoing/recipients", "draft-finder", self.finder, right),
            Page("GET", root, "drafts", self.listing, right),
            Page("POST", root, "draft-create", self.create, right, takes="form"),
            page(one, "draft", self.edit, "page"),
            act(one, "draft-save", self.save),
            upload,
            act(f"{one}/file", "draft-change-file", self.change_file),
            page(file, "draft-file", self.file, "file"),
            page(f"{file}/view", "draft-view", self.view, "preview"),
            page(picture, "draft-picture", self.picture, "preview"),
            page(f"{one}/check", "draft-check", self.check, "page"),
            act(f"{one}/release", "release", self.release, Right.SEND),
            act(f"{one}/back", "draft-back", self.send_back, Right.SEND),
            act(f"{one}/drop", "draft-drop", self.drop),
        )


_CHANGED: Final = Say(
    "Người khác vừa sửa dự thảo này. Nội dung bạn gõ vẫn ở dưới: chép phần cần giữ, mở lại trang "
    "rồi sửa tiếp.",
    "Somebody changed this draft meanwhile. What you typed is below: copy what you need, open the "
    "page again, then go on.",
)
_LATER: Final = Say(
    "Đang phát hành, chưa xong. Bấm “Tiếp tục phát hành” sau ít phút; văn bản chỉ gửi một lần.",
    "It is being issued and not done yet. Press “Go on issuing” in a few minutes; it is sent once.",
)


def _refused(exc: RejectedError) -> Say:
    if exc.findings:
        return Say(
            "Chưa phát hành. Mọi điểm cần xử lý ở dưới.",
            "Not issued. Everything to be seen to is below.",
        )
    return Say(f"Chưa phát hành: {exc.public}", f"Not issued: {exc.public}")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
