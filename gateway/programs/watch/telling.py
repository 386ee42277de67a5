"""Telling what is owed: by mail and by the webhook of operations; at least once, never nobody.

What is owed stands in the ledger before this looks; what failed stays owed and is tried again, ever
more seldom, for two days; nothing is removed. Each has an id of its own (`Message-ID`,
`webhook-id`), the same at every try, so that who receives it twice sees that it is one. Of one
address with more than a few alerts owed, all of them are one mail. At most so many mails a minute.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import observe
from gateway.domain import webhook as signing
from gateway.domain.marking import told
from gateway.domain.moments import from_text, iso, to_text
from gateway.domain.watch import KINDS, AlertKind, AlertState
from gateway.ports import Change, ChangeSet, Row, Update
from gateway.ports import Post as Hooks
from gateway.ports.watch import Alert, Letter, Post
from gateway.programs.context import Context
from gateway.programs.rows import dumps
from gateway.programs.watch.keeping import LedgerAlerts
from gateway.programs.watch.words import Words

_TABLE: Final = "alert_telling"
_AT_ONCE: Final = 200
_FEW: Final = 3
_FIRST_S: Final = 30.0
_LONGEST: Final = timedelta(hours=1)
_GIVE_UP: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Hook:
    """The webhook of operations.

    Args:
        url: Where to.
        secret: Signs each message (Standard Webhooks).
        post: Brings one.
        training: Whether all data are for training: every message says so.
    """

    url: str
    secret: Callable[[], bytes]
    post: Hooks
    training: bool = False


class Allowance:
    """Mails a minute, of whatever kind.

    Args:
        per_minute: How many.
    """

    def __init__(self, per_minute: int = 30) -> None:
        self._per_minute = per_minute
        self._sent: list[datetime] = []

    def allows(self, now: datetime, *, share: int = 1) -> bool:
        """Return whether one more may go, of the whole or of a share of it (2: half)."""
        self._sent = [at for at in self._sent if timedelta() <= now - at < timedelta(minutes=1)]
        return len(self._sent) < max(1, self._per_minute // share)

    def used(self, now: datetime) -> None:
        """Count one."""
        self._sent.append(now)


class Teller:
    """Tells what is owed.

    Args:
        context: Ledger and clock.
        words: Texts of mails.
        mail: Brings mail, None without a server.
        hook: The webhook of operations, None without.
        allowance: Mails a minute.
    """

    def __init__(
        self,
        context: Context,
        words: Words,
        mail: Post | None,
        hook: Hook | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        self._context = context
        self._words = words
        self._mail = mail
        self._hook = hook
        self._allowance = allowance or Allowance()
        self._alerts = LedgerAlerts(context)

    async def once(self) -> int:
        """Tell what is due; return how many letters and messages went out."""
        now = self._context.clock.now()
        rows = await self._context.ledger.all("tellings_owed", now=to_text(now), limit=_AT_ONCE)
        if not rows:
            return 0
        out = 0
        mails: dict[tuple[str, bool], list[Row]] = {}
        for row in rows:
            if row["way"] == "hook":
                out += await self._by_hook(row, now)
            else:
                digest = row["alert_id"].startswith("digest:")
                mails.setdefault((row["whom"], digest), []).append(row)
        for (whom, digest), some in mails.items():
            # What is many is one letter.
            single = digest or len(some) <= _FEW
            for part in [[row] for row in some] if single else [some]:
                if not self._allowance.allows(now):
                    return out
                out += await self._by_mail(whom, part, now)
        return out

    # ------------------------------------------------------------ by mail

    async def _by_mail(self, whom: str, rows: Sequence[Row], now: datetime) -> int:
        if self._mail is None:
            await self._settle(rows, now, "dead", "no mail server")
            return 0
        letter = await self._letter(whom, rows, now)
        if letter is None:
            await self._settle(rows, now, "over")
            return 0
        self._allowance.used(now)
        mailed = await self._mail.send(letter)
        if not mailed.reason:
            await self._settle(rows, now, "told")
            observe.alert_told(way="mail", alerts=len(rows))
            return 1
        observe.alert_not_told(way="mail", reason=mailed.reason, final=mailed.final)
        await self._failed(rows, now, mailed.reason, final=mailed.final)
        return 0

    async def _letter(self, whom: str, rows: Sequence[Row], now: datetime) -> Letter | None:
        first = rows[0]
        name = f"{first['id']}@{self._words.host}"
        if first["alert_id"].startswith("digest:"):
            today = await self._alerts.today(first["agency"])
            return self._words.digest(name, whom, today, now)
        alerts = [await self._alerts.one(row["alert_id"]) for row in rows]
        # Over or taken on meanwhile: nobody need be waked.
        there = [alert for alert in alerts if alert.state is AlertState.OPEN]
        return self._words.alerts(name, whom, there) if there else None

    # ------------------------------------------------------------ by webhook

    async def _by_hook(self, row: Row, now: datetime) -> int:
        if self._hook is None:
            await self._settle([row], now, "dead", "no webhook")
            return 0
        alert = await self._alerts.one(row["alert_id"])
        data = told(shown(alert), training=self._hook.training)
        body = dumps({"type": "alert.raised", "timestamp": iso(now), "data": data}).encode()
        stamp = int(now.timestamp())
        headers = signing.headers([self._hook.secret()], f"msg_{row['id']}", stamp, body)
        posted = await self._hook.post.post(self._hook.url, headers, body)
        if posted.taken:
            await self._settle([row], now, "told")
            observe.alert_told(way="hook", alerts=1)
            return 1
        observe.alert_not_told(way="hook", reason=posted.outcome, final=False)
        await self._failed([row], now, posted.outcome, final=False)
        return 0

    # ------------------------------------------------------------ outcomes

    async def _settle(
        self, rows: Sequence[Row], now: datetime, state: str, reason: str = ""
    ) -> None:
        for row in rows:
            await self._commit(settled(_TABLE, row, now, state, reason))

    async def _failed(
        self, rows: Sequence[Row], now: datetime, reason: str, *, final: bool
    ) -> None:
        for row in rows:
            old = now - from_text(row["made_at"]) > _GIVE_UP
            await self._commit(failed(_TABLE, row, now, reason, final=final or old))

    async def _commit(self, change: Change) -> None:
        await self._context.ledger.commit(ChangeSet(rows=(change,)))


def settled(table: str, row: Row, now: datetime, state: str, reason: str = "") -> Update:
    """Return the change that ends what was owed to somebody."""
    values = {
        "state": state,
        "told_at": to_text(now) if state == "told" else None,
        "tries": row["tries"] + 1,
        "reason": reason,
    }
    return Update(table, {"id": row["id"], "state": "owed"}, values, expect=None)


def failed(table: str, row: Row, now: datetime, reason: str, *, final: bool) -> Update:
    """Return the change after a try that failed: again later, or no more."""
    tries = row["tries"] + 1
    wait = min(timedelta(seconds=_FIRST_S * 2 ** min(tries - 1, 20)), _LONGEST)
    values = {
        "state": "dead" if final else "owed",
        "tries": tries,
        "due_at": to_text(now + wait),
        "reason": reason[:200],
    }
    return Update(table, {"id": row["id"], "state": "owed"}, values, expect=None)


def shown(alert: Alert) -> Mapping[str, Any]:
    """Return what a machine is told of an alert: codes, counts, identifiers, times."""
    text = KINDS[AlertKind(alert.kind)].text
    return {
        "id": alert.id,
        "kind": alert.kind.value,
        "title": text.vi,
        "title_en": text.en,
        "severity": alert.severity.name.lower(),
        "state": alert.state.value,
        "agency": alert.agency,
        "subject": alert.subject,
        "since": iso(alert.since),
        "due": None if alert.due is None else iso(alert.due),
        "count": alert.count,
        "about": list(alert.about),
        "level": alert.level,
    }
