"""What a signature is judged with: the trust store, what the file carries, and the question's time.

Promises: nothing is fetched, ever; revocation information is required, whether or not a certificate
declares where it is published (SIG-42); a broken piece of evidence in a file is left out, not
fatal; the amount taken from a file is limited. Pure values; a crash leaves nothing behind.
"""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from asn1crypto import cms, x509
from asn1crypto.crl import CertificateList
from asn1crypto.ocsp import OCSPResponse
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import find_cms_attribute_iter
from pyhanko.sign.validation import generic_cms
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    LocalKnowledge,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import (
    REQUIRE_REVINFO,
    CertRevTrustPolicy,
    FreshnessReqType,
)
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

from gateway.trust.algorithms import DatedAlgorithms
from gateway.trust.anchors import TrustStore
from gateway.trust.certificates import interned, known, taken_out
from gateway.trust.knowledge import (
    Knowledge,
    Statement,
    conclude,
    of_answers,
    of_list,
    of_lists,
)
from gateway.trust.lists import (
    KnownList,
    ListSignatures,
    aware,
    name_key,
    newest,
    signed_list,
)
from gateway.trust.patience import bounded
from gateway.trust.report import RevocationFacts

__all__ = [
    "IN_FORCE",
    "RECENT",
    "RETROACTIVE",
    "Evidence",
    "Knowledge",
    "aware",
    "gather",
    "knowledge_of",
    "revocation_of",
    "timing",
]

MAX_CERTIFICATES: Final = 50
_MAX_ITEMS: Final = 100
_MAX_TOKENS: Final = 5
_LISTS: Final = ListSignatures()

# SIG-42 (NĐ68 art 31.2): unknown is never good, so revocation information is required of every
# certificate, from what is at hand, whatever pointers the certificate declares.
IN_FORCE: Final = CertRevTrustPolicy(REQUIRE_REVINFO)
RECENT: Final = CertRevTrustPolicy(
    REQUIRE_REVINFO,
    freshness=timedelta(days=30),
    freshness_req_type=FreshnessReqType.MAX_DIFF_REVOCATION_VALIDATION,
)
RETROACTIVE: Final = CertRevTrustPolicy(REQUIRE_REVINFO, retroactive_revinfo=True)

_OFFLINE: Final = RevocationInfoGatheringSpec(
    online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
    certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
)


