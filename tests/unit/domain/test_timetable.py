"""Decisions about working time: what wins, what is provisional, what a change would do.

Rules: TIM-03, TIM-04, TIM-05, TIM-06.
"""

from datetime import date, datetime, time

import pytest

from gateway.config import Times
from gateway.domain.moments import VIETNAM
from gateway.domain.timetable import (
    DayRow,
    HoursRow,
    SessionsError,
    Timetable,
    effects,
    is_confirmed,
    read_sessions,
    sessions_text,
    week_json,
    week_of,
)
from gateway.domain.worktime import HoursPeriod, Session, received_at_legal
from gateway.officehours import hours_of, proposed_holidays

TIMES = Times()
WEEKDAYS = read_sessions("07:00-11:30, 13:30-17:00")
SUMMER = HoursRow(
    "h1",
    "H37.61",
    HoursPeriod(dict.fromkeys(range(5), WEEKDAYS), date(2027, 4, 15), date(2027, 10, 15), True),
)


def at(*parts):
    return datetime(*parts, tzinfo=VIETNAM)


def test_an_agencys_own_decision_wins_over_the_settings_within_its_days():
    hours = hours_of(TIMES, "H37.61", Timetable((SUMMER,)))
    early = at(2027, 6, 1, 7, 10)
    assert received_at_legal(early, hours) == early
    assert received_at_legal(at(2027, 11, 1, 7, 10), hours) == at(2027, 11, 1, 7, 30)
    other = hours_of(TIMES, "H37.04", Timetable((SUMMER,)))
    assert received_at_legal(early, other) == at(2027, 6, 1, 7, 30)


def test_of_two_decisions_the_later_counts():
    later = HoursRow("h2", "H37.61", HoursPeriod({0: read_sessions("8h-12h")}, date(2027, 4, 15)))
    hours = hours_of(TIMES, "H37.61", Timetable((later, SUMMER)))
    assert hours.open_spans(date(2027, 6, 7)) == (Session(time(8), time(12)),)
    assert hours.open_spans(date(2027, 6, 8)) == ()


def test_a_swapped_saturday_is_worked_and_the_friday_for_it_is_not():
    table = Timetable(
        days={
            date(2026, 12, 4): DayRow(date(2026, 12, 4), worked=False, name="Nghỉ hoán đổi"),
            date(2026, 12, 12): DayRow(date(2026, 12, 12), worked=True, name="Làm bù"),
        }
    )
    hours = hours_of(
        TIMES,
        "",
        Timetable((HoursRow("h", "", HoursPeriod(dict.fromkeys(range(7), WEEKDAYS))),), table.days),
    )
    assert hours.open_spans(date(2026, 12, 4)) == ()
    assert hours.open_spans(date(2026, 12, 12)) == WEEKDAYS


def test_a_swapped_saturday_has_the_hours_of_the_friday_where_it_has_none_of_its_own():
    friday, saturday = date(2026, 12, 11), date(2026, 12, 12)
    short = read_sessions("8h-12h")
    week = HoursRow("h", "", HoursPeriod({**dict.fromkeys(range(4), WEEKDAYS), 4: short}))
    worked = {saturday: DayRow(saturday, worked=True, name="Làm bù")}
    hours = hours_of(TIMES, "", Timetable((week,), worked))
    assert hours.open_spans(saturday) == hours.open_spans(friday) == short
    # The Saturday before is one like any other, and a day without hours is not made one.
    assert hours.open_spans(date(2026, 12, 5)) == ()
    monday = HoursRow("m", "", HoursPeriod({0: WEEKDAYS}))
    assert hours_of(TIMES, "", Timetable((monday,), {})).open_spans(friday) == ()


def test_proposed_lunar_holidays_count_and_are_not_confirmed():
    hours = hours_of(TIMES, "", years=(2027,))
    assert not hours.calendar.is_working_day(date(2027, 2, 8))
    assert not hours.calendar.knows(2027)
    assert not is_confirmed(date(2027, 3, 1), hours)
    plain = hours_of(TIMES, "")
    assert plain.calendar.is_working_day(date(2027, 2, 8))


def test_a_confirmed_year_is_what_the_person_confirmed_and_nothing_is_proposed_over_it():
    table = Timetable((SUMMER,), {}, frozenset({2027}))
    hours = hours_of(TIMES, "H37.61", table, (2027,))
    assert hours.calendar.knows(2027)
    assert is_confirmed(date(2027, 6, 1), hours)
    assert not is_confirmed(date(2027, 1, 5), hours)  # hours of the settings: not confirmed


def test_a_swapped_day_the_library_knows_is_not_proposed():
    days = proposed_holidays((2026,))
    assert date(2026, 8, 31) not in days
    assert date(2026, 2, 17) in days


def test_the_effect_of_a_change_is_shown_in_runs():
    before = hours_of(TIMES, "H37.61")
    after = hours_of(TIMES, "H37.61", Timetable((SUMMER,)))
    found = effects(before, after, date(2027, 4, 1))
    assert found[0].first == date(2027, 4, 15)
    assert found[0].after == WEEKDAYS
    assert found[-1].last == date(2027, 10, 15)
    assert effects(before, before, date(2027, 4, 1)) == ()
    # A run goes over days that stay closed, and counts only those that change.
    assert sum(e.days for e in found) < (found[-1].last - found[0].first).days
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("07:30-11:30, 13:30-17:00", "07:30-11:30, 13:30-17:00"),
        (" 7h30 – 11h30 ; 13h-17h ", "07:30-11:30, 13:00-17:00"),
        ("8-12", "08:00-12:00"),
    ],
)
def test_sessions_are_read_as_people_write_them(text, same):
    sessions = read_sessions(text)
    assert sessions_text(sessions) == same
    assert week_of(week_json({0: sessions})) == {0: sessions}


@pytest.mark.parametrize(
    "text",
    ["", "7:30", "11:30-7:30", "25:00-26:00", "7-8,7-8", "a-b", "1-2,3-4,5-6,7-8,9-10", "-", "٧-٨"],
)
def test_what_are_no_sessions_is_refused(text):
    with pytest.raises(SessionsError):
        read_sessions(text)
