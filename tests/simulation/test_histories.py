"""A few hundred simulated histories, and what must hold of the simulation itself."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation.found import FOUND
from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import NODE_POINTS, Doc, Fault, Plan, make_plan
from tests.simulation.shrink import shrink
from tests.simulation.world import run

ROOT = Path(__file__).parents[2]
SEEDS, CHUNK = 240, 20
QUIET = Plan(1, "cluster", docs=(Doc(1, 1.0, "H37.02", ("H37.04", "G09")),))


def failures(results):
    return [(r.plan.seed, r.plan.shape, r.violations[:3]) for r in results if r.violations]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_whatever_happens_the_invariants_hold(first):
    assert not failures(run(make_plan(seed)) for seed in range(first, first + CHUNK))


def test_they_hold_on_real_sqlite_files():
    assert not failures(run(make_plan(seed, ledger="sqlite")) for seed in range(4))


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("ledger", ["memory", "sqlite"])
def test_what_was_found_once_is_not_found_again(name, ledger):
    assert not run(replace(FOUND[name], ledger=ledger)).violations


@pytest.mark.parametrize("point", NODE_POINTS)
def test_a_node_may_die_at_every_await_that_touches_the_outside(point):
    docs = (
        Doc(1, 1.0, "H37.02", ("H37.04", "G09"), verdict="valid"),
        Doc(2, 1.0, "G09", ("H37.02",)),
    )
    faults = tuple(Fault("crash", "A1", point, nth, span=2.0) for nth in (1, 3))
    played = run(Plan(7, "single", yields=1.0, docs=docs, faults=faults))
    assert played.counts[f"crash {point}"] >= 1
    assert not played.violations


# ---------------------------------------------------------------- the simulation itself


def test_the_same_seed_is_the_same_history():
    plan = make_plan(3)
    first, second = run(plan), run(plan)
    assert first.story == second.story
    assert first.digest == second.digest
    assert run(make_plan(4)).digest != first.digest


def test_the_same_history_on_memory_and_on_a_file():
    """Both ledgers tell the same story where nothing but the engine differs."""
    plan = replace(QUIET, shuffle=0.0)
    ends = [
        [line.split(maxsplit=1)[1] for line in run(p).story]
        for p in (plan, replace(plan, ledger="sqlite"))
    ]
    assert sorted(ends[0]) == sorted(ends[1])


def test_a_history_depends_on_nothing_but_its_seed():
    """Another process, another order of hashes, another folder to stand in: the same history."""
    code = (
        "from tests.simulation.plan import make_plan\n"
        "from tests.simulation.world import run\n"
        "print(run(make_plan(3)).digest)\n"
    )
    environ = dict(os.environ) | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd="/", env=environ, capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == run(make_plan(3)).digest


def test_a_quiet_history_does_all_its_work():
    played = run(QUIET)
    assert not played.violations
    for line in ("H37.04 takes document 1", "G09 takes document 1", "H37.04 says 06 of document 1"):
        assert any(line in said for said in played.story), line
    assert not any("fault: " in said for said in played.story)


def test_a_dead_node_touches_nothing():
    """All that a life of a node did is before its death in the story, and its ports are shut."""
    plan = replace(
        QUIET, shape="single", faults=(Fault("crash", "A1", "ledger.before", 9, span=9000.0),)
    )
    seen = []

    def keep(life, context, made):
        seen.append((life, context))

    played = run(plan, keep)
    assert [name for name, _ in played.violations] != []  # it stays down: nothing comes to rest
    life, context = seen[0]
    assert not life.alive
    dying = next(i for i, line in enumerate(played.story) if "A1 dies" in line)
    after = played.story[dying + 1 :]
    assert not any("hears" in line or "takes" in line for line in after if "G09" not in line)
    with pytest.raises(asyncio.CancelledError):
        context.blobs.writer()


def test_plans_use_every_kind_of_fault():
    kinds = Counter(f.kind for seed in range(600) for f in make_plan(seed).faults)
    points = {f.how for seed in range(3000) for f in make_plan(seed).faults if f.kind == "crash"}
    assert points == set(NODE_POINTS)
    assert set(kinds) == {
        "ack", "blobs-full", "broker-down", "broker-lost", "clock-jump", "clock-off", "crash",
        "cut-off", "deliver", "doubt", "fetch", "hold", "ledger-down", "ledger-full", "listing",
        "partition", "phantom", "power-cut", "rest", "restart", "rpc", "slow-peer",
        "verifier-down",
    }  # fmt: skip


def test_a_failing_history_is_made_short():
    def play(plan):
        return run(plan, MUTANTS["skips_a_number"][1])

    plan = replace(make_plan(5), docs=tuple(Doc(n, 1.0, "H37.02", ("G09",)) for n in (1, 2, 3)))
    failed = play(plan)
    short = shrink(failed, play)
    assert short.name == failed.name == "numbers"
    assert len(short.plan.docs) == 1
    assert not short.plan.faults
    assert str(short.plan).count("\n") == 1
