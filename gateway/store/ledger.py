"""The SQLite ledger: one writer thread, many change sets a commit, readers beside it.

Promises: `commit` returns only after the WAL is fsynced (synchronous=FULL); a refused change set
leaves no trace and consumes no number; receipt entries and feeds are sequenced inside the same
transaction, so a reader never skips a row. A crash leaves either the whole batch or nothing of it.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway import faults
from gateway.errors import IntegrityError, UnavailableError
from gateway.ports import (
    Absent,
    Change,
    ChangeSet,
    Committed,
    Conflict,
    Delete,
    Insert,
    NextNumber,
    Present,
    Row,
    Update,
)
from gateway.store import statements
from gateway.store.queries import QUERIES
from gateway.store.sequencer import sequence

_BATCH: Final = 256
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=15000",
    "PRAGMA cache_size=-65536",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA wal_autocheckpoint=4000",
)


class SetRefused(Exception):  # noqa: N818 - control flow inside the store only
    """A change set says no to itself; the caller rolls it back."""

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        super().__init__(repr(conflict.failed))


@dataclass(slots=True)
class _Job:
    change: ChangeSet
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Committed | Conflict]


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the ledger file with the settings every connection must have.

    Raises:
        UnavailableError: The file cannot be opened.
    """
    try:
        uri = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        for pragma in _PRAGMAS[1:] if read_only else _PRAGMAS:
            connection.execute(pragma)
    except sqlite3.Error as exc:
        raise UnavailableError(public=f"the ledger cannot be opened: {exc}") from exc
    connection.row_factory = sqlite3.Row
    return connection


def apply(connection: sqlite3.Connection, change: ChangeSet) -> Committed:
    """Apply one change set inside the caller's transaction.

    Raises:
        SetRefused: A guard, an expected update or a unique key says no.
    """
    for guard in change.guards:
        _check(connection, guard)
    numbers = {n.name: _take(connection, n) for n in change.numbers}
    for row in change.rows:
        _write(connection, row)
    if change.then is not None:
        for row in change.then(numbers):
            _write(connection, row)
    return Committed(numbers)


def _find(connection: sqlite3.Connection, table: str, where: Mapping[str, Any]) -> Row | None:
    sql = statements.select_sql(table, statements.where_shape(where))
    found = connection.execute(sql, statements.where_params(where)).fetchone()
    return dict(found) if found is not None else None


def _check(connection: sqlite3.Connection, guard: Absent | Present) -> None:
    found = _find(connection, guard.table, guard.where)
    if (found is None) is not isinstance(guard, Absent):
        raise SetRefused(Conflict(guard, found))


def _take(connection: sqlite3.Connection, number: NextNumber) -> int:
    # DID-01 (S003 art 8.3): one counter per agency and year; inside the transaction, so that a
    # refused set gives its number back and two sets never see the same one.
    row = connection.execute(
        "INSERT INTO counter (agency, year, series, last) VALUES (?, ?, ?, 1) "
        "ON CONFLICT (agency, year, series) DO UPDATE SET last = last + 1 RETURNING last",
        (number.agency, number.year, number.series),
    ).fetchone()
    return int(row[0])


def _write(connection: sqlite3.Connection, change: Change) -> None:
    try:
        match change:
            case Insert(table, values, ignore):
                sql = statements.insert_sql(table, tuple(values), ignore=ignore)
                connection.execute(sql, values)
            case Update(table, where, values, expect):
                sql = statements.update_sql(table, tuple(values), statements.where_shape(where))
                params = {f"v_{k}": v for k, v in values.items()}
                done = connection.execute(sql, params | statements.where_params(where)).rowcount
                if expect is not None and done != expect:
                    key = {k: v for k, v in where.items() if k == "id"} or where
                    raise SetRefused(Conflict(change, _find(connection, table, key)))
            case Delete(table, where):
                sql = statements.delete_sql(table, statements.where_shape(where))
                connection.execute(sql, statements.where_params(where))
    except sqlite3.IntegrityError as exc:
        if exc.sqlite_errorcode not in {
            sqlite3.SQLITE_CONSTRAINT_UNIQUE,
            sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY,
        }:
            raise
        raise SetRefused(Conflict(change, None)) from exc


