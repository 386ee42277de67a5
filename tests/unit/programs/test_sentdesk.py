"""Lists of what an agency sent, and sending again. Rules: SND-08, SND-09, SND-15, SEC-01."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.domain.access import Grant, Person, Role
from gateway.domain.worktime import default_hours
from gateway.errors import Reason, RejectedError
from gateway.ports import ChangeSet, Insert
from gateway.programs.clerk.draftcheck import ClerkPolicy
from gateway.programs.clerk.sentdesk import PAGE, LedgerSentDesk
from gateway.programs.clerk.todolist import LedgerTodos
from gateway.programs.todos import OTHER_MEANS, todo_row
from tests.world.ledger_rows import consignment, delivery, new_id
from tests.world.memory_ledger import MemoryLedger

NOW = datetime(2026, 11, 23, 3, tzinfo=UTC)
CLERK = Person("a-lan", "lan", "Trần Thị Lan", (Grant(Role.CLERK, "H37.02"),))


class Ids:
    new = staticmethod(new_id)


@pytest.fixture
def world():
    ledger = MemoryLedger()
    nothing: Any = None
    context: Any = SimpleNamespace(
        ledger=ledger,
        clock=SimpleNamespace(now=lambda: NOW),
        ids=Ids(),
        calendar=lambda _: default_hours(),
    )
    yield SimpleNamespace(
        ledger=ledger, desk=LedgerSentDesk(context, nothing, ClerkPolicy()), context=context
    )
    ledger.close()


async def sent(world, n, state="handed_over", *, sender="H37.02", **more):
    row_id = f"c-{n:04d}"
    row = consignment(
        row_id,
        f"{sender},2026/11/20,{n}/VP",
        sender=sender,
        state=more.pop("own", "released"),
        code_number=str(n),
        promulgation_date="2026-11-20",
        **more,
    )
    d = delivery(f"d-{n:04d}", row_id, state=state, sender=sender, name="Sở Tài chính")
    await world.ledger.commit(ChangeSet(rows=(row, d)))


async def test_each_list_has_its_own_and_nobody_elses(world):
    await sent(world, 1)
    await sent(world, 2, "failed")
    await sent(world, 3, "returned", sender="H37.04")
    await sent(world, 4, "done", own="closed")
    await sent(world, 5, "cancelled", own="refused")
    await sent(world, 6, own="quarantined")
    tabs = {
        tab: [r.code for r in (await world.desk.page("H37.02", tab, after="")).items]
        for tab in ("sent", "open", "failed", "refused", "returned", "recalled", "other-means")
    }
    assert tabs == {
        "sent": ["5", "4", "2", "1"],
        "open": ["1"],
        "failed": ["2"],
        "refused": ["5"],
        "returned": [],
        "recalled": [],
        "other-means": [],
    }
    with pytest.raises(RejectedError) as caught:
        await world.desk.page("H37.02", "nothing", after="")
    assert caught.value.reason is Reason.NOT_FOUND
    for document in ("c-0006", "c-9999"):
        with pytest.raises(RejectedError):
            await world.desk.owner(document)


@pytest.mark.parametrize("tab", ["sent", "open"])
async def test_pages_follow_one_another_without_gap_or_repeat(world, tab):
    for n in range(PAGE + 7):
        await sent(world, n)
    first = await world.desk.page("H37.02", tab, after="")
    second = await world.desk.page("H37.02", tab, after=first.after)
    codes = [int(r.code) for r in (*first.items, *second.items)]
    assert codes == sorted(range(PAGE + 7), reverse=True)
    assert (bool(first.after), second.after) == (True, "")


async def test_whose_answer_is_overdue_is_shown_longest_first(world):
    await sent(world, 1, "accepted", due_date="2026-11-20")
    await sent(world, 2, "arrived", due_date="2026-11-10")
    await sent(world, 3, "done", due_date="2026-11-01")
    await sent(world, 4, "accepted", due_date="2026-11-23")
    late = (await world.desk.late("H37.02", after="")).items
    assert [(r.code, r.days_late, r.open_for) for r in late] == [
        ("2", 13, ("Sở Tài chính",)),
        ("1", 3, ("Sở Tài chính",)),
    ]


async def test_a_drafter_sees_what_is_overdue_of_the_own_drafts_only(world):
    for n, account in ((1, "a-lan"), (2, "a-an"), (3, "a-lan")):
        await sent(world, n, "accepted" if n < 3 else "done", due_date="2026-11-20")
        draft = {
            "id": f"draft-{n}",
            "agency": "H37.02",
            "account_id": account,
            "state": "sent",
            "consignment_id": f"c-{n:04d}",
            "created_at": "x",
            "updated_at": "x",
        }
        await world.ledger.commit(ChangeSet(rows=(Insert("draft", draft),)))
    late = await world.desk.late_of(CLERK, after="")
    assert [r.code for r in late.items] == ["1"]
    assert await world.desk.owner("c-0002") == ("H37.02", "a-an")


@pytest.mark.parametrize(
    ("issued", "late"),
    [("2026-11-23T03:00:00.000000Z", False), ("2026-11-23T05:00:00.000000Z", True)],
)
async def test_issued_after_the_next_working_morning_is_late_and_only_said(world, issued, late):
    await sent(world, 1, issued_at=issued)
    (row,) = (await world.desk.page("H37.02", "sent", after="")).items
    assert row.late is late


@pytest.mark.parametrize(
    ("state", "issued", "said"),
    [
        ("handed_over", "2026-11-22T03:00:00.000000Z", True),
        ("handed_over", "2026-11-22T03:00:01.000000Z", False),
        ("arrived", "2026-11-20T03:00:00.000000Z", False),
    ],
)
async def test_who_confirms_nothing_for_a_day_is_pointed_out(world, state, issued, said):
    await sent(world, 1, state, issued_at=issued)
    (row,) = (await world.desk.page("H37.02", "sent", after="")).items
    assert row.follow_up is said


async def failed(world):
    await sent(world, 1, "failed", own="closed")
    transfer = {
        "id": "t-1",
        "consignment_id": "c-0001",
        "kind": "edoc",
        "hop": "truc",
        "state": "failed",
        "due_at": "2026-11-22T00:00:00.000000Z",
        "sender_written": "H37.02",
        "recipients": "[]",
        "document_id": "x",
        "created_at": "2026-11-22T00:00:00.000000Z",
    }
    await world.ledger.commit(ChangeSet(rows=(Insert("transfer", transfer),)))
    world.ledger.connection.execute("UPDATE delivery SET transfer_id = 't-1'")


async def test_what_failed_is_put_back_once_with_the_name_of_who_did_it(world):
    await failed(world)
    await world.desk.resend("c-0001", "d-0001", "đã sửa đường truyền", by=CLERK)
    assert (await world.ledger.one("delivery", id="d-0001"))["state"] == "pending"
    assert (await world.ledger.one("transfer", id="t-1"))["state"] == "waiting"
    assert (await world.ledger.one("consignment", id="c-0001"))["state"] == "released"
    events = await world.ledger.all("events_of", subject="t-1")
    assert [e["type"] for e in events] == ["requeued"]
    (audit,) = await world.ledger.all("entries_of_many", ids='["transfer:t-1"]')
    assert '"actor":"lan"' in audit["body"]
    assert "đường truyền" not in audit["body"]
    with pytest.raises(RejectedError) as caught:
        await world.desk.resend("c-0001", "d-0001", "", by=CLERK)
    assert caught.value.reason is Reason.CONFLICT


async def test_neither_what_is_well_nor_what_is_another_documents_is_put_back(world):
    await failed(world)
    await sent(world, 2, "handed_over")
    for document, one in (("c-0002", "d-0002"), ("c-0002", "d-0001"), ("c-0001", "nothing")):
        with pytest.raises(RejectedError):
            await world.desk.resend(document, one, "", by=CLERK)


async def test_a_thing_to_do_is_there_once_and_done_once(world):
    todos = LedgerTodos(world.context)
    for _ in range(2):
        row = todo_row(Ids(), "H37.02", OTHER_MEANS, "c/H37.99", NOW, document="c", agency="H37.99")
        await world.ledger.commit(ChangeSet(rows=(row,)))
    (one,) = (await todos.page("H37.02", done=False, after="")).items
    with pytest.raises(RejectedError):
        await todos.finish(one.id, "  ", by=CLERK)
    await todos.finish(one.id, "Bưu điện", by=CLERK)
    await todos.finish(one.id, "Fax", by=CLERK)
    assert not (await todos.page("H37.02", done=False, after="")).items
    (kept,) = (await todos.page("H37.02", done=True, after="")).items
    assert (kept.how, kept.done_by) == ("Bưu điện", "lan")
    assert not (await todos.page("H37.04", done=True, after="")).items


async def test_urgent_things_stand_first_and_pages_follow(world):
    todos = LedgerTodos(world.context)
    for n in range(PAGE + 3):
        row = todo_row(Ids(), "H37.02", OTHER_MEANS, f"c/{n}", NOW, urgency=n % 3)
        await world.ledger.commit(ChangeSet(rows=(row,)))
    first = await todos.page("H37.02", done=False, after="")
    second = await todos.page("H37.02", done=False, after=first.after)
    levels = [t.urgency for t in (*first.items, *second.items)]
    assert levels == sorted(levels, reverse=True)
    assert len({t.id for t in (*first.items, *second.items)}) == PAGE + 3
    # A cursor that is none shows the first page.
    assert (await todos.page("H37.02", done=False, after="x:y")).items == first.items
