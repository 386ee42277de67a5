"""Numbers: consecutive, never twice, whatever the interleaving, and in the right year.

Rules: DID-01, DID-02b, DID-04.
"""

from collections import defaultdict
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.moments import VIETNAM
from gateway.domain.numbering import (
    CounterState,
    arrival_counter,
    arrival_year,
    document_counter,
    issue_counter,
)
from gateway.errors import RejectedError

DAYS = st.dates(date(2025, 12, 25), date(2027, 1, 5))


@given(st.lists(st.tuples(st.sampled_from(["H37", "H37.02"]), DAYS, st.booleans()), max_size=200))
def test_each_counter_gives_consecutive_unique_numbers(issues):
    counters = defaultdict(CounterState)
    given_out = defaultdict(list)
    for agency, day, own_series in issues:
        key = document_counter(agency, day, "QĐ") if own_series else issue_counter(agency, day)
        counters[key], number = counters[key].take()
        given_out[key].append(number)
    for key, numbers in given_out.items():
        assert numbers == list(range(1, len(numbers) + 1))
        assert key.year in {2025, 2026, 2027}


@given(st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=60))
def test_setting_a_counter_never_makes_it_give_a_number_again(steps):
    state, seen = CounterState(), set()
    for step in steps:
        if step is None:
            state, number = state.take()
            assert number not in seen
            assert number > max(seen, default=0)
            seen.add(number)
        else:
            try:
                state = state.advanced_to(step)
            except RejectedError:
                assert step < state.last


NEW_YEAR = st.datetimes(datetime(2026, 12, 31), datetime(2027, 1, 1, 23))  # noqa: DTZ001


@given(NEW_YEAR)
def test_the_arrival_year_is_vietnams_whatever_the_zone(naive):
    here = naive.replace(tzinfo=VIETNAM)
    assert arrival_year(here) == naive.year
    assert arrival_counter("H37", here.astimezone(UTC)).year == naive.year
