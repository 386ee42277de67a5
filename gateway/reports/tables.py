"""What a table is before it is a file: its columns, its cells, and how people read them.

Promises: characters a format cannot hold are left out, nothing else is; days and times are
Vietnam's. Pure.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

from gateway.domain.marking import FIELD, MARK, MARK_EN
from gateway.domain.moments import VIETNAM
from gateway.reports.advice import Words

Cell = str | int | float | date | datetime | None
Row = Sequence[Cell]
Lang = Literal["vi", "en"]

MAX_PRINTED: Final = 5_000
"""Rows of one printed file: some hundred pages, some seconds; who needs more asks for less."""

_MAX_CELL: Final = 32_000
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Kind(StrEnum):
    """What stands in a column."""

    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    MONTH = "month"
    MOMENT = "moment"


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


MARKED: Final = Column(FIELD, Words(MARK, MARK_EN), width=14)
"""The mark in a column of its own: rows that are sorted or copied elsewhere keep it."""


@dataclass(frozen=True, slots=True)
class Table:
    """What stands around the rows.

    Args:
        title: What it is, such as `SỔ ĐĂNG KÝ VĂN BẢN ĐI`.
        columns: The columns.
        notes: Lines below the title: agency, period, filters, who made it.
        made_at: When, aware; None leaves it out.
        signers: Who signs below on paper.
        issuer: The agency that reports, above the title as NĐ30 has it; "" for a register.
        mark: What stands on every page; `sheets.writer` sets it.
    """

    title: Words
    columns: tuple[Column, ...]
    notes: tuple[Words, ...] = ()
    made_at: datetime | None = None
    signers: tuple[Words, ...] = ()
    issuer: str = ""
    mark: str = ""

    @property
    def kinds(self) -> list[Kind]:
        """Return what stands in each column."""
        return [column.kind for column in self.columns]

    def lines(self, lang: Lang) -> list[str]:
        """Return what stands below the title."""
        lines = [said(note, lang) for note in self.notes]
        if self.made_at is not None:
            at = shown(self.made_at)
            lines.append(f"Lập lúc {at}" if lang == "vi" else f"Made {at}")
        return lines

    def filled(self, rows: Iterable[Row]) -> Iterable[Row]:
        """Return rows as the columns want them: with the mark in its own, where there is one."""
        return ((*row, self.mark) for row in rows) if MARKED in self.columns else rows


def said(words: Words, lang: Lang) -> str:
    """Return a text in one language."""
    return words.vi if lang == "vi" else words.en


def clean(text: str) -> str:
    """Return a text without what no format holds, cut to what a cell takes."""
    return _CONTROLS.sub("", text)[:_MAX_CELL]


def shown(cell: Cell, kind: Kind = Kind.TEXT) -> str:
    """Return a cell as people read it: days as 22/11/2026, months as 11/2026."""
    match cell:
        case None:
            return ""
        case datetime():
            at = cell.astimezone(VIETNAM)
            return at.strftime("%d/%m/%Y" if kind is Kind.DAY else "%d/%m/%Y %H:%M")
        case date():
            return cell.strftime("%d/%m/%Y")
        case str() if kind is Kind.MONTH:
            return f"{cell[5:7]}/{cell[:4]}"
        case _:
            return clean(str(cell))


@dataclass(slots=True)
class Printed:
    """The rows of what is printed: as many as fit, the others counted."""

    table: Table
    rows: list[list[str]]
    more: int = 0

    def take(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        kinds = self.table.kinds
        for row in rows:
            if len(self.rows) == MAX_PRINTED:
                self.more += 1
                continue
            self.rows.append([shown(c, k)[:_MAX_SHOWN] for c, k in zip(row, kinds, strict=True)])

    def left_out(self, lang: Lang) -> str:
        """Return what is said of rows that are not here, "" for none."""
        if not self.more:
            return ""
        if lang == "vi":
            return f"Còn {self.more} dòng không in ở đây; hãy chọn kỳ ngắn hơn."
        return f"{self.more} more rows are not printed here; choose a shorter period."


_MAX_SHOWN: Final = 2000
NO_ROWS: Final = Words("Không có dòng nào.", "No rows.")
SIGN_HERE: Final = Words("(Ký, ghi rõ họ tên)", "(Signature, full name)")
