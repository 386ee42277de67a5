"""MemoryLedger: the Ledger port on SQLite in memory, one set a transaction, at once.

Kept equal to the real one by tests/contract/test_ledger_contract.py, which runs on both. `broken`
makes it refuse as a full disk would.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from gateway.errors import GatewayError, IntegrityError, UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict, Delete, Insert, Row
from gateway.store.ledger import apply
from gateway.store.queries import QUERIES
from gateway.store.schema import metadata
from gateway.store.sequencer import sequence
from gateway.store.steps import SetRefused


@cache
def _definitions() -> str:
    dialect = sqlite.dialect()
    made = []
    for table in metadata.sorted_tables:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        made += [str(CreateIndex(index).compile(dialect=dialect)) for index in table.indexes]
    return ";\n".join(made)


class MemoryLedger:
    on_commit: Callable[[], None] | None = None

    def __init__(self, on_outbox: Callable[[], None] | None = None) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.executescript(_definitions())
        self.connection.execute("PRAGMA foreign_keys=ON")
        self.on_outbox = on_outbox
        self.broken = False
        self.commits: list[ChangeSet] = []
        self._closed = False

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        if self._closed or self.broken:
            raise UnavailableError(public="the ledger cannot commit")
        # What `then` adds may be rows of the outbox too.
        before = self._outbox() if change.then is not None else 0
        self.connection.execute("BEGIN")
        try:
            done = apply(self.connection.cursor(), change)
            sequence(self.connection)
        except SetRefused as refused:
            self.connection.execute("ROLLBACK")
            return refused.conflict
        except GatewayError:
            self.connection.execute("ROLLBACK")
            raise
        except Exception as exc:
            self.connection.execute("ROLLBACK")
            raise IntegrityError(f"change set refused by the engine: {exc}") from exc
        self.connection.execute("COMMIT")
        self.commits.append(change)
        wrote = any(isinstance(r, Insert) and r.table == "outbox" for r in change.rows)
        if self.on_outbox is not None and (
            wrote or (change.then is not None and self._outbox() != before)
        ):
            self.on_outbox()
        if self.on_commit is not None:
            self.on_commit()
        return done

    @asynccontextmanager
    async def drain(self, limit: int) -> AsyncIterator[Sequence[Row]]:
        rows = await self.all("outbox", limit=limit)
        yield rows
        if rows:
            ids = tuple(row["id"] for row in rows)
            await self.commit(ChangeSet(rows=(Delete("outbox", {"id": ids}),)))

    async def one(self, query: str, **params: object) -> Row | None:
        rows = await self.all(query, **params)
        return rows[0] if rows else None

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        if self._closed:
            raise UnavailableError(public="the ledger cannot be read")
        return [dict(row) for row in self.connection.execute(QUERIES[query], params)]

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.connection.close()

    def _outbox(self) -> int:
        found = self.connection.execute("SELECT COALESCE(MAX(id), 0) FROM outbox").fetchone()
        return int(found[0])
