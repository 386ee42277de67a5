"""The PostgreSQL ledger of one node: its change sets in turn with every other node's.

Promises: the same meaning as SQLite's. `commit` returns after the server said COMMIT with its log
on disk; a refused set leaves no trace and consumes no number; what is committed has its place in
the receipt log and the feeds. Nobody is told "committed" who is not: a connection lost during
COMMIT is asked about on a new one before anyone is answered. A crash of the node or of the server
leaves each batch whole or nothing of it.

One batch: (1) take the ledger's write lock (`gateway.store.dialects`), leave our mark; (2) take
what waits by now and apply set by set, with a savepoint each when there are several; (3) sequence;
(4) wake the other nodes and commit; (5) answer. Waiting for the lock costs nothing: sets gather.

In doubt: the lock is held to the transaction's very end, so who has it knows that the lost
transaction is over; our mark then says which way it went. A server that lost what it had not yet
promised cannot deceive us, as it could with a transaction's number, which it gives again.
"""

import asyncio
import collections
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from gateway import faults
from gateway.errors import GatewayError, IntegrityError, UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict, Row
from gateway.store.dialects import BEGIN_POSTGRES, OUTBOX_CHANNEL, postgres
from gateway.store.places import PostgresDatabase
from gateway.store.postgres.connection import (
    CALL_S,
    Connection,
    connect,
    is_trouble,
    let_go,
    reading,
    unavailable,
)
from gateway.store.postgres.driving import apply, sequence
from gateway.store.queries import QUERIES
from gateway.store.steps import SetRefused

_BATCH: Final = 60
"""Sets a transaction: beyond 64 savepoints the server's other readers pay for each."""

_IDLE_S: Final = 15.0
_LENT_IDLE_S: Final = 120.0
_DOUBT_S: Final = 20.0
_POLL_S: Final = 5.0
_AGAIN_S: Final = 0.5

_CANNOT: Final = "the ledger cannot commit"
_UNREADABLE: Final = "the ledger cannot be read"
_MARK: Final = (
    "INSERT INTO meta (key, value) VALUES ('{key}', '{value}') "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)

T = TypeVar("T")

_Result = Committed | Conflict | BaseException


@dataclass(slots=True)
class _Job:
    change: ChangeSet
    future: asyncio.Future[Committed | Conflict]


