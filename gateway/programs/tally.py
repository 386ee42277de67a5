"""tally: what this node did, minute by minute, kept in the ledger for two days.

The board must show all nodes and survive a restart, so each node adds what its counters grew by to
rows of its own (`flow_minute`), once a minute, and sums are made when somebody looks. Beside them
stands the size of the receipt log (`log`), which is one for all nodes: how much it grew in a minute
is exact whoever wrote it down. A crash loses what this node counted since its last row, less than
a minute of a chart and nothing else: nothing here is evidence.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from gateway import observe
from gateway.domain.moments import to_text
from gateway.errors import GatewayError
from gateway.ports import Change, ChangeSet, Delete, Insert, Ledger

Flow = Mapping[tuple[str, str], tuple[int, int]]

KEPT: Final = timedelta(hours=48)
LOG: Final = "log"
_EVERY_S: Final = 60.0
_MINUTE: Final = 16
_AT_ONCE: Final = 500


class Tally:
    """Writes down what passed.

    Args:
        ledger: Where the rows are.
        name: This node's name.
        now: The time.
        flow: Counters since the process began (`gateway.measures.flow`).
    """

    def __init__(
        self, ledger: Ledger, name: str, now: Callable[[], datetime], flow: Callable[[], Flow]
    ) -> None:
        self._ledger = ledger
        self._name = name
        self._now = now
        self._flow = flow
        # Another gateway of this process, in a test, may have counted before us.
        self._before: Flow = flow()

    async def run(self) -> None:
        """Work until cancelled; what was counted since the last row is written at the end."""
        try:
            while True:
                await self._try()
                await asyncio.sleep(_EVERY_S)
        finally:
            await self._try()

    async def _try(self) -> None:
        try:
            await self.once()
        except GatewayError as exc:
            observe.program_failed(program="tally", failure=exc, retry_in_s=_EVERY_S)

    async def once(self) -> None:
        """Add what passed since the last time, and forget what is too old."""
        now = self._now()
        flow = self._flow()
        size = await self._ledger.one("log_size")
        rows: list[Change] = [
            self._row(now, what, peer, n, ms) for (what, peer), (n, ms) in self._grown(flow)
        ]
        rows.append(self._row(now, LOG, "", int(size["size"]) if size is not None else 0, 0))
        params = {"until": minute(now - KEPT), "node": self._name, "limit": _AT_ONCE}
        old = await self._ledger.all("flow_old", **params)
        rows += [Delete("flow_minute", {"id": row["id"]}) for row in old]
        await self._ledger.commit(ChangeSet(rows=tuple(rows)))
        self._before = flow

    def _grown(self, flow: Flow) -> list[tuple[tuple[str, str], tuple[int, int]]]:
        grown = []
        for key, (n, ms) in flow.items():
            before = self._before.get(key, (0, 0))
            if n > before[0]:
                grown.append((key, (n - before[0], max(0, ms - before[1]))))
        return grown

    def _row(self, now: datetime, what: str, peer: str, n: int, ms: int) -> Insert:
        # Named by the instant: two rows in one minute are both counted.
        at = to_text(now)
        values = {"minute": minute(now), "node": self._name, "what": what, "peer": peer}
        row_id = f"{at}/{self._name}/{what}/{peer}"
        return Insert("flow_minute", {"id": row_id, **values, "n": n, "ms": ms}, ignore=True)


def minute(at: datetime) -> str:
    """Return the minute of an instant, as rows name it: `2026-11-22T06:14`."""
    return to_text(at)[:_MINUTE]
