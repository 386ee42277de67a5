"""Signed tree heads of the receipt log, time-stamped by a stranger once a day (AUD-06).

A tree head is signed with the gateway's own key: who holds it could write the log anew and sign it
again. An authority outside says when a head was there; a log written anew has other heads than the
stamped ones, which everybody can keep. Promises: only a token that covers the head counts; token
and log entry are one commit, so that a later head covers the stamp too; an authority that is away
is asked again, less and less often, with one alarm. Nodes may stamp together: both are kept. A
crash loses a token that nobody was told of.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from gateway import observe
from gateway.domain.moments import from_text, iso, to_text
from gateway.errors import GatewayError
from gateway.ports import Absent, ChangeSet, Clock, Ids, Insert, Ledger, Row
from gateway.programs.rows import entry
from gateway.receipts.log import Kind
from gateway.seal.timestamps import Ask, SealStamper, StampError, stamped

EVERY: Final = timedelta(days=1)
_PERIOD_S: Final = 60.0
_FIRST_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(hours=1)
_AUTHORITY: Final = 200
WARNING: Final = "tree_head_stamp"


class HeadStamps:
    """Has the newest tree head stamped when the last stamp is a day old.

    Args:
        ledger: The receipt log.
        clock: Time.
        ids: Names entries.
        ask: Asks the authority.
        stands: Tells whether the gateway stands still, restored and not released.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        ids: Ids,
        ask: Ask,
        stands: Callable[[], bool] = lambda: False,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._ask = ask
        self._stands = stands
        self._again_at: datetime | None = None
        self._wait = _FIRST_WAIT
        self._standing = False

    async def run(self) -> None:
        """Look every minute, until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(_PERIOD_S)

    async def once(self) -> bool:
        """Stamp when it is time; tell whether it was done."""
        try:
            done = await self._stamp()
        except (StampError, GatewayError) as exc:
            self._failed(exc)
            return False
        if done:
            self._again_at, self._wait = None, _FIRST_WAIT
            self._warn(active=False)
        return done

    async def _stamp(self) -> bool:
        now = self._clock.now()
        if self._again_at is not None and timedelta() < self._again_at - now <= _LONGEST_WAIT:
            return False
        head = await self._ledger.one("tree_head_latest")
        last = await self._ledger.one("head_stamp_latest")
        if self._stands() or head is None or (last is not None and not _is_due(head, last, now)):
            return False
        data = head["jws"].encode("ascii")
        digest = hashlib.sha256(data).digest()
        token = (await SealStamper(self._ask).async_timestamp(digest, "sha256")).dump()
        found = stamped(token, data)
        size = head["size"]
        values = {
            "size": size,
            "stamped_at": to_text(found.at),
            "authority": found.authority[:_AUTHORITY],
            "token": base64.b64encode(token).decode("ascii"),
            "at": to_text(now),
        }
        told = entry(
            self._ids, Kind.HEAD_STAMPED, f"head:{size}", "", now,
            value=size, sha256=hashlib.sha256(token).hexdigest(), from_time=iso(found.at),
        )  # fmt: skip
        guards = (Absent("head_stamp", {"size": size}),)
        await self._ledger.commit(ChangeSet((Insert("head_stamp", values), told.row), guards))
        return True

    def _failed(self, failure: Exception) -> None:
        self._again_at = self._clock.now() + self._wait
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        if not self._standing:
            observe.alarm(what="tree head not stamped", failure=failure)
        self._warn(active=True)

    def _warn(self, *, active: bool) -> None:
        if active is not self._standing:
            self._standing = active
            observe.standing_warning(what=WARNING, active=active)


def _is_due(head: Row, last: Row, now: datetime) -> bool:
    """Tell whether a day is over; a clock that was set back must not mean waiting for it."""
    since = now - from_text(last["at"])
    return head["size"] > last["size"] and not timedelta() <= since < EVERY
