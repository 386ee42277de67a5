"""Reading a revocation list (CRL) once, in one pass, without building an object for each entry.

Promises: strict DER, every length checked; what we do not understand is refused with a sentence,
never half used (RFC 5280 5.2, 5.3): delta and indirect lists, lists for some reasons or attribute
certificates only, unknown critical extensions. A list of 100,000 entries takes about a third of a
second. Pure; keeps nothing.
"""

import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from asn1crypto import crl as asn1_crl
from asn1crypto import x509

REASONS: Final[tuple[str, ...]] = (
    "unspecified",
    "key_compromise",
    "ca_compromise",
    "affiliation_changed",
    "superseded",
    "cessation_of_operation",
    "certificate_hold",
    "",  # not used by the standard
    "remove_from_crl",
    "privilege_withdrawn",
    "aa_compromise",
)
"""CRLReason by number (RFC 5280 5.3.1)."""

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_OCTETS: Final = 0x04
_OID: Final = 0x06
_BOOLEAN: Final = 0x01
_ENUMERATED: Final = 0x0A
_TIMES: Final = frozenset({0x17, 0x18})
_EXTENSIONS: Final = 0xA0
_OID_REASON: Final = b"\x55\x1d\x15"
_OID_INVALIDITY: Final = b"\x55\x1d\x18"
_OID_HOLD: Final = b"\x55\x1d\x17"
_OID_ISSUER: Final = b"\x55\x1d\x1d"
_KNOWN_ENTRY: Final = frozenset({_OID_REASON, _OID_INVALIDITY, _OID_HOLD})
_KNOWN_CRITICAL: Final = frozenset(
    {
        "issuer_alt_name",
        "crl_number",
        "issuing_distribution_point",
        "authority_key_identifier",
        "freshest_crl",
        "authority_information_access",
    }
)
_MAX_MEMO: Final = 4096
_PEM: Final = re.compile(
    rb"-----BEGIN X509 CRL-----(.*?)-----END X509 CRL-----", re.DOTALL | re.ASCII
)


class RefusedListError(ValueError):
    """A list or answer that is not taken.

    Args:
        vi: Why, and what to do, Vietnamese.
        en: The same in English.
    """

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi
        self.en = en


class Entry(NamedTuple):
    """One revoked certificate: since when (aware) and why (`key_compromise`, or "" for unsaid)."""

    revoked_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Scope:
    """For which certificates of its issuer a list speaks (issuing distribution point).

    Args:
        user_only: Of end entities only.
        ca_only: Of authorities only.
        points: DER of the names of the distribution point, empty for all certificates.
    """

    user_only: bool = False
    ca_only: bool = False
    points: tuple[bytes, ...] = ()

    def covers(self, cert: x509.Certificate) -> bool:
        """Tell whether a list of this scope speaks for a certificate of its issuer."""
        is_ca = bool(cert.ca)
        if (self.user_only and is_ca) or (self.ca_only and not is_ca):
            return False
        if not self.points:
            return True
        points = cert.crl_distribution_points_value or ()
        return any(
            name.dump() in self.points
            for point in points
            if point["distribution_point"] and point["distribution_point"].name == "full_name"
            for name in point["distribution_point"].chosen
        )

    @property
    def text(self) -> str:
        """Return it in one line, equal for equal scopes."""
        kind = "user" if self.user_only else "ca" if self.ca_only else "all"
        return ":".join((kind, *sorted(p.hex() for p in self.points)))

    @classmethod
    def of_text(cls, text: str) -> "Scope":
        """Return what `text` was made of."""
        kind, *points = text.split(":")
        return cls(kind == "user", kind == "ca", tuple(bytes.fromhex(p) for p in points))


ALL: Final = Scope()


@dataclass(frozen=True, slots=True)
class Head:
    """A list without its entries.

    Args:
        sha256: Of the whole DER, lower-case hex.
        this_update: When it was issued, aware.
        next_update: Until when it is in force, None when it does not say.
        number: CRL number in decimal, or "".
        scope: For which certificates it speaks.
        before: DER of what stands before the entries.
        after: DER of what stands after them (the extensions), may be empty.
        algorithm: DER of the signature's algorithm.
    """

    sha256: str
    this_update: datetime
    next_update: datetime | None
    number: str
    scope: Scope
    before: bytes
    after: bytes
    algorithm: bytes

    @property
    def skeleton(self) -> bytes:
        """Return the list to be signed, DER, with no entries."""
        return _wrapped(_SEQUENCE, self.before + self.after)

    def bare(self, signature: bytes) -> bytes:
        """Return a list of this head, no entries and any signature value, DER."""
        value = _wrapped(_BIT_STRING, b"\x00" + signature)
        return _wrapped(_SEQUENCE, self.skeleton + self.algorithm + value)


