import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.letters import make_plain_pdf
from gateway.trust import guards
from gateway.trust.guards import Listed, SignedRange, Stranger

NOTHING = Listed(frozenset(), frozenset(), lambda _: None)
DOC = b"%PDF-1.4\n1 0 obj<</ByteRange [0 60 72 40]/Contents \n         <0123456789>" + b"x" * 30


def _file(gap: bytes, before: int = 40, after: int = 20) -> bytes:
    return b"a" * before + gap + b"b" * after


def test_a_sound_range_leaves_out_one_hex_string():
    data = _file(b"<0aFF 00>")
    assert guards.signed_range((0, 40, 49, 20), data) == SignedRange(40, 49, 69)


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 39, 49, 20),  # not from the first byte
        (0, 40, 49, 21),  # past the end
        (0, 39, 49, 20),  # leaves out a byte before
        (0, 40, 50, 19),  # leaves out a byte after
        (0, 41, 49, 20),  # covers a part of the value
        (0, 40, 40, 20),  # leaves out nothing
        (0, 0, 49, 20),
        (0, 40, 49, -1),
        (0, 40, 49),
        (0, 40, 49, 10, 60, 9),  # two gaps
    ],
)
def test_unsound_ranges_are_none(numbers):
    assert guards.signed_range(numbers, _file(b"<0aFF 00>")) is None


def test_a_gap_that_is_no_hex_string_is_unsound():
    assert guards.signed_range((0, 40, 49, 20), _file(b"<0aFG 00>")) is None
    assert guards.signed_range((0, 40, 49, 20), _file(b"(0aFF 00)")) is None


def test_raw_signatures_are_those_whose_gap_is_theirs():
    head = b"%PDF-1.4 /ByteRange [0 60 70 10]  /ByteRange[0 1 2 3] /Contents "
    data = head[:60].ljust(60) + b"<01234567>" + b"y" * 10
    assert guards.raw_signatures(data) == (SignedRange(60, 70, 80),)


def test_thousands_of_raw_ranges_end_in_time():
    gap = b"<" + b"0" * 200_000 + b">"
    body = b"".join(b"/ByteRange[0 %d %d %d]" % (n, n + 5, n) for n in range(1, 20_000))
    start = time.process_time()
    guards.raw_signatures(body + gap)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("size", [1000, 4096, 100_000])
def test_a_plain_pdf_is_certainly_unsigned(size):
    assert guards.certainly_unsigned(make_plain_pdf(size))


@pytest.mark.parametrize(
    "word",
    [b"/ByteRange", b"/ObjStm", b"/Encrypt", b"/Sig", b"/By#74eRange", b"/Perms<</DocMDP 1 0 R>>"],
)
def test_any_doubt_means_a_closer_look(word):
    data = make_plain_pdf(4096).replace(b"/Type/Catalog", b"/Type/Catalog" + word)
    assert not guards.certainly_unsigned(data)


def test_a_pdf_without_end_or_header_is_looked_at_closer():
    data = make_plain_pdf(4096)
    assert not guards.certainly_unsigned(data[:-20])
    assert not guards.certainly_unsigned(b" " + data)


@pytest.mark.parametrize(
    ("contents", "hidden"),
    [
        (b"\x30\x03\x02\x01\x05", False),
        (b"\x30\x03\x02\x01\x05\x00\x00\x00", False),
        (b"\x30\x03\x02\x01\x05\x00\x01\x00", True),
        (b"\x30\x80\x02\x01\x05\x00\x00\x00\x00", False),  # indefinite length
        (b"\x30\x80\x02\x01\x05\x00\x00\x07", True),
        (b"\x30\x7f\x02", True),  # does not fit
        (b"", True),
    ],
)
def test_padding_must_be_zero(contents, hidden):
    assert guards.hidden_padding(contents) is hidden


