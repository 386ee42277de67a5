"""Which report is owed when, how often, and with what reason.

Rules: STS-07, STS-08, RCV-05.
"""

import pytest

from gateway.domain.envelope import StatusCode
from gateway.domain.lifecycle import ArrivalEvent, DeliveryEvent
from gateway.domain.receipt import (
    FROM_RECEIVER,
    STATUS_TEXTS,
    Moment,
    RecipientKind,
    arrival_event,
    delivery_event,
    known_code,
    may_go_out,
    needs_reason,
    owed,
)

K, M = RecipientKind, Moment


@pytest.mark.parametrize(
    ("kind", "moment", "codes"),
    [
        (K.CONSOLE, M.COMMITTED, (StatusCode.ARRIVED,)),
        (K.SYSTEM, M.COMMITTED, ()),
        (K.SYSTEM, M.ENTERED_SYSTEM, (StatusCode.ARRIVED,)),
        (K.CONSOLE, M.ENTERED_SYSTEM, (StatusCode.ARRIVED,)),
        (K.REMOTE, M.COMMITTED, ()),
        (K.REMOTE, M.ENTERED_SYSTEM, ()),
        (K.CONSOLE, M.ACCEPTED, (StatusCode.ACCEPTED,)),
        (K.SYSTEM, M.ACCEPTED, ()),
        (K.CONSOLE, M.RETURNED, (StatusCode.RETURNED,)),
        (K.SYSTEM, M.RETURNED, ()),
    ],
)
def test_what_the_gateway_owes(kind, moment, codes):
    assert owed(kind, moment, set()) == codes


def test_a_recipients_own_01_is_recorded_and_not_doubled():
    assert owed(K.SYSTEM, M.ENTERED_SYSTEM, {"01"}) == ()


def test_each_code_goes_out_once_but_05():
    for code in StatusCode:
        assert may_go_out(code, set())
        assert may_go_out(code, {code.value}) is (code is StatusCode.IN_PROGRESS)


def test_which_codes_need_a_reason():
    assert {c for c in StatusCode if needs_reason(c)} == {"02", "13", "16"}
    assert not needs_reason("999")


@pytest.mark.parametrize(
    ("text", "code"),
    [("01", StatusCode.ARRIVED), ("1", StatusCode.ARRIVED), (" 06 ", StatusCode.DONE)],
)
def test_known_codes(text, code):
    assert known_code(text) is code


@pytest.mark.parametrize("text", ["999", "", "07", "14", "xx", "001"])
def test_unknown_codes_are_data(text):
    assert known_code(text) is None
    assert delivery_event(text) is None
    assert arrival_event(text) is None


def test_codes_as_events():
    assert delivery_event("02") is DeliveryEvent.STATUS_02
    assert delivery_event("15") is DeliveryEvent.RECALL_AGREED
    assert delivery_event("13") is None
    assert delivery_event("16") is None
    assert arrival_event("1") is ArrivalEvent.STATUS_01
    assert arrival_event("16") is ArrivalEvent.RECALL_DECLINED
    assert arrival_event("13") is None


def test_every_code_has_words():
    assert set(STATUS_TEXTS) == set(StatusCode)
    assert StatusCode.RECALL_ASKED not in FROM_RECEIVER
