"""Attacks on XML signatures: wrapping, look-alike Ids, forbidden things, and floods."""

import hashlib
import time
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.reports.choosing import of_signature
from gateway.trust.anchors import TrustStore
from gateway.trust.report import Answer, Verdict
from gateway.trust.xmlsig import engine, tree
from gateway.trust.xmlsig.engine import verify_xml
from tests.world import signed_xml as made
from tests.world.signed_files import NOW, pki
from tests.world.signed_xml import HERE, How, Ref, changed, sign

LATER = NOW + timedelta(minutes=10)
NOT_PASSED = {Verdict.INVALID, Verdict.INDETERMINATE}
EVIL = '<S:Body{}><e:Manifest><e:Reference href="cid:giamao.pdf"/></e:Manifest></S:Body>'


def judge(data):
    store = TrustStore.load(pki().trust_dir)
    return verify_xml(data, sha256=hashlib.sha256(data).hexdigest(), at=LATER, store=store)


def only(data):
    report = judge(data)
    (signature,) = report.signatures
    return signature


def codes(signature):
    return {n.code for n in signature.notes}


def soap():
    return sign(made.SOAP, made.TWO)


def body():
    text = soap().decode()
    return text[text.index("<S:Body") : text.index("</S:Envelope>")]


# ---------------------------------------------------------------- wrapping


@pytest.mark.parametrize("kind", range(1, 9))
def test_each_of_the_eight_wrappings_is_named(kind):
    signature = only(made.wrapped(kind))
    assert signature.verdict is Verdict.INVALID
    assert "xml-wrapping" in codes(signature)
    assert signature.intact is Answer.YES  # the digests hold: only the place gives it away
    assert (signature.indication, signature.later_changes) == ("TOTAL-PASSED", "other")
    assert of_signature(signature).refusal == "R04"


def _header_moved():
    text = soap().decode()
    start, end = text.index("<e:MessageHeader"), text.index("</e:MessageHeader>") + 18
    header = text[start:end]
    return text.replace(header, f"<w:W xmlns:w='urn:w'>{header}</w:W>")


