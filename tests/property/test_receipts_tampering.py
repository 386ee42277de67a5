"""Every single change to an export is seen, and the entry is named by its index."""

import copy

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.receipts import log
from tests.world.receipt_log import ReceiptLog, Tampered, body, key

quick = settings(max_examples=60, deadline=None)
logs = st.builds(
    ReceiptLog,
    st.integers(1, 12),
    head_sizes=st.lists(st.integers(0, 12), max_size=4).map(tuple),
    receipts=st.booleans(),
    batch=st.integers(1, 5),
)


def broken(book, tampered, head=None):
    report = book.verify(tampered if isinstance(tampered, bytes) else tampered.bytes(), head)
    assert report.exit_code == 1, report.to_text()
    return report


def span(report):
    return range(report.faults[0].index, report.faults[0].last + 1)


def pick(data, book):
    return data.draw(st.integers(0, len(book.bodies) - 1), label="index")


def foreign(tampered, index, prev):
    text = log.canonical(body(10_000 + index, document=7)).decode()
    record = {"type": "entry", "index": index, "prev": prev, "chain": "0" * 64, "body": text}
    tampered.rehash(record)
    return record


@quick
@given(logs)
def test_an_untouched_export_is_good(book):
    report = book.verify(book.export())
    assert (report.exit_code, report.faults, report.index) == (0, [], None)
    assert report.entries == len(book.bodies)
    assert report.root == book.latest_head().root.hex()
    assert report.notes == ["no-head"]


@quick
@given(logs, st.data())
def test_a_changed_body_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    text = t.entry(index)["body"]
    where = data.draw(st.integers(0, len(text) - 1))
    char = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[where]))
    t.entry(index)["body"] = text[:where] + char + text[where + 1 :]
    report = broken(book, t)
    assert (report.index, report.faults[0].code) == (index, "changed")


@quick
@given(logs, st.data())
def test_a_changed_hash_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    name = data.draw(st.sampled_from(["prev", "chain"]))
    t.entry(index)[name] = f"{int(t.entry(index)[name], 16) ^ 1:064x}"
    assert broken(book, t).index == index


@quick
@given(logs, st.data())
def test_a_changed_index_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    other = data.draw(st.integers(0, 20).filter(lambda i: i != index))
    t.entry(index)["index"] = other
    assert broken(book, t).index == index


@quick
@given(logs, st.data())
def test_an_entry_rewritten_with_its_own_hash_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    record = t.entry(index)
    record["body"] = log.canonical(body(10_000)).decode()
    t.rehash(record)
    report = broken(book, t)
    if book.receipts:
        assert any(f.code == "receipt" and f.index == index for f in report.faults)
    if index == len(book.bodies) - 1:  # no next entry: only receipt and root know better
        assert index in span(report)
    else:
        assert any(f.index == index for f in report.faults[:2])


@quick
@given(logs, st.data())
def test_a_foreign_entry_in_place_of_one_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    assume(index < len(book.bodies) - 1)
    t.lines[t.at(index)] = foreign(t, index, "ab" * 32)
    report = broken(book, t)
    assert (report.index, report.faults[0].code) == (index, "changed")


@quick
@given(logs, st.data())
def test_a_log_rewritten_without_the_key_is_seen_by_its_tree_heads(book, data):
    index, t = pick(data, book), Tampered(book.export())
    t.entry(index)["body"] = log.canonical(body(10_000)).decode()
    t.entry(index).pop("receipt", None)
    t.rechain()
    report = broken(book, t)
    assert report.faults[0].code == "root"
    assert index in span(report)
    earlier = max((h.size for h in book.heads if h.size <= index), default=0)
    assert report.index == earlier  # nothing before the last good head is suspected


@quick
@given(logs, st.data())
def test_a_dropped_entry_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    del t.lines[t.at(index)]
    report = broken(book, t)
    assert (report.index, report.faults[0].code) == (index, "missing")


@quick
@given(logs, st.data())
def test_a_dropped_entry_is_named_though_the_rest_was_renumbered(book, data):
    index, t = pick(data, book), Tampered(book.export())
    del t.lines[t.at(index)]
    t.renumber()
    assert broken(book, t).index == index


@quick
@given(logs, st.data())
def test_swapped_entries_are_named(book, data):
    a, b, t = pick(data, book), pick(data, book), Tampered(book.export())
    assume(a != b)
    i, j = t.at(a), t.at(b)
    t.lines[i], t.lines[j] = t.lines[j], t.lines[i]
    if data.draw(st.booleans(), label="renumbered"):
        t.renumber()
    assert broken(book, t).index == min(a, b)


