"""How a PDF's pages look, drawn by PDFium: an independent opinion on what was changed.

Used only when the difference analysis cannot say what a change is. Annotations and form fields are
left out: the analysis judges those. Keeps the answers of the last few files; a hostile file is the
worker process's risk.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pypdfium2

MAX_PAGES: Final = 40
_LONGEST_SIDE: Final = 600.0
_REMEMBERED: Final = 8
_FINE_SCALE: Final = 1.5
_FINE_SIDE: Final = 2400.0
_MOST_HIDDEN: Final = 10
_MARGIN: Final = 4.0
Box = tuple[float, float, float, float]
_DARK: Final = bytes(1 if grey < 110 else 0 for grey in range(256))
_LIGHT: Final = bytes(1 if grey > 160 else 0 for grey in range(256))


@dataclass(frozen=True, slots=True)
class Comparison:
    """The pages of a file beside those of its beginning.

    Args:
        alike: They look and read the same; None when it cannot be told.
        pages: Pages that differ, from 1; empty when their number differs.
    """

    alike: bool | None
    pages: tuple[int, ...] = ()


_known: OrderedDict[tuple[bytes, int], Comparison] = OrderedDict()


def page_count(data: bytes) -> int | None:
    """Return the number of pages, None when PDFium cannot open the file."""
    try:
        with pypdfium2.PdfDocument(data) as document:
            return len(document)
    except pypdfium2.PdfiumError:
        return None


def page_text(data: bytes) -> tuple[int, str] | None:
    """Return the number of pages and the text of the first `MAX_PAGES`, None when unreadable."""
    try:
        with pypdfium2.PdfDocument(data) as document:
            shown = range(min(len(document), MAX_PAGES))
            return len(document), "\f".join(_text(document[n]) for n in shown)
    except (pypdfium2.PdfiumError, ValueError, MemoryError):
        return None


def same_look(data: bytes, cut: int) -> bool | None:
    """Tell whether the pages of a file look like those of its first `cut` bytes.

    Returns:
        False when a page was added, removed or looks or reads differently; None when it cannot be
        told (unreadable, or more than `MAX_PAGES` pages that look the same so far).
    """
    return compared(data, cut).alike


def compared(data: bytes, cut: int) -> Comparison:
    """Compare the pages of a file with those of its first `cut` bytes, once a file and cut."""
    key = (hashlib.sha256(data).digest(), cut)
    known = _known.get(key)
    if known is None:
        known = _known[key] = _compared(data, cut)
        while len(_known) > _REMEMBERED:
            _known.popitem(last=False)
    return known


def _compared(data: bytes, cut: int) -> Comparison:
    try:
        with (
            pypdfium2.PdfDocument(data[:cut]) as before,
            pypdfium2.PdfDocument(data) as after,
        ):
            if len(before) != len(after):
                return Comparison(alike=False)
            numbers = range(min(len(after), MAX_PAGES))
            differ = tuple(n + 1 for n in numbers if _face(before[n]) != _face(after[n]))
            if differ:
                return Comparison(alike=False, pages=differ)
            return Comparison(alike=True if len(after) <= MAX_PAGES else None)
    except (pypdfium2.PdfiumError, ValueError, MemoryError):
        return Comparison(alike=None)


def words_hidden(data: bytes, cut: int, places: Mapping[int, Box | None]) -> bool | None:
    """Tell whether annotations hide what the pages of a file's first `cut` bytes showed.

    What a page itself shows, annotations left out, must still be seen under those of the present
    state: a transparent seal over a name lets it through, a white one over an amount does not.

    Args:
        data: The whole file.
        cut: End of the signed state.
        places: The pages asked about, from 0, and the box that holds all their annotations in
            the present state, None for the whole page: outside it nothing is hidden.

    Returns:
        None when it cannot be told.
    """
    if len(places) > MAX_PAGES:
        return None
    try:
        with (
            pypdfium2.PdfDocument(data[:cut]) as before,
            pypdfium2.PdfDocument(data) as after,
        ):
            # Widgets are only drawn with the form.
            before.init_forms()
            after.init_forms()
            return any(_hides(before, after, number, box) for number, box in places.items())
    except (pypdfium2.PdfiumError, ValueError, MemoryError):
        return None


def _hides(before: Any, after: Any, number: int, box: Box | None) -> bool:
    words = _ink(before[number], box, annotations=False)
    if words.bit_count() <= _MOST_HIDDEN:
        return False  # nothing stood there
    hidden = words & _ink(after[number], box, annotations=True, dark=False)
    if hidden.bit_count() <= _MOST_HIDDEN:
        return False
    # What annotations hid already when it was signed was never seen.
    hidden &= _ink(before[number], box, annotations=True)
    return hidden.bit_count() > _MOST_HIDDEN


def _ink(page: Any, box: Box | None, *, annotations: bool, dark: bool = True) -> int:
    """Return the dark points of a page's box, or its light ones, as the bits of a number."""
    width, height = page.get_size()
    scale = min(_FINE_SCALE, _FINE_SIDE / max(width, height, 1.0))
    bitmap = page.render(
        scale=scale,
        grayscale=True,
        draw_annots=annotations,
        may_draw_forms=annotations,
        crop=_crop(page, box),
    )
    points = bytes(bitmap.buffer).translate(_DARK if dark else _LIGHT)
    bitmap.close()
    page.close()
    return int.from_bytes(points, "big")


def _crop(page: Any, box: Box | None) -> Box:
    """Return what may be cut off a page; nothing of one that is turned or does not begin at 0."""
    width, height = page.get_size()
    whole = (0.0, 0.0, 0.0, 0.0)
    frame = tuple(page.get_cropbox())
    if box is None or page.get_rotation() or frame[:2] != (0, 0):
        return whole
    if abs(frame[2] - width) > 1 or abs(frame[3] - height) > 1:
        return whole
    left, bottom = max(box[0] - _MARGIN, 0.0), max(box[1] - _MARGIN, 0.0)
    right, top = max(width - box[2] - _MARGIN, 0.0), max(height - box[3] - _MARGIN, 0.0)
    if left + right > width - _MARGIN or bottom + top > height - _MARGIN:
        return whole
    return left, bottom, right, top


def _text(page: Any) -> str:
    text_page = page.get_textpage()
    text: str = text_page.get_text_range()
    text_page.close()
    page.close()
    return text


def _face(page: Any) -> tuple[tuple[float, float], str, bytes]:
    """Return size, text and a small grey picture of one page."""
    width, height = page.get_size()
    scale = _LONGEST_SIDE / max(width, height, 1.0)
    text_page = page.get_textpage()
    text = text_page.get_text_range()
    text_page.close()
    bitmap = page.render(scale=scale, grayscale=True, draw_annots=False, may_draw_forms=False)
    picture = hashlib.sha256(bytes(bitmap.buffer)).digest()
    bitmap.close()
    page.close()
    return (width, height), text, picture
