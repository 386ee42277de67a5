"""The writer of one node: its change sets in turn with every other node's, in a thread of its own.

Whoever has the ledger's write lock holds up every node, so the writer has its own thread and event
loop: a program that keeps the node's loop busy delays no commit of anybody. `commit` may be called
on any loop and is answered there.

One batch: (1) take the ledger's write lock (`gateway.store.dialects`), leave our mark; (2) take
what waits by now and apply set by set, with a savepoint each when there are several; (3) sequence;
(4) wake the other nodes and commit; (5) answer. Waiting for the lock costs nothing: sets gather.

In doubt: the lock is held to the transaction's very end, so who has it knows that the lost
transaction is over; our mark then says which way it went. A server that lost what it had not yet
promised cannot deceive us, as it could with a transaction's number, which it gives again.

A crash of the node or of the server leaves each batch whole or nothing of it.
"""

import asyncio
import collections
import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import asyncpg

from gateway import faults
from gateway.errors import GatewayError, IntegrityError, UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict
from gateway.store.dialects import BEGIN_POSTGRES, OUTBOX_CHANNEL
from gateway.store.places import PostgresDatabase
from gateway.store.postgres.connection import (
    Connection,
    connect,
    end,
    is_trouble,
    let_go,
    reading,
    unavailable,
)
from gateway.store.postgres.driving import apply, sequence
from gateway.store.steps import SetRefused

_BATCH: Final = 60
"""Sets a transaction: beyond 64 savepoints the server's other readers pay for each."""

_IDLE_S: Final = 15.0
_DOUBT_S: Final = 20.0
_AGAIN_S: Final = 0.5
_KEPT_S: Final = 30 * 86_400
"""How long the mark of a writer that is no more stays; one that lives makes its own anew."""

_CANNOT: Final = "the ledger cannot commit"
_MARK: Final = (
    "INSERT INTO meta (key, value) VALUES ('{key}', '{value}') "
    "ON CONFLICT (key) DO UPDATE SET value = excluded.value"
)

T = TypeVar("T")

_Result = Committed | Conflict | BaseException


@dataclass(slots=True)
class _Job:
    change: ChangeSet
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Committed | Conflict]


