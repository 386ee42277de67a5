"""Taking back (thu hồi): what we ask for, what is asked of us, and what the law keeps.

A person sees what belongs to agencies it may read; ordering and answering need the right to recall,
holding the right to hold, each for the agency the document belongs to. A document of another agency
does not exist, and who asks for it leaves an audit entry.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from gateway.console.pages import (
    BASE,
    Answer,
    Finder,
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
from gateway.domain.access import Right
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.clerk_receive import Letter
from gateway.ports.clerk_send import SentDocument
from gateway.ports.recalls import Recalls, ReceivedRecall, SentRecall, Takeback

T = TypeVar("T")
ROOT: Final = f"{BASE}/recalls"
_PAGE: Final = 50
_MAX: Final = 500
_STATES: Final = ("asked", "declined", "agreed")

Names = Callable[[str], str]
"""Agency code to printed name."""


def _known(found: T | None) -> T:
    if found is None:
        raise RejectedError(Reason.NOT_FOUND)
    return found


@dataclass(frozen=True, slots=True)
class Pages:
    """Handlers.

    Args:
        recalls: What does the work.
        trail: Audit entries.
        names: Printed names.
    """

    recalls: Recalls
    trail: Trail
    names: Names

    # ------------------------------------------------------------ lists

    async def listing(self, visit: Visit) -> Answer:
        """Show what an agency asks for, or is asked for; open first."""
        agencies = visit.me.mine(Right.READ)
        agency = visit.query("agency") or (agencies[0] if agencies else "")
        visit.must(Right.READ, agency)
        side = "asked" if visit.query("side") == "asked" else "ours"
        state = visit.query("state")
        before = visit.query("before")[:64]
        if side == "ours":
            only_open = state != "all"
            page = await self.recalls.orders(
                agency, only_open=only_open, before=before, limit=_PAGE
            )
            state = "open" if only_open else "all"
        else:
            state = state if state in _STATES else "asked"
            page = await self.recalls.asked_of(agency, state, before=before, limit=_PAGE)
        if page.items:
            target = f"recalls:{agency}"
            await self.trail.viewed(visit.me, target, what="list", agency=agency)
        here = f"{ROOT}?agency={agency}&side={side}&state={state}"
        values = {
            "agencies": [(code, self.names(code) or code) for code in agencies],
            "agency": agency,
            "side": side,
            "state": state,
            "items": page.items,
            "newer": here if before else "",
            "older": f"{here}&before={page.older}" if page.older else "",
        }
        return Shown("recall-list.html.j2", values)

    # ------------------------------------------------------------ ours

    async def about_sent(self, visit: Visit) -> Thing:
        """Find the sending of the path."""
        found = _known(await self.recalls.sent(visit.request.match_info["id"]))
        known = visit.me.may(Right.READ, found.sender)
        return Thing(found.sender, f"document:{found.id}", known, found)

    async def form(self, visit: Visit) -> Answer:
        """Show what taking a document back would do, and what was decided."""
        found: SentRecall = visit.thing.found
        return self._form(visit, found, {}, {})

    def _form(
        self, visit: Visit, found: SentRecall, typed: dict[str, Any], faults: dict[str, Say],
        status: int = 200,
    ) -> Shown:  # fmt: skip
        values = sent_values(visit, found) | {"typed": typed, "faults": faults}
        return Shown("recall-form.html.j2", values, status=status)

    async def order(self, visit: Visit) -> Answer:
        """Take a document back (REC-03: with a reason, by who may)."""
        found: SentRecall = visit.thing.found
        reason = visit.text("reason")
        whole = visit.text("scope") != "some"
        chosen = [str(code) for code in visit.form.getall("agency", [])]
        faults: dict[str, Say] = {}
        if not reason:
            faults["reason"] = Say("Ghi lý do thu hồi.", "State the reason.")
        if len(reason) > _MAX:
            faults["reason"] = Say("Lý do quá 500 ký tự.", "More than 500 characters.")
        if not whole and not chosen:
            faults["agency"] = Say("Chọn ít nhất một nơi nhận.", "Choose at least one recipient.")
        if not visit.text("sure"):
            faults["sure"] = Say("Xác nhận trước khi thu hồi.", "Confirm before taking it back.")
        if faults:
            typed = {"reason": reason, "whole": whole, "agency": chosen}
            return self._form(visit, found, typed, faults, 422)
        await self.recalls.order(found.id, () if whole else chosen, reason, by=visit.me.login)
        told = Say(
            "Đã ghi yêu cầu thu hồi. Bản in đã gửi phải thu hồi bằng đường giấy.",
            "The recall is recorded. Printed copies must be collected by hand.",
        )
        return See(f"{BASE}/outgoing/{found.id}/recall", told)

    # ------------------------------------------------------------ asked of us

    async def about_asked(self, visit: Visit) -> Thing:
        """Find the question of the path."""
        found = _known(await self.recalls.takeback(visit.request.match_info["id"]))
        target = f"arrival:{found.arrival_id}" if found.arrival_id else f"recall:{found.id}"
        return Thing(found.agency, target, visit.me.may(Right.READ, found.agency), found)

    async def question(self, visit: Visit) -> Answer:
        """Show one question: who asks for what, why, and what may be done."""
        found: Takeback = visit.thing.found
        return Shown("recall-question.html.j2", question_values(visit, found))

    async def agree(self, visit: Visit) -> Answer:
        """Give the document back: 15."""
        found: Takeback = visit.thing.found
        if not found.console:
            raise RejectedError(
                Reason.ILLEGAL_TRANSITION, "this agency answers in a system of its own"
            )
        await self.recalls.agree(found.id, visit.text("note")[:_MAX], by=visit.me.login)
        told = Say(
            "Đã đồng ý (15). Bên gửi được báo; việc thu hồi bản in nằm trong danh sách việc.",
            "Agreed (15). The sender is told; collecting prints is among the things to do.",
        )
        return See(f"{ROOT}/{found.id}", told)

    async def decline(self, visit: Visit) -> Answer:
        """Keep it because the law does: 16 (REC-08)."""
        found: Takeback = visit.thing.found
        if not found.console:
            raise RejectedError(
                Reason.ILLEGAL_TRANSITION, "this agency answers in a system of its own"
            )
        await self.recalls.decline(found.id, by=visit.me.login)
        return See(
            f"{ROOT}/{found.id}",
            Say("Đã từ chối (16) với lý do giữ pháp lý.", "Declined (16), with the hold's reason."),
        )

    # ------------------------------------------------------------ holds

    async def received(self, visit: Visit) -> Answer:
        """Show what recalls and holds say about an arrival."""
        found: ReceivedRecall = visit.thing.found
        return Shown("recall-received.html.j2", received_values(visit, found))

    async def about_received(self, visit: Visit) -> Thing:
        """Find the arrival of the path."""
        found = _known(await self.recalls.received(visit.request.match_info["id"]))
        known = visit.me.may(Right.READ, found.agency)
        return Thing(found.agency, f"arrival:{found.id}", known, found)

    async def hold_sent(self, visit: Visit) -> Answer:
        """Keep a sending by law."""
        found: SentRecall = visit.thing.found
        await self.recalls.hold("sent", found.id, self._reason(visit), by=visit.me.login)
        return See(f"{BASE}/outgoing/{found.id}/recall", _HELD)

    async def lift_sent(self, visit: Visit) -> Answer:
        """Lift it."""
        found: SentRecall = visit.thing.found
        await self.recalls.release(found.id, self._reason(visit), by=visit.me.login)
        return See(f"{BASE}/outgoing/{found.id}/recall", _LIFTED)

    async def hold_received(self, visit: Visit) -> Answer:
        """Keep an arrival by law."""
        found: ReceivedRecall = visit.thing.found
        await self.recalls.hold("received", found.id, self._reason(visit), by=visit.me.login)
        return See(f"{BASE}/incoming/{found.id}/recall", _HELD)

    async def lift_received(self, visit: Visit) -> Answer:
        """Lift it."""
        found: ReceivedRecall = visit.thing.found
        await self.recalls.release(found.id, self._reason(visit), by=visit.me.login)
        return See(f"{BASE}/incoming/{found.id}/recall", _LIFTED)

    def _reason(self, visit: Visit) -> str:
        return visit.text("reason")[:_MAX]


_HELD: Final = Say("Đã giữ văn bản theo yêu cầu pháp lý.", "The document is under legal hold.")
_LIFTED: Final = Say("Đã bỏ giữ.", "The hold is lifted.")


# ---------------------------------------------------------------- what templates use


def sent_values(visit: Visit, found: SentRecall) -> dict[str, Any]:
    """Return the values of a sending's form and panel."""
    return {
        "sent": found,
        "held": next((h for h in found.holds if h.released_at is None), None),
        "may_recall": visit.me.may(Right.RECALL, found.sender),
        "may_hold": visit.me.may(Right.HOLD, found.sender),
        "hold_path": f"{BASE}/outgoing/{found.id}/hold",
        "holds": found.holds,
    }


