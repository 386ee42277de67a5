"""Nodes on a ledger they share: who lives, who is dead, who is one too many, who has a rest."""

import json
from datetime import UTC, datetime

import pytest

from gateway.errors import IntegrityError
from gateway.ports import ChangeSet, Insert, Update
from gateway.programs.nodes import DEAD_S, Nodes, Self
from gateway.programs.roles import PROGRAMS, Program, Role, programs_of, verifies
from tests.world.memory_ledger import MemoryLedger


class House:
    def __init__(self):
        self.ledger = MemoryLedger()
        self.seconds = 1000.0
        self.told = []

    def node(self, name, boot="1"):
        async def told(reason):
            self.told.append((name, reason))

        me = Self(name, boot, ("all",), "0.1")
        now = datetime(2026, 11, 22, tzinfo=UTC)
        return Nodes(self.ledger, me, lambda: now, told, monotonic=lambda: self.seconds)

    async def rest(self, reason, key="maintenance"):
        value = json.dumps({"reason": reason, "by": "an", "since": ""}) if reason else ""
        rows = (
            Insert("meta", {"key": key, "value": ""}, ignore=True),
            Update("meta", {"key": key}, {"value": value}),
        )
        await self.ledger.commit(ChangeSet(rows=rows))


@pytest.fixture
def house():
    house = House()
    yield house
    house.ledger.close()


async def live(house, *nodes, seconds=DEAD_S * 3):
    for _ in range(int(seconds / 5)):
        house.seconds += 5
        for node in nodes:
            await node.look()


async def test_who_stands_still_is_dead_and_who_beats_is_not(house):
    a, b = house.node("a"), house.node("b")
    await a.enter()
    await b.enter()
    await live(house, a, b)
    assert (a.dead(), b.dead()) == ([], [])
    await live(house, a)
    assert a.dead() == ["b"]
    await live(house, a, b, seconds=20)
    assert a.dead() == []


async def test_who_left_in_order_is_not_dead(house):
    a, b = house.node("a"), house.node("b")
    await a.enter()
    await b.enter()
    await live(house, a, b)
    await b.say("down")
    await live(house, a)
    assert a.dead() == []
    rows = {r["name"]: r["state"] for r in await house.ledger.all("nodes")}
    assert rows == {"a": "up", "b": "down"}


async def test_the_younger_of_one_name_stays(house):
    old, young = house.node("a", "1"), house.node("a", "2")
    await old.enter()
    await live(house, old, seconds=10)
    await young.enter()
    with pytest.raises(IntegrityError):
        await live(house, old, seconds=10)
    await live(house, young)
    (row,) = await house.ledger.all("nodes")
    assert row["boot"] == "2"


async def test_maintenance_is_told_once_and_its_end_once(house):
    a, b = house.node("a"), house.node("b")
    for node in (a, b):
        await node.enter()
        await node.look()
    assert house.told == []
    await house.rest("thay máy")
    for node in (a, b, a, b):
        await node.look()
    assert house.told == [("a", "thay máy"), ("b", "thay máy")]
    await house.rest("")
    for node in (a, b, a, b):
        await node.look()
    assert house.told[2:] == [("a", ""), ("b", "")]


async def test_maintenance_of_one_leaves_the_other(house):
    a, b = house.node("a"), house.node("b")
    for node in (a, b):
        await node.enter()
    await house.rest("thay đĩa", "maintenance:a")
    await a.look()
    await b.look()
    assert house.told == [("a", "thay đĩa")]
    assert (a.maintenance, b.maintenance) == ("thay đĩa", "")


async def test_a_ledger_that_cannot_commit_ends_nothing(house):
    a = house.node("a")
    await a.enter()
    house.ledger.broken = True
    house.seconds += 60
    looked = []

    async def look():
        looked.append(1)
        if len(looked) == 1:
            await Nodes.look(a)
        raise IntegrityError("enough")

    a.look = look
    with pytest.raises(IntegrityError, match="enough"):
        await a.run()
    assert len(looked) == 2


def test_all_is_every_program_and_every_program_has_a_role():
    assert PROGRAMS[Role.ALL] == set(Program)
    assert programs_of(r for r in Role if r is not Role.ALL) == set(Program)


@pytest.mark.parametrize("role", ["api", "issue", "collect", "receive", "all"])
def test_who_verifies_has_lists_and_a_clock(role):
    programs = programs_of([Role(role)])
    assert verifies(programs)
    assert Program.CLOCK in programs


@pytest.mark.parametrize("role", ["dispatch", "relay", "janitor"])
def test_who_does_not_verify_starts_no_verifier(role):
    assert not verifies(programs_of([Role(role)]))


async def test_what_a_node_knows_of_itself_stands_in_its_row_while_it_changes(house):
    said = ["{}"]
    me = Self("a", "1", ("all",), "0.1")
    now = datetime(2026, 11, 22, tzinfo=UTC)

    async def told(_):
        return None

    node = Nodes(
        house.ledger, me, lambda: now, told, monotonic=lambda: house.seconds,
        facts=lambda: said[0],
    )  # fmt: skip
    await node.enter()
    said[0] = '{"lists_old": true}'
    await live(house, node, seconds=20)
    (row,) = await house.ledger.all("nodes")
    assert row["facts"] == said[0]
    wrote = [c for c in house.ledger.commits if any("facts" in r.values for r in c.rows)]
    assert len(wrote) == 2  # at the start, and when it changed; not with every beat
