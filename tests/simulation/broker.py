"""A broker shared by the nodes of a house, and a watch over who is served first.

The shared one behaves as a queue server does: what a dead node took and did not acknowledge comes
again, and the whole may be lost. `UrgentFirst` holds either broker to its promise.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.broker.shelf import LANES
from gateway.ports import Wanted
from tests.simulation.life import LIFE


@dataclass(eq=False)
class _Held:
    broker: "SharedBroker"
    topic: str
    ref: str
    lane: int
    life: Any

    async def done(self) -> None:
        self.broker.unacked.pop(self, None)


class SharedBroker:
    """Lanes of their own for each topic; takers of any node."""

    def __init__(self) -> None:
        self._queues: dict[str, tuple[deque[str], ...]] = {}
        self._waiting: dict[str, list[tuple[int, Any, asyncio.Future[_Held]]]] = {}
        self.unacked: dict[_Held, None] = {}

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            self._queue(one.topic, one.ref, one.lane)

    async def take(self, topic: str, *, lowest: int = 0) -> _Held:
        life = LIFE.get()
        for lane in range(LANES - 1, lowest - 1, -1):
            queue = self._lanes(topic)[lane]
            if queue:
                return self._hand(topic, queue.popleft(), lane, life)
        future: asyncio.Future[_Held] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(topic, []).append((lowest, life, future))
        try:
            return await future
        except asyncio.CancelledError:
            # Given, and gone before coming for it: somebody else gets it.
            if future.done() and not future.cancelled():
                self._again(future.result())
            raise

    def _again(self, held: _Held) -> None:
        if held in self.unacked:
            del self.unacked[held]
            self._queue(held.topic, held.ref, held.lane)

    def died(self, life: Any) -> None:
        """What it held comes again."""
        for held in [h for h in self.unacked if h.life is life]:
            self._again(held)

    def lose(self) -> None:
        """Forget everything, as a wiped server does; who waits goes on waiting."""
        self._queues.clear()
        self.unacked.clear()

    def depth(self) -> dict[tuple[str, int], int]:
        return {
            (topic, lane): len(queue)
            for topic, queues in self._queues.items()
            for lane, queue in enumerate(queues)
        }

    async def close(self) -> None:
        pass

    def _hand(self, topic: str, ref: str, lane: int, life: Any) -> _Held:
        held = _Held(self, topic, ref, lane, life)
        self.unacked[held] = None
        return held

    def _queue(self, topic: str, ref: str, lane: int) -> None:
        if any(ref in queue for queue in self._lanes(topic)):
            return
        waiting = self._waiting.get(topic, [])
        waiting[:] = [w for w in waiting if not w[2].done() and (w[1] is None or w[1].alive)]
        for taker in waiting:
            lowest, life, future = taker
            if lowest <= lane:
                waiting.remove(taker)
                future.set_result(self._hand(topic, ref, lane, life))
                return
        self._lanes(topic)[lane].append(ref)

    def _lanes(self, topic: str) -> tuple[deque[str], ...]:
        lanes = self._queues.get(topic)
        if lanes is None:
            lanes = self._queues[topic] = tuple(deque() for _ in range(LANES))
        return lanes


class UrgentFirst:
    """Watches a broker: who asks while something more urgent waits must be given that.

    Nothing is said of who asked before it came; reserved takers are there for that. It knows only
    what surely waits: what was published while nobody asked.
    """

    def __init__(self, inner: Any, violate: Callable[[str, str], None]) -> None:
        self._inner = inner
        self._violate = violate
        self._known: dict[str, dict[str, int]] = {}
        self._asking: dict[str, list[tuple[int, Any]]] = {}

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            known = self._known.setdefault(one.topic, {})
            asking = self._asking.setdefault(one.topic, [])
            asking[:] = [ask for ask in asking if ask[1] is None or ask[1].alive]
            if not any(lowest <= one.lane for lowest, _ in asking):
                known.setdefault(one.ref, one.lane)
        await self._inner.publish(wanted)

    async def take(self, topic: str, *, lowest: int = 0) -> Any:
        known = self._known.setdefault(topic, {})
        first = max(known.values(), default=-1)
        asking = self._asking.setdefault(topic, [])
        ask = (lowest, LIFE.get())
        asking.append(ask)
        try:
            work = await self._inner.take(topic, lowest=lowest)
        finally:
            if ask in asking:
                asking.remove(ask)
        lane = known.pop(work.ref, None)
        if lane is not None and lane < max(first, lowest):
            self._violate("urgent-first", f"{topic}: lane {lane} was served while {first} waited")
        return work

    def lose(self) -> None:
        """Forget everything with the broker."""
        self._known.clear()
        self._inner.lose()

    def depth(self) -> Any:
        return self._inner.depth()

    async def close(self) -> None:
        await self._inner.close()
