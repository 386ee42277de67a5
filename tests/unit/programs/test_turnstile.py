"""Turnstile: closed, nobody gets new work and what is out is waited for; open, all goes on."""

import asyncio

import pytest

from gateway.broker.lanes import Lanes
from gateway.errors import UnavailableError
from gateway.ports import Wanted
from gateway.programs.turnstile import Turnstile


async def published(turnstile, *refs):
    await turnstile.publish([Wanted("t", ref) for ref in refs])


async def test_open_it_is_not_there():
    turnstile = Turnstile(Lanes())
    await published(turnstile, "a", "b")
    assert turnstile.depth()["t", 0] == 2
    work = await turnstile.take("t")
    assert work.ref == "a"
    await work.done()
    assert await turnstile.shut(60.0)
    await turnstile.close()


async def test_closed_nobody_gets_work_and_opened_whoever_waited_gets_it():
    turnstile = Turnstile(Lanes())
    takers = [asyncio.create_task(turnstile.take("t")) for _ in range(3)]
    await asyncio.sleep(0)
    assert await turnstile.shut(60.0)
    await published(turnstile, "a", "b", "c", "d")
    late = asyncio.create_task(turnstile.take("t"))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(t.done() for t in (*takers, late))
    turnstile.open()
    got = {(await t).ref for t in (*takers, late)}
    assert got == {"a", "b", "c", "d"}


async def test_work_under_way_is_waited_for():
    turnstile = Turnstile(Lanes())
    await published(turnstile, "a")
    work = await turnstile.take("t")
    shutting = asyncio.create_task(turnstile.shut(60.0))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not shutting.done()
    await work.done()
    assert await shutting


async def test_work_that_does_not_end_is_not_waited_for_for_ever():
    turnstile = Turnstile(Lanes())
    await published(turnstile, "a")
    await turnstile.take("t")
    assert not await turnstile.shut(0.01)


async def test_a_taker_that_is_cancelled_stays_cancelled():
    turnstile = Turnstile(Lanes())
    for close_first in (False, True):
        taker = asyncio.create_task(turnstile.take("t"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if close_first:
            await turnstile.shut(60.0)
        taker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taker
        turnstile.open()
    await published(turnstile, "a")
    assert (await turnstile.take("t")).ref == "a"


class Away:
    """Lanes that are away for the first calls, and cannot acknowledge."""

    def __init__(self, times):
        self.times = times

    async def take(self, topic, *, lowest=0):
        if self.times:
            self.times -= 1
            raise UnavailableError(public="away")
        return self

    ref = "a"

    async def done(self):
        raise UnavailableError(public="away")


async def test_lanes_that_are_away_end_no_worker(monkeypatch):
    waits = []

    async def pass_by(seconds):
        waits.append(seconds)

    monkeypatch.setattr("gateway.programs.patience.asyncio.sleep", pass_by)
    turnstile = Turnstile(Away(8), lambda: 1.0)
    work = await turnstile.take("t")
    assert work.ref == "a"
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    await work.done()
    assert await turnstile.shut(60.0)
