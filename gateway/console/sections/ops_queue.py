"""The queue: look, put back, hold, release, one by one or many at once; and the trace of one thing.

Promises: many are changed only after a dry run was seen, and then exactly those it named, however
the queue changed meanwhile; what another hand settled in between is left and said. Every change has
a reason and is audited by the store, the same as of `vanlien queue`.
"""

from typing import Any, Final, cast
from urllib.parse import urlencode

from gateway.console.pages import Answer, Group, Nav, Page, Say, Section, See, Shown, Visit, Whose
from gateway.console.sections.ops_shared import (
    HOME,
    LANES,
    OPS,
    STATES,
    TONES,
    acting,
    age,
    seeing,
)
from gateway.domain.access import Right
from gateway.domain.eventwords import EVENTS, OUTCOMES
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.operations import Action, Matching, Operating, OpsDesk, QueueState

_PAGE: Final = 50
_AT_ONCE: Final = 2000
"""More than a form carries; the next dry run shows the rest."""
_LISTED: Final = 20
_LONGEST: Final = 200
_CHOICES: Final = ("open", "failed", "waiting", "sending", "deferred", "held")
_DOINGS: Final = {
    "requeue": Say("Gửi lại", "Put back"),
    "hold": Say("Giữ", "Hold"),
    "release": Say("Cho gửi tiếp", "Release"),
}
_DONE: Final = {
    "requeue": Say("đã xếp lại hàng đợi", "put back"),
    "hold": Say("đã giữ", "held"),
    "release": Say("đã cho gửi tiếp", "released"),
}


class QueuePages:
    """Handlers of the queue."""

    def __init__(self, operating: Operating, desk: OpsDesk, trail: Trail) -> None:
        self._operating = operating
        self._desk = desk
        self._trail = trail

    async def queue(self, visit: Visit) -> Answer:
        """Show what a filter matches, dead letters first."""
        seeing(visit)
        fields = _fields(visit, visit.query)
        matching = _matching(fields)
        rows, count = await self._operating.do(
            lambda s: (s.queue(matching, limit=_PAGE), s.count(matching))
        )
        values = {
            "rows": rows,
            "count": count,
            "filter": fields,
            "narrows": matching.narrows,
            "doings": _DOINGS,
            **_words(visit),
        }
        return Shown("ops-queue.html.j2", values)

    async def preview(self, visit: Visit) -> Answer:
        """Show what would be done with all that a filter matches; nothing is changed."""
        reason, _ = acting(visit)
        action, fields = _action(visit), _fields(visit, visit.text)
        matching = _matching(fields)
        would = await self._operating.do(lambda s: s.would_change(action, matching))
        values = {
            "action": action,
            "doing": _DOINGS[action],
            "reason": reason,
            "ids": would.ids[:_AT_ONCE],
            "more": len(would.ids) - len(would.ids[:_AT_ONCE]),
            "listed": _LISTED,
            "skipped": would.skipped[:_LISTED],
            "skipped_count": len(would.skipped),
            "filter": fields,
            "back": f"{HOME}/queue?{urlencode(fields)}",
        }
        return Shown("ops-queue-preview.html.j2", values)

    async def apply(self, visit: Visit) -> Answer:
        """Do it with those the dry run named, and no others."""
        reason, by = acting(visit)
        action, ids = _action(visit), visit.text("ids").split()
        if not ids or len(ids) > _AT_ONCE:
            raise RejectedError(
                Reason.BAD_REQUEST,
                "Không có lượt chuyển nào được chọn / no transfer is meant",
            )
        done = await self._operating.do(lambda s: s.change_these(action, ids, reason=reason, by=by))
        words = _DONE[action]
        left = len(done.skipped)
        told = Say(
            f"{len(done.ids)} lượt chuyển {words.vi}"
            + (f"; {left} lượt đã đổi trạng thái nên để nguyên" if left else ""),
            f"{len(done.ids)} transfers {words.en}"
            + (f"; {left} changed meanwhile and were left" if left else ""),
        )
        return See(f"{HOME}/queue", told, good=not left)

    # ------------------------------------------------------------ one

    async def transfer(self, visit: Visit) -> Answer:
        """Show one transfer's life."""
        seeing(visit)
        transfer_id = visit.request.match_info["id"]
        life = await self._operating.do(lambda s: s.transfer(transfer_id))
        target = life.transfer.consignment_id or transfer_id
        await self._trail.viewed(visit.me, f"document:{target}", what="trace")
        values = {"life": life, "events": EVENTS, "outcomes": OUTCOMES, **_words(visit)}
        return Shown("ops-transfer.html.j2", values)

    async def change(self, visit: Visit) -> Answer:
        """Put one back, hold it or release it."""
        reason, by = acting(visit)
        transfer_id, action = visit.request.match_info["id"], _action(visit)
        if action == "requeue":
            row = await self._operating.do(lambda s: s.requeue(transfer_id, reason=reason, by=by))
        elif action == "hold":
            row = await self._operating.do(lambda s: s.hold(transfer_id, reason=reason, by=by))
        else:
            row = await self._operating.do(lambda s: s.release(transfer_id, reason=reason, by=by))
        done = _DONE[action]
        return See(f"{HOME}/transfers/{row.id}", Say(done.vi.capitalize(), done.en.capitalize()))

    async def hold_document(self, visit: Visit) -> Answer:
        """Hold a whole document, or let it go on."""
        reason, by = acting(visit)
        document, release = visit.text("document"), visit.text("do") == "release"
        if release:
            work = lambda s: s.release_wide("document", document, reason=reason, by=by)  # noqa: E731
        else:
            work = lambda s: s.hold_wide("document", document, reason=reason, by=by)  # noqa: E731
        await self._operating.do(work)
        done = _DONE["release" if release else "hold"]
        where = f"{HOME}/trace?{urlencode({'id': document})}"
        return See(where, Say(f"Văn bản {done.vi}", f"The document is {done.en}"))

    async def trace(self, visit: Visit) -> Answer:
        """Show all that is known under an id, without what a document says."""
        seeing(visit)
        name = visit.query("id")[:_LONGEST]
        found = list(await self._desk.trace(name)) if name else []
        for one in found:
            if one["kind"] in {"consignment", "arrival"}:
                kind = "document" if one["kind"] == "consignment" else "arrival"
                await self._trail.viewed(visit.me, f"{kind}:{one['id']}", what="trace")
        return Shown("ops-trace.html.j2", {"name": name, "found": found, **_words(visit)})


