"""Verdicts on whole files when revocation data comes from the store: as from a trust folder."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from asn1crypto import x509 as asn1_x509
from asn1crypto.crl import CertificateList
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from gateway.trust.anchors import TrustStore
from gateway.trust.evidence import Evidence, knowledge_of
from gateway.trust.pdf import verify_pdf
from gateway.trust.report import Answer, Verdict
from gateway.verifier.crl_index import CrlIndex
from gateway.verifier.revocation import RevocationStore
from tests.world.signed_files import DAY, NOW, once, pki, trust_of, twice

DER = serialization.Encoding.DER


def listed(revoked=(), *, at=NOW - timedelta(hours=1), until=NOW + 30 * DAY, number=1, who=None):
    """Return a list of the PKI's issuing authority, or of another identity."""
    who = who or pki().issuing
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(who.load_certificate().subject)
        .last_update(at)
        .next_update(until)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for serial, since, *reason in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        if reason:
            entry = entry.add_extension(x509.CRLReason(reason[0]), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(who.load_key(), hashes.SHA256()).public_bytes(DER)


@pytest.fixture
def stored(tmp_path):
    """Return a function from lists to a trust store whose lists are in the revocation store."""
    opened = []

    def make(*ders):
        plain = TrustStore.load(trust_of(pki(), crls=False))
        issuers = [*plain.anchors, *plain.intermediates]
        folder = tmp_path / str(len(opened))
        store = RevocationStore(folder, now=lambda: NOW)
        for der in (listed(who=pki().root, until=NOW + 300 * DAY), *ders):
            store.take(der, issuers)
        store.close()
        index = CrlIndex(folder)
        opened.append(index)
        return replace(plain, index=index)

    yield make
    for index in opened:
        index.close()


def judged(store, pdf=None, at=NOW):
    data = once() if pdf is None else pdf
    digest = hashlib.sha256(data).hexdigest()
    return verify_pdf(data, sha256=digest, at=at, store=store, pdf_expected=True)


def folder_with(*ders):
    folder = trust_of(pki(), crls=False)
    (folder / "root.crl").write_bytes(listed(who=pki().root, until=NOW + 300 * DAY))
    for n, der in enumerate(ders):
        (folder / f"{n}.crl").write_bytes(der)
    return TrustStore.load(folder)


SIGNER = pki().person().serial
CASES = {
    "good": [],
    "revoked before": [(SIGNER, NOW - 2 * timedelta(hours=1), x509.ReasonFlags.key_compromise)],
    "another serial": [(SIGNER + 1, NOW - DAY)],
    "hold": [(SIGNER, NOW - 2 * timedelta(hours=1), x509.ReasonFlags.certificate_hold)],
}


@pytest.mark.parametrize("case", CASES)
def test_store_folder_and_whole_lists_give_the_same_verdict(stored, case):
    der = listed(CASES[case])
    in_folder = folder_with(der)
    whole = replace(in_folder, lists=(), slow_crls=None)
    found = [judged(s).signatures[0] for s in (stored(der), in_folder, whole)]
    assert len({(s.verdict, s.sub_indication, s.not_revoked) for s in found}) == 1
    bad = case in {"revoked before", "hold"}
    assert found[0].not_revoked is (Answer.NO if bad else Answer.YES)
    assert (found[0].verdict is Verdict.VALID) == (not bad)


def test_a_revocation_is_told_with_date_and_reason(stored):
    (signature,) = judged(stored(listed(CASES["revoked before"]))).signatures
    first = signature.revocation[0]
    assert (first.status, first.reason, first.source) == ("revoked", "key_compromise", "stored-crl")
    assert first.revoked_at == NOW - timedelta(hours=2)
    assert first.this_update == NOW - timedelta(hours=1)


def test_a_list_that_is_over_leaves_it_undetermined_and_shows_its_age(stored):
    over = listed(at=NOW - 9 * DAY, until=NOW - 2 * DAY)
    (signature,) = judged(stored(over)).signatures
    assert (signature.verdict, signature.sub_indication) == (Verdict.INDETERMINATE, "TRY_LATER")
    first = signature.revocation[0]
    assert (first.status, first.next_update) == ("unknown", NOW - 2 * DAY)


def test_a_list_of_tomorrow_is_not_in_force_today(stored):
    (signature,) = judged(stored(listed(at=NOW + DAY))).signatures
    assert (signature.verdict, signature.sub_indication) == (Verdict.INDETERMINATE, "TRY_LATER")


def test_no_list_at_all_is_undetermined(stored):
    (signature,) = judged(stored()).signatures
    assert (signature.verdict, signature.sub_indication) == (Verdict.INDETERMINATE, "TRY_LATER")
    assert signature.revocation[0].status == "unknown"


def test_a_fresh_list_settles_what_an_old_one_left_open(stored):
    over, fresh = listed(at=NOW - 9 * DAY, until=NOW - 2 * DAY), listed(number=2)
    report = judged(stored(over, fresh))
    assert report.verdict is Verdict.VALID
    assert [x.number for x in report.lists if x.issuer == pki().issuing.name] == ["2"]


def test_a_revoked_time_stamp_authority_is_found_in_the_same_list(stored):
    revoked = [(pki().tsa.serial, NOW - 2 * timedelta(hours=1))]
    (signature,) = judged(stored(listed(revoked))).signatures
    assert signature.verdict is Verdict.INDETERMINATE
    assert signature.time_proven is not Answer.YES


def test_a_revoked_authority_is_found_in_the_root_list(stored):
    revoked = [(pki().issuing.serial, NOW - DAY)]
    root_list = listed(revoked, who=pki().root, until=NOW + 300 * DAY, number=2)
    (signature,) = judged(stored(listed(), root_list)).signatures
    assert signature.verdict is not Verdict.VALID
    assert signature.not_revoked is not Answer.YES


def test_long_term_files_agree_between_store_and_folder(stored):
    der = listed()
    for level in ("B-LT", "B-LTA"):
        a, b = judged(stored(der), twice(level)), judged(folder_with(der), twice(level))
        assert [s.verdict for s in a.signatures] == [s.verdict for s in b.signatures]
        assert a.verdict is Verdict.VALID


def test_what_is_known_is_told_for_each_origin(stored):
    store = stored(listed())
    cert, issuer = (
        asn1_x509.Certificate.load(i.load_certificate().public_bytes(DER))
        for i in (pki().person(), pki().issuing)
    )
    from pyhanko_certvalidator.registry import SimpleTrustManager

    evidence = Evidence(store=store, trust=SimpleTrustManager.build([]), at=NOW)
    known = knowledge_of(evidence, cert, issuer, NOW)
    assert (known.facts.status, known.facts.source) == ("good", "stored-crl")
    assert known.used.sha256 == known.item.sha256 == known.facts.evidence
    assert (known.used.source, known.item.origin, known.item.kind) == ("stored", "store", "crl")
    nothing = knowledge_of(evidence, issuer, cert, NOW)
    assert (nothing.facts.status, nothing.used, nothing.item) == ("unknown", None, None)


def test_a_forged_list_that_borrows_a_true_signature_saves_nobody():
    """A list in the file with the true list's signature value and no entries is not believed."""
    true = CertificateList.load(listed(CASES["revoked before"]))
    forged = CertificateList.load(listed(number=9))
    forged["signature"] = true["signature"].native
    bare = folder_with()
    store = folder_with(true.dump())
    whole = replace(store, lists=(), slow_crls=None)
    pdf = with_lists(once(), [true.dump(), forged.dump(force=True)])
    for one in (bare, store, whole):
        assert judged(one, pdf).signatures[0].not_revoked is Answer.NO


def with_lists(pdf, ders):
    """Append a document security store with these lists."""
    import io

    from pyhanko.sign.validation.dss import DocumentSecurityStore

    out = io.BytesIO(pdf)
    DocumentSecurityStore.add_dss(
        out, sig_contents=None, crls=[CertificateList.load(d) for d in ders]
    )
    return out.getvalue()
