"""FakeFeeds: `ports.Feeds` in memory, for doors that bring things. What it offers is `offer`ed."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from gateway.errors import Reason, RejectedError
from gateway.ports import InboxItem, Offer, Place

_AT = datetime(2026, 11, 22, 6, tzinfo=UTC)


class FakeFeeds:
    def __init__(self) -> None:
        self.items: list[InboxItem] = []
        self.places: dict[str, Place] = {}
        self.rewound: list[tuple[str, int, str, str]] = []
        self._basis: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._more = asyncio.Condition()

    async def offer(self, *items: InboxItem) -> None:
        async with self._more:
            self.items += items
            self._more.notify_all()

    def _mark(self) -> int:
        return max((item.cursor for item in self.items), default=0)

    async def place(self, consumer: str) -> Place:
        mark = self._mark()
        return self.places.setdefault(consumer, Place(consumer, mark, mark, _AT))

    async def after(
        self, consumer: str, agencies: Collection[str], *, limit: int
    ) -> Sequence[Offer]:
        place = await self.place(consumer)
        self._basis[consumer], self._seen[consumer] = place.cursor, self._mark()
        found = [i for i in self.items if i.cursor > place.cursor and i.recipient in agencies]
        found.sort(key=lambda item: item.cursor)
        return [Offer(item, item.cursor <= place.highest) for item in found[:limit]]

    async def advance(self, consumer: str, cursor: int) -> None:
        place = await self.place(consumer)
        if place.cursor == self._basis.get(consumer, place.cursor) and cursor > place.cursor:
            self.places[consumer] = Place(consumer, cursor, max(cursor, place.highest), _AT)
            self._basis[consumer] = cursor

    async def rewind(self, consumer: str, cursor: int, *, by: str, reason: str) -> Place:
        place = await self.place(consumer)
        if not 0 <= cursor <= place.cursor:
            raise RejectedError(Reason.BAD_REQUEST)
        self.places[consumer] = Place(consumer, cursor, place.highest, _AT)
        self.rewound.append((consumer, cursor, by, reason))
        async with self._more:
            self._seen.pop(consumer, None)
            self._more.notify_all()
        return self.places[consumer]

    async def changed(self, consumer: str, timeout_s: float) -> None:
        async with self._more:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._more.wait_for(lambda: self._seen.get(consumer) != self._mark())
            except TimeoutError:
                return
