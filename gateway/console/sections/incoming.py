"""Incoming documents (văn bản đến): lists, one document, and what a clerk does to it.

Rights are asked, and views recorded, for the agency whose register the document is in (`about`);
what a person may not read is as if it did not exist, and the attempt is recorded.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import quote

from gateway.console import files
from gateway.console.pages import (
    BASE,
    READS,
    Answer,
    Handler,
    Page,
    Say,
    See,
    Shown,
    Thing,
    Visit,
)
from gateway.console.sections import incomingwords as words
from gateway.domain.access import Right
from gateway.domain.refusals import REFUSALS
from gateway.errors import Reason, RejectedError
from gateway.ports.clerk_receive import Act, Assigned, Box, Done, Letter, Receiving
from gateway.web.studio import Studio

ROOT: Final = f"{BASE}/incoming"
_MAX_TEXT: Final = 900
_MOST_CLOSED: Final = 10

Panel = Callable[[Visit, Letter], Awaitable[Shown | None]]
"""Another section's part of the document page: a template that reads its values from `v`."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the pages of incoming documents share.

    Args:
        receiving: The clerk's desk.
        studio: Reports and pictures.
        panels: Parts of other sections on the document page.
    """

    receiving: Receiving
    studio: Studio
    panels: Sequence[Panel] = ()

    async def about(self, visit: Visit) -> Thing:
        """Find the arrival of the path: known to its agency's readers, and to who handles it."""
        arrival_id, me = visit.request.match_info["id"], visit.me
        place = await self.receiving.place(arrival_id)
        own = me.may(Right.READ_OWN, place.agency) and me.account_id in place.handlers
        known = me.may(Right.READ, place.agency) or own
        return Thing(place.agency, f"arrival:{arrival_id}", known, place)