class PostgresLedger:
    """Ledger port over a PostgreSQL database.

    Args:
        place: Where the ledger is (made by `gateway.store.postgres.setup`).
        on_outbox: Called on the loop after a commit of any node that wrote outbox rows, and every
            `poll_s`: a notice may be lost, what is owed is not.
        poll_s: How often to look without a notice.
    """

    def __init__(
        self,
        place: PostgresDatabase,
        on_outbox: Callable[[], None] | None = None,
        *,
        poll_s: float = _POLL_S,
    ) -> None:
        self._place = place
        self.on_outbox = on_outbox
        self._jobs: collections.deque[_Job] = collections.deque()
        self._some = asyncio.Event()
        self._shut = asyncio.Event()
        self._writer: Connection | None = None
        self._node = secrets.token_hex(8)
        self._batches = 0
        self._readers = _Pool(place, "reader", place.pool)
        self._lenders = _Pool(place, "dispatch", 2, idle_s=_LENT_IDLE_S)
        self._poll_s = poll_s
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect, and begin to write and to listen.

        Raises:
            UnavailableError: The server cannot be reached.
            ConfigurationError: The server must not hold a ledger.
        """
        self._writer = await connect(self._place, "writer", idle_s=_IDLE_S)
        try:
            listener = await self._listening(lost := asyncio.Event())
        except BaseException:
            await let_go(self._writer)
            raise
        self._tasks = [
            asyncio.create_task(self._write(), name="ledger-writer"),
            asyncio.create_task(self._listen(listener, lost), name="ledger-listener"),
        ]

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after the server's fsync."""
        if self._shut.is_set():
            raise UnavailableError(public="the ledger is closed")
        job = _Job(change, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._some.set()
        return await asyncio.shield(job.future)

    @asynccontextmanager
    async def drain(self, limit: int) -> AsyncIterator[Sequence[Row]]:
        """Lend outbox rows; they go when the block ends well, they stay when this node dies."""
        async with self._lenders.one() as connection:
            with reading():
                await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                # What another node was lent is passed over, not waited for.
                rows = await connection.fetch(
                    "SELECT * FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED", limit
                )
            yield [dict(row) for row in rows]
            try:
                if rows:
                    ids = [row["id"] for row in rows]
                    await connection.execute("DELETE FROM outbox WHERE id = ANY($1)", ids)
                await _end(connection, "COMMIT")
            except Exception as exc:
                # Perhaps gone, perhaps not: what was published is published again, at worst.
                raise unavailable("the ledger cannot commit", exc) from exc

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query."""
        asked = postgres(QUERIES[query])
        values = asked.arguments(params)
        row = await self._readers.ask(lambda c: c.fetchrow(asked.text, *values))
        return dict(row) if row is not None else None

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query."""
        asked = postgres(QUERIES[query])
        values = asked.arguments(params)
        rows = await self._readers.ask(lambda c: c.fetch(asked.text, *values))
        return [dict(row) for row in rows]

    async def close(self) -> None:
        """Finish what is queued, then let go of the connections."""
        if self._shut.is_set():
            return
        self._shut.set()
        self._some.set()
        for task in self._tasks[:1]:
            await task
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks[1:], return_exceptions=True)
        await self._readers.close()
        await self._lenders.close()
        if self._writer is not None:
            with contextlib.suppress(Exception):
                await self._writer.execute("DELETE FROM meta WHERE key = $1", self._key)
            await let_go(self._writer)

    # ------------------------------------------------------------ the writer

    @property
    def _key(self) -> str:
        return f"writer:{self._node}"

    @property
    def _mark(self) -> str:
        return f"batch {self._batches}"

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._jobs:
                await self._batch()
            if self._shut.is_set():
                return

    async def _batch(self) -> None:
        """Do one batch, whatever happens: every set of it is answered."""
        taken: list[_Job] = []
        results: Sequence[_Result]
        try:
            results = await self._transaction(taken)
        except BaseException as exc:  # nobody may be told "committed"
            if self._writer is not None:
                self._writer.terminate()  # whatever state it is in
                self._writer = None
            taken = taken or self._take()
            trouble = exc if isinstance(exc, UnavailableError) else unavailable(_CANNOT, exc)
            results = [trouble] * len(taken)
            if isinstance(exc, asyncio.CancelledError):
                self._answer(taken, results)
                raise
        self._answer(taken, results)

    async def _transaction(self, taken: list[_Job]) -> Sequence[_Result]:
        writer = await self._begun()  # (1)
        taken += self._take()  # (2)
        results: list[_Result] = []
        woken = False
        for number, job in enumerate(taken):
            if number:
                await writer.execute("RELEASE one; SAVEPOINT one")
            done, owed = await self._apply(writer, job.change)
            results.append(done)
            woken = woken or owed
        if not any(isinstance(done, Committed) for done in results):
            await _end(writer, "ROLLBACK")
            return results
        await sequence(writer)  # (3)
        faults.reach("ledger.before-commit")
        try:  # (4)
            await _end(writer, f"NOTIFY {OUTBOX_CHANNEL}; COMMIT" if woken else "COMMIT")
        except Exception as exc:
            if not _is_doubt(exc) or not await self._resolved():
                raise
        faults.reach("ledger.after-commit")
        if woken:
            self._wake()
        return results

    async def _begun(self) -> Connection:
        """Begin a transaction: the write lock, our mark, a savepoint for the first set."""
        old = self._writer
        if old is not None and not old.is_closed():
            try:
                await self._begin(old)
            except asyncpg.LockNotAvailableError:
                raise
            except Exception as exc:
                if not is_trouble(exc):
                    raise
                old.terminate()  # the server was started anew while we were idle
            else:
                return old
        self._writer = await connect(self._place, "writer", idle_s=_IDLE_S)
        await self._begin(self._writer)
        return self._writer

    async def _begin(self, writer: Connection) -> None:
        self._batches += 1
        # One journey: the texts are our own, nothing of a document is in them.
        mark = _MARK.format(key=self._key, value=self._mark)
        await writer.execute(f"{'; '.join(BEGIN_POSTGRES)}; {mark}; SAVEPOINT one")

    def _take(self) -> list[_Job]:
        return [self._jobs.popleft() for _ in range(min(_BATCH, len(self._jobs)))]

    async def _apply(self, writer: Connection, change: ChangeSet) -> tuple[_Result, bool]:
        """Apply one set; neither a refusal nor a bug in it sinks the others."""
        try:
            return await apply(writer, change)
        except Exception as exc:
            if is_trouble(exc) or writer.is_closed():
                raise
            await writer.execute("ROLLBACK TO one")
            return _refusal(exc), False

    async def _resolved(self) -> bool:
        """Find out which way a lost commit went; True: it is committed.

        Raises:
            UnavailableError: Nobody can say yet; the set may be there or not.
        """
        async with asyncio.timeout(_DOUBT_S):
            while True:
                with contextlib.suppress(UnavailableError):
                    return await self._asked()
                await asyncio.sleep(_AGAIN_S)

    async def _asked(self) -> bool:
        fresh = await connect(self._place, "writer", idle_s=_IDLE_S)
        try:
            with reading():
                await fresh.execute("; ".join(BEGIN_POSTGRES))
                mark: str | None = await fresh.fetchval(
                    "SELECT value FROM meta WHERE key = $1", self._key
                )
                # A write of our own waits for the standby, as the lost commit perhaps did not.
                await fresh.execute("UPDATE meta SET value = value WHERE key = $1", self._key)
                await _end(fresh, "COMMIT")
        except BaseException:
            fresh.terminate()
            raise
        if self._writer is not None:
            self._writer.terminate()
        self._writer = fresh
        return mark == self._mark

    def _answer(self, batch: Sequence[_Job], results: Sequence[_Result]) -> None:
        for job, result in zip(batch, results, strict=True):
            if job.future.done():
                continue
            if isinstance(result, BaseException):
                job.future.set_exception(result)
                job.future.exception()  # looked at: a caller who went away leaves no noise
            else:
                job.future.set_result(result)

    # ------------------------------------------------------------ waking

    def _wake(self) -> None:
        if self.on_outbox is not None:
            self.on_outbox()

    async def _listening(self, lost: asyncio.Event) -> Connection:
        """Return a connection that wakes when any other node owes something to the lanes."""
        connection = await connect(self._place, "listener")
        connection.add_termination_listener(lambda *_: lost.set())
        try:
            with reading():
                await connection.add_listener(OUTBOX_CHANNEL, self._notified)
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _notified(self, _connection: object, pid: int, _channel: str, _payload: object) -> None:
        # Our own commits have woken already.
        if self._writer is None or pid != self._writer.get_server_pid():
            self._wake()

    async def _listen(self, connection: Connection, lost: asyncio.Event) -> None:
        """Listen for ever; what was notified while nobody listened is found by looking."""
        while not self._shut.is_set():
            try:
                with reading():
                    while not lost.is_set():
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(lost.wait(), self._poll_s)
                        self._wake()
                        await connection.execute("SELECT 1")  # is anybody there?
            except UnavailableError:
                connection.terminate()
            finally:
                if self._shut.is_set():
                    await let_go(connection)
            while not self._shut.is_set():
                await asyncio.sleep(_AGAIN_S)
                with contextlib.suppress(GatewayError):
                    lost = asyncio.Event()
                    connection = await self._listening(lost)
                    self._wake()
                    break


