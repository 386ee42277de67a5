"""Finding an agency by what somebody types: the start of a code, or words of its name.

Promises: every word typed is the start of a word of what is found, in any order, accents or none;
codes are found by their start in both notations, with or without leading zero groups (only here: a
hint for a person, never how a code is resolved, ID-04); the same question has the same answer on
every node; hubs are never in it. A value built once beside a `Directory`; a question looks at some
thousand names at most and ranks those. Pure.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import date
from heapq import merge
from typing import Final

from gateway.domain.directory import Agency, AgencyKind, AgencyStatus, Directory
from gateway.domain.folding import plain, spelled
from gateway.domain.identifiers import CodeKind, classify

MOST: Final = 100
"""Answers to one question, at most."""

_MOST_LETTERS: Final = 200
_MOST_WORDS: Final = 12
_RANKED: Final = 400
_LOOKED_AT: Final = 20_000
_ZEROS: Final = re.compile(r"^(?:0+\.)+")


class AgencyIndex:
    """Names and codes of a catalogue, folded, in the order in which equals are shown.

    Args:
        directory: What is searched.
    """

    __slots__ = ("_agencies", "_coded", "_codes", "_names", "_postings", "_words", "directory")

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        shown = [
            a
            for a in directory
            if a.kind is not AgencyKind.HUB and classify(a.code) is not CodeKind.HUB
        ]
        names = {a.code: plain(a.name) for a in shown}
        shown.sort(key=lambda a: (a.code.count("."), len(names[a.code]), names[a.code], a.code))
        self._agencies: Sequence[Agency] = shown
        self._names = [f" {names[a.code]} " for a in shown]
        pairs = sorted(_codes(directory, shown))
        self._codes = [key for key, _ in pairs]
        self._coded = array("I", (place for _, place in pairs))
        postings: dict[str, array[int]] = {}
        for place, name in enumerate(self._names):
            for word in set(name.split()):
                postings.setdefault(word, array("I")).append(place)
        self._words = sorted(postings)
        self._postings = [postings[word] for word in self._words]

    def __len__(self) -> int:
        return len(self._agencies)

    def find(
        self, text: str, on: date, *, limit: int = 20, closed: bool = False
    ) -> tuple[Agency, ...]:
        """Return the agencies a text may mean, best first.

        Args:
            text: A code, its start, or words of a name.
            on: The day: who may be chosen then.
            limit: How many, at most `MOST`.
            closed: Closed and locked codes too, behind the open ones.
        """
        asked = text[:_MOST_LETTERS]
        wanted = plain(asked).split()[:_MOST_WORDS]
        if not wanted:
            return ()
        found: dict[int, tuple[int, ...]] = {}
        for order, place in enumerate(self._by_code(asked)):
            found.setdefault(place, (0, order, place))
        exact, folded = spelled(asked), " ".join(wanted)
        for place in self._by_name(wanted):
            if place not in found:
                found[place] = self._rank(place, exact, folded)
        ranked = sorted((self._order(p, on), rank, p) for p, rank in found.items())
        most = max(0, min(limit, MOST))
        kept = (self._agencies[p] for order, _, p in ranked if closed or order == 0)
        return tuple(agency for _, agency in zip(range(most), kept, strict=False))

    def _order(self, place: int, on: date) -> int:
        return 0 if self._agencies[place].status_on(on) is AgencyStatus.ACTIVE else 1

    def _rank(self, place: int, exact: str, folded: str) -> tuple[int, ...]:
        """Return how well a name fits: the words as typed first, from its start, then its place."""
        name = self._names[place]
        if name == f" {folded} ":
            fits = 1
        elif name.startswith(f" {folded}"):
            fits = 2
        else:
            fits = 3 if f" {folded}" in name else 4
        accents = 0
        if exact != folded:  # accents were typed: who bears them comes first
            accents = 0 if f" {exact}" in f" {spelled(self._agencies[place].name)}" else 1
        return (fits, accents, place)

    # ------------------------------------------------------------ who is looked at

    def _by_code(self, text: str) -> Iterator[int]:
        key = _code_key(text)
        if not key:
            return
        first = bisect_left(self._codes, key)
        for at in range(first, min(first + _RANKED, len(self._codes))):
            if not self._codes[at].startswith(key):
                return
            yield self._coded[at]

    def _by_name(self, wanted: Sequence[str]) -> Iterator[int]:
        """Yield who has every word, in order of place; the rarest word leads."""
        ranges = [self._range(word) for word in wanted]
        if any(first == last for first, last in ranges):
            return
        rarest = min(range(len(wanted)), key=lambda n: self._weight(*ranges[n]))
        first, last = ranges[rarest]
        others = [f" {word}" for n, word in enumerate(wanted) if n != rarest]
        some = self._postings[first:last]
        many = self._weight(first, last) > _LOOKED_AT
        places = merge(*some) if many else iter(sorted(set().union(*some)))
        matched, before = 0, -1
        for looked_at, place in enumerate(places):
            if matched == _RANKED or looked_at == _LOOKED_AT:
                return
            if place == before:
                continue
            before = place
            name = self._names[place]
            for other in others:
                if other not in name:
                    break
            else:
                matched += 1
                yield place

    def _range(self, word: str) -> tuple[int, int]:
        first = bisect_left(self._words, word)
        return first, bisect_left(self._words, f"{word}\U0010ffff")

    def _weight(self, first: int, last: int) -> int:
        return sum(len(posting) for posting in self._postings[first:last])


def _codes(directory: Directory, shown: Sequence[Agency]) -> Iterator[tuple[str, int]]:
    at = {agency.code: place for place, agency in enumerate(shown)}
    for place, agency in enumerate(shown):
        for code in {agency.code, agency.legacy_code, _ZEROS.sub("", agency.legacy_code)} - {""}:
            yield _code_key(code), place
    for alias in directory.aliases():
        place_of = at.get(alias.canonical)
        if place_of is not None:
            yield _code_key(alias.code), place_of


def _code_key(text: str) -> str:
    """Return the form in which starts of codes are compared, "" for what is no code."""
    key = text.casefold() if text.isascii() else plain(text)
    return key.replace(" ", "").strip(".")
