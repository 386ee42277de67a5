"""Office hours of an agency: what persons decided, over the settings (TIM-03…TIM-06)."""

import functools
from collections.abc import Callable
from datetime import date
from types import MappingProxyType
from typing import Any

from gateway.config import Times
from gateway.config.times import OfficeHours as OfficeHoursSetting
from gateway.domain.timetable import (
    NOTHING_DECIDED,
    Timetable,
    decided,
    periods_for,
    with_holidays,
)
from gateway.domain.worktime import (
    Calendar,
    HoursPeriod,
    OfficeHours,
    Session,
    national_calendar,
)


def hours_of(
    times: Times, agency: str, table: Timetable = NOTHING_DECIDED, years: tuple[int, ...] = ()
) -> OfficeHours:
    """Return the hours that hold for an agency.

    Args:
        times: The settings.
        agency: Canonical code.
        table: What persons decided: an agency's own rows first, then its rows of the settings, then
            those for all.
        years: Years whose lunar holidays are proposed by the library where nobody confirmed them.
    """
    calendar = decided(with_holidays(_base(times), proposed_holidays(years)), table)
    own = [_period(row) for row in times.office_hours if row.agency == agency]
    for_all = [_period(row) for row in times.office_hours if row.agency is None]
    periods = (*periods_for(table, agency), *own, *periods_for(table, ""), *for_all)
    return OfficeHours(calendar, periods, lunch_is_outside=times.lunch_counts_as_out)


def calendar_for(
    times: Times, timetable: Callable[[], Timetable], today: Callable[[], date]
) -> Callable[[str], OfficeHours]:
    """Return the office hours of any agency as they are now, each worked out once a change."""
    known: dict[str, OfficeHours] = {}
    basis, year = NOTHING_DECIDED, 0

    def hours(agency: str) -> OfficeHours:
        nonlocal basis, year
        table, this_year = timetable(), today().year
        if table is not basis or this_year != year:
            known.clear()
            basis, year = table, this_year
        if agency not in known:
            known[agency] = hours_of(times, agency, table, years_from(year))
        return known[agency]

    return hours


def years_from(year: int) -> tuple[int, ...]:
    """Return the years whose holidays are proposed: this one and the two after."""
    return (year, year + 1, year + 2)


def hours_under(times: Times, today: Callable[[], date]) -> Callable[[Timetable, str], OfficeHours]:
    """Return the office hours of an agency under other decisions than those that hold."""

    def hours(table: Timetable, agency: str) -> OfficeHours:
        year = today().year
        return hours_of(times, agency, table, years_from(year))

    return hours


@functools.lru_cache(maxsize=8)
def proposed_holidays(years: tuple[int, ...]) -> MappingProxyType[date, str]:
    """Return the public holidays of years as the library computes them, lunar ones among them.

    A day the library says a working day was swapped for is left out: that is decided year by year
    (TIM-06), by persons.
    """
    if not years:
        return MappingProxyType({})
    from holidays.countries.vietnam import Vietnam

    country: Any = Vietnam
    found: dict[date, str] = country(years=years, language="vi")
    swapped = "thay cho"
    return MappingProxyType({day: name for day, name in found.items() if swapped not in name})


def _base(times: Times) -> Calendar:
    shipped = national_calendar()
    overrides = dict.fromkeys(times.extra_working_days, True)
    overrides.update(dict.fromkeys(times.holidays, False))
    return Calendar(shipped.holidays, MappingProxyType(overrides), shipped.complete_years)


def _period(row: OfficeHoursSetting) -> HoursPeriod:
    week = {
        day - 1: tuple(Session(start, end) for start, end in row.sessions)
        for day in range(1, 8)
        if day in row.working_days
    }
    return HoursPeriod(week, row.valid_from, row.valid_to, row.confirmed)
