"""XML signatures made by a signer of our own: good ones, and each one's evil twin."""

import hashlib
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.demo.pki import Revocation
from gateway.reports.choosing import of_file
from gateway.trust.anchors import TrustStore
from gateway.trust.render import to_json
from gateway.trust.report import Answer, Coverage, Verdict
from gateway.trust.verify import verify_file
from gateway.trust.xmlsig.engine import verify_xml
from tests.world import signed_xml as made
from tests.world.signed_files import DAY, NOW, pki, trust_of
from tests.world.signed_xml import HERE, How, Ref, changed, sign

LATER = NOW + timedelta(minutes=10)
NOT_PASSED = {Verdict.INVALID, Verdict.INDETERMINATE}


def judge(data, store=None, at=LATER, **more):
    store = store or TrustStore.load(pki().trust_dir)
    return verify_xml(data, sha256=hashlib.sha256(data).hexdigest(), at=at, store=store, **more)


def only(data, *args, **more):
    report = judge(data, *args, **more)
    (signature,) = report.signatures
    assert signature.verdict is report.verdict
    return signature


def codes(signature):
    return {n.code for n in signature.notes}


# ---------------------------------------------------------------- good files

DEFAULT_SPACE = How(
    prefix="", c14n=made.INCLUSIVE, refs=(Ref("", (made.ENVELOPED, made.INCLUSIVE)),)
)
GOOD = {
    "enveloped": (made.LETTER, How()),
    "default-namespace-inclusive": (made.LETTER, DEFAULT_SPACE),
    "no-canonical-form-named": (made.LETTER, How(refs=(Ref("", (made.ENVELOPED,)),))),
    "two-references": (made.SOAP, made.TWO),
    "part-of-an-invoice": (made.INVOICE, made.PART),
    "packet": (made.PACKET, How()),
    "ecdsa-256": (made.LETTER, How(signer="ec256", method=made.ECDSA_SHA256)),
    "ecdsa-384": (made.LETTER, How(signer="ec384", method=made.ECDSA_SHA384)),
    "pss": (made.LETTER, How(method=made.PSS_SHA256)),
    "chain-in-odd-order": (made.LETTER, How(key_info="chain")),
    "key-beside-certificate": (made.LETTER, How(key_info="both")),
    "xades-bb": (made.LETTER, made.XADES_BB),
    "xades-bt": (made.LETTER, made.XADES_BT),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_signature_is_valid(name):
    document, how = GOOD[name]
    signature = only(sign(document, how))
    assert signature.verdict is Verdict.VALID, (signature.sub_indication, codes(signature))
    answers = {signature.intact, signature.trusted, signature.not_revoked}
    assert answers == {Answer.YES}
    assert signature.indication == "TOTAL-PASSED"
    assert signature.field == "ck1"
    assert [c.common_name for c in signature.chain] == [pki().issuing.name, pki().root.name]
    assert [r.status for r in signature.revocation] == ["good", "good", "anchor"]


def test_what_is_signed_is_named():
    assert only(sign(made.LETTER)).coverage is Coverage.WHOLE_FILE
    two = only(sign(made.SOAP, made.TWO))
    assert two.coverage is Coverage.PARTIAL
    assert two.reference == "/Envelope/Header/MessageHeader, /Envelope/Body"
    assert only(sign(made.INVOICE, made.PART)).reference == "/HDon/DLHDon"
    assert "xml-part-signed" in codes(two)


def test_who_with_what_and_when():
    signature = only(sign(made.LETTER, made.XADES_BB))
    assert (signature.role, signature.signer.common_name) == ("person", "Nguyễn Văn An")
    assert (signature.algorithm, signature.level) == ("sha256 rsa 2048", "XAdES-B-B")
    assert (signature.signed_at, signature.signed_at_source) == (NOW, "claimed")
    assert signature.time_proven is Answer.UNKNOWN
    stamped = only(sign(made.LETTER, made.XADES_BT))
    assert (stamped.level, stamped.signed_at_source) == ("XAdES-B-T", "timestamp")
    assert (stamped.time_proven, stamped.time_authority) == (Answer.YES, pki().tsa.name)
    assert [t.trusted for t in stamped.timestamps] == [Answer.YES]
    agency = only(sign(made.LETTER, How(signer="agency")))
    assert agency.role == "organization"
    plain = only(sign(made.LETTER, How(signer="ec256", method=made.ECDSA_SHA256)))
    assert (plain.algorithm, plain.level) == ("sha256 ec secp256r1", "XMLDSig")


def test_revocation_lists_inside_make_a_long_term_signature():
    lists = tuple(p.read_bytes() for p in sorted(pki().trust_dir.glob("*.crl")))
    ders = tuple(_der(one) for one in lists)
    bare = TrustStore.load(trust_of(pki(), crls=False))
    without = only(sign(made.LETTER, made.XADES_BT), bare)
    assert (without.verdict, without.sub_indication) == (Verdict.INDETERMINATE, "TRY_LATER")
    data = sign(made.LETTER, replace(made.XADES_BT, values=ders))
    report = judge(data, bare)
    assert report.verdict is Verdict.VALID
    assert report.signatures[0].level == "XAdES-B-LT"
    assert {r.source for r in report.signatures[0].revocation[:2]} == {"file-crl"}
    assert {item.kind for item in report.evidence} == {"certificate", "crl", "timestamp"}


def _der(data):
    from cryptography import x509

    load = x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl
    return load(data).public_bytes(Encoding.DER)


def test_the_same_question_gets_the_same_answer_byte_for_byte():
    data = sign(made.SOAP, made.TWO)
    assert to_json(judge(data)) == to_json(judge(data))
    assert judge(data).kind == "xml"


def test_text_is_read_in_full_past_a_comment():
    data = changed(sign(made.SOAP, made.TWO), "V/v kinh phí", "V/v <!--x-->kinh phí")
    assert only(data).verdict is Verdict.VALID
    claimed = replace(made.XADES_BB, xades="2026-11-22T12:00:00+07:00")
    inside = changed(sign(made.LETTER, claimed), "22T12", "22<!--x-->T12")
    assert only(inside).claimed_at == NOW


def test_another_encoding_is_the_same_document():
    text = sign(made.LETTER).decode()
    assert only(text.encode("utf-16")).verdict is Verdict.VALID
    assert only(b"\xef\xbb\xbf" + text.encode()).verdict is Verdict.VALID


def test_an_attachment_of_the_message_may_be_signed():
    how = How(refs=(Ref(), Ref("cid:cv.pdf", (), data=b"%PDF-1.7")))
    data = sign(made.LETTER, how)
    assert only(data).sub_indication == "SIGNED_DATA_NOT_FOUND"
    signature = only(data, attachments={"cv.pdf": b"%PDF-1.7"})
    assert signature.verdict is Verdict.VALID
    assert "cid:cv.pdf" in signature.reference
    assert only(data, attachments={"cv.pdf": b"%PDF-1.8"}).sub_indication == "HASH_FAILURE"


def test_each_signature_is_judged_at_its_own_place():
    first = sign(made.INVOICE, made.PART).decode()
    again = first.replace("</NBan>", f"</NBan><NMua>{HERE}</NMua>")
    data = sign(again, replace(made.PART, signer="agency", label="ck2"))
    report = judge(data)
    assert report.verdict is Verdict.VALID
    assert [s.role for s in report.signatures] == ["person", "organization"]
    twisted = data.replace(b">ck1<", b">ck1<")
    second = twisted.decode().rindex("<ds:SignatureValue>") + 30
    broken = twisted[:second] + b"AAAA" + twisted[second + 4 :]
    assert [s.verdict for s in judge(broken).signatures] == [Verdict.VALID, Verdict.INVALID]


# ---------------------------------------------------------------- changed, forged, swapped


def test_changed_content_is_a_hash_failure():
    signature = only(changed(sign(made.LETTER), "1.000.000", "9.000.000"))
    assert (signature.verdict, signature.sub_indication) == (Verdict.INVALID, "HASH_FAILURE")
    assert (signature.intact, signature.trusted) == (Answer.NO, Answer.YES)
    assert "content-changed" in codes(signature)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<ds:DigestValue>", "<ds:DigestValue>AAAA"),
        (made.EXCLUSIVE, made.INCLUSIVE),
        ('URI="#body"', 'URI="#hdr"'),
        (made.RSA_SHA256, made.RSA_SHA1),
        (made.RSA_SHA256, made.PSS_SHA256),
        (made.RSA_SHA256, f"{made.MORE}rsa-sha512"),
    ],
)
def test_a_changed_signed_info_never_passes(old, new):
    assert only(changed(sign(made.SOAP, made.TWO), old, new)).verdict in NOT_PASSED


