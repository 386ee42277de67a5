"""The Protocols between the programs and everything that has a door to the outside.

Programs, adapters and the web speak through these; only `gateway.app` knows the classes behind
them. Values crossing a port are frozen dataclasses; times are aware UTC; digests are lower-case hex
SHA-256. Nothing here does anything.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

from gateway.domain.envelope import Header
from gateway.trust.report import VerificationReport

# ---------------------------------------------------------------- clock, ids


class Clock(Protocol):
    """Time and what we know of its truth (TIM-01)."""

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        ...

    def offset(self) -> timedelta | None:
        """Return how far we are known to be off true time; None when unknown."""
        ...


class Ids(Protocol):
    """Fresh identifiers; ordered by time so that indexes stay warm."""

    def new(self) -> str:
        """Return a UUIDv7 as 36 characters."""
        ...


# ---------------------------------------------------------------- blobs


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob: its name (SHA-256 hex) and size."""

    sha256: str
    size_bytes: int


class BlobWriter(Protocol):
    """One blob being written. Nothing exists under its name before `finish` returned."""

    def write(self, data: bytes) -> None:
        """Append; quick, no fsync."""
        ...

    def finish(self) -> Awaitable[BlobInfo]:
        """Make it durable (fsynced, its name too); the result is its name."""
        ...

    def abort(self) -> None:
        """Drop it; safe to call after `finish`."""
        ...


class Blobs(Protocol):
    """Content-addressed bytes. Putting an existing blob renews its age and durability."""

    def writer(self) -> BlobWriter:
        """Begin a blob."""
        ...

    async def put(self, data: bytes) -> BlobInfo:
        """Store a small blob durably."""
        ...

    def chunks(self, sha256: str) -> Iterable[bytes]:
        """Read in chunks of at most 256 KiB, blocking; RejectedError(NOT_FOUND) when absent."""
        ...

    def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in chunks of at most 256 KiB without blocking the loop."""
        ...

    def local(self, sha256: str) -> AbstractAsyncContextManager[Path]:
        """Lend the blob as a local read-only file."""
        ...

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes, None when absent."""
        ...

    def names(self) -> Iterable[str]:
        """Return the names of all blobs, in no order, blocking."""
        ...

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        """Delete a blob not put or renewed for `age_s` seconds; tell whether it was."""
        ...

    def sweep_temporary(self, age_s: float) -> int:
        """Remove half-made blobs older than `age_s` seconds; return how many."""
        ...


