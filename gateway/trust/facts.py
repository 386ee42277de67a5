"""Printed facts of certificates and algorithms, taken from their encoded form only.

Roles come from the certificate, never from a picture or a name entry beside the signature. Texts
are a stranger's: one line, no control characters. Pure; keeps nothing.
"""

import hashlib
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from asn1crypto import cms, x509

from gateway.trust.notes import clean
from gateway.trust.report import CertificateFacts

_MAX_VALUES: Final = 10
_NAME_ORDER: Final = (
    ("common_name", "CN"),
    ("title", "T"),
    ("user_id", "UID"),
    ("organizational_unit_name", "OU"),
    ("organization_name", "O"),
    ("locality_name", "L"),
    ("state_or_province_name", "ST"),
    ("country_name", "C"),
    ("email_address", "E"),
    ("serial_number", "SN"),
)
_ORGANIZATION_UIDS: Final = ("MNS:", "MST:", "MDD:")
_OTHER_PURPOSES: Final = frozenset({"server_auth", "code_signing", "time_stamping", "ocsp_signing"})
_PERSON_UIDS: Final = ("CCCD:", "CMND:", "HC:", "SHC:")
# Words an agency's name begins with; compared in capitals, composed.
_AGENCY_WORDS: Final = (
    "UBND", "ỦY BAN", "UỶ BAN", "HĐND", "HỘI ĐỒNG", "BỘ ", "SỞ ", "CỤC ", "TỔNG CỤC", "CHI CỤC",
    "VĂN PHÒNG", "TRUNG TÂM", "BAN ", "PHÒNG ", "THANH TRA", "VIỆN ", "TRƯỜNG ",
    "BỆNH VIỆN", "CÔNG AN ", "KHO BẠC", "CHI NHÁNH", "CÔNG TY", "TẬP ĐOÀN", "TỈNH ỦY", "ĐẢNG ỦY",
    "TÒA ÁN", "TOÀ ÁN", "TỈNH UỶ", "ĐẢNG UỶ", "VIỆN KIỂM SÁT", "HẢI QUAN",
    "THUẾ ", "BẢO HIỂM XÃ HỘI",
)  # fmt: skip
_PERSON_ATTRIBUTES: Final = frozenset({"given_name", "surname", "pseudonym", "title"})
_PORTAL_WORDS: Final = (
    "CỔNG THÔNG TIN", "CỔNG TTĐT", "CỔNG DỊCH VỤ CÔNG", "TRANG THÔNG TIN ĐIỆN TỬ", "TRANG TTĐT",
)  # fmt: skip
_CLERK: Final = "VĂN THƯ"
_CLERK_TITLES: Final = (_CLERK, f"NHÂN VIÊN {_CLERK}", f"CÁN BỘ {_CLERK}", f"CHUYÊN VIÊN {_CLERK}")


def _texts(value: Any) -> list[str]:
    return [clean(v) for v in (value if isinstance(value, list) else [value])]


def name_text(name: x509.Name) -> str:
    """Return a distinguished name as `CN=…, O=…`, most telling part first."""
    native = dict(name.native)
    parts = [f"{short}={v}" for key, short in _NAME_ORDER for v in _texts(native.pop(key, []))]
    parts += [f"{key}={v}" for key, value in native.items() for v in _texts(value)]
    return ", ".join(parts)


def _first(name: x509.Name, key: str) -> str:
    values = _texts(dict(name.native).get(key, []))
    return values[0] if values else ""


def _all(name: x509.Name, key: str) -> tuple[str, ...]:
    found = dict(name.native)
    return tuple(_texts(found[key]))[:_MAX_VALUES] if key in found else ()


def common_name(cert: x509.Certificate) -> str:
    """Return the common name, "" when there is none."""
    return _first(cert.subject, "common_name")


def certificate_facts(cert: x509.Certificate) -> CertificateFacts:
    """Return what a report prints of a certificate."""
    return CertificateFacts(
        subject=name_text(cert.subject),
        common_name=common_name(cert),
        organization=_first(cert.subject, "organization_name"),
        issuer=name_text(cert.issuer),
        serial=f"{cert.serial_number:x}",
        not_before=_aware(cert.not_valid_before),
        not_after=_aware(cert.not_valid_after),
        sha256=hashlib.sha256(cert.dump()).hexdigest(),
        units=_all(cert.subject, "organizational_unit_name"),
        locality=_first(cert.subject, "locality_name"),
        identifiers=tuple(
            text
            for text in (
                *_all(cert.subject, "user_id"),
                *_all(cert.subject, "organization_identifier"),
                *_all(cert.subject, "2.5.4.97"),
            )
            # A person's own number compares with nothing: it is not repeated.
            if not text.upper().startswith(_PERSON_UIDS)
        ),
    )


