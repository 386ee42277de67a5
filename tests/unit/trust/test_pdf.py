import hashlib
import io
from datetime import datetime, timedelta

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer

from gateway.demo.letters import make_plain_pdf, sign_once
from gateway.demo.pki import Revocation
from gateway.trust.anchors import TrustStore
from gateway.trust.guards import raw_signatures
from gateway.trust.pdf import verify_pdf
from gateway.trust.render import to_json
from gateway.trust.report import Answer, Coverage, Verdict
from tests.world import signed_files as world
from tests.world.signed_files import DAY, LONG_AGO, NOW, letter, once, pki, trust_of, twice

LATER = NOW + timedelta(minutes=10)


def judge(data: bytes, store: TrustStore | None = None, at: datetime = LATER):
    store = store or TrustStore.load(pki().trust_dir)
    return verify_pdf(data, sha256=hashlib.sha256(data).hexdigest(), at=at, store=store)


def codes(signature) -> set[str]:
    return {n.code for n in signature.notes}


# ---------------------------------------------------------------- good files


@pytest.mark.parametrize("level", ["B-T", "B-LT"])
def test_a_letter_signed_by_person_and_agency_is_valid(level):
    report = judge(twice(level))
    assert report.verdict is Verdict.VALID
    person, agency = report.signatures
    assert (person.role, agency.role) == ("person", "organization")
    assert person.signer.common_name == "Nguyễn Văn An"
    assert person.later_changes == "signature"
    assert person.coverage is Coverage.REVISION
    assert person.signed_at == NOW
    assert person.signed_at_source == "timestamp"
    assert person.time_authority == pki().tsa.name
    assert person.level == f"PAdES-{level}"
    assert {person.intact, person.trusted, person.not_revoked, person.time_proven} == {Answer.YES}
    assert report.notes == ()


def test_the_same_facts_give_the_same_report():
    assert to_json(judge(twice())) == to_json(judge(twice()))


def test_a_claimed_time_is_told_and_valid_while_the_certificate_is():
    report = judge(once(stamped=False))
    (signature,) = report.signatures
    assert report.verdict is Verdict.VALID
    assert signature.time_proven is Answer.UNKNOWN
    assert signature.signed_at_source == "claimed"
    assert "claimed-time" in codes(signature)


def test_unsigned_files_are_unsigned():
    assert judge(letter()).verdict is Verdict.UNSIGNED
    assert judge(make_plain_pdf(5000)).verdict is Verdict.UNSIGNED


def test_a_certificate_revoked_after_the_proven_time_was_good_then():
    late = trust_of(pki(), now=NOW + 3 * DAY, revoked=_revocation(NOW + DAY))
    report = judge(once(), TrustStore.load(late), NOW + 4 * DAY)
    assert report.verdict is Verdict.VALID


# ---------------------------------------------------------------- their evil twins


def test_a_changed_byte_is_told():
    report = judge(world.flipped(twice()))
    assert report.verdict is Verdict.INVALID
    assert [s.intact for s in report.signatures] == [Answer.NO, Answer.NO]
    assert {s.sub_indication for s in report.signatures} == {"HASH_FAILURE"}


def test_a_page_drawn_over_after_signing_is_told():
    report = judge(world.overlaid(once()))
    assert report.verdict is Verdict.INVALID
    (signature,) = report.signatures
    assert signature.intact is Answer.YES
    assert signature.later_changes == "other"
    assert "page-changed" in codes(signature)


def test_a_page_drawn_over_between_two_signatures_is_never_valid():
    changed = world.overlaid(once())
    both = sign_once(changed, pki(), pki().agency(), "CoQuan", NOW, level="B-T", visible=False)
    report = judge(both)
    person, agency = report.signatures
    assert agency.verdict is Verdict.VALID
    assert person.verdict is Verdict.INDETERMINATE
    assert "changed-before-next" in codes(person)
    assert report.verdict is Verdict.INDETERMINATE


def test_an_unseen_change_is_not_concluded():
    report = judge(world.catalogue_entry_added(once()))
    assert report.verdict is Verdict.INDETERMINATE
    assert "unclassified-change" in codes(report.signatures[0])


def test_an_object_no_table_lists_is_an_attack():
    for with_xref in (False, True):
        report = judge(world.object_appended(once(), with_xref=with_xref))
        assert report.verdict is Verdict.INVALID
        assert "unlisted-object" in codes(report.signatures[0])


@pytest.mark.parametrize("extra", [b"rubbish", b"% AAAAAAAA", b"\x00\x00hidden", b"PK\x03\x04"])
def test_trailing_data_is_never_valid(extra):
    report = judge(once() + extra)
    assert report.verdict in {Verdict.INDETERMINATE, Verdict.UNREADABLE, Verdict.INVALID}


def test_trailing_blanks_are_harmless():
    assert judge(once() + b"\r\n\r\n").verdict is Verdict.VALID


def test_a_signature_dropped_from_the_form_is_still_told():
    report = judge(world.form_dropped(once()))
    assert report.verdict is Verdict.INDETERMINATE
    assert [n.code for n in report.notes] == ["hidden-signature"]
    assert report.signatures[0].signer.common_name == "Nguyễn Văn An"