def _update(at: int) -> tuple[bytes, Listed]:
    """An honest update placed at offset `at`: object, stream, table, trailer, startxref."""
    first = b"\n7 0 obj\n<</A (endobj \\) stream\n)/B<0aff>%c endobj\n>>\nendobj\n"
    second = b"8 0 obj <</Length 9 0 R>>stream\r\n8 0 obj x\r\nendstream\nendobj\n"
    third = b"9 0 obj 9 endobj\n"
    table = b"xref\n7 3\n" + b"".join(b"%010d 00000 n \n" % n for n in range(3))
    offsets = [
        (at + 1, 7, 0),
        (at + len(first), 8, 0),
        (at + len(first) + len(second), 9, 0),
    ]
    start = at + len(first) + len(second) + len(third)
    tail = table + b"trailer\n<</Size 10/Prev 3>>\nstartxref\n%d\n%%%%EOF\n" % start
    return first + second + third + tail, Listed(frozenset(offsets), frozenset({start}), {9: 9}.get)


def test_an_honest_update_is_explained():
    update, listed = _update(100)
    assert guards.stranger_after(b"s" * 100 + update, 100, listed) is None


def test_two_updates_and_blanks_are_explained():
    update, listed = _update(100)
    more, later = _update(100 + len(update) + 2)
    both = Listed(
        listed.objects | later.objects, listed.sections | later.sections, listed.number_at
    )
    assert (
        guards.stranger_after(b"s" * 100 + update + b"\r\n" + more + b"\x00 \n", 100, both) is None
    )


@pytest.mark.parametrize(
    ("extra", "is_object"),
    [
        (b"rubbish", False),
        (b"% AAAAAAAA", False),
        (b"%%EOF\n% hidden 1 0 obj", True),
        (b"\n5 0 obj\n<<>>\nendobj\n", True),
        (b"xref\n0 0\ntrailer\n<</Size 3>>\nstartxref\n5\n%%EOF", False),
        (b"startxref\n99999\n%%EOF", False),
        (b"%" + b"A" * 200 + b"\n%%EOF", False),
        (b"trailer<<>>", False),
    ],
)
def test_strangers_after_an_honest_update_are_told(extra, is_object):
    update, listed = _update(100)
    found = guards.stranger_after(b"s" * 100 + update + extra, 100, listed)
    assert found is not None
    assert found.is_object is is_object
    assert found.at >= 100 + len(update)


def test_an_object_that_is_not_listed_at_its_place_is_a_stranger():
    update, listed = _update(100)
    for step in ((1, 0, 0), (0, 1, 0), (0, 0, 1)):
        rows = {tuple(map(sum, zip(row, step, strict=True))) for row in listed.objects}
        moved = Listed(frozenset(rows), listed.sections, listed.number_at)
        found = guards.stranger_after(b"s" * 100 + update, 100, moved)
        assert found == Stranger(101, is_object=True)


def test_a_stream_that_is_longer_than_it_says_is_a_stranger():
    update, listed = _update(100)
    short = Listed(listed.objects, listed.sections, lambda _: 3)
    assert guards.stranger_after(b"s" * 100 + update, 100, short) is not None


def test_a_long_tail_of_remarks_or_blanks_ends_in_time():
    start = time.process_time()
    guards.stranger_after(b"%\n" * 300_000, 0, NOTHING)
    guards.stranger_after(b" " * 5_000_000, 0, NOTHING)
    guards.stranger_after(b"(" * 300_000, 0, NOTHING)
    assert time.process_time() - start < 5


@given(st.binary(max_size=400), st.integers(0, 400))
def test_any_tail_is_walked_to_an_answer(data, start):
    found = guards.stranger_after(data, min(start, len(data)), NOTHING)
    blank = not data[min(start, len(data)) :].strip(b" \t\r\n\f\x00")
    assert (found is None) or not blank
    guards.raw_signatures(data)
    guards.certainly_unsigned(data)
    guards.hidden_padding(data)
