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
from tests.simulation.plan import NODE_POINTS, Act, Doc, Fault, Plan
from tests.simulation.seeds import make_plan
from tests.simulation.shrink import shrink
from tests.simulation.world import run

ROOT = Path(__file__).parents[2]
SEEDS, CHUNK = 240, 20
DESK = Plan(
    3,
    "single",
    desks=("H37.04",),
    recall_by="both",
    docs=(
        Doc(1, 1.0, "H37.02", ("H37.04", "G09")),
        Doc(2, 1.5, "H37.04", ("H37.02",), drafted=True, named=False),
        Doc(3, 1.0, "G09", ("H37.02", "H37.04")),
    ),
    acts=(
        Act("order", 9.0, 1, "H37.02"),
        Act("13", 7.0, 3, "G09", ("H37.02", "H37.04")),
        Act("law", 5.0, 3, "H37.04", span=20.0),
        Act("order", 4.0, 2, "H37.04"),
        Act("paper", 6.0, who="H37.04", times=2),
        Act("lock", 10.0, who="H37.04"),
    ),
)
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


@pytest.mark.parametrize("point", ["ledger.before", "ledger.after", "blob.after", "ledger.read"])
@pytest.mark.parametrize("nth", [20, 45, 70])
def test_a_node_may_die_at_every_step_of_a_desk_and_of_a_recall(point, nth):
    faults = tuple(Fault("crash", "A1", point, nth + n, span=2.0) for n in (0, 9, 18))
    played = run(replace(DESK, seed=nth, yields=1.0, faults=faults))
    assert not played.violations


def test_desks_and_recalls_do_all_their_work():
    played = run(DESK)
    assert not played.violations
    for line in (
        "a clerk of H37.04 opens 1/VP", "document 2 is issued by form", "enters paper: [1",
        "G09 says 15 of 1/VP", "document 3 is kept by law at H37.04", "lan-H37.04 is shut",
    ):  # fmt: skip
        assert any(line in said for said in played.story), line


@pytest.mark.parametrize("desks", [(), ("H25.01",)])
@pytest.mark.parametrize("meanwhile", [(), (Fault("partition", "B", at=3.0, span=12.0),)])
def test_what_is_sent_after_it_was_asked_back_is_another_sending(desks, meanwhile):
    """The twin of what comes late: the version before it goes back, the new one stays."""
    docs = (
        Doc(1, 1.0, "H37.02", ("H25.01",), replies=("03",)),
        Doc(2, 9.0, "H37.02", ("H25.01",), replies=("03",), about=1, kind=2),
    )
    asked = Act("13", 7.0, 1, "H37.02", ("H25.01",))
    played = run(Plan(2, "pair", docs=docs, desks=desks, faults=meanwhile, acts=(asked,)))
    assert not played.violations
    came = "opens 1/VP" if desks else "takes document 2"
    assert any(came in said for said in played.story[-12:])
    assert any("H37.02 asks H25.01" in said for said in played.story)


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
        "from tests.simulation.seeds import make_plan\n"
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


def test_plans_use_every_kind_of_act():
    plans = [make_plan(seed) for seed in range(600)]
    assert {act.kind for plan in plans for act in plan.acts} == {
        "13", "law", "lock", "notice", "order", "paper", "purge", "stranger", "unknown",
    }  # fmt: skip
    assert {d.kind for plan in plans for d in plan.docs} == {0, 2, 3}
    assert any(d.drafted for plan in plans for d in plan.docs)


def test_a_failing_history_of_a_desk_is_made_short():
    def play(plan):
        return run(plan, MUTANTS["wastes_an_arrival_number"][1])

    failed = play(DESK)
    short = shrink(failed, play, runs=60)
    assert short.name == failed.name == "registers"
    assert len(short.plan.acts) + len(short.plan.docs) == 1


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
