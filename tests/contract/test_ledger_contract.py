"""Ledger: one suite for SQLite, PostgreSQL and the fake the programs are tested with."""

import asyncio
import json
import random

import pytest

from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    Absent,
    ChangeSet,
    Committed,
    Conflict,
    Delete,
    Insert,
    NextNumber,
    Present,
    Update,
)
from gateway.receipts import log, merkle
from gateway.store import setup
from gateway.store.ledger import SqliteLedger
from gateway.store.places import place_of
from gateway.store.postgres.ledger import PostgresLedger
from tests.simulation.ledgers import InlineSqliteLedger, QuickMemoryLedger
from tests.world import ledger_rows as rows
from tests.world.memory_ledger import MemoryLedger

NUMBER = NextNumber("n", "H37.02", 2026, "issue")


_FAKES = {
    "memory": MemoryLedger,
    "simulated": QuickMemoryLedger,
    "simulated-file": InlineSqliteLedger,
}


@pytest.fixture(params=["sqlite", "memory", "postgres", "simulated", "simulated-file"])
async def ledger(request, tmp_path):
    if request.param == "sqlite":
        setup.create(tmp_path / "ledger.sqlite")
        made = SqliteLedger(tmp_path / "ledger.sqlite")
    elif request.param == "postgres":
        made = PostgresLedger(
            place_of(request.getfixturevalue("postgres_ledger_url")), poll_s=3600.0
        )
        await made.open()
    else:
        made = _FAKES[request.param]()
    yield made
    await shut(made)


async def shut(ledger):
    closing = ledger.close()
    if closing is not None:
        await closing


async def ok(ledger, *changes, **more):
    done = await ledger.commit(ChangeSet(rows=changes, **more))
    assert isinstance(done, Committed), done
    return done


async def refused(ledger, *changes, **more):
    done = await ledger.commit(ChangeSet(rows=changes, **more))
    assert isinstance(done, Conflict), done
    return done


async def meta(ledger, key):
    row = await ledger.one("meta", key=key)
    return row["value"] if row else None


# ---------------------------------------------------------------- rows


async def test_what_is_committed_is_read(ledger):
    text = "Về việc “khai báo”; DROP TABLE meta; -- 😀 \U00010ffff"
    assert await ok(ledger, rows.meta("k", text)) == Committed({})
    assert await ledger.one("meta", key="k") == {"value": text}
    assert await ledger.all("meta", key="k") == [{"value": text}]
    assert await ledger.one("meta", key="none") is None
    assert await ledger.all("meta", key="none") == []


async def test_an_empty_set_is_committed(ledger):
    assert await ok(ledger) == Committed({})


async def test_a_taken_key_refuses_the_whole_set(ledger):
    await ok(ledger, rows.meta("k", "first"))
    again = rows.meta("k", "second")
    done = await refused(ledger, rows.event("s"), rows.meta("other"), again)
    assert done == Conflict(again, None)
    assert await meta(ledger, "k") == "first"
    assert await meta(ledger, "other") is None
    assert await ledger.all("events_of", subject="s") == []


async def test_of_many_inserts_the_one_that_failed_is_named(ledger):
    await ok(ledger, rows.meta("k2"))
    three = [rows.meta(f"k{i}") for i in range(4)]
    assert (await refused(ledger, *three)).failed == three[2]
    assert await meta(ledger, "k0") is None


async def test_a_taken_unique_key_refuses_too(ledger):
    await ok(ledger, rows.consignment("c1"))
    await refused(ledger, rows.consignment("c2"))
    assert await ledger.one("consignment", id="c2") is None
    await ok(ledger, rows.consignment("c2", version=2))


async def test_a_row_already_there_can_be_left_as_it_is(ledger):
    await ok(ledger, rows.meta("k", "first"))
    again = Insert("meta", {"key": "k", "value": "second"}, ignore=True)
    fresh = Insert("meta", {"key": "l", "value": "second"}, ignore=True)
    await ok(ledger, again, fresh)
    assert [await meta(ledger, k) for k in "kl"] == ["first", "second"]


async def test_more_rows_of_one_shape_than_fit_a_statement(ledger):
    many = [rows.event("s", kind=f"k{i}") for i in range(100)]
    await ok(ledger, *many)
    found = await ledger.all("events_of", subject="s")
    assert [e["type"] for e in found] == [f"k{i}" for i in range(100)]


