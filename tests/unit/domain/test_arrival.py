"""Two moments of an arrival, and what its agency may report.

Rules: RCV-04, RCV-06, RCV-07, STS-03, DID-04.
"""

from datetime import UTC, datetime

import pytest

from gateway.domain.arrival import (
    ArrivalMoments,
    gives_arrival_number,
    may_report,
    report_status,
)
from gateway.domain.envelope import StatusCode
from gateway.domain.lifecycle import ArrivalState, IllegalTransitionError
from gateway.domain.worktime import default_hours
from gateway.errors import Reason, RejectedError

HOURS = default_hours()
SUNDAY = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
MONDAY = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def test_legal_time_follows_the_entry_into_the_agencys_system():
    moments = ArrivalMoments.committed(SUNDAY, console=False)
    assert moments.received_at_legal(HOURS) is None
    taken = moments.taken(MONDAY)
    assert taken.received_at_legal(HOURS).isoformat() == "2026-11-23T08:00:00+07:00"
    assert taken.at_gateway_at == SUNDAY
    assert taken.taken(SUNDAY) is taken


def test_for_our_console_the_commit_is_the_entry():
    moments = ArrivalMoments.committed(SUNDAY, console=True)
    assert moments.received_at_legal(HOURS).isoformat() == "2026-11-23T07:30:00+07:00"


def test_reporting_moves_and_repeating_does_not():
    first = report_status(ArrivalState.TAKEN, "03", "")
    assert (first.state, first.moved) == (ArrivalState.ACCEPTED, True)
    again = report_status(first.state, "03", "")
    assert (again.state, again.moved) == (ArrivalState.ACCEPTED, False)


@pytest.mark.parametrize("code", ["02", "16"])
@pytest.mark.parametrize("reason", ["", "   "])
def test_a_refusal_without_a_reason_is_impossible(code, reason):
    with pytest.raises(RejectedError) as refused:
        report_status(ArrivalState.TAKEN, code, reason)
    assert refused.value.reason is Reason.BAD_REQUEST
    assert report_status(ArrivalState.TAKEN, code, "sai nơi nhận").code.value == code


@pytest.mark.parametrize("code", ["13", "07", "", "abc", "999"])
def test_other_codes_cannot_be_reported(code):
    assert not may_report(ArrivalState.TAKEN, code)
    with pytest.raises(RejectedError) as refused:
        report_status(ArrivalState.TAKEN, code, "x")
    assert refused.value.reason is Reason.BAD_REQUEST


def test_an_overlong_reason_is_refused():
    with pytest.raises(RejectedError, match="longer"):
        report_status(ArrivalState.TAKEN, "02", "x" * 1001)


def test_a_state_that_forbids_it_says_so():
    assert not may_report(ArrivalState.DONE, "02")
    with pytest.raises(IllegalTransitionError):
        report_status(ArrivalState.DONE, "02", "quá muộn")


def test_who_gets_an_arrival_number_and_when():
    assert gives_arrival_number(StatusCode.ACCEPTED, console=True, already=None)
    assert gives_arrival_number(StatusCode.IN_PROGRESS, console=True, already=None)
    assert not gives_arrival_number(StatusCode.ACCEPTED, console=True, already=7)
    assert not gives_arrival_number(StatusCode.ACCEPTED, console=False, already=None)
    assert not gives_arrival_number(StatusCode.RETURNED, console=True, already=None)
    assert not gives_arrival_number(StatusCode.ARRIVED, console=True, already=None)
