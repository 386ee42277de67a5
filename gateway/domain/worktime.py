"""Office hours, holidays and the periods the law counts in them.

Promises: every instant in and out is aware, results are in Vietnam time; sessions are half open, so
17:00:00 is already outside (F04); a day without known hours is said to be unknown, never guessed.
Pure: the calendar is data that an administrator corrects, the clock is an argument.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from gateway.domain.moments import VIETNAM

_DAY: Final = timedelta(days=1)
_SEARCH_DAYS: Final = 400
"""How far the next opening is looked for before the calendar is called broken."""

_SATURDAY: Final = 5
_WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Session:
    """A stretch of office hours (buổi làm việc), local time, end exclusive."""

    start: time
    end: time

    def __post_init__(self) -> None:
        """Refuse a session that ends before it begins."""
        if self.start >= self.end:
            raise ValueError(f"a session ends after it begins: {self.start} {self.end}")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days are worked (lịch làm việc).

    Args:
        holidays: Day off to its name (TIM-05).
        overrides: Day to whether it is worked, decided year by year (TIM-06); wins over all else.
        complete_years: Years whose lunar holidays are in; others have the fixed ones only.
    """

    holidays: Mapping[date, str] = field(default_factory=dict)
    overrides: Mapping[date, bool] = field(default_factory=dict)
    complete_years: frozenset[int] = frozenset()

    def is_working_day(self, day: date) -> bool:
        """Return whether offices are open on a day (TIM-04…TIM-06)."""
        override = self.overrides.get(day)
        if override is not None:
            return override
        return day.weekday() < _SATURDAY and day not in self.holidays

    def next_working_day(self, day: date) -> date:
        """Return the first working day after `day`.

        Raises:
            ValueError: none within 400 days.
        """
        for _ in range(_SEARCH_DAYS):
            day += _DAY
            if self.is_working_day(day):
                return day
        raise ValueError("no working day in the next 400 days: the calendar is broken")

    def knows(self, year: int) -> bool:
        """Return whether the year's holidays are complete; if not, results are provisional."""
        return year in self.complete_years


# TIM-05 (Labour Code art 112, NQ 28/2026/QH16): day, month, name, first year.
_FIXED_HOLIDAYS: Final = (
    (1, 1, "Tết Dương lịch", 1945),
    (30, 4, "Ngày Chiến thắng", 1976),
    (1, 5, "Ngày Quốc tế lao động", 1946),
    (2, 9, "Quốc khánh", 1946),
    (24, 11, "Ngày Văn hóa Việt Nam", 2026),
)

# TIM-05: lunar holidays and the second day of 2 September are announced, so they are data.
_ANNOUNCED: Final[Mapping[date, str]] = {
    **{date(2026, 2, d): "Tết Nguyên đán" for d in range(16, 21)},
    date(2026, 4, 27): "Giỗ Tổ Hùng Vương (nghỉ bù)",
    date(2026, 9, 1): "Quốc khánh",
}

UNCONFIRMED_OVERRIDES_2026: Final[Mapping[date, bool]] = MappingProxyType(
    {
        date(2026, 1, 2): False,
        date(2026, 1, 10): True,
        date(2026, 8, 31): False,
        date(2026, 8, 22): True,
    }
)
"""Swapped days of 2026 as reported (TIM-06); not in force here until an administrator adds them."""


def national_holidays(first_year: int, last_year: int) -> dict[date, str]:
    """Return the holidays of a span of years, with substitutes for those on a weekend.

    Source: TIM-05.
    """
    days = {d: name for d, name in _ANNOUNCED.items() if first_year <= d.year <= last_year}
    fixed = sorted(
        (date(year, month, day), name)
        for year in range(first_year, last_year + 1)
        for day, month, name, since in _FIXED_HOLIDAYS
        if year >= since
    )
    days.update(fixed)
    for day, name in fixed:
        substitute = day
        while substitute.weekday() >= _SATURDAY or (substitute != day and substitute in days):
            substitute += _DAY
        days.setdefault(substitute, f"{name} (nghỉ bù)")
    return days


