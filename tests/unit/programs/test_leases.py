"""Leases on a ledger two nodes share: one holder, taken over only from the dead, lost in time."""

import asyncio
from datetime import UTC, datetime

import pytest

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Conflict, Insert
from gateway.programs.leases import Alone, LedgerLeases
from tests.world.memory_ledger import MemoryLedger

TTL_S = 15.0


class Seconds:
    def __init__(self):
        self.at = 1000.0

    def __call__(self):
        return self.at


@pytest.fixture
def ledger():
    ledger = MemoryLedger()
    yield ledger
    ledger.close()


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def node(ledger, seconds):
    def make(name, boot="1"):
        now = datetime(2026, 11, 22, tzinfo=UTC)
        return LedgerLeases(ledger, name, boot, lambda: now, ttl_s=TTL_S, monotonic=seconds)

    return make


async def held(leases, name="janitor"):
    async with leases.holding(name) as mine:
        return mine


async def test_one_of_two_holds_it(node):
    a, b = node("a"), node("b")
    assert await held(a)
    assert not await held(b)
    assert await held(a)
    assert await held(b, "collect:truc")  # another lease is another matter
    assert not await held(a, "collect:truc")


async def test_both_ask_at_once_and_one_gets_it(node):
    nodes = [node(name) for name in "abcde"]
    assert sorted(await asyncio.gather(*map(held, nodes))) == [False] * 4 + [True]


async def test_a_dead_holder_is_followed_after_its_time_by_our_own_clock(node, seconds):
    a, b = node("a"), node("b")
    await held(a)
    assert not await held(b)
    seconds.at += TTL_S - 0.1
    assert not await held(b)
    seconds.at += 0.2
    assert await held(b)


async def test_a_holder_that_lives_is_not_followed(node, seconds):
    a, b = node("a"), node("b")
    await held(a)
    for _ in range(20):
        seconds.at += TTL_S / 3
        await a.beat()
        await b.beat()
        assert not await held(b)
    assert await held(a)


async def test_what_was_just_seen_first_is_given_its_whole_time(node, seconds):
    await held(node("a"))
    seconds.at += 10 * TTL_S  # nobody of us was there to see how long it has stood still
    late = node("b")
    assert not await held(late)
    seconds.at += TTL_S
    assert await held(late)


async def test_a_node_started_again_goes_on_at_once(node):
    await held(node("a", "1"))
    assert await held(node("a", "2"))
    assert not await held(node("a-b", "1"))  # another name that only begins like it


async def test_who_cannot_renew_stops_before_another_begins(node, ledger, seconds):
    a, b = node("a"), node("b")
    began, stopped = asyncio.Event(), []

    async def work():
        try:
            async with a.holding("janitor") as mine:
                assert mine
                began.set()
                await asyncio.Event().wait()
        except UnavailableError as exc:
            stopped.append(exc)

    task = asyncio.create_task(work())
    await began.wait()
    assert not await held(b)
    ledger.broken = True
    seconds.at += TTL_S * 0.7
    await a.beat()  # refused by the ledger, raises nothing
    a.expire()
    await task
    assert len(stopped) == 1
    ledger.broken = False
    assert not await held(b)  # there is time between the two
    seconds.at += TTL_S * 0.4
    assert await held(b)
    assert not await held(a)


async def test_who_was_followed_is_told_at_the_next_beat(node, seconds):
    a, b = node("a"), node("b")
    began, stopped = asyncio.Event(), []

    async def work():
        try:
            async with a.holding("janitor"):
                began.set()
                await asyncio.Event().wait()
        except UnavailableError as exc:
            stopped.append(exc)

    task = asyncio.create_task(work())
    await began.wait()
    await held(b)
    seconds.at += TTL_S + 1  # a's whole process stood still: no beat, no look at the time
    assert await held(b)
    await a.beat()
    await task
    assert len(stopped) == 1


async def test_a_cancelled_worker_stays_cancelled(node):
    a = node("a")
    began = asyncio.Event()

    async def work():
        async with a.holding("janitor"):
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await held(a)


async def test_a_former_holder_commits_nothing(node, ledger, seconds):
    a, b = node("a"), node("b")
    await held(a)
    late = ChangeSet(guards=a.guard("janitor"), rows=(Insert("meta", {"key": "k", "value": "a"}),))
    await held(b)
    seconds.at += TTL_S
    assert await held(b)
    assert isinstance(await ledger.commit(late), Conflict)
    mine = ChangeSet(guards=b.guard("janitor"), rows=(Insert("meta", {"key": "k", "value": "b"}),))
    assert not isinstance(await ledger.commit(mine), Conflict)
    assert (await ledger.one("meta", key="k"))["value"] == "b"
    never = ChangeSet(guards=a.guard("other"), rows=(Insert("meta", {"key": "x", "value": ""}),))
    assert isinstance(await ledger.commit(never), Conflict)


async def test_tokens_only_grow(node, ledger, seconds):
    seen = []
    for turn in range(5):
        leases = node(f"n{turn}")
        await held(leases)
        seconds.at += TTL_S
        assert await held(leases)
        seen.append((await ledger.one("lease", name="janitor"))["token"])
    assert seen == sorted(set(seen))


async def test_paused_it_takes_none_and_gives_back_when_the_work_is_done(node):
    a, b = node("a"), node("b")
    began, end = asyncio.Event(), asyncio.Event()

    async def work():
        async with a.holding("janitor") as mine:
            began.set()
            await end.wait()
        return mine

    task = asyncio.create_task(work())
    await began.wait()
    pausing = asyncio.create_task(a.pause(60.0))
    await asyncio.sleep(0)
    assert not await held(a)
    assert not await held(b)  # still worked under
    end.set()
    assert await task
    await pausing
    assert await held(b)
    a.resume()
    assert not await held(a)
    await b.pause(60.0)
    assert await held(a)


async def test_told_twice_to_rest_it_gives_back_once(node, ledger, monkeypatch):
    a, b = node("a"), node("b")
    await held(a)
    await held(a, "collect:truc")
    commit = ledger.commit

    async def slow(change):
        await asyncio.sleep(0)  # the other pause looks meanwhile
        return await commit(change)

    monkeypatch.setattr(ledger, "commit", slow)
    await asyncio.gather(a.pause(60.0), a.pause(60.0))
    assert await held(b)
    assert await held(b, "collect:truc")


async def test_giving_back_without_a_ledger_raises_nothing(node, ledger):
    a = node("a")
    await held(a)
    ledger.broken = True
    await a.pause(60.0)
    assert not await held(a)


async def test_the_heartbeat_outlives_a_ledger_that_hangs(node, ledger, monkeypatch):
    a = node("a")
    await held(a)
    asked = asyncio.Event()

    async def hang(change):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ledger, "commit", hang)
    beating = asyncio.create_task(a.run())
    await asked.wait()
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating


async def test_alone_everything_is_ours_until_the_pause():
    alone = Alone()
    assert await held(alone)
    assert alone.guard("x") == ()
    await alone.pause(60.0)
    assert not await held(alone)
    alone.resume()
    assert await held(alone)
