"""The S004 profile: one scanned, signed file, and a small file beside it that says what it is.

FMT-12 (S004 art 9.1b): over the wide network one file only is sent, the signed and sealed version
scanned as image or PDF. The fields come from JSON, INI or CSV of the same name, or from the name
itself: `123_SNV-VP_2026-11-22_H37.04+G09_trich yeu.pdf`. Only the shape is judged here, every fault
at once; whether the document may be sent is for the rules, which see every way in. Pure.
"""

import configparser
import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from gateway.codec.tree import is_legal
from gateway.domain.envelope import Header, Organization, Signer, Urgency
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError

MOST_BYTES: Final = 64 * 1024

# Names are compared without marks, blanks, dashes and case: «Số», `so`, `SO` are one.
_FIELDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("sender", "bengui", "noigui", "donvigui"), "sender"),
    **dict.fromkeys(("recipients", "noinhan", "bennhan", "donvinhan"), "recipients"),
    **dict.fromkeys(("documentid", "madinhdanh"), "document_id"),
    **dict.fromkeys(("codenumber", "so", "sovanban"), "code_number"),
    **dict.fromkeys(("codenotation", "kyhieu"), "code_notation"),
    **dict.fromkeys(("promulgationdate", "ngay", "ngaybanhanh", "ngayvanban"), "date"),
    **dict.fromkeys(("place", "diadanh", "noibanhanh"), "place"),
    **dict.fromkeys(("typename", "loai", "loaivanban", "tenloai"), "type_name"),
    **dict.fromkeys(("typecode", "maloai"), "type_code"),
    **dict.fromkeys(("subject", "trichyeu"), "subject"),
    **dict.fromkeys(("content", "noidung"), "content"),
    **dict.fromkeys(("signer", "nguoiky", "hotennguoiky"), "signer"),
    **dict.fromkeys(("position", "chucvu"), "position"),
    **dict.fromkeys(("competence", "quyenhan"), "competence"),
    **dict.fromkeys(("urgency", "dokhan"), "urgency"),
    **dict.fromkeys(("secrecy", "domat"), "secrecy"),
    **dict.fromkeys(("pageamount", "soto", "sotrang"), "page_amount"),
}
_URGENCIES: Final = {
    **dict.fromkeys(("", "0", "thuong", "normal"), Urgency.NORMAL),
    **dict.fromkeys(("1", "khan", "urgent"), Urgency.URGENT),
    **dict.fromkeys(("2", "thuongkhan", "veryurgent"), Urgency.VERY_URGENT),
    **dict.fromkeys(("3", "hoatoc", "express"), Urgency.EXPRESS),
    **dict.fromkeys(("4", "hoatochengio", "expresstimed"), Urgency.EXPRESS_TIMED),
}
_OPEN: Final = frozenset({"", "0", "thuong", "khong", "none", "normal"})
_SECRETS: Final = {"1": 1, "mat": 1, "2": 2, "toimat": 2, "3": 3, "tuyetmat": 3}
_NAMED: Final = re.compile(
    r"(?P<number>[^_]+)_(?P<notation>[^_]+)_(?P<date>\d{4}-\d{2}-\d{2}|\d{8})"
    r"_(?P<to>[0-9A-Za-z.]+(?:\+[0-9A-Za-z.]+)*)(?:_(?P<subject>.+))?\Z"
)
_DATES: Final = (
    (re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z"), (1, 2, 3)),
    (re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})\Z"), (1, 2, 3)),
    (re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})\Z"), (3, 2, 1)),
    (re.compile(r"(\d{4})(\d{2})(\d{2})\Z"), (1, 2, 3)),
)
_MISSING: Final = "MD-01"
_WRONG: Final = "MD-10"


@dataclass(frozen=True, slots=True)
class Form:
    """A document as its small file describes it; `secrecy` travels beside the header."""

    header: Header
    secrecy: int


def is_described(stem: str) -> bool:
    """Tell whether a name says by itself what the document is."""
    return _NAMED.match(stem) is not None


