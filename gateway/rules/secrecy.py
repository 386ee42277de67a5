"""Secrecy stamps in the text of a first page (SEC-01).

Pure text matching: a stamp MẬT, TỐI MẬT or TUYỆT MẬT counts when it stands alone on its line and in
capitals, composed or decomposed, letter-spaced or framed. "bảo mật", "mật độ" and headings such as
"BẢO MẬT THÔNG TIN" never count. Nothing is stored here; a crash loses nothing.
"""

import re
import unicodedata
from typing import Final

MARKS: Final = {"MẬT": "MẬT", "TỐIMẬT": "TỐI MẬT", "TUYỆTMẬT": "TUYỆT MẬT"}

# Words that, at the end of the line before, make a lone "MẬT" the rest of a heading broken there.
_JOINS: Final = frozenset({"BẢO", "BÍ", "CƠ"})
_LABEL: Final = re.compile(r"^(?:MỨC )?ĐỘ MẬT ?[:：] ?(MẬT|TỐI MẬT|TUYỆT MẬT)$", re.IGNORECASE)
_FRAME: Final = "[](){}<>|*-–—_=.:;,'\"“”‘’«»+#~ \t"
_FIRST_HALVES: Final = frozenset({"TỐI", "TUYỆT"})
_MAX_LINE: Final = 80


def _lines(text: str) -> list[str]:
    """Return the lines in composed form, blanks collapsed, frames taken off; empty ones dropped."""
    composed = unicodedata.normalize("NFC", text).replace("\x00", "")
    plain = (
        re.sub(r"[^\S\n]+", " ", line).strip(_FRAME)
        for line in re.split(r"[\n\r\f\v\x85\u2028\u2029]+", composed)
    )
    return [line for line in plain if line]


def _mark(line: str) -> str:
    """Return the stamp a whole line is, or ""."""
    if len(line) > _MAX_LINE:
        return ""
    label = _LABEL.match(line)
    if label:
        # The label names the level outright, however the level itself is written.
        return label.group(1).upper()
    return MARKS.get(line.replace(" ", ""), "")


def secrecy_marks(text: str) -> tuple[str, ...]:
    """Return the secrecy stamps standing alone in a text, in order, each once.

    Args:
        text: Text of the first page, any line ends, any Unicode normal form.

    Returns:
        Some of `MẬT`, `TỐI MẬT`, `TUYỆT MẬT`; empty when there is none.

    Source: SEC-01 (S003 art 1.2, 12.1).
    """
    lines = _lines(text)
    found: dict[str, None] = {}
    for at, line in enumerate(lines):
        mark = _mark(line)
        if not mark:
            continue
        before = lines[at - 1] if at else ""
        if mark == "MẬT" and before in _FIRST_HALVES:
            mark = f"{before} MẬT"
        elif mark == "MẬT" and before.split(" ")[-1] in _JOINS:
            continue
        found[mark] = None
    return tuple(found)
