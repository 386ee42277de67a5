"""Making, upgrading and checking the ledger file.

Promises: `create` gives a complete ledger its name at once or not at all, and never touches an
existing file; `upgrade` runs in one transaction; both are durable when they return. A crash leaves
at worst a `.part` file beside the ledger, or the ledger as it was.
"""

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import ConfigurationError, UnavailableError

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISIONS: Final = ("0001",)
"""Every revision this program knows, oldest first; the last one is what it works with."""

HEAD: Final = REVISIONS[-1]

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


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
    """Bring an existing ledger to this program's schema; nothing happens when it is there already.

    Raises:
        ConfigurationError: Missing, not a ledger, or newer than this program.
        UnavailableError: The engine cannot write it; the ledger is as it was.
    """
    found = _look(path)
    if found.revision not in REVISIONS:
        raise ConfigurationError(found.wrong)
    if found.revision != HEAD:
        _migrate(path)


def check(path: Path) -> str | None:
    """Return what is wrong with the ledger at `path` (Vietnamese / English), None when usable."""
    return _look(path).wrong or None


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies at a path: the revision, "" when it is no ledger; what is wrong, "" when usable."""

    revision: str
    wrong: str


def _look(path: Path) -> _Found:
    """Look at a ledger, for reading only."""
    if not path.is_file():
        text = "chưa có sổ cái, hãy chạy `vanlien init` / there is no ledger; run `vanlien init`"
        return _Found("", f"{path}: {text}")
    not_one = f"{path}: không phải sổ cái của vanlien / not a ledger of vanlien"
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=15)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as exc:
        return _Found("", f"{not_one} ({exc})")
    return _judged(path, str(row[0])) if row else _Found("", not_one)


def _judged(path: Path, revision: str) -> _Found:
    if revision == HEAD:
        return _Found(revision, "")
    if revision in REVISIONS:
        return _Found(
            revision,
            f"{path}: sổ cái ở phiên bản cũ {revision}, sao lưu rồi nâng cấp lên {HEAD} / the "
            f"ledger is at the older revision {revision}: back it up, then upgrade it to {HEAD}",
        )
    return _Found(
        revision,
        f"{path}: sổ cái ở phiên bản {revision}, mới hơn chương trình này; dùng bản vanlien mới "
        f"hơn / the ledger is at revision {revision}, newer than this program; use a newer vanlien",
    )


def _taken(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} đã có, không ghi đè / {path} exists already and is left alone"
    )


def _migrate(path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    try:
        with _transaction(path) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)
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
