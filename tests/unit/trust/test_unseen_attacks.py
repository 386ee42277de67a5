"""Attacks nobody had tried: what is shown changes while the structure stays honest; PKI out of scope.

A table each: what is never valid, with the remark that tells why, and the honest look-alikes that
stay valid. Beside the golden set, which has the attacks of the papers.
"""

import functools
import hashlib
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.content import RawContent
from pyhanko.pdf_utils.generic import pdf_name as name
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.stamp import StaticStampStyle

from gateway.trust.anchors import TrustStore
from gateway.trust.verify import verify_file
from tests.golden.signatures import attacks, authority, pages, signing
from tests.golden.signatures.authority import NOW, certificate, private_key
from tests.golden.signatures.cases import build
from tests.golden.signatures.pages import classic, objects, page, stream, text_stream, update
from tests.golden.signatures.signing import How, sign

COVER = b"1 g 0 0 460 40 re f 0 g BT /F1 14 Tf 12 12 Td (chi 999 ty dong) Tj ET"
LOOK = b"/Type/XObject/Subtype/Form/BBox[0 0 460 40]/Resources<</Font<</F1 5 0 R>>>>"
OVER_TEXT = (60, 688, 520, 728)


@functools.cache
def _store():
    with tempfile.TemporaryDirectory() as folder:
        return TrustStore.load(authority.lay_out_trust(Path(folder) / "trust"))


def judge(pdf):
    return verify_file(pdf, sha256=hashlib.sha256(pdf).hexdigest(), at=NOW, store=_store())


def codes(report):
    found = {n.code for n in report.notes}
    return found | {n.code for s in report.signatures for n in s.notes}


def _numbers(*values):
    return generic.ArrayObject([generic.NumberObject(v) for v in values])


def _entries(**values):
    return generic.DictionaryObject({name(f"/{k}"): v for k, v in values.items()})


# ---------------------------------------------------------------- fields and annotations


def _with_field(pdf, *, look=COVER, box=OVER_TEXT, kind="/Widget", extra=None, turn=False):
    """Add a signature field that nobody signed; perhaps draw the old annotations in turn."""

    def change(writer):
        shown = writer.root["/Pages"]["/Kids"][0]
        field = _entries(
            FT=name("/Sig"),
            T=generic.pdf_string("OThem"),
            Type=name("/Annot"),
            Subtype=name(kind),
            Rect=_numbers(*box),
            F=generic.NumberObject(132),
            P=generic.IndirectObject(3, 0, writer),
        )
        field.update(extra or {})
        if look is not None:
            drawn = generic.StreamObject(stream_data=look)
            drawn.update(_entries(Type=name("/XObject"), Subtype=name("/Form")))
            drawn[name("/BBox")] = _numbers(0, 0, 460, 40)
            font = _entries(F1=generic.IndirectObject(5, 0, writer))
            drawn[name("/Resources")] = _entries(Font=font)
            field[name("/AP")] = _entries(N=writer.add_object(drawn))
        reference = writer.add_object(field)
        old = list(list.__iter__(shown["/Annots"])) if "/Annots" in shown else []
        old = [*old[1::-1], *old[2:]] if turn else old
        shown[name("/Annots")] = generic.ArrayObject([*old, reference])
        writer.update_container(shown)
        fields = writer.root["/AcroForm"]["/Fields"]
        fields.append(reference)
        writer.update_container(fields)
        writer.update_container(writer.root["/AcroForm"])

    return attacks._updated(pdf, change)


@functools.cache
def _annotated():
    """A signed page on which one comment hides another."""
    bodies = objects()
    bodies[3] = page(extra=b"/Annots[6 0 R 7 0 R]")
    for number in (6, 7):
        bodies[number] = (
            b"<</Type/Annot/Subtype/FreeText/Rect[60 600 520 640]/F 4/DA(/F1 10 Tf)/Contents(x)"
            b"/AP<</N %d 0 R>>>>" % (number + 2)
        )
    bodies[8], bodies[9] = stream(COVER, LOOK), stream(COVER.replace(b"999 ty", b"1 trieu"), LOOK)
    return sign(classic(bodies))


