"""One signature against the evidence: cryptography, chain, revocation and time.

No single call of the validator gives the verdict. Procedure:

 1. choose the ETSI EN 319 102-1 process by what the signature has: no time-stamp → basic;
    a signature time-stamp → with time; later document time-stamps → with archival data;
 2. check what those processes leave out: the proven time must lie inside the validity of every
    certificate of the path; an expired certificate needs revocation data from its lifetime; a
    signature cannot be younger than the question;
 3. when it did not pass, ask chain and time-stamp separately, so that each of the four answers
    stands on its own;
 4. name the sub-indication and the remarks.

Pure but for the processor's time; unknown is never YES.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import cms, x509
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate, AdESPassed
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.ades import (
    ades_basic_validation,
    ades_lta_validation,
    ades_timestamp_validation,
    ades_with_time_validation,
)
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InvalidCertificateError, PathBuildingError
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy

from gateway.trust.evidence import IN_FORCE, RECENT, RETROACTIVE, Evidence, aware, timing
from gateway.trust.facts import common_name
from gateway.trust.notes import note
from gateway.trust.report import Answer, Note

_SKEW: Final = timedelta(minutes=5)
_FAR: Final = timedelta(hours=24)
_WEAK: Final = frozenset({"CRYPTO_CONSTRAINTS_FAILURE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"})
_REVOKED: Final = frozenset({"REVOKED", "REVOKED_NO_POE", "REVOKED_CA_NO_POE"})
_OUT_OF_TIME: Final = frozenset(
    {"OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "EXPIRED", "NO_POE"}
)


@dataclass(slots=True)
class Judgement:
    """What cryptography, trust and time say of one signature; filled in step by step."""

    passed: bool = False
    failed: bool = False
    sub: str = ""
    intact: Answer = Answer.UNKNOWN
    trusted: Answer = Answer.UNKNOWN
    not_revoked: Answer = Answer.UNKNOWN
    time_proven: Answer = Answer.UNKNOWN
    signed_at: datetime | None = None
    source: str = "none"
    time_authority: str = ""
    notes: list[Note] = field(default_factory=list)

    def doubt(self, sub: str, code: str, detail: object = "") -> None:
        """Take back a pass: not concluded, for this reason."""
        self.passed = False
        if not self.failed:
            self.sub = sub
        self.remark(code, detail)

    def remark(self, code: str, detail: object = "") -> None:
        """Add a remark, once."""
        if all(n.code != code for n in self.notes):
            self.notes.append(note(code, detail))


@dataclass(frozen=True, slots=True)
class ProvenTime:
    """A time-stamp that holds: when, and by whom."""

    at: datetime
    authority: str
    revision: int


def judge_signature(
    emb: EmbeddedPdfSignature, evidence: Evidence, document_stamps: tuple[ProvenTime, ...]
) -> Judgement:
    """Judge a signature of a person or an agency.

    Args:
        emb: The signature; its integrity information is computed.
        evidence: What is at hand.
        document_stamps: Document time-stamps of the file that hold.
    """
    signer_info = emb.signer_info
    evidence = evidence.with_signature(emb)
    later = tuple(s for s in document_stamps if s.revision > emb.signed_revision)
    stamped = bool(_tokens(signer_info))
    result = asyncio.run(_process(emb, evidence, has_token=stamped, archived=bool(later)))
    judgement = _from_result(result)
    cert = _signer(emb)
    if stamped:
        _stamped_time(judgement, emb, evidence, result)
    if judgement.time_proven is not Answer.YES and later:
        first = min(later, key=lambda s: s.at)
        judgement.time_proven = Answer.YES
        judgement.signed_at, judgement.source = first.at, "document-timestamp"
        judgement.time_authority = first.authority
    if cert is not None:
        _check_bounds(judgement, result, cert, evidence, emb, archived=bool(later))
        _explain(judgement, result, cert, evidence)
    return judgement


def judge_timestamp(emb: EmbeddedPdfSignature, evidence: Evidence) -> Judgement:
    """Judge a document time-stamp; `signed_at` is its own time."""
    evidence = evidence.with_signature(emb)
    result = asyncio.run(
        ades_timestamp_validation(
            emb.signed_data,
            evidence.spec(IN_FORCE),
            emb.compute_digest,
            timing_info=timing(evidence.at),
        )
    )
    judgement = _from_result(result)
    cert = _signer(emb)
    stamped = token_time(emb.signed_data)
    judgement.signed_at, judgement.source = stamped, "document-timestamp" if stamped else "none"
    judgement.time_proven = Answer.YES if judgement.passed else Answer.UNKNOWN
    if cert is not None:
        judgement.time_authority = common_name(cert)
        if stamped is not None and stamped > evidence.at + _SKEW:
            judgement.doubt("GENERIC", "not-yet-signed", evidence.at.isoformat())
        _explain(judgement, result, cert, evidence)
    return judgement


async def _process(
    emb: EmbeddedPdfSignature, evidence: Evidence, *, has_token: bool, archived: bool
) -> Any:
    """Run the process that fits; (1) of the module's procedure."""
    digest = emb.compute_digest()
    when = timing(evidence.at)
    if has_token and archived:
        return await _archival(emb, evidence)
    spec_now = evidence.spec(IN_FORCE)
    if has_token:
        return await ades_with_time_validation(
            emb.signed_data, spec_now, timing_info=when, raw_digest=digest
        )
    return await ades_basic_validation(
        emb.signed_data, spec_now, timing_info=when, raw_digest=digest
    )


