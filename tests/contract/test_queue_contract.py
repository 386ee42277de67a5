"""The queue's store, and the questions of relay, breakers and janitor, the same on both engines."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.moments import to_text
from gateway.errors import Reason, RejectedError
from gateway.ports import ChangeSet, Insert
from gateway.ports.operations import Matching
from gateway.store.operations import LedgerOperations
from gateway.store.queries import QUERIES
from tests.contract.test_admin_contract import CountedIds, HandClock
from tests.world.ledgers import ENGINES, new_ledger
from tests.world.memory_blobs import MemoryBlobs

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
WHY = {"reason": "trục bảo trì", "by": "an"}


def transfer(n, hop="truc", state="waiting", lane=0, **more):
    at = to_text(START + timedelta(minutes=n))
    return Insert(
        "transfer",
        {
            "id": f"t{n}",
            "kind": "status",
            "hop": hop,
            "state": state,
            "lane": lane,
            "due_at": at,
            "sender_written": "H37.02",
            "recipients": '["G09"]',
            "document_id": f"doc{n}",
            "created_at": at,
        }
        | more,
    )


@pytest.fixture(params=ENGINES)
def queue(request, tmp_path):
    clock = HandClock(START + timedelta(hours=2))
    store = LedgerOperations(new_ledger(request, tmp_path), MemoryBlobs(), clock, CountedIds())
    rows = (
        transfer(0, lane=0),
        transfer(1, lane=3),
        transfer(2, state="deferred", lane=1),
        transfer(3, state="failed"),
        transfer(4, hop="local:H37.04"),
        transfer(5, state="done"),
        transfer(6, state="deferred", due_at=to_text(START + timedelta(days=1))),
        transfer(7, hold="clock"),
    )
    with store._session.writing():
        store._session.apply(ChangeSet(rows=rows))
    yield store
    store.close()


def asked(queue, name, **params):
    with queue._session.reading():
        return queue._session.rows(QUERIES[name], params)


def ids(rows):
    return [r["id"] for r in rows]


NOW = to_text(START + timedelta(hours=2))


def test_what_is_due_is_found_hop_by_hop_most_urgent_first(queue):
    assert [r["hop"] for r in asked(queue, "hops_waiting")] == ["local:H37.04", "truc"]
    assert ids(asked(queue, "transfers_due_at", now=NOW, hop="truc", limit=9)) == ["t1", "t2", "t0"]
    assert ids(asked(queue, "transfers_due_at", now=NOW, hop="truc", limit=1)) == ["t1"]
    assert ids(asked(queue, "transfers_later", now=NOW, hop="truc", limit=9)) == ["t6"]
    assert asked(queue, "urgent_due", now=NOW, hop="truc", lane=3)
    assert not asked(queue, "urgent_due", now=NOW, hop="local:H37.04", lane=3)
    assert ids(asked(queue, "transfers_due_nowhere", now=NOW, hop="truc", limit=9))
    queue.hold("t1", **WHY)
    assert ids(asked(queue, "transfers_due_at", now=NOW, hop="truc", limit=9)) == ["t2", "t0"]


def test_a_destination_is_held_once_and_its_record_stays(queue):
    held = queue.hold_wide("hop", "truc", **WHY)
    assert (held.kind, held.scope, held.subject, held.by) == ("operator", "hop", "truc", "an")
    with pytest.raises(RejectedError) as refused:
        queue.hold_wide("hop", "truc", reason="lần nữa", by="bình")
    assert refused.value.reason is Reason.CONFLICT
    assert [r["subject"] for r in asked(queue, "hops_halted")] == ["truc"]
    assert asked(queue, "holds_wide") == [{"scope": "hop", "subject": "truc"}]
    assert {r.id for r in queue.queue("held")} == {"t0", "t1", "t2", "t3", "t6", "t7"}
    queue.release_wide("hop", "truc", reason="xong", by="bình")
    assert asked(queue, "holds_wide") == []
    (row,) = asked(
        queue, "holds_of", transfer_id="", consignment_id="", hop="truc", after=to_text(START)
    )
    assert (row["held_by"], row["released_by"]) == ("an", "bình")
    queue.hold_wide("hop", "truc", **WHY)  # and again, as another row
    assert [r["n"] for r in asked(queue, "hold_counts")] == [1]


def test_many_in_batches_with_a_dry_run_that_tells_the_truth(queue):
    matching = Matching(hop="truc", before=START + timedelta(hours=1))
    told = []
    would = queue.would_change("hold", matching)
    assert queue.queue("held")[0].id == "t7"  # nothing changed
    done = queue.change_all("hold", matching, **WHY, progress=lambda *a: told.append(a))
    assert done == would
    assert done.ids == ("t1", "t2", "t0", "t3", "t6", "t7")  # most urgent first, then oldest
    assert told == [(6, 6)]
    again = queue.change_all("hold", matching, **WHY)
    assert (again.ids, len(again.skipped)) == ((), 6)
    assert "held already, by an" in again.skipped[0].why
    assert queue.change_all("requeue", Matching("failed"), **WHY).ids == ("t3",)
    freed = queue.change_all("release", Matching("held"), **WHY)
    assert len(freed.ids) == 6
    assert [r.hold for r in queue.queue("held")] == ["clock"]  # not ours to release
    life = queue.transfer("t3")
    assert [e["type"] for e in life.events] == ["queue_held", "requeued", "queue_released"]
    assert json.loads(life.events[0]["data"])["actor"] == "an"


def test_filters(queue):
    def found(**by):
        return {r.id for r in queue.queue(Matching(**by))}

    assert found(lane=3) == {"t1"}
    assert found(agency="H37.04") == {"t4"}
    assert found(document="doc2") == {"t2"}
    assert found(before=START) == set()
    assert found(state="failed", hop="truc") == {"t3"}
    assert found(hop="x' OR ''='") == set()
    assert queue.count(Matching()) == 7


@pytest.mark.parametrize(
    ("action", "name", "said"),
    [
        ("hold", "t5", "nothing to hold"),
        ("release", "t0", "no operator holds"),
        ("release", "t7", "waits for the clock"),
        ("requeue", "t0", "only a failed one"),
        ("hold", "none", "nothing in the queue"),
    ],
)
def test_what_cannot_be_leaves_no_trace(queue, action, name, said):
    with pytest.raises(RejectedError) as refused:
        getattr(queue, action)(name, **WHY)
    assert said in refused.value.public
    assert asked(queue, "events_of", subject=name) == []
    assert asked(queue, "hold_counts") == []


@pytest.mark.parametrize("queue", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "name",
    [
        "hops_waiting",
        "transfers_due_at",
        "urgent_due",
        "transfers_later",
        "transfers_untried_later",
    ],
)
def test_a_long_queue_of_one_hop_is_jumped_over(queue, name):
    params = {"now": NOW, "hop": "truc", "lane": 3, "limit": 9}
    with queue._session.reading():
        plan = queue._session.rows(f"EXPLAIN QUERY PLAN {QUERIES[name]}", params)
    reads = [r["detail"] for r in plan if " transfer " in r["detail"]]
    assert reads
    assert all("ix_transfer_open (hop" in r for r in reads)
