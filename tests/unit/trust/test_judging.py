"""What the engine adds to the ETSI processes: windows, policy, clocks, facts, one bad signature."""

import asyncio
import dataclasses
import io
from datetime import timedelta

import pytest
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import SimpleSigner

from gateway.demo.letters import sign_once
from gateway.trust import clocks, examination, levels, stamps, viewers
from gateway.trust.anchors import TrustStore
from gateway.trust.judgement import Judgement
from gateway.trust.policy import ListedAnchor, PinnedSigner, TrustList
from gateway.trust.report import Answer, Verdict
from tests.unit.trust.test_pdf import codes, judge
from tests.world import signed_files as world
from tests.world.signed_files import DAY, LONG_AGO, NOW, letter, once, pki, trust_of, twice

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def store() -> TrustStore:
    return TrustStore.load(pki().trust_dir)


def listed(store: TrustStore, **window) -> TrustStore:
    rows = tuple(ListedAnchor(a.sha256.hex(), "duty", **window) for a in store.anchors)
    return dataclasses.replace(store, trust_list=TrustList(version="7", anchors=rows))


# ---------------------------------------------------------------- facts of a good letter


def test_a_good_signature_is_told_in_full(store):
    report = judge(twice("B-T"), listed(store))
    for signature in report.signatures:
        assert signature.indication == "TOTAL-PASSED"
        assert signature.trust_class == "duty"
        assert signature.chain[-1].sha256 in {a.sha256.hex() for a in store.anchors}
        assert [r.status for r in signature.revocation] == ["good", "good", "anchor"]
        (stamp,) = signature.timestamps
        assert (stamp.trusted, stamp.imprint, stamp.sub_indication) == (Answer.YES, "sha256", "")
        assert abs(signature.document_time - NOW) < MINUTE
        assert signature.proof_until > NOW
    assert report.policy.trust_list == "7"
    assert {item.kind for item in report.evidence} == {"certificate", "crl", "timestamp"}
    assert report.lists
    assert list(report.evidence) == sorted(
        report.evidence, key=lambda i: (i.kind, i.sha256, i.origin)
    )


def test_an_archived_signature_has_its_document_time_stamp_among_its_stamps():
    old = pki(LONG_AGO)
    data = once(LONG_AGO + 10 * DAY, made=LONG_AGO, level="B-LTA")
    at = LONG_AGO + 20 * DAY
    report = judge(data, TrustStore.load(trust_of(old, now=at - DAY)), at)
    signature, stamp = report.signatures
    assert len(signature.timestamps) == 2
    assert stamp.timestamps == signature.timestamps[1:]
    assert signature.proof_until == stamp.proof_until


def test_a_pinned_signer_has_the_role_the_operator_gave(store):
    signer = judge(once()).signatures[0].signer.sha256
    pinned = TrustList(signers=(PinnedSigner(signer, "clerk"),))
    report = judge(once(), dataclasses.replace(store, trust_list=pinned))
    assert report.signatures[0].role == "clerk"


# ---------------------------------------------------------------- windows and policy


@pytest.mark.parametrize("window", [{"trusted_until": NOW - DAY}, {"trusted_from": NOW + DAY}])
def test_an_anchor_outside_its_window_is_not_trusted(store, window):
    report = judge(once(), listed(store, **window))
    (signature,) = report.signatures
    assert report.verdict is Verdict.INDETERMINATE
    assert signature.sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"
    assert "anchor-window" in codes(signature)
    assert signature.trusted is Answer.NO


def test_an_anchor_inside_its_window_is_trusted(store):
    inside = listed(store, trusted_from=NOW - DAY, trusted_until=NOW + DAY)
    assert judge(once(), inside).verdict is Verdict.VALID


