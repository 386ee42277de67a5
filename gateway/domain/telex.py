"""Telex left as it was typed, the typing program being off: what was meant by `quyeets ddinhj`.

Pure. Words that are no Telex stay as they are; nobody is corrected, it is only offered.
"""

import unicodedata
from typing import Final

_TONES: Final = {"s": "\u0301", "f": "\u0300", "r": "\u0309", "x": "\u0303", "j": "\u0323"}
_TWICE: Final = {"a": "â", "e": "ê", "o": "ô"}
_HOOKED: Final = {"a": "ă", "o": "ơ", "u": "ư"}
_VOWELS: Final = frozenset("aeiouyâăêôơư")
_MARKED: Final = frozenset("âăêôơư")


def from_telex(text: str) -> str:
    """Return the words Telex would have made of these keys."""
    return " ".join(_word(word) for word in text.split())


def _word(word: str) -> str:
    if not word.isascii() or not word.isalpha():
        return word
    letters: list[str] = []
    tone = ""
    for key in word.lower():
        last = letters[-1] if letters else ""
        if key == "d" and letters == ["d"]:
            letters[-1] = "đ"
        elif last == key and key in _TWICE:
            letters[-1] = _TWICE[key]
        elif key == "w" and last in _HOOKED:
            if letters[-2:] == ["u", "o"]:
                letters[-2] = "ư"
            letters[-1] = _HOOKED[last]
        elif key == "w":
            letters.append("ư")
        elif key in _TONES and _VOWELS.intersection(letters):
            tone = _TONES[key]
        else:
            letters.append(key)
    if not tone and letters == list(word.lower()):
        return word
    if tone:
        letters[_bearer(letters)] += tone
    return unicodedata.normalize("NFC", "".join(letters))


def _bearer(letters: list[str]) -> int:
    """Return which letter bears the tone: the marked one, else as in `hòa`, `toán`, `ngoại`."""
    vowels = [n for n, letter in enumerate(letters) if letter in _VOWELS]
    if len(vowels) > 1 and "".join(letters[:2]) in {"qu", "gi"}:
        vowels = vowels[1:]
    marked = [n for n in vowels if letters[n] in _MARKED]
    if marked:
        return marked[-1]
    if vowels[-1] == len(letters) - 1 and len(vowels) > 1:
        return vowels[-2]
    return vowels[-1]