class SqliteLedger:
    """Ledger port over one SQLite file.

    Args:
        path: An existing ledger file (`gateway.store.setup.create`).
        on_outbox: Called on the loop after a commit that wrote outbox rows.
    """

    def __init__(self, path: Path, on_outbox: Callable[[], None] | None = None) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = connect(path)
        self._reader = connect(path, read_only=True)
        self.on_outbox = on_outbox
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after fsync."""
        if self._closed:
            raise UnavailableError(public="the ledger is closed")
        loop = asyncio.get_running_loop()
        job = _Job(change, loop, loop.create_future())
        self._jobs.put(job)
        return await asyncio.shield(job.future)

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query."""
        row = self._reader.execute(QUERIES[query], params).fetchone()
        return dict(row) if row is not None else None

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query."""
        return [dict(row) for row in self._reader.execute(QUERIES[query], params)]

    def close(self) -> None:
        """Finish what is queued, then let go of the file."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()
            self._reader.close()

    # ------------------------------------------------------------ the writer thread

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._next_batch()
            if batch:
                self._do(batch)
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()

    def _next_batch(self) -> tuple[list[_Job], bool]:
        first = self._jobs.get()
        if first is None:
            return [], False
        batch = [first]
        while len(batch) < _BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, False
            batch.append(job)
        return batch, True

    def _do(self, batch: list[_Job]) -> None:
        results: list[Committed | Conflict | BaseException] = []
        connection = self._writer
        try:
            connection.execute("BEGIN IMMEDIATE")
            results.extend(self._one(job.change) for job in batch)
            sequence(connection)
            faults.reach("ledger.before-commit")
            connection.execute("COMMIT")
            faults.reach("ledger.after-commit")
        except BaseException as exc:  # noqa: BLE001 - whatever it is, nobody may be told "committed"
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            trouble = UnavailableError(public="the ledger cannot commit", retry_after_s=5.0)
            trouble.__cause__ = exc
            results = [trouble] * len(batch)
        self._answer(batch, results)

    def _one(self, change: ChangeSet) -> Committed | Conflict | BaseException:
        connection = self._writer
        connection.execute("SAVEPOINT one")
        try:
            done: Committed | Conflict | BaseException = apply(connection, change)
        except SetRefused as refused:
            connection.execute("ROLLBACK TO one")
            done = refused.conflict
        except sqlite3.OperationalError:
            raise
        except Exception as exc:  # noqa: BLE001 - a bug in one set must not sink the others
            connection.execute("ROLLBACK TO one")
            done = IntegrityError(f"change set refused by the engine: {type(exc).__name__}")
            done.__cause__ = exc
        connection.execute("RELEASE one")
        return done

    def _answer(
        self, batch: list[_Job], results: Sequence[Committed | Conflict | BaseException]
    ) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[tuple[_Job, Any]]] = {}
        for job, result in zip(batch, results, strict=True):
            loops.setdefault(job.loop, []).append((job, result))
        woken = any(_touches_outbox(job.change) for job in batch)
        for loop, pairs in loops.items():
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(self._resolve, pairs, woken)

    def _resolve(self, pairs: list[tuple[_Job, Any]], woken: bool) -> None:
        for job, result in pairs:
            if job.future.done():
                continue
            if isinstance(result, BaseException):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)
        if woken and self.on_outbox is not None:
            self.on_outbox()


def _touches_outbox(change: ChangeSet) -> bool:
    return change.then is not None or any(
        isinstance(row, Insert) and row.table == "outbox" for row in change.rows
    )
