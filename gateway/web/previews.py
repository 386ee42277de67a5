"""Pages of stored files as pictures: what persons look at instead of a stranger's file.

Promises: the file is read by a process of its own only, under limits of time and memory; a picture
that cannot be had comes with the reason; what is kept in memory is bounded; nothing stays on disk.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from gateway.ports import Packet
from gateway.trust.pictures import PagePicture
from gateway.web.scratch import Scratch

WIDTH: Final = 1000
"""Pixels across: A4 is read without a glass."""

MAX_FILE_BYTES: Final = 64 << 20
MAX_PAGE: Final = 500
_KEPT_BYTES: Final = 32 << 20
_AT_ONCE: Final = 4
_HEAD: Final = 1024
_PDF: Final = b"%PDF-"

Why = Literal["", "not-pdf", "too-large", "no-such-page", "not-drawn"]


@dataclass(frozen=True, slots=True)
class Preview:
    """One page, or why there is no picture of it.

    Args:
        pages: Pages of the file, 0 when not known.
        picture: The page, None for none.
        why: Why there is none.
    """

    pages: int = 0
    picture: PagePicture | None = None
    why: Why = ""


class PagePainter(Protocol):
    """Draws one page; `gateway.verifier.pictures.PageRenderer` does."""

    async def page(self, path: Path, number: int, width: int) -> tuple[int, PagePicture | None]:
        """Return the count of pages, 0 for a file that cannot be read, and the picture."""
        ...


class Previews:
    """Draws pages, and keeps the last few megabytes of them.

    Args:
        painter: Draws.
        scratch: Where a file lies meanwhile.
    """

    def __init__(self, painter: PagePainter, scratch: Scratch) -> None:
        self._painter = painter
        self._scratch = scratch
        self._kept: OrderedDict[tuple[str, int], Preview] = OrderedDict()
        self._bytes = 0
        # A file lies in the scratch folder while its page is drawn: only so many at a time.
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def page(self, packet: Packet, number: int) -> Preview:
        """Return one page of a file, from 1.

        Args:
            packet: The file; its stream is opened only when the page is not at hand.
            number: The page.
        """
        if not 1 <= number <= MAX_PAGE:
            return Preview(why="no-such-page")
        if packet.size_bytes > MAX_FILE_BYTES:
            return Preview(why="too-large")
        key = (packet.sha256, number)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        async with self._room:
            found = await self._drawn(packet, number)
        if found.picture is not None:
            self._keep(key, found)
        return found

    async def _drawn(self, packet: Packet, number: int) -> Preview:
        with self._scratch.file() as path:
            await spool(path, packet.chunks)
            with path.open("rb") as file:
                if _PDF not in file.read(_HEAD):
                    return Preview(why="not-pdf")
            count, picture = await self._painter.page(path, number, WIDTH)
        if picture is not None:
            return Preview(count, picture)
        return Preview(count, why="no-such-page" if 0 < count < number else "not-drawn")

    def _keep(self, key: tuple[str, int], found: Preview) -> None:
        if found.picture is None:
            return
        before = self._kept.pop(key, None)
        self._bytes += len(found.picture.png) - _size(before)
        self._kept[key] = found
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            _, gone = self._kept.popitem(last=False)
            self._bytes -= _size(gone)


def _size(found: Preview | None) -> int:
    return len(found.picture.png) if found is not None and found.picture is not None else 0


async def spool(path: Path, chunks: AsyncIterator[bytes]) -> None:
    """Write a stream to a file; not durable."""
    with path.open("wb") as file:
        async for chunk in chunks:
            file.write(chunk)
