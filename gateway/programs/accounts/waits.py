"""How often somebody may guess, counted by all nodes together (decision 0033).

Promises: n nodes allow as many tries as one, and a restart forgets none; nobody is locked out by
others, for what is counted is what `throttle` counts. A try is counted in the ledger before it is
looked at. What must wait is told so from memory, without a question to the ledger; a node writes at
most a few tries a second, and counts those beyond them by itself, so that a flood neither fills the
ledger nor holds up others. Rows are named by a MAC: neither a login nor an address can be read from
them; `sweep` takes them away once they mean nothing. A crash leaves a try counted or not yet looked
at.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.moments import from_text, to_text
from gateway.domain.pacing import Bucket, Pace, Run
from gateway.ports import Change, ChangeSet, Clock, Conflict, Delete, Insert, Ledger, Row, Update
from gateway.programs.accounts.means import Means
from gateway.programs.accounts.throttle import Throttle, network_of

TABLE: Final = "signin_wait"
_TRIES: Final = 8
_BACK_TRIES: Final = 3
_AGAIN_S: Final = 1.0
_WRITES: Final = Pace(burst=100, per_minute=300.0)
"""Tries a node writes down: a hundred at once, five a second."""
_MILLI: Final = 1000
_PAGE: Final = 1000
_LABEL: Final = b"vanlien sign-in wait v1\0"


class Waits:
    """Counts failures at the sign-in of persons, for all nodes.

    Args:
        means: Ledger, clock, keys, the rules of waiting.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._pace = means.rules.pace
        self._here = Throttle(self._pace, means.clock.now)
        self._written = Bucket()
        self._turn = asyncio.Lock()

    async def begin(self, who: str, address: str, device: str = "") -> float:
        """Count a try; return the seconds it must wait, 0 when it may be looked at."""
        wait = self._here.wait(who, address, device)
        if wait > 0:
            return wait
        async with self._turn:
            now = self._means.clock.now()
            if self._written.wait(_WRITES, now) > timedelta(0):
                return self._here.begin(who, address, device)
            self._written = self._written.failed(_WRITES, now)
            return await self._count(who, address, device)

    async def _count(self, who: str, address: str, device: str) -> float:
        for _ in range(_TRIES):
            now = self._means.clock.now()
            run_row, bucket_row = await self._rows(who, address, device)
            run = _run(run_row)
            bucket = Bucket() if device else _bucket(bucket_row)
            self._here.keep(who, address, device, run, bucket)
            wait = self._here.wait(who, address, device)
            if wait > 0:
                return wait
            run = run.failed(self._pace, now)
            changes = [_grown(self._run_key(who, address, device), run_row, run.failures, now)]
            if not device:
                bucket = bucket.failed(self._pace, now)
                spent = round(bucket.spent * _MILLI)
                changes.append(_grown(self._bucket_key(address), bucket_row, spent, now))
            done = await self._means.ledger.commit(ChangeSet(rows=tuple(changes)))
            if not isinstance(done, Conflict):
                self._here.keep(who, address, device, run, bucket, grown=True)
                return 0.0
        return _AGAIN_S  # another node counts the same again and again: look a moment later

    async def succeeded(self, who: str, address: str, device: str = "") -> None:
        """Take back the try that was good, and forget its run."""
        self._here.succeeded(who, address, device)
        ledger = self._means.ledger
        forget: Change = Delete(TABLE, {"key": self._run_key(who, address, device)})
        for _ in range(_BACK_TRIES):
            row = None if device else await self._row(self._bucket_key(address))
            changes = [forget]
            if row is not None:
                where = {name: row[name] for name in ("key", "count", "at")}
                left = max(0, row["count"] - _MILLI)
                changes.append(Update(TABLE, where, {"count": left}))
            if not isinstance(await ledger.commit(ChangeSet(rows=tuple(changes))), Conflict):
                return
        await ledger.commit(ChangeSet(rows=(forget,)))

    async def _rows(self, who: str, address: str, device: str) -> tuple[Row | None, Row | None]:
        run = await self._row(self._run_key(who, address, device))
        return run, None if device else await self._row(self._bucket_key(address))

    async def _row(self, key: str) -> Row | None:
        return await self._means.ledger.one("signin_wait", key=key)

    def _run_key(self, who: str, address: str, device: str) -> str:
        return self._named("run", who, device or network_of(address))

    def _bucket_key(self, address: str) -> str:
        return self._named("bucket", network_of(address))

    def _named(self, *parts: str) -> str:
        text = _LABEL + "\0".join(parts).encode("utf-8", "surrogatepass")
        return hmac.new(self._means.keys()[0], text, hashlib.sha256).hexdigest()


def _run(row: Row | None) -> Run:
    return Run() if row is None else Run(row["count"], from_text(row["at"]))


def _bucket(row: Row | None) -> Bucket:
    return Bucket() if row is None else Bucket(row["count"] / _MILLI, from_text(row["at"]))


def _grown(key: str, row: Row | None, count: int, now: datetime) -> Change:
    """Return the change to a count, refused when somebody else counted meanwhile."""
    values = {"count": count, "at": to_text(now)}
    if row is None:
        return Insert(TABLE, {"key": key, **values})
    return Update(TABLE, {"key": key, "count": row["count"], "at": row["at"]}, values)


def sweep_of(ledger: Ledger, clock: Clock, pace: Pace) -> Callable[[], Awaitable[None]]:
    """Return what takes away counts that mean nothing any more: a chore of the janitor."""
    refilled = timedelta(minutes=pace.burst / pace.per_minute)
    means_nothing = max(4 * pace.longest, refilled)

    async def sweep() -> None:
        before = to_text(clock.now() - means_nothing)
        rows = await ledger.all("signin_waits_old", before=before, limit=_PAGE)
        if rows:
            gone = Delete(TABLE, {"key": tuple(row["key"] for row in rows)})
            await ledger.commit(ChangeSet(rows=(gone,)))

    return sweep
