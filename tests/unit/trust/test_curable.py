"""Which undetermined verdicts may still come (SIG-42, F09): each cause, and its evil twin."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.trust.curable import ANY_ISSUER, Cause, gist, waits_for
from gateway.trust.notes import note
from gateway.trust.report import (
    Answer,
    CertificateFacts,
    Coverage,
    PartReport,
    RevocationFacts,
    SignatureFacts,
    TimestampFacts,
    Verdict,
    VerificationReport,
)

AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
ROOT = "CN=Gốc"
ISSUING = "CN=CA cấp dưới"


def certificate(name, subject, issuer):
    return CertificateFacts(subject, name, "", issuer, "1", AT, AT, f"{name}-sha256")


SIGNER = certificate("An", "CN=An", ISSUING)
CHAIN = (
    certificate("CA cấp dưới", ISSUING, ROOT),
    certificate("Gốc", ROOT, ROOT),
)


def signature(sub="TRY_LATER", verdict=Verdict.INDETERMINATE, **more):
    base = SignatureFacts(
        field="Ky",
        verdict=verdict,
        sub_indication=sub,
        intact=Answer.YES,
        trusted=Answer.UNKNOWN,
        not_revoked=Answer.UNKNOWN,
        time_proven=Answer.UNKNOWN,
        signer=SIGNER,
        role="person",
        signed_at=AT,
        signed_at_source="claimed",
        coverage=Coverage.WHOLE_FILE,
        later_changes="none",
        algorithm="",
        chain=CHAIN,
    )
    return replace(base, **more)


def report(*signatures, verdict=Verdict.INDETERMINATE, **more):
    base = VerificationReport(verdict, "f" * 64, 1, AT, "t" * 64, "test", signatures)
    return replace(base, **more)


@pytest.mark.parametrize(
    ("sub", "cause"),
    [
        ("TRY_LATER", Cause.REVOCATION),
        ("CERTIFICATE_CHAIN_GENERAL_FAILURE", Cause.REVOCATION),
        ("NO_CERTIFICATE_CHAIN_FOUND", Cause.CHAIN),
        ("NO_CERTIFICATE_CHAIN_FOUND_NO_POE", Cause.CHAIN),
    ],
)
def test_what_may_still_come_is_waited_for(sub, cause):
    found = waits_for([report(signature(sub))])
    assert found.cause is cause


@pytest.mark.parametrize(
    "sub",
    [
        "OUT_OF_BOUNDS_NO_POE",
        "EXPIRED",
        "REVOKED_NO_POE",
        "CRYPTO_CONSTRAINTS_FAILURE",
        "CHAIN_CONSTRAINTS_FAILURE",
        "SIG_CONSTRAINTS_FAILURE",
        "GENERIC",
        "",
    ],
)
def test_what_no_waiting_mends_is_not(sub):
    assert waits_for([report(signature(sub, not_revoked=Answer.NO))]) is None


@pytest.mark.parametrize("verdict", [Verdict.VALID, Verdict.INVALID])
def test_a_decided_signature_waits_for_nothing(verdict):
    assert waits_for([report(signature("TRY_LATER", verdict))]) is None
    assert waits_for([report(signature("TRY_LATER"), verdict=verdict)]) is None


def test_a_known_signer_of_unknown_status_is_waited_for_whatever_it_is_called():
    odd = signature("NO_POE", trusted=Answer.YES)
    assert waits_for([report(odd)]).cause is Cause.REVOCATION
    assert waits_for([report(replace(odd, not_revoked=Answer.YES))]) is None


def test_a_time_stamp_without_lists_is_waited_for_too():
    stamp = TimestampFacts(AT, "TSA", Answer.UNKNOWN, sub_indication="TRY_LATER")
    mixed = signature("NO_POE", not_revoked=Answer.YES, timestamps=(stamp,))
    assert waits_for([report(mixed)]).cause is Cause.REVOCATION


def test_those_who_are_waited_for_are_named():
    unknown = RevocationFacts("An", SIGNER.sha256, "unknown")
    good = RevocationFacts("CA cấp dưới", CHAIN[0].sha256, "good")
    found = waits_for([report(signature(revocation=(unknown, good)))])
    assert found.issuers == tuple(sorted(("CA cấp dưới", ISSUING)))
    # The authority's own status: its issuer's list.
    above = RevocationFacts("CA cấp dưới", CHAIN[0].sha256, "unknown")
    found = waits_for([report(signature(revocation=(above,)))])
    assert found.issuers == tuple(sorted(("Gốc", ROOT)))
    # Of whom nothing is known: any list may be the one.
    stranger = RevocationFacts("?", "other", "unknown")
    assert waits_for([report(signature(revocation=(stranger,)))]).issuers == (ANY_ISSUER,)
    assert waits_for([report(signature())]).issuers == (ANY_ISSUER,)


def test_a_verifier_that_failed_and_files_inside_a_zip():
    failed = report(notes=(note("verifier-failed", "SIGKILL"),))
    assert waits_for([failed]).cause is Cause.VERIFIER
    inside = report(parts=(PartReport("a.pdf", report(signature())), PartReport("b", None, "x")))
    assert waits_for([inside]).cause is Cause.REVOCATION
    assert waits_for([failed, inside]).cause is Cause.REVOCATION
    assert waits_for([report(notes=(note("too-large", "128 MiB"),))]) is None
    assert waits_for([]) is None


def test_the_gist_is_what_a_clerk_would_see_differ():
    before = [report(signature())]
    assert gist(before) == gist([report(signature(time_proven=Answer.YES), engine="other")])
    assert gist(before) != gist([report(signature("REVOKED_NO_POE"))])
    assert gist(before) != gist([report(signature(not_revoked=Answer.NO))])
    assert gist(before) != gist([report(signature(), signature())])
    zipped = report(parts=(PartReport("a.pdf", before[0]),))
    other = report(parts=(PartReport("a.pdf", report(signature("EXPIRED"))),))
    assert gist([zipped]) != gist([other])
