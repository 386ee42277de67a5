"""A shelf of five lanes in memory: the most urgent item first, within a lane the flows in turn.

What stands between a source of items and the workers who take them, in one event loop. Promises
that an item goes to one taker, and that a taker who left before it got one leaves it to another.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

LANES: Final = 5
T = TypeVar("T")


class _Lane(Generic[T]):
    """Items of one lane, flow by flow in turn: a long flow does not hide a short one."""

    def __init__(self) -> None:
        self._flows: OrderedDict[str, deque[T]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, flow: str, item: T) -> None:
        self._flows.setdefault(flow, deque()).append(item)
        self._count += 1

    def put_back(self, flow: str, item: T) -> None:
        self._flows.setdefault(flow, deque()).appendleft(item)
        self._flows.move_to_end(flow, last=False)
        self._count += 1

    def pop(self) -> T:
        flow, items = self._flows.popitem(last=False)
        item = items.popleft()
        self._count -= 1
        if items:
            self._flows[flow] = items  # behind the others
        return item

    def drop(self, gone: Callable[[T], bool]) -> None:
        kept = [(flow, item) for flow, items in self._flows.items() for item in items]
        self._flows.clear()
        self._count = 0
        for flow, item in kept:
            if not gone(item):
                self.put(flow, item)


@dataclass(frozen=True, slots=True)
class _Given(Generic[T]):
    """An item handed to somebody who has not come for it yet."""

    lane: int
    flow: str
    item: T


class Shelf(Generic[T]):
    """Lane 4 (hẹn giờ) goes first, lane 0 (thường) last (rules C1)."""

    def __init__(self) -> None:
        self._lanes: tuple[_Lane[T], ...] = tuple(_Lane() for _ in range(LANES))
        self._waiting: deque[tuple[int, asyncio.Future[_Given[T]]]] = deque()

    @property
    def takers(self) -> int:
        """How many wait for an item."""
        return sum(not future.done() for _, future in self._waiting)

    @property
    def hungry(self) -> int:
        """The lowest lane somebody waits for; LANES when nobody waits."""
        return min((low for low, future in self._waiting if not future.done()), default=LANES)

    def put(self, lane: int, item: T, flow: str = "") -> None:
        """Give an item to whoever waits for its lane, else keep it, behind the others."""
        if not self._give(_Given(lane, flow, item)):
            self._lanes[lane].put(flow, item)

    async def take(self, lowest: int = 0) -> T:
        """Return the most urgent item, waiting for one in lane `lowest` or above."""
        for lane in range(LANES - 1, lowest - 1, -1):
            if self._lanes[lane]:
                return self._lanes[lane].pop()
        future: asyncio.Future[_Given[T]] = asyncio.get_running_loop().create_future()
        wish = (lowest, future)
        self._waiting.append(wish)
        try:
            return (await future).item
        except asyncio.CancelledError:
            with suppress(ValueError):
                self._waiting.remove(wish)
            if future.done() and not future.cancelled():
                # Given to one who had just left: back to the front, or to another who waits.
                given = future.result()
                if not self._give(given):
                    self._lanes[given.lane].put_back(given.flow, given.item)
            raise

    def depths(self) -> tuple[int, ...]:
        """Return how many items lie in each lane."""
        return tuple(len(lane) for lane in self._lanes)

    def drop(self, gone: Callable[[T], bool]) -> None:
        """Throw away what is worth nothing any more."""
        for lane in self._lanes:
            lane.drop(gone)

    def _give(self, given: _Given[T]) -> bool:
        for index, (lowest, future) in enumerate(self._waiting):
            if lowest <= given.lane and not future.done():
                del self._waiting[index]
                future.set_result(given)
                return True
        return False
