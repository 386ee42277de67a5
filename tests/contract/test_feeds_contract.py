"""Feeds: one suite for the ledger's, on every engine, and the fake that doors are tested with."""

import asyncio
import contextlib
import json

import pytest

from gateway.errors import Reason, RejectedError
from gateway.ports import ChangeSet, Committed, Update
from gateway.programs.feed import LedgerFeeds
from gateway.programs.items import document_item, status_item
from gateway.programs.pulse import Pulse
from gateway.store.places import place_of
from gateway.stores import ledger_at
from tests.world import ledger_rows as rows
from tests.world.fake_feeds import FakeFeeds
from tests.world.fake_frontdoor import FakeClock
from tests.world.ledgers import new_ledger
from tests.world.memory_ledger import MemoryLedger

ENVELOPE = '{"header": {"subject": "x", "code_number": "1", "code_notation": "VP"}}'
PATIENCE_S = 60


class House:
    """Feeds, and a way to offer something to an agency."""

    def __init__(self, feeds, ledger=None):
        self.feeds = feeds
        self.ledger = ledger
        self.count = 0

    async def document(self, agency="H37.02"):
        self.count += 1
        row = rows.arrival(rows.new_id(), f"doc-{self.count}", agency=agency, envelope=ENVELOPE)
        return await self._offer(row, document_item)

    async def status(self, agency="H37.02"):
        self.count += 1
        return await self._offer(rows.status(rows.new_id(), recipient=agency), status_item)

    async def _offer(self, row, item_of):
        if self.ledger is not None:
            assert isinstance(await self.ledger.commit(ChangeSet(rows=(row,))), Committed)
        else:
            extra = {"inbox_seq": self.count, "entered_system_at": None, "notation": "",
                     "description": "", "taken_at": None}  # fmt: skip
            await self.feeds.offer(item_of(extra | row.values))
        return row.values["id"]


@pytest.fixture(params=["fake", "memory", "sqlite", "postgresql"])
async def house(request, tmp_path):
    async with contextlib.AsyncExitStack() as opened:
        if request.param == "fake":
            yield House(FakeFeeds())
            return
        if request.param == "memory":
            ledger = MemoryLedger()
            opened.callback(ledger.close)
        else:
            ledger = await opened.enter_async_context(ledger_at(new_ledger(request, tmp_path)))
        pulse = Pulse(ledger)
        ledger.on_commit = pulse.wake
        yield House(LedgerFeeds(ledger, FakeClock(), pulse), ledger)


async def ids(house, consumer="amqp:qlvb", agencies=("H37.02",), limit=100):
    return [o.item.id for o in await house.feeds.after(consumer, agencies, limit=limit)]


async def test_a_new_consumer_begins_behind_what_is_there(house):
    await house.document()
    place = await house.feeds.place("amqp:qlvb")
    assert place.cursor == place.highest > 0
    assert await ids(house) == []
    new = await house.document()
    assert await ids(house) == [new]


async def test_documents_and_statuses_come_in_one_order(house):
    await house.feeds.place("amqp:qlvb")
    sent = [await house.document(), await house.status(), await house.document()]
    offers = await house.feeds.after("amqp:qlvb", {"H37.02"}, limit=100)
    assert [o.item.id for o in offers] == sent
    assert [o.item.kind for o in offers] == ["edoc", "status", "edoc"]
    cursors = [o.item.cursor for o in offers]
    assert cursors == sorted(set(cursors))
    assert not any(o.replay for o in offers)


async def test_only_the_agencies_asked_for_and_pages_that_join(house):
    await house.feeds.place("amqp:qlvb")
    mine = []
    for turn in range(4):
        mine.append(await house.document("H37.02"))
        await house.document("H37.99")
        mine.append(await (house.status if turn % 2 else house.document)("H37.03"))
    found = []
    while page := await house.feeds.after("amqp:qlvb", {"H37.02", "H37.03"}, limit=3):
        assert len(page) <= 3
        found += [o.item.id for o in page]
        await house.feeds.advance("amqp:qlvb", page[-1].item.cursor)
    assert found == mine
    assert await ids(house, agencies=()) == []


async def test_pages_of_very_many_agencies_join_too(house):
    await house.feeds.place("amqp:qlvb")
    codes = [f"H37.{n}" for n in range(10, 40)]
    sent = []
    for n in range(60):
        sent.append(await (house.status if n % 3 else house.document)(codes[n * 7 % 30]))
        await house.document("H99")
    found = []
    while page := await house.feeds.after("amqp:qlvb", codes, limit=2):
        assert len(page) <= 2
        found += [o.item.id for o in page]
        await house.feeds.advance("amqp:qlvb", page[-1].item.cursor)
    assert found == sent


async def test_a_place_is_moved_forward_only_and_each_consumer_has_its_own(house):
    await house.feeds.place("amqp:qlvb")
    await house.feeds.place("spool:qlvb")
    first, second = await house.document(), await house.document()
    page = await house.feeds.after("amqp:qlvb", {"H37.02"}, limit=10)
    await house.feeds.advance("amqp:qlvb", page[1].item.cursor)
    await house.feeds.advance("amqp:qlvb", page[0].item.cursor)
    assert await ids(house) == []
    assert await ids(house, "spool:qlvb") == [first, second]


