"""Trying again, giving up, and what the end of a try means.

Rules: SND-03, SND-15, ID-09.
"""

from datetime import timedelta

import pytest

from gateway.domain.delivery import (
    SCHEDULES,
    AttemptEnd,
    Decision,
    Lane,
    Schedule,
    axis_code_is_final,
    back_off,
    lane_of,
    react,
)
from gateway.domain.envelope import Urgency
from gateway.domain.lifecycle import (
    DELIVERY,
    TRANSFER,
    DeliveryEvent,
    DeliveryState,
    TransferEvent,
    TransferState,
    advance,
)


def test_lanes_are_the_urgencies():
    assert [lane_of(u) for u in Urgency] == list(Lane)


def test_waits_grow_and_stop_growing():
    waits = [back_off(n, Lane.NORMAL, 0.5).wait for n in range(1, 12)]
    assert waits[:3] == [timedelta(seconds=s) for s in (15, 30, 60)]
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=15)


def test_urgent_lanes_try_sooner_at_every_try():
    for attempt in range(1, 10):
        waits = [back_off(attempt, lane, 0.5).wait for lane in sorted(Lane)]
        assert waits == sorted(waits, reverse=True)
        assert waits[0] > waits[-1]


@pytest.mark.parametrize(
    ("jitter", "random", "wait_s"),
    [(1, 0.0, 0), (1, 0.25, 30), (1, 0.5, 60), (0.2, 0.0, 96), (0.2, 0.5, 108), (0, 0.9, 120)],
)
def test_full_jitter_scatters_over_the_whole_wait_and_never_beyond(jitter, random, wait_s):
    own = {Lane.NORMAL: Schedule(timedelta(seconds=30), timedelta(minutes=30), jitter=jitter)}
    wait = back_off(3, Lane.NORMAL, random, schedules=own).wait
    assert wait == timedelta(seconds=wait_s)
    assert back_off(3, Lane.NORMAL, 0.999999, schedules=own).wait <= timedelta(minutes=2)


def test_a_peers_wish_is_never_answered_sooner():
    asked = timedelta(minutes=10)
    assert back_off(1, Lane.NORMAL, 0.0, retry_after=asked).wait == asked
    assert back_off(9, Lane.NORMAL, 0.9, retry_after=timedelta(seconds=1)).wait > asked
    assert back_off(1, Lane.NORMAL, 0.5, retry_after=-asked).wait <= timedelta(seconds=30)


def test_those_who_heard_the_same_wish_do_not_come_back_together():
    waits = {back_off(1, 0, r / 10, retry_after=timedelta(minutes=5)).wait for r in range(10)}
    assert len(waits) == 10
    assert min(waits) == timedelta(minutes=5)
    assert max(waits) < timedelta(minutes=5, seconds=30)


def test_a_mistaken_wish_does_not_keep_a_document_here_for_years():
    assert back_off(1, 0, 0.0, retry_after=timedelta(days=3650)).wait == timedelta(hours=1)


def test_giving_up_by_the_clock_or_by_the_tries():
    assert back_off(300, Lane.NORMAL, 0.5, waited=timedelta(days=7)).gives_up
    assert not back_off(300, Lane.NORMAL, 0.5, waited=timedelta(days=6)).gives_up
    tries = next(n for n in range(1, 9999) if back_off(n, Lane.NORMAL, 0.5).gives_up)
    assert 330 < tries < 350  # about seven days of half hours


def test_a_process_that_was_off_or_a_clock_that_jumped_has_tried_for_no_longer_than_it_tried():
    year = timedelta(days=365)
    assert not back_off(3, Lane.NORMAL, 0.5, waited=year).gives_up
    assert not back_off(100, Lane.NORMAL, 0.5, waited=year).gives_up
    # Nothing is tried for ever either: a peer that wishes for an hour each time, for a week.
    assert back_off(7 * 24, Lane.NORMAL, 0.5, waited=timedelta(days=7)).gives_up


def test_the_clerk_is_told_after_five_tries():
    assert [back_off(n, 0, 0.5).tell_clerk for n in (4, 5, 6)] == [False, True, True]


def test_an_hour_of_outage_is_survived_in_every_lane():
    for lane in Lane:
        assert not back_off(50, lane, 0.5, waited=timedelta(hours=1)).gives_up


def test_a_schedule_of_ones_own():
    own = {Lane.NORMAL: Schedule(timedelta(1), timedelta(2), jitter=0, give_up_after=timedelta(3))}
    assert back_off(1, 0, 0.9, schedules=own).wait == timedelta(1)
    assert back_off(1, 4, 0.9, schedules=own).wait == timedelta(1)
    assert back_off(3, 0, 0.9, schedules=own).wait is None


def test_a_huge_try_number_does_not_overflow():
    assert back_off(10_000_000, 0, 0.5, waited=timedelta(0)).wait is not None
    assert SCHEDULES[0].nominal_total(10_000_000) > timedelta(days=7)
    with pytest.raises(ValueError, match="counted from 1"):
        SCHEDULES[0].nominal(0)


@pytest.mark.parametrize(
    ("end", "transfer", "delivery", "tells"),
    [
        (AttemptEnd.TAKEN, TransferState.DONE, DeliveryState.HANDED_OVER, False),
        (AttemptEnd.BUSY, TransferState.DEFERRED, DeliveryState.DEFERRED, False),
        (AttemptEnd.DIED, TransferState.DEFERRED, DeliveryState.DEFERRED, False),
        (AttemptEnd.REFUSED, TransferState.FAILED, DeliveryState.FAILED, True),
    ],
)
def test_the_end_of_a_try_moves_both_tables(end, transfer, delivery, tells):
    reaction = react(end, Decision(timedelta(seconds=30)))
    assert advance(TRANSFER, TransferState.SENDING, reaction.transfer) is transfer
    assert advance(DELIVERY, DeliveryState.SENDING, reaction.delivery) is delivery
    assert reaction.tell_clerk is tells
    assert (reaction.wait is not None) is (transfer is TransferState.DEFERRED)


def test_busy_for_too_long_is_a_dead_letter():
    reaction = react(AttemptEnd.BUSY, Decision(None, tell_clerk=True))
    assert (reaction.transfer, reaction.delivery) == (TransferEvent.GAVE_UP, DeliveryEvent.GAVE_UP)
    assert reaction.tell_clerk


def test_axis_answers():
    assert all(axis_code_is_final(c) for c in (10, 15, 18, 19, 22, 23))
    assert not any(axis_code_is_final(c) for c in (20, 21, 99, 0))
