"""What only the ledger on disk can do: batches, other processes, a full disk, closing."""

import asyncio
import contextlib
import sqlite3
import threading
import time

import pytest

from gateway.errors import IntegrityError, UnavailableError
from gateway.ports import Absent, ChangeSet, Committed, Conflict, Update
from gateway.store import ledger as ledger_module
from gateway.store import setup
from gateway.store.ledger import SqliteLedger, connect
from gateway.store.sequencer import sequence
from tests.world import ledger_rows as rows


@pytest.fixture
def path(tmp_path):
    """A ledger file: nothing here is about the other engine."""
    setup.create(tmp_path / "ledger.sqlite")
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path):
    made = SqliteLedger(path)
    yield made
    made.close()


@contextlib.contextmanager
def held(ledger):
    """Keep the writer busy, so that what comes meanwhile makes one batch."""
    entered, go_on = threading.Event(), threading.Event()

    def then(_):
        entered.set()
        go_on.wait(30)
        return []

    task = asyncio.ensure_future(ledger.commit(ChangeSet(then=then)))
    try:
        yield entered, task
    finally:
        go_on.set()


async def together(ledger, *sets):
    """Commit sets in one batch; return results and the transactions they took."""
    with held(ledger) as (entered, first):
        await asyncio.to_thread(entered.wait, 30)
        waiting = [asyncio.ensure_future(ledger.commit(s)) for s in sets]
        await asyncio.sleep(0)
        said = []
        ledger._writer.set_trace_callback(said.append)
    await first
    done = await asyncio.gather(*waiting, return_exceptions=True)
    ledger._writer.set_trace_callback(None)
    return done, said


def count(said, word):
    return sum(1 for s in said if s.startswith(word))


async def test_settings_that_make_a_commit_durable(ledger):
    found = {p: ledger._writer.execute(f"PRAGMA {p}").fetchone()[0] for p in PRAGMAS}
    assert found == PRAGMAS


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 15000}


async def test_many_sets_share_one_transaction_and_need_no_savepoint(ledger):
    sets = [ChangeSet(rows=(rows.meta(f"k{i}"), rows.event("s"))) for i in range(50)]
    done, said = await together(ledger, *sets)
    assert all(isinstance(d, Committed) for d in done)
    assert count(said, "BEGIN") == 1
    assert count(said, "COMMIT") == 2  # the first ends the batch that was busy
    assert count(said, "SAVEPOINT") == 0


async def test_a_guard_that_refuses_needs_no_savepoint(ledger):
    await ledger.commit(ChangeSet(rows=(rows.meta("k"),)))
    guarded = ChangeSet(rows=(rows.meta("l"),), guards=(Absent("meta", {"key": "k"}),))
    done, said = await together(ledger, guarded, ChangeSet(rows=(rows.meta("m"),)))
    assert [type(d) for d in done] == [Conflict, Committed]
    assert count(said, "SAVEPOINT") == 0


async def test_a_write_that_refuses_sends_the_batch_round_again(ledger):
    await ledger.commit(ChangeSet(rows=(rows.meta("k"),)))
    sets = [ChangeSet(rows=(rows.meta(key), rows.event("s"))) for key in ("a", "k", "b", "b")]
    done, said = await together(ledger, *sets)
    assert [type(d) for d in done] == [Committed, Conflict, Committed, Conflict]
    assert count(said, "SAVEPOINT") == 4
    assert len(await ledger.all("events_of", subject="s")) == 2


async def test_a_taken_key_in_a_batch_costs_the_others_nothing(ledger):
    one = Update("meta", {"key": "nobody"}, {"value": "1"})
    sets = [ChangeSet(rows=(rows.meta(f"k{i}"), *([one] * (i == 7)))) for i in range(20)]
    done, _ = await together(ledger, *sets)
    assert [i for i, d in enumerate(done) if not isinstance(d, Committed)] == [7]


# ---------------------------------------------------------------- other processes


async def test_rows_of_another_process_are_sequenced_with_the_next_commit(ledger, path):
    other = connect(path)
    for change in (
        rows.entry("theirs"),
        rows.event("theirs"),
        rows.arrival("a1"),
        rows.status("s"),
    ):
        names = ", ".join(change.values)
        marks = ", ".join("?" * len(change.values))
        sql = f"INSERT INTO {change.table} ({names}) VALUES ({marks})"
        other.execute(sql, tuple(change.values.values()))
    other.close()
    await ledger.commit(ChangeSet(rows=(rows.entry("ours"), rows.event("ours"))))
    entries = await ledger.all("entries", first=0, last=9)
    assert [e["subject"] for e in entries] == ["theirs", "ours"]
    assert [(await ledger.all("events_of", subject=s))[0]["seq"] for s in ("theirs", "ours")] == [
        1,
        2,
    ]
    assert (await ledger.one("arrival", id="a1"))["inbox_seq"] == 1
    assert (await ledger.one("status_report", id="s"))["inbox_seq"] == 2