async def test_columns_may_come_in_any_order_and_number(ledger):
    plain = rows.delivery("d1", "c1", agency="A").values
    turned = dict(reversed(rows.delivery("d2", "c1", agency="B", hop="axis").values.items()))
    await ok(
        ledger,
        rows.consignment("c1"),
        Insert("delivery", plain),
        Insert("delivery", turned),
        rows.delivery("d3", "c1", agency="C", reason="r"),
    )
    found = {d["id"]: d for d in await ledger.all("deliveries", consignment_id="c1")}
    assert [found[k]["agency"] for k in ("d1", "d2", "d3")] == ["A", "B", "C"]
    assert [found[k]["hop"] for k in ("d1", "d2", "d3")] == ["", "axis", ""]
    assert [found[k]["reason"] for k in ("d1", "d2", "d3")] == ["", "", "r"]


async def test_a_child_may_stand_before_its_parent(ledger):
    await ok(ledger, rows.delivery("d1", "c1"), rows.consignment("c1"))
    assert (await ledger.one("delivery", id="d1"))["consignment_id"] == "c1"


# ---------------------------------------------------------------- updates and deletes


async def test_an_update_changes_the_rows_it_names(ledger):
    await ok(ledger, rows.meta("a", "1"), rows.meta("b", "1"), rows.meta("c", "2"))
    await ok(ledger, Update("meta", {"value": "1"}, {"value": "9"}, expect=2))
    assert [await meta(ledger, k) for k in "abc"] == ["9", "9", "2"]


async def test_an_update_that_misses_names_the_row_as_it_is(ledger):
    await ok(ledger, rows.consignment("c1"))
    change = Update("consignment", {"id": "c1", "state": "released"}, {"state": "closed"})
    done = await refused(ledger, rows.meta("k"), change)
    assert done.failed == change
    assert (done.row["id"], done.row["state"]) == ("c1", "accepted")
    assert await meta(ledger, "k") is None


async def test_an_update_of_nothing_has_no_row(ledger):
    change = Update("consignment", {"id": "c1"}, {"state": "closed"})
    assert await refused(ledger, change) == Conflict(change, None)


async def test_an_update_may_expect_nothing(ledger):
    await ok(ledger, Update("meta", {"key": "k"}, {"value": "1"}, expect=None))
    await ok(ledger, Update("meta", {"key": "k"}, {"value": "1"}, expect=0))


async def test_null_is_asked_for_and_written(ledger):
    await ok(ledger, rows.consignment("c1"), rows.consignment("c2", "other", sent_at=rows.AT))
    where = {"sent_at": None}
    await ok(ledger, Update("consignment", where, {"sent_at": rows.AT, "document_id": None}))
    row = await ledger.one("consignment", id="c1")
    assert (row["sent_at"], row["document_id"]) == (rows.AT, None)
    assert (await ledger.one("consignment", id="c2"))["document_id"] == "other"
    await refused(ledger, guards=(Present("consignment", {"id": "c2", "document_id": None}),))
    await ok(ledger, guards=(Present("consignment", {"id": "c1", "document_id": None}),))


async def test_any_of_several_values(ledger):
    await ok(ledger, *(rows.meta(k) for k in "abcd"))
    await ok(ledger, Update("meta", {"key": ("a", "c")}, {"value": "9"}, expect=2))
    await ok(ledger, Delete("meta", {"key": ("b", "d", "x"), "value": "1"}))
    assert [await meta(ledger, k) for k in "abcd"] == ["9", None, "9", None]
    await ok(ledger, guards=(Absent("meta", {"key": ("b", "d")}),))
    await refused(ledger, guards=(Absent("meta", {"key": ("b", "c")}),))


async def test_changes_happen_in_their_order(ledger):
    await ok(ledger, rows.meta("k", "1"))
    await ok(
        ledger,
        Delete("meta", {"key": "k"}),
        rows.meta("k", "2"),
        Update("meta", {"key": "k", "value": "2"}, {"value": "3"}),
        Delete("meta", {"key": "k", "value": "2"}),
        rows.meta("l", "4"),
    )
    assert [await meta(ledger, k) for k in "kl"] == ["3", "4"]


# ---------------------------------------------------------------- guards


async def test_a_guard_refuses_with_the_row_in_the_way(ledger):
    await ok(ledger, rows.meta("k", "v"))
    guard = Absent("meta", {"key": "k"})
    done = await refused(ledger, rows.meta("l"), guards=(guard,))
    assert done == Conflict(guard, {"key": "k", "value": "v"})
    assert await meta(ledger, "l") is None


async def test_a_guard_refuses_for_want_of_a_row(ledger):
    guard = Present("meta", {"key": "k"})
    assert await refused(ledger, rows.meta("l"), guards=(guard,)) == Conflict(guard, None)
    assert await meta(ledger, "l") is None
    await ok(ledger, rows.meta("k"))
    await ok(ledger, rows.meta("l"), guards=(guard,))