def read(stem: str, suffix: str, data: bytes | None, speaks_for: Collection[str]) -> Form:
    """Return the document a small file, or a name, describes.

    Args:
        stem: Name of the scan, without its extension.
        suffix: Of the small file, `.json`, `.ini` or `.csv`.
        data: The small file, None where the name alone speaks.
        speaks_for: Agencies of the system; the only one is the sender where none is named.

    Raises:
        RejectedError: Every fault of its shape.
    """
    values = _from_name(stem)
    faults: list[Finding] = []
    if data is not None:
        values |= _known(_pairs(suffix, data), faults)
    header, secrecy = _header(values, speaks_for, faults)
    if faults:
        raise RejectedError(
            Reason.SCHEMA_BROKEN, "the fields beside the scan", findings=tuple(faults)
        )
    return Form(header, secrecy)


# ---------------------------------------------------------------- from text to pairs


def _from_name(stem: str) -> dict[str, str]:
    found = _NAMED.match(unicodedata.normalize("NFC", stem))
    if found is None:
        return {}
    values = {
        "code_number": found["number"],
        "code_notation": found["notation"],
        "date": found["date"],
        "recipients": found["to"].replace("+", ","),
        "subject": (found["subject"] or "").replace("_", " ").strip(),
    }
    return {name: value for name, value in values.items() if value}


def _pairs(suffix: str, data: bytes) -> list[tuple[str, Any]]:
    try:
        # FMT-06 (S004 art 2): the fields are Unicode; other fonts' bytes are no UTF-8.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise _unreadable(
            "FMT-06",
            "không phải UTF-8 (TCVN 6909); lưu lại bằng bảng mã Unicode UTF-8",
            "is not UTF-8; save it as Unicode UTF-8",
        ) from exc
    try:
        return _READERS[suffix](text)
    except (ValueError, configparser.Error, csv.Error, RecursionError) as exc:
        raise _unreadable(
            _WRONG,
            f"không đọc được theo dạng {suffix}",
            f"cannot be read as {suffix}",
        ) from exc


def _json(text: str) -> list[tuple[str, Any]]:
    found = json.loads(text, object_pairs_hook=tuple)  # a list is a list, this is an object
    if not isinstance(found, tuple):
        raise ValueError("no object")  # noqa: TRY004 - one kind of trouble for every reader
    return list(found)


def _ini(text: str) -> list[tuple[str, Any]]:
    # No section is special: what stands under [DEFAULT] was said as well.
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), default_section="\n")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    if not text.lstrip().startswith("["):
        text = f"[van-ban]\n{text}"
    parser.read_string(text)
    return [pair for section in parser.sections() for pair in parser[section].items()]


def _csv(text: str) -> list[tuple[str, Any]]:
    """Read two lines, names above values; or one pair a line."""
    sample = text.splitlines()[0] if text.strip() else ""
    mark = ";" if sample.count(";") > sample.count(",") else ","
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=mark) if any(row)]
    if len(rows) == 2 and len(rows[0]) == len(rows[1]) and len(rows[0]) > 2:
        return list(zip(rows[0], rows[1], strict=True))
    if any(len(row) != 2 for row in rows):
        raise ValueError("neither two lines nor pairs")
    return [(row[0], row[1]) for row in rows]


_READERS: Final[Mapping[str, Callable[[str], list[tuple[str, Any]]]]] = {
    ".json": _json,
    ".ini": _ini,
    ".csv": _csv,
}


def _known(pairs: Iterable[tuple[str, Any]], faults: list[Finding]) -> dict[str, str]:
    values: dict[str, str] = {}
    said: set[str] = set()
    for written, value in pairs:
        field = _FIELDS.get(_plain(written))
        if field in said:
            # SEC-01: whichever of the two we took, the other may be the secrecy level.
            faults.append(
                _fault(
                    _WRONG,
                    written,
                    "đã có ở trên, dưới tên này hoặc tên khác; chỉ ghi một lần",
                    "it stands above already, by this name or another; say it once",
                )
            )
            continue
        if field is None:
            faults.append(
                _fault(
                    _WRONG,
                    written,
                    "không có trường tên này; kiểm tra chính tả",
                    "there is no field of this name; check its spelling",
                )
            )
            continue
        said.add(field)
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            values[field] = ",".join(value)
        elif isinstance(value, str | int) and not isinstance(value, bool):
            values[field] = str(value).strip()
        elif value is not None:
            faults.append(
                _fault(_WRONG, written, "phải là chữ hoặc số", "must be text or a number")
            )
        if not is_legal(values.get(field, "")):
            # FMT-06: what XML cannot carry could never be sent.
            faults.append(
                _fault(
                    "FMT-06",
                    written,
                    "có ký tự điều khiển; xóa ký tự đó",
                    "holds a control character; remove it",
                )
            )
    return values


