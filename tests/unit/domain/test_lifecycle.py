"""The tables accept what happens, refuse what cannot be, and are drawn as they are.

Rules: STS-02, STS-07, RCV-03, REC-01, SEC-01.
"""

from itertools import product
from pathlib import Path

import pytest

from gateway.domain.diagrams import mermaid, page
from gateway.domain.lifecycle import (
    ARRIVAL,
    CONSIGNMENT,
    DELIVERY,
    RECALL,
    RECALL_ASKABLE,
    TABLES,
    TRANSFER,
    ArrivalEvent,
    ArrivalState,
    ConsignmentEvent,
    ConsignmentState,
    DeliveryEvent,
    DeliveryState,
    IllegalTransitionError,
    RecallEvent,
    RecallState,
    TransferEvent,
    TransferState,
    advance,
    allows,
    moves_nothing,
    rank,
    settled,
    state_text,
)
from gateway.domain.machine import Table, Text, rows, stays
from gateway.errors import Reason

D, DE = DeliveryState, DeliveryEvent
A, AE = ArrivalState, ArrivalEvent
ROOT = Path(__file__).parents[3]

FORWARD = [
    (DE.STATUS_01, D.ARRIVED),
    (DE.STATUS_03, D.ACCEPTED),
    (DE.STATUS_04, D.ASSIGNED),
    (DE.STATUS_05, D.IN_PROGRESS),
    (DE.STATUS_06, D.DONE),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_pair_moves_stays_or_is_refused_by_name(table):
    for state, event in product(table.states, table.events):
        if (state, event) in table.rows:
            assert advance(table, state, event) is table.rows[state, event]
            assert not moves_nothing(table, state, event)
        elif moves_nothing(table, state, event):
            assert advance(table, state, event) is state
        else:
            assert not allows(table, state, event)
            with pytest.raises(IllegalTransitionError) as refused:
                advance(table, state, event)
            assert refused.value.reason is Reason.ILLEGAL_TRANSITION
            assert state.value in str(refused.value)
            assert event.value in str(refused.value)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_state_is_reached_and_can_end(table):
    reached = set(table.initial)
    ends = set(table.settled)
    for _ in table.states:
        reached |= {t for (s, _), t in table.rows.items() if s in reached}
        ends |= {s for (s, _), t in table.rows.items() if t in ends}
    assert reached == set(table.states)
    assert ends == set(table.states)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_every_state_has_words_in_both_languages(table):
    for state in table.states:
        text = state_text(table, state)
        assert text.vi.strip()
        assert text.en.strip()


@pytest.mark.parametrize("start", [D.PENDING, D.SENDING, D.DEFERRED, D.HANDED_OVER])
@pytest.mark.parametrize(("event", "to"), FORWARD)
def test_any_forward_skip_is_good_from_sending_on(start, event, to):
    assert advance(DELIVERY, start, event) is to


@pytest.mark.parametrize(
    ("later", "earlier"),
    [(a, b) for i, (_, a) in enumerate(FORWARD) for b, _ in FORWARD[: i + 1]],
)
def test_backward_or_repeated_statuses_move_nothing(later, earlier):
    assert advance(DELIVERY, later, earlier) is later
    assert moves_nothing(DELIVERY, later, earlier)


@pytest.mark.parametrize(
    "state", [D.ARRIVED, D.ACCEPTED, D.ASSIGNED, D.IN_PROGRESS, D.HANDED_OVER, D.SENDING]
)
def test_return_is_found_late(state):
    assert advance(DELIVERY, state, DE.STATUS_02) is D.RETURNED


def test_return_after_done_is_only_kept():
    assert advance(DELIVERY, D.DONE, DE.STATUS_02) is D.DONE


@pytest.mark.parametrize(("event", "to"), FORWARD)
@pytest.mark.parametrize("start", [D.FAILED, D.CANCELLED])
def test_a_receipt_heals_what_was_given_up(start, event, to):
    assert advance(DELIVERY, start, event) is to


def test_a_late_bounce_fails_what_was_handed_over_but_not_what_arrived():
    assert advance(DELIVERY, D.HANDED_OVER, DE.BOUNCED) is D.FAILED
    assert advance(DELIVERY, D.ARRIVED, DE.BOUNCED) is D.ARRIVED


@pytest.mark.parametrize("state", [D.FAILED, D.RETURNED, D.NOT_CONNECTED])
def test_an_operator_can_put_it_back(state):
    assert advance(DELIVERY, state, DE.REQUEUED) is D.PENDING


@pytest.mark.parametrize("state", [D.HANDED_OVER, D.DONE, D.RECALLED, D.SENDING])
def test_what_is_there_cannot_be_put_back(state):
    with pytest.raises(IllegalTransitionError):
        advance(DELIVERY, state, DE.REQUEUED)


@pytest.mark.parametrize("state", sorted(RECALL_ASKABLE))
def test_recall_can_be_agreed_from_handed_over_on(state):
    assert advance(DELIVERY, state, DE.RECALL_AGREED) is D.RECALLED


def test_askable_states_are_those_with_the_axis_or_receiver():
    expected = {D.HANDED_OVER, D.ARRIVED, D.ACCEPTED, D.ASSIGNED, D.IN_PROGRESS, D.DONE}
    assert expected == RECALL_ASKABLE


def test_a_program_that_died_means_deferred_then_pending():
    state = advance(DELIVERY, D.SENDING, DE.PROGRAM_DIED)
    assert state is D.DEFERRED
    assert advance(DELIVERY, state, DE.DUE_AGAIN) is D.PENDING


def test_two_attempts_at_once_are_a_bug():
    with pytest.raises(IllegalTransitionError):
        advance(DELIVERY, D.SENDING, DE.ATTEMPT_BEGAN)
    with pytest.raises(IllegalTransitionError):
        advance(TRANSFER, TransferState.SENDING, TransferEvent.ATTEMPT_BEGAN)


def test_late_news_of_the_sending_program_does_not_undo_a_receipt():
    for event in (DE.PEER_BUSY, DE.PEER_REFUSED, DE.PROGRAM_DIED, DE.GAVE_UP, DE.PEER_TOOK):
        assert advance(DELIVERY, D.ARRIVED, event) is D.ARRIVED


def test_cancelling_is_only_for_what_has_not_left():
    for state in (D.PENDING, D.DEFERRED, D.FAILED, D.NOT_CONNECTED):
        assert advance(DELIVERY, state, DE.CANCELLED) is D.CANCELLED
    for state in (D.SENDING, D.HANDED_OVER, D.ARRIVED, D.DONE):
        with pytest.raises(IllegalTransitionError):
            advance(DELIVERY, state, DE.CANCELLED)


def test_settled_states_of_a_delivery():
    assert {s for s in D if settled(DELIVERY, s)} == {
        D.NOT_CONNECTED,
        D.DONE,
        D.RETURNED,
        D.FAILED,
        D.CANCELLED,
        D.RECALLED,
    }


def test_the_words_of_the_two_states_clerks_ask_about():
    assert state_text(DELIVERY, D.HANDED_OVER).vi == "đã đến trục, chưa vào hệ thống bên nhận"
    assert state_text(DELIVERY, D.NOT_CONNECTED).vi == "không liên thông"


def test_rank_grows_along_the_status_codes():
    ranks = [rank(state) for _, state in FORWARD]
    assert ranks == sorted(set(ranks))
    assert rank(D.HANDED_OVER) < ranks[0]
    assert {s for s in D if isinstance(rank(s), int)} == set(D)


def test_a_late_event_reopens_a_closed_consignment():
    c, e = ConsignmentState, ConsignmentEvent
    state = advance(CONSIGNMENT, c.ACCEPTED, e.VERDICT_KNOWN)
    state = advance(CONSIGNMENT, state, e.ALL_SETTLED)
    assert state is c.CLOSED
    assert advance(CONSIGNMENT, state, e.REOPENED) is c.RELEASED


@pytest.mark.parametrize("event", [ConsignmentEvent.DAMAGE_FOUND, ConsignmentEvent.SECRECY_FOUND])
@pytest.mark.parametrize(
    "state", [ConsignmentState.ACCEPTED, ConsignmentState.RELEASED, ConsignmentState.CLOSED]
)
def test_damage_and_secrecy_quarantine(state, event):
    assert advance(CONSIGNMENT, state, event) is ConsignmentState.QUARANTINED


def test_a_refused_consignment_stays_refused():
    for event in ConsignmentEvent:
        assert not allows(CONSIGNMENT, ConsignmentState.REFUSED, event)


def test_a_receipt_ends_a_transfer_whose_answer_was_lost():
    t, e = TransferState, TransferEvent
    for state in (t.WAITING, t.SENDING, t.DEFERRED, t.FAILED):
        assert advance(TRANSFER, state, e.RECEIPT_CAME) is t.DONE


@pytest.mark.parametrize("start", [A.OFFERED, A.TAKEN])
@pytest.mark.parametrize(
    ("event", "to"),
    [
        (AE.STATUS_03, A.ACCEPTED),
        (AE.STATUS_04, A.ASSIGNED),
        (AE.STATUS_05, A.IN_PROGRESS),
        (AE.STATUS_06, A.DONE),
        (AE.STATUS_02, A.RETURNED),
        (AE.RECALL_AGREED, A.RECALLED),
    ],
)
def test_an_agency_may_skip_codes(start, event, to):
    assert advance(ARRIVAL, start, event) is to


def test_an_agency_cannot_return_what_it_finished_or_was_not_offered():
    for state in (A.DONE, A.CHECKED, A.ENTERED):
        with pytest.raises(IllegalTransitionError):
            advance(ARRIVAL, state, AE.STATUS_02)


def test_a_recall_may_be_agreed_after_it_was_declined_and_not_back():
    r, e = RecallState, RecallEvent
    state = advance(RECALL, r.ASKED, e.DECLINED)
    assert advance(RECALL, state, e.AGREED) is r.AGREED
    assert advance(RECALL, r.AGREED, e.DECLINED) is r.AGREED


def test_a_table_that_contradicts_itself_cannot_be_built():
    with pytest.raises(ValueError, match="said twice"):
        rows(((D.PENDING,), DE.CANCELLED, D.CANCELLED), ((D.PENDING,), DE.CANCELLED, D.FAILED))
    with pytest.raises(ValueError, match="said twice"):
        stays(((D.PENDING,), (DE.CANCELLED,), "a"), ((D.PENDING,), (DE.CANCELLED,), "b"))
    good = {s: Text("a", "b") for s in RecallState}
    pair = (RecallState.ASKED, RecallEvent.AGREED)
    with pytest.raises(ValueError, match="move and stay"):
        Table(
            "x",
            RecallState,
            RecallEvent,
            frozenset({RecallState.ASKED}),
            {pair: RecallState.AGREED},
            {pair: "no"},
            frozenset(),
            good,
        )
    with pytest.raises(ValueError, match="without words"):
        Table("x", RecallState, RecallEvent, frozenset(), {}, {}, frozenset(), {})


def test_the_drawn_page_is_current():
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_a_drawing_has_every_row(table):
    drawing = mermaid(table)
    for (state, event), following in table.rows.items():
        line = next(
            x for x in drawing.splitlines() if f" {state.value} --> {following.value}:" in x
        )
        assert event.value in line
