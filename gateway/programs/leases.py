"""leases: what only one node may do at a time, and how another takes over when it dies.

OPS-10 (S002 art 17.2): redundant, by any number of nodes.

A lease is a row: its holder, a token that grows with each new holder, a beat that moves as long as
the holder lives. Nobody compares clocks of two machines: a node takes a lease that is free, or
whose beat it has itself seen standing still for the whole time (`ttl_s`, by its own monotonic
clock). A holder that could not renew stops its work well before that (`_SAFE` of the time), so two
never work at once. A change set that must not come from a former holder carries `guard`.

A crash leaves the row: another node waits `ttl_s` and goes on; the same node, started again, goes
on at once. `Alone` is the same for a process that has its ledger to itself.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from gateway import faults, observe
from gateway.domain.moments import to_text
from gateway.errors import GatewayError, UnavailableError
from gateway.ports import Absent, ChangeSet, Conflict, Insert, Ledger, Present, Row, Update

TTL_S: Final = 15.0
_SAFE: Final = 2 / 3
_BEATS: Final = 6


class Leases(Protocol):
    """What programs ask before they do what only one may do.

    `paused` says that this node is to rest: it begins nothing.
    """

    paused: bool

    def holding(self, name: str) -> AbstractAsyncContextManager[bool]:
        """Do something under a lease: True inside when it is ours, False when it is not.

        Whoever loses it in the middle is cancelled there; the block raises UnavailableError.
        """
        ...

    def guard(self, name: str) -> tuple[Present, ...]:
        """Return the guard of a change set that only the present holder may commit."""
        ...


class Sightings:
    """Since when something looks the same, by our own monotonic clock.

    Args:
        monotonic: Seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, tuple[Hashable, float]] = {}

    def unmoved_s(self, name: str, looks: Hashable) -> float:
        """Note how it looks now; return for how long it has looked so."""
        now = self._monotonic()
        before = self._seen.get(name)
        if before is None or before[0] != looks:
            self._seen[name] = (looks, now)
            return 0.0
        return now - before[1]


class Alone:
    """The leases of a process that has its ledger to itself: all of them, unless it pauses."""

    def __init__(self) -> None:
        self.paused = False

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[bool]:
        """Hold it, unless paused."""
        yield not self.paused

    def guard(self, name: str) -> tuple[Present, ...]:
        """Return nothing: there is nobody else."""
        return ()

    async def run(self) -> None:
        """Nothing is to be renewed."""

    async def pause(self, patience_s: float) -> None:
        """Let nobody begin; nobody waits to take over, so nobody waits for those inside."""
        self.paused = True

    def resume(self) -> None:
        """Let work begin again."""
        self.paused = False


@dataclass(slots=True)
class _Held:
    """A lease that is ours until `until`, and who works under it."""

    token: int
    beat: int
    until: float
    lost: bool = False
    workers: set["asyncio.Task[object]"] = field(default_factory=set)


