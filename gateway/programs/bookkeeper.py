"""bookkeeper: keeps the books (search, registers, counts) up with the ledger.

Promises: every document whose rows change is written anew, because every change writes an event
and the sequencer gives events their place in the order of commits: nothing is ever skipped. Entries
and the place they reach are one transaction of the books. A crash brings the last page again. Slow
or broken books hold up nobody but who asks them. Books with years to catch up on are made anew from
the documents themselves (`gateway.programs.booksanew`), half of the time left to others; so are
books of another ledger, as after a restore. Books that an operator had made anew beside them
(`vanlien ledger reindex`) are taken over within a minute. Books that cannot be made anew, as on a
full disk, are tried again by themselves, less and less often, with one alarm: each try reads the
whole ledger.

One page: (1) events behind the mark; (2) whose documents they are about, each once; that somebody
looked is no change; (3) entries from the rows as they are now, in pieces; (4) entries and mark,
together.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from gateway import observe
from gateway.errors import GatewayError
from gateway.ports.books import Books, Entry, Mark, Progress
from gateway.programs.bookkeeping import around, built
from gateway.programs.booksanew import Anew, Step, mark_of
from gateway.programs.context import Context
from gateway.programs.pulse import Pulse

_PAGE: Final = 2000
_PIECE: Final = 200
"""Documents read at once: the loop is everybody's."""

_FAR: Final = 5000
"""Events to read; beyond them going through the documents themselves is the shorter way."""

_LOOKED: Final = frozenset({"viewed", "refused"})
_PERSONS: Final = ("arrival:", "document:")
"""What an act of a person is about, as its event names it (AUD-03)."""

_REST_S: Final = 5.0
_LONGEST_REST_S: Final = 600.0
_MOST_DOUBLED: Final = 8
_LOOK_S: Final = 60.0


class _TakenOverError(Exception):
    """Others made the books anew meanwhile."""


class Bookkeeper:
    """See the module.

    Args:
        context: The ledger, the catalogue, office hours.
        books: What is kept.
        pulse: Says when an event was placed.
    """

    def __init__(self, context: Context, books: Books, pulse: Pulse) -> None:
        self._context = context
        self._books = books
        self._pulse = pulse
        self._moved = asyncio.Event()
        self._mark: Mark | None = None
        self._making: float | None = None
        self._unmade = 0

    @property
    def rest_s(self) -> float:
        """Return how long it rests after a failure: longer each time books cannot be made anew."""
        return min(_REST_S * 2.0**self._unmade, _LONGEST_REST_S)

    async def run(self) -> None:
        """Follow for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                seen = await self._pulse.mark("event_seq")
                began = loop.time()
                if await self.once():
                    await asyncio.sleep(min(loop.time() - began, _REST_S))
                    continue
                await self._pulse.beyond("event_seq", seen, _LOOK_S)
            except GatewayError as exc:
                rest = self.rest_s
                observe.program_failed(program="bookkeeper", failure=exc, retry_in_s=rest)
                await asyncio.sleep(rest)

    async def caught_up(self, timeout_s: float) -> Progress:
        """Return when the books hold what the ledger holds now, or after a while."""
        wanted = await self._pulse.mark("event_seq")
        if timeout_s <= 0 or self._making is not None:
            return Progress(await self._done(), wanted, self._making)
        self._pulse.wake()  # another node may have written it: nobody waits for the next look
        try:
            async with asyncio.timeout(timeout_s):
                while (done := await self._done()) < wanted:
                    await self._moved.wait()
        except TimeoutError:
            done = await self._done()
        return Progress(done, wanted, self._making)

    async def _done(self) -> int:
        mark = self._mark or await self._books.mark()
        return mark.cursor

    async def once(self) -> bool:
        """Do one page; return whether there was one."""
        if await self._books.adopt():
            self._mark = None
        if self._mark is None:
            self._mark = await self._known()
        after = self._mark
        events = await self._context.ledger.all("books_events", after=after.cursor, limit=_PAGE)
        if not events:
            return False
        changed = {_document_of(row["subject"]) for row in events if row["type"] not in _LOOKED}
        entries, gone = await self.entries(changed)
        mark = mark_of(events[-1])
        if entries or gone:  # else the next ones take the mark with them
            await self._books.put(entries, gone, mark)
        self._mark = mark
        self._moved.set()
        self._moved = asyncio.Event()
        return True

    async def _known(self) -> Mark:
        """Return the mark of the books; of those of another ledger nothing is kept."""
        mark = await self._books.mark()
        if mark.cursor:
            row = await self._context.ledger.one("books_event", seq=mark.cursor)
            if row is not None and mark_of(row) == mark:
                return mark
            await self._books.empty()
        if await self._pulse.mark("event_seq") > _FAR:
            await self.anew()
        return await self._books.mark()

    async def anew(self) -> None:
        """Make the books anew from the documents as they are, leaving half of the time to others.

        Until they are whole, those there are stay in use.
        """
        loop = asyncio.get_running_loop()
        ended = loop.time()

        async def gently(step: Step) -> None:
            nonlocal ended
            self._making = step.share
            if await self._books.adopt():  # somebody at the keyboard was faster
                raise _TakenOverError
            await asyncio.sleep(min(loop.time() - ended, _REST_S))
            ended = loop.time()

        self._making = 0.0
        try:
            await Anew(self._context.ledger, self._context).into(self._books.make(), gently)
            await self._books.adopt()
        except _TakenOverError:
            pass
        except GatewayError as exc:
            self._not_made(exc)
            raise
        finally:
            self._making = None
        if self._unmade:
            self._unmade = 0
            observe.standing_warning(what="books", active=False)

    def _not_made(self, failure: GatewayError) -> None:
        if not self._unmade:
            observe.alarm(what="books not made anew", failure=failure)
            observe.standing_warning(what="books", active=True)
        self._unmade = min(self._unmade + 1, _MOST_DOUBLED)

    async def entries(self, subjects: set[str]) -> tuple[list[Entry], list[str]]:
        """Return what the books are to hold of some subjects, and what not any more."""
        entries: dict[str, Entry] = {}
        gone: list[str] = []
        of = sorted(subjects)
        for first in range(0, len(of), _PIECE):
            found, left = await self._piece(of[first : first + _PIECE])
            entries |= {entry.subject: entry for entry in found}
            gone += left
            await asyncio.sleep(0)
        return list(entries.values()), gone

    async def _piece(self, subjects: Sequence[str]) -> tuple[list[Entry], list[str]]:
        ledger = self._context.ledger
        ids = json.dumps(subjects)
        transfers = await ledger.all("books_transfers", ids=ids)
        wanted = json.dumps(sorted({*subjects, *(row["consignment_id"] for row in transfers)}))
        outgoing = await ledger.all("books_consignments", ids=wanted)
        incoming = await ledger.all("books_arrivals", ids=ids)
        beside = await around(ledger, outgoing, incoming)
        return await asyncio.to_thread(built, self._context, outgoing, incoming, beside)


def _document_of(subject: str) -> str:
    for kind in _PERSONS:
        subject = subject.removeprefix(kind)
    return subject
