"""A development PKI in a directory: root, issuing and time-stamp authority, people, agencies.

For demonstrations, tests and benchmarks only: keys are unencrypted files of mode 0600 that are
generated on the spot and never committed; every name says THỬ NGHIỆM. `trust/` is a trust directory
as the verifier reads it. A crash half-way leaves a directory without `pki.json`, which `load_pki`
refuses and `make_pki` writes anew.
"""

import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    NameOID,
    ObjectIdentifier,
)

from gateway.errors import ConfigurationError

_INDEX: Final = "pki.json"
_DAY: Final = timedelta(days=1)
_OWNER: Final = "Ban Cơ yếu Chính phủ (THỬ NGHIỆM)"
# The policies of the Government's authority, as its real certificates carry them.
_SIGNING_POLICY: Final = ObjectIdentifier("2.16.704.1.1.1.1.1")


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who signs: full name, post, agency's name."""

    name: str
    title: str = ""
    organization: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its key, as files.

    Args:
        name: Common name.
        certificate: PEM file.
        key: PEM file of mode 0600, PKCS#8.
        serial: Serial number.
    """

    name: str
    certificate: Path
    key: Path
    serial: int

    def load_certificate(self) -> x509.Certificate:
        """Return the certificate."""
        return x509.load_pem_x509_certificate(self.certificate.read_bytes())

    def load_key(self) -> rsa.RSAPrivateKey:
        """Return the private key."""
        # Made by this module: examining it again takes longer than signing.
        key = serialization.load_pem_private_key(
            self.key.read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
        )
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ConfigurationError(f"{self.key.name}: an RSA key belongs here")
        return key


@dataclass(frozen=True, slots=True)
class DevPki:
    """A development PKI (hạ tầng khóa công khai thử nghiệm).

    Args:
        directory: Where it lives.
        base_url: Where its service answers, `http://127.0.0.1:4711`, or "" for none.
        root: The anchor.
        issuing: The authority that issues all others.
        tsa: The time-stamp authority.
        people: By full name.
        agencies: By agency code.
    """

    directory: Path
    base_url: str
    root: Identity
    issuing: Identity
    tsa: Identity
    people: dict[str, Identity]
    agencies: dict[str, Identity]

    @property
    def trust_dir(self) -> Path:
        """The trust directory: anchor, intermediate and both CRLs."""
        return self.directory / "trust"

    def person(self, name: str = "") -> Identity:
        """Return a person's identity, the first one's without a name; KeyError when unknown."""
        return self.people[name] if name else next(iter(self.people.values()))

    def agency(self, code: str = "") -> Identity:
        """Return an agency's identity, the first one's without a code; KeyError when unknown."""
        return self.agencies[code] if code else next(iter(self.agencies.values()))


def make_pki(
    directory: Path,
    *,
    now: datetime,
    agencies: Sequence[tuple[str, str]],
    people: Sequence[Person | str],
    base_url: str = "",
) -> DevPki:
    """Create a PKI; whatever an earlier run left in `directory` is overwritten.

    Args:
        directory: Made with mode 0700 when missing.
        now: Certificates and CRLs are good from a day before it; people for 3 years, CRLs for one.
        agencies: `(code, name)`, `("H37.02", "Sở Nội vụ tỉnh Lạng Sơn")`.
        people: Who signs.
        base_url: Put into the certificates as the place of CRL, OCSP and issuer.

    Takes about a second (seven RSA-2048 keys on one core for a small one).
    """
    (directory / _INDEX).unlink(missing_ok=True)
    for folder in (directory, directory / "private", directory / "certs", directory / "trust"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    maker = _Maker(directory, now, base_url.rstrip("/"))
    root = maker.authority("root", "Co quan chung thuc so goc THỬ NGHIỆM", None)
    issuing = maker.authority("issuing", "CA phục vụ cơ quan nhà nước THỬ NGHIỆM", root)
    pki = DevPki(
        directory=directory,
        base_url=base_url.rstrip("/"),
        root=root,
        issuing=issuing,
        tsa=maker.tsa(issuing),
        people={p.name: maker.person(p, issuing) for p in map(_as_person, people)},
        agencies={code: maker.agency(code, name, issuing) for code, name in agencies},
    )
    publish_crls(pki, now=now)
    _write_index(pki)
    return pki


def load_pki(directory: Path) -> DevPki:
    """Open a PKI made before.

    Raises:
        ConfigurationError: There is none, or it was not finished.
    """
    try:
        index = json.loads((directory / _INDEX).read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(f"{directory}: no development PKI here; make it first") from exc

    def identity(row: dict[str, str]) -> Identity:
        return _identity(directory, row["stem"], row["name"], int(row["serial"], 16))

    return DevPki(
        directory=directory,
        base_url=index["base_url"],
        root=identity(index["root"]),
        issuing=identity(index["issuing"]),
        tsa=identity(index["tsa"]),
        people={k: identity(v) for k, v in index["people"].items()},
        agencies={k: identity(v) for k, v in index["agencies"].items()},
    )


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked certificate: serial number and since when."""

    serial: int
    since: datetime


