"""Which counter a number comes from, and what a counter never does.

Rules: DID-01, DID-02, DID-02b, DID-04.
"""

from datetime import UTC, date, datetime

import pytest

from gateway.domain.numbering import (
    CounterKey,
    CounterState,
    arrival_counter,
    arrival_year,
    document_counter,
    issue_counter,
    issue_year,
)
from gateway.errors import Reason, RejectedError


def test_year_of_issue_is_the_documents_own_not_the_clocks():
    # Dated 31/12, released the next morning: the old year's next number.
    assert issue_counter("H37.02", date(2026, 12, 31)) == CounterKey("H37.02", 2026, "issue")
    assert issue_counter("H37.02", date(2027, 1, 1)).year == 2027


def test_arrival_year_turns_at_vietnams_midnight():
    assert arrival_year(datetime(2026, 12, 31, 16, 59, 59, tzinfo=UTC)) == 2026
    assert arrival_year(datetime(2026, 12, 31, 17, 0, 0, tzinfo=UTC)) == 2027
    assert arrival_counter("H37", datetime(2026, 12, 31, 17, tzinfo=UTC)).series == "arrival"


def test_two_series_do_not_meet_and_are_not_the_ordinal():
    day = date(2026, 5, 5)
    keys = {
        document_counter("H37", day, "QĐ"),
        document_counter("H37", day, "QPPL"),
        issue_counter("H37", day),
    }
    assert len(keys) == 3


@pytest.mark.parametrize("series", ["", "issue", "arrival"])
def test_our_own_series_are_not_number_series(series):
    with pytest.raises(ValueError, match="series"):
        document_counter("H37", date(2026, 5, 5), series)


def test_numbers_run_from_one():
    state, first = CounterState().take()
    _, second = state.take()
    assert (first, second) == (1, 2)


def test_going_live_mid_year_sets_the_counter_upwards_only():
    state = CounterState(10).advanced_to(4321)
    assert state.take()[1] == 4322
    with pytest.raises(RejectedError) as refused:
        state.advanced_to(4320)
    assert refused.value.reason is Reason.CONFLICT
    assert state.advanced_to(4321) == state


def test_impossible_years_and_naive_instants_are_refused():
    with pytest.raises(ValueError, match="year 10"):
        issue_year(date(10, 5, 1))
    with pytest.raises(ValueError, match="naive"):
        arrival_year(datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(TypeError):
        issue_year(datetime(2026, 1, 1, tzinfo=UTC))
