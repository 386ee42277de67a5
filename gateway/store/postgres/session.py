"""A synchronous session over PostgreSQL: asyncpg in an event loop of its own thread.

Promises: those of `gateway.store.session`. Whoever waits here may be inside another event loop, so
the connection lives in one nobody else uses. A connection that broke is opened anew with the next
transaction or question, never inside a transaction. One who stands still inside a write transaction
holds up every node: the server ends it after `_IDLE_S`. A crash lets go of every lock.
"""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import asyncpg

from gateway.errors import GatewayError, UnavailableError
from gateway.ports import ChangeSet, Committed, Row
from gateway.store.dialects import BEGIN_POSTGRES, OUTBOX_CHANNEL, postgres
from gateway.store.places import PostgresDatabase
from gateway.store.postgres.connection import Connection, connect, is_trouble, let_go
from gateway.store.postgres.driving import apply, sequence
from gateway.store.steps import Params

_IDLE_S: Final = 12.0
"""Shorter than the nodes wait for their turn (`gateway.store.postgres.connection`)."""
_IDLE_READING_S: Final = 600.0
_PATIENT_S: Final = 600.0
_CHUNK: Final = 100
_WAKE: Final = f"NOTIFY {OUTBOX_CHANNEL}"

T = TypeVar("T")


class PostgresSession:
    """Session over one connection to the ledger's database.

    Args:
        place: Where the ledger is.
        purpose: Shown beside the connection in `pg_stat_activity`.
        read_only: Every transaction is.
        patient: A question outside a write transaction may take minutes.

    Raises:
        UnavailableError: The server cannot be reached.
        ConfigurationError: It must not hold a ledger.
    """

    def __init__(
        self,
        place: PostgresDatabase,
        *,
        purpose: str,
        read_only: bool = False,
        patient: bool = False,
    ) -> None:
        self._place = place
        self._purpose = purpose
        self._read_only = read_only
        self._inside = False
        self._owed = False
        self._limit_s = _PATIENT_S if patient else None
        self._patience_s = self._limit_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ledger", daemon=True)
        self._thread.start()
        self._connection: Connection | None = None
        try:
            self._wait(self._open())
        except BaseException:
            self.close()
            raise

    # ------------------------------------------------------------ questions

    def row(self, sql: str, params: Params = ()) -> Row | None:
        """Return the first row, None without any."""
        text, values = _rendered(sql, params)
        limit = self._patience_s
        found = self._wait(self._read(lambda c: c.fetchrow(text, *values, timeout=limit)))
        return dict(found) if found is not None else None

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Return all rows."""
        text, values = _rendered(sql, params)
        limit = self._patience_s
        found = self._wait(self._read(lambda c: c.fetch(text, *values, timeout=limit)))
        return [dict(row) for row in found]

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Yield rows as they are read, through a cursor of the server."""
        return map(dict, self._cursor(sql, params))

    def values(self, sql: str, params: Params = ()) -> Iterator[Sequence[Any]]:
        """Yield rows as bare values."""
        return self._cursor(sql, params)

    def _cursor(self, sql: str, params: Params) -> Iterator[Any]:
        text, values = _rendered(sql, params)
        limit = self._patience_s
        cursor = self._wait(self._with(lambda c: c.cursor(text, *values, timeout=limit)))
        while some := self._wait(cursor.fetch(_CHUNK, timeout=limit)):
            yield from some

    def run(self, sql: str, params: Params = ()) -> int:
        """Change rows; return how many."""
        text, values = _rendered(sql, params)
        return _count(self._wait(self._with(lambda c: c.execute(text, *values))))

    # ------------------------------------------------------------ change sets

    def apply(self, change: ChangeSet) -> Committed:
        """Apply a change set."""
        done: Committed
        done, owed = self._wait(self._with(lambda c: apply(c, change, alone=True)))
        self._owed = self._owed or owed
        return done

    def sequence(self) -> None:
        """Place what waits."""
        self._wait(self._with(sequence))

    # ------------------------------------------------------------ transactions

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run one read transaction."""
        with self._transaction("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            try:
                yield
            finally:
                self._roll_back()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run one write transaction; it waits its turn behind the servers' writers."""
        self._owed = False
        self._patience_s = None  # others wait
        with self._transaction(*BEGIN_POSTGRES):
            try:
                yield
                self.sequence()
                if self._owed:
                    self._wait(self._with(lambda c: c.execute(_WAKE)))
                self._wait(self._with(lambda c: c.execute("COMMIT")))
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._patience_s = self._limit_s

    @contextmanager
    def _transaction(self, *begin: str) -> Iterator[None]:
        try:
            for statement in begin:
                self._wait(self._read(lambda c, text=statement: c.execute(text)))
                self._inside = True
            yield
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._inside = False

    def _roll_back(self) -> None:
        if not self._inside:
            return
        try:
            self._wait(self._with(lambda c: c.execute("ROLLBACK")))
        except GatewayError:
            # Whatever it is in the middle of, the next transaction must not be a part of it.
            with contextlib.suppress(GatewayError):
                self._wait(self._forget_connection())

    def forget(self) -> None:
        """Leave it to autovacuum: a ledger of a country is not swept while somebody waits."""

    # ------------------------------------------------------------ the connection

    def close(self) -> None:
        """Let go of the connection, and end the thread."""
        if not self._thread.is_alive():
            return
        with contextlib.suppress(GatewayError):
            self._wait(self._let_go())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> Connection:
        idle_s = _IDLE_READING_S if self._read_only else _IDLE_S
        self._connection = await connect(self._place, self._purpose, idle_s=idle_s)
        if self._read_only:
            await self._connection.execute("SET default_transaction_read_only = on")
        return self._connection

    async def _forget_connection(self) -> None:
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None

    async def _let_go(self) -> None:
        if self._connection is not None:
            await let_go(self._connection)

    async def _read(self, work: Any) -> Any:
        """Do what may be done twice: a connection the server closed shows only when it is used."""
        try:
            return await self._with(work)
        except Exception as exc:
            if self._inside or not is_trouble(exc):
                raise
            self._drop()
            return await self._with(work)

    async def _with(self, work: Any) -> Any:
        connection = self._connection
        if connection is None or connection.is_closed():
            if self._inside:
                raise UnavailableError(public="the connection to the ledger broke")
            connection = await self._open()
        done = work(connection)
        return await done

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        if not self._thread.is_alive():
            work.close()
            raise UnavailableError(public="the ledger is closed")
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except Exception as exc:
            if is_trouble(exc) or isinstance(exc, asyncpg.PostgresError):
                # The server's words may quote a row: its code says enough to a stranger.
                told = getattr(exc, "sqlstate", None) or type(exc).__name__
                raise UnavailableError(public=f"the ledger cannot be used ({told})") from exc
            raise


def _rendered(sql: str, params: Params) -> tuple[str, list[Any]]:
    rendered = postgres(sql)
    return rendered.text, rendered.arguments(params)


def _count(said: str) -> int:
    """Return how many rows `INSERT 0 3` or `UPDATE 3` changed."""
    return int(said.rsplit(" ", 1)[-1])
