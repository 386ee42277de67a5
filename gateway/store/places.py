"""Where a ledger is: a file of SQLite, or a database of PostgreSQL. Values only.

A place says nothing secret: the password stays in its file, read anew for each connection, so that
it can be changed without a restart.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from gateway.errors import ConfigurationError
from gateway.secrets import read_secret_file

SCHEMA: Final = "vanlien"
DEFAULT_PORT: Final = 5432
_CONNECT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """A ledger in one file."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class PostgresDatabase:
    """A ledger in one schema of a database.

    Args:
        host: Name or address of the server.
        port: Its port.
        user: Role that owns the schema.
        database: Name of the database.
        password_file: Holds the password on one line; None when the server asks for none.
        ca_file: Authorities that may have signed the server's certificate; None: no TLS.
        schema: Where the tables are.
        pool: Connections one process keeps at most.
    """

    host: str
    port: int
    user: str
    database: str
    password_file: Path | None = None
    ca_file: Path | None = None
    schema: str = SCHEMA
    pool: int = 8

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{self.user}@{host}:{self.port}/{self.database}"

    def options(self, purpose: str) -> dict[str, Any]:
        """Return what `asyncpg.connect` and `asyncpg.create_pool` are given.

        Args:
            purpose: Shown beside the connection in `pg_stat_activity`.

        Raises:
            ConfigurationError: The password or the authorities cannot be read.
        """
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "database": self.database,
            "password": self._password,
            "ssl": self._tls(),
            "timeout": _CONNECT_S,
            "server_settings": {
                "search_path": f'"{self.schema}"',
                "application_name": f"vanlien {purpose}"[:63],
                "timezone": "UTC",
                # Accepted means on disk, whatever the server's own default is.
                "synchronous_commit": "on",
            },
        }

    def _password(self) -> str | None:
        if self.password_file is None:
            return None
        return read_secret_file(self.password_file)

    def _tls(self) -> Any:
        if self.ca_file is None:
            return False
        import ssl

        try:
            context = ssl.create_default_context(cafile=str(self.ca_file))
        except (OSError, ssl.SSLError) as exc:
            raise ConfigurationError(f"{self.ca_file}: {exc}") from exc
        # FMT-08, SEC-04: TLS 1.2 at least; the server's name is checked.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


Place = SqliteFile | PostgresDatabase


def place_of(
    url: str,
    *,
    password_file: Path | None = None,
    ca_file: Path | None = None,
    schema: str = SCHEMA,
    pool: int = 8,
) -> Place:
    """Return the place behind a ledger's address (`[ledger] url`), which the settings checked."""
    if url.startswith("sqlite:///"):
        return SqliteFile(Path(url.removeprefix("sqlite:///")))
    parts = urlsplit(url)
    return PostgresDatabase(
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORT,
        user=unquote(parts.username or ""),
        database=unquote(parts.path.removeprefix("/")),
        password_file=password_file,
        ca_file=ca_file,
        schema=schema,
        pool=pool,
    )
