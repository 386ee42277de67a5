"""The report on paper: PDF/A-2a, tagged, fonts inside, set by typst from the model alone.

Promises: every text goes in as data and is set as plain text, so that nothing a file or certificate
says is markup; characters our fonts lack, and those that change the direction of a line, are shown
as `�`; words and lists are bounded, and what was left out is counted; the same dossier gives the
same bytes, dated when the questions were asked; no network, no fonts of the machine. That it is
PDF/A is the typesetter's claim. Keeps nothing: a crash leaves nothing behind.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import typst

from gateway.reports.advice import Words
from gateway.reports.build import build
from gateway.reports.formats import stranger
from gateway.reports.model import Card, DocumentView, Dossier, FileView

MEDIA: Final = "application/pdf"
STANDARD: Final = "a-2a"
MAX_FILES: Final = 30
MAX_SIGNATURES: Final = 40
MAX_PARTS: Final = 50
MAX_NOTES: Final = 10
_TEMPLATE: Final = Path(__file__).parent / "templates" / "report.typ"
_UNDATED: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LONG_WORD: Final = 24
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_BREAK: Final = "\u200b"
_LOST: Final = "\ufffd"
_INSIDE: Final = ("tệp bên trong", "files inside")

_NOT_SEALED: Final = Words(
    "Báo cáo chưa niêm phong: không mang chữ ký số của cổng liên thông.",
    "Not sealed: this report carries no digital signature of the gateway.",
)
_PICTURES: Final = Words(
    "Hình ảnh con dấu, chữ ký trên trang không chứng minh gì; chỉ chữ ký số được kiểm tra.",
    "Pictures of seals and signatures prove nothing; only digital signatures are verified.",
)


def render(dossier: Dossier) -> bytes:
    """Return the report as PDF/A, not sealed unless `gateway.seal` goes on to do so.

    About 50 ms a page of one core.
    """
    view = build(dossier)
    data = _data(_bounded(view), dossier)
    at = _moment(dossier)
    try:
        return _typeset(data, at)
    except RuntimeError:
        # A page drawn from a stranger's file may be no picture; the words stand without it.
        if not any(file.pages for file in view.files):
            raise
        return _typeset(_without_pictures(data), at)


def _typeset(data: dict[str, Any], at: datetime) -> bytes:
    made = typst.compile(
        str(_TEMPLATE),
        root=str(_TEMPLATE.parent),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"view": json.dumps(data, ensure_ascii=False, separators=(",", ":"))},
        pdf_standards=STANDARD,
        timestamp=int(at.timestamp()),
    )
    return bytes(made)


def _moment(dossier: Dossier) -> datetime:
    """Return the date of the report: when the questions were asked, never the clock's."""
    asked = [s.report.verified_at for s in dossier.files if s.report is not None]
    if asked:
        return max(asked)
    return (dossier.facts and dossier.facts.arrived_at) or _UNDATED


# ---------------------------------------------------------------- bounds


@dataclass(slots=True)
class _Room:
    """What may still be shown: a report is a glance, not a copy of everything."""

    signatures: int = MAX_SIGNATURES
    parts: int = MAX_PARTS

    def cut(self, file: FileView) -> FileView:
        """Return a file with what there is room for."""
        cards = tuple(_card(card) for card in file.cards[: self.signatures])
        self.signatures -= len(cards)
        parts = file.parts[: self.parts]
        self.parts -= len(parts)
        more = (len(file.cards) - len(cards), len(file.parts) - len(parts))
        return replace(
            file,
            cards=cards,
            notes=file.notes[:MAX_NOTES],
            parts=tuple(
                replace(p, file=None if p.file is None else self.cut(p.file)) for p in parts
            ),
            left_out=file.left_out
            + _more(more[0], "chữ ký", "signatures")
            + _more(more[1], *_INSIDE),
        )


def _bounded(view: DocumentView) -> DocumentView:
    """Return the view with so many files and signatures that a page count stays a page count."""
    room = _Room()
    # Secret pages are in no report that may be printed and carried about.
    files = tuple(room.cut(file) for file in view.files[:MAX_FILES])
    if view.secrecy:
        files = tuple(replace(file, pages={}) for file in files)
    return replace(view, files=files, secrecy=view.secrecy[:MAX_NOTES])