def publish_crls(
    pki: DevPki,
    *,
    now: datetime,
    revoked: Sequence[Revocation] = (),
    into: Path | None = None,
) -> None:
    """Write the CRLs of both authorities, atomically.

    Args:
        pki: Whose.
        now: Date of issue; good for a year.
        revoked: Certificates of the issuing authority that are revoked.
        into: A folder; the PKI's trust directory without it.
    """
    for authority, stem, entries in ((pki.root, "root", ()), (pki.issuing, "issuing", revoked)):
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.load_certificate().subject)
            .last_update(now - timedelta(hours=1))
            .next_update(now + 365 * _DAY)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
            .add_extension(_authority_id(authority.load_certificate()), critical=False)
        )
        for entry in entries:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(entry.serial)
                .revocation_date(entry.since)
                .build()
            )
        crl = builder.sign(authority.load_key(), hashes.SHA256())
        folder = into or pki.trust_dir
        _write(folder / f"{stem}.crl", crl.public_bytes(serialization.Encoding.DER), 0o644)


# ---------------------------------------------------------------- making


def _as_person(person: Person | str) -> Person:
    return Person(person) if isinstance(person, str) else person


def _stem(kind: str, text: str) -> str:
    plain = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    letters = "".join(c if c.isascii() and c.isalnum() else "-" for c in plain if c.isascii())
    return f"{kind}-{'-'.join(letters.lower().split('-'))}"