WRAPPED = {
    "moved into a wrapper in the header": lambda: (
        soap()
        .decode()
        .replace(body(), EVIL.format(""))
        .replace("</S:Header>", f"<w:W xmlns:w='urn:w'>{body()}</w:W></S:Header>")
    ),
    "evil body first": lambda: soap().decode().replace(body(), EVIL.format("") + body()),
    "evil body last": lambda: soap().decode().replace(body(), body() + EVIL.format("")),
    "evil body with an Id of its own": lambda: (
        soap().decode().replace(body(), EVIL.format(' Id="b2"') + body())
    ),
    "signed body below the evil one": lambda: (
        soap().decode().replace(body(), f"<S:Body>{body()}</S:Body>")
    ),
    "no body where it belongs": lambda: (
        soap().decode().replace(body(), "").replace("</S:Header>", f"{body()}</S:Header>")
    ),
    "evil header beside the signed one": lambda: (
        soap()
        .decode()
        .replace(
            "<S:Header>", "<S:Header><e:MessageHeader><e:Subject>x</e:Subject></e:MessageHeader>"
        )
    ),
    "header moved out of its place": _header_moved,
    "evil body in an object of the signature": lambda: (
        soap()
        .decode()
        .replace("</ds:Signature>", f"<ds:Object>{EVIL.format('')}</ds:Object></ds:Signature>")
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_what_a_packets_reader_would_read_must_be_what_was_signed(name):
    data = WRAPPED[name]().encode()
    assert data != soap()
    signature = only(data)
    assert signature.verdict is Verdict.INVALID, (signature.sub_indication, codes(signature))
    assert "xml-wrapping" in codes(signature)


def test_a_packet_with_an_unsigned_part_is_not_valid():
    header_only = sign(made.SOAP, How(refs=(Ref("#hdr", (made.EXCLUSIVE,)),)))
    signature = only(header_only)
    assert (signature.verdict, signature.intact) == (Verdict.INDETERMINATE, Answer.YES)
    assert "/Envelope/Body" in next(n.en for n in signature.notes if n.code == "xml-partial")


def test_the_trace_of_a_packet_may_change_on_its_way():
    document = made.PACKET.replace("<MessageHeader>", '<MessageHeader Id="m">').replace(
        "<edXMLBody>", '<edXMLBody Id="b">'
    )
    how = How(refs=(Ref("#m", (made.EXCLUSIVE,)), Ref("#b", (made.EXCLUSIVE,))))
    good = sign(document, how)
    assert only(good).verdict is Verdict.VALID
    traced = changed(good, "<TraceHeaderList/>", "<TraceHeaderList><T>x</T></TraceHeaderList>")
    assert only(traced).verdict is Verdict.VALID
    other = changed(good, "<TraceHeaderList/>", "<TraceHeaderList/><Paper>1</Paper>")
    assert only(other).verdict in NOT_PASSED
    twice = changed(good, "<edXMLBody ", "<edXMLBody/><edXMLBody ")
    assert "xml-wrapping" in codes(only(twice))


UNSIGNED_PARTS = {
    "element": ("</DSCKS>", "</DSCKS><GiamGia>100%</GiamGia>"),
    "empty element": ("</DSCKS>", "</DSCKS><Huy/>"),
    "attribute": ("<HDon>", '<HDon huy="1">'),
    "attribute of a frame": ("<NBan>", '<NBan ten="khác">'),
    "text": ("<DSCKS>", "<DSCKS>đã hủy"),
    "text behind": ("</DSCKS></HDon>", "</DSCKS>đã hủy</HDon>"),
}


@pytest.mark.parametrize("name", UNSIGNED_PARTS)
def test_what_was_added_beside_the_signed_part_is_named(name):
    data = changed(sign(made.INVOICE, made.PART), *UNSIGNED_PARTS[name])
    signature = only(data)
    assert (signature.verdict, signature.intact) == (Verdict.INDETERMINATE, Answer.YES)
    assert "xml-partial" in codes(signature)
    whole = changed(
        sign(made.INVOICE),
        *UNSIGNED_PARTS[name],
    )
    assert only(whole).sub_indication == "HASH_FAILURE"


def test_a_signed_part_in_a_strange_frame_is_told():
    good = sign(made.INVOICE, made.PART).decode()
    start, end = good.index("<DLHDon"), good.index("</DLHDon>") + 9
    part = good[start:end]
    signature = only(good.replace(part, f"<DaHuy>{part}</DaHuy>").encode())
    assert (signature.verdict, signature.intact) == (Verdict.INDETERMINATE, Answer.YES)
    assert "/HDon/DaHuy" in next(n.en for n in signature.notes if n.code == "xml-partial")


def test_an_assertion_alone_does_not_vouch_for_the_answer_around_it():
    signature = only(sign(made.RESPONSE, made.ASSERTION))
    assert (signature.verdict, signature.reference) == (
        Verdict.INDETERMINATE,
        "/Response/Assertion",
    )


def test_content_hidden_in_the_signature_itself_is_told():
    hidden = "<ds:Object><vanban><nd>khác</nd></vanban></ds:Object>"
    signature = only(sign(made.LETTER, How(extra=hidden)))
    assert signature.verdict is Verdict.INDETERMINATE
    assert "xml-unsigned-object" in codes(signature)
    fine = How(
        refs=(Ref(), Ref("#o", (made.EXCLUSIVE,))),
        extra='<ds:Object Id="o"><ghichu>kèm</ghichu></ds:Object>',
    )
    assert only(sign(made.LETTER, fine)).verdict is Verdict.VALID


def test_two_parts_signed_by_two_are_not_called_a_forgery():
    document = f'<ds><d Id="a">1</d><d Id="b">2</d><k>{HERE}</k></ds>'
    first = sign(document, How(refs=(Ref("#a", (made.EXCLUSIVE,)),))).decode()
    both = first.replace("</k>", f"{HERE}</k>")
    data = sign(both, How(refs=(Ref("#b", (made.EXCLUSIVE,)),), label="ck2"))
    assert [s.verdict for s in judge(data).signatures] == [Verdict.INDETERMINATE] * 2
    alone = only(sign(document, How(refs=(Ref("#a", (made.EXCLUSIVE,)),))))
    assert "xml-wrapping" in codes(alone)


# ---------------------------------------------------------------- ids


@pytest.mark.parametrize(
    ("attribute", "verdict"),
    [
        ('Id="body"', Verdict.INVALID),
        ('ID="body"', Verdict.INVALID),
        ('xml:id="body"', Verdict.INVALID),
        ('id="body"', Verdict.INDETERMINATE),
    ],
)
def test_an_id_that_names_two_elements_names_none(attribute, verdict):
    data = changed(soap(), "<e:Manifest>", f"<e:Manifest {attribute}>")
    signature = only(data)
    assert (signature.verdict, codes(signature)) == (verdict, {"xml-duplicate-id"})


def test_only_typed_ids_are_ids():
    data = changed(sign(made.INVOICE, made.PART), 'Id="dulieu"', 'id="dulieu"')
    assert only(data).sub_indication == "SIGNED_DATA_NOT_FOUND"


# ---------------------------------------------------------------- what is never done


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('URI=""', 'URI="http://127.0.0.1:9/x"', "xml-external-reference"),
        ('URI=""', 'URI="file:///etc/passwd"', "xml-external-reference"),
        ('URI=""', 'URI="cid:la.pdf"', "xml-external-reference"),
        ('URI=""', 'URI="#xpointer(/)"', "xml-forbidden-transform"),
        ('URI=""', 'URI="#khongco"', "xml-reference-not-found"),
        (' URI=""', "", "xml-reference-not-found"),
        (made.ENVELOPED, "http://www.w3.org/TR/1999/REC-xslt-19991116", "xml-forbidden-transform"),
        (made.ENVELOPED, "http://www.w3.org/TR/1999/REC-xpath-19991116", "xml-forbidden-transform"),
        (made.ENVELOPED, "http://www.w3.org/2002/06/xmldsig-filter2", "xml-forbidden-transform"),
        (made.ENVELOPED, made.BASE64, "xml-forbidden-transform"),
        (made.RSA_SHA256, f"{made.DS}dsa-sha1", "xml-forbidden-algorithm"),
        (made.SHA256, f"{made.MORE}md5", "xml-forbidden-algorithm"),
    ],
)
def test_nothing_is_fetched_and_nothing_strange_computed(old, new, code):
    signature = only(changed(sign(made.LETTER), old, new))
    assert signature.verdict is Verdict.INDETERMINATE
    assert codes(signature) == {code}


