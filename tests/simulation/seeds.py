"""The history of a seed: which documents are sent, what goes wrong, who goes first."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.simulation.acts import with_acts
from tests.simulation.plan import (
    AXIS_TROUBLES,
    DELIVER_LIES,
    HOUSES,
    LEGACY,
    NODE_POINTS,
    NODES,
    OUTSIDE,
    RPC_TROUBLES,
    Doc,
    Fault,
    Plan,
)

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
    return with_acts(seed, replace(plan, faults=tuple(f for f in faults if f is not None)))


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
