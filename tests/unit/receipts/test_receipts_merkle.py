"""The tree against RFC 9162's own definition, for every size up to 70, by brute force."""

import hashlib
import math

import pytest

from gateway.receipts import merkle

SIZES = 71
LEAVES = [merkle.leaf_hash(i.to_bytes(4, "big")) for i in range(SIZES)]


def by_definition(leaves):
    """MTH of RFC 9162 2.1.1 over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    pair = by_definition(leaves[:k]) + by_definition(leaves[k:])
    return hashlib.sha256(b"\x01" + pair).digest()


ROOTS = [by_definition(LEAVES[:n]) for n in range(SIZES)]


class Nodes(dict):
    reads = 0

    def get_node(self, level, index):
        self.reads += 1
        return self[level, index]

    def add(self, leaves, start):
        for level, index, node in merkle.append(leaves, start, self.get_node):
            assert (level, index) not in self
            self[level, index] = node


@pytest.fixture(scope="module")
def nodes():
    store = Nodes()
    store.add(LEAVES, 0)
    return store


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 64, 70])
def test_appending_in_batches_gives_the_same_nodes(batch, nodes):
    store = Nodes()
    for start in range(0, SIZES, batch):
        before = store.reads
        store.add(LEAVES[start : start + batch], start)
        assert store.reads - before <= max(start, 1).bit_length()
    assert store == nodes


def test_appending_again_after_a_crash_gives_the_same_nodes(nodes):
    store = Nodes()
    store.add(LEAVES[:40], 0)
    again = merkle.append(LEAVES[37:40], 37, store.get_node)
    assert all(store[level, index] == node for level, index, node in again)


def test_roots_of_every_size(nodes):
    frontier = merkle.Frontier()
    for size in range(SIZES):
        assert merkle.root(size, nodes.get_node) == ROOTS[size] == frontier.root()
        frontier.add(LEAVES[size])


def test_every_inclusion_proof(nodes):
    for size in range(1, SIZES):
        for index in range(size):
            path = merkle.inclusion(index, size, nodes.get_node)
            assert merkle.verify_inclusion(LEAVES[index], index, size, path, ROOTS[size])
            assert len(path) <= math.ceil(math.log2(size)) if size > 1 else not path


def test_no_inclusion_proof_serves_another_leaf_place_or_tree(nodes):
    size = 23
    for index in range(size):
        path = merkle.inclusion(index, size, nodes.get_node)

        def ok(leaf=LEAVES[index], index=index, size=size, path=path, root=ROOTS[size]):
            return merkle.verify_inclusion(leaf, index, size, path, root)

        assert ok()
        assert not any(ok(index=i) for i in range(-1, size + 2) if i != index)
        assert not any(ok(leaf=leaf) for i, leaf in enumerate(LEAVES) if i != index)
        assert not any(ok(root=r) for n, r in enumerate(ROOTS) if n != size)
        assert not ok(path=path[:-1])
        assert not ok(path=[*path, bytes(32)])
        for i in range(len(path)):
            assert not ok(path=[*path[:i], bytes(32), *path[i + 1 :]])


def test_every_consistency_proof(nodes):
    for second in range(SIZES):
        for first in range(second + 1):
            path = merkle.consistency(first, second, nodes.get_node)
            assert merkle.verify_consistency(first, second, ROOTS[first], ROOTS[second], path)


def test_no_consistency_proof_serves_other_trees(nodes):
    for second in range(2, 40):
        for first in range(1, second):
            path = merkle.consistency(first, second, nodes.get_node)

            def ok(first=first, second=second, a=ROOTS[first], b=ROOTS[second], path=path):
                return merkle.verify_consistency(first, second, a, b, path)

            assert not ok(a=bytes(32))
            assert not ok(b=bytes(32))
            assert not ok(path=path[:-1])
            assert not ok(path=[*path, bytes(32)])
            assert not ok(first=second, second=first)
            for i in range(len(path)):
                assert not ok(path=[*path[:i], bytes(32), *path[i + 1 :]])
    assert not merkle.verify_consistency(0, 5, ROOTS[1], ROOTS[5], [])
    assert not merkle.verify_consistency(5, 5, ROOTS[5], ROOTS[6], [])


def test_proofs_read_few_nodes():
    store = Nodes()
    size = 5000
    store.add([merkle.leaf_hash(i.to_bytes(4, "big")) for i in range(size)], 0)
    for index in range(0, size, 97):
        store.reads = 0
        merkle.inclusion(index, size, store.get_node)
        merkle.consistency(index, size, store.get_node)
        merkle.root(size, store.get_node)
        assert store.reads <= 5 * size.bit_length()


def test_what_is_not_there_cannot_be_proven(nodes):
    for index, size in [(5, 5), (-1, 5), (0, 0)]:
        with pytest.raises(ValueError, match="not among"):
            merkle.inclusion(index, size, nodes.get_node)
    for first, second in [(6, 5), (-1, 5)]:
        with pytest.raises(ValueError, match="cannot begin"):
            merkle.consistency(first, second, nodes.get_node)
