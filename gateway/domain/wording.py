"""Words of a document as they are searched: what is kept of a text, and what a question means.

Promises: every word asked for is in what is found, the last one perhaps as the beginning of a
longer one; a word typed with an accent or đ matches just that word, however its tone is placed
(hoà, hòa; uỷ, ủy), a word typed without matches all of them; numbers match with or without leading
zeros, a day in any common way of writing it. Terms are plain ASCII without blanks, so that every
engine compares them alike. `Asked.fits` says it without any engine: what an index answers is that.
Pure.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final

from gateway.domain.folding import plain, spelled

WORDS: Final = "ap"
"""What terms of words begin with; all others are asked for whole."""

MOST_WORDS: Final = 16
"""Words of a question that count."""

_MOST_LETTERS: Final = 400
_LONGEST: Final = 40
_MARKS: Final = frozenset("\u0300\u0301\u0303\u0309\u0323")
_SAFE: Final = re.compile(r"[a-z0-9]*")
_DAY: Final = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})")
_ISO: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_PIECES: Final = re.compile(r"\w+|\W+")


@dataclass(frozen=True, slots=True)
class Term:
    """One term that a document has, or, with `starts`, one that begins so."""

    text: str
    starts: bool = False

    def fits(self, terms: Collection[str]) -> bool:
        """Tell whether it is among a document's terms."""
        if not self.starts:
            return self.text in terms
        return any(term.startswith(self.text) for term in terms)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: of each clause one alternative, of an alternative every term.

    Args:
        clauses: What must hold.
        shown: Folded words to be marked where results are shown, the last one perhaps a beginning.
    """

    clauses: tuple[tuple[tuple[Term, ...], ...], ...] = ()
    shown: tuple[str, ...] = ()

    def fits(self, terms: Collection[str]) -> bool:
        """Tell whether a document with these terms is meant: what every index must answer."""
        return all(
            any(all(term.fits(terms) for term in some) for some in clause)
            for clause in self.clauses
        )

    def both(self, other: "Asked") -> "Asked":
        """Return a question that asks for both."""
        return Asked(self.clauses + other.clauses, self.shown + other.shown)


def terms_of(texts: Iterable[str], days: Iterable[date] = ()) -> frozenset[str]:
    """Return the terms of a document.

    Args:
        texts: Number, notation, abstract, names, codes, places.
        days: Its day, when it came, when it was sent.
    """
    found: set[str] = set()
    for text in texts:
        # Folding pieces between blanks is folding the whole: pieces come again and again.
        for piece in text.split():
            found.update(_terms(piece))
    for day in days:
        found.update((f"d{day:%Y%m%d}", f"y{day:%Y}"))
    return frozenset(found)


@lru_cache(maxsize=8192)
def flag(kind: str, value: str) -> str:
    """Return the term of a property that is asked for exactly: an agency, a type, an account."""
    return f"s{_encoded(kind)}_{_encoded(value)}_"


def one_of(kind: str, values: Iterable[str]) -> Asked:
    """Return the question for a property with one of some values; none fits nothing."""
    return Asked((tuple((Term(flag(kind, value)),) for value in sorted(set(values))),))


def asked(text: str) -> Asked:
    """Return what a text typed into the search field means."""
    clauses: list[tuple[tuple[Term, ...], ...]] = []
    shown: list[str] = []
    chunks = text[:_MOST_LETTERS].split()
    for place, chunk in enumerate(chunks):
        last = place == len(chunks) - 1
        if (day := _day(chunk.strip(",;()"))) is not None:
            clauses.append(((Term(f"d{day:%Y%m%d}"),),))
            continue
        words = _words(chunk)
        for n, word in enumerate(words):
            starts = last and n == len(words) - 1 and text[-1:] == chunk[-1:]
            shown.append(plain(word))
            clauses.append(_clause(word, starts=starts))
    return Asked(tuple(clauses[:MOST_WORDS]), tuple(shown[:MOST_WORDS]))


def _clause(word: str, *, starts: bool) -> tuple[tuple[Term, ...], ...]:
    bare = plain(word)
    if spelled(word) != bare:
        return ((Term(_accented(word), starts),),)
    if _YEAR.fullmatch(bare):
        # Whole as it stands: as a beginning, an index would gather every document of the year.
        return ((Term(_plain(bare)),), (Term(f"y{bare}"),))
    return ((Term(_plain(bare), starts),),)


def _words(text: str) -> list[str]:
    """Return the words of a text; a code such as `h37.02` is one."""
    return spelled(text).split()


@lru_cache(maxsize=32768)
def _terms(piece: str) -> tuple[str, ...]:
    return tuple({term for word in _words(piece) for term in _both(word)})


@lru_cache(maxsize=16384)
def _both(word: str) -> frozenset[str]:
    bare = plain(word)
    if not bare:
        return frozenset()
    found = {_plain(one) for one in {bare, *bare.split(".")} - {""}}
    return frozenset(found | {_accented(word)}) if bare != word else frozenset(found)


def _plain(bare: str) -> str:
    number = (bare.lstrip("0") or "0") if bare.isascii() and bare.isdigit() else bare
    return f"p{_encoded(number[:_LONGEST])}"


def _accented(word: str) -> str:
    # The tone first: `quyế` is then the beginning of `quyết`.
    letters = unicodedata.normalize("NFD", spelled(word))
    tones = "".join(c for c in letters if c in _MARKS)
    rest = unicodedata.normalize("NFC", "".join(c for c in letters if c not in _MARKS))
    return f"a{_encoded(tones)}{_encoded(rest[:_LONGEST])}"


def _encoded(text: str) -> str:
    """Return letters and digits as they are, all else as its number: beginnings stay beginnings."""
    if _SAFE.fullmatch(text):
        return text
    return "".join(c if _SAFE.fullmatch(c) else f"_{ord(c):05x}" for c in text)


def _day(text: str) -> date | None:
    if found := _DAY.fullmatch(text):
        day, month, year = (int(part) for part in found.groups())
    elif found := _ISO.fullmatch(text):
        year, month, day = (int(part) for part in found.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


@lru_cache(maxsize=16384)
def _bare(piece: str) -> str:
    return plain(piece).lstrip("0")


def marked(text: str, words: Collection[str]) -> list[tuple[str, bool]]:
    """Return a text in pieces, each with whether it is one of the words asked for.

    Args:
        text: As it is shown; the pieces joined are the text.
        words: `Asked.shown`; each marks what begins with it, accents or none.
    """
    pieces: list[tuple[str, bool]] = []
    beginnings = tuple(word.lstrip("0") or word for word in words if word)
    for piece in _PIECES.findall(text) if beginnings else [text] if text else []:
        bare = _bare(piece)
        hit = bool(bare) and bare.startswith(beginnings)
        if pieces and pieces[-1][1] == hit:
            pieces[-1] = (pieces[-1][0] + piece, hit)
        else:
            pieces.append((piece, hit))
    return pieces
