"""Every invariant can fail: a gateway broken on purpose is caught, by the invariant meant for it."""

from dataclasses import replace

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import Act, Doc, Fault, Plan
from tests.simulation.seeds import make_plan
from tests.simulation.watch import INVARIANTS
from tests.simulation.world import run

TRIES = 20
RUSH = Plan(
    1,
    "single",
    latency=2.0,
    faults=tuple(Fault("deliver", "A", "answer-lost", nth) for nth in range(1, 9)),
    docs=tuple(
        Doc(n, 1.0, "H37.02", ("G09",), urgency=urgency)
        for n, urgency in enumerate((0, 0, 0, 0, 3, 1, 0), 1)
    ),
)
BUSY = Plan(
    2,
    "single",
    docs=(
        Doc(1, 1.0, "H37.02", ("H37.04", "G09"), repeats=1),
        Doc(2, 2.0, "G09", ("H37.02", "H37.04")),
    ),
    faults=(
        Fault("crash", "A1", "deliver.heard", 1, span=3.0),
        Fault("crash", "A1", "take.after", 3, span=1.0),
        Fault("ledger-full", "A", at=6.0, span=6.0),
        Fault("rpc", "A", "answer-lost", 1),
        Fault("deliver", "A", "request-lost", 2),
    ),
)
DESK = Plan(
    3,
    "single",
    desks=("H37.04",),
    docs=(Doc(1, 1.0, "H37.02", ("H37.04",)),),
    acts=(
        Act("lock", 0.5, who="H37.04"),
        Act("paper", 4.0, who="H37.04", times=2),
        Act("order", 16.0, 1, "H37.02"),
    ),
)
MORE = Plan(4, "pair", docs=(Doc(1, 1.0, "H37.02", ("G09",), more=("H25.01",)),))
OWN = {
    "once": MORE,
    "held": replace(RUSH, faults=(*RUSH.faults, Fault("hold", "A", "all", at=5.0, span=20.0))),
    "drained": replace(RUSH, faults=(*RUSH.faults, Fault("rest", "A1", at=2.0, span=20.0))),
    **dict.fromkeys(("recall", "registers", "locked", "told-once"), DESK),
    "secret": Plan(1, "single", docs=(Doc(1, 1.0, "H37.02", ("H37.04",), verdict="secret"),)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_invariant_notices(name):
    invariant, broken = MUTANTS[name]
    for plan in (OWN.get(invariant, RUSH), BUSY, *map(make_plan, range(TRIES))):
        told = {violated for violated, _ in run(plan, broken).violations}
        if invariant in told:
            return
    pytest.fail(f"{TRIES} histories and nobody noticed that a gateway {name.replace('_', ' ')}")


def test_a_gateway_that_is_not_broken_is_not_noticed():
    assert not [v for plan in (RUSH, BUSY, *OWN.values()) for v in run(plan).violations]


def test_every_invariant_has_its_mutant():
    assert {invariant for invariant, _ in MUTANTS.values()} == set(INVARIANTS)