@dataclass(frozen=True, slots=True)
class ReadList:
    """A whole list.

    Args:
        head: All but the entries.
        issuer: Its issuer's name.
        entries: By serial number; of an entry given twice the first counts.
    """

    head: Head
    issuer: x509.Name
    entries: dict[int, Entry]


def lists_in(data: bytes) -> list[bytes]:
    """Return the DER of the lists in a file: PEM blocks, or the file itself."""
    if b"-----BEGIN " not in data:
        return [data]
    found = []
    for match in _PEM.finditer(data):
        try:
            found.append(binascii.a2b_base64(b"".join(match[1].split()), strict_mode=True))
        except binascii.Error as exc:
            raise RefusedListError("tệp PEM bị hỏng; tải lại", "broken PEM; get it again") from exc
    return found


def read_list(der: bytes) -> ReadList:
    """Read a list; its signature is not looked at.

    Raises:
        RefusedListError: It is no list, or one of a kind that is not used; says which.
    """
    try:
        parts = _split(der)
        bare = asn1_crl.CertificateList.load(
            _wrapped(_SEQUENCE, _wrapped(_SEQUENCE, parts.before + parts.after) + parts.tail),
            strict=True,
        )
        head = _head(der, parts, bare)
        issuer = bare["tbs_cert_list"]["issuer"]
        _ = issuer.hashable
    except RefusedListError:
        raise
    except Exception as exc:
        raise RefusedListError(
            "không phải danh sách thu hồi (CRL) đúng chuẩn; tải lại từ nơi công bố",
            "not a well-formed revocation list (CRL); get it again where it is published",
        ) from exc
    return ReadList(head, issuer, _entries(parts.rows))


# ---------------------------------------------------------------- DER


@dataclass(slots=True)
class _Parts:
    before: bytes
    rows: bytes
    after: bytes
    tail: bytes


