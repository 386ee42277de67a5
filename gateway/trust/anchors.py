"""The trust store: anchors, intermediates and revocation lists read from one directory.

Promises: nothing is fetched; the hash covers every file used, whatever it is called; a file that
cannot be used is listed and changes nothing else; an empty or missing directory is legal and makes
every signature indeterminate. Read-only: a crash leaves nothing behind.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from asn1crypto import crl as asn1_crl
from asn1crypto import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import (
    CertificateRevocationList,
    load_der_x509_certificate,
    load_der_x509_crl,
)
from pyhanko_certvalidator.revinfo.archival import CRLContainer

from gateway.trust.fingerprint import file_bytes, hash_of, trust_files
from gateway.trust.policy import BUILT_IN, Policy, TrustList
from gateway.trust.revocation import RevocationIndex

_PEM: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL | re.ASCII
)


@dataclass(frozen=True, slots=True)
class TrustFault:
    """A file of the trust directory that could not be used.

    Args:
        file: Its name.
        vi: Why, and what to do, Vietnamese.
        en: The same in English.
    """

    file: str
    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class TrustStore:
    """What the operator trusts (kho chứng thư tin cậy).

    Args:
        anchors: Self-signed certificates, each once, in order of their digest.
        intermediates: All other certificates.
        crls: Revocation lists.
        sha256: Hash over all files used, lower-case hex.
        faults: Files that could not be used.
        quick_crls: The same lists in a form that is quick to search, beside their issuers.
        policy: By which rules it is judged.
        trust_list: Classes and windows of the authorities, pinned signers.
        index: Stored revocation lists and answers, None when there are none.
    """

    anchors: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[CRLContainer, ...] = ()
    sha256: str = hashlib.sha256(b"").hexdigest()
    faults: tuple[TrustFault, ...] = ()
    quick_crls: tuple[tuple[str, CertificateRevocationList], ...] = ()
    policy: Policy = BUILT_IN
    trust_list: TrustList = field(default_factory=TrustList)
    index: RevocationIndex | None = None

    def revoked_since(self, cert: x509.Certificate) -> datetime | None:
        """Return since when any list at hand calls a certificate revoked, None when none does.

        The lists' own signatures are not checked: an entry only ever takes trust away.
        """
        issuer = cert.issuer.hashable
        found = [
            entry.revocation_date_utc
            for name, crl in self.quick_crls
            if name == issuer
            and (entry := crl.get_revoked_certificate_by_serial_number(cert.serial_number))
        ]
        return min(found, default=None)

    @classmethod
    def load(cls, directory: Path) -> "TrustStore":
        """Read a directory of PEM or DER certificates and CRLs; never raises for what is in it."""
        shelf = _Shelf()
        digests: list[bytes] = []
        try:
            paths = trust_files(directory)
        except OSError:
            fault = TrustFault(
                directory.name,
                "Không đọc được thư mục chứng thư tin cậy; kiểm tra đường dẫn và quyền đọc.",
                "The trust directory cannot be read; check its path and permissions.",
            )
            return cls(faults=(fault,))
        for path in paths:
            data = file_bytes(path)
            if data is None:
                shelf.refuse(path.name, "không đọc được hoặc quá lớn", "unreadable or too large")
                continue
            digests.append(hashlib.sha256(data).digest())
            shelf.add_file(path.name, data)
        return cls(
            anchors=tuple(cert for _, cert in sorted(shelf.anchors.items())),
            intermediates=tuple(cert for _, cert in sorted(shelf.others.items())),
            crls=tuple(CRLContainer(lst) for _, lst in sorted(shelf.crls.items())),
            sha256=hash_of(digests),
            faults=tuple(shelf.faults),
            quick_crls=tuple(_quick(lst) for _, lst in sorted(shelf.crls.items())),
        )


@dataclass(slots=True)
class _Shelf:
    """Collects what the files hold, by digest, so that copies count once."""

    anchors: dict[bytes, x509.Certificate] = field(default_factory=dict)
    others: dict[bytes, x509.Certificate] = field(default_factory=dict)
    crls: dict[bytes, asn1_crl.CertificateList] = field(default_factory=dict)
    faults: list[TrustFault] = field(default_factory=list)

    def refuse(self, name: str, vi: str, en: str) -> None:
        self.faults.append(
            TrustFault(
                name, f"Bỏ qua: {vi}. Thay hoặc xóa tệp này.", f"Left out: {en}. Replace it."
            )
        )

    def add_file(self, name: str, data: bytes) -> None:
        """Sort everything one file holds."""
        for label, der in _objects(data):
            if "PRIVATE KEY" in label:
                self.refuse(name, "khóa bí mật không được để ở đây", "a private key: move it away")
            elif not self._add(label, der):
                self.refuse(name, "không phải chứng thư hay CRL", "neither a certificate nor a CRL")

    def _add(self, label: str, der: bytes) -> bool:
        key = hashlib.sha256(der).digest()
        if label in {"CERTIFICATE", "TRUSTED CERTIFICATE", "X509 CERTIFICATE", ""}:
            cert = _certificate(der)
            if cert is not None:
                (self.anchors if _is_self_signed(cert, der) else self.others)[key] = cert
                return True
        if label in {"X509 CRL", ""}:
            lst = _revocation_list(der)
            if lst is not None:
                self.crls[key] = lst
                return True
        return False


def _objects(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield `(PEM label or "", DER)` of everything in a file; one undecodable item when nothing."""
    if b"-----BEGIN " not in data:
        yield "", data
        return
    import binascii

    for match in _PEM.finditer(data):
        label = match.group(1).decode("ascii")
        body = b"".join(line for line in match.group(2).split() if b":" not in line)
        try:
            yield label, binascii.a2b_base64(body, strict_mode=True)
        except binascii.Error:
            yield "BROKEN", b""
    if not _PEM.search(data):
        yield "BROKEN", b""


def _certificate(der: bytes) -> x509.Certificate | None:
    """Parse fully, so that a broken one is found here and not during a verification."""
    try:
        cert = x509.Certificate.load(der, strict=True)
        _ = (cert.subject.native, cert.issuer.native, cert.public_key.algorithm)
        _ = (cert.not_valid_before, cert.not_valid_after, cert.self_signed, cert.ca)
    except Exception:  # noqa: BLE001 — the parser raises whatever it meets; the file is listed
        return None
    return cert


def _revocation_list(der: bytes) -> asn1_crl.CertificateList | None:
    try:
        lst = asn1_crl.CertificateList.load(der, strict=True)
        _ = (lst.issuer.native, lst["tbs_cert_list"]["this_update"].native)
        _ = _quick(lst)
    except Exception:  # noqa: BLE001 — as above
        return None
    return lst


def _quick(lst: asn1_crl.CertificateList) -> tuple[str, CertificateRevocationList]:
    return lst.issuer.hashable, load_der_x509_crl(lst.dump())


def _is_self_signed(cert: x509.Certificate, der: bytes) -> bool:
    """Tell an anchor: subject is issuer, and the signature is its own where it can be checked."""
    if cert.self_signed not in {"yes", "maybe"}:
        return False
    try:
        parsed = load_der_x509_certificate(der)
        parsed.verify_directly_issued_by(parsed)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return True  # an old algorithm; the operator chose it, and an anchor's own is not judged
    return True