class Writer:
    """Commits change sets.

    Args:
        place: Where the ledger is.
        woken: Called on the loop that opened it, after a commit that wrote outbox rows.
    """

    def __init__(self, place: PostgresDatabase, woken: Callable[[], None]) -> None:
        self._place = place
        self._woken = woken
        self._jobs: collections.deque[_Job] = collections.deque()
        self._gate = threading.Lock()
        self._closed = True
        self._connection: Connection | None = None
        self._key = _key(time.time())
        self.batches = 0
        self._some = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._home: asyncio.AbstractEventLoop
        self._loop: asyncio.AbstractEventLoop
        self._thread: threading.Thread

    async def open(self) -> None:
        """Connect and begin to work.

        Raises:
            UnavailableError: The server cannot be reached.
            ConfigurationError: The server must not hold a ledger.
        """
        self._home = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._turn, name="ledger-writer", daemon=True)
        self._thread.start()
        try:
            await self._there(self._open())
        except BaseException:
            await self._ended()
            raise
        self._closed = False

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after the server's fsync."""
        loop = asyncio.get_running_loop()
        job = _Job(change, loop, loop.create_future())
        with self._gate:  # nothing is queued behind the end, where nobody would answer it
            if self._closed:
                raise UnavailableError(public="the ledger is closed")
            self._jobs.append(job)
            self._loop.call_soon_threadsafe(self._some.set)
        return await asyncio.shield(job.future)

    def pid(self) -> int | None:
        """Return the server's number of our connection, None without one."""
        connection = self._connection
        if connection is None or connection.is_closed():
            return None
        pid: int = connection.get_server_pid()
        return pid

    async def close(self) -> None:
        """Finish what is queued, then let go of the connection. Safe to repeat."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
        await self._there(self._close())
        await self._ended()

    # ------------------------------------------------------------ the thread

    def _turn(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(asyncio.sleep(0))  # what was ended is let go of
        finally:
            self._loop.close()

    async def _there(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _ended(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)

    async def _open(self) -> None:
        self._connection = await self._connect()
        try:
            with reading():
                await self._connection.execute(
                    "DELETE FROM meta WHERE key LIKE 'writer:%' AND key < $1",
                    _key(time.time() - _KEPT_S),
                )
        except BaseException:
            self._connection.terminate()
            raise
        self._writing = asyncio.create_task(self._write(), name="ledger-writer")

    async def _close(self) -> None:
        self._some.set()
        if self._writing is not None:
            await self._writing
        connection = self._connection
        if connection is not None:
            try:
                await connection.execute("DELETE FROM meta WHERE key = $1", self._key)
            except Exception as exc:
                if not is_trouble(exc):
                    raise
                # Without the server the mark stays; a later writer takes it away (_KEPT_S).
            finally:
                await let_go(connection)

    def _connect(self) -> Coroutine[Any, Any, Connection]:
        return connect(self._place, "writer", idle_s=_IDLE_S)

    # ------------------------------------------------------------ batches

    async def _write(self) -> None:
        while True:
            await self._some.wait()
            self._some.clear()
            while self._jobs:
                await self._batch()
            if self._closed:
                return

    async def _batch(self) -> None:
        """Do one batch, whatever happens: every set of it is answered."""
        taken: list[_Job] = []
        results: Sequence[_Result]
        woken = False
        try:
            results, woken = await self._transaction(taken)
        except BaseException as exc:  # nobody may be told "committed"
            if self._connection is not None:
                self._connection.terminate()  # whatever state it is in
                self._connection = None
            taken = taken or self._take()
            trouble = exc if isinstance(exc, UnavailableError) else unavailable(_CANNOT, exc)
            results = [trouble] * len(taken)
            if isinstance(exc, asyncio.CancelledError):
                self._answer(taken, results)
                raise
        self._answer(taken, results)
        if woken:
            self._wake()

    async def _transaction(self, taken: list[_Job]) -> tuple[Sequence[_Result], bool]:
        connection = await self._begun()  # (1)
        taken += self._take()  # (2)
        results: list[_Result] = []
        woken = False
        for number, job in enumerate(taken):
            if number:
                await connection.execute("RELEASE one; SAVEPOINT one")
            done, owed = await self._apply(connection, job.change)
            results.append(done)
            woken = woken or owed
        if not any(isinstance(done, Committed) for done in results):
            await end(connection, "ROLLBACK")
            return results, False
        await sequence(connection)  # (3)
        faults.reach("ledger.before-commit")
        try:  # (4)
            await end(connection, f"NOTIFY {OUTBOX_CHANNEL}; COMMIT" if woken else "COMMIT")
        except Exception as exc:
            if not _is_doubt(exc) or not await self._resolved():
                raise
        faults.reach("ledger.after-commit")
        return results, woken

    @property
    def _mark(self) -> str:
        return f"batch {self.batches}"

    async def _begun(self) -> Connection:
        """Begin a transaction: the write lock, our mark, a savepoint for the first set."""
        old = self._connection
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
        self._connection = await self._connect()
        await self._begin(self._connection)
        return self._connection

    async def _begin(self, connection: Connection) -> None:
        self.batches += 1
        # One journey: the texts are our own, nothing of a document is in them.
        mark = _MARK.format(key=self._key, value=self._mark)
        await connection.execute(f"{'; '.join(BEGIN_POSTGRES)}; {mark}; SAVEPOINT one")

    def _take(self) -> list[_Job]:
        return [self._jobs.popleft() for _ in range(min(_BATCH, len(self._jobs)))]

    async def _apply(self, connection: Connection, change: ChangeSet) -> tuple[_Result, bool]:
        """Apply one set; neither a refusal nor a bug in it sinks the others."""
        try:
            return await apply(connection, change)
        except Exception as exc:
            if is_trouble(exc) or connection.is_closed():
                raise
            await connection.execute("ROLLBACK TO one")
            return _refusal(exc), False

    # ------------------------------------------------------------ in doubt

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
        fresh = await self._connect()
        try:
            with reading():
                await fresh.execute("; ".join(BEGIN_POSTGRES))
                mark: str | None = await fresh.fetchval(
                    "SELECT value FROM meta WHERE key = $1", self._key
                )
                # A write of our own waits for the standby, as the lost commit perhaps did not.
                await fresh.execute("UPDATE meta SET value = value WHERE key = $1", self._key)
                await end(fresh, "COMMIT")
        except BaseException:
            fresh.terminate()
            raise
        if self._connection is not None:
            self._connection.terminate()
        self._connection = fresh
        return mark == self._mark

    # ------------------------------------------------------------ answers

    def _answer(self, batch: Sequence[_Job], results: Sequence[_Result]) -> None:
        loops: dict[asyncio.AbstractEventLoop, list[tuple[_Job, _Result]]] = {}
        for job, result in zip(batch, results, strict=True):
            loops.setdefault(job.loop, []).append((job, result))
        for loop, pairs in loops.items():
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(_resolve, pairs)

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._home.call_soon_threadsafe(self._woken)


def _resolve(pairs: Sequence[tuple[_Job, _Result]]) -> None:
    for job, result in pairs:
        if job.future.done():
            continue
        if isinstance(result, BaseException):
            job.future.set_exception(result)
            job.future.exception()  # looked at: a caller who went away leaves no noise
        else:
            job.future.set_result(result)


def _key(at: float) -> str:
    """Return the name of a writer's mark: they sort by when it began."""
    return f"writer:{int(at):012d}{secrets.token_hex(8)}"


def _is_doubt(exc: Exception) -> bool:
    """Tell whether a commit that failed may have happened all the same."""
    # A server that answers with an error of this transaction has not committed it; one that says
    # that it goes down (57, 58, XX) or nothing at all may have.
    return is_trouble(exc) and not (
        isinstance(exc, asyncpg.PostgresError) and str(exc.sqlstate).startswith(("40", "25", "53"))
    )


def _refusal(exc: Exception) -> _Result:
    if isinstance(exc, SetRefused):
        return exc.conflict
    if isinstance(exc, GatewayError):
        return exc
    bug = IntegrityError(f"change set refused by the engine: {type(exc).__name__}")
    bug.__cause__ = exc
    return bug
