"""What a caller hears of, on every engine: whose it is, in order, nothing twice, nothing skipped."""

import asyncio

import pytest

from gateway.domain.notices import KINDS, NAMES
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, ChangeSet, Committed, Insert, Update
from gateway.programs.notices import LedgerNotices
from gateway.programs.pulse import Pulse
from gateway.stores import ledger_at
from tests.world import ledger_rows as rows
from tests.world.ledgers import new_ledger
from tests.world.memory_ledger import MemoryLedger

SENDER = Caller("qlvb", frozenset({"H37.02"}))
READER = Caller("khac", frozenset({"H37.03", "H37.04"}))
PATIENCE_S = 60


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def ledger(request, tmp_path):
    if request.param == "memory":
        made = MemoryLedger()
        yield made
        made.close()
        return
    async with ledger_at(new_ledger(request, tmp_path)) as made:
        yield made


async def commit(ledger, *changes):
    assert isinstance(await ledger.commit(ChangeSet(rows=changes)), Committed)


def notices_of(ledger):
    pulse = Pulse(ledger)
    ledger.on_commit = pulse.wake
    return LedgerNotices(ledger, pulse)


def transfer(row_id, consignment_id, **more):
    values = {
        "id": row_id, "consignment_id": consignment_id, "kind": "edoc", "hop": "truc",
        "state": "waiting", "due_at": rows.AT, "sender_written": "H37.02", "recipients": "[]",
        "document_id": "d", "created_at": rows.AT,
    }  # fmt: skip
    return Insert("transfer", values | more)


async def heard(notices, caller, after=0, limit=100, kinds=()):
    page = await notices.after(caller, after, limit=limit, kinds=kinds)
    return [(n.kind, n.body["subject"]) for n in page.notices]


async def test_each_hears_its_own(ledger):
    notices = notices_of(ledger)
    sent, moved, came, told = (rows.new_id() for _ in range(4))
    await commit(
        ledger,
        rows.consignment(sent, state="released"),
        rows.delivery(rows.new_id(), sent, agency="G09", transfer_id=moved),
        transfer(moved, sent),
        rows.arrival(came, "d1", agency="H37.03"),
        rows.status(told, recipient="H37.02"),
        rows.event(sent, "released"),
        rows.event(came, "offered"),
        rows.event(moved, "handed_over"),
        rows.event(moved, "attempt_began"),
        rows.event(told, "status_offered", data='{"code": "03"}'),
    )
    assert await heard(notices, SENDER) == [
        ("document.released", sent),
        ("delivery.handed_over", moved),
        ("inbox.status", told),
    ]
    assert await heard(notices, READER) == [("inbox.document", came)]
    assert await heard(notices, Caller("qlvb", frozenset())) == [
        ("document.released", sent),
        ("delivery.handed_over", moved),
    ]
    page = await notices.after(SENDER, 0, limit=10)
    assert page.notices[1].body["agencies"] == ["G09"]
    assert page.notices[1].body["href"] == f"/api/v1/documents/{sent}"
    assert page.notices[2].body["code"] == "03"


async def test_what_is_set_apart_is_told_to_nobody(ledger):
    notices = notices_of(ledger)
    hidden, later, away = (rows.new_id() for _ in range(3))
    await commit(
        ledger,
        rows.consignment(hidden, state="quarantined"),
        rows.arrival(later, "d1"),
        rows.arrival(away, "d2", offered_at=None),
        rows.event(hidden, "released"),
        rows.event(later, "offered"),
        rows.event(away, "offered"),
    )
    assert await heard(notices, SENDER) == [("inbox.document", later)]
    await commit(ledger, Update("arrival", {"id": later}, {"state": "quarantined"}))
    assert await heard(notices, SENDER) == []


async def test_a_status_on_its_way_elsewhere_is_nobodys_delivery(ledger):
    notices = notices_of(ledger)
    sent, moved = rows.new_id(), rows.new_id()
    await commit(
        ledger,
        rows.consignment(sent),
        transfer(moved, sent, kind="status", status_id=rows.new_id()),
        rows.event(moved, "handed_over"),
    )
    assert await heard(notices, SENDER) == []


async def test_pages_join_and_a_choice_of_kinds_moves_on(ledger):
    notices = notices_of(ledger)
    ids = [rows.new_id() for _ in range(9)]
    for n, one in enumerate(ids):
        agency = ("H37.03", "H37.04", "H37.99")[n % 3]
        await commit(ledger, rows.arrival(one, f"d{n}", agency=agency), rows.event(one, "offered"))
    mine = [one for n, one in enumerate(ids) if n % 3 != 2]
    found, after = [], 0
    while True:
        page = await notices.after(READER, after, limit=2)
        assert len(page.notices) <= 2
        if not page.notices:
            break
        found += [n.body["subject"] for n in page.notices]
        after = page.next
    assert found == mine
    page = await notices.after(READER, 0, limit=100, kinds=("document.*",))
    assert (page.notices, page.next) == ([], after)
    assert len(await heard(notices, READER, kinds=("inbox.*",))) == len(mine)


async def test_pages_of_very_many_agencies_join_too(ledger):
    notices = notices_of(ledger)
    codes = [f"H37.{n}" for n in range(10, 40)]
    sent = []
    for n in range(90):
        one = rows.new_id()
        agency = codes[n * 7 % 30] if n % 3 else "H99"
        await commit(ledger, rows.arrival(one, f"d{n}", agency=agency), rows.event(one, "offered"))
        sent += [one] if n % 3 else []
    found, after = [], 0
    many = Caller("qlvb", frozenset(codes))
    while (page := await notices.after(many, after, limit=2)).next != after:
        assert len(page.notices) <= 2
        found += [n.body["subject"] for n in page.notices]
        after = page.next
    assert found == sent


async def test_a_cursor_never_given_is_said_to_be_gone(ledger):
    notices = notices_of(ledger)
    await commit(ledger, rows.event("x"))
    with pytest.raises(RejectedError) as refused:
        await notices.after(SENDER, 2, limit=1)
    assert refused.value.reason is Reason.GONE
    assert (await notices.after(SENDER, 1, limit=1)).next == 1


async def test_a_follower_skips_nothing_while_many_commit(ledger):
    notices = notices_of(ledger)
    sent, found = [], []

    async def write(agency):
        for n in range(12):
            one = rows.new_id()
            sent.append(one)
            row = rows.arrival(one, f"{agency}-{n}", agency=agency)
            await commit(ledger, row, rows.event(one, "offered"), rows.event("noise"))

    async def follow():
        after = 0
        while len(found) < 24:
            seen = await notices.newest()
            page = await notices.after(READER, after, limit=5)
            found.extend(n.body["subject"] for n in page.notices)
            after = page.next
            if not page.notices:
                await notices.changed(seen, PATIENCE_S)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(follow(), write("H37.03"), write("H37.04"), write("H37.77"))
    assert sorted(found) == sorted(one for one in found)
    assert len(set(found)) == len(found) == 24


def test_every_public_name_says_its_group():
    assert all("." in name for name in NAMES)
    assert len({kind for _, kind in KINDS}) <= len(KINDS)
