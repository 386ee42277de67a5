"""duty: a node on its way out of service and back, so that nobody is refused by it.

1. Leaving: /ready says no, while every request is still served, for as long as a proxy needs to
   see it (`drain_s`); 2. resting: new requests are put off with 503 and Retry-After, work under way
   ends (`finish_s` at most), leases are given back; 3. back on duty: all of it open again.

The end of a process is 1 and 2, with its listeners closed between them; maintenance is 1 and 2, and
3 when it is over. Who is on the way to its end heeds no maintenance any more, neither its beginning
nor its end. A crash on the way is a crash like any other.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway import observe
from gateway.errors import GatewayError
from gateway.programs.nodes import Nodes
from gateway.programs.turnstile import Turnstile


class Pausable(Protocol):
    """Leases that can be given back."""

    async def pause(self, patience_s: float) -> None:
        """Take none, let work under them end, give them back."""
        ...

    def resume(self) -> None:
        """Take them again."""
        ...


class Counter(Protocol):
    """A listener as far as its doors are concerned."""

    def leave(self, why: str) -> None:
        """Say at /ready why nothing more should come, "" to take it back; everybody is served."""
        ...

    def rest(self, resting: bool) -> None:
        """Put new requests off, or take them again."""
        ...


class Duty:
    """One node's doors, lanes and leases together.

    Args:
        turnstile: Where its workers get work.
        leases: What it alone does.
        nodes: Where it says what it is doing.
        counters: Its open listeners.
        drain_s: How long a proxy needs to see that it is leaving.
        finish_s: How long work under way may take to end.
    """

    def __init__(
        self,
        turnstile: Turnstile,
        leases: Pausable,
        nodes: Nodes,
        counters: Callable[[], Sequence[Counter]],
        *,
        drain_s: float,
        finish_s: float,
    ) -> None:
        self._turnstile = turnstile
        self._leases = leases
        self._nodes = nodes
        self._counters = counters
        self._drain_s = drain_s
        self._finish_s = finish_s
        self._going: asyncio.Task[None] | None = None
        self._ending = False
        self.leaving = ""

    async def leave(self, why: str) -> None:
        """Begin the end: serve whatever still comes until a proxy has seen it."""
        await self.close()
        await self._leave(why)

    async def _leave(self, why: str) -> None:
        self.leaving = why
        for counter in self._counters():
            counter.leave(why)
        await self._say("draining", why)
        await asyncio.sleep(self._drain_s)

    async def rest(self) -> None:
        """Give out no more work, let what is under way end, give the leases back."""
        await asyncio.gather(
            self._turnstile.shut(self._finish_s), self._leases.pause(self._finish_s)
        )

    async def ended(self) -> None:
        """Say that this process is no more, its programs having ended."""
        await self._leases.pause(0.0)
        await self._say("down", "")

    async def maintenance(self, reason: str) -> None:
        """Begin maintenance, or end it with ""; it is gone about beside the caller."""
        if self._ending:
            return
        await self._stop_going()
        self._going = asyncio.create_task(self._rest_for(reason) if reason else self._return())

    async def close(self) -> None:
        """Go about maintenance no more: the process is on the way to its end."""
        self._ending = True
        await self._stop_going()

    async def _stop_going(self) -> None:
        if self._going is not None:
            self._going.cancel()
            await asyncio.gather(self._going, return_exceptions=True)

    async def _rest_for(self, reason: str) -> None:
        await self._leave("maintenance")
        for counter in self._counters():
            counter.rest(True)
        await self.rest()
        await self._say("maintenance", reason)

    async def _return(self) -> None:
        self.leaving = ""
        self._turnstile.open()
        self._leases.resume()
        for counter in self._counters():
            counter.rest(False)
            counter.leave("")
        await self._say("up", "")

    async def _say(self, state: str, reason: str) -> None:
        try:
            await self._nodes.say(state, reason)
        except GatewayError as exc:  # the ledger may be what the maintenance is about
            observe.program_failed(program="nodes", failure=exc, retry_in_s=0.0)
