"""Verified revocation lists in a form that is quick to search, and how the validator sees them.

The validator walks through every entry of a list for every certificate: a list of 100,000 entries
costs it a second each time. Here a list is verified and read once. The validator is then given an
object that has the list's own head (issuer, dates, number, scope, algorithm) and answers its
question for one serial number by a search. Promises:

- its procedures run unchanged: dates, scope, reasons, revoked since when, all judged by it;
- fail-safe: an object used in any way but that one question raises, it never reads as "not on it";
- the signature is not waved through: the object carries a seal, made with a secret of this process
  over the list's head and the key that verified the list, and holds for that key only.

Pure; a crash leaves nothing behind.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any, Final

from asn1crypto import core, x509
from asn1crypto import crl as asn1_crl
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import InvalidVersion, load_der_x509_crl
from pyhanko_certvalidator.revinfo.archival import CRLContainer
from pyhanko_certvalidator.sig_validate import (
    DEFAULT_VALIDATION_CONTEXT,
    DefaultSignatureValidator,
    SignatureValidationContext,
)

from gateway.trust.crl import Entry, Head, ReadList, RefusedListError, read_list

_SECRET: Final = secrets.token_bytes(32)
_TIE_BITS: Final = 20
_MARK: Final = b"vanlien-list-1:"


def aware(at: datetime) -> datetime:
    """Return an instant in UTC; a time without a zone is taken as UTC, as the formats say."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def name_key(name: x509.Name) -> bytes:
    """Return 32 bytes equal for names that count as the same (RFC 5280 7.1)."""
    return _name_key(name.dump())


@lru_cache(maxsize=1024)
def _name_key(der: bytes) -> bytes:
    # Preparing the strings of a name costs more than everything else a search does.
    return hashlib.sha256(x509.Name.load(der).hashable.encode()).digest()


def key_key(cert: x509.Certificate) -> bytes:
    """Return 32 bytes naming a certificate's public key."""
    return hashlib.sha256(cert.public_key.dump()).digest()


@dataclass(frozen=True)
class KnownList:
    """One list whose signature was verified (danh sách thu hồi đã kiểm tra chữ ký).

    Args:
        head: All but the entries.
        issuer_name: `name_key` of who issued it.
        issuer_key: DER of the public key that verified it.
        issuer: Common name of who issued it, for people.
        find: Returns a serial number's entry, None when it is not on the list.
    """

    head: Head
    issuer_name: bytes
    issuer_key: bytes
    issuer: str
    find: Callable[[int], Entry | None]

    @property
    def source(self) -> tuple[bytes, bytes, str]:
        """Return whose list it is: of two lists of one source the newer one counts."""
        return self.issuer_name, self.issuer_key, self.head.scope.text

    def issued_by(self, issuer: x509.Certificate) -> bool:
        """Tell whether it is this authority's list: same name and same key."""
        return (
            self.issuer_key == issuer.public_key.dump()
            and name_key(issuer.subject) == self.issuer_name
        )

    @cached_property
    def container(self) -> CRLContainer:
        """Return it as the validator takes it."""
        seal = _seal(self.head.skeleton, self.issuer_key)
        presented = _PresentedList.load(self.head.bare(seal), strict=True)
        presented["tbs_cert_list"].find = self.find
        return CRLContainer(presented)


def generation(head: Head) -> int:
    """Return a list's place among those of its source: by date, within a second by number."""
    seconds = int(aware(head.this_update).timestamp())
    return (seconds << _TIE_BITS) + int(head.number or "0") % (1 << (_TIE_BITS - 1))


def newest(
    lists: Sequence[KnownList], at: datetime, latest: datetime | None = None
) -> tuple[KnownList, ...]:
    """Return what counts of each source: the newest list issued by `at`, and the newest of all.

    A list issued after the question's time is not in force then; it is told nevertheless, because
    what it says of an earlier revocation must not be lost.

    Args:
        lists: Of any number of sources.
        at: The question's time.
        latest: Lists issued after it are left out.
    """
    known: dict[tuple[bytes, bytes, str], tuple[KnownList | None, KnownList]] = {}
    for one in sorted(lists, key=lambda x: (generation(x.head), x.head.sha256)):
        issued = one.head.this_update
        if latest is None or issued <= latest:
            then, _ = known.get(one.source, (None, one))
            known[one.source] = (one if issued <= at else then, one)
    chosen = [
        one for then, last in known.values() for one in ((then,) if then is last else (last, then))
    ]
    return tuple(one for one in chosen if one is not None)


