"""One connection to the ledger for calls that wait: administration, snapshots, exports.

Promises: the same calls mean the same on both engines. SQL is written once, with `:name` or `?`
parameters; a read transaction sees one moment of the ledger; a write transaction is committed and
durable when its block ends, sequences what it wrote, and leaves nothing when the block raises.
Writers take turns (`gateway.store.dialects`), so nothing changes between two statements of one. A
session is used by one thread at a time. A crash leaves what is committed.
"""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, Row
from gateway.store.ledger import apply, connect
from gateway.store.places import Place, SqliteFile
from gateway.store.sequencer import sequence
from gateway.store.steps import Params


class Session(Protocol):
    """What stores ask of either engine. UnavailableError: it cannot be reached or written."""

    def row(self, sql: str, params: Params = ()) -> Row | None:
        """Return the first row, None without any."""
        ...

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Return all rows; for a result that fits into memory."""
        ...

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Yield rows as they are read; inside a transaction."""
        ...

    def values(self, sql: str, params: Params = ()) -> Iterator[Sequence[Any]]:
        """Yield rows as bare values in the order of the columns; inside a transaction."""
        ...

    def run(self, sql: str, params: Params = ()) -> int:
        """Change rows; return how many."""
        ...

    def apply(self, change: ChangeSet) -> Committed:
        """Apply a change set inside a write transaction.

        Raises:
            SetRefused: A guard, an expected update or a unique key says no.
        """
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Run one read transaction: every query sees the same moment."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Run one write transaction; durable when the block ends, nothing when it raises.

        Receipts and feeds are sequenced before the commit.
        """
        ...

    def sequence(self) -> None:
        """Place what waits in the receipt log and the feeds; inside a write transaction."""
        ...

    def forget(self) -> None:
        """Let go of old versions of rows, as far as the engine can while others work."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def open_session(
    place: Place, *, purpose: str, read_only: bool = False, patient: bool = False
) -> Session:
    """Open a session.

    Args:
        place: Where the ledger is.
        purpose: Shown to the operator of a database server beside the connection.
        read_only: Nothing can be written through it.
        patient: A question outside a write transaction may take minutes, as one about the whole
            ledger does; else a server that does not answer is given up soon.

    Raises:
        UnavailableError: The ledger cannot be opened.
    """
    if isinstance(place, SqliteFile):
        return SqliteSession(place, read_only=read_only)
    # asyncpg is imported only where a server is asked for.
    from gateway.store.postgres.session import PostgresSession

    return PostgresSession(place, purpose=purpose, read_only=read_only, patient=patient)


@contextmanager
def session(
    place: Place, *, purpose: str, read_only: bool = False, patient: bool = False
) -> Iterator[Session]:
    """Lend a session for the length of the block; see `open_session`."""
    opened = open_session(place, purpose=purpose, read_only=read_only, patient=patient)
    try:
        yield opened
    finally:
        opened.close()


class SqliteSession:
    """Session over the ledger file; a write waits its turn behind the server's writer."""

    def __init__(self, place: SqliteFile, *, read_only: bool = False) -> None:
        self._connection = connect(place.path, read_only=read_only)
        if not read_only:
            # SEC-01: what is purged is overwritten in the file, not only unlinked.
            self._connection.execute("PRAGMA secure_delete=ON")
        self._cursor = self._connection.cursor()

    def row(self, sql: str, params: Params = ()) -> Row | None:
        """Return the first row, None without any."""
        with _troubles():
            found = self._connection.execute(sql, params).fetchone()
        return dict(found) if found is not None else None

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        """Return all rows."""
        with _troubles():
            return [dict(row) for row in self._connection.execute(sql, params)]

    def stream(self, sql: str, params: Params = ()) -> Iterator[Row]:
        """Yield rows as they are read."""
        with _troubles():
            for row in self._connection.execute(sql, params):
                yield dict(row)

    def values(self, sql: str, params: Params = ()) -> Iterator[Sequence[Any]]:
        """Yield rows as bare values."""
        cursor = self._connection.cursor()
        cursor.row_factory = None  # half the time for 120,000 of them
        with _troubles():
            yield from cursor.execute(sql, params)

    def run(self, sql: str, params: Params = ()) -> int:
        """Change rows; return how many."""
        with _troubles():
            return self._connection.execute(sql, params).rowcount

    def apply(self, change: ChangeSet) -> Committed:
        """Apply a change set."""
        with _troubles():
            return apply(self._cursor, change)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Run one read transaction."""
        with _troubles():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._roll_back()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run one write transaction."""
        with _troubles():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.sequence()
            with _troubles():
                self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def sequence(self) -> None:
        """Place what waits."""
        with _troubles():
            sequence(self._connection)

    def forget(self) -> None:
        """Empty the log of pages: it holds old content too."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


@contextmanager
def _troubles() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise UnavailableError(public=f"the ledger cannot be used: {exc}") from exc
