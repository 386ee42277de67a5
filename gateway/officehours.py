"""Office hours of an agency from the settings (TIM-03…TIM-06)."""

from types import MappingProxyType

from gateway.config import Times
from gateway.domain.worktime import HoursPeriod, OfficeHours, Session, national_calendar


def hours_of(times: Times, agency: str) -> OfficeHours:
    """Return the hours that hold for an agency: its own rows first, then those for all."""
    shipped = national_calendar()
    overrides = dict.fromkeys(times.extra_working_days, True)
    overrides.update(dict.fromkeys(times.holidays, False))
    calendar = type(shipped)(shipped.holidays, MappingProxyType(overrides), shipped.complete_years)
    rows = [r for r in times.office_hours if r.agency == agency]
    rows += [r for r in times.office_hours if r.agency is None]
    periods = tuple(
        HoursPeriod(
            {
                day - 1: tuple(Session(start, end) for start, end in row.sessions)
                for day in range(1, 8)
                if day in row.working_days or row.working_days == ()
            },
            row.valid_from,
            row.valid_to,
            row.confirmed,
        )
        for row in rows
    )
    return OfficeHours(calendar, periods, lunch_is_outside=times.lunch_counts_as_out)
