"""A table as a word-processor file (DOCX, RPT-12): A4 lying, titles repeated, page n/m.

Promises: margins and letters as NĐ30 PL I has them; every text is text, whatever a sender wrote; at
most `tables.MAX_PRINTED` rows, and how many were left out; a row is never torn between two pages.
Keeps nothing.
"""

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final
from xml.sax.saxutils import escape

import docx
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Mm, Pt, RGBColor

from gateway.domain.moments import VIETNAM
from gateway.reports.letterhead import head_of
from gateway.reports.tables import NO_ROWS, SIGN_HERE, Kind, Lang, Printed, Row, Table, said

_FONT: Final = "Times New Roman"
_WIDTH_MM: Final = 297 - 30 - 15
_RIGHT: Final = WD_ALIGN_PARAGRAPH.RIGHT
_CENTER: Final = WD_ALIGN_PARAGRAPH.CENTER
_MARK: Final = RGBColor(0xB3, 0x00, 0x5E)


class Docx:
    """See `sheets.Writer`."""

    def __init__(self, table: Table, lang: Lang) -> None:
        self._table, self._lang = table, lang
        self._printed = Printed(table, [])

    def head(self) -> bytes:
        """Begin: nothing is ready before the end."""
        return b""

    def rows(self, rows: Iterable[Row]) -> bytes:
        """Add rows."""
        self._printed.take(rows)
        return b""

    def tail(self) -> bytes:
        """End: the whole file."""
        table, lang = self._table, self._lang
        made = docx.Document()
        self._set(made)
        self._around(made.sections[0])
        _letterhead(made, head_of(table))
        title = made.add_heading(said(table.title, lang), level=1)
        title.alignment = _CENTER
        for line in table.lines(lang):
            made.add_paragraph(line).alignment = _CENTER
        self._rows(made)
        for note in (self._printed.left_out(lang), *_empty(self._printed, lang)):
            if note:
                made.add_paragraph().add_run(note).italic = True
        self._signers(made)
        out = io.BytesIO()
        made.save(out)
        return out.getvalue()

    def _set(self, made: Any) -> None:
        """Set paper, margins, letters and what the file says of itself."""
        table, lang = self._table, self._lang
        section = made.sections[0]
        section.orientation = WD_ORIENT.LANDSCAPE
        section.page_width, section.page_height = Mm(297), Mm(210)
        # NĐ30 PL I.1: top and bottom 20-25 mm, left 30-35, right 15-20.
        section.top_margin = section.bottom_margin = Mm(20)
        section.left_margin, section.right_margin = Mm(30), Mm(15)
        for name, size in (("Normal", 12), ("Heading 1", 14)):
            style = made.styles[name]
            style.font.name, style.font.size = _FONT, Pt(size)
            style.font.color.rgb = RGBColor(0, 0, 0)
            style.paragraph_format.space_before = style.paragraph_format.space_after = Pt(2)
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for letters in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
                fonts.set(qn(letters), _FONT)
            for theme in ("asciiTheme", "hAnsiTheme", "cstheme", "eastAsiaTheme"):
                fonts.attrib.pop(qn(f"w:{theme}"), None)
        told = made.core_properties
        told.title, told.author = said(table.title, lang), "vanlien"
        told.language = "vi-VN" if lang == "vi" else "en-GB"
        told.comments = table.mark
        at = (table.made_at or datetime(2000, 1, 1, tzinfo=VIETNAM)).astimezone(VIETNAM)
        told.created = told.modified = at.replace(tzinfo=None)

    def _around(self, section: Any) -> None:
        """Set what stands on every page: the mark above, page n/m below."""
        if self._table.mark:
            above = section.header.paragraphs[0]
            above.alignment = _CENTER
            run = above.add_run(self._table.mark)
            run.bold, run.font.color.rgb = True, _MARK
        below = section.footer.paragraphs[0]
        below.alignment = _RIGHT
        below.add_run("Trang " if self._lang == "vi" else "Page ")
        _field(below, "PAGE")
        below.add_run(" / ")
        _field(below, "NUMPAGES")

    def _rows(self, made: Any) -> None:
        """Add the table: a line of titles and one of numbers, repeated on every page."""
        columns, lang = self._table.columns, self._lang
        grid = made.add_table(rows=0, cols=len(columns), style="Table Grid")
        grid.autofit = False
        share = _WIDTH_MM / sum(column.width for column in columns)
        widths = [Mm(share * column.width).twips for column in columns]
        for place, width in zip(_xml(grid).tblGrid.gridCol_lst, widths, strict=True):
            place.set(qn("w:w"), str(width))
        right = [column.kind is Kind.NUMBER for column in columns]
        titles = [said(column.title, lang) for column in columns]
        numbers = [f"({place})" for place in range(1, len(columns) + 1)]
        center = ["center"] * len(columns)
        _xml(grid).append(_line(titles, widths, center, heads=True))
        _xml(grid).append(_line(numbers, widths, center, heads=True))
        sides = ["right" if one else "left" for one in right]
        for row in self._printed.rows:
            _xml(grid).append(_line(row, widths, sides))

    def _signers(self, made: Any) -> None:
        signers = self._table.signers
        if not signers:
            return
        made.add_paragraph()
        places = made.add_table(rows=1, cols=len(signers))
        for cell, signer in zip(places.rows[0].cells, signers, strict=True):
            first = cell.paragraphs[0]
            first.alignment = _CENTER
            first.add_run(said(signer, self._lang)).bold = True
            second = cell.add_paragraph()
            second.alignment = _CENTER
            second.add_run(said(SIGN_HERE, self._lang)).italic = True
        _keep(_xml(places.rows[0]))