async def test_guards_come_before_rows(ledger):
    await ok(ledger, rows.meta("k"), guards=(Absent("meta", {"key": "k"}),))
    await refused(ledger, rows.meta("l"), guards=(Present("meta", {"key": "l"}),))


async def test_the_first_guard_that_fails_is_named(ledger):
    await ok(ledger, rows.meta("k"))
    guards = (Present("meta", {"key": "k"}), Absent("meta", {"key": "k"}), Present("meta", {}))
    assert (await refused(ledger, guards=guards)).failed == guards[1]


async def test_one_of_many_wins(ledger):
    same = ChangeSet(rows=(rows.meta("k"),), guards=(Absent("meta", {"key": "k"}),))
    done = await asyncio.gather(*(ledger.commit(same) for _ in range(50)))
    assert sum(isinstance(d, Committed) for d in done) == 1


async def test_one_of_many_updates_wins(ledger):
    await ok(ledger, rows.meta("k", "free"))
    take = [Update("meta", {"key": "k", "value": "free"}, {"value": str(i)}) for i in range(50)]
    done = await asyncio.gather(*(ledger.commit(ChangeSet(rows=(t,))) for t in take))
    won = [i for i, d in enumerate(done) if isinstance(d, Committed)]
    assert len(won) == 1
    assert await meta(ledger, "k") == str(won[0])


# ---------------------------------------------------------------- numbers


async def test_numbers_begin_at_one_and_reach_then(ledger):
    def then(numbers):
        return [rows.meta(f"number {numbers['n']}")]

    for expected in (1, 2, 3):
        assert (await ok(ledger, numbers=(NUMBER,), then=then)).numbers == {"n": expected}
        assert await meta(ledger, f"number {expected}") == "1"


async def test_counters_are_apart(ledger):
    other = (
        NextNumber("y", "H37.02", 2027, "issue"),
        NextNumber("s", "H37.02", 2026, "arrival"),
        NextNumber("a", "H37.03", 2026, "issue"),
    )
    await ok(ledger, numbers=(NUMBER,))
    done = await ok(ledger, numbers=(NUMBER, *other))
    assert done.numbers == {"n": 2, "y": 1, "s": 1, "a": 1}


async def test_rows_come_before_then(ledger):
    await ok(
        ledger,
        rows.meta("k", "1"),
        numbers=(NUMBER,),
        then=lambda n: [Update("meta", {"key": "k", "value": "1"}, {"value": f"no {n['n']}"})],
    )
    assert await meta(ledger, "k") == "no 1"


@pytest.mark.parametrize("how", ["guard", "unique", "expect", "then-unique"])
async def test_a_refused_set_consumes_no_number(ledger, how):
    await ok(ledger, rows.meta("k"), numbers=(NUMBER,))
    more = {
        "guard": {"guards": (Absent("meta", {"key": "k"}),)},
        "unique": {"rows": (rows.meta("k"),)},
        "expect": {"rows": (Update("meta", {"key": "x"}, {"value": "1"}),)},
        "then-unique": {"then": lambda _: [rows.meta("k")]},
    }[how]
    assert isinstance(await ledger.commit(ChangeSet(numbers=(NUMBER,), **more)), Conflict)
    assert (await ok(ledger, numbers=(NUMBER,))).numbers == {"n": 2}


def _parallel(i, dice):
    """One of 200: most are good, the others refuse in every way there is."""

    def then(numbers):
        if way == "raise":
            raise RejectedError(Reason.CONFLICT)
        if way == "bug":
            raise KeyError(i)
        made = [rows.event("given", data=json.dumps({"n": numbers["n"], "i": i}))]
        return [*made, rows.meta("taken")] if way == "unique" else made

    way = dice.choice(["good"] * 6 + ["guard", "unique", "expect", "foreign", "raise", "bug"])
    changes = {
        "expect": (Update("meta", {"key": "nobody"}, {"value": "1"}),),
        "foreign": (rows.delivery(rows.new_id(), "nobody"),),
    }
    guards = (Present("meta", {"key": "nobody"}),) if way == "guard" else ()
    return way, ChangeSet(changes.get(way, ()), guards, (NUMBER,), then)