# ---------------------------------------------------------------- callers


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated system and the agencies (canonical codes) it speaks for."""

    system_id: str
    speaks_for: frozenset[str]


class Callers(Protocol):
    """Who may call. A change made by another process is seen within a second."""

    def by_api_key(self, api_key: str) -> Caller | None:
        """Return the caller behind a bearer key, None when unknown, disabled or expired."""
        ...

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        """Return the caller and its valid HMAC secrets (two during rotation), None if unknown."""
        ...


# ---------------------------------------------------------------- the front door


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
        via: Door it came through: `api`, `vxp`, `form`, `spool`.
        idempotency_key: The caller's key, scoped to the caller; None without one.
        all_or_nothing: One bad recipient refuses all.
        declared_from: Sender the transport names (VXP `from`), None when it names none.
        check_sha256: Called with the hex SHA-256 of the received bytes before anything is
            decided; raises RejectedError to refuse.
        secrecy: Level the form declares, 0 for none; anything else is quarantined (SEC-01).
    """

    via: str = "api"
    idempotency_key: str | None = None
    all_or_nothing: bool = False
    declared_from: str | None = None
    check_sha256: Callable[[str], None] | None = None
    secrecy: int = 0


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
    """An agency as the catalogue publishes it; `legacy_code` is the old notation, if any."""

    code: str
    name: str
    legacy_code: str = ""
    parent: str = ""
    mail: str = ""
    status: str = "active"
    connected: bool = True


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
        """List what is offered to the caller's agencies and not yet taken, oldest first."""
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

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the catalogue."""
        ...


# ---------------------------------------------------------------- adapters


@dataclass(frozen=True, slots=True)
class Parcel:
    """What an adapter takes to a peer: finished bytes, their hash, and how to address them."""

    transfer_id: str
    kind: MessageKind
    sender: str
    recipients: tuple[str, ...]
    document_id: str
    sha256: str
    size_bytes: int
    open: Callable[[], AsyncIterator[bytes]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The peer has it, under its own key."""

    peer_doc_id: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Busy:
    """Not now: anything that may pass. Unknown trouble is Busy plus an alert, never final."""

    reason: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the peer named a business error (rules C7). The same parcel will not pass."""

    reason: str
    code: str = ""


Outcome = Taken | Busy | Refused


@dataclass(frozen=True, slots=True)
class Listed:
    """One item a peer offers us."""

    peer_doc_id: str
    kind: MessageKind
    sender: str = ""
    recipients: tuple[str, ...] = ()
    status: str = ""
    created_at: datetime | None = None


class Adapter(Protocol):
    """A door to one peer.

    Never raises for what the peer does: it returns an Outcome, or raises UnavailableError from the
    collecting side (an unreadable answer is not an empty list).
    """

    name: str

    async def deliver(self, parcel: Parcel, *, deadline: datetime) -> Outcome:
        """Hand one parcel over."""
        ...

    async def listing(self, kind: MessageKind) -> Sequence[Listed]:
        """Return what waits for us there."""
        ...

    def fetch(self, item: Listed) -> AsyncIterator[bytes]:
        """Stream the packet of one listed item; RejectedError when it never can be ours."""
        ...

    async def acknowledge(self, item: Listed, *, done: bool, note: str = "") -> None:
        """Tell the peer that the item is ours (after our commit) or unusable."""
        ...

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the peer's catalogue."""
        ...

    async def probe(self) -> None:
        """Raise UnavailableError when the peer does not answer."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


# ---------------------------------------------------------------- the broker


class Broker(Protocol):
    """Carries ids from the outbox to the programs; losing it loses nothing."""

    def publish(self, topic: str, ref: str, lane: int) -> None:
        """Queue an id; one already queued in the topic is not queued twice."""
        ...

    async def take(self, topic: str, *, lowest: int = 0) -> str:
        """Return the most urgent id of a topic, waiting for one in lane `lowest` or above."""
        ...


# ---------------------------------------------------------------- verification


class Verifier(Protocol):
    """Signature verification in processes of its own, killed when they hang."""

    def quick(self, data: bytes, *, sha256: str, at: datetime) -> VerificationReport | None:
        """Return a report on bytes that need no process (surely unsigned), None when they do."""
        ...

    async def verify(
        self, path: Path, *, sha256: str, size_bytes: int, at: datetime
    ) -> VerificationReport:
        """Return a report for one file; never raises for what the file does.

        A file over the size limit is indeterminate (too large); a killed worker is indeterminate
        (verifier failed).
        """
        ...

    async def close(self) -> None:
        """Stop the workers."""
        ...


# ---------------------------------------------------------------- the ledger

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Insert:
    """Add one row; with `ignore`, a row already there is left as it is."""

    table: str
    values: Row
    ignore: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Change the rows matching `where` (equality); `expect` rows must change, else conflict."""

    table: str
    where: Row
    values: Row
    expect: int | None = 1


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the rows matching `where`; a tuple as value means any of these.

    Only for work tables (outbox, blob_ref): facts are never deleted.
    """

    table: str
    where: Row


@dataclass(frozen=True, slots=True)
class Absent:
    """Guard: no row matches, else the change set is refused with the row that does."""

    table: str
    where: Row


@dataclass(frozen=True, slots=True)
class Present:
    """Guard: a row matches, else the change set is refused."""

    table: str
    where: Row


@dataclass(frozen=True, slots=True)
class NextNumber:
    """Take the next number of a counter (DID-01, DID-04): gap-free, never reused.

    The counter row is `(agency, year, series)`; the number is given to `then` under `name`.
    """

    name: str
    agency: str
    year: int
    series: str


Change = Insert | Update | Delete


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Rows and guards that hold or fail together, in one transaction.

    Guards are checked inside the transaction, in order, before any row; then the numbers are
    taken; then `rows`; then the rows `then(numbers)` returns. A refused set leaves no trace and
    consumes no number. `then` only builds rows: it runs on the writer's thread, and again when
    the set is tried again. Inserts between two other changes may be written in another order.
    """

    rows: tuple[Change, ...] = ()
    guards: tuple[Absent | Present, ...] = ()
    numbers: tuple[NextNumber, ...] = ()
    then: Callable[[Mapping[str, int]], Sequence[Change]] | None = None


@dataclass(frozen=True, slots=True)
class Committed:
    """The set is durable. `numbers` are those taken."""

    numbers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conflict:
    """The set was refused: the guard or update that failed, and the row in the way, if any."""

    failed: Absent | Present | Change
    row: Row | None = None


