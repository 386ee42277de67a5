"""The path validation of a verdict, asked about one certificate: the same settings, no document.

What `levels` hands to pyHanko goes through `Evidence.spec`; here the context is built of that very
specification, in the way pyHanko builds it for a signature, key usage included.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from asn1crypto import x509
from pyhanko.sign.validation.policy_decl import bootstrap_validation_data_handlers
from pyhanko_certvalidator import CertificateValidator
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager

from gateway.trust.anchors import TrustStore
from gateway.trust.evidence import IN_FORCE, MAX_CERTIFICATES, Evidence, timing
from gateway.trust.patience import bounded


def store_of(
    anchors: Sequence[bytes], others: Sequence[bytes], crls: Sequence[bytes]
) -> TrustStore:
    """Return the trust store of an operator who has these, as its own loader reads them."""
    with tempfile.TemporaryDirectory(prefix="path-trust-") as folder:
        for number, der in enumerate((*anchors, *others)):
            (Path(folder) / f"{number:03d}.crt").write_bytes(der)
        for number, der in enumerate(crls):
            (Path(folder) / f"{number:03d}.crl").write_bytes(der)
        return TrustStore.load(Path(folder))


def judged(
    cert: bytes,
    store: TrustStore,
    at: datetime,
    carried: Sequence[bytes] = (),
    *,
    revocation: bool = True,
) -> tuple[bool, str]:
    """Tell whether a certificate may stand under a valid signature, and if not, why.

    Args:
        cert: The signer's certificate, DER.
        store: What the operator trusts.
        at: The time in question.
        carried: Certificates the file brings; more than a verdict looks at are refused as there.
        revocation: Require revocation information; False where a suite has none to give.
    """
    if len(carried) > MAX_CERTIFICATES:
        return False, "too-many-certificates"
    try:
        signer = x509.Certificate.load(cert)
        evidence = Evidence(
            store=store,
            trust=bounded(SimpleTrustManager.build(list(store.anchors))),
            at=at,
            certs=tuple(x509.Certificate.load(der) for der in carried),
        )
        spec = evidence.spec(IN_FORCE if revocation else CertRevTrustPolicy(NO_REVOCATION))
        when = timing(at)
        context = spec.cert_validation_policy.build_validation_context(
            timing_info=when, handlers=bootstrap_validation_data_handlers(spec, when)
        )
        validator = CertificateValidator(signer, validation_context=context)
        asyncio.run(validator.async_validate_path())
        spec.key_usage_settings.validate(signer)
    except Exception as exc:  # noqa: BLE001 — why it does not hold is the answer
        return False, f"{type(exc).__name__}: {exc}"
    return True, ""
