"""Random change sets, the same to the fake and to PostgreSQL: same answers, same rows after."""

import asyncio
import random

import pytest

from gateway.errors import IntegrityError, Reason, RejectedError
from gateway.ports import (
    Absent,
    ChangeSet,
    Committed,
    Conflict,
    Delete,
    Insert,
    NextNumber,
    Present,
    Update,
)
from gateway.store.places import place_of
from gateway.store.postgres.ledger import PostgresLedger
from gateway.store.schema import metadata
from gateway.store.session import session
from tests.world import ledger_rows as rows
from tests.world.memory_ledger import MemoryLedger

SETS = 240
# Given by the engine, with gaps after a refused set on one of them; their order is compared.
SERIALS = {("event", "id"), ("outbox", "id"), ("receipt_entry", "ord")}


class Dice:
    """Makes change sets over so few keys that they get into each other's way."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def key(self):
        return f"k{self.dice.randrange(6)}"

    def value(self):
        return self.dice.choice(["one", "two", "", "đ'\";--", "\U0001f600"])

    def where(self):
        some = self.dice.choice(
            [
                {"key": self.key()},
                {"key": self.key(), "value": self.value()},
                {"key": (self.key(), self.key())},
                {"value": self.value()},
            ]
        )
        return self.dice.choice(["meta"] * 4), some

    def insert(self):
        name = self.key()
        return self.dice.choice(
            [
                lambda: rows.meta(name, self.value()),
                lambda: Insert("meta", {"key": name, "value": self.value()}, ignore=True),
                lambda: rows.event(name, kind=self.value()),
                lambda: rows.entry(name),
                lambda: rows.outbox(name),
                lambda: rows.consignment(name, f"doc {self.key()}", version=self.dice.randrange(3)),
                lambda: rows.delivery(f"d{name}", self.key(), agency=self.key()),
                lambda: rows.arrival(f"a{name}", self.key(), offered_at=self.offered()),
                lambda: rows.status(f"s{name}"),
                lambda: rows.keep(rows.sha(self.dice.randrange(3)), name),
            ]
        )()

    def offered(self):
        return self.dice.choice([rows.AT, None])

    def change(self):
        way = self.dice.randrange(10)
        if way < 6:
            return self.insert()
        if way == 6:
            return Delete(*self.where())
        if way == 7:
            where = {"id": f"a{self.key()}", "offered_at": None}
            return Update("arrival", where, {"offered_at": rows.AT})
        expect = self.dice.choice([1, 1, None, 0, 2])
        return Update(*self.where(), {"value": self.value()}, expect)

    def guard(self):
        return self.dice.choice([Absent, Absent, Present])(*self.where())

    def then(self):
        ends = self.dice.randrange(12)
        more = [self.change() for _ in range(self.dice.randrange(3))]

        def then(numbers):
            if ends == 0:
                raise RejectedError(Reason.CONFLICT, "no")
            if ends == 1:
                raise KeyError(ends)
            return [rows.event("numbers", data=str(sorted(numbers.items()))), *more]

        return then

    def set(self):
        dice = self.dice
        return ChangeSet(
            tuple(self.change() for _ in range(dice.randrange(5))),
            tuple(self.guard() for _ in range(dice.choice([0, 0, 1, 2]))),
            tuple(
                NextNumber(f"n{i}", self.key(), 2026, "issue")
                for i in range(dice.choice([0, 1, 2]))
            ),
            self.then() if dice.randrange(2) else None,
        )


def said(result):
    """A result in comparable form."""
    if isinstance(result, Committed):
        return result
    if isinstance(result, Conflict):
        # Of several rows in the way any one may be shown.
        one = isinstance(getattr(result.failed, "where", {}).get("key"), str)
        return Conflict, result.failed, result.row if one else result.row is None
    assert isinstance(result, RejectedError | IntegrityError), result
    return type(result)


def dumped(read):
    """Every row of every table, without what the engines number by themselves."""
    found = {}
    for table in metadata.sorted_tables:
        serial = [c.name for c in table.c if (table.name, c.name) in SERIALS]
        order = serial or [c.name for c in table.primary_key]
        some = [
            {k: v for k, v in row.items() if k not in serial}
            for row in read(f"SELECT * FROM {table.name} ORDER BY {', '.join(order)}")
        ]
        if table.name == "meta":
            own = ("writer:", "works_since")
            some = [row for row in some if not row["key"].startswith(own)]
        found[table.name] = some
    # What is offered in one batch gets its places in another order than one by one.
    places = [
        row.pop("inbox_seq")
        for table in ("arrival", "status_report")
        for row in found[table]
        if row["offered_at"]
    ]
    assert sorted(places) == list(range(1, len(places) + 1))
    return found


@pytest.fixture
async def ledgers(postgres_ledger_url):
    fake = MemoryLedger()
    real = PostgresLedger(place_of(postgres_ledger_url), poll_s=3600.0)
    await real.open()
    yield fake, real
    await real.close()
    fake.close()


@pytest.mark.parametrize("seed", [20261122, 4])
async def test_the_same_sets_mean_the_same(seed, ledgers, postgres_ledger_url):
    fake, real = ledgers
    dice = Dice(seed)
    sets = [dice.set() for _ in range(SETS)]
    expected, found = [], []
    for change in sets:
        (one,) = await asyncio.gather(fake.commit(change), return_exceptions=True)
        expected.append(said(one))
    left = list(sets)
    while left:  # alone and in batches of every size: what is handed over together keeps its order
        many = dice.dice.choice([1, 2, 7, 70])
        some, left = left[:many], left[many:]
        done = await asyncio.gather(*map(real.commit, some), return_exceptions=True)
        found += map(said, done)
    for number, pair in enumerate(zip(expected, found, strict=True)):
        assert pair[0] == pair[1], sets[number]
    refused = sum(isinstance(result, tuple) for result in found)
    assert SETS // 10 < refused < SETS - SETS // 10
    assert all(found.count(bug) for bug in (IntegrityError, RejectedError))
    with session(place_of(postgres_ledger_url), purpose="test") as opened:
        there = dumped(opened.rows)
    assert there == dumped(lambda sql: map(dict, fake.connection.execute(sql)))