def _words(visit: Visit) -> dict[str, Any]:
    return {
        "lane_names": LANES,
        "state_names": STATES,
        "tones": TONES,
        "choices": [(key, visit.say(STATES[key].vi, STATES[key].en)) for key in _CHOICES],
        "age": lambda since: age(since, visit.now, visit.lang),
    }


def _action(visit: Visit) -> Action:
    action = visit.text("action")
    if action not in _DOINGS:
        raise RejectedError(Reason.BAD_REQUEST, f"unknown action {action!r}")
    return cast("Action", action)


def _fields(visit: Visit, read: Any) -> dict[str, str]:
    """Return the filter as it was asked for, cut to what can be meant."""
    del visit
    fields = {name: read(name)[:_LONGEST] for name in ("hop", "agency", "document", "lane")}
    state = read("state")
    fields["state"] = state if state in _CHOICES else "open"
    if fields["lane"] not in {"0", "1", "2", "3", "4"}:
        fields["lane"] = ""
    return fields


def _matching(fields: dict[str, str]) -> Matching:
    return Matching(
        state=cast("QueueState", fields["state"]),
        hop=fields["hop"],
        lane=int(fields["lane"]) if fields["lane"] else None,
        agency=fields["agency"],
        document=fields["document"],
    )


def section(operating: Operating, desk: OpsDesk, trail: Trail) -> Section:
    """Return the section."""
    pages = QueuePages(operating, desk, trail)
    see, act = Right.SEE_OPERATIONS, Right.OPERATE

    def post(path: str, name: str, handler: Any) -> Page:
        return Page("POST", f"{OPS}{path}", name, handler, act, takes="form", about=Whose.GATEWAY)

    return Section(
        pages=(
            Page("GET", f"{OPS}/queue", "ops-queue", pages.queue, see),
            post("/queue/preview", "ops-queue-preview", pages.preview),
            post("/queue/apply", "ops-queue-apply", pages.apply),
            Page(
                "GET",
                f"{OPS}/transfers/{{id}}",
                "ops-transfer",
                pages.transfer,
                see,
                about=Whose.GATEWAY,
            ),
            post("/transfers/{id}", "ops-transfer-change", pages.change),
            post("/hold", "ops-document-hold", pages.hold_document),
            Page("GET", f"{OPS}/trace", "ops-trace", pages.trace, see),
        ),
        nav=(
            Nav(f"{OPS}/queue", "Hàng đợi", "Queue", Group.OPERATIONS, see, 20),
            Nav(f"{OPS}/trace", "Dấu vết văn bản", "Trace", Group.OPERATIONS, see, 30),
        ),
    )
