"""The log of operation, a day a row (AUD-02, S002 art 10.2c): what was done between two midnights.

Promises: a day is closed once, soon after its midnight in Vietnam, from the entries of the receipt
log since the last one was closed; it names their places, so that anybody can count again; its
digest stands in the log itself. Days nobody was there for are in the next row. Rows only: a crash
leaves a day closed or not, and it is tried again a minute later. Nodes may try together.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

from gateway.domain.marking import told
from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.ports import Absent, ChangeSet, Insert
from gateway.ports.figures import Snapshot
from gateway.programs.context import Context
from gateway.programs.figures import snapshot_of
from gateway.programs.janitor import Every
from gateway.programs.rows import audited, dumps

KIND: Final = "operation"
_PIECE: Final = 20_000
"""Entries counted in one question: the ledger is everybody's."""


class DayLog:
    """See the module.

    Args:
        context: The ledger, time.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._looking = Every(timedelta(minutes=1))

    async def days(self, limit: int) -> Sequence[Snapshot]:
        """Return the last days, the newest first."""
        rows = await self._context.ledger.all("snapshots_lately", kind=self._kind, limit=limit)
        return [snapshot_of(row) for row in rows]

    @property
    def _kind(self) -> str:
        return f"{KIND}-training" if self._context.policy.training else KIND

    async def once(self) -> None:
        """Close the day before, when that is to be done."""
        context, now = self._context, self._context.clock.now()
        if context.restored or not self._looking.due(now):
            return
        day = now.astimezone(VIETNAM).date() - timedelta(days=1)
        last = next(iter(await self.days(1)), None)
        if last is not None and last.period >= day.isoformat():
            return
        if last is None and not await self._began_by(day):
            return  # the very first day goes on
        first = 0 if last is None else int(last.figures["to_entry"])
        size = await context.ledger.one("log_size")
        figures = await self._counted(first, size["size"] if size else 0)
        since = day if last is None else date.fromisoformat(last.period) + timedelta(days=1)
        text = dumps(
            told({"from_day": since.isoformat(), **figures}, training=context.policy.training)
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        key = {"agency": "", "kind": self._kind, "period": day.isoformat()}
        row = {
            **key,
            "id": context.ids.new(),
            "figures": text,
            "sha256": digest,
            "made_at": to_text(now),
            "made_by": "vanlien",
        }
        entries = audited(
            context.ids, now, action="day-closed", actor="vanlien", target=f"day:{day}", code=digest
        )
        change = ChangeSet((Insert("snapshot", row), *entries), (Absent("snapshot", key),))
        await context.ledger.commit(change)

    async def _began_by(self, day: date) -> bool:
        first = await self._context.ledger.one("entry_first")
        return first is not None and from_text(first["at"]).astimezone(VIETNAM).date() <= day

    async def _counted(self, first: int, upto: int) -> dict[str, Any]:
        """Return how many entries of which kind, and how many acts of which name, there are."""
        kinds, acts = Counter[str](), Counter[str]()
        for begin in range(first, upto, _PIECE):
            rows = await self._context.ledger.all(
                "entries_counted", first=begin, upto=min(begin + _PIECE, upto)
            )
            for row in rows:
                (acts if row["action"] else kinds)[row["action"] or row["kind"]] += row["n"]
        ordered = {"kinds": dict(sorted(kinds.items())), "acts": dict(sorted(acts.items()))}
        return {"from_entry": first, "to_entry": upto, **ordered}