class Ledger(Protocol):
    """The only truth. Append-only events, unique keys, gap-free numbers."""

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after fsync. UnavailableError when it cannot commit."""
        ...

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query, or None."""
        ...

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query (`gateway.store.queries`)."""
        ...


# ---------------------------------------------------------------- the API's desk

Json = dict[str, Any]


class Desk(Protocol):
    """What a system may ask about its own documents, sent and received.

    Every answer is JSON-ready: ISO 8601 `+07:00` times as text, digests as hex, absent values as
    None. What belongs to another caller is RejectedError(NOT_FOUND), as if it did not exist.

    Shapes:
        document: `{id, document_id, version, state, sender, subject, code, promulgation_date,
            type_name, urgency, business_type, number: {year, ordinal} | None, sha256, size_bytes,
            accepted_at, issued_at, sent_at, verification: verdict | "pending",
            legal_class, findings: [finding], repairs: [repair], header: {…every edXML field…},
            attachments: [attachment],
            deliveries: [delivery]}`
        delivery: `{id, agency, name, addressed_as: [code], state, state_text, reason, hop,
            left_at, acknowledged_at, at_gateway_at, entered_system_at, last_status,
            attempts: [{n, began_at, ended_at, outcome, detail}]}`
        attachment: `{index, name, safe_name, content_type, description, size_bytes, sha256,
            verdict}`
        arrival: `{id, cursor, agency, addressed_as, sender, sender_name, document_id, version,
            state, state_text, subject, code, promulgation_date, type_name, urgency,
            business_type, at_gateway_at, entered_system_at, received_at_legal, arrival_number,
            verification, legal_class, findings, repairs, header, attachments, source}`
        event: `{at, type, subject, data: {…}}`
        finding: `{rule, severity, where, vi, en, refusal}`
        receipts: `{entries: [{index | None, entry_id, at, kind, body, entry_hash, prev_hash,
            chain_hash, inclusion: {tree_size, leaf_index, hashes, root} | None}],
            tree_head: jws | None, acceptance: jws | None}`
        verification: `{verdict, legal_class, files: [{index, name, report: VerificationReport}]}`
    """

    async def documents(
        self, caller: Caller, *, document_id: str | None, after: str | None, limit: int
    ) -> Json:
        """Return `{items: [document without header, events], next: id | None}`, newest first."""
        ...

    async def document(self, caller: Caller, consignment_id: str) -> Json:
        """Return one document."""
        ...

    async def document_events(self, caller: Caller, consignment_id: str) -> list[Json]:
        """Return its events, oldest first."""
        ...

    async def document_receipts(self, caller: Caller, consignment_id: str) -> Json:
        """Return its receipts with inclusion proofs as far as sequenced."""
        ...

    async def document_verification(self, caller: Caller, consignment_id: str) -> Json:
        """Return its verification reports."""
        ...

    async def inbox(
        self, caller: Caller, *, after: int, limit: int, agency: str | None = None
    ) -> Json:
        """Return `{items: [arrival without header], next: cursor}`: cursors above `after`."""
        ...

    async def arrival(self, caller: Caller, arrival_id: str) -> Json:
        """Return one arrival."""
        ...

    async def arrival_packet(self, caller: Caller, arrival_id: str, *, received: bool) -> Packet:
        """Return our strict packet, or the bytes as received."""
        ...

    async def arrival_attachment(self, caller: Caller, arrival_id: str, index: int) -> Packet:
        """Return one unwrapped file."""
        ...

    async def arrival_events(self, caller: Caller, arrival_id: str) -> list[Json]:
        """Return its events, oldest first."""
        ...

    async def arrival_receipts(self, caller: Caller, arrival_id: str) -> Json:
        """Return its receipts."""
        ...

    async def arrival_verification(self, caller: Caller, arrival_id: str) -> Json:
        """Return its verification reports."""
        ...

    async def confirm(self, caller: Caller, arrival_id: str) -> Json:
        """Record that the agency's system has it (RCV-06); safe to repeat; return the arrival."""
        ...

    async def set_status(self, caller: Caller, arrival_id: str, *, code: str, reason: str) -> Json:
        """Report 02…06, 15 or 16 to the sender; return the arrival.

        RejectedError(ILLEGAL_TRANSITION) when the state forbids it, BAD_REQUEST when 02 or 16
        has no reason.
        """
        ...

    async def metrics(self) -> Mapping[str, float]:
        """Return gauges for operations: queue lengths by lane, dead letters, oldest wait."""
        ...

    async def ready(self) -> Mapping[str, str]:
        """Return `{check: "ok" | reason}`; ready only when every check is ok."""
        ...


# ---------------------------------------------------------------- administration


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential as it is stored: nothing in it opens a door.

    Args:
        id: Public name; the key id of an API key.
        kind: `api-key` or `shared-secret`.
        sha256: Hex hash of an API key, else "".
        sealed: Encrypted shared secret (`gateway.secrets.seal_secret`), else empty.
    """

    id: str
    kind: Literal["api-key", "shared-secret"]
    sha256: str = ""
    sealed: bytes = b""


@dataclass(frozen=True, slots=True)
class CredentialRow:
    """A credential in a list; `expires_at` is set once it is being rotated out."""

    id: str
    kind: str
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class SystemRow:
    """A calling system (hệ thống): who it speaks for, canonical codes, sorted."""

    id: str
    speaks_for: tuple[str, ...]
    status: Literal["active", "disabled"]
    created_at: datetime
    credentials: tuple[CredentialRow, ...] = ()


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter: `last` is the last number given, the next one is `last + 1`."""

    agency: str
    year: int
    series: str
    last: int


