"""Wrong passwords are counted by all nodes together, on every engine (decision 0033)."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest

from gateway.domain.pacing import Pace
from gateway.programs.accounts.means import Means, Rules
from gateway.programs.accounts.waits import Waits, sweep_of
from gateway.stores import UuidIds, ledger_at
from tests.world.accounts import CountedPasswords, SetClock
from tests.world.ledgers import new_ledger
from tests.world.memory_ledger import MemoryLedger

PACE = Pace(free=3, longest=timedelta(minutes=5), burst=6, per_minute=2.0)


class Nodes:
    """Nodes of one ledger."""

    def __init__(self, ledger):
        self.ledger, self.clock = ledger, SetClock()
        self.keys = [b"k" * 32]

    def node(self):
        """Return a node that was just started."""
        rules = Rules(pace=PACE)
        return Waits(
            Means(self.ledger, self.clock, UuidIds(), lambda: self.keys, CountedPasswords(), rules)
        )

    async def rows(self):
        before = "9999"
        return await self.ledger.all("signin_waits_old", before=before, limit=10_000)

    async def sweep(self):
        await sweep_of(self.ledger, self.clock, PACE)()


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def nodes(request, tmp_path):
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            ledger = MemoryLedger()
            stack.callback(ledger.close)
        else:
            ledger = await stack.enter_async_context(ledger_at(new_ledger(request, tmp_path)))
        yield Nodes(ledger)


async def test_two_nodes_allow_no_more_than_one_and_a_restart_forgets_nothing(nodes):
    a, b = nodes.node(), nodes.node()
    tries = [await node.begin("lan", "203.0.113.9") for node in (a, b, a)]
    assert tries == [0, 0, 0]
    for node in (a, b, nodes.node()):
        assert await node.begin("lan", "203.0.113.9") == 2.0
    # Nobody else is delayed by it: another place, a known browser behind the same address.
    assert await b.begin("lan", "10.0.0.7") == 0
    assert await b.begin("lan", "203.0.113.9", "device:1") == 0


async def test_all_at_once_on_two_nodes_count_as_many(nodes):
    a, b = nodes.node(), nodes.node()
    tries = await asyncio.gather(
        *(node.begin("lan", "203.0.113.9") for _ in range(6) for node in (a, b))
    )
    assert tries.count(0.0) <= PACE.free


async def test_an_address_that_tries_many_accounts_waits_on_every_node(nodes):
    a, b = nodes.node(), nodes.node()
    tries = [await (a, b)[n % 2].begin(f"user{n}", "10.0.0.7") for n in range(7)]
    assert tries == [0] * 6 + [30.0]
    assert await b.begin("user9", "10.0.0.7") == 30.0
    nodes.clock.move(seconds=30)
    assert await a.begin("user9", "10.0.0.7") == 0


async def test_a_good_one_takes_back_its_own_try_alone(nodes):
    a, b = nodes.node(), nodes.node()
    for n in range(5):
        await a.begin(f"user{n}", "10.0.0.7")
        assert await b.begin("own", "10.0.0.7") == 0
        await b.succeeded("own", "10.0.0.7")
    assert await nodes.node().begin("user8", "10.0.0.7") == 0
    assert await nodes.node().begin("user9", "10.0.0.7") > 0


async def test_a_flood_writes_little_and_what_means_nothing_goes(nodes):
    a = nodes.node()
    for n in range(130):
        await a.begin(f"user{n}", f"10.1.0.{n}")
    # A hundred tries are written, two rows each; the others this node counts by itself.
    assert len(await nodes.rows()) == 200
    assert await a.begin("user129", "10.1.0.129") == 0
    await a.begin("user129", "10.1.0.129")
    assert await a.begin("user129", "10.1.0.129") == 2.0
    await nodes.sweep()
    assert len(await nodes.rows()) == 200
    nodes.clock.move(minutes=21)
    await nodes.sweep()
    assert await nodes.rows() == []


async def test_who_waits_costs_the_ledger_nothing(nodes, monkeypatch):
    a = nodes.node()
    for _ in range(3):
        await a.begin("lan", "10.0.0.7")

    async def nothing(*_, **__):
        raise AssertionError("the ledger was asked")

    monkeypatch.setattr(nodes.ledger, "one", nothing)
    monkeypatch.setattr(nodes.ledger, "commit", nothing)
    assert [await a.begin("lan", "10.0.0.7") for _ in range(50)] == [2.0] * 50


async def test_neither_login_nor_address_can_be_read_from_a_row(nodes):
    await nodes.node().begin("le.thi.hoa", "203.0.113.9")
    text = str([dict(row) for row in await nodes.rows()])
    assert "hoa" not in text
    assert "203" not in text
    assert {len(row["key"]) for row in await nodes.rows()} == {64}