def _empty(printed: Printed, lang: Lang) -> Sequence[str]:
    return () if printed.rows else (said(NO_ROWS, lang),)


def _letterhead(made: Any, head: Sequence[str]) -> None:
    """Add agency and country side by side, place and date below (NĐ30 PL I.1, 2, 4)."""
    if not head:
        return
    agency, country, motto, day = head
    first, second = made.add_table(rows=1, cols=2).rows[0].cells
    for cell, lines in ((first, ((agency, True, False),)), (second, (
        (country, True, False), (motto, True, False), (day, False, True),
    ))):  # fmt: skip
        for place, (text, bold, italic) in enumerate(lines):
            paragraph = cell.paragraphs[0] if place == 0 else cell.add_paragraph()
            paragraph.alignment = _CENTER
            run = paragraph.add_run(text)
            run.bold, run.italic = bold, italic


def _line(
    texts: Sequence[str], widths: Sequence[int], sides: Sequence[str], *, heads: bool = False
) -> Any:
    """Return a row of the table, parsed at once: the library takes a second for ten of its own."""
    bold = "<w:b/>" if heads else ""
    cells = "".join(
        f'<w:tc><w:tcPr><w:tcW w:type="dxa" w:w="{width}"/></w:tcPr>'
        f'<w:p><w:pPr><w:jc w:val="{side}"/></w:pPr><w:r><w:rPr>{bold}<w:sz w:val="20"/></w:rPr>'
        f'<w:t xml:space="preserve">{_escaped(text)}</w:t></w:r></w:p></w:tc>'
        for text, width, side in zip(texts, widths, sides, strict=True)
    )
    repeated = "<w:tblHeader/>" if heads else ""
    return parse_xml(
        f"<w:tr {nsdecls('w')}><w:trPr><w:cantSplit/>{repeated}</w:trPr>{cells}</w:tr>"
    )


def _escaped(text: str) -> str:
    lines = escape(text).replace("\r\n", "\n").split("\n")
    return '</w:t><w:br/><w:t xml:space="preserve">'.join(lines)


def _xml(thing: Any) -> Any:
    return thing._element  # noqa: SLF001  the library has no other way in


def _keep(row: Any) -> None:
    """Say that a row stays on one page."""
    row.get_or_add_trPr().append(OxmlElement("w:cantSplit"))


def _field(paragraph: Any, name: str) -> None:
    """Add a number that the word processor fills in."""
    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), name)
    run = OxmlElement("w:r")
    run.text = "1"
    field.append(run)
    _xml(paragraph).append(field)
