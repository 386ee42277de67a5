"""Retention: only settled letters that are old enough, class by class, and a signed stub stays."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from adapters.simulator.axis import Fault
from gateway.__main__ import main
from gateway.ports import ChangeSet, Insert, Present, Update
from gateway.programs.forecast import days_left
from gateway.programs.retention import Ages, Retention
from tests.world.gatehouse import gatehouse, packet
from tests.world.submitting import check_receipts

YEAR = timedelta(days=365)


def retention_of(house, **ages):
    context = house.gateway.context
    return Retention(context.ledger, context.blobs, house.clock, context.ids, Ages(**ages))


async def settled(house, number="1"):
    """Send a document whose reader is done with it; return the rows of both."""
    body = packet(number, files=((f"tep-{number}.txt", f"noi dung {number}".encode()),))
    _, document, _ = await house.send(body)
    (item,) = [
        i for i in await house.inbox("stc") if i["document_id"] == document["document_id"]
    ] or [None]
    assert item is not None
    await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
    for code in ("03", "06"):
        await house.call("POST", f"/inbox/{item['id']}/status", "stc", json={"code": code})

    async def closed():
        row = await house.row("consignment", id=document["id"])
        return row if row["state"] == "closed" else None

    return await house.until(closed), await house.row("arrival", id=item["id"])


async def owners(house, *rows):
    names = json.dumps([r["received_sha256"] for r in rows])
    refs = await house.gateway.ledger.all("refs_named", names=names)
    return {ref["owner"] for ref in refs}


async def test_nothing_goes_unless_somebody_said_so(tmp_path):
    async with gatehouse(tmp_path) as house:
        await settled(house)
        house.clock.move(100 * YEAR)
        assert all(t.items == 0 for t in (await retention_of(house).run()).values())


async def test_what_is_settled_and_old_goes_and_a_signed_stub_stays(tmp_path):
    async with gatehouse(tmp_path) as house:
        consignment, arrival = await settled(house)
        purge = retention_of(house, packets=YEAR, files=YEAR)
        assert all(t.items == 0 for t in (await purge.run()).values())  # not old enough
        house.clock.move(YEAR + timedelta(days=1))
        planned = await purge.plan()
        assert planned["packets"].items == 2
        assert planned["files"].items >= 1
        assert planned["packets"].size_bytes > 0
        assert consignment["id"] in await owners(house, consignment)  # a plan changes nothing
        done = await purge.run()
        assert {k: t.items for k, t in done.items()} == {k: t.items for k, t in planned.items()}
        assert not {consignment["id"], arrival["id"]} & await owners(house, consignment, arrival)
        kept = await house.row("consignment", id=consignment["id"])
        assert kept["document_id"] == consignment["document_id"]
        assert kept["received_sha256"] == consignment["received_sha256"]
        (entry,) = [
            json.loads(e["body"])
            for e in await house.gateway.ledger.all("entries_of", subject=consignment["id"])
            if json.loads(e["body"]).get("action") == "retention-purged"
        ]
        assert entry["packet_sha256"] == consignment["received_sha256"]
        assert all(t.items == 0 for t in (await purge.run()).values())  # once
        await check_receipts(house)


HOLDS = [
    ("transfer", {"state": "failed"}),
    ("transfer", {"hold": "clock"}),
    ("delivery", {"state": "failed"}),
    ("delivery", {"state": "not_connected"}),
    ("delivery", {"hold": "verdict"}),
]


@pytest.mark.parametrize(("table", "values"), HOLDS)
async def test_nothing_undelivered_failed_or_held_goes(tmp_path, table, values):
    async with gatehouse(tmp_path) as house:
        consignment, _ = await settled(house)
        where = {"consignment_id": consignment["id"]}
        change = ChangeSet(rows=(Update(table, where, values, expect=None),))
        await house.gateway.ledger.commit(change)
        house.clock.move(10 * YEAR)
        await retention_of(house, packets=YEAR, files=YEAR, parcels=YEAR).run()
        assert consignment["id"] in await owners(house, consignment)


@pytest.mark.parametrize("kind", ["recall", "recheck", "quarantine", "open", "read"])
async def test_nothing_asked_back_judged_again_set_apart_or_read_goes(tmp_path, kind):
    async with gatehouse(tmp_path) as house:
        consignment, arrival = await settled(house)
        ledger, at = house.gateway.ledger, consignment["accepted_at"]
        (delivery,) = await ledger.all("deliveries", consignment_id=consignment["id"])
        row = {
            "recall": Insert(
                "recall",
                {"id": "r", "delivery_id": delivery["id"], "state": "asked", "asked_at": at},
            ),
            "recheck": Insert(
                "recheck",
                {"subject": consignment["id"], "kind": "consignment", "since": at,
                 "due_at": "2999-01-01T00:00:00.000000Z"},
            ),
            "quarantine": Insert(
                "quarantine",
                {"id": consignment["id"], "kind": "consignment", "sender": "x", "reason": "SEC-01",
                 "sha256": "", "at": at},
            ),
            "open": Update("consignment", {"id": consignment["id"]}, {"state": "released"}),
            "read": Update("arrival", {"id": arrival["id"]}, {"state": "in_progress"}),
        }[kind]  # fmt: skip
        await ledger.commit(ChangeSet(rows=(row,)))
        house.clock.move(10 * YEAR)
        await retention_of(house, packets=YEAR, files=YEAR).run()
        left = await owners(house, consignment, arrival)
        assert consignment["id"] in left  # with "read": its files are what the reader reads
        assert arrival["id"] in left or kind != "read"


async def test_a_document_an_operator_holds_is_kept_for_as_long_as_the_hold_stands(tmp_path):
    async with gatehouse(tmp_path) as house:
        consignment, _ = await settled(house)
        hold = {"id": "h", "kind": "operator", "scope": "document", "subject": consignment["id"]}
        hold |= {"held_by": "an", "since": consignment["accepted_at"]}
        ledger = house.gateway.ledger
        await ledger.commit(ChangeSet(rows=(Insert("hold", hold),)))
        house.clock.move(10 * YEAR)
        purge = retention_of(house, packets=YEAR, files=YEAR)
        await purge.run()
        assert consignment["id"] in await owners(house, consignment)
        free = Update("hold", {"id": "h"}, {"released_at": consignment["accepted_at"]})
        await ledger.commit(ChangeSet(rows=(free,)))
        await purge.run()
        assert consignment["id"] not in await owners(house, consignment)


async def test_one_open_recipient_of_three_keeps_everything_two_years_and_longer(tmp_path):
    async with gatehouse(tmp_path, axis=True) as house:
        house.axis.fail("sendEdoc", *[Fault.BUSY] * 50)
        _, document, _ = await house.send(packet("7", to=("H37.04", "H37.61", "G09")))
        await house.state(document["id"], "G09", "deferred")
        (item,) = await house.inbox("stc")
        await house.call("POST", f"/inbox/{item['id']}/confirm", "stc")
        for code in ("03", "06"):
            await house.call("POST", f"/inbox/{item['id']}/status", "stc", json={"code": code})
        done = await house.state(document["id"], "H37.04", "done")
        assert done["state"] == "done"
        consignment = await house.row("consignment", id=document["id"])
        purge = retention_of(house, packets=YEAR, files=YEAR, parcels=YEAR)
        house.clock.move(2 * YEAR + timedelta(days=1))
        await purge.run()
        files = [f["sha256"] for f in json.loads(consignment["envelope"])["attachments"]]
        for name in (consignment["received_sha256"], *files):
            assert await house.row("blob_ref", sha256=name)
        house.axis.mend("sendEdoc")
        await house.sweep()  # and it still gets there, whole
        await house.state(document["id"], "G09", "handed_over")
        (sent,) = [i for i in house.axis.items if i.kind == "edoc"]
        assert sent.head.document_id == consignment["document_id"]


async def test_what_moved_since_it_was_looked_at_is_kept(tmp_path):
    async with gatehouse(tmp_path) as house:
        consignment, arrival = await settled(house)
        house.clock.move(10 * YEAR)
        purge = retention_of(house, packets=YEAR)
        claims = purge._claims

        async def meanwhile(table, row, now):
            found = await claims(table, row, now)
            change = Update(table, {"id": row["id"]}, {"state": "offered"})
            await house.gateway.ledger.commit(ChangeSet(rows=(change,)))
            return found

        purge._claims = meanwhile
        assert all(t.items == 0 for t in (await purge.run()).values())
        assert {consignment["id"], arrival["id"]} <= await owners(house, consignment, arrival)


async def test_a_former_janitor_purges_nothing(tmp_path):
    async with gatehouse(tmp_path) as house:
        consignment, _ = await settled(house)
        house.clock.move(10 * YEAR)
        purge = retention_of(house, packets=YEAR)
        purge._guard = lambda: (Present("lease", {"name": "janitor", "holder": "somebody"}),)
        assert all(t.items == 0 for t in (await purge.run()).values())
        assert consignment["id"] in await owners(house, consignment)


async def test_the_command_plans_and_the_janitor_purges(tmp_path, capsys):
    extra = '[retention]\npackets = "30 d"\nfiles = "30 d"\nreports = "30 d"\n'
    async with gatehouse(tmp_path, extra=extra) as house:
        consignment, _ = await settled(house)
        config = str(tmp_path / "vanlien.toml")
        told = await asyncio.to_thread(main, ["retention", "plan", "--json", "--config", config])
        assert told == 0
        planned = json.loads(capsys.readouterr().out)
        assert planned["purged"] is False
        assert planned["classes"]["packets"] == {"items": 0, "size_bytes": 0}
        house.clock.move(timedelta(days=40))
        await house.gateway.janitor.slow()
        assert consignment["id"] not in await owners(house, consignment)


AT = datetime(2026, 11, 1, tzinfo=UTC)


def samples(*free, step=timedelta(days=1)):
    return [(AT + n * step, count) for n, count in enumerate(free)]


def test_the_forecast_is_a_line_through_what_was_measured():
    assert days_left(samples(100, 90, 80, 70)) == pytest.approx(7.0)
    assert days_left(samples(100, 91, 80, 69, 60)) == pytest.approx(6.0, abs=0.3)


def test_nothing_is_forecast_from_too_little_or_from_a_disk_that_is_not_filling():
    assert days_left([]) is None
    assert days_left(samples(100, 90)) is None
    assert days_left(samples(100, 90, 80, step=timedelta(hours=1))) is None
    assert days_left(samples(70, 80, 90)) is None
    assert days_left(samples(70, 70, 70)) is None
    assert days_left(samples(20, 10, 0)) == pytest.approx(0.0)
