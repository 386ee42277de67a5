"""Who may take what back, from whom, and where the message says so.

Rules: REC-05, REC-06, REC-07.
"""

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.domain.directory import Agency, Directory
from gateway.domain.envelope import (
    Business,
    BusinessType,
    Header,
    Organization,
    Replacement,
    ResponseFor,
    TraceHop,
)
from gateway.domain.lifecycle import RECALL_ASKABLE, DeliveryState
from gateway.domain.recall import (
    RecallAct,
    concerned,
    may_change,
    recall_act,
    recall_plan,
    sent_after,
    sent_off_at,
    targets,
)

TODAY = date(2026, 11, 22)


def test_before_sending_it_cancels_afterwards_it_asks():
    acts = {state: recall_act(state) for state in DeliveryState}
    assert {s for s, a in acts.items() if a is RecallAct.ASK} == RECALL_ASKABLE
    assert {s.name for s, a in acts.items() if a is RecallAct.CANCEL} == {
        "PENDING",
        "DEFERRED",
        "NOT_CONNECTED",
        "FAILED",
    }
    assert acts[DeliveryState.SENDING] is RecallAct.WAIT
    assert acts[DeliveryState.RETURNED] is RecallAct.NOTHING


def test_a_recall_may_be_for_some_receivers_only():
    states = {"H37": DeliveryState.ARRIVED, "G22": DeliveryState.PENDING}
    assert recall_plan(states) == {"H37": RecallAct.ASK, "G22": RecallAct.CANCEL}
    assert recall_plan(states, {"G22"}) == {"G22": RecallAct.CANCEL}


@pytest.fixture
def directory():
    return Directory(
        [
            Agency("H37", "UBND", legacy_code="000.00.00.H37"),
            Agency("H37.02", "Sở", parent="H37", legacy_code="000.00.05.H37"),
            Agency("H37.03", "Sở khác", parent="H37"),
            Agency("H25", "Hà Nam", successor="H42"),
            Agency("H42", "Ninh Bình"),
        ]
    )


@pytest.mark.parametrize(
    ("sender", "claimant", "may"),
    [
        ("H37.02", "H37.02", True),
        ("H37.02", "000.00.05.h37", True),
        ("H37.02", "H37", True),
        ("H25", "H42", True),
        ("H37.02", "H37.03", False),
        ("H37", "H37.02", False),
        ("H37.02", "H99", False),
        ("H99", "H99", True),
        ("H99", "H98", False),
    ],
)
def test_only_the_sender_its_heir_or_its_parent(directory, sender, claimant, may):
    assert may_change(sender, claimant, directory, TODAY) is may


def _header(business, **fields):
    return Header(Organization("H37"), (), business=business, **fields)


def test_the_first_place_that_names_a_target_counts():
    answered = (ResponseFor(document_id="C"),)
    replaced = (Replacement("B1", ("H01",)), Replacement("B2"))
    full = Business(BusinessType.REPLACE, document_id="A", replacements=replaced)
    assert targets(_header(full, response_for=answered), own_id_exists=True) == ("A",)
    listed = Business(BusinessType.REPLACE, replacements=replaced)
    assert targets(_header(listed, response_for=answered), own_id_exists=True) == ("B1", "B2")
    bare = Business(BusinessType.RECALL)
    assert targets(_header(bare, response_for=answered), own_id_exists=True) == ("C",)
    own = _header(bare, document_id="D")
    assert targets(own, own_id_exists=True) == ("D",)
    assert targets(own, own_id_exists=False) == ()
    assert targets(_header(Business(), response_for=answered), own_id_exists=True) == ()
    assert concerned(_header(listed), "B1") == ("H01",)
    assert concerned(_header(listed), "B9") == ()


def test_what_is_sent_in_the_second_of_the_question_was_there():
    asked = datetime(2026, 11, 23, 1, 0, 7, tzinfo=UTC)
    assert not sent_after(asked + timedelta(milliseconds=999), asked)
    assert sent_after(asked + timedelta(seconds=1), asked)
    assert not sent_after(asked - timedelta(days=1), asked)
    assert not sent_after(None, asked)  # who does not say when, did not say that it was later


def test_a_message_was_sent_off_when_its_first_hop_says_so():
    at = datetime(2026, 11, 23, 1, tzinfo=UTC)
    hops = (TraceHop("H37.02", at), TraceHop("00.37.W00", at + timedelta(seconds=9)))
    assert sent_off_at(Header(Organization("H37.02"), (), trace=hops)) == at
    assert sent_off_at(Header(Organization("H37.02"), ())) is None
