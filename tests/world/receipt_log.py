"""A whole receipt log in memory: the fake of the store's ReceiptSource, and hands to tamper with it.

Real keys, real hashes, real bundles; only the storage is a dict.
"""

import io
import json
from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.receipts import bundle, log, merkle, proof, sign

AT = "2026-03-02T08:00:00+07:00"
AGENCIES = ("H37.02", "H37.03.01", "H57.01", "G10")


def key(seed: int = 1) -> sign.ReceiptKey:
    return sign.ReceiptKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def body(number: int, *, kind: str = "accepted", document: int | None = None) -> log.Body:
    about = number % 3 if document is None else document
    return {
        "entry_id": f"0195a000-0000-7000-8000-{number:012d}",
        "kind": kind,
        "at": AT,
        "document_id": f"H37.02,2026/03/02,{about}/SNV-VP",
        "sender": AGENCIES[number % 4],
        "recipients": [AGENCIES[(number + 1) % 4], AGENCIES[(number + 2) % 4]],
        "sha256": f"{number:064x}",
    }


class ReceiptLog:
    """A log of `count` entries with tree heads at `head_sizes` and at the end."""

    def __init__(
        self,
        count: int,
        *,
        head_sizes: Sequence[int] = (),
        receipts: bool = False,
        seed: int = 1,
        salt: int = 0,
        batch: int = 3,
    ) -> None:
        self.key = key(seed)
        self.nodes: dict[tuple[int, int], bytes] = {}
        self.reads = 0
        self.bodies = [log.canonical(body(i + salt)) for i in range(count)]
        self.rows: list[log.Sequenced] = []
        self.receipts: dict[int, str] = {}
        tail = log.EMPTY
        for start in range(0, count, batch):
            placed = log.sequence(tail, self.bodies[start : start + batch])
            tail = placed[-1].tail
            leaves = [p.leaf_hash for p in placed]
            for level, index, node in merkle.append(leaves, start, self.get):
                self.nodes[level, index] = node
            self.rows += placed
        if receipts:
            self.receipts = {i: self.acceptance(i) for i in range(count)}
        self.heads = [self.head(s) for s in sorted({*head_sizes, count}) if s <= count]

    def get(self, level: int, index: int) -> bytes:
        self.reads += 1
        return self.nodes[level, index]

    def acceptance(self, index: int) -> str:
        facts = json.loads(self.bodies[index])
        return sign.acceptance_receipt(
            self.key,
            sign.Acceptance(
                gateway="truc-thu-nghiem",
                consignment_id=f"c-{index}",
                document_id=facts["document_id"],
                sender=facts["sender"],
                recipients=facts["recipients"],
                packet_sha256=facts["sha256"],
                content_sha256=facts["sha256"],
                attachments=[sign.FileHash(facts["sha256"], 4096)],
                accepted_at=facts["at"],
                entry_id=facts["entry_id"],
                entry_hash=log.entry_hash(self.bodies[index]).hex(),
            ),
        )

    def head(self, size: int) -> proof.Head:
        token = sign.tree_head(self.key, size, merkle.root(size, self.get).hex(), AT)
        return sign.verify_tree_head(token, self.key.public)

    # the ReceiptSource protocol

    def gateway(self) -> str:
        return "truc-thu-nghiem"

    def public_keys(self) -> Sequence[str]:
        return [sign.public_pem(self.key)]

    def tree_heads(self) -> Iterator[proof.Head]:
        return iter(self.heads)

    def latest_head(self) -> proof.Head | None:
        return self.heads[-1] if self.heads else None

    def entries(self, document: str | None, size: int) -> Iterator[bundle.LoggedEntry]:
        for row, text in zip(self.rows[:size], self.bodies, strict=False):
            if document in {None, json.loads(text).get("document_id")}:
                yield bundle.LoggedEntry(
                    row.index, text, row.prev_hash, row.chain_hash, self.receipts.get(row.index)
                )

    def inclusion(self, index: int, size: int) -> Sequence[bytes]:
        return merkle.inclusion(index, size, self.get)

    def consistency(self, first: int, second: int) -> Sequence[bytes]:
        return merkle.consistency(first, second, self.get)

    def statement(self, claims: dict[str, log.Value]) -> str:
        return sign.export_statement(self.key, claims)

    # exports and verdicts

    @property
    def pinned(self) -> dict[str, proof.Ed25519PublicKey]:
        return {self.key.kid: self.key.public}

    def export(self, document: str | None = None, earlier: proof.Head | None = None) -> bytes:
        out = io.BytesIO()
        bundle.write_bundle(out, self, at=AT, document=document, earlier=earlier)
        return out.getvalue()

    def verify(self, data: bytes, head: proof.Head | None = None) -> proof.Report:
        return proof.verify(io.BytesIO(data), self.pinned, head)


class Tampered:
    """The lines of an export as records one can change, with and without the gateway's key."""

    def __init__(self, data: bytes) -> None:
        self.lines = [json.loads(line) for line in data.splitlines()]

    def at(self, index: int) -> int:
        """Return the line of the entry with that index."""
        return next(
            n for n, r in enumerate(self.lines) if r["type"] == "entry" and r["index"] == index
        )

    def entry(self, index: int) -> dict[str, object]:
        return self.lines[self.at(index)]

    def rehash(self, record: dict[str, object]) -> None:
        """Make one entry agree with itself."""
        digest = log.entry_hash(record["body"].encode())
        prev = bytes.fromhex(record["prev"])
        record["chain"] = log.chain_hash(prev, record["index"], digest).hex()

    def renumber(self) -> None:
        """Give all entries rising indexes, hashes untouched."""
        for index, record in enumerate(r for r in self.lines if r["type"] == "entry"):
            record["index"] = index

    def rechain(self) -> None:
        """Compute every index and hash anew, as a forger without the key would."""
        prev = log.GENESIS
        for index, record in enumerate(r for r in self.lines if r["type"] == "entry"):
            record["index"], record["prev"] = index, prev.hex()
            self.rehash(record)
            prev = bytes.fromhex(record["chain"])

    def resign(self, by: sign.ReceiptKey) -> None:
        """Sign heads and statement anew, as one who holds a key would."""
        tree, entries = proof.Frontier(), 0
        for record in self.lines:
            if record["type"] == "entry":
                tree.add(log.leaf_hash(bytes.fromhex(record["chain"])))
                record.pop("receipt", None)
                entries += 1
            elif record["type"] == "head":
                record["jws"] = sign.tree_head(by, tree.size, tree.root().hex(), AT)
        self.lines[0]["keys"] = sign.public_pem(by)
        heads = sum(r["type"] == "head" for r in self.lines)
        claims = {
            "entries": entries,
            "tree_heads": heads,
            "acceptance_receipts": 0,
            "tree_size": tree.size,
            "sha256": proof.hashlib.sha256(self.bytes(self.lines[:-1])).hexdigest(),
            "at": AT,
        }
        self.lines[-1] = {"type": "end", "statement": sign.export_statement(by, claims)}

    def bytes(self, lines: list[dict[str, object]] | None = None) -> bytes:
        lines = self.lines if lines is None else lines
        return b"".join(proof.compact(r).encode() + b"\n" for r in lines)
