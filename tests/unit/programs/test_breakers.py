"""The gate before each destination, on a virtual clock: nodes, a ledger that is away, our own faults.

Rules: SND-15.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random

from gateway.domain.breaker import BreakerEvent, BreakerState
from gateway.errors import UnavailableError
from gateway.ports import Busy, ChangeSet, Insert, Refused, Update
from gateway.programs.relay import Relay
from tests.simulation.loop import VirtualLoop
from tests.world.fifty_peers import DEAD, LoopClock, Town
from tests.world.memory_ledger import MemoryLedger

START = datetime(2026, 11, 22, 1, tzinfo=UTC)
FAILED, SUCCEEDED = BreakerEvent.FAILED, BreakerEvent.SUCCEEDED


def on_virtual_time(work):
    loop = VirtualLoop(Random(1), shuffle=0.0)
    try:
        loop.run_until_complete(work())
        assert loop.strayed == []
    finally:
        loop.close()


def town(ledger=None, node="", **options):
    made = Town(ledger or MemoryLedger(), LoopClock(START), peers=2, **options)
    made.context.node = node
    made.context.ids._last = 1000 * ord(node or "_")
    made.context.random = lambda: 0.5
    return made


def fail(relay, times=5, hop=DEAD):
    now = relay._context.clock.now()
    for _ in range(times):
        relay.breakers.note(hop, FAILED, now, now, "không tới được")


async def standing(ledger):
    return [r for r in await ledger.all("holds_standing") if r["kind"] == "breaker"]


def test_each_node_has_its_own_and_says_so():
    async def work():
        ledger = MemoryLedger()
        a, b = (Relay(town(ledger, node).context) for node in "ab")
        for relay in (a, b):
            await relay.breakers.start()
        fail(a)
        await a.breakers.record(DEAD)
        assert not a._context.flows(DEAD)
        assert b._context.flows(DEAD)  # its line may well be whole
        fail(b)
        await b.breakers.record(DEAD)
        assert [r["held_by"] for r in await standing(ledger)] == ["a", "b"]
        await asyncio.sleep(60)
        for relay in (a, b):
            await relay.breakers.step(DEAD)  # it answers, and nothing is due
        assert await standing(ledger) == []
        assert [e["type"] for e in await ledger.all("events_of", subject=f"hop:{DEAD}")] == [
            "breaker_opened",
            "breaker_opened",
            "breaker_closed",
            "breaker_closed",
        ]

    on_virtual_time(work)


def test_a_node_started_again_takes_over_its_own_record_only():
    async def work():
        ledger = MemoryLedger()
        before = Relay(town(ledger, "a", dead="gone").context)
        fail(before)
        await before.breakers.record(DEAD)
        (record,) = await standing(ledger)
        await asyncio.sleep(3 * 3600)
        after = Relay(town(ledger, "a", dead="gone").context)
        await after.breakers.start()
        other = Relay(town(ledger, "b", dead="gone").context)
        await other.breakers.start()
        assert other._context.flows(DEAD)
        assert after._context.breakers[DEAD].state is BreakerState.OPEN
        await after.breakers.step(DEAD)
        (same,) = await standing(ledger)
        assert (same["id"], same["since"]) == (record["id"], record["since"])
        assert same["until"] > record["until"]

    on_virtual_time(work)


def test_a_destination_taken_out_of_the_settings_leaves_no_record_standing():
    async def work():
        ledger = MemoryLedger()
        before = Relay(town(ledger).context)
        fail(before, hop="peer01")
        await before.breakers.record("peer01")
        after = town(ledger)
        del after.context.adapters["peer01"]
        await Relay(after.context).breakers.start()
        assert await standing(ledger) == []

    on_virtual_time(work)


def test_a_ledger_that_is_away_delays_the_record_and_nothing_else():
    async def work():
        ledger = MemoryLedger()
        relay = Relay(town(ledger).context)
        ledger.broken = True
        fail(relay)
        with suppress(UnavailableError):
            await relay.breakers.record(DEAD)
        assert not relay._context.flows(DEAD)  # at once, written down or not
        ledger.broken = False
        await relay.breakers.record(DEAD)
        await relay.breakers.record(DEAD)
        assert len(await standing(ledger)) == 1
        ledger.broken = True
        now = relay._context.clock.now()
        relay.breakers.note(DEAD, SUCCEEDED, now, now)
        with suppress(UnavailableError):
            await relay.breakers.record(DEAD)
        async with asyncio.timeout(1):
            await relay.breakers.flowing(DEAD)  # nobody waits for the record
        ledger.broken = False
        await relay.breakers.record(DEAD)
        assert await standing(ledger) == []

    on_virtual_time(work)


async def queued(made, count, hop=DEAD):
    rows = tuple(Insert("transfer", made.row(f"{hop}-{n}", hop, 0)) for n in range(count))
    await made.ledger.commit(ChangeSet(rows=rows))


class Answers:
    """A destination with one answer for everything."""

    def __init__(self, answer):
        self.answer = answer
        self.tries = 0

    async def deliver(self, parcel, *, deadline):
        self.tries += 1
        return self.answer

    async def probe(self):
        pass


def test_trouble_of_our_own_says_nothing_of_the_destination():
    async def work():
        made = town()
        answers = made.context.adapters[DEAD] = Answers(Busy("bận"))

        async def away(name):
            raise UnavailableError(public="the blob store is away")

        made.context.blobs.has = away
        relay = Relay(made.context)
        await queued(made, 9)
        for n in range(9):
            await relay.once(f"{DEAD}-{n}")
        row = await made.ledger.one("transfer", id=f"{DEAD}-8")
        assert (row["state"], row["attempts"], answers.tries) == ("deferred", 1, 0)
        assert made.context.flows(DEAD)

    on_virtual_time(work)


def test_what_was_taken_when_the_gate_shut_is_given_back_untried():
    async def work():
        made = town()
        answers = made.context.adapters[DEAD] = Answers(Busy("bận"))
        relay = Relay(made.context)
        await queued(made, 9)
        for n in range(9):
            await relay.once(f"{DEAD}-{n}")
        rows = [await made.ledger.one("transfer", id=f"{DEAD}-{n}") for n in range(9)]
        assert [r["attempts"] for r in rows] == [1] * 5 + [0] * 4
        assert [r["state"] for r in rows] == ["deferred"] * 5 + ["waiting"] * 4
        assert answers.tries == 5

    on_virtual_time(work)


def test_a_destination_that_refuses_everything_is_heard_out():
    async def work():
        made = town()
        answers = made.context.adapters[DEAD] = Answers(Refused("không có đơn vị", "18"))
        relay = Relay(made.context)
        await queued(made, 30)
        for n in range(30):
            await relay.once(f"{DEAD}-{n}")
        assert answers.tries == 30
        assert made.context.flows(DEAD)
        assert await standing(made.ledger) == []

    on_virtual_time(work)


def test_the_one_that_was_the_probe_is_not_the_next_probe():
    async def work():
        made = town()
        made.context.adapters[DEAD] = Answers(Busy("đầy đĩa"))
        relay = Relay(made.context)
        await relay.breakers.start()
        await queued(made, 8)
        fail(relay)
        for _ in range(6):
            await asyncio.sleep(400)
            await relay.breakers.step(DEAD)
            assert not made.context.flows(DEAD)
        rows = [await made.ledger.one("transfer", id=f"{DEAD}-{n}") for n in range(8)]
        assert sorted(r["attempts"] for r in rows) == [0, 0, 1, 1, 1, 1, 1, 1]
        made.context.adapters[DEAD] = Answers(Refused("không", "18"))
        await asyncio.sleep(400)
        await relay.breakers.step(DEAD)
        assert made.context.flows(DEAD)

    on_virtual_time(work)


def test_a_destination_an_operator_holds_is_not_even_asked():
    async def work():
        made = town()
        answers = made.context.adapters[DEAD] = Answers(Busy("bận"))
        relay = Relay(made.context)
        await queued(made, 1)
        fail(relay)
        held = {
            "id": "h1",
            "kind": "operator",
            "scope": "hop",
            "subject": DEAD,
            "held_by": "an",
            "since": "2026-11-22T01:00:00.000000Z",
        }
        await made.ledger.commit(ChangeSet(rows=(Insert("hold", held),)))
        await relay.breakers.look()
        await asyncio.sleep(timedelta(days=1).total_seconds())
        await relay.breakers.step(DEAD)
        await relay.once(f"{DEAD}-0", asking=True)
        assert answers.tries == 0

    on_virtual_time(work)


def test_a_document_released_a_moment_ago_is_not_stopped_on_old_news():
    async def work():
        made = town()
        made.context.adapters[DEAD] = Answers(Busy("bận"))
        relay = Relay(made.context)
        row = made.row("t", DEAD, 0) | {"consignment_id": "c1"}
        held = {
            "id": "h1",
            "kind": "operator",
            "scope": "document",
            "subject": "c1",
            "held_by": "an",
            "since": row["created_at"],
        }
        rows = (Insert("transfer", row), Insert("hold", held))
        await made.ledger.commit(ChangeSet(rows=rows))
        # Not yet known here, and all the same not tried: the claim looks at the ledger.
        await relay.once("t")
        assert (await made.ledger.one("transfer", id="t"))["attempts"] == 0
        await relay.breakers.look()
        assert made.context.shelved == {"c1"}
        gone = Update("hold", {"id": "h1"}, {"released_at": row["created_at"]})
        await made.ledger.commit(ChangeSet(rows=(gone,)))
        await relay.once("t")
        assert (await made.ledger.one("transfer", id="t"))["stopped"] == 0
        await relay.breakers.look()
        await relay.once("t")
        assert (await made.ledger.one("transfer", id="t"))["attempts"] == 1

    on_virtual_time(work)
