"""The clerk's desk, receiving: `ports.clerk_receive.Receiving` over the ledger.

Promises: a list costs a page, whatever the agency ever received; the number is given with the
clerk's 03 and never twice (DID-04); each act is one commit with its audit entry, and of two persons
who act at once one does it and the other learns so; what is in quarantine is shown to nobody
(SEC-01). A crash leaves the whole act or nothing of it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.access import Person
from gateway.domain.arrival import may_report
from gateway.domain.lifecycle import ARRIVAL, ArrivalState, moves_nothing
from gateway.domain.moments import from_text
from gateway.domain.precheck import Facts, Same, precheck
from gateway.domain.receipt import arrival_event
from gateway.domain.worktime import local, receipt_due
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Desk, Json, Packet, Row
from gateway.ports.clerk_receive import (
    BOXES,
    PAGE,
    SOON_DAYS,
    URGENT_FIRST,
    Act,
    Assigned,
    Box,
    Done,
    Handler,
    Letter,
    Listing,
    PaperArrival,
    Place,
)
from gateway.programs import undetermined
from gateway.programs.catalogue import name_of, works_in_console
from gateway.programs.clerk import acting, papers, takingover
from gateway.programs.clerk.history import history
from gateway.programs.clerk.lines import assigned_of, line_of, same_of
from gateway.programs.context import Context
from gateway.programs.mailroom import Mailroom
from gateway.programs.rows import loads
from gateway.programs.statuses import PAPER

_TOP: Final = "9:~"
"""Cursor above every line: an urgency nobody has, an id behind every other."""

_COUNTED: Final = 1000
_CODES: Final = ((Act.ACCEPT, "03"), (Act.RETURN, "02"), (Act.PROGRESS, "05"), (Act.FINISH, "06"))
_ASSIGNABLE: Final = frozenset(
    {ArrivalState.ACCEPTED, ArrivalState.ASSIGNED, ArrivalState.IN_PROGRESS}
)


class LedgerReceiving:
    """See `ports.clerk_receive.Receiving`.

    Args:
        context: Ports and policy.
        desk: Answers about one arrival.
        mailroom: Reports to the sender.
    """

    def __init__(self, context: Context, desk: Desk, mailroom: Mailroom) -> None:
        self._context = context
        self._desk = desk
        self._mailroom = mailroom

    # ------------------------------------------------------------ lists

    async def listed(self, agency: str, box: Box, *, after: str, limit: int = PAGE) -> Listing:
        """Return a page of a list of an agency."""
        if box is Box.DUE:
            return await self._due(agency, after, limit)
        ledger, (urgency, last) = self._context.ledger, _cursor(after)
        rows: list[Row] = []
        for state in BOXES[box]:
            asked = {"agency": agency, "state": state.value, "id": last, "limit": limit + 1}
            if box in URGENT_FIRST:
                rows += await ledger.all("desk_urgent_first", urgency=urgency, **asked)
            else:
                rows += await ledger.all("desk_newest_first", **asked)
        rows.sort(key=_urgent_first if box in URGENT_FIRST else _newest_first, reverse=True)
        lines = tuple(line_of(row) for row in rows[:limit])
        more = len(rows) > limit
        return Listing(lines, f"{lines[-1].urgency}:{lines[-1].id}" if more else "")

    async def _due(self, agency: str, after: str, limit: int) -> Listing:
        """Return what is handled with a term near or over, the oldest term first (RCV-12)."""
        day, _, last = after.partition(":")
        upto = local(self._context.clock.now()).date() + timedelta(days=SOON_DAYS)
        asked = {"agency": agency, "upto": upto.isoformat(), "day": day[:10], "id": last}
        rows = await self._context.ledger.all("assignments_due", **asked, limit=limit + 1)
        lines = tuple(line_of(row, row["term"]) for row in rows[:limit])
        end = rows[limit - 1] if len(rows) > limit else None
        return Listing(lines, f"{end['term']}:{end['assignment_id']}" if end is not None else "")

    async def assigned_to(self, account_id: str, *, after: str, limit: int = PAGE) -> Listing:
        """Return a page of what a person handles."""
        urgency, last = _cursor(after)
        asked = {"urgency": urgency, "id": last, "limit": limit + 1}
        rows = await self._context.ledger.all("assigned_to", account_id=account_id, **asked)
        lines = tuple(line_of(row, row["due_on"]) for row in rows[:limit])
        if len(rows) <= limit:
            return Listing(lines)
        end = rows[limit - 1]
        return Listing(lines, f"{end['rank']}:{end['assignment_id']}")

    async def counts(self, agency: str) -> Mapping[Box, int]:
        """Return how much lies in the boxes that want work."""
        found: dict[Box, int] = {}
        for box in (Box.WAITING, Box.ACCEPTED, Box.WORK):
            found[box] = 0
            for state in BOXES[box]:
                row = await self._context.ledger.one(
                    "desk_count", agency=agency, state=state.value, limit=_COUNTED
                )
                found[box] += row["n"] if row is not None else 0
        return found

    async def agency_names(self, codes: Sequence[str]) -> Mapping[str, str]:
        """Return names by code."""
        directory = self._context.directory()
        return {code: name_of(directory, code) or code for code in codes}

    async def local_agencies(self) -> Mapping[str, str]:
        """Return every agency that works in our console."""
        return {a.code: a.name for a in self._context.directory().agencies() if a.console}

    async def handlers(self, agency: str) -> Sequence[Handler]:
        """Return the persons of an agency."""
        rows = await self._context.ledger.all("persons_of_agency", agency=agency)
        return [Handler(row["id"], row["login"], row["name"]) for row in rows]

    # ------------------------------------------------------------ one arrival

    async def place(self, arrival_id: str) -> Place:
        """Return whose it is."""
        row = await self._row(arrival_id)
        standing = await self._standing(arrival_id)
        handlers = frozenset(a.account_id for a in standing if a.standing) - {""}
        console = works_in_console(self._context, row["agency"])
        paper = row["source"] == PAPER
        heir = takingover.heir_of(self._context, row)
        return Place(row["agency"], ArrivalState(row["state"]), handlers, console, paper, heir)

    async def letter(self, arrival_id: str) -> Letter:
        """Return all of one arrival."""
        row, ledger = await self._row(arrival_id), self._context.ledger
        caller = _caller(row)
        arrival = await self._desk.arrival(caller, arrival_id)
        events = await self._desk.arrival_events(caller, arrival_id)
        acts = await ledger.all("acts_on", subject=f"arrival:{arrival_id}")
        same = await self._same(row)
        console = works_in_console(self._context, row["agency"])
        return Letter(
            line=line_of(row),
            arrival=arrival,
            checks=precheck(self._facts(row, arrival, same)),
            same=same,
            verification=await self._desk.arrival_verification(caller, arrival_id),
            history=history(events, acts),
            assigned=await self._standing(arrival_id),
            acts=_acts(row) if console else frozenset(),
            console=console,
            receipt_due=_due(row),
            needs_reason=undetermined.is_taken_by(row, "03"),
            came_at=from_text(row["came_at"]) if row["came_at"] else None,
            entered_by=row["entered_by"],
            entered_late=row["entered_late"],
        )

    def _facts(self, row: Row, arrival: Json, same: Sequence[Same]) -> Facts:
        return Facts(
            findings=arrival["findings"],
            repairs=arrival["repairs"],
            verdict=row["verdict"],
            scans=loads(row["scans"]),
            files=len(arrival["attachments"]),
            same=same,
            must_scan=self._context.scanner is not None,
        )

    async def _same(self, row: Row) -> tuple[Same, ...]:
        found = await papers.noted(
            self._context,
            row["agency"],
            papers.senders_of(self._context, row["sender"], row["sender_name"]),
            row["code_number"],
            row["code_notation"],
            row["promulgation_date"],
            row["id"],
        )
        return tuple(same_of(r) for r in found if not _is_version(r, row))

    async def file(self, arrival_id: str, index: int) -> Packet:
        """Return one of its files."""
        row = _kept(await self._row(arrival_id))
        return await self._desk.arrival_attachment(_caller(row), arrival_id, index)

    async def packet(self, arrival_id: str) -> Packet:
        """Return the bytes as they were received."""
        row = _kept(await self._row(arrival_id))
        if not row["received_sha256"]:
            raise RejectedError(Reason.NOT_FOUND)  # RCV-14: paper without a scan
        return await self._desk.arrival_packet(_caller(row), arrival_id, received=True)

    async def receipts(self, arrival_id: str) -> Json:
        """Return its receipts."""
        row = await self._row(arrival_id)
        return await self._desk.arrival_receipts(_caller(row), arrival_id)

    async def _row(self, arrival_id: str) -> Row:
        row = await self._context.ledger.one("arrival", id=arrival_id)
        if row is None or row["state"] == ArrivalState.QUARANTINED.value:
            raise RejectedError(Reason.NOT_FOUND)  # SEC-01: offered to nobody
        return row

    async def _standing(self, arrival_id: str) -> tuple[Assigned, ...]:
        rows = await self._context.ledger.all("assignments_of", arrival_id=arrival_id)
        return tuple(assigned_of(row) for row in rows)

    # ------------------------------------------------------------ acts

    async def accept(
        self, person: Person, arrival_id: str, *, note: str = "", undetermined: str = ""
    ) -> Done:
        """Accept, with the arrival number."""
        await self._must_be_ours(arrival_id)
        return await acting.accept(
            self._context, self._mailroom, person, arrival_id, note, undetermined
        )

    async def refuse(
        self, person: Person, arrival_id: str, *, code: str, text: str, answered_for: bool
    ) -> Done:
        """Refuse or return, with reason."""
        await self._must_be_ours(arrival_id)
        why = acting.Why(code, text, answered_for)
        return await acting.refuse(self._context, self._mailroom, person, arrival_id, why)

    async def assign(
        self, person: Person, arrival_id: str, to: Assigned, *, beside: bool = False
    ) -> Done:
        """Assign, assign anew, or assign a further unit."""
        row = await self._must_be_ours(arrival_id)
        persons = {h.account_id: h for h in await self.handlers(row["agency"])}
        if to.account_id and to.account_id not in persons:
            raise RejectedError(Reason.BAD_REQUEST, "the person is none of this agency")
        name = persons[to.account_id].name if to.account_id else ""
        part = acting.Part(to, name, beside=beside)
        return await acting.assign(self._context, self._mailroom, person, row, part)

    async def unassign(self, person: Person, arrival_id: str, assignment_id: str) -> Done:
        """End one unit's part."""
        row = await self._must_be_ours(arrival_id)
        return await acting.unassign(self._context, person, row, assignment_id)

    async def progress(self, person: Person, arrival_id: str, *, finished: bool, note: str) -> Done:
        """Report 05 or 06 by hand."""
        await self._must_be_ours(arrival_id)
        return await acting.progress(
            self._context, self._mailroom, person, arrival_id, note, finished=finished
        )

    async def take_over(self, person: Person, arrival_id: str) -> None:
        """Bring what a closed agency never answered into the register of its one successor."""
        await takingover.take_over(self._context, person, await self._row(arrival_id))

    async def irregular(self, person: Person, arrival_id: str, *, text: str) -> Done:
        """Report errors or irregular signs."""
        return await acting.irregular(self._context, person, await self._row(arrival_id), text)

    async def _must_be_ours(self, arrival_id: str) -> Row:
        row = await self._row(arrival_id)
        if not works_in_console(self._context, row["agency"]):
            # DID-04, STS-03: an agency with a system of its own keeps its register there.
            raise RejectedError(
                Reason.CONFLICT, "the agency works in a system of its own: act there"
            )
        return row

    # ------------------------------------------------------------ paper

    async def alike(self, agency: str, paper: PaperArrival) -> Sequence[Same]:
        """Return earlier arrivals that look the same."""
        return await papers.alike(self._context, agency, paper)

    async def enter(self, person: Person, agency: str, paper: PaperArrival) -> tuple[str, Done]:
        """Enter what came on paper."""
        if not works_in_console(self._context, agency):
            raise RejectedError(
                Reason.CONFLICT, "the agency works in a system of its own: register there"
            )
        return await papers.enter(self._context, person, agency, paper)