def question_values(visit: Visit, found: Takeback) -> dict[str, Any]:
    """Return the values of a question's page."""
    mine = bool(found.arrival_id) and visit.me.may(Right.RECALL, found.agency) and found.console
    return {
        "asked": found,
        "may_answer": mine and found.state in {"asked", "declined"},
        "may_hold": bool(found.arrival_id) and visit.me.may(Right.HOLD, found.agency),
    }


def received_values(visit: Visit, found: ReceivedRecall) -> dict[str, Any]:
    """Return the values of an arrival's page and panel."""
    return {
        "received": found,
        "held": next((h for h in found.holds if h.released_at is None), None),
        "may_hold": visit.me.may(Right.HOLD, found.agency),
        "hold_path": f"{BASE}/incoming/{found.id}/hold",
        "holds": found.holds,
    }


def outgoing_panel(recalls: Recalls) -> Callable[[Visit, SentDocument], Awaitable[Shown | None]]:
    """Return the part of an outgoing document's page that is about taking it back."""

    async def panel(visit: Visit, shown: SentDocument) -> Shown | None:
        found = await recalls.sent(shown.document["id"])
        if found is None:
            return None
        return Shown("recall-sent-panel.html.j2", sent_values(visit, found))

    return panel


def incoming_panel(recalls: Recalls) -> Callable[[Visit, Letter], Awaitable[Shown | None]]:
    """Return the part of an incoming document's page that is about recalls, changes and holds."""

    async def panel(visit: Visit, letter: Letter) -> Shown | None:
        found = await recalls.received(letter.arrival["id"])
        if found is None:
            return None
        return Shown("recall-received-panel.html.j2", received_values(visit, found))

    return panel