# ---------------------------------------------------------------- from pairs to a header


def _header(
    values: Mapping[str, str], speaks_for: Collection[str], faults: list[Finding]
) -> tuple[Header, int]:
    sender = values.get("sender", "")
    if not sender and len(speaks_for) == 1:
        (sender,) = speaks_for
    if not sender:
        faults.append(
            _fault(_MISSING, "ben_gui", "thiếu mã đơn vị gửi", "the sender's code is missing")
        )
    codes = [c.strip() for c in re.split(r"[,;+\n]", values.get("recipients", "")) if c.strip()]
    if not codes:
        faults.append(
            _fault(_MISSING, "noi_nhan", "thiếu mã nơi nhận", "no recipient's code is given")
        )
    urgency = _URGENCIES.get(_plain(values.get("urgency", "")))
    if urgency is None:
        faults.append(_fault(_WRONG, "do_khan", "không rõ độ khẩn", "the urgency is unknown"))
    signer = Signer(
        values.get("competence", ""), values.get("position", ""), values.get("signer", "")
    )
    header = Header(
        sender=Organization(sender),
        recipients=tuple(Organization(code) for code in dict.fromkeys(codes)),
        document_id=values.get("document_id", ""),
        code_number=values.get("code_number", ""),
        code_notation=values.get("code_notation", ""),
        place=values.get("place", ""),
        promulgation_date=_date(values.get("date", ""), faults),
        type_code=_count(values, "type_code", "ma_loai", faults),
        type_name=values.get("type_name", ""),
        subject=values.get("subject", ""),
        content=values.get("content", ""),
        signer=signer if any((signer.competence, signer.position, signer.full_name)) else None,
        urgency=urgency or Urgency.NORMAL,
        page_amount=_count(values, "page_amount", "so_to", faults),
    )
    return header, _secrecy(values.get("secrecy", ""))


def _secrecy(written: str) -> int:
    """SEC-01 (S003 art 1.2): a level nobody knows counts as the highest; it is set apart."""
    plain = _plain(written)
    return 0 if plain in _OPEN else _SECRETS.get(plain, 3)


def _date(written: str, faults: list[Finding]) -> date | None:
    if not written:
        return None  # the rules say that it is missing
    for form, (year, month, day) in _DATES:
        if found := form.match(written):
            try:
                return date(int(found[year]), int(found[month]), int(found[day]))
            except ValueError:
                break
    faults.append(
        _fault(
            _WRONG,
            "ngay",
            "ngày phải viết dạng 2026-11-22 hoặc 22/11/2026",
            "the date must be written 2026-11-22 or 22/11/2026",
        )
    )
    return None


def _count(values: Mapping[str, str], field: str, shown: str, faults: list[Finding]) -> int | None:
    written = values.get(field, "")
    if not written:
        return None
    if written.isascii() and written.isdigit() and len(written) < 10:
        return int(written)
    faults.append(_fault(_WRONG, shown, "phải là số nguyên", "must be a whole number"))
    return None


def _plain(text: str) -> str:
    flat = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D")).casefold()
    return "".join(c for c in flat if c.isalnum() and not unicodedata.combining(c))


def _fault(rule: str, field: str, vi: str, en: str) -> Finding:
    where = "".join(c if c.isprintable() else "?" for c in field)[:60]
    return Finding(rule, Severity.ERROR, where, f"Trường “{where}”: {vi}.", f"“{where}”: {en}.")


def _unreadable(rule: str, vi: str, en: str) -> RejectedError:
    finding = Finding(
        rule, Severity.ERROR, "", f"Tệp mô tả đi kèm {vi}.", f"The file beside the scan {en}."
    )
    return RejectedError(Reason.MALFORMED, "the file beside the scan", findings=(finding,))
