"""The SQLite ledger: one writer thread, many change sets a commit, readers beside it.

Promises: `commit` returns only after the WAL is fsynced (synchronous=FULL); a refused change set
leaves no trace and consumes no number; receipt entries and feeds are sequenced inside the same
transaction, so a reader never skips a row. A crash leaves either the whole batch or nothing of it.

One batch: (1) all sets straight on; guards come before any write, so one that refuses needs no way
back; (2) did a write refuse, roll back and apply them again with a savepoint each (dear: every
page touched is copied); (3) sequence; (4) commit and fsync; (5) answer.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway import faults
from gateway.errors import GatewayError, IntegrityError, UnavailableError
from gateway.ports import (
    ChangeSet,
    Committed,
    Conflict,
    Delete,
    Insert,
    Row,
)
from gateway.store.queries import QUERIES
from gateway.store.sequencer import sequence
from gateway.store.steps import Purpose, SetRefused, Taken, steps

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


class _Again(Exception):  # noqa: N818 - control flow inside this module only
    """A set wrote before it failed: the batch must be applied again with savepoints."""


@dataclass(slots=True)
class _Job:
    change: ChangeSet
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Committed | Conflict]


_TAKEN: Final = frozenset({sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY})
_Result = Committed | Conflict | BaseException

# What the disk or another process does to us, as against what a change set does wrong.
_STORAGE: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)


def _is_storage_trouble(exc: sqlite3.Error) -> bool:
    """Tell whether the whole batch must be given up."""
    return getattr(exc, "sqlite_errorcode", 0) & 0xFF in _STORAGE


def _refusal(exc: Exception) -> _Result:
    if isinstance(exc, SetRefused):
        return exc.conflict
    if isinstance(exc, GatewayError):
        return exc
    bug = IntegrityError(f"change set refused by the engine: {type(exc).__name__}")
    bug.__cause__ = exc
    return bug


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


def apply(cursor: sqlite3.Cursor, change: ChangeSet) -> Committed:
    """Apply one change set inside the caller's transaction.

    Args:
        cursor: Used for every statement: making one for each costs more than most statements.
        change: What to apply.

    Raises:
        SetRefused: A guard, an expected update or a unique key says no.
    """
    asked = steps(change)
    try:
        ask = next(asked)
        while True:
            try:
                cursor.execute(ask.sql, ask.params)
            except sqlite3.IntegrityError as exc:
                if exc.sqlite_errorcode not in _TAKEN:
                    raise
                taken = Taken()
                taken.__cause__ = exc
                ask = asked.throw(taken)
                continue
            writes = ask.purpose is Purpose.WRITE or ask.purpose is Purpose.MANY
            ask = asked.send(cursor.rowcount if writes else cursor.fetchone())
    except StopIteration as end:
        done: Committed = end.value
        return done


class SqliteLedger:
    """Ledger port over one SQLite file.

    Args:
        path: An existing ledger file (`gateway.store.setup.create`).
        on_outbox: Called on the loop after a commit that wrote outbox rows.

    `on_commit` is called there after every one.
    """

    on_commit: Callable[[], None] | None = None

    def __init__(self, path: Path, on_outbox: Callable[[], None] | None = None) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = connect(path)
        self._cursor = self._writer.cursor()
        self._reader = connect(path, read_only=True)
        self.on_outbox = on_outbox
        self._closed = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after fsync."""
        loop = asyncio.get_running_loop()
        job = _Job(change, loop, loop.create_future())
        with self._gate:  # nothing is queued behind the end, where nobody would answer it
            if self._closed:
                raise UnavailableError(public="the ledger is closed")
            self._jobs.put(job)
        return await asyncio.shield(job.future)

    @asynccontextmanager
    async def drain(self, limit: int) -> AsyncIterator[Sequence[Row]]:
        """Lend outbox rows; they go when the block ends well. One dispatch a ledger file."""
        rows = await self.all("outbox", limit=limit)
        yield rows
        if rows:
            # By id, never by range: what came meanwhile has not been published.
            ids = tuple(row["id"] for row in rows)
            await self.commit(ChangeSet(rows=(Delete("outbox", {"id": ids}),)))

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query."""
        try:
            row = self._reader.execute(QUERIES[query], params).fetchone()
        except sqlite3.Error as exc:
            raise self._unreadable(exc) from exc
        return dict(row) if row is not None else None

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query."""
        try:
            return [dict(row) for row in self._reader.execute(QUERIES[query], params)]
        except sqlite3.Error as exc:
            raise self._unreadable(exc) from exc

    def _unreadable(self, trouble: sqlite3.Error) -> Exception:
        if isinstance(trouble, sqlite3.ProgrammingError) and not self._closed:
            return trouble  # a bug of the caller, such as a parameter left out
        return UnavailableError(public="the ledger cannot be read")

    def close(self) -> None:
        """Finish what is queued, then let go of the file."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        # The writer goes last: only the last connection, and one that may write, tidies the log.
        self._reader.close()
        with contextlib.suppress(sqlite3.Error):
            self._writer.execute("PRAGMA busy_timeout=0")  # an export may go on: not our wait
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._writer.close()

    # ------------------------------------------------------------ the writer thread

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._next_batch()
            if batch:
                self._do(batch)

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
        cursor = self._cursor
        results: Sequence[_Result]
        try:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                results = [self._straight(job.change) for job in batch]
            except _Again:
                cursor.execute("ROLLBACK")
                cursor.execute("BEGIN IMMEDIATE")
                results = [self._apart(job.change) for job in batch]
            sequence(self._writer)
            faults.reach("ledger.before-commit")
            cursor.execute("COMMIT")
            faults.reach("ledger.after-commit")
        except BaseException as exc:  # noqa: BLE001 - whatever it is, nobody may be told "committed"
            with contextlib.suppress(sqlite3.Error):
                cursor.execute("ROLLBACK")
            trouble = UnavailableError(public="the ledger cannot commit", retry_after_s=5.0)
            trouble.__cause__ = exc
            results = [trouble] * len(batch)
        self._answer(batch, results)

    def _straight(self, change: ChangeSet) -> Committed | Conflict:
        """(1) Apply without a way back."""
        try:
            return apply(self._cursor, change)
        except SetRefused as refused:
            if refused.wrote:
                raise _Again from refused
            return refused.conflict
        except sqlite3.Error as exc:
            if _is_storage_trouble(exc):
                raise
            raise _Again from exc
        except Exception as exc:
            raise _Again from exc

    def _apart(self, change: ChangeSet) -> _Result:
        """(2) Apply with a savepoint: neither a refusal nor a bug in one set sinks the others."""
        cursor = self._cursor
        cursor.execute("SAVEPOINT one")
        try:
            done: _Result = apply(cursor, change)
        except Exception as exc:
            if isinstance(exc, sqlite3.Error) and _is_storage_trouble(exc):
                raise
            cursor.execute("ROLLBACK TO one")
            done = _refusal(exc)
        cursor.execute("RELEASE one")
        return done

    def _answer(self, batch: list[_Job], results: Sequence[_Result]) -> None:
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
        if self.on_commit is not None:
            self.on_commit()


def _touches_outbox(change: ChangeSet) -> bool:
    return change.then is not None or any(
        isinstance(row, Insert) and row.table == "outbox" for row in change.rows
    )
