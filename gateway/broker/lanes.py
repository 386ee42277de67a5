"""In-process lanes: ids by topic, urgent first, with workers reserved for urgent ones.

Promises only order and delivery inside this process. Losing them loses nothing: every id is also a
row that the janitor finds again.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.ports import Wanted

LANES: Final = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """An id taken from a lane; the ledger knows whether its work was done."""

    ref: str

    async def done(self) -> None:
        """Nothing is kept here, so nothing is acknowledged."""


class Lanes:
    """Topics of five lanes each; lane 4 (hẹn giờ) goes first, lane 0 (thường) last (rules C1)."""

    def __init__(self) -> None:
        self._queues: dict[str, tuple[deque[str], ...]] = {}
        self._queued: dict[str, set[str]] = {}
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[str]]]] = {}

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        """Queue ids; an id already queued in its topic is not queued twice."""
        for one in wanted:
            self._queue(one.topic, one.ref, one.lane)

    async def take(self, topic: str, *, lowest: int = 0) -> Taken:
        """Return the most urgent id of a topic, waiting for one in lane `lowest` or above."""
        for lane in range(LANES - 1, lowest - 1, -1):
            queue = self._lanes(topic)[lane]
            if queue:
                ref = queue.popleft()
                self._queued[topic].discard(ref)
                return Taken(ref)
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, deque()).append((lowest, future))
        return Taken(await future)

    def depth(self) -> dict[tuple[str, int], int]:
        """Return how many ids wait, by topic and lane."""
        return {
            (topic, lane): len(queue)
            for topic, queues in self._queues.items()
            for lane, queue in enumerate(queues)
        }

    async def close(self) -> None:
        """Nothing to let go of."""

    def _queue(self, topic: str, ref: str, lane: int) -> None:
        queued = self._queued.setdefault(topic, set())
        if ref in queued:
            return
        waiting = self._waiting.get(topic)
        if waiting:
            for _ in range(len(waiting)):
                low, future = waiting.popleft()
                if future.done():
                    continue
                if low <= lane:
                    future.set_result(ref)
                    return
                waiting.append((low, future))
        queued.add(ref)
        self._lanes(topic)[lane].append(ref)

    def _lanes(self, topic: str) -> tuple[deque[str], ...]:
        queues = self._queues.get(topic)
        if queues is None:
            queues = self._queues[topic] = tuple(deque() for _ in range(LANES))
            self._queued.setdefault(topic, set())
        return queues
