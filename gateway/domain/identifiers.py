"""Agency identity codes (mã định danh cơ quan) as they are written and as they are compared.

Promises: a code is kept exactly as written and compared after trimming and upper-casing; which
notation it is in is told from its shape, but one notation is never turned into another here: that
is the directory's work, from the published catalogue (ID-04). Pure; nothing to lose in a crash.
"""

import re
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from typing import Final

from gateway.domain.finding import Finding, Severity

MAX_CODE_LENGTH: Final = 35
"""Longest code (ID-03)."""

# ID-02 (QĐ28 art 10.2a): four groups, level 1 last.
_LEGACY: Final = re.compile(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-Z][0-9]{2}")
# ID-03 (QĐ20): level 1 first, each later group one level lower.
_NEW: Final = re.compile(r"[A-Z][0-9]{2}(?:\.[A-Z0-9]+)*")
# ID-02 as written in practice: leading zero groups dropped, level 1 still last.
_SHORTENED: Final = re.compile(r"(?:[0-9]{2,3}\.){1,3}[A-Z][0-9]{2}")
# ID-08 (QĐ20): scheme code and registration number, no separator; or the number alone.
_ENTERPRISE: Final = re.compile(r"[0-9]{10,15}")
_LENIENT: Final = re.compile(r"[A-Z0-9]+(?:\.[A-Z0-9]+)*")
_NOT_CODES: Final = frozenset({"NULL", "NONE", "UNDEFINED"})


class CodeKind(StrEnum):
    """Notation of a code, told from its shape."""

    LEGACY = auto()
    NEW = auto()
    SHORTENED = auto()
    HUB = auto()
    ENTERPRISE = auto()
    LENIENT = auto()
    BAD = auto()


REGISTRABLE: Final = frozenset({CodeKind.LEGACY, CodeKind.NEW, CodeKind.ENTERPRISE})
"""Kinds that may be registered for an agency of our own."""


def fold(text: str) -> str:
    """Return the form in which two spellings of one code are equal: trimmed, upper case."""
    return text.strip().upper()


@lru_cache(maxsize=65536)
def classify(text: str) -> CodeKind:
    """Return the notation of a code, letter case and blanks around it set aside.

    Source: ID-02, ID-03, ID-08.
    """
    folded = fold(text)
    if not folded or len(folded) > MAX_CODE_LENGTH or folded in _NOT_CODES:
        return CodeKind.BAD
    if not _LENIENT.fullmatch(folded):
        return CodeKind.BAD
    if folded == "W00" or folded.endswith(".W00"):
        return CodeKind.HUB
    if _LEGACY.fullmatch(folded):
        return CodeKind.LEGACY
    if _NEW.fullmatch(folded):
        return CodeKind.NEW
    if _SHORTENED.fullmatch(folded):
        return CodeKind.SHORTENED
    if _ENTERPRISE.fullmatch(folded):
        return CodeKind.ENTERPRISE
    return CodeKind.LENIENT


@dataclass(frozen=True, slots=True)
class AgencyCode:
    """A code as written (mã định danh), with the key it is compared by."""

    text: str

    @property
    def key(self) -> str:
        """Return the comparison form."""
        return fold(self.text)

    @property
    def kind(self) -> CodeKind:
        """Return the notation."""
        return classify(self.text)

    @property
    def is_hub(self) -> bool:
        """Return whether it names an integration centre, a system and not an agency."""
        return self.kind is CodeKind.HUB

    def same_as(self, other: str) -> bool:
        """Return whether another spelling is this code; aliases are the directory's matter."""
        return self.key == fold(other)


def is_below(code: str, above: str) -> bool:
    """Tell whether a code is of a lower level of the body another one names, in one notation.

    New notation: more groups behind the same ones. Old notation: level 1 stands last and groups
    that are not used are zeros, so the last groups are the same and one before them is not zero.
    Codes of different notations are not below each other: the directory knows both of an agency.

    Source: ID-02, ID-03.
    """
    low, high = fold(code), fold(above)
    kinds = classify(low), classify(high)
    if kinds == (CodeKind.NEW, CodeKind.NEW):
        return low.startswith(high + ".")
    if kinds != (CodeKind.LEGACY, CodeKind.LEGACY):
        return False
    groups = high.split(".")
    while len(groups) > 1 and not groups[0].strip("0"):
        groups.pop(0)
    kept = low.split(".")
    own, rest = kept[-len(groups) :], kept[: -len(groups)]
    return own == groups and any(group.strip("0") for group in rest)


def code_findings(text: str, where: str, *, severity: Severity) -> tuple[Finding, ...]:
    """Return what is wrong with a code met on the wire; empty for anything readable.

    Source: ID-02, ID-03; reason R09.
    """
    if classify(text) is not CodeKind.BAD:
        return ()
    folded = fold(text)
    if not folded or folded in _NOT_CODES:
        vi, en = "Thiếu mã định danh cơ quan", "The agency code is missing"
        fix_vi, fix_en = (
            "Ghi mã theo danh mục, ví dụ H37.02.",
            "Write the catalogue's code, H37.02.",
        )
    elif len(folded) > MAX_CODE_LENGTH:
        vi = f"Mã định danh dài {len(folded)} ký tự, tối đa {MAX_CODE_LENGTH}"
        en = f"The agency code has {len(folded)} characters, at most {MAX_CODE_LENGTH}"
        fix_vi, fix_en = "Kiểm tra lại mã.", "Check the code."
    else:
        shown = text.strip()[:MAX_CODE_LENGTH]
        vi = f"Mã định danh “{shown}” sai cấu trúc"
        en = f"The agency code “{shown}” is malformed"
        fix_vi = "Chỉ dùng chữ, số và dấu chấm đơn giữa các nhóm."
        fix_en = "Use letters, digits and single dots between groups only."
    return (Finding("ID-03", severity, where, f"{vi}. {fix_vi}", f"{en}. {fix_en}", "R09"),)


def registration_findings(text: str, where: str = "") -> tuple[Finding, ...]:
    """Return why a code cannot be registered for an agency; empty when it can.

    Registration is strict: capital letters, exact shape; `h37` is refused here and understood on
    the wire.

    Source: ID-02, ID-03, ID-08; reason R09.
    """
    wire = code_findings(text, where, severity=Severity.ERROR)
    if wire:
        return wire
    if text == fold(text) and classify(text) in REGISTRABLE:
        return ()
    return (
        Finding(
            "ID-03",
            Severity.ERROR,
            where,
            f"Mã “{text}” không đăng ký được: phải viết hoa và theo dạng H37.02 "
            "(hoặc 000.00.00.H37, hoặc mã số doanh nghiệp).",
            f"The code “{text}” cannot be registered: write it in capitals as H37.02 "
            "(or 000.00.00.H37, or an enterprise number).",
            "R09",
        ),
    )