def revoked_since(
    lists: Sequence[KnownList], issuer_name: bytes, serial: int, until: datetime
) -> datetime | None:
    """Return since when a certificate is revoked, None when no list says so.

    Args:
        lists: Of any number of sources.
        issuer_name: `name_key` of the certificate's issuer.
        serial: Of the certificate.
        until: Its end: afterwards it may be missing from lists for that reason alone.
    """
    named = [x for x in lists if x.issuer_name == issuer_name]
    last: dict[tuple[bytes, bytes, str], KnownList] = {}
    for one in sorted(named, key=lambda x: (generation(x.head), x.head.sha256)):
        if one.head.this_update <= until:
            last[one.source] = one
    found = [
        row.revoked_at
        for one in named
        if (row := one.find(serial)) is not None
        and counts(row, last.get(one.source, one).find(serial))
    ]
    return min(found, default=None)


def counts(entry: Entry, last: Entry | None) -> bool:
    """Tell whether an entry revokes: a hold only while the last list still has the certificate.

    Args:
        entry: Of any list.
        last: The same certificate's entry on the last list of its lifetime.
    """
    if entry.reason == "remove_from_crl":
        return False
    return entry.reason != "certificate_hold" or last is not None


# ---------------------------------------------------------------- taking a list


@dataclass(frozen=True, slots=True)
class TakenList:
    """A list just read and verified.

    Args:
        known: It, quick to search.
        entries: By serial number.
        issuer: The certificate that signed it.
    """

    known: KnownList
    entries: dict[int, Entry]
    issuer: x509.Certificate


def taken_list(der: bytes, issuers: Sequence[x509.Certificate]) -> TakenList:
    """Read a list and verify it under one of the authorities given.

    Args:
        der: The list.
        issuers: Certificates that may have issued it.

    Raises:
        RefusedListError: It cannot be read, is of a kind that is not used, or is signed by none of
            them; says which.
    """
    read = read_list(der)
    issuer = _issuer_of(der, read, issuers)
    known = KnownList(
        head=read.head,
        issuer_name=name_key(read.issuer),
        issuer_key=issuer.public_key.dump(),
        issuer=printed_name(issuer),
        find=read.entries.get,
    )
    return TakenList(known, read.entries, issuer)


def verified_list(der: bytes, issuers: Sequence[x509.Certificate]) -> KnownList:
    """Return `taken_list` without its parts."""
    return taken_list(der, issuers).known


def printed_name(cert: x509.Certificate) -> str:
    """Return an authority's common name, or its whole name when it has none."""
    native = cert.subject.native
    name = native.get("common_name") or cert.subject.human_friendly
    return str(name[0] if isinstance(name, list) else name)


def _issuer_of(der: bytes, read: ReadList, issuers: Sequence[x509.Certificate]) -> x509.Certificate:
    """Return the certificate that signed a list: same name, may sign lists, and the key fits."""
    wanted = read.issuer.hashable
    named = [c for c in issuers if c.subject.hashable == wanted]
    if not named:
        raise RefusedListError(
            "không có chứng thư của CA phát hành danh sách này trong kho tin cậy; nạp chứng thư"
            " CA trước",
            "no certificate of the authority that issued this list is trusted; import it first",
        )
    allowed = [c for c in named if may_sign_lists(c)]
    if not allowed:
        raise RefusedListError(
            "chứng thư của bên phát hành không được phép ký danh sách thu hồi (cRLSign)",
            "the issuer's certificate may not sign lists (cRLSign)",
        )
    for cert in allowed:
        if signed_list(der, cert):
            return cert
    raise RefusedListError(
        "chữ ký của danh sách không khớp với khóa của CA cùng tên trong kho tin cậy; không dùng",
        "the list's signature does not fit the key of the trusted authority of that name",
    )


def may_sign_lists(cert: x509.Certificate) -> bool:
    """Tell whether a certificate may sign revocation lists (RFC 5280 4.2.1.3)."""
    try:
        usage = cert.key_usage_value
        if usage is not None and "crl_sign" not in usage.native:
            return False
        # A version 1 root says nothing of itself; whoever is in the trust folder was put there.
        return bool(cert.ca) or cert["tbs_certificate"]["version"].native == "v1"
    except (ValueError, TypeError):  # a certificate that cannot be read signs nothing
        return False


