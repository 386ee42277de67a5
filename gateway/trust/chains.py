"""The path from a certificate to an anchor: found, shown, and held against the trust list.

The validator says whether a path holds; here is told which it was, also where it did not hold, what
class its anchor is of, whether the operator trusted the anchor at the time, and until when the
proof lasts without renewal. Pure but for the processor's time; keeps nothing.
"""

import itertools
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from asn1crypto import x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InvalidCertificateError, PathBuildingError
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy

from gateway.trust.evidence import Evidence, aware, knowledge_of
from gateway.trust.facts import common_name
from gateway.trust.knowledge import Knowledge
from gateway.trust.report import RevocationFacts
from gateway.trust.waiting import completed

Path = tuple[x509.Certificate, ...]
"""Certificates from the holder's issuer to the anchor."""

_SELF: Final = frozenset({"yes", "maybe"})


def path_of(status: Any) -> Path:
    """Return the path a validator's status names, empty when there is none."""
    path = getattr(status, "validation_path", None)
    return () if path is None else _issuers(path)


def _issuers(path: Any) -> Path:
    return tuple(path.iter_certs(include_root=True))[-2::-1]


def search(cert: x509.Certificate, evidence: Evidence) -> tuple[str, Path]:
    """Look for a path to an anchor, revocation and dates left aside.

    Returns:
        `ok`, `none` (no path) or `bad` (a path that does not hold), and the path found.
    """
    moment = min(max(evidence.at, aware(cert.not_valid_before)), aware(cert.not_valid_after))
    context = ValidationContext(
        trust_manager=evidence.trust,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        moment=moment,
        other_certs=[*evidence.store.intermediates, *evidence.certs],
    )
    try:
        validator = CertificateValidator(cert, validation_context=context)
        return "ok", _issuers(completed(validator.async_validate_path()))
    except PathBuildingError:
        return "none", ()
    except InvalidCertificateError:
        # A self-signed certificate that is no anchor of ours chains to nothing.
        if cert.self_signed in _SELF:
            return "none", ()
    except Exception:  # noqa: BLE001, S110 — a path that does not hold, for whatever reason
        pass
    return "bad", _built(cert, context)


def _built(cert: x509.Certificate, context: ValidationContext) -> Path:
    """Return the first path by names and keys alone, for people to look at."""
    try:
        paths = completed(context.path_builder.async_build_paths(cert))
        return _issuers(next(iter(paths)))
    except Exception:  # noqa: BLE001 — none, then
        return ()


def anchor_of(path: Path) -> x509.Certificate | None:
    """Return the anchor a path ends at."""
    return path[-1] if path else None


def outside(certs: Iterable[x509.Certificate], when: datetime) -> x509.Certificate | None:
    """Return the first certificate whose validity does not hold an instant, None when all do.

    SIG-41 (NĐ68 art 31.1): inside its validity at signing time, up the whole path (SIG-43).
    """
    for cert in certs:
        if not aware(cert.not_valid_before) <= when <= aware(cert.not_valid_after):
            return cert
    return None


def lifetime_days(cert: x509.Certificate) -> int:
    """Return the length of a certificate's validity in whole days."""
    return (aware(cert.not_valid_after) - aware(cert.not_valid_before)).days


def first_end(certs: Iterable[x509.Certificate], ends: Iterable[datetime] = ()) -> datetime | None:
    """Return the earliest end of validity of some certificates and other ends; None for none."""
    return min([*(aware(c.not_valid_after) for c in certs), *ends], default=None)


def known(certs: Path, evidence: Evidence, at: datetime) -> tuple[Knowledge, ...]:
    """Return what is known of the revocation of each certificate of a path (SIG-42).

    Args:
        certs: A certificate and those above it, up to the anchor where there is one.
        evidence: What is at hand.
        at: The time in question.
    """
    found = [knowledge_of(evidence, cert, issuer, at) for cert, issuer in itertools.pairwise(certs)]
    if certs:
        found.append(_last(certs[-1], evidence, at))
    return tuple(found)


def _last(cert: x509.Certificate, evidence: Evidence, at: datetime) -> Knowledge:
    anchor = evidence.store.anchor_allowed(cert, at)
    return Knowledge(
        RevocationFacts(
            subject=common_name(cert),
            sha256=cert.sha256.hex(),
            status="anchor" if anchor else "unknown",
        )
    )