@pytest.mark.parametrize(
    "prologue",
    [
        "<!DOCTYPE vanban>",
        '<!DOCTYPE vanban [<!ENTITY x "y">]>',
        '<!DOCTYPE v [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE vanban SYSTEM "http://127.0.0.1:9/x.dtd">',
        '<!DOCTYPE vanban [<!ATTLIST nd Id ID "dulieu">]>',
    ],
)
def test_a_doctype_is_not_read(prologue):
    report = judge(prologue.encode() + sign(made.LETTER))
    assert report.verdict is Verdict.UNREADABLE
    assert [n.code for n in report.notes] == ["xml-doctype"]


def test_an_undeclared_entity_is_not_read():
    assert judge(changed(sign(made.LETTER), "Kính gửi", "&la;")).verdict is Verdict.UNREADABLE


def test_what_can_be_read_in_two_ways_is_not_concluded():
    style = b'<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?>' + sign(made.LETTER)
    signature = only(style)
    assert (signature.verdict, codes(signature)) == (Verdict.INDETERMINATE, {"xml-two-readings"})
    how = How(c14n=made.INCLUSIVE, refs=(Ref("#dulieu", (made.INCLUSIVE,)),))
    inherited = changed(sign(made.INVOICE, how), "<HDon>", '<HDon xml:lang="vi">')
    assert "xml-two-readings" in codes(only(inherited))
    coded = f'<a><d Id="d">QUJD</d>{HERE}</a>'
    text = sign(coded, How(refs=(Ref("#d", (made.BASE64,)),)))
    assert codes(only(text)) >= {"xml-nothing-signed"}
    longer = changed(text, "QUJD", "QUJD<!--x-->RVZJTA==")
    assert codes(only(longer)) == {"xml-two-readings"}


# ---------------------------------------------------------------- floods


def _quickly(data):
    began = time.process_time()
    report = judge(data)
    assert time.process_time() - began < 5
    return report


