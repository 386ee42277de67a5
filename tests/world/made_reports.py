"""Verification reports made by hand: every state, and strangers' words at their worst."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.trust.notes import note
from gateway.trust.report import (
    Answer,
    CertificateFacts,
    ChangeFacts,
    Coverage,
    EvidenceItem,
    ListFacts,
    Note,
    PartReport,
    PolicyFacts,
    RevisionFacts,
    RevocationFacts,
    SignatureFacts,
    TimestampFacts,
    Verdict,
    VerificationReport,
)

AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SIGNED = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
CRL = "c1" * 32
EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u202egnp.exe\x00\x1b[31m{{7*7}}&amp;"
)


def certificate(name="Nguyễn Văn An", organization="Sở Nội vụ", sha256="a1" * 32):
    return CertificateFacts(
        subject=f"CN={name}, O={organization}, C=VN",
        common_name=name,
        organization=organization,
        issuer="CN=CA thử nghiệm",
        serial="01ab",
        not_before=AT - timedelta(days=400),
        not_after=AT + timedelta(days=400),
        sha256=sha256,
    )


def signature(**changes):
    signer = certificate()
    issuer = certificate("CA thử nghiệm", "Ban Cơ yếu", "b1" * 32)
    anchor = certificate("Gốc thử nghiệm", "Ban Cơ yếu", "d1" * 32)
    made = SignatureFacts(
        field="NguoiKy",
        verdict=Verdict.VALID,
        sub_indication="",
        intact=Answer.YES,
        trusted=Answer.YES,
        not_revoked=Answer.YES,
        time_proven=Answer.YES,
        signer=signer,
        role="person",
        signed_at=SIGNED,
        signed_at_source="timestamp",
        coverage=Coverage.REVISION,
        later_changes="signature",
        algorithm="sha256 rsa 2048",
        claimed_at=SIGNED - timedelta(minutes=3),
        time_authority="Máy chủ cấp dấu thời gian",
        level="PAdES-B-LT",
        indication="TOTAL-PASSED",
        chain=(issuer, anchor),
        trust_class="duty",
        revocation=(
            RevocationFacts(
                "Nguyễn Văn An", "a1" * 32, "good", "stored-crl", SIGNED, AT, evidence=CRL
            ),
            RevocationFacts("Gốc thử nghiệm", "d1" * 32, "anchor"),
        ),
        timestamps=(TimestampFacts(SIGNED, "Máy chủ cấp dấu thời gian", Answer.YES, "sha256"),),
        revision=2,
        revision_end=40,
        revision_sha256="e1" * 32,
        page=1,
        rectangle=(100.0, 100.0, 200.0, 150.0),
    )
    return replace(made, **changes)


def report(*signatures, **changes):
    made = VerificationReport(
        verdict=Verdict.VALID,
        sha256="f1" * 32,
        size_bytes=70_866,
        verified_at=AT,
        trust_sha256="ab" * 32,
        engine="vanlien-trust 2",
        signatures=signatures,
        kind="pdf",
        policy=PolicyFacts("TT15", "2025-01-01", "0c" * 32, "2026-11"),
        pages=2,
        revisions=(
            RevisionFacts(1, 20, "content"),
            RevisionFacts(2, 40, "signature", ("NguoiKy",)),
        ),
        lists=(ListFacts("CA thử nghiệm", SIGNED, AT - timedelta(hours=1), "7", CRL, "stored"),),
        evidence=(
            EvidenceItem("certificate", "a1" * 32, "file"),
            EvidenceItem("crl", CRL, "store"),
            EvidenceItem("timestamp", "1f" * 32, "file"),
        ),
    )
    return replace(made, **changes)


def bad(sub_indication, verdict=Verdict.INDETERMINATE, **changes):
    """Return a report whose only signature has this sub-indication."""
    one = signature(verdict=verdict, sub_indication=sub_indication, **changes)
    return report(one, verdict=verdict)


def states():
    """Return a report for each thing a page can say, by name."""
    unknown = Answer.UNKNOWN
    return {
        "valid": report(signature()),
        "noted": report(
            signature(
                notes=(note("claimed-time"),), signed_at_source="claimed", time_proven=unknown
            )
        ),
        "hash": bad("HASH_FAILURE", Verdict.INVALID, intact=Answer.NO),
        "later": bad("TRY_LATER", not_revoked=unknown),
        "expired": bad("OUT_OF_BOUNDS_NO_POE", time_proven=unknown),
        "revoked": bad(
            "REVOKED",
            Verdict.INVALID,
            not_revoked=Answer.NO,
            revocation=(
                RevocationFacts(
                    "Nguyễn Văn An",
                    "a1" * 32,
                    "revoked",
                    "stored-ocsp",
                    AT,
                    AT,
                    SIGNED,
                    "key_compromise",
                    CRL,
                ),
            ),
        ),
        "unknown-authority": bad("NO_CERTIFICATE_CHAIN_FOUND", trusted=unknown, chain=()),
        "changed": report(
            signature(
                verdict=Verdict.INVALID,
                later_changes="other",
                notes=(note("page-changed"),),
                changes=(ChangeFacts("page-changed", 3, 1),),
            ),
            verdict=Verdict.INVALID,
        ),
        "filled": report(
            signature(
                verdict=Verdict.INDETERMINATE,
                later_changes="form-filling",
                changes=(ChangeFacts("form-filling", 3, 1, "So_tien", "1.000", "9.000"),),
            ),
            verdict=Verdict.INDETERMINATE,
        ),
        "hidden": report(
            signature(), verdict=Verdict.INDETERMINATE, notes=(note("hidden-signature"),)
        ),
        "nobody": bad("FORMAT_FAILURE", Verdict.INVALID, signer=None, signed_at=None, chain=()),
        "unsigned": report(verdict=Verdict.UNSIGNED, revisions=(), lists=(), evidence=()),
        "unreadable": report(verdict=Verdict.UNREADABLE, notes=(note("unreadable-pdf", "xref"),)),
        "killed": report(
            verdict=Verdict.INDETERMINATE, notes=(note("verifier-failed", "60 s"),), kind="other"
        ),
        "secret": report(signature(), secrecy_marks=("MẬT",)),
        "container": report(
            verdict=Verdict.INVALID,
            kind="zip",
            revisions=(),
            parts=(
                PartReport("cong-van.pdf", bad("HASH_FAILURE", Verdict.INVALID)),
                PartReport("phu-luc.zip", None, "too-deep"),
                PartReport("bang.xlsx", report(verdict=Verdict.UNSIGNED, kind="other")),
            ),
        ),
    }


def evil():
    """Return a report in which every text a stranger controls is an attack."""
    signer = certificate(EVIL, EVIL)
    signer = replace(signer, subject=EVIL, issuer=EVIL, serial=EVIL, sha256=EVIL)
    one = signature(
        field=EVIL,
        signer=signer,
        algorithm=EVIL,
        level=EVIL,
        time_authority=EVIL,
        sub_indication=EVIL,
        verdict=Verdict.INDETERMINATE,
        chain=(signer,),
        trust_class=EVIL,
        role=EVIL,
        signed_at_source=EVIL,
        later_changes=EVIL,
        revocation=(RevocationFacts(EVIL, EVIL, EVIL, EVIL, AT, AT, AT, EVIL, EVIL),),
        timestamps=(TimestampFacts(AT, EVIL, Answer.YES, EVIL, EVIL),),
        changes=(ChangeFacts(EVIL, 2, 1, EVIL, EVIL, EVIL),),
        notes=(Note(EVIL, EVIL, EVIL),),
        revision_sha256=EVIL,
        reference=EVIL,
    )
    return report(
        one,
        verdict=Verdict.INDETERMINATE,
        sha256=EVIL,
        trust_sha256=EVIL,
        engine=EVIL,
        kind=EVIL,
        notes=(Note(EVIL, EVIL, EVIL),),
        secrecy_marks=(EVIL,),
        certification=EVIL,
        active_content=(EVIL,),
        policy=PolicyFacts(EVIL, EVIL, EVIL, EVIL),
        revisions=(RevisionFacts(1, 5, EVIL, (EVIL,)),),
        lists=(ListFacts(EVIL, SIGNED, AT, EVIL, EVIL, EVIL),),
        evidence=(EvidenceItem("crl", EVIL, EVIL),),
        parts=(PartReport(EVIL, bad(EVIL)), PartReport(EVIL, None, EVIL)),
    )
