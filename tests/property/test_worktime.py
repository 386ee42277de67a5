"""Working time: never early, monotone, idempotent, inside a session.

Rules: TIM-03, SND-01, TIM-07.
"""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.moments import VIETNAM
from gateway.domain.worktime import (
    IssueDeadline,
    OfficeHours,
    add_days,
    add_working_days,
    default_hours,
    issue_deadline,
    issued_late,
    next_office_start,
    receipt_due,
    working_days_between,
)

HOURS = default_hours()
CALENDAR = HOURS.calendar
NO_LUNCH = OfficeHours(CALENDAR, lunch_is_outside=False)
INSTANTS = st.datetimes(
    datetime(2025, 12, 1),  # noqa: DTZ001
    datetime(2027, 3, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, VIETNAM]),
)
DAYS = st.dates(date(2025, 12, 1), date(2027, 3, 1))
OFFICES = st.sampled_from([HOURS, NO_LUNCH])


@given(INSTANTS, OFFICES)
def test_never_early_idempotent_and_inside(at, hours):
    start = next_office_start(at, hours)
    assert start >= at
    assert next_office_start(start, hours) == start
    assert any(s.start <= start.time() < s.end for s in hours.open_spans(start.date()))
    assert CALENDAR.is_working_day(start.date())
    assert start.utcoffset() == timedelta(hours=7)
    assert receipt_due(start) >= start.replace(microsecond=0)


@given(INSTANTS, INSTANTS, OFFICES)
def test_monotone(one, other, hours):
    early, late = sorted((one, other))
    assert next_office_start(early, hours) <= next_office_start(late, hours)


@given(INSTANTS)
def test_counting_lunch_as_inside_is_never_later(at):
    assert next_office_start(at, NO_LUNCH) <= next_office_start(at, HOURS)


@given(DAYS)
def test_the_deadline_is_the_morning_of_the_next_working_day(day):
    limit = issue_deadline(day, HOURS)
    assert limit.date() == CALENDAR.next_working_day(day)
    assert limit <= issue_deadline(day, HOURS, IssueDeadline.END_OF_DAY)
    assert issued_late(day, limit, HOURS)
    assert not issued_late(day, limit - timedelta(microseconds=1), HOURS)


@given(DAYS, st.integers(0, 60))
def test_periods_of_days(day, length):
    end = add_days(day, length, CALENDAR)
    assert CALENDAR.is_working_day(end)
    assert end >= add_days(day, length, CALENDAR, roll=False)
    working = add_working_days(day, length, CALENDAR)
    assert working_days_between(day, working, CALENDAR) == length