@pytest.mark.parametrize("what", ["references", "transforms"])
def test_floods_end_before_any_cryptography(what):
    report = _quickly(made.many(what, 2000))
    assert report.verdict is Verdict.INDETERMINATE
    assert codes(report.signatures[0]) == {f"xml-too-many-{what}"}


def test_deep_wide_and_large_documents_end_early(monkeypatch):
    deep = b"<a>" * 5000 + b"</a>" * 5000
    wide = b"<a>" + b"<b/>" * 400_000 + b"</a>"
    many = b"<a " + b" ".join(b'a%d=""' % n for n in range(500)) + b"/>"
    for data in (deep, wide, many):
        report = _quickly(data)
        assert report.verdict is Verdict.INDETERMINATE
        assert [n.code for n in report.notes] == ["xml-too-complex"]
    monkeypatch.setattr(tree, "MAX_BYTES", 1000)
    assert [n.code for n in judge(b"<a>" + b"x" * 2000 + b"</a>").notes] == ["too-large"]


def test_a_long_text_is_no_flood():
    document = made.LETTER.replace("Kính gửi", "QUJD" * 3_000_000)
    assert _quickly(sign(document)).verdict is Verdict.VALID


def test_a_thousand_signatures_are_not_all_verified(monkeypatch):
    one = made.signature_of(sign(made.LETTER))
    document = sign(made.LETTER).decode().replace("</vanban>", one * 100 + "</vanban>")
    report = _quickly(document.encode())
    assert len(report.signatures) == engine.MAX_SIGNATURES
    assert "too-many-signatures" in {n.code for n in report.notes}
    assert report.verdict in NOT_PASSED


def test_the_work_of_one_file_is_bounded(monkeypatch):
    monkeypatch.setattr(engine, "_MAX_WORK", 1000)
    assert codes(only(sign(made.LETTER))) == {"too-large"}


def test_many_look_alikes_are_counted_in_time():
    rows = "<d/>" * 50_000
    document = f'<r><d Id="x">{rows}</d><k>{HERE}</k></r>'
    how = How(refs=(Ref("#x", (made.EXCLUSIVE,)),))
    assert _quickly(sign(document, how)).verdict is Verdict.VALID


def test_a_broken_signature_does_not_hide_the_others():
    bad = "<ds:Signature><ds:SignedInfo/></ds:Signature>"
    document = made.INVOICE.replace("</NBan>", f"</NBan>{bad.replace('<ds:Signature>', _DECLARED)}")
    report = judge(sign(document, made.PART))
    assert [s.verdict for s in report.signatures] == [Verdict.VALID, Verdict.INVALID]
    assert report.verdict is Verdict.INVALID


_DECLARED = f'<ds:Signature xmlns:ds="{made.DS}">'


def test_countersignatures_are_counted():
    counter = (
        '<x:QualifyingProperties xmlns:x="http://uri.etsi.org/01903/v1.3.2#" Target="#ck1">'
        "<x:UnsignedProperties><x:UnsignedSignatureProperties><x:CounterSignature>"
        f"{made.signature_of(sign(made.LETTER, How(label='ck9')))}</x:CounterSignature>"
        "</x:UnsignedSignatureProperties></x:UnsignedProperties></x:QualifyingProperties>"
    )
    report = judge(sign(made.LETTER, replace(How(), extra=f"<ds:Object>{counter}</ds:Object>")))
    assert len(report.signatures) == 1
    assert [n.code for n in report.notes] == ["xml-countersignatures"]
    assert report.verdict is Verdict.INDETERMINATE  # its properties are nobody's


def test_a_signature_is_not_hidden_by_calling_it_a_countersignature():
    broken = changed(sign(made.LETTER), "1.000.000", "9.000.000").decode()
    signature = made.signature_of(broken.encode())
    hidden = broken.replace(signature, f"<CounterSignature>{signature}</CounterSignature>")
    assert judge(hidden.encode()).verdict is Verdict.INVALID


def test_a_thousand_objects_are_not_all_looked_at():
    data = changed(
        sign(made.LETTER), "</ds:Signature>", "<ds:Object/>" * 50_000 + "</ds:Signature>"
    )
    report = _quickly(data)
    assert "xml-unsigned-object" in codes(report.signatures[0])
    assert report.verdict is Verdict.INDETERMINATE