async def test_numbers_have_no_gap_under_200_parallel_commits(ledger):
    await ok(ledger, rows.meta("taken"))
    dice = random.Random(20261122)
    sets = [_parallel(i, dice) for i in range(200)]
    done = await asyncio.gather(*(ledger.commit(s) for _, s in sets), return_exceptions=True)
    given = {}
    for i, ((way, _), result) in enumerate(zip(sets, done, strict=True)):
        kind = {"good": Committed, "raise": RejectedError, "bug": IntegrityError}.get(way)
        kind = IntegrityError if way == "foreign" else kind or Conflict
        assert isinstance(result, kind), (way, result)
        if way == "good":
            given[result.numbers["n"]] = i
    assert 80 < len(given) < 200
    assert sorted(given) == list(range(1, len(given) + 1))
    events = await ledger.all("events_of", subject="given")
    assert {(d := json.loads(e["data"]))["n"]: d["i"] for e in events} == given
    assert len(events) == len(given)
    assert (await ledger.all("counters"))[0]["last"] == len(given)


# ---------------------------------------------------------------- bugs of one set


@pytest.mark.parametrize(
    "change",
    [
        rows.delivery("d1", "nobody"),
        Insert("consignment", {"id": "x"}),
        Insert("meta", {"key": "k", "no such column": 1}),
        Insert("no_such_table", {"key": "k"}),
        Insert("meta", {"key": "k", "value": object()}),
        Insert("meta", {"key": "k", "value": None}),
        Insert("meta", {"key": "k", "value": 2**70}),
        Insert("meta", {"key": "k", "value": "\ud800"}),
        Update("meta", {"nobody": 1}, {"value": "1"}),
        Delete("meta", {"nobody": 1}),
    ],
)
async def test_a_bug_in_one_set_does_not_sink_others(ledger, change):
    sets = [ChangeSet(rows=(rows.meta(f"k{i}"),), numbers=(NUMBER,)) for i in range(20)]
    sets.insert(10, ChangeSet(rows=(rows.meta("lost"), change), numbers=(NUMBER,)))
    done = await asyncio.gather(*(ledger.commit(s) for s in sets), return_exceptions=True)
    assert isinstance(done.pop(10), IntegrityError)
    assert [d.numbers["n"] for d in done] == list(range(1, 21))
    assert await meta(ledger, "lost") is None


async def test_what_then_raises_comes_back(ledger):
    def then(_):
        raise RejectedError(Reason.CONFLICT, "no")

    with pytest.raises(RejectedError, match="no"):
        await ledger.commit(ChangeSet(rows=(rows.meta("k"),), numbers=(NUMBER,), then=then))
    assert await meta(ledger, "k") is None


# ---------------------------------------------------------------- who is told


async def test_outbox_rows_wake_somebody(ledger):
    woken = asyncio.Event()
    ledger.on_outbox = woken.set
    await ok(ledger, rows.meta("k"))
    await asyncio.sleep(0)
    assert not woken.is_set()
    await ok(ledger, rows.outbox("x"))
    await asyncio.wait_for(woken.wait(), 60)
    woken.clear()
    await ok(ledger, then=lambda _: [rows.outbox("y")])
    await asyncio.wait_for(woken.wait(), 60)
    assert [r["ref"] for r in await ledger.all("outbox", limit=9)] == ["x", "y"]


async def test_a_drained_outbox_is_empty_but_for_what_came_meanwhile(ledger):
    await ok(ledger, *(rows.outbox(ref) for ref in "abc"))
    async with ledger.drain(2) as lent:
        assert [r["ref"] for r in lent] == ["a", "b"]
        await ok(ledger, rows.outbox("d"))
    assert [r["ref"] for r in await ledger.all("outbox", limit=9)] == ["c", "d"]
    async with ledger.drain(9) as lent:
        assert len(lent) == 2
    async with ledger.drain(9) as lent:
        assert lent == []


async def test_a_drain_that_fails_leaves_everything(ledger):
    await ok(ledger, rows.outbox("a"))
    with pytest.raises(RuntimeError, match="the broker is gone"):
        async with ledger.drain(9):
            raise RuntimeError("the broker is gone")
    assert [r["ref"] for r in await ledger.all("outbox", limit=9)] == ["a"]