@dataclass(frozen=True, slots=True)
class AgencyRecord:
    """An agency as operations keep it (cơ quan).

    Args:
        code: Code in the new notation.
        name: Printed name.
        legacy_code: Code in the old notation, or "".
        parent: Code of the agency above, or "".
        mail: Address for notices, or "".
        connected: `local`, the id of the peer behind which it is, or "" (không liên thông).
        console: Works in our console instead of a system of its own.
        numbered_by: Who counts its outgoing documents.
        successor: Code that took over a closed one, or "".
        status: `active`, `locked` (tạm khóa) or `closed` (đã đóng mã).
        aliases: Other codes under which it is written.
    """

    code: str
    name: str
    legacy_code: str = ""
    parent: str = ""
    mail: str = ""
    connected: str = ""
    console: bool = False
    numbered_by: Literal["gateway", "own-system"] = "gateway"
    successor: str = ""
    status: Literal["active", "locked", "closed"] = "active"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuarantineRow:
    """Something kept apart (SEC-01); after a purge only this stub is left.

    Args:
        id: Arrival or consignment id.
        kind: `arrival` or `consignment`.
        document_id: Identifier, or "".
        sender: Code of the sender.
        reason: Why, Vietnamese.
        since: When it was put there.
        purge_asked_by: First of the two persons, or "".
        purged_at: When the second one agreed; None while the bytes are there.
    """

    id: str
    kind: str
    document_id: str
    sender: str
    reason: str
    since: datetime
    purge_asked_by: str
    purged_at: datetime | None


class AdminStore(Protocol):
    """What the command line changes in the ledger. Each call is one durable, audited transaction.

    `by` is the acting person or operating-system user, written to the audit events. Codes are
    resolved through aliases; what is returned is canonical. RejectedError: NOT_FOUND for what does
    not exist, CONFLICT for what must not be, BAD_REQUEST for what makes no sense. A running server
    sees changes within a second.
    """

    def add_system(
        self,
        system_id: str,
        speaks_for: Sequence[str],
        credentials: Sequence[NewCredential],
        *,
        by: str,
    ) -> SystemRow:
        """Register a system. CONFLICT when the id is taken, NOT_FOUND naming unknown agencies."""
        ...

    def systems(self) -> Sequence[SystemRow]:
        """Return all systems by id, disabled ones too, without credentials that have expired."""
        ...

    def rotate(
        self,
        system_id: str,
        credentials: Sequence[NewCredential],
        *,
        overlap: timedelta,
        by: str,
    ) -> SystemRow:
        """Add credentials; older ones of the same kinds end after `overlap`.

        Of each kind at most two stay valid: the newest old one; others end at once, all of them
        when `overlap` is zero. CONFLICT when the system is disabled.
        """
        ...

    def disable_system(self, system_id: str, *, by: str) -> SystemRow:
        """Refuse the system from now on; safe to repeat."""
        ...

    def counters(self) -> Sequence[CounterRow]:
        """Return all counters by agency, year, series."""
        ...

    def set_counter(
        self, agency: str, year: int, series: str, last: int, *, reason: str, by: str
    ) -> CounterRow:
        """Set the last number given (DID-01).

        CONFLICT when that would go back, or when the agency counts in its own system.
        """
        ...

    def agencies(self) -> Sequence[AgencyRecord]:
        """Return all agencies by code, closed ones too."""
        ...

    def put_agency(self, agency: AgencyRecord, *, by: str) -> Literal["added", "changed", "same"]:
        """Add an agency or change it; aliases are added, never taken away."""
        ...

    def set_agency_status(
        self,
        code: str,
        status: Literal["active", "locked", "closed"],
        *,
        successor: str,
        reason: str,
        by: str,
    ) -> AgencyRecord:
        """Open, lock or close an agency's code (ID-05).

        BAD_REQUEST for a successor without `closed`, or the agency itself; CONFLICT when a closed
        code would be opened again.
        """
        ...

    def put_alias(self, alias: str, code: str, *, by: str) -> AgencyRecord:
        """Let `alias` mean the agency `code`. CONFLICT when it means another one."""
        ...

    def quarantined(self) -> Sequence[QuarantineRow]:
        """Return what is or was in quarantine, oldest first."""
        ...

    def purge(self, item_id: str, *, by: str) -> QuarantineRow:
        """First person: record the request. Second, different person: delete the bytes.

        The stub and its receipts stay, so that the chain still verifies. CONFLICT when the same
        person (`gateway.domain.persons.same_person`) asks twice, or when it is purged already.
        """
        ...
