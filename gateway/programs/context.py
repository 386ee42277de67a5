"""What every program is given: ports and policy. Built once by `gateway.app`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.codec.limits import Limits
from gateway.domain.breaker import Breaker, BreakerPolicy
from gateway.domain.delivery import SCHEDULES, Schedule
from gateway.domain.directory import Directory
from gateway.domain.worktime import OfficeHours
from gateway.ports import Adapter, Blobs, Broker, Clock, Evidence, Ids, Ledger, Scanner, Verifier
from gateway.programs.admission import Gatekeeper, OpenHouse
from gateway.programs.leases import Alone, Leases
from gateway.receipts.sign import Signer
from gateway.rules.facts import Policy as RulePolicy
from gateway.trust.policy import BUILT_IN
from gateway.trust.policy import Policy as SigningPolicy


def built_in_signing() -> SigningPolicy:
    """Return the policy that counts where the trust folder holds none."""
    return BUILT_IN


@dataclass(frozen=True, slots=True)
class PeerPolicy:
    """What differs from peer to peer.

    Args:
        max_bytes: Largest packet it takes.
        poll: How often we ask it for new items.
        receipt_01_by: `gateway`: we send 01 once the document entered the agency's system;
            `recipient`: the agency's own system does.
        concurrency: Parcels under way at a time.
        timeout: Longest silence in one call; no attempt is cut before it.
        codes_behind: Prefixes of codes reached through it; `*` for all (ID-06).
        recall_by: How a document is taken back there: `13` (a status), `1` (a document of
            BussinessDocType 1) or `both`.
    """

    max_bytes: int = 50 * 1024 * 1024
    poll: timedelta = timedelta(seconds=60)
    receipt_01_by: str = "gateway"
    concurrency: int = 4
    timeout: timedelta = timedelta(seconds=120)
    codes_behind: tuple[str, ...] = ("*",)
    recall_by: str = "13"


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's choices that programs need, all with the defaults of issue and design.

    Args:
        hub_code: Our own code in TraceHeader (MD-11).
        hub_name: Our own name.
        document_id_form: `code,date,notation` or `code,year,ordinal` (DID-05).
        outgoing_invalid: `refuse` or `flag` an outgoing document with an invalid signature.
        outgoing_indeterminate: The same for one that cannot be decided (SIG-02).
        outgoing_unsigned: The same for one without signature (SIG-02).
        verify_budget: How long a submission waits for a verdict.
        sent_ack: What makes a sending count: `first-hop` or `01` (SND-10).
        max_clock_offset: Beyond it stamping and relaying are held (TIM-01).
        lease: How long an attempt may take before it counts as died.
        deadline: How long an adapter gets for one parcel.
        head_every: How often a tree head is signed when entries came.
        recheck_every: How long until an undetermined verdict is tried again with nothing new.
        recheck_for: How long one is tried again at all.
        keep_keys: How long an idempotency key is remembered.
        orphan_age: How old an unreferenced blob must be to be collected.
        max_fetch_tries: Downloads of one unreadable item before it is given up.
        limits: Bounds on one packet.
        rules: What an administrator set about formats and codes.
        schedules: When to try again, by lane.
        breaker: When a destination that does not answer is left alone, and for how long.
        recall_agree: `clerk` or `automatic`: who agrees that a document picked up is taken back
            from an agency that works in our console (REC-01).
        training: Whether all data are for training: what leaves says so.
    """

    hub_code: str
    hub_name: str = ""
    document_id_form: str = "code,date,notation"
    outgoing_invalid: str = "refuse"
    outgoing_indeterminate: str = "flag"
    outgoing_unsigned: str = "flag"
    verify_budget: timedelta = timedelta(seconds=10)
    sent_ack: str = "first-hop"
    max_clock_offset: timedelta = timedelta(seconds=1)
    lease: timedelta = timedelta(minutes=10)
    deadline: timedelta = timedelta(minutes=5)
    head_every: timedelta = timedelta(seconds=10)
    recheck_every: timedelta = timedelta(hours=1)
    recheck_for: timedelta = timedelta(days=30)
    keep_keys: timedelta = timedelta(days=7)
    orphan_age: timedelta = timedelta(days=1)
    max_fetch_tries: int = 3
    limits: Limits = field(default_factory=Limits)
    rules: RulePolicy = field(default_factory=RulePolicy)
    schedules: Mapping[int, Schedule] = field(default_factory=lambda: SCHEDULES)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    recall_agree: str = "clerk"
    training: bool = False


@dataclass(slots=True)
class Context:
    """Ports and policy of one running gateway.

    `signing` answers with the trust folder's policy as it is now: who must sign, who is refused.
    `scanner` is None where nobody looks for malware.
    `node` is this node's name among those of one ledger, "" for a process that has it to itself;
    `shared_lanes` says that the broker's lanes are everybody's, so that one janitor fills them.
    `disk_days` is the forecast of the disk, None while there is none.

    What `gateway.programs.breakers` keeps true in this process: `breakers` of the destinations,
    `halted` destinations and `shelved` documents by an operator's word. `restored` from a backup
    and not released yet: no number is given, nothing is relayed, and peers are asked again for
    what came since `restored_since`. `lost_until`: what was here before this instant may have gone
    on in the time a restoration lost; None where there never was one.
    """

    ledger: Ledger
    blobs: Blobs
    clock: Clock
    ids: Ids
    verifier: Verifier
    sealer: Signer
    lanes: Broker
    directory: Callable[[], Directory]
    calendar: Callable[[str], OfficeHours]
    random: Callable[[], float]
    policy: Policy
    evidence: Evidence | None = None
    scanner: Scanner | None = None
    signing: Callable[[], SigningPolicy] = built_in_signing
    adapters: dict[str, Adapter] = field(default_factory=dict)
    peers: dict[str, PeerPolicy] = field(default_factory=dict)
    node: str = ""
    leases: Leases = field(default_factory=Alone)
    shared_lanes: bool = True
    gatekeeper: Gatekeeper = field(default_factory=OpenHouse)
    disk_days: float | None = None
    breakers: dict[str, Breaker] = field(default_factory=dict)
    halted: frozenset[str] = frozenset()
    shelved: frozenset[str] = frozenset()
    restored: bool = False
    restored_since: datetime | None = None
    lost_until: datetime | None = None

    def peer(self, hop: str) -> PeerPolicy:
        """Return the policy of a hop; defaults for one without its own."""
        return self.peers.get(hop, PeerPolicy())

    def flows(self, hop: str) -> bool:
        """Return whether transfers to a hop are tried now, as far as this process knows."""
        breaker = self.breakers.get(hop)
        return hop not in self.halted and (breaker is None or breaker.flows)
