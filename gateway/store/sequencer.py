"""The sequencer: gives receipt entries, inbox items and events their place, in batches.

Runs inside the transaction that wrote them, by whoever may write: SQLite's one writer, or the
holder of PostgreSQL's write lock (`gateway.store.dialects`). So two never run at once, what is
committed has its place, and a reader of a feed never skips a row that committed late. Running it
again changes nothing. An event is given its audience with its place (`gateway.domain.notices`).

`places` says it once for both engines: it yields statements and is sent their rows; who drives it
owns the transaction. Pure: a crash leaves what the driver's transaction leaves.
"""

import json
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from gateway.domain.notices import EVENT_TYPES, EVERYBODY, RECEIVED, SENT
from gateway.ports import Row
from gateway.receipts import merkle
from gateway.receipts.log import EMPTY, Tail
from gateway.receipts.log import sequence as place
from gateway.store.queries import QUERIES


class Look(NamedTuple):
    """A question; the answer is all its rows."""

    sql: str
    params: Sequence[Any] = ()


class Write(NamedTuple):
    """One statement, run for each of these parameters; the answer is no rows."""

    sql: str
    many: Sequence[Sequence[Any]]


Steps = Generator[Look | Write, Sequence[Row], None]

_OFFERED: Final = "inbox_seq IS NULL AND offered_at IS NOT NULL"
# Rows are placed in the order of their serial, so what waits lies behind the last one placed. Said
# aloud, because while a backup reads PostgreSQL cannot forget the older versions of rows placed
# meanwhile, and would look at each of them every time.
_ENTRIES: Final = (
    "idx IS NULL AND ord > COALESCE((SELECT ord FROM receipt_entry WHERE idx IS NOT NULL "
    "ORDER BY ord DESC LIMIT 1), 0)"
)
_EVENTS: Final = (
    "seq IS NULL AND id > COALESCE((SELECT id FROM event WHERE seq IS NOT NULL "
    "ORDER BY id DESC LIMIT 1), 0)"
)
_WAITING: Final = (
    f"SELECT (SELECT COUNT(*) FROM receipt_entry WHERE {_ENTRIES}) AS entries, "  # noqa: S608
    f"(SELECT COUNT(*) FROM arrival WHERE {_OFFERED}) AS documents, "
    f"(SELECT COUNT(*) FROM status_report WHERE {_OFFERED}) AS statuses, "
    f"COUNT(*) AS events, MIN(id) AS low, MAX(id) AS high FROM event WHERE {_EVENTS}"
)

# Whom an event is told to: the system that sent the document, the agency that has something, or
# everybody (OPS-06).
# SEC-01: what is not offered, and what is set apart, is told to nobody.
_AUDIENCE: Final = (
    f"CASE WHEN type IN ({', '.join(repr(one) for one in EVENT_TYPES)}) THEN COALESCE("  # noqa: S608
    f"(SELECT '{SENT}' || c.system_id FROM consignment c "
    "WHERE c.id = event.subject AND c.state != 'quarantined'), "
    f"(SELECT '{RECEIVED}' || a.agency FROM arrival a WHERE a.id = event.subject "
    "AND a.offered_at IS NOT NULL AND a.state != 'quarantined'), "
    f"(SELECT '{RECEIVED}' || r.recipient FROM status_report r "
    "WHERE r.id = event.subject AND r.offered_at IS NOT NULL), "
    f"(SELECT '{SENT}' || c.system_id FROM transfer t JOIN consignment c "
    "ON c.id = t.consignment_id WHERE t.id = event.subject AND t.status_id IS NULL), "
    f"(SELECT '{RECEIVED}' || w.agency FROM alert w WHERE w.id = event.subject "
    "AND w.agency != ''), "
    f"(SELECT '{EVERYBODY}' || '' FROM maintenance m WHERE m.id = event.subject), "
    "'') ELSE '' END"
)


def places() -> Steps:
    """Say what gives everything that waits its place; the caller commits."""
    (waiting,) = yield Look(_WAITING)
    if waiting["entries"]:
        yield from _entries()
    if waiting["documents"] or waiting["statuses"]:
        yield from _inbox(waiting)
    if waiting["events"]:
        yield from _events(waiting)


