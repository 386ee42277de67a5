"""Chain, revocation and time of an XML signature's signer, by the same rules as for a PDF's.

The validator's own processes want a CMS signature; an XML signature has none, so its path is asked
here, step by step:

 1. the signature's time-stamps: the first that holds proves the time;
 2. the path at the time in question, revocation information required (SIG-42);
 3. not so now, but proven: was it so then? Revoked or expired since, with data from its lifetime;
 4. bounds: the proven time inside every certificate and inside the operator's trust in its anchor;
 5. key usage and algorithms by the policy, judged for the proven time where there is one.

Pure but for the processor's time; unknown is never YES.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from asn1crypto import algos, x509
from asn1crypto.crl import CertificateList
from asn1crypto.ocsp import OCSPResponse
from pyhanko.sign.validation.policy_decl import bootstrap_validation_data_handlers
from pyhanko_certvalidator import CertificateValidator, errors
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

from gateway.trust import chains, clocks, stamps
from gateway.trust.algorithms import DatedAlgorithms
from gateway.trust.anchors import TrustStore
from gateway.trust.evidence import (
    IN_FORCE,
    MAX_CERTIFICATES,
    RETROACTIVE,
    Evidence,
    aware,
    timing,
    without_forged,
)
from gateway.trust.facts import common_name, made_for_other_things
from gateway.trust.judgement import Judgement
from gateway.trust.patience import bounded
from gateway.trust.report import Answer
from gateway.trust.waiting import completed
from gateway.trust.xmlsig.keyinfo import Holder
from gateway.trust.xmlsig.xades import Properties

_WEAK: Final = frozenset({"CRYPTO_CONSTRAINTS_FAILURE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE"})
_REVOKED: Final = frozenset({"REVOKED", "REVOKED_NO_POE", "REVOKED_CA_NO_POE"})
_REMARKS: Final = {
    "OUT_OF_BOUNDS_NO_POE": "expired",
    "NOT_YET_VALID": "not-yet-valid",
    "TRY_LATER": "no-revocation",
    "CHAIN_CONSTRAINTS_FAILURE": "wrong-usage",
    "CRYPTO_CONSTRAINTS_FAILURE": "weak-algorithm",
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": "weak-algorithm",
    "NO_CERTIFICATE_CHAIN_FOUND": "no-chain",
}


@dataclass(frozen=True, slots=True)
class _Path:
    """What one question about a path gave: `sub` is "" when it holds."""

    sub: str
    path: chains.Path = ()
    revoked_at: datetime | None = None


def evidence_at(store: TrustStore, at: datetime) -> Evidence:
    """Return what is at hand about a file before its signatures are read.

    The bound on the search for paths is the file's: all its signatures share it.
    """
    trust = bounded(SimpleTrustManager.build(list(store.anchors)))
    return Evidence(store=store, trust=trust, at=at)


def evidence_for(base: Evidence, holders: Sequence[Holder], carried: Properties) -> Evidence:
    """Return what is at hand about one signature: ours, and what it carries itself.

    Args:
        base: What is at hand about the file.
        holders: Certificates of the signature.
        carried: What XAdES adds.
    """
    store = base.store
    certs = [h.cert for h in holders]
    certs += [c for der in carried.extra_certificates if (c := _certificate(der)) is not None]
    lists = [CRLContainer(c) for der in carried.lists if (c := _list(der)) is not None]
    answers = [o for der in carried.answers for o in _answers(der)]
    found = tuple({c.sha256: c for c in certs}.values())[:MAX_CERTIFICATES]
    # A list that the store has too would be judged twice.
    ours = {c.crl_data.dump() for c in store.crls}
    new = {c.crl_data.dump(): c for c in lists}
    issuers = (*store.anchors, *store.intermediates, *found)
    return replace(
        base,
        certs=found,
        crls=without_forged(tuple(c for der, c in new.items() if der not in ours), issuers),
        ocsps=tuple(answers),
        has_revocation_store=bool(lists or answers),
        subjects=found,
    )


def _certificate(der: bytes) -> x509.Certificate | None:
    try:
        cert = x509.Certificate.load(der, strict=True)
        _ = (cert.subject.native, cert.issuer.native, cert.not_valid_after)
    except Exception:  # noqa: BLE001 — one broken item is left out
        return None
    return cert


def _list(der: bytes) -> CertificateList | None:
    try:
        found = CertificateList.load(der, strict=True)
        _ = found["tbs_cert_list"]["this_update"].native
    except Exception:  # noqa: BLE001 — as above
        return None
    return found


def _answers(der: bytes) -> list[OCSPContainer]:
    try:
        found = OCSPContainer.load_multi(OCSPResponse.load(der, strict=True))
        _ = [one.issuance_date for one in found]
    except Exception:  # noqa: BLE001 — as above
        return []
    return list(found)


def judge_signer(
    holder: Holder, family: str, digests: Sequence[str], evidence: Evidence, carried: Properties
) -> Judgement:
    """Judge who signed and when; the bytes were found intact.

    Args:
        holder: Whose key it was.
        family: Of the method: `rsa`, `rsa-pss`, `ec`.
        digests: Digest algorithms of the method and of the references.
        evidence: What is at hand.
        carried: What XAdES adds.
    """
    judgement = Judgement(passed=True, intact=Answer.YES)
    cert = holder.cert
    _stamps(judgement, evidence, carried)
    proven = judgement.signed_at if judgement.time_proven is Answer.YES else None
    answer = _path(cert, evidence, proven)
    judgement.path = answer.path
    if answer.sub:
        _explain(judgement, answer, cert, evidence)
    else:
        judgement.trusted = judgement.not_revoked = Answer.YES
        _bounds(judgement, cert, evidence, proven)
    if judgement.passed and proven is None and evidence.store.policy.timestamp == "required":
        # SIG-44 (NĐ68 art 29): the operator's policy wants the time proven.
        judgement.doubt("SIG_CONSTRAINTS_FAILURE", "timestamp-required")
    _usage(judgement, cert, evidence)
    _algorithms(judgement, cert, family, digests, evidence)
    # SIG-42 (NĐ68 art 31.2): what is known of each certificate, and from which list.
    judgement.known = chains.known((cert, *judgement.path), evidence, proven or evidence.at)
    if judgement.stamp_path:
        judgement.stamp_known = chains.known(judgement.stamp_path, evidence, evidence.at)
    _claim(judgement, carried, proven)
    return judgement


# ---------------------------------------------------------------- (1) time


def _stamps(judgement: Judgement, evidence: Evidence, carried: Properties) -> None:
    checked = [
        stamps.anchored(stamps.check(one.token, one.imprint, evidence), evidence)
        for one in carried.stamps
    ]
    judgement.tokens = [one.token.dump() for one in carried.stamps]
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
        judgement.time_authority = checked[0].authority
        trouble = checked[0].sub or "GENERIC"
        judgement.remark("timestamp-unproven", f"{judgement.time_authority}: {trouble}")


def _claim(judgement: Judgement, carried: Properties, proven: datetime | None) -> None:
    """Show the signer's own time as what it is; SIG-44 (NĐ68 art 29)."""
    claim = carried.claimed_at
    if carried.zoneless:
        judgement.remark("xml-time-without-zone")
    stamped = proven or next((s.at for s in judgement.stamps if s.at), None)
    if stamped is not None:
        claim = clocks.believed_claim(claim, None, stamped, judgement)
        clocks.compare(claim, None, stamped, judgement)
    if judgement.time_proven is not Answer.YES:
        judgement.signed_at = claim
        judgement.source = "claimed" if claim else "none"
        judgement.remark("claimed-time")