def test_a_value_of_another_key_is_a_crypto_failure():
    mine = sign(made.LETTER).decode()
    theirs = sign(made.LETTER, How(signer="agency")).decode()
    value = re.compile(r"<ds:SignatureValue>.*?</ds:SignatureValue>")
    swapped = value.sub(lambda _: value.search(theirs).group(), mine).encode()
    assert only(swapped).sub_indication == "SIG_CRYPTO_FAILURE"
    key = only(changed(sign(made.LETTER), made.RSA_SHA256, made.ECDSA_SHA256))
    assert (key.verdict, key.sub_indication) == (Verdict.INVALID, "SIG_CRYPTO_FAILURE")


def test_a_shared_secret_made_of_the_certificate_is_told_as_that():
    signature = only(made.hmac_forged())
    assert signature.verdict is Verdict.INVALID
    assert codes(signature) == {"xml-key-confusion"}
    bare = re.sub(r"<ds:KeyInfo>.*?</ds:KeyInfo>", "", made.hmac_forged().decode())
    assert only(bare.encode()).sub_indication == "CRYPTO_CONSTRAINTS_FAILURE"


def test_only_a_certificate_tells_who_signed():
    for info in ("value", "none"):
        signature = only(sign(made.LETTER, How(key_info=info)))
        assert signature.verdict is Verdict.INDETERMINATE
        assert signature.sub_indication == "NO_SIGNING_CERTIFICATE_FOUND"
    other = only(sign(made.LETTER, How(key_info="other-value")))
    assert (other.verdict, codes(other) >= {"xml-key-mismatch"}) == (Verdict.INVALID, True)


