"""What attackers do to a signed PDF, each as one function from good bytes to evil bytes.

Written by hand over bytes, because no library would write them. Names follow the papers: universal
signature forgery, incremental saving, signature wrapping (Mladenov et al. 2019), shadow attacks
(Mainka et al. 2021), evil annotation and sneaky signature (Rohlmann et al. 2021).
"""

import io
import re

from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from tests.golden.signatures.pages import page, stream, text_stream, update
from tests.golden.signatures.signing import _steady

EVIL = "QUYET DINH so 123/QD-SNV: chi 999 ty dong"
_RANGE = re.compile(rb"/ByteRange \[(\d+) (\d+) (\d+) (\d+)\] *")
_VALUE = re.compile(rb"/Contents <[0-9A-Fa-f]+>")


def byte_range(pdf: bytes, which: int = -1) -> tuple[int, int, int, int]:
    """Return the numbers of one ByteRange, the last one's by default."""
    found = [tuple(map(int, m.groups())) for m in _RANGE.finditer(pdf)][which]
    return found[0], found[1], found[2], found[3]


def value_of(pdf: bytes, which: int = -1) -> bytes:
    """Return the DER of one signature value with its padding."""
    _, first, second, _ = byte_range(pdf, which)
    return bytes.fromhex(pdf[first + 1 : second - 1].decode("ascii"))


def with_value(pdf: bytes, der: bytes, which: int = -1) -> bytes:
    """Return the file with another signature value in the same room."""
    _, first, second, _ = byte_range(pdf, which)
    room = second - first - 2
    text = der.hex().encode("ascii").ljust(room, b"0")
    assert len(text) == room, "the value does not fit"
    return pdf[: first + 1] + text + pdf[second - 1 :]


def trimmed(der: bytes) -> bytes:
    """Return a signature value without its padding."""
    return cms.ContentInfo.load(der).dump()


def text_changed(pdf: bytes) -> bytes:
    """Change the amount inside the signed bytes."""
    changed = pdf.replace(b"100 trieu", b"999 trieu", 1)
    assert changed != pdf
    return changed


# ---------------------------------------------------------------- universal signature forgery


def _forged(pdf: bytes, pattern: re.Pattern[bytes], become: bytes) -> bytes:
    """Change the text and replace what the verifier needs by something as long."""
    evil = text_changed(pdf)
    match = pattern.search(evil)
    assert match is not None
    assert len(become) <= len(match.group())
    return evil[: match.start()] + become.ljust(len(match.group())) + evil[match.end() :]


def usf_no_contents(pdf: bytes) -> bytes:
    """The value is not there."""
    return _forged(pdf, _VALUE, b"")


def usf_null_contents(pdf: bytes) -> bytes:
    """The value is null."""
    return _forged(pdf, _VALUE, b"/Contents null")


def usf_zero_contents(pdf: bytes) -> bytes:
    """The value is one zero byte."""
    return _forged(pdf, _VALUE, b"/Contents <00>")


def usf_no_byte_range(pdf: bytes) -> bytes:
    """What is signed is not told."""
    return _forged(pdf, _RANGE, b"")


def usf_null_byte_range(pdf: bytes) -> bytes:
    """What is signed is null."""
    return _forged(pdf, _RANGE, b"/ByteRange null")


def usf_negative_byte_range(pdf: bytes) -> bytes:
    """What is signed has a negative length."""
    return _forged(pdf, _RANGE, b"/ByteRange [0 -1 -1 -1]")


# ---------------------------------------------------------------- incremental saving


def _last_table(pdf: bytes) -> int:
    return int(pdf[pdf.rindex(b"startxref") :].split()[1])


def _evil_contents(number: int = 4) -> bytes:
    return b"%d 0 obj\n%b\nendobj\n" % (number, text_stream(EVIL))


def isa_no_table(pdf: bytes) -> bytes:
    """An object, and no table that lists it; the end says the old table counts."""
    end = b"startxref\n%d\n%%%%EOF\n" % _last_table(pdf)
    return pdf + b"\n" + _evil_contents() + end


