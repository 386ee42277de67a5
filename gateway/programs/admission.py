"""admission: how full we are, and who may still come in; nothing is taken that cannot be kept.

OPS-11 (S002 art 10.2a): capacity and quality of service.

Measured at most once a second, whoever asks: documents accepted and not yet decided, ids owed to
the lanes, the oldest of them, how long the ledger takes to commit, what is free on the disk. Each
is a part of its limit. Full: nobody comes in, before a byte of the body is read. Nearly full (the
share kept for urgent documents has begun): a document that is not urgent is put off, before its
body when its caller said how urgent it is, after its header otherwise. Over half, one caller has at
most its share. Numbers that cannot be had refuse nobody: the commit itself will.

Nothing is kept; a crash forgets at most a second of measurements.
"""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from gateway import observe
from gateway.domain.moments import from_text
from gateway.errors import GatewayError, Reason, UnavailableError
from gateway.ports import ChangeSet, Clock, Insert, Ledger, Update

_EVERY_S: Final = 1.0
_STALE_S: Final = 15.0
_HALF: Final = 0.5
_AGAIN_S: Final = 20.0
_SPREAD_S: Final = 20.0
_FIRST_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on a disk, and how large it is."""

    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much we take on; see `[admission]` of the settings."""

    backlog: int = 20_000
    oldest: timedelta = timedelta(days=1)
    outbox: int = 200_000
    slow_commit: timedelta = timedelta(seconds=15)
    disk_bytes: int = 256 << 20
    disk_percent: float = 0.0
    urgent_share: float = 0.1
    caller_share: float = 0.5

    def floor(self, room: Room) -> float:
        """Return the bytes that stay free on a disk."""
        return max(self.disk_bytes, room.total_bytes * self.disk_percent / 100)


class Gatekeeper(Protocol):
    """What the door asks."""

    async def admit(self, system_id: str, urgent: bool | None) -> None:
        """Let a submission in; UnavailableError when there is no room for it.

        Args:
            system_id: Whose it is.
            urgent: Whether it is urgent, None while nobody knows.
        """
        ...

    def known(self, urgent: bool) -> None:
        """Say what was not known at the door; UnavailableError when there is no room after all."""
        ...

    async def parts(self) -> Mapping[str, float]:
        """Return each measure as a part of its limit; those that cannot be had are left out."""
        ...


class OpenHouse:
    """A gatekeeper that lets everybody in."""

    async def admit(self, system_id: str, urgent: bool | None) -> None:
        """Let it in."""

    def known(self, urgent: bool) -> None:
        """Let it in."""

    async def parts(self) -> Mapping[str, float]:
        """Return nothing: nothing is measured."""
        return {}


