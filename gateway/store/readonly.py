"""The ledger for reading only, beside a running server: nothing it does can hold a writer up.

Promises: no lock is taken beyond one query, nothing is ever written. A crash leaves nothing behind.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict, Row
from gateway.store.places import Place
from gateway.store.queries import QUERIES
from gateway.store.session import open_session


class ReadOnlyLedger:
    """The reading half of the Ledger port; `commit` refuses.

    Args:
        place: Where the ledger is.

    Raises:
        UnavailableError: It cannot be opened.
    """

    def __init__(self, place: Place) -> None:
        self._session = open_session(place, purpose="reading", read_only=True, patient=True)

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        """Refuse: this ledger is for reading."""
        raise UnavailableError(public="this ledger was opened for reading only")

    def drain(self, limit: int) -> AbstractAsyncContextManager[Sequence[Row]]:
        """Refuse: this ledger is for reading."""
        raise UnavailableError(public="this ledger was opened for reading only")

    async def one(self, query: str, **params: object) -> Row | None:
        """Return the first row of a named query."""
        return self._session.row(QUERIES[query], params)

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        """Return all rows of a named query."""
        return self._session.rows(QUERIES[query], params)

    def close(self) -> None:
        """Let go of the ledger."""
        self._session.close()
