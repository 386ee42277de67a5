"""Whatever a destination does, and whatever the clock does, the breaker keeps its promises."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.breaker import (
    BREAKER,
    Breaker,
    BreakerEvent,
    BreakerPolicy,
    BreakerState,
    asking,
    hear,
    probe_is_due,
)
from gateway.domain.holds import Span, held_within

T0 = datetime(2026, 11, 22, tzinfo=UTC)
HEARD = (
    BreakerEvent.SUCCEEDED,
    BreakerEvent.REFUSED,
    BreakerEvent.FAILED,
    BreakerEvent.UNDECIDED,
)
policies = st.builds(
    BreakerPolicy,
    failures=st.integers(1, 8),
    window=st.integers(2, 12),
    ratio=st.floats(0.3, 1.0),
    first=st.timedeltas(timedelta(seconds=1), timedelta(minutes=1)),
    longest=st.timedeltas(timedelta(seconds=1), timedelta(minutes=9)),
)
instants = st.timedeltas(timedelta(-3), timedelta(3)).map(lambda by: T0 + by)
steps = st.lists(
    st.tuples(st.sampled_from([*HEARD, None]), instants, instants, st.floats(0, 0.999)),
    max_size=60,
)


@given(policies, steps)
def test_any_life_of_a_breaker(policy, life):
    breaker = Breaker()
    for heard, began, now, random in life:
        before = breaker
        if heard is None:
            if probe_is_due(breaker, now, policy, urgent=True):
                breaker = asking(breaker, now)
                assert breaker.state is BreakerState.HALF_OPEN
        else:
            breaker = hear(breaker, heard, began, now, random, policy)
        moved = (before.state, breaker.state)
        assert moved[0] is moved[1] or moved in {
            (state, following) for (state, _), following in BREAKER.rows.items()
        }
        if heard is BreakerEvent.SUCCEEDED:
            assert breaker.flows
        if heard in {BreakerEvent.REFUSED, BreakerEvent.UNDECIDED}:
            assert breaker.flows or not before.flows  # never opened by these
        assert (breaker.since is None) == (breaker.probe_at is None) == breaker.flows
        if breaker.state is BreakerState.OPEN:
            assert breaker.probe_at - breaker.changed_at <= policy.longest
            # It never stays so for ever: a day later a probe is due.
            later = max(now, breaker.changed_at) + timedelta(days=1)
            assert probe_is_due(breaker, later, policy, urgent=False)
        assert len(breaker.recent) <= max(policy.window, policy.failures)


@given(st.lists(st.tuples(instants, st.none() | instants), max_size=12), instants, instants)
def test_held_time_is_never_more_than_the_time_and_grows_with_holds(pairs, first, last):
    spans = [Span(since, until) for since, until in pairs]
    total = held_within(spans, first, last)
    assert timedelta(0) <= total <= max(last - first, timedelta(0))
    assert total >= held_within(spans[1:], first, last)
    assert total == held_within(spans * 2, first, last)
