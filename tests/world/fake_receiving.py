"""The clerk's desk in memory: `ports.clerk_receive.Receiving` without a ledger.

Held to the same contract as the real one (tests/contract/test_receiving_contract.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from gateway.domain.access import Person
from gateway.domain.arrival import report_status
from gateway.domain.lifecycle import ArrivalState
from gateway.domain.precheck import Facts, Same, precheck
from gateway.domain.refusals import refusal_faults, refusal_text
from gateway.errors import Reason, RejectedError
from gateway.ports import Json, Packet
from gateway.ports.clerk_receive import (
    BOXES,
    PAGE,
    URGENT_FIRST,
    Act,
    Assigned,
    Box,
    Done,
    Handler,
    Letter,
    Line,
    Listing,
    PaperArrival,
    Place,
)

AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
_UNTAKEN = {ArrivalState.OFFERED, ArrivalState.TAKEN}
_WORK = {ArrivalState.ACCEPTED, ArrivalState.ASSIGNED, ArrivalState.IN_PROGRESS}


class FakeReceiving:
    """Arrivals as lines; what was told to senders stands in `told`."""

    def __init__(self, persons: Sequence[Handler] = ()) -> None:
        self.lines: dict[str, Line] = {}
        self.assigned: dict[str, list[Assigned]] = {}
        self.told: list[tuple[str, str, str]] = []
        self.persons = list(persons)
        self.header: dict[str, Any] = {"signer": None, "due_date": None}
        self._last = 0

    def arrive(self, arrival_id: str, agency: str, **facts: Any) -> Line:
        """Let something arrive."""
        line = Line(
            arrival_id, agency, ArrivalState.TAKEN, 0, 0, "Sở Nội vụ", "12/SNV-VP", "2026-11-20",
            "Họp giao ban", "Công văn", AT, AT, None, None, "valid", paper=False,
        )  # fmt: skip
        self.lines[arrival_id] = replace(line, **facts)
        return self.lines[arrival_id]

    # ------------------------------------------------------------ lists

    async def listed(self, agency: str, box: Box, *, after: str, limit: int = PAGE) -> Listing:
        found = [x for x in self.lines.values() if x.agency == agency and x.state in BOXES[box]]
        return _page(found, box in URGENT_FIRST, after, limit)

    async def assigned_to(self, account_id: str, *, after: str, limit: int = PAGE) -> Listing:
        mine = [x for x in self.lines.values() if account_id in self._handlers(x.id)]
        return _page(mine, by_urgency=True, after=after, limit=limit)

    async def counts(self, agency: str) -> Mapping[Box, int]:
        boxes = (Box.WAITING, Box.ACCEPTED, Box.WORK)
        return {box: len((await self.listed(agency, box, after="")).lines) for box in boxes}

    async def agency_names(self, codes: Sequence[str]) -> Mapping[str, str]:
        return {code: code for code in codes}

    async def local_agencies(self) -> Mapping[str, str]:
        return {"H37.61": "UBND phường"}

    async def handlers(self, agency: str) -> Sequence[Handler]:
        return self.persons

    # ------------------------------------------------------------ one

    def _line(self, arrival_id: str) -> Line:
        if arrival_id not in self.lines:
            raise RejectedError(Reason.NOT_FOUND)
        return self.lines[arrival_id]

    def _handlers(self, arrival_id: str) -> frozenset[str]:
        found = self.assigned.get(arrival_id, ())
        return frozenset(a.account_id for a in found if a.standing) - {""}

    async def place(self, arrival_id: str) -> Place:
        line = self._line(arrival_id)
        return Place(line.agency, line.state, self._handlers(arrival_id), console=True)

    async def letter(self, arrival_id: str) -> Letter:
        line = self._line(arrival_id)
        arrival = {
            "sender": "H37.02", "document_id": "x", "attachments": [], "header": self.header,
            "findings": [], "repairs": [],
        }  # fmt: skip
        acts = {Act.IRREGULAR}
        acts |= {Act.ACCEPT, Act.RETURN} if line.state in _UNTAKEN else set()
        acts |= {Act.ASSIGN, Act.PROGRESS, Act.FINISH} if line.state in _WORK else set()
        return Letter(
            line=line,
            arrival=arrival,
            checks=precheck(Facts((), verdict=line.verdict)),
            same=(),
            verification={"verdict": line.verdict, "legal_class": "", "files": []},
            history=(),
            assigned=tuple(reversed(self.assigned.get(arrival_id, []))),
            acts=frozenset(acts),
            console=True,
            needs_reason=line.verdict == "indeterminate" and line.state in _UNTAKEN,
        )

    async def file(self, arrival_id: str, index: int) -> Packet:
        raise RejectedError(Reason.NOT_FOUND)

    async def packet(self, arrival_id: str) -> Packet:
        raise RejectedError(Reason.NOT_FOUND)

    async def receipts(self, arrival_id: str) -> Json:
        self._line(arrival_id)
        return {"entries": [], "tree_head": None, "acceptance": None}

    # ------------------------------------------------------------ acts

    def _move(self, arrival_id: str, code: str, reason: str) -> bool:
        line = self._line(arrival_id)
        reported = report_status(line.state, code, reason or "-")
        if not reported.moved:
            return False
        self.lines[arrival_id] = replace(line, state=reported.state)
        self.told.append((arrival_id, code, reason))
        return True

    def _done(self, arrival_id: str, *, repeated: bool = False) -> Done:
        line = self.lines[arrival_id]
        return Done(line.number, line.year, repeated=repeated)

    async def accept(
        self, person: Person, arrival_id: str, *, note: str = "", undetermined: str = ""
    ) -> Done:
        line = self._line(arrival_id)
        if line.verdict == "indeterminate" and line.state in _UNTAKEN and not undetermined:
            raise RejectedError(Reason.BAD_REQUEST, "a reason is needed")
        moved = self._move(arrival_id, "03", note)
        if moved:
            self._last += 1
            changed = replace(self.lines[arrival_id], number=self._last, year=2026)
            self.lines[arrival_id] = changed
        return self._done(arrival_id, repeated=not moved)

    async def refuse(
        self, person: Person, arrival_id: str, *, code: str, text: str, answered_for: bool
    ) -> Done:
        faults = refusal_faults(code, text, answered_for=answered_for)
        if faults:
            raise RejectedError(Reason.BAD_REQUEST, findings=faults)
        moved = self._move(arrival_id, "02", refusal_text(code, text))
        return self._done(arrival_id, repeated=not moved)

    async def unassign(self, person: Person, arrival_id: str, assignment_id: str) -> Done:
        return self._done(arrival_id)

    async def assign(
        self, person: Person, arrival_id: str, to: Assigned, *, beside: bool = False
    ) -> Done:
        line = self._line(arrival_id)
        if line.number is None:
            raise RejectedError(Reason.CONFLICT)
        if to.account_id and to.account_id not in {h.account_id for h in self.persons}:
            raise RejectedError(Reason.BAD_REQUEST)
        before = self.assigned.get(arrival_id, [])
        kept = before if beside else [replace(a, standing=False) for a in before]
        self.assigned[arrival_id] = [*kept, to]
        if line.state is ArrivalState.ACCEPTED:
            self._move(arrival_id, "04", "")
        return self._done(arrival_id)

    async def progress(self, person: Person, arrival_id: str, *, finished: bool, note: str) -> Done:
        if self._line(arrival_id).number is None:
            raise RejectedError(Reason.CONFLICT)
        self._move(arrival_id, "06" if finished else "05", note)
        if finished:
            before = self.assigned.get(arrival_id, [])
            self.assigned[arrival_id] = [replace(a, standing=False) for a in before]
        return self._done(arrival_id)

    async def irregular(self, person: Person, arrival_id: str, *, text: str) -> Done:
        return self._done(self._line(arrival_id).id)

    async def alike(self, agency: str, paper: PaperArrival) -> Sequence[Same]:
        return ()

    async def enter(self, person: Person, agency: str, paper: PaperArrival) -> tuple[str, Done]:
        self._last += 1
        facts = {"number": self._last, "year": 2026, "state": ArrivalState.ACCEPTED}
        self.arrive(f"p{self._last}", agency, paper=True, subject=paper.subject, **facts)
        return f"p{self._last}", Done(self._last, 2026)


def _page(found: Sequence[Line], by_urgency: bool, after: str, limit: int) -> Listing:
    def place(line: Line) -> tuple[int, str]:
        return (line.urgency if by_urgency else 0, line.id)

    urgency, _, last = (after or "9:~").partition(":")
    top = (int(urgency) if by_urgency else 0, last)
    behind = sorted((x for x in found if place(x) < top), key=place, reverse=True)
    lines = tuple(behind[:limit])
    more = len(behind) > limit
    return Listing(lines, f"{lines[-1].urgency}:{lines[-1].id}" if more else "")
