"""One signature against the evidence: cryptography, chain, revocation and time.

No single call of the validator gives the verdict. Procedure:

 1. choose the ETSI EN 319 102-1 process by what the signature has: no time-stamp → basic;
    a signature time-stamp → with time; later document time-stamps → with archival data;
 2. check what those processes leave out: the proven time must lie inside the validity of every
    certificate of the path and inside the operator's trust in its anchor; an expired certificate
    needs revocation data from its lifetime; a signature cannot be younger than the question;
 3. when it did not pass, ask chain and time-stamp separately, so that each of the four answers
    stands on its own;
 4. name the sub-indication and the remarks.

Pure but for the processor's time; unknown is never YES.
"""

from datetime import datetime
from typing import Any, Final

from asn1crypto import x509
from pyhanko.sign.ades.report import AdESFailure
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.ades import (
    ades_basic_validation,
    ades_lta_validation,
    ades_with_time_validation,
)
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import PdfSignatureValidationSpec

from gateway.trust import chains, clocks, stamps
from gateway.trust.evidence import IN_FORCE, RECENT, RETROACTIVE, Evidence, aware, timing
from gateway.trust.facts import common_name, made_for_other_things
from gateway.trust.judgement import Judgement, ProvenTime
from gateway.trust.report import Answer
from gateway.trust.waiting import completed

