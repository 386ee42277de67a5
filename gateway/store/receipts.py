"""The receipt log as an export reads it: one moment of the ledger, streamed.

Promises: entries, tree heads and proofs all come from one read transaction, however long the export
takes and whatever is committed meanwhile; memory does not grow with the log. A crash leaves nothing
behind.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.domain.moments import iso
from gateway.errors import IntegrityError, UnavailableError
from gateway.receipts import merkle
from gateway.receipts.bundle import LoggedEntry
from gateway.receipts.log import Value
from gateway.receipts.proof import TYP_RECEIPT, Head, peek_jws, read_head
from gateway.receipts.sign import ReceiptKey, export_statement, public_pem, tree_head
from gateway.store.ledger import connect
from gateway.store.sequencer import node_reader

_COLUMNS: Final = (
    "SELECT e.idx, e.id, e.body, e.prev_hash, e.chain_hash, c.receipt FROM receipt_entry e "
    "LEFT JOIN consignment c ON e.kind = 'accepted' AND c.id = e.subject "
)
_ALL: Final = _COLUMNS + "WHERE e.idx < :size ORDER BY e.idx"
# What is about a document: entries under its identifier, and under the ids of its own records.
_ABOUT: Final = _COLUMNS + (  # noqa: S608 - constants of this module
    "WHERE e.ord IN ("
    "SELECT ord FROM receipt_entry WHERE document_id = :document "
    "UNION SELECT ord FROM receipt_entry WHERE subject = :document "
    "UNION SELECT r.ord FROM receipt_entry r JOIN consignment k ON r.subject = k.id "
    "WHERE k.document_id = :document "
    "UNION SELECT r.ord FROM receipt_entry r JOIN delivery d ON r.subject = d.id "
    "WHERE d.consignment_id = :document "
    "UNION SELECT r.ord FROM receipt_entry r JOIN transfer t ON r.subject = t.id "
    "WHERE t.consignment_id = :document"
    ") AND e.idx < :size ORDER BY e.idx"
)


def sign_head_now(path: Path, key: ReceiptKey, at: datetime) -> None:
    """Sign a tree head over the whole log, beside a running server; nothing when one covers it.

    Raises:
        UnavailableError: The ledger cannot be written now.
    """
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        row = connection.execute(
            "SELECT (SELECT COALESCE(MAX(idx) + 1, 0) FROM receipt_entry) AS size, "
            "(SELECT COALESCE(MAX(size), 0) FROM tree_head) AS covered"
        ).fetchone()
        if row["size"] > row["covered"]:
            root = merkle.root(row["size"], node_reader(connection)).hex()
            jws = tree_head(key, row["size"], root, iso(at))
            connection.execute(
                "INSERT INTO tree_head (size, root, at, jws) VALUES (?, ?, ?, ?)",
                (row["size"], root, iso(at), jws),
            )
        connection.execute("COMMIT")
    except sqlite3.Error as exc:
        raise UnavailableError(public="the ledger cannot be written now") from exc
    finally:
        connection.close()


class LedgerReceipts:
    """ReceiptSource over the ledger file.

    Args:
        path: The ledger file.
        name: The gateway's name, written into exports.
        key: Signs the export statement.
        earlier_keys: PEM of receipt keys the log was signed with before, newest first.
    """

    def __init__(
        self, path: Path, name: str, key: ReceiptKey, *, earlier_keys: Sequence[str] = ()
    ) -> None:
        self._name = name
        self._key = key
        self._earlier = tuple(earlier_keys)
        self._connection = connect(path, read_only=True)
        try:
            self._connection.execute("BEGIN")
            self._connection.execute("SELECT 1 FROM meta LIMIT 1").fetchone()  # the moment begins
        except sqlite3.Error as exc:
            self._connection.close()
            raise UnavailableError(public="the ledger cannot be read") from exc
        self._get = node_reader(self._connection)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def gateway(self) -> str:
        """Return the gateway's name."""
        return self._name

    def public_keys(self) -> Sequence[str]:
        """Return the PEM of every receipt key the log was signed with, newest first."""
        return [public_pem(self._key), *self._earlier]

    def tree_heads(self) -> Iterator[Head]:
        """Yield signed tree heads by rising size."""
        for row in self._rows("SELECT size, jws FROM tree_head ORDER BY size"):
            yield _head(row)

    def latest_head(self) -> Head | None:
        """Return the head with the largest size, None while nothing is signed."""
        for row in self._rows("SELECT size, jws FROM tree_head ORDER BY size DESC LIMIT 1"):
            return _head(row)
        return None

    def entries(self, document: str | None, size: int) -> Iterator[LoggedEntry]:
        """Yield entries below index `size` in index order.

        Args:
            document: Consignment id, arrival id or DocumentId: entries about it; None: all.
            size: A tree size; entries sequenced later are left for the next export.
        """
        if document == "":  # the column's default: entries about no document at all
            return
        query = _ALL if document is None else _ABOUT
        for row in self._rows(query, size=size, document=document):
            yield LoggedEntry(
                index=row["idx"],
                body=row["body"].encode(),
                prev_hash=bytes.fromhex(row["prev_hash"]),
                chain_hash=bytes.fromhex(row["chain_hash"]),
                receipt=_receipt_of(row),
            )

    def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        """Return the inclusion path of an entry in the tree of `size`."""
        return merkle.inclusion(index, size, self._get)

    def consistency(self, first: int, second: int) -> Sequence[bytes]:
        """Return the consistency path between two sizes."""
        return merkle.consistency(first, second, self._get)

    def statement(self, claims: dict[str, Value]) -> str:
        """Return the signed statement of an export."""
        return export_statement(self._key, claims)

    def _rows(self, sql: str, **params: object) -> Iterator[sqlite3.Row]:
        try:
            yield from self._connection.execute(sql, params)
        except sqlite3.Error as exc:
            raise UnavailableError(public="the ledger cannot be read") from exc


def _head(row: sqlite3.Row) -> Head:
    try:
        return read_head(row["jws"].encode())
    except ValueError as exc:
        raise IntegrityError(f"the tree head of size {row['size']} is damaged") from exc


def _receipt_of(row: sqlite3.Row) -> str | None:
    """Return the acceptance receipt, if this entry is the one it was given for.

    Recipients added later make further `accepted` entries of the same consignment.
    """
    token: str | None = row["receipt"]
    if not token:
        return None
    try:
        claims = peek_jws(token, TYP_RECEIPT)[1]
    except ValueError:
        return token  # damaged: the check of the export names this entry
    return token if claims.get("entry_id") == row["id"] else None
