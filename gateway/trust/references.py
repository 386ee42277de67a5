"""Which objects of a PDF refer to which, found from the bytes without building every object.

The library's difference analysis asks of the signed state: over which paths from the trailer is
this object reached? It answers by parsing everything. Here every object is still looked at, because
one that cannot be parsed or that refers to nothing must not pass unseen, but objects that differ
only in their digits are parsed once:

 1. an object's bytes with every digit made `1` are its shape; a shape parses if one member of it
    does, because the quick grammar does not look at digits but for their number;
 2. what has no plain shape (streams, escapes, long objects, packed objects) is parsed itself;
 3. all references must lead to an object of that state: a reference to a number that only a later
    update defines is how an attacker prepares a signed file (dangling reference);
 4. no object may be listed twice below `/K`, where the library would refuse the structure tree.

Promises: `scan_of` is None wherever any of it is in doubt, and the caller goes the long way.
Pure over the reader's bytes; keeps what it found with the reader.
"""

import bisect
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.xref import ObjStreamRef

from gateway.trust.quickread import QuickReader
from gateway.trust.quicktokens import NotPlainError, parse_object, reference

Location = int | ObjStreamRef
_TO_ONES: Final = bytes(0x31 if 0x30 <= b <= 0x39 else b for b in range(256))
_LONGEST_SHAPE: Final = 4096
_DIGITS: Final = b"0123456789"
_LONGEST_NUMBER: Final = 10
_MOST_SEARCHES: Final = 30
_MOST_SHAPES: Final = 8192
_KIDS: Final = re.compile(rb"/K ?\[([0-9 R]*)\]|/K (\d+ \d R)(?=[ \r\n/>])")
_ODD, _PLAIN, _PARENT = range(3)


class _DoubtError(Exception):
    """Something the short way does not understand."""


def references_in(value: Any) -> Iterator[generic.IndirectObject]:
    """Yield every reference inside a value, not followed."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, generic.IndirectObject):
            yield item
        elif isinstance(item, generic.DictionaryObject):
            stack += dict.values(item)
        elif isinstance(item, generic.ArrayObject):
            stack += list.__iter__(item)


def _kids(value: Any) -> Iterator[int]:
    """Yield the number of every reference directly below a `/K` of a value."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, generic.DictionaryObject):
            stack += dict.values(item)
            below = dict.get(item, "/K")
            for kid in list.__iter__(below) if isinstance(below, list) else (below,):
                if isinstance(kid, generic.IndirectObject):
                    yield kid.idnum
        elif isinstance(item, generic.ArrayObject):
            stack += list.__iter__(item)


@dataclass(slots=True)
class _Section:
    """What the objects written by one cross-reference section refer to."""

    used: set[int] = field(default_factory=set)
    kids: list[tuple[int, Location, list[int]]] = field(default_factory=list)
    special: dict[int, list[tuple[int, Location]]] = field(default_factory=dict)
    owners: list[tuple[int, Location]] = field(default_factory=list)
    plain: list[bytes] = field(default_factory=list)
    text: bytes = b""
    starts: list[int] = field(default_factory=list)
    index: dict[int, list[int]] | None = None
    searches: int = 0

    def referrers(self, number: int) -> Iterator[tuple[int, Location]]:
        """Yield the objects, with their places, that refer to a number."""
        yield from self.special.get(number, ())
        self.searches += 1
        if not self.starts:
            self.starts = [0, *itertools.accumulate(map(len, self.plain))][:-1]
        if self.index is None and self.searches > _MOST_SEARCHES:
            self.index = _positions(self.text)
        found = self._search(number) if self.index is None else self.index.get(number, ())
        for at in found:
            yield self.owners[bisect.bisect_right(self.starts, at) - 1]

    def _search(self, number: int) -> Iterator[int]:
        wanted = b"%d 0 R" % number
        at = self.text.find(wanted)
        while at >= 0:
            if self.text[at - 1] not in _DIGITS:
                yield at
            at = self.text.find(wanted, at + 1)


def _positions(text: bytes) -> dict[int, list[int]]:
    """Return where every number is referred to."""
    found: dict[int, list[int]] = {}
    at = 0
    for piece in text.split(b" 0 R")[:-1]:
        at += len(piece)
        found.setdefault(int(piece[len(piece.rstrip(_DIGITS)) :]), []).append(at)
        at += 4
    return found


class Scan:
    """The references of one saved state: who refers to whom, and that nobody refers to nothing.

    Args:
        sections: What each section up to the state wrote.
        live: Where every number's object is in the state.
        children: Numbers that stand below a `/K` somewhere.
    """

    def __init__(
        self, sections: list[_Section], live: dict[int, Location], children: set[int]
    ) -> None:
        self._sections = sections
        self.live = live
        self.children = children

    def referrers(self, number: int) -> set[int]:
        """Return the numbers of the state's objects that refer to a number."""
        return {
            owner
            for section in self._sections
            for owner, place in section.referrers(number)
            if self.live.get(owner) == place
        }


class References:
    """Scans the states of one file, each section once.

    Args:
        reader: The file.
    """

    def __init__(self, reader: QuickReader) -> None:
        self._reader = reader
        self._sections: list[_Section | None] = []
        self._scans: dict[int, Scan | None] = {}
        self._edges: dict[int, int] | None = None

    def scan_of(self, revision: int) -> Scan | None:
        """Return the references of a state, None when the long way must be gone."""
        if revision not in self._scans:
            try:
                self._scans[revision] = self._scan(revision)
            except (_DoubtError, NotPlainError):
                self._scans[revision] = None
            except Exception:  # noqa: BLE001 — the long way meets the same and says so its own way
                self._scans[revision] = None
        return self._scans[revision]

    def _scan(self, revision: int) -> Scan:
        if not self._reader.plain:
            raise _DoubtError
        live: dict[int, Location] = {}
        sections = []
        for number in range(revision + 1):
            self._overlay(number, live)
            sections.append(self._section(number))
        trailer = self._reader.trailer.flatten(revision)
        used = [r.idnum for r in references_in(trailer) if not r.generation or self._doubt()]
        if not all(s.used <= live.keys() for s in sections) or not live.keys() >= set(used):
            raise _DoubtError  # (3)
        return Scan(sections, live, _children(sections, live))

    @staticmethod
    def _doubt() -> bool:
        raise _DoubtError

    def _overlay(self, number: int, live: dict[int, Location]) -> None:
        """Add what a section defines; doubt anything beyond plain definitions."""
        data = self._reader.xrefs.get_xref_data(number)
        packed, standard, freed = data.xrefs_in_objstm, data.standard_xrefs, data.freed
        if data.hybrid is not None or (number and freed):
            raise _DoubtError
        if not standard.keys().isdisjoint(packed) or not freed.keys().isdisjoint(standard):
            raise _DoubtError
        if not freed.keys().isdisjoint(packed):
            raise _DoubtError
        if any(generation for generation, _ in standard.values()):
            raise _DoubtError
        live.update((n, offset) for n, (_, offset) in standard.items())
        live.update(packed)

    # ------------------------------------------------------------ one section

    def _section(self, number: int) -> _Section:
        while len(self._sections) <= number:
            self._sections.append(None)
        found = self._sections[number]
        if found is None:
            found = self._sections[number] = self._read_section(number)
        return found

    def _read_section(self, number: int) -> _Section:
        data = self._reader.xrefs.get_xref_data(number)
        made = _Section()
        content, edges, shapes = self._reader.data, self._all_edges(), _shapes
        for owner, (_, offset) in data.standard_xrefs.items():
            end = edges[offset]
            piece = content[offset:end]
            kind = _ODD
            if end - offset <= _LONGEST_SHAPE and piece.startswith(b"%d 0 obj" % owner):
                form = piece.translate(_TO_ONES)
                known = shapes.get(form)
                kind = _learn(form) if known is None else known
            if kind == _ODD or not content[end : end + 1].isdigit():
                self._read_special(made, owner, offset)
                continue
            made.plain.append(piece)
            made.owners.append((owner, offset))
            if kind == _PARENT:
                made.kids.append((owner, offset, _kids_in(piece)))
        for owner, packed in data.xrefs_in_objstm.items():
            self._read_special(made, owner, packed)
        _collect(made)
        return made

    def _all_edges(self) -> dict[int, int]:
        """Return for every offset at which an object begins where the next thing begins."""
        if self._edges is None:
            xrefs = self._reader.xrefs
            found = {len(self._reader.data)}
            for number in range(xrefs.total_revisions):
                found.update(o for _, o in xrefs.get_xref_data(number).standard_xrefs.values())
                found.add(xrefs.get_xref_container_info(number).start_location)
            ordered = sorted(found)
            self._edges = dict(itertools.pairwise(ordered))
        return self._edges

    def _read_special(self, made: _Section, owner: int, place: Location) -> None:
        """Parse one object itself; (2)."""
        wanted = reference(owner, 0, self._reader)
        if self._reader.xrefs[wanted] == place:
            value = self._reader.get_object(wanted)  # type: ignore[no-untyped-call]
        else:
            value = self._reader._read_object(wanted, place)  # noqa: SLF001 — at this very place
        if value.container_ref is None:
            raise _DoubtError  # what the library puts for an object it could not read
        for number, generation in {(r.idnum, r.generation) for r in references_in(value)}:
            if generation:
                raise _DoubtError
            made.used.add(number)
            made.special.setdefault(number, []).append((owner, place))
        kids = list(_kids(value))
        if kids:
            made.kids.append((owner, place, kids))