def signed_list(der: bytes, cert: x509.Certificate) -> bool:
    """Tell whether a certificate's key signed a list."""
    try:
        key: Any = load_der_public_key(cert.public_key.dump())
        return bool(load_der_x509_crl(der).is_signature_valid(key))
    except (ValueError, TypeError, InvalidVersion, UnsupportedAlgorithm):
        return False


# ---------------------------------------------------------------- what the validator sees


def _seal(signed: bytes, key: bytes) -> bytes:
    """Return the stand-in of a verified list's signature; it holds in this process only."""
    message = hashlib.sha256(signed).digest() + hashlib.sha256(key).digest()
    return _MARK + hmac.digest(_SECRET, message, "sha256")


class ListSignatures(DefaultSignatureValidator):
    """Checks signatures as the validator does, and knows the seals of lists verified before."""

    def validate_signature(
        self,
        signature: bytes,
        signed_data: bytes,
        public_key_info: Any,
        signature_algorithm: Any,
        context: SignatureValidationContext = DEFAULT_VALIDATION_CONTEXT,
    ) -> None:
        """Return when the signature holds.

        Raises:
            InvalidSignature: It does not.
        """
        if signature.startswith(_MARK):
            if not hmac.compare_digest(signature, _seal(signed_data, public_key_info.dump())):
                raise InvalidSignature
            return
        super().validate_signature(
            signature, signed_data, public_key_info, signature_algorithm, context
        )


class _Serial:
    """Compares unlike every serial number but those on the list; any other use raises."""

    __slots__ = ("_row",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, row: "_Row") -> None:
        self._row = row

    def __eq__(self, other: object) -> bool:
        return self._row.look_up(other)

    def __ne__(self, other: object) -> bool:
        return not self._row.look_up(other)


class _Dumped:
    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def dump(self) -> Any:
        return self._value


class _Native:
    __slots__ = ("native",)

    def __init__(self, native: object) -> None:
        self.native = native


class _Row:
    """The one entry a list seems to have: whichever is asked for."""

    __slots__ = ("_entry", "_find")

    def __init__(self, find: Callable[[int], Entry | None]) -> None:
        self._find = find
        self._entry: Entry | None = None

    def look_up(self, serial: object) -> bool:
        """Tell whether a serial number, DER of an INTEGER, is on the list."""
        if not isinstance(serial, bytes):
            raise TypeError("a serial number is compared as DER")
        self._entry = self._find(core.Integer.load(serial, strict=True).native)
        return self._entry is not None

    def dump(self) -> bytes:
        """Return the entry's DER, as far as one asks: it never names another issuer."""
        return b""

    def __getitem__(self, key: str) -> Any:
        if key == "user_certificate":
            return _Dumped(_Serial(self))
        if key == "revocation_date":
            return _Native(self._found.revoked_at)
        raise KeyError(key)

    @property
    def _found(self) -> Entry:
        if self._entry is None:
            raise LookupError("no serial number was asked for")
        return self._entry

    @property
    def crl_reason_value(self) -> Any:
        """Return why, None when the list does not say."""
        reason = self._found.reason
        return asn1_crl.CRLReason(reason) if reason else None

    @property
    def critical_extensions(self) -> frozenset[str]:
        """Return none: an entry with one that is not understood was refused with its list."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class _OneRow:
    find: Callable[[int], Entry | None]

    def __iter__(self) -> Iterator[_Row]:
        yield _Row(self.find)


class _PresentedTbs(asn1_crl.TbsCertList):  # type: ignore[misc]
    find: Callable[[int], Entry | None] | None = None

    def __getitem__(self, key: Any) -> Any:
        if key == "revoked_certificates":
            if self.find is None:
                raise LookupError("a list without its entries")
            return _OneRow(self.find)
        return super().__getitem__(key)


class _PresentedList(asn1_crl.CertificateList):  # type: ignore[misc]
    _fields: Final = [
        ("tbs_cert_list", _PresentedTbs),
        *asn1_crl.CertificateList._fields[1:],
    ]
