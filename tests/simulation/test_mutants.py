"""Every invariant can fail: a gateway broken on purpose is caught, by the invariant meant for it."""

from dataclasses import replace

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import Doc, Fault, Plan, make_plan
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
OWN = {
    "held": replace(RUSH, faults=(*RUSH.faults, Fault("hold", "A", "all", at=5.0, span=20.0))),
    "drained": replace(RUSH, faults=(*RUSH.faults, Fault("rest", "A1", at=2.0, span=20.0))),
    "secret": Plan(1, "single", docs=(Doc(1, 1.0, "H37.02", ("H37.04",), verdict="secret"),)),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_invariant_notices(name):
    invariant, broken = MUTANTS[name]
    first = OWN.get(invariant, RUSH)
    assert not run(first).violations
    for plan in (first, *(make_plan(seed) for seed in range(TRIES))):
        told = {violated for violated, _ in run(plan, broken).violations}
        if invariant in told:
            return
    pytest.fail(f"{TRIES} histories and nobody noticed that a gateway {name.replace('_', ' ')}")


def test_every_invariant_has_its_mutant():
    assert {invariant for invariant, _ in MUTANTS.values()} == set(INVARIANTS)
