"""What persons decided about working time: office hours of agencies, days off, days made up.

Promises: a decision of a person wins over what the settings say, and of two the later one; a year
is complete only when a person confirmed its holidays (TIM-05: lunar days and the second day of
2 September are announced year by year); nothing here changes a time that was already stamped.
Pure; the ledger keeps the rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from types import MappingProxyType
from typing import Any, Final

from gateway.domain.worktime import Calendar, HoursPeriod, OfficeHours, Session

MAX_SESSIONS: Final = 4
EFFECT_DAYS: Final = 400
"""How far ahead the effect of a change is shown."""


@dataclass(frozen=True, slots=True)
class HoursRow:
    """Office hours a person entered (TIM-04); `agency` "" for all."""

    id: str
    agency: str
    period: HoursPeriod
    source: str = ""


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day a person decided about (TIM-05, TIM-06)."""

    day: date
    worked: bool
    name: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Timetable:
    """All decisions that hold now.

    Args:
        hours: Newest decision first.
        days: By day.
        confirmed_years: Years whose holidays a person confirmed.
    """

    hours: tuple[HoursRow, ...] = ()
    days: Mapping[date, DayRow] = field(default_factory=dict)
    confirmed_years: frozenset[int] = frozenset()


NOTHING_DECIDED: Final = Timetable()


def decided(base: Calendar, table: Timetable) -> Calendar:
    """Return a calendar with a person's decisions over what was known."""
    if not table.days and not table.confirmed_years:
        return base
    holidays, overrides = dict(base.holidays), dict(base.overrides)
    for day, row in table.days.items():
        overrides[day] = row.worked
        if not row.worked:
            holidays[day] = row.name
        else:
            holidays.pop(day, None)
    return Calendar(
        MappingProxyType(holidays),
        MappingProxyType(overrides),
        base.complete_years | table.confirmed_years,
    )


def with_holidays(base: Calendar, found: Mapping[date, str]) -> Calendar:
    """Return a calendar with proposed days off added where the year is not complete.

    They count before anybody confirmed them, because a lunar holiday computed is right more often
    than no holiday at all; `Calendar.knows` stays False, so what follows shows "chưa xác nhận".
    """
    missing = {day: name for day, name in found.items() if not base.knows(day.year)}
    if not missing:
        return base
    return Calendar(
        MappingProxyType({**missing, **base.holidays}), base.overrides, base.complete_years
    )


def periods_for(table: Timetable, agency: str) -> tuple[HoursPeriod, ...]:
    """Return the periods a person entered for an agency itself."""
    return tuple(row.period for row in table.hours if row.agency == agency)


def is_confirmed(day: date, hours: OfficeHours) -> bool:
    """Return whether hours and holidays of a day were confirmed (TIM-04, TIM-05)."""
    period = hours.period(day)
    return period is not None and period.confirmed and hours.calendar.knows(day.year)


# ---------------------------------------------------------------- effect of a change


@dataclass(frozen=True, slots=True)
class Effect:
    """One run of days whose office hours change: first and last day, before and after."""

    first: date
    last: date
    before: tuple[Session, ...]
    after: tuple[Session, ...]
    days: int = 1


def effects(before: OfficeHours, after: OfficeHours, first: date) -> tuple[Effect, ...]:
    """Return how a change would change the coming days, equal neighbours together.

    Args:
        before: Hours as they are.
        after: Hours as they would be.
        first: The first day looked at; days before it keep what was stamped.
    """
    found: list[Effect] = []
    for n in range(EFFECT_DAYS):
        day = first + timedelta(days=n)
        old, new = before.open_spans(day), after.open_spans(day)
        if old == new:
            continue
        last = found[-1] if found else None
        if last is not None and (last.before, last.after) == (old, new):
            found[-1] = Effect(last.first, day, old, new, last.days + 1)
        else:
            found.append(Effect(day, day, old, new))
    return tuple(found)


# ---------------------------------------------------------------- forms


class SessionsError(ValueError):
    """Sessions as typed cannot be read; the text says which."""


def read_sessions(text: str) -> tuple[Session, ...]:
    """Read `07:30-11:30, 13:30-17:00`; `7h30` is taken too, blanks do not matter.

    Raises:
        SessionsError: Not times, an end before its beginning, or sessions out of order.
    """
    parts = [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
    if not parts or len(parts) > MAX_SESSIONS:
        raise SessionsError(text.strip()[:40])
    found: list[Session] = []
    for part in parts:
        start, dash, end = part.replace("–", "-").partition("-")
        try:
            session = Session(_clock(start), _clock(end))
        except ValueError as exc:
            raise SessionsError(part[:40]) from exc
        if not dash or (found and found[-1].end > session.start):
            raise SessionsError(part[:40])
        found.append(session)
    return tuple(found)


def _clock(text: str) -> time:
    hour, mark, minute = text.strip().lower().replace("h", ":").partition(":")
    if not (hour.isascii() and hour.isdigit() and (not mark or minute == "" or minute.isdigit())):
        raise ValueError(text)
    return time(int(hour), int(minute or "0"))


def sessions_text(sessions: Iterable[Session]) -> str:
    """Return sessions as they are typed."""
    return ", ".join(f"{s.start:%H:%M}-{s.end:%H:%M}" for s in sessions)


def week_json(week: Mapping[int, Sequence[Session]]) -> dict[str, list[list[str]]]:
    """Return a week (weekday 0 is Monday) as JSON."""
    return {
        str(day): [[f"{s.start:%H:%M}", f"{s.end:%H:%M}"] for s in sessions]
        for day, sessions in sorted(week.items())
        if sessions
    }


def week_of(value: Mapping[str, Any]) -> dict[int, tuple[Session, ...]]:
    """Return a week from JSON."""
    return {
        int(day): tuple(
            Session(time.fromisoformat(start), time.fromisoformat(end)) for start, end in sessions
        )
        for day, sessions in value.items()
    }
