"""What happens in one simulated history: documents, faults, acts and the manners of everybody.

A plan is plain data: the same plan is the same history, and a shorter plan is a smaller history,
which is how a failing one is shrunk.
"""

from dataclasses import dataclass, field

HORIZON_S = 50.0
"""Faults end here; what follows is time to come to rest."""

NODE_POINTS = (
    "ledger.before",
    "ledger.after",
    "ledger.read",
    "ledger.drain",
    "blob.before",
    "blob.after",
    "blob.read",
    "publish.before",
    "publish.after",
    "take.after",
    "work.done",
    "verify.before",
    "verify.after",
    "deliver.before",
    "deliver.heard",
    "deliver.after",
    "listing.after",
    "fetch.before",
    "fetch.after",
    "ack.before",
    "ack.after",
)
"""Every await of the programs that touches the outside; a node may die at each."""

DELIVER_LIES = ("lie-taken", "lie-refused", "wrong-id")
DELIVER_TROUBLES = (
    "request-lost",
    "answer-lost",
    "twice",
    "slow",
    "busy",
    "busy-later",
    "refuse",
    "late-effect",
    "breaks",
)
LIST_TROUBLES = ("unreadable", "twice", "backwards", "half")
FETCH_TROUBLES = ("torn", "cut", "gone")
ACK_TROUBLES = ("request-lost", "answer-lost")
RPC_TROUBLES = ("request-lost", "answer-lost", "twice", "slow")
AXIS_TROUBLES = {
    "deliver": DELIVER_TROUBLES,
    "listing": LIST_TROUBLES,
    "fetch": FETCH_TROUBLES,
    "ack": ACK_TROUBLES,
}
BY_HAND = ("hold", "rest", "restart")
"""What is no fault: an operator does it."""


@dataclass(frozen=True, slots=True)
class Doc:
    """One document somebody wants to send.

    Args:
        n: Which; its files and its subject are made of it.
        at: When its sender begins, seconds.
        sender: Code of the agency.
        to: Codes as written.
        urgency: 0 to 4.
        size: Bytes of the main file.
        verdict: What its file is: `unsigned`, `valid`, `slow` (valid, over the budget),
            `undetermined`, `listed-good` and `listed-bad` (undetermined until a list comes in),
            `invalid`, `secret` and `secret-slow` (page 1 bears a secrecy stamp; seen over the
            budget), `stated` (unsigned, its sender states a secrecy level).
        named: The sender gives the identifier.
        keyed: It comes with an Idempotency-Key.
        replies: Codes each recipient says, in this order.
        repeats: How often its sender sends it again after the answer.
        more: Codes its sender adds in a later submission of the same document.
        drafted: A clerk sends it by form.
        about: The earlier document it updates or replaces, 0 for none.
        kind: 2 when it updates, 3 when it replaces.
    """

    n: int
    at: float
    sender: str
    to: tuple[str, ...]
    urgency: int = 0
    size: int = 40
    verdict: str = "unsigned"
    named: bool = True
    keyed: bool = True
    replies: tuple[str, ...] = ("03", "06")
    repeats: int = 0
    more: tuple[str, ...] = ()
    drafted: bool = False
    about: int = 0
    kind: int = 0

    @property
    def doubtful(self) -> bool:
        """Return whether it may be refused, at once or later."""
        return self.secret or self.verdict in {"invalid", "listed-bad"}

    @property
    def secret(self) -> bool:
        """Return whether it must get to nobody."""
        return self.stated or self.verdict in {"secret", "secret-slow"}

    @property
    def stated(self) -> bool:
        """Return whether its sender says itself that it is secret."""
        return self.verdict == "stated"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Args:
        kind: `crash`, `doubt` (done, but said to have failed), `deliver`, `listing`, `fetch`,
            `ack`, `rpc`, or one that lasts: `ledger-down`, `ledger-full` (it can be read),
            `blobs-full`, `partition`, `cut-off`, `clock-jump`, `clock-off`, `broker-lost`,
            `broker-down`, `verifier-down`, `slow-peer`, `phantom`, `power-cut` (all nodes die);
            or what an operator does: `hold`, `rest` (maintenance), `restart` (in good order).
        where: Node, house or system it is about.
        how: Point of a crash, or the trouble.
        nth: At which visit, from 1.
        at: When, seconds, of one that lasts.
        span: How long it lasts, or how long a node stays down.
        size: How far the clock jumps, seconds.
    """

    kind: str
    where: str = ""
    how: str = ""
    nth: int = 0
    at: float = 0.0
    span: float = 0.0
    size: float = 0.0

    def __str__(self) -> str:
        said = [self.kind, self.where, self.how]
        said.append(f"#{self.nth}" if self.nth else f"at {self.at:.1f}s")
        said.append(f"for {self.span:.1f}s" if self.span else "")
        said.append(f"by {self.size:+.0f}s" if self.size else "")
        return " ".join(filter(None, said))


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is done on purpose.

    Args:
        kind: `order` (a person or system takes a sending back: from `of`, or from all), `13` (the
            sender's system asks each of `of`), `notice` (it sends a document of type 1), `stranger`
            (`who`, not the sender, tries it in every way it has), `unknown` (the ministry asks `who`
            for what nobody sent); `law` (somebody keeps the document at `who` by law, for `span`);
            `paper` (a clerk of `who` enters what came on paper), `lock` (a clerk of `who` shuts the
            own account), `purge` (the retention of what was taken back runs).
        at: When, seconds.
        n: The document it is about.
        who: Agency that acts, or that is asked.
        of: Recipients it is about; none: all.
        times: How often it is done.
        span: How long it lasts.
    """

    kind: str
    at: float
    n: int = 0
    who: str = ""
    of: tuple[str, ...] = ()
    times: int = 1
    span: float = 0.0

    def __str__(self) -> str:
        said = [self.kind, f"of document {self.n}" if self.n else ""]
        said += [f"by or at {self.who}" if self.who else "", f"for {self.of}" if self.of else ""]
        said += [f"at {self.at:.1f}s", f"{self.times} times" if self.times > 1 else ""]
        said.append(f"for {self.span:.1f}s" if self.span else "")
        return " ".join(filter(None, said))


