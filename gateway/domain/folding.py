"""Vietnamese text as it is searched: two spellings of one word are one.

Promises: `spelled` sets aside what is a matter of typing — composed or decomposed letters, width,
letter case, blanks, which vowel of a word bears the tone (hoà, hòa; uỷ, ủy) — and keeps every
letter and accent; `plain` sets accents aside too, đ is d. Folding twice is folding once; folding
pieces between blanks and joining them is folding the whole. Pure; the standard library only.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

# Ngang is no mark; the five others, in canonical decomposition.
_TONES: Final = frozenset("\u0300\u0301\u0303\u0309\u0323")
# Ð (eth) and Ɖ are typed for Đ and look the same.
_BARRED: Final = str.maketrans({"ð": "đ", "ɖ": "đ"})
# The usual case, much quicker than looking at every letter: words between blanks.
_PARTS: Final = str.maketrans(dict.fromkeys(",;:()-–/\"'“”&", " "))
_ASCII_PARTS: Final = str.maketrans(
    {c: " " for c in map(chr, range(128)) if not c.isalnum() and c != "."}
)
# All but the dots of a code: between letters or digits, one of them a digit.
_LONE_DOT: Final = re.compile(r"\.(?!(?<=[0-9]\.)[a-z0-9]|(?<=[a-z]\.)[0-9])")
_SIMPLE: Final = re.compile(r"(?:[^\W_]|\s)*")
_PLAIN: Final = str.maketrans({"đ": "d"})


def spelled(text: str) -> str:
    """Return words in one spelling: lower case, the tone mark last, single blanks between.

    What is neither letter nor digit parts words, but for the dots of a code (`h37.02`).
    """
    return " ".join(_word(word) for word in _parted(text))


def plain(text: str) -> str:
    """Return the same without any accent, `đ` as `d`."""
    return " ".join(_bare(word) for word in _parted(text) if _bare(word))


def words(text: str) -> tuple[str, ...]:
    """Return the plain words of a text, in order."""
    return tuple(plain(text).split())


def _parted(text: str) -> list[str]:
    if text.isascii():  # numbers, notations, codes: the same, without a look at every letter
        return _LONE_DOT.sub(" ", text.lower().translate(_ASCII_PARTS)).split()
    composed = unicodedata.normalize("NFKC", text).casefold()
    # Case folding may part what was composed, and composing may fold anew (ß, ﬃ): once more.
    composed = unicodedata.normalize("NFKC", composed).casefold().translate(_BARRED)
    composed = composed.translate(_PARTS)
    if _SIMPLE.fullmatch(composed):
        return composed.split()
    return "".join(_letter(composed, n) for n in range(len(composed))).split()


def _letter(text: str, at: int) -> str:
    letter = text[at]
    kind = unicodedata.category(letter)[0]
    if kind in "LNM":
        return letter
    if letter == "." and 0 < at < len(text) - 1:
        around = text[at - 1] + text[at + 1]
        return "." if around.isalnum() and any(c.isdigit() for c in around) else " "
    return "" if unicodedata.category(letter) == "Cf" else " "


@lru_cache(maxsize=65536)
def _word(word: str) -> str:
    letters = unicodedata.normalize("NFD", word)
    tones = sorted(c for c in letters if c in _TONES)
    rest = "".join(c for c in letters if c not in _TONES)
    return unicodedata.normalize("NFC", rest + "".join(tones))


@lru_cache(maxsize=65536)
def _bare(word: str) -> str:
    letters = unicodedata.normalize("NFKD", word)
    kept = "".join(c for c in letters if unicodedata.category(c)[0] != "M")
    return kept.translate(_PLAIN)
