"""Reading an OCSP answer and proving that the right responder gave it (RFC 6960).

Promises: an answer counts only when it is about the certificate asked for, by hash of issuer name
and key, and is signed by that issuer or by a responder the issuer itself certified for OCSP and
freed of revocation checks (ocsp-nocheck). Pure; keeps nothing.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from asn1crypto import ocsp, x509
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator

from gateway.trust.crl import RefusedListError
from gateway.trust.lists import aware, printed_name

_SIGNATURES: Final = DefaultSignatureValidator()
_HASHES: Final = frozenset({"sha1", "sha256", "sha384", "sha512"})


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """What one answer says of one certificate (trả lời OCSP).

    Args:
        sha256: Of the whole answer's DER.
        serial: Of the certificate.
        revoked_at: Since when, aware; None when it is not revoked.
        reason: `key_compromise`…, or "".
        this_update: For when the answer speaks, aware.
        next_update: Until when it is in force, None when it does not say.
        responder: Common name of who signed it.
        nonce: What the request was marked with, b"" when the answer repeats none.
    """

    sha256: str
    serial: int
    revoked_at: datetime | None
    reason: str
    this_update: datetime
    next_update: datetime | None
    responder: str
    nonce: bytes


def read_answer(der: bytes, issuer: x509.Certificate, serial: int) -> OcspAnswer:
    """Read and verify an answer.

    Args:
        der: The OCSP response.
        issuer: Of the certificate asked about.
        serial: Of that certificate.

    Raises:
        RefusedListError: It cannot be read, says nothing of this certificate, or its signature
            does not hold; says which.
    """
    try:
        response = ocsp.OCSPResponse.load(der, strict=True)
        status = response["response_status"].native
        if status == "successful":
            basic = response["response_bytes"]["response"].parsed
            single = _about(basic["tbs_response_data"], issuer, serial)
            _verify(basic, issuer)
            return _answer(der, basic, single, issuer)
    except RefusedListError:
        raise
    except Exception as exc:
        raise RefusedListError(
            "không phải trả lời OCSP đúng chuẩn", "not a well-formed OCSP answer"
        ) from exc
    raise RefusedListError(
        f"máy chủ OCSP không trả lời được ({status})", f"the responder declined ({status})"
    )


def make_query(serial: int, issuer: x509.Certificate, nonce: bytes) -> bytes:
    """Return an OCSP query about one certificate, DER.

    Args:
        serial: Of the certificate asked about.
        issuer: Who issued it.
        nonce: 1 to 32 random bytes; an answer that repeats other ones is refused.
    """
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import OCSPNonce
    from cryptography.x509.ocsp import OCSPRequestBuilder

    # SHA-1 only names the certificate here (RFC 6960 4.1.1), and every responder knows it.
    builder = OCSPRequestBuilder().add_certificate_by_hash(
        hashlib.sha1(issuer.subject.dump(), usedforsecurity=False).digest(),
        hashlib.sha1(bytes(issuer.public_key["public_key"]), usedforsecurity=False).digest(),
        serial,
        hashes.SHA1(),  # noqa: S303
    )
    request = builder.add_extension(OCSPNonce(nonce), critical=False).build()
    return request.public_bytes(Encoding.DER)


def pointers_of(cert: x509.Certificate) -> tuple[str, ...]:
    """Return the addresses where a certificate says its issuer's list is.

    Only plain `http` and `https` ones; whether they may be asked is the fetcher's to say.
    """
    try:
        points = cert.crl_distribution_points_value or ()
        found = [
            str(name.native)
            for point in points
            if point["distribution_point"] and point["distribution_point"].name == "full_name"
            for name in point["distribution_point"].chosen
            if name.name == "uniform_resource_identifier"
        ]
    except Exception:  # noqa: BLE001 — the parser raises whatever it meets
        return ()
    return tuple(u for u in found if u.lower().startswith(("http://", "https://")))


def subjects_of(der: bytes) -> tuple[int, ...]:
    """Return the serial numbers an answer speaks of; empty for what cannot be read."""
    try:
        response = ocsp.OCSPResponse.load(der, strict=True)
        tbs = response["response_bytes"]["response"].parsed["tbs_response_data"]
        return tuple(int(one["cert_id"]["serial_number"].native) for one in tbs["responses"])
    except Exception:  # noqa: BLE001 — the parser raises whatever it meets
        return ()


def _answer(der: bytes, basic: Any, single: Any, issuer: x509.Certificate) -> OcspAnswer:
    tbs, status = basic["tbs_response_data"], single["cert_status"]
    revoked_at, reason = None, ""
    if status.name == "revoked":
        revoked_at = aware(status.chosen["revocation_time"].native)
        reason = str(status.chosen["revocation_reason"].native or "")
    elif status.name != "good":
        raise RefusedListError(
            "máy chủ OCSP không biết chứng thư này", "the responder does not know the certificate"
        )
    until = single["next_update"].native
    nonce = tbs["response_extensions"]
    marks = [e["extn_value"].parsed.native for e in nonce or () if e["extn_id"].native == "nonce"]
    return OcspAnswer(
        sha256=hashlib.sha256(der).hexdigest(),
        serial=int(single["cert_id"]["serial_number"].native),
        revoked_at=revoked_at,
        reason=reason,
        this_update=aware(single["this_update"].native),
        next_update=None if until is None else aware(until),
        responder=printed_name(_responder(basic, issuer)),
        nonce=bytes(marks[0]) if marks else b"",
    )


def _about(tbs: Any, issuer: x509.Certificate, serial: int) -> Any:
    for single in tbs["responses"]:
        found = single["cert_id"]
        algorithm = found["hash_algorithm"]["algorithm"].native
        if found["serial_number"].native != serial or algorithm not in _HASHES:
            continue
        name = hashlib.new(algorithm, issuer.subject.dump()).digest()
        key = hashlib.new(algorithm, bytes(issuer.public_key["public_key"])).digest()
        if (found["issuer_name_hash"].native, found["issuer_key_hash"].native) == (name, key):
            return single
    raise RefusedListError(
        "trả lời OCSP không nói về chứng thư đã hỏi", "the answer is about another certificate"
    )


def _responder(basic: Any, issuer: x509.Certificate) -> x509.Certificate:
    """Return the certificate the answer names as its signer: the issuer's, or one it carries."""
    wanted = basic["tbs_response_data"]["responder_id"]
    for cert in (issuer, *list(basic["certs"] or ())[:5]):
        if wanted.name == "by_name":
            named = cert.subject == wanted.chosen
        else:
            named = cert.public_key.sha1 == wanted.native
        if named:
            return cert
    raise RefusedListError(
        "không có chứng thư của máy chủ OCSP", "the responder's certificate is not there"
    )