def national_calendar(first_year: int = 2020, last_year: int = 2040) -> Calendar:
    """Return the calendar we ship; 2026 is complete, other years have the fixed holidays only."""
    return Calendar(
        holidays=MappingProxyType(national_holidays(first_year, last_year)),
        complete_years=frozenset({d.year for d in _ANNOUNCED}),
    )


@dataclass(frozen=True, slots=True)
class HoursPeriod:
    """Office hours of one agency over a span of days (TIM-04).

    Args:
        sessions: Weekday (0 is Monday) to its sessions, in order.
        valid_from: First day, None for ever before.
        valid_to: Last day, None for ever after.
        confirmed: False shows “chưa xác nhận” beside every time derived from it.
    """

    sessions: Mapping[int, tuple[Session, ...]]
    valid_from: date | None = None
    valid_to: date | None = None
    confirmed: bool = False

    def __post_init__(self) -> None:
        """Refuse sessions out of order."""
        for day in self.sessions.values():
            if any(before.end > after.start for before, after in pairwise(day)):
                raise ValueError("sessions of a day overlap or are out of order")

    def usual(self, day: date) -> tuple[Session, ...]:
        """Return the sessions of the last weekday before a day that has any.

        Source: TIM-06 (our reading): a Saturday made a working day has the hours of the Friday.
        """
        before = ((day.weekday() - back) % _WEEK for back in range(1, _WEEK))
        return next(filter(None, (self.sessions.get(weekday, ()) for weekday in before)), ())

    def covers(self, day: date) -> bool:
        """Return whether these hours hold on a day."""
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)


_DEFAULT_DAY: Final = (Session(time(7, 30), time(11, 30)), Session(time(13, 30), time(17, 0)))

DEFAULT_HOURS: Final = HoursPeriod(dict.fromkeys(range(7), _DEFAULT_DAY))
"""07:30-11:30 and 13:30-17:00, unconfirmed (TIM-04); a swapped Saturday has the same hours."""


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """When one agency is open (giờ hành chính): its periods, the calendar, the lunch reading.

    Args:
        calendar: Working days.
        periods: The first that covers a day counts.
        lunch_is_outside: The noon break is outside office hours (TIM-03, F03).
    """

    calendar: Calendar
    periods: tuple[HoursPeriod, ...] = (DEFAULT_HOURS,)
    lunch_is_outside: bool = True

    def period(self, day: date) -> HoursPeriod | None:
        """Return the hours that hold on a day, None when there are none."""
        return next((p for p in self.periods if p.covers(day)), None)

    def sessions(self, day: date) -> tuple[Session, ...]:
        """Return the sessions of a day in order; empty when the office is closed."""
        if not self.calendar.is_working_day(day):
            return ()
        period = self.period(day)
        if period is None:
            return ()
        found = period.sessions.get(day.weekday(), ())
        return found or (period.usual(day) if self.calendar.overrides.get(day) else ())

    def open_spans(self, day: date) -> tuple[Session, ...]:
        """Return the spans that count as inside office hours on a day."""
        sessions = self.sessions(day)
        if self.lunch_is_outside or len(sessions) < 2:
            return sessions
        return (Session(sessions[0].start, sessions[-1].end),)


def default_hours() -> OfficeHours:
    """Return the default hours on the calendar we ship."""
    return OfficeHours(national_calendar())


def local(at: datetime) -> datetime:
    """Return an instant in Vietnam time.

    Raises:
        ValueError: `at` is naive (TIM-01).
    """
    if at.tzinfo is None:
        raise ValueError("naive instant: a time without its zone proves nothing")
    return at.astimezone(VIETNAM)