class Admission:
    """Gatekeeper over the ledger and the disk.

    Args:
        ledger: What is counted.
        clock: For ages.
        bounds: How much we take on.
        room: What is free where blobs and ledger are, the least of them; OSError when unknown.
        random: From 0 to 1, so that those put off do not come back together.
        monotonic: Seconds that only grow; the loop's own when None.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        bounds: Bounds,
        *,
        room: Callable[[], Room | None],
        random: Callable[[], float],
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._bounds = bounds
        self._room = room
        self._random = random
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._measuring: asyncio.Future[None] | None = None
        self._measured_at = -math.inf
        self._tried_at = -math.inf
        self._parts: Mapping[str, float] = {}
        self._said = False

    # ------------------------------------------------------------ at the door

    async def admit(self, system_id: str, urgent: bool | None) -> None:
        """Let a submission in, or say when to come again; see `Gatekeeper`."""
        await self._fresh()
        part, what = self._fullest()
        if part >= 1.0:
            raise self._full(what)
        if urgent is False:
            self.known(urgent=False)
        if part >= _HALF and not urgent:
            await self._fair(system_id)

    def known(self, urgent: bool) -> None:
        """Keep the reserved share for the urgent."""
        part, what = self._fullest()
        # SND-03 (S003 art 7.2): what is urgent still finds room when normal ones do not.
        if not urgent and part >= 1.0 - self._bounds.urgent_share:
            raise self._full(what)

    async def _fair(self, system_id: str) -> None:
        """One caller's backlog leaves room for the others'."""
        most = max(1, int(self._bounds.backlog * self._bounds.caller_share))
        try:
            row = await self._ledger.one("backlog_of", system_id=system_id, limit=most)
        except GatewayError:
            return
        if row is not None and row["n"] >= most:
            observe.put_off(what="caller", system_id=system_id)
            raise UnavailableError(
                Reason.OVERLOADED,
                f"{most} documents of this caller wait already; send more when they are decided",
                retry_after_s=self._again_s(),
            )

    def _full(self, what: str) -> UnavailableError:
        observe.put_off(what=what, system_id=None)
        return UnavailableError(
            public=f"No more documents are taken now ({what}); send it again later",
            retry_after_s=self._again_s(),
        )

    def _again_s(self) -> float:
        return _AGAIN_S + _SPREAD_S * self._random()

    def _fullest(self) -> tuple[float, str]:
        if self._monotonic() - self._measured_at > _STALE_S:
            return 0.0, ""  # the commit says what is wrong
        return max(((part, what) for what, part in self._parts.items()), default=(0.0, ""))

    # ------------------------------------------------------------ measuring

    async def parts(self) -> Mapping[str, float]:
        """Return each measure as a part of its limit; those that cannot be had are left out."""
        await self._fresh()
        return self._parts

    async def _fresh(self) -> None:
        """Measure when the last time is long enough ago; only the first is waited for."""
        now = self._monotonic()
        if self._measuring is None or (self._measuring.done() and now - self._tried_at >= _EVERY_S):
            first = self._measuring is None
            self._tried_at = now
            self._measuring = asyncio.ensure_future(self._measure())
            if first:
                await asyncio.wait({self._measuring}, timeout=_FIRST_S)
        elif not self._measuring.done() and not self._parts:
            await asyncio.wait({self._measuring}, timeout=_FIRST_S)
        elif not self._measuring.done():
            # A ledger that does not answer is slow, long before it says that it cannot.
            waited_s = now - self._tried_at
            slow_s = self._bounds.slow_commit.total_seconds()
            self._parts = {**self._parts, "ledger latency": waited_s / slow_s}
            self._measured_at = now

    async def _measure(self) -> None:
        parts: dict[str, float] = {}
        try:
            parts |= self._disk()
            parts |= await self._counts()
            parts |= await self._commit()
        except GatewayError:
            if not parts:
                return
        self._parts = parts
        self._measured_at = self._monotonic()
        full = max(parts.values(), default=0.0) >= 1.0 - self._bounds.urgent_share
        if full is not self._said:
            self._said = full
            observe.standing_warning(what="overload", active=full)

    def _disk(self) -> dict[str, float]:
        try:
            room = self._room()
        except OSError:
            return {}
        if room is None:
            return {}
        floor = self._bounds.floor(room)
        return {"disk": floor / room.free_bytes if room.free_bytes > 0 else math.inf}

    async def _counts(self) -> dict[str, float]:
        bounds = self._bounds
        open_ = await self._ledger.one("backlog", limit=bounds.backlog)
        owed = await self._ledger.one("outbox_depth", limit=bounds.outbox)
        parts: dict[str, float] = {}
        if open_ is not None:
            parts["backlog"] = open_["n"] / bounds.backlog
            if open_["oldest"]:
                waited = self._clock.now() - from_text(open_["oldest"])
                parts["oldest"] = waited / bounds.oldest
        if owed is not None:
            parts["outbox"] = owed["n"] / bounds.outbox
        return parts

    async def _commit(self) -> dict[str, float]:
        """Commit a row and see how long it takes: what an acceptance will wait for."""
        key = {"key": "admission"}
        began = self._monotonic()
        rows = (
            Insert("meta", key | {"value": ""}, ignore=True),
            Update("meta", key, {"value": str(began)}),
        )
        await self._ledger.commit(ChangeSet(rows=rows))
        took_s = self._monotonic() - began
        return {"ledger latency": took_s / self._bounds.slow_commit.total_seconds()}
