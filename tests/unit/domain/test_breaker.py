"""The circuit breaker: what opens it, what does not, and how it asks again.

Rules: SND-15, SND-03.
"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from gateway.domain.breaker import (
    Breaker,
    BreakerEvent,
    BreakerPolicy,
    BreakerState,
    asking,
    found_open,
    hear,
    probe_is_due,
)
from gateway.domain.holds import STALE, Span, held_within, hold_span, hold_stands
from gateway.domain.moments import to_text

S, E = BreakerState, BreakerEvent
T0 = datetime(2026, 11, 22, 8, tzinfo=UTC)
POLICY = BreakerPolicy()
SECOND = timedelta(seconds=1)


def told(breaker, *events, start=T0, random=0.5, policy=POLICY):
    """Hear one event a second, each about an attempt begun just before."""
    at = start
    for event in events:
        at += SECOND
        breaker = hear(breaker, event, at - SECOND / 2, at, random, policy)
    return breaker


def opened(times=1, random=1.0):
    breaker, at = told(Breaker(), *[E.FAILED] * 5, random=random), T0 + timedelta(days=1)
    for _ in range(times - 1):
        breaker = hear(asking(breaker, at), E.FAILED, at, at, random, POLICY)
        at += timedelta(days=1)
    return breaker


def test_five_failures_in_a_row_open_it_and_four_do_not():
    assert told(Breaker(), *[E.FAILED] * 4).flows
    breaker = told(Breaker(), *[E.FAILED] * 5)
    assert breaker.state is S.OPEN
    assert breaker.since == T0 + 5 * SECOND
    assert breaker.times == 1


def test_a_success_among_them_begins_the_row_anew():
    assert told(Breaker(), *[E.FAILED] * 4, E.SUCCEEDED, *[E.FAILED] * 4).flows


def test_a_peer_that_only_refuses_is_well():
    assert told(Breaker(), *[E.REFUSED] * 1000).flows
    # And a refusal neither counts as a failure nor wipes failures out.
    assert not told(Breaker(), *[E.FAILED] * 4, E.REFUSED, E.FAILED).flows
    assert told(Breaker(), *[E.FAILED] * 4, *[E.REFUSED] * 100).flows


def test_a_flapping_peer_is_caught_by_the_ratio_and_a_bad_one_in_five_is_not():
    flapping = [E.FAILED, E.FAILED, E.FAILED, E.FAILED, E.SUCCEEDED] * 4
    assert not told(Breaker(), *flapping, E.FAILED).flows
    assert told(Breaker(), *[E.FAILED, *[E.SUCCEEDED] * 4] * 50).flows
    assert told(Breaker(), *flapping[:19]).flows  # the window is not full yet


def test_what_is_our_own_trouble_says_nothing():
    assert told(Breaker(), *[E.UNDECIDED] * 100) == Breaker()


def test_while_open_only_a_probe_or_a_taken_parcel_counts():
    breaker = opened()
    for event in (E.FAILED, E.REFUSED, E.UNDECIDED):
        assert told(breaker, event, start=T0 + timedelta(hours=1)).state is S.OPEN
    assert told(breaker, E.SUCCEEDED, start=T0 + timedelta(hours=1)).flows


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (E.SUCCEEDED, S.CLOSED),
        (E.REFUSED, S.CLOSED),
        (E.FAILED, S.OPEN),
        (E.UNDECIDED, S.HALF_OPEN),
    ],
)
def test_the_probe_decides(event, state):
    at = T0 + timedelta(hours=1)
    breaker = hear(asking(opened(), at), event, at, at + SECOND, 0.5, POLICY)
    assert breaker.state is state
    if state is S.CLOSED:
        assert (breaker.recent, breaker.times, breaker.since) == ((), 0, None)


def test_a_slow_failure_of_before_does_not_spoil_the_probe():
    at = T0 + timedelta(hours=1)
    breaker = asking(opened(), at)
    assert hear(breaker, E.FAILED, T0, at + SECOND, 0.5, POLICY).state is S.HALF_OPEN
    closed = hear(breaker, E.SUCCEEDED, at, at + SECOND, 0.5, POLICY)
    for _ in range(100):  # nor do those that come when it has closed
        closed = hear(closed, E.FAILED, T0, at + 2 * SECOND, 0.5, POLICY)
    assert closed.flows


def test_one_probe_at_a_time():
    breaker = asking(opened(), T0 + timedelta(hours=1))
    assert not probe_is_due(breaker, T0 + timedelta(days=9), POLICY, urgent=True)
    assert asking(breaker, T0 + timedelta(hours=2)).state is S.HALF_OPEN


def test_waits_grow_up_to_the_longest_and_the_outage_has_one_beginning():
    waits = [POLICY.ceiling(n) for n in range(1, 10)]
    assert waits[:3] == [timedelta(seconds=s) for s in (15, 30, 60)]
    assert all(a <= b for a, b in pairwise(waits))
    assert waits[-1] == POLICY.ceiling(10**9) == timedelta(minutes=5)
    assert opened(times=4).since == T0 + 5 * SECOND
    assert opened(times=4).times == 4


@pytest.mark.parametrize("random", [0.0, 0.3, 0.999])
def test_the_wait_is_scattered_over_its_whole_length(random):
    breaker = opened(random=random)
    assert breaker.probe_at - breaker.changed_at == random * timedelta(seconds=15)


def test_the_destinations_own_wish_is_kept():
    breaker = Breaker()
    for n in range(5):
        at = T0 + n * SECOND
        breaker = hear(breaker, E.FAILED, at, at, 0.0, POLICY, retry_after=timedelta(minutes=20))
    assert breaker.probe_at - breaker.changed_at == timedelta(minutes=20)


def test_an_express_document_asks_sooner():
    breaker = opened(times=6)  # five minutes
    at = breaker.changed_at
    assert not probe_is_due(breaker, at + timedelta(seconds=6), POLICY, urgent=False)
    assert probe_is_due(breaker, at + timedelta(minutes=5), POLICY, urgent=False)
    assert probe_is_due(breaker, at + timedelta(seconds=6), POLICY, urgent=True)
    assert not probe_is_due(breaker, breaker.asked_at + SECOND, POLICY, urgent=True)


def test_a_clock_set_back_does_not_keep_it_open():
    breaker = opened(times=6)
    assert probe_is_due(breaker, T0 - timedelta(days=400), POLICY, urgent=False)


def test_after_a_clock_set_back_failures_count_again_and_a_probe_decides():
    closed = hear(asking(opened(), T0 + timedelta(days=9)), E.SUCCEEDED, T0, T0, 0.5, POLICY)
    assert closed.changed_at == T0
    later = hear(
        asking(opened(), T0 + timedelta(days=9)),
        E.SUCCEEDED,
        T0 + timedelta(days=9),
        T0 + timedelta(days=9),
        0.5,
        POLICY,
    )
    assert not told(later, *[E.FAILED] * 5).flows  # eight days before it closed
    probing = asking(asking(opened(), T0 + timedelta(days=9)), T0)
    assert hear(probing, E.FAILED, T0, T0 + SECOND, 0.5, POLICY).state is S.OPEN


def test_found_open_it_asks_at_once_and_remembers_since_when():
    breaker = found_open(T0, T0 + timedelta(hours=3))
    assert probe_is_due(breaker, T0 + timedelta(hours=3), POLICY, urgent=False)
    assert breaker.since == T0
    assert not breaker.flows


# ---------------------------------------------------------------- spans


def hours(first, last=None):
    until = None if last is None else T0 + timedelta(hours=last)
    return Span(T0 + timedelta(hours=first), until)


@pytest.mark.parametrize(
    ("spans", "total"),
    [
        ([], 0),
        ([hours(1, 2)], 1),
        ([hours(1, 3), hours(2, 4)], 3),
        ([hours(1, 9), hours(2, 3)], 8),
        ([hours(-5, 1), hours(9, 50)], 2),
        ([hours(4)], 6),
        ([hours(4), hours(0, 5)], 10),
        ([hours(5, 4)], 0),
        ([hours(-9, -1), hours(11, 12)], 0),
    ],
)
def test_held_time_counts_once(spans, total):
    assert held_within(spans, T0, T0 + timedelta(hours=10)) == timedelta(hours=total)
    assert held_within(spans[::-1], T0, T0 + timedelta(hours=10)) == timedelta(hours=total)


def test_a_breakers_record_whose_node_is_no_more_ends_by_itself():
    since, until = to_text(T0), to_text(T0 + timedelta(minutes=5))
    soon, late = T0 + timedelta(minutes=6), T0 + timedelta(minutes=6) + STALE
    assert hold_stands(until, None, soon)
    assert hold_span(since, until, None, soon).until is None
    assert not hold_stands(until, None, late)
    assert hold_span(since, until, None, late).until == T0 + timedelta(minutes=5)
    # An operator's hold has no end of its own, and what was released stands no more.
    assert hold_stands(None, None, T0 + timedelta(days=9999))
    assert not hold_stands(None, until, soon)