async def _archival(emb: EmbeddedPdfSignature, evidence: Evidence) -> Any:
    """Run the archival process under each sound reading; the first that passes, or the first."""
    views = [evidence]
    cert = _signer(emb)
    if cert is not None and aware(cert.not_valid_after) < evidence.at:
        views.append(evidence.for_expired(cert))
    first: Any = None
    for view in views:
        # Both readings of "fresh" are ETSI's: issued lately, or still in force.
        for freshness in (RECENT, IN_FORCE):
            spec = PdfSignatureValidationSpec(view.spec(freshness, from_file=False))
            result = await ades_lta_validation(emb, spec, timing_info=timing(evidence.at))
            if _ok(result):
                return result
            first = first or result
    return first


def _ok(result: Any) -> bool:
    return result is not None and result.ades_subindic == AdESPassed.OK


def _from_result(result: Any) -> Judgement:
    sub = result.ades_subindic
    judgement = Judgement(passed=_ok(result), failed=isinstance(sub, AdESFailure))
    if not judgement.passed:
        judgement.sub = sub.name if isinstance(sub, AdESFailure | AdESIndeterminate) else "GENERIC"
    status = result.api_status
    if judgement.sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"}:
        judgement.intact = Answer.NO
    elif status is not None and status.intact and status.valid:
        judgement.intact = Answer.YES
    if judgement.passed:
        judgement.trusted = judgement.not_revoked = Answer.YES
    return judgement


# ---------------------------------------------------------------- time


def _tokens(signer_info: cms.SignerInfo) -> list[cms.SignedData]:
    try:
        return list(generic_cms.extract_tst_data_iter(signer_info, signed=False))[:5]
    except Exception:  # noqa: BLE001 — a token that cannot be read proves nothing
        return []


def token_time(signed_data: cms.SignedData) -> datetime | None:
    """Return the time a time-stamp token states, None when unreadable."""
    try:
        return aware(signed_data["encap_content_info"]["content"].parsed["gen_time"].native)
    except Exception:  # noqa: BLE001 — as above
        return None


def _stamped_time(
    judgement: Judgement, emb: EmbeddedPdfSignature, evidence: Evidence, result: Any
) -> None:
    """Fill in the time of the signature's own token, proven or not."""
    status = getattr(result.api_status, "timestamp_validity", None)
    best = getattr(result, "best_signature_time", None)
    if judgement.passed and status is not None and best is not None:
        judgement.time_proven = Answer.YES
        judgement.signed_at, judgement.source = aware(best), "timestamp"
        judgement.time_authority = common_name(status.signing_cert)
        return
    trouble = "GENERIC"
    for token in _tokens(emb.signer_info):
        check = asyncio.run(
            ades_timestamp_validation(
                token,
                evidence.spec(IN_FORCE),
                generic_cms.message_imprint_checker(emb.signer_info),
                timing_info=timing(evidence.at),
            )
        )
        stamped = token_time(token)
        judgement.time_authority = _authority(token)
        if _ok(check) and stamped is not None:
            judgement.time_proven = Answer.YES
            judgement.signed_at, judgement.source = stamped, "timestamp"
            return
        trouble = getattr(check.ades_subindic, "name", trouble)
    judgement.remark("timestamp-unproven", f"{judgement.time_authority}: {trouble}")


