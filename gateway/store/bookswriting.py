"""Writing the books: an entry with its words and its count, or all of them at once, anew.

Promises: what is written one by one keeps every count true in the same transaction. Books made anew
are written in the order of their places into a file without a journal, indexed and counted at the
end, then brought to the disk and given their name: a crash leaves a file nobody reads.
"""

import asyncio
import errno
import hashlib
import os
import shutil
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.domain.wording import WORDS
from gateway.ports.books import Entry, Mark
from gateway.store import booksfile
from gateway.store.booksfile import place_of

_ROOM: Final = 512 << 20
_ROOM_SHARE: Final = 20
"""Free on a disk, or this part of a small one: above what the door keeps (`disk_floor`), so that
books being made never close it."""
KINDS: Final = "agency, direction, month, type_name, state, signed, outcome"
_COLUMNS: Final = (
    "subject, direction, agency, at, month, day, year, number, state, type_name, urgency, signed, "
    "partner, due_at, outcome, shown, terms_sha256"
)
_DOC: Final = f"INSERT INTO doc (n, {_COLUMNS}) VALUES ({', '.join('?' * 18)})"  # noqa: S608 - our own words
_WORD: Final = "INSERT INTO word (rowid, terms) VALUES (?, ?)"
_TALLY: Final = (
    f"INSERT INTO tally ({KINDS}, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
_DUE_BY: Final = "agency, month, due_at"
_DUE: Final = (
    f"INSERT INTO open_due ({_DUE_BY}, n) VALUES (?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT DO UPDATE SET n = n + excluded.n"
)
_DUE_NO_MORE: Final = f"DELETE FROM open_due WHERE ({_DUE_BY}) = (?, ?, ?) AND n = 0"  # noqa: S608
_SPELLING: Final = "INSERT OR IGNORE INTO spelling VALUES (?)"
_ALL_SPELLINGS: Final = (
    "CREATE VIRTUAL TABLE temp.vocabulary USING fts5vocab(main, word, 'row')",
    *(
        f"INSERT INTO spelling SELECT term FROM temp.vocabulary WHERE term >= '{kind}' "  # noqa: S608
        f"AND term < '{chr(ord(kind) + 1)}'"
        for kind in WORDS
    ),
    "DROP TABLE temp.vocabulary",
)
_ALL_COUNTS: Final = (
    f"INSERT INTO tally SELECT {KINDS}, COUNT(*) FROM doc GROUP BY {KINDS}",  # noqa: S608
    (
        f"INSERT INTO open_due SELECT {_DUE_BY}, COUNT(*) FROM doc "  # noqa: S608
        f"WHERE outcome = 'open' GROUP BY {_DUE_BY}"
    ),
)
_ANEW: Final = (
    "PRAGMA journal_mode=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA locking_mode=EXCLUSIVE",
    "PRAGMA cache_size=-65536",
)
# Words are gathered in memory first, and merged once: not for every some thousand documents.
_WORDS_ANEW: Final = (("hashsize", 32 << 20), ("automerge", 0), ("crisismerge", 1900))
_WORDS_LIVE: Final = (("hashsize", 1 << 20), ("automerge", 4), ("crisismerge", 16))


def put(
    connection: sqlite3.Connection, entries: Sequence[Entry], gone: Sequence[str], mark: Mark
) -> None:
    """Write entries over those of the same subject, remove others, move the mark: one commit."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for subject in gone:
            _remove(connection, subject)
        for entry in sorted(entries, key=_place):
            _write(connection, entry)
        for key, value in zip(("cursor", "known_by"), mark, strict=True):
            connection.execute("UPDATE mark SET value = ? WHERE key = ?", (value, key))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _place(entry: Entry) -> tuple[int, str]:
    return place_of(entry.subject), entry.subject


def _remove(connection: sqlite3.Connection, subject: str) -> None:
    row = connection.execute("SELECT * FROM doc WHERE subject = ?", (subject,)).fetchone()
    if row is None:
        return
    _count(connection, row, -1)
    connection.execute("DELETE FROM word WHERE rowid = ?", (row["n"],))
    connection.execute("DELETE FROM doc WHERE n = ?", (row["n"],))


def _write(connection: sqlite3.Connection, entry: Entry) -> None:
    terms = _terms(entry)
    values = _values(entry, terms)
    known = connection.execute("SELECT * FROM doc WHERE subject = ?", (entry.subject,)).fetchone()
    if known is None:
        n = place_of(entry.subject)
        while connection.execute("SELECT 1 FROM doc WHERE n = ?", (n,)).fetchone():
            n += 1
        connection.execute(_DOC, (n, *values))
        _word(connection, n, terms)
        _count(connection, entry, 1)
        return
    if tuple(known)[1:] == values:
        return
    _count(connection, known, -1)
    _count(connection, entry, 1)
    asked = ", ".join(f"{name} = ?" for name in _COLUMNS.split(", "))
    connection.execute(f"UPDATE doc SET {asked} WHERE n = ?", (*values, known["n"]))  # noqa: S608
    if known["terms_sha256"] != values[-1]:
        connection.execute("DELETE FROM word WHERE rowid = ?", (known["n"],))
        _word(connection, known["n"], terms)


def _values(entry: Entry, terms: str) -> tuple[Any, ...]:
    shown = orjson.dumps(entry.shown, option=orjson.OPT_SORT_KEYS).decode()
    return (
        entry.subject, entry.direction, entry.agency, entry.at, entry.month, entry.day, entry.year,
        entry.number, entry.state, entry.type_name, entry.urgency, entry.signed, entry.partner,
        entry.due_at, entry.outcome, shown, hashlib.sha256(terms.encode()).digest()[:8],
    )  # fmt: skip


def _terms(entry: Entry) -> str:
    return " ".join(sorted(entry.terms))


def _word(connection: sqlite3.Connection, n: int, terms: str) -> None:
    connection.execute(_WORD, (n, terms))
    # A spelling stays when its last document goes: it costs a look into the index, no more.
    connection.executemany(_SPELLING, [(one,) for one in terms.split(" ") if one[:1] in WORDS])


def _count(connection: sqlite3.Connection, of: Entry | sqlite3.Row, by: int) -> None:
    def values(names: str) -> list[Any]:
        if isinstance(of, sqlite3.Row):
            return [of[name] for name in names.split(", ")]
        return [getattr(of, name) for name in names.split(", ")]

    connection.execute(_TALLY, (*values(KINDS), by))
    if values("outcome") == ["open"]:
        due = values(_DUE_BY)
        connection.execute(_DUE, (*due, by))
        if by < 0:  # most days end with nothing open
            connection.execute(_DUE_NO_MORE, due)


def _must_have_room(folder: Path) -> None:
    """Leave the last room of a disk to the ledger: it can do without books, not they without it."""
    room = shutil.disk_usage(folder)
    if room.free < min(_ROOM, room.total // _ROOM_SHARE):
        raise OSError(errno.ENOSPC, "the room left is for the ledger")


class FileMaking:
    """Books that are made anew; see `ports.books.Making`.

    Args:
        path: Of the books whose place they will take; they stand in a file beside them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new: Path | None = None
        self._lock: int | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="books-making")
        self._connection: sqlite3.Connection | None = None
        self._given: set[int] = set()
        self._given_before: set[int] = set()

    async def add(self, entries: Sequence[Entry]) -> None:
        """Write entries; none of them was written before."""
        await self._do(self._add, entries)

    async def done(self, mark: Mark) -> None:
        """Index and count what was written, bring it to the disk, have it taken over."""
        await self._do(self._done, mark)

    async def drop(self) -> None:
        """Leave it; after `done` nothing is dropped."""
        await self._do(self._drop)
        self._thread.shutdown()

    async def _do(self, work: Any, *given: Any) -> None:
        with booksfile.troubles():
            await asyncio.get_running_loop().run_in_executor(self._thread, work, *given)

    def _begun(self) -> sqlite3.Connection:
        if self._connection is None:
            self._new, self._lock = booksfile.new_beside(self._path)
            self._connection = sqlite3.connect(
                self._new, isolation_level=None, check_same_thread=False
            )
            for pragma in _ANEW:
                self._connection.execute(pragma)
            self._connection.execute("BEGIN")
            for statement in booksfile.TABLES:
                self._connection.execute(statement)
            _set(self._connection, _WORDS_ANEW)
        return self._connection

    def _add(self, entries: Sequence[Entry]) -> None:
        connection = self._begun()
        _must_have_room(self._path.parent)
        docs, words = [], []
        for entry in sorted(entries, key=_place):
            terms = _terms(entry)
            n = self._free(place_of(entry.subject))
            docs.append((n, *_values(entry, terms)))
            words.append((n, terms))
        connection.executemany(_DOC, docs)
        connection.executemany(_WORD, words)
        # Two of one millisecond are of one piece, or of two that follow each other.
        self._given_before, self._given = self._given, set()

    def _free(self, n: int) -> int:
        while n in self._given or n in self._given_before:
            n += 1
        self._given.add(n)
        return n

    def _done(self, mark: Mark) -> None:
        connection = self._begun()
        _must_have_room(self._path.parent)
        # The words first: the indexes take the room their merging leaves.
        connection.execute("INSERT INTO word (word) VALUES ('optimize')")
        _set(connection, _WORDS_LIVE)
        for statement in (*booksfile.INDEXES, *_ALL_SPELLINGS, *_ALL_COUNTS):
            connection.execute(statement)
        booksfile.signed(connection, *mark)
        connection.execute("COMMIT")
        connection.close()
        self._connection = None
        if self._new is not None:
            booksfile.kept(self._new)
            self._new.replace(booksfile.made_of(self._path))
            self._new = None
            booksfile.kept(self._path.parent)

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._new is not None:
            booksfile.removed(self._new)
            self._new = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _set(connection: sqlite3.Connection, settings: Sequence[tuple[str, int]]) -> None:
    connection.executemany("INSERT INTO word (word, rank) VALUES (?, ?)", settings)