# ---------------------------------------------------------------- (2), (3) path


def _path(cert: x509.Certificate, evidence: Evidence, proven: datetime | None) -> _Path:
    now = _ask(cert, evidence, IN_FORCE, evidence.at, proven)
    if not now.sub or proven is None:
        return now
    lapsed = now.sub in {"OUT_OF_BOUNDS_NO_POE", "TRY_LATER"}
    expired = aware(cert.not_valid_after) < evidence.at
    if now.sub in _REVOKED and now.revoked_at is not None:
        if proven < now.revoked_at:
            then = _ask(cert, evidence, RETROACTIVE, proven, proven)
            return then if not then.sub else now
        # A time-stamp is an upper bound: signed before it, perhaps also before the revocation.
        return now
    if lapsed and expired:
        then = _ask(
            cert,
            evidence.published_by(aware(cert.not_valid_after)),
            RETROACTIVE,
            proven,
            proven,
        )
        return then if not then.sub else replace(now, sub="OUT_OF_BOUNDS_NO_POE")
    return now


def _ask(
    cert: x509.Certificate,
    evidence: Evidence,
    policy: CertRevTrustPolicy,
    moment: datetime,
    proven: datetime | None,
) -> _Path:
    """Ask the validator once."""
    when = timing(moment, point_in_time=policy is RETROACTIVE)
    spec = evidence.spec(policy, proven=proven)
    handlers = bootstrap_validation_data_handlers(spec, timing_info=when)
    context = spec.cert_validation_policy.build_validation_context(
        timing_info=when, handlers=handlers
    )
    validator = CertificateValidator(cert, validation_context=context)
    try:
        path = completed(validator.async_validate_path())
    except errors.PathBuildingError:
        return _Path("NO_CERTIFICATE_CHAIN_FOUND")
    except errors.PathValidationError as exc:
        since = aware(exc.revocation_dt) if isinstance(exc, errors.RevokedError) else None
        return _Path(_sub_of(exc), _issuers(exc.original_path), since)
    except errors.InvalidCertificateError:
        self_signed = cert.self_signed in {"yes", "maybe"}
        return _Path(
            "NO_CERTIFICATE_CHAIN_FOUND" if self_signed else "CERTIFICATE_CHAIN_GENERAL_FAILURE"
        )
    except Exception:  # noqa: BLE001 — a path that does not hold, for whatever reason
        return _Path("CERTIFICATE_CHAIN_GENERAL_FAILURE")
    return _Path("", _issuers(path))