def _authority(token: cms.SignedData) -> str:
    try:
        return common_name(extract_certificate_info(token).signer_cert)
    except Exception:  # noqa: BLE001 — the token names nobody we can read
        return ""


# ---------------------------------------------------------------- what the processes leave out


def _check_bounds(
    judgement: Judgement,
    result: Any,
    cert: x509.Certificate,
    evidence: Evidence,
    emb: EmbeddedPdfSignature,
    *,
    archived: bool,
) -> None:
    """Take back a pass the processes gave too easily; (2) of the module's procedure."""
    proven = judgement.signed_at if judgement.time_proven is Answer.YES else None
    if proven is not None and proven > evidence.at + _SKEW:
        judgement.doubt("GENERIC", "not-yet-signed", evidence.at.isoformat())
    if not judgement.passed:
        return
    when = proven or evidence.at
    path = getattr(result.api_status, "validation_path", None)
    for link in (cert, *_path_certs(path)):
        # SIG-41 (NĐ68 art 31.1): inside its validity at signing time, up the whole path (SIG-43).
        if not aware(link.not_valid_before) <= when <= aware(link.not_valid_after):
            judgement.doubt("OUT_OF_BOUNDS_NO_POE", "stamped-late" if proven else "expired")
            judgement.not_revoked = Answer.UNKNOWN
            return
        # The archival process believes the list of its day; what a later list says of an earlier
        # revocation must not be lost.
        since = evidence.store.revoked_since(link)
        if since is not None and since <= when:
            judgement.not_revoked = Answer.NO
            judgement.doubt("REVOKED_NO_POE", "revoked", since.date().isoformat())
            return
    if proven is not None and aware(cert.not_valid_after) < evidence.at and not archived:
        _check_expired(judgement, cert, evidence, emb, proven)


def _check_expired(
    judgement: Judgement,
    cert: x509.Certificate,
    evidence: Evidence,
    emb: EmbeddedPdfSignature,
    proven: datetime,
) -> None:
    """Demand revocation data from the lifetime of a certificate that has since expired."""
    then = evidence.published_by(aware(cert.not_valid_after))
    result = asyncio.run(
        ades_basic_validation(
            emb.signed_data,
            then.spec(RETROACTIVE),
            timing_info=timing(proven, point_in_time=True),
            raw_digest=emb.compute_digest(),
        )
    )
    if not _ok(result):
        judgement.not_revoked = Answer.UNKNOWN
        judgement.doubt("OUT_OF_BOUNDS_NO_POE", "expired")


def _path_certs(path: Any) -> Iterator[x509.Certificate]:
    if path is not None:
        yield from path.iter_certs(include_root=False)


# ---------------------------------------------------------------- answers and remarks


def _signer(emb: EmbeddedPdfSignature) -> x509.Certificate | None:
    try:
        return emb.signer_cert
    except Exception:  # noqa: BLE001 — a signature without a readable certificate
        return None


def _chain(cert: x509.Certificate, evidence: Evidence) -> str:
    """Return `ok`, `none` or `bad`: is there a path, revocation and dates left aside."""
    moment = min(max(evidence.at, aware(cert.not_valid_before)), aware(cert.not_valid_after))
    context = ValidationContext(
        trust_manager=evidence.trust,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        moment=moment,
        other_certs=[*evidence.store.intermediates, *evidence.certs],
    )
    try:
        asyncio.run(CertificateValidator(cert, validation_context=context).async_validate_path())
    except PathBuildingError:
        return "none"
    except InvalidCertificateError:
        # A self-signed certificate that is no anchor of ours chains to nothing.
        return "none" if cert.self_signed in {"yes", "maybe"} else "bad"
    except Exception:  # noqa: BLE001 — a path that does not hold, for whatever reason
        return "bad"
    return "ok"