def _wrapped(tag: int, body: bytes) -> bytes:
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def _tlv(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return tag, start and stop of the contents of the element at `at`; ValueError when cut."""
    if at + 2 > end:
        raise ValueError("cut short")
    tag, size, start = data[at], data[at + 1], at + 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4 or start + count > end:
            raise ValueError("length")
        size = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + size > end:
        raise ValueError("cut short")
    return tag, start, start + size


def _split(der: bytes) -> _Parts:
    tag, at, end = _tlv(der, 0, len(der))
    if tag != _SEQUENCE or end != len(der):
        raise ValueError("not one sequence")
    tag, start, stop = _tlv(der, at, end)
    if tag != _SEQUENCE:
        raise ValueError("no list")
    tail = der[stop:end]
    cursor, rows, row_at, row_stop = start, b"", -1, -1
    seen_time = False
    while cursor < stop:
        tag, inner, after = _tlv(der, cursor, stop)
        if tag in _TIMES:
            seen_time = True
        elif tag == _SEQUENCE and seen_time:
            rows, row_at, row_stop = der[inner:after], cursor, after
            break
        elif tag == _EXTENSIONS:
            break
        cursor = after
    if not seen_time:
        raise ValueError("no date")
    if row_at < 0:
        return _Parts(der[start:cursor], b"", der[cursor:stop], tail)
    return _Parts(der[start:row_at], rows, der[row_stop:stop], tail)


def _head(der: bytes, parts: _Parts, bare: asn1_crl.CertificateList) -> Head:
    unknown = set(bare.critical_extensions) - _KNOWN_CRITICAL
    if bare.delta_crl_indicator_value is not None:
        raise RefusedListError(
            "danh sách phần thay đổi (delta CRL) không dùng riêng được; nạp danh sách đầy đủ",
            "a delta list says nothing alone; import the full list",
        )
    if unknown:
        names = ", ".join(sorted(unknown))
        raise RefusedListError(
            f"danh sách có phần mở rộng bắt buộc chưa hiểu ({names}); không dùng được",
            f"the list has critical extensions we do not understand ({names})",
        )
    times = bare["tbs_cert_list"]
    number = bare.crl_number_value
    _, _, algorithm_end = _tlv(parts.tail, 0, len(parts.tail))
    return Head(
        sha256=hashlib.sha256(der).hexdigest(),
        this_update=times["this_update"].native,
        next_update=times["next_update"].native,
        number="" if number is None else str(number.native),
        scope=_scope(bare.issuing_distribution_point_value),
        before=parts.before,
        after=parts.after,
        algorithm=parts.tail[:algorithm_end],
    )


def _scope(idp: asn1_crl.IssuingDistributionPoint | None) -> Scope:
    if idp is None:
        return Scope()
    if idp["indirect_crl"].native:
        raise RefusedListError(
            "danh sách gián tiếp (indirect CRL) không được dùng; nạp danh sách do chính CA ký",
            "indirect lists are not used; import the list that the authority itself signs",
        )
    if idp["only_some_reasons"].native is not None or idp["only_contains_attribute_certs"].native:
        raise RefusedListError(
            "danh sách chỉ gồm một số lý do hoặc chứng thư thuộc tính; nạp danh sách đầy đủ",
            "the list holds some reasons or attribute certificates only; import the full list",
        )
    names: tuple[bytes, ...] = ()
    point = idp["distribution_point"]
    if point:
        if point.name != "full_name":
            raise RefusedListError(
                "danh sách chia phần theo tên tương đối không được dùng; nạp danh sách đầy đủ",
                "lists split by a relative name are not used; import the full list",
            )
        names = tuple(sorted(name.dump() for name in point.chosen))
    return Scope(
        bool(idp["only_contains_user_certs"].native),
        bool(idp["only_contains_ca_certs"].native),
        names,
    )


# ---------------------------------------------------------------- entries


def _entries(rows: bytes) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    reasons: dict[bytes, str] = {b"": ""}
    cursor, end = 0, len(rows)
    try:
        while cursor < end:
            tag, at, cursor = _tlv(rows, cursor, end)
            # A serial number and a time are short: the two lengths are read in place.
            start = at + 2
            stop = start + rows[at + 1]
            time = stop + 2
            after = time + rows[stop + 1]
            if (
                tag != _SEQUENCE
                or rows[at] != _INTEGER
                or not start < stop < time <= after <= cursor
                or rows[stop] not in _TIMES
            ):
                raise ValueError  # noqa: TRY301 — told below, with the entry's number
            extra = rows[after:cursor]
            reason = reasons.get(extra)
            if reason is None:
                reason = _reason(extra)
                if len(reasons) < _MAX_MEMO:
                    reasons[extra] = reason
            serial = int.from_bytes(rows[start:stop], "big", signed=True)
            found.setdefault(serial, Entry(_moment(rows[time:after]), reason))
    except RefusedListError:
        raise
    except (ValueError, IndexError) as exc:
        raise RefusedListError(
            f"dòng thứ {len(found) + 1} của danh sách bị hỏng; tải lại từ nơi công bố",
            f"entry {len(found) + 1} of the list is broken; get it again where it is published",
        ) from exc
    return found


def _moment(text: bytes) -> datetime:
    """Read UTCTime or GeneralizedTime in the form of RFC 5280: seconds, `Z`, no fraction."""
    if len(text) == 13:
        year, rest = int(text[:2]), text[2:12]
        year += 1900 if year >= 50 else 2000
    elif len(text) == 15:
        year, rest = int(text[:4]), text[4:14]
    else:
        raise ValueError("time")
    if text[-1:] != b"Z" or not rest.isdigit():
        raise ValueError("time")
    digits = int(rest)  # MMDDhhmmss
    digits, second = divmod(digits, 100)
    digits, minute = divmod(digits, 100)
    digits, hour = divmod(digits, 100)
    month, day = divmod(digits, 100)
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def _reason(extra: bytes) -> str:
    tag, cursor, end = _tlv(extra, 0, len(extra))
    if tag != _SEQUENCE or end != len(extra):
        raise ValueError("extensions")
    reason = ""
    while cursor < end:
        _, at, cursor = _tlv(extra, cursor, end)
        tag, start, stop = _tlv(extra, at, cursor)
        oid = extra[start:stop]
        if tag != _OID:
            raise ValueError("extension")
        tag, start, stop = _tlv(extra, stop, cursor)
        critical = tag == _BOOLEAN and extra[start:stop] != b"\x00"
        if tag == _BOOLEAN:
            tag, start, stop = _tlv(extra, stop, cursor)
        if tag != _OCTETS:
            raise ValueError("extension")
        if oid == _OID_REASON:
            tag, start, stop = _tlv(extra, start, stop)
            if tag != _ENUMERATED:
                raise ValueError("reason")
            reason = REASONS[int.from_bytes(extra[start:stop], "big")]
        elif oid == _OID_ISSUER or (critical and oid not in _KNOWN_ENTRY):
            raise RefusedListError(
                "danh sách có dòng mang phần mở rộng bắt buộc chưa hiểu; không dùng được",
                "an entry of the list has a critical extension we do not understand",
            )
    return reason