def timing(at: datetime, *, point_in_time: bool = False) -> ValidationTimingInfo:
    """Return the question's time in the validator's form."""
    return ValidationTimingInfo(
        validation_time=at, best_signature_time=at, point_in_time_validation=point_in_time
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything at hand about one file's signatures (bằng chứng).

    Args:
        store: What the operator trusts.
        trust: The same anchors in the validator's form.
        at: The time the question is asked for.
        certs: Certificates the file carries, unproven.
        crls: Revocation lists the file carries; their signatures are checked when used.
        ocsps: OCSP answers the file carries, likewise.
        has_revocation_store: The file has a document security store with revocation data.
        subjects: Certificates about which stored OCSP answers are looked for.
        latest: Stored lists and answers issued after it are left out, None for no bound.
        ends: The same for the lists of one issuer each, by `name_key`.
        in_file: SHA-256 of the lists of the file's security store.
    """

    store: TrustStore
    trust: SimpleTrustManager
    at: datetime
    certs: tuple[x509.Certificate, ...] = ()
    crls: tuple[CRLContainer, ...] = ()
    ocsps: tuple[OCSPContainer, ...] = ()
    has_revocation_store: bool = False
    subjects: tuple[x509.Certificate, ...] = ()
    latest: datetime | None = None
    ends: tuple[tuple[bytes, datetime], ...] = ()
    in_file: frozenset[str] = frozenset()

    def with_signature(self, emb: EmbeddedPdfSignature) -> "Evidence":
        """Return the same with what the signature itself carries: certificates, archived data."""
        crls, ocsps = _archived(emb.signer_info)
        try:
            certs = emb.other_embedded_certs[:MAX_CERTIFICATES]
        except Exception:  # noqa: BLE001 — an unreadable certificate helps nobody
            certs = []
        return dataclasses.replace(
            self,
            certs=(*self.certs, *certs),
            crls=without_forged((*self.crls, *crls), (*self._authorities(), *certs)),
            ocsps=(*self.ocsps, *ocsps),
            subjects=_askable((*self.subjects, *_signers(emb), *certs)),
        )

    def _authorities(self) -> tuple[x509.Certificate, ...]:
        return (*self.store.anchors, *self.store.intermediates, *self.certs)

    def lists(self) -> tuple[KnownList, ...]:
        """Return the lists of the trust folder and the store that count, of each source."""
        stored = self._kept(self.latest)
        ends = dict(self.ends)
        if not ends:
            return stored
        found = [one for one in stored if one.issuer_name not in ends]
        for issuer, end in ends.items():
            latest = end if self.latest is None else min(end, self.latest)
            found += [one for one in self._kept(latest) if one.issuer_name == issuer]
        return tuple(found)

    def _kept(self, latest: datetime | None) -> tuple[KnownList, ...]:
        index = self.store.index
        stored = () if index is None else index.lists(self.at, latest)
        return newest((*self.store.lists, *stored), self.at, latest)

    def answers(self) -> tuple[OCSPContainer, ...]:
        """Return the stored OCSP answers about the certificates at hand."""
        index = self.store.index
        if index is None:
            return ()
        found: dict[bytes, None] = {}
        for cert in self.subjects:
            issuer, end = name_key(cert.issuer), dict(self.ends).get(name_key(cert.issuer))
            bounds = [b for b in (end, self.latest) if b is not None]
            kept = index.answers(issuer, cert.serial_number, min(bounds, default=None))
            found |= dict.fromkeys(kept)
        return tuple(o for group in _loaded(list(found), _ocsp) for o in group)

    def published_by(self, latest: datetime) -> "Evidence":
        """Return the same without revocation data issued after `latest`.

        An authority may drop expired certificates from its lists: a list issued after a
        certificate's end says nothing about that certificate.
        """
        return dataclasses.replace(
            self,
            store=_slow(self.store, _until(_unread(self.store), latest)),
            latest=latest if self.latest is None else min(latest, self.latest),
            crls=_until(self.crls, latest),
            ocsps=_until(self.ocsps, latest),
        )

    def for_expired(self, cert: x509.Certificate) -> "Evidence":
        """Return the same without lists of the certificate's issuer issued after its end.

        A current list beside an archived signature makes the archival procedure look for the
        expired certificate in it; what it says of a revocation is asked separately.
        """
        issuer, end = cert.issuer.hashable, aware(cert.not_valid_after)
        kept = tuple(
            c
            for c in _unread(self.store)
            if c.crl_data.issuer.hashable != issuer
            or c.issuance_date is None
            or c.issuance_date <= end
        )
        ends = {**dict(self.ends), name_key(cert.issuer): end}
        return dataclasses.replace(
            self, store=_slow(self.store, kept), ends=tuple(sorted(ends.items()))
        )

    def spec(
        self,
        revocation: CertRevTrustPolicy,
        *,
        from_file: bool = True,
        proven: datetime | None = None,
    ) -> SignatureValidationSpec:
        """Return the validator's settings.

        Args:
            revocation: `IN_FORCE`, `RECENT` or `RETROACTIVE`.
            from_file: Give it the file's own evidence; the archival procedure reads that itself.
            proven: When a trusted time-stamp proves the signature existed: its algorithms are
                judged for then (SIG-48). Those of time-stamps are judged for the moment asked.
        """
        policy = self.store.policy
        # The archival procedure reads the file's own lists: those would be judged twice.
        known = [k for k in self.lists() if from_file or k.head.sha256 not in self.in_file]
        return SignatureValidationSpec(
            cert_validation_policy=CertValidationPolicySpec(
                trust_manager=self.trust,
                revinfo_policy=revocation,
                algorithm_usage_policy=DatedAlgorithms(policy, proven),
                signature_validator=_LISTS,
            ),
            ts_cert_validation_policy=CertValidationPolicySpec(
                trust_manager=self.trust,
                revinfo_policy=revocation,
                algorithm_usage_policy=DatedAlgorithms(policy),
                signature_validator=_LISTS,
            ),
            signature_algorithm_policy=DatedAlgorithms(policy, proven),
            revinfo_gathering_policy=_OFFLINE,
            local_knowledge=LocalKnowledge(
                known_crls=[
                    *(k.container for k in known),
                    *_unread(self.store),
                    *(self.crls if from_file else ()),
                ],
                known_ocsps=[*self.answers(), *(self.ocsps if from_file else ())],
                known_certs=[*self.store.intermediates, *(self.certs if from_file else ())],
            ),
            # SIG-41 (NĐ68 art 31.1): used within its scope. Old certificates have
            # non-repudiation only.
            key_usage_settings=KeyUsageConstraints(
                key_usage=set(policy.key_usages), match_all_key_usages=False
            ),
        )


def knowledge_of(
    evidence: Evidence, cert: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> Knowledge:
    """Return what is known of a certificate's revocation at a time, and from what (SIG-42).

    Args:
        evidence: What is at hand.
        cert: The certificate.
        issuer: Who issued it: lists of that name and key count.
        at: The time in question, aware: the proven signing time, or the question's.
    """
    store = evidence.store
    said = [of_list(known, "store", cert) for known in store.lists if known.issued_by(issuer)]
    if store.index is not None:
        said += [
            Statement(
                kind=s.kind,
                origin="store",
                issuer=s.issuer,
                this_update=s.this_update,
                next_update=s.next_update,
                number=s.number,
                sha256=s.sha256,
                revoked_at=s.revoked_at,
                reason=s.reason,
            )
            for s in store.index.statuses(issuer, cert.serial_number, aware(cert.not_valid_after))
            if s.scope.covers(cert)
        ]
    unread = (c.crl_data.dump() for c in _unread(store))
    said += of_lists(unread, "store", cert, issuer)
    said += of_lists((c.crl_data.dump() for c in evidence.crls), "file", cert, issuer)
    answers = {o.ocsp_response_data.dump(): None for o in evidence.ocsps}
    said += of_answers(answers, "file", cert, issuer)
    return conclude(cert, at, [one for one in said if one is not None])


def revocation_of(
    evidence: Evidence, cert: x509.Certificate, issuer: x509.Certificate, at: datetime
) -> RevocationFacts:
    """Return `knowledge_of` as the report has it."""
    return knowledge_of(evidence, cert, issuer, at).facts


def gather(reader: PdfFileReader, store: TrustStore, at: datetime) -> Evidence:
    """Return the evidence of a file: its document security store beside ours."""
    security = _dictionary(reader.root, "/DSS")
    items: dict[str, list[bytes]] = {}
    for key, purpose in (
        ("/Certs", DecodePurpose.CERTIFICATE),
        ("/CRLs", DecodePurpose.CRL),
        ("/OCSPs", DecodePurpose.OCSP_RESPONSE),
    ):
        items[key] = _streams(security, key, purpose)
    # A list that the store has too would be judged twice.
    named = {hashlib.sha256(c).hexdigest(): c for c in items["/CRLs"]}
    ours = {c.crl_data.dump() for c in _unread(store)}
    ours |= {named[k.head.sha256] for k in store.lists if k.head.sha256 in named}
    lists = _loaded([c for c in named.values() if c not in ours], _crl)
    certs = tuple(_loaded(items["/Certs"][:MAX_CERTIFICATES], _cert))
    issuers = (*store.anchors, *store.intermediates, *certs)
    crls = without_forged(tuple(CRLContainer(c) for c in lists), issuers)
    ocsps = tuple(o for group in _loaded(items["/OCSPs"], _ocsp) for o in group)
    return Evidence(
        store=store,
        trust=bounded(SimpleTrustManager.build(list(store.anchors))),
        at=at,
        certs=certs,
        crls=crls,
        ocsps=ocsps,
        has_revocation_store=bool(items["/CRLs"] or items["/OCSPs"]),
        in_file=frozenset(named),
    )


def without_forged(
    lists: tuple[CRLContainer, ...], issuers: Iterable[x509.Certificate] = ()
) -> tuple[CRLContainer, ...]:
    """Return the lists of a file without those that borrow another's signature.

    The validator remembers who signed a list by its signature value alone: after a genuine list
    was verified, a forged one with the same value would be believed unread. Of lists that share a
    value only what one of `issuers` signed is kept.
    """
    values: dict[bytes, set[bytes]] = {}
    for one in lists:
        values.setdefault(one.crl_data["signature"].native, set()).add(one.crl_data.dump())
    if all(len(ders) == 1 for ders in values.values()):
        return lists
    known = tuple(issuers)
    return tuple(
        one
        for one in lists
        if len(values[one.crl_data["signature"].native]) == 1
        or any(signed_list(one.crl_data.dump(), cert) for cert in known)
    )


def _unread(store: TrustStore) -> tuple[CRLContainer, ...]:
    """Return the lists of the trust folder that the validator must read itself."""
    return store.crls if store.slow_crls is None else store.slow_crls


def _slow(store: TrustStore, kept: tuple[CRLContainer, ...]) -> TrustStore:
    if store.slow_crls is None:
        return dataclasses.replace(store, crls=kept)
    return dataclasses.replace(store, slow_crls=kept)


def _askable(certs: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    return tuple({c.sha256: c for c in certs}.values())[: 2 * MAX_CERTIFICATES]


def _signers(emb: EmbeddedPdfSignature) -> list[x509.Certificate]:
    """Return who signed it and who stamped it, as far as they can be read."""
    found: list[x509.Certificate] = []
    try:
        found.append(emb.signer_cert)
        tokens = generic_cms.extract_tst_data_iter(emb.signer_info, signed=False)
        found += [taken_out(token).signer_cert for token in itertools.islice(tokens, _MAX_TOKENS)]
    except Exception:  # noqa: BLE001 — what cannot be read has no status to ask for
        return found
    return found


def _until(items: Iterable[Any], latest: datetime) -> tuple[Any, ...]:
    return tuple(i for i in items if i.issuance_date is None or i.issuance_date <= latest)


def _dictionary(holder: Any, key: str) -> Any:
    try:
        return holder[key]
    except Exception:  # noqa: BLE001 — absent or broken: then there is no such evidence
        return {}


def _streams(security: Any, key: str, purpose: DecodePurpose) -> list[bytes]:
    found: list[bytes] = []
    try:
        references = list(security[key])[:_MAX_ITEMS]
    except Exception:  # noqa: BLE001 — as above
        return found
    for reference in references:
        try:
            found.append(reference.get_object().read_data(purpose))
        except Exception:  # noqa: BLE001, S112 — one broken item is left out
            continue
    return found


def _loaded(items: list[bytes], load: Callable[[bytes], Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        try:
            found.append(load(item))
        except Exception:  # noqa: BLE001, S112 — one broken item is left out
            continue
    return found


def _cert(data: bytes) -> x509.Certificate:
    cert = known(data)
    if cert is None:
        cert = x509.Certificate.load(data, strict=True)
        _ = (cert.subject.native, cert.issuer.native, cert.not_valid_after)
        cert = interned(cert)
    return cert


def _crl(data: bytes) -> CertificateList:
    lst = CertificateList.load(data, strict=True)
    _ = lst["tbs_cert_list"]["this_update"].native
    return lst


def _ocsp(data: bytes) -> list[OCSPContainer]:
    containers = OCSPContainer.load_multi(OCSPResponse.load(data, strict=True))
    _ = [c.issuance_date for c in containers]
    return containers


def _archived(
    signer_info: cms.SignerInfo,
) -> tuple[tuple[CRLContainer, ...], tuple[OCSPContainer, ...]]:
    """Return the revocation data of the `adobe-revocationInfoArchival` signed attribute."""
    try:
        archives = list(
            find_cms_attribute_iter(signer_info["signed_attrs"], "adobe_revocation_info_archival")
        )[:1]
        crls = [c for a in archives for c in (a["crl"] or ())][:_MAX_ITEMS]
        answers = [o for a in archives for o in (a["ocsp"] or ())][:_MAX_ITEMS]
    except Exception:  # noqa: BLE001 — absent or broken: then there is no such evidence
        return (), ()
    containers = _loaded([c.dump() for c in crls], _crl)
    groups = _loaded([o.dump() for o in answers], _ocsp)
    return tuple(CRLContainer(c) for c in containers), tuple(o for g in groups for o in g)
