"""dispatch: outbox rows become ids in the lanes.

Publish first, forget the row after: a crash between the two wakes a program twice, and a program
woken twice finds nothing to claim. A broker that refuses, or a ledger that cannot commit, leaves
the rows where they are: they are tried again every second, and told once.
"""

import asyncio
from contextlib import suppress

from gateway import faults, observe
from gateway.errors import GatewayError, UnavailableError
from gateway.ports import Row, Wanted
from gateway.programs.context import Context
from gateway.programs.routing import read_owed

_BATCH = 500
_RETRY_S = 1.0
_LOOK_S = 1.0
"""Rows of other nodes do not wake this one; it looks for them this often."""


class Dispatch:
    """Empties the outbox whenever the ledger says that there is something in it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._woken = asyncio.Event()
        self._woken.set()
        self._told = False

    def wake(self) -> None:
        """Say that rows were committed; called on the loop."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await self._woken.wait()
            self._woken.clear()
            try:
                while await self.once():
                    pass
                self._told = False
            except UnavailableError as exc:
                self._tell(exc)
                await asyncio.sleep(_RETRY_S)
                self._woken.set()
            except GatewayError as exc:
                observe.program_failed(program="dispatch", failure=exc, retry_in_s=_RETRY_S)
                await asyncio.sleep(_RETRY_S)
                self._woken.set()

    def _tell(self, failure: UnavailableError) -> None:
        """Say once, not every second, what is away; it may take hours."""
        if not self._told:
            self._told = True
            observe.program_failed(program="dispatch", failure=failure, retry_in_s=_RETRY_S)

    async def once(self) -> int:
        """Publish one batch; return how many rows there were."""
        async with self._context.ledger.drain(_BATCH) as rows:
            if rows:
                await self._context.lanes.publish([_wanted(row) for row in rows])
                faults.reach("dispatch.after-publish")
        return len(rows)


def _wanted(row: Row) -> Wanted:
    topic, flow = read_owed(row["topic"])
    return Wanted(topic, row["ref"], row["lane"], str(row["id"]), flow)