@dataclass(frozen=True, slots=True)
class Plan:
    """One history.

    Args:
        seed: Of everything chance decides while it runs.
        shape: `single` (one node), `cluster` (two nodes, one ledger) or `pair` (two gateways with
            ledgers of their own and the axis between them).
        broker: `lanes` (in each node) or `shared` (one for all nodes of a house).
        ledger: `memory` or `sqlite`.
        leases: Nodes of a cluster divide what only one may do by leases, as they should; without,
            they all do everything at once, which must do no harm either.
        shuffle: How often a ready task overtakes, 0 to 1.
        yields: How often a read of the ledger lets others go first, 0 to 1.
        noise: How often a call between gateway and outside goes wrong by itself, 0 to 1.
        latency: Longest time a call usually takes, seconds.
        give_up: After how many seconds a transfer is given up.
        by_ordinal: Documents without an identifier are named by their ordinal.
        echo: The axis gives a sender its own document back when its own agencies are addressed.
        docs: What is sent.
        faults: What goes wrong.
        desks: Agencies that work in our console.
        agrees: Who agrees there that a document is taken back: `clerk` or `automatic`.
        recall_by: How the axis understands that a document is taken back: `13`, `1` or `both`.
        acts: What persons and systems do besides.
    """

    seed: int
    shape: str
    broker: str = "lanes"
    ledger: str = "memory"
    leases: bool = False
    shuffle: float = 1.0
    yields: float = 0.5
    noise: float = 0.0
    latency: float = 0.2
    give_up: float = 600.0
    by_ordinal: bool = False
    echo: bool = False
    docs: tuple[Doc, ...] = ()
    faults: tuple[Fault, ...] = field(default=())
    desks: tuple[str, ...] = ()
    agrees: str = "clerk"
    recall_by: str = "13"
    acts: tuple[Act, ...] = ()

    def __str__(self) -> str:
        head = (
            f"seed {self.seed}: {self.shape}{' with leases' if self.leases else ''}, "
            f"broker {self.broker}, ledger {self.ledger}, "
            f"shuffle {self.shuffle}, yields {self.yields}, noise {self.noise}, "
            f"latency {self.latency} s, give up after {self.give_up:.0f} s"
            f"{', by ordinal' if self.by_ordinal else ''}{', echo' if self.echo else ''}"
        )
        docs = [
            f"  document {d.n} at {d.at:.1f}s: {d.sender} -> {', '.join(d.to)}"
            f"{' and later ' + ', '.join(d.more) if d.more else ''}, urgency "
            f"{d.urgency}, {d.verdict}, replies {' '.join(d.replies) or 'none'}"
            f"{', by form' if d.drafted else ''}"
            f"{f', of type {d.kind} about document {d.about}' if d.about else ''}"
            for d in self.docs
        ]
        faults = [f"  fault: {fault}" for fault in self.faults]
        desks = f"  in our console: {', '.join(self.desks)}; {self.agrees} agrees"
        asked = f"  the axis understands {self.recall_by}" if self.recall_by != "13" else ""
        acts = [desks if self.desks else "", asked, *(f"  act: {act}" for act in self.acts)]
        return "\n".join([head, *docs, *faults, *filter(None, acts)])


HOUSES = {
    "single": {"A": ("H37.02", "H37.04")},
    "cluster": {"A": ("H37.02", "H37.04")},
    "pair": {"A": ("H37.02", "H37.04"), "B": ("H25.01",)},
}
NODES = {
    "single": {"A": ("A1",)},
    "cluster": {"A": ("A1", "A2")},
    "pair": {"A": ("A1",), "B": ("B1",)},
}
OUTSIDE = "G09"
LEGACY = {
    "000.00.02.H37": "H37.02",
    "000.00.04.H37": "H37.04",
    "000.00.01.H25": "H25.01",
    "000.00.00.G09": "G09",
}
"""Old codes of the same agencies: who is addressed under both is one recipient."""