def _verify(basic: Any, issuer: x509.Certificate) -> None:
    responder = _responder(basic, issuer)
    if responder.public_key.dump() != issuer.public_key.dump():
        _delegated(responder, issuer, aware(basic["tbs_response_data"]["produced_at"].native))
    try:
        _SIGNATURES.validate_signature(
            basic["signature"].native,
            basic["tbs_response_data"].dump(),
            responder.public_key,
            basic["signature_algorithm"],
        )
    except InvalidSignature as exc:
        raise RefusedListError(
            "chữ ký của trả lời OCSP không đúng", "the answer's signature does not hold"
        ) from exc


def _delegated(responder: x509.Certificate, issuer: x509.Certificate, at: datetime) -> None:
    """Check that the issuer made this responder its own."""
    usage = responder.extended_key_usage_value
    if usage is None or "ocsp_signing" not in usage.native:
        raise RefusedListError(
            "máy chủ OCSP không được CA ủy quyền (thiếu OCSPSigning)",
            "the responder is not authorised (no OCSPSigning)",
        )
    if responder.ocsp_no_check_value is None:
        raise RefusedListError(
            "chứng thư máy chủ OCSP cần tự được kiểm tra thu hồi (thiếu ocsp-nocheck)",
            "the responder's own status would have to be known (no ocsp-nocheck)",
        )
    if not aware(responder.not_valid_before) <= at <= aware(responder.not_valid_after):
        raise RefusedListError(
            "chứng thư máy chủ OCSP không còn hiệu lực",
            "the responder's certificate is out of date",
        )
    try:
        _SIGNATURES.validate_signature(
            responder.signature,
            responder["tbs_certificate"].dump(),
            issuer.public_key,
            responder["signature_algorithm"],
        )
    except InvalidSignature as exc:
        raise RefusedListError(
            "chứng thư máy chủ OCSP không do CA này cấp",
            "the responder's certificate is not the issuer's",
        ) from exc
