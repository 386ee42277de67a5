"""What happens in one simulated history: documents, faults and the manners of everybody, by seed.

A plan is plain data: the same plan is the same history, and a shorter plan is a smaller history,
which is how a failing one is shrunk.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

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
            for d in self.docs
        ]
        faults = [f"  fault: {fault}" for fault in self.faults]
        return "\n".join([head, *docs, *faults])


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

_REPLIES = (
    ("03", "06"),
    ("03", "06"),
    ("01", "03", "04", "05", "06"),
    ("03", "04", "05", "06"),
    ("06",),
    ("02",),
    ("03", "02"),
    ("06", "03", "01"),
    ("03", "03", "06", "06"),
    (),
)


_VERDICTS = (
    *("unsigned",) * 6,
    *("valid",) * 3,
    *("slow", "undetermined", "listed-good", "listed-bad", "invalid") * 2,
    "secret",
    "secret-slow",
    "stated",
)


def make_plan(seed: int, *, ledger: str = "memory", shape: str = "") -> Plan:
    """Return the history of a seed."""
    rng = Random(seed)
    shape = shape or rng.choice(("single", "cluster", "cluster", "pair"))
    plan = Plan(
        seed=seed,
        shape=shape,
        broker=rng.choice(("lanes", "shared")),
        ledger=ledger,
        leases=shape == "cluster" and rng.random() < 0.6,
        shuffle=rng.choice((0.0, 0.2, 1.0)),
        yields=rng.choice((0.0, 0.5, 1.0)),
        noise=rng.choice((0.0, 0.0, 0.03, 0.1)),
        latency=rng.choice((0.05, 0.5, 2.0)),
        give_up=rng.choice((15.0, 600.0)),
        by_ordinal=rng.random() < 0.3,
        echo=rng.random() < 0.2,
        docs=tuple(_docs(rng, shape)),
    )
    kinds = rng.sample(sorted(_MAKERS), rng.randint(1, 5))
    faults = [_MAKERS[rng.choice(kinds)](rng, plan) for _ in range(rng.choice((1, 2, 3, 5, 8)))]
    return replace(plan, faults=tuple(f for f in faults if f is not None))


def _docs(rng: Random, shape: str) -> list[Doc]:
    own = [code for codes in HOUSES[shape].values() for code in codes]
    burst = rng.random() < 0.2
    docs = []
    for n in range(1, rng.choice((1, 1, 1, 2, 2, 4)) + 1):
        sender = rng.choice([*own, *own, OUTSIDE])
        others = [code for code in (*own, OUTSIDE) if code != sender]
        to = tuple(rng.sample(others, rng.randint(1, min(2, len(others)))))
        more = tuple(c for c in others if c not in to and rng.random() < 0.15)
        if rng.random() < 0.15:
            to = (*to, next(old for old, new in LEGACY.items() if new == to[0]))
        docs.append(
            Doc(
                n=n,
                at=1.0 if burst else round(rng.uniform(0.5, 10.0), 1),
                sender=sender,
                to=to,
                urgency=rng.choice((0, 0, 0, 1, 3)),
                size=rng.choice((30, 30, 500)),
                verdict=rng.choice(_VERDICTS if sender != OUTSIDE else _VERDICTS[:-1]),
                named=rng.random() < 0.7,
                keyed=rng.random() < 0.7,
                replies=rng.choice(_REPLIES),
                repeats=rng.choice((0, 0, 1)),
                more=more if sender != OUTSIDE else (),
            )
        )
    return docs


def _node(rng: Random, plan: Plan) -> str:
    return rng.choice([n for nodes in NODES[plan.shape].values() for n in nodes])


def _house(rng: Random, plan: Plan) -> str:
    return rng.choice(sorted(HOUSES[plan.shape]))


def _crash(rng: Random, plan: Plan) -> Fault:
    point = rng.choice(NODE_POINTS)
    often = 40 if point.startswith("ledger") else 8
    return Fault(
        "crash", _node(rng, plan), point, rng.randint(1, often), span=rng.choice((0.5, 3.0, 20.0))
    )


def _doubt(rng: Random, plan: Plan) -> Fault:
    point = rng.choice(("ledger.after", "ledger.after", "blob.after", "publish.after"))
    return Fault("doubt", _node(rng, plan), point, rng.randint(1, 30))


def _axis(rng: Random, plan: Plan) -> Fault:
    kind = rng.choice(("deliver", "deliver", "listing", "fetch", "ack"))
    return Fault(kind, _house(rng, plan), rng.choice(AXIS_TROUBLES[kind]), rng.randint(1, 6))


def _lie(rng: Random, plan: Plan) -> Fault:
    return Fault("deliver", _house(rng, plan), rng.choice(DELIVER_LIES), rng.randint(1, 5))


def _rpc(rng: Random, plan: Plan) -> Fault:
    return Fault("rpc", _house(rng, plan), rng.choice(RPC_TROUBLES), rng.randint(1, 25))


def _lasting(kind: str, *spans: float) -> Callable[[Random, Plan], Fault]:
    def make(rng: Random, plan: Plan) -> Fault:
        at = round(rng.uniform(0.0, 14.0), 1)
        return Fault(kind, _house(rng, plan), at=at, span=rng.choice(spans))

    return make


def _clock_jump(rng: Random, plan: Plan) -> Fault:
    size = rng.choice((-600.0, -30.0, -2.0, 5.0, 45.0, 900.0))
    at = round(rng.uniform(0.0, 14.0), 1)
    return Fault("clock-jump", _house(rng, plan), at=at, span=rng.choice((3.0, 20.0)), size=size)


def _power_cut(rng: Random, plan: Plan) -> Fault:
    at = round(rng.uniform(1.0, 20.0), 1)
    return Fault("power-cut", _house(rng, plan), at=at, span=rng.choice((0.5, 5.0, 15.0)))


def _hold(rng: Random, plan: Plan) -> Fault:
    how, at = rng.choice(("all", "document", "hop")), round(rng.uniform(1.0, 16.0), 1)
    return Fault("hold", _house(rng, plan), how, at=at, span=rng.choice((5.0, 20.0)))


def _rest(rng: Random, plan: Plan) -> Fault:
    kind, at = rng.choice(("rest", "restart")), round(rng.uniform(1.0, 16.0), 1)
    return Fault(kind, _node(rng, plan), at=at, span=rng.choice((3.0, 20.0)))


def _phantom(rng: Random, plan: Plan) -> Fault:
    how = rng.choice(("unknown-document", "unknown-recipient", "future-code", "own-agency", "junk"))
    return Fault("phantom", _house(rng, plan), how, at=round(rng.uniform(3.0, 30.0), 1))


_MAKERS: dict[str, Callable[[Random, Plan], Fault]] = {
    "crash": _crash,
    "crash again": _crash,
    "doubt": _doubt,
    "axis": _axis,
    "axis again": _axis,
    "lie": _lie,
    "rpc": _rpc,
    "ledger-down": _lasting("ledger-down", 1.0, 5.0, 15.0),
    "ledger-full": _lasting("ledger-full", 1.0, 5.0, 15.0),
    "power-cut": _power_cut,
    "hold": _hold,
    "rest": _rest,
    "blobs-full": _lasting("blobs-full", 1.0, 5.0, 15.0),
    "partition": _lasting("partition", 2.0, 8.0, 15.0),
    "cut-off": _lasting("cut-off", 2.0, 8.0, 15.0),
    "slow-peer": _lasting("slow-peer", 5.0, 15.0),
    "broker-lost": _lasting("broker-lost", 0.0),
    "broker-down": _lasting("broker-down", 1.0, 10.0),
    "verifier-down": _lasting("verifier-down", 2.0, 15.0),
    "clock-off": _lasting("clock-off", 3.0, 15.0),
    "clock-jump": _clock_jump,
    "phantom": _phantom,
}
