"""What we do when the clock is known to be wrong (TIM-01): accept, hold stamping and relaying.

An unknown offset warns, and everything stamped is marked; an audited override lets traffic go on.
`ClockWatch` compares with the time server and looks for the override every second; nothing it knows
outlives the process, so a restart begins with an unknown offset and asks at once.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway import observe
from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Row, Update
from gateway.programs.context import Context
from gateway.programs.patience import Patience
from gateway.programs.rows import event

HOLD: Final = "clock"
RESTORED: Final = "restored"
"""The hold of a gateway restored from a backup, and the key of the ledger's `meta` row that says so
until it is reconciled and released; "" afterwards."""

LOST_UNTIL: Final = "lost_until"
"""The key of the `meta` row with the end of the time that the last restoration lost."""
OVERRIDE: Final = "clock_override"
"""Key of the ledger's `meta` row: the reason of a standing override, "" when there is none."""

_PERIOD_S: Final = 1.0
_ROOM: Final = timedelta(hours=1)
_SOON: Final = timedelta(seconds=15)


def is_off(context: Context) -> bool:
    """Tell whether stamping and relaying are held: a clock that is off, or a gateway restored."""
    return context.restored or clock_is_off(context)


def clock_is_off(context: Context) -> bool:
    """Tell whether the clock is known to be off by more than the limit, and nobody overrode it."""
    offset = context.clock.offset()
    return offset is not None and abs(offset) > context.policy.max_clock_offset


def hold_of(context: Context) -> str:
    """Return why stamping and relaying are held."""
    return RESTORED if context.restored else HOLD


def mark(context: Context) -> str:
    """Return what a receipt says of the clock: `ok`, `unverified` or `off`."""
    if context.clock.offset() is None:
        return "unverified"
    return "off" if clock_is_off(context) else "ok"


async def hold_transfer(context: Context, transfer: Row) -> None:
    """Hold one transfer until the clock is right again; the janitor releases it."""
    where = {"id": transfer["id"], "state": transfer["state"], "hold": ""}
    hold = hold_of(context)
    change = Update("transfer", where, {"hold": hold})
    now = context.clock.now()
    held = event(transfer["id"], "held", now, reason=hold)
    await context.ledger.commit(ChangeSet(rows=(change, held)))


def _since(value: str) -> datetime | None:
    """Return from when on a restored gateway may lack what it had, with room for two clocks."""
    return datetime.fromisoformat(json.loads(value)["made_at"]) - _ROOM if value else None


class SettableClock(Protocol):
    """A clock that can be told what was measured, and that somebody overrode it."""

    overridden: bool

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        ...

    def offset(self) -> timedelta | None:
        """Return the offset as it counts; None when unknown or overridden."""
        ...

    def measured(self) -> timedelta | None:
        """Return the offset as measured, overridden or not."""
        ...

    def learn(self, offset: timedelta) -> None:
        """Take a measured offset."""
        ...


class ClockWatch:
    """Keeps the clock's state true and says aloud what operations must see.

    Args:
        context: Ports and policy.
        clock: The clock behind the context's port.
        ask: Measures true time minus ours; None without a time server. Raises OSError.
        every: How often to measure; while the clock is off, at least every quarter of a minute.
        warn_over: An offset above this alerts (design: 1 s), though nothing is held yet.
    """

    def __init__(
        self,
        context: Context,
        clock: SettableClock,
        ask: Callable[[], Awaitable[timedelta]] | None,
        *,
        every: timedelta,
        warn_over: timedelta,
    ) -> None:
        self._context = context
        self._clock = clock
        self._ask = ask
        self._every = every
        self._warn_over = warn_over
        self._ask_again: datetime | None = None
        self._said: frozenset[str] = frozenset()
        self._still = False
        self._patience = Patience("clock watch", lambda: 0.5)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
                self._patience.good()
            except UnavailableError as exc:
                await self._patience.wait(exc)
            except Exception as exc:  # noqa: BLE001 - the next look may find the trouble gone
                observe.alarm(what="clock watch", failure=exc)
            await asyncio.sleep(_PERIOD_S)

    async def once(self) -> None:
        """Look for the override, measure when it is time, say what changed."""
        row = await self._context.ledger.one("meta", key=OVERRIDE)
        self._clock.overridden = row is not None and row["value"] != ""
        row = await self._context.ledger.one("meta", key=RESTORED)
        self._context.restored = row is not None and row["value"] != ""
        self._context.restored_since = _since(row["value"]) if row is not None else None
        row = await self._context.ledger.one("meta", key=LOST_UNTIL)
        self._context.lost_until = datetime.fromisoformat(row["value"]) if row is not None else None
        now = self._clock.now()
        if self._ask is not None and (self._ask_again is None or now >= self._ask_again):
            await self._measure(self._ask)
            wait = self._every if self._good() else min(self._every, _SOON)
            self._ask_again = self._clock.now() + wait
        self._say()

    async def _measure(self, ask: Callable[[], Awaitable[timedelta]]) -> None:
        try:
            self._clock.learn(await ask())
        except OSError:
            observe.clock_warning(state="no answer", offset_s=None)

    def _good(self) -> bool:
        measured = self._clock.measured()
        return measured is not None and abs(measured) <= self._warn_over

    def _say(self) -> None:
        """Raise and end standing warnings; each change is said once."""
        if self._context.restored != self._still:
            self._still = self._context.restored
            observe.standing_warning(what="restored", active=self._still)
        measured = self._clock.measured()
        now: set[str] = set()
        if measured is None:
            now.add("unknown")
        elif abs(measured) > self._warn_over:
            now.add("off")
        if clock_is_off(self._context):
            now.add("held")
        if self._clock.overridden:
            now.add("overridden")
        for state in sorted(now ^ self._said):
            observe.standing_warning(what=f"clock_{state}", active=state in now)
        for state in sorted(now - self._said):
            offset_s = None if measured is None else measured.total_seconds()
            observe.clock_warning(state=state, offset_s=offset_s)
        self._said = frozenset(now)
