"""What the janitor finds unfinished, and times that a clock set back left far ahead.

Rules: SND-15, TIM-01.
"""

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.lifecycle import DELIVERY, DeliveryState, settled
from gateway.domain.moments import to_text
from gateway.ports import ChangeSet, Insert, Refused, Update
from gateway.programs import mending, tracking
from gateway.programs.janitor import Every, Janitor
from gateway.programs.relay import Relay
from gateway.programs.routing import topic_of
from gateway.programs.rows import event
from tests.world.fifty_peers import DEAD, Town
from tests.world.memory_ledger import MemoryLedger

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
AT = to_text(NOW)


class Still:
    def __init__(self):
        self.at = NOW

    def now(self):
        return self.at

    def offset(self):
        return None


@pytest.fixture
def town():
    town = Town(MemoryLedger(), Still(), peers=2)
    yield town
    town.ledger.close()


async def put(town, *rows):
    await town.ledger.commit(ChangeSet(rows=rows))


def consignment(name, state="released"):
    values = {
        "id": name, "system_id": "snv", "via": "api", "sender": "H37.02", "sender_written": "H37.02",
        "digest": "", "state": state, "envelope": "{}", "received_sha256": "", "received_size": 0,
        "accepted_at": AT, "answer": "{}",
    }  # fmt: skip
    return Insert("consignment", values)


def delivery(name, of, state, transfer=None):
    values = {"id": name, "consignment_id": of, "agency": name, "addressed_as": "[]"}
    return Insert("delivery", {**values, "state": state, "transfer_id": transfer})


def attempt(transfer, n, ended_at=None):
    return Insert(
        "attempt", {"transfer_id": transfer, "n": n, "began_at": AT, "ended_at": ended_at}
    )


def transfer(town, name, **values):
    return Insert("transfer", {**town.row(name, DEAD, 0), **values})


async def state_of(town, name):
    return (await town.ledger.one("consignment", id=name))["state"]


# ---------------------------------------------------------------- closing


async def test_what_is_settled_but_for_its_closing_is_closed(town):
    for n, state in enumerate(DeliveryState):
        await put(town, consignment(f"c{n}"), delivery(f"d{n}", f"c{n}", state))
    both = (delivery("x", "two", "failed"), delivery("y", "two", "handed_over"))
    await put(town, consignment("two"), *both, consignment("waits", "accepted"))
    await mending.newest(town.context)  # no event names them
    assert await state_of(town, "c0") == "released"
    await mending.everything(town.context)
    for n, state in enumerate(DeliveryState):
        expected = "closed" if settled(DELIVERY, state) else "released"
        assert await state_of(town, f"c{n}") == expected, state
    assert await state_of(town, "two") == "released"
    assert await state_of(town, "waits") == "accepted"


async def test_others_are_served_between_the_pages(town, monkeypatch):
    monkeypatch.setattr(mending, "_PAGE", 1)
    await put(town, *(consignment(f"c{n}", "closed") for n in range(5)))
    turns = 0

    async def waits():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.create_task(waits())
    await mending.everything(town.context)
    waiting.cancel()
    assert turns >= 5


async def test_a_closing_that_was_cut_off_after_a_refusal_is_made_good_within_a_minute(
    town, monkeypatch
):
    class Refusing:
        async def deliver(self, parcel, *, deadline):
            return Refused("không có đơn vị", "18")

    async def dies(context, name):
        raise asyncio.CancelledError

    town.context.adapters[DEAD] = Refusing()
    moved = transfer(town, "t", kind="edoc", status_id=None, consignment_id="c")
    await put(town, consignment("c"), delivery("d", "c", "pending", "t"), moved)
    with monkeypatch.context() as trouble:
        trouble.setattr(tracking, "close_if_settled", dies)
        with pytest.raises(asyncio.CancelledError):
            await Relay(town.context).once("t")
    assert await state_of(town, "c") == "released"
    await mending.newest(town.context)
    assert await state_of(town, "c") == "closed"
    told = [e["type"] for e in await town.ledger.all("events_of", subject="c")]
    assert told == ["closed"]
    await mending.newest(town.context)
    assert len(await town.ledger.all("events_of", subject="c")) == 1  # once


# ---------------------------------------------------------------- attempts


async def open_attempts(town):
    rows = town.ledger.connection.execute(
        "SELECT transfer_id, n FROM attempt WHERE ended_at IS NULL ORDER BY 1, 2"
    )
    return [(row["transfer_id"], row["n"]) for row in rows]


@pytest.mark.parametrize("look", [mending.newest, mending.everything])
async def test_attempts_nobody_works_on_are_ended_and_others_are_not(town, look):
    await put(
        town,
        transfer(town, "done", state="done", attempts=1), attempt("done", 1),
        transfer(town, "deferred", state="deferred", attempts=2),
        attempt("deferred", 1, AT), attempt("deferred", 2),
        transfer(town, "sending", state="sending", attempts=2, lease_until=AT),
        attempt("sending", 1), attempt("sending", 2),
        *(event(name, "attempt_began", NOW, n=1) for name in ("done", "deferred", "sending")),
    )  # fmt: skip
    await look(town.context)
    assert await open_attempts(town) == [("sending", 2)]
    (row,) = town.ledger.connection.execute("SELECT * FROM attempt WHERE transfer_id = 'done'")
    assert (row["outcome"], row["ended_at"]) == ("died", AT)


