"""The circuit breaker in a whole gateway: an axis that is away, and what must not happen meanwhile.

Rules: SND-03, SND-15.
"""

from datetime import timedelta

import pytest

from adapters.simulator.axis import Fault
from gateway import app
from gateway.config import load
from gateway.domain.breaker import BreakerState
from gateway.domain.moments import from_text
from tests.world.gatehouse import gatehouse, packet
from tests.world.ledgers import ENGINES
from tests.world.submitting import count

LONG = '[breaker]\nfailures = 3\nfirst = "1 h"\nlongest = "1 h"\nurgent_every = "10 m"\n'
PROBE = "countReceiveEdoc"


def away(house):
    """Let the axis drop every call we make to send something, or to ask whether it is there."""
    house.gateway.context.random = lambda: 0.5  # half an hour until a probe
    house.axis.fail("sendEdoc", *[Fault.BUSY, Fault.ERROR_500, Fault.DROP] * 1000)
    house.axis.fail(PROBE, *[Fault.ERROR_500] * 1000)


def back(house):
    house.axis.mend("sendEdoc")
    house.axis.mend(PROBE)


async def sent(house, number, *to, **options):
    status, answer, _ = await house.send(packet(str(number), to=to or ("G09",), **options))
    assert status == 202, answer
    return answer["id"]


async def is_open(house, hop="truc"):
    return not house.gateway.context.flows(hop)


async def probed(house, hop="truc"):
    """Wait until a probe that was due has failed, and the gateway knows it.

    The axis hears a probe before we hear its answer: who moves the clock in between makes the next
    one due only after a wait from then.
    """

    async def known():
        breaker = house.gateway.context.breakers[hop]
        return breaker.state is BreakerState.OPEN and breaker.probe_at > house.clock.now()

    await house.until(known)


async def records(house):
    rows = await house.gateway.ledger.all(
        "holds_of", transfer_id="", consignment_id="", hop="truc", after=""
    )
    return [r for r in rows if r["kind"] == "breaker"]


async def attempts(house, *documents):
    found = [await house.gateway.ledger.all("transfers_of", consignment_id=d) for d in documents]
    return [row["attempts"] for rows in found for row in rows]


async def told(house):
    rows = await house.gateway.ledger.all("events_of", subject="hop:truc")
    return [r["type"] for r in rows]


async def test_an_axis_that_is_away_costs_a_few_attempts_and_comes_back_in_order(tmp_path):
    async with gatehouse(tmp_path, axis=True, extra=LONG) as house:
        away(house)
        normal = [await sent(house, n) for n in range(1, 13)]
        await house.until(lambda: is_open(house))
        (record,) = await house.until(lambda: records(house))
        assert from_text(record["until"]) - from_text(record["since"]) == timedelta(minutes=30)
        urgent = await sent(house, 50, urgency=1)
        express = await sent(house, 60, urgency=3)
        late = await sent(house, 70)
        burnt = sum(await attempts(house, *normal))
        assert 3 <= burnt <= 3 + house.gateway.context.peer("truc").concurrency

        # The clerk is told why, in the document and in its history; operations by a measure.
        (delivery,) = (await house.document(normal[-1]))["deliveries"]
        (held,) = delivery["holds"]
        assert (held["kind"], held["scope"]) == ("breaker", "hop")
        assert "đích không phản hồi" in held["text"]
        async with house.session.get(f"{house.url}/metrics") as answer:
            text = await answer.text()
        assert 'vanlien_breaker_open{peer="truc"} 1.0' in text
        assert 'vanlien_holds{kind="breaker",scope="hop"} 1.0' in text

        # Ten minutes later the express document has it asked, and it is still away.
        house.clock.move(timedelta(minutes=11))
        await house.called(PROBE)
        await probed(house)
        assert sum(await attempts(house, *normal, urgent, express, late)) == burnt

        back(house)
        house.clock.move(timedelta(minutes=11))
        for document in (*normal, urgent, express, late):
            delivery = await house.state(document, "G09", "handed_over")
            assert delivery["holds"] == []
        order = [i.head.document_id for i in house.axis.items if i.kind == "edoc"]
        place = {
            d: order.index((await house.document(d))["document_id"])
            for d in (*normal, urgent, express, late)
        }
        assert place[express] == 0  # it alone was tried, and decided
        assert place[urgent] <= house.gateway.context.peer("truc").concurrency
        # Nothing was tried that did not go, but for what opened it.
        assert sum(await attempts(house, *normal, urgent, express, late)) == burnt + 15

        await house.until(lambda: released(house))
        (record,) = await records(house)
        assert record["released_at"] is not None
        assert await told(house) == ["breaker_opened", "breaker_closed"]  # once each
        _, history, _ = await house.call("GET", f"/documents/{normal[-1]}/events")
        kinds = [e["type"] for e in history["items"]]
        assert kinds.index("breaker_opened") < kinds.index("breaker_closed")