def test_a_certificate_the_signature_does_not_name_is_not_believed():
    signature = only(sign(made.LETTER, replace(made.XADES_BB, named="agency")))
    assert signature.verdict is Verdict.INDETERMINATE
    assert signature.sub_indication == "NO_SIGNING_CERTIFICATE_FOUND"
    assert "xades-certificate-differs" in codes(signature)
    digest = hashlib.sha256(made.keys("person")[1].public_bytes(Encoding.DER)).digest()
    data = changed(sign(made.LETTER, made.XADES_BB), made._b64(digest), made._b64(b"0" * 32))
    assert only(data).sub_indication == "HASH_FAILURE"


def test_properties_nobody_signed_are_no_claim():
    properties = re.search(
        rb"<ds:Object>.*</ds:Object>", sign(made.LETTER, made.XADES_BB), re.DOTALL
    ).group()
    signature = only(sign(made.LETTER, How(extra=properties.decode())))
    assert (signature.verdict, signature.level) == (Verdict.INDETERMINATE, "XMLDSig")
    assert (signature.claimed_at, "xades-unsigned" in codes(signature)) == (None, True)


def test_a_time_without_a_zone_is_no_time():
    signature = only(sign(made.LETTER, replace(made.XADES_BB, xades="2026-11-22T12:00:00")))
    assert (signature.claimed_at, signature.signed_at_source) == (None, "none")
    assert "xml-time-without-zone" in codes(signature)


# ---------------------------------------------------------------- trust, revocation, time


def test_a_stranger_of_the_same_name_is_not_trusted():
    signature = only(sign(made.LETTER, How(signer="stranger")))
    assert signature.verdict is Verdict.INDETERMINATE
    assert (signature.intact, signature.trusted) == (Answer.YES, Answer.NO)
    assert signature.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    nobody = judge(sign(made.LETTER), TrustStore())
    assert nobody.verdict is Verdict.INDETERMINATE
    assert "no-trust" in {n.code for n in nobody.notes}


