"""VerificationReport: what we can say about the signatures of one file, as plain values.

The seam between the verifier and everyone who reads verdicts. `gateway.trust.render.to_json` is
stable: the same facts give the same bytes. A field added later has a default, so that stored
reports read back.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, PlainSerializer

VIETNAM: Final = timezone(timedelta(hours=7))


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("a time outside the calendar") from exc


def _in_vietnam(at: datetime) -> str:
    try:
        return at.astimezone(VIETNAM).isoformat()
    except OverflowError:  # a certificate may say 31/12/9999 23:59:59Z: there is no later day
        return at.isoformat()


Moment = Annotated[
    datetime,
    AfterValidator(_in_utc),
    PlainSerializer(_in_vietnam, return_type=str),
]
"""An aware instant; `+07:00` in JSON."""


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
    """A certificate's printed facts; `sha256` of its DER.

    Args:
        units: Organisational units (OU), as written.
        locality: Locality (L), or "".
        identifiers: Numbers in the subject as written, `MST:0123456789`, `MNS:H37.02`.
    """

    subject: str
    common_name: str
    organization: str
    issuer: str
    serial: str
    not_before: Moment
    not_after: Moment
    sha256: str
    units: tuple[str, ...] = ()
    locality: str = ""
    identifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RevocationFacts:
    """What is known of one certificate of the path at the time in question (SIG-42).

    Args:
        subject: Common name of the certificate.
        sha256: Of its DER.
        status: `good`, `revoked`, `unknown`, or `anchor` for what is trusted by itself.
        source: `file-ocsp`, `file-crl`, `stored-ocsp`, `stored-crl` or "".
        this_update: When the list or answer used was issued.
        next_update: Until when it is in force.
        revoked_at: Since when, if revoked.
        reason: Why, as the list says (`key_compromise`), or "".
        evidence: SHA-256 of the list or answer used, or "".
    """

    subject: str
    sha256: str
    status: str
    source: str = ""
    this_update: Moment | None = None
    next_update: Moment | None = None
    revoked_at: Moment | None = None
    reason: str = ""
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class TimestampFacts:
    """One time-stamp token (dấu thời gian).

    Args:
        at: Its time, None when unreadable.
        authority: Common name of who gave it, or "".
        trusted: It holds and chains to an anchor.
        imprint: Digest algorithm of its imprint (`sha256`), or "".
        sub_indication: Why it is not trusted, or "".
    """

    at: Moment | None
    authority: str
    trusted: Answer
    imprint: str = ""
    sub_indication: str = ""


@dataclass(frozen=True, slots=True)
class ChangeFacts:
    """One thing done to the file after a signature.

    Args:
        kind: As `SignatureFacts.later_changes`, or `page-added`, `page-removed`, `page-changed`.
        revision: In which revision, from 1; 0 when not told.
        page: On which page, from 1; 0 when not told.
        field: Form field, or "".
        old: Value before, cleaned and cut, or "".
        new: Value after, likewise.
        rectangle: Where on the page, points from the lower left corner.
    """

    kind: str
    revision: int = 0
    page: int = 0
    field: str = ""
    old: str = ""
    new: str = ""
    rectangle: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class AppearanceFacts:
    """How a signature is shown on the page; proves nothing (SIG-26).

    Args:
        picture: It shows an image.
        hue: `blue`, `red`, `other` or "" for no picture.
        transparent: The image has a transparent ground.
        png_like: Lossless image, as PNG becomes in a PDF.
        text: Text drawn in it, cleaned and cut.
        page_width: Of the page as shown, points.
        page_height: Of the page as shown, points.
        quadrant: Where its centre lies on the page as shown: `top-right`, `bottom-left`…, or "".
    """

    picture: bool = False
    hue: str = ""
    transparent: bool = False
    png_like: bool = False
    text: str = ""
    page_width: float = 0.0
    page_height: float = 0.0
    quadrant: str = ""


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
        role: `person`, `organization`, `portal`, `clerk`, `tsa` or `unknown`, told from the
            certificate and the trust list.
        signed_at: Best time, aware; None when there is none.
        signed_at_source: `timestamp`, `document-timestamp`, `claimed` or `none`.
        coverage: How much of the file is covered.
        later_changes: `none`, `archive-data`, `signature`, `form-filling`, `annotation`, `other`,
            `not-analysed`.
        algorithm: `sha256 rsa 2048`.
        notes: Remarks about this signature.
        claimed_at: Time the signer wrote, unproven; None when there is none.
        time_authority: Common name of the time-stamp's certificate, or "".
        level: `PAdES-B-LT`, `PKCS7-B-T`, `XAdES-B-B`, `XMLDSig`, `timestamp` or "".
        indication: `TOTAL-PASSED`, `TOTAL-FAILED` or `INDETERMINATE` (ETSI EN 319 102-1); the
            verdict may be worse, never better.
        chain: Certificates from the signer's issuer to the anchor.
        trust_class: Of the anchor: `duty` (công vụ), `public` (công cộng), `foreign`, `internal`,
            `unlisted` (an anchor no trust list names) or "" for none.
        revocation: One entry per certificate of the path, signer first.
        timestamps: Tokens of the signature itself, then document time-stamps after it.
        document_time: The time the file states beside the signature (/M), None when none.
        revision: Which revision it signed, from 1; 0 when not told.
        revision_end: Length in bytes of exactly what was signed, its own value included; 0 when
            not told.
        revision_sha256: Of these bytes, or "".
        page: Where it is shown, from 1; 0 when invisible.
        rectangle: There, points from the lower left corner.
        changes: Later changes, one by one, as far as they could be told apart.
        appearance: How it is shown, None when invisible.
        proof_until: Until when the proof holds without renewal, None when not told.
        reference: What an XML signature covers: the path of the element, or "".
        agencies: Codes the trust list lets this signer sign for; empty where it does not say (G8).
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
    signed_at: Moment | None
    signed_at_source: str
    coverage: Coverage
    later_changes: str
    algorithm: str
    notes: tuple[Note, ...] = ()
    claimed_at: Moment | None = None
    time_authority: str = ""
    level: str = ""
    indication: str = ""
    chain: tuple[CertificateFacts, ...] = ()
    trust_class: str = ""
    revocation: tuple[RevocationFacts, ...] = ()
    timestamps: tuple[TimestampFacts, ...] = ()
    document_time: Moment | None = None
    revision: int = 0
    revision_end: int = 0
    revision_sha256: str = ""
    page: int = 0
    rectangle: tuple[float, float, float, float] | None = None
    changes: tuple[ChangeFacts, ...] = ()
    appearance: AppearanceFacts | None = None
    proof_until: Moment | None = None
    reference: str = ""
    agencies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RevisionFacts:
    """One saved state of the file, oldest first.

    Args:
        number: From 1.
        end: Its length in bytes.
        kind: `content` (the first), `signature`, `timestamp`, or as `later_changes`.
        signatures: Names of the fields signed in it.
    """

    number: int
    end: int
    kind: str
    signatures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListFacts:
    """One revocation list the verdict rests on.

    Args:
        issuer: Common name of who issued it.
        this_update: When.
        next_update: Until when it is in force.
        number: CRL number, "" when none.
        sha256: Of its DER.
        source: `stored` or `file`.
    """

    issuer: str
    this_update: Moment
    next_update: Moment | None
    number: str
    sha256: str
    source: str


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One thing the verdict rests on, kept so that it can be given again (SIG-47).

    Args:
        kind: `certificate`, `crl`, `ocsp` or `timestamp`.
        sha256: Of its DER.
        origin: `file` or `store`.
    """

    kind: str
    sha256: str
    origin: str


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """The rules the verdict was made by.

    Args:
        name: Of the policy.
        dated: Its date, ISO 8601.
        sha256: Of the policy file, or of the built-in one.
        trust_list: Version of the trust list, "" when there is none.
    """

    name: str
    dated: str
    sha256: str
    trust_list: str = ""