class LedgerLeases:
    """Leases as rows of a ledger that many nodes share.

    Args:
        ledger: Where the rows are.
        node: This node's name.
        boot: This process's own id: a node started again is another holder.
        now: Stamps what people read; decides nothing.
        ttl_s: How long a beat must stand still before another node takes over.
        monotonic: Seconds that only grow; the loop's own when None.
    """

    def __init__(
        self,
        ledger: Ledger,
        node: str,
        boot: str,
        now: Callable[[], datetime],
        *,
        ttl_s: float = TTL_S,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._node = node
        self._holder = f"{node}/{boot}"
        self._now = now
        self._ttl_s = ttl_s
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._sightings = Sightings(self._monotonic)
        self._held: dict[str, _Held] = {}
        self._taking: dict[str, asyncio.Lock] = {}
        self._left = asyncio.Event()
        self.paused = False

    # ------------------------------------------------------------ for programs

    @asynccontextmanager
    async def holding(self, name: str) -> AsyncIterator[bool]:
        """Hold it if it is ours or can be taken; see `Leases`."""
        held = await self._mine(name)
        task = asyncio.current_task()
        if held is None or task is None:
            yield False
            return
        before = task.cancelling()
        held.workers.add(task)
        try:
            yield True
        except asyncio.CancelledError as exc:
            if held.lost and task.uncancel() <= before:
                raise UnavailableError(public=f"the lease {name} was lost") from exc
            raise
        finally:
            held.workers.discard(task)
            self._left.set()

    def _idle(self) -> bool:
        return not any(held.workers for held in self._held.values())

    def guard(self, name: str) -> tuple[Present, ...]:
        """Return the guard that the row still bears our token; one that fails when we lost it."""
        held = self._held.get(name)
        token = -1 if held is None else held.token
        return (Present("lease", {"name": name, "holder": self._holder, "token": token}),)

    async def _mine(self, name: str) -> _Held | None:
        async with self._taking.setdefault(name, asyncio.Lock()):
            held = self._held.get(name)
            if held is not None and self._monotonic() < held.until:
                return None if self.paused else held
            if self.paused:
                return None
            return await self._take(name)

    async def _take(self, name: str) -> _Held | None:
        row = await self._ledger.one("lease", name=name)
        if row is not None and not self._may_take(row):
            return None
        at = to_text(self._now())
        token = 1 if row is None else row["token"] + 1
        values = {"holder": self._holder, "token": token, "taken_at": at, "seen_at": at}
        if row is None:
            guards = (Absent("lease", {"name": name}),)
            change = ChangeSet(guards=guards, rows=(Insert("lease", {"name": name, **values}),))
        else:
            where = {"name": name, "token": row["token"], "beat": row["beat"]}
            change = ChangeSet(rows=(Update("lease", where, values),))
        asked = self._monotonic()
        if isinstance(await self._ledger.commit(change), Conflict):
            return None
        faults.reach("leases.after-take")
        beat = 0 if row is None else row["beat"]
        held = self._held[name] = _Held(token, beat, asked + self._ttl_s * _SAFE)
        observe.lease_taken(name=name, token=token)
        return held

    def _may_take(self, row: Row) -> bool:
        """Free, our own former life's, or standing still for too long."""
        unmoved_s = self._sightings.unmoved_s(row["name"], _looks(row))
        mine = row["holder"].rpartition("/")[0] == self._node
        return not row["holder"] or mine or unmoved_s >= self._ttl_s

    # ------------------------------------------------------------ the heartbeat

    async def run(self) -> None:
        """Renew until cancelled, several times within the time a lease lasts."""
        tick_s = self._ttl_s / _BEATS
        renewing: asyncio.Future[None] | None = None
        try:
            while True:
                self.expire()
                if renewing is None or renewing.done():
                    renewing = asyncio.ensure_future(self.beat())
                # A ledger that hangs must not keep us from seeing that the time is over.
                await asyncio.wait({renewing}, timeout=tick_s)
                await asyncio.sleep(tick_s)
        finally:
            if renewing is not None:
                renewing.cancel()

    def expire(self) -> None:
        """Stop whoever works under a lease that was not renewed in time."""
        now = self._monotonic()
        for name, held in list(self._held.items()):
            if now >= held.until:
                self._lose(name, held)

    async def beat(self) -> None:
        """Renew what we hold, and look at what others hold."""
        try:
            await asyncio.gather(*(self._renew(name, held) for name, held in self._held.items()))
            for row in await self._ledger.all("leases"):
                self._sightings.unmoved_s(row["name"], _looks(row))
        except GatewayError as exc:
            observe.program_failed(program="leases", failure=exc, retry_in_s=self._ttl_s / _BEATS)

    async def _renew(self, name: str, held: _Held) -> None:
        asked = self._monotonic()
        held.beat += 1
        where = {"name": name, "holder": self._holder, "token": held.token}
        values = {"beat": held.beat, "seen_at": to_text(self._now())}
        renewed = await self._ledger.commit(ChangeSet(rows=(Update("lease", where, values),)))
        if isinstance(renewed, Conflict):
            self._lose(name, held)
        elif not held.lost:
            held.until = asked + self._ttl_s * _SAFE

    def _lose(self, name: str, held: _Held) -> None:
        if self._held.get(name) is held:
            del self._held[name]
        if held.lost:
            return
        held.lost = True
        observe.lease_lost(name=name, working=len(held.workers))
        for task in held.workers:
            task.cancel()

    # ------------------------------------------------------------ giving back

    async def pause(self, patience_s: float) -> None:
        """Take none any more, let the work under them end, and give them back.

        What works longer than `patience_s` keeps its lease until it ends or is cancelled.
        """
        self.paused = True
        await _until(self._idle, self._left, patience_s)
        for name, held in list(self._held.items()):
            if held.workers or self._held.get(name) is not held:
                continue  # whoever works gives it back; or somebody else has meanwhile
            del self._held[name]
            where = {"name": name, "holder": self._holder, "token": held.token}
            free = Update("lease", where, {"holder": ""}, expect=None)
            try:
                await self._ledger.commit(ChangeSet(rows=(free,)))
            except GatewayError as exc:  # the others wait until it has stood still for long enough
                observe.program_failed(program="leases", failure=exc, retry_in_s=self._ttl_s)

    def resume(self) -> None:
        """Take leases again."""
        self.paused = False


def _looks(row: Row) -> Hashable:
    return row["holder"], row["token"], row["beat"]


async def _until(ready: Callable[[], bool], left: asyncio.Event, patience_s: float) -> None:
    """Wait until something is so, or so long; looked at again whenever somebody leaves."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            while not ready():
                left.clear()
                await left.wait()
