"""Document identifiers (mã định danh văn bản) and numbers with notation (số, ký hiệu).

Promises: the identifier on the wire is an opaque text, kept and compared exactly as written; its
parts are read only to check them against the rest of the packet, and an impossible date or an
unknown form never fails. What we render ourselves is read back into the same parts. Pure.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum, auto
from typing import Final

from gateway.domain.identifiers import fold
from gateway.errors import Reason, RejectedError

MAX_DOCUMENT_ID_LENGTH: Final = 200

_CODE_DATE: Final = re.compile(
    r"(?P<organ>[^,]{1,35}),(?P<y>[0-9]{4})(?P<sep>[/-])(?P<m>[0-9]{1,2})(?P=sep)(?P<d>[0-9]{1,2}),"
    r"(?P<number>[^/]*)/(?P<notation>.+)",
    re.DOTALL,
)
_CODE_DATE_BARE: Final = re.compile(
    r"(?P<organ>[^,]{1,35}),(?P<y>[0-9]{4})(?P<sep>[/-])(?P<m>[0-9]{1,2})(?P=sep)(?P<d>[0-9]{1,2}),"
    r"(?P<number>[^/]+)",
    re.DOTALL,
)
_CODE_YEAR: Final = re.compile(r"(?P<organ>[^,]{1,35}),(?P<y>[0-9]{4}),(?P<ordinal>[0-9]{1,9})")
_HYPHENS: Final = re.compile(
    r"(?P<organ>[A-Za-z0-9.]{1,35})-(?P<y>[0-9]{4})-(?P<rest>.+)", re.DOTALL
)
_UUID: Final = re.compile(
    r"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
)
_INTEGER: Final = re.compile(r"[0-9]{1,15}")
_NUMBER_PREFIX: Final = re.compile(r"^\s*(?:Số|SỐ|số|So|SO|so)\s*:\s*")
_PLAIN_NUMBER: Final = re.compile(r"(?P<digits>[0-9]+)(?P<letters>[A-Za-zĐđ]*)")
_NOTATION_YEAR: Final = re.compile(r"(?P<year>(?:19|20)[0-9]{2})/(?P<rest>.+)", re.DOTALL)


class UnusableIdError(RejectedError, ValueError):
    """No identifier can be made of these parts; the sender must change them."""

    def __init__(self, public: str) -> None:
        super().__init__(Reason.BAD_REQUEST, public)


class IdForm(StrEnum):
    """The written forms of an identifier met on the wire (DID-05)."""

    CODE_DATE_NUMBER = auto()
    CODE_YEAR_ORDINAL = auto()
    HYPHENS = auto()
    UUID = auto()
    INTEGER = auto()
    FREE = auto()


@dataclass(frozen=True, slots=True)
class DocumentId:
    """An identifier and what can be read in it.

    Args:
        text: As written; the only thing ever compared.
        form: Which form it has.
        organ: Agency part, as written; "" when there is none.
        year: Year of issue; None when there is none.
        day: Date of the document; None when absent or impossible.
        number: Document number, as written.
        notation: Notation, as written.
        ordinal: Ordinal of issued documents in the year (form code, year, ordinal).
        odd_separators: The date is written with hyphens where slashes belong.
    """

    text: str
    form: IdForm
    organ: str = ""
    year: int | None = None
    day: date | None = None
    number: str = ""
    notation: str = ""
    ordinal: int | None = None
    odd_separators: bool = False

    @property
    def is_legal_form(self) -> bool:
        """Return whether it carries the law's parts: agency, year, and what counts in it."""
        return self.form in {IdForm.CODE_DATE_NUMBER, IdForm.CODE_YEAR_ORDINAL, IdForm.HYPHENS}


def parse_document_id(text: str) -> DocumentId:
    """Read what can be read in an identifier; never fails, never changes the text.

    Source: DID-05.
    """
    if match := _CODE_YEAR.fullmatch(text):
        return DocumentId(
            text,
            IdForm.CODE_YEAR_ORDINAL,
            match["organ"],
            int(match["y"]),
            ordinal=int(match["ordinal"]),
        )
    if match := _CODE_DATE.fullmatch(text) or _CODE_DATE_BARE.fullmatch(text):
        parts = match.groupdict()
        return DocumentId(
            text,
            IdForm.CODE_DATE_NUMBER,
            parts["organ"],
            int(parts["y"]),
            _day(parts["y"], parts["m"], parts["d"]),
            parts["number"],
            parts.get("notation") or "",
            odd_separators=parts["sep"] == "-",
        )
    if _UUID.fullmatch(text):
        return DocumentId(text, IdForm.UUID)
    if match := _HYPHENS.fullmatch(text):
        return _hyphened(text, match)
    if _INTEGER.fullmatch(text):
        return DocumentId(text, IdForm.INTEGER)
    return DocumentId(text, IdForm.FREE)


def _hyphened(text: str, match: re.Match[str]) -> DocumentId:
    rest = match["rest"]
    ordinal = int(rest) if rest.isascii() and rest.isdigit() and len(rest) <= 9 else None
    number, _, notation = ("", "", "") if ordinal is not None else rest.partition("/")
    return DocumentId(
        text,
        IdForm.HYPHENS,
        match["organ"],
        int(match["y"]),
        number=number,
        notation=notation,
        ordinal=ordinal,
    )


