"""The index of revocation lists and OCSP answers: one SQLite file, searched in microseconds.

Design. An authority issues a new list every day and most of its entries stand in every one of them.
So an entry is one row for all generations it stands in, `[from_ord, to_ord]`, where `ord` numbers
the generations of one source (issuer, key, scope) by their date; a row that stands in the newest
list is open at the end. A new generation of 100,000 entries of which 50 are new writes 50 rows, not
100,000, and still every old generation can be asked: the list of the signing time is evidence. A
list taken out of order splits or joins intervals; what older and newer lists say stays the same.

Promises: an answer about a list never changes after it was taken, so a reader needs no transaction:
it is pinned to the items of one identity and does not see later ones. Rollback-journal mode (no
shared memory, no side files for readers): a process that may write no file reads it. Everything in
it can be made again from the objects beside it; a crash in the middle of a change leaves the state
before (hot journal, rolled back by the next writer).
"""

import hashlib
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from asn1crypto import x509

from gateway.trust.crl import Entry, Head, Scope
from gateway.trust.lists import (
    KnownList,
    aware,
    counts,
    generation,
    key_key,
    name_key,
    newest,
    printed_name,
)
from gateway.trust.ocsp import OcspAnswer
from gateway.trust.revocation import StoredStatus

FILE_NAME: Final = "index.sqlite"
_OPEN: Final = 1 << 62
_BUSY_S: Final = 30.0
_TOLD: Final = 50
_ANSWERS: Final = 2
_CACHED: Final = 256
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS source (
    id INTEGER PRIMARY KEY, name_key BLOB NOT NULL, key_key BLOB NOT NULL, key BLOB NOT NULL,
    scope TEXT NOT NULL, issuer TEXT NOT NULL, UNIQUE (name_key, key_key, scope));
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    identity TEXT NOT NULL, taken_at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS item_identity ON item (identity);
CREATE TABLE IF NOT EXISTS list (
    item INTEGER PRIMARY KEY, source INTEGER NOT NULL, ord INTEGER NOT NULL,
    this_update INTEGER NOT NULL, next_update INTEGER, number TEXT NOT NULL, before BLOB NOT NULL,
    after BLOB NOT NULL, algorithm BLOB NOT NULL, entries INTEGER NOT NULL, UNIQUE (source, ord));