def isa_no_end(pdf: bytes) -> bytes:
    """An object and nothing more."""
    return pdf + b"\n" + _evil_contents()


def isa_empty_table(pdf: bytes) -> bytes:
    """An object and an empty table in front of the old one."""
    body = pdf + b"\n" + _evil_contents()
    return body + (
        b"xref\n0 0\ntrailer\n<</Size 12/Root 1 0 R/Prev %d>>\nstartxref\n%d\n%%%%EOF\n"
        % (_last_table(pdf), len(body))
    )


def isa_rebuilt_table(pdf: bytes) -> bytes:
    """A well-formed update that replaces the page's contents."""
    return update(pdf, {4: text_stream(EVIL)})


def isa_copied_signature(pdf: bytes) -> bytes:
    """As before, with a copy of the signature object so that the last revision shows one."""
    match = re.search(rb"(\d+) 0 obj\s+(<<\s*/Contents.*?>>)\s+endobj", pdf, re.DOTALL)
    assert match is not None
    return update(pdf, {4: text_stream(EVIL), int(match.group(1)): match.group(2)})


def isa_wrong_offset(pdf: bytes) -> bytes:
    """The end points between the tables: readers that repair find the evil object."""
    end = b"startxref\n%d\n%%%%EOF\n" % (len(pdf) + 7)
    return pdf + b"\n" + _evil_contents() + end


def _stream_table(at: int, rows: dict[int, bytes], previous: int, *, link: bool = True) -> bytes:
    """Return a cross-reference stream, object 60, that stands at `at`."""
    entries = {**rows, 60: b"\x01" + at.to_bytes(4, "big") + b"\x00"}
    index = b" ".join(b"%d 1" % number for number in sorted(entries))
    head = b"/Type/XRef/Size 61/W[1 4 1]/Index[%b]/Root 1 0 R" % index
    head += b"/Prev %d" % previous if link else b""
    return b"60 0 obj\n%b\nendobj\n" % stream(b"".join(v for _, v in sorted(entries.items())), head)


def isa_stream_table(pdf: bytes) -> bytes:
    """A well-formed update whose table is a stream."""
    row = b"\x01" + len(pdf).to_bytes(4, "big") + b"\x00"
    body = pdf + _evil_contents()
    table = _stream_table(len(body), {4: row}, _last_table(pdf))
    return body + table + b"startxref\n%d\n%%%%EOF\n" % len(body)


def isa_object_stream(pdf: bytes) -> bytes:
    """An update that hides another page inside an object stream."""
    inner = page(b"62 0 R")
    packed = b"61 0 obj\n%b\nendobj\n" % stream(b"3 0 " + inner, b"/Type/ObjStm/N 1/First 4")
    contents_at = len(pdf) + len(packed)
    body = pdf + packed + _evil_contents(62)
    rows = {
        3: b"\x02" + (61).to_bytes(4, "big") + b"\x00",
        61: b"\x01" + len(pdf).to_bytes(4, "big") + b"\x00",
        62: b"\x01" + contents_at.to_bytes(4, "big") + b"\x00",
    }
    table = _stream_table(len(body), rows, _last_table(pdf))
    return body + table + b"startxref\n%d\n%%%%EOF\n" % len(body)


def isa_hybrid_table(pdf: bytes) -> bytes:
    """An update whose plain table lists nothing, and whose hidden stream lists the evil object."""
    row = b"\x01" + len(pdf).to_bytes(4, "big") + b"\x00"
    body = pdf + _evil_contents()
    hidden = len(body)
    body += _stream_table(hidden, {4: row}, 0, link=False)
    return body + (
        b"xref\n0 0\ntrailer\n<</Size 61/Root 1 0 R/Prev %d/XRefStm %d>>\nstartxref\n%d\n%%%%EOF\n"
        % (_last_table(pdf), hidden, len(body))
    )


# ---------------------------------------------------------------- signature wrapping


