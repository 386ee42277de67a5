"""Everything is killed and every line is broken under load, on both engines; `make crash-long` does more.

A card of the deck (tests/crash/mayhem.py) each: what is played, and what must be true, is the same.
"""

import asyncio
import random
import signal

import pytest

from tests.crash.mayhem import Card, Mayhem
from tests.world.judge import Judge, told
from tests.world.letters import letters
from tests.world.load import Load
from tests.world.servers.postgres import PostgresServer, needs_postgres
from tests.world.site import site

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]

SEED = 20261122
SQLITE = (
    Card("axis", "torn"),
    Card("kill"),
    Card("axis", "stall"),
    Card("axis", "reset"),
    Card("axis", "refuse"),
)
CLUSTER = (
    Card("kill"),
    Card("postgres", "torn"),
    Card("rabbit", "torn"),
    Card("kill postgres"),
    Card("postgres", "stall"),
    Card("kill rabbit"),
    Card("rabbit", "reset"),
    Card("wipe rabbit"),
)
# Points that one process with its lanes inside never reaches: a node starts work and dies there.
CLUSTER_POINTS = (
    {"b": "leases.after-take"},
    {"a": "broker.after-confirm:2", "b": "broker.before-ack:2"},
)


class Play:
    """A site with its load, its judge and the deck."""

    def __init__(self, made, portion):
        self.site = made
        self.load = made.load = Load(
            made.urls,
            made.systems,
            letters(random.Random(SEED), 10_000),
            ministry=made.ministry,
            line=made.line,
            seed=SEED,
        )
        self.load.allow(portion)
        self.judge = Judge(made)
        dice = random.Random(SEED)
        self.mayhem = Mayhem(made, self.judge, dice, print, portion=portion, stalls=(0.5,))
        self._working = asyncio.create_task(self.load.run())

    async def end(self):
        """Send nothing new, let all come to rest without hands, stop, ask everything."""
        sent = self.load.allowed
        await self.site.until(lambda: self.load.book.answered >= sent, "not all were answered")
        self.load.enough = True
        self.load.allow(50)  # whoever waits for leave hears that it is over
        open_ = []

        async def rests():
            open_[:] = await self.judge.rest()
            return self.load.sent and not open_

        try:
            await self.site.until(rests, "not everything came to its end", every_s=0.5)
        except AssertionError as exc:
            raise AssertionError(f"{open_}\n{exc}") from None
        finally:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        await self.site.stop()
        await self.judge.end()
        assert not self.load.book.violations, told(self.load.book.violations)


async def test_on_sqlite(tmp_path):
    async with site(tmp_path) as made:
        play = Play(made, portion=20)
        await made.start("a")
        for card in SQLITE:
            await play.mayhem.play(card)
        await play.end()
        assert len(play.load.book.accepted) > 80
        assert play.load.book.arrived
        assert play.load.book.handed


@pytest.fixture
def postgres_to_kill():
    """A server that really writes to its disk."""
    needs_postgres()
    server = PostgresServer(fsync=True)
    try:
        server.start()
        yield server
    finally:
        server.close()


async def test_on_postgresql_and_rabbitmq(tmp_path, postgres_to_kill, rabbit_alone):
    async with site(tmp_path, postgres=postgres_to_kill, rabbit=rabbit_alone) as made:
        play = Play(made, portion=10)
        for points in CLUSTER_POINTS:
            await asyncio.gather(*(made.start(name, fault) for name, fault in points.items()))
            play.load.allow(20)
            for name, fault in points.items():
                assert await made.dies(name, 120), f"{fault} was not reached\n{made.tail(name)}"
                assert made.nodes[name].child.code == -signal.SIGKILL, made.tail(name)
            await play.judge.look()
        await asyncio.gather(made.start("a"), made.start("b"))
        for card in CLUSTER:
            await play.mayhem.play(card)
        await play.end()
        assert len(play.load.book.accepted) > 80
        assert play.load.book.arrived
        assert play.load.book.handed
