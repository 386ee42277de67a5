"""Time-stamps (dấu thời gian): tokens of a signature, and time-stamps of the whole document.

A token counts when its imprint fits, its authority chains to an anchor that was trusted then, is
not revoked, and every certificate of its path was valid at the token's own time (G1). A document
time-stamp whose authority has since expired still counts when a later one that holds was made in
time. SIG-44 (NĐ68 art 29). Pure but for the processor's time.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import cms, x509
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate, AdESPassed
from pyhanko.sign.general import extract_certificate_info
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.ades import ades_timestamp_validation
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust import chains
from gateway.trust.evidence import (
    IN_FORCE,
    MAX_CERTIFICATES,
    RETROACTIVE,
    Evidence,
    aware,
    timing,
)
from gateway.trust.facts import common_name
from gateway.trust.judgement import Judgement, ProvenTime
from gateway.trust.report import Answer, TimestampFacts
from gateway.trust.waiting import completed

SKEW: Final = timedelta(minutes=5)
_MAX_TOKENS: Final = 5
_LAPSED: Final = frozenset({"EXPIRED", "OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED"})


@dataclass(frozen=True, slots=True)
class Token:
    """One token, checked.

    Args:
        at: Its time, None when unreadable.
        authority: Common name of who gave it, or "".
        holds: It proves its time.
        sub: Why not, or "".
        path: Its certificate and those up to the anchor, as far as found.
        facts: The same for the report.
    """

    at: datetime | None
    authority: str
    holds: bool
    sub: str
    path: tuple[x509.Certificate, ...]
    facts: TimestampFacts


def tokens_of(signer_info: cms.SignerInfo) -> list[cms.SignedData]:
    """Return the time-stamp tokens a signature carries, at most five; none when unreadable."""
    try:
        return list(generic_cms.extract_tst_data_iter(signer_info, signed=False))[:_MAX_TOKENS]
    except Exception:  # noqa: BLE001 — a token that cannot be read proves nothing
        return []


def token_time(token: cms.SignedData) -> datetime | None:
    """Return the time a token states, None when unreadable."""
    try:
        return aware(token["encap_content_info"]["content"].parsed["gen_time"].native)
    except Exception:  # noqa: BLE001 — as above
        return None


def imprint_of(token: cms.SignedData) -> str:
    """Return the digest algorithm of a token's imprint, "" when unreadable."""
    try:
        imprint = token["encap_content_info"]["content"].parsed["message_imprint"]
        return str(imprint["hash_algorithm"]["algorithm"].native)
    except Exception:  # noqa: BLE001 — as above
        return ""


def authority_of(token: cms.SignedData) -> str:
    """Return the common name of who gave a token, "" when unreadable."""
    try:
        return common_name(extract_certificate_info(token).signer_cert)
    except Exception:  # noqa: BLE001 — the token names nobody we can read
        return ""


def known_to_hold(token: cms.SignedData, status: Any) -> Token:
    """Return a token that a signature's own process has already found to hold."""
    path = (status.signing_cert, *chains.path_of(status))
    return _checked(token, token_time(token), "", path)


def check(token: cms.SignedData, imprint: Any, evidence: Evidence) -> Token:
    """Check one token.

    Args:
        token: Its signed data.
        imprint: What tells the digest it must carry, by algorithm.
        evidence: What is at hand.
    """
    at = token_time(token)
    try:
        result = _validate(token, imprint, evidence)
    except Exception:  # noqa: BLE001 — whatever a broken token does, it proves nothing
        return _checked(token, at, "FORMAT_FAILURE", ())
    status = result.api_status
    path = chains.path_of(status)
    own = (status.signing_cert, *path) if status is not None else ()
    sub = sub_of(result)
    if sub == "CERTIFICATE_CHAIN_GENERAL_FAILURE" and own:
        chain, found = chains.search(own[0], dataclasses.replace(evidence, certs=_certs(token)))
        own = (own[0], *(path or found))
        sub = {"ok": "TRY_LATER", "none": "NO_CERTIFICATE_CHAIN_FOUND"}.get(chain, sub)
    return _checked(token, at, sub, own)


def _certs(token: cms.SignedData) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(extract_certificate_info(token).other_certs)[:MAX_CERTIFICATES]
    except Exception:  # noqa: BLE001 — an unreadable certificate helps nobody
        return ()


def _checked(
    token: cms.SignedData, at: datetime | None, sub: str, path: tuple[x509.Certificate, ...]
) -> Token:
    if not sub and at is None:
        sub = "GENERIC"
    # (G1) a token is only as good as its authority was at that very time
    if not sub and at is not None and chains.outside(path[:-1] or path, at) is not None:
        sub = "OUT_OF_BOUNDS_NO_POE"
    authority = common_name(path[0]) if path else authority_of(token)
    answer = Answer.NO if sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"} else Answer.UNKNOWN
    facts = TimestampFacts(
        at=at,
        authority=authority,
        trusted=answer if sub else Answer.YES,
        imprint=imprint_of(token),
        sub_indication=sub,
    )
    return Token(at, authority, not sub, sub, path, facts)


