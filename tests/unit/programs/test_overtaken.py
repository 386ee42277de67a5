"""A node that stood still for longer than it was waited for, and then goes on.

Rules: SND-15.
"""

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest

from gateway.ports import Busy, ChangeSet, Insert, Refused, Taken
from gateway.programs.janitor import Janitor
from gateway.programs.relay import Relay
from tests.simulation.loop import VirtualLoop
from tests.world.fifty_peers import DEAD, LoopClock, Town
from tests.world.memory_ledger import MemoryLedger


def on_virtual_time(work):
    loop = VirtualLoop(Random(1), shuffle=0.0)
    try:
        loop.run_until_complete(work())
        assert loop.strayed == []
    finally:
        loop.close()


def nodes():
    """Return two nodes of one ledger, with a transfer that is due."""
    ledger, clock = MemoryLedger(), LoopClock(datetime(2026, 11, 22, 1, tzinfo=UTC))
    both = []
    for name in "ab":
        town = Town(ledger, clock, peers=1)
        town.context.node = name
        town.context.ids._last = 1000 * ord(name)
        both.append(town)
    return both


async def due(town):
    await town.ledger.commit(ChangeSet(rows=(Insert("transfer", town.row("t", DEAD, 0)),)))


async def transfer(town):
    return await town.ledger.one("transfer", id="t")


class Held:
    """A destination whose answer the test gives."""

    def __init__(self):
        self.heard, self.answer = asyncio.Event(), asyncio.get_running_loop().create_future()
        self.tries = 0

    async def deliver(self, parcel, *, deadline):
        self.tries += 1
        self.heard.set()
        return await self.answer


async def take_over(a, b):
    """Let the first node be found dead and the second one begin an attempt."""
    await Janitor(b.context).take_back("a")
    await asyncio.sleep(3600)
    at = b.context.adapters[DEAD] = Held()
    task = asyncio.ensure_future(Relay(b.context).once("t"))
    await at.heard.wait()
    row = await transfer(b)
    assert (row["state"], row["attempts"], row["node"]) == ("sending", 2, "b")
    return at, task


@pytest.mark.parametrize("late", [Busy("bận"), Refused("không", "18"), Taken("muộn")])
def test_what_it_hears_late_does_not_end_the_others_attempt(late):
    async def work():
        a, b = nodes()
        await due(a)
        first = a.context.adapters[DEAD] = Held()
        asleep = asyncio.ensure_future(_patiently(a))
        await first.heard.wait()
        second, task = await take_over(a, b)
        first.answer.set_result(late)
        await asleep
        row = await transfer(b)
        # That the peer has it is true whoever heard it; what failed is the other's to find out.
        expected = "done" if isinstance(late, Taken) else "sending"
        assert (row["state"], row["attempts"]) == (expected, 2)
        second.answer.set_result(Taken("1"))
        await task
        assert (await transfer(b))["state"] == "done"
        ends = a.ledger.connection.execute("SELECT ended_at FROM attempt").fetchall()
        assert len(ends) == 2
        assert all(row["ended_at"] for row in ends)

    on_virtual_time(work)


async def _patiently(town):
    """Make an attempt that outlives every deadline, as that of a stopped process does."""
    relay = Relay(town.context)

    async def hand_over(adapter, row, allowed):
        return await adapter.deliver(None, deadline=town.clock.now())

    relay._hand_over = hand_over
    await relay.once("t")


def test_it_looks_before_it_dials():
    async def work():
        a, b = nodes()
        await due(a)
        dialled = a.context.adapters[DEAD] = Held()
        has, entered, wake = a.context.blobs.has, asyncio.Event(), asyncio.Event()

        async def stopped(name):
            entered.set()
            await wake.wait()
            return await has(name)

        a.context.blobs.has = stopped
        asleep = asyncio.ensure_future(Relay(a.context).once("t"))
        await entered.wait()
        second, task = await take_over(a, b)
        wake.set()
        await asleep
        assert dialled.tries == 0
        assert (await transfer(b))["state"] == "sending"
        assert a.context.flows(DEAD)  # a fault of ours says nothing of the destination
        second.answer.set_result(Taken("1"))
        await task
        assert (await transfer(b))["state"] == "done"

    on_virtual_time(work)


def test_one_that_was_only_slow_dials():
    async def work():
        a, _ = nodes()
        await due(a)
        has = a.context.blobs.has

        async def slow(name):
            await asyncio.sleep(60)
            return await has(name)

        a.context.blobs.has = slow
        await Relay(a.context).once("t")
        assert (await transfer(a))["state"] == "done"

    on_virtual_time(work)
