"""What is wrong with documents, asked of the ledger: bounded however much waits.

Agencies are found by jumps in an index; of each the oldest are looked at, up to `_MANY`, however
old they are: an alert stands until the thing is done, or a person ends it with a reason. What lies
behind those is counted (`+n` among what the alert is about). Normal documents are one alert for
each other side, with their count; urgent ones are asked for by themselves, and are one each. Reads
only.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.domain.watch import OPERATIONS, URGENT_MINUTES, AlertKind, Cause, urgent_due
from gateway.domain.worktime import OfficeHours, local
from gateway.ports import Row
from gateway.programs import turns
from gateway.programs.context import Context

_MANY: Final = 1000
_COUNTED: Final = 20_000
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Waits:
    """How long what may wait.

    Args:
        not_picked_up: Taken by the next hop, without 01.
        not_acknowledged: Office hours after 01 without 03, in hours.
        not_fetched: Offered to a system that does not come.
        urgent: Real time, by urgency 1 to 4.
        destination_down: A breaker open for so long.
        verdicts: A document without a verdict for so long.
    """

    not_picked_up: timedelta = timedelta(hours=4)
    not_acknowledged: timedelta = timedelta(hours=8)
    not_fetched: timedelta = timedelta(hours=1)
    urgent: Mapping[int, timedelta] = field(default_factory=lambda: URGENT_MINUTES)
    destination_down: timedelta = timedelta(minutes=10)
    verdicts: timedelta = timedelta(minutes=10)


def id_at(at: datetime) -> str:
    """Return what sorts before every id made from an instant on: ours begin with their time."""
    found = f"{max(0, int(at.timestamp() * 1000)):012x}"
    return f"{found[:8]}-{found[8:]}"


class Documents:
    """Looks at documents.

    Args:
        context: Ledger, calendar, catalogue.
        waits: How long what may wait.
    """

    def __init__(self, context: Context, waits: Waits) -> None:
        self._context = context
        self._ledger = context.ledger
        self._waits = waits

    # ------------------------------------------------------------ what we sent

    async def not_picked_up(self, now: datetime) -> Sequence[Cause]:
        """SND-08: handed over, and the receiver's system says nothing."""
        before = to_text(now - self._waits.not_picked_up)
        causes: list[Cause] = []
        async for sender in self._agencies("watch_senders_untaken"):
            rows = await self._ledger.all(
                "watch_untaken", sender=sender, before=before, limit=_MANY
            )
            behind = await self._behind("watch_untaken_more", sender=sender, before=before)
            causes += self._by_receiver(
                AlertKind.NOT_PICKED_UP, sender, rows, "acknowledged_at", behind
            )
        return causes

    async def not_acknowledged(self, now: datetime) -> Sequence[Cause]:
        """SND-08: arrived, and neither 03 nor 02 in so many office hours of the receiver."""
        causes: list[Cause] = []
        async for sender in self._agencies("watch_senders_arrived"):
            rows = await self._ledger.all("watch_arrived", sender=sender, limit=_MANY)
            late = [row for row in rows if self._too_long(row, now)]
            behind = {}
            if len(rows) == _MANY:
                behind = await self._behind("watch_arrived_more", sender=sender)
            causes += self._by_receiver(
                AlertKind.NOT_ACKNOWLEDGED, sender, late, "entered_system_at", behind
            )
        return causes

    async def _behind(self, query: str, **asked: str) -> dict[str, int]:
        """Return how many lie behind those that were looked at, by receiver."""
        rows = await self._ledger.all(query, **asked, limit=_COUNTED, offset=_MANY)
        return {row["agency"]: int(row["n"]) for row in rows}

    def _too_long(self, row: Row, now: datetime) -> bool:
        since = _first(row, "entered_system_at", "acknowledged_at")
        if since is None or now - since < self._waits.not_acknowledged:
            return False
        hours = self._context.calendar(row["agency"])
        return office_time(since, now, hours, self._waits.not_acknowledged)

    def _by_receiver(
        self,
        kind: AlertKind,
        sender: str,
        rows: Iterable[Row],
        since: str,
        behind: Mapping[str, int],
    ) -> list[Cause]:
        found: dict[str, list[Row]] = {}
        for row in rows:
            found.setdefault(row["agency"], []).append(row)
        return [
            Cause(
                kind,
                f"agency:{receiver}",
                sender,
                _first(some[0], since, "acknowledged_at") or self._context.clock.now(),
                count=len(some),
                about=_about([r["consignment_id"] for r in some], behind.get(receiver, 0)),
                path="/outgoing/late",
                latest=_latest(some, since, "acknowledged_at"),
            )
            for receiver, some in sorted(found.items())
        ]

    async def lost_accounts(self, _: datetime) -> Sequence[Cause]:
        """ACC-02: accounts somebody reported as lost, until they are unlocked or closed."""
        return [
            Cause(
                AlertKind.ACCOUNT_LOST,
                f"account:{row['id']}",
                row["agency"],
                from_text(row["locked_at"]),
                about=(row["login"],),
                path=f"/people/{row['id']}",
            )
            for row in await self._ledger.all("accounts_lost", limit=_MANY)
        ]

    async def urgent_unsent(self, now: datetime) -> Sequence[Cause]:
        """SND-03: an urgent document that is still here; real time, day and night."""
        return [
            Cause(
                AlertKind.URGENT_UNSENT,
                f"transfer:{row['id']}",
                row["sender"],
                from_text(row["created_at"]),
                due=urgent_due(row["lane"], from_text(row["created_at"]), self._waits.urgent),
                about=(row["document_id"] or row["consignment_id"],),
                path=f"/outgoing/{row['consignment_id']}",
            )
            for row in await self._ledger.all("watch_urgent")
            if urgent_due(row["lane"], from_text(row["created_at"]), self._waits.urgent) <= now
        ]

    # ------------------------------------------------------------ what came

    async def arrivals(self, now: datetime) -> Sequence[Cause]:
        """RCV-05, RCV-08, RCV-09: what came and waits, agency by agency."""
        causes: list[Cause] = []
        directory = self._context.directory()
        async for agency in self._agencies("watch_receivers"):
            known = directory.get(agency)
            taken, more = await self._arrivals(agency, "taken")
            hours = self._context.calendar(agency)
            causes += self._unanswered(agency, taken, hours, now, more)
            for state in ("offered", "taken"):
                asked = {"agency": agency, "state": state}
                urgent = await self._ledger.all("watch_arrivals_urgent", **asked)
                causes += self._urgent(agency, urgent, now)
            if known is None or not known.console:
                offered, more = await self._arrivals(agency, "offered")
                causes += self._unfetched(agency, offered, now, more)
        return causes

    async def _arrivals(self, agency: str, state: str) -> tuple[Sequence[Row], int]:
        """Return the oldest that wait, and how many more do."""
        asked = {"agency": agency, "state": state}
        rows = await self._ledger.all("watch_arrivals", **asked, limit=_MANY)
        if len(rows) < _MANY:
            return rows, 0
        behind = await self._ledger.one(
            "watch_arrivals_more", **asked, limit=_COUNTED, offset=_MANY
        )
        return rows, int(behind["n"]) if behind else 0

    def _unanswered(
        self, agency: str, rows: Sequence[Row], hours: OfficeHours, now: datetime, more: int
    ) -> list[Cause]:
        today = local(now).date()
        due: list[Row] = []
        late: list[Row] = []
        for row in rows:
            came = _first(row, "received_at_legal", "entered_system_at", "at_gateway_at")
            if came is None:
                continue
            day = local(came).date()
            # RCV-08: the same day, at the latest the next working day.
            if today > hours.calendar.next_working_day(day):
                late.append(row)
            elif day <= today:
                due.append(row)
        end = end_of_work(today, hours)
        causes = []
        if due and end is not None and now < end:
            causes.append(_of_agency(AlertKind.RECEIPT_DUE, agency, due, now, more=more, due=end))
        if late:
            causes.append(_of_agency(AlertKind.REGISTERED_LATE, agency, late, now, more=more))
        return causes

    def _urgent(self, agency: str, rows: Sequence[Row], now: datetime) -> list[Cause]:
        found = []
        for row in rows:
            since = from_text(row["at_gateway_at"])
            if row["urgency"] and urgent_due(row["urgency"], since, self._waits.urgent) <= now:
                found.append(
                    Cause(
                        AlertKind.URGENT_WAITING,
                        f"arrival:{row['id']}",
                        agency,
                        since,
                        due=urgent_due(row["urgency"], since, self._waits.urgent),
                        about=(row["document_id"],),
                        path=f"/incoming/{row['id']}",
                    )
                )
        return found

    def _unfetched(self, agency: str, rows: Sequence[Row], now: datetime, more: int) -> list[Cause]:
        limit = now - self._waits.not_fetched
        old = [r for r in rows if r["offered_at"] and from_text(r["offered_at"]) <= limit]
        return [_of_agency(AlertKind.NOT_FETCHED, agency, old, now, more=more)] if old else []

    # ------------------------------------------------------------ destinations, verdicts

    async def destinations(self, now: datetime) -> Sequence[Cause]:
        """SND-15: a destination that has not answered for a while."""
        found: dict[str, Cause] = {}
        for row in await self._ledger.all("hop_holds"):
            since = from_text(row["since"])
            if row["kind"] != "breaker" or now - since < self._waits.destination_down:
                continue
            hop = row["subject"]
            cause = Cause(
                AlertKind.DESTINATION_DOWN, f"hop:{hop}", OPERATIONS, since, path="/ops/queue"
            )
            # Each node has its own breaker: the oldest says since when.
            if hop not in found or since < found[hop].since:
                found[hop] = cause
        return list(found.values())

    async def dead_letters(self, now: datetime) -> Sequence[Cause]:
        """SND-15: what was given up or refused, by destination."""
        return [
            Cause(
                AlertKind.DEAD_LETTERS,
                f"hop:{row['hop']}",
                OPERATIONS,
                now,
                count=int(row["n"]),
                path="/ops/queue?state=failed",
            )
            for row in await self._ledger.all("hops_failed")
        ]

    async def verdicts(self, now: datetime) -> Sequence[Cause]:
        """Documents whose signatures nobody looks at: the verifier is dead or drowned."""
        before = to_text(now - self._waits.verdicts)
        row = await self._ledger.one("verdicts_overdue", before=before)
        if row is None or not row["n"]:
            return ()
        since = from_text(row["since"])
        return [
            Cause(
                AlertKind.VERDICTS_OVERDUE,
                "verifier:all",
                OPERATIONS,
                since,
                count=int(row["n"]),
                path="/ops",
            )
        ]

    # ------------------------------------------------------------ pieces

    async def _agencies(self, query: str) -> AsyncIterator[str]:
        """Yield agencies; pages of the console are served between two of them."""
        for row in await self._ledger.all(query):
            yield row["agency"]
            await turns.rest()


