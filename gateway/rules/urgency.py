"""Urgency stamps in the text of a first page (SIG-25), and what the message says of urgency.

A stamp HỎA TỐC, THƯỢNG KHẨN or KHẨN counts when it stands alone on its line and in capitals,
wherever its tone marks stand. Pure text matching.
"""

import re
import unicodedata
from typing import Final

from gateway.domain.envelope import Urgency
from gateway.rules.names import folded

STAMPS: Final = {
    Urgency.URGENT: "KHẨN",
    Urgency.VERY_URGENT: "THƯỢNG KHẨN",
    Urgency.EXPRESS: "HỎA TỐC",
    # C1: NĐ30 has no stamp of its own for it.
    Urgency.EXPRESS_TIMED: "HỎA TỐC",
}
"""The stamp of each level (NĐ30 PL I III)."""

_FRAME: Final = "[](){}<>|*-–—_=.:;,'\"“”‘’«»+#~ \t"
_MAX_LINE: Final = 40


def _key(text: str) -> str:
    return folded("".join(text.split()))


_BY_KEY: Final = {_key(stamp): stamp for stamp in STAMPS.values()} | {
    _key("HỎA TỐC HẸN GIỜ"): "HỎA TỐC"
}


def urgency_marks(text: str) -> tuple[str, ...]:
    """Return the urgency stamps standing alone in a text, in order, each once.

    Args:
        text: Text of the first page, any line ends, any Unicode normal form.

    Source: SIG-25 (NĐ30 PL I III).
    """
    found: dict[str, None] = {}
    for line in re.split(r"[\n\r\f\v\x85\u2028\u2029]+", unicodedata.normalize("NFC", text)):
        plain = line.strip(_FRAME)
        if plain and len(plain) <= _MAX_LINE and plain == plain.upper():
            mark = _BY_KEY.get(_key(plain))
            if mark:
                found[mark] = None
    return tuple(found)
