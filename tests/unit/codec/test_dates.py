"""Every form of a date and a moment, in and out. Rule: TIM-02."""

from datetime import UTC, date, datetime

import pytest

from gateway.codec.dates import LOCAL, format_date, format_moment, read_date, read_moment

DAY = date(2026, 1, 5)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026/01/05", ""),
        ("05/01/2026", "date-dmy"),
        ("5/1/2026", "date-dmy"),
        ("05-01-2026", "date-dmy"),
        ("05.01.2026", "date-dmy"),
        ("05/01/2026 10:11:12", "date-dmy"),
        ("2026-01-05", "date-iso"),
        ("2026-01-05T10:11:12", "date-iso"),
        ("2026-01-05T10:11:12.123+07:00", "date-iso"),
        ("2026-01-04T20:00:00Z", "date-iso"),
        ("2026/1/5", "date-form"),
        (" 2026/01/05 ", "date-form"),
        ("2026/01/05 10:00:00", "date-with-time"),
        ("1767546000000", "date-epoch"),  # 2026-01-05T00:00 in Viet Nam, the day before in UTC
    ],
)
def test_every_form_of_a_date(text, code):
    assert read_date(text) == (DAY, code)


@pytest.mark.parametrize(
    "text",
    ["hôm nay", "2014/02/30", "2026/13/01", "32/01/2026", "01/13/2026", "26/01/05", "2026/01",
     "2026/01-05", "0000/01/01", "99999999999999", "2026/01/05 25:00:00", "2026/01/05x", "٢٠٢٦/٠١/٠٥",
     "2026-01-05T10:00:00+99:00"],
)  # fmt: skip
def test_what_is_no_date_is_unreadable(text):
    assert read_date(text) == (None, "date-unreadable")
    assert read_moment(text) == (None, "date-unreadable")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("2026/01/05 10:11:12", ""),
        ("05/01/2026 10:11:12", "date-dmy"),
        ("2026-01-05T10:11:12", "date-iso"),
        ("2026-01-05T03:11:12Z", "date-iso"),
        ("2026-01-05T03:11:12.999999+00:00", "date-iso"),
        ("2026/01/05  10:11:12", "time-form"),
        ("1767582672000", "date-epoch"),
    ],
)
def test_every_form_of_a_moment(text, code):
    assert read_moment(text) == (datetime(2026, 1, 5, 10, 11, 12, tzinfo=LOCAL), code)


def test_a_moment_without_time_is_midnight():
    assert read_moment("2026/01/05") == (datetime(2026, 1, 5, tzinfo=LOCAL), "time-missing")


def test_edges_of_the_calendar_do_not_overflow():
    assert read_date("9999-12-31T23:59:59-12:00") == (None, "date-unreadable")
    assert read_date("0001-01-01T00:00:00+14:00") == (None, "date-unreadable")


@pytest.mark.parametrize("text", ["0001/01/01 00:00:00", "01/01/0001 06:59:59", "0001-01-01"])
def test_a_moment_that_utc_does_not_have_is_unreadable(text):
    assert read_moment(text) == (None, "date-unreadable")


@pytest.mark.parametrize("text", ["0001/01/01 07:00:00", "9999/12/31 23:59:59"])
def test_the_last_moments_that_utc_has(text):
    at, code = read_moment(text)
    assert (format_moment(at.astimezone(UTC)), code) == (text, "")


def test_written_as_read():
    assert format_date(date(987, 1, 2)) == "0987/01/02"
    at = datetime(2026, 1, 5, 10, 11, 12, tzinfo=LOCAL)
    assert read_moment(format_moment(at)) == (at, "")