def _validate(token: cms.SignedData, imprint: Any, evidence: Evidence) -> Any:
    return completed(
        ades_timestamp_validation(
            token, evidence.spec(IN_FORCE), imprint, timing_info=timing(evidence.at)
        )
    )


def sub_of(result: Any) -> str:
    """Return the sub-indication of a validator's result, "" when it passed."""
    sub = result.ades_subindic
    if sub == AdESPassed.OK:
        return ""
    return sub.name if isinstance(sub, AdESFailure | AdESIndeterminate) else "GENERIC"


def anchored(token: Token, evidence: Evidence) -> Token:
    """Take back a token whose anchor the operator did not trust at its time."""
    anchor = token.path[-1] if len(token.path) > 1 else None
    if not token.holds or anchor is None or token.at is None:
        return token
    if evidence.store.anchor_allowed(anchor, token.at):
        return token
    sub = "NO_CERTIFICATE_CHAIN_FOUND"
    facts = dataclasses.replace(token.facts, trusted=Answer.UNKNOWN, sub_indication=sub)
    return dataclasses.replace(token, holds=False, sub=sub, facts=facts)


# ---------------------------------------------------------------- of the whole document


def judge_document_stamp(
    emb: EmbeddedPdfSignature, evidence: Evidence, later: Sequence[ProvenTime]
) -> tuple[Judgement, Any]:
    """Judge a document time-stamp; `signed_at` is its own time.

    Args:
        emb: The time-stamp.
        evidence: What is at hand.
        later: Document time-stamps after it that hold.

    Returns:
        The judgement and the validator's last result.
    """
    evidence = evidence.with_signature(emb)
    result = _validate(emb.signed_data, emb.compute_digest, evidence)
    if later and sub_of(result) in _LAPSED:
        result = _in_its_day(emb, evidence, min(p.at for p in later)) or result
    sub = sub_of(result)
    failed = isinstance(result.ades_subindic, AdESFailure)
    judgement = Judgement(passed=not sub, failed=failed, sub=sub)
    status = result.api_status
    if sub in {"HASH_FAILURE", "SIG_CRYPTO_FAILURE"}:
        judgement.intact = Answer.NO
    elif status is not None and status.intact and status.valid:
        judgement.intact = Answer.YES
    if judgement.passed:
        judgement.trusted = judgement.not_revoked = Answer.YES
    _fill(judgement, emb, evidence, chains.path_of(status))
    return judgement, result


def _in_its_day(emb: EmbeddedPdfSignature, evidence: Evidence, proven: datetime) -> Any:
    """Return the result at the time a later time-stamp proves, None when it does not hold then."""
    try:
        end = aware(emb.signer_cert.not_valid_after)
        if proven > end:
            return None
        then = evidence.published_by(end)
        result = completed(
            ades_timestamp_validation(
                emb.signed_data,
                then.spec(RETROACTIVE),
                emb.compute_digest,
                timing_info=timing(proven, point_in_time=True),
            )
        )
    except Exception:  # noqa: BLE001 — then the first answer stands
        return None
    return result if not sub_of(result) else None


def _fill(
    judgement: Judgement, emb: EmbeddedPdfSignature, evidence: Evidence, path: chains.Path
) -> None:
    at = token_time(emb.signed_data)
    judgement.path = path
    judgement.signed_at, judgement.source = at, "document-timestamp" if at else "none"
    judgement.time_authority = authority_of(emb.signed_data)
    try:
        own = (emb.signer_cert, *path)
    except Exception:  # noqa: BLE001 — no readable certificate: it did not pass either
        own = ()
    judgement.stamp_path = own
    if judgement.passed and at is not None:
        anchor = chains.anchor_of(path)
        if at > evidence.at + SKEW:
            judgement.doubt("GENERIC", "not-yet-signed", evidence.at.isoformat())
        elif chains.outside(own[:-1] or own, at) is not None:
            judgement.doubt("OUT_OF_BOUNDS_NO_POE", "stamp-outside-validity", at.isoformat())
        elif anchor is not None and not evidence.store.anchor_allowed(anchor, at):
            judgement.doubt("NO_CERTIFICATE_CHAIN_FOUND", "anchor-window", common_name(anchor))
    judgement.time_proven = Answer.YES if judgement.passed else Answer.UNKNOWN
    if imprint_of(emb.signed_data) == "sha1":
        judgement.remark("sha1-imprint")
    judgement.stamps = [
        TimestampFacts(
            at=at,
            authority=judgement.time_authority,
            trusted=judgement.time_proven if judgement.intact is not Answer.NO else Answer.NO,
            imprint=imprint_of(emb.signed_data),
            sub_indication=judgement.sub,
        )
    ]
