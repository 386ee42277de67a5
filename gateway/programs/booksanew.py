"""Books made anew: every document once, straight from the ledger, in the order of its key.

Promises: nothing is missing. The last event is looked at first and becomes the mark; what changes
while we read has a later event and is read again by whoever follows from there. Memory holds one
piece. A crash leaves the ledger untouched and a file nobody reads.

One piece: (1) the next documents sent and received, up to the key that both have been read to;
(2) what other rows say of them; (3) entries, on a thread or in another process; (4) written, while
the next piece is read.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.ports import Ledger, Row
from gateway.ports.books import Entry, Making, Mark
from gateway.programs.bookkeeping import Around, Known, around, built

_PIECE: Final = 500

Build = Callable[
    [Sequence[Row], Sequence[Row], Around], Awaitable[tuple[Sequence[Entry], Sequence[str]]]
]


@dataclass(frozen=True, slots=True)
class Step:
    """How far it is: `done` documents of about `total` are read."""

    done: int
    total: int

    @property
    def share(self) -> float:
        """Return the part that is done."""
        return min(1.0, self.done / self.total) if self.total else 1.0


def mark_of(row: Mapping[str, object]) -> Mark:
    """Return the mark of an event: known again in another ledger by what it was."""
    text = f"{row['seq']} {row['id']} {row['subject']} {row['at']}"
    return Mark(int(str(row["seq"])), zlib.crc32(text.encode()))


class Anew:
    """See the module.

    Args:
        ledger: Where the documents are.
        known: The catalogue, office hours.
        build: Makes entries of rows; on a thread of this process unless said otherwise.
        ahead: Pieces that are built at the same time.
    """

    def __init__(
        self, ledger: Ledger, known: Known, build: Build | None = None, ahead: int = 1
    ) -> None:
        self._ledger = ledger
        self._known = known
        self._build = build or self._here
        self._ahead = ahead

    async def into(self, making: Making, stepped: Callable[[Step], Awaitable[None]]) -> int:
        """Write every document; return how many were read.

        Raises:
            UnavailableError: The ledger cannot be read, or the books cannot be written.
        """
        building: list[asyncio.Future[tuple[Sequence[Entry], Sequence[str]]]] = []
        try:
            mark = await self._last_event()
            total = await self._ledger.one("books_total")
            done, many = 0, int(total["n"]) if total is not None else 0
            async for outgoing, incoming in self._pieces():
                beside = await around(self._ledger, outgoing, incoming)
                building.append(asyncio.ensure_future(self._build(outgoing, incoming, beside)))
                if len(building) > self._ahead:
                    await making.add((await building.pop(0))[0])
                done += len(outgoing) + len(incoming)
                await stepped(Step(done, max(many, done)))
            while building:
                await making.add((await building.pop(0))[0])
            await making.done(mark)
        finally:
            for task in building:
                task.cancel()
            await asyncio.gather(*building, return_exceptions=True)
            await making.drop()
        return done

    async def _here(
        self, outgoing: Sequence[Row], incoming: Sequence[Row], beside: Around
    ) -> tuple[Sequence[Entry], Sequence[str]]:
        return await asyncio.to_thread(built, self._known, outgoing, incoming, beside)

    async def _last_event(self) -> Mark:
        row = await self._ledger.one("meta", key="event_seq")
        if row is None:
            return Mark(0)
        event = await self._ledger.one("books_event", seq=int(row["value"]))
        return Mark(0) if event is None else mark_of(event)

    async def _pieces(self) -> AsyncIterator[tuple[Sequence[Row], Sequence[Row]]]:
        """Yield the documents in the order of their keys, those sent beside those received."""
        sent, received = (
            _Reading(self._ledger, "books_all_consignments"),
            _Reading(self._ledger, "books_all_arrivals"),
        )
        while True:
            await sent.fill()
            await received.fill()
            upto = min(sent.upto, received.upto)
            outgoing, incoming = sent.taken(upto), received.taken(upto)
            if not outgoing and not incoming:
                return
            yield outgoing, incoming


class _Reading:
    """One table, read by its key."""

    def __init__(self, ledger: Ledger, query: str) -> None:
        self._ledger, self._query = ledger, query
        self._rows: list[Row] = []
        self._after = ""
        self._ended = False

    async def fill(self) -> None:
        if len(self._rows) >= _PIECE or self._ended:
            return
        rows = await self._ledger.all(self._query, after=self._after, limit=_PIECE)
        self._ended = len(rows) < _PIECE
        self._rows += rows
        if rows:
            self._after = rows[-1]["id"]

    @property
    def upto(self) -> str:
        """Return the key everything before which was read."""
        return "\U0010ffff" if self._ended else self._after

    def taken(self, upto: str) -> list[Row]:
        """Return what was read up to a key; it is not returned again."""
        many = sum(row["id"] <= upto for row in self._rows)
        taken, self._rows = self._rows[:many], self._rows[many:]
        return taken
