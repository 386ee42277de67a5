"""Every invariant can fail: a gateway broken on purpose is caught, by the invariant meant for it."""

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import make_plan
from tests.simulation.watch import INVARIANTS
from tests.simulation.world import run

TRIES = 20


@pytest.mark.parametrize("name", MUTANTS)
def test_the_invariant_notices(name):
    invariant, broken = MUTANTS[name]
    for seed in range(TRIES):
        told = {violated for violated, _ in run(make_plan(seed), broken).violations}
        if invariant in told:
            return
    pytest.fail(f"{TRIES} histories and nobody noticed that a gateway {name.replace('_', ' ')}")


def test_every_invariant_has_its_mutant():
    assert {invariant for invariant, _ in MUTANTS.values()} == set(INVARIANTS)
