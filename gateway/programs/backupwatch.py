"""backupwatch: how old the last good backup is, said aloud; a new one when it is time.

OPS-01, OPS-02, OPS-04 (S004 art 10.2, S003 art 21.2): at least weekly. The age is that of the last
backup recorded as good, or of the first entry of the receipt log while there is none. One node
makes scheduled backups, under a lease; a failure is an alarm and is tried again within the hour.
While one of the targets of the last run is not good it is said, for as long as that lasts: two
places are wanted, and one good backup would hide that the other is gone. A crash leaves what
`gateway.backup` says.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import observe
from gateway.domain.moments import from_text
from gateway.errors import GatewayError
from gateway.programs.context import Context

KEY: Final = "backup"
"""Key of the ledger's `meta` row: the last tries and the last good one."""

_PERIOD_S: Final = 30.0
_AGAIN: Final = timedelta(hours=1)


async def last_good(context: Context) -> str:
    """Return when the last good backup was made (ISO 8601), "" when there is none."""
    return str((await _known(context)).get("good_at", ""))


async def _known(context: Context) -> Mapping[str, Any]:
    row = await context.ledger.one("meta", key=KEY)
    return json.loads(row["value"]) if row and row["value"] else {}


class BackupWatch:
    """Watches the age of the last good backup, and makes one when it is due.

    Args:
        context: Ports and policy.
        warn_after: An older one alarms.
        every: How often one is made.
        make: Makes one in every target and records it; None without targets.
    """

    def __init__(
        self,
        context: Context,
        *,
        warn_after: timedelta,
        every: timedelta,
        make: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._context = context
        self._warn_after = warn_after
        self._every = every
        self._make = make
        self._said: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
            except GatewayError as exc:
                observe.program_failed(program=KEY, failure=exc, retry_in_s=_PERIOD_S)
            except Exception as exc:  # noqa: BLE001 - the next look may find the trouble gone
                observe.alarm(what="backup", failure=exc)
            await asyncio.sleep(_PERIOD_S)

    async def once(self) -> None:
        """Look once; make a backup when it is time."""
        context = self._context
        known = await _known(context)
        now = context.clock.now()
        # One that stands still may be a drill beside the living gateway: the targets are not its to
        # write to, nor to prune, by itself.
        if self._make is not None and not context.restored and self._is_due(known, now):
            async with context.leases.holding(KEY) as mine:
                if mine:
                    await self._made(self._make)
            known = await _known(context)
        await self._say(known)

    async def _made(self, make: Callable[[], Awaitable[None]]) -> None:
        try:
            await make()
        except GatewayError as exc:
            observe.alarm(what="backup", failure=exc)

    def _is_due(self, known: Mapping[str, Any], now: datetime) -> bool:
        good, tried = _at(known, "good_at"), _at(known, "tried_at")
        # Before now: one made under a clock that was set back since says nothing of its age.
        if good is not None and timedelta() <= now - good < self._every:
            return False
        return tried is None or not timedelta() <= now - tried < min(_AGAIN, self._every)

    async def _say(self, known: Mapping[str, Any]) -> None:
        since = _at(known, "good_at")
        if since is None:
            first = await self._context.ledger.one("entry_first")
            since = None if first is None else from_text(first["at"])
        age = timedelta() if since is None else self._context.clock.now() - since
        observe.backup_age(age_s=age.total_seconds())
        # From the future it is of no known age: the clock was set back since.
        self._stands("backup_old", active=age > self._warn_after or age < -_AGAIN)
        lacking = any(not target["good"] for target in known.get("targets", ()))
        self._stands("backup_target", active=lacking)

    def _stands(self, what: str, *, active: bool) -> None:
        if active != (what in self._said):
            self._said ^= {what}
            observe.standing_warning(what=what, active=active)


def _at(known: Mapping[str, Any], key: str) -> datetime | None:
    text = known.get(key)
    return datetime.fromisoformat(text) if text else None