def test_unknown_revocation_is_never_valid():
    signature = only(sign(made.LETTER), TrustStore.load(trust_of(pki(), crls=False)))
    assert (signature.trusted, signature.not_revoked) == (Answer.YES, Answer.UNKNOWN)
    assert signature.sub_indication == "TRY_LATER"


@pytest.mark.parametrize(
    ("how", "since", "verdict"),
    [
        (made.XADES_BB, NOW - DAY, Verdict.INDETERMINATE),
        (made.XADES_BB, NOW + 5 * DAY, Verdict.INDETERMINATE),
        (made.XADES_BT, NOW - DAY, Verdict.INDETERMINATE),
        (made.XADES_BT, NOW + 5 * DAY, Verdict.VALID),
    ],
)
def test_a_revoked_certificate_is_saved_only_by_a_stamp_from_before(how, since, verdict):
    revoked = Revocation(pki().person().serial, since)
    store = TrustStore.load(trust_of(pki(), now=NOW + 20 * DAY, revoked=revoked))
    signature = only(sign(made.LETTER, how), store, NOW + 21 * DAY)
    assert signature.verdict is verdict, codes(signature)
    if verdict is not Verdict.VALID:
        assert signature.sub_indication == "REVOKED_NO_POE"
        assert (signature.not_revoked, "revoked" in codes(signature)) == (Answer.NO, True)


def test_an_expired_certificate_needs_proof_from_its_lifetime():
    at = NOW + 1200 * DAY
    lifetime = TrustStore.load(trust_of(pki(), now=NOW + 1000 * DAY))
    assert only(sign(made.LETTER, made.XADES_BT), lifetime, at).verdict is Verdict.VALID
    claimed = only(sign(made.LETTER, made.XADES_BB), lifetime, at)
    assert claimed.sub_indication == "OUT_OF_BOUNDS_NO_POE"
    after = TrustStore.load(trust_of(pki(), now=NOW + 1190 * DAY))
    assert only(sign(made.LETTER, made.XADES_BT), after, at).verdict is Verdict.INDETERMINATE
    late = replace(made.XADES_BT, stamped_at=NOW + 1150 * DAY)
    stamped = only(sign(made.LETTER, late), lifetime, at)
    assert stamped.sub_indication == "OUT_OF_BOUNDS_NO_POE"
    early = only(sign(made.LETTER), at=NOW - 2 * DAY)
    assert early.verdict is Verdict.INDETERMINATE


def test_a_stamp_over_another_value_proves_nothing():
    mine = sign(made.LETTER, made.XADES_BT).decode()
    other = sign(made.INVOICE.replace("1.000.000", "7"), replace(made.XADES_BT)).decode()
    stamp = re.compile(r"<x:EncapsulatedTimeStamp>.*?</x:EncapsulatedTimeStamp>")
    moved = stamp.sub(lambda _: stamp.search(other).group(), mine).encode()
    signature = only(moved)
    assert (signature.time_proven, signature.signed_at_source) == (Answer.UNKNOWN, "claimed")
    assert "timestamp-unproven" in codes(signature)


def test_weak_algorithms_and_wrong_usage_do_not_pass():
    old = only(sign(made.LETTER, How(method=made.RSA_SHA1, refs=(Ref(digest=made.SHA1),))))
    assert (old.intact, old.sub_indication) == (Answer.YES, "CRYPTO_CONSTRAINTS_FAILURE")
    mixed = only(sign(made.LETTER, How(refs=(Ref(digest=made.SHA1),))))
    assert mixed.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE"
    short = only(sign(made.LETTER, How(signer="short")))
    assert short.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE"
    server = only(sign(made.LETTER, How(signer="server")))
    assert server.sub_indication == "CHAIN_CONSTRAINTS_FAILURE"
    for signature in (old, mixed, short, server):
        assert signature.verdict is Verdict.INDETERMINATE


