"""A table as a workbook (XLSX): one sheet, a frozen line of titles that can be filtered.

Promises: a cell is never a formula: text is written as text and marked so. Any number of rows is
taken in pieces and one is held. A crash leaves a temporary file of the system's.
"""

import io
import re
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from gateway.domain.moments import VIETNAM
from gateway.reports.sheets import guarded
from gateway.reports.tables import Cell, Kind, Lang, Row, Table, clean, said

_BOLD: Final = Font(bold=True)


class Xlsx:
    """See `sheets.Writer`."""

    def __init__(self, table: Table, lang: Lang) -> None:
        self._table, self._lang = table, lang
        self._book = Workbook(write_only=True)
        self._sheet = self._book.create_sheet(_sheet_name(said(table.title, lang)))
        if table.made_at is not None:
            made = table.made_at.astimezone(VIETNAM).replace(tzinfo=None)
            self._book.properties.created = self._book.properties.modified = made
        self._book.properties.creator = "vanlien"
        self._top = self._count = 0

    def head(self) -> bytes:
        """Begin: what it is, then the line of titles."""
        table, sheet = self._table, self._sheet
        above = [said(table.title, self._lang), *table.lines(self._lang)]
        above[1:1] = [table.mark] if table.mark else []
        for place, column in enumerate(table.columns, 1):
            sheet.column_dimensions[get_column_letter(place)].width = column.width + 2
        self._top = len(above) + 1
        sheet.freeze_panes = f"A{self._top + 1}"
        sheet.page_setup.orientation = "landscape"
        sheet.page_setup.paperSize = 9  # A4
        sheet.page_setup.fitToHeight = 0
        sheet.sheet_properties.pageSetUpPr.fitToPage = True
        sheet.print_title_rows = f"{self._top}:{self._top}"
        # On every printed page: which it is, and what these data are.
        sheet.oddFooter.right.text = "&P / &N"
        sheet.oddHeader.center.text = table.mark or None
        for line in above:
            sheet.append([self._cell(line, font=_BOLD if line is above[0] else None)])
        titles = [said(column.title, self._lang) for column in table.columns]
        sheet.append([self._cell(title, font=_BOLD) for title in titles])
        return b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Add rows."""
        kinds = self._table.kinds
        for row in self._table.filled(rows):
            self._sheet.append([self._cell(c, k) for c, k in zip(row, kinds, strict=True)])
            self._count += 1
        return b""

    def tail(self) -> bytes:
        """End: the whole file."""
        last = get_column_letter(len(self._table.columns))
        self._sheet.auto_filter.ref = f"A{self._top}:{last}{self._top + self._count}"
        out = io.BytesIO()
        self._book.save(out)
        return out.getvalue()

    def _cell(self, value: Cell, kind: Kind = Kind.TEXT, font: Any = None) -> Any:
        if isinstance(value, datetime):
            local = value.astimezone(VIETNAM).replace(tzinfo=None)
            value = local.date() if kind is Kind.DAY else local
        if kind is Kind.MONTH:
            value = date.fromisoformat(f"{value}-01")  # what sorts as months do
        made = WriteOnlyCell(self._sheet, None)
        if isinstance(value, str):
            text = clean(value)
            made.value = text
            made.data_type = "s"  # text, whatever it looks like
            if guarded(text) != text:
                made.quotePrefix = True  # and after somebody edited it
        elif isinstance(value, date):
            made.value = value
            day = "mm/yyyy" if kind is Kind.MONTH else "dd/mm/yyyy"
            made.number_format = f"{day} hh:mm" if isinstance(value, datetime) else day
        else:
            made.value = value
        if font is not None:
            made.font = font
        return made


def _sheet_name(title: str) -> str:
    return re.sub(r"[\[\]:*?/\\']", " ", title)[:31].strip() or "vanlien"
