"""Pictures of pages with signatures: what is asked of the renderer and what comes back.

Pure values between the process that draws and the report that shows; nothing is drawn here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.trust.report import VerificationReport

MAX_PAGES: Final = 6
"""Pages drawn of one file at most: a report is a glance, not a copy of the document."""

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One signature to be shown: its index in the report, its page (from 1), its rectangle."""

    signature: int
    page: int
    rectangle: Rectangle | None


@dataclass(frozen=True, slots=True)
class PagePicture:
    """One page as PNG, size in pixels."""

    png: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pages by number, and where on its page each signature stands.

    Args:
        pages: By page number, from 1.
        marks: By index of the signature: left, top, width, height in pixels of its page.
    """

    pages: Mapping[int, PagePicture] = field(default_factory=dict)
    marks: Mapping[int, Rectangle] = field(default_factory=dict)


NO_PICTURES: Final = Pictures()


def wanted(report: VerificationReport) -> tuple[Wanted, ...]:
    """Return what to draw for a report: every visible signature of the first few pages."""
    pages: set[int] = set()
    found: list[Wanted] = []
    for index, signature in enumerate(report.signatures):
        page = signature.page
        if page < 1 or (page not in pages and len(pages) >= MAX_PAGES):
            continue
        pages.add(page)
        found.append(Wanted(index, page, signature.rectangle))
    return tuple(found)
