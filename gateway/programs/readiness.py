"""Readiness: can documents be taken now, and what must be said besides.

Promises: what an acceptance needs is tried, at most once a second however many ask; a check that
breaks says so and raises nothing. The trial row and the trial bytes leave nothing behind.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from gateway.domain.moments import iso
from gateway.errors import GatewayError
from gateway.ports import ChangeSet, Insert, Update
from gateway.programs import backupwatch, clockwatch, undetermined
from gateway.programs.context import Context

_EVERY_S: Final = 1.0
_WAIT_S: Final = 5.0


class Readiness:
    """The checks behind `/ready`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._trying: asyncio.Future[Mapping[str, str]] | None = None
        self._try_again = 0.0

    async def checks(self) -> dict[str, str]:
        """Return each check's `ok`, with what must be said beside it, or what is wrong."""
        checks = dict(await self._tried())
        checks["clock"] = "ok"
        if self._context.restored:
            checks["restored"] = "ok (standing still: reconcile and release)"
        if clockwatch.clock_is_off(self._context):
            # TIM-01: we still accept; stamping and relaying are held, so it is said, not failed.
            checks["clock"] = "ok (off: stamping held)"
        parts = await self._context.gatekeeper.parts()
        if "disk" in parts:
            checks["disk"] = "ok" if parts["disk"] < 1 else "less is free than the floor"
            days = self._context.disk_days
            if checks["disk"] == "ok" and days is not None:
                checks["disk"] = f"ok (full in {days:.0f} days)"
        # Said, not failed: what is full for one node is for all, and asking them helps nobody.
        full = sorted(what for what, part in parts.items() if part >= 1 and what != "disk")
        checks["load"] = f"ok (full: {', '.join(full)})" if full else "ok"
        try:
            # S004 art 10.2: said, not failed; `backupwatch` alarms when it is too old.
            good = await backupwatch.last_good(self._context)
            checks["backup"] = f"ok ({good})" if good else "ok (none yet)"
            waits = await undetermined.waiting(self._context.ledger, self._context.clock.now())
        except GatewayError:
            return checks  # the ledger's own check says why
        # SIG-42: the number that waits and since when; documents are taken meanwhile.
        checks["verdicts"] = undetermined.said([w for w in waits if w.cause in undetermined.OURS])
        return checks

    async def _tried(self) -> Mapping[str, str]:
        loop = asyncio.get_running_loop()
        if self._trying is None or (self._trying.done() and loop.time() >= self._try_again):
            self._try_again = loop.time() + _EVERY_S
            self._trying = asyncio.ensure_future(self._try())
        return await asyncio.shield(self._trying)

    async def _try(self) -> Mapping[str, str]:
        return {
            "ledger": await _outcome(self._write_row(), "cannot commit"),
            "blobs": await _outcome(asyncio.to_thread(self._context.blobs.probe), "cannot write"),
        }

    async def _write_row(self) -> None:
        key = {"key": "ready"}
        now = iso(self._context.clock.now())
        rows = (
            Insert("meta", key | {"value": ""}, ignore=True),
            Update("meta", key, {"value": now}),
        )
        await self._context.ledger.commit(ChangeSet(rows=rows))


async def _outcome(trial: Coroutine[Any, Any, None], wrong: str) -> str:
    try:
        async with asyncio.timeout(_WAIT_S):
            await trial
    except Exception as exc:  # noqa: BLE001 - readiness says what is wrong, it does not raise
        return f"{wrong}: {type(exc).__name__}"
    return "ok"
