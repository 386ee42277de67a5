"""The books in a file of their own beside the ledger: words, register lines, counts.

Promises: a page costs a page, whatever the books hold; counts are kept with the entries they
count, in one transaction; a crash leaves what was committed with its cursor, and the rest is
brought again from the ledger. A file that is damaged or of another form is put aside and made anew:
nothing here is the only copy of anything. Each node keeps its own, so that both engines of the
ledger give the same answers.

Reading and writing are done on threads of their own: nobody's page waits for another's.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.domain.wording import Asked, Term, one_of
from gateway.errors import UnavailableError
from gateway.ports.books import Count, Entry, Hit, Mark, Page, Question, Span

T = TypeVar("T")

FORM: Final = 2
"""Of the tables and of what entries hold; another number makes the books anew."""

_READERS: Final = 2
_LOOKED_AT: Final = 5000
"""Of what fits the words, so many are looked at for one page; the next page goes on there."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    # Not FULL: what the last seconds before a power cut brought is brought again.
    "PRAGMA synchronous=NORMAL",
    "PRAGMA busy_timeout=15000",
    "PRAGMA cache_size=-32768",
    "PRAGMA temp_store=MEMORY",
)
_TABLES: Final = """
CREATE TABLE mark (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE doc (
    n INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE, direction TEXT NOT NULL,
    agency TEXT NOT NULL, at TEXT NOT NULL, month TEXT NOT NULL, day TEXT NOT NULL,
    year INTEGER NOT NULL, number INTEGER, state TEXT NOT NULL, type_name TEXT NOT NULL,
    urgency INTEGER NOT NULL, signed TEXT NOT NULL, partner TEXT NOT NULL, due_at TEXT NOT NULL,
    outcome TEXT NOT NULL, shown TEXT NOT NULL, terms_sha256 BLOB NOT NULL
);
CREATE INDEX doc_register ON doc (agency, direction, year, number, n);
CREATE INDEX doc_open ON doc (agency, due_at, month) WHERE outcome = 'open';
CREATE INDEX doc_months ON doc (agency, month);
CREATE VIRTUAL TABLE word USING fts5(
    terms, detail=none, columnsize=0, prefix='2 3', tokenize="ascii tokenchars '_'"
);
CREATE TABLE tally (
    agency TEXT NOT NULL, direction TEXT NOT NULL, month TEXT NOT NULL, type_name TEXT NOT NULL,
    state TEXT NOT NULL, signed TEXT NOT NULL, outcome TEXT NOT NULL, n INTEGER NOT NULL,
    PRIMARY KEY (agency, month, direction, type_name, state, signed, outcome)
) WITHOUT ROWID
"""
_KINDS: Final = "agency, direction, month, type_name, state, signed, outcome"
_COLUMNS: Final = (
    "subject, direction, agency, at, month, day, year, number, state, type_name, urgency, signed, "
    "partner, due_at, outcome, shown, terms_sha256"
)
_AGENCIES: Final = "agency IN (SELECT value FROM json_each(:agencies))"


