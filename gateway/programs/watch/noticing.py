"""Telling units of maintenance by mail: what `unitnotices` owes (OPS-06); at least once.

What is owed stands in the ledger before this looks; what failed is tried again, ever more seldom,
for three days; nothing is removed. Alerts go first: half of the mails of a minute are theirs. An
announcement nobody got before the work was over or called off is told no more. Each letter has an
id of its own, the same at every try. A crash tells the same letter again.
"""

from datetime import datetime, timedelta
from typing import Final

from gateway import observe
from gateway.domain.duties import MaintenanceState
from gateway.domain.moments import from_text, to_text
from gateway.ports import Change, ChangeSet, Row
from gateway.ports.watch import Post
from gateway.programs.context import Context
from gateway.programs.unitnotices import ANNOUNCE
from gateway.programs.watch.telling import Allowance, failed, settled
from gateway.programs.watch.words import Words

_TABLE: Final = "maintenance_telling"
_AT_ONCE: Final = 50
_GIVE_UP: Final = timedelta(days=3)
_OVER: Final = frozenset({MaintenanceState.DONE.value, MaintenanceState.CANCELLED.value})


class Noticer:
    """Tells units.

    Args:
        context: Ledger and clock.
        words: Texts of mails.
        mail: Brings mail, None without a server.
        allowance: Mails a minute, shared with alerts.
    """

    def __init__(
        self, context: Context, words: Words, mail: Post | None, allowance: Allowance
    ) -> None:
        self._context = context
        self._words = words
        self._mail = mail
        self._allowance = allowance

    async def once(self) -> int:
        """Tell what is due; return how many letters went out."""
        now = self._context.clock.now()
        ledger, out = self._context.ledger, 0
        for row in await ledger.all("maintenance_owed", now=to_text(now), limit=_AT_ONCE):
            if self._mail is not None and not self._allowance.allows(now, share=2):
                break
            out += await self._tell(row, now)
        return out

    async def _tell(self, row: Row, now: datetime) -> int:
        work = await self._context.ledger.one("maintenance_work", id=row["maintenance_id"])
        if work is None or (row["act"] == ANNOUNCE and work["state"] in _OVER):
            await self._commit(settled(_TABLE, row, now, "over"))
            return 0
        if self._mail is None:
            await self._commit(settled(_TABLE, row, now, "dead", "no mail server"))
            return 0
        self._allowance.used(now)
        name = f"{row['id']}@{self._words.host}"
        mailed = await self._mail.send(self._words.maintenance(name, row["whom"], row["act"], work))
        if not mailed.reason:
            observe.alert_told(way="mail", alerts=1)
            await self._commit(settled(_TABLE, row, now, "told"))
            return 1
        observe.alert_not_told(way="mail", reason=mailed.reason, final=mailed.final)
        final = mailed.final or now - from_text(row["made_at"]) > _GIVE_UP
        await self._commit(failed(_TABLE, row, now, mailed.reason, final=final))
        return 0

    async def _commit(self, change: Change) -> None:
        await self._context.ledger.commit(ChangeSet(rows=(change,)))