@quick
@given(logs, st.data())
def test_a_reordering_is_named_where_it_begins(book, data):
    t = Tampered(book.export())
    places = [n for n, r in enumerate(t.lines) if r["type"] == "entry"]
    order = data.draw(st.permutations(places))
    assume(order != places)
    records = [t.lines[n] for n in order]
    for n, record in zip(places, records, strict=True):
        t.lines[n] = record
    first = next(k for k, (x, y) in enumerate(zip(places, order, strict=True)) if x != y)
    assert broken(book, t).index == first


@quick
@given(logs, st.data())
def test_a_duplicated_entry_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    at = data.draw(st.integers(t.at(index) + 1, len(t.lines) - 1))
    t.lines.insert(at, copy.deepcopy(t.entry(index)))
    report = broken(book, t)
    assert (report.index, report.faults[0].code) == (index, "inserted")


@quick
@given(logs, st.data(), st.sampled_from(["stray", "linked", "renumbered"]))
def test_an_inserted_entry_is_named(book, data, how):
    t = Tampered(book.export())
    index = data.draw(st.integers(0, len(book.bodies)))
    known = index < len(book.bodies)
    prev = t.entry(index)["prev"] if known else book.rows[-1].chain_hash.hex()
    new = foreign(t, index, prev)
    if how == "stray":
        new["chain"] = "cd" * 32
    t.lines.insert(t.at(index) if known else len(t.lines) - 1, new)
    if how == "renumbered":
        t.renumber()
    assert broken(book, t).index == index


@quick
@given(logs, st.data())
def test_an_inserted_entry_in_a_rechained_log_is_within_the_range(book, data):
    t = Tampered(book.export())
    index = pick(data, book)
    t.lines.insert(t.at(index), foreign(t, index, "00" * 32))
    t.rechain()
    report = broken(book, t)
    assert report.faults[0].code == "root"
    assert index in span(report)


@quick
@given(logs, st.data())
def test_a_dropped_entry_in_a_rechained_log_is_not_after_the_index(book, data):
    t = Tampered(book.export())
    index = pick(data, book)
    del t.lines[t.at(index)]
    t.rechain()
    report = broken(book, t)
    # The first head over the gap covers more than is there; which one went, only it could say.
    assert report.faults[0].last == min(h.size for h in book.heads if h.size > index) - 1
    assert report.faults[0].code == "missing"


@quick
@given(logs, st.data())
def test_a_cut_tail_is_named(book, data):
    index, t = pick(data, book), Tampered(book.export())
    how = data.draw(st.sampled_from(["entries", "lines", "bytes"]))
    if how == "entries":
        t.lines = [r for r in t.lines if r["type"] != "entry" or r["index"] < index]
        assert broken(book, t).index == index
    elif how == "lines":
        t.lines = t.lines[: t.at(index)]
        assert broken(book, t).index == index
    else:
        whole = t.bytes(t.lines[: t.at(index) + 1])
        end = data.draw(st.integers(len(t.bytes(t.lines[: t.at(index)])) + 1, len(whole) - 1))
        assert broken(book, book.export()[:end]).index == index


@quick
@given(logs, st.data())
def test_a_cut_tail_with_heads_and_statement_cut_too(book, data):
    """Cut at an older head: the statement still gives it away, unless a key holder signs anew."""
    older = [h for h in book.heads if 0 < h.size < len(book.bodies)]
    assume(older)
    head = data.draw(st.sampled_from(older))
    t = Tampered(book.export())
    stop = next(n for n, r in enumerate(t.lines) if r.get("jws") == head.token)
    t.lines = [*t.lines[: stop + 1], t.lines[-1]]
    assert broken(book, t).index == head.size
    t.resign(book.key)
    assert book.verify(t.bytes()).exit_code == 0  # cannot be seen, and the report says so
    assert "no-head" in book.verify(t.bytes()).notes
    report = broken(book, t, book.latest_head())
    assert (report.index, report.faults[0].code) == (head.size, "cut")


