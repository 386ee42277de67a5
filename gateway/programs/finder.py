"""finder: whom a clerk means, by the start of a code or words of a name.

Promises: nobody waits for an index but who asks first; a large one is made in a thread while the
one before still answers, from today's catalogue. Holds an index and nothing else; a crash loses
nothing.
"""

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import Final

from gateway import observe
from gateway.domain.agencysearch import AgencyIndex
from gateway.domain.directory import Agency, Directory
from gateway.programs.catalogue import today
from gateway.programs.context import Context

_LARGE: Final = 5000
"""Up to this many agencies the index is made anew before the question is answered."""


class Finder:
    """Searches the catalogue as it is now."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._index: AgencyIndex | None = None
        self._making: asyncio.Future[AgencyIndex] | None = None

    async def find(self, text: str, *, limit: int, closed: bool = False) -> Sequence[Agency]:
        """Return the agencies a text may mean, best first; closed and locked ones if asked for."""
        directory, day = self._context.directory(), today(self._context)
        index = await self._current(directory)
        found = await asyncio.to_thread(index.find, text, day, limit=limit, closed=closed)
        return _as_of(directory, found, day, closed=closed)

    async def _current(self, directory: Directory) -> AgencyIndex:
        index = self._index
        if index is not None and index.directory is directory:
            return index
        if self._making is None:
            loop = asyncio.get_running_loop()
            self._making = loop.run_in_executor(None, AgencyIndex, directory)
            self._making.add_done_callback(self._made)
        if index is not None and len(directory) > _LARGE:
            return index
        made = await asyncio.shield(self._making)
        return made if made.directory is directory else await self._current(directory)

    def _made(self, making: "asyncio.Future[AgencyIndex]") -> None:
        self._making = None
        if making.cancelled():
            return
        if (failure := making.exception()) is not None:
            observe.program_failed(program="finder", failure=failure, retry_in_s=0)
        else:
            self._index = making.result()


def _as_of(
    directory: Directory, found: Sequence[Agency], day: date, *, closed: bool
) -> Sequence[Agency]:
    """Return what was found as the catalogue has it now: an older index may have answered."""
    current = (directory.get(agency.code) for agency in found)
    return [a for a in current if a is not None and (closed or a.status_on(day) == "active")]