def test_a_policy_may_demand_a_time_stamp(store):
    strict = dataclasses.replace(
        store, policy=dataclasses.replace(store.policy, timestamp="required")
    )
    assert judge(once(), strict).verdict is Verdict.VALID
    report = judge(once(stamped=False), strict)
    assert report.verdict is Verdict.INDETERMINATE
    assert "timestamp-required" in codes(report.signatures[0])
    assert "wrong-usage" not in codes(report.signatures[0])


def test_a_policy_may_refuse_an_unknown_status():
    store = TrustStore.load(trust_of(pki(), crls=False))
    strict = dataclasses.replace(store, policy=dataclasses.replace(store.policy, unknown="invalid"))
    assert judge(once(), store).verdict is Verdict.INDETERMINATE
    assert judge(once(), strict).verdict is Verdict.INVALID


def test_a_long_lived_duty_certificate_is_remarked_on(store):
    short = dataclasses.replace(
        listed(store), policy=dataclasses.replace(store.policy, max_lifetime_days=10)
    )
    report = judge(once(), short)
    assert report.verdict is Verdict.VALID
    assert "long-lifetime" in codes(report.signatures[0])
    unlisted = dataclasses.replace(short, trust_list=TrustList())
    assert "long-lifetime" not in codes(judge(once(), unlisted).signatures[0])


# ---------------------------------------------------------------- clocks


def claims(inside, beside, stamped) -> tuple[object, set[str]]:
    judgement = Judgement()
    claim = clocks.believed_claim(inside, beside, stamped, judgement)
    clocks.compare(claim, beside, stamped, judgement)
    return claim, {n.code for n in judgement.notes}


@pytest.mark.parametrize(
    ("inside", "beside", "stamped", "claim", "expected"),
    [
        (NOW, NOW, NOW, NOW, set()),
        (NOW + 7 * HOUR, NOW, NOW + MINUTE / 30, NOW, {"local-time-as-utc"}),
        (NOW + 7 * HOUR, None, NOW + 20 * MINUTE, NOW, {"local-time-as-utc", "clock-differs"}),
        (NOW + 7 * HOUR, None, NOW + 3 * HOUR, NOW + 7 * HOUR, {"tsa-before-claimed"}),
        (NOW, NOW, NOW - 12 * MINUTE, NOW, {"tsa-before-claimed"}),
        (NOW, NOW, NOW + 380 * MINUTE, NOW, {"clock-differs"}),
        (NOW, NOW, NOW + 3 * MINUTE, NOW, set()),
        (NOW, NOW - 900 * DAY, NOW, NOW, {"claimed-differs"}),
        (None, NOW, NOW, NOW, set()),
        (None, None, NOW, None, set()),
    ],
)
def test_claims_are_compared_and_never_fail(inside, beside, stamped, claim, expected):
    assert claims(inside, beside, stamped) == (claim, expected)


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("D:20240925160937+07'00'", "2024-09-25T09:09:37+00:00"),
        ("D:20240925160937", "2024-09-25T09:09:37+00:00"),
        ("gibberish", None),
    ],
)
def test_a_stated_time_without_a_zone_is_vietnams(text, iso):
    found = clocks.document_time({"/M": text})
    assert (found.isoformat() if found else None) == iso


# ---------------------------------------------------------------- one bad signature


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("math domain error"), "odd-key"),
        (ValueError("Could not deserialize key data."), "odd-key"),
        (KeyError("x"), "other-problem"),
        (AssertionError(), "other-problem"),
    ],
)
def test_what_breaks_one_signature_leaves_the_others(monkeypatch, error, code):
    whole = levels.judge_signature

    def judged(emb, evidence, proven):
        if emb.fq_name == "NguoiKy":
            raise error
        return whole(emb, evidence, proven)

    monkeypatch.setattr(levels, "judge_signature", judged)
    report = judge(twice("B-T"))
    person, agency = report.signatures
    assert agency.verdict is Verdict.VALID
    assert person.verdict is Verdict.INDETERMINATE
    assert code in codes(person)
    assert person.signer.common_name == "Nguyễn Văn An"
    assert "read-leniently" not in {n.code for n in report.notes}


