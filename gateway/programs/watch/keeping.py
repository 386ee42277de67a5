"""Alerts and the duty roster as pages and the command line see them (`ports.watch.Alerts`).

Reads are bounded; each change is one change set with its audit rows (AUD-03). Acknowledging ends
the escalation, not the alert: that is over when its cause is. A crash leaves a change or nothing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from gateway.domain.access import Person
from gateway.domain.lifecycle import ConsignmentState, TransferState
from gateway.domain.moments import from_text, to_text
from gateway.domain.watch import (
    KINDS,
    LEVELS,
    AlertKind,
    AlertState,
    Severity,
    Today,
    Turn,
)
from gateway.domain.worktime import local
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    ChangeSet,
    Clock,
    Conflict,
    Ids,
    Insert,
    Ledger,
    Packet,
    Row,
    Update,
)
from gateway.ports.watch import Alert, Counts, Held, Telling, TurnRow
from gateway.programs import parcels
from gateway.programs.clerk.marks import audited
from gateway.programs.context import Context
from gateway.programs.rows import event, loads
from gateway.programs.watch.documents import id_at

_SHOWN: Final = 200
_PAGE: Final = 50
_COUNTED: Final = 1000
_MAX_TEXT: Final = 500
_LONGEST_TURN: Final = timedelta(days=31)
_RETURNED_WITHIN: Final = timedelta(days=30)
_EVERYBODY: Final = tuple(kind.value for kind, row in KINDS.items() if row.everybody)
_BEYOND: Final = "~"
_EDXML: Final = "application/xml"


class Means(Protocol):
    """What alerts are kept with; a running gateway has more, a command no more."""

    @property
    def ledger(self) -> Ledger:
        """Return where they are."""
        ...

    @property
    def clock(self) -> Clock:
        """Return the clock."""
        ...

    @property
    def ids(self) -> Ids:
        """Return what names rows."""
        ...


@dataclass(frozen=True, slots=True)
class Beside:
    """The means of a command beside a running gateway."""

    ledger: Ledger
    clock: Clock
    ids: Ids


class LedgerAlerts:
    """See `ports.watch.Alerts`.

    Args:
        means: Ledger, clock, ids.
        gateway: The running gateway, for packets; None for a command beside it.
    """

    def __init__(self, means: Means, gateway: Context | None = None) -> None:
        self._context = means
        self._gateway = gateway
        self._ledger = means.ledger

    # ------------------------------------------------------------ looking

    async def standing(self, agencies: Collection[str]) -> Sequence[Alert]:
        """Return what stands for some agencies, the worst first."""
        asked = json.dumps(sorted(agencies))
        rows = await self._ledger.all("alerts_standing", agencies=asked, limit=_SHOWN)
        return [alert_of(row) for row in rows]

    async def ended(self, agency: str, before: str = "") -> tuple[Sequence[Alert], str]:
        """Return a page of what is over."""
        rows = await self._ledger.all(
            "alerts_ended", agency=agency, before=before or _BEYOND, limit=_PAGE
        )
        return [alert_of(row) for row in rows], rows[-1]["id"] if len(rows) == _PAGE else ""

    async def one(self, alert_id: str) -> Alert:
        """Return one."""
        row = await self._ledger.one("alert", id=alert_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return alert_of(row)

    async def tellings(self, alert_id: str) -> Sequence[Telling]:
        """Return who was told of it."""
        return [
            Telling(
                row["level"],
                row["way"],
                row["whom"],
                row["state"],
                from_text(row["made_at"]),
                from_text(row["told_at"]) if row["told_at"] else None,
                row["tries"],
                row["reason"],
            )
            for row in await self._ledger.all("tellings_of", alert_id=alert_id)
        ]

    async def counts(self, agencies: Collection[str]) -> Counts:
        """Return how many stand."""
        asked = json.dumps(sorted(agencies))
        rows = await self._ledger.all("alert_counts", agencies=asked, limit=_COUNTED)
        untaken = [row for row in rows if row["state"] == AlertState.OPEN.value]
        return Counts(
            sum(row["n"] for row in rows),
            sum(row["n"] for row in untaken),
            sum(row["n"] for row in untaken if row["severity"] >= Severity.URGENT),
        )

    async def for_everybody(self) -> Sequence[Alert]:
        """Return what everybody must see."""
        rows = await self._ledger.all("alerts_for_all", kinds=json.dumps(_EVERYBODY), limit=5)
        return [alert_of(row) for row in rows]

    # ------------------------------------------------------------ acknowledging

    async def acknowledge(self, alert_id: str, note: str, *, by: Person) -> Alert:
        """Take it on."""
        if len(note) > _MAX_TEXT:
            raise RejectedError(Reason.BAD_REQUEST, f"A note has at most {_MAX_TEXT} characters")
        alert = await self.one(alert_id)
        if alert.state is not AlertState.OPEN:
            return alert
        now = self._context.clock.now()
        values = {
            "state": AlertState.ACKNOWLEDGED.value,
            "acknowledged_by": by.login,
            "acknowledged_at": to_text(now),
            "note": note,
            "next_at": None,
        }
        change = Update("alert", {"id": alert_id, "state": AlertState.OPEN.value}, values)
        told = audited(
            self._context.ids,
            now,
            by,
            "alert-acknowledged",
            f"alert:{alert_id}",
            reason=note,
            agency=alert.agency,
        )
        # Two at once: the first one's name stays, the second sees it.
        await self._ledger.commit(ChangeSet(rows=(change, *told)))
        return await self.one(alert_id)

    async def dismiss(self, alert_id: str, reason: str, *, by: Person) -> Alert:
        """End it though its cause lasts; what comes later is another alert."""
        why = " ".join(reason.split())
        if not why or len(why) > _MAX_TEXT:
            raise RejectedError(Reason.BAD_REQUEST, "Cần lý do / Say why, in 500 characters")
        alert = await self.one(alert_id)
        if not KINDS[alert.kind].by_hand:
            raise RejectedError(
                Reason.BAD_REQUEST,
                "Cảnh báo này chỉ hết khi nguyên nhân hết / It ends with its cause alone",
            )
        now = self._context.clock.now()
        values = {
            "state": AlertState.DISMISSED.value,
            "acknowledged_by": by.login,
            "acknowledged_at": to_text(now),
            "ended_at": to_text(now),
            "note": why,
            "next_at": None,
        }
        where = {"id": alert_id, "state": alert.state.value}
        target, agency = f"alert:{alert_id}", alert.agency
        told = audited(
            self._context.ids, now, by, "alert-dismissed", target, reason=why, agency=agency
        )
        said = event(alert_id, "alert_ended", now, alert=alert.kind.value, agency=agency)
        open_still = alert.state in {AlertState.OPEN, AlertState.ACKNOWLEDGED}
        rows = (Update("alert", where, values), said, *told)
        if not open_still or isinstance(await self._ledger.commit(ChangeSet(rows=rows)), Conflict):
            raise RejectedError(Reason.CONFLICT, "It is over, or was changed meanwhile")
        return await self.one(alert_id)

    # ------------------------------------------------------------ the roster

    async def turns(self, agency: str) -> Sequence[TurnRow]:
        """Return the roster of an agency from now on."""
        now = to_text(self._context.clock.now())
        rows = await self._ledger.all("duty_turns", agency=agency, now=now, limit=_SHOWN)
        return [_turn(row) for row in rows]

    async def turn(self, turn_id: str) -> TurnRow:
        """Return one."""
        row = await self._ledger.one("duty_turn", id=turn_id)
        if row is None:
            raise RejectedError(Reason.NOT_FOUND)
        return _turn(row)

    async def add_turn(self, turn: Turn, phone: str, *, by: Person) -> str:
        """Add a turn."""
        _check(turn, phone)
        now, turn_id = self._context.clock.now(), self._context.ids.new()
        values = {
            "id": turn_id,
            "agency": turn.agency,
            "level": turn.level,
            "name": turn.name,
            "mail": turn.mail,
            "phone": phone,
            "begins_at": to_text(turn.begins),
            "ends_at": to_text(turn.ends),
            "entered_by": by.login,
            "entered_at": to_text(now),
        }
        target = f"duty-turn:{turn_id}"
        told = audited(self._context.ids, now, by, "duty-turn-added", target, agency=turn.agency)
        await self._ledger.commit(ChangeSet(rows=(Insert("duty_turn", values), *told)))
        return turn_id

    async def remove_turn(self, turn_id: str, *, by: Person) -> None:
        """End a turn."""
        agency = (await self.turn(turn_id)).turn.agency
        now = self._context.clock.now()
        values = {"removed_at": to_text(now), "removed_by": by.login}
        change = Update("duty_turn", {"id": turn_id, "removed_at": None}, values)
        target = f"duty-turn:{turn_id}"
        told = audited(self._context.ids, now, by, "duty-turn-removed", target, agency=agency)
        done = await self._ledger.commit(ChangeSet(rows=(change, *told)))
        if isinstance(done, Conflict):
            raise RejectedError(Reason.CONFLICT, "The turn was removed before")

    # ------------------------------------------------------------ packets to be carried by hand

    async def held(self, agency: str) -> Sequence[Held]:
        """Return what an agency sent and waits for destinations that are down."""
        standing = await self.for_everybody()
        hops = [a.subject.removeprefix("hop:") for a in standing if a.subject.startswith("hop:")]
        if not hops:
            return ()
        rows = await self._ledger.all(
            "watch_held", sender=agency, hops=json.dumps(hops), limit=_SHOWN
        )
        return [
            Held(
                row["id"],
                row["document_id"],
                row["consignment_id"],
                row["hop"],
                from_text(row["created_at"]),
            )
            for row in rows
        ]

    async def sender_of(self, transfer_id: str) -> tuple[str, str]:
        """Return whose document a transfer carries, and its id."""
        row = await self._sending(transfer_id)
        found = await self._ledger.one("consignment", id=row["consignment_id"])
        if found is None or found["state"] == ConsignmentState.QUARANTINED.value:
            raise RejectedError(Reason.NOT_FOUND)  # SEC-01: given to nobody
        return found["sender"], row["consignment_id"]

    async def packet(self, transfer_id: str) -> Packet:
        """Return our strict packet of a transfer."""
        row = await self._sending(transfer_id)
        if row["state"] == TransferState.CANCELLED.value or row["hold"]:
            raise RejectedError(Reason.CONFLICT, "It is not to be sent now")
        if self._gateway is None:
            raise RejectedError(Reason.NOT_FOUND)
        built = await parcels.ensure(self._gateway, row)
        blobs, sha256 = self._gateway.blobs, built["parcel_sha256"]
        name = f"{transfer_id}.edxml"
        return Packet(sha256, built["parcel_size"], name, _EDXML, blobs.stream(sha256))

    async def _sending(self, transfer_id: str) -> Row:
        row = await self._ledger.one("transfer", id=transfer_id)
        if row is None or row["kind"] == "status" or not row["consignment_id"]:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    # ------------------------------------------------------------ today

    async def today(self, agency: str) -> Today:
        """Return what lies before an agency (RPT-13)."""
        now = self._context.clock.now()
        today = local(now).date().isoformat()
        due = await self._ledger.all("today_due", agency=agency, today=today, limit=_COUNTED)
        tasks = await self._ledger.all("today_tasks", agency=agency, today=today, limit=_COUNTED)
        waiting: list[Row] = []
        for state in ("offered", "taken"):
            waiting += await self._ledger.all(
                "watch_arrivals", agency=agency, state=state, limit=_COUNTED
            )
        since = id_at(now - _RETURNED_WITHIN)
        return Today(
            agency,
            overdue=sum(row["due_date"] < today for row in due),
            due_today=sum(row["due_date"] == today for row in due),
            tasks_late=sum(row["due_on"] < today for row in tasks),
            tasks_due=sum(row["due_on"] == today for row in tasks),
            waiting=len(waiting),
            urgent=sum(row["urgency"] > 0 for row in waiting),
            returned=await self._count("today_returned", agency=agency, since=since),
            recalled=await self._count("today_recalled", agency=agency),
            todos=await self._count("today_todos", agency=agency),
            alerts=(await self.counts([agency])).standing,
        )

    async def _count(self, query: str, **params: str) -> int:
        return len(await self._ledger.all(query, limit=_COUNTED, **params))


def _check(turn: Turn, phone: str) -> None:
    faults = []
    if not 1 <= turn.level <= LEVELS:
        faults.append(f"the level is 1 to {LEVELS}")
    if turn.ends <= turn.begins or turn.ends - turn.begins > _LONGEST_TURN:
        faults.append("a turn ends after it begins, within a month")
    if not turn.name.strip() or not f"{turn.name}{phone}{turn.mail}".isprintable():
        faults.append("somebody must be named, in one line")
    if turn.mail and (turn.mail.count("@") != 1 or " " in turn.mail or not turn.mail.isascii()):
        faults.append("the mail address is not one")
    if not turn.mail and not phone:
        faults.append("a mail address or a telephone number is needed")
    if max(len(turn.name), len(turn.mail), len(phone)) > _MAX_TEXT:
        faults.append("the texts are too long")
    if faults:
        raise RejectedError(Reason.BAD_REQUEST, "; ".join(faults))


def alert_of(row: Row) -> Alert:
    """Return an alert as it is kept."""

    def at(name: str) -> datetime | None:
        return from_text(row[name]) if row[name] else None

    return Alert(
        id=row["id"],
        kind=AlertKind(row["kind"]),
        subject=row["subject"],
        agency=row["agency"],
        severity=Severity(row["severity"]),
        state=AlertState(row["state"]),
        since=from_text(row["since"]),
        first_seen=from_text(row["first_seen"]),
        last_seen=from_text(row["last_seen"]),
        count=row["count"],
        about=tuple(loads(row["about"])),
        path=row["path"],
        due=at("due"),
        level=row["level"],
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=at("acknowledged_at"),
        note=row["note"],
        ended_at=at("ended_at"),
    )


def _turn(row: Row) -> TurnRow:
    turn = Turn(
        row["agency"],
        row["level"],
        row["name"],
        row["mail"],
        from_text(row["begins_at"]),
        from_text(row["ends_at"]),
    )
    return TurnRow(row["id"], turn, row["phone"], row["entered_by"])
