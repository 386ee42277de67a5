"""A stretch of days, asked for by years, months and days, is just those days."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.stretches import FIRST, LAST, properties_of, within

DAYS = st.dates(date(2019, 12, 1), date(2028, 3, 31))


@given(first=DAYS, last=DAYS, day=DAYS)
def test_a_day_is_in_a_stretch_or_it_is_not(first, last, day):
    assert within(first, last).fits(properties_of(day)) == (first <= day <= last)


@given(first=DAYS, last=DAYS)
def test_the_days_at_its_ends_are_in_it_and_those_beside_are_not(first, last):
    first, last = sorted((first, last))
    asked = within(first, last)
    assert asked.fits(properties_of(first))
    assert asked.fits(properties_of(last))
    assert not asked.fits(properties_of(first - timedelta(days=1)))
    assert not asked.fits(properties_of(last + timedelta(days=1)))


@pytest.mark.parametrize(
    ("first", "last", "many"),
    [
        (date(2024, 1, 1), date(2025, 12, 31), 2),
        (date(2024, 2, 1), date(2024, 2, 29), 1),
        (date(2023, 2, 28), date(2023, 3, 1), 2),
        (date(2023, 1, 2), date(2026, 12, 30), 30 + 11 + 2 + 11 + 30),
        (date(2026, 1, 2), date(2026, 1, 1), 0),
        (date(1, 1, 1), date(9999, 12, 31), LAST.year - FIRST.year + 1),
    ],
)
def test_it_is_said_in_few_words(first, last, many):
    (clause,) = within(first, last).clauses
    assert len(clause) == many
