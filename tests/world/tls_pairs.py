"""TLS pairs made by the test: self-signed for loopback, of any term."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_CURVE = ec.SECP256R1()


def pair(
    name: str,
    *,
    days: float = 90,
    since: float = -400,
    with_rsa: bool = False,
    address: str = "127.0.0.1",
) -> tuple[bytes, bytes]:
    """Return certificate and key in PEM, valid so many days from now, and since when."""
    key = rsa.generate_private_key(65537, 2048) if with_rsa else ec.generate_private_key(_CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=since))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private


def put(folder: Path, certificate: bytes | None = None, key: bytes | None = None) -> None:
    """Replace the pair in a folder as an operator would: each file by a rename."""
    for name, data in (("tls.pem", certificate), ("tls.key", key)):
        if data is not None:
            part = folder / f"{name}.part"
            part.write_bytes(data)
            part.chmod(0o600)
            part.replace(folder / name)