_WEAK: Final = frozenset({"CRYPTO_CONSTRAINTS_FAILURE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"})
_REVOKED: Final = frozenset({"REVOKED", "REVOKED_NO_POE", "REVOKED_CA_NO_POE"})
_OUT_OF_TIME: Final = frozenset(
    {"OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "EXPIRED", "NO_POE"}
)
_USAGE: Final = frozenset({"CHAIN_CONSTRAINTS_FAILURE", "SIG_CONSTRAINTS_FAILURE"})


def judge_signature(
    emb: EmbeddedPdfSignature, evidence: Evidence, document_stamps: tuple[ProvenTime, ...]
) -> Judgement:
    """Judge a signature of a person or an agency.

    Args:
        emb: The signature; its integrity information is computed.
        evidence: What is at hand.
        document_stamps: Document time-stamps of the file that hold.
    """
    evidence = evidence.with_signature(emb)
    later = tuple(s for s in document_stamps if s.revision > emb.signed_revision)
    carried = stamps.tokens_of(emb.signer_info)
    result = completed(_process(emb, evidence, has_token=bool(carried), archived=bool(later)))
    judgement = _from_result(result)
    judgement.tokens = [token.dump() for token in carried]
    _settle_stamps(judgement, emb, evidence, result)
    if judgement.sub in _WEAK and judgement.time_proven is Answer.YES and not later:
        result = _at_proven_time(judgement, emb, evidence, result)
    if judgement.time_proven is not Answer.YES and later:
        first = min(later, key=lambda s: s.at)
        judgement.time_proven = Answer.YES
        judgement.signed_at, judgement.source = first.at, "document-timestamp"
        judgement.time_authority, judgement.stamp_path = first.authority, first.path
    cert = signer_of(emb)
    if cert is not None:
        _check_bounds(judgement, result, cert, evidence, emb, archived=bool(later))
        _explain(judgement, result, cert, evidence)
        _tell_revocation(judgement, cert, evidence)
    return judgement


def judge_timestamp(
    emb: EmbeddedPdfSignature, evidence: Evidence, later: tuple[ProvenTime, ...] = ()
) -> Judgement:
    """Judge a document time-stamp; `signed_at` is its own time.

    Args:
        emb: The time-stamp.
        evidence: What is at hand.
        later: Document time-stamps after it that hold.
    """
    judgement, result = stamps.judge_document_stamp(emb, evidence, later)
    cert = signer_of(emb)
    if cert is not None:
        evidence = evidence.with_signature(emb)
        _explain(judgement, result, cert, evidence)
        _tell_revocation(judgement, cert, evidence)
    return judgement


def signer_of(emb: EmbeddedPdfSignature) -> x509.Certificate | None:
    """Return the signer's certificate, None when there is none that can be read."""
    try:
        return emb.signer_cert
    except Exception:  # noqa: BLE001 — a signature without a readable certificate
        return None


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
    cert = signer_of(emb)
    if cert is not None and aware(cert.not_valid_after) < evidence.at:
        views.append(evidence.for_expired(cert))
    first: Any = None
    for view in views:
        # Both readings of "fresh" are ETSI's: issued lately, or still in force.
        for freshness in (RECENT, IN_FORCE):
            spec = PdfSignatureValidationSpec(view.spec(freshness, from_file=False))
            result = await ades_lta_validation(emb, spec, timing_info=timing(evidence.at))
            if not stamps.sub_of(result):
                return result
            first = first or result
    return first


def _from_result(result: Any) -> Judgement:
    sub = stamps.sub_of(result)
    failed = isinstance(result.ades_subindic, AdESFailure)
    judgement = Judgement(passed=not sub, failed=failed, sub=sub)
    status = result.api_status
    if sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"}:
        judgement.intact = Answer.NO
    elif status is not None and status.intact and status.valid:
        judgement.intact = Answer.YES
    if judgement.passed:
        judgement.trusted = judgement.not_revoked = Answer.YES
    judgement.path = chains.path_of(status)
    return judgement


# ---------------------------------------------------------------- time


def _settle_stamps(
    judgement: Judgement, emb: EmbeddedPdfSignature, evidence: Evidence, result: Any
) -> None:
    """Fill in the signature's own tokens and the time they prove, or why they do not."""
    carried = stamps.tokens_of(emb.signer_info)
    status = getattr(result.api_status, "timestamp_validity", None)
    if judgement.passed and status is not None and len(carried) == 1:
        checked = [stamps.known_to_hold(carried[0], status)]
    else:
        imprint = generic_cms.message_imprint_checker(emb.signer_info)
        checked = [stamps.check(token, imprint, evidence) for token in carried]
    checked = [stamps.anchored(token, evidence) for token in checked]
    judgement.stamps = [token.facts for token in checked]
    if any(token.facts.imprint == "sha1" for token in checked):
        judgement.remark("sha1-imprint")
    held = [t for t in checked if t.holds and t.at is not None]
    if held:
        best = min(held, key=lambda t: t.at or evidence.at)
        judgement.time_proven = Answer.YES
        judgement.signed_at, judgement.source = best.at, "timestamp"
        judgement.time_authority, judgement.stamp_path = best.authority, best.path
    elif checked:
        if judgement.passed and status is not None:
            _without_stamp(judgement, emb, evidence)
        elif judgement.failed:
            _blame_stamp(judgement, emb, evidence)
        judgement.time_authority = checked[0].authority
        trouble = checked[0].sub or "GENERIC"
        judgement.remark("timestamp-unproven", f"{judgement.time_authority}: {trouble}")


def _without_stamp(judgement: Judgement, emb: EmbeddedPdfSignature, evidence: Evidence) -> None:
    """Judge again as if there were no time-stamp: the one that helped does not hold."""
    _take_over(judgement, _bare(emb, evidence))


def _bare(emb: EmbeddedPdfSignature, evidence: Evidence) -> Judgement:
    """Judge a signature by itself, its time-stamps left aside."""
    again = completed(
        ades_basic_validation(
            emb.signed_data,
            evidence.spec(IN_FORCE),
            timing_info=timing(evidence.at),
            raw_digest=emb.compute_digest(),
        )
    )
    return _from_result(again)


def _blame_stamp(judgement: Judgement, emb: EmbeddedPdfSignature, evidence: Evidence) -> None:
    """Tell a time-stamp that does not fit from a signature that does not.

    The process reports the digest of a foreign token as it reports one of the document: a clerk
    must not be told that the content was changed when only the token is another's.
    """
    found = _bare(emb, evidence)
    if not found.failed:
        _take_over(judgement, found)
        judgement.passed, judgement.sub = False, found.sub or "GENERIC"


def _take_over(judgement: Judgement, found: Judgement) -> None:
    judgement.passed, judgement.failed, judgement.sub = found.passed, found.failed, found.sub
    judgement.intact, judgement.trusted = found.intact, found.trusted
    judgement.not_revoked, judgement.path = found.not_revoked, found.path or judgement.path


def _at_proven_time(
    judgement: Judgement, emb: EmbeddedPdfSignature, evidence: Evidence, result: Any
) -> Any:
    """Ask again with the algorithms judged for the proven time (SIG-48: old documents)."""
    again = completed(
        ades_with_time_validation(
            emb.signed_data,
            evidence.spec(IN_FORCE, proven=judgement.signed_at),
            timing_info=timing(evidence.at),
            raw_digest=emb.compute_digest(),
        )
    )
    found = _from_result(again)
    if found.sub in _WEAK:
        return result
    _take_over(judgement, found)
    return again


def settle_time(judgement: Judgement, emb: EmbeddedPdfSignature) -> datetime | None:
    """Choose the shown time, remark on odd claims, and return the claimed time.

    SIG-44 (NĐ68 art 29): without a trusted time-stamp the claimed time is shown as unproven.
    """
    beside = clocks.document_time(emb.sig_object)
    stamped = judgement.signed_at or next((s.at for s in judgement.stamps if s.at), None)
    claimed = clocks.believed_claim(clocks.claimed_time(emb), beside, stamped, judgement)
    if stamped is not None:
        clocks.compare(claimed, beside, stamped, judgement)
    if judgement.time_proven is not Answer.YES:
        judgement.signed_at = claimed
        judgement.source = "claimed" if claimed else "none"
        judgement.remark("claimed-time")
    return claimed


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
    if proven is not None and proven > evidence.at + stamps.SKEW:
        judgement.doubt("GENERIC", "not-yet-signed", evidence.at.isoformat())
    if not judgement.passed:
        return
    when = proven or evidence.at
    links = (cert, *chains.path_of(result.api_status)[:-1])
    # (G1) the proven time against every certificate but the anchor
    if chains.outside(links, when) is not None:
        judgement.doubt("OUT_OF_BOUNDS_NO_POE", "stamped-late" if proven else "expired")
        judgement.not_revoked = Answer.UNKNOWN
        return
    if any(made_for_other_things(link) for link in links):
        judgement.doubt("CHAIN_CONSTRAINTS_FAILURE", "wrong-usage")
        return
    for link in links:
        # The archival process believes the list of its day; what a later list says of an earlier
        # revocation must not be lost.
        since = evidence.store.revoked_since(link)
        if since is not None and since <= when:
            judgement.not_revoked = Answer.NO
            judgement.doubt("REVOKED_NO_POE", "revoked", since.date().isoformat())
            return
    _check_anchor(judgement, evidence, when)
    if proven is None and evidence.store.policy.timestamp == "required":
        judgement.doubt("SIG_CONSTRAINTS_FAILURE", "timestamp-required")
    if proven is not None and aware(cert.not_valid_after) < evidence.at and not archived:
        _check_expired(judgement, cert, evidence, emb, proven)


def _check_anchor(judgement: Judgement, evidence: Evidence, when: datetime) -> None:
    # SIG-43 (NĐ68 art 32): the trust list says for which signing times an authority counts.
    anchor = chains.anchor_of(judgement.path)
    if anchor is None:
        return
    allowed = evidence.store.anchor_allowed(anchor, when)
    refused = [c for c in judgement.path if not evidence.store.window_allows(c, when)]
    if not allowed or refused:
        judgement.trusted = Answer.NO
        name = common_name(refused[0] if refused else anchor)
        judgement.doubt("NO_CERTIFICATE_CHAIN_FOUND", "anchor-window", name)


def _check_expired(
    judgement: Judgement,
    cert: x509.Certificate,
    evidence: Evidence,
    emb: EmbeddedPdfSignature,
    proven: datetime,
) -> None:
    """Demand revocation data from the lifetime of a certificate that has since expired."""
    then = evidence.published_by(aware(cert.not_valid_after))
    result = completed(
        ades_basic_validation(
            emb.signed_data,
            then.spec(RETROACTIVE),
            timing_info=timing(proven, point_in_time=True),
            raw_digest=emb.compute_digest(),
        )
    )
    if stamps.sub_of(result):
        judgement.not_revoked = Answer.UNKNOWN
        judgement.doubt("OUT_OF_BOUNDS_NO_POE", "expired")


# ---------------------------------------------------------------- answers and remarks


def _explain(judgement: Judgement, result: Any, cert: x509.Certificate, evidence: Evidence) -> None:
    """Name the reasons; (3) and (4) of the module's procedure."""
    if judgement.passed:
        return
    if judgement.sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"}:
        hash_failed = judgement.sub == "HASH_FAILURE"
        judgement.remark("content-changed" if hash_failed else "crypto-failure")
    if judgement.trusted is Answer.UNKNOWN or not judgement.path:
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
    elif judgement.sub == "FORMAT_FAILURE":
        judgement.remark("format-failure", getattr(result, "failure_msg", None) or "CMS")
    elif judgement.sub in _USAGE and not any(
        n.code == "timestamp-required" for n in judgement.notes
    ):
        judgement.remark("wrong-usage")
    elif not judgement.notes:
        judgement.remark("other-problem", judgement.sub)


def _tell_revocation(judgement: Judgement, cert: x509.Certificate, evidence: Evidence) -> None:
    """Fill in what is known of each certificate, for people (SIG-42)."""
    proven = judgement.signed_at if judgement.time_proven is Answer.YES else None
    judgement.known = chains.known((cert, *judgement.path), evidence, proven or evidence.at)
    if judgement.source == "timestamp":
        judgement.stamp_known = chains.known(judgement.stamp_path, evidence, evidence.at)


def _ask_chain(judgement: Judgement, cert: x509.Certificate, evidence: Evidence) -> None:
    chain, path = chains.search(cert, evidence)
    judgement.path = judgement.path or path
    if chain == "ok":
        if judgement.trusted is Answer.UNKNOWN:
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
