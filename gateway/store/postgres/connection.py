"""A connection to the PostgreSQL server of a ledger, and what its errors mean for us.

Promises: a server that would lose what it committed (fsync off), or a standby that cannot commit,
is refused on every connection, because after a fail-over another server may answer. A server that
says of itself that it is a test (`vanlien.test = on` in its configuration) may lose what it likes.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

import asyncpg

from gateway.errors import ConfigurationError, GatewayError, IntegrityError, UnavailableError
from gateway.store.places import PostgresDatabase

OLDEST: Final = 140_000
CALL_S: Final = 30.0
"""The longest one statement may take before its connection is given up."""

# SQLSTATE classes of a server in trouble, as against a statement that is wrong.
_TROUBLE: Final = ("08", "25006", "40", "53", "55P03", "57", "58", "XX")

# A node whose network broke must not hold the write lock or lent rows until TCP notices by itself.
_LIVENESS: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
    "lock_timeout": "15000",
    # What an administrator set for people is not for us: a limit on statements would end those who
    # wait their turn, and compiling a short question takes longer than answering it.
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
}

_SERVER: Final = (
    "SELECT CAST(current_setting('server_version_num') AS integer) AS version, "
    "current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync, "
    "current_setting('full_page_writes') AS pages, "
    "current_setting('synchronous_commit') AS waits, "
    "current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery() AS standby, "
    "COALESCE(current_setting('vanlien.test', true), '') = 'on' AS test, "
    "pg_backend_pid() AS pid"
)


class Connection(asyncpg.Connection):  # type: ignore[misc]  # the library has no types
    """A connection whose session is never changed, so that giving it back costs no journey."""

    def get_reset_query(self) -> str:
        """Return nothing: settings are given once, locks end with their transaction."""
        return ""


def is_trouble(exc: BaseException) -> bool:
    """Tell trouble with the server or the way to it from a statement that is wrong."""
    if isinstance(exc, asyncpg.PostgresError):
        return str(exc.sqlstate or "").startswith(_TROUBLE)
    # InternalClientError: the server closed the connection while the library looked elsewhere.
    broken = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    return isinstance(exc, broken)


def unavailable(text: str, cause: BaseException) -> UnavailableError:
    """Return what a caller is told; the server's words go to the log with the cause."""
    trouble = UnavailableError(public=text, retry_after_s=5.0)
    trouble.__cause__ = cause
    return trouble


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Turn trouble in the block into UnavailableError; a bug stays what it is."""
    try:
        yield
    except GatewayError:
        raise
    except Exception as exc:
        if is_trouble(exc):
            raise unavailable("the ledger cannot be read", exc) from exc
        raise


async def connect(
    place: PostgresDatabase,
    purpose: str,
    *,
    idle_s: float | None = None,
    call_s: float | None = CALL_S,
) -> Connection:
    """Open a connection to a server that keeps what it commits.

    Args:
        place: Where the ledger is.
        purpose: Shown beside the connection in `pg_stat_activity`.
        idle_s: A transaction that stands still longer is ended by the server.
        call_s: The longest one statement may take.

    Raises:
        UnavailableError: The server cannot be reached, or is a standby.
        ConfigurationError: The server must not hold a ledger; all reasons at once.
    """
    options = place.options(purpose)
    options["server_settings"] |= _LIVENESS
    if idle_s is not None:
        options["server_settings"]["idle_in_transaction_session_timeout"] = str(int(idle_s * 1000))
    try:
        made: Connection = await asyncpg.connect(
            **options,
            connection_class=Connection,
            command_timeout=call_s,
            statement_cache_size=512,
        )
    except GatewayError:
        raise
    except Exception as exc:
        if is_trouble(exc) or isinstance(exc, asyncpg.PostgresError):
            raise unavailable(f"the ledger's database cannot be reached ({place})", exc) from exc
        raise
    try:
        await _examine(made)
    except BaseException:
        made.terminate()
        raise
    return made


async def _examine(connection: Connection) -> None:
    try:
        server = await connection.fetchrow(_SERVER)
    except Exception as exc:
        raise unavailable("the ledger's database does not answer", exc) from exc
    if server["standby"]:
        raise UnavailableError(
            public="the ledger's database is a standby and cannot commit", retry_after_s=5.0
        )
    wrong = []
    if server["version"] < OLDEST:
        wrong.append("PostgreSQL 14 trở lên / PostgreSQL 14 or later is needed")
    if server["pid"] != connection.get_server_pid():
        # A pooler gives each transaction another session: notices, statements and settings are
        # another's there, and it says of itself a number that is no process of the server.
        wrong.append(
            "phải nối thẳng tới máy chủ, không qua bộ gom kết nối (pgbouncer…) / connect to the "
            "server itself, not to a pooler of connections (pgbouncer…)"
        )
    if server["encoding"] != "UTF8":
        wrong.append("bảng mã phải là UTF8 / the database's encoding must be UTF8")
    if not server["test"]:
        wrong += [
            f"máy chủ phải bật {name} / the server must have {name} = on"
            for name in ("fsync", "full_page_writes")
            if server["fsync" if name == "fsync" else "pages"] != "on"
        ]
        if server["waits"] in {"off", "local"}:
            wrong.append("phải bật synchronous_commit / synchronous_commit must be on")
    if wrong:
        raise ConfigurationError("; ".join(wrong))


@contextlib.asynccontextmanager
async def lent(
    place: PostgresDatabase, purpose: str, *, call_s: float | None = CALL_S
) -> AsyncIterator[Connection]:
    """Lend one connection for the length of the block."""
    connection = await connect(place, purpose, call_s=call_s)
    try:
        yield connection
    finally:
        await let_go(connection)


async def end(connection: Connection, sql: str) -> None:
    """End a transaction; the server's word counts: COMMIT of a broken one is answered ROLLBACK."""
    said = await connection.execute(sql)
    if not sql.endswith(said):
        raise IntegrityError(f"the transaction ended with {said}")


async def let_go(connection: Connection) -> None:
    """Close a connection, whatever state it is in."""
    try:
        await asyncio.shield(connection.close(timeout=5))
    except (Exception, asyncio.CancelledError):  # noqa: BLE001 - it is gone either way
        connection.terminate()
