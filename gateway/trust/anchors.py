"""The trust store: anchors, intermediates and revocation lists read from one directory.

Promises: nothing is fetched; the hash covers every file used, whatever it is called; a file that
cannot be used is listed and changes nothing else; an empty or missing directory is legal and makes
every signature indeterminate; a trust list or policy with a fault leaves no anchor at all, never
more trust. Read-only: a crash leaves nothing behind.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from asn1crypto import crl as asn1_crl
from asn1crypto import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509 import (
    CertificateRevocationList,
    InvalidVersion,
    load_der_x509_certificate,
    load_der_x509_crl,
)
from pyhanko_certvalidator.revinfo.archival import CRLContainer

from gateway.trust.crl import RefusedListError
from gateway.trust.fingerprint import (
    control_digests,
    control_files,
    file_bytes,
    hash_of,
    trust_files,
)
from gateway.trust.lists import KnownList, aware, name_key, revoked_since, verified_list
from gateway.trust.policy import BUILT_IN, Policy, TrustFault, TrustList
from gateway.trust.policyfile import POLICY_FILE, read_policy
from gateway.trust.report import PolicyFacts
from gateway.trust.revocation import RevocationIndex
from gateway.trust.trustlist import LIST_FILE, read_list

__all__ = ["TrustFault", "TrustStore", "certificates_in"]

_PEM: Final = re.compile(
    rb"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL | re.ASCII
)


@dataclass(frozen=True, slots=True)
class TrustStore:
    """What the operator trusts (kho chứng thư tin cậy).

    Args:
        anchors: Self-signed certificates that are trusted, each once, in order of their digest.
        intermediates: All other certificates.
        crls: Revocation lists.
        sha256: Hash over all files used, lower-case hex.
        faults: Files that could not be used.
        quick_crls: Those of the lists that no certificate here signed, beside their issuers.
        policy: By which rules it is judged.
        trust_list: Classes and windows of the authorities, pinned signers.
        index: Stored revocation lists and answers, None when there are none.
        unlisted: Self-signed certificates of the folder that the trust list keeps out.
        broken: The control file whose faults leave no anchor, or "".
        lists: Those of the lists that were verified and read in advance.
        slow_crls: All others; None when nobody looked, then all of `crls` are.
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
    unlisted: tuple[x509.Certificate, ...] = ()
    broken: str = ""
    lists: tuple[KnownList, ...] = ()
    slow_crls: tuple[CRLContainer, ...] | None = None

    def anchor_allowed(self, cert: x509.Certificate, at: datetime) -> bool:
        """Tell whether a certificate is an anchor for signatures made at an instant.

        Args:
            cert: The end of a path.
            at: The best signing time, aware.
        """
        digest = cert.sha256
        return any(a.sha256 == digest for a in self.anchors) and self.window_allows(cert, at)

    def window_allows(self, cert: x509.Certificate, at: datetime) -> bool:
        """Tell whether an instant lies inside what the list says of an authority.

        True for one the list does not name: it is judged by the anchor above it.
        """
        entry = self.trust_list.anchor(cert.sha256.hex())
        return entry is None or entry.allows(at)

    def trust_class(self, cert: x509.Certificate) -> str:
        """Return the class of an authority (SIG-05).

        Returns:
            `duty`, `public`, `foreign`, `internal`; `unlisted` for an anchor no list names; ""
            for what is neither.
        """
        digest = cert.sha256
        entry = self.trust_list.anchor(digest.hex())
        if entry is not None:
            return entry.trust_class
        return "unlisted" if any(a.sha256 == digest for a in self.anchors) else ""

    def policy_facts(self) -> PolicyFacts:
        """Return what a report says of the rules it was made by."""
        return PolicyFacts(
            name=self.policy.name,
            dated=self.policy.dated.isoformat(),
            sha256=self.policy.sha256,
            trust_list=self.trust_list.version,
        )

    def revoked_since(self, cert: x509.Certificate) -> datetime | None:
        """Return since when any list at hand calls a certificate revoked, None when none does.

        The signatures of lists that nobody here issued are not checked: an entry only ever takes
        trust away.
        """
        issuer, serial = cert.issuer.hashable, cert.serial_number
        found = [
            entry.revocation_date_utc
            for name, crl in self.quick_crls
            if name == issuer and (entry := crl.get_revoked_certificate_by_serial_number(serial))
        ]
        key = name_key(cert.issuer)
        end = aware(cert.not_valid_after)
        known = [revoked_since(self.lists, key, serial, end)]
        if self.index is not None:
            known.append(self.index.revoked_since(key, serial, end))
        found += [since for since in known if since is not None]
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
        contents = control_files(directory)
        rules = _Rules.of(contents)
        anchors, unlisted = rules.sort(shelf.anchors, shelf.others)
        lists, slow = _read_in_advance(shelf)
        return cls(
            anchors=anchors,
            intermediates=tuple(cert for _, cert in sorted(shelf.others.items())),
            crls=tuple(CRLContainer(lst) for _, lst in sorted(shelf.crls.items())),
            lists=lists,
            slow_crls=tuple(CRLContainer(lst) for lst in slow),
            sha256=hash_of([*digests, *control_digests(contents)]),
            faults=(*shelf.faults, *rules.faults),
            quick_crls=tuple(_quick(lst) for lst in slow),
            policy=rules.policy,
            trust_list=rules.trust_list,
            unlisted=unlisted,
            broken=rules.broken,
        )


