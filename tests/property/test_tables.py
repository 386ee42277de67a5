"""Random lives and all lives: what happens never raises, never goes back, and can always end.

Rules: STS-07.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.drafting import DRAFT
from gateway.domain.lifecycle import (
    ARRIVAL,
    DELIVERY,
    TABLES,
    TRANSFER,
    ArrivalEvent,
    ArrivalState,
    DeliveryEvent,
    DeliveryState,
    TransferEvent,
    TransferState,
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


# ---------------------------------------------------------------- model check

# What a table refuses, in full: anything else moves or is listed as staying, with its reason. A
# new state or event belongs into one of the three on purpose, so that none is dropped silently.
REFUSES = {
    "consignment": {
        "all_settled": "accepted refused",
        "reopened": "accepted refused",
        "cleared": "accepted released closed cancelled refused",
        "refused": "released closed cancelled refused quarantined",
        "verdict_known": "closed cancelled refused quarantined",
        "cancelled": "closed refused quarantined",
        "damage_found": "cancelled refused",
        "secrecy_found": "cancelled refused",
    },
    "delivery": {
        "attempt_began": "not_connected sending failed cancelled",
        "peer_took": "not_connected",
        "peer_busy": "not_connected pending",
        "peer_refused": "not_connected pending deferred",
        "program_died": "not_connected pending",
        "due_again": "not_connected sending failed cancelled",
        "gave_up": "not_connected",
        "cancelled": "sending handed_over arrived accepted assigned in_progress done returned "
        "recalled",
        "requeued": "sending deferred handed_over arrived accepted assigned in_progress done "
        "cancelled recalled",
        "connected": "sending deferred handed_over arrived accepted assigned in_progress done "
        "returned failed cancelled recalled",
    },
    "transfer": {
        "attempt_began": "sending done failed cancelled",
        "peer_busy": "waiting",
        "peer_refused": "waiting deferred",
        "program_died": "waiting",
        "due_again": "sending",
        "cancelled": "sending done",
        "requeued": "sending deferred cancelled",
    },
    "arrival": {
        "checks_done": "taken accepted assigned in_progress done returned recalled",
        "offered": "entered accepted assigned in_progress done returned recalled quarantined",
        "taken": "entered checked quarantined",
        "status_01": "entered checked recalled quarantined",
        "status_02": "entered checked done recalled quarantined",
        "status_03": "entered checked returned recalled quarantined",
        "status_04": "entered checked returned recalled quarantined",
        "status_05": "entered checked returned recalled quarantined",
        "status_06": "entered checked returned recalled quarantined",
        "recall_agreed": "entered quarantined",
        "recall_declined": "entered quarantined",
        "damage_found": "accepted assigned in_progress done returned recalled",
        "secrecy_found": "returned recalled",
        "cleared": "entered checked offered taken accepted assigned in_progress done returned "
        "recalled",
    },
    "recall": {},
    "breaker": {},
    "draft": {
        "changed": "sending sent dropped",
        "marked-ready": "sending sent dropped",
        "sent-back": "draft sending sent dropped",
        "release-began": "dropped",
        "refused": "draft ready sent dropped",
        "accepted": "draft ready dropped",
        "dropped": "sending sent",
    },
}
ALL = (*TABLES, DRAFT)
"""Those drawn in docs/states.md, and the draft of a clerk's form."""


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_no_event_is_dropped_silently(table):
    refused = {
        event.value: {state.value for state in table.states if not allows(table, state, event)}
        for event in table.events
    }
    told = {event: set(states.split()) for event, states in REFUSES[table.name].items()}
    assert {event: states for event, states in refused.items() if states} == told
    assert all(reason.strip() for reason in table.stays.values())


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_every_state_is_reached_and_can_settle_from_wherever_it_goes(table):
    """Not only some path: after any step whatever, the way to an end is still open."""
    steps = {
        state: {table.rows[s, e] for s, e in table.rows if s is state} for state in table.states
    }
    reached, frontier = set(table.initial), set(table.initial)
    while frontier := {after for state in frontier for after in steps[state]} - reached:
        reached |= frontier
    assert reached == set(table.states)
    ends = set(table.settled)
    while more := {state for state in reached - ends if steps[state] & ends}:
        ends |= more
    assert ends == reached
    stuck = {state for state in table.states if not steps[state]}
    assert stuck <= table.settled


def test_a_transfer_and_its_delivery_never_contradict_each_other():
    """Both tables walked together, every event of the programs in every order."""
    together = [
        (getattr(TransferEvent, name), getattr(DeliveryEvent, name))
        for name in (
            "ATTEMPT_BEGAN",
            "PEER_TOOK",
            "PEER_BUSY",
            "PEER_REFUSED",
            "PROGRAM_DIED",
            "GAVE_UP",
            "CANCELLED",
            "DUE_AGAIN",
            "BOUNCED",
            "REQUEUED",
        )
    ]
    together += [(TransferEvent.RECEIPT_CAME, status) for status in STATUSES]
    start = (TransferState.WAITING, DeliveryState.PENDING)
    reached, todo = {start}, [start]
    while todo:
        carried, delivery = todo.pop()
        for moves, told in together:
            if not (allows(TRANSFER, carried, moves) and allows(DELIVERY, delivery, told)):
                continue
            after = (advance(TRANSFER, carried, moves), advance(DELIVERY, delivery, told))
            if after not in reached:
                reached.add(after)
                todo.append(after)
    on_its_way = {
        TransferState.WAITING: {DeliveryState.PENDING},
        TransferState.SENDING: {DeliveryState.SENDING},
        TransferState.DEFERRED: {DeliveryState.DEFERRED},
        TransferState.CANCELLED: {DeliveryState.CANCELLED},
    }
    for carried, delivery in reached:
        if carried in on_its_way:
            assert delivery in on_its_way[carried], (carried, delivery)
        elif carried is TransferState.DONE:
            assert rank(delivery) >= rank(DeliveryState.HANDED_OVER), (carried, delivery)
        else:  # a bounce of one recipient's copy undoes no other recipient's receipt
            settled_or_there = rank(delivery) > rank(DeliveryState.HANDED_OVER)
            assert settled_or_there or delivery is DeliveryState.FAILED, (carried, delivery)
