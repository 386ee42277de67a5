"""timekeeping: persons decide about office hours and days off (TIM-04…TIM-06).

Implements `ports.timetable.Timekeeping`. A decision counts from tomorrow on (a day: from today on):
what was stamped is never touched. Each is one change set with its audit entry and a new version of
the timetable, which every node sees within a second; a crash leaves it decided or not at all.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from gateway.domain.access import Person
from gateway.domain.moments import VIETNAM, from_text, to_text
from gateway.domain.timetable import (
    DayRow,
    Effect,
    HoursRow,
    Timetable,
    effects,
    week_json,
    week_of,
)
from gateway.domain.worktime import Calendar, HoursPeriod, OfficeHours
from gateway.errors import Reason, RejectedError
from gateway.ports import Change, ChangeSet, Conflict, Insert, Row, Update
from gateway.ports.timetable import DayEntry, HoursEntry, NewHours, YearView
from gateway.programs.context import Context
from gateway.programs.rows import audited, dumps

_YEARS_AHEAD = 2
MAX_TEXT = 200
HoursWith = Callable[[Timetable, str], OfficeHours]


class LedgerTimekeeping:
    """See `ports.timetable.Timekeeping`.

    Args:
        context: Ledger, clock, ids, and the calendar as it counts now.
        timetable: The decisions as of now.
        hours_with: The hours of an agency under other decisions.
    """

    def __init__(
        self, context: Context, timetable: Callable[[], Timetable], hours_with: HoursWith
    ) -> None:
        self._context = context
        self._timetable = timetable
        self._hours_with = hours_with

    # ------------------------------------------------------------ reading

    def hours(self, agency: str) -> OfficeHours:
        """Return the hours of an agency."""
        return self._context.calendar(agency)

    async def entries(self, agency: str) -> Sequence[HoursEntry]:
        """Return the hours entered for an agency."""
        rows = await self._context.ledger.all("office_hours")
        return [_entry(row) for row in rows if row["agency"] == agency]

    async def year(self, year: int) -> YearView:
        """Return a year."""
        ledger = self._context.ledger
        decided = {row["day"]: row for row in await ledger.all("calendar_days")}
        confirmed = await ledger.one("calendar_year", year=year)
        calendar = self.hours("").calendar
        days = {day for day in calendar.holidays if day.year == year}
        days |= {day for day in calendar.overrides if day.year == year}
        return YearView(
            year,
            [_day(day, calendar, decided.get(day.isoformat())) for day in sorted(days)],
            confirmed["confirmed_by"] if confirmed else "",
            from_text(confirmed["confirmed_at"]) if confirmed else None,
            calendar.knows(year),
        )

    async def effect_of_hours(self, new: NewHours) -> Sequence[Effect]:
        """Return what entering hours would change."""
        row = HoursRow("", new.agency, _period(new))
        table = self._timetable()
        after = self._hours_with(replace(table, hours=(row, *table.hours)), new.agency)
        return effects(self.hours(new.agency), after, self._today() + timedelta(days=1))

    async def effect_of_day(self, day: date, *, worked: bool, agency: str) -> Sequence[Effect]:
        """Return what deciding about a day would change."""
        table = self._timetable()
        after = replace(table, days={**table.days, day: DayRow(day, worked)})
        return effects(self.hours(agency), self._hours_with(after, agency), self._today())

    # ------------------------------------------------------------ deciding

    async def enter_hours(self, person: Person, new: NewHours) -> str:
        """Enter office hours."""
        self._must_be_new(new)
        now = self._context.clock.now()
        entry_id = self._context.ids.new()
        values = {
            "id": entry_id,
            "agency": new.agency,
            "week": dumps(week_json(new.week)),
            "valid_from": new.valid_from.isoformat(),
            "valid_to": new.valid_to.isoformat() if new.valid_to else None,
            "source": new.source,
            "entered_by": person.login,
            "entered_at": to_text(now),
            "confirmed_by": person.login if new.confirmed else "",
            "confirmed_at": to_text(now) if new.confirmed else None,
        }
        told = {"week": values["week"], "from": values["valid_from"], "to": values["valid_to"]}
        await self._decide(
            person,
            "office-hours-entered",
            f"office-hours:{entry_id}",
            (Insert("office_hours", values),),
            agency=new.agency,
            reason=new.source,
            told=told,
        )
        return entry_id

    async def confirm_hours(self, person: Person, entry_id: str) -> None:
        """Confirm hours that were entered."""
        row = await self._standing(entry_id)
        now = to_text(self._context.clock.now())
        where = {"id": entry_id, "confirmed_at": None, "ended_at": None}
        change = Update("office_hours", where, {"confirmed_by": person.login, "confirmed_at": now})
        await self._decide(
            person,
            "office-hours-confirmed",
            f"office-hours:{entry_id}",
            (change,),
            agency=row["agency"],
        )

    async def end_hours(self, person: Person, entry_id: str) -> None:
        """Take hours back: those that have begun hold until the end of today."""
        row = await self._standing(entry_id)
        now = to_text(self._context.clock.now())
        today = self._today().isoformat()
        values = {"ended_by": person.login, "ended_at": now}
        if not row["valid_from"] or row["valid_from"] <= today:
            if row["valid_to"] and row["valid_to"] <= today:
                raise _wrong("Giờ này đã hết hiệu lực", "These hours are over already")
            # TIM-04: what was late or in time under them stays so.
            values = {"ended_by": person.login, "valid_to": today}
        where = {"id": entry_id, "ended_at": None, "valid_to": row["valid_to"]}
        change = Update("office_hours", where, values)
        await self._decide(
            person,
            "office-hours-ended",
            f"office-hours:{entry_id}",
            (change,),
            agency=row["agency"],
        )

    async def decide_day(
        self, person: Person, day: date, *, worked: bool, name: str, source: str
    ) -> None:
        """Make a day off or a working day."""
        if day < self._today():
            raise _wrong(
                "Ngày đã qua: không sửa lại được", "The day has passed: it stays as it was"
            )
        if not name.strip() or len(name) > MAX_TEXT or len(source) > MAX_TEXT:
            raise _wrong("Cần tên ngày hoặc lý do, tối đa 200 ký tự", "A name or reason is needed")
        ledger = self._context.ledger
        known = await ledger.one("calendar_day", day=day.isoformat())
        values = {
            "worked": int(worked),
            "name": name.strip(),
            "source": source.strip(),
            "entered_by": person.login,
            "entered_at": to_text(self._context.clock.now()),
        }
        key = {"day": day.isoformat()}
        change: Change = Insert("calendar_day", {**key, **values})
        if known is not None:
            change = Update("calendar_day", {**key, "entered_at": known["entered_at"]}, values)
        await self._decide(
            person,
            "day-made-working" if worked else "day-made-off",
            f"calendar-day:{day.isoformat()}",
            (change,),
            reason=source,
            told={"name": name.strip()},
        )

    async def confirm_year(self, person: Person, year: int) -> None:
        """Confirm the holidays of a year."""
        this_year = self._today().year
        if not this_year <= year <= this_year + _YEARS_AHEAD:
            raise _wrong("Chỉ xác nhận năm nay và hai năm tới", "This year and the next two only")
        view = await self.year(year)
        if view.complete:
            raise RejectedError(Reason.CONFLICT, "the year is confirmed already")
        now = to_text(self._context.clock.now())
        rows: list[Change] = [
            Insert(
                "calendar_year", {"year": year, "confirmed_by": person.login, "confirmed_at": now}
            )
        ]
        # What was proposed is a fact from now on, whatever a later library computes.
        rows += [
            Insert(
                "calendar_day",
                {
                    "day": entry.day.isoformat(),
                    "worked": int(entry.worked),
                    "name": entry.name,
                    "source": entry.source,
                    "entered_by": person.login,
                    "entered_at": now,
                },
                ignore=True,
            )
            for entry in view.days
        ]
        await self._decide(
            person,
            "calendar-year-confirmed",
            f"calendar-year:{year}",
            rows,
            told={"days": len(rows) - 1},
        )

    # ------------------------------------------------------------ pieces

    def _today(self) -> date:
        return self._context.clock.now().astimezone(VIETNAM).date()

    def _must_be_new(self, new: NewHours) -> None:
        if new.valid_from <= self._today():
            raise _wrong(
                "Giờ làm việc mới chỉ áp dụng từ ngày mai trở đi: thời điểm đã ghi không đổi",
                "New hours count from tomorrow on: what was stamped stays",
            )
        if new.valid_to is not None and new.valid_to < new.valid_from:
            raise _wrong("Ngày kết thúc trước ngày bắt đầu", "The last day is before the first")
        if not any(new.week.values()):
            raise _wrong("Chưa có buổi làm việc nào", "There is no session at all")
        if len(new.source) > MAX_TEXT:
            raise _wrong("Căn cứ dài quá 200 ký tự", "The source is longer than 200 characters")

    async def _standing(self, entry_id: str) -> Row:
        row = await self._context.ledger.one("office_hours_row", id=entry_id)
        if row is None or row["ended_at"] is not None:
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _decide(
        self,
        person: Person,
        action: str,
        target: str,
        changes: Sequence[Change],
        *,
        agency: str = "",
        reason: str = "",
        told: Mapping[str, object] | None = None,
    ) -> None:
        context = self._context
        now = context.clock.now()
        proof = audited(
            context.ids, now, action=action, actor=person.login, target=target, agency=agency,
            reason=reason, told=told,
        )  # fmt: skip
        version = (
            Insert("meta", {"key": "timetable_version", "value": ""}, ignore=True),
            Update("meta", {"key": "timetable_version"}, {"value": context.ids.new()}),
        )
        done = await context.ledger.commit(ChangeSet(rows=(*changes, *proof, *version)))
        if isinstance(done, Conflict):
            raise RejectedError(Reason.CONFLICT, "somebody else decided meanwhile: look again")


def _wrong(vi: str, en: str) -> RejectedError:
    return RejectedError(Reason.BAD_REQUEST, f"{vi} / {en}")


def _period(new: NewHours) -> HoursPeriod:
    return HoursPeriod(dict(new.week), new.valid_from, new.valid_to, new.confirmed)


def _entry(row: Row) -> HoursEntry:
    return HoursEntry(
        row["id"],
        row["agency"],
        week_of(json.loads(row["week"])),
        date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
        date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
        row["source"],
        row["entered_by"],
        from_text(row["entered_at"]),
        row["confirmed_by"],
        _instant(row["confirmed_at"]),
    )


def _instant(text: str | None) -> datetime | None:
    return from_text(text) if text else None


def _day(day: date, calendar: Calendar, decided: Row | None) -> DayEntry:
    worked = calendar.overrides.get(day, False)
    if decided is None:
        return DayEntry(
            day, worked, calendar.holidays.get(day, ""), "", "", calendar.knows(day.year)
        )
    name, source, by = decided["name"], decided["source"], decided["entered_by"]
    return DayEntry(day, decided["worked"] != 0, name, source, by, True)
