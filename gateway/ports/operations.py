"""What operations look at and do: the queue, destinations, nodes, what flowed, what is stuck.

Protocols and the frozen values crossing them. Looking (`OpsDesk`) is bounded whatever the ledger
holds; doing goes through the stores the command line uses too (`Operating`): one core, one audit.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final, Literal, Protocol, TypeVar

from gateway.domain.moments import to_text
from gateway.ports.administration import AdminStore
from gateway.ports.agencies import AgencyStore
from gateway.ports.ledger import Row
from gateway.ports.registration import RequestStore

Answer = TypeVar("Answer")

QueueState = Literal["open", "waiting", "sending", "deferred", "failed", "held"]
Action = Literal["hold", "release", "requeue"]
Wide = Literal["document", "hop"]
OPEN: Final = ("waiting", "sending", "deferred", "failed")
"""States of a transfer that is not settled."""


@dataclass(frozen=True, slots=True)
class Matching:
    """Which transfers are meant; what is left empty does not narrow.

    Args:
        state: `open` for all that is not settled, dead letters among them.
        hop: Next hop: a peer's id, or `local:CODE`.
        lane: Lane number.
        agency: A recipient.
        document: Its identifier, or the id of its consignment.
        before: Made before this instant.
    """

    state: QueueState = "open"
    hop: str = ""
    lane: int | None = None
    agency: str = ""
    document: str = ""
    before: datetime | None = None

    @property
    def narrows(self) -> bool:
        """Return whether anything is left out."""
        return self != Matching()

    def params(self) -> dict[str, str | int]:
        """Return the parameters of the question."""
        whole = self.state in {"open", "held"}
        return {
            "states": json.dumps(list(OPEN) if whole else [self.state]),
            "hop": self.hop,
            "lane": -1 if self.lane is None else self.lane,
            "before": "" if self.before is None else to_text(self.before),
            "document": self.document,
            "agency": self.agency,
            "local": f"local:{self.agency}",
            "held": int(self.state == "held"),
        }


@dataclass(frozen=True, slots=True)
class Hold:
    """Why something waits on purpose: an operator's word, or a circuit breaker's."""

    kind: str
    scope: str
    subject: str
    by: str
    reason: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One transfer in the queue (một lượt chuyển)."""

    id: str
    kind: str
    consignment_id: str | None
    document_id: str
    hop: str
    state: str
    hold: str
    lane: int
    attempts: int
    recipients: tuple[str, ...]
    created_at: datetime
    due_at: datetime
    reason: str
    holds: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of one transfer: its attempts and events, oldest first."""

    transfer: QueueRow
    attempts: tuple[Row, ...]
    events: tuple[Row, ...]
    deliveries: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A transfer that was left as it is, and why."""

    id: str
    why: str


