"""Roots and inclusion paths of the receipt log, read from the ledger's Merkle nodes.

The tree functions ask for nodes synchronously; the ledger answers asynchronously. Reading first the
few nodes any proof at this size can need keeps both simple: O(log² n) rows.
"""

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


async def nodes_for(ledger: Ledger, size: int, leaf: int | None = None) -> Nodes:
    """Read what the root of `size` leaves, and the path of `leaf`, can need."""
    nodes = Nodes(size, {})
    wanted: set[tuple[int, int]] = set()

    def note(level: int, index: int) -> bytes:
        wanted.add((level, index))
        return b""

    merkle.root(size, note)
    if leaf is not None:
        merkle.inclusion(leaf, size, note)
    for level, index in wanted:
        row = await ledger.one("merkle_node", level=level, idx=index)
        if row is not None:
            nodes.known[level, index] = bytes.fromhex(row["hash"])
    return nodes