def _card(card: Card) -> Card:
    return replace(card, notes=card.notes[:MAX_NOTES])


def _more(count: int, vi: str, en: str) -> tuple[Words, ...]:
    if count <= 0:
        return ()
    return (
        Words(f"Còn {count} {vi} không hiện ở đây; xem bản JSON.", f"{count} more {en}; see JSON."),
    )


# ---------------------------------------------------------------- what goes in


def _data(view: DocumentView, dossier: Dossier) -> dict[str, Any]:
    left_out = _more(len(dossier.files) - len(view.files), "tệp", "files")
    return {
        **_plain(view),
        "code": printable(stranger(dossier.facts.code if dossier.facts else "", 60)),
        "seal": _plain(_seal_words(dossier.sealed_by)),
        "pictures_note": _plain(_PICTURES),
        "left_out": _plain(left_out),
    }


def _seal_words(name: str) -> Words:
    if not name:
        return _NOT_SEALED
    known = stranger(name)
    return Words(
        f"Báo cáo do «{known}» niêm phong bằng chữ ký số (ô ẩn VanLienSeal): mở bằng phần mềm đọc "
        "PDF có kiểm tra chữ ký để thấy. Dấu thời gian của báo cáo: xem chữ ký đó; nếu lúc lập "
        "chưa có thì được đóng thêm sau.",
        f"Sealed by “{known}” with a digital signature (hidden field VanLienSeal); any reader that "
        "checks signatures shows it. Its time-stamp: see that signature; if there was none yet, "
        "one is added later.",
    )


def _plain(value: Any) -> Any:
    """Return a value of the model as JSON; every string in it is made printable here."""
    match value:
        case str():
            return printable(value)
        case bytes():
            return list(value)
        case tuple() | list():  # Words too: Vietnamese, English
            return [_plain(item) for item in value]
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case _ if is_dataclass(value):
            return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        case _:
            return value


def _without_pictures(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: {} if key == "pages" else _without_pictures(item)
                for key, item in value.items()
            }
        case list():
            return [_without_pictures(item) for item in value]
        case _:
            return value


# ---------------------------------------------------------------- characters

# What the two fonts in the typesetter's wheel can show together (a test sets every one of them).
# Combining marks that no letter absorbs, other directions and other scripts are not among them.
_RANGES: Final = (
    *((0x20, 0x7E), (0xA0, 0x24F), (0x391, 0x3A1), (0x3A3, 0x3CE), (0x400, 0x45F)),
    *((0x1E00, 0x1EFF), (0x2010, 0x2022), (0x2026, 0x2026), (0x2030, 0x2033), (0x2039, 0x203A)),
    *((0x20AB, 0x20AC), (0x2116, 0x2116), (0x2122, 0x2122), (0x2190, 0x2193), (0x2212, 0x2212)),
    *((0x2264, 0x2265), (0x2713, 0x2713), (0x2717, 0x2717), (0xFFFD, 0xFFFD)),
)
PRINTABLE: Final = frozenset(chr(c) for low, high in _RANGES for c in range(low, high + 1)) - {
    "\u00ad"
}


def printable(text: str) -> str:
    """Return a text as our fonts can show it, with places to break in long words."""
    composed = unicodedata.normalize("NFC", text)
    shown = "".join(c if c in PRINTABLE else " " if c.isspace() else _LOST for c in composed)
    if all(len(word) <= _LONG_WORD for word in shown.split(" ")):
        return shown
    return " ".join(_breakable(word) for word in shown.split(" "))


def _breakable(word: str) -> str:
    # A digest fits its line, and must be one word to whoever copies it.
    if len(word) <= _LONG_WORD or _DIGEST.fullmatch(word):
        return word
    pieces = (word[at : at + _LONG_WORD] for at in range(0, len(word), _LONG_WORD))
    return _BREAK.join(pieces)
