"""In-process lanes: ids by topic, urgent first, with workers reserved for urgent ones.

Promises only order and delivery inside this process. Losing them loses nothing: every id is also a
row that the janitor finds again.
"""

import asyncio
from collections import deque
from typing import Final

LANES: Final = 5


class Lanes:
    """Topics of five lanes each; lane 4 (hẹn giờ) goes first, lane 0 (thường) last (rules C1)."""

    def __init__(self) -> None:
        self._queues: dict[str, tuple[deque[str], ...]] = {}
        self._queued: dict[str, set[str]] = {}
        self._waiting: dict[str, deque[tuple[int, asyncio.Future[str]]]] = {}

    def publish(self, topic: str, ref: str, lane: int) -> None:
        """Queue an id; an id already queued in the topic is not queued twice."""
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

    async def take(self, topic: str, *, lowest: int = 0) -> str:
        """Return the most urgent id of a topic, waiting for one in lane `lowest` or above."""
        for lane in range(LANES - 1, lowest - 1, -1):
            queue = self._lanes(topic)[lane]
            if queue:
                ref = queue.popleft()
                self._queued[topic].discard(ref)
                return ref
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, deque()).append((lowest, future))
        return await future

    def depth(self) -> dict[tuple[str, int], int]:
        """Return how many ids wait, by topic and lane."""
        return {
            (topic, lane): len(queue)
            for topic, queues in self._queues.items()
            for lane, queue in enumerate(queues)
        }

    def _lanes(self, topic: str) -> tuple[deque[str], ...]:
        queues = self._queues.get(topic)
        if queues is None:
            queues = self._queues[topic] = tuple(deque() for _ in range(LANES))
            self._queued.setdefault(topic, set())
        return queues