class FileBooks:
    """See `ports.books.Books`.

    Args:
        path: The file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="books-writer")
        self._reading = ThreadPoolExecutor(_READERS, thread_name_prefix="books-reader")
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._writer = _opened(path)

    async def mark(self) -> Mark:
        """Return up to which event they are kept."""
        return await self._read(lambda c: Mark(_mark(c, "cursor"), _mark(c, "known_by")))

    async def put(self, entries: Sequence[Entry], gone: Sequence[str], mark: Mark) -> None:
        """Write entries, remove others, move the mark."""
        loop = asyncio.get_running_loop()
        with _troubles():
            await loop.run_in_executor(self._writing, _put, self._writer, entries, gone, mark)

    async def empty(self) -> None:
        """Forget everything."""
        loop = asyncio.get_running_loop()
        with _troubles():
            await loop.run_in_executor(self._writing, _empty, self._writer)

    async def find(self, question: Question) -> Page:
        """Return a page of what fits."""
        return await self._read(lambda c: _find(c, question))

    async def one(self, subject: str) -> Hit | None:
        """Return one document."""

        def ask(c: sqlite3.Connection) -> Hit | None:
            row = c.execute("SELECT * FROM doc WHERE subject = ?", (subject,)).fetchone()
            return None if row is None else _hit(row)

        return await self._read(ask)

    async def replies(self, agency: str, to: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return what was sent in reply."""
        asked = one_of("out", [agency]).both(one_of("reply", set(to)))
        page = await self._read(lambda c: _find(c, Question(asked, limit=2 * len(to))))
        found: dict[str, list[str]] = {}
        for hit in page.hits:
            for one in hit.shown.get("replies", ()):
                found.setdefault(one, []).append(hit.shown.get("code", ""))
        return found

    async def register(self, span: Span) -> Page:
        """Return a page of a register."""
        return await self._read(lambda c: _register(c, span))

    async def counts(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the counts as they are kept."""
        sql = (
            f"SELECT {_KINDS}, n FROM tally WHERE {_AGENCIES} "  # noqa: S608 - our own words
            "AND month BETWEEN :first AND :last AND n > 0 ORDER BY month, agency"
        )
        return await self._counted(sql, agencies, first, last)

    async def recount(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the counts, counted anew."""
        sql = (
            f"SELECT {_KINDS}, COUNT(*) AS n FROM doc WHERE {_AGENCIES} "  # noqa: S608
            f"AND month BETWEEN :first AND :last GROUP BY {_KINDS} ORDER BY month, agency"
        )
        return await self._counted(sql, agencies, first, last)

    async def _counted(
        self, sql: str, agencies: Sequence[str], first: str, last: str
    ) -> Sequence[Count]:
        told = {"agencies": json.dumps(list(agencies)), "first": first, "last": last}
        return await self._read(lambda c: [Count(**row) for row in map(dict, c.execute(sql, told))])

    async def overdue(self, agencies: Sequence[str], now: str) -> Mapping[tuple[str, str], int]:
        """Return how many are open though due."""
        sql = (
            f"SELECT agency, month, COUNT(*) AS n FROM doc WHERE {_AGENCIES} "  # noqa: S608
            "AND outcome = 'open' AND due_at <= :now GROUP BY agency, month"
        )
        told = {"agencies": json.dumps(list(agencies)), "now": now}
        return await self._read(
            lambda c: {(row["agency"], row["month"]): row["n"] for row in c.execute(sql, told)}
        )

    async def choices(self, agencies: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return the types and years there are."""
        told = {"agencies": json.dumps(list(agencies))}

        def ask(c: sqlite3.Connection) -> Mapping[str, Sequence[str]]:
            types = c.execute(
                f"SELECT DISTINCT type_name AS v FROM tally WHERE {_AGENCIES} "  # noqa: S608
                "ORDER BY v LIMIT 200",
                told,
            )
            years = c.execute(
                f"SELECT DISTINCT substr(month, 1, 4) AS v FROM tally WHERE {_AGENCIES} "  # noqa: S608
                "ORDER BY v DESC LIMIT 50",
                told,
            )
            return {"types": [r["v"] for r in types], "years": [r["v"] for r in years]}

        return await self._read(ask)

    async def _read(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        if self._closed:
            raise UnavailableError(public="the books are closed")
        with _troubles():
            return await loop.run_in_executor(self._reading, lambda: ask(self._reader()))

    def _reader(self) -> sqlite3.Connection:
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = _connect(self._path)
            found.execute("PRAGMA query_only=ON")
            self._local.connection = found
            self._readers.append(found)
        return found

    def close(self) -> None:
        """Finish what is under way, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        self._reading.shutdown()
        self._writing.shutdown()
        for connection in (*self._readers, self._writer):
            connection.close()


@contextlib.contextmanager
def _troubles() -> Any:
    try:
        yield
    except sqlite3.Error as exc:
        raise UnavailableError(public="the books cannot be used", retry_after_s=5.0) from exc


# ---------------------------------------------------------------- the file


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    connection.row_factory = sqlite3.Row
    return connection


def _opened(path: Path) -> sqlite3.Connection:
    """Open the file; one that is none of ours, or damaged, is put aside first."""
    try:
        if path.exists():
            connection = _connect(path)
            try:
                if _mark(connection, "form") == FORM:
                    return connection
            except sqlite3.DatabaseError:
                pass
            connection.close()
    except sqlite3.DatabaseError:
        pass
    for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        name.unlink(missing_ok=True)
    with _troubles():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        connection = _connect(path)
        connection.execute("BEGIN IMMEDIATE")
        for table in _TABLES.split(";"):
            connection.execute(table)
        connection.execute(
            "INSERT INTO mark VALUES ('cursor', 0), ('known_by', 0), ('form', ?)", (FORM,)
        )
        connection.execute("COMMIT")
    return connection


def _mark(connection: sqlite3.Connection, key: str) -> int:
    row = connection.execute("SELECT value FROM mark WHERE key = ?", (key,)).fetchone()
    return int(row[0]) if row is not None else 0


# ---------------------------------------------------------------- writing


def _put(
    connection: sqlite3.Connection, entries: Sequence[Entry], gone: Sequence[str], mark: Mark
) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for subject in gone:
            _remove(connection, subject)
        for entry in entries:
            _write(connection, entry)
        for key, value in zip(("cursor", "known_by"), mark, strict=True):
            connection.execute("UPDATE mark SET value = ? WHERE key = ?", (value, key))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _empty(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in ("doc", "word", "tally"):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own three names
    connection.execute("UPDATE mark SET value = 0 WHERE key != 'form'")
    connection.execute("COMMIT")


def _remove(connection: sqlite3.Connection, subject: str) -> None:
    row = connection.execute("SELECT * FROM doc WHERE subject = ?", (subject,)).fetchone()
    if row is None:
        return
    _tally(connection, row, -1)
    connection.execute("DELETE FROM word WHERE rowid = ?", (row["n"],))
    connection.execute("DELETE FROM doc WHERE n = ?", (row["n"],))


def _write(connection: sqlite3.Connection, entry: Entry) -> None:
    values = _values(entry)
    known = connection.execute("SELECT * FROM doc WHERE subject = ?", (entry.subject,)).fetchone()
    if known is None:
        places = ", ".join("?" * len(values))
        n = connection.execute(
            f"INSERT INTO doc ({_COLUMNS}) VALUES ({places})",  # noqa: S608 - our own words
            values,
        ).lastrowid
        connection.execute("INSERT INTO word (rowid, terms) VALUES (?, ?)", (n, _terms(entry)))
        _tally(connection, entry, 1)
        return
    if tuple(known)[1:] == values:
        return
    _tally(connection, known, -1)
    _tally(connection, entry, 1)
    asked = ", ".join(f"{name} = ?" for name in _COLUMNS.split(", "))
    connection.execute(f"UPDATE doc SET {asked} WHERE n = ?", (*values, known["n"]))  # noqa: S608
    if known["terms_sha256"] != values[-1]:
        connection.execute("DELETE FROM word WHERE rowid = ?", (known["n"],))
        connection.execute(
            "INSERT INTO word (rowid, terms) VALUES (?, ?)", (known["n"], _terms(entry))
        )


def _values(entry: Entry) -> tuple[Any, ...]:
    shown = json.dumps(entry.shown, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return (
        entry.subject, entry.direction, entry.agency, entry.at, entry.month, entry.day, entry.year,
        entry.number, entry.state, entry.type_name, entry.urgency, entry.signed, entry.partner,
        entry.due_at, entry.outcome, shown, hashlib.sha256(_terms(entry).encode()).digest()[:8],
    )  # fmt: skip


def _terms(entry: Entry) -> str:
    return " ".join(sorted(entry.terms))


def _tally(connection: sqlite3.Connection, of: Any, by: int) -> None:
    kinds = _KINDS.split(", ")
    values = [of[k] if isinstance(of, sqlite3.Row) else getattr(of, k) for k in kinds]
    connection.execute(
        f"INSERT INTO tally ({_KINDS}, n) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT DO UPDATE SET n = n + excluded.n",
        (*values, by),
    )


# ---------------------------------------------------------------- reading


def _find(connection: sqlite3.Connection, question: Question) -> Page:
    """Return a page; FTS5 goes down by place, so reading stops with the page."""
    match = expression(question.asked)
    if match is None or question.limit < 1:
        return Page([])
    sql = (
        "SELECT doc.* FROM word CROSS JOIN doc ON doc.n = word.rowid "
        "WHERE word MATCH :match AND word.rowid < :before ORDER BY word.rowid DESC LIMIT :most"
    )
    told = {"match": match, "before": question.before or 1 << 62, "most": _LOOKED_AT + 1}
    hits: list[Hit] = []
    place = 0
    rows = connection.execute(sql, told)
    try:
        for looked_at, row in enumerate(rows):
            if len(hits) == question.limit or looked_at == _LOOKED_AT:
                return Page(hits, place)
            place = int(row["n"])
            if _within(row, question):
                hits.append(_hit(row))
    finally:
        rows.close()
    return Page(hits)


def _within(row: sqlite3.Row, question: Question) -> bool:
    # Text of an instant sorts as the instant does; the bounds are instants already.
    return (
        (not question.state or row["state"] == question.state)
        and (not question.first or row["at"] >= question.first)
        and (not question.last or row["at"] < question.last)
    )


def expression(asked: Asked) -> str | None:
    """Return a question in the words of FTS5; None where nothing is asked or nothing can fit."""
    if not asked.clauses or any(not clause for clause in asked.clauses):
        return None
    return " AND ".join(
        "(" + " OR ".join("(" + " AND ".join(map(_term, some)) + ")" for some in clause) + ")"
        for clause in asked.clauses
    )


def _term(term: Term) -> str:
    return f'"{term.text}"{" *" if term.starts else ""}'


def _register(connection: sqlite3.Connection, span: Span) -> Page:
    number, place = span.after
    month = "AND month = :month " if span.month else ""
    rows = connection.execute(
        "SELECT * FROM doc WHERE agency = :agency AND direction = :direction "  # noqa: S608
        f"AND year = :year AND (number, n) > (:number, :place) {month}"
        "ORDER BY number, n LIMIT :limit",
        {
            "agency": span.agency,
            "direction": span.direction,
            "year": span.year,
            "month": span.month,
            "number": number,
            "place": place,
            "limit": span.limit + 1,
        },
    ).fetchall()
    hits = [_hit(row) for row in rows[: span.limit]]
    return Page(hits, hits[-1].place if len(rows) > span.limit else 0)


def _hit(row: sqlite3.Row) -> Hit:
    return Hit(
        row["n"], row["subject"], row["direction"], row["agency"], row["at"], row["day"],
        row["year"], row["number"], row["state"], row["type_name"], row["urgency"], row["signed"],
        row["partner"], row["due_at"], row["outcome"], json.loads(row["shown"]),
    )  # fmt: skip
