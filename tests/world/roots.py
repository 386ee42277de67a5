"""Roots that are not what their names say."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.world.signed_files import pki


def lookalike():
    """Return a self-signed certificate with the name of the true root and another key."""
    true = pki().root.load_certificate()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return (
        x509.CertificateBuilder()
        .subject_name(true.subject)
        .issuer_name(true.subject)
        .public_key(key.public_key())
        .serial_number(true.serial_number)
        .not_valid_before(true.not_valid_before_utc)
        .not_valid_after(true.not_valid_after_utc)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
