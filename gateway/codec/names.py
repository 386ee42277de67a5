"""File names of strangers made safe to show, to save under and to send on. Pure.

Never a path, no control or direction-changing characters, bounded length with the extension kept,
no name that an operating system reserves.
"""

import re
import unicodedata
from typing import Final

MAX_CHARS: Final = 150
MAX_BYTES: Final = 240
_MAX_EXTENSION: Final = 20
_ILLEGAL: Final = re.compile(r'[<>:"|?*]')
# Other, control, format (bidi, zero width), surrogate, private, unassigned; line separators.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RESERVED: Final = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])\Z", re.IGNORECASE
)


def extension(name: str) -> str:
    """Return the lower-case extension without its dot, "" when there is none."""
    stem, dot, suffix = name.strip().rpartition(".")
    return suffix.lower() if dot and stem.strip(".") else ""


def safe_name(name: str, fallback: str) -> str:
    """Return a name that is safe on every system.

    Args:
        name: As written by the sender.
        fallback: Used when nothing is left, `tep-1`.
    """
    if name.isascii() and _PLAIN.match(name) and not _RESERVED.match(name.partition(".")[0]):
        return name
    text = name.replace("\\", "/").rpartition("/")[2]
    text = "".join(c for c in text if unicodedata.category(c) not in _INVISIBLE)
    text = _ILLEGAL.sub("_", text).strip().rstrip(". ").lstrip()
    if text.strip(". ") == "":
        text = fallback
    if _RESERVED.match(text.partition(".")[0].strip()):
        text = f"_{text}"
    return _shorten(text)


_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.() +-]{0,100}(?<![. ])\Z")


def _shorten(text: str) -> str:
    if len(text) <= MAX_CHARS and len(text.encode()) <= MAX_BYTES:
        return text
    suffix = extension(text)
    tail = f".{suffix}" if suffix and len(suffix) <= _MAX_EXTENSION else ""
    stem = text[: len(text) - len(tail)] if tail else text
    stem = stem[: MAX_CHARS - len(tail)]
    room = MAX_BYTES - len(tail.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ")
    return f"{stem or '_'}{tail}"