@dataclass(frozen=True, slots=True)
class Incoming:
    """Lists, the document page, and the clerk's acts."""

    means: Means

    # ------------------------------------------------------------ lists

    async def listing(self, visit: Visit) -> Answer:
        """Show one box of one agency."""
        receiving = self.means.receiving
        agency, choice = await self._agency(visit)
        try:
            box = Box(visit.query("box", Box.WAITING.value))
        except ValueError as exc:
            raise RejectedError(Reason.NOT_FOUND) from exc
        after = visit.query("after")[:80]
        page = await receiving.listed(agency, box, after=after)
        here = f"{ROOT}?agency={quote(agency)}&box={box.value}"
        return Shown(
            "incoming-list.html.j2",
            {
                **choice,
                "box": box,
                "boxes": words.BOXES,
                "counts": await receiving.counts(agency),
                "lines": page.lines,
                "first": here if after else "",
                "older": f"{here}&after={quote(page.next)}" if page.next else "",
                "may_receive": visit.me.may(Right.RECEIVE, agency),
                "left": await self._left(visit),
                **words.ALL,
            },
        )

    async def mine(self, visit: Visit) -> Answer:
        """Show what the person handles."""
        after = visit.query("after")[:80]
        page = await self.means.receiving.assigned_to(visit.me.account_id, after=after)
        # A right taken away takes the list with it.
        lines = [
            line
            for line in page.lines
            if visit.me.may(Right.READ, line.agency) or visit.me.may(Right.READ_OWN, line.agency)
        ]
        older = f"{ROOT}/mine?after={quote(page.next)}" if page.next else ""
        values = {"lines": lines, "first": f"{ROOT}/mine" if after else "", "older": older}
        return Shown("incoming-mine.html.j2", {**values, **words.ALL})

    async def _left(self, visit: Visit) -> list[tuple[str, int]]:
        """Return closed agencies whose documents wait for who took over (ID-05)."""
        if not visit.me.may_anywhere(Right.RECEIVE):
            return []
        closed = sorted({grant.agency for grant in visit.me.inherited})[:_MOST_CLOSED]
        counts = [(code, await self.means.receiving.counts(code)) for code in closed]
        return [(code, found[Box.WAITING]) for code, found in counts if found[Box.WAITING]]

    async def _agency(self, visit: Visit) -> tuple[str, dict[str, Any]]:
        mine = visit.me.mine(Right.READ)
        agency = visit.query("agency")[:64] or (mine[0] if mine else "")
        visit.must(Right.READ, agency)
        names = await self.means.receiving.agency_names([*mine[:200], agency])
        choice = [(code, names[code]) for code in mine[:200]] if len(mine) > 1 else []
        return agency, {"agency": agency, "agency_name": names[agency], "agencies": choice}

    # ------------------------------------------------------------ one document

    async def document(self, visit: Visit) -> Answer:
        """Show one document with all that is known of it."""
        return await self._page(visit)

    async def slip(self, visit: Visit) -> Answer:
        """Show the handling slip (phiếu giải quyết văn bản đến) of a registered one, to print."""
        letter = await self.means.receiving.letter(visit.request.match_info["id"])
        if letter.line.number is None:
            raise RejectedError(Reason.NOT_FOUND)  # RCV-13: nobody handles what is not registered
        names = await self.means.receiving.agency_names([visit.thing.agency])
        values = {"letter": letter, "line": letter.line, "agency_name": names[visit.thing.agency]}
        return Shown("incoming-slip.html.j2", values)

    async def _page(
        self,
        visit: Visit,
        *,
        faults: Mapping[str, Any] | None = None,
        status: int = 200,
    ) -> Shown:
        means, me, agency = self.means, visit.me, visit.thing.agency
        letter = await means.receiving.letter(visit.request.match_info["id"])
        heir = visit.thing.found.heir
        names = await means.receiving.agency_names([agency, heir])
        acts = {act for act in letter.acts if me.may(_RIGHTS[act], agency)}
        panels = [await panel(visit, letter) for panel in means.panels]
        handlers = await means.receiving.handlers(agency) if Act.ASSIGN in acts else ()
        return Shown(
            "incoming-document.html.j2",
            {
                "letter": letter,
                "line": letter.line,
                "arrival": letter.arrival,
                "header": letter.arrival["header"],
                "agency_name": names[agency],
                "heir_name": names[heir],
                "view": await files.panel(visit, means.studio, letter.verification, letter.arrival),
                "pdfs": [
                    f["index"]
                    for f in letter.arrival["attachments"]
                    if files.looks_like_pdf(f["safe_name"], f["content_type"])
                ],
                "acts": {act.value for act in acts},
                "heir": heir if heir and me.may(Right.RECEIVE, heir) else "",
                "refusals": REFUSALS,
                "handlers": handlers,
                "panels": [panel for panel in panels if panel is not None],
                "faults": faults or {},
                "typed": visit.form,
                **words.ALL,
            },
            status=status,
        )

    # ------------------------------------------------------------ acts

    async def accept(self, visit: Visit) -> Answer:
        """Accept (tiếp nhận), with the arrival number."""
        arrival_id, place = visit.request.match_info["id"], visit.thing.found
        undetermined = visit.text("undetermined")[:_MAX_TEXT]
        if place.state in words.UNTAKEN and not undetermined:
            letter = await self.means.receiving.letter(arrival_id)
            if letter.needs_reason:
                # F09: said beside its field, before anything is done.
                faults = {"undetermined": words.REASON_MISSING}
                return await self._page(visit, faults=faults, status=422)
        done = await self.means.receiving.accept(
            visit.me, arrival_id, note=visit.text("note")[:_MAX_TEXT], undetermined=undetermined
        )
        return See(f"{ROOT}/{arrival_id}", _accepted(done), good=not done.repeated)

    async def refuse(self, visit: Visit) -> Answer:
        """Refuse or return (từ chối, trả lại), with its reason."""
        arrival_id = visit.request.match_info["id"]
        try:
            done = await self.means.receiving.refuse(
                visit.me,
                arrival_id,
                code=visit.text("code"),
                text=visit.text("text")[:_MAX_TEXT],
                answered_for=bool(visit.text("answered_for")),
            )
        except RejectedError as failure:
            if not failure.findings:
                raise
            faults = {f.where.strip("/"): Say(f.vi, f.en) for f in failure.findings}
            return await self._page(visit, faults=faults, status=422)
        return See(f"{ROOT}/{arrival_id}", words.REFUSED_BEFORE if done.repeated else words.REFUSED)

    async def assign(self, visit: Visit) -> Answer:
        """Name who handles it (phân công)."""
        arrival_id = visit.request.match_info["id"]
        faults: dict[str, Say] = {}
        due_on = _day(visit.text("due_on"), faults)
        to = Assigned(
            account_id=visit.text("account_id")[:64],
            lead=visit.text("lead")[:200],
            coordinating=visit.text("coordinating")[:500],
            due_on=due_on,
            opinion=visit.text("opinion")[:_MAX_TEXT],
        )
        if not (to.account_id or to.lead):
            faults["lead"] = words.NOBODY_NAMED
        if faults:
            return await self._page(visit, faults=faults, status=422)
        beside = visit.text("beside") == "1"
        await self.means.receiving.assign(visit.me, arrival_id, to, beside=beside)
        return See(f"{ROOT}/{arrival_id}", words.ASSIGNED)

    async def unassign(self, visit: Visit) -> Answer:
        """End one unit's part (RCV-15)."""
        arrival_id, part = visit.request.match_info["id"], visit.text("assignment")[:64]
        await self.means.receiving.unassign(visit.me, arrival_id, part)
        return See(f"{ROOT}/{arrival_id}", words.PART_ENDED)

    async def progress(self, visit: Visit) -> Answer:
        """Report 05 or 06 by hand."""
        arrival_id = visit.request.match_info["id"]
        finished = visit.text("finished") == "1"
        note = visit.text("note")[:_MAX_TEXT]
        await self.means.receiving.progress(visit.me, arrival_id, finished=finished, note=note)
        return See(f"{ROOT}/{arrival_id}", words.FINISHED if finished else words.IN_PROGRESS)

    async def take_over(self, visit: Visit) -> Answer:
        """Take it over from its closed agency (nhận bàn giao)."""
        arrival_id, heir = visit.request.match_info["id"], visit.thing.found.heir
        if not heir:
            raise RejectedError(Reason.CONFLICT, "there is nothing to take over for one successor")
        visit.must(Right.RECEIVE, heir)
        await self.means.receiving.take_over(visit.me, arrival_id)
        return See(f"{ROOT}/{arrival_id}", words.TAKEN_OVER)

    async def irregular(self, visit: Visit) -> Answer:
        """Report what is irregular (báo bất thường)."""
        arrival_id = visit.request.match_info["id"]
        text = visit.text("irregular")[:_MAX_TEXT]
        if not text:
            faults = {"irregular": words.SAY_WHAT}
            return await self._page(visit, faults=faults, status=422)
        await self.means.receiving.irregular(visit.me, arrival_id, text=text)
        told = words.IRREGULAR_PAPER if visit.thing.found.paper else words.IRREGULAR
        return See(f"{ROOT}/{arrival_id}", told)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        one, about = "/incoming/{id}", self.means.about
        receive, process = Right.RECEIVE, Right.PROCESS

        def act(what: str, name: str, handler: Handler, right: Right) -> Page:
            path = f"{one}/{what}"
            return Page("POST", path, name, handler, right, takes="form", about=about, seen="page")

        return (
            Page("GET", "/incoming", "incoming", self.listing, Right.READ),
            Page("GET", "/incoming/mine", "incoming-mine", self.mine, process),
            Page("GET", one, "incoming-document", self.document, READS, about=about, seen="page"),
            Page("GET", f"{one}/slip", "incoming-slip", self.slip, READS, about=about, seen="slip"),
            act("accept", "incoming-accept", self.accept, receive),
            act("refuse", "incoming-refuse", self.refuse, receive),
            act("take-over", "incoming-take-over", self.take_over, Right.READ),
            act("assign", "incoming-assign", self.assign, process),
            act("unassign", "incoming-unassign", self.unassign, process),
            act("progress", "incoming-progress", self.progress, process),
            act("irregular", "incoming-irregular", self.irregular, receive),
        )


_RIGHTS: Final = {
    Act.ACCEPT: Right.RECEIVE,
    Act.RETURN: Right.RECEIVE,
    Act.ASSIGN: Right.PROCESS,
    Act.PROGRESS: Right.PROCESS,
    Act.FINISH: Right.PROCESS,
    Act.IRREGULAR: Right.RECEIVE,
}


def _accepted(done: Done) -> Say:
    number = f"{done.number}/{done.year}" if done.number is not None else "–"
    if done.repeated:
        return Say(
            f"Văn bản này đã được tiếp nhận trước đó, số đến {number}. Không cấp số mới.",
            f"It had been accepted before, arrival number {number}. No new number was given.",
        )
    return Say(
        f"Đã tiếp nhận, số đến {number}. Bên gửi được báo trạng thái 03.",
        f"Accepted, arrival number {number}. The sender is told (03).",
    )


def _day(text: str, faults: dict[str, Say]) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        faults["due_on"] = words.NO_DAY
        return None
