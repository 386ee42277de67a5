"""forecast: in how many days the disk is full, if it goes on filling as it did.

A sample an hour for two weeks, kept in the ledger's `meta` row `disk:NODE` so that a restart
forgets nothing; a line through them (least squares) gives the growth. Fewer than a day of samples,
or a disk that is not filling, forecast nothing. Below the limit: a standing warning, one alarm.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway import observe
from gateway.domain.moments import from_text, to_text
from gateway.errors import GatewayError
from gateway.ports import ChangeSet, Insert, Update
from gateway.programs.admission import Room
from gateway.programs.context import Context

_EVERY: Final = timedelta(hours=1)
_KEPT: Final = timedelta(days=14)
_LEAST: Final = timedelta(days=1)
_LOOK_S: Final = 60.0
_DAY_S: Final = 86_400.0

Sample = tuple[datetime, int]


def days_left(samples: Sequence[Sample]) -> float | None:
    """Return the days until nothing is free, None when that cannot be said or is not near.

    Args:
        samples: Instants and free bytes, oldest first.
    """
    if len(samples) < 3 or samples[-1][0] - samples[0][0] < _LEAST:
        return None
    at = [(when - samples[0][0]).total_seconds() / _DAY_S for when, _ in samples]
    free = [float(count) for _, count in samples]
    middle_at, middle_free = sum(at) / len(at), sum(free) / len(free)
    spread = sum((x - middle_at) ** 2 for x in at)
    slope = sum((x - middle_at) * (y - middle_free) for x, y in zip(at, free, strict=True)) / spread
    return None if slope >= 0 else max(0.0, free[-1] / -slope)


class Forecast:
    """Samples the disk every hour.

    Args:
        context: Ports and policy; told the forecast.
        name: This node's name.
        room: What is free; OSError when unknown.
        warn: A forecast below this is said aloud.
    """

    def __init__(
        self, context: Context, name: str, room: Callable[[], Room], warn: timedelta
    ) -> None:
        self._context = context
        self._key = {"key": f"disk:{name}"}
        self._room = room
        self._warn = warn
        self._said = False

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
            except (GatewayError, OSError) as exc:
                observe.program_failed(program="forecast", failure=exc, retry_in_s=_LOOK_S)
            await asyncio.sleep(_LOOK_S)

    async def once(self) -> None:
        """Take a sample when it is time, and say what follows from all of them."""
        context = self._context
        now = context.clock.now()
        # None of a time to come: the clock was set back.
        samples = [s for s in await self._samples() if timedelta() <= now - s[0] <= _KEPT]
        if not samples or now - samples[-1][0] >= _EVERY:
            room = await asyncio.to_thread(self._room)
            samples.append((now, room.free_bytes))
            value = json.dumps([(to_text(at), free) for at, free in samples])
            rows = (
                Insert("meta", self._key | {"value": ""}, ignore=True),
                Update("meta", self._key, {"value": value}),
            )
            await context.ledger.commit(ChangeSet(rows=rows))
        self._tell(days_left(samples))

    async def _samples(self) -> list[Sample]:
        row = await self._context.ledger.one("meta", **self._key)
        if row is None or not row["value"]:
            return []
        return [(from_text(at), int(free)) for at, free in json.loads(row["value"])]

    def _tell(self, days: float | None) -> None:
        self._context.disk_days = days
        observe.disk_forecast(days=days)
        near = days is not None and days * _DAY_S < self._warn.total_seconds()
        if near is not self._said:
            self._said = near
            observe.standing_warning(what="disk_full_soon", active=near)
            if near:
                observe.alarm(what="disk full soon", subject=f"{days:.0f}")
