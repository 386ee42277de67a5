"""An event loop with a clock of its own and a seeded order: the same seed, the same history.

Time stands still while anything is ready and jumps to the next timer when nothing is. Of several
ready callbacks a seeded one runs next, so that tasks overtake each other as on a busy machine. There
are no threads, no sockets and no signals; what asks for a thread runs at once, in place.
"""

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context, copy_context
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


class _Handle:
    """A callback that is going to run."""

    __slots__ = ("args", "callback", "context", "gone")

    def __init__(self, callback: Any, args: tuple[Any, ...], context: Context) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def run(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            self.context.run(self.callback, *self.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:  # noqa: BLE001 - as asyncio does
            message = f"Exception in callback {self.callback!r}"
            loop.call_exception_handler({"message": message, "exception": exc})


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
        self._busy_since = 0
        self._serial = 0
        self._timers: list[tuple[float, int, _Handle]] = []
        self.strayed: list[str] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.set_exception_handler(self._stray)

    def time(self) -> float:
        return self._now

    # As in asyncio, without what looks for mistakes of callers: nothing is called more often.

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context or copy_context())
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = _Handle(callback, args, context or copy_context())
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, handle))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _stray(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep what nobody caught: a simulation that swallows it would prove nothing."""
        failure = context.get("exception")
        self.strayed.append(f"{context.get('message', '')}: {failure!r}")

    def _run_once(self) -> None:
        """Run what is ready until somebody stops the loop."""
        ready, timers, random, shuffle = self._ready, self._timers, self._random, self._shuffle
        while not self._stopping:
            if not ready:
                while timers and timers[0][2].gone:
                    heapq.heappop(timers)
                if not timers:
                    raise Deadlock
                self._now = max(self._now, timers[0][0])
                self._busy_since = self.steps
            while timers and timers[0][0] <= self._now:
                ready.append(heapq.heappop(timers)[2])
            if len(ready) > 1 and random.random() < shuffle:
                ready.rotate(-random.randrange(len(ready)))
            handle = ready.popleft()
            self.steps += 1
            if self.steps - self._busy_since > _BUSY_STEPS:
                raise Livelock
            if not handle.gone:
                handle.run(self)

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