@functools.cache
def _form(*, drawn=True, flags=b""):
    """A signed form whose one value is drawn by the form's defaults."""
    bodies = objects()
    bodies[1] = (
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[6 0 R]/DR<</Font<</F1 5 0 R>>>>"
        b"/DA(/F1 12 Tf 0 g)>>>>"
    )
    bodies[3] = page(extra=b"/Annots[6 0 R]")
    bodies[6] = (
        b"<</Type/Annot/Subtype/Widget/FT/Tx/T(SoTien)/V(100 trieu)/Rect[72 600 272 620]/F 4"
        b"/P 3 0 R%b%b>>" % (b"/AP<</N 7 0 R>>" if drawn else b"", flags)
    )
    bodies[7] = stream(b"BT /F1 12 Tf 2 4 Td (100 trieu) Tj ET", LOOK)
    return sign(classic(bodies))


def _form_turned(pdf, change):
    def turned(writer):
        form = writer.root["/AcroForm"]
        change(form, writer)
        writer.update_container(form)

    return attacks._updated(pdf, turned)


def _white(form, _):
    form[name("/DA")] = generic.pdf_string("/F1 12 Tf 1 g")


def _redrawn(form, _):
    form[name("/NeedAppearances")] = generic.BooleanObject(True)


def _other_letters(form, writer):
    swapped = generic.ArrayObject([generic.NumberObject(49), name("/nine")])
    font = _entries(
        Type=name("/Font"),
        Subtype=name("/Type1"),
        BaseFont=name("/Helvetica"),
        Encoding=_entries(Type=name("/Encoding"), Differences=swapped),
    )
    form["/DR"]["/Font"][name("/F1")] = writer.add_object(font)


def _masked(form, writer):
    field = form["/Fields"][0]
    field[name("/Ff")] = generic.NumberObject(1 << 13)
    writer.update_container(field)


# ---------------------------------------------------------------- a later signature's picture


def _sealed(pdf, box, drawn):
    """Sign as the agency, with a picture drawn by these operators."""
    width, height = box[2] - box[0], box[3] - box[1]
    content = RawContent(drawn, box=BoxConstraints(width=width, height=height))
    style = StaticStampStyle(border_width=0, background=content, background_opacity=1.0)
    signer = functools.partial(signing.PdfSigner, stamp_style=style)
    with patch.object(signing, "PdfSigner", signer):
        return sign(pdf, "agency", "CoQuan", How(box=box))


RING = b"1 0 0 RG 3 w 20 60 m 100 60 l S 60 20 m 60 100 l S 10 10 100 100 re S"


# ---------------------------------------------------------------- bytes


def _listed_as_another():
    """A second page content, listed under a number that nothing uses."""
    pdf = build("b-t")
    size = pages._size(pdf)
    made = update(pdf, {4: text_stream(attacks.EVIL)})
    made = made.replace(b"\n4 1\n", b"\n%d 1\n" % size)
    at = made.rindex(b"trailer")
    return made[:at] + made[at:].replace(b"/Size %d" % size, b"/Size %d" % (size + 1))


def _table_as_object(number, base="b-t", *, lists_itself=False, words=b""):
    """A cross-reference stream that carries the number of something signed."""
    pdf = build(base)
    at, size = len(pdf), pages._size(pdf)
    row = b"\x01" + at.to_bytes(4, "big") + (words or b"\x00")
    head = b"/Type/XRef/Subtype/Form/BBox[0 0 595 842]/Size %d/W[1 4 %d]" % (
        size + 1,
        len(words) or 1,
    )
    head += b"/Index[%d 1]/Root 1 0 R" % (number if lists_itself else size)
    head += b"/Prev %d" % attacks._last_table(pdf)
    table = b"%d 0 obj\n%b\nendobj\n" % (number, stream(row, head))
    return pdf + table + b"startxref\n%d\n%%%%EOF\n" % at


def _other_generation():
    pdf = build("b-t")
    made = update(pdf, {4: text_stream(attacks.EVIL)})
    body = made[len(pdf) :].replace(b"4 0 obj", b"4 1 obj").replace(b" 00000 n", b" 00001 n")
    return made[: len(pdf)] + body


def _shown(pdf, entry, number=0, body=b""):
    """Add an entry to the catalogue, and perhaps write an object over."""
    start = pdf.rindex(b"\n1 0 obj") + len(b"\n1 0 obj")
    catalogue = pdf[start : pdf.index(b"endobj", start)].strip()[:-2] + entry + b">>"
    return update(pdf, {1: catalogue, **({number: body} if number else {})})


def _evil_then_old_end():
    pdf = build("b-t")
    evil = update(pdf, {4: text_stream(attacks.EVIL)})
    return evil + pdf[pdf.rindex(b"startxref") :]


NEVER_VALID = {
    # found here
    "look of a field nobody signed": (lambda: _with_field(build("b-t")), "unsigned-look"),
    "the same after two signatures": (
        lambda: _with_field(build("two-signatures")),
        "unsigned-look",
    ),
    "comment that calls itself a field": (
        lambda: _with_field(build("b-t"), look=None, kind="/FreeText"),
        "unsigned-look",
    ),
    "field that is a link": (
        lambda: _with_field(build("b-t"), look=None, extra={name("/A"): _entries(S=name("/URI"))}),
        "unsigned-look",
    ),
    "field with a ground of its own": (
        lambda: _with_field(
            build("b-t"), look=None, extra={name("/MK"): _entries(BG=_numbers(1, 1, 1))}
        ),
        "unsigned-look",
    ),
    "comments drawn in another order": (
        lambda: _with_field(_annotated(), look=None, box=(0, 0, 0, 0), turn=True),
        "annotations-reordered",
    ),
    "the same, and then signed by one who is trusted": (
        lambda: sign(
            _with_field(_annotated(), look=None, box=(0, 0, 0, 0), turn=True), "agency", "OThem"
        ),
        "annotations-reordered",
    ),
    "white default of a form": (
        lambda: _form_turned(_form(drawn=False), _white),
        "form-defaults-changed",
    ),
    "form to be drawn anew": (lambda: _form_turned(_form(), _redrawn), "form-defaults-changed"),
    "other letters in a form's font": (
        lambda: _form_turned(_form(drawn=False), _other_letters),
        "form-defaults-changed",
    ),
    "value shown as a password": (
        lambda: _form_turned(_form(drawn=False), _masked),
        "form-defaults-changed",
    ),
    "trusted seal that covers the text": (
        lambda: _sealed(build("b-t"), OVER_TEXT, COVER.split(b" BT")[0]),
        "words-covered",
    ),
    "trusted seal that covers a letter": (
        lambda: _sealed(build("b-t"), (330, 695, 345, 715), b"1 g 0 0 15 20 re f"),
        "words-covered",
    ),
    "object listed under another number": (_listed_as_another, "unlisted-object"),
    "table with the number of the content": (lambda: _table_as_object(4), "unlisted-object"),
    "table with the number of the font": (lambda: _table_as_object(5), "unlisted-object"),
    "table with the number of the cover": (
        lambda: _table_as_object(7, "overlay-asleep"),
        "unlisted-object",
    ),
    # already caught
    "table that lists itself over the cover": (
        lambda: _table_as_object(7, "overlay-asleep", lists_itself=True),
        "page-changed",
    ),
    "table that is a page's content": (
        lambda: _table_as_object(4, lists_itself=True, words=b" BT (chi 999 ty) Tj ET "),
        "",
    ),
    "content of another generation": (_other_generation, "page-changed"),
    "layers switched off": (
        lambda: _shown(build("b-t"), b"/OCProperties<</OCGs[]/D<</BaseState/OFF>>>>"),
        "unclassified-change",
    ),
    "marks written over the font": (
        lambda: _shown(build("b-t"), b"/MarkInfo 5 0 R", 5, b"<</Marked true>>"),
        "page-changed",
    ),
    "evidence written over the font": (
        lambda: _shown(build("b-t"), b"/DSS 5 0 R", 5, b"<</Type/DSS>>"),
        "page-changed",
    ),
    "old end behind a new state": (_evil_then_old_end, "unlisted-object"),
    "another PDF behind": (
        lambda: build("b-t") + pages.plain(attacks.EVIL),
        "page-changed",
    ),
    "another PDF before": (lambda: pages.plain(attacks.EVIL) + build("b-t"), "unreadable-pdf"),
    "words before the header": (lambda: b"<html><!--\n" + build("b-t"), "unreadable-pdf"),
}


@pytest.mark.parametrize("attack", NEVER_VALID)
def test_what_shows_otherwise_than_it_was_signed_is_never_valid(attack):
    make, code = NEVER_VALID[attack]
    report = judge(make())
    assert report.verdict.value in {"invalid", "indeterminate", "unreadable"}
    assert not code or code in codes(report)


HONEST = {
    "form": _form,
    "form without looks": lambda: _form(drawn=False),
    "form signed twice": lambda: sign(_form(), "agency", "CoQuan"),
    "comments, and a second signature": lambda: sign(_annotated(), "agency", "CoQuan"),
    "place for a signature to come": lambda: _with_field(
        build("b-t"), look=None, box=(350, 100, 500, 160)
    ),
    "the same, signed": lambda: sign(
        _with_field(build("b-t"), look=None, box=(350, 100, 500, 160)), "agency", "OThem"
    ),
    "seal over text and signature": lambda: _sealed(
        sign(pages.plain(), how=How(box=(300, 640, 420, 700))), (280, 620, 400, 740), RING
    ),
    "white seal beside the text, over the signature": lambda: _sealed(
        sign(pages.plain(), how=How(box=(300, 600, 420, 660))),
        (280, 590, 340, 670),
        b"1 g 0 0 60 80 re f 1 0 0 RG 3 w 10 10 40 60 re S",
    ),
    "archived with a seal": lambda: _sealed(build("b-lta"), (300, 600, 420, 680), RING),
    "defaults of a form without values": lambda: _form_turned(build("b-t"), _white),
}


@pytest.mark.parametrize("case", HONEST)
def test_honest_look_alikes_stay_valid(case):
    report = judge(HONEST[case]())
    assert report.verdict.value == "valid", codes(report)


# ---------------------------------------------------------------- certificates out of scope


def _made_for(*purposes, critical=False):
    key, issuer = private_key("person"), certificate("issuing")
    signer = private_key("issuing")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Mục đích khác")]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(500)
        .not_valid_before(datetime(2025, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2028, 1, 1, tzinfo=UTC))
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
        )
    )
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical)
    made = builder.sign(signer, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize(
    "purpose", ["SERVER_AUTH", "CODE_SIGNING", "TIME_STAMPING", "OCSP_SIGNING"]
)
def test_a_certificate_made_for_other_things_signs_no_documents(purpose, critical):
    shown = _made_for(getattr(Purpose, purpose), critical=critical)
    report = judge(sign(pages.plain(), how=How(shown=shown)))
    assert report.verdict.value == "indeterminate"
    assert report.signatures[0].sub_indication == "CHAIN_CONSTRAINTS_FAILURE"
    assert "wrong-usage" in codes(report)


@pytest.mark.parametrize(
    "purposes",
    [
        (),
        (Purpose.EMAIL_PROTECTION,),
        (Purpose.CLIENT_AUTH, Purpose.EMAIL_PROTECTION),
        (Purpose.SERVER_AUTH, Purpose.EMAIL_PROTECTION),
    ],
)
def test_a_certificate_that_people_sign_with_is_not_refused(purposes):
    report = judge(sign(pages.plain(), how=How(shown=_made_for(*purposes))))
    assert report.verdict.value == "valid"