def test_sha1_counts_again_where_the_policy_and_a_proven_time_allow_it():
    store = TrustStore.load(pki().trust_dir)
    until = NOW + 30 * DAY
    policy = replace(store.policy, digests=(*store.policy.digests, ("sha1", until)))
    lists = TrustStore.load(trust_of(pki(), now=NOW + 50 * DAY))
    store = replace(lists, policy=policy)
    how = How(method=made.RSA_SHA1, refs=(Ref(digest=made.SHA1),), xades=made.XADES_BB.xades)
    at = NOW + 60 * DAY
    proven = only(sign(made.LETTER, replace(how, stamped_at=NOW)), store, at)
    assert proven.verdict is Verdict.VALID, codes(proven)
    claimed = only(sign(made.LETTER, how), store, at)
    assert claimed.sub_indication == "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"


def test_a_policy_may_demand_a_proven_time_or_refuse_the_unknown():
    store = TrustStore.load(pki().trust_dir)
    strict = replace(store, policy=replace(store.policy, timestamp="required"))
    assert only(sign(made.LETTER, made.XADES_BT), strict).verdict is Verdict.VALID
    claimed = only(sign(made.LETTER, made.XADES_BB), strict)
    assert "timestamp-required" in codes(claimed)
    assert claimed.verdict is Verdict.INDETERMINATE
    bare = TrustStore.load(trust_of(pki(), crls=False))
    harsh = replace(bare, policy=replace(bare.policy, unknown="invalid"))
    assert only(sign(made.LETTER), harsh).verdict is Verdict.INVALID


# ---------------------------------------------------------------- what kind of file


def test_edxml_dummies_are_not_verifiable_and_neither_good_nor_bad():
    block = (
        "<Signature><SignedInfo><SignatureMethod Algorithm="
        '"http://www.w3.org/2000/09/xmldsig#rsa-sha1"/></SignedInfo>'
        "<SignatureValue>SIGVAL=</SignatureValue><KeyInfo><X509Data>"
        "<X509SubjectName>CN=user05</X509SubjectName></X509Data></KeyInfo></Signature>"
    )
    report = judge(made.PACKET.replace(HERE, block).encode())
    assert (report.verdict, report.unsupported) == (Verdict.INDETERMINATE, 1)
    (signature,) = report.signatures
    assert codes(signature) == {"xml-not-verifiable"}
    assert "không kiểm chứng được" in signature.notes[0].vi
    assert "tệp đính kèm" in of_file(report).todo.vi
    token = "<Signature><KeyInfo><OrganId>H41</OrganId><Token>x</Token></KeyInfo></Signature>"
    assert judge(made.PACKET.replace(HERE, token).encode()).verdict is Verdict.UNSIGNED
    sample = block.replace("<Signature>", f'<Signature xmlns="{made.DS}">')
    assert judge(made.PACKET.replace(HERE, sample).encode()).verdict in NOT_PASSED


def test_one_door_for_files_of_every_kind():
    def ask(data, **more):
        store = TrustStore.load(pki().trust_dir)
        return verify_file(data, sha256="", at=LATER, store=store, **more)

    good = sign(made.LETTER)
    assert ask(good).verdict is Verdict.VALID
    assert ask(good, pdf_expected=False).verdict is Verdict.VALID
    assert ask(good.decode().encode("utf-16"), pdf_expected=False).verdict is Verdict.VALID
    plain = made.PACKET.replace(HERE, "").encode()
    assert (ask(plain).verdict, ask(plain).kind) == (Verdict.UNSIGNED, "xml")
    assert ask(plain, pdf_expected=False).verdict is Verdict.UNSIGNED
    page = b"<!DOCTYPE html><html><body><p>Signature<br></body>"
    assert ask(page, pdf_expected=False).verdict is Verdict.UNSIGNED
    assert ask(page).verdict is Verdict.UNREADABLE
    broken = ask(b"<a>\n<b></a>")
    assert broken.verdict is Verdict.UNREADABLE
    assert "line 2" in broken.notes[0].en
    hidden = b"<!DOCTYPE x>" + good
    assert ask(hidden, pdf_expected=False).verdict is Verdict.UNREADABLE
