"""Tables as files: XLSX, CSV, JSON and, on paper, PDF (A4, lying).

Promises: a cell is never a formula, whatever a sender wrote (CSV: an apostrophe before it; XLSX:
written as text and marked so); characters a format cannot hold are left out, nothing else is; CSV,
JSON and XLSX take any number of rows in pieces and hold one piece, PDF holds `MAX_PRINTED` and says
how many it left out. The libraries are loaded when first used. A crash leaves nothing but a
temporary file of the system's.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from gateway.domain.moments import VIETNAM
from gateway.reports.advice import Words

Cell = str | int | float | date | datetime | None
Row = Sequence[Cell]
Lang = Literal["vi", "en"]

MAX_PRINTED: Final = 5_000
"""Rows of one PDF: some hundred pages, some seconds; who needs more takes a shorter period."""

_TEMPLATE: Final = Path(__file__).parent / "templates" / "sheet.typ"
_MAX_CELL: Final = 32_000
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# What a spreadsheet may read as the start of a formula; the full-width forms fold to them.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BOM: Final = "\ufeff"


class Kind(StrEnum):
    """What stands in a column."""

    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    MOMENT = "moment"


class Form(StrEnum):
    """A form of a file; the value is the ending of its name."""

    XLSX = "xlsx"
    CSV = "csv"
    PDF = "pdf"
    JSON = "json"


MEDIA: Final[Mapping[Form, str]] = {
    Form.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    Form.CSV: "text/csv; charset=utf-8",
    Form.PDF: "application/pdf",
    Form.JSON: "application/json",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Args:
        key: Its name in JSON.
        title: What stands above it.
        kind: What stands in it.
        width: Share of the line on paper, and width in a spreadsheet, in letters.
    """

    key: str
    title: Words
    kind: Kind = Kind.TEXT
    width: int = 12


@dataclass(frozen=True, slots=True)
class Table:
    """What stands around the rows.

    Args:
        title: What it is, such as `SỔ ĐĂNG KÝ VĂN BẢN ĐI`.
        columns: The columns.
        notes: Lines below the title: agency, period, filters, who made it.
        made_at: When, aware; None leaves it out.
        signers: Who signs below on paper.
    """

    title: Words
    columns: tuple[Column, ...]
    notes: tuple[Words, ...] = ()
    made_at: datetime | None = None
    signers: tuple[Words, ...] = ()


class Writer(Protocol):
    """Writes one file piece by piece: `head`, `rows` as often as there are rows, `tail`.

    Each returns the bytes that are ready, none if there are none yet. `rows` and `tail` of XLSX and
    `tail` of PDF take their time: call them beside the event loop.
    """

    def head(self) -> bytes:
        """Begin."""
        ...

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Add rows."""
        ...

    def tail(self) -> bytes:
        """End."""
        ...


def writer(form: Form, table: Table, lang: Lang = "vi") -> Writer:
    """Return what writes a table in a form."""
    made: Mapping[Form, type[Any]] = {
        Form.XLSX: _Xlsx,
        Form.CSV: _Csv,
        Form.PDF: _Pdf,
        Form.JSON: _Json,
    }
    new: Writer = made[form](table, lang)
    return new


def write(form: Form, table: Table, rows: Iterable[Row], lang: Lang = "vi") -> bytes:
    """Return a whole file of a small table."""
    made = writer(form, table, lang)
    return made.head() + made.rows(rows) + made.tail()


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    shown = _CONTROLS.sub("", text)[:_MAX_CELL]
    bare = shown.lstrip(" \u00a0")
    return f"'{shown}" if shown.startswith(_FORMULA) or bare.startswith(_FORMULA) else shown


def shown(cell: Cell, kind: Kind = Kind.TEXT) -> str:
    """Return a cell as people read it: days as 22/11/2026, in Vietnam's time."""
    match cell:
        case None:
            return ""
        case datetime():
            at = cell.astimezone(VIETNAM)
            return at.strftime("%d/%m/%Y" if kind is Kind.DAY else "%d/%m/%Y %H:%M")
        case date():
            return cell.strftime("%d/%m/%Y")
        case _:
            return _CONTROLS.sub("", str(cell))[:_MAX_CELL]


def _of(words: Words, lang: Lang) -> str:
    return words.vi if lang == "vi" else words.en


def _lines(table: Table, lang: Lang) -> list[str]:
    lines = [_of(note, lang) for note in table.notes]
    if table.made_at is not None:
        at = shown(table.made_at)
        lines.append(f"Lập lúc {at}" if lang == "vi" else f"Made {at}")
    return lines


class _Csv:
    """Comma separated, UTF-8 with the mark by which spreadsheets know it."""

    def __init__(self, table: Table, lang: Lang) -> None:
        self._table, self._lang = table, lang

    def head(self) -> bytes:
        titles = [_of(column.title, self._lang) for column in self._table.columns]
        return (_BOM + self._text([titles])).encode()

    def rows(self, rows: Iterable[Row]) -> bytes:
        kinds = [column.kind for column in self._table.columns]
        lines = ([_csv(c, k) for c, k in zip(row, kinds, strict=True)] for row in rows)
        return self._text(lines).encode()

    def tail(self) -> bytes:
        return b""

    def _text(self, lines: Iterable[Sequence[str]]) -> str:
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\r\n").writerows(lines)
        return out.getvalue()


def _csv(cell: Cell, kind: Kind) -> str:
    if isinstance(cell, int | float):
        return str(cell)
    text = shown(cell, kind)
    return guarded(text) if isinstance(cell, str) else text