def _issuers(path: Any) -> chains.Path:
    try:
        return tuple(path.iter_certs(include_root=True))[-2::-1]
    except Exception:  # noqa: BLE001 — a path that cannot be shown
        return ()


def _sub_of(exc: errors.PathValidationError) -> str:
    if isinstance(exc, errors.RevokedError):
        return "REVOKED_NO_POE" if exc.is_ee_cert else "REVOKED_CA_NO_POE"
    if isinstance(exc, errors.DisallowedAlgorithmError):
        dated = exc.banned_since is not None
        return "CRYPTO_CONSTRAINTS_FAILURE_NO_POE" if dated else "CRYPTO_CONSTRAINTS_FAILURE"
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (errors.ExpiredError, "OUT_OF_BOUNDS_NO_POE"),
        (errors.NotYetValidError, "NOT_YET_VALID"),
        (errors.InsufficientRevinfoError, "TRY_LATER"),
        (errors.InsufficientPOEError, "TRY_LATER"),
    )
    return next((sub for kind, sub in kinds if isinstance(exc, kind)), "CHAIN_CONSTRAINTS_FAILURE")


def _explain(
    judgement: Judgement, answer: _Path, cert: x509.Certificate, evidence: Evidence
) -> None:
    """Take the pass back, say why, and whether the chain as such is trusted."""
    state, path = chains.search(cert, evidence)
    judgement.path = judgement.path or path
    sub = answer.sub
    if state == "ok":
        judgement.trusted = Answer.YES
        if sub == "CERTIFICATE_CHAIN_GENERAL_FAILURE":
            sub = "TRY_LATER"
    elif state == "none":
        self_signed = cert.self_signed in {"yes", "maybe"}
        judgement.trusted = Answer.NO if self_signed else Answer.UNKNOWN
        sub = "NO_CERTIFICATE_CHAIN_FOUND" if sub not in _WEAK else sub
    if sub in _REVOKED:
        judgement.not_revoked = Answer.NO
        since = answer.revoked_at
        judgement.doubt(sub, "revoked", since.date().isoformat() if since else "?")
        return
    judgement.doubt(sub, _REMARKS.get(sub, "other-problem"), sub)


# ---------------------------------------------------------------- (4), (5) bounds, usage, strength


def _bounds(
    judgement: Judgement, cert: x509.Certificate, evidence: Evidence, proven: datetime | None
) -> None:
    """Take back a pass given too easily."""
    if proven is not None and proven > evidence.at + stamps.SKEW:
        judgement.doubt("GENERIC", "not-yet-signed", evidence.at.isoformat())
    when = proven or evidence.at
    links = (cert, *judgement.path[:-1])
    if chains.outside(links, when) is not None:
        judgement.not_revoked = Answer.UNKNOWN
        judgement.doubt("OUT_OF_BOUNDS_NO_POE", "stamped-late" if proven else "expired")
        return
    for link in links:
        since = evidence.store.revoked_since(link)
        if since is not None and since <= when:
            judgement.not_revoked = Answer.NO
            judgement.doubt("REVOKED_NO_POE", "revoked", since.date().isoformat())
            return
    # SIG-43 (NĐ68 art 32): the trust list says for which signing times an authority counts.
    anchor = chains.anchor_of(judgement.path)
    refused = [c for c in judgement.path if not evidence.store.window_allows(c, when)]
    if anchor is None or refused or not evidence.store.anchor_allowed(anchor, when):
        judgement.trusted = Answer.NO
        named = refused[0] if refused else anchor or cert
        judgement.doubt("NO_CERTIFICATE_CHAIN_FOUND", "anchor-window", common_name(named))


def _usage(judgement: Judgement, cert: x509.Certificate, evidence: Evidence) -> None:
    # SIG-41 (NĐ68 art 31.1): used within its scope.
    if any(made_for_other_things(c) for c in (cert, *judgement.path[:-1])):
        judgement.doubt("CHAIN_CONSTRAINTS_FAILURE", "wrong-usage")
    usage = cert.key_usage_value
    if usage is None:
        return
    if not set(usage.native) & set(evidence.store.policy.key_usages):
        judgement.doubt("CHAIN_CONSTRAINTS_FAILURE", "wrong-usage")


def _algorithms(
    judgement: Judgement,
    cert: x509.Certificate,
    family: str,
    digests: Sequence[str],
    evidence: Evidence,
) -> None:
    """SIG-48 (TT15): judge digests, method and key size by the dated policy."""
    proven = judgement.signed_at if judgement.time_proven is Answer.YES else None
    rules = DatedAlgorithms(evidence.store.policy, proven)
    # The digest was asked about; of the mechanism only the kind of key and its size are left.
    kind = f"{digests[0]}_ecdsa" if family == "ec" else "rsassa_pkcs1v15"
    method = algos.SignedDigestAlgorithm({"algorithm": kind})
    asked = [
        rules.digest_algorithm_allowed(algos.DigestAlgorithm({"algorithm": name}), evidence.at)
        for name in dict.fromkeys(digests)
    ]
    asked.append(rules.signature_algorithm_allowed(method, evidence.at, cert.public_key))
    refused = next((a for a in asked if not a.allowed), None)
    if refused is not None:
        dated = refused.not_allowed_after is not None
        sub = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE" if dated else "CRYPTO_CONSTRAINTS_FAILURE"
        judgement.doubt(sub, "weak-algorithm")