def _day(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def render_document_id(agency: str, promulgation_date: date, number: str, notation: str) -> str:
    """Return `code,yyyy/MM/dd,number/notation`, the default form.

    Raises:
        UnusableIdError: the agency code is empty or holds a comma, the number is empty, or the
            whole is longer than 200 characters.
    Source: DID-01, DID-05.
    """
    if not number.strip():
        raise UnusableIdError("an identifier needs the document's number")
    code = f"{number}/{notation}" if notation else number
    return _checked(agency, f"{agency},{promulgation_date:%Y/%m/%d},{code}")


def render_ordinal_id(agency: str, year: int, ordinal: int) -> str:
    """Return `code,yyyy,ordinal`, the form of the law.

    Raises:
        UnusableIdError: the agency code is empty or holds a comma, or the ordinal is not positive.
    Source: DID-01, DID-05.
    """
    if ordinal < 1:
        raise UnusableIdError(f"not an ordinal: {ordinal}")
    return _checked(agency, f"{agency},{year:04d},{ordinal}")


def _checked(agency: str, text: str) -> str:
    if not agency or "," in agency or len(agency) > 35:
        raise UnusableIdError(f"not an agency code: {agency[:40]!r}")
    if len(text) > MAX_DOCUMENT_ID_LENGTH:
        raise UnusableIdError(
            f"an identifier of {len(text)} characters, at most {MAX_DOCUMENT_ID_LENGTH}"
        )
    return text


class Disagreement(StrEnum):
    """A part of the identifier that says something else than the packet."""

    ORGAN = "From/OrganId"
    CODE = "Code"
    DATE = "PromulgationInfo/PromulgationDate"


def disagreements(
    document_id: DocumentId,
    *,
    sender: str,
    number: str,
    notation: str,
    promulgation_date: date | None,
    same_agency: Callable[[str, str], bool] | None = None,
) -> tuple[Disagreement, ...]:
    """Return which parts of an identifier contradict the packet; absent parts never do.

    Args:
        document_id: The parsed identifier.
        sender: From/OrganId.
        number: Code/CodeNumber.
        notation: Code/CodeNotation.
        promulgation_date: PromulgationInfo/PromulgationDate.
        same_agency: Whether two written codes mean one agency (aliases); default: same letters.
    Source: DID-05.
    """
    found = []
    same = same_agency or (lambda one, other: fold(one) == fold(other))
    if document_id.organ and sender and not same(document_id.organ, sender):
        found.append(Disagreement.ORGAN)
    written = number or notation
    if document_id.number and written:
        ours = code_key(number, notation)
        theirs = code_key(document_id.number, document_id.notation)
        # A packet may carry the number alone where the identifier has the notation too.
        number_only = not notation and "/" not in number
        if ours != theirs and not (number_only and code_key(document_id.number, "") == ours):
            found.append(Disagreement.CODE)
    if promulgation_date is not None and (
        (document_id.day is not None and document_id.day != promulgation_date)
        or (document_id.year is not None and document_id.year != promulgation_date.year)
    ):
        found.append(Disagreement.DATE)
    return tuple(found)


# ---------------------------------------------------------------- number and notation


@dataclass(frozen=True, slots=True)
class NumberNotation:
    """A number with its notation (số, ký hiệu), `05/QĐ-UBND`.

    Args:
        raw: As written.
        number: Before the first slash, without a leading "Số:".
        notation: Everything after it.
        year: Year inside the notation of a legal normative act (`31/2020/QĐ-UBND`), else None.
        type_mark: Type abbreviation (QĐ, TTr …), or "" for an official letter.
    """

    raw: str
    number: str
    notation: str
    year: int | None
    type_mark: str


TYPE_MARKS: Final = frozenset(
    "NQ QĐ CT QC QyĐ TC TB HD CTr KH PA ĐA DA BC BB TTr HĐ CĐ BGN BTT GUQ GM GGT GNP PG PC PB "  # noqa: SIM905
    "SY TrS SL NĐ TT LN L PL".split()
)
"""Type abbreviations of NĐ30 PL III (rules C3) and of normative acts."""


def parse_code(text: str) -> NumberNotation:
    """Read a number with notation, tolerantly; the raw text is always kept.

    Source: DID-08.
    """
    number, _, notation = _NUMBER_PREFIX.sub("", text).strip().partition("/")
    year: int | None = None
    body = notation
    if match := _NOTATION_YEAR.fullmatch(notation):
        year, body = int(match["year"]), match["rest"]
    # The type stands before the first hyphen only: the same letters occur in bodies' names.
    mark = unicodedata.normalize("NFC", body.partition("-")[0].strip())
    return NumberNotation(
        text, number.strip(), notation.strip(), year, mark if mark in TYPE_MARKS else ""
    )


def format_number(number: str) -> str:
    """Return a document number as it is printed: below 10 with a leading zero.

    Source: DID-08 (NĐ30 PL I II.3).
    """
    stripped = number.strip()
    match = _PLAIN_NUMBER.fullmatch(stripped)
    if match is None:
        return stripped
    digits = match["digits"].lstrip("0") or "0"
    return f"{digits.zfill(2)}{match['letters']}"


def format_code(number: str, notation: str) -> str:
    """Return `05/QĐ-UBND`."""
    shown = format_number(number)
    return f"{shown}/{notation.strip()}" if notation.strip() else shown


def code_key(number: str, notation: str) -> str:
    """Return the form in which two spellings of one number and notation are equal.

    Leading zeros, letter case, blanks and composed or combining accents don't make another
    document.

    Source: DID-07, DID-08, FMT-07.
    """
    whole = f"{number.strip()}/{notation}" if notation.strip() else number.strip()
    digits, slash, rest = whole.partition("/")
    joined = unicodedata.normalize("NFC", f"{format_number(digits)}{slash}{rest}")
    return "".join(joined.split()).casefold()
