"""The clerk's desk, receiving: lists, one arrival with all that is known of it, what is done to it.

Protocols and the frozen values crossing them; `gateway.programs.clerk.receiving` implements them
over the ledger. The pages ask for rights; here everything is done for whoever is named.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Protocol

from gateway.domain.access import Person
from gateway.domain.machine import Text
from gateway.domain.precheck import Check, Same
from gateway.domain.states import ArrivalState
from gateway.ports.callers import Packet
from gateway.ports.desk import Json

PAGE: Final = 50
"""Lines of a list's page at most."""


class Box(StrEnum):
    """The lists of what came in, by how far it is."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    WORK = "work"
    DUE = "due"
    DONE = "done"
    RETURNED = "returned"
    RECALLED = "recalled"


_S = ArrivalState
BOXES: Final[Mapping[Box, tuple[ArrivalState, ...]]] = {
    Box.WAITING: (_S.OFFERED, _S.TAKEN),
    Box.ACCEPTED: (_S.ACCEPTED,),
    Box.WORK: (_S.ASSIGNED, _S.IN_PROGRESS),
    # RCV-12: what is handled and whose term is near or over, a line an assignment.
    Box.DUE: (_S.ACCEPTED, _S.ASSIGNED, _S.IN_PROGRESS),
    Box.DONE: (_S.DONE,),
    Box.RETURNED: (_S.RETURNED,),
    Box.RECALLED: (_S.RECALLED,),
}
SOON_DAYS: Final = 3
"""How many days before its term something is in the list of what is due (RCV-12)."""

URGENT_FIRST: Final = frozenset({Box.WAITING, Box.ACCEPTED, Box.WORK})
"""RCV-09: what is still to be handled lists what is urgent above all else."""


@dataclass(frozen=True, slots=True)
class Line:
    """One arrival in a list.

    Args:
        id: Which.
        agency: Whose.
        state: How far it is.
        urgency: 0…4.
        business_type: 0 new, 1 recall, 2 update, 3 replacement.
        sender_name: Who sent it.
        code: Number and notation.
        promulgation_date: Its date, "" for none.
        subject: Trích yếu.
        type_name: Type of document.
        entered_at: When it entered the agency's system, None before.
        legal_at: When the law says it was received (RCV-06).
        number: Arrival number, None before one was given.
        year: Its year.
        verdict: Of its signatures.
        paper: It came on paper.
        due_on: Day by which its handler is to be done, "" for none.
    """

    id: str
    agency: str
    state: ArrivalState
    urgency: int
    business_type: int
    sender_name: str
    code: str
    promulgation_date: str
    subject: str
    type_name: str
    entered_at: datetime | None
    legal_at: datetime | None
    number: int | None
    year: int | None
    verdict: str
    paper: bool
    due_on: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list.

    Args:
        lines: At most `PAGE`.
        next: Cursor of the page behind it, "" at the end.
    """

    lines: tuple[Line, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose an arrival is: enough to ask for rights before anything is shown.

    Args:
        agency: Whose register it is in.
        state: How far it is.
        handlers: Accounts that handle it, or a part of it, now.
        console: The agency works in our console: what is done here counts.
        paper: It came on paper: nobody is told on the system.
        heir: Who may take it over from its closed agency, "" for nobody.
    """

    agency: str
    state: ArrivalState
    handlers: frozenset[str]
    console: bool
    paper: bool = False
    heir: str = ""


@dataclass(frozen=True, slots=True)
class Assigned:
    """Who handles an arrival (RCV-12), or one of its tasks (RCV-15).

    Args:
        account_id: Who, "" where only a unit was named.
        name: Of that person.
        lead: Unit in the lead (chủ trì).
        coordinating: Units beside it (phối hợp).
        due_on: By when, None for no term.
        opinion: Direction of the competent person (ý kiến chỉ đạo).
        by: Name of who entered it, "" when asked for.
        at: When.
        standing: It is in force.
        id: Which, "" when asked for.
    """

    account_id: str = ""
    name: str = ""
    lead: str = ""
    coordinating: str = ""
    due_on: date | None = None
    opinion: str = ""
    by: str = ""
    at: datetime | None = None
    standing: bool = True
    id: str = ""


class Act(StrEnum):
    """What may be done to an arrival in its state."""

    ACCEPT = "accept"
    RETURN = "return"
    ASSIGN = "assign"
    PROGRESS = "progress"
    FINISH = "finish"
    IRREGULAR = "irregular"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, in words.

    Args:
        at: When.
        text: What.
        tone: `good`, `doubt`, `bad` or `none`.
        by: Who, as far as it is known.
        detail: Words beside it, such as a reason.
    """

    at: datetime
    text: Text
    tone: str = "none"
    by: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One arrival with all that is known of it.

    Args:
        line: As in a list.
        arrival: As `ports.Desk` answers it, header included.
        checks: The pre-check (RCV-02).
        same: Earlier arrivals that look the same.
        verification: Reports on its files, as `ports.Desk` answers them.
        history: What happened, oldest first.
        assigned: Who handles it, newest first.
        acts: What may be done now.
        console: The agency works in our console.
        receipt_due: By when the sender must have been told (RCV-05), None once it was.
        needs_reason: Its verdict is undetermined: accepting it needs a reason (F09).
        came_at: When it really came, as a person says (OPS-08).
        entered_by: Who entered it by hand.
        entered_late: Why it was entered later than it came.
    """

    line: Line
    arrival: Json
    checks: tuple[Check, ...]
    same: tuple[Same, ...]
    verification: Json
    history: tuple[Event, ...]
    assigned: tuple[Assigned, ...]
    acts: frozenset[Act]
    console: bool
    receipt_due: datetime | None = None
    needs_reason: bool = False
    came_at: datetime | None = None
    entered_by: str = ""
    entered_late: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """What an act came to.

    Args:
        number: Arrival number, None for none.
        year: Its year.
        repeated: It had been done before, nothing was done again.
    """

    number: int | None = None
    year: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class PaperArrival:
    """What came on paper, as the clerk enters it (RCV-14).

    Args:
        sender_name: Who sent it.
        sender_code: Its code, "" where it has none.
        number: Number.
        notation: Notation.
        promulgation_date: Its date.
        type_name: Type of document.
        subject: Trích yếu.
        signer: Who signed it.
        signer_position: Their post.
        urgency: 0…4.
        pages: Pages, None where not counted.
        to: Unit or person it is for.
        due_on: Term, None for none.
        came_at: When it really came (OPS-08); None: now.
        late_reason: Why it is entered later than it came.
        scan: The scanned PDF, None without one.
        scan_name: Its name.
        once: What makes a second click of the same form the same, "" for nothing.
    """

    sender_name: str
    sender_code: str
    number: str
    notation: str
    promulgation_date: date | None
    type_name: str
    subject: str
    signer: str = ""
    signer_position: str = ""
    urgency: int = 0
    pages: int | None = None
    to: str = ""
    due_on: date | None = None
    came_at: datetime | None = None
    late_reason: str = ""
    scan: AsyncIterator[bytes] | None = None
    scan_name: str = ""
    once: str = ""


@dataclass(frozen=True, slots=True)
class Handler:
    """A person an arrival can be assigned to."""

    account_id: str
    login: str
    name: str


class Receiving(Protocol):
    """What persons see of arrivals, and do to them."""

    async def listed(self, agency: str, box: Box, *, after: str, limit: int = PAGE) -> Listing:
        """Return a page of a list of an agency; `after` is a cursor or ""."""
        ...

    async def assigned_to(self, account_id: str, *, after: str, limit: int = PAGE) -> Listing:
        """Return a page of what a person handles, urgent first."""
        ...

    async def counts(self, agency: str) -> Mapping[Box, int]:
        """Return how much lies in the boxes that want work, counted up to 1,000."""
        ...

    async def agency_names(self, codes: Sequence[str]) -> Mapping[str, str]:
        """Return names by code; local agencies only."""
        ...

    async def local_agencies(self) -> Mapping[str, str]:
        """Return every agency that works in our console, name by code."""
        ...

    async def place(self, arrival_id: str) -> Place:
        """Return whose it is; RejectedError(NOT_FOUND) when there is none to be shown."""
        ...

    async def letter(self, arrival_id: str) -> Letter:
        """Return all of one arrival."""
        ...

    async def file(self, arrival_id: str, index: int) -> Packet:
        """Return one of its files."""
        ...

    async def packet(self, arrival_id: str) -> Packet:
        """Return the bytes as they were received."""
        ...

    async def receipts(self, arrival_id: str) -> Json:
        """Return its receipts with their proofs, as `ports.Desk` answers them."""
        ...

    async def handlers(self, agency: str) -> Sequence[Handler]:
        """Return the persons of an agency it may be assigned to."""
        ...

    async def accept(
        self, person: Person, arrival_id: str, *, note: str = "", undetermined: str = ""
    ) -> Done:
        """Accept: 03 to the sender, the arrival number given now (DID-04).

        RejectedError: ILLEGAL_TRANSITION when the state forbids it, BAD_REQUEST when an
        undetermined document is taken without a reason.
        """
        ...

    async def refuse(
        self, person: Person, arrival_id: str, *, code: str, text: str, answered_for: bool
    ) -> Done:
        """Refuse or return: 02 to the sender with reason, person and time (RCV-04).

        RejectedError: BAD_REQUEST with every fault of the reason, ILLEGAL_TRANSITION.
        """
        ...

    async def assign(
        self, person: Person, arrival_id: str, to: Assigned, *, beside: bool = False
    ) -> Done:
        """Assign or assign anew (RCV-12); the first time 04 goes to the sender.

        With `beside` those who handle it go on: several units, several lines (RCV-15).
        """
        ...

    async def unassign(self, person: Person, arrival_id: str, assignment_id: str) -> Done:
        """End one unit's part; the others go on (RCV-15)."""
        ...

    async def progress(self, person: Person, arrival_id: str, *, finished: bool, note: str) -> Done:
        """Report by hand that it is being handled (05), or done (06)."""
        ...

    async def take_over(self, person: Person, arrival_id: str) -> None:
        """Bring what a closed agency never answered into the register of its one successor.

        CONFLICT where there is nothing to take over, or somebody was faster (ID-05).
        """
        ...

    async def irregular(self, person: Person, arrival_id: str, *, text: str) -> Done:
        """Report errors or irregular signs to the person responsible and the sender (RCV-03)."""
        ...

    async def alike(self, agency: str, paper: PaperArrival) -> Sequence[Same]:
        """Return earlier arrivals, paper or electronic, that look the same (DID-07)."""
        ...

    async def enter(self, person: Person, agency: str, paper: PaperArrival) -> tuple[str, Done]:
        """Enter what came on paper, with the next arrival number; return its id.

        The same form once more enters nothing and gives the first answer (`repeated`).
        """
        ...