def test_data_hidden_after_the_signature_value_is_told():
    data = sign_once(letter(), pki(), pki().person(), "NguoiKy", NOW, level="B-T", spare_bytes=64)
    gap = raw_signatures(data)[-1]
    assert judge(data).verdict is Verdict.VALID
    changed = data[: gap.gap_end - 3] + b"ab" + data[gap.gap_end - 1 :]
    report = judge(changed)
    assert report.verdict is Verdict.INDETERMINATE
    assert "hidden-padding" in codes(report.signatures[0])


def test_a_moved_second_range_is_told():
    data = once()
    gap = raw_signatures(data)[-1]
    start = data.index(b"/ByteRange")
    end = data.index(b"]", start)
    wrapped = f"/ByteRange [0 {gap.gap_start} {gap.gap_end + 50} {gap.end - gap.gap_end - 50}"
    changed = data[:start] + wrapped.encode().ljust(end - start) + data[end:]
    assert judge(changed).verdict is Verdict.INVALID


def test_a_broken_signature_value_is_malformed():
    data = once()
    gap = raw_signatures(data)[-1]
    changed = data[: gap.gap_start + 1] + b"ff" * 20 + data[gap.gap_start + 41 :]
    report = judge(changed)
    assert report.verdict is Verdict.INVALID
    assert report.signatures[0].sub_indication == "FORMAT_FAILURE"


def test_an_unsupported_kind_of_signature_is_counted():
    data = once().replace(b"/ETSI.CAdES.detached", b"/adbe.x509.rsa_sha1 ")
    report = judge(data)
    assert report.verdict is Verdict.INDETERMINATE
    assert "unsupported-subfilter" in codes(report.signatures[0])


def test_a_cut_file_is_unreadable():
    assert judge(once()[:-400]).verdict is Verdict.UNREADABLE


@pytest.mark.parametrize("data", [b"", b"hello", b"%PDF-1.7\nrubbish", b"\x00" * 5000])
def test_rubbish_is_unreadable(data):
    report = judge(data)
    assert report.verdict is Verdict.UNREADABLE
    assert report.notes


def test_other_kinds_are_unsigned_when_no_pdf_was_expected():
    store = TrustStore()
    report = verify_pdf(b"hello", sha256="", at=NOW, store=store, pdf_expected=False)
    assert report.verdict is Verdict.UNSIGNED


def test_a_foreign_signature_is_not_concluded():
    report = judge(bytes.fromhex("308006092a864886f70d010702a080"))
    assert report.verdict is Verdict.INDETERMINATE
    assert report.notes[0].code == "unsupported-signature-kind"


@pytest.mark.parametrize(("password", "verdict"), [("bí mật", "unreadable"), ("", "unsigned")])
def test_passwords_end_the_reading_unless_empty(password, verdict):
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(letter())))
    writer.encrypt("chủ", password, pdf_mac=False)
    out = io.BytesIO()
    writer.write(out)
    report = judge(out.getvalue())
    assert report.verdict.value == verdict
    assert report.notes[0].code == ("encrypted" if password else "encrypted-open")


# ---------------------------------------------------------------- trust and time


def _revocation(since: datetime) -> Revocation:
    return Revocation(pki().person().serial, since)


def test_a_certificate_revoked_before_the_proven_time_is_not_valid():
    trust = trust_of(pki(), now=NOW, revoked=_revocation(NOW - timedelta(hours=2)))
    report = judge(once(), TrustStore.load(trust))
    (signature,) = report.signatures
    assert report.verdict is Verdict.INDETERMINATE
    assert signature.not_revoked is Answer.NO
    assert signature.sub_indication == "REVOKED_NO_POE"


def test_a_crl_counts_even_though_the_certificate_names_none():
    # The development certificates carry no pointers here at all.
    trust = trust_of(pki(), now=NOW, revoked=_revocation(NOW - timedelta(hours=2)))
    report = judge(once(stamped=False), TrustStore.load(trust))
    assert report.verdict is Verdict.INDETERMINATE
    assert report.signatures[0].not_revoked is Answer.NO


def test_without_revocation_data_nothing_is_valid():
    report = judge(once(), TrustStore.load(trust_of(pki(), crls=False)))
    (signature,) = report.signatures
    assert report.verdict is Verdict.INDETERMINATE
    assert signature.sub_indication == "TRY_LATER"
    assert (signature.trusted, signature.not_revoked) == (Answer.YES, Answer.UNKNOWN)
    assert "no-revocation" in codes(signature)


def test_revocation_data_in_the_file_is_used():
    report = judge(twice("B-LT"), TrustStore.load(trust_of(pki(), crls=False)))
    assert report.verdict is Verdict.VALID


def test_another_pki_is_not_trusted():
    report = judge(once(), TrustStore.load(pki(NOW, "other").trust_dir))
    (signature,) = report.signatures
    assert report.verdict is Verdict.INDETERMINATE
    assert signature.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert signature.intact is Answer.YES