def _identity(directory: Path, stem: str, name: str, serial: int) -> Identity:
    return Identity(
        name, directory / "certs" / f"{stem}.pem", directory / "private" / f"{stem}.key", serial
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Put a file in place whole, with its mode from the first byte on."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    part.replace(path)


def _write_index(pki: DevPki) -> None:
    def row(identity: Identity) -> dict[str, str]:
        stem = identity.certificate.stem
        return {"stem": stem, "name": identity.name, "serial": f"{identity.serial:x}"}

    index = {
        "base_url": pki.base_url,
        "root": row(pki.root),
        "issuing": row(pki.issuing),
        "tsa": row(pki.tsa),
        "people": {k: row(v) for k, v in pki.people.items()},
        "agencies": {k: row(v) for k, v in pki.agencies.items()},
    }
    text = json.dumps(index, ensure_ascii=False, indent=2) + "\n"
    _write(pki.directory / _INDEX, text.encode(), 0o600)


def _authority_id(cert: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = cert.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)


def _usage(*, sign: bool = False, repudiation: bool = False, ca: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=repudiation,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(slots=True)
class _Maker:
    """Makes keys and certificates of one PKI."""

    directory: Path
    now: datetime
    base_url: str
    _names: set[str] = field(default_factory=set)

    def authority(self, stem: str, name: str, issuer: Identity | None) -> Identity:
        """Make a certification authority and lay its certificate into the trust directory."""
        subject = [(NameOID.COMMON_NAME, name)]
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=True, path_length=None if issuer is None else 0), True),
            (_usage(ca=True), True),
        ]
        made = self._make(stem, name, subject, issuer, extensions, days=3650)
        _write(self.directory / "trust" / f"{stem}.pem", made.certificate.read_bytes(), 0o644)
        return made

    def tsa(self, issuer: Identity) -> Identity:
        """Make the time-stamp authority."""
        name = "Máy chủ cấp dấu thời gian THỬ NGHIỆM"
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (_usage(sign=True), True),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
        ]
        subject = [(NameOID.COMMON_NAME, name)]
        return self._make("tsa", name, subject, issuer, extensions, days=1826)

    def person(self, person: Person, issuer: Identity) -> Identity:
        """Make a person's certificate: title, unit, and a personal number."""
        subject = [
            (NameOID.COMMON_NAME, person.name),
            *([(NameOID.TITLE, person.title)] if person.title else []),
            *([(NameOID.ORGANIZATION_NAME, person.organization)] if person.organization else []),
            (NameOID.USER_ID, f"CCCD:{900000000000 + len(self._names):012d}"),
        ]
        stem = self._unused(_stem("person", person.name))
        return self._make(stem, person.name, subject, issuer, self._signing(), days=1095)

    def agency(self, code: str, name: str, issuer: Identity) -> Identity:
        """Make an agency's certificate: its name, and its code as budget unit number."""
        subject = [
            (NameOID.COMMON_NAME, name),
            (NameOID.ORGANIZATION_NAME, name),
            (NameOID.USER_ID, f"MNS:{code}"),
        ]
        stem = self._unused(_stem("agency", code))
        return self._make(stem, name, subject, issuer, self._signing(), days=1095)

    def _unused(self, stem: str) -> str:
        free = stem
        while free in self._names:
            free = f"{stem}-{len(self._names)}"
        self._names.add(free)
        return free

    def _signing(self) -> list[tuple[x509.ExtensionType, bool]]:
        policy = x509.PolicyInformation(_SIGNING_POLICY, None)
        return [
            (_usage(sign=True, repudiation=True), True),
            (x509.CertificatePolicies([policy]), False),
        ]

    def _pointers(self, issuer: Identity) -> list[tuple[x509.ExtensionType, bool]]:
        if not self.base_url:
            return []
        stem = issuer.certificate.stem
        crl = x509.UniformResourceIdentifier(f"{self.base_url}/crl/{stem}.crl")
        ocsp = x509.UniformResourceIdentifier(f"{self.base_url}/ocsp")
        cert = x509.UniformResourceIdentifier(f"{self.base_url}/cert/{stem}.crt")
        access = [
            x509.AccessDescription(AuthorityInformationAccessOID.OCSP, ocsp),
            x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, cert),
        ]
        point = x509.DistributionPoint([crl], None, None, None)
        return [
            (x509.CRLDistributionPoints([point]), False),
            (x509.AuthorityInformationAccess(access), False),
        ]

    def _make(
        self,
        stem: str,
        name: str,
        subject: Sequence[tuple[ObjectIdentifier, str]],
        issuer: Identity | None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]],
        *,
        days: int,
    ) -> Identity:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        serial = x509.random_serial_number()
        extra = [(NameOID.ORGANIZATION_NAME, _OWNER)]
        has_unit = any(oid == NameOID.ORGANIZATION_NAME for oid, _ in subject)
        full = [(NameOID.COUNTRY_NAME, "VN"), *([] if has_unit else extra), *subject]
        dn = x509.Name([x509.NameAttribute(oid, text) for oid, text in full])
        parent = None if issuer is None else issuer.load_certificate()
        builder = (
            x509.CertificateBuilder()
            .subject_name(dn)
            .issuer_name(dn if parent is None else parent.subject)
            .public_key(key.public_key())
            .serial_number(serial)
            .not_valid_before(self.now - _DAY)
            .not_valid_after(self.now + days * _DAY)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if parent is not None and issuer is not None:
            builder = builder.add_extension(_authority_id(parent), False)
            extensions = [*extensions, *self._pointers(issuer)]
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        signer = key if issuer is None else issuer.load_key()
        cert = builder.sign(signer, hashes.SHA256())
        made = _identity(self.directory, stem, name, serial)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        _write(made.key, secret, 0o600)
        _write(made.certificate, cert.public_bytes(serialization.Encoding.PEM), 0o644)
        return made
