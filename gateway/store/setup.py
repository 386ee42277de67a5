"""Making, upgrading and checking the ledger file.

Promises: `create` gives a complete ledger its name at once or not at all, and never touches an
existing file; `upgrade` and `finish` are one transaction each; all are durable when they return. A
crash leaves at worst a `.part` file beside the ledger, or the ledger as it was. Between `upgrade`
and `finish` the program before works with the ledger as well (`gateway.store.revisions`).
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.errors import ConfigurationError, UnavailableError
from gateway.store import revisions, shape

if TYPE_CHECKING:
    from sqlalchemy import Connection


def create(path: Path) -> None:
    """Make a new, empty ledger at `path` (mode 0600), durable on return.

    Raises:
        ConfigurationError: There is something at `path`, or the folder cannot be written.
        UnavailableError: The engine cannot write it.
    """
    if os.path.lexists(path):
        raise _taken(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _migrate(part)
        _sync(part, os.O_RDWR)
        path.hardlink_to(part)  # fails where a name is taken: nothing is ever overwritten
        part.unlink()
        _sync(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except FileExistsError as exc:
        raise _taken(path) from exc
    except OSError as exc:
        raise ConfigurationError(
            f"không tạo được sổ cái {path}: {exc.strerror} / "
            f"the ledger {path} cannot be created: {exc.strerror}"
        ) from exc
    finally:
        for leftover in (part, *_side_files(part)):
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)


def upgrade(path: Path) -> None:
    """Add what this program's schema needs; nothing happens when it is there already.

    Raises:
        ConfigurationError: Missing, not a ledger, of a pre-release, or newer than this program.
        UnavailableError: The engine cannot write it; the ledger is as it was.
    """
    found = look(path)
    if isinstance(found, str):
        raise ConfigurationError(found)
    if wrong := revisions.unfit(str(path), found):
        raise ConfigurationError(wrong)
    if found.revision < revisions.HEAD:
        with _written(path) as connection:
            revisions.migrate(connection, found.revision)


def finish(path: Path) -> None:
    """Remove what only older programs used: none of them can be put back afterwards.

    Raises:
        ConfigurationError: Missing, not a ledger, not upgraded yet, or newer than this program.
        UnavailableError: The engine cannot write it; the ledger is as it was.
    """
    if wrong := check(path):
        raise ConfigurationError(wrong)
    with _written(path) as connection:
        revisions.finish(connection)


def check(path: Path) -> str | None:
    """Return what is wrong with the ledger at `path` (Vietnamese / English), None when usable."""
    found = look(path)
    return found if isinstance(found, str) else revisions.judged(str(path), found) or None


def look(path: Path) -> revisions.State | str:
    """Look at a ledger, for reading only; a text says why it is none."""
    if not path.is_file():
        text = "chưa có sổ cái, hãy chạy `vanlien init` / there is no ledger; run `vanlien init`"
        return f"{path}: {text}"
    not_one = f"{path}: không phải sổ cái của vanlien / not a ledger of vanlien"
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=15)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            since = connection.execute(revisions.WORKS_SINCE_SQL).fetchone()
            columns = connection.execute(shape.SQLITE_COLUMNS).fetchall()
            made = (sql for (sql,) in connection.execute(shape.SQLITE_NAMES))
            lacks = shape.lacking(columns, shape.unique_names(made))
    except sqlite3.Error as exc:
        return f"{not_one} ({exc})"
    if row is None:
        return not_one
    return revisions.State(str(row[0]), str(since[0]) if since else None, lacks)


def _taken(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} đã có, không ghi đè / {path} exists already and is left alone"
    )


def _migrate(path: Path) -> None:
    """Make every table in an empty file; nobody older has ever used it."""
    with _written(path) as connection:
        revisions.migrate(connection)
        revisions.finish(connection)


@contextlib.contextmanager
def _written(path: Path) -> Iterator["Connection"]:
    """Lend the connection of one write transaction; what the engine refuses is unavailable."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with _transaction(path) as connection:
            yield connection
    except (SQLAlchemyError, sqlite3.Error) as exc:
        raise UnavailableError(public=f"the ledger {path} cannot be upgraded: {exc}") from exc


@contextlib.contextmanager
def _transaction(path: Path) -> Iterator["Connection"]:
    """Lend a connection inside one write transaction, table definitions included."""
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import NullPool

    def plain() -> sqlite3.Connection:
        # Autocommit: Python's own transaction handling would commit before each CREATE TABLE.
        uri = f"{path.resolve().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    engine = create_engine("sqlite://", creator=plain, poolclass=NullPool)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _side_files(path: Path) -> tuple[Path, Path]:
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