def _explain(judgement: Judgement, result: Any, cert: x509.Certificate, evidence: Evidence) -> None:
    """Name the reasons; (3) and (4) of the module's procedure."""
    if judgement.passed:
        return
    if judgement.sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"}:
        hash_failed = judgement.sub == "HASH_FAILURE"
        judgement.remark("content-changed" if hash_failed else "crypto-failure")
    if judgement.trusted is not Answer.YES:
        _ask_chain(judgement, cert, evidence)
    if judgement.sub in _REVOKED:
        judgement.not_revoked = Answer.NO
        details = getattr(result.api_status, "revocation_details", None)
        since = details.revocation_date.date().isoformat() if details is not None else "?"
        judgement.remark("revoked", since)
    elif judgement.sub in _WEAK:
        judgement.remark("weak-algorithm")
    elif judgement.sub in _OUT_OF_TIME:
        judgement.remark("expired")
    elif judgement.sub == "NOT_YET_VALID":
        judgement.remark("not-yet-valid")
    elif judgement.sub == "TRY_LATER":
        judgement.remark("no-revocation")
    elif judgement.sub in {"CHAIN_CONSTRAINTS_FAILURE", "SIG_CONSTRAINTS_FAILURE"}:
        judgement.remark("wrong-usage")
    elif not judgement.notes:
        judgement.remark("other-problem", judgement.sub)


def _ask_chain(judgement: Judgement, cert: x509.Certificate, evidence: Evidence) -> None:
    chain = _chain(cert, evidence)
    if chain == "ok":
        judgement.trusted = Answer.YES
        if judgement.sub == "CERTIFICATE_CHAIN_GENERAL_FAILURE":
            before = evidence.at < aware(cert.not_valid_before)
            judgement.sub = "NOT_YET_VALID" if before else "TRY_LATER"
        return
    self_signed = cert.self_signed in {"yes", "maybe"}
    judgement.trusted = Answer.NO if chain == "none" and self_signed else Answer.UNKNOWN
    if chain == "none":
        if not judgement.failed and judgement.sub not in _WEAK:
            judgement.sub = "NO_CERTIFICATE_CHAIN_FOUND"
        judgement.remark("no-chain")


def claimed_time(emb: EmbeddedPdfSignature) -> tuple[datetime | None, datetime | None]:
    """Return the times the signer wrote: in the signature, and in the PDF's /M entry."""
    from pyhanko.pdf_utils import generic

    try:
        inside = generic_cms.extract_self_reported_ts(emb.signer_info)
    except Exception:  # noqa: BLE001 — unreadable is none
        inside = None
    try:
        beside = generic.parse_pdf_date(str(emb.sig_object["/M"]), strict=False)
    except Exception:  # noqa: BLE001 — as above
        beside = None
    return (aware(inside) if inside else None, aware(beside) if beside else None)


def settle_time(judgement: Judgement, emb: EmbeddedPdfSignature) -> datetime | None:
    """Choose the shown time, remark on odd claims, and return the claimed time.

    SIG-44 (NĐ68 art 29): without a trusted time-stamp the claimed time is shown as unproven.
    """
    inside, beside = claimed_time(emb)
    claimed = inside or beside
    if inside and beside and abs(inside - beside - timedelta(hours=7)) <= timedelta(minutes=2):
        # Government signing tools write the wall clock of Vietnam as UTC; /M is right there.
        judgement.remark("local-time-as-utc")
        claimed = beside
    if judgement.time_proven is Answer.YES and judgement.signed_at is not None:
        odd = [t for t in (claimed, beside) if t and abs(t - judgement.signed_at) > _FAR]
        if odd:
            judgement.remark("claimed-differs", odd[0].isoformat())
    else:
        judgement.signed_at = claimed
        judgement.source = "claimed" if claimed else "none"
        judgement.remark("claimed-time")
    return claimed


def has_token(emb: EmbeddedPdfSignature) -> bool:
    """Tell whether a signature carries a time-stamp token of its own."""
    return bool(_tokens(emb.signer_info))
