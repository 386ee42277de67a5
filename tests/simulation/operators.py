"""Operators of a simulated house: what `vanlien queue` and `vanlien maintenance` do beside it.

The gateway's own stores, on the house's ledger. A command is one step of the world, as it is one
transaction of another process; when the ledger cannot commit, it is given again.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.errors import RejectedError
from gateway.ports.operations import Matching
from gateway.store.nodes import LedgerNodes
from gateway.store.places import SqliteFile
from gateway.store.queue import LedgerQueue
from gateway.store.session import SqliteSession
from tests.simulation.ledgers import InlineSqliteLedger
from tests.simulation.ports import SimClock, SimIds

_WHO = "operator"
_AGAIN_S = 1.0
_REQUEUE_S = 40.0


class _Beside(SqliteSession):
    """A session over the connection of a ledger in memory."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._cursor = connection.cursor()

    def close(self) -> None:
        pass


class _Hands(LedgerQueue, LedgerNodes):
    """Both stores over one session."""

    def __init__(self, session: SqliteSession, house: Any, clock: SimClock, ids: SimIds) -> None:
        self._session = session
        self._blobs = house.blobs
        self._clock = clock
        self._ids = ids
        self._names = None


class Operator:
    """See the module."""

    def __init__(self, world: Any, house: Any) -> None:
        self._world = world
        self._house = house
        self._clock = SimClock(world, house)
        self._ids = SimIds(world, self._clock)

    @contextmanager
    def _hands(self) -> Iterator[_Hands]:
        ledger = self._house.ledger
        if isinstance(ledger, InlineSqliteLedger):
            session = SqliteSession(SqliteFile(ledger.path))
        else:
            session = _Beside(ledger.connection)
        try:
            yield _Hands(session, self._house, self._clock, self._ids)
        finally:
            session.close()

    async def _ready(self) -> None:
        """Wait for a ledger that can commit."""
        while self._house.ledger_down or self._house.ledger_full:  # noqa: ASYNC110 - as a person
            await asyncio.sleep(_AGAIN_S)

    async def requeue(self) -> None:
        """Put dead letters back, now and then, all at once."""
        world, house = self._world, self._house
        failed = Matching("failed")
        while True:
            await asyncio.sleep(_REQUEUE_S)
            await self._ready()
            if not house.rows("SELECT 1 FROM transfer WHERE state = 'failed' LIMIT 1"):
                continue
            with self._hands() as hands:
                done = hands.change_all("requeue", failed, reason="thu lai", by=_WHO)
            world.counts["requeued"] += len(done.ids)
            world.say(f"operator puts {len(done.ids)} back, skips {len(done.skipped)}")

    async def hold(self, how: str, span_s: float) -> None:
        """Hold what waits, a document or the axis; let it go on after a while.

        What is held is not tried: what was not under way has as many attempts at the end.
        """
        world, house = self._world, self._house
        await self._ready()
        if how in house.held:
            return
        with self._hands() as hands:
            subject = self._begin(hands, how)
        if subject is None:
            return
        world.counts[f"held {how}"] += 1
        world.say(f"operator holds {how} {subject}")
        house.held.add(how)
        tries = self._tries(how, subject)
        await asyncio.sleep(span_s)
        await self._ready()
        self._look(how, subject, tries)
        house.held.remove(how)
        with self._hands() as hands:
            if how == "all":
                hands.change_all("release", Matching("held"), reason="xong", by=_WHO)
            else:
                hands.release_wide(how, subject, reason="xong", by=_WHO)  # type: ignore[arg-type]
        world.say(f"operator releases {how} {subject}")

    def _begin(self, hands: _Hands, how: str) -> str | None:
        """Hold; return what, None when there is nothing, or it is held already."""
        try:
            match how:
                case "all":
                    done = hands.change_all("hold", Matching(), reason="dung", by=_WHO)
                    return ",".join(done.ids) or None
                case "hop":
                    return hands.hold_wide("hop", "truc", reason="dung", by=_WHO).subject
                case _:
                    found = self._house.rows("SELECT id FROM consignment ORDER BY id DESC LIMIT 1")
                    if not found:
                        return None
                    name = found[0]["id"]
                    return hands.hold_wide("document", name, reason="dung", by=_WHO).subject
        except RejectedError:
            return None

    def _tries(self, how: str, subject: str) -> dict[str, int | None]:
        """Return how often each transfer was tried that is meant; None for those under way."""
        return {
            row["id"]: None if row["state"] == "sending" else row["attempts"]
            for row in self._house.rows("SELECT * FROM transfer")
            if _meant(how, subject, row)
        }

    def _look(self, how: str, subject: str, tries: dict[str, int | None]) -> None:
        for row in self._house.rows("SELECT * FROM transfer ORDER BY id"):
            before = tries.get(row["id"], 0)
            if _meant(how, subject, row) and before is not None and row["attempts"] > before:
                what = f"{row['kind']} {row['document_id']} for {row['hop']}"
                times = row["attempts"] - before
                self._world.watch.violate("held", f"{what} was tried {times} times, {how} held")

    async def rest(self, node: str, span_s: float) -> None:
        """Give a node a rest, and take it back."""
        world = self._world
        await self._ready()
        with self._hands() as hands:
            try:
                hands.begin_maintenance(node, reason="bao tri", by=_WHO)
            except RejectedError:
                return  # it never came up so far
        world.counts["maintenance"] += 1
        world.say(f"operator gives {node} a rest")
        await asyncio.sleep(span_s)
        await self._ready()
        with self._hands() as hands:
            hands.end_maintenance(node, by=_WHO)
        world.say(f"operator takes {node} back")


def _meant(how: str, subject: str, row: Any) -> bool:
    match how:
        case "all":
            return row["id"] in subject.split(",")
        case "hop":
            return bool(row["hop"] == subject)
        case _:
            return bool(row["consignment_id"] == subject)