# Whether a shape parses is a matter of its bytes alone: known for all files of this process.
_shapes: Final[dict[bytes, int]] = {}


def _learn(form: bytes) -> int:
    """Decide whether all objects of a shape are plain; (1)."""
    if len(_shapes) >= _MOST_SHAPES:
        _shapes.clear()
    _shapes[form] = kind = _kind_of(form)
    return kind


def _kind_of(form: bytes) -> int:
    """Tell whether all objects of a shape parse, and only refer in the commonest form."""
    # Digits count inside `#` (refused by the grammar) and after a backslash.
    if b"\\" in form:
        return _ODD
    header = form.split(b" ", 1)[0]
    try:
        value, _ = parse_object(form + b"1", 0, Reference(int(header), 1), None, None)
    except (NotPlainError, ValueError, AttributeError):
        return _ODD
    if isinstance(value, generic.StreamObject) or not _ends(form):
        return _ODD
    count = sum(1 for _ in references_in(value))
    # A text that looks like a reference would be counted as one.
    if form.count(b" R") != count or form.count(b" 1 R") != count:
        return _ODD
    kids = sorted(_kids(value))
    if not kids:
        return _PLAIN
    return _PARENT if sorted(_kids_in(form, b" 1 R")) == kids else _ODD


def _kids_in(piece: bytes, end: bytes = b" 0 R") -> list[int]:
    """Return the numbers below every `/K` of a plain object."""
    return [
        int(number.rsplit(b" ", 1)[-1])
        for match in _KIDS.finditer(piece)
        for number in match[match.lastindex or 0].split(end)[:-1]
    ]


def _ends(form: bytes) -> bool:
    """Tell whether nothing but blanks follows the object."""
    return form.rstrip(b" \n\r\t\f\x00").endswith(b"endobj") and form.count(b"endobj") == 1


def _collect(made: _Section) -> None:
    """Find the numbers that plain objects refer to."""
    made.text = text = b"".join(made.plain)
    pieces = text.split(b" 0 R")
    if text.count(b" R") != len(pieces) - 1:
        raise _DoubtError  # another generation
    for end in {piece[-_LONGEST_NUMBER:] for piece in itertools.islice(pieces, len(pieces) - 1)}:
        digits = end[len(end.rstrip(_DIGITS)) :]
        if not digits or digits[0] == 0x30 or len(digits) == _LONGEST_NUMBER:
            raise _DoubtError
        made.used.add(int(digits))


def _children(sections: Iterable[_Section], live: dict[int, Location]) -> set[int]:
    """Return who stands below a `/K`; doubt a state in which somebody does so twice; (4)."""
    seen: set[int] = set()
    for section in sections:
        for owner, place, kids in section.kids:
            if live.get(owner) != place:
                continue
            if len(set(kids)) != len(kids) or not seen.isdisjoint(kids):
                raise _DoubtError
            seen.update(kids)
    return seen
