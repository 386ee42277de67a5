"""How a PDF's pages look, drawn by PDFium: an independent opinion on what was changed.

Used only when the difference analysis cannot say what a change is. Annotations and form fields are
left out: the analysis judges those. Keeps nothing; a hostile file is the worker process's risk.
"""

from typing import Any, Final

import pypdfium2

MAX_PAGES: Final = 40
_LONGEST_SIDE: Final = 600.0


def page_count(data: bytes) -> int | None:
    """Return the number of pages, None when PDFium cannot open the file."""
    try:
        with pypdfium2.PdfDocument(data) as document:
            return len(document)
    except pypdfium2.PdfiumError:
        return None


def same_look(data: bytes, cut: int) -> bool | None:
    """Tell whether the pages of a file look like those of its first `cut` bytes.

    Returns:
        False when a page was added, removed or looks or reads differently; None when it cannot be
        told (unreadable, or more than `MAX_PAGES` pages that look the same so far).
    """
    try:
        with (
            pypdfium2.PdfDocument(data[:cut]) as before,
            pypdfium2.PdfDocument(data) as after,
        ):
            if len(before) != len(after):
                return False
            for number in range(min(len(after), MAX_PAGES)):
                if _face(before[number]) != _face(after[number]):
                    return False
            return True if len(after) <= MAX_PAGES else None
    except (pypdfium2.PdfiumError, ValueError, MemoryError):
        return None


def _face(page: Any) -> tuple[tuple[float, float], str, bytes]:
    """Return size, text and a small grey picture of one page."""
    width, height = page.get_size()
    scale = _LONGEST_SIDE / max(width, height, 1.0)
    text_page = page.get_textpage()
    text = text_page.get_text_range()
    text_page.close()
    bitmap = page.render(scale=scale, grayscale=True, draw_annots=False, may_draw_forms=False)
    picture = bytes(bitmap.buffer)
    bitmap.close()
    page.close()
    return (width, height), text, picture