CREATE TABLE IF NOT EXISTS entry (
    source INTEGER NOT NULL, serial BLOB NOT NULL, from_ord INTEGER NOT NULL,
    to_ord INTEGER NOT NULL, revoked_at INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (source, serial, from_ord)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answer (
    item INTEGER PRIMARY KEY, name_key BLOB NOT NULL, key_key BLOB NOT NULL, serial BLOB NOT NULL,
    this_update INTEGER NOT NULL, next_update INTEGER, revoked_at INTEGER, reason TEXT NOT NULL,
    responder TEXT NOT NULL, issuer TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answer_about ON answer (name_key, serial, this_update);
"""


def serial_bytes(serial: int) -> bytes:
    """Return a serial number as the index has it: contents of its DER INTEGER."""
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open an index.

    Args:
        path: The file.
        write: May change it; it is made when missing. Readers never create or repair anything.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    mode = "rwc" if write else "ro"
    uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA temp_store = MEMORY")
    if write:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA synchronous = EXTRA")
        # A large import must not lock readers out before it commits.
        connection.execute("PRAGMA cache_spill = OFF")
        connection.executescript(_SCHEMA)
    return connection


def identity_of(digests: Iterator[str] | list[str]) -> str:
    """Return the identity of a set of items: equal sets, equal identity; "" for none."""
    found = sorted(set(digests))
    return hashlib.sha256("\n".join(found).encode()).hexdigest() if found else ""


# ---------------------------------------------------------------- reading


class CrlIndex:
    """Implements `gateway.trust.revocation.RevocationIndex` on an index file.

    Args:
        folder: The revocation folder: index and objects.
        write: Open it so that a journal left by a crash is rolled back; workers only read.
    """

    def __init__(self, folder: Path, *, write: bool = False) -> None:
        self._folder = folder
        self._connection = connect(folder / FILE_NAME, write=write)
        self._lists: OrderedDict[int, KnownList] = OrderedDict()
        self._top = 0
        self._identity = ""
        self.pin()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def sha256(self) -> str:
        """Return the identity of everything seen: equal means equal answers; "" when empty."""
        return self._identity

    def pin(self, identity: str | None = None) -> bool:
        """See everything there is now, or exactly the items of an identity.

        Returns:
            Whether that identity is known here; if not, nothing changed.
        """
        if identity is not None and identity == self._identity:
            return True
        if identity == "":
            self._top, self._identity = 0, ""
            return True
        which = "" if identity is None else "WHERE identity = ?"
        row = self._connection.execute(
            f"SELECT id, identity FROM item {which} ORDER BY id DESC LIMIT 1",  # noqa: S608
            () if identity is None else (identity,),
        ).fetchone()
        if row is None:
            return identity is None
        self._top, self._identity = row
        return True

    def lists(self, at: datetime, latest: datetime | None = None) -> tuple[KnownList, ...]:
        """Return the lists that count; see `RevocationIndex.lists`."""
        found: list[KnownList] = []
        bound = _OPEN if latest is None else _seconds(latest)
        for (source,) in self._connection.execute("SELECT id FROM source").fetchall():
            for limit in {min(bound, _seconds(at)), bound}:
                known = self._newest(source, limit)
                if known is not None:
                    found.append(known)
        unique = {k.head.sha256: k for k in found}
        return newest(tuple(unique.values()), at, latest)

    def statuses(
        self, issuer: x509.Certificate, serial: int, until: datetime | None = None
    ) -> tuple[StoredStatus, ...]:
        """Return what each list and answer says, newest first; see `RevocationIndex.statuses`."""
        bound = _OPEN if until is None else _seconds(until)
        who = (name_key(issuer.subject), key_key(issuer))
        number = serial_bytes(serial)
        rows = self._connection.execute(
            "SELECT 'crl', e.revoked_at, e.reason, l.this_update, l.next_update, l.number,"
            " i.sha256, s.issuer, s.scope FROM source s JOIN list l ON l.source = s.id"
            " JOIN item i ON i.id = l.item LEFT JOIN entry e ON e.source = s.id AND e.serial = ?"
            " AND e.from_ord <= l.ord AND e.to_ord >= l.ord"
            " WHERE s.name_key = ? AND s.key_key = ? AND l.item <= ? AND l.this_update <= ?"
            " ORDER BY l.ord DESC LIMIT ?",
            (number, *who, self._top, bound, _TOLD),
        ).fetchall()
        rows += self._connection.execute(
            "SELECT 'ocsp', a.revoked_at, a.reason, a.this_update, a.next_update, '', i.sha256,"
            " a.responder, 'all' FROM answer a JOIN item i ON i.id = a.item"
            " WHERE a.name_key = ? AND a.key_key = ? AND a.serial = ? AND a.item <= ?"
            " AND a.this_update <= ? ORDER BY a.this_update DESC LIMIT ?",
            (*who, number, self._top, bound, _TOLD),
        ).fetchall()
        rows.sort(key=lambda row: (row[3], row[6]), reverse=True)
        return tuple(_status(row) for row in rows[:_TOLD])

    def answers(
        self, issuer_name: bytes, serial: int, latest: datetime | None = None
    ) -> tuple[bytes, ...]:
        """Return stored OCSP answers; see `RevocationIndex.answers`."""
        rows = self._connection.execute(
            "SELECT i.sha256 FROM answer a JOIN item i ON i.id = a.item WHERE a.name_key = ?"
            " AND a.serial = ? AND a.item <= ? AND a.this_update <= ?"
            " ORDER BY a.this_update DESC, i.sha256 LIMIT ?",
            (
                issuer_name,
                serial_bytes(serial),
                self._top,
                _OPEN if latest is None else _seconds(latest),
                _ANSWERS,
            ),
        ).fetchall()
        found = (self.der(sha256) for (sha256,) in rows)
        return tuple(der for der in found if der is not None)

    def revoked_since(self, issuer_name: bytes, serial: int, until: datetime) -> datetime | None:
        """Return since when a certificate is revoked; see `RevocationIndex.revoked_since`."""
        number, end = serial_bytes(serial), _seconds(until)
        rows = self._connection.execute(
            "SELECT e.revoked_at, e.reason, EXISTS (SELECT 1 FROM list l WHERE l.source = s.id"
            "  AND l.item <= ? AND l.ord = (SELECT max(ord) FROM list m WHERE m.source = s.id"
            "   AND m.item <= ? AND m.this_update <= ?) AND l.ord BETWEEN e.from_ord AND e.to_ord)"
            " FROM source s JOIN entry e ON e.source = s.id WHERE s.name_key = ? AND e.serial = ?"
            " AND EXISTS (SELECT 1 FROM list l WHERE l.source = s.id AND l.item <= ?"
            "  AND l.ord BETWEEN e.from_ord AND e.to_ord)",
            (self._top, self._top, end, issuer_name, number, self._top),
        ).fetchall()
        found = []
        for revoked_at, reason, stands in rows:
            entry = Entry(_moment(revoked_at), reason)
            if counts(entry, entry if stands else None):
                found.append(entry.revoked_at)
        answer = self._connection.execute(
            "SELECT revoked_at FROM answer WHERE name_key = ? AND serial = ? AND item <= ?"
            " ORDER BY this_update DESC LIMIT 1",
            (issuer_name, number, self._top),
        ).fetchone()
        if answer is not None and answer[0] is not None:
            found.append(_moment(answer[0]))
        return min(found, default=None)

    def der(self, sha256: str) -> bytes | None:
        """Return the bytes of a list or answer, None when it is not kept."""
        for kind in ("crl", "ocsp"):
            try:
                return object_path(self._folder, sha256, kind).read_bytes()
            except OSError:
                continue
        return None

    def _newest(self, source: int, latest: int) -> KnownList | None:
        row = self._connection.execute(
            "SELECT item FROM list WHERE source = ? AND item <= ? AND this_update <= ?"
            " ORDER BY ord DESC LIMIT 1",
            (source, self._top, latest),
        ).fetchone()
        return None if row is None else self._known(row[0])

    def _known(self, item: int) -> KnownList:
        known = self._lists.get(item)
        if known is None:
            known = self._lists[item] = _known_list(self._connection, item)
            while len(self._lists) > _CACHED:
                self._lists.popitem(last=False)
        self._lists.move_to_end(item)
        return known


def object_path(folder: Path, sha256: str, kind: str) -> Path:
    """Return where the bytes of an item are kept."""
    return folder / "objects" / sha256[:2] / f"{sha256}.{kind}"


def _known_list(connection: sqlite3.Connection, item: int) -> KnownList:
    row = connection.execute(
        "SELECT i.sha256, l.this_update, l.next_update, l.number, s.scope, l.before, l.after,"
        " l.algorithm, s.name_key, s.key, s.issuer, l.source, l.ord FROM list l"
        " JOIN item i ON i.id = l.item JOIN source s ON s.id = l.source WHERE l.item = ?",
        (item,),
    ).fetchone()
    head = Head(
        sha256=row[0],
        this_update=_moment(row[1]),
        next_update=None if row[2] is None else _moment(row[2]),
        number=row[3],
        scope=Scope.of_text(row[4]),
        before=row[5],
        after=row[6],
        algorithm=row[7],
    )
    return KnownList(head, row[8], row[9], row[10], _finder(connection, row[11], row[12]))


def _finder(
    connection: sqlite3.Connection, source: int, order: int
) -> Callable[[int], Entry | None]:
    def find(serial: int) -> Entry | None:
        row = connection.execute(
            "SELECT revoked_at, reason FROM entry WHERE source = ? AND serial = ?"
            " AND from_ord <= ? AND to_ord >= ?",
            (source, serial_bytes(serial), order, order),
        ).fetchone()
        return None if row is None else Entry(_moment(row[0]), row[1])

    return find


def _status(row: tuple[Any, ...]) -> StoredStatus:
    kind, revoked_at, reason, this_update, next_update, number, sha256, issuer, scope = row
    return StoredStatus(
        kind=kind,
        revoked_at=None if revoked_at is None else _moment(revoked_at),
        reason=reason or "",
        this_update=_moment(this_update),
        next_update=None if next_update is None else _moment(next_update),
        number=number,
        sha256=sha256,
        issuer=issuer,
        scope=Scope.of_text(scope),
    )


def _seconds(at: datetime) -> int:
    return int(aware(at).timestamp())


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# ---------------------------------------------------------------- writing


def add_list(
    connection: sqlite3.Connection, known: KnownList, entries: Mapping[int, Entry], now: datetime
) -> None:
    """Put a verified list into the index; to be called inside a transaction.

    Args:
        connection: Opened for writing.
        known: The list.
        entries: Its entries.
        now: When it was taken.
    """
    head = known.head
    source = _source(connection, known)
    order = _order(connection, source, head)
    item = _add_item(connection, head.sha256, "crl", now)
    _merge(connection, source, order, entries)
    connection.execute(
        "INSERT INTO list VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item,
            source,
            order,
            _seconds(head.this_update),
            None if head.next_update is None else _seconds(head.next_update),
            head.number,
            head.before,
            head.after,
            head.algorithm,
            len(entries),
        ),
    )


def add_answer(
    connection: sqlite3.Connection, answer: OcspAnswer, issuer: x509.Certificate, now: datetime
) -> None:
    """Put a verified OCSP answer into the index; to be called inside a transaction."""
    item = _add_item(connection, answer.sha256, "ocsp", now)
    connection.execute(
        "INSERT INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item,
            name_key(issuer.subject),
            key_key(issuer),
            serial_bytes(answer.serial),
            _seconds(answer.this_update),
            None if answer.next_update is None else _seconds(answer.next_update),
            None if answer.revoked_at is None else _seconds(answer.revoked_at),
            answer.reason,
            answer.responder,
            printed_name(issuer),
        ),
    )


def has_item(connection: sqlite3.Connection, sha256: str) -> bool:
    """Tell whether a list or answer is in the index."""
    row = connection.execute("SELECT 1 FROM item WHERE sha256 = ?", (sha256,)).fetchone()
    return row is not None


def _add_item(connection: sqlite3.Connection, sha256: str, kind: str, now: datetime) -> int:
    digests = [d for (d,) in connection.execute("SELECT sha256 FROM item")]
    cursor = connection.execute(
        "INSERT INTO item (sha256, kind, identity, taken_at) VALUES (?, ?, ?, ?)",
        (sha256, kind, identity_of([*digests, sha256]), _seconds(now)),
    )
    return int(cursor.lastrowid or 0)


def _source(connection: sqlite3.Connection, known: KnownList) -> int:
    key = hashlib.sha256(known.issuer_key).digest()
    which = (known.issuer_name, key, known.head.scope.text)
    connection.execute(
        "INSERT OR IGNORE INTO source (name_key, key_key, scope, key, issuer)"
        " VALUES (?, ?, ?, ?, ?)",
        (*which, known.issuer_key, known.issuer),
    )
    row = connection.execute(
        "SELECT id FROM source WHERE name_key = ? AND key_key = ? AND scope = ?", which
    ).fetchone()
    return int(row[0])


def _order(connection: sqlite3.Connection, source: int, head: Head) -> int:
    """Return the place of a list among its source's generations; no two have the same."""
    order = generation(head)
    while connection.execute(
        "SELECT 1 FROM list WHERE source = ? AND ord = ?", (source, order)
    ).fetchone():
        order += 1
    return order


def _merge(
    connection: sqlite3.Connection, source: int, order: int, entries: Mapping[int, Entry]
) -> None:
    """Bring the intervals of a source up to date with one more generation."""
    older, newer = (
        connection.execute(
            f"SELECT {pick}(ord) FROM list WHERE source = ? AND ord {side} ?",  # noqa: S608
            (source, order),
        ).fetchone()[0]
        for pick, side in (("max", "<"), ("min", ">"))
    )
    ends_here = _OPEN if newer is None else newer
    stands = {
        (serial_bytes(serial), _seconds(e.revoked_at), e.reason) for serial, e in entries.items()
    }
    # (1) Intervals that run across the new generation: right for what is on it, else cut in two.
    across = connection.execute(
        "SELECT serial, revoked_at, reason, from_ord, to_ord FROM entry"
        " WHERE source = ? AND from_ord < ? AND to_ord > ?",
        (source, order, order),
    ).fetchall()
    for serial, revoked_at, reason, start, stop in across:
        row = (serial, revoked_at, reason)
        if row in stands:
            stands.discard(row)
            continue
        connection.execute(
            "UPDATE entry SET to_ord = ? WHERE source = ? AND serial = ? AND from_ord = ?",
            (older, source, serial, start),
        )
        if newer is not None:
            connection.execute(
                "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)",
                (source, serial, newer, stop, revoked_at, reason),
            )
    # (2) What begins or ends at a neighbour grows to include the new generation.
    if newer is not None:
        _grow_back(connection, source, order, newer, stands)
    # (3) The rest is new.
    stop = ends_here if newer is None else order
    connection.executemany(
        "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)",
        ((source, serial, order, stop, at, reason) for serial, at, reason in stands),
    )


def _grow_back(
    connection: sqlite3.Connection,
    source: int,
    order: int,
    newer: int,
    stands: set[tuple[bytes, int, str]],
) -> None:
    """Let intervals that begin at the next newer generation begin here, where they stand too."""
    begins = connection.execute(
        "SELECT serial, revoked_at, reason FROM entry WHERE source = ? AND from_ord = ?",
        (source, newer),
    ).fetchall()
    for row in begins:
        if row in stands:
            stands.discard(row)
            connection.execute(
                "UPDATE entry SET from_ord = ? WHERE source = ? AND serial = ? AND from_ord = ?",
                (order, source, row[0], newer),
            )
