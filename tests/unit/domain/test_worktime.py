"""Office hours: the first seven worked examples of A17, and their evil twins.

Rules: TIM-01, TIM-03, TIM-04, TIM-05, TIM-06, TIM-07; RCV-05, RCV-06, SND-01, SND-02.
"""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from gateway.domain.moments import VIETNAM
from gateway.domain.worktime import (
    UNCONFIRMED_OVERRIDES_2026,
    Calendar,
    HoursPeriod,
    IssueDeadline,
    OfficeHours,
    Session,
    add_days,
    add_working_days,
    default_hours,
    issue_deadline,
    issued_late,
    local,
    national_calendar,
    next_office_start,
    receipt_due,
    received_at_legal,
    working_days_between,
)

HOURS = default_hours()
CALENDAR = HOURS.calendar


def at(*parts):
    return datetime(*parts, tzinfo=VIETNAM)


@pytest.mark.parametrize(
    ("entered", "received"),
    [
        (at(2026, 11, 20, 16, 59, 59), "2026-11-20T16:59:59+07:00"),
        (at(2026, 11, 20, 17, 0, 0), "2026-11-23T07:30:00+07:00"),
        (at(2026, 11, 22, 10, 0), "2026-11-23T07:30:00+07:00"),
        (at(2026, 11, 23, 18, 10), "2026-11-25T07:30:00+07:00"),
        (at(2026, 11, 25, 12, 0), "2026-11-25T13:30:00+07:00"),
    ],
)
def test_worked_examples_of_receiving(entered, received):
    assert received_at_legal(entered, HOURS).isoformat() == received
    assert received_at_legal(entered.astimezone(UTC), HOURS).isoformat() == received


def test_worked_examples_of_issuing():
    signed = at(2026, 11, 23, 16, 0)
    assert issue_deadline(signed, HOURS) == at(2026, 11, 25, 11, 30)
    assert not issued_late(signed, at(2026, 11, 25, 11, 0), HOURS)
    assert issued_late(date(2026, 11, 23), at(2026, 11, 25, 14, 0), HOURS)


def test_the_end_of_a_session_is_outside():
    assert issued_late(date(2026, 11, 23), at(2026, 11, 25, 11, 30), HOURS)
    assert next_office_start(at(2026, 11, 25, 11, 30), HOURS) == at(2026, 11, 25, 13, 30)
    assert next_office_start(at(2026, 11, 25, 7, 30), HOURS) == at(2026, 11, 25, 7, 30)
    assert next_office_start(at(2026, 11, 25, 7, 29, 59), HOURS) == at(2026, 11, 25, 7, 30)


def test_the_decrees_own_deadline_is_a_switch():
    late = at(2026, 11, 25, 14, 0)
    assert not issued_late(date(2026, 11, 23), late, HOURS, IssueDeadline.END_OF_DAY)


def test_lunch_may_count_as_inside():
    hours = OfficeHours(CALENDAR, lunch_is_outside=False)
    noon = at(2026, 11, 25, 12, 0)
    assert next_office_start(noon, hours) == noon


@pytest.mark.parametrize("function", [lambda t: next_office_start(t, HOURS), local, receipt_due])
def test_naive_instants_are_refused(function):
    with pytest.raises(ValueError, match="naive"):
        function(datetime(2026, 11, 20, 10, 0))  # noqa: DTZ001


def test_receipt_is_due_on_the_day_of_legal_receipt():
    assert receipt_due(at(2026, 11, 25, 7, 30)) == at(2026, 11, 25, 23, 59, 59)
    assert receipt_due(datetime(2026, 11, 25, 18, 0, tzinfo=UTC)) == at(2026, 11, 26, 23, 59, 59)


@pytest.mark.parametrize(
    "day",
    [
        date(2026, 1, 1),
        date(2026, 2, 16),
        date(2026, 2, 20),
        date(2026, 4, 27),
        date(2026, 4, 30),
        date(2026, 5, 1),
        date(2026, 9, 1),
        date(2026, 9, 2),
        date(2026, 11, 24),
    ],
)
def test_holidays_of_2026(day):
    assert not CALENDAR.is_working_day(day)
    assert day in CALENDAR.holidays


