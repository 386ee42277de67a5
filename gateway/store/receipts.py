"""The receipt log as an export reads it: one moment of the ledger, streamed.

Promises: entries, tree heads and proofs all come from one read transaction, however long the export
takes and whatever is committed meanwhile; memory does not grow with the log. A crash leaves nothing
behind.
"""

import base64
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.moments import from_text, iso
from gateway.errors import IntegrityError
from gateway.ports import ChangeSet, Insert, Row
from gateway.receipts import merkle
from gateway.receipts.bundle import LoggedEntry
from gateway.receipts.log import Value
from gateway.receipts.proof import TYP_RECEIPT, Head, peek_jws, read_head
from gateway.receipts.sign import ReceiptKey, export_statement, public_pem, tree_head
from gateway.store.places import Place
from gateway.store.queries import QUERIES
from gateway.store.session import Session, session

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

_COVERED: Final = (
    "SELECT (SELECT COALESCE(MAX(idx) + 1, 0) FROM receipt_entry) AS size, "
    "(SELECT COALESCE(MAX(size), 0) FROM tree_head) AS covered"
)


def sign_head_now(place: Place, key: ReceiptKey, at: datetime) -> None:
    """Sign a tree head over the whole log, beside running servers; nothing when one covers it.

    Raises:
        UnavailableError: The ledger cannot be written now.
    """
    with session(place, purpose="tree head") as opened, opened.writing():
        opened.sequence()
        found = opened.row(_COVERED)
        assert found is not None  # an aggregate
        size = found["size"]
        if size > found["covered"]:
            root = merkle.root(size, node_reader(opened)).hex()
            jws = tree_head(key, size, root, iso(at))
            row = {"size": size, "root": root, "at": iso(at), "jws": jws}
            opened.apply(ChangeSet(rows=(Insert("tree_head", row),)))


def node_reader(opened: Session) -> merkle.Get:
    """Return a reader of complete Merkle nodes."""

    def get(level: int, index: int) -> bytes:
        row = opened.row(QUERIES["merkle_node"], {"level": level, "idx": index})
        if row is None:
            raise IntegrityError(f"the Merkle node {level}/{index} is gone")
        return bytes.fromhex(row["hash"])

    return get


@dataclass(frozen=True, slots=True)
class StampedHead:
    """A tree head and what an authority outside said of it; no `jws`: the head itself is gone."""

    size: int
    root: str
    jws: str
    stamped_at: datetime
    authority: str
    token: bytes


class LedgerReceipts:
    """ReceiptSource over the ledger.

    Args:
        place: Where the ledger is.
        name: The gateway's name, written into exports.
        key: Signs the export statement.
        earlier_keys: PEM of receipt keys the log was signed with before, newest first.
    """

    def __init__(
        self, place: Place, name: str, key: ReceiptKey, *, earlier_keys: Sequence[str] = ()
    ) -> None:
        self._name = name
        self._key = key
        self._earlier = tuple(earlier_keys)
        self._opened = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._session = stack.enter_context(
                session(place, purpose="export", read_only=True, patient=True)
            )
            stack.enter_context(self._session.reading())
            self._session.row("SELECT key FROM meta LIMIT 1")  # the moment begins
            self._opened = stack.pop_all()
        self._get = node_reader(self._session)

    def close(self) -> None:
        """Let go of the ledger."""
        self._opened.close()

    def gateway(self) -> str:
        """Return the gateway's name."""
        return self._name

    def public_keys(self) -> Sequence[str]:
        """Return the PEM of every receipt key the log was signed with, newest first."""
        return [public_pem(self._key), *self._earlier]

    def tree_heads(self) -> Iterator[Head]:
        """Yield signed tree heads by rising size."""
        for row in self._session.stream("SELECT size, jws FROM tree_head ORDER BY size"):
            yield _head(row)

    def stamped_heads(self) -> Iterator[StampedHead]:
        """Yield tree heads that an authority outside has stamped, by rising size (AUD-06)."""
        for row in self._session.stream(
            "SELECT s.size, s.stamped_at, s.authority, s.token, h.root, h.jws "
            "FROM head_stamp s LEFT JOIN tree_head h ON h.size = s.size ORDER BY s.size"
        ):
            yield StampedHead(
                row["size"],
                row["root"] or "",
                row["jws"] or "",
                from_text(row["stamped_at"]),
                row["authority"],
                base64.b64decode(row["token"]),
            )

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` entries as they are now.

        Raises:
            IntegrityError: There are not so many.
        """
        return merkle.root(size, self._get)

    def latest_head(self) -> Head | None:
        """Return the head with the largest size, None while nothing is signed."""
        row = self._session.row("SELECT size, jws FROM tree_head ORDER BY size DESC LIMIT 1")
        return _head(row) if row is not None else None

    def entries(self, document: str | None, size: int) -> Iterator[LoggedEntry]:
        """Yield entries below index `size` in index order.

        Args:
            document: Consignment id, arrival id or DocumentId: entries about it; None: all.
            size: A tree size; entries sequenced later are left for the next export.
        """
        if document == "":  # the column's default: entries about no document at all
            return
        query = _ALL if document is None else _ABOUT
        for row in self._session.stream(query, {"size": size, "document": document}):
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


def _head(row: Row) -> Head:
    try:
        return read_head(row["jws"].encode())
    except ValueError as exc:
        raise IntegrityError(f"the tree head of size {row['size']} is damaged") from exc


def _receipt_of(row: Row) -> str | None:
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