class _Json:
    """One object: what it is, the columns, the rows by name of column; times are ISO 8601."""

    def __init__(self, table: Table, lang: Lang) -> None:
        self._table, self._lang = table, lang
        self._first = True

    def head(self) -> bytes:
        table = self._table
        about: dict[str, Any] = {
            "title": {"vi": table.title.vi, "en": table.title.en},
            "notes": [_of(note, self._lang) for note in table.notes],
            "made_at": _iso(table.made_at),
            "columns": [
                {"key": c.key, "vi": c.title.vi, "en": c.title.en, "kind": c.kind}
                for c in table.columns
            ],
        }
        return _json(about)[:-1] + b',"rows":['

    def rows(self, rows: Iterable[Row]) -> bytes:
        keys = [column.key for column in self._table.columns]
        made = [_json({k: _iso(c) for k, c in zip(keys, row, strict=True)}) for row in rows]
        if not made:
            return b""
        before, self._first = (b"\n" if self._first else b",\n"), False
        return before + b",\n".join(made)

    def tail(self) -> bytes:
        return b"\n]}\n"


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", errors="replace")


def _iso(cell: Cell) -> str | int | float | None:
    if isinstance(cell, datetime):
        return cell.astimezone(VIETNAM).isoformat(timespec="seconds")
    return cell.isoformat() if isinstance(cell, date) else cell


class _Xlsx:
    """A workbook of one sheet: title, notes, a frozen line of titles that can be filtered."""

    def __init__(self, table: Table, lang: Lang) -> None:
        from openpyxl import Workbook

        self._table, self._lang = table, lang
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet(_sheet_name(_of(table.title, lang)))
        if table.made_at is not None:
            made = table.made_at.astimezone(VIETNAM).replace(tzinfo=None)
            self._book.properties.created = self._book.properties.modified = made
        self._book.properties.creator = "vanlien"
        self._count = 0

    def head(self) -> bytes:
        from openpyxl.styles import Font
        from openpyxl.utils import get_column_letter

        above = [_of(self._table.title, self._lang), *_lines(self._table, self._lang)]
        for place, column in enumerate(self._table.columns, 1):
            self._sheet.column_dimensions[get_column_letter(place)].width = column.width + 2
        self._top = len(above) + 1
        self._sheet.freeze_panes = f"A{self._top + 1}"
        self._sheet.page_setup.orientation = "landscape"
        self._sheet.page_setup.paperSize = 9  # A4
        self._sheet.print_title_rows = f"{self._top}:{self._top}"
        bold = Font(bold=True)
        for line in above:
            self._sheet.append([self._cell(line, font=bold if line is above[0] else None)])
        titles = [_of(column.title, self._lang) for column in self._table.columns]
        self._sheet.append([self._cell(title, font=bold) for title in titles])
        return b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        kinds = [column.kind for column in self._table.columns]
        for row in rows:
            self._sheet.append([self._cell(c, k) for c, k in zip(row, kinds, strict=True)])
            self._count += 1
        return b""

    def tail(self) -> bytes:
        from openpyxl.utils import get_column_letter

        last = get_column_letter(len(self._table.columns))
        self._sheet.auto_filter.ref = f"A{self._top}:{last}{self._top + self._count}"
        out = io.BytesIO()
        self._book.save(out)
        return out.getvalue()

    def _cell(self, value: Cell, kind: Kind = Kind.TEXT, font: Any = None) -> Any:
        from openpyxl.cell import WriteOnlyCell

        if isinstance(value, datetime):
            local = value.astimezone(VIETNAM).replace(tzinfo=None)
            value = local.date() if kind is Kind.DAY else local
        made = WriteOnlyCell(self._sheet, None)
        if isinstance(value, str):
            text = _CONTROLS.sub("", value)[:_MAX_CELL]
            made.value = text
            made.data_type = "s"  # text, whatever it looks like
            if guarded(text) != text:
                made.quotePrefix = True  # and after somebody edited it
        elif isinstance(value, date):
            made.value = value
            with_time = isinstance(value, datetime)
            made.number_format = "dd/mm/yyyy hh:mm" if with_time else "dd/mm/yyyy"
        else:
            made.value = value
        if font is not None:
            made.font = font
        return made


def _sheet_name(title: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", title)[:31].strip() or "vanlien"


class _Pdf:
    """On paper: A4 lying, the line of titles on every page, page n/m, places to sign."""

    def __init__(self, table: Table, lang: Lang) -> None:
        self._table, self._lang = table, lang
        self._rows: list[list[str]] = []
        self._more = 0

    def head(self) -> bytes:
        return b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        kinds = [column.kind for column in self._table.columns]
        for row in rows:
            if len(self._rows) == MAX_PRINTED:
                self._more += 1
                continue
            self._rows.append([shown(c, k) for c, k in zip(row, kinds, strict=True)])
        return b""

    def tail(self) -> bytes:
        import typst

        from gateway.reports.pdf import STANDARD, printable

        table, lang = self._table, self._lang
        data = {
            "lang": lang,
            "title": printable(_of(table.title, lang)),
            "notes": [printable(line) for line in _lines(table, lang)],
            "columns": [
                {
                    "title": printable(_of(c.title, lang)),
                    "width": c.width,
                    "right": c.kind is Kind.NUMBER,
                }
                for c in table.columns
            ],
            "rows": [[printable(cell[:2000]) for cell in row] for row in self._rows],
            "more": self._more,
            "signers": [printable(_of(signer, lang)) for signer in table.signers],
        }
        at = table.made_at or datetime(2000, 1, 1, tzinfo=VIETNAM)
        return bytes(
            typst.compile(
                str(_TEMPLATE),
                root=str(_TEMPLATE.parent),
                format="pdf",
                ignore_system_fonts=True,
                sys_inputs={"sheet": json.dumps(data, ensure_ascii=False)},
                pdf_standards=STANDARD,
                timestamp=int(at.timestamp()),
            )
        )
