"""The file the books are in: its form, how it is opened, how one takes the place of another.

Promises: a file that is damaged or of another form is removed and made anew: nothing here is the
only copy of anything; a file that cannot be looked at now (busy, a disk at fault) is left as it is.
Books made anew are a file beside the one in use, `.new-…` while they are made, `.made` from when
they are whole and on the disk; whoever opens the books next takes them over. A crash between any
two steps leaves the old file or the new one.
"""

import contextlib
import fcntl
import os
import sqlite3
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.errors import UnavailableError

FORM: Final = 4
"""Of the tables and of what entries hold; another number makes the books anew."""

_PRAGMAS: Final = (
    "PRAGMA busy_timeout=15000",
    "PRAGMA journal_mode=WAL",
    # Not FULL: what the last seconds before a power cut brought is brought again.
    "PRAGMA synchronous=NORMAL",
    "PRAGMA cache_size=-16384",
    "PRAGMA temp_store=MEMORY",
)
_TABLES: Final = """
CREATE TABLE mark (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE doc (
    n INTEGER PRIMARY KEY, subject TEXT NOT NULL, direction TEXT NOT NULL,
    agency TEXT NOT NULL, at TEXT NOT NULL, month TEXT NOT NULL, day TEXT NOT NULL,
    year INTEGER NOT NULL, number INTEGER, state TEXT NOT NULL, type_name TEXT NOT NULL,
    urgency INTEGER NOT NULL, signed TEXT NOT NULL, partner TEXT NOT NULL, due_at TEXT NOT NULL,
    outcome TEXT NOT NULL, shown TEXT NOT NULL, terms_sha256 BLOB NOT NULL
);
CREATE VIRTUAL TABLE word USING fts5(
    terms, detail=none, columnsize=0, prefix='2 3', tokenize="ascii tokenchars '_'"
);
CREATE TABLE tally (
    agency TEXT NOT NULL, direction TEXT NOT NULL, month TEXT NOT NULL, type_name TEXT NOT NULL,
    state TEXT NOT NULL, signed TEXT NOT NULL, outcome TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (agency, month, direction, type_name, state, signed, outcome)
) WITHOUT ROWID;
CREATE TABLE open_due (
    agency TEXT NOT NULL, month TEXT NOT NULL, due_at TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (agency, month, due_at)
) WITHOUT ROWID;
CREATE TABLE spelling (term TEXT PRIMARY KEY) WITHOUT ROWID
"""
_INDEXES: Final = """
CREATE UNIQUE INDEX doc_subject ON doc (subject);
CREATE INDEX doc_register ON doc (agency, direction, year, number, n);
CREATE INDEX doc_register_month ON doc (agency, direction, year, month, number, n)
"""
TABLES, INDEXES = _TABLES.split(";"), _INDEXES.split(";")
_BITS: Final = 8
_ID: Final = 36


def place_of(subject: str) -> int:
    """Return where a document stands among all, the newest last: from its id alone.

    So every node gives the same places, whenever and in whatever order it read the ledger, and a
    page that begins behind a place begins there on all of them. Two documents of one millisecond
    may be given one place: the second to be written takes the next.
    """
    mixed = zlib.crc32(subject.encode())
    if len(subject) == _ID:
        with contextlib.suppress(ValueError):  # UUIDv7: the first 48 bits are the millisecond
            return int(subject[:8] + subject[9:13], 16) << _BITS | mixed & ((1 << _BITS) - 1)
    return mixed


def mark_of(connection: sqlite3.Connection, key: str) -> int:
    """Return one of the marks, 0 where there is none."""
    row = connection.execute("SELECT value FROM mark WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row is not None else 0


def connected(path: Path) -> sqlite3.Connection:
    """Return a connection to a file, made where it is missing."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    connection.row_factory = sqlite3.Row
    return connection


def opened(path: Path) -> sqlite3.Connection:
    """Return a connection to the books; those made anew are taken over first.

    Raises:
        UnavailableError: The file cannot be used now.
    """
    take_over(path)
    with troubles():
        if path.exists() and (found := _of_our_form(path)) is not None:
            return found
        return begun(path)


def _of_our_form(path: Path) -> sqlite3.Connection | None:
    connection = None
    try:
        connection = connected(path)
        if mark_of(connection, "form") == FORM:
            return connection
    except sqlite3.DatabaseError as exc:
        # Busy, or a disk at fault: no reason to throw it away.
        if isinstance(exc, sqlite3.OperationalError) and "no such table" not in str(exc):
            if connection is not None:
                connection.close()
            raise
    if connection is not None:
        connection.close()
    return None


def begun(path: Path) -> sqlite3.Connection:
    """Put an empty file in the place of whatever is there; return a connection to it."""
    removed(path)
    with troubles():
        touched(path)
        connection = connected(path)
        connection.execute("BEGIN IMMEDIATE")
        for statement in (*TABLES, *INDEXES):
            connection.execute(statement)
        signed(connection, 0, 0)
        connection.execute("COMMIT")
    return connection


def touched(path: Path) -> None:
    """Make an empty file that only the gateway may read, also when root is at the keyboard."""
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    if os.geteuid() == 0:
        owner = path.parent.parent.stat()
        for made in (path.parent, path):
            os.chown(made, owner.st_uid, owner.st_gid)


def signed(connection: sqlite3.Connection, cursor: int, known_by: int) -> None:
    """Write the marks of a new file."""
    connection.execute(
        "INSERT INTO mark VALUES ('cursor', ?), ('known_by', ?), ('form', ?)",
        (cursor, known_by, FORM),
    )


def removed(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it."""
    for end in ("-wal", "-shm", "-journal", ""):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)


def new_beside(path: Path) -> tuple[Path, int]:
    """Make a file in which books are made anew; return it and the lock that says it is being made.

    Several may make them at once, a server and somebody at the keyboard; what a crash left of
    earlier ones goes now.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in path.parent.glob(f"{path.name}.new-*"):
        with contextlib.suppress(OSError):  # locked: it is being made; or another took it away
            os.close(_locked(left))
            removed(left)
    new = path.with_name(f"{path.name}.new-{uuid.uuid4().hex}")
    touched(new)
    return new, _locked(new)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def made_of(path: Path) -> Path:
    """Return where they lie when they are whole."""
    return path.with_name(f"{path.name}.made")


def take_over(path: Path) -> bool:
    """Put books made anew in the place of those there are; return whether there were any."""
    made = made_of(path)
    if not made.exists():
        return False
    # What belongs to the old file goes first: SQLite would apply it to the new one.
    for end in ("-wal", "-shm", "-journal"):
        path.with_name(f"{path.name}{end}").unlink(missing_ok=True)
    os.replace(made, path)  # noqa: PTH105 - as it is said where it matters
    kept(path.parent)
    return True


def kept(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def troubles() -> Iterator[None]:
    """Turn what SQLite and the disk say into our error."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise UnavailableError(public="the books cannot be used", retry_after_s=5.0) from exc
