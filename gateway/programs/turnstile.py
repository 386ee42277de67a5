"""turnstile: stands between the lanes and the workers, so that a node can be brought to rest.

Closed, nobody gets new work; what was taken goes on to its end and is acknowledged. Lanes that are
away are waited for: no worker ends because they are, and what could not be acknowledged comes
again. Nothing is kept here: whoever was waiting waits again when it opens, and a crash leaves what
the lanes leave.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence

from gateway.errors import UnavailableError
from gateway.ports import Broker, Wanted, Work
from gateway.programs.patience import Patience


class Turnstile:
    """A broker that can be closed for takers.

    Args:
        inner: The lanes behind it.
        random: From 0 to 1.
    """

    def __init__(self, inner: Broker, random: Callable[[], float] = random.random) -> None:
        self._inner = inner
        self._patience = Patience("lanes", random)
        self._open = asyncio.Event()
        self._open.set()
        self._taking: set[asyncio.Future[Work]] = set()
        self._busy = 0
        self._left = asyncio.Event()

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        """Queue ids, open or closed."""
        await self._inner.publish(wanted)

    async def take(self, topic: str, *, lowest: int = 0) -> Work:
        """Return the most urgent id, waiting for one, and for the turnstile to be open."""
        while True:
            await self._open.wait()
            taking = asyncio.ensure_future(self._inner.take(topic, lowest=lowest))
            self._taking.add(taking)
            try:
                work = await taking
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._open.is_set() or (task is not None and task.cancelling()):
                    taking.cancel()
                    raise
                continue  # it was closed under us
            except UnavailableError as exc:
                await self._patience.wait(exc)
                continue
            finally:
                self._taking.discard(taking)
            self._patience.good()
            self._busy += 1
            return _Counted(work, self)

    def depth(self) -> Mapping[tuple[str, int], int]:
        """Return how many ids are known to wait."""
        return self._inner.depth()

    async def close(self) -> None:
        """Let go of the lanes."""
        await self._inner.close()

    async def shut(self, patience_s: float) -> bool:
        """Give out no more work, and wait until what is out is done, or so long; tell which."""
        self._open.clear()
        for taking in tuple(self._taking):
            taking.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while self._busy:
                    self._left.clear()
                    await self._left.wait()
        return not self._busy

    def open(self) -> None:
        """Give out work again."""
        self._open.set()

    def left(self) -> None:
        """Count one work done."""
        self._busy -= 1
        self._left.set()


class _Counted:
    """Work whose end the turnstile sees."""

    def __init__(self, inner: Work, turnstile: Turnstile) -> None:
        self._inner = inner
        self._turnstile = turnstile

    @property
    def ref(self) -> str:
        """The id."""
        return self._inner.ref

    async def done(self) -> None:
        """Acknowledge."""
        try:
            await self._inner.done()
        except UnavailableError:
            return  # it comes again, and whoever gets it finds nothing left to do
        finally:
            self._turnstile.left()
