"""Tables as files: XLSX, CSV, JSON and, on paper, PDF and DOCX (A4, lying).

Promises: a cell is never a formula, whatever a sender wrote (CSV: an apostrophe before it; XLSX:
written as text and marked so); characters a format cannot hold are left out, nothing else is; CSV,
JSON and XLSX take any number of rows in pieces and hold one piece, what is printed holds
`tables.MAX_PRINTED` and says how many it left out. What is for training says so on every page and
in every row. The modules of the other forms are loaded when first used.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final, Protocol

from gateway.domain.marking import MARK, told
from gateway.domain.moments import VIETNAM
from gateway.reports.tables import MARKED, Cell, Kind, Lang, Row, Table, clean, said, shown

# What a spreadsheet may read as the start of a formula; the full-width forms fold to them.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_BOM: Final = "\ufeff"


class Form(StrEnum):
    """A form of a file; the value is the ending of its name."""

    XLSX = "xlsx"
    CSV = "csv"
    DOCX = "docx"
    PDF = "pdf"
    JSON = "json"


_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
MEDIA: Final[Mapping[Form, str]] = {
    Form.XLSX: f"{_OFFICE}.spreadsheetml.sheet",
    Form.CSV: "text/csv; charset=utf-8",
    Form.DOCX: f"{_OFFICE}.wordprocessingml.document",
    Form.PDF: "application/pdf",
    Form.JSON: "application/json",
}
_PRINTED: Final = frozenset({Form.DOCX, Form.PDF})


class Writer(Protocol):
    """Writes one file piece by piece: `head`, `rows` as often as there are rows, `tail`.

    Each returns the bytes that are ready, none if there are none yet. What is no CSV or JSON takes
    its time: call it beside the event loop.
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


def writer(form: Form, table: Table, lang: Lang = "vi", *, training: bool) -> Writer:
    """Return what writes a table in a form; one of training data carries the mark."""
    if training:
        table = replace(table, mark=MARK)
        if form not in _PRINTED:  # paper has it on every page, and the columns of the law
            table = replace(table, columns=(*table.columns, MARKED))
    new: Writer = _class_of(form)(table, lang)
    return new


def _class_of(form: Form) -> Any:
    match form:
        case Form.CSV:
            return _Csv
        case Form.JSON:
            return _Json
        case Form.XLSX:
            from gateway.reports.sheetxlsx import Xlsx

            return Xlsx
        case Form.DOCX:
            from gateway.reports.sheetdocx import Docx

            return Docx
        case Form.PDF:
            from gateway.reports.sheetpdf import Pdf

            return Pdf


def write(
    form: Form, table: Table, rows: Iterable[Row], lang: Lang = "vi", *, training: bool
) -> bytes:
    """Return a whole file of a small table."""
    made = writer(form, table, lang, training=training)
    return made.head() + made.rows(rows) + made.tail()


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    kept = clean(text)
    bare = kept.lstrip(" \u00a0")
    return f"'{kept}" if kept.startswith(_FORMULA) or bare.startswith(_FORMULA) else kept


class _Csv:
    """Comma separated, UTF-8 with the mark by which spreadsheets know it."""

    def __init__(self, table: Table, lang: Lang) -> None:
        self._table, self._lang = table, lang

    def head(self) -> bytes:
        titles = [said(column.title, self._lang) for column in self._table.columns]
        return (_BOM + self._text([titles])).encode()

    def rows(self, rows: Iterable[Row]) -> bytes:
        kinds = self._table.kinds
        lines = (
            [_csv(c, k) for c, k in zip(row, kinds, strict=True)]
            for row in self._table.filled(rows)
        )
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
            "notes": [said(note, self._lang) for note in table.notes],
            "made_at": _iso(table.made_at),
            "columns": [
                {"key": c.key, "vi": c.title.vi, "en": c.title.en, "kind": c.kind}
                for c in table.columns
            ],
        }
        return _json(told(about, training=bool(table.mark)))[:-1] + b',"rows":['

    def rows(self, rows: Iterable[Row]) -> bytes:
        keys = [column.key for column in self._table.columns]
        made = [
            _json({k: _iso(c) for k, c in zip(keys, row, strict=True)})
            for row in self._table.filled(rows)
        ]
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