@dataclass(frozen=True, slots=True)
class PartReport:
    """One file inside a container (zip).

    Args:
        name: In the container, cleaned.
        report: Its report, None when it was not examined.
        reason: Why not: `too-deep`, `too-many`, `too-large`, `encrypted`, `damaged`, or "".
    """

    name: str
    report: "VerificationReport | None"
    reason: str = ""


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
        kind: `pdf`, `xml`, `zip` or `other`.
        policy: By which rules, None for a file that needed none.
        pages: Number of pages, 0 when not told.
        revisions: Saved states of a PDF.
        certification: What the certifier permits: `P1`, `P2`, `P3`, or "".
        empty_fields: Signature fields without a signature.
        unsupported: Signatures of kinds that are not verified here.
        active_content: `javascript`, `launch`, `embedded-files`, `xfa`, sorted.
        lists: Revocation lists used.
        evidence: Everything used, sorted by kind and digest.
        parts: Files inside, for a container.
        page_text: The first page has text, so that a missing stamp can be told from a scan.
        urgency_marks: Urgency stamps found there (SIG-25): `HỎA TỐC`, `THƯỢNG KHẨN`, `KHẨN`.
    """

    verdict: Verdict
    sha256: str
    size_bytes: int
    verified_at: Moment
    trust_sha256: str
    engine: str
    signatures: tuple[SignatureFacts, ...] = ()
    notes: tuple[Note, ...] = ()
    secrecy_marks: tuple[str, ...] = ()
    kind: str = "other"
    policy: PolicyFacts | None = None
    pages: int = 0
    revisions: tuple[RevisionFacts, ...] = ()
    certification: str = ""
    empty_fields: int = 0
    unsupported: int = 0
    active_content: tuple[str, ...] = ()
    lists: tuple[ListFacts, ...] = ()
    evidence: tuple[EvidenceItem, ...] = ()
    parts: tuple[PartReport, ...] = ()
    page_text: bool = False
    urgency_marks: tuple[str, ...] = ()