def _entries() -> Steps:
    rows = yield Look(f"SELECT ord, body FROM receipt_entry WHERE {_ENTRIES} ORDER BY ord")  # noqa: S608
    last = yield Look(
        "SELECT idx, chain_hash FROM receipt_entry WHERE idx IS NOT NULL ORDER BY idx DESC LIMIT 1"
    )
    tail = Tail(last[0]["idx"] + 1, bytes.fromhex(last[0]["chain_hash"])) if last else EMPTY
    placed = place(tail, (row["body"].encode() for row in rows))
    yield Write(
        "UPDATE receipt_entry SET idx = ?, prev_hash = ?, chain_hash = ? WHERE ord = ?",
        [
            (p.index, p.prev_hash.hex(), p.chain_hash.hex(), row["ord"])
            for p, row in zip(placed, rows, strict=True)
        ],
    )
    # Only the right edge of the tree is needed: one complete subtree for each bit of its size.
    levels = [level for level in range(tail.size.bit_length()) if tail.size >> level & 1]
    edge = yield Look(
        QUERIES["merkle_nodes"].replace(":nodes", "?"),
        (json.dumps([(level, (tail.size >> level) - 1) for level in levels]),),
    )
    known = {(row["level"], row["idx"]): bytes.fromhex(row["hash"]) for row in edge}
    nodes = merkle.append((p.leaf_hash for p in placed), tail.size, _known(known))
    yield Write(
        "INSERT INTO merkle_node (level, idx, hash) VALUES (?, ?, ?)",
        [(level, index, node.hex()) for level, index, node in nodes],
    )


def _known(nodes: Mapping[tuple[int, int], bytes]) -> merkle.Get:
    return lambda level, index: nodes[level, index]


def _inbox(waiting: Row) -> Steps:
    """One cursor over documents and statuses, in the order they were offered."""
    documents = yield Look(f"SELECT id FROM arrival WHERE {_OFFERED} ORDER BY id")  # noqa: S608
    statuses = yield Look(f"SELECT id FROM status_report WHERE {_OFFERED} ORDER BY id")  # noqa: S608
    first = yield from _bump("inbox_seq", waiting["documents"] + waiting["statuses"])
    between = first + len(documents)
    for table, rows, start in (("arrival", documents, first), ("status_report", statuses, between)):
        if rows:
            yield Write(
                f"UPDATE {table} SET inbox_seq = ? WHERE id = ?",  # noqa: S608 - our own two names
                [(seq, row["id"]) for seq, row in enumerate(rows, start)],
            )


def _events(waiting: Row) -> Steps:
    count, low, high = waiting["events"], waiting["low"], waiting["high"]
    first = yield from _bump("event_seq", count)
    if high - low + 1 == count:
        # One statement for the usual case: rows written one after the other.
        yield Write(
            f"UPDATE event SET seq = id + ?, audience = {_AUDIENCE} "  # noqa: S608 - our own text
            "WHERE seq IS NULL AND id BETWEEN ? AND ?",
            [(first - low, low, high)],
        )
        return
    rows = yield Look(
        "SELECT id FROM event WHERE seq IS NULL AND id BETWEEN ? AND ? ORDER BY id", (low, high)
    )
    yield Write(
        f"UPDATE event SET seq = ?, audience = {_AUDIENCE} WHERE id = ?",  # noqa: S608 - as above
        [(seq, row["id"]) for seq, row in enumerate(rows, first)],
    )


def _bump(key: str, count: int) -> Generator[Look | Write, Sequence[Row], int]:
    """Reserve `count` cursor values; return the first."""
    (row,) = yield Look(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE "
        "SET value = CAST(CAST(meta.value AS BIGINT) + ? AS TEXT) RETURNING value",
        (key, str(count), count),
    )
    return int(row["value"]) - count + 1


def sequence(connection: sqlite3.Connection) -> None:
    """Place everything that waits, on SQLite; the caller commits."""
    going = places()
    rows: Sequence[Any] = ()
    try:
        step = next(going)
        while True:
            if isinstance(step, Look):
                rows = connection.execute(step.sql, step.params).fetchall()
            else:
                connection.executemany(step.sql, step.many)
                rows = ()
            step = going.send(rows)
    except StopIteration:
        return


def node_reader(connection: sqlite3.Connection) -> merkle.Get:
    """Return a reader of complete Merkle nodes."""

    def get(level: int, index: int) -> bytes:
        row = connection.execute(
            "SELECT hash FROM merkle_node WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        return bytes.fromhex(row["hash"])

    return get