async def test_a_caller_that_goes_away_loses_nothing(ledger):
    tasks = [asyncio.create_task(ok(ledger, rows.meta(f"k{i}"))) for i in range(10)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await ok(ledger, rows.meta("after"))
    assert [await meta(ledger, f"k{i}") for i in range(10)] == ["1"] * 10


async def test_after_close_nothing_is_taken(ledger):
    await ok(ledger, rows.meta("k"))
    await shut(ledger)
    await shut(ledger)
    with pytest.raises(UnavailableError):
        await ledger.commit(ChangeSet(rows=(rows.meta("l"),)))
    with pytest.raises(UnavailableError):
        await ledger.one("meta", key="k")
    with pytest.raises(UnavailableError):
        await ledger.all("meta", key="k")


# ---------------------------------------------------------------- the sequencer


async def check_log(ledger):
    """The log equals what gateway.receipts computes from its bodies."""
    size = (await ledger.one("log_size"))["size"]
    found = await ledger.all("entries", first=0, last=size)
    bodies = [e["body"].encode() for e in found]
    placed = log.sequence(log.EMPTY, bodies)
    for entry, place in zip(found, placed, strict=True):
        assert entry["idx"] == place.index
        assert entry["prev_hash"] == place.prev_hash.hex()
        assert entry["chain_hash"] == place.chain_hash.hex()
        assert entry["entry_hash"] == log.entry_hash(entry["body"].encode()).hex()
    nodes = {}
    for level, index, node in merkle.append((p.leaf_hash for p in placed), 0, lambda *k: nodes[k]):
        nodes[level, index] = node
        stored = await ledger.one("merkle_node", level=level, idx=index)
        assert stored == {"hash": node.hex()}
    return found


async def test_entries_get_their_place_with_their_commit(ledger):
    await ok(ledger, rows.entry("s1"), rows.entry("s2"))
    assert [e["subject"] for e in await check_log(ledger)] == ["s1", "s2"]
    await ok(ledger, rows.entry("s3"))
    assert [e["subject"] for e in await check_log(ledger)] == ["s1", "s2", "s3"]


async def test_the_log_is_sound_whatever_the_batches(ledger):
    await ok(ledger, rows.meta("taken"))
    sets = []
    for i in range(60):
        changes = [rows.entry(f"s{i}-{k}") for k in range(i % 4)]
        sets.append(ChangeSet(rows=(*changes, *([rows.meta("taken")] if i % 7 == 3 else []))))
    done = await asyncio.gather(*(ledger.commit(s) for s in sets))
    good = sum(i % 4 for i, d in enumerate(done) if isinstance(d, Committed))
    assert good == sum(i % 4 for i in range(60) if i % 7 != 3)
    assert len(await check_log(ledger)) == good


async def test_a_proof_from_the_stored_nodes_verifies(ledger):
    for size in range(1, 12):
        await ok(ledger, rows.entry(f"s{size}"))
    found = await check_log(ledger)
    nodes = {}
    for level in range(5):
        for index in range(16):
            row = await ledger.one("merkle_node", level=level, idx=index)
            if row:
                nodes[level, index] = bytes.fromhex(row["hash"])
    root = merkle.root(11, lambda *k: nodes[k])
    for entry in found:
        path = merkle.inclusion(entry["idx"], 11, lambda *k: nodes[k])
        leaf = log.leaf_hash(bytes.fromhex(entry["chain_hash"]))
        assert merkle.verify_inclusion(leaf, entry["idx"], 11, path, root)


async def inbox(ledger):
    agencies = json.dumps(["H37.02"])
    found = await ledger.all("inbox", after=0, agencies=agencies, limit=1000)
    return {row["id"]: row["inbox_seq"] for row in found}


async def test_what_is_offered_gets_the_next_cursor(ledger):
    await ok(ledger, rows.arrival("a1", "d1"), rows.status("s1"))
    await ok(ledger, rows.arrival("a2", "d2"), rows.arrival("a3", "d3", offered_at=None))
    status = (await ledger.one("status_report", id="s1"))["inbox_seq"]
    assert (await inbox(ledger), status) == ({"a1": 1, "a2": 3}, 2)
    await ok(ledger, Update("arrival", {"id": "a3"}, {"offered_at": rows.AT}))
    assert await inbox(ledger) == {"a1": 1, "a2": 3, "a3": 4}


async def test_cursors_have_no_gap_when_sets_are_refused(ledger):
    await ok(ledger, rows.meta("taken"))
    sets = [
        ChangeSet(rows=(rows.arrival(f"a{i}", f"d{i}"), *([rows.meta("taken")] * (i % 3 == 1))))
        for i in range(30)
    ]
    done = await asyncio.gather(*(ledger.commit(s) for s in sets))
    good = {f"a{i}" for i, d in enumerate(done) if isinstance(d, Committed)}
    assert len(good) == 20
    found = await inbox(ledger)
    assert found.keys() == good
    assert sorted(found.values()) == list(range(1, 21))


async def test_events_get_growing_cursors(ledger):
    await ok(ledger, rows.event("s"), rows.event("s"))
    await ok(ledger, rows.event("s"), rows.event("s"), rows.event("s"))
    assert [e["seq"] for e in await ledger.all("events_of", subject="s")] == [1, 2, 3, 4, 5]
