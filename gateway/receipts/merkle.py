"""The Merkle tree over the receipt log (RFC 9162 section 2.1), on any store of nodes.

Pure: the caller keeps the nodes. Only complete subtrees are stored, each once and for ever: node
(level, index) covers leaves [index·2^level, (index+1)·2^level); level 0 is the leaves. About two
nodes a leaf; every proof reads O(log n) of them. Appending the same leaves at the same place again
gives the same nodes, so a crash between computing and storing leaves nothing to undo.
"""

from collections.abc import Callable, Iterable

from gateway.receipts.proof import (
    EMPTY_ROOT,
    Frontier,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

__all__ = [
    "EMPTY_ROOT",
    "Frontier",
    "Get",
    "Node",
    "append",
    "consistency",
    "inclusion",
    "leaf_hash",
    "node_hash",
    "root",
    "verify_consistency",
    "verify_inclusion",
]

Get = Callable[[int, int], bytes]
"""Read a complete node by (level, index); the caller's store raises when it has none."""

Node = tuple[int, int, bytes]
"""(level, index, hash) of a complete subtree."""


def append(leaves: Iterable[bytes], start_index: int, get: Get) -> list[Node]:
    """Return the new complete nodes that `leaves` bring, children before parents.

    Args:
        leaves: Leaf hashes in order.
        start_index: Size of the tree before.
        get: Reads nodes of the tree before; at most log2(start_index) calls for the whole batch.
    """
    nodes: list[Node] = []
    left: dict[int, bytes] = {}  # the waiting left sibling at each level, once known
    for position, leaf in enumerate(leaves, start_index):
        level, index, node = 0, position, leaf
        nodes.append((level, index, node))
        while index & 1:
            sibling = left.pop(level, None)
            if sibling is None:
                sibling = get(level, index - 1)
            node = node_hash(sibling, node)
            level, index = level + 1, index >> 1
            nodes.append((level, index, node))
        left[level] = node
    return nodes


def _span(start: int, stop: int, get: Get) -> bytes:
    """Return the hash over leaves [start, stop), start being aligned as RFC 9162 splits."""
    width = stop - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return get(level, start >> level)
    split = start + _left_width(width)
    return node_hash(_span(start, split, get), _span(split, stop, get))


def _left_width(width: int) -> int:
    """Return the largest power of two below `width` (≥ 2)."""
    return 1 << ((width - 1).bit_length() - 1)


def root(size: int, get: Get) -> bytes:
    """Return the root of the first `size` leaves."""
    return _span(0, size, get) if size else EMPTY_ROOT


def inclusion(index: int, size: int, get: Get) -> list[bytes]:
    """Return the path that proves leaf `index` in the tree of `size` leaves, leaf side first.

    Raises:
        ValueError: `index` is not below `size`.
    """
    if not 0 <= index < size:
        raise ValueError(f"entry {index} is not among {size}")
    path: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        split = start + _left_width(stop - start)
        if index < split:
            path.append(_span(split, stop, get))
            stop = split
        else:
            path.append(_span(start, split, get))
            start = split
    path.reverse()
    return path


def consistency(first: int, second: int, get: Get) -> list[bytes]:
    """Return the path that proves the tree of `second` leaves to begin with that of `first`.

    Raises:
        ValueError: `first` is negative or larger than `second`.
    """
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {second} cannot begin with one of {first}")
    if first in {0, second}:
        return []
    path: list[bytes] = []
    start, stop = 0, second
    whole = True  # the part in hand is the whole first tree, which the checker knows already
    while first != stop:
        split = start + _left_width(stop - start)
        if first <= split:
            path.append(_span(split, stop, get))
            stop = split
        else:
            path.append(_span(start, split, get))
            start, whole = split, False
    if not whole:
        path.append(_span(start, stop, get))
    path.reverse()
    return path
