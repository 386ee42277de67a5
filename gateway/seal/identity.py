"""Who seals: the gateway's organisation certificate and key, from PEM or PKCS#12 files.

Promises: a key that does not belong to its certificate, a missing password or an unusable kind of
key is told before anything is sealed, with the setting's name and what to do. Reads only.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from gateway.errors import ConfigurationError, Fault
from gateway.secrets import read_secret_file

_MIN_RSA: Final = 2048
_WHERE: Final = "reports.seal"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class SealIdentity:
    """A certificate, its key, and the authorities that came with it.

    Args:
        certificate: Of the gateway's organisation.
        key: RSA from 2048 bits, or elliptic curve.
        others: Further certificates of the file: the issuing authorities.
    """

    certificate: x509.Certificate
    key: Key = field(repr=False)
    others: tuple[x509.Certificate, ...] = ()

    @property
    def name(self) -> str:
        """The common name of the certificate, or its whole subject."""
        found = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return str(found[0].value) if found else self.certificate.subject.rfc4514_string()

    def good_at(self, at: datetime) -> bool:
        """Tell whether an instant lies in the certificate's term."""
        cert = self.certificate
        return cert.not_valid_before_utc <= at <= cert.not_valid_after_utc


def load_identity(
    key_file: Path, certificate_file: Path | None = None, password_file: Path | None = None
) -> SealIdentity:
    """Return the identity in some files.

    Args:
        key_file: PEM private key, or PKCS#12 with everything.
        certificate_file: PEM: the certificate first, then its authorities; None for PKCS#12.
        password_file: One line, None when the key is not encrypted.

    Raises:
        ConfigurationError: They cannot be used; `faults` name the setting.
    """
    password = None if password_file is None else read_secret_file(password_file).encode()
    data = _read(key_file, "key_file")
    if certificate_file is None:
        key, certificates = _from_pkcs12(data, password)
    else:
        key = _from_pem(data, password)
        certificates = _certificates(_read(certificate_file, "certificate_file"))
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)) or (
        isinstance(key, rsa.RSAPrivateKey) and key.key_size < _MIN_RSA
    ):
        raise _fault(
            "key_file",
            "khóa niêm phong phải là RSA từ 2048 bit, hoặc đường cong elliptic",
            "the seal key must be RSA from 2048 bits, or elliptic curve",
        )
    # Whoever exported the files may have put the authority first.
    own = [c for c in certificates if c.public_key() == key.public_key()]
    if not own:
        raise _fault(
            "certificate_file" if certificate_file else "key_file",
            "không có chứng thư nào khớp với khóa niêm phong",
            "no certificate belongs to the seal key",
        )
    _check_usage(own[0])
    return SealIdentity(own[0], key, tuple(c for c in certificates if c != own[0]))


def _check_usage(certificate: x509.Certificate) -> None:
    """Refuse a certificate whose seal every validator would refuse."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return
    if not (usage.digital_signature or usage.content_commitment):
        raise _fault(
            "certificate_file",
            "chứng thư không dùng để ký (key usage)",
            "the certificate is not one for signing (key usage)",
        )


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise _fault(name, f"không đọc được {path}", f"cannot read {path}") from exc


def _from_pem(data: bytes, password: bytes | None) -> object:
    try:
        return serialization.load_pem_private_key(data, password)
    except TypeError as exc:
        needed = password is None
        raise _fault(
            "password_file",
            "khóa có mật khẩu: đặt password_file" if needed else "khóa không có mật khẩu",
            "the key has a password: set password_file" if needed else "the key has no password",
        ) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise _fault(
            "key_file",
            "không phải khóa riêng PEM đọc được, hoặc sai mật khẩu (PKCS#12: bỏ certificate_file)",
            "no readable PEM key, or a wrong password (PKCS#12: leave certificate_file out)",
        ) from exc


def _from_pkcs12(data: bytes, password: bytes | None) -> tuple[object, list[x509.Certificate]]:
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(data, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
        raise _fault(
            "key_file",
            "không phải PKCS#12 đọc được, hoặc sai mật khẩu (khóa PEM: đặt thêm certificate_file)",
            "no readable PKCS#12, or a wrong password (PEM key: set certificate_file too)",
        ) from exc
    return key, [c for c in (certificate, *others) if c is not None]


def _certificates(data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as exc:
        raise _fault(
            "certificate_file", "không phải chứng thư PEM", "these are no PEM certificates"
        ) from exc


def _fault(name: str, vi: str, en: str) -> ConfigurationError:
    where = f"{_WHERE}.{name}"
    return ConfigurationError(f"{where}: {vi} / {en}", (Fault(where, vi, en),))
