"""The saved states of a PDF, its pages, and what its catalogue says of it.

A PDF grows by appending: each saved state ends with its own table and `%%EOF`. Here they are
numbered as a reader counts them (a linearised file's two tables are one state), pages are listed,
and the places of widgets found. Bounded walks over hostile structure: what cannot be read is left
out, nothing here judges. Keeps nothing.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

MAX_PAGES: Final = 5000
_MAX_DEPTH: Final = 40
_EOF: Final = re.compile(rb"%%EOF(?:\r\n|\r|\n)?")
_HIDDEN_FLAGS: Final = 0b10_0010
Rectangle = tuple[float, float, float, float]
Key = tuple[int, int]


class History:
    """Numbers and ends of the saved states, by cross-reference section."""

    def __init__(self, reader: PdfFileReader, data: bytes) -> None:
        """Find where each state ends.

        Args:
            reader: The file, open.
            data: Its bytes.
        """
        self._ends: list[int] = []
        reached = 0
        for section in range(reader.xrefs.total_revisions):
            info = reader.xrefs.get_xref_container_info(section)
            reached = max(reached, info.end_location)
            mark = _EOF.search(data, reached)
            reached = mark.end() if mark is not None else len(data)
            self._ends.append(reached)
            # The next section of a linearised file lies before this end: the same state.
            reached = max(reached - len(mark.group()), 0) if mark is not None else reached
        self._numbers = {end: n for n, end in enumerate(sorted(set(self._ends)), start=1)}

    def number(self, section: int) -> int:
        """Return the state a section belongs to, from 1."""
        return self._numbers[self._ends[section]] if section < len(self._ends) else 0

    @property
    def states(self) -> tuple[tuple[int, int], ...]:
        """Return number and end of every state, oldest first."""
        return tuple((n, end) for end, n in sorted(self._numbers.items()))


def key_of(value: Any) -> Key | None:
    """Return number and generation of a reference, None for anything else."""
    if isinstance(value, generic.IndirectObject | generic.Reference):
        return value.idnum, value.generation
    return None


def raw(holder: Any, name: str) -> Any:
    """Return an entry without following its reference, None when there is none."""
    try:
        return holder.raw_get(name)
    except Exception:  # noqa: BLE001 — absent or broken: nothing is told
        return None


def get(holder: Any, name: str) -> Any:
    """Return an entry, None when absent or broken."""
    try:
        return holder[name]
    except Exception:  # noqa: BLE001 — as above
        return None


def pages(root: Any) -> list[tuple[Key | None, Any]]:
    """Return the pages below a catalogue, in order; at most `MAX_PAGES`, broken ones left out."""
    found: list[tuple[Key | None, Any]] = []
    seen: set[Key] = set()
    for item in _leaves(raw(root, "/Pages"), seen, 0):
        found.append(item)
        if len(found) >= MAX_PAGES:
            break
    return found


def _leaves(node: Any, seen: set[Key], depth: int) -> Iterator[tuple[Key | None, Any]]:
    key = key_of(node)
    if key is not None:
        if key in seen:
            return
        seen.add(key)
    try:
        body = node.get_object()
        kids = get(body, "/Kids")
    except Exception:  # noqa: BLE001 — a broken node has no pages
        return
    if isinstance(kids, generic.ArrayObject):
        if depth < _MAX_DEPTH:
            for kid in list.__iter__(kids):
                yield from _leaves(kid, seen, depth + 1)
    elif isinstance(body, generic.DictionaryObject):
        yield key, body


def rectangle_of(holder: Any) -> Rectangle | None:
    """Return where an annotation stands, lower left first; None when it has no extent."""
    try:
        x0, y0, x1, y1 = (round(float(n), 2) for n in holder["/Rect"])
    except Exception:  # noqa: BLE001 — absent or not four numbers
        return None
    rect = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return rect if rect[2] > rect[0] and rect[3] > rect[1] else None


class Places:
    """On which page an annotation stands: asked for several, walked once."""

    def __init__(self, root: Any) -> None:
        """Take a catalogue; nothing is walked before the first question."""
        self._root = root
        self._pages: list[tuple[Key | None, Any]] | None = None
        self._by_annotation: dict[Key, int] | None = None

    @property
    def pages(self) -> list[tuple[Key | None, Any]]:
        """Return the pages, walked once."""
        if self._pages is None:
            self._pages = pages(self._root)
        return self._pages

    def page_of(self, holder: Any, key: Key | None) -> int:
        """Return the page of a widget, from 1; 0 when it is on none."""
        if self._by_annotation is None:
            self._by_annotation = {
                annotation: number
                for number, (_, page) in enumerate(self.pages, start=1)
                for annotation in annotation_keys(page)
            }
        if key is not None and key in self._by_annotation:
            return self._by_annotation[key]
        owner = key_of(raw(holder, "/P"))
        for number, (page_key, _) in enumerate(self.pages, start=1):
            if owner is not None and page_key == owner:
                return number
        return 0

    def widget_of(self, field: Any, key: Key | None) -> tuple[int, Rectangle | None]:
        """Return page and rectangle of a field's first visible widget; 0 and None when invisible.

        Args:
            field: The field's dictionary, perhaps its own widget.
            key: Its object number.
        """
        kids = get(field, "/Kids")
        candidates = [(field, key)]
        if isinstance(kids, generic.ArrayObject):
            candidates += [(get_object(k), key_of(k)) for k in list.__iter__(kids)][:20]
        for widget, widget_key in candidates:
            rect = rectangle_of(widget)
            flags = get(widget, "/F")
            if rect is None or (isinstance(flags, int) and flags & _HIDDEN_FLAGS):
                continue
            number = self.page_of(widget, widget_key)
            if number:
                return number, rect
        return 0, None


def get_object(value: Any) -> Any:
    """Return what a reference names, None when it names nothing."""
    try:
        return value.get_object()
    except Exception:  # noqa: BLE001 — a dangling reference
        return None


def annotation_keys(page: Any) -> tuple[Key, ...]:
    """Return the numbers of a page's annotations, those written in place left out."""
    annotations = get(page, "/Annots")
    if not isinstance(annotations, generic.ArrayObject):
        return ()
    keys = (key_of(a) for a in list.__iter__(annotations))
    return tuple(k for k in keys if k is not None)


