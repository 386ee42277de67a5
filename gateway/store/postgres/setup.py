"""Making, upgrading and checking the ledger's schema on a PostgreSQL server.

Promises: everything between two states of the schema is one transaction, so that a crash leaves it
as it was; two who migrate at once take turns, and so do they with the nodes' writers: nobody is
caught between two tables. Alembic writes the SQL, this module runs it.

An upgrade has two halves, so that older nodes may go on meanwhile (`gateway.store.revisions`):
`upgrade` only adds; `finish` removes what only older programs used, once none of them is left.
"""

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

from gateway.errors import ConfigurationError, GatewayError, UnavailableError
from gateway.store import revisions, shape
from gateway.store.dialects import MIGRATION_LOCK, WRITE_LOCK
from gateway.store.places import PostgresDatabase
from gateway.store.postgres.connection import Connection, lent

T = TypeVar("T")

_WAIT_S: Final = 60.0


def create(place: PostgresDatabase) -> None:
    """Make a new, empty ledger; durable on return.

    Raises:
        ConfigurationError: There is a ledger already, or tables of somebody else.
        UnavailableError: The server cannot be reached or refuses.
    """

    async def make(connection: Connection) -> None:
        await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{place.schema}"')
        taken = await connection.fetchval(
            "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname = $1 LIMIT 1",
            place.schema,
        )
        if taken is not None:
            raise ConfigurationError(
                f"{place}: lược đồ {place.schema} đã có dữ liệu, không ghi đè / "
                f"the schema {place.schema} holds something already and is left alone"
            )
        await connection.execute(revisions.upgrade_sql(None))
        await _finish(connection, None)

    _run(place, make)


def upgrade(place: PostgresDatabase) -> None:
    """Add what this program's schema needs; older nodes may be up. Nothing when it is there.

    Raises:
        ConfigurationError: Not a ledger, of a pre-release, or newer than this program.
        UnavailableError: The server cannot be reached or refuses; the ledger is as it was.
    """

    async def add(connection: Connection) -> None:
        found = await _state(place, connection)
        if found.revision == "" or (wrong := revisions.unfit(str(place), found)):
            raise ConfigurationError(wrong if found.revision else _missing(place))
        if found.revision < revisions.HEAD:
            await _in_turn(connection)
            await connection.execute(revisions.upgrade_sql(found.revision))

    _run(place, add)


def finish(place: PostgresDatabase) -> None:
    """Remove what only older programs used: none of them may be up or come back.

    Raises:
        ConfigurationError: Not a ledger, not upgraded yet, or newer than this program.
        UnavailableError: The server cannot be reached or refuses; the ledger is as it was.
    """

    async def end(connection: Connection) -> None:
        found = await _state(place, connection)
        wrong = revisions.judged(str(place), found) if found.revision else _missing(place)
        if wrong:
            raise ConfigurationError(wrong)
        await _finish(connection, found.works_since)

    _run(place, end)


def check(place: PostgresDatabase) -> str | None:
    """Return what is wrong with the ledger (Vietnamese / English), None when usable."""
    try:
        found = look(place)
    except GatewayError as exc:
        # To the operator in full: what the server said is the cause.
        return f"{place}: {exc}" + (f" ({exc.__cause__})" if exc.__cause__ else "")
    return judged(place, found)


def judged(place: PostgresDatabase, found: revisions.State) -> str | None:
    """Return what is wrong with a ledger that was looked at, None when usable."""
    return (revisions.judged(str(place), found) if found.revision else _missing(place)) or None


def look(place: PostgresDatabase) -> revisions.State:
    """Return what a ledger says of itself; no revision when there is none.

    Raises:
        ConfigurationError: The server must not hold a ledger.
        UnavailableError: It cannot be reached.
    """

    async def ask(connection: Connection) -> revisions.State:
        return await _state(place, connection)

    return _run(place, ask)


async def _finish(connection: Connection, done: str | None) -> None:
    script = revisions.finish_sql(done)
    if script:
        await _in_turn(connection)
        await connection.execute(script)


async def _in_turn(connection: Connection) -> None:
    """Wait until no node writes: one amid a transaction would lock tables in another order."""
    await connection.execute(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


async def _state(place: PostgresDatabase, connection: Connection) -> revisions.State:
    there = await connection.fetchval(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = $1 AND c.relname IN ('alembic_version', 'meta')",
        place.schema,
    )
    if there != 2:
        return revisions.State("", None)
    revision = await connection.fetchval("SELECT version_num FROM alembic_version")
    since = await connection.fetchval(revisions.WORKS_SINCE_SQL)
    columns = await connection.fetch(shape.POSTGRES_COLUMNS, place.schema)
    names = await connection.fetch(shape.POSTGRES_NAMES, place.schema)
    lacks = shape.lacking(((r[0], r[1], r[2]) for r in columns), (r[0] for r in names))
    return revisions.State(str(revision or ""), since, lacks)


def _missing(place: PostgresDatabase) -> str:
    return (
        f"{place}: chưa có sổ cái, hãy chạy `vanlien init` / there is no ledger; run `vanlien init`"
    )


def _run(place: PostgresDatabase, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run one transaction under the migration lock; from any thread, inside a loop or not."""

    async def run() -> T:
        async with lent(place, "setup", call_s=None) as connection:
            try:
                await connection.execute(f"SET lock_timeout = {int(_WAIT_S * 1000)}")
                async with connection.transaction():
                    await connection.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
                    return await work(connection)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as exc:
                raise UnavailableError(
                    public=f"the ledger {place} cannot be set up: {exc}"
                ) from exc

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()