async def test_what_was_brought_comes_again_as_replay_then_what_is_new(house):
    before = await house.feeds.place("amqp:qlvb")
    old = [await house.document(), await house.status()]
    page = await house.feeds.after("amqp:qlvb", {"H37.02"}, limit=10)
    await house.feeds.advance("amqp:qlvb", page[-1].item.cursor)
    new = await house.document()
    place = await house.feeds.rewind("amqp:qlvb", before.cursor, by="an", reason="bản cũ")
    assert (place.cursor, place.highest) == (before.cursor, page[-1].item.cursor)
    offers = await house.feeds.after("amqp:qlvb", {"H37.02"}, limit=10)
    assert [(o.item.id, o.replay) for o in offers] == [*((i, True) for i in old), (new, False)]
    assert [o.item for o in offers[:2]] == [o.item for o in page]


async def test_a_rewind_is_not_undone_by_one_who_brings_meanwhile(house):
    before = await house.feeds.place("amqp:qlvb")
    first, second = await house.document(), await house.document()
    one, two = await house.feeds.after("amqp:qlvb", {"H37.02"}, limit=10)
    await house.feeds.advance("amqp:qlvb", one.item.cursor)
    await house.feeds.rewind("amqp:qlvb", before.cursor, by="an", reason="thử")
    await house.feeds.advance("amqp:qlvb", two.item.cursor)
    assert await ids(house) == [first, second]


@pytest.mark.parametrize("beyond", [1, 100])
async def test_nobody_is_put_where_it_has_not_been(house, beyond):
    place = await house.feeds.place("amqp:qlvb")
    with pytest.raises(RejectedError) as refused:
        await house.feeds.rewind("amqp:qlvb", place.cursor + beyond, by="an", reason="x")
    assert refused.value.reason is Reason.BAD_REQUEST
    with pytest.raises(RejectedError):
        await house.feeds.rewind("amqp:qlvb", -1, by="an", reason="x")


async def test_whoever_waits_is_told_of_what_comes(house):
    await house.feeds.place("amqp:qlvb")
    assert await ids(house) == []
    waiting = asyncio.create_task(house.feeds.changed("amqp:qlvb", PATIENCE_S))
    new = await house.document()
    async with asyncio.timeout(PATIENCE_S):
        await waiting
    assert await ids(house) == [new]


async def test_what_came_between_asking_and_waiting_does_not_wait(house):
    await house.feeds.place("amqp:qlvb")
    assert await ids(house) == []
    await house.document()
    async with asyncio.timeout(PATIENCE_S):
        await house.feeds.changed("amqp:qlvb", 10 * PATIENCE_S)


async def test_nothing_new_ends_the_wait_in_time(house):
    await house.feeds.place("amqp:qlvb")
    assert await ids(house) == []
    async with asyncio.timeout(PATIENCE_S):
        await house.feeds.changed("amqp:qlvb", 0.01)


async def test_a_rewind_is_an_event_with_who_and_why(house):
    if house.ledger is None:
        pytest.skip("the fake writes no events")
    await house.document()
    await house.feeds.place("amqp:qlvb")
    await house.feeds.rewind("amqp:qlvb", 0, by="an", reason="phục hồi bản cũ")
    (told,) = await house.ledger.all("events_of", subject="amqp:qlvb")
    assert told["type"] == "rewound"
    assert json.loads(told["data"]) == {
        "by": "an", "reason": "phục hồi bản cũ", "was": 1, "cursor": 0,
    }  # fmt: skip


async def test_what_is_in_quarantine_is_offered_to_nobody(house):
    if house.ledger is None:
        pytest.skip("the fake has no states")
    await house.feeds.place("amqp:qlvb")
    hidden, shown = await house.document(), await house.document()
    shut = Update("arrival", {"id": hidden}, {"state": "quarantined"})
    await house.ledger.commit(ChangeSet(rows=(shut,)))
    assert await ids(house) == [shown]


async def test_no_row_is_skipped_while_many_commit(house):
    await house.feeds.place("amqp:qlvb")
    sent, found = [], []

    async def offer(count):
        sent.extend([await house.document() for _ in range(count)])

    async def follow():
        while len(found) < 60:
            page = await house.feeds.after("amqp:qlvb", {"H37.02"}, limit=7)
            found.extend(o.item.id for o in page)
            if page:
                await house.feeds.advance("amqp:qlvb", page[-1].item.cursor)
            else:
                await house.feeds.changed("amqp:qlvb", PATIENCE_S)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(follow(), *(offer(15) for _ in range(4)))
    assert sorted(found) == sorted(sent)
    assert len(set(found)) == 60


async def test_what_another_node_commits_is_found_by_looking(postgres_ledger_url):
    place = place_of(postgres_ledger_url)
    async with ledger_at(place) as mine, ledger_at(place) as theirs:
        feeds = LedgerFeeds(mine, FakeClock(), Pulse(mine, poll_s=0.02))
        there = House(LedgerFeeds(theirs, FakeClock(), Pulse(theirs)), theirs)
        await feeds.place("amqp:qlvb")
        assert await feeds.after("amqp:qlvb", {"H37.02"}, limit=9) == []
        waiting = asyncio.create_task(feeds.changed("amqp:qlvb", PATIENCE_S))
        new = await there.document()
        async with asyncio.timeout(PATIENCE_S):
            await waiting
        (offer,) = await feeds.after("amqp:qlvb", {"H37.02"}, limit=9)
        assert offer.item.id == new