@quick
@given(logs, st.data())
def test_a_rewrite_by_the_key_holder_is_seen_with_an_earlier_head(book, data):
    index = pick(data, book)
    held = [h for h in book.heads if h.size > index]
    earlier = data.draw(st.sampled_from(held))
    t = Tampered(book.export())
    t.entry(index)["body"] = log.canonical(body(10_000)).decode()
    t.rechain()
    t.resign(book.key)
    assert book.verify(t.bytes()).exit_code == 0
    report = broken(book, t, earlier)
    assert report.faults[0].code == "earlier-root"
    assert index in span(report)


@quick
@given(logs)
def test_an_earlier_head_of_the_same_log_is_good(book):
    for head in book.heads:
        report = book.verify(book.export(), head)
        assert (report.exit_code, report.notes) == (0, [])


@quick
@given(logs, st.integers(1, 15))
def test_a_head_of_another_tree_is_seen(book, size):
    other = ReceiptLog(size, salt=500)
    report = broken(book, book.export(), other.latest_head())
    assert report.faults[0].code == ("cut" if size > len(book.bodies) else "earlier-root")


@quick
@given(logs)
def test_another_key_is_not_pinned(book):
    t = Tampered(book.export())
    t.rechain()
    t.resign(key(2))
    report = book.verify(t.bytes())
    assert report.exit_code == 2
    assert "other-key" in report.notes
    # With a head got earlier from the true signer, a rewritten log is broken, whoever signed it.
    t.entry(0)["body"] = log.canonical(body(10_000)).decode()
    t.rechain()
    t.resign(key(2))
    assert broken(book, t, book.latest_head()).index == 0


@quick
@given(logs, st.data())
def test_any_byte_of_the_file_matters(book, data):
    whole = book.export()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != whole[at]))
    report = book.verify(whole[:at] + bytes([byte]) + whole[at + 1 :])
    assert report.exit_code in {1, 3}, report.to_text()
    if at > whole.index(b"\n"):
        assert report.exit_code == 1  # behind a good header damage is always named


@quick
@given(logs, st.data())
def test_any_lost_or_doubled_line_matters(book, data):
    lines = book.export().splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    lost = book.verify(b"".join(lines[:at] + lines[at + 1 :]))
    doubled = book.verify(b"".join([*lines[: at + 1], *lines[at:]]))
    assert lost.exit_code == (3 if at == 0 else 1)
    assert doubled.exit_code == 1


@pytest.mark.parametrize("how", ["changed", "index", "dropped", "swapped", "doubled", "proof"])
@quick
@given(data=st.data())
def test_one_documents_entries(how, data):
    book = ReceiptLog(data.draw(st.integers(7, 20)), receipts=data.draw(st.booleans()))
    document = "H37.02,2026/03/02,1/SNV-VP"
    mine = [i for i in range(len(book.bodies)) if i % 3 == 1]
    t = Tampered(book.export(document))
    assert book.verify(t.bytes()).exit_code == 0
    place = data.draw(st.integers(0, len(mine) - 2))
    index, following = mine[place], mine[place + 1]
    i, j = t.at(index), t.at(following)
    if how == "changed":
        t.lines[i]["body"] = log.canonical(body(10_000)).decode()
        if data.draw(st.booleans(), label="rehashed"):
            t.rehash(t.lines[i])
    elif how == "index":
        t.lines[i]["index"] = data.draw(st.integers(0, 30).filter(lambda n: n != index))
    elif how == "dropped":
        del t.lines[i]
    elif how == "swapped":
        t.lines[i], t.lines[j] = t.lines[j], t.lines[i]
    elif how == "doubled":
        t.lines.insert(j, t.lines[i])
    else:
        t.lines[i]["proof"][0] = "00" * 32
    assert broken(book, t).index == index


@quick
@given(st.integers(4, 20), st.data())
def test_one_documents_entries_against_an_earlier_head(count, data):
    size = data.draw(st.integers(0, count))
    document = "H37.02,2026/03/02,1/SNV-VP"
    book = ReceiptLog(count, head_sizes=(size,))
    earlier = book.head(size)
    good = book.verify(book.export(document, earlier), earlier)
    assert (good.exit_code, good.notes) == (0, ["partial"])
    other = ReceiptLog(count, salt=500)
    if size:
        report = broken(book, book.export(document, earlier), other.head(size))
        assert report.faults[0].code == "earlier-root"
    if size != count:
        blind = book.verify(book.export(document), earlier)
        assert (blind.exit_code, "not-compared" in blind.notes) == (3, True)
    newer = ReceiptLog(count + 1).latest_head()
    assert broken(book, book.export(document), newer).faults[0].code == "cut"
