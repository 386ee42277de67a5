"""Entries of the receipt log: what may stand in one, and its place in the chain."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.receipts import log
from tests.world.receipt_log import body

texts = st.text(st.characters(codec="utf-8"), max_size=40)
values = st.recursive(
    texts | st.integers(-log.MAX_INT, log.MAX_INT), lambda v: st.lists(v, max_size=3), max_leaves=5
)


def test_canonical_form_is_fixed():
    facts = {"kind": "accepted", "at": "2026-03-02T08:00:00+07:00", "entry_id": "e1"}
    facts |= {"document_id": 'Số 1\n\x01\u2028"đ', "version": 2, "recipients": ["H57.01", "H37"]}
    assert (
        log.canonical(facts)
        == (
            '{"at":"2026-03-02T08:00:00+07:00","document_id":"Số 1\\n\\u0001\u2028\\"đ",'
            '"entry_id":"e1","kind":"accepted","recipients":["H57.01","H37"],"version":2}'
        ).encode()
    )


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(log.KEYS - set(log.REQUIRED))), values), st.randoms())
def test_canonical_does_not_depend_on_order_and_reads_back(extra, random):
    facts = list({**body(1), **extra}.items())
    data = log.canonical(dict(facts))
    random.shuffle(facts)
    assert log.canonical(dict(facts)) == data
    assert json.loads(data) == dict(facts)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"entry_id": None}, "entry_id"),
        ({"kind": "gossip"}, "gossip"),
        ({"at": "2026-03-02T08:00:00Z"}, "07:00"),
        ({"at": "2026-03-02"}, "07:00"),
        ({"subject": "Về việc …"}, "subject"),
        ({"version": 1.0}, "float"),
        ({"version": True}, "boolean"),
        ({"version": None}, "NoneType"),
        ({"version": 2**53}, "2\\^53"),
        ({"reason": "x" * 1025}, "hash it"),
        ({"document_id": "\ud800"}, "surrogates"),
        ({"parties": [[[[["x"]]]]]}, "deep"),
        ({"parties": [{"Tên": "x"}]}, "ASCII"),
        ({"parties": [b"x"]}, "bytes"),
        ({"recipients": ["x" * 1000] * 300}, "large"),
    ],
)
def test_what_may_not_stand_in_an_entry_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        log.canonical({**body(1), **change})


def test_an_entry_that_lacks_a_required_key_is_refused():
    for key in log.REQUIRED:
        with pytest.raises(ValueError, match=key):
            log.canonical({k: v for k, v in body(1).items() if k != key})


def test_hashes_are_those_of_the_documented_format():
    text = log.canonical(body(5))
    entry = hashlib.sha256(b"vanlien/receipt-entry/v1\x00" + text).digest()
    genesis = hashlib.sha256(b"vanlien/receipt-chain/v1/genesis").digest()
    chain = hashlib.sha256(b"vanlien/receipt-chain/v1\x00" + genesis + bytes(8) + entry).digest()
    (placed,) = log.sequence(log.EMPTY, [text])
    assert (placed.index, placed.prev_hash, placed.chain_hash) == (0, genesis, chain)
    assert placed.leaf_hash == hashlib.sha256(b"\x00" + chain).digest()
    assert log.entry_hash(text) == entry


@given(st.integers(0, 30), st.lists(st.integers(1, 5), max_size=10))
def test_batches_do_not_matter(count, cuts):
    bodies = [log.canonical(body(i)) for i in range(count)]
    at_once = log.sequence(log.EMPTY, bodies)
    tail, placed = log.EMPTY, []
    for size in [*cuts, count]:
        batch = log.sequence(tail, bodies[len(placed) : len(placed) + size])
        tail = batch[-1].tail if batch else tail
        placed += batch
    assert placed == at_once
    assert [p.index for p in placed] == list(range(count))
    assert tail.size == count


def test_the_same_body_elsewhere_has_another_place():
    text = log.canonical(body(1))
    a, b = log.sequence(log.EMPTY, [text, text])
    assert a.chain_hash != b.chain_hash
    assert a.leaf_hash != b.leaf_hash