async def released(house):
    return all(r["released_at"] for r in await records(house))


async def test_nothing_is_given_up_because_a_line_was_down(tmp_path):
    extra = f'{LONG}[retry.normal]\nfirst = "1 m"\njitter = 0\ngive_up_after = "30 m"\n'
    async with gatehouse(tmp_path, axis=True, extra=extra) as house:
        away(house)
        documents = [await sent(house, n) for n in range(1, 6)]
        await house.until(lambda: is_open(house))
        await house.until(lambda: records(house))
        for days in (3, 30):
            calls = house.axis.calls.count(PROBE)
            house.clock.move(timedelta(days=days))
            await house.called(PROBE, calls + 1)
            await probed(house)
        house.axis.mend(PROBE)  # it answers again, and takes nothing yet
        calls = house.axis.calls.count("sendEdoc")
        house.clock.move(timedelta(days=3))
        await house.called("sendEdoc", calls + 1)
        await probed(house)
        for document in documents:
            (delivery,) = (await house.document(document))["deliveries"]
            assert delivery["state"] in {"pending", "sending", "deferred"}
        back(house)
        house.clock.move(timedelta(days=1))
        for document in documents:
            await house.state(document, "G09", "handed_over")


class Poisoned:
    """The axis, but that one document never gets through."""

    def __init__(self, adapter, document_id):
        self._adapter = adapter
        self._document_id = document_id
        self.tried = 0

    def __getattr__(self, name):
        return getattr(self._adapter, name)

    async def deliver(self, parcel, *, deadline):
        if parcel.document_id == self._document_id:
            self.tried += 1
            raise RuntimeError("cut every time")
        return await self._adapter.deliver(parcel, deadline=deadline)


async def test_one_letter_that_never_gets_through_does_not_stand_for_the_others(tmp_path):
    extra = (
        '[breaker]\nfailures = 2\nfirst = "1 m"\nlongest = "1 m"\nurgent_every = "1 s"\n'
        '[retry.express]\nfirst = "1 ms"\nlongest = "1 ms"\n'
    )
    async with gatehouse(tmp_path, axis=True, extra=extra) as house:
        adapters = house.gateway.context.adapters
        name = "H37.02,2026/11/22,99/DOC"
        poisoned = adapters["truc"] = Poisoned(adapters["truc"], name)
        await sent(house, 99, urgency=3, document_id=name)
        await house.until(lambda: is_open(house))
        good = [await sent(house, n) for n in range(1, 8)]
        for document in good:
            await house.state(document, "G09", "handed_over")
        assert poisoned.tried >= 2


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_restart_asks_before_it_sends(tmp_path, engine, request):
    # On a shared ledger the hold is this node's, and its next process takes it over by name.
    ledger = request.getfixturevalue("postgres_ledger_url") if engine == "postgresql" else ""
    async with gatehouse(tmp_path, axis=True, extra=LONG, ledger=ledger) as house:
        away(house)
        documents = [await sent(house, n) for n in range(1, 7)]
        await house.until(lambda: is_open(house))
        (record,) = await house.until(lambda: records(house))
        await house.gateway.stop()
        burnt = count(house, "attempt")
        calls = house.axis.calls.count(PROBE)
        again = app.Gateway(load(house.folder / "vanlien.toml"), clock=house.clock)
        await again.start()
        try:
            house.gateway = again
            again.context.random = lambda: 0.5
            await house.called(PROBE, calls + 1)  # asked at once, and still away
            await probed(house)
            assert sum(await attempts(house, *documents)) == burnt
            (standing,) = await records(house)
            assert (standing["id"], standing["since"]) == (record["id"], record["since"])
            assert standing["released_at"] is None
            back(house)
            house.clock.move(timedelta(hours=1))
            for document in documents:
                await house.state(document, "G09", "handed_over")
            await house.until(lambda: released(house))
            assert await told(house) == ["breaker_opened", "breaker_closed"]
        finally:
            await again.stop()
