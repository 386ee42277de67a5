"""What a peer's answers say of its clock. Rule: TIM-01."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.shared.connecting import PeerTime

NOW = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)


def after(*offsets_s):
    time = PeerTime(lambda: NOW)
    for offset_s in offsets_s:
        time.note(format_datetime(NOW + timedelta(seconds=offset_s), usegmt=True))
    return time.offset


def test_the_middle_of_the_last_answers_counts():
    assert after(*[0] * 4) == timedelta(milliseconds=500)
    assert after(10, 10, 10, 10, 500) == timedelta(seconds=10.5)
    assert after(*[900] * 9, *[0] * 9) == timedelta(milliseconds=500)


def test_a_few_answers_say_nothing():
    assert after() is None
    assert after(99, 99, 99) is None


@pytest.mark.parametrize(
    "date", [None, "", "hôm nay", "x" * 9000, "Fri, 99 Nov 2026 02:00:00 GMT", "0"]
)
def test_what_is_no_date_says_nothing(date):
    time = PeerTime(lambda: NOW)
    for _ in range(9):
        time.note(date)
    assert time.offset is None


def test_a_date_without_zone_is_read_as_utc():
    time = PeerTime(lambda: NOW)
    for _ in range(5):
        time.note("Fri, 20 Nov 2026 02:00:07 -0000")
    assert time.offset == timedelta(seconds=7.5)
