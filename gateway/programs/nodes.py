"""nodes: the processes that share a ledger, whether they live, and whether they are wanted to work.

Each has a row with a beat that moves as long as it lives. Another is dead when we have seen its
beat stand still for `dead_s` by our own clock (nobody compares two machines' clocks). A process
that finds its row taken over by a younger one of the same name ends: two nodes of one name are one
too many. Maintenance is a word in the ledger for all nodes or for one, written by
`vanlien maintenance` and looked for twice a second. What only a node knows of itself (when its
certificates end, whether its clock is right) stands in its row too, for the watch, wherever that
works. A crash leaves a row whose beat stands still.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from gateway import observe
from gateway.domain.moments import to_text
from gateway.errors import GatewayError, IntegrityError
from gateway.ports import ChangeSet, Conflict, Insert, Ledger, Update
from gateway.programs.leases import Sightings

DEAD_S: Final = 30.0
MAINTENANCE: Final = "maintenance"
"""Key of the ledger's `meta` row for all nodes; `maintenance:NAME` is that of one."""

_LOOK_S: Final = 0.5
_BEATS: Final = 6


@dataclass(frozen=True, slots=True)
class Self:
    """Which process this is."""

    name: str
    boot: str
    roles: tuple[str, ...]
    version: str


class Nodes:
    """This node's row, and what it sees of the others.

    Args:
        ledger: Where the rows are.
        me: Which process this is.
        now: Stamps what people read; decides nothing.
        on_maintenance: Told the reason when maintenance begins, "" when it ends.
        dead_s: How long a beat must stand still until its node counts as dead.
        monotonic: Seconds that only grow; the loop's own when None.
        facts: What this node knows of itself, as JSON; written with the beat when it changed.
    """

    def __init__(
        self,
        ledger: Ledger,
        me: Self,
        now: Callable[[], datetime],
        on_maintenance: Callable[[str], Awaitable[None]],
        *,
        dead_s: float = DEAD_S,
        monotonic: Callable[[], float] | None = None,
        facts: Callable[[], str] = lambda: "{}",
    ) -> None:
        self._ledger = ledger
        self._dead_s = dead_s
        self._beat_s = dead_s / _BEATS
        self._me = me
        self._now = now
        self._on_maintenance = on_maintenance
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._sightings = Sightings(self._monotonic)
        self._facts = facts
        self._said = "{}"
        self._beat = 0
        self._beaten = -self._beat_s
        self._dead: frozenset[str] = frozenset()
        self.state = "up"
        self.maintenance = ""

    def dead(self) -> Sequence[str]:
        """Return the nodes found dead, by name."""
        return sorted(self._dead)

    # ------------------------------------------------------------ our own row

    async def enter(self) -> None:
        """Write our row; from now on an older process of our name ends itself."""
        at = to_text(self._now())
        me = self._me
        values = {
            "boot": me.boot,
            "roles": ",".join(me.roles),
            "version": me.version,
            "state": self.state,
            "beat": 0,
            "started_at": at,
            "seen_at": at,
            "facts": self._said,
        }
        name = {"name": me.name}
        rows = (Insert("node", name | values, ignore=True), Update("node", name, values))
        await self._ledger.commit(ChangeSet(rows=rows))

    async def say(self, state: str, reason: str = "") -> None:
        """Write what we are doing: `up`, `maintenance`, `draining`, `down`."""
        if state != self.state:
            observe.node_state(node=self._me.name, state=state, reason=reason)
        self.state = state
        await self._mark()

    async def _mark(self) -> None:
        """Move our beat.

        Raises:
            IntegrityError: A younger process has our name.
        """
        self._beat += 1
        mine = {"name": self._me.name, "boot": self._me.boot}
        at = to_text(self._now())
        facts = self._facts()
        values = {"beat": self._beat, "state": self.state, "seen_at": at}
        if facts != self._said:
            values["facts"] = facts
        marked = await self._ledger.commit(ChangeSet(rows=(Update("node", mine, values),)))
        if isinstance(marked, Conflict):
            name = self._me.name
            raise IntegrityError(f"another process runs as the node {name}: set [node] name")
        self._said = facts
        self._beaten = self._monotonic()

    # ------------------------------------------------------------ looking

    async def run(self) -> None:
        """Look until cancelled; ends with IntegrityError when another process has our name."""
        while True:
            try:
                await self.look()
            except IntegrityError:
                raise
            except GatewayError as exc:
                observe.program_failed(program="nodes", failure=exc, retry_in_s=_LOOK_S)
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """Heed maintenance; when it is time, move our beat and look at the others'."""
        await self._heed()
        if self._monotonic() - self._beaten >= self._beat_s:
            await self._mark()
            await self._watch()

    async def _heed(self) -> None:
        rows = {row["key"]: row["value"] for row in await self._ledger.all("maintenance")}
        said = rows.get(f"{MAINTENANCE}:{self._me.name}", rows.get(MAINTENANCE, ""))
        reason = reason_of(said)
        if bool(reason) is not bool(self.maintenance):
            self.maintenance = reason
            observe.standing_warning(what="maintenance", active=bool(reason))
            await self._on_maintenance(reason)

    async def _watch(self) -> None:
        dead = set()
        for row in await self._ledger.all("nodes"):
            looks = row["boot"], row["beat"]
            still_s = self._sightings.unmoved_s(row["name"], looks)
            if row["name"] != self._me.name and row["state"] != "down" and still_s >= self._dead_s:
                dead.add(row["name"])
        for name in sorted(dead - self._dead):
            observe.node_state(node=name, state="dead")
        if dead != self._dead:
            observe.standing_warning(what="node_dead", active=bool(dead))
        self._dead = frozenset(dead)


def reason_of(value: str) -> str:
    """Return why there is maintenance, "" when there is none."""
    if not value:
        return ""
    told: dict[str, Any] = json.loads(value)
    return str(told.get("reason") or MAINTENANCE)
