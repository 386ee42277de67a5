"""VerificationReport: what we can say about the signatures of one file, as plain values.

The seam between the verifier and everyone who reads verdicts. `gateway.trust.render.to_json` is
stable: the same facts give the same bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verdict(StrEnum):
    """Worst of everything seen. Unknown is never valid."""

    VALID = "valid"
    INVALID = "invalid"
    INDETERMINATE = "indeterminate"
    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"


class Answer(StrEnum):
    """Answer to one of the four questions."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Coverage(StrEnum):
    """How much of the file a signature covers."""

    WHOLE_FILE = "whole-file"
    REVISION = "revision"
    PARTIAL = "partial"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Note:
    """One remark: stable code, Vietnamese, English."""

    code: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """A certificate's printed facts; `sha256` of its DER."""

    subject: str
    common_name: str
    organization: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    sha256: str


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """One signature (chữ ký): verdict, the four answers, who, when, what was added later.

    Args:
        field: Signature field name.
        verdict: VALID, INVALID or INDETERMINATE.
        sub_indication: ETSI sub-indication (`HASH_FAILURE`, `NO_CERTIFICATE_CHAIN_FOUND`), or "".
        intact: Bytes intact.
        trusted: Signer chains to an anchor.
        not_revoked: Not revoked at the time.
        time_proven: Time comes from a trusted time-stamp.
        signer: Certificate of the signer, None when unreadable.
        role: `person`, `organization`, `tsa` or `unknown`, told from the certificate.
        signed_at: Best time, aware; None when there is none.
        signed_at_source: `timestamp`, `document-timestamp`, `claimed` or `none`.
        coverage: How much of the file is covered.
        later_changes: `none`, `archive-data`, `signature`, `form-filling`, `annotation`, `other`,
            `not-analysed`.
        algorithm: `sha256 rsa 2048`.
        notes: Remarks about this signature.
        claimed_at: Time the signer wrote, unproven; None when there is none.
        time_authority: Common name of the time-stamp's certificate, or "".
        level: `PAdES-B-LT`, `PKCS7-B-T`, `timestamp` or "".
    """

    field: str
    verdict: Verdict
    sub_indication: str
    intact: Answer
    trusted: Answer
    not_revoked: Answer
    time_proven: Answer
    signer: CertificateFacts | None
    role: str
    signed_at: datetime | None
    signed_at_source: str
    coverage: Coverage
    later_changes: str
    algorithm: str
    notes: tuple[Note, ...] = ()
    claimed_at: datetime | None = None
    time_authority: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The report of one file (báo cáo kiểm tra chữ ký số).

    Args:
        verdict: Worst of everything.
        sha256: Of the file.
        size_bytes: Of the file.
        verified_at: The time the questions were asked for, aware.
        trust_sha256: Hash over the anchors, intermediates and CRLs used.
        engine: Name and version of the validator.
        signatures: In order of the file.
        notes: Remarks about the file.
        secrecy_marks: Secrecy stamps found in the text of page 1 (SEC-01), as they stand there.
    """

    verdict: Verdict
    sha256: str
    size_bytes: int
    verified_at: datetime
    trust_sha256: str
    engine: str
    signatures: tuple[SignatureFacts, ...] = ()
    notes: tuple[Note, ...] = ()
    secrecy_marks: tuple[str, ...] = ()
