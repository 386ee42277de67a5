"""The PostgreSQL ledger of one node: its change sets in turn with every other node's.

Promises: the same meaning as SQLite's. `commit` returns after the server said COMMIT with its log
on disk; a refused set leaves no trace and consumes no number; what is committed has its place in
the receipt log and the feeds; nobody is told "committed" who is not
(`gateway.store.postgres.writer`). What `drain` lends comes back when this node dies. A crash leaves
what is committed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import asyncpg

from gateway.errors import GatewayError, UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict, Row
from gateway.store.dialects import OUTBOX_CHANNEL, postgres
from gateway.store.places import PostgresDatabase
from gateway.store.postgres.connection import (
    CALL_S,
    Connection,
    connect,
    end,
    is_trouble,
    let_go,
    reading,
    unavailable,
)
from gateway.store.postgres.writer import Writer
from gateway.store.queries import QUERIES

_LENT_IDLE_S: Final = 120.0
_POLL_S: Final = 5.0
_AGAIN_S: Final = 0.5
_UNREADABLE: Final = "the ledger cannot be read"
# Columns by name: a `*` inside a transaction breaks when an upgrade gives the table another one.
_LEND: Final = "SELECT id, topic, ref, lane FROM outbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED"

T = TypeVar("T")


class PostgresLedger:
    """Ledger port over a PostgreSQL database.

    Args:
        place: Where the ledger is (made by `gateway.store.postgres.setup`).
        on_outbox: Called on the loop after a commit of any node that wrote outbox rows, and every
            `poll_s`: a notice may be lost, what is owed is not.
        poll_s: How often to look without a notice.

    `on_commit` is called there after every commit of this node.
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
        self.on_commit: Callable[[], None] | None = None
        self._shut = asyncio.Event()
        self._writer = Writer(place, self._wake)
        self._readers = _Pool(place, "reader", place.pool)
        self._lenders = _Pool(place, "dispatch", 2, idle_s=_LENT_IDLE_S)
        self._poll_s = poll_s
        self._listener: Connection | None = None
        self._listening_on: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and begin to write and to listen.

        Raises:
            UnavailableError: The server cannot be reached.
            ConfigurationError: The server must not hold a ledger.
        """
        await self._writer.open()
        try:
            lost = await self._listening()
        except BaseException:
            await self._writer.close()
            raise
        self._listening_on = asyncio.create_task(self._listen(lost), name="ledger-listener")

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Apply one change set; returns after the server's fsync."""
        done = await self._writer.commit(change)
        if self.on_commit is not None:
            self.on_commit()
        return done

    @asynccontextmanager
    async def drain(self, limit: int) -> AsyncIterator[Sequence[Row]]:
        """Lend outbox rows; they go when the block ends well, they stay when this node dies."""
        async with self._lenders.one() as connection:
            with reading():
                await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                # What another node was lent is passed over, not waited for.
                rows = await connection.fetch(_LEND, limit)
            yield [dict(row) for row in rows]
            try:
                if rows:
                    ids = [row["id"] for row in rows]
                    await connection.execute("DELETE FROM outbox WHERE id = ANY($1)", ids)
                await end(connection, "COMMIT")
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
        await self._writer.close()
        if self._listening_on is not None:
            self._listening_on.cancel()
            await asyncio.gather(self._listening_on, return_exceptions=True)
        if self._listener is not None:
            await let_go(self._listener)
        await self._readers.close()
        await self._lenders.close()

    # ------------------------------------------------------------ waking

    def _wake(self) -> None:
        if self.on_outbox is not None:
            self.on_outbox()

    async def _listening(self) -> asyncio.Event:
        """Listen for what any other node owes to the lanes; return what is set when it ends."""
        lost = asyncio.Event()
        connection = await connect(self._place, "listener")
        connection.add_termination_listener(lambda *_: lost.set())
        try:
            with reading():
                await connection.add_listener(OUTBOX_CHANNEL, self._notified)
        except BaseException:
            connection.terminate()
            raise
        self._listener = connection
        return lost

    def _notified(self, _connection: object, pid: int, _channel: str, _payload: object) -> None:
        # Our own commits have woken already.
        if pid != self._writer.pid():
            self._wake()

    async def _listen(self, lost: asyncio.Event) -> None:
        """Listen until cancelled; what was notified while nobody listened is found by looking."""
        while True:
            with contextlib.suppress(UnavailableError), reading():
                while self._listener is not None and not lost.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._poll_s):
                            await lost.wait()
                    self._wake()
                    await self._listener.execute("SELECT 1")  # is anybody there?
            if self._listener is not None:
                self._listener.terminate()
            lost = await self._listening_again()
            self._wake()

    async def _listening_again(self) -> asyncio.Event:
        while True:
            await asyncio.sleep(_AGAIN_S)
            with contextlib.suppress(GatewayError):
                return await self._listening()


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
            async with asyncio.timeout(CALL_S):
                await self._room.acquire()
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


def _is_gone(exc: Exception) -> bool:
    """Tell a connection that was closed from a server that is slow or refuses."""
    if isinstance(exc, asyncpg.PostgresError):
        return str(exc.sqlstate).startswith(("08", "57P"))
    return not isinstance(exc, TimeoutError)