async def test_events_with_holes_between_them_are_sequenced_in_order(ledger, path):
    other = connect(path)
    for row_id in (3, 7, 8):
        sql = "INSERT INTO event (id, subject, type, at) VALUES (?, 's', 't', '')"
        other.execute(sql, (row_id,))
    sequence(other)
    sequence(other)  # again changes nothing
    other.close()
    found = await ledger.all("events_of", subject="s")
    assert [(e["id"], e["seq"]) for e in found] == [(3, 1), (7, 2), (8, 3)]


async def test_a_reader_of_the_inbox_never_skips_a_row(ledger, path):
    """Three writers, one of them another connection; a reader that follows its cursor."""
    seen, stop = [], threading.Event()

    def follow():
        reader = connect(path, read_only=True)
        query = "SELECT inbox_seq FROM arrival WHERE inbox_seq > ? ORDER BY inbox_seq"
        while True:
            last_round = stop.is_set()
            after = seen[-1] if seen else 0
            seen.extend(row[0] for row in reader.execute(query, (after,)))
            if last_round:
                break
        reader.close()

    def intrude():
        other = connect(path)
        for i in range(40):
            other.execute("BEGIN IMMEDIATE")
            cursor = other.cursor()
            ledger_module.apply(cursor, ChangeSet(rows=(rows.arrival(f"o{i}", f"o{i}"),)))
            sequence(other)
            other.execute("COMMIT")
        other.close()

    async def send(name):
        for i in range(40):
            change = ChangeSet(rows=(rows.arrival(f"{name}{i}", f"{name}{i}"),))
            assert isinstance(await ledger.commit(change), Committed)

    threads = [threading.Thread(target=t) for t in (follow, intrude)]
    for thread in threads:
        thread.start()
    await asyncio.gather(send("a"), send("b"))
    await asyncio.to_thread(threads[1].join)
    stop.set()
    await asyncio.to_thread(threads[0].join)
    assert seen == list(range(1, 121))


async def test_a_lock_held_too_long_is_said_and_passes(ledger, path):
    ledger._writer.execute("PRAGMA busy_timeout=50")
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(UnavailableError) as caught:
        await ledger.commit(ChangeSet(rows=(rows.meta("k"),)))
    assert caught.value.retry_after_s
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(await ledger.commit(ChangeSet(rows=(rows.meta("k"),))), Committed)


# ---------------------------------------------------------------- trouble of the disk


async def test_a_full_disk_is_said_and_passes(ledger):
    await ledger.commit(ChangeSet(rows=(rows.entry("first"),)))
    pages = ledger._writer.execute("PRAGMA page_count").fetchone()[0]
    ledger._writer.execute(f"PRAGMA max_page_count={pages}")
    big = ChangeSet(rows=(rows.meta("big", "x" * 200_000), rows.entry("lost")))
    with pytest.raises(UnavailableError) as caught:
        await ledger.commit(big)
    assert "full" in str(caught.value.__cause__)
    with pytest.raises(UnavailableError):
        await ledger.commit(big)
    assert await ledger.one("meta", key="big") is None
    ledger._writer.execute("PRAGMA max_page_count=1000000")
    assert isinstance(await ledger.commit(big), Committed)
    entries = await ledger.all("entries", first=0, last=9)
    assert [e["subject"] for e in entries] == ["first", "lost"]


async def test_a_full_disk_fails_the_whole_batch_and_nothing_else(ledger):
    pages = ledger._writer.execute("PRAGMA page_count").fetchone()[0]
    ledger._writer.execute(f"PRAGMA max_page_count={pages}")
    big = ChangeSet(rows=(rows.meta("big", "x" * 200_000),))
    done, _ = await together(ledger, ChangeSet(rows=(rows.meta("k"),)), big)
    assert [type(d) for d in done] == [UnavailableError, UnavailableError]
    ledger._writer.execute("PRAGMA max_page_count=1000000")
    assert await ledger.one("meta", key="k") is None
    await ledger.commit(ChangeSet(rows=(rows.meta("k"),)))


