"""Who may call, and what every door offers a calling system.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from gateway.domain.envelope import Header


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated system and the agencies (canonical codes) it speaks for."""

    system_id: str
    speaks_for: frozenset[str]

    @property
    def is_console(self) -> bool:
        """Tell whether a person acts, in our console; no system's id holds a colon."""
        return self.system_id.startswith("console:")


class Callers(Protocol):
    """Who may call. A change made by another process is seen within a second."""

    def by_api_key(self, api_key: str) -> Caller | None:
        """Return the caller behind a bearer key, None when unknown, disabled or expired."""
        ...

    def system(self, system_id: str) -> Caller | None:
        """Return an active system that another authority vouched for (broker, folder's owner)."""
        ...

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        """Return the caller and its valid HMAC secrets (two during rotation), None if unknown."""
        ...


MessageKind = Literal["edoc", "status"]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission, committed and fsynced before it is returned.

    Args:
        id: Consignment id.
        document_id: Identifier on the wire; "" while it waits for a verdict.
        answer_json: The body of the 202, exactly the same for every repeat.
        replayed: True when this repeats an earlier answer.
    """

    id: str
    document_id: str
    answer_json: str
    replayed: bool


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """How a submission came and what it asks for.

    Args:
        via: Door it came through: `api`, `form`, a dialect's name, `amqp`, `spool`.
        idempotency_key: The caller's key, scoped to the caller; None without one.
        all_or_nothing: One bad recipient refuses all.
        reachable: Refuse when not one recipient can be reached: for callers that are told nothing
            of single deliveries, as the axis does (ID-09).
        declared_from: Sender the transport names (VXP `from`), None when it names none.
        check_sha256: Called with the hex SHA-256 of the received bytes before anything is
            decided; raises RejectedError to refuse.
        secrecy: Level the form declares, 0 for none; anything else is quarantined (SEC-01).
        urgent: Whether the caller says that the document is urgent; None when it says nothing.
        replace_closed: A closed recipient with one successor is written as that one: the sender
            says so, it is never done for it (ID-05).
    """

    via: str = "api"
    idempotency_key: str | None = None
    all_or_nothing: bool = False
    reachable: bool = False
    declared_from: str | None = None
    check_sha256: Callable[[str], None] | None = None
    secrecy: int = 0
    urgent: bool | None = None
    replace_closed: bool = False


@dataclass(frozen=True, slots=True)
class FormFile:
    """One uploaded file of a form submission, main document first."""

    name: str
    content_type: str
    chunks: AsyncIterator[bytes]
    description: str = ""


@dataclass(frozen=True, slots=True)
class InboxItem:
    """Something waiting for an agency: a document or a status report.

    Args:
        id: Arrival id or status id; the axis protocol's docId.
        cursor: Position in the feed, growing, never skipped; 0 when not sequenced yet.
        kind: `edoc` or `status`.
        sender: Canonical code of the sender.
        sender_written: Code as the sender wrote it.
        recipient: Canonical code of the agency it is for.
        recipient_written: Code it was addressed under.
        document_id: Business key.
        title: Subject, or the status text.
        notation: Number and notation.
        state: Arrival state name.
        at_gateway_at: When it was committed here.
        taken_at: When it entered the agency's system, None before.
    """

    id: str
    cursor: int
    kind: MessageKind
    sender: str
    sender_written: str
    recipient: str
    recipient_written: str
    document_id: str
    title: str
    notation: str
    state: str
    at_gateway_at: datetime
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class Packet:
    """Bytes to hand out: edXML packet or an attachment."""

    sha256: str
    size_bytes: int
    name: str
    content_type: str
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class SentItem:
    """One delivery of what a system sent, as the axis protocol's sent list shows it."""

    consignment_id: str
    delivery_id: str
    kind: MessageKind
    sender: str
    recipient: str
    document_id: str
    title: str
    notation: str
    state: str
    state_text: str
    last_status: str
    sent_at: datetime
    received_at: datetime | None


@dataclass(frozen=True, slots=True)
class AgencyRow:
    """An agency as the catalogue publishes it; `legacy_code` is the old notation, if any.

    `successors` are the codes of who took over from a closed one.
    """

    code: str
    name: str
    legacy_code: str = ""
    parent: str = ""
    mail: str = ""
    status: str = "active"
    connected: bool = True
    successors: tuple[str, ...] = ()


class FrontDoor(Protocol):
    """What every door offers an agency's system. Business logic lives behind it, once.

    Every method raises RejectedError (never retry) or UnavailableError (try again).
    """

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        """Take an edXML document. Returns only after commit and fsync."""
        ...

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        """Take a document as fields and files. Returns only after commit and fsync."""
        ...

    async def report(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> str:
        """Take an edXML status message from a recipient (or 13 from an issuer); return its id."""
        ...

    async def waiting(
        self,
        caller: Caller,
        kind: MessageKind,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> Sequence[InboxItem]:
        """List what is offered to the caller's agencies and not yet taken, oldest first.

        What it took before is among it while its inbox is played again (`ports.Replays`).
        """
        ...

    async def fetch(self, caller: Caller, item_id: str) -> Packet:
        """Hand out the strict edXML packet of a waiting or taken item (document or status)."""
        ...

    async def acknowledge(
        self, caller: Caller, item_id: str, *, done: bool, note: str = ""
    ) -> None:
        """Record that the agency's system has it (`done`), or could not use it (`note` why).

        Safe to repeat. `done` is the moment the document entered the system (RCV-06).
        """
        ...

    async def sent(
        self, caller: Caller, consignment_id: str | None, kind: MessageKind, *, limit: int = 1000
    ) -> Sequence[SentItem]:
        """List deliveries of what the caller sent, newest first."""
        ...

    async def agencies(self, *, closed: bool = False) -> Sequence[AgencyRow]:
        """Return the catalogue: whom one may send to; with `closed`, closed and locked ones too."""
        ...

    async def find_agencies(
        self, text: str, *, limit: int, closed: bool = False
    ) -> Sequence[AgencyRow]:
        """Return whom a text may mean, best first: a code's start, or words of a name.

        Integration centres never; closed and locked ones, with their successors, if asked for.
        """
        ...
