"""Fifty destinations, one of them dead: how long the documents for the others wait.

The gateway's own dispatch, relay, breakers and janitor between a ledger and made-up adapters. The
latency of each call is a function of the seed, the peer and the document, so two runs that differ
in the dead peer alone are asked exactly the same. On a virtual loop with `PacedLedger` (one writer,
so long a commit, many change sets each) nothing depends on the machine; on a real loop with the
real ledger everything is measured.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from gateway.broker.lanes import Lanes
from gateway.domain.breaker import BreakerPolicy
from gateway.domain.moments import from_text, to_text
from gateway.errors import UnavailableError
from gateway.ports import Busy, ChangeSet, Insert, Taken
from gateway.programs.context import Context, PeerPolicy, Policy
from gateway.programs.dispatch import Dispatch
from gateway.programs.janitor import Every, Janitor
from gateway.programs.relay import Relay
from gateway.programs.routing import owed_to
from gateway.programs.rows import wake
from tests.world.memory_blobs import MemoryBlobs
from tests.world.memory_ledger import MemoryLedger

DATA = b"<edXML/>"
NAME = hashlib.sha256(DATA).hexdigest()
DEAD, SLOW, FLAPPING = "peer00", "peer01", "peer02"
FLAPS_S = 4.0


class LoopClock:
    """The loop's time as a date: virtual where the loop's time is."""

    def __init__(self, start: datetime) -> None:
        self._start = start

    def now(self) -> datetime:
        return self._start + timedelta(seconds=asyncio.get_event_loop().time())

    def offset(self) -> timedelta | None:
        return None


class Ids:
    def __init__(self) -> None:
        self._last = 0

    def new(self) -> str:
        self._last += 1
        return f"id-{self._last:09d}"


class PacedLedger(MemoryLedger):
    """One writer as the real ledger has: so long a commit, whoever waits goes with the next."""

    commit_s = 0.004

    def __init__(self) -> None:
        super().__init__()
        self._pending: list[tuple[ChangeSet, asyncio.Future[Any]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def commit(self, change: ChangeSet) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.append((change, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.ensure_future(self._write())
        return await future

    async def _write(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            await asyncio.sleep(self.commit_s)
            for change, future in batch:
                done = await super().commit(change)
                if not future.done():
                    future.set_result(done)


@dataclass
class MadeUpPeer:
    """A destination whose calls take as long as the seed says.

    A dead one (`dead`) is `silent`, so that every call hangs, or `gone`, so that every call fails
    at once. A slow one (`slow`) takes everything, each time just before our patience ends; one that
    flaps (`flapping`) is gone and back again every few seconds.
    """

    name: str
    seed: int
    quick: tuple[float, float]
    dead: str = ""
    slow_s: float = 0.0
    flapping: bool = False
    tries: int = 0

    def _gone(self) -> bool:
        flaps = int(asyncio.get_event_loop().time() / FLAPS_S) % 2
        return bool(self.dead) or (self.flapping and not flaps)

    async def deliver(self, parcel: Any, *, deadline: datetime) -> Taken | Busy:
        self.tries += 1
        if self.dead == "silent":
            await asyncio.sleep(10**6)
        if self._gone():
            return Busy("no route to host")
        least, most = (self.slow_s, self.slow_s) if self.slow_s else self.quick
        chance = Random(f"{self.seed}:{parcel.transfer_id}").random()
        await asyncio.sleep(least + (most - least) * chance**4)  # most are quick, some are not
        return Taken(f"at-{self.name}")

    async def probe(self) -> None:
        if self._gone():
            raise UnavailableError(public="no route to host")


@dataclass
class Town:
    """The programs, and what is asked of them.

    Args:
        ledger: Where everything is.
        clock: Time.
        seed: Of latencies, arrivals and lanes.
        peers: How many destinations.
        dead: How the first of them is dead: `silent` or `gone`; "" when it is well.
        odd: Whether the second is slow and the third flaps.
        documents: For each destination.
        over_s: Time in which they come.
        backlog: Due rows of the dead one at the start.
        quick: Shortest and longest latency of a call.
        patience: How long an attempt may take.
        breaker: When a destination is left alone.
    """

    ledger: Any
    clock: Any
    seed: int = 1
    peers: int = 50
    dead: str = ""
    odd: bool = False
    documents: int = 12
    over_s: float = 6.0
    backlog: int = 0
    quick: tuple[float, float] = (0.02, 0.8)
    patience: timedelta = timedelta(seconds=1)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    adapters: dict[str, MadeUpPeer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = [f"peer{n:02d}" for n in range(self.peers)]
        self.adapters = {n: MadeUpPeer(n, self.seed, self.quick) for n in names}
        self.adapters[DEAD].dead = self.dead
        if self.odd:
            self.adapters[SLOW].slow_s = self.patience.total_seconds() * 0.95
            self.adapters[FLAPPING].flapping = True
        blobs = MemoryBlobs()
        blobs.kept[NAME] = (DATA, 0.0)
        nothing: Any = None
        random = Random(self.seed)
        self.context = Context(
            ledger=self.ledger,
            blobs=blobs,
            clock=self.clock,
            ids=Ids(),
            verifier=nothing,
            sealer=nothing,
            lanes=Lanes(),
            directory=nothing,
            calendar=nothing,
            random=random.random,
            policy=Policy("00.37.W00", deadline=self.patience, breaker=self.breaker),
            adapters=dict(self.adapters),
            peers={n: PeerPolicy(timeout=self.patience) for n in names},
        )

    async def _arrive(self, hop: str, n: int, lane: int, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        row = self.row(f"{hop}-{n:05d}", hop, lane)
        owed = wake(owed_to(hop), row["id"], lane)
        await self.ledger.commit(ChangeSet(rows=(Insert("transfer", row), owed)))

    def row(self, name: str, hop: str, lane: int) -> dict[str, Any]:
        at = to_text(self.clock.now())
        return {
            "id": name,
            "status_id": name,
            "kind": "status",
            "hop": hop,
            "state": "waiting",
            "lane": lane,
            "due_at": at,
            "parcel_sha256": NAME,
            "parcel_size": len(DATA),
            "sender_written": "H37.02",
            "recipients": "[]",
            "document_id": name,
            "created_at": at,
        }

    async def pile_up(self) -> None:
        """Put the dead one's backlog there."""
        for first in range(0, self.backlog, 1000):
            late = [
                Insert(
                    "transfer", self.row(f"old-{first + n:06d}", DEAD, 0) | {"state": "deferred"}
                )
                for n in range(min(1000, self.backlog - first))
            ]
            await self.ledger.commit(ChangeSet(rows=tuple(late)))

    async def live(self) -> None:
        """Let everything come and wait until all but the dead one's is done."""
        dispatch, relay, janitor = (
            Dispatch(self.context),
            Relay(self.context),
            Janitor(self.context),
        )
        janitor._heads = Every(timedelta(days=3650), self.clock.now())
        self.ledger.on_outbox = dispatch.wake
        await self.pile_up()
        work: list[Coroutine[Any, Any, None]] = [dispatch.run(), relay.run(), janitor.run()]
        tasks = [asyncio.ensure_future(w) for w in work]
        try:
            random = Random(self.seed)
            arrivals = [
                self._arrive(
                    hop, n, 3 if random.random() < 0.05 else 0, random.uniform(0, self.over_s)
                )
                for hop in self.adapters
                for n in range(self.documents)
            ]
            await asyncio.gather(*arrivals)
            while await self._unfinished():  # noqa: ASYNC110 - the ledger calls nobody
                await asyncio.sleep(0.25)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task

    async def _unfinished(self) -> bool:
        rows = await self.ledger.all("transfer_counts")
        waiting = sum(r["n"] for r in rows)
        return waiting > (self.documents + self.backlog if self.dead else 0)

    async def waits(self) -> "Waits":
        """Return how long the documents of all but the first destination waited."""
        found: dict[str, list[float]] = defaultdict(list)
        odd: dict[str, list[float]] = {SLOW: [], FLAPPING: []}
        for hop in self.adapters:
            if hop == DEAD:
                continue
            for n in range(self.documents):
                row = await self.ledger.one("transfer", id=f"{hop}-{n:05d}")
                took = from_text(row["done_at"]) - from_text(row["created_at"])
                lane = "express" if row["lane"] else "normal"
                well = found[lane] if not self.odd or hop not in odd else odd[hop]
                well.append(took.total_seconds())
        return Waits(dict(found), self.adapters[DEAD].tries, odd)


@dataclass(frozen=True)
class Waits:
    """Seconds from acceptance to the answer of the peer, by lane; and tries of the dead one.

    What went to the odd ones is counted apart, by destination.
    """

    by_lane: dict[str, list[float]]
    tries: int
    odd: dict[str, list[float]] = field(default_factory=dict)

    def at(self, share: float, lane: str | None = None) -> float:
        """Return the wait that this share of the documents did not exceed."""
        values = sorted(
            w for name, waits in self.by_lane.items() if lane in {None, name} for w in waits
        )
        return values[min(len(values) - 1, int(share * len(values)))]


def on_loop(loop: asyncio.AbstractEventLoop, make: Callable[[], Town]) -> Waits:
    """Run a town on a loop and return how long things waited."""

    async def run() -> Waits:
        town = make()
        await town.live()
        return await town.waits()

    try:
        return loop.run_until_complete(run())
    finally:
        loop.close()


def virtual_town(**options: Any) -> Town:
    """Return a town whose ledger and time are made up."""
    return Town(PacedLedger(), LoopClock(datetime(2026, 11, 22, 1, tzinfo=UTC)), **options)