def _kept(row: Row) -> Row:
    # REC-01 (S003 art 9.3): what was taken back is opened by nobody, its bytes gone or not yet.
    if row["state"] == ArrivalState.RECALLED.value:
        raise RejectedError(Reason.GONE, "the sender took the document back")
    return row


def _caller(row: Row) -> Caller:
    return Caller(f"console:{row['agency']}", frozenset({row["agency"]}))


def _acts(row: Row) -> frozenset[Act]:
    """Return what the state allows and what would move something."""
    state = ArrivalState(row["state"])
    found = {act for act, code in _CODES if _moves(state, code)}
    if state in _ASSIGNABLE:
        found.add(Act.ASSIGN)
    # RCV-13 (NĐ30 art 22.1): nobody handles what the clerk's desk has not registered.
    if state in {ArrivalState.OFFERED, ArrivalState.TAKEN}:
        found -= {Act.PROGRESS, Act.FINISH}
    if state is ArrivalState.IN_PROGRESS:
        found.add(Act.PROGRESS)  # 05 may repeat, with what is new
    if row["source"] == PAPER:
        found.discard(Act.RETURN)  # RCV-03: nobody to return it to on the system
    return frozenset(found | {Act.IRREGULAR})


def _moves(state: ArrivalState, code: str) -> bool:
    kind = arrival_event(code)
    if kind is None or not may_report(state, code):
        return False
    return not moves_nothing(ARRIVAL, state, kind)


def _due(row: Row) -> datetime | None:
    # RCV-05 (NĐ30 art 21.2c): owed from the legal receipt until 02 or 03 went out.
    if row["state"] != ArrivalState.TAKEN.value or not row["received_at_legal"]:
        return None
    return receipt_due(from_text(row["received_at_legal"]))


def _is_version(one: Row, other: Row) -> bool:
    """Tell whether two arrivals are versions of one document: said by a finding of its own."""
    return bool(one["document_id"] == other["document_id"] and one["sender"] == other["sender"])


def _cursor(text: str) -> tuple[int, str]:
    urgency, _, last = (text or _TOP).partition(":")
    if not urgency.isdecimal() or len(urgency) > 1 or not last or len(last) > 64:
        raise RejectedError(Reason.BAD_REQUEST, "not a page of this list")
    return int(urgency), last


def _urgent_first(row: Row) -> tuple[int, str]:
    return row["urgency"], row["id"]


def _newest_first(row: Row) -> str:
    return str(row["id"])