def test_an_empty_trust_store_concludes_nothing():
    report = judge(once(), TrustStore())
    assert report.verdict is Verdict.INDETERMINATE
    assert "no-trust" in {n.code for n in report.notes}
    assert report.signatures[0].trusted is not Answer.YES


def test_a_question_before_the_signing_is_not_concluded():
    trust = trust_of(pki(), now=NOW - timedelta(hours=3))
    report = judge(once(), TrustStore.load(trust), NOW - timedelta(hours=2))
    assert report.verdict is Verdict.INDETERMINATE
    assert "not-yet-signed" in codes(report.signatures[0])


def test_an_expired_certificate_with_a_claimed_time_is_not_valid():
    old = pki(LONG_AGO)
    at = LONG_AGO + 1200 * DAY
    store = TrustStore.load(trust_of(old, now=at - DAY))
    report = judge(once(LONG_AGO, made=LONG_AGO, stamped=False), store, at)
    assert report.verdict is Verdict.INDETERMINATE
    assert report.signatures[0].sub_indication == "OUT_OF_BOUNDS_NO_POE"


def test_a_time_stamp_given_after_the_certificate_ended_is_not_valid():
    old = pki(LONG_AGO)
    late = LONG_AGO + 1200 * DAY
    store = TrustStore.load(trust_of(old, now=late))
    report = judge(once(late, made=LONG_AGO), store, late + DAY)
    (signature,) = report.signatures
    assert signature.time_proven is Answer.YES
    assert report.verdict is Verdict.INDETERMINATE
    assert "stamped-late" in codes(signature)


def test_an_expired_certificate_needs_revocation_data_of_its_lifetime():
    old = pki(LONG_AGO)
    at = LONG_AGO + 1200 * DAY
    data = once(LONG_AGO + DAY, made=LONG_AGO)
    only_new = TrustStore.load(trust_of(old, now=at - DAY))
    report = judge(data, only_new, at)
    assert report.verdict is Verdict.INDETERMINATE
    assert "expired" in codes(report.signatures[0])

    both = trust_of(old, now=at - DAY)
    for file in old.trust_dir.glob("*.crl"):
        (both / f"kept-{file.name}").write_bytes(file.read_bytes())
    assert judge(data, TrustStore.load(both), at).verdict is Verdict.VALID


def test_revoked_and_expired_since_is_not_valid():
    old = pki(LONG_AGO)
    at = LONG_AGO + 1200 * DAY
    data = once(LONG_AGO + 10 * DAY, made=LONG_AGO)
    # In its lifetime the certificate was on the list; the newest list has dropped it.
    trust = trust_of(
        old,
        now=LONG_AGO + 20 * DAY,
        revoked=Revocation(old.person().serial, LONG_AGO + 5 * DAY),
    )
    newest = trust_of(old, now=at - DAY)
    for file in newest.glob("*.crl"):
        (trust / f"new-{file.name}").write_bytes(file.read_bytes())
    report = judge(data, TrustStore.load(trust), at)
    assert report.verdict is Verdict.INDETERMINATE


def test_an_archived_signature_outlives_its_certificate():
    old = pki(LONG_AGO)
    data = once(LONG_AGO + 10 * DAY, made=LONG_AGO, level="B-LTA")
    at = LONG_AGO + 1200 * DAY
    report = judge(data, TrustStore.load(trust_of(old, now=at - DAY)), at)
    assert report.verdict is Verdict.VALID
    signature, stamp = report.signatures
    assert (signature.level, stamp.level, stamp.role) == ("PAdES-B-LTA", "timestamp", "tsa")
    assert signature.later_changes == "archive-data"


@pytest.mark.parametrize(("revoked_day", "verdict"), [(300, "valid"), (5, "indeterminate")])
@pytest.mark.parametrize("asked_day", [400, 1200])
def test_an_archived_signature_and_a_later_list(revoked_day, verdict, asked_day):
    # The archive holds the list of its day, which knew nothing of the revocation.
    old = pki(LONG_AGO)
    data = once(LONG_AGO + 10 * DAY, made=LONG_AGO, level="B-LTA")
    at = LONG_AGO + asked_day * DAY
    revoked = Revocation(old.person().serial, LONG_AGO + revoked_day * DAY)
    trust = trust_of(old, now=at - DAY, revoked=revoked)
    report = judge(data, TrustStore.load(trust), at)
    assert report.verdict.value == verdict
    assert (report.signatures[0].not_revoked is Answer.NO) == (verdict != "valid")


def test_a_name_beside_the_signature_is_not_believed():
    report = judge(sign_named("Người Khác"))
    assert report.verdict is Verdict.VALID
    assert report.signatures[0].signer.common_name == "Nguyễn Văn An"
    assert "name-differs" in codes(report.signatures[0])


def sign_named(name: str) -> bytes:
    from dataclasses import replace

    return sign_once(
        letter(),
        pki(),
        replace(pki().person(), name=name),
        "NguoiKy",
        NOW,
        level="B-T",
        visible=False,
    )
