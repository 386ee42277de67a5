"""Whose key it was: certificates count, bare keys prove nothing. Pure.

Promises: a certificate that cannot be parsed is left out; a KeyValue beside a certificate must be
that certificate's key.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509 import Certificate, load_der_x509_certificate

from gateway.trust.evidence import MAX_CERTIFICATES
from gateway.trust.report import Answer, Verdict
from gateway.trust.xmlsig import names
from gateway.trust.xmlsig.shape import SignatureFault, child
from gateway.trust.xmlsig.tree import Element, children, local, text_of

_CANDIDATES: Final = 3


@dataclass(frozen=True, slots=True)
class Holder:
    """One certificate in both libraries' forms."""

    cert: x509.Certificate
    key: Certificate


def decoded(element: Element | None) -> bytes:
    """Return the bytes of a base64 element.

    Raises:
        ValueError: It is none.
    """
    text = "".join(text_of(element).split())
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise ValueError("not base64") from exc


def certificate(der: bytes) -> Holder | None:
    """Return a certificate, None when it cannot be parsed in full."""
    try:
        cert = x509.Certificate.load(der, strict=True)
        _ = (cert.subject.native, cert.issuer.native, cert.public_key.algorithm, cert.ca)
        _ = (cert.not_valid_before, cert.not_valid_after, cert.key_usage_value, cert.self_signed)
        parsed = load_der_x509_certificate(der)
        _ = parsed.public_key()
    except Exception:  # noqa: BLE001 — the parsers raise whatever they meet; it is left out
        return None
    return Holder(cert, parsed)


def certificates(signature: Element) -> list[Holder]:
    """Return the certificates of KeyInfo/X509Data, in order, each once.

    Raises:
        SignatureFault: Too many.
    """
    info = child(signature, "KeyInfo")
    if info is None:
        return []
    found = info.findall(f"{{{names.DS}}}X509Data/{{{names.DS}}}X509Certificate")
    if len(found) > MAX_CERTIFICATES:
        raise SignatureFault(
            Verdict.INDETERMINATE, "GENERIC", "too-many-certificates", MAX_CERTIFICATES
        )
    holders: dict[bytes, Holder] = {}
    for node in found:
        try:
            holder = certificate(decoded(node))
        except ValueError:
            continue
        if holder is not None:
            holders.setdefault(holder.cert.sha256, holder)
    return list(holders.values())


def candidates(
    holders: Iterable[Holder], family: str, named: Iterable[tuple[str, bytes]]
) -> list[Holder]:
    """Return who may have signed, likeliest first, at most three.

    Args:
        holders: Certificates of the signature.
        family: Of the signature's method: only keys of that kind can have signed.
        named: `(algorithm, digest)` of the certificates that XAdES names; unproven yet.
    """
    kinds = ec.EllipticCurvePublicKey if family == "ec" else rsa.RSAPublicKey
    fit = [h for h in holders if isinstance(h.key.public_key(), kinds)]
    issuers = {h.cert.issuer.hashable for h in fit if h.cert.issuer != h.cert.subject}

    chosen = list(named)

    def rank(holder: Holder) -> tuple[bool, bool]:
        is_named = any(digest_fits(holder.cert, *one) for one in chosen)
        return (not is_named, holder.cert.subject.hashable in issuers)

    return sorted(fit, key=rank)[:_CANDIDATES]


def digest_fits(cert: x509.Certificate, algorithm: str, value: bytes) -> bool:
    """Tell whether a digest is a certificate's."""
    try:
        return hashlib.new(algorithm, cert.dump()).digest() == value
    except ValueError:
        return False


def key_values_match(signature: Element, holder: Holder) -> Answer:
    """Tell whether every bare key of KeyInfo is the certificate's own.

    Returns:
        YES also when there is none; UNKNOWN for one in a form not read here.
    """
    info = child(signature, "KeyInfo")
    if info is None:
        return Answer.YES
    found = [
        _same_key(node, holder)
        for value in children(info)
        if local(value) == "KeyValue"
        for node in children(value)
    ]
    found += [_same_der(node, holder) for node in info.iter(f"{{{names.DS11}}}DEREncodedKeyValue")]
    if Answer.NO in found:
        return Answer.NO
    return Answer.UNKNOWN if Answer.UNKNOWN in found else Answer.YES


def _same_key(node: Element, holder: Holder) -> Answer:
    key = holder.key.public_key()
    try:
        if node.tag == f"{{{names.DS}}}RSAKeyValue":
            written = tuple(
                int.from_bytes(decoded(child(node, part)), "big")
                for part in ("Modulus", "Exponent")
            )
            if not isinstance(key, rsa.RSAPublicKey):
                return Answer.NO
            numbers = key.public_numbers()
            return Answer.YES if written == (numbers.n, numbers.e) else Answer.NO
        if node.tag == f"{{{names.DS11}}}ECKeyValue":
            point = decoded(child(node, "PublicKey", names.DS11))
            if not isinstance(key, ec.EllipticCurvePublicKey):
                return Answer.NO
            own = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
            return Answer.YES if point == own else Answer.NO
    except ValueError:
        return Answer.UNKNOWN
    return Answer.UNKNOWN


def _same_der(node: Element, holder: Holder) -> Answer:
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    try:
        written = load_der_public_key(decoded(node)).public_bytes(*spki)
    except Exception:  # noqa: BLE001 — whatever is not a key
        return Answer.UNKNOWN
    return Answer.YES if written == holder.key.public_key().public_bytes(*spki) else Answer.NO