def _about(names: Sequence[str], more: int) -> tuple[str, ...]:
    """Return the oldest ones, and how many lie behind all that were looked at."""
    return (*names[:_SHOWN], *((f"+{more}",) if more else ()))


def _latest(rows: Sequence[Row], *names: str) -> datetime | None:
    """Return when the youngest came."""
    found = [at for row in rows if (at := _first(row, *names)) is not None]
    return max(found, default=None)


def _of_agency(
    kind: AlertKind,
    agency: str,
    rows: Sequence[Row],
    now: datetime,
    *,
    more: int = 0,
    due: datetime | None = None,
) -> Cause:
    since = _first(rows[0], "received_at_legal", "offered_at", "at_gateway_at") or now
    return Cause(
        kind,
        f"agency:{agency}",
        agency,
        since,
        due=due,
        count=len(rows),
        about=_about([row["document_id"] for row in rows], more),
        path="/incoming",
        latest=_latest(rows, "offered_at", "at_gateway_at"),
    )


def _first(row: Row, *names: str) -> datetime | None:
    for name in names:
        if name in row.keys() and row[name]:  # noqa: SIM118 - a row of SQLite holds values
            return from_text(row[name])
    return None


def end_of_work(day: date, hours: OfficeHours) -> datetime | None:
    """Return when an agency's working day ends, None for a day without hours (RCV-05)."""
    spans = hours.open_spans(day)
    return datetime.combine(day, spans[-1].end, VIETNAM) if spans else None


def start_of_work(day: date, hours: OfficeHours) -> datetime | None:
    """Return when an agency's working day begins, None for a day without hours (RPT-13)."""
    spans = hours.open_spans(day)
    return datetime.combine(day, spans[0].start, VIETNAM) if spans else None


def office_time(since: datetime, now: datetime, hours: OfficeHours, limit: timedelta) -> bool:
    """Return whether at least so much office time lies between two instants."""
    day, last = local(since).date(), local(now).date()
    passed = timedelta()
    while day <= last:
        for span in hours.open_spans(day):
            begins = max(datetime.combine(day, span.start, VIETNAM), since)
            ends = min(datetime.combine(day, span.end, VIETNAM), now)
            passed += max(ends - begins, timedelta())
        if passed >= limit:
            return True
        day += timedelta(days=1)
    return False