@dataclass(slots=True)
class _Rules:
    """What the control files say, and what is wrong with them."""

    policy: Policy = BUILT_IN
    trust_list: TrustList = field(default_factory=TrustList)
    listed: bool = False
    broken: str = ""
    faults: list[TrustFault] = field(default_factory=list)

    @classmethod
    def of(cls, contents: Mapping[str, bytes | None]) -> "_Rules":
        rules = cls()
        for name, data in contents.items():
            if data is None:
                rules.faults.append(_unreadable(name))
                rules.broken = name
            elif name == POLICY_FILE:
                policy, faults = read_policy(data)
                rules.policy = policy or BUILT_IN
                rules._note(name, faults)
            elif name == LIST_FILE:
                trust_list, faults = read_list(data)
                rules.trust_list = trust_list or TrustList()
                rules.listed = True
                rules._note(name, faults)
        if rules.broken:
            rules.faults.append(_closed(rules.broken))
        return rules

    def _note(self, name: str, faults: tuple[TrustFault, ...]) -> None:
        self.faults += faults
        if faults:
            self.broken = name

    def sort(
        self, anchors: Mapping[bytes, x509.Certificate], others: Mapping[bytes, x509.Certificate]
    ) -> tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]:
        """Return what is trusted of the self-signed certificates, and what is not."""
        if self.broken:
            return (), tuple(cert for _, cert in sorted(anchors.items()))
        named = {a.sha256: a for a in self.trust_list.anchors}
        everyone = not self.listed or self.trust_list.unlisted == "trust"
        trusted = {d: c for d, c in anchors.items() if everyone or d.hex() in named}
        unlisted = [c for d, c in sorted(anchors.items()) if d not in trusted]
        present = {d.hex() for d in (*anchors, *others)}
        names = {trusted[d].subject.hashable for d in trusted}
        self.faults += [_left_out(c, c.subject.hashable in names) for c in unlisted]
        self.faults += [_missing(a.sha256, a.name) for k, a in named.items() if k not in present]
        return tuple(cert for _, cert in sorted(trusted.items())), tuple(unlisted)


def _unreadable(name: str) -> TrustFault:
    return TrustFault(
        name, "Không đọc được hoặc quá lớn; kiểm tra quyền đọc.", "Unreadable or too large."
    )


def _closed(name: str) -> TrustFault:
    return TrustFault(
        name,
        "Tệp này có lỗi nên không gốc nào được tin cho đến khi sửa xong: vanlien trust check.",
        "Because of its faults no anchor is trusted until it is mended: vanlien trust check.",
    )


def _left_out(cert: x509.Certificate, same_name: bool) -> TrustFault:
    who = f"{_name_of(cert)}, SHA-256 {cert.sha256.hex()}"
    if same_name:
        # Never by name: an impostor's root has the very name of the true one.
        return TrustFault(
            LIST_FILE,
            f"Trùng tên với gốc được tin nhưng khóa khác, không được tin: {who}. Có thể là giả "
            "mạo; xóa tệp này và báo người phụ trách.",
            f"Has the name of a trusted anchor but another key, not trusted: {who}. It may be "
            "forged; remove the file and tell who is responsible.",
        )
    return TrustFault(
        LIST_FILE,
        f"Chứng thư tự ký không có trong danh sách, không được tin: {who}. Nếu muốn tin: vanlien "
        "trust import.",
        f"Self-signed and not in the list, not trusted: {who}. If it should be: vanlien trust "
        "import.",
    )


def _missing(sha256: str, name: str) -> TrustFault:
    return TrustFault(
        LIST_FILE,
        f"Không tệp nào có chứng thư {name or '?'}, SHA-256 {sha256}; chép tệp vào hoặc sửa giá "
        "trị.",
        f"No file holds the certificate {name or '?'}, SHA-256 {sha256}; put it there or mend the "
        "value.",
    )


def _name_of(cert: x509.Certificate) -> str:
    from gateway.trust.facts import common_name
    from gateway.trust.notes import clean

    return clean(common_name(cert))


def certificates_in(data: bytes) -> tuple[tuple[x509.Certificate, ...], bool, int]:
    """Return what a file holds for an import.

    Returns:
        Its certificates, each once; whether it holds a private key; how many things in it are
        neither.
    """
    found: dict[bytes, x509.Certificate] = {}
    secret, strange = False, 0
    for label, der in _objects(data):
        cert = None if "PRIVATE KEY" in label else _certificate(der)
        if cert is not None:
            found[hashlib.sha256(der).digest()] = cert
        elif "PRIVATE KEY" in label or _is_private_key(der):
            secret = True
        else:
            strange += 1
    return tuple(found.values()), secret, strange


def _is_private_key(der: bytes) -> bool:
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        load_der_private_key(der, password=None)
    except TypeError:
        return True  # it wants a password
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


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


def _read_in_advance(
    shelf: _Shelf,
) -> tuple[tuple[KnownList, ...], list[asn1_crl.CertificateList]]:
    """Verify and read every list that a certificate of the folder issued; return the rest too."""
    issuers = [*shelf.anchors.values(), *shelf.others.values()]
    known: list[KnownList] = []
    rest: list[asn1_crl.CertificateList] = []
    for _, lst in sorted(shelf.crls.items()):
        try:
            known.append(verified_list(lst.dump(), issuers))
        except RefusedListError:
            rest.append(lst)  # the validator judges it, as it judges the lists of a file
    return tuple(known), rest


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
        usages = (cert.key_usage_value, cert.extended_key_usage_value)
        _ = [usage.native for usage in usages if usage is not None]
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
    except (InvalidSignature, InvalidVersion):
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return True  # an old algorithm; the operator chose it, and an anchor's own is not judged
    return True
