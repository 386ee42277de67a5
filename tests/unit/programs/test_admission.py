"""Admission: full means nobody, nearly full means the urgent, and no caller takes all."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.moments import to_text
from gateway.errors import Reason, UnavailableError
from gateway.ports import ChangeSet, Insert
from gateway.programs.admission import Admission, Bounds, OpenHouse, Room
from tests.world.memory_ledger import MemoryLedger

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
GIB = 1 << 30


class House:
    def __init__(self, **bounds):
        self.ledger = MemoryLedger()
        self.seconds = 1000.0
        self.at = NOW
        self.room = Room(100 * GIB, 200 * GIB)
        self.count = 0
        self.admission = Admission(
            self.ledger,
            self,
            Bounds(**bounds),
            room=self.look,
            random=lambda: 0.5,
            monotonic=lambda: self.seconds,
        )

    def now(self):
        return self.at

    def offset(self):
        return None

    def look(self):
        if isinstance(self.room, Exception):
            raise self.room
        return self.room

    async def waiting(self, count, system_id="qlvb", hold="", at=NOW):
        rows = []
        for _ in range(count):
            self.count += 1
            rows.append(
                Insert(
                    "consignment",
                    {
                        "id": str(self.count), "system_id": system_id, "via": "api", "sender": "H37",
                        "sender_written": "H37", "digest": "", "state": "accepted", "hold": hold,
                        "envelope": "{}", "received_sha256": "", "received_size": 0,
                        "accepted_at": to_text(at), "answer": "{}",
                    },
                )
            )  # fmt: skip
        await self.ledger.commit(ChangeSet(rows=tuple(rows)))

    async def owed(self, count):
        rows = tuple(Insert("outbox", {"topic": "t", "ref": str(n)}) for n in range(count))
        await self.ledger.commit(ChangeSet(rows=rows))

    async def let_in(self, urgent=None, system_id="qlvb"):
        """Ask twice: the measuring goes on beside the first question."""
        self.seconds += 2
        await self.admission.parts()
        await asyncio.wait({self.admission._measuring})
        await self.admission.admit(system_id, urgent)

    async def put_off(self, urgent=None, system_id="qlvb"):
        with pytest.raises(UnavailableError) as put_off:
            await self.let_in(urgent, system_id)
        return put_off.value


@pytest.fixture
def make():
    houses = []

    def house(**bounds):
        houses.append(House(**bounds))
        return houses[-1]

    yield house
    for one in houses:
        one.ledger.close()


async def test_an_empty_house_lets_everybody_in(make):
    house = make()
    for urgent in (None, True, False):
        await house.let_in(urgent)
    assert max((await house.admission.parts()).values()) < 0.1
    await OpenHouse().admit("qlvb", None)


async def test_a_full_backlog_is_said_with_a_time_to_come_again(make):
    house = make(backlog=10, caller_share=1.0)
    await house.waiting(8)
    await house.let_in()
    await house.waiting(2)
    for urgent in (None, True, False):
        trouble = await house.put_off(urgent)
        assert (trouble.reason, trouble.retry_after_s) == (Reason.UNAVAILABLE, 30.0)
        assert "backlog" in trouble.public


async def test_what_is_held_for_the_clock_is_no_backlog(make):
    house = make(backlog=10)
    await house.waiting(20, hold="clock")
    await house.let_in()


async def test_the_last_share_is_for_the_urgent(make):
    house = make(backlog=10, urgent_share=0.2, caller_share=1.0)
    await house.waiting(7)
    await house.let_in(urgent=False)
    house.admission.known(urgent=False)
    await house.waiting(1)
    await house.put_off(urgent=False)
    await house.let_in(urgent=True)
    await house.let_in(urgent=None)  # nobody knows yet: its header will say
    house.admission.known(urgent=True)
    with pytest.raises(UnavailableError):
        house.admission.known(urgent=False)


async def test_a_full_outbox_lets_nobody_in(make):
    house = make(outbox=5)
    await house.owed(5)
    assert "outbox" in (await house.put_off(urgent=True)).public


async def test_what_has_waited_too_long_lets_nobody_in(make):
    house = make(oldest=timedelta(hours=1))
    await house.waiting(1)
    await house.let_in()
    house.at += timedelta(hours=2)
    assert "oldest" in (await house.put_off()).public


async def test_a_disk_at_its_floor_lets_nobody_in_and_heals(make):
    house = make(disk_bytes=GIB)
    house.room = Room(GIB, 200 * GIB)
    assert "disk" in (await house.put_off(urgent=True)).public
    house.room = Room(0, 200 * GIB)
    await house.put_off()
    house.room = Room(50 * GIB, 200 * GIB)
    await house.let_in()


async def test_the_floor_may_be_a_part_of_the_disk(make):
    house = make(disk_bytes=0, disk_percent=10)
    house.room = Room(21 * GIB, 200 * GIB)
    await house.let_in(urgent=True)
    house.room = Room(19 * GIB, 200 * GIB)
    await house.put_off(urgent=True)


async def test_a_disk_nobody_can_ask_refuses_nobody(make):
    house = make()
    house.room = OSError("gone")
    await house.let_in()
    house.room = None
    await house.let_in()


async def test_one_caller_has_its_share_once_it_is_half_full(make):
    house = make(backlog=20, caller_share=0.4)
    await house.waiting(9, "greedy")
    await house.let_in(system_id="greedy")  # nobody else wants the room
    await house.waiting(3, "modest")
    trouble = await house.put_off(system_id="greedy")
    assert trouble.reason is Reason.OVERLOADED
    await house.let_in(system_id="modest")
    await house.let_in(urgent=True, system_id="greedy")


async def test_a_ledger_that_is_slow_lets_nobody_in(make, monkeypatch):
    house = make(slow_commit=timedelta(seconds=5))
    await house.let_in()
    commit = house.ledger.commit

    async def slowly(change):
        house.seconds += 6
        return await commit(change)

    monkeypatch.setattr(house.ledger, "commit", slowly)
    assert "latency" in (await house.put_off(urgent=True)).public


async def test_a_ledger_that_does_not_answer_is_slow_before_it_says_so(make, monkeypatch):
    house = make(slow_commit=timedelta(seconds=5))
    await house.let_in()
    asked = asyncio.Event()

    async def never(change):
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(house.ledger, "commit", never)
    house.seconds += 2
    await house.admission.parts()
    await asked.wait()
    house.seconds += 3
    await house.admission.admit("qlvb", None)
    house.seconds += 3
    with pytest.raises(UnavailableError, match="latency"):
        await house.admission.admit("qlvb", None)
    house.admission._measuring.cancel()
    await asyncio.gather(house.admission._measuring, return_exceptions=True)


async def test_a_ledger_that_cannot_commit_is_left_to_say_so_itself(make):
    house = make()
    house.ledger.broken = True
    await house.let_in()


async def test_measured_at_most_once_a_second(make):
    house = make()
    for _ in range(50):
        await house.admission.admit("qlvb", None)
        await asyncio.sleep(0)
    assert len(house.ledger.commits) == 1
    house.seconds += 1.5
    for _ in range(50):
        await house.admission.admit("qlvb", None)
        await asyncio.sleep(0)
    assert len(house.ledger.commits) == 2