def section(recalls: Recalls, trail: Trail, names: Names) -> Section:
    """Return the section."""
    pages = Pages(recalls, trail, names)
    read, recall, hold = Right.READ, Right.RECALL, Right.HOLD
    sent, asked, received = pages.about_sent, pages.about_asked, pages.about_received

    def page(path: str, name: str, handler: Handler, about: Finder) -> Page:
        return Page("GET", path, name, handler, read, about=about, seen="recall")

    def act(path: str, name: str, handler: Handler, right: Right, about: Finder) -> Page:
        return Page("POST", path, name, handler, right, takes="form", about=about, seen="recall")

    return Section(
        pages=(
            Page("GET", "/recalls", "recalls", pages.listing, read),
            page("/recalls/{id}", "recall", pages.question, asked),
            act("/recalls/{id}/agree", "recall-agree", pages.agree, recall, asked),
            act("/recalls/{id}/decline", "recall-decline", pages.decline, recall, asked),
            page("/outgoing/{id}/recall", "recall-form", pages.form, sent),
            act("/outgoing/{id}/recall", "recall-order", pages.order, recall, sent),
            act("/outgoing/{id}/hold", "hold-sent", pages.hold_sent, hold, sent),
            act("/outgoing/{id}/hold/lift", "lift-sent", pages.lift_sent, hold, sent),
            page("/incoming/{id}/recall", "received-recall", pages.received, received),
            act("/incoming/{id}/hold", "hold-received", pages.hold_received, hold, received),
            act("/incoming/{id}/hold/lift", "lift-received", pages.lift_received, hold, received),
        ),
        nav=(Nav("/recalls", "Thu hồi", "Recalls", Group.OUTGOING, read, order=45),),
    )
