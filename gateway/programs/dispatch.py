"""dispatch: outbox rows become ids in the lanes.

Publish first, forget the row after: a crash between the two wakes a program twice, and a program
woken twice finds nothing to claim.
"""

import asyncio

from gateway import faults, observe
from gateway.errors import GatewayError
from gateway.ports import Wanted
from gateway.programs.context import Context

_BATCH = 500
_RETRY_S = 1.0


class Dispatch:
    """Empties the outbox whenever the ledger says that there is something in it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._woken = asyncio.Event()
        self._woken.set()

    def wake(self) -> None:
        """Say that rows were committed; called on the loop."""
        self._woken.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                while await self.once():
                    pass
            except GatewayError as exc:
                # A ledger that cannot commit now: the rows stay, and are published again.
                observe.program_failed(program="dispatch", failure=exc, retry_in_s=_RETRY_S)
                await asyncio.sleep(_RETRY_S)
                self._woken.set()

    async def once(self) -> int:
        """Publish one batch; return how many rows there were."""
        async with self._context.ledger.drain(_BATCH) as rows:
            if rows:
                await self._context.lanes.publish(
                    [Wanted(row["topic"], row["ref"], row["lane"], str(row["id"])) for row in rows]
                )
                faults.reach("dispatch.after-publish")
        return len(rows)