def test_what_the_disk_does_is_told_from_what_a_set_does():
    def error(code):
        found = sqlite3.OperationalError("x")
        found.sqlite_errorcode = code
        return ledger_module._is_storage_trouble(found)

    assert error(sqlite3.SQLITE_FULL)
    assert error(sqlite3.SQLITE_IOERR_FSYNC)
    assert error(sqlite3.SQLITE_BUSY_SNAPSHOT)
    assert error(sqlite3.SQLITE_CORRUPT)
    assert not error(sqlite3.SQLITE_ERROR)
    assert not error(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY)
    assert not ledger_module._is_storage_trouble(sqlite3.ProgrammingError("bad parameters"))


# ---------------------------------------------------------------- opening and closing


async def test_close_finishes_what_is_queued(path):
    ledger = SqliteLedger(path)
    waiting = [
        asyncio.ensure_future(ledger.commit(ChangeSet(rows=(rows.meta(f"k{i}"),))))
        for i in range(600)
    ]
    await asyncio.sleep(0)
    await asyncio.to_thread(ledger.close)
    assert all(isinstance(d, Committed) for d in await asyncio.gather(*waiting))
    again = SqliteLedger(path)
    assert await again.one("meta", key="k599") == {"value": "1"}
    again.close()


async def test_commits_racing_with_close_are_answered(path):
    ledger = SqliteLedger(path)

    async def keep_on():
        answered = 0
        while True:
            try:
                await ledger.commit(ChangeSet(rows=(rows.event("s"),)))
            except UnavailableError:
                return answered
            answered += 1

    tasks = [asyncio.ensure_future(keep_on()) for _ in range(20)]
    await asyncio.sleep(0)
    await asyncio.to_thread(ledger.close)
    answered = sum(await asyncio.wait_for(asyncio.gather(*tasks), 30))
    other = connect(path)
    assert other.execute("SELECT COUNT(*) FROM event").fetchone()[0] == answered
    other.close()


async def test_close_leaves_one_file_behind(ledger, path):
    await ledger.commit(ChangeSet(rows=(rows.meta("k"),)))
    ledger.close()
    assert [p.name for p in path.parent.iterdir()] == [path.name]


async def test_a_missing_ledger_is_not_made(tmp_path):
    with pytest.raises(UnavailableError):
        SqliteLedger(tmp_path / "none.sqlite")
    assert list(tmp_path.iterdir()) == []


async def test_readers_cannot_write(path):
    reader = connect(path, read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM meta")
    reader.close()


async def test_a_query_without_its_parameter_is_a_bug_and_says_so(ledger):
    with pytest.raises(sqlite3.ProgrammingError):
        await ledger.one("meta")
    with pytest.raises(KeyError):
        await ledger.one("no such query")


async def test_an_unexpected_failure_is_told_as_unavailable(ledger, monkeypatch):
    def broken(_):
        raise MemoryError

    monkeypatch.setattr(ledger_module, "sequence", broken)
    with pytest.raises(UnavailableError):
        await ledger.commit(ChangeSet(rows=(rows.meta("k"),)))
    monkeypatch.undo()
    assert isinstance(await ledger.commit(ChangeSet(rows=(rows.meta("k"),))), Committed)


async def test_a_bug_is_answered_with_its_cause(ledger):
    with pytest.raises(IntegrityError) as caught:
        await ledger.commit(ChangeSet(rows=(rows.delivery("d", "nobody"),)))
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)


async def test_two_loops_may_use_one_ledger(ledger):
    def elsewhere():
        return asyncio.run(ledger.commit(ChangeSet(rows=(rows.meta("there"),))))

    here = ledger.commit(ChangeSet(rows=(rows.meta("here"),)))
    done = await asyncio.gather(here, asyncio.to_thread(elsewhere))
    assert all(isinstance(d, Committed) for d in done)


async def test_a_loop_that_is_gone_does_not_stop_the_writer(ledger):
    async def leave():
        asyncio.ensure_future(ledger.commit(ChangeSet(rows=(rows.meta("gone"),))))  # noqa: RUF006
        await asyncio.sleep(0)

    await asyncio.to_thread(lambda: asyncio.run(leave()))
    deadline = time.monotonic() + 60
    while await ledger.one("meta", key="gone") is None and time.monotonic() < deadline:
        await ledger.commit(ChangeSet(rows=(rows.event("tick"),)))
    assert await ledger.one("meta", key="gone") == {"value": "1"}
