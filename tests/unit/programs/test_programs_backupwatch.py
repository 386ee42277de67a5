"""The age of the last good backup, when one is due, every target (OPS-01, OPS-02, OPS-04)."""

import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from gateway import measures
from gateway.errors import UnavailableError
from gateway.programs.backupwatch import BackupWatch, last_good

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WEEK, HOUR, MINUTE = timedelta(days=7), timedelta(hours=1), timedelta(minutes=1)


class World:
    """A ledger that knows of backups, a clock, leases, and somebody who makes one."""

    def __init__(self, *, known=None, first=None, mine=True, fails=False):
        self.known, self.first, self.mine, self.fails = dict(known or {}), first, mine, fails
        self.made = 0
        self.restored = False
        self.at = NOW
        self.ledger = self.leases = self.clock = self

    def now(self):
        return self.at

    async def one(self, query, **params):
        if query == "meta":
            return {"value": json.dumps(self.known)} if self.known else None
        return None if self.first is None else {"at": self.first.isoformat()}

    @asynccontextmanager
    async def holding(self, name):
        assert name == "backup"
        yield self.mine

    async def make(self):
        self.made += 1
        self.known["tried_at"] = self.at.isoformat()
        if self.fails:
            raise UnavailableError(public="the ledger is away")
        self.known["good_at"] = self.at.isoformat()

    def watch(self, *, to=True):
        context = SimpleNamespace(ledger=self, leases=self, clock=self, restored=self.restored)
        return BackupWatch(context, warn_after=WEEK, every=WEEK, make=self.make if to else None)


def ago(**times):
    return {name: (NOW - age).isoformat() for name, age in times.items()}


def standing(what="backup_old"):
    return measures.of(measures.standing, what)._value.get()


@pytest.mark.parametrize(
    ("known", "made"),
    [
        ({}, 1),
        (ago(good_at=WEEK, tried_at=WEEK), 1),
        (ago(good_at=WEEK - MINUTE, tried_at=WEEK - MINUTE), 0),
        # One that failed is tried again, but not at once.
        (ago(good_at=2 * WEEK, tried_at=HOUR), 1),
        (ago(good_at=2 * WEEK, tried_at=HOUR - MINUTE), 0),
        (ago(tried_at=MINUTE), 0),
    ],
)
async def test_one_is_made_when_it_is_time(known, made):
    world = World(known=known)
    await world.watch().once()
    assert world.made == made


async def test_only_one_node_makes_it_and_none_without_a_target():
    for world, to in ((World(mine=False), True), (World(), False)):
        await world.watch(to=to).once()
        assert world.made == 0


async def test_a_failure_does_not_end_the_watch_and_is_tried_again():
    world = World(fails=True)
    watch = world.watch()
    await watch.once()
    await watch.once()
    assert world.made == 1
    world.at += HOUR
    await watch.once()
    assert world.made == 2


@pytest.mark.parametrize(
    ("known", "first", "old"),
    [
        ({}, None, 0),  # nothing was ever accepted
        ({}, NOW - WEEK - MINUTE, 1),  # OPS-01 (S004 art 10.2)
        ({}, NOW - WEEK + MINUTE, 0),
        (ago(good_at=WEEK + MINUTE, tried_at=MINUTE), NOW - 3 * WEEK, 1),
        (ago(good_at=WEEK - MINUTE, tried_at=MINUTE), NOW - 3 * WEEK, 0),
    ],
)
async def test_an_old_one_is_said(known, first, old):
    world = World(known=known, first=first)
    watch = world.watch(to=False)
    await watch.once()
    assert standing() == old
    world.known = ago(good_at=MINUTE)
    await watch.once()
    assert standing() == 0


async def test_one_from_the_future_has_no_known_age():
    """The clock was set back since: without a word nobody would back up until that day."""
    world = World(known=ago(good_at=-timedelta(days=400)), first=NOW - WEEK)
    await world.watch(to=False).once()
    assert standing() == 1
    await world.watch().once()
    assert world.made == 1


async def test_a_drill_does_not_write_to_the_living_gateways_targets():
    world = World(known=ago(good_at=3 * WEEK, tried_at=3 * WEEK))
    world.restored = True
    await world.watch().once()
    assert world.made == 0


async def test_one_good_target_does_not_hide_the_other():
    world = World(known=ago(good_at=MINUTE))
    world.known["targets"] = [{"target": "/a", "good": True}, {"target": "/b", "good": False}]
    watch = world.watch()
    await watch.once()
    assert (standing("backup_target"), standing()) == (1, 0)
    world.known["targets"][1]["good"] = True
    await watch.once()
    assert standing("backup_target") == 0


async def test_the_last_good_one():
    assert await last_good(SimpleNamespace(ledger=World())) == ""
    known = ago(good_at=HOUR)
    assert await last_good(SimpleNamespace(ledger=World(known=known))) == known["good_at"]
