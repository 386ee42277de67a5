"""The books in a file of their own beside the ledger: words, register lines, counts.

Promises: a page costs a page, whatever the books hold; counts are kept with the entries they
count, in one transaction; a crash leaves what was committed with its cursor, and the rest is
brought again from the ledger. A file that is damaged or of another form is made anew: nothing here
is the only copy of anything. Each node keeps its own, so that both engines of the ledger give the
same answers, and every document has the same place on each.

Reading and writing are done on threads of their own: nobody's page waits for another's. When books
that were made anew are taken over, pages wait the moment it takes.
"""

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import orjson

from gateway.domain.wording import Asked, Term, one_of
from gateway.errors import UnavailableError
from gateway.ports.books import Count, Entry, Hit, Mark, Page, Question, Span
from gateway.store import booksfile, bookswriting
from gateway.store.booksfile import connected, mark_of, troubles
from gateway.store.bookswriting import KINDS, FileMaking

T = TypeVar("T")

_READERS: Final = 4
_INDEXED: Final = (2, 3)
"""Letters of a beginning for which the index keeps a list of its own."""

_MOST_SPELLINGS: Final = 500
"""Of a beginning, each asked for as it stands: read from the newest on, only as far as the page."""

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
        self._file = 0  # how many files there were: readers of an earlier one open the new one
        self._asked = 0
        self._quiet = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._closed = False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._writer: sqlite3.Connection | None = None
        with contextlib.suppress(UnavailableError):  # it is tried again when they are asked for
            self._writer = booksfile.opened(path)

    async def mark(self) -> Mark:
        """Return up to which event they are kept."""

        def ask() -> Mark:
            connection = self._writing_on()
            return Mark(mark_of(connection, "cursor"), mark_of(connection, "known_by"))

        return await self._write(ask)

    async def put(self, entries: Sequence[Entry], gone: Sequence[str], mark: Mark) -> None:
        """Write entries, remove others, move the mark."""
        await self._write(lambda: bookswriting.put(self._writing_on(), entries, gone, mark))

    async def empty(self) -> None:
        """Forget everything."""
        await self._exchanged(booksfile.begun)

    def make(self) -> FileMaking:
        """Return books to be made anew."""
        return FileMaking(self._path)

    async def adopt(self) -> bool:
        """Take over books made anew; return whether there were any."""
        if not booksfile.made_of(self._path).exists():
            return False
        await self._exchanged(booksfile.opened)
        return True

    async def _exchanged(self, opened: Callable[[Path], sqlite3.Connection]) -> None:
        """Put another file in the place of this one, while nobody reads."""
        self._open.clear()
        try:
            while self._asked:
                self._quiet.clear()
                await self._quiet.wait()
            await self._write(lambda: self._exchange(opened))
        finally:
            self._open.set()

    def _exchange(self, opened: Callable[[Path], sqlite3.Connection]) -> None:
        self._let_go()
        self._file += 1
        self._writer = opened(self._path)

    def _writing_on(self) -> sqlite3.Connection:
        if self._writer is None:  # another file could not be opened when it was to be
            self._writer = booksfile.opened(self._path)
        return self._writer

    def _let_go(self) -> None:
        writer = [] if self._writer is None else [self._writer]
        for connection in (*self._readers, *writer):
            connection.close()
        self._readers, self._writer = [], None

    async def _write(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise UnavailableError(public="the books are closed")
        with troubles():
            return await asyncio.get_running_loop().run_in_executor(self._writing, work)

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
            f"SELECT {KINDS}, n FROM tally WHERE {_AGENCIES} "  # noqa: S608 - our own words
            "AND month BETWEEN :first AND :last AND n > 0 ORDER BY month, agency"
        )
        return await self._counted(sql, agencies, first, last)

    async def together(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the counts of all these agencies together."""
        kinds = KINDS.removeprefix("agency, ")
        sql = (
            f"SELECT '' AS agency, {kinds}, SUM(n) AS n FROM tally WHERE {_AGENCIES} "  # noqa: S608
            f"AND month BETWEEN :first AND :last AND n > 0 GROUP BY {kinds} ORDER BY month"
        )
        return await self._counted(sql, agencies, first, last)

    async def shares(
        self, agencies: Sequence[str], first: str, last: str
    ) -> Mapping[tuple[str, str], int]:
        """Return how many each agency has in each direction."""
        sql = (
            f"SELECT agency, direction, SUM(n) FROM tally WHERE {_AGENCIES} "  # noqa: S608
            "AND month BETWEEN :first AND :last AND n > 0 GROUP BY agency, direction"
        )
        told = {"agencies": json.dumps(list(agencies)), "first": first, "last": last}
        return await self._read(
            lambda c: {(agency, way): n for agency, way, n in c.execute(sql, told)}
        )

    async def recount(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the counts, counted anew."""
        sql = (
            f"SELECT {KINDS}, COUNT(*) AS n FROM doc WHERE {_AGENCIES} "  # noqa: S608
            f"AND month BETWEEN :first AND :last GROUP BY {KINDS} ORDER BY month, agency"
        )
        return await self._counted(sql, agencies, first, last)

    async def _counted(
        self, sql: str, agencies: Sequence[str], first: str, last: str
    ) -> Sequence[Count]:
        told = {"agencies": json.dumps(list(agencies)), "first": first, "last": last}
        return await self._read(lambda c: [Count(**row) for row in map(dict, c.execute(sql, told))])

    async def overdue(self, agencies: Sequence[str], first: str, last: str, now: str) -> int:
        """Return how many are open though due, as they are kept."""
        sql = (
            f"SELECT COALESCE(SUM(n), 0) FROM open_due WHERE {_AGENCIES} "  # noqa: S608
            "AND month BETWEEN :first AND :last AND due_at <= :now"
        )
        told = {"agencies": json.dumps(list(agencies)), "first": first, "last": last, "now": now}
        return await self._read(lambda c: int(c.execute(sql, told).fetchone()[0]))

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
        while not self._open.is_set():
            await self._open.wait()
        if self._closed:
            raise UnavailableError(public="the books are closed")
        loop = asyncio.get_running_loop()
        self._asked += 1
        try:
            with troubles():
                return await loop.run_in_executor(self._reading, lambda: ask(self._reader()))
        finally:
            self._asked -= 1
            if not self._asked:
                self._quiet.set()

    def _reader(self) -> sqlite3.Connection:
        file, found = getattr(self._local, "reader", (-1, None))
        if found is None or file != self._file:
            found = connected(self._path)
            found.execute("PRAGMA query_only=ON")
            self._local.reader = (self._file, found)
            self._readers.append(found)
        return found

    def close(self) -> None:
        """Finish what is under way, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        self._reading.shutdown()
        self._writing.shutdown()
        self._let_go()


# ---------------------------------------------------------------- reading


def _find(connection: sqlite3.Connection, question: Question) -> Page:
    """Return a page; FTS5 goes down by place, so reading stops with the page."""
    match = _expression(connection, question.asked)
    if match is None or question.limit < 1:
        return Page([])
    sql = (
        "SELECT doc.* FROM word CROSS JOIN doc ON doc.n = word.rowid "
        "WHERE word MATCH :match AND word.rowid < :before ORDER BY word.rowid DESC LIMIT :most"
    )
    told = {"match": match, "before": question.before or 1 << 62, "most": question.limit + 1}
    rows = connection.execute(sql, told).fetchall()
    hits = [_hit(row) for row in rows[: question.limit]]
    return Page(hits, hits[-1].place if len(rows) > question.limit else 0)


def _expression(connection: sqlite3.Connection, asked: Asked) -> str | None:
    """Return a question in the words of FTS5; None where nothing is asked or nothing can fit."""
    clauses = []
    for clause in asked.clauses:
        some = [[_term(connection, term) for term in terms] for terms in clause]
        fitting = ["(" + " AND ".join(terms) + ")" for terms in some if all(terms)]
        if not fitting:
            return None
        clauses.append("(" + " OR ".join(fitting) + ")")
    return " AND ".join(clauses) or None


def _term(connection: sqlite3.Connection, term: Term) -> str:
    """Return a term in the words of FTS5, "" where no document has it.

    A beginning makes FTS5 gather every document of every word before it gives the first one. So its
    words are looked up here and asked for one by one.
    """
    if not term.starts:
        return f'"{term.text}"'
    if len(term.text) not in _INDEXED:
        sql = "SELECT term FROM spelling WHERE term >= ? AND term < ? LIMIT ?"
        most = _MOST_SPELLINGS + 1
        found = connection.execute(sql, (term.text, f"{term.text}~", most)).fetchall()
        if len(found) < most:
            some = " OR ".join(f'"{row[0]}"' for row in found)
            return f"({some})" if found else ""
    return f'"{term.text}" *'


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
        row["partner"], row["due_at"], row["outcome"], orjson.loads(row["shown"]),
    )  # fmt: skip