def _aware(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def same_name(left: str, right: str) -> bool:
    """Tell whether two names are one, whatever their case, accents' form and spacing."""

    def plain(text: str) -> str:
        return " ".join(unicodedata.normalize("NFC", text).casefold().split())

    return plain(left) == plain(right)


def made_for_other_things(cert: x509.Certificate) -> bool:
    """Tell whether a certificate's purposes are all others than signing documents.

    SIG-41 (NĐ68 art 31.1): used within its scope. A certificate that names no purpose, or one that
    people sign with (client, e-mail, documents), is not told from others.
    """
    usages = cert.extended_key_usage_value
    return usages is not None and set(usages.native) <= _OTHER_PURPOSES


def role_of(cert: x509.Certificate) -> str:
    """Tell whose certificate this is: person, organization, portal, clerk, tsa or unknown.

    SIG-01 (QĐ28 art 4.1, NĐ30 art 5): roles are told from the certificate's subject. Order: key
    purpose, what the name says of a portal or a clerk, identifiers in the subject, then the shape
    of the names. Never from a picture or from what is written beside the signature.
    """
    usages = cert.extended_key_usage_value
    purposes = set(usages.native) if usages is not None else set()
    if "time_stamping" in purposes:
        return "tsa"
    native = dict(cert.subject.native)
    uids = [uid.upper() for uid in _texts(native.get("user_id", []))]
    is_body = any(uid.startswith(_ORGANIZATION_UIDS) for uid in uids)
    special = _portal_or_clerk(native, is_body=is_body)
    if special:
        return special
    if is_body or "organization_identifier" in native or "2.5.4.97" in native:
        return "organization"
    if any(uid.startswith(_PERSON_UIDS) for uid in uids):
        return "person"
    if _PERSON_ATTRIBUTES & set(native):
        return "person"
    return _role_by_names(native, purposes)


def _capitals(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).upper().split()) + " "


def _portal_or_clerk(native: dict[str, Any], *, is_body: bool) -> str:
    """SIG-03 (NĐ30 art 33.2): a portal publishes and a clerk stamps; neither is who decided."""
    names = _texts(native.get("common_name", []))
    name = _capitals(names[0]) if names else ""
    if name.startswith(_PORTAL_WORDS):
        return "portal"
    if name.startswith(_CLERK + " "):
        # Văn Thư can be somebody's name; before an agency's name, or in a body's certificate, not.
        rest = name.removeprefix(_CLERK).lstrip(" -,") + " "
        if is_body or rest.startswith(_AGENCY_WORDS):
            return "clerk"
    titles = [_capitals(t) for t in _texts(native.get("title", []))]
    return "clerk" if any(t.startswith(_CLERK_TITLES) for t in titles) else ""


def _role_by_names(native: dict[str, Any], purposes: set[str]) -> str:
    names = _texts(native.get("common_name", []))
    if not names:
        return "unknown"
    name = names[0]
    if any(same_name(name, org) for org in _texts(native.get("organization_name", []))):
        return "organization"
    if _capitals(name).startswith(_AGENCY_WORDS):
        return "organization"
    server = "server_auth" in purposes or any(c.isdigit() or c in "./\\@" for c in name)
    return "person" if not server and 2 <= len(name.split()) <= 6 else "unknown"


def algorithm_text(signer_info: cms.SignerInfo, cert: x509.Certificate | None) -> str:
    """Return `sha256 rsa 2048`, as far as it can be read."""
    digest = str(signer_info["digest_algorithm"]["algorithm"].native)
    if cert is None:
        return digest
    key = cert.public_key
    kind = str(key.algorithm)
    try:
        size = str(key.curve[1]) if kind == "ec" else str(key.bit_size)
    except Exception:  # noqa: BLE001 — key kinds the parser does not size
        size = ""
    scheme = str(signer_info["signature_algorithm"]["algorithm"].native)
    return " ".join(p for p in (digest, "rsa-pss" if scheme == "rsassa_pss" else kind, size) if p)
