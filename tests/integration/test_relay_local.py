"""Deliveries inside the province, and what stopping or starting does to work half done."""

import asyncio

from adapters.simulator.axis import Fault
from gateway import app, stores
from gateway.programs import relay
from tests.world.gatehouse import gatehouse, packet
from tests.world.ledgers import ask


async def sent(house, number, *to, **options):
    status, answer, _ = await house.send(packet(number, to=to, **options))
    assert status == 202, answer
    return answer["id"]


async def the_transfer(house, document, hop):
    rows = await house.gateway.ledger.all("transfers_of", consignment_id=document)
    return next(r for r in rows if r["hop"] == hop)


# ---------------------------------------------------------------- the axis serves our agency too


async def test_a_copy_that_comes_back_from_the_axis_is_the_same_document(tmp_path):
    async with gatehouse(tmp_path, axis=True, returns_to_sender=True) as house:
        document = await sent(house, "1", "H37.04", "G09")
        await house.state(document, "H37.04", "handed_over")
        await house.state(document, "G09", "handed_over")
        await house.until(lambda: nothing_waits_for_us(house))
        assert len(await house.inbox("stc")) == 1


async def nothing_waits_for_us(house):
    return all(i.taken_at for i in house.axis.items if i.to == "H37.04") and len(
        [i for i in house.axis.items if i.to == "H37.04"]
    )


async def never(context, transfer):
    """A relay that does not get round to local deliveries."""


async def test_when_the_copy_is_faster_our_own_delivery_is_still_the_one(tmp_path, monkeypatch):
    async with gatehouse(tmp_path, axis=True, returns_to_sender=True) as house:
        plain = relay.deliver_locally
        monkeypatch.setattr(relay, "deliver_locally", never)
        document = await sent(house, "1", "H37.04", "G09")
        await house.until(lambda: nothing_waits_for_us(house))
        monkeypatch.setattr(relay, "deliver_locally", plain)
        await house.sweep()
        await house.state(document, "H37.04", "handed_over")
        (item,) = await house.inbox("stc")
        assert item["source"] == "local"


async def test_a_document_the_agency_has_already_is_not_given_twice(tmp_path):
    async with gatehouse(tmp_path) as house:
        document = await sent(house, "1", "H37.04")
        (item,) = await house.inbox("stc")
        await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
        await house.state(document, "H37.04", "arrived")
        # As if it had come by another way and our own delivery were still to be made.
        change(house, "UPDATE delivery SET state = 'pending', entered_system_at = NULL")
        change(house, "UPDATE transfer SET state = 'waiting'")
        await house.sweep()
        delivery = await house.state(document, "H37.04", "arrived")
        assert delivery["entered_system_at"] is not None
        assert (await the_transfer(house, document, "local:H37.04"))["state"] == "done"
        assert len(await house.inbox("stc")) == 1


async def test_another_document_under_its_identifier_fails_that_delivery_only(tmp_path):
    async with gatehouse(tmp_path) as house:
        document = await sent(house, "1", "H37.04", "H37.61")
        await house.state(document, "H37.04", "handed_over")
        change(house, "UPDATE delivery SET state = 'pending' WHERE agency = 'H37.04'")
        change(house, "UPDATE transfer SET state = 'waiting' WHERE hop = 'local:H37.04'")
        change(house, "UPDATE arrival SET digest = 'other' WHERE agency = 'H37.04'")
        await house.sweep()
        delivery = await house.state(document, "H37.04", "failed")
        assert "another document is there" in delivery["reason"]
        await house.state(document, "H37.61", "arrived")


# ---------------------------------------------------------------- stopping


async def test_a_stop_waits_for_the_attempt_under_way(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        desk = house.axis._desk
        submit, go = desk.submit, asyncio.Event()

        async def slowly(caller, data, options):
            done = await submit(caller, data, options)
            await go.wait()
            return done

        desk.submit = slowly
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "sending")
        await house.called("sendEdoc")
        stopping = asyncio.ensure_future(house.gateway.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()
        go.set()
        await stopping
        assert rows(house, "SELECT state FROM transfer") == [("done",)]
        assert rows(house, "SELECT outcome FROM attempt") == [("taken",)]


async def test_what_hangs_is_given_up_at_a_stop_and_sent_again_after_the_start(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(relay, "_FINISH_S", 0.1)
    async with gatehouse(tmp_path, axis=True, extra='[retry.normal]\nfirst = "50 ms"\n') as house:
        house.axis.fail("sendEdoc", Fault.SLOW)
        document = await sent(house, "1", "G09")
        await house.state(document, "G09", "sending")
        await house.called("sendEdoc")
        async with asyncio.timeout(60):
            await house.gateway.stop()
        assert rows(house, "SELECT state FROM transfer") == [("sending",)]
        house.gateway = app.Gateway(house.gateway.settings, clock=house.clock)
        await house.gateway.start()
        try:
            delivery = await house.state(document, "G09", "handed_over")
            assert [a["outcome"] for a in delivery["attempts"]] == ["died", "taken"]
        finally:
            await house.gateway.stop()


async def test_a_consignment_whose_last_status_came_before_a_crash_is_closed_at_the_start(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", Fault.REFUSE)
        document = await sent(house, "1", "G09")
        other = await sent(house, "2", "G09")
        await house.state(document, "G09", "failed")
        await house.state(other, "G09", "handed_over")
        await house.until(lambda: is_closed(house, document))
        await house.gateway.stop()
        change(house, "UPDATE consignment SET state = 'released', closed_at = NULL")
        house.gateway = app.Gateway(house.gateway.settings, clock=house.clock)
        await house.gateway.start()
        try:
            assert await is_closed(house, document)
            assert not await is_closed(house, other)
        finally:
            await house.gateway.stop()


async def is_closed(house, document):
    return (await house.document(document))["state"] == "closed"


def rows(house, sql):
    found = ask(stores.ledger_place(house.gateway.settings), sql)
    return [tuple(row.values()) for row in found]


def change(house, sql):
    ask(stores.ledger_place(house.gateway.settings), sql)


async def test_a_local_delivery_that_cannot_be_made_is_an_alarm_not_a_loop(tmp_path, monkeypatch):
    """Facts that do not fit together (never seen) are said aloud and looked at again later."""
    async with gatehouse(tmp_path) as house:
        plain = relay.deliver_locally
        monkeypatch.setattr(relay, "deliver_locally", never)
        document = await sent(house, "1", "H37.04")
        change(house, "UPDATE delivery SET state = 'cancelled'")
        monkeypatch.setattr(relay, "deliver_locally", plain)
        await house.sweep()

        async def later():
            row = await the_transfer(house, document, "local:H37.04")
            return row["due_at"] > row["created_at"] and row

        row = await house.until(later)
        assert (row["state"], row["attempts"]) == ("waiting", 0)
