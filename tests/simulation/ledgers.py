"""The two ledgers of a simulated house: in memory, and a real SQLite file without a thread.

The memory one is tests.world.memory_ledger, the other the gateway's own SqliteLedger; both are held
to tests/contract. Here they only start quicker and stay inside the loop.
"""

import asyncio
import shutil
import sqlite3
import tempfile
from functools import cache
from pathlib import Path

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, Conflict
from gateway.store import setup
from gateway.store.ledger import SqliteLedger, _Job, connect
from gateway.store.schema import metadata
from tests.simulation.life import LIFE
from tests.world.memory_ledger import MemoryLedger, _definitions

_WATCHED = ("consignment", "delivery", "transfer", "arrival", "recall", "takeback", "draft")
_MOVES = (
    "CREATE TEMP TABLE move (what TEXT, before TEXT, after TEXT);"
    + "".join(
        f"CREATE TEMP TRIGGER move_{table} AFTER UPDATE OF state ON main.{table} "
        f"WHEN old.state <> new.state "
        f"BEGIN INSERT INTO move VALUES ('{table}', old.state, new.state); END;"
        for table in _WATCHED
    )
    + (
        "CREATE TEMP TRIGGER move_held AFTER UPDATE OF state ON main.arrival WHEN new.state = 'recalled' "
        "AND old.state <> 'recalled' AND EXISTS (SELECT 1 FROM main.legal_hold h "
        "WHERE h.subject = new.id AND h.released_at IS NULL) "
        "BEGIN INSERT INTO move VALUES ('arrival', 'kept by law', 'recalled'); END;"
    )
)
"""Every step of a state that was committed, whoever made it."""


def moves(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    """Return the steps states made."""
    found = connection.execute("SELECT DISTINCT what, before, after FROM move ORDER BY 1, 2, 3")
    return [tuple(row) for row in found]


@cache
def _file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        setup.create(path)
        return path.read_bytes()


_STATEMENTS = 1024
_SPARE: list[sqlite3.Connection] = []
"""Connections of histories that are over, emptied: their statements are prepared already."""


def _connection() -> sqlite3.Connection:
    if _SPARE:
        return _SPARE.pop()
    made = sqlite3.connect(":memory:", isolation_level=None, cached_statements=_STATEMENTS)
    made.row_factory = sqlite3.Row
    made.executescript(_definitions())
    made.execute("PRAGMA foreign_keys=ON")
    made.executescript(_MOVES)
    return made


@cache
def _emptying() -> tuple[str, ...]:
    names = [table.name for table in reversed(metadata.sorted_tables)]
    return ("BEGIN", *(f"DELETE FROM {name}" for name in (*names, "move")), "COMMIT")


def _emptied(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return it as it came: no table counts on from what it once had."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")
    for statement in _emptying():
        connection.execute(statement)
    return connection


class QuickMemoryLedger(MemoryLedger):
    """MemoryLedger on a connection made ready: making the tables, and preparing statements anew for
    each history, would cost more than a small history."""

    def __init__(self) -> None:
        self.connection = _connection()
        self.on_outbox = None
        self.broken = False
        self.commits = []
        self._closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            _SPARE.append(_emptied(self.connection))

    def seen(self) -> sqlite3.Connection:
        return self.connection

    def version(self) -> int:
        """Return a number that changes when a row does."""
        return self.connection.total_changes

    def moves(self) -> list[tuple[str, str, str]]:
        return moves(self.connection)


class InlineSqliteLedger(SqliteLedger):
    """SqliteLedger on a file, its writer's batches done by the loop instead of a thread.

    What several programs commit between two steps of the loop is one transaction, as there. A job
    whose node died before its batch is lost with the node, as it is when a process dies.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vanlien-simulation-"))
        self.path = self._path = self._folder / "ledger.db"
        self.path.write_bytes(_file())
        self._queued: list[tuple[_Job, object]] = []
        self.on_outbox = None
        self._closed = False
        self._moved: set[tuple[str, str, str]] = set()
        self._open()

    def _open(self) -> None:
        self._writer = connect(self._path)
        self._cursor = self._writer.cursor()
        self._reader = connect(self._path, read_only=True)
        self._writer.executescript(_MOVES)

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        if self._closed:
            raise UnavailableError(public="the ledger is closed")
        loop = asyncio.get_running_loop()
        job = _Job(change, loop, loop.create_future())
        if not self._queued:
            loop.call_soon(self._flush)
        self._queued.append((job, LIFE.get()))
        return await job.future

    def _flush(self) -> None:
        waiting, self._queued = self._queued, []
        batch = [job for job, life in waiting if life is None or life.alive]
        if batch and not self._closed:
            self._do(batch)

    def reopen(self) -> None:
        """The only process on it died: open the file as the next one finds it."""
        self._moved |= set(moves(self._writer))
        self._reader.close()
        self._writer.close()
        self._open()

    def seen(self) -> sqlite3.Connection:
        return self._reader

    def version(self) -> int:
        """Return a number that changes when a row does."""
        return int(self._reader.execute("PRAGMA data_version").fetchone()[0])

    def moves(self) -> list[tuple[str, str, str]]:
        return sorted(self._moved | set(moves(self._writer)))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._reader.close()
            self._writer.close()
            shutil.rmtree(self._folder)