@dataclass(frozen=True, slots=True)
class Changed:
    """What a command did, or would do."""

    action: Action
    ids: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One `vanlien serve` as it last spoke of itself; `terms`: its certificates and their ends."""

    name: str
    roles: tuple[str, ...]
    version: str
    state: str
    started_at: datetime
    seen_at: datetime
    leases: tuple[str, ...]
    terms: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Maintenance:
    """A standing maintenance; `node` is None for all of them."""

    node: str | None
    reason: str
    by: str
    since: datetime


# ---------------------------------------------------------------- doing


class OperationsStore(AdminStore, Protocol):
    """Administration, the queue and the nodes. Each call is durable and audited; it waits.

    RejectedError: NOT_FOUND, CONFLICT for what must not be (any more), BAD_REQUEST.
    """

    def queue(
        self, matching: Matching | QueueState = "open", *, limit: int = 200
    ) -> Sequence[QueueRow]:
        """Return transfers, dead letters first, then by due time."""
        ...

    def count(self, matching: Matching) -> int:
        """Return how many transfers are meant."""
        ...

    def transfer(self, transfer_id: str) -> Life:
        """Return one transfer's life."""
        ...

    def holds(self) -> Sequence[Hold]:
        """Return the standing holds of documents and destinations."""
        ...

    def requeue(self, item_id: str, *, reason: str, by: str) -> QueueRow:
        """Put a dead letter back."""
        ...

    def hold(self, transfer_id: str, *, reason: str, by: str) -> QueueRow:
        """Hold one transfer."""
        ...

    def release(self, transfer_id: str, *, reason: str, by: str) -> QueueRow:
        """Let one transfer go on."""
        ...

    def hold_wide(self, scope: Wide, subject: str, *, reason: str, by: str) -> Hold:
        """Hold a whole document or destination."""
        ...

    def release_wide(self, scope: Wide, subject: str, *, reason: str, by: str) -> Hold:
        """Let it go on."""
        ...

    def would_change(self, action: Action, matching: Matching) -> Changed:
        """Return what a command over all matching transfers would do now."""
        ...

    def change_all(
        self,
        action: Action,
        matching: Matching,
        *,
        reason: str,
        by: str,
        progress: Callable[[int, int], None] = ...,
    ) -> Changed:
        """Change all transfers that match when the command begins."""
        ...

    def change_these(self, action: Action, ids: Sequence[str], *, reason: str, by: str) -> Changed:
        """Change these transfers and no others: those somebody saw and agreed to."""
        ...

    def nodes(self) -> Sequence[NodeRow]:
        """Return all nodes by name."""
        ...

    def maintenance(self) -> Sequence[Maintenance]:
        """Return the maintenance that stands."""
        ...

    def begin_maintenance(self, node: str | None, *, reason: str, by: str) -> Maintenance:
        """Give all nodes a rest, or one."""
        ...

    def end_maintenance(self, node: str | None, *, by: str) -> Sequence[Maintenance]:
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class NewKeys:
    """Keys of a system, to be shown once and never kept.

    Args:
        system_id: Whose.
        shown: `(name, value)` as a client asks for them; secrets.
    """

    system_id: str
    shown: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        """Show whose, never what."""
        return f"NewKeys({self.system_id})"


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A certificate of the trust folder: `anchor` (gốc), `intermediate` or `untrusted`."""

    kind: str
    name: str
    sha256: str
    begins: datetime
    ends: datetime


class Operating(Protocol):
    """Lends the stores of the command line to pages: what waits runs beside the loop."""

    async def do(self, work: Callable[[OperationsStore], Answer]) -> Answer:
        """Return what `work` does with the ledger; UnavailableError when it cannot be had."""
        ...

    async def decide(self, work: Callable[[RequestStore], Answer]) -> Answer:
        """The same for what systems ask about agencies."""
        ...

    async def catalogue(self, work: Callable[[AgencyStore], Answer]) -> Answer:
        """The same for bulk changes of the catalogue."""
        ...

    async def issue_keys(
        self,
        system_id: str,
        speaks_for: Sequence[str] | None,
        *,
        overlap_s: float,
        by: str,
        reason: str,
    ) -> NewKeys:
        """Register a system, or (None) give a known one new keys; the old end after `overlap_s`.

        The reason is part of the same change.
        """
        ...

    async def certificates(self) -> Sequence[CertificateRow]:
        """Return the certificates of the trust folder, those that end first in front."""
        ...

    async def bundle(self, out: BinaryIO, *, document: str | None) -> None:
        """Write the proof bundle of a document, or of the whole log (`vanlien receipts export`)."""
        ...


# ---------------------------------------------------------------- looking


@dataclass(frozen=True, slots=True)
class LaneState:
    """One lane (làn): how many transfers are in which state, and the oldest that waits.

    Args:
        lane: 4 for hẹn giờ … 0 for thường.
        waiting: Never tried, or put back.
        sending: On their way now.
        deferred: Tried; again later.
        failed: Dead letters.
        oldest: When the oldest that is not done was made, None for none.
    """

    lane: int
    waiting: int = 0
    sending: int = 0
    deferred: int = 0
    failed: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True)
class DestinationState:
    """A next hop: a peer, or `local:CODE` (a system that fetches here).

    Args:
        hop: Its id.
        waiting: Transfers that wait for it, up to a bound.
        failed: Dead letters for it, up to a bound.
        oldest: When the oldest of those that wait was made.
        breaker: Why its breaker is open; "" when it is not.
        probe_at: When it is asked again.
        held_by: Operator who holds it, "" for nobody.
        held_why: That person's reason.
        attempts: In the last hour.
        taken: Of these, taken.
        seconds: Mean time of an attempt in the last hour, None without any.
        last_taken: Newest minute in which it took something, None when it is long ago.
    """

    hop: str
    waiting: int = 0
    failed: int = 0
    oldest: datetime | None = None
    breaker: str = ""
    probe_at: datetime | None = None
    held_by: str = ""
    held_why: str = ""
    attempts: int = 0
    taken: int = 0
    seconds: float | None = None
    last_taken: datetime | None = None


@dataclass(frozen=True, slots=True)
class FlowPoint:
    """What all nodes did in one stretch of time; None where no node was there to count.

    Args:
        at: Its beginning.
        accepted: Documents accepted.
        arrived: Arrivals taken from peers.
        delivered: Attempts that were taken.
        failed: Attempts after which nothing more is tried.
        receipts: Entries of the receipt log.
        accept_s: Mean time to accept one.
        transfer_s: Mean time of an attempt.
    """

    at: datetime
    accepted: int | None = None
    arrived: int | None = None
    delivered: int | None = None
    failed: int | None = None
    receipts: int | None = None
    accept_s: float | None = None
    transfer_s: float | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that is shown on the board, of one moment.

    `alerts` are those of the whole gateway that nobody has taken on; None where none are kept.
    """

    at: datetime
    lanes: tuple[LaneState, ...]
    destinations: tuple[DestinationState, ...]
    nodes: tuple[NodeRow, ...]
    maintenance: tuple[Maintenance, ...]
    flow: tuple[FlowPoint, ...]
    checks: Mapping[str, str]
    holds: int = 0
    alerts: int | None = None


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the receipt log as it is listed."""

    ord: int
    id: str
    index: int | None
    at: datetime
    kind: str
    subject: str
    document_id: str
    actor: str
    action: str
    body: str
    chain_hash: str


@dataclass(frozen=True, slots=True)
class LogAsked:
    """Which entries are meant; what is left empty does not narrow.

    Args:
        kind: Kind of entry.
        document: DocumentId.
        subject: Id of what it is about.
        since: From this instant.
        until: Before this instant.
    """

    kind: str = ""
    document: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


class OpsDesk(Protocol):
    """What operations look at. Every answer costs a bounded amount, whatever the ledger holds."""

    async def board(self) -> Board:
        """Return the board as it is now; asked by many, made at most twice a second."""
        ...

    async def destination(self, hop: str) -> DestinationState:
        """Return one destination, quiet ones too."""
        ...

    async def trace(self, name: str) -> Sequence[Mapping[str, object]]:
        """Return what is known under an id: of a document, a transfer, a delivery, an arrival.

        Each thing found is `{kind, id, facts: {…}, events: [{at, type, data}]}`; never content.
        """
        ...

    async def log(
        self, asked: LogAsked, *, before: int | None, limit: int
    ) -> tuple[Sequence[LogEntry], int | None]:
        """Return entries, newest first, and the cursor of the next page."""
        ...

    async def agencies(self, text: str, *, after: str, limit: int) -> Sequence[Row]:
        """Return rows of the catalogue by code, those whose code or name holds a text."""
        ...

    async def subscriptions(self) -> Sequence[Mapping[str, object]]:
        """Return who is told of events: webhooks and consumers of feeds."""
        ...
