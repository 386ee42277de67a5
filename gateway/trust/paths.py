"""Validated paths kept between signatures and files of one process, as long as they are sound.

Building and validating a path is a function of the certificate, the certificates at hand and their
order, the anchors, the revocation data, the policy and the moment. All but the moment are the key.
A success at one moment holds at another if nothing happens between the two: no certificate begins
or ends, no list or answer begins or ends, no algorithm ends, and no list has an entry of any
certificate at hand, so that nothing can turn revoked. Everything else is validated anew: failures,
moments with a proof of existence of their own, policies of unknown kind, qualified anchors.

Promises: the same path and the same faults as without; bounded memory; can be taken back. A crash
loses only the memory.
"""

import bisect
import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from asn1crypto import x509
from pyhanko.sign.validation import generic_cms
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import AuthorityWithCert, TrustQualifiers
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.registry import LazyPathIterator, SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

from gateway.trust.algorithms import DatedAlgorithms

_MOST: Final = 2048
_SLACK: Final = timedelta(seconds=5)
_library: Any = generic_cms
_find: Final = _library.find_valid_path


class _NotKeptError(Exception):
    """This question is not one whose answer may be kept."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """A valid path and the moments between which nothing happens.

    Args:
        path: It.
        after: Nothing happens from here,
        before: to here.
        held: What is named in the key by its identity, kept alive.
    """

    path: ValidationPath
    after: datetime
    before: datetime
    held: tuple[Any, ...]


_kept: Final[OrderedDict[Any, _Kept]] = OrderedDict()


async def _quick_find(
    certificate: x509.Certificate,
    paths: Any,
    validation_context: ValidationContext,
    pkix_validation_params: Any = None,
) -> Any:
    """Do as `find_valid_path` does, from memory where that is sound."""
    key = None
    if type(paths) is LazyPathIterator and pkix_validation_params is None:
        try:
            key = _key(certificate, validation_context)
        except Exception:  # noqa: BLE001 — whatever cannot be named is not kept
            key = None
    moment = validation_context.moment
    known = _kept.get(key) if key is not None else None
    if known is not None and known.after < moment < known.before:
        _kept.move_to_end(key)
        await paths.cancel()
        return known.path
    found = await _find(certificate, paths, validation_context, pkix_validation_params)
    if key is not None:
        _keep(key, found, validation_context)
    return found


def _keep(key: Any, found: ValidationPath, context: ValidationContext) -> None:
    try:
        moments = sorted(_happenings(found, context))
    except Exception:  # noqa: BLE001 — what cannot be bounded is not kept
        return
    at = bisect.bisect_right(moments, context.moment)
    if not 0 < at < len(moments):
        return
    after, before = moments[at - 1] + _SLACK, moments[at] - _SLACK
    if not after < context.moment < before:
        return
    _kept[key] = _Kept(found, after, before, tuple(context.revinfo_manager._crls))  # noqa: SLF001
    while len(_kept) > _MOST:
        _kept.popitem(last=False)


def _key(certificate: x509.Certificate, context: ValidationContext) -> Any:
    """Return everything the answer depends on but the moment."""
    revocation = context.revinfo_manager
    policy = context.revinfo_policy
    trust = context.path_builder.trust_manager
    algorithms = context.algorithm_policy
    if context.best_signature_time != context.moment or policy.freshness is not None:
        raise _NotKeptError
    if type(algorithms) is not DatedAlgorithms or type(trust) is not SimpleTrustManager:
        raise _NotKeptError
    # What is asserted or fetched is not in the key.
    if revocation.fetching_allowed or revocation._assertions:  # noqa: SLF001
        raise _NotKeptError
    if 2 * context.time_tolerance > _SLACK:
        raise _NotKeptError
    key = (
        certificate.sha256,
        tuple(cert.sha256 for cert in context.certificate_registry),
        tuple(sorted(_anchor(anchor) for anchor in trust._roots)),  # noqa: SLF001
        tuple(_list_id(one) for one in revocation._crls),  # noqa: SLF001
        tuple(_answer_id(one) for one in revocation._ocsps),  # noqa: SLF001
        policy,
        algorithms,
        type(context.sig_validator),
        context.timing_params.point_in_time_validation,
        context.time_tolerance,
    )
    hash(key)
    return key


def _anchor(anchor: Any) -> bytes:
    authority = anchor.authority
    if anchor.trust_qualifiers != TrustQualifiers() or not isinstance(authority, AuthorityWithCert):
        raise _NotKeptError
    digest: bytes = authority.certificate.sha256
    return digest


def _list_id(container: CRLContainer) -> Any:
    # A list of the store answers by a search: it is itself its name, and is kept alive.
    if _searcher(container) is not None:
        return id(container)
    return hashlib.sha256(container.crl_data.dump()).digest()


def _answer_id(container: OCSPContainer) -> Any:
    return hashlib.sha256(container.ocsp_response_data.dump()).digest(), container.index


def _searcher(container: CRLContainer) -> Any:
    return getattr(container.crl_data["tbs_cert_list"], "find", None)


# ---------------------------------------------------------------- what may happen when


def _happenings(found: ValidationPath, context: ValidationContext) -> Iterator[datetime]:
    """Yield every moment at which the answer may change; _NotKeptError when they are not known."""
    revocation = context.revinfo_manager
    # The signer's own certificate is not among those at hand.
    certs = [*found.iter_certs(include_root=True), *context.certificate_registry]
    trust: Any = context.path_builder.trust_manager
    certs += trust.iter_certs()
    for answer in revocation._ocsps:  # noqa: SLF001
        basic: Any = answer.extract_basic_ocsp_response()
        certs += list(basic["certs"] or ())
        yield from _of_answer(basic)
    for cert in certs:
        validity = cert["tbs_certificate"]["validity"]
        yield _utc(validity["not_before"].native)
        yield _utc(validity["not_after"].native)
    for one in revocation._crls:  # noqa: SLF001
        head = one.crl_data["tbs_cert_list"]
        yield _utc(head["this_update"].native)
        yield _utc(head["next_update"].native)
        if any(_listed(one, cert) for cert in certs):
            raise _NotKeptError
    algorithms: Any = context.algorithm_policy
    dated = (*algorithms.policy.digests, *algorithms.policy.rsa_bits)
    yield from (end for _, end in dated if end is not None)


def _of_answer(basic: Any) -> Iterator[datetime]:
    for one in basic["tbs_response_data"]["responses"]:
        if one["cert_status"].name != "good":
            raise _NotKeptError
        yield _utc(one["this_update"].native)
        yield _utc(one["next_update"].native)
    yield _utc(basic["tbs_response_data"]["produced_at"].native)


def _listed(container: CRLContainer, cert: x509.Certificate) -> bool:
    """Tell whether a list may have an entry of a certificate; True in doubt."""
    search = _searcher(container)
    if search is not None:
        return search(cert.serial_number) is not None
    serial: bytes = cert["tbs_certificate"]["serial_number"].dump()
    return serial in container.crl_data.dump()


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def remember_paths(*, on: bool = True) -> None:
    """Have valid paths kept in this process, or no longer."""
    _library.find_valid_path = _quick_find if on else _find
    if not on:
        _kept.clear()