def next_office_start(at: datetime, hours: OfficeHours) -> datetime:
    """Return `at` when the office is open, else the start of its next office hours.

    Args:
        at: Aware instant.
        hours: The agency's hours.

    Returns:
        Vietnam time; "next" includes the afternoon session for an arrival at noon.

    Raises:
        ValueError: `at` is naive, or the office never opens within 400 days.
    Source: TIM-03 (S003 art 11.2).
    """
    here = local(at)
    day, clock = here.date(), here.time()
    spans = hours.open_spans(day)
    # Half open: at a session's start we are inside, at its end outside (F04).
    later = bisect_right([s.start for s in spans], clock)
    if later and clock < spans[later - 1].end:
        return here
    if later < len(spans):
        return datetime.combine(day, spans[later].start, VIETNAM)
    for _ in range(_SEARCH_DAYS):
        day += _DAY
        if spans := hours.open_spans(day):
            return datetime.combine(day, spans[0].start, VIETNAM)
    raise ValueError("no office hours in the next 400 days: the calendar is broken")


def received_at_legal(entered_at: datetime, hours: OfficeHours) -> datetime:
    """Return when the law says a document was received.

    Args:
        entered_at: Aware instant it entered the receiving agency's system.
        hours: The receiving agency's office hours.

    Returns:
        `entered_at` in Vietnam time, or the next opening if the office was closed.

    Raises:
        ValueError: `entered_at` is naive.
    Source: RCV-06 (S003 art 11.2).
    """
    return next_office_start(entered_at, hours)


class IssueDeadline(StrEnum):
    """How late is still in time: the stricter reading, or NĐ30's own (SND-02)."""

    MORNING = "morning"
    END_OF_DAY = "end-of-day"


def issue_deadline(
    signed_on: date | datetime,
    hours: OfficeHours,
    rule: IssueDeadline = IssueDeadline.MORNING,
) -> datetime:
    """Return the instant from which issuing a document is late.

    Args:
        signed_on: Day it was signed, or the aware instant.
        hours: The issuing agency's office hours.
        rule: `MORNING`: end of the morning session of the next working day.

    Returns:
        Vietnam time; issuing at this very instant is late.

    Raises:
        ValueError: `signed_on` is a naive instant, or no working day has sessions.
    Source: SND-01 (S003 art 7.2, QĐ28 art 6.2), SND-02.
    """
    day = local(signed_on).date() if isinstance(signed_on, datetime) else signed_on
    for _ in range(_SEARCH_DAYS):
        day = hours.calendar.next_working_day(day)
        if sessions := hours.sessions(day):
            last = sessions[0] if rule is IssueDeadline.MORNING else sessions[-1]
            return datetime.combine(day, last.end, VIETNAM)
    raise ValueError("no office hours in the next 400 days: the calendar is broken")


def issued_late(
    signed_on: date | datetime,
    issued_at: datetime,
    hours: OfficeHours,
    rule: IssueDeadline = IssueDeadline.MORNING,
) -> bool:
    """Return whether a document was issued late; a late one is marked, never held back.

    Source: SND-01.
    """
    return local(issued_at) >= issue_deadline(signed_on, hours, rule)


def receipt_due(received_legal_at: datetime) -> datetime:
    """Return the last second in which the sender must have been told, the day of legal receipt.

    Raises:
        ValueError: naive instant.
    Source: RCV-05 (NĐ30 art 21.2c; reading F15).
    """
    return datetime.combine(local(received_legal_at).date(), time(23, 59, 59), VIETNAM)


def add_days(start: date, days: int, calendar: Calendar, *, roll: bool = True) -> date:
    """Return the last day of a period of calendar days.

    Args:
        start: Day of the event; the period begins the day after.
        days: Length, at least 0.
        calendar: Working days.
        roll: A last day off extends the period to the end of the next working day.
    Source: TIM-07 (Civil Code art 147-148).
    """
    if days < 0:
        raise ValueError("a period has no negative length")
    last = start + timedelta(days=days)
    return calendar.next_working_day(last) if roll and not calendar.is_working_day(last) else last


def add_working_days(start: date, days: int, calendar: Calendar) -> date:
    """Return the last day of a period of working days, counted from the day after `start`.

    Source: TIM-07.
    """
    if days < 0:
        raise ValueError("a period has no negative length")
    day = start
    for _ in range(days):
        day = calendar.next_working_day(day)
    return day


def working_days_between(start: date, end: date, calendar: Calendar) -> int:
    """Return how many working days lie after `start` up to and including `end`."""
    return sum(map(calendar.is_working_day, _days(start + _DAY, end)))


def _days(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))