def test_days_that_are_no_holidays():
    for day in (date(2026, 2, 13), date(2026, 4, 28), date(2025, 11, 24), date(2026, 1, 2)):
        assert CALENDAR.is_working_day(day)


def test_a_fixed_holiday_on_a_weekend_moves_to_the_next_working_day():
    assert date(2027, 5, 1).weekday() == 5
    assert not CALENDAR.is_working_day(date(2027, 5, 3))
    assert CALENDAR.is_working_day(date(2027, 5, 4))


def test_the_calendar_says_which_years_it_knows_wholly():
    assert CALENDAR.knows(2026)
    assert not CALENDAR.knows(2027)


def test_overrides_win_and_are_not_in_force_by_themselves():
    saturday = date(2026, 8, 22)
    assert not CALENDAR.is_working_day(saturday)
    swapped = Calendar(CALENDAR.holidays, UNCONFIRMED_OVERRIDES_2026)
    assert swapped.is_working_day(saturday)
    assert not swapped.is_working_day(date(2026, 8, 31))
    hours = OfficeHours(swapped)
    inside = at(2026, 8, 22, 9, 0)
    assert next_office_start(inside, hours) == inside


def test_hours_change_with_the_season():
    summer = HoursPeriod(
        dict.fromkeys(range(5), (Session(time(7, 0), time(11, 0)),)),
        valid_from=date(2026, 4, 16),
        valid_to=date(2026, 10, 15),
        confirmed=True,
    )
    winter = HoursPeriod(dict.fromkeys(range(5), (Session(time(8, 0), time(12, 0)),)))
    hours = OfficeHours(CALENDAR, (summer, winter))
    assert next_office_start(at(2026, 6, 1, 6, 0), hours) == at(2026, 6, 1, 7, 0)
    assert next_office_start(at(2026, 12, 1, 6, 0), hours) == at(2026, 12, 1, 8, 0)
    assert hours.period(date(2026, 6, 1)).confirmed
    assert not hours.period(date(2026, 12, 1)).confirmed
    assert not default_hours().period(date(2026, 12, 1)).confirmed


def test_an_office_that_never_opens_is_said_to_be_broken():
    with pytest.raises(ValueError, match="broken"):
        next_office_start(at(2026, 1, 1, 9, 0), OfficeHours(CALENDAR, ()))
    with pytest.raises(ValueError, match="broken"):
        issue_deadline(date(2026, 1, 1), OfficeHours(CALENDAR, ()))
    never = Calendar(overrides={date(2026, 1, 1) + timedelta(n): False for n in range(900)})
    with pytest.raises(ValueError, match="broken"):
        never.next_working_day(date(2026, 1, 1))


def test_sessions_are_in_order():
    with pytest.raises(ValueError, match="ends"):
        Session(time(11), time(11))
    overlap = (Session(time(8), time(12)), Session(time(11), time(13)))
    with pytest.raises(ValueError, match="overlap"):
        HoursPeriod({0: overlap})


def test_periods_of_days():
    friday = date(2026, 11, 20)
    assert add_days(friday, 1, CALENDAR) == date(2026, 11, 23)
    assert add_days(friday, 1, CALENDAR, roll=False) == date(2026, 11, 21)
    assert add_days(friday, 4, CALENDAR) == date(2026, 11, 25)  # 24/11 is a holiday
    assert add_working_days(friday, 2, CALENDAR) == date(2026, 11, 25)
    assert add_working_days(friday, 0, CALENDAR) == friday
    assert working_days_between(friday, date(2026, 11, 27), CALENDAR) == 4
    for function in (add_days, add_working_days):
        with pytest.raises(ValueError, match="negative"):
            function(friday, -1, CALENDAR)


def test_the_national_calendar_covers_the_years_asked_for():
    short = national_calendar(2026, 2026)
    assert {d.year for d in short.holidays} == {2026}
