"""Drafts, their forms, paper rules, and the way to a recipient. Rules: SND-05…SND-08, SND-14."""

from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.domain.directory import Agency
from gateway.domain.doctypes import DOCUMENT_TYPES
from gateway.domain.document_id import TYPE_MARKS
from gateway.domain.drafting import (
    DRAFT,
    DraftEvent,
    DraftState,
    Recipient,
    clean_form,
    header_of,
    read_fields,
)
from gateway.domain.envelope import Urgency
from gateway.domain.machine import IllegalTransitionError, advance
from gateway.domain.paper import PaperRule, paper_rule
from gateway.domain.parcelway import NOW, TONES, Mark, Text, Try, in_order, tries_told
from gateway.domain.states import DeliveryState

AT = datetime(2026, 11, 22, 1, tzinfo=UTC)
AGENCY = Agency("H37.02", "Sở Nội vụ", mail="snv@example.vn")


@pytest.mark.parametrize("state", DraftState)
@pytest.mark.parametrize("event", DraftEvent)
def test_every_event_moves_a_draft_along_the_table_or_not_at_all(state, event):
    try:
        after = advance(DRAFT, state, event)
    except IllegalTransitionError:
        return
    if state in {DraftState.SENT, DraftState.DROPPED}:
        assert after is state, "what is settled stays"


def test_a_change_after_ready_makes_it_a_draft_again():
    assert advance(DRAFT, DraftState.READY, DraftEvent.CHANGED) is DraftState.DRAFT
    with pytest.raises(IllegalTransitionError):
        advance(DRAFT, DraftState.SENDING, DraftEvent.CHANGED)


def test_a_form_is_kept_as_typed_and_becomes_a_header():
    form = clean_form(
        {
            "code_number": " 15 ",
            "promulgation_date": "20/11/2026",
            "due_date": "2026-12-01",
            "urgency": "3",
            "page_amount": "4",
            "full_name": "Nguyễn Văn An",
            "reply_code": "7/BNV",
            "stranger": "x",
            "place": "",
        }
    )
    assert "stranger" not in form
    assert "place" not in form
    header = header_of(AGENCY, form, [Recipient("H37.04", "Sở Tài chính")], paper=True)
    assert header.code_number == "15"
    assert header.promulgation_date == date(2026, 11, 20)
    assert header.urgency is Urgency.EXPRESS
    assert (header.page_amount, header.business.paper) == (4, 1)
    assert header.response_for[0].code == "7/BNV"
    assert header.signer.full_name == "Nguyễn Văn An"
    assert header.sender.organ_id == "H37.02"
    bare = header_of(AGENCY, {}, [])
    assert (bare.signer, bare.response_for, bare.business.paper) == (None, (), 0)


def test_everything_unreadable_is_said_at_once():
    form = {
        "promulgation_date": "32/13/2026",
        "due_date": "mai",
        "page_amount": "-1",
        "promulgation_amount": "３",
        "urgency": "9",
    }
    fields = read_fields(form)
    assert {f.where for f in fields.faults} == set(form)
    assert fields.urgency is Urgency.NORMAL
    assert all(f.vi and f.en and f.vi != f.en for f in fields.faults)


def test_a_term_before_the_document_itself_is_a_mistake():
    fields = read_fields({"promulgation_date": "2026-11-20", "due_date": "2026-11-19"})
    assert [f.where for f in fields.faults] == ["due_date"]
    assert not read_fields({"promulgation_date": "2026-11-20", "due_date": "2026-11-20"}).faults


def test_the_types_are_those_of_the_decree():
    assert len(DOCUMENT_TYPES) == 29
    assert {t.mark for t in DOCUMENT_TYPES} - {""} <= TYPE_MARKS


@pytest.mark.parametrize(
    ("receiver", "type_name", "asked"),
    [
        ("G22", "Công văn", True),
        ("g22.01", "Báo cáo", True),
        ("G220", "Công văn", False),
        ("H37.04", "Công văn", False),
        ("H37.04", "tờ trình ", True),
        ("H37.05", "Tờ trình", False),
    ],
)
def test_paper_goes_along_only_where_a_rule_asks_for_it(receiver, type_name, asked):
    rules = (PaperRule(("G22",), (), "Chính phủ"), PaperRule(("H37.04",), ("Tờ trình",)))
    assert (paper_rule(rules, receiver, type_name) is not None) is asked
    assert paper_rule((), receiver, type_name) is None


def test_every_state_of_a_delivery_says_how_it_looks_and_who_acts():
    assert set(NOW) == set(TONES) == set(DeliveryState)
    for text in NOW.values():
        assert bool(text.vi) == bool(text.en)


def tried(n, outcome="busy"):
    at = AT + timedelta(minutes=n)
    return Try(n, at, at + timedelta(seconds=5), outcome, "503")


def test_many_tries_are_told_briefly_and_none_is_lost_from_the_count():
    told = tries_told([*(tried(n) for n in range(1, 50)), tried(50, "taken")])
    assert len(told) == 5
    assert "46 lần" in told[1].text.vi
    assert told[-1].tone == "good"
    assert [m.text.vi[:9] for m in tries_told([tried(1), tried(2)])] == ["Gửi lần 1", "Gửi lần 2"]
    assert tries_told([]) == []


def test_steps_stand_in_the_order_of_their_times():
    def mark(minute):
        at = None if minute is None else AT + timedelta(minutes=minute)
        return Mark(at, "none", Text(str(minute), ""))

    shown = in_order([mark(5), mark(None), mark(1), mark(9)])
    assert [m.text.vi for m in shown] == ["1", "5", "None", "9"]
    assert [m.text.vi for m in in_order([mark(None)])] == ["None"]