def test_facts_that_cannot_be_read_leave_the_others(monkeypatch):
    whole = examination.description.described

    def described(name, *rest, **more):
        if name == "NguoiKy":
            raise TypeError
        return whole(name, *rest, **more)

    monkeypatch.setattr(examination.description, "described", described)
    person, agency = judge(twice("B-T")).signatures
    assert (person.verdict, agency.verdict) == (Verdict.INDETERMINATE, Verdict.VALID)
    assert person.signer is None


# ---------------------------------------------------------------- time-stamps
# SIG-44 (NĐ68 art 29): a token counts with imprint, purpose, path and time; else it is a claim.


def test_a_token_that_does_not_hold_lends_no_time(monkeypatch, store):
    monkeypatch.setattr(stamps.chains, "outside", lambda certs, _: next(iter(certs), None))
    report = judge(once(), store)
    (signature,) = report.signatures
    assert signature.time_proven is Answer.UNKNOWN
    assert report.verdict is not Verdict.VALID
    assert signature.timestamps[0].trusted is Answer.UNKNOWN


def test_a_broken_token_is_a_finding():
    data = once()
    report = judge(data, TrustStore())
    assert report.signatures[0].timestamps[0].sub_indication == "NO_CERTIFICATE_CHAIN_FOUND"


# ---------------------------------------------------------------- the second look


def test_a_disagreement_of_the_viewers_is_never_valid(monkeypatch):
    opinion = viewers.Opinion(alike=True, disagree=True, second=True)
    monkeypatch.setattr(viewers.Viewers, "opinion", lambda *_: opinion)
    report = judge(world.catalogue_entry_added(once()))
    assert report.verdict is Verdict.INDETERMINATE
    assert "viewers-disagree" in codes(report.signatures[0])


def test_a_page_that_only_the_second_viewer_sees_changed_is_changed(monkeypatch):
    opinion = viewers.Opinion(alike=False, disagree=True, second=True)
    monkeypatch.setattr(viewers.Viewers, "opinion", lambda *_: opinion)
    report = judge(world.catalogue_entry_added(once()))
    assert report.verdict is Verdict.INVALID
    assert "page-changed" in codes(report.signatures[0])


def test_a_missing_second_viewer_is_told_only_when_it_was_wanted(monkeypatch):
    monkeypatch.setattr(examination, "installed", lambda: False)
    assert judge(twice("B-T")).notes == ()
    report = judge(world.catalogue_entry_added(once()))
    assert "no-second-look" in {n.code for n in report.notes}


def test_an_unwanted_look_is_not_taken(monkeypatch):
    monkeypatch.setattr(viewers.Viewers, "opinion", lambda *_: pytest.fail("looked"))
    assert judge(twice()).verdict is Verdict.VALID


def test_a_second_certification_is_an_error():
    data = certified(certified(letter(), "Mot"), "Hai")
    report = judge(data)
    assert report.verdict is Verdict.INVALID
    assert "two-certifications" in codes(report.signatures[1])
    assert report.certification == "P2"


def test_a_certification_after_another_signature_is_remarked_on():
    first = sign_once(letter(), pki(), pki().person(), "Mot", NOW, level="B-T", visible=False)
    report = judge(certified(first, "Hai"))
    assert "late-certification" in {n.code for n in report.notes}


class Certifying(PdfSigner):
    """Certifies without asking whether that is allowed."""

    def _enforce_certification_constraints(self, reader):
        """Allow it."""


def certified(pdf: bytes, field: str) -> bytes:
    person = pki().person()
    signer = SimpleSigner.load(str(person.key), str(person.certificate))
    meta = PdfSignatureMetadata(field_name=field, certify=True, subfilter=SigSeedSubFilter.PADES)
    out = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    asyncio.run(Certifying(meta, signer).async_sign_pdf(writer, output=out))
    return out.getvalue()
