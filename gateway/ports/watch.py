"""What is watched, as pages and the command line see it; and how somebody is told.

Protocols and the frozen values crossing them. `gateway.programs.watch` implements `Alerts` over the
ledger, `adapters.mail` brings mail.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.access import Person
from gateway.domain.watch import AlertKind, AlertState, Severity, Today, Turn
from gateway.ports.callers import Packet


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Args:
        id: Its id.
        kind: What is wrong.
        subject: Of what.
        agency: Whom it concerns, "" for the gateway itself.
        severity: How bad it is.
        state: How far it is.
        since: Since when it is wrong.
        first_seen: When the watch saw it first.
        last_seen: When the watch last wrote that it saw it.
        count: How many things.
        about: Identifiers of the oldest ones.
        path: Page of the console, below its base.
        due: Until when something must be done.
        level: Who was told: 1 on duty, 2 leaders, 3 operations.
        acknowledged_by: Login, "" for nobody yet.
        acknowledged_at: When.
        note: What was said then.
        ended_at: When the cause was gone.
    """

    id: str
    kind: AlertKind
    subject: str
    agency: str
    severity: Severity
    state: AlertState
    since: datetime
    first_seen: datetime
    last_seen: datetime
    count: int
    about: tuple[str, ...]
    path: str
    due: datetime | None
    level: int
    acknowledged_by: str
    acknowledged_at: datetime | None
    note: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Telling:
    """Somebody told of an alert, or to be told."""

    level: int
    way: str
    whom: str
    state: str
    made_at: datetime
    told_at: datetime | None
    tries: int
    reason: str


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A turn of duty of the roster, with its id."""

    id: str
    turn: Turn
    phone: str
    entered_by: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Standing alerts: all, those nobody has taken, and the urgent ones among those."""

    standing: int
    untaken: int
    urgent: int


@dataclass(frozen=True, slots=True)
class Held:
    """A document that waits for a destination that is away; its packet may be carried by hand."""

    transfer_id: str
    document_id: str
    consignment_id: str
    hop: str
    since: datetime


class Alerts(Protocol):
    """Alerts and the duty roster. Rights are asked by who calls."""

    async def standing(self, agencies: Collection[str]) -> Sequence[Alert]:
        """Return what stands for some agencies, the worst first, at most 200."""
        ...

    async def ended(self, agency: str, before: str = "") -> tuple[Sequence[Alert], str]:
        """Return a page of what is over, newest first, and the cursor of the next ("": none)."""
        ...

    async def one(self, alert_id: str) -> Alert:
        """Return one; RejectedError(NOT_FOUND)."""
        ...

    async def tellings(self, alert_id: str) -> Sequence[Telling]:
        """Return who was told of it."""
        ...

    async def counts(self, agencies: Collection[str]) -> Counts:
        """Return how many stand, each counted up to 1,000."""
        ...

    async def for_everybody(self) -> Sequence[Alert]:
        """Return what everybody must see above every page."""
        ...

    async def acknowledge(self, alert_id: str, note: str, *, by: Person) -> Alert:
        """Take it on: nobody further is told. Audited; done again, the first one stays."""
        ...

    async def dismiss(self, alert_id: str, reason: str, *, by: Person) -> Alert:
        """End it with a reason though its cause lasts; what comes later is another one. Audited.

        RejectedError: BAD_REQUEST without a reason or for a kind that ends with its cause alone,
        CONFLICT when it is over.
        """
        ...

    async def turns(self, agency: str) -> Sequence[TurnRow]:
        """Return the roster of an agency from now on."""
        ...

    async def add_turn(self, turn: Turn, phone: str, *, by: Person) -> str:
        """Add a turn; RejectedError(BAD_REQUEST). Audited."""
        ...

    async def turn(self, turn_id: str) -> TurnRow:
        """Return one; RejectedError(NOT_FOUND)."""
        ...

    async def remove_turn(self, turn_id: str, *, by: Person) -> None:
        """End a turn. Audited; it is not removed from the records."""
        ...

    async def held(self, agency: str) -> Sequence[Held]:
        """Return what an agency sent and waits for destinations that are down, oldest first."""
        ...

    async def sender_of(self, transfer_id: str) -> tuple[str, str]:
        """Return whose document a transfer carries, and its id; RejectedError(NOT_FOUND)."""
        ...

    async def packet(self, transfer_id: str) -> Packet:
        """Return our strict packet of a transfer, the same bytes that will leave."""
        ...

    async def today(self, agency: str) -> Today:
        """Return what lies before an agency (RPT-13)."""
        ...


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to be sent: plain text, one receiver."""

    message_id: str
    to: str
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Mailed:
    """How sending one ended: `reason` is "" when it was taken, `final` when no retry helps."""

    reason: str = ""
    final: bool = False


class Post(Protocol):
    """Brings mail; never raises for what the server does."""

    async def send(self, letter: Letter) -> Mailed:
        """Send one."""
        ...
