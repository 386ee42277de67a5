"""What the quick parser accepts, the library accepts, and reads to the same values."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.xref import XRefSectionData, parse_xref_table

from gateway.trust.differences import Reader
from gateway.trust.quickread import table_entries
from gateway.trust.quicktokens import NotPlainError, parse_object, parse_packed
from tests.world.signed_files import letter, once, twice
from tests.world.updates import LAWFUL, VARIANTS, updated, written

PIECES = [
    b"<<", b">>", b"[", b"]", b"<", b">", b"(", b")", b"/", b"/A", b"/B", b"/K", b"/Length", b"/A#42", b"/\xc3\xa1",
    b"12 0 R", b"12  0 R", b"0 0 R", b"012 0 R", b"12\n0\rR", b"12 0 Rx", b"R", b"12 1 R", b"1", b"-2", b"+3", b"1.5", b"-.5",
    b"4.", b"--1", b"1,2", b"1e5", b"99999999999999999999", b"true", b"false", b"null", b"nullx", b"truefalse",
    b"<AB>", b"<ab1>", b"<A B>", b"<>", b"<<AB>>", b"(x)", b"(a\\053)", b"(\\9)", b"(a(b)c)", b"(\\", b"(a\r\nb)", b"%x\n", b"%",
    b" ", b"\n", b"\r\n", b"\t", b"\x00", b"\f", b"\x0b", b"stream", b"stream\n", b"endstream", b"endobj", b"obj", b"{", b"}",
    b"<</Length 1>>stream\nx\nendstream", b"<</Length 9>>stream\nx\nendstream", b"<</Length 1>>stream\rx\nendstream",
]  # fmt: skip


class Handler:
    """A handler of its own, so that references can be told apart."""

    strict = True

    def get_object(self, ref, *args, **kwargs):
        return generic.NumberObject(1)


HANDLER = Handler()


def same(left, right):
    """Compare two values as written, references by number and handler."""
    if type(left) is not type(right):
        return False
    if isinstance(left, generic.IndirectObject):
        ours, theirs = left.reference, right.reference
        return (ours.idnum, ours.generation, ours.pdf) == (
            theirs.idnum,
            theirs.generation,
            theirs.pdf,
        )
    if isinstance(left, generic.StreamObject) and left.encoded_data != right.encoded_data:
        return False
    if isinstance(left, generic.DictionaryObject):
        return list(left) == list(right) and all(
            same(dict.__getitem__(left, k), dict.__getitem__(right, k)) for k in left
        )
    if isinstance(left, generic.ArrayObject):
        pairs = zip(list.__iter__(left), list.__iter__(right), strict=False)
        return len(left) == len(right) and all(same(a, b) for a, b in pairs)
    if isinstance(left, generic.TextStringObject | generic.ByteStringObject):
        return left == right and left.original_bytes == right.original_bytes
    if isinstance(left, generic.FloatObject):
        return left.as_tuple() == right.as_tuple()
    return left == right


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=14), st.sampled_from([b"", b" ", b"\n"]))
def test_values_read_alike(pieces, between):
    data = between.join(pieces) + b" 1"
    holder = Reference(5, 0, HANDLER)
    try:
        quick = parse_packed(data, 0, holder, HANDLER)
    except NotPlainError:
        return
    stream = io.BytesIO(data)
    generic.read_non_whitespace(stream, seek_back=True)
    full = generic.read_object(stream, holder)
    assert same(quick, full)
    assert quick.container_ref is holder


@settings(max_examples=400)
@given(
    st.lists(st.sampled_from(PIECES), max_size=10),
    st.sampled_from([b"", b" ", b"\n"]),
    st.sampled_from(
        [b"5 0 obj\n", b"5 0 obj", b" 5 0 obj\n", b"5  0 obj ", b"6 0 obj\n", b"5 0 obx\n"]
    ),
    st.sampled_from(
        [b"\nendobj\nx", b"endobj x", b"\nendobj", b"\nendobj %x\n", b"\nendob", b" %c\nendobj x"]
    ),
)
def test_objects_read_alike(pieces, between, head, tail):
    body = head + between.join(pieces) + tail
    pdf = b"%PDF-1.4\n" + body
    wanted = Reference(5, 0, HANDLER)
    try:
        quick, _ = parse_object(pdf, 9, wanted, HANDLER, HANDLER)
    except NotPlainError:
        return
    reader = PdfFileReader.__new__(PdfFileReader)
    reader.strict, reader.stream = True, io.BytesIO(pdf)
    reader._security_handler, reader.trailer = None, generic.DictionaryObject()
    full = reader._read_object(wanted, 9)
    holder = Handler()
    assert same(_rebound(quick, holder), _rebound(full, holder))


def _rebound(value, handler):
    """Return a value whose references resolve with one handler."""
    if isinstance(value, generic.IndirectObject):
        return generic.IndirectObject(value.idnum, value.generation, handler)
    if isinstance(value, generic.DictionaryObject):
        for key in value:
            dict.__setitem__(value, key, _rebound(dict.__getitem__(value, key), handler))
    if isinstance(value, generic.ArrayObject):
        value[:] = [_rebound(v, handler) for v in list.__iter__(value)]
    return value


ROWS = [
    b"0000000017 00000 n \n", b"0000000017 00000 n\r\n", b"0000000000 65535 f \n", b"0000000099 00001 f \r",
    b"0000000017 00002 n \n", b"0000000017 99999 n \n", b"0000000017 00000 n\n", b"      0017 00000 n \n",
    b"0000000017 00000 x \n", b"000000001700000 n \n", b"", b"\n",
]  # fmt: skip


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"0", b"3", b"7", b"03"]),
            st.integers(0, 4),
            st.lists(st.sampled_from(ROWS), max_size=4),
        ),
        max_size=3,
    ),
    st.sampled_from([b"\n", b" \n", b"\r\n", b"\n\n", b" "]),
    st.sampled_from(
        [b"trailer\n<<", b"trailer<<", b"trailer %x\n<<", b"\ntrailer  <<", b"trailex"]
    ),
)
def test_tables_read_alike(sections, end, tail):
    data = b"xref\n" + b"".join(
        first + b" %d" % (len(rows) if count == 4 else count) + end + b"".join(rows)
        for first, count, rows in sections
    ) + tail + b"/Size 9>>"  # fmt: skip
    found = table_entries(data, 5)
    if found is None:
        return
    quick, highest, at = found
    stream = io.BytesIO(data)
    stream.seek(5)
    full = XRefSectionData()
    theirs = full.process_entries(parse_xref_table(stream, strict=True), strict=True)
    assert stream.tell() == at
    assert highest >= theirs
    for name in ("freed", "standard_xrefs", "explicit_refs_in_revision", "xrefs_in_objstm"):
        assert getattr(quick, name) == getattr(full, name)


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("name", [*sorted(VARIANTS), "letter", "once", "twice"])
def test_every_object_of_a_file_is_the_same(name, strict):
    made = {"letter": letter, "once": once, "twice": twice}
    files = (
        [made[name]()]
        if name in made
        else [updated(written(VARIANTS[name], packed=p), *LAWFUL.values()) for p in (False, True)]
    )
    for pdf in files:
        assert _compared(pdf, strict) > 10


def _compared(pdf, strict):
    try:
        full = PdfFileReader(io.BytesIO(pdf), strict=strict)
    except Exception as exc:  # noqa: BLE001 — what the library refuses, the quick reader refuses
        with pytest.raises(type(exc)):
            Reader(pdf, strict=strict)
        return 99
    quick = Reader(pdf, strict=strict)
    states = range(full.xrefs.total_revisions)
    refs = {ref for n in states for ref in full.xrefs.explicit_refs_in_revision(n)}
    for ref in refs:
        for revision in (None, *states):
            found = []
            for reader in (quick, full):
                try:
                    asked = Reference(ref.idnum, ref.generation, reader)
                    found.append(reader.get_object(asked, revision=revision))
                except Exception as exc:  # noqa: BLE001 — the same fault, whatever it is
                    found.append(type(exc))
            ours, theirs = found
            if isinstance(theirs, type):
                assert ours is theirs
            else:
                holder = Handler()
                assert same(_rebound(ours, holder), _rebound(theirs, holder)), (ref, revision)
    return len(refs)
