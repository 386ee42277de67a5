import dataclasses
from datetime import UTC, datetime

import pytest

from gateway.trust import notes
from gateway.trust.headline import (
    NEUTRAL,
    WEIGHTY,
    State,
    headline,
    of_state,
    signature_headline,
)
from gateway.trust.notes import note
from gateway.trust.report import PartReport, Verdict, VerificationReport
from tests.unit.trust.test_pdf import judge
from tests.world.signed_files import twice

BASE = VerificationReport(Verdict.VALID, "0" * 64, 1, datetime(2026, 1, 1, tzinfo=UTC), "", "")


@pytest.mark.parametrize(
    ("verdict", "state", "words"),
    [
        ("valid", State.VALID, "HỢP LỆ"),
        ("indeterminate", State.UNDETERMINED, "CHƯA XÁC ĐỊNH ĐƯỢC"),
        ("invalid", State.INVALID, "KHÔNG HỢP LỆ"),
        ("unreadable", State.UNREADABLE, "KHÔNG ĐỌC ĐƯỢC"),
        ("unsigned", State.UNSIGNED, "KHÔNG CÓ CHỮ KÝ SỐ"),
    ],
)
def test_every_verdict_has_its_state(verdict, state, words):
    found = headline(dataclasses.replace(BASE, verdict=Verdict(verdict)))
    assert (found.state, found.vi) == (state, words)
    assert found.step_vi
    assert found.step_en


@pytest.mark.parametrize("code", sorted(WEIGHTY))
def test_weighty_remarks_are_to_be_read_first(code):
    found = headline(dataclasses.replace(BASE, notes=(note(code, "x"),)))
    assert found.state is State.VALID_WITH_NOTES
    assert found.vi == "HỢP LỆ, CÓ LƯU Ý"
    assert [n.code for n in found.notes] == [code]


@pytest.mark.parametrize("code", sorted(NEUTRAL))
def test_neutral_remarks_change_nothing(code):
    assert headline(dataclasses.replace(BASE, notes=(note(code, "x"),))).state is State.VALID


def test_remarks_never_soften_a_verdict():
    bad = dataclasses.replace(BASE, verdict=Verdict.INVALID, notes=(note("empty-field", 1),))
    assert headline(bad).state is State.INVALID
    assert headline(bad).notes == ()


def test_remarks_of_a_part_weigh_for_the_whole():
    part = PartReport("a.pdf", dataclasses.replace(BASE, notes=(note("empty-field", 1),)))
    found = headline(dataclasses.replace(BASE, parts=(part,)))
    assert found.state is State.VALID_WITH_NOTES


def test_the_tables_name_remarks_that_exist_and_never_the_same_one():
    assert set(notes.TEXTS) >= WEIGHTY | NEUTRAL
    assert not WEIGHTY & NEUTRAL


def test_a_remark_that_no_table_names_weighs():
    found = headline(dataclasses.replace(BASE, notes=(note("other-problem", "x"),)))
    assert found.state is State.VALID_WITH_NOTES


def test_a_clean_letter_is_plainly_valid():
    report = judge(twice())
    assert headline(report) == of_state(State.VALID)
    assert {signature_headline(s).state for s in report.signatures} == {State.VALID}


def test_the_undetermined_words_are_everywhere_the_same():
    assert not [code for code, (vi, _) in notes.TEXTS.items() if "kết luận được" in vi.casefold()]
