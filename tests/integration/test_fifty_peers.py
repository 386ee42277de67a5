"""One dead destination out of fifty, on a virtual clock: the others must not feel it.

Rules: SND-03, SND-15.
"""

from random import Random

import pytest

from gateway.domain.breaker import BreakerPolicy
from tests.simulation.loop import VirtualLoop
from tests.world.fifty_peers import FLAPPING, SLOW, on_loop, virtual_town


def waits(**options):
    loop = VirtualLoop(Random(1), shuffle=0.0)
    try:
        found = on_loop(loop, lambda: virtual_town(**options))
    finally:
        assert loop.strayed == []
    return found


@pytest.fixture(scope="module")
def healthy():
    return waits()


@pytest.mark.parametrize(("dead", "backlog"), [("silent", 0), ("gone", 3000)])
def test_one_dead_destination_of_fifty_changes_nothing_for_the_others(healthy, dead, backlog):
    found = waits(dead=dead, backlog=backlog)
    for lane in ("normal", "express"):
        assert len(found.by_lane[lane]) == len(healthy.by_lane[lane])
        assert found.at(0.99, lane) <= 1.1 * healthy.at(0.99, lane)
    # And the dead one itself is left alone: what opens it, what was under way, and no more.
    assert BreakerPolicy().failures <= found.tries <= BreakerPolicy().failures + 4


def test_a_dead_a_slow_and_a_flapping_one_change_nothing_for_the_others(healthy):
    found = waits(dead="silent", odd=True)
    assert len(found.by_lane["normal"]) + len(found.by_lane["express"]) == 47 * 12
    assert found.at(0.99) <= 1.1 * healthy.at(0.99)
    assert found.at(1.0, "express") <= 1.1 * healthy.at(1.0, "express")
    # The two themselves get everything in the end: slow is not dead, and who comes back is asked.
    assert {hop: len(took) for hop, took in found.odd.items()} == {SLOW: 12, FLAPPING: 12}


def test_waiting_for_a_full_line_shows_in_these_figures(healthy):
    # The evil twin: were the others made to wait, this simulation would see it.
    crowded = waits(over_s=0.3)
    assert crowded.at(0.99) > 1.3 * healthy.at(0.99)
    assert crowded.at(0.99, "express") < crowded.at(0.99, "normal")
