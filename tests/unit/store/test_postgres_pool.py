"""Who is told to stop while waiting for a connection stops, in whatever moment it is told."""

import asyncio

import pytest

from gateway.store.places import place_of
from gateway.store.postgres import ledger
from gateway.store.postgres.ledger import _Pool


@pytest.mark.parametrize("steps", range(6))
async def test_a_place_that_comes_free_does_not_swallow_being_cancelled(monkeypatch, steps):
    async def for_ever(*args, **options):
        await asyncio.Event().wait()

    monkeypatch.setattr(ledger, "connect", for_ever)
    pool = _Pool(place_of("postgresql://vanlien@127.0.0.1:1/nowhere"), "reader", 1)
    await pool._room.acquire()

    async def ask():
        async with pool.one():
            pass

    task = asyncio.create_task(ask())
    for _ in range(3):
        await asyncio.sleep(0)
    pool._room.release()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=60)
    assert task.cancelled()
    assert not pool._room.locked()  # and nobody waits for the place it had
