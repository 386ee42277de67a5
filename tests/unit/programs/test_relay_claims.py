"""Claims in doubt, on a virtual clock: who heard that a claim failed finds out whose it is.

Rules: SND-15.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from gateway.domain.moments import to_text
from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Insert, Present, Update
from gateway.programs.relay import Relay
from tests.simulation.loop import VirtualLoop
from tests.world.fifty_peers import LoopClock, Town
from tests.world.memory_ledger import MemoryLedger

START = datetime(2026, 11, 23, 1, tzinfo=UTC)
PEER = "peer01"
WAITS = {"state": "deferred", "lease_until": None}


class Doubtful(MemoryLedger):
    """Breaks the connection at the first claim: before it is made, or when it is."""

    def __init__(self, *, made):
        super().__init__()
        self.made = made
        self.claims = 0
        self.other = asyncio.Event()

    async def commit(self, change):
        claims = any(isinstance(r, Insert) and r.table == "attempt" for r in change.rows)
        self.claims += claims
        first = claims and self.claims == 1
        if first and not self.made:
            await self.other.wait()  # another worker claims at the same instant
            raise UnavailableError
        done = await super().commit(change)
        if first:
            raise UnavailableError
        if claims:
            self.other.set()
        return done


async def dialled(ledger, workers, relays=1):
    """Let workers of each relay try one transfer at one instant; return the calls."""
    times = {"quick": (5.0, 5.0), "patience": timedelta(seconds=30)}
    town = Town(ledger, LoopClock(START), peers=2, **times)
    town.context.random = lambda: 0.5
    await ledger.commit(ChangeSet(rows=(Insert("transfer", town.row("t", PEER, 0)),)))
    working = [Relay(town.context) for _ in range(relays)]
    await asyncio.gather(*(r.once("t") for r in working for _ in range(workers)))
    row = await ledger.one("transfer", id="t")
    attempts = await ledger.all("attempts_of_transfer", transfer_id="t")
    assert (row["state"], row["attempts"], len(attempts)) == ("done", 1, 1)
    assert attempts[0]["outcome"] == "taken"
    return town.adapters[PEER].tries


def played(ledger, *shape):
    loop = VirtualLoop(Random(1), shuffle=0.0)
    try:
        calls = loop.run_until_complete(dialled(ledger, *shape))
        assert loop.strayed == []
        return calls
    finally:
        loop.close()


@pytest.mark.parametrize(("made", "workers"), [(False, 2), (True, 1), (True, 2)])
def test_a_claim_in_doubt_is_dialled_once_by_whose_it_is(made, workers):
    """History 191471: two workers of one node claimed at one instant, and both dialled."""
    assert played(Doubtful(made=made), workers) == 1


@pytest.mark.parametrize("made", [False, True])
def test_two_processes_of_one_name_do_not_take_each_others_claims_for_theirs(made):
    """History 194798: two nodes, each at its third claim, in one instant: both dialled."""
    assert played(Doubtful(made=made), 1, 2) == 1


class DoubtfulTwice(Doubtful):
    """Breaks the connection again, when the claim that was found is kept."""

    kept = 0

    async def commit(self, change):
        done = await super().commit(change)
        keeps = any(isinstance(g, Present) and g.table == "attempt" for g in change.guards)
        self.kept += keeps
        if keeps and self.kept == 1:
            raise UnavailableError
        return done


@pytest.mark.parametrize(("made", "workers"), [(False, 2), (True, 1), (True, 2)])
def test_a_claim_is_still_known_when_keeping_it_is_in_doubt_too(made, workers):
    """Else nobody dials until the lease is over."""
    ledger = DoubtfulTwice(made=made)
    assert played(ledger, workers) == 1
    assert ledger.kept == 2


class Away(MemoryLedger):
    """Cannot commit the longer lease of a call that may take long."""

    async def commit(self, change):
        if any(isinstance(g, Present) and g.table == "attempt" for g in change.guards):
            raise UnavailableError(public="the ledger is away")
        return await super().commit(change)


class Expired(MemoryLedger):
    """The janitor takes the transfer back before its lease is made longer."""

    async def commit(self, change):
        if any(isinstance(g, Present) and g.table == "attempt" for g in change.guards):
            ended = {"ended_at": to_text(START), "outcome": "died"}
            rows = (Update("attempt", {"n": 1}, ended), Update("transfer", {"id": "t"}, WAITS))
            await super().commit(ChangeSet(rows=rows))
        return await super().commit(change)


async def tried_once(ledger):
    town = Town(ledger, LoopClock(START), peers=2, patience=timedelta(minutes=10))
    await ledger.commit(ChangeSet(rows=(Insert("transfer", town.row("t", PEER, 0)),)))
    await Relay(town.context).once("t")
    row = await ledger.one("transfer", id="t")
    breaker = town.context.breakers.get(PEER)
    return town.adapters[PEER].tries, row, breaker is not None and any(breaker.recent)


@pytest.mark.parametrize("ledger", [Away, Expired])
def test_nobody_is_dialled_under_a_lease_that_could_not_be_kept(ledger):
    """And it is not the destination's failure."""
    loop = VirtualLoop(Random(1), shuffle=0.0)
    try:
        tries, row, failed = loop.run_until_complete(tried_once(ledger()))
    finally:
        loop.close()
    assert (tries, failed) == (0, False)
    assert row["state"] == "deferred"
