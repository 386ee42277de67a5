"""An agency restored an old backup: its inbox is played again, by every door, bytes and all."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.ports import ChangeSet, Delete
from gateway.programs.rows import event
from tests.integration.test_facade_exchange import LISTING, STATUSES, kit, ok, rows, until_listed
from tests.world.gatehouse import gatehouse, packet
from tests.world.outside import cold

WHY = {"reason": "Phục hồi bản sao lưu"}


@pytest.fixture
async def house(tmp_path):
    with cold():
        async with gatehouse(tmp_path) as found:
            yield found


async def taken(house, client):
    """Send one document, have it taken by an old client; return its row and bytes."""
    status, answer, _ = await house.send(packet("12"))
    assert status == 202, answer
    (row,) = await until_listed(house, client)
    raw = await client.call("downloadEdoc", method="GET", docId=row["docId"])
    ok(await client.call("updateStatus", b"{}", docId=row["docId"], status="done"))
    assert await rows(client) == []
    return row["docId"], raw.body


async def rewind(house, system="stc", **asked):
    status, told, _ = await house.call("POST", "/inbox/rewind", system, json=WHY | asked)
    assert status == 200, told
    return told


async def ledger_rows(house, query, **params):
    return await house.gateway.ledger.all(query, **params)


async def test_an_old_client_gets_the_same_once_more_and_nothing_else_happens(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id, before = await taken(house, theirs)
    (told,) = await rows(ours, STATUSES)
    _, arrival, _ = await house.call("GET", f"/inbox/{doc_id}", "stc")
    _, receipts, _ = await house.call("GET", f"/inbox/{doc_id}/receipts", "stc")
    asked = await rewind(house, to=0, dry_run=True)
    assert (asked["documents"], asked["began_at"]) == (1, None)
    assert await rows(theirs) == []
    asked = await rewind(house, to=0)
    assert (asked["documents"], asked["purged"], asked["cursor"]) == (1, 0, 0)
    (row,) = await rows(theirs)
    assert row["docId"] == doc_id
    again = await theirs.call("downloadEdoc", method="GET", docId=doc_id)
    assert again.body == before
    _, page, _ = await house.call("GET", "/inbox", "stc")
    assert [(i["id"], i["replay"]) for i in page["items"]] == [(doc_id, True)]
    # The other system's inbox is its own.
    assert len(await rows(ours, STATUSES)) == 1
    ok(await theirs.call("updateStatus", b"{}", docId=doc_id, status="done"))
    assert await rows(theirs) == []
    _, page, _ = await house.call("GET", "/inbox", "stc")
    assert [i["replay"] for i in page["items"]] == [False]
    _, after, _ = await house.call("GET", f"/inbox/{doc_id}", "stc")
    assert after == arrival
    _, proofs, _ = await house.call("GET", f"/inbox/{doc_id}/receipts", "stc")
    assert [e["entry_id"] for e in proofs["entries"]] == [
        e["entry_id"] for e in receipts["entries"]
    ]
    # RCV-06: one 01 and no second.
    assert [r["docId"] for r in await rows(ours, STATUSES)] == [told["docId"]]
    assert await house.gateway.ledger.one("replay_open", system_id="stc") is None


async def test_statuses_and_documents_still_waiting_come_once_each(house):
    theirs, ours = kit(house, "stc"), kit(house, "snv")
    doc_id, _ = await taken(house, theirs)
    (first,) = await rows(ours, STATUSES)
    ok(await ours.call("updateStatus", b"{}", docId=first["docId"], status="done"))
    await house.send(packet("13"))
    (waiting,) = await until_listed(house, theirs)
    await rewind(house, "snv", to=0)
    await rewind(house, "stc", since=(datetime.now(UTC) - timedelta(hours=1)).isoformat())
    assert [r["docId"] for r in await rows(ours, STATUSES)] == [first["docId"]]
    assert [r["docId"] for r in await rows(theirs)] == [doc_id, waiting["docId"]]
    ok(await theirs.call("updateStatus", b"{}", docId=waiting["docId"], status="done"))
    assert [r["docId"] for r in await rows(theirs)] == [doc_id]
    # Taken for the first time after the rewind: it is no replay.
    _, page, _ = await house.call("GET", "/inbox", "stc")
    assert [i["replay"] for i in page["items"]] == [True, False]
    _, _, _ = await house.call("POST", f"/inbox/{doc_id}/confirm", "stc")
    assert await rows(theirs) == []
    # Nothing lies behind a later time.
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert (await rewind(house, "stc", since=later))["documents"] == 0
    assert await rows(theirs, LISTING) == []


async def test_consumers_of_the_feed_are_put_back_too(house):
    feeds, theirs = house.gateway.feeds, kit(house, "stc")
    await feeds.place("amqp:stc")
    await feeds.place("amqp:snv")
    doc_id, _ = await taken(house, theirs)
    (offer,) = await feeds.after("amqp:stc", {"H37.04"}, limit=9)
    await feeds.advance("amqp:stc", offer.item.cursor)
    told = await rewind(house, to=0)
    assert told["consumers"] == ["amqp:stc"]
    (again,) = await feeds.after("amqp:stc", {"H37.04"}, limit=9)
    assert (again.item.id, again.replay) == (doc_id, True)


async def test_what_retention_let_go_is_said_and_not_offered(house):
    theirs = kit(house, "stc")
    doc_id, _ = await taken(house, theirs)
    ledger, gateway = house.gateway.ledger, house.gateway
    arrival = await ledger.one("arrival", id=doc_id)

    await ledger.commit(
        ChangeSet(
            rows=(
                Delete("blob_ref", {"sha256": arrival["strict_sha256"], "owner": doc_id}),
                event(doc_id, "retention_purged", gateway.clock.now(), classes=["files"]),
            )
        )
    )
    told = await rewind(house, to=0)
    assert (told["documents"], told["purged"]) == (0, 1)
    assert await rows(theirs) == []


async def test_what_makes_no_sense_is_refused(house):
    for body, status in (
        ({"to": 10**6}, 400),
        ({}, 422),
        ({"to": 0, "since": "2026-11-22T00:00:00+07:00"}, 422),
        ({"to": -1}, 422),
        ({"to": 0, "reason": " "}, 422),
        ({"since": "2026-11-22"}, 422),
    ):
        found, problem, _ = await house.call("POST", "/inbox/rewind", "stc", json=WHY | body)
        assert found == status, problem


@pytest.mark.parametrize(
    "asked",
    [
        {"since": "0001-01-01T00:00:00+07:00"},
        {"since": "9999-12-31T23:59:59-07:00"},
        {"to": 0, "reason": "a\x00b"},
        {"to": 0, "reason": "a\x1bb"},
    ],
)
async def test_what_no_ledger_can_keep_is_the_callers_fault(house, asked):
    status, problem, _ = await house.call("POST", "/inbox/rewind", "stc", json=WHY | asked)
    assert status == 422, problem
    assert len(problem["findings"]) == 1
