"""The watch over the clock: when it asks, what it says, once each."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gateway import measures
from gateway.programs import clockwatch
from gateway.programs.clockwatch import ClockWatch


class Clock:
    def __init__(self):
        self.at = datetime(2026, 11, 2, 8, tzinfo=UTC)
        self.known = None
        self.overridden = False

    def now(self):
        return self.at

    def measured(self):
        return self.known

    def offset(self):
        return None if self.overridden else self.known

    def learn(self, offset):
        self.known = offset


class Meta:
    def __init__(self):
        self.value = None

    async def one(self, query, **params):
        assert query == "meta"
        value = {"clock_override": self.value, "restored": None, "lost_until": None}[params["key"]]
        return None if value is None else {"value": value}


@pytest.fixture(name="world")
def _world():
    clock, meta = Clock(), Meta()
    policy = SimpleNamespace(max_clock_offset=timedelta(seconds=5))
    context = SimpleNamespace(clock=clock, ledger=meta, policy=policy, restored=False)
    asked = []

    async def ask():
        asked.append(clock.at)
        if isinstance(world.answer, Exception):
            raise world.answer
        return world.answer

    world = SimpleNamespace(
        clock=clock, meta=meta, context=context, asked=asked, ask=ask, answer=timedelta()
    )
    world.watch = ClockWatch(
        context, clock, ask, every=timedelta(minutes=5), warn_over=timedelta(seconds=1)
    )
    return world


def standing(state):
    labels = {"what": f"clock_{state}"}
    return measures.REGISTRY.get_sample_value("vanlien_standing_warning", labels)


async def test_it_asks_at_once_and_then_every_so_often(world):
    for _ in range(12):
        await world.watch.once()
        world.clock.at += timedelta(minutes=1)
    minutes = [(at - world.asked[0]).total_seconds() / 60 for at in world.asked]
    assert minutes == [0, 5, 10]


async def test_while_it_is_off_it_asks_more_often(world):
    world.answer = timedelta(seconds=7)
    for _ in range(5):
        await world.watch.once()
        world.clock.at += timedelta(seconds=15)
    assert len(world.asked) == 5
    assert clockwatch.is_off(world.context)


async def test_no_answer_leaves_what_is_known(world):
    await world.watch.once()
    world.answer = OSError("gone")
    world.clock.at += timedelta(minutes=6)
    await world.watch.once()
    assert world.clock.known == timedelta()


async def test_each_change_is_said_once(world):
    await world.watch.once()
    world.answer = timedelta(seconds=2)
    world.clock.at += timedelta(minutes=6)
    before = measures.clock_warnings.labels("off")._value.get()
    for _ in range(3):
        await world.watch.once()
    assert measures.clock_warnings.labels("off")._value.get() == before + 1
    assert standing("off") == 1
    world.answer = timedelta()
    world.clock.at += timedelta(minutes=6)
    await world.watch.once()
    assert standing("off") == 0


@pytest.mark.parametrize(("seconds", "off"), [(4.9, False), (5, False), (5.1, True), (-5.1, True)])
async def test_the_limit_counts_both_ways(world, seconds, off):
    world.answer = timedelta(seconds=seconds)
    await world.watch.once()
    assert clockwatch.is_off(world.context) is off
    assert clockwatch.mark(world.context) == ("off" if off else "ok")


async def test_an_override_counts_at_the_next_look(world):
    world.answer = timedelta(seconds=60)
    await world.watch.once()
    assert clockwatch.is_off(world.context)
    world.meta.value = '{"reason": "x"}'
    await world.watch.once()
    assert not clockwatch.is_off(world.context)
    assert clockwatch.mark(world.context) == "unverified"
    world.meta.value = ""
    await world.watch.once()
    assert clockwatch.is_off(world.context)


async def test_without_a_time_server_the_offset_is_unknown(world):
    watch = ClockWatch(
        world.context,
        world.clock,
        None,
        every=timedelta(minutes=5),
        warn_over=timedelta(seconds=1),
    )
    await watch.once()
    assert standing("unknown") == 1
    assert clockwatch.mark(world.context) == "unverified"
    assert not clockwatch.is_off(world.context)