def swa_moved_range(pdf: bytes) -> bytes:
    """The second part of what is signed is moved back, and evil put where it was.

    The signed dictionary names the ByteRange before the value, as many tools write it; behind the
    value a second ByteRange says where the second part is now.
    """
    _, first, second, last = byte_range(pdf)
    table = _last_table(pdf)
    head, value, tail = pdf[:first], pdf[first:second], pdf[second:]
    evil = b"\n/Type /Sig>>\nendobj\n"
    body_at = table + 400
    contents = _evil_contents()
    moved = body_at + len(contents) + 200
    spare = b"/ByteRange [0 %d %d %d]" % (first, moved, last)
    section = b"xref\n4 1\n%010d 00000 n \n" % body_at
    old_trailer = pdf[pdf.rindex(b"trailer") : pdf.rindex(b"startxref")]
    middle = (value + b"\n" + spare + evil).ljust(table - first)
    assert len(middle) == table - first, "no room before the table"
    middle += _with_old_rows(pdf, table, section, second, moved) + old_trailer
    assert len(head) + len(middle) <= body_at
    middle = middle.ljust(body_at - first) + contents
    return head + middle.ljust(moved - first) + tail


def _with_old_rows(pdf: bytes, table: int, section: bytes, second: int, moved: int) -> bytes:
    """Return the last table with the evil row, and rows behind the value put right."""
    end = pdf.index(b"trailer", table)
    rows = pdf[table + len(b"xref\n") : end]

    def shifted(match: re.Match[bytes]) -> bytes:
        offset = int(match.group(1))
        return b"%010d 00000 n" % (offset if offset < second else offset + moved - second)

    return section + re.sub(rb"(\d{10}) 00000 n", shifted, rows)


def value_key_twice(pdf: bytes) -> bytes:
    """A second ByteRange in the gap names all but the evil part."""
    _, first, second, last = byte_range(pdf)
    extra = b"/ByteRange [0 %d %d %d]" % (first, second + 60, last)
    evil = (extra + b" /Reason (thay noi dung)").ljust(60)
    return pdf[:second] + evil + pdf[second:]


# ---------------------------------------------------------------- shadows


def shadow_hide(pdf: bytes) -> bytes:
    """Free the picture that hid the true amount."""
    return update(pdf, {}, freed=(7,))


def shadow_hide_annotation(pdf: bytes) -> bytes:
    """Put an annotation without a look over the amount: readers draw it from its colours."""
    box = b"<</Type/Annot/Subtype/Square/Rect[60 690 520 720]/F 4/C[1 1 1]/IC[1 1 1]>>"
    return update(pdf, {30: box, 3: page(extra=b"/Annots[30 0 R]")})


def shadow_replace_form(pdf: bytes) -> bytes:
    """Change the look of a filled field, its value as it was."""
    return update(
        pdf,
        {
            7: stream(
                b"BT /F1 12 Tf 2 4 Td (999 ty) Tj ET",
                b"/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F1 5 0 R>>>>",
            )
        },
    )


def shadow_replace_font(pdf: bytes) -> bytes:
    """Replace the font: the letter 1 is drawn as 9, 0 as 9."""
    font = (
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica"
        b"/Encoding<</Type/Encoding/Differences[48/nine/nine]>>>>"
    )
    return update(pdf, {5: font})


def shadow_swap_catalogue(pdf: bytes) -> bytes:
    """Make the hidden catalogue the true one."""
    return update(pdf, {}, root=b"10 0 R")


def shadow_hide_by_catalogue(pdf: bytes) -> bytes:
    """Write a copy of the catalogue over the picture that hid the true amount, and use that."""
    start = pdf.rindex(b"\n1 0 obj") + len(b"\n1 0 obj")
    catalogue = pdf[start : pdf.index(b"endobj", start)].strip()
    return update(pdf, {7: catalogue}, root=b"7 0 R")


def shadow_swap_pages(pdf: bytes) -> bytes:
    """Replace the page tree by the hidden one."""
    return update(pdf, {2: b"<</Type/Pages/Kids[12 0 R]/Count 1>>"})


# ---------------------------------------------------------------- certified documents


def annotation_added(pdf: bytes, text: str = "Da doc") -> bytes:
    """Add a comment with a look of its own in the margin."""
    look = stream(
        f"BT /F1 10 Tf 2 4 Td ({text}) Tj ET".encode("ascii"),
        b"/Type/XObject/Subtype/Form/BBox[0 0 100 20]/Resources<</Font<</F1 5 0 R>>>>",
    )
    note = (
        b"<</Type/Annot/Subtype/FreeText/Rect[450 20 550 40]/F 4/DA(/F1 10 Tf)/Contents(%b)"
        b"/AP<</N 31 0 R>>>>" % text.encode("ascii")
    )
    return _annotated(pdf, {30: note, 31: look})


def eaa_annotation_over_text(pdf: bytes) -> bytes:
    """Evil annotation: a comment whose look covers the amount with another."""
    look = stream(
        b"1 g 0 0 460 40 re f 0 g BT /F1 14 Tf 12 12 Td (" + EVIL.encode("ascii") + b") Tj ET",
        b"/Type/XObject/Subtype/Form/BBox[0 0 460 40]/Resources<</Font<</F1 5 0 R>>>>",
    )
    note = (
        b"<</Type/Annot/Subtype/FreeText/Rect[60 688 520 728]/F 4/DA(/F1 14 Tf)/Contents()"
        b"/AP<</N 31 0 R>>>>"
    )
    return _annotated(pdf, {30: note, 31: look})


def _annotated(pdf: bytes, extra: dict[int, bytes]) -> bytes:
    """Add object 30 to the page's annotations, which may be an array there or on its own."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        shown = writer.root["/Pages"]["/Kids"][0]
        old = list(shown.get("/Annots", ()))
        reference = generic.IndirectObject(30, 0, writer)
        shown[pdf_name("/Annots")] = generic.ArrayObject([*old, reference])
        writer.update_container(shown)

    return update(_updated(pdf, change), extra)


def ssa_empty_field_over_text(pdf: bytes) -> bytes:
    """Sneaky signature: a signature field that nobody signed, with a look over the amount."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        shown = writer.root["/Pages"]["/Kids"][0]
        reference = generic.IndirectObject(30, 0, writer)
        old = list(shown.get("/Annots", ()))
        shown[pdf_name("/Annots")] = generic.ArrayObject([*old, reference])
        writer.update_container(shown)
        form = writer.root["/AcroForm"]
        form["/Fields"].append(reference)
        writer.update_container(form["/Fields"])

    field = (
        b"<</Type/Annot/Subtype/Widget/FT/Sig/T(OKyTrong)/Rect[60 688 520 728]/F 132/P 3 0 R"
        b"/AP<</N 31 0 R>>>>"
    )
    look = stream(
        b"1 g 0 0 460 40 re f 0 g BT /F1 14 Tf 12 12 Td (" + EVIL.encode("ascii") + b") Tj ET",
        b"/Type/XObject/Subtype/Form/BBox[0 0 460 40]/Resources<</Font<</F1 5 0 R>>>>",
    )
    return update(_updated(pdf, change), {30: field, 31: look})


def field_filled(pdf: bytes, value: str = "200 trieu") -> bytes:
    """Fill the text field anew, value and look, as a form program does."""
    look = stream(
        f"BT /F1 12 Tf 2 4 Td ({value}) Tj ET".encode("ascii"),
        b"/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F1 5 0 R>>>>",
    )
    body = (
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(SoTien)/V(%b)/DA(/F1 12 Tf 0 g)"
        b"/Rect[72 600 272 620]/F 4/P 3 0 R/AP<</N 7 0 R>>>>" % value.encode("ascii")
    )
    return update(pdf, {6: body, 7: look})


def page_added(pdf: bytes) -> bytes:
    """Add a second page."""
    return update(
        pdf,
        {
            2: b"<</Type/Pages/Kids[3 0 R 30 0 R]/Count 2>>",
            30: page(b"31 0 R"),
            31: text_stream("PHU LUC: chi them 999 ty dong"),
        },
    )


# ---------------------------------------------------------------- removal


def removed_form(pdf: bytes) -> bytes:
    """Drop the form: nothing lists the signatures any more."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        del writer.root["/AcroForm"]
        writer.update_root()

    return _updated(pdf, change)


def removed_field(pdf: bytes) -> bytes:
    """Empty the form's list of fields."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        form = writer.root["/AcroForm"]
        form[pdf_name("/Fields")] = generic.ArrayObject()
        writer.update_container(form)

    return _updated(pdf, change)


def removed_value(pdf: bytes) -> bytes:
    """Take the value off the field: an empty field is left, and other words."""

    def change(writer: IncrementalPdfFileWriter) -> None:
        field = writer.root["/AcroForm"]["/Fields"][0]
        del field["/V"]
        writer.update_container(field)

    return update(_updated(pdf, change), {4: text_stream(EVIL)})


def _updated(pdf: bytes, change) -> bytes:
    with _steady():
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
        change(writer)
        out = io.BytesIO()
        writer.write(out)
    return out.getvalue()


# ---------------------------------------------------------------- around the value


def padding_filled(pdf: bytes) -> bytes:
    """Write into the room after the value."""
    _, _, second, _ = byte_range(pdf)
    word = b"DEADBEEF"
    at = second - 1 - len(word)
    assert set(pdf[at : second - 1]) == {0x30}
    return pdf[:at] + word + pdf[second - 1 :]


def garbage_appended(pdf: bytes) -> bytes:
    """Write words after the end."""
    return pdf + b"\nday la du lieu la khong thuoc ban cap nhat nao\n"


def stamp_copied(target: bytes, source: bytes) -> bytes:
    """Put the time-stamp token of one file's signature into another's."""
    signed = cms.ContentInfo.load(trimmed(value_of(target)))
    other = cms.ContentInfo.load(trimmed(value_of(source)))
    attributes = other["content"]["signer_infos"][0]["unsigned_attrs"]
    signed["content"]["signer_infos"][0]["unsigned_attrs"] = attributes
    return with_value(target, signed.dump(force=True))


def stamp_doubled(target: bytes, source: bytes) -> bytes:
    """Put the token of another file's signature beside the true one."""
    signed = cms.ContentInfo.load(trimmed(value_of(target)))
    other = cms.ContentInfo.load(trimmed(value_of(source)))
    info = signed["content"]["signer_infos"][0]
    more = other["content"]["signer_infos"][0]["unsigned_attrs"][0]["values"][0]
    tokens = [more.copy(), *[v.copy() for v in info["unsigned_attrs"][0]["values"]]]
    info["unsigned_attrs"] = cms.CMSAttributes(
        [{"type": "signature_time_stamp_token", "values": tokens}]
    )
    return with_value(target, signed.dump(force=True))


def value_changed(pdf: bytes) -> bytes:
    """Flip a bit of the cryptographic value itself."""
    signed = cms.ContentInfo.load(trimmed(value_of(pdf)))
    info = signed["content"]["signer_infos"][0]
    raw = bytearray(info["signature"].native)
    raw[40] ^= 1
    info["signature"] = bytes(raw)
    return with_value(pdf, signed.dump(force=True))


def value_swapped(target: bytes, source: bytes) -> bytes:
    """Put the signature value of one document into another."""
    return with_value(target, trimmed(value_of(source)))


def truncated(pdf: bytes) -> bytes:
    """Lose the last quarter of the file."""
    return pdf[: len(pdf) * 3 // 4]


def two_ends_short(pdf: bytes) -> bytes:
    """Lose the last forty bytes: the end is gone, the signed range points past it."""
    return pdf[:-40]


def encrypted(pdf: bytes, password: str) -> bytes:
    """Return a copy that asks for a password; signatures are not kept."""
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.pdf_utils.writer import copy_into_new_writer

    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(pdf)))
    writer.encrypt(owner_pass="owner", user_pass=password)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()
