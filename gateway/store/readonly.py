"""The ledger for reading only, beside a running server: nothing it does can hold a writer up.

Promises: no lock is taken beyond one query, nothing is ever written. A crash leaves nothing behind.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict, Row
from gateway.store.ledger import connect
from gateway.store.queries import QUERIES


class ReadOnlyLedger:
    """The reading half of the Ledger port; `commit` refuses.

    Args:
        path: An existing ledger file.

    Raises:
        UnavailableError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect(path, read_only=True)

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Refuse: this ledger is for reading."""
        raise UnavailableError(public="this ledger was opened for reading only")

    def drain(self, limit: int) -> AbstractAsyncContextManager[Sequence[Row]]:
        """Refuse: this ledger is for reading."""
        raise UnavailableError(public="this ledger was opened for reading only")

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query."""
        rows = await self.all(query, **params)
        return rows[0] if rows else None

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query."""
        try:
            return [dict(row) for row in self._connection.execute(QUERIES[query], params)]
        except sqlite3.OperationalError as exc:
            raise UnavailableError(public="the ledger cannot be read") from exc

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