class _Pool:
    """Connections that are lent, at most so many; a broken one is replaced when it is wanted."""

    def __init__(
        self, place: PostgresDatabase, purpose: str, size: int, *, idle_s: float | None = None
    ) -> None:
        self._place = place
        self._purpose = purpose
        self._idle_s = idle_s
        self._free: list[Connection] = []
        self._room = asyncio.Semaphore(size)
        self._shut = asyncio.Event()

    async def ask(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        """Ask something that changes nothing; once more when the connection turns out broken."""
        try:
            async with self.one() as connection:
                return await question(connection)
        except Exception as exc:
            if not is_trouble(exc):
                raise
            if not _is_gone(exc):
                raise unavailable(_UNREADABLE, exc) from exc
        # The server was started anew: what else is idle here is as broken.
        while self._free:
            self._free.pop().terminate()
        try:
            async with self.one() as connection:
                return await question(connection)
        except Exception as exc:
            if is_trouble(exc):
                raise unavailable(_UNREADABLE, exc) from exc
            raise

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """Lend one; who leaves a transaction open on it loses it."""
        if self._shut.is_set():
            raise UnavailableError(public="the ledger is closed")
        try:
            await asyncio.wait_for(self._room.acquire(), CALL_S)
        except TimeoutError as exc:
            raise unavailable("the ledger is busy", exc) from exc
        try:
            connection = self._usable()
            if connection is None:
                connection = await connect(self._place, self._purpose, idle_s=self._idle_s)
            try:
                yield connection
            except BaseException as exc:
                if is_trouble(exc) or not await _rolled_back(connection):
                    connection.terminate()
                raise
            finally:
                if self._shut.is_set() or connection.is_closed() or connection.is_in_transaction():
                    connection.terminate()
                else:
                    self._free.append(connection)
        finally:
            self._room.release()

    def _usable(self) -> Connection | None:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return None

    async def close(self) -> None:
        """Let go of what is free; what is lent goes when it comes back."""
        self._shut.set()
        while self._free:
            await let_go(self._free.pop())


async def _rolled_back(connection: Connection) -> bool:
    """Tell whether a lent connection is fit for use after its block raised."""
    if connection.is_closed():
        return False
    try:
        if connection.is_in_transaction():
            await connection.execute("ROLLBACK")
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 - then it is not
        return False
    return True


async def _end(connection: Connection, sql: str) -> None:
    """End a transaction; the server's word counts: COMMIT of a broken one is answered ROLLBACK."""
    said = await connection.execute(sql)
    if not sql.endswith(said):
        raise IntegrityError(f"the transaction ended with {said}")


def _is_doubt(exc: Exception) -> bool:
    """Tell whether a commit that failed may have happened all the same."""
    # A server that answers with an error of this transaction has not committed it; one that says
    # that it goes down (57, 58, XX) or nothing at all may have.
    return is_trouble(exc) and not (
        isinstance(exc, asyncpg.PostgresError) and str(exc.sqlstate).startswith(("40", "25", "53"))
    )


def _is_gone(exc: Exception) -> bool:
    """Tell a connection that was closed from a server that is slow or refuses."""
    if isinstance(exc, asyncpg.PostgresError):
        return str(exc.sqlstate).startswith(("08", "57P"))
    return not isinstance(exc, TimeoutError)


def _refusal(exc: Exception) -> _Result:
    if isinstance(exc, SetRefused):
        return exc.conflict
    if isinstance(exc, GatewayError):
        return exc
    bug = IntegrityError(f"change set refused by the engine: {type(exc).__name__}")
    bug.__cause__ = exc
    return bug
