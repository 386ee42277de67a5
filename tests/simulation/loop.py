"""An event loop with a clock of its own and a seeded order: the same seed, the same history.

Time stands still while anything is ready and jumps to the next timer when nothing is. Of several
ready callbacks a seeded one runs next, so that tasks overtake each other as on a busy machine. There
are no threads, no sockets and no signals; what asks for a thread runs at once, in place.
"""

import asyncio
import heapq
from collections.abc import Callable
from random import Random
from typing import Any

_BUSY_STEPS = 50_000
"""Steps in one instant after which it is no longer work."""


class Deadlock(Exception):  # noqa: N818 - it is what happened
    """Nothing is ready and no timer runs: everybody waits for somebody."""


class Livelock(Exception):  # noqa: N818 - it is what happened
    """Time stands still and somebody never stops being busy."""


class _Nowhere:
    """The selector of a loop that hears nothing from outside."""

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """See the module.

    Args:
        random: Chooses what runs next.
        shuffle: How often it is not the first in line, 0 to 1.
    """

    def __init__(self, random: Random, *, shuffle: float = 1.0) -> None:
        super().__init__()
        self._random = random
        self._shuffle = shuffle
        self._now = 0.0
        self._selector = _Nowhere()
        self._clock_resolution = 1e-9
        self.steps = 0
        self._busy_since = (0.0, 0)
        self.strayed: list[str] = []
        self.set_exception_handler(self._stray)

    def time(self) -> float:
        return self._now

    # The same as in asyncio, without what looks for mistakes of callers: it is called most.

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return timer

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _stray(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what nobody caught: a simulation that swallows it would prove nothing."""
        failure = context.get("exception")
        self.strayed.append(f"{context.get('message', '')}: {failure!r}")

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        while timers and timers[0]._cancelled:
            heapq.heappop(timers)._scheduled = False
        if not ready:
            if not timers:
                raise Deadlock
            self._now = max(self._now, timers[0]._when)
        while timers and timers[0]._when <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False
            ready.append(timer)
        if len(ready) > 1 and self._random.random() < self._shuffle:
            ready.rotate(-self._random.randrange(len(ready)))
        handle = ready.popleft()
        self.steps += 1
        if self._now != self._busy_since[0]:
            self._busy_since = (self._now, self.steps)
        elif self.steps - self._busy_since[1] > _BUSY_STEPS:
            raise Livelock
        if not handle._cancelled:
            handle._run()

    def run_in_executor(
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run it here and now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as exc:  # noqa: BLE001 - it belongs to who waits
            future.set_exception(exc)
        return future

    call_soon_threadsafe = call_soon

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass
