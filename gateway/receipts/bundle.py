"""Export of the receipt log as one file that anybody can check offline (`gateway.receipts.proof`).

JSON Lines in canonical JSON, written and read in one pass whatever the length: header, entries with
the tree heads at their places (log scope) or with inclusion proofs (document scope), signed export
statement. The last line holds the hash of all before it, so a file cut by a crash never passes.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Protocol

from gateway.errors import IntegrityError, Reason, RejectedError
from gateway.receipts.log import Value, check_local_time
from gateway.receipts.proof import (
    DOCUMENT_SCOPE,
    FORMAT,
    LOG_SCOPE,
    MAX_LINE,
    VERSION,
    Head,
    compact,
)

PROOF_LIMIT: Final = 5000  # entries of one document; the header lists their indexes


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """A sequenced entry: canonical body, place (32-byte hashes), its acceptance receipt if any."""

    index: int
    body: bytes
    prev_hash: bytes
    chain_hash: bytes
    receipt: str | None = None


class ReceiptSource(Protocol):
    """What an export reads: one consistent view of the log (the store implements it)."""

    def gateway(self) -> str:
        """Return the gateway's name."""
        ...

    def public_keys(self) -> Sequence[str]:
        """Return the PEM of every receipt key the log was ever signed with, newest first."""
        ...

    def tree_heads(self) -> Iterator[Head]:
        """Yield signed tree heads by rising size; more of them narrow down a later fault."""
        ...

    def latest_head(self) -> Head | None:
        """Return the head with the largest size, None while nothing is signed."""
        ...

    def entries(self, document: str | None, size: int) -> Iterator[LoggedEntry]:
        """Yield entries below index `size` in index order.

        Args:
            document: Consignment id, arrival id or DocumentId: entries about it; None: all.
            size: A tree size; entries sequenced later are left for the next export.
        """
        ...

    def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        """Return the inclusion path of an entry in the tree of `size` (`merkle.inclusion`)."""
        ...

    def consistency(self, first: int, second: int) -> Sequence[bytes]:
        """Return the consistency path between two sizes (`merkle.consistency`)."""
        ...

    def statement(self, claims: dict[str, Value]) -> str:
        """Return `sign.export_statement` of the claims under the current receipt key."""
        ...


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: counts, tree size and root (hex) of the last head, SHA-256 of the file."""

    entries: int
    tree_heads: int
    acceptance_receipts: int
    tree_size: int
    root: str
    sha256: str
    size_bytes: int


class _Writer:
    """Counts and hashes what it writes."""

    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self.digest = hashlib.sha256()
        self.size_bytes = 0
        self.entries = self.heads = self.receipts = 0

    def line(self, record: dict[str, Any]) -> None:
        data = compact(record).encode("utf-8") + b"\n"
        if len(data) > MAX_LINE:
            raise RejectedError(Reason.TOO_LARGE, "a line of the export would be too long")
        self.out.write(data)
        self.digest.update(data)
        self.size_bytes += len(data)

    def head(self, head: Head) -> None:
        self.heads += 1
        self.line({"type": "head", "jws": head.token})

    def entry(self, entry: LoggedEntry, proof: Sequence[bytes] | None = None) -> None:
        record: dict[str, Any] = {
            "type": "entry",
            "index": entry.index,
            "prev": entry.prev_hash.hex(),
            "chain": entry.chain_hash.hex(),
            "body": entry.body.decode("utf-8"),
        }
        if entry.receipt is not None:
            self.receipts += 1
            record["receipt"] = entry.receipt
        if proof is not None:
            record["proof"] = [step.hex() for step in proof]
        self.entries += 1
        self.line(record)

    def end(self, source: ReceiptSource, head: Head, at: str) -> Exported:
        counts = {
            "entries": self.entries,
            "tree_heads": self.heads,
            "acceptance_receipts": self.receipts,
            "tree_size": head.size,
        }
        statement = source.statement({**counts, "sha256": self.digest.hexdigest(), "at": at})
        self.line({"type": "end", "statement": statement})
        return Exported(
            **counts,
            root=head.root.hex(),
            sha256=self.digest.hexdigest(),
            size_bytes=self.size_bytes,
        )


def write_bundle(
    out: BinaryIO,
    source: ReceiptSource,
    *,
    at: str,
    document: str | None = None,
    earlier: Head | None = None,
) -> Exported:
    """Write one export up to the newest signed tree head.

    Args:
        out: Opened for bytes; nothing is sought, flushed or closed.
        source: One consistent view of the log.
        at: Time of the export, ISO 8601 `+07:00`.
        document: Only the entries about it, each with its inclusion proof; None: the whole log.
        earlier: With `document`: a head the reader holds; its consistency proof is added.

    Raises:
        RejectedError: NOT_FOUND when nothing is signed yet or the document has no entry;
            BAD_REQUEST when `earlier` is newer than the log.
        IntegrityError: The store gave entries or heads out of order.
    """
    header: dict[str, Any] = {
        "type": "header",
        "format": FORMAT,
        "version": VERSION,
        "gateway": source.gateway(),
        "exported_at": check_local_time(at),
        "keys": "".join(source.public_keys()),
    }
    head = source.latest_head()
    if head is None:
        raise RejectedError(Reason.NOT_FOUND, "no tree head is signed yet: nothing to export")
    writer = _Writer(out)
    if document is None:
        writer.line({**header, "scope": LOG_SCOPE})
        _write_log(writer, source, head)
    else:
        _write_document(writer, source, head, {**header, "document": document}, earlier)
    return writer.end(source, head, at)


def _write_log(writer: _Writer, source: ReceiptSource, last: Head) -> None:
    heads = source.tree_heads()
    due: Head | None = next(heads, None)
    position = 0
    for entry in source.entries(None, last.size):
        if entry.index != position:
            raise IntegrityError(f"the ledger gave entry {entry.index} where {position} belongs")
        while due is not None and due.size <= position:
            writer.head(due)
            due = next(heads, None)
        writer.entry(entry)
        position += 1
    while due is not None and due.size < last.size:
        writer.head(due)
        due = next(heads, None)
    if position != last.size:
        raise IntegrityError(f"the ledger has {position} entries, its tree head {last.size}")
    writer.head(last)


def _write_document(
    writer: _Writer,
    source: ReceiptSource,
    head: Head,
    header: dict[str, Any],
    earlier: Head | None,
) -> None:
    entries: list[LoggedEntry] = []
    for entry in source.entries(header["document"], head.size):
        entries.append(entry)
        if len(entries) > PROOF_LIMIT:
            raise RejectedError(Reason.TOO_LARGE, f"the document has over {PROOF_LIMIT} entries")
    if not entries:
        raise RejectedError(Reason.NOT_FOUND, "the log has no entry about this document")
    indexes = [entry.index for entry in entries]
    writer.line({**header, "scope": DOCUMENT_SCOPE, "indexes": indexes})
    writer.head(head)
    if earlier is not None:
        if earlier.size > head.size:
            raise RejectedError(Reason.BAD_REQUEST, "the given tree head is newer than the log")
        path = [step.hex() for step in source.consistency(earlier.size, head.size)]
        writer.line({"type": "consistency", "first": earlier.size, "path": path})
    for entry in entries:
        writer.entry(entry, source.inclusion(entry.index, head.size))