# ---------------------------------------------------------------- times


async def test_after_a_clock_was_set_back_nothing_waits_for_it_to_come_again(town):
    far = to_text(NOW + timedelta(days=365))
    soon = to_text(NOW + timedelta(hours=1))
    held = {"state": "deferred", "due_at": far}
    await put(
        town,
        transfer(town, "far", **held),
        transfer(town, "far-urgent", **held, lane=3),
        transfer(town, "soon", state="deferred", due_at=soon),
        transfer(town, "stopped", **held, stopped=1),
        transfer(town, "failed", state="failed", due_at=far),
        transfer(town, "sending", state="sending", due_at=far, lease_until=far, attempts=1),
    )
    inbound = {"peer": "truc", "kind": "edoc", "sha256": "", "size_bytes": 0, "received_at": AT}
    await put(
        town,
        Insert("inbound", {**inbound, "id": "i", "peer_doc_id": "1", "state": "received", "due_at": far}),
        Insert("inbound", {**inbound, "id": "k", "peer_doc_id": "2", "state": "stray", "due_at": far}),
        Insert("recheck", {"subject": "a", "kind": "arrival", "since": AT, "due_at": far}),
        Insert("recheck", {"subject": "b", "kind": "arrival", "since": AT, "due_at": soon}),
    )  # fmt: skip
    for _ in range(2):
        await mending.bring_forward(town.context)
    due = {
        name: (await town.ledger.one("transfer", id=name))["due_at"]
        for name in ("far", "far-urgent", "soon", "stopped", "failed", "sending")
    }
    assert due == {
        "far": AT, "far-urgent": AT, "soon": soon, "stopped": far, "failed": far, "sending": far,
    }  # fmt: skip
    (told,) = await town.ledger.all("events_of", subject="far")
    assert (told["type"], json.loads(told["data"])["was"]) == ("brought_forward", far)
    sending = await town.ledger.one("transfer", id="sending")
    assert AT < sending["lease_until"] < to_text(NOW + timedelta(days=1))
    found = {n: (await town.ledger.one("inbound", id=n))["due_at"] for n in "ik"}
    assert found == {"i": AT, "k": far}
    found = {n: (await town.ledger.one("recheck", subject=n))["due_at"] for n in "ab"}
    assert found == {"a": AT, "b": soon}


async def test_what_was_never_tried_does_not_wait_for_half_an_hour(town):
    """The clock was half an hour ahead when it was released: no schedule says so (SND-15)."""
    half, slack = NOW + timedelta(minutes=30), NOW + timedelta(minutes=14)
    await put(
        town,
        transfer(town, "new", state="waiting", due_at=to_text(half)),
        transfer(town, "tried", state="deferred", due_at=to_text(half)),
        transfer(town, "nowhere", state="waiting", due_at=to_text(slack)),
    )
    await mending.bring_forward(town.context)
    due = {
        n: (await town.ledger.one("transfer", id=n))["due_at"] for n in ("new", "tried", "nowhere")
    }
    assert due == {"new": AT, "tried": to_text(half), "nowhere": to_text(slack)}


async def test_what_an_operator_lets_go_later_is_brought_forward_then(town):
    far = to_text(NOW + timedelta(days=365))
    await put(town, transfer(town, "t", state="deferred", due_at=far, stopped=1))
    await mending.bring_forward(town.context)
    await put(town, Update("transfer", {"id": "t"}, {"stopped": 0}))
    await mending.bring_forward(town.context)
    assert (await town.ledger.one("transfer", id="t"))["due_at"] == AT


def test_nothing_any_schedule_makes_wait_is_brought_forward(town):
    schedules = town.context.policy.schedules.values()
    assert mending.longest_wait(town.context) > max(s.longest for s in schedules)
    assert mending.longest_wait(town.context) > timedelta(hours=1)  # what a peer may wish for


def test_a_period_is_over_when_the_clock_was_set_back():
    every = Every(timedelta(hours=1))
    assert every.due(NOW)
    assert not every.due(NOW)
    assert not every.due(NOW + timedelta(minutes=59))
    assert every.due(NOW + timedelta(minutes=60))
    assert every.due(NOW - timedelta(days=365))
    assert not every.due(NOW - timedelta(days=365) + timedelta(minutes=1))


# ---------------------------------------------------------------- what takes long


async def test_what_is_due_does_not_wait_for_a_sweep_through_years_of_documents(town):
    class Vast:
        def __init__(self):
            self.begun, self.ended = asyncio.Event(), asyncio.Event()

        async def slow(self):
            self.begun.set()
            await self.ended.wait()

    vast, janitor = Vast(), Janitor(town.context)
    janitor.slow = vast.slow
    town.clock.at += timedelta(hours=2)
    working = asyncio.create_task(janitor.run())
    try:
        async with asyncio.timeout(60):
            await vast.begun.wait()
            await put(town, transfer(town, "due"))
            taken = await town.context.lanes.take(topic_of(DEAD))
        assert taken.ref == "due"
        assert not vast.ended.is_set()
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
