"""A table on paper (PDF/A): A4 lying, the line of titles on every page, page n/m, places to sign.

Promises: at most `tables.MAX_PRINTED` rows, and how many were left out; every text is set as plain
text; the same table gives the same bytes. Keeps nothing.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

import typst

from gateway.domain.moments import VIETNAM
from gateway.reports.letterhead import head_of
from gateway.reports.pdf import STANDARD, printable
from gateway.reports.tables import NO_ROWS, SIGN_HERE, Kind, Lang, Printed, Row, Table, said

_TEMPLATE: Final = Path(__file__).parent / "templates" / "sheet.typ"
_UNBROKEN: Final = re.compile(r"[0-9A-Za-z_]{12}(?=[0-9A-Za-z_]{8})")


class Pdf:
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
        data = {
            "lang": lang,
            "mark": table.mark,
            "head": [printable(line) for line in head_of(table)],
            "title": printable(said(table.title, lang)),
            "notes": [printable(line) for line in table.lines(lang)],
            "columns": [
                {
                    "title": printable(said(c.title, lang)),
                    "width": c.width,
                    "right": c.kind is Kind.NUMBER,
                }
                for c in table.columns
            ],
            "rows": [[_breaking(cell) for cell in row] for row in self._printed.rows],
            "empty": said(NO_ROWS, lang),
            "more": self._printed.left_out(lang),
            "signers": [printable(said(signer, lang)) for signer in table.signers],
            "sign": said(SIGN_HERE, lang),
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


def _breaking(cell: str) -> str:
    """Return the text of a cell; a hash may be broken, else it runs over the edge of the page."""
    return _UNBROKEN.sub("\\g<0>\u200b", printable(cell))
