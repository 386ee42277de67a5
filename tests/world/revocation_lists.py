"""Small authorities and the lists and answers they issue, made at test time; never committed.

Elliptic keys, so that hundreds can be made in a test; everything is built from arguments.
"""

import functools
from dataclasses import dataclass
from datetime import timedelta

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.world.signed_files import NOW

DAY = timedelta(days=1)
DER = serialization.Encoding.DER


@dataclass(frozen=True)
class Authority:
    """A certificate and its key."""

    cert: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def asn1(self):
        return asn1_x509.Certificate.load(self.cert.public_bytes(DER))


@functools.cache
def _key(label):
    return ec.generate_private_key(ec.SECP256R1())


def name(text):
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.COMMON_NAME, text),
        ]
    )


def certificate(
    text,
    issuer=None,
    *,
    label="",
    serial=None,
    start=NOW - 400 * DAY,
    end=NOW + 400 * DAY,
    ca=False,
    crl_sign=True,
    extra=(),
):
    """Return a certificate; self-signed without an issuer. Equal labels share a key."""
    key = _key(label or text)
    usage = x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=not ca,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca and crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(text))
        .issuer_name(name(text) if issuer is None else issuer.cert.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    signer = key if issuer is None else issuer.key
    return Authority(builder.sign(signer, hashes.SHA256()), key)


def crl(
    authority,
    revoked=(),
    *,
    at=NOW - timedelta(hours=1),
    until=None,
    number=1,
    extra=(),
    signer=None,
    issuer=None,
):
    """Return a list, DER.

    Args:
        authority: Whose.
        revoked: `(serial, since)` or `(serial, since, x509.ReasonFlags)`.
        at: Date of issue.
        until: End; 7 days later without it.
        number: CRL number, None for none.
        extra: More extensions, `(extension, critical)`.
        signer: Another key than the authority's.
        issuer: Another name than the authority's.
    """
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer or authority.cert.subject)
        .last_update(at)
        .next_update(until or at + 7 * DAY)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for extension, critical in extra:
        builder = builder.add_extension(extension, critical)
    for serial, since, *reason in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
        if reason:
            entry = entry.add_extension(x509.CRLReason(reason[0]), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign((signer or authority).key, hashes.SHA256()).public_bytes(DER)


def many(count, since=NOW - 100 * DAY, first=1_000_000):
    """Return `count` entries for `crl`."""
    return [(first + i, since + timedelta(seconds=i)) for i in range(count)]


def ocsp_answer(
    subject, issuer, *, responder=None, at=NOW - timedelta(minutes=1), revoked=None, nonce=None
):
    """Return an OCSP answer, DER, by the issuer itself or by a responder."""
    signer = responder or issuer
    status = ocsp.OCSPCertStatus.GOOD if revoked is None else ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=subject.cert,
            issuer=issuer.cert,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=at,
            next_update=at + DAY,
            revocation_time=revoked,
            revocation_reason=None if revoked is None else x509.ReasonFlags.key_compromise,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, signer.cert)
    )
    if responder is not None:
        builder = builder.certificates([responder.cert])
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.sign(signer.key, hashes.SHA256()).public_bytes(DER)


def responder(issuer, text="Máy chủ OCSP", *, usage=True, nocheck=True, **more):
    """Return a responder the issuer certified."""
    extra = [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)] if usage else []
    extra += [(x509.OCSPNoCheck(), False)] if nocheck else []
    return certificate(text, issuer, extra=extra, **more)
