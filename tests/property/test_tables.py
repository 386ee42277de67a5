"""Random lives: what happens never raises, never goes back, and can always end.

Rules: STS-07.
"""

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.lifecycle import (
    ARRIVAL,
    DELIVERY,
    TABLES,
    ArrivalEvent,
    ArrivalState,
    DeliveryEvent,
    DeliveryState,
    advance,
    allows,
    rank,
    settled,
)

STATUSES = [e for e in DeliveryEvent if e.name.startswith("STATUS_")]
FORWARD = [e for e in STATUSES if e is not DeliveryEvent.STATUS_02]
ON_THE_WAY = [DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.HANDED_OVER]


@given(
    st.sampled_from(list(DeliveryState)),
    st.lists(st.sampled_from([*STATUSES, DeliveryEvent.RECALL_AGREED]), max_size=30),
)
def test_statuses_never_raise_and_never_go_back(state, events):
    for event in events:
        before = rank(state)
        state = advance(DELIVERY, state, event)
        assert rank(state) >= before


@given(st.sampled_from(ON_THE_WAY), st.permutations(FORWARD))
def test_done_is_reached_in_any_order_of_the_codes(state, events):
    for event in events:
        state = advance(DELIVERY, state, event)
    assert state is DeliveryState.DONE


@given(st.sampled_from(ON_THE_WAY), st.lists(st.sampled_from(FORWARD[:-1]), max_size=8))
def test_returned_is_reached_until_done(state, events):
    for event in events:
        state = advance(DELIVERY, state, event)
    assert advance(DELIVERY, state, DeliveryEvent.STATUS_02) is DeliveryState.RETURNED


@given(st.sampled_from(list(TABLES)), st.data())
def test_a_walk_along_allowed_events_stays_in_the_table(table, data):
    state = data.draw(st.sampled_from(sorted(table.initial)))
    for _ in range(data.draw(st.integers(0, 25))):
        possible = [e for e in table.events if allows(table, state, e)]
        if not possible:
            assert settled(table, state)
            break
        state = advance(table, state, data.draw(st.sampled_from(possible)))
        assert isinstance(state, table.states)


@given(
    st.sampled_from([ArrivalState.OFFERED, ArrivalState.TAKEN]),
    st.permutations(
        [
            ArrivalEvent.STATUS_01,
            ArrivalEvent.STATUS_03,
            ArrivalEvent.STATUS_04,
            ArrivalEvent.STATUS_05,
            ArrivalEvent.STATUS_06,
            ArrivalEvent.TAKEN,
        ]
    ),
)
def test_an_agency_may_report_forward_codes_in_any_order(state, events):
    for event in events:
        state = advance(ARRIVAL, state, event)
    assert state is ArrivalState.DONE
