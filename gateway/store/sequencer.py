"""The sequencer: gives receipt entries, inbox items and events their place, in batches.

Runs inside a write transaction of the one writer, so two never run at once and a reader of a feed
never skips a row that committed late. Running it again changes nothing.
"""

import sqlite3

from gateway.receipts import merkle
from gateway.receipts.log import EMPTY, Tail
from gateway.receipts.log import sequence as place


def sequence(connection: sqlite3.Connection) -> None:
    """Place everything that waits; the caller commits."""
    _entries(connection)
    _inbox(connection)
    _events(connection)


def _entries(connection: sqlite3.Connection) -> None:
    rows = connection.execute(
        "SELECT ord, body FROM receipt_entry WHERE idx IS NULL ORDER BY ord"
    ).fetchall()
    if not rows:
        return
    tail = _tail(connection)
    placed = place(tail, (row["body"].encode() for row in rows))
    connection.executemany(
        "UPDATE receipt_entry SET idx = ?, prev_hash = ?, chain_hash = ? WHERE ord = ?",
        [
            (p.index, p.prev_hash.hex(), p.chain_hash.hex(), row["ord"])
            for p, row in zip(placed, rows, strict=True)
        ],
    )
    nodes = merkle.append((p.leaf_hash for p in placed), tail.size, node_reader(connection))
    connection.executemany(
        "INSERT INTO merkle_node (level, idx, hash) VALUES (?, ?, ?)",
        [(level, index, node.hex()) for level, index, node in nodes],
    )


def _tail(connection: sqlite3.Connection) -> Tail:
    last = connection.execute(
        "SELECT idx, chain_hash FROM receipt_entry WHERE idx IS NOT NULL ORDER BY idx DESC LIMIT 1"
    ).fetchone()
    if last is None:
        return EMPTY
    return Tail(last["idx"] + 1, bytes.fromhex(last["chain_hash"]))


def node_reader(connection: sqlite3.Connection) -> merkle.Get:
    """Return a reader of complete Merkle nodes."""

    def get(level: int, index: int) -> bytes:
        row = connection.execute(
            "SELECT hash FROM merkle_node WHERE level = ? AND idx = ?", (level, index)
        ).fetchone()
        return bytes.fromhex(row["hash"])

    return get


def _inbox(connection: sqlite3.Connection) -> None:
    """One cursor over documents and statuses, in the order they were offered."""
    waiting = [
        (table, row["id"])
        for table in ("arrival", "status_report")
        for row in connection.execute(
            f"SELECT id FROM {table} WHERE inbox_seq IS NULL AND offered_at IS NOT NULL "  # noqa: S608
            "ORDER BY id"
        )
    ]
    if not waiting:
        return
    first = _bump(connection, "inbox_seq", len(waiting))
    for table in ("arrival", "status_report"):
        connection.executemany(
            f"UPDATE {table} SET inbox_seq = ? WHERE id = ?",  # noqa: S608 - our own two names
            [(seq, row_id) for seq, (of, row_id) in enumerate(waiting, first) if of == table],
        )


def _events(connection: sqlite3.Connection) -> None:
    count, lowest, highest = connection.execute(
        "SELECT COUNT(*), MIN(id), MAX(id) FROM event WHERE seq IS NULL"
    ).fetchone()
    if not count:
        return
    first = _bump(connection, "event_seq", count)
    if highest - lowest + 1 == count:
        # One statement for the usual case: rows written one after the other.
        connection.execute(
            "UPDATE event SET seq = id + ? WHERE seq IS NULL AND id BETWEEN ? AND ?",
            (first - lowest, lowest, highest),
        )
        return
    rows = connection.execute("SELECT id FROM event WHERE seq IS NULL ORDER BY id").fetchall()
    connection.executemany(
        "UPDATE event SET seq = ? WHERE id = ?",
        [(seq, row["id"]) for seq, row in enumerate(rows, first)],
    )


def _bump(connection: sqlite3.Connection, key: str, count: int) -> int:
    """Reserve `count` cursor values; return the first."""
    row = connection.execute(
        "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE "
        "SET value = CAST(value AS INTEGER) + ? RETURNING value",
        (key, str(count), count),
    ).fetchone()
    return int(row["value"]) - count + 1