# ---------------------------------------------------------------- what the catalogue says


def certification(reader: PdfFileReader) -> str:
    """Return what the certifier permits: `P1`, `P2`, `P3`, or "" for no certification."""
    try:
        certifying = reader.root["/Perms"]["/DocMDP"]
        return transform_level(certifying) or "P2"
    except Exception:  # noqa: BLE001 — no certification, or none that can be read
        return ""


def transform_level(signature: Any) -> str:
    """Return `P1`, `P2` or `P3` of a signature that certifies, "" of one that does not."""
    references = get(signature, "/Reference")
    if not isinstance(references, generic.ArrayObject):
        return ""
    for item in list.__iter__(references):
        reference = get_object(item)
        if get(reference, "/TransformMethod") == "/DocMDP":
            level = get(get(reference, "/TransformParams"), "/P")
            return f"P{level}" if level in {1, 2, 3} else "P2"
    return ""


_WORDS: Final = re.compile(
    rb"/(?:(JavaScript|JS)|(Launch|ImportData|SubmitForm)"
    rb"|(EmbeddedFiles?|Collection|FileAttachment)|(XFA))\b"
)
_KINDS: Final = ("javascript", "launch", "embedded-files", "xfa")


def active_content(data: bytes, root: Any = None) -> tuple[str, ...]:
    """Return what in a file acts or hides: `javascript`, `launch`, `embedded-files`, `xfa`.

    Words in the bytes, and what the catalogue points to even inside compressed objects.

    Args:
        data: The file.
        root: Its catalogue, None when it is not read.
    """
    found = {_KINDS[(match.lastindex or 1) - 1] for match in _WORDS.finditer(data)}
    if root is not None:
        names = get(root, "/Names")
        if get(names, "/JavaScript") is not None or get(root, "/AA") is not None:
            found.add("javascript")
        if get(names, "/EmbeddedFiles") is not None or get(root, "/Collection") is not None:
            found.add("embedded-files")
        if get(root, "/AF") is not None:
            found.add("embedded-files")
        if get(get(root, "/AcroForm"), "/XFA") is not None:
            found.add("xfa")
        found |= _opening(get(root, "/OpenAction"))
    return tuple(sorted(found))


def _opening(action: Any) -> set[str]:
    kinds = {"/JavaScript": "javascript", "/Launch": "launch", "/SubmitForm": "launch"}
    kind = get(action, "/S") if isinstance(action, generic.DictionaryObject) else None
    return {kinds[str(kind)]} if str(kind) in kinds else set()
