"""watch: what is wrong is one alert while it lasts, told to who is on duty, then to the next level.

One node at a time, under the lease `watch`, once a minute:
1. look at every kind (a look that fails ends nothing); 2. compare with what stands; 3. one change
set for each alert that begins, with its tellings: recorded before anybody is told; 4. alerts nobody
acknowledged in time go to the next level; 5. the digest of a day is owed once its work begins;
6. what is owed is told (`telling`). A crash between 3 and 6 tells after the next start; a unique
key (alert, level, way, address) keeps a telling from being owed twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway import observe
from gateway.domain.access import Right, Role, roles_with
from gateway.domain.moments import from_text, to_text
from gateway.domain.watch import (
    KINDS,
    LEVELS,
    OPERATIONS,
    AlertKind,
    AlertState,
    Cause,
    House,
    Standing,
    Turn,
    addresses,
    compare,
    next_level_at,
)
from gateway.domain.worktime import local, next_office_start
from gateway.errors import GatewayError
from gateway.ports import Change, ChangeSet, Conflict, Insert, Row, Update
from gateway.programs.context import Context
from gateway.programs.rows import dumps, event
from gateway.programs.watch.documents import Documents, Waits, start_of_work
from gateway.programs.watch.machine import Facts, Machine

LEASE: Final = "watch"
DIGEST: Final = "digest"
MAIL: Final = "mail"
HOOK: Final = "hook"
HOOK_ADDRESS: Final = "operations"

_PERIOD_S: Final = 60.0
_TELL_S: Final = 2.0
_STANDING: Final = 5000
_LATE_DIGEST: Final = timedelta(hours=4)
_CLERKS: Final = frozenset(role.value for role in roles_with(Right.ALERTS)) - {Role.LEADER.value}
_DIGESTED: Final = frozenset({Role.CLERK.value, Role.LEADER.value, Role.OFFICE_HEAD.value})

Look = Callable[[datetime], Awaitable[Sequence[Cause]]]


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told besides the roster, and how.

    Args:
        operations: Mail addresses of operations.
        mail: Whether there is a mail server.
        hook: Whether there is a webhook of operations.
        digest: Whether the digest of a day is sent.
    """

    operations: tuple[str, ...] = ()
    mail: bool = False
    hook: bool = False
    digest: bool = True


class Tells(Protocol):
    """Tells what is owed."""

    async def once(self) -> int:
        """Tell what is due now; return how many letters and messages went out."""
        ...


class Watch:
    """Watches.

    Args:
        context: Ports and policy.
        facts: What others of this process know.
        waits: How long what may wait.
        told: Who is told.
        tellers: Tell what is owed, the most urgent first.
    """

    def __init__(
        self,
        context: Context,
        facts: Facts,
        waits: Waits,
        told: Told,
        tellers: Sequence[Tells] = (),
    ) -> None:
        self._context = context
        self._told = told
        self._tellers = tellers
        self._measured: set[tuple[str, str]] = set()
        documents, machine = Documents(context, waits), Machine(context, facts)
        kind = AlertKind
        self._looks: tuple[tuple[tuple[AlertKind, ...], Look], ...] = (
            ((kind.NOT_PICKED_UP,), documents.not_picked_up),
            ((kind.NOT_ACKNOWLEDGED,), documents.not_acknowledged),
            ((kind.URGENT_UNSENT,), documents.urgent_unsent),
            (
                (
                    kind.NOT_FETCHED,
                    kind.RECEIPT_DUE,
                    kind.REGISTERED_LATE,
                    kind.URGENT_WAITING,
                ),
                documents.arrivals,
            ),
            ((kind.DESTINATION_DOWN,), documents.destinations),
            ((kind.DEAD_LETTERS,), documents.dead_letters),
            ((kind.VERDICTS_OVERDUE,), documents.verdicts),
            ((kind.CLOCK_OFF, kind.CLOCK_UNKNOWN, kind.CLOCK_DIFFERS), machine.clock),
            ((kind.DISK_FULL_SOON,), machine.disk),
            ((kind.BACKUP_OLD,), machine.backup),
            ((kind.KEY_EXPIRES,), machine.terms),
            ((kind.LISTS_OLD, kind.STAMPS_MISSING, kind.SCANNER_OFF), machine.helpers),
            ((kind.HOLIDAYS_UNCONFIRMED, kind.MAINTENANCE_DUE), machine.duties),
            ((kind.CHAIN_BROKEN,), machine.chain),
            ((kind.ACCOUNT_LOST,), documents.lost_accounts),
            ((kind.INCIDENT_OPEN,), machine.incidents),
        )

    @property
    def kinds(self) -> frozenset[AlertKind]:
        """Return the kinds that are looked at."""
        return frozenset(kind for kinds, _ in self._looks for kind in kinds)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                async with self._context.leases.holding(LEASE) as mine:
                    if mine:
                        await self._working()
            except GatewayError as exc:
                observe.program_failed(program=LEASE, failure=exc, retry_in_s=_TELL_S)
            except Exception as exc:  # noqa: BLE001 - the next look may find the trouble gone
                observe.alarm(what="watch", failure=exc)
            await asyncio.sleep(_TELL_S)

    async def _working(self) -> None:
        """Look once a minute, tell every other second, while the lease is ours."""
        loop = asyncio.get_running_loop()
        again = loop.time()
        while not self._context.leases.paused:
            if loop.time() >= again:
                again = loop.time() + _PERIOD_S
                await self.look()
            if not self._context.restored:
                for one in self._tellers:
                    await one.once()
            await asyncio.sleep(_TELL_S)

    # ------------------------------------------------------------ one look

    async def look(self) -> None:
        """Look at everything once (1 to 5); tells nobody."""
        now = self._context.clock.now()
        causes: list[Cause] = []
        looked: set[AlertKind] = set()
        for kinds, look in self._looks:
            try:
                causes += await look(now)
                looked.update(kinds)
            except GatewayError as exc:
                observe.program_failed(program=LEASE, failure=exc, retry_in_s=_PERIOD_S)
            except Exception as exc:  # noqa: BLE001 - one look must not end all the others
                observe.alarm(what="watch", subject=kinds[0].value, failure=exc)
        rows = await self._context.ledger.all("alerts_all_standing", limit=_STANDING)
        plan = compare([_standing(row) for row in rows], causes, looked, now)
        for standing in plan.ends:
            await self._end(standing, now)
        for cause in plan.begins:
            await self._begin(cause, now)
        for standing, cause in plan.goes_on:
            await self._go_on(standing, cause, now)
        await self._escalate(rows, {one.alert_id for one in plan.ends}, now)
        await self._digests(now)
        await self._measure()

    async def _begin(self, cause: Cause, now: datetime) -> None:
        row = KINDS[cause.kind]
        alert_id = self._context.ids.new()
        at = to_text(now)
        told_at = self._when(cause.kind, cause.agency, now)
        next_at = next_level_at(cause.kind, 1, told_at)
        values = {
            "id": alert_id,
            "kind": cause.kind.value,
            "subject": cause.subject,
            "agency": cause.agency,
            "severity": int(row.severity),
            "state": AlertState.OPEN.value,
            "since": to_text(cause.since),
            "first_seen": at,
            "last_seen": at,
            "count": cause.count,
            "about": dumps(list(cause.about)),
            "path": cause.path,
            "due": None if cause.due is None else to_text(cause.due),
            "level": 1,
            "next_at": None if next_at is None else to_text(next_at),
        }
        told = await self._tellings(alert_id, cause.agency, 1, told_at, now)
        if cause.kind is AlertKind.ACCOUNT_LOST:
            told += await self._administrators(alert_id, cause.agency, now)
        said = event(alert_id, "alert_raised", now, alert=cause.kind.value, agency=cause.agency)
        # Somebody else's look may have been first: the index says so, and that is that.
        await self._commit(Insert("alert", values), said, *told)

    async def _go_on(self, standing: Standing, cause: Cause, now: datetime) -> None:
        values = {
            "last_seen": to_text(now),
            "count": cause.count,
            "about": dumps(list(cause.about)),
            "due": None if cause.due is None else to_text(cause.due),
        }
        await self._commit(Update("alert", {"id": standing.alert_id}, values))

    async def _end(self, standing: Standing, now: datetime) -> None:
        where = {"id": standing.alert_id}
        if standing.dismissed_at is not None:  # said, and dated, when a person ended it
            await self._commit(Update("alert", where, {"state": AlertState.ENDED.value}))
            return
        values = {"state": AlertState.ENDED.value, "ended_at": to_text(now), "next_at": None}
        said = event(
            standing.alert_id, "alert_ended", now, alert=standing.kind.value, agency=standing.agency
        )
        await self._commit(Update("alert", where, values), said)

    async def _escalate(self, rows: Iterable[Row], ended: set[str], now: datetime) -> None:
        for row in rows:
            waits = row["state"] == AlertState.OPEN.value and row["id"] not in ended
            if not waits or not row["next_at"] or from_text(row["next_at"]) > now:
                continue
            kind, level = AlertKind(row["kind"]), min(row["level"] + 1, LEVELS)
            told_at = self._when(kind, row["agency"], now)
            next_at = next_level_at(kind, level, told_at)
            where = {"id": row["id"], "state": AlertState.OPEN.value, "level": row["level"]}
            values = {"level": level, "next_at": None if next_at is None else to_text(next_at)}
            told = await self._tellings(row["id"], row["agency"], level, told_at, now)
            said = event(row["id"], "alert_escalated", now, alert=kind.value, level=level)
            await self._commit(Update("alert", where, values), said, *told)

    # ------------------------------------------------------------ who is told, and when

    def _when(self, kind: AlertKind, agency: str, now: datetime) -> datetime:
        """Return when it is told: at once, or when the office opens (quiet hours)."""
        # RCV-09: never quiet for khẩn and above.
        if KINDS[kind].real_time:
            return now
        return next_office_start(now, self._context.calendar(agency))

    async def _tellings(
        self, alert_id: str, agency: str, level: int, due: datetime, now: datetime
    ) -> list[Change]:
        changes: list[Change] = []
        if self._told.mail:
            turns = await self.turns(agency, now)
            house = await self._house(agency, now)
            whom = addresses(level, turns, house, self._told.operations, now)
            changes += [self._telling(alert_id, agency, level, MAIL, one, due, now) for one in whom]
        if self._told.hook:
            changes.append(self._telling(alert_id, agency, level, HOOK, HOOK_ADDRESS, now, now))
        return changes

    async def _administrators(self, alert_id: str, agency: str, now: datetime) -> list[Change]:
        """ACC-02: who administers the agency's accounts is told, whatever else they do."""
        if not self._told.mail:
            return []
        rows = await self._context.ledger.all("administrators", agency=agency, now=to_text(now))
        mails = dict.fromkeys(row["mail"] for row in rows if row["mail"])
        return [self._telling(alert_id, agency, 1, MAIL, mail, now, now) for mail in mails]

    def _telling(  # noqa: PLR0917 - the columns
        self, alert_id: str, agency: str, level: int, way: str, whom: str, due: datetime,
        now: datetime,
    ) -> Insert:  # fmt: skip
        values = {
            "id": self._context.ids.new(),
            "alert_id": alert_id,
            "level": level,
            "way": way,
            "whom": whom,
            "agency": agency,
            "state": "owed",
            "made_at": to_text(now),
            "due_at": to_text(due),
        }
        return Insert("alert_telling", values, ignore=True)

    async def turns(self, agency: str, now: datetime) -> list[Turn]:
        """Return the roster of an agency from now on."""
        rows = await self._context.ledger.all(
            "duty_turns", agency=agency, now=to_text(now), limit=200
        )
        return [turn_of(row) for row in rows]

    async def _house(self, agency: str, now: datetime) -> House:
        if agency == OPERATIONS:
            return House()
        rows = await self._context.ledger.all("mails_of_agency", agency=agency, now=to_text(now))
        clerks = dict.fromkeys(r["mail"] for r in rows if r["role"] in _CLERKS)
        leaders = dict.fromkeys(r["mail"] for r in rows if r["role"] == Role.LEADER.value)
        return House(tuple(clerks), tuple(leaders))

    # ------------------------------------------------------------ the digest

    async def _digests(self, now: datetime) -> None:
        """RPT-13: owed once for each working day, from the first look after work begins."""
        if not (self._told.digest and self._told.mail):
            return
        day = local(now).date()
        for agency in self._context.directory():
            if not agency.console:
                continue
            starts = start_of_work(day, self._context.calendar(agency.code))
            # Not at night after a day that nobody was up: what began long ago is over.
            if starts is None or not starts <= now < starts + _LATE_DIGEST:
                continue
            rows = await self._context.ledger.all(
                "mails_of_agency", agency=agency.code, now=to_text(now)
            )
            mails = dict.fromkeys(r["mail"] for r in rows if r["role"] in _DIGESTED)
            digest_id = f"{DIGEST}:{agency.code}:{day.isoformat()}"
            if mails and not await self._context.ledger.all("tellings_of", alert_id=digest_id):
                await self._commit(
                    *(
                        self._telling(digest_id, agency.code, 1, MAIL, mail, now, now)
                        for mail in mails
                    )
                )

    # ------------------------------------------------------------ pieces

    async def _measure(self) -> None:
        rows = await self._context.ledger.all("alerts_all_standing", limit=_STANDING)
        counts = dict.fromkeys(self._measured, 0)
        for row in rows:
            key = (row["kind"], row["state"])
            counts[key] = counts.get(key, 0) + 1
        for (kind, state), count in counts.items():
            observe.alerts_standing(kind=kind, state=state, count=count)
        self._measured = set(counts)

    async def _commit(self, *changes: Change) -> bool:
        guards = self._context.leases.guard(LEASE)
        done = await self._context.ledger.commit(ChangeSet(guards=guards, rows=changes))
        return not isinstance(done, Conflict)


def _standing(row: Row) -> Standing:
    return Standing(
        row["id"],
        AlertKind(row["kind"]),
        row["subject"],
        row["agency"],
        row["count"],
        from_text(row["last_seen"]),
        from_text(row["ended_at"]) if row["state"] == AlertState.DISMISSED.value else None,
    )


def turn_of(row: Row) -> Turn:
    """Return a turn of duty as it is kept."""
    return Turn(
        row["agency"],
        row["level"],
        row["name"],
        row["mail"],
        from_text(row["begins_at"]),
        from_text(row["ends_at"]),
    )
