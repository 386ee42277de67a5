"""Roots and inclusion paths of the receipt log, read from the ledger's Merkle nodes.

The tree functions ask for nodes synchronously; the ledger answers asynchronously. Reading first, in
one question, the few nodes the proofs can need keeps both simple: O(log² n) rows a leaf.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.ports import Ledger
from gateway.receipts import merkle


@dataclass(slots=True)
class Nodes:
    """The nodes needed for one size of the log."""

    size: int
    known: dict[tuple[int, int], bytes]

    def get(self, level: int, index: int) -> bytes:
        """Return a node read before."""
        return self.known[level, index]

    def root(self) -> bytes:
        """Return the root."""
        return merkle.root(self.size, self.get)

    def inclusion(self, index: int) -> list[bytes]:
        """Return the path of one leaf."""
        return merkle.inclusion(index, self.size, self.get)


async def nodes_for(ledger: Ledger, size: int, leaves: Iterable[int] = ()) -> Nodes:
    """Read what the root of `size` leaves, and the paths of `leaves`, can need."""
    wanted: set[tuple[int, int]] = set()

    def note(level: int, index: int) -> bytes:
        wanted.add((level, index))
        return b""

    merkle.root(size, note)
    for leaf in leaves:
        merkle.inclusion(leaf, size, note)
    rows = await ledger.all("merkle_nodes", nodes=json.dumps(sorted(wanted)))
    known = {(row["level"], row["idx"]): bytes.fromhex(row["hash"]) for row in rows}
    return Nodes(size, known)
