import itertools

import pytest
from pyhanko.sign.ades.report import AdESFailure, AdESIndeterminate, AdESPassed

from gateway.reports import choosing
from gateway.reports.advice import (
    ACTORS,
    BY_CASE,
    BY_SUB_INDICATION,
    REFUSALS,
    TECHNICIAN,
)
from gateway.reports.model import Contact, tell
from gateway.trust.notes import TEXTS, note
from gateway.trust.report import Verdict
from tests.world.made_reports import bad, report, signature, states

ROWS = [
    pytest.param(advice, id=name)
    for name, advice in itertools.chain(BY_SUB_INDICATION.items(), BY_CASE.items())
]


def test_every_sub_indication_has_a_row():
    names = {e.standard_name for kind in (AdESPassed, AdESFailure, AdESIndeterminate) for e in kind}
    assert len(names) == 26
    assert names <= set(BY_SUB_INDICATION)
    extra = set(BY_SUB_INDICATION) - names
    assert extra == {"NO_CERTIFICATE_CHAIN_FOUND_NO_POE", "UNEXPECTED_ERROR"}


@pytest.mark.parametrize("advice", ROWS)
def test_every_row_is_whole(advice):
    for text in (*advice.why, *advice.todo):
        assert text.strip() == text
        assert text.endswith(".")
        assert "  " not in text
    assert advice.actor in ACTORS
    assert advice.refusal in {"", *REFUSALS}
    assert (TECHNICIAN in advice.todo.vi) == (TECHNICIAN in advice.todo.en)
    if advice.actor == "technician":
        assert TECHNICIAN in advice.todo.vi
    if advice.refusal:
        assert advice.refusal in advice.todo.vi or advice.actor == "technician"
        assert advice.refusal in advice.todo.en or advice.actor == "technician"


@pytest.mark.parametrize("advice", ROWS)
def test_a_revoked_certificate_is_never_just_recalled(advice):
    for text in (advice.why.vi, advice.todo.vi):
        at = 0
        while (at := text.find("thu hồi", at)) >= 0:
            assert "hứng thư" in text[:at] or "nơi cấp" in text[:at], text
            at += 1


def test_what_the_clerk_is_told_to_do():
    later = BY_SUB_INDICATION["TRY_LATER"]
    assert later.actor == "system"
    assert "tự kiểm tra lại" in later.todo.vi
    assert "không phải làm gì" in later.todo.vi
    assert later.refusal == ""
    changed = BY_SUB_INDICATION["HASH_FAILURE"]
    assert (changed.refusal, changed.actor) == ("R04", "clerk")
    for name in ("OUT_OF_BOUNDS_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "EXPIRED"):
        todo = BY_SUB_INDICATION[name].todo.vi
        assert "dấu thời gian được cấp khi chứng thư còn hạn" in todo
        assert "ký lại" in todo


def test_the_technician_comes_with_name_and_telephone():
    told = tell(BY_SUB_INDICATION["GENERIC"], Contact("Trần B", "0205 3812 345"))
    assert "cán bộ kỹ thuật (Trần B, ĐT 0205 3812 345)" in told.todo.vi
    assert "technician (Trần B, tel. 0205 3812 345)" in told.todo.en
    nameless = tell(BY_SUB_INDICATION["GENERIC"], Contact())
    assert "Báo cán bộ kỹ thuật và" in nameless.todo.vi
    assert TECHNICIAN not in nameless.todo.vi + nameless.todo.en


WHICH = {
    "valid": BY_SUB_INDICATION["OK"],
    "noted": BY_CASE["noted"],
    "hash": BY_SUB_INDICATION["HASH_FAILURE"],
    "later": BY_SUB_INDICATION["TRY_LATER"],
    "expired": BY_SUB_INDICATION["EXPIRED"],
    "revoked": BY_SUB_INDICATION["REVOKED"],
    "unknown-authority": BY_SUB_INDICATION["NO_CERTIFICATE_CHAIN_FOUND"],
    "changed": BY_CASE["changed"],
    "filled": BY_CASE["filled"],
    "hidden": BY_CASE["hidden"],
    "nobody": BY_SUB_INDICATION["FORMAT_FAILURE"],
    "unsigned": BY_CASE["unsigned"],
    "unreadable": BY_CASE["unreadable"],
    "killed": BY_CASE["verifier-failed"],
    "secret": BY_SUB_INDICATION["OK"],
    "container": BY_CASE["parts"],
}


@pytest.mark.parametrize("name", list(states()))
def test_which_advice_a_report_gets(name):
    assert choosing.of_file(states()[name]) == WHICH[name]


def test_waiting_would_not_mend_a_changed_file():
    assert choosing.of_signature(bad("TRY_LATER").signatures[0]).actor == "system"
    changed = bad("TRY_LATER", later_changes="other").signatures[0]
    assert choosing.of_signature(changed) == BY_CASE["changed-unclear"]
    unclear = bad("", later_changes="not-analysed").signatures[0]
    assert choosing.of_signature(unclear) == BY_CASE["not-analysed"]


def test_the_worst_signature_speaks():
    good, lost = signature(), bad("HASH_FAILURE", Verdict.INVALID).signatures[0]
    late = bad("TRY_LATER").signatures[0]
    found = choosing.of_file(report(good, late, lost, verdict=Verdict.INVALID))
    assert found == BY_SUB_INDICATION["HASH_FAILURE"]


@pytest.mark.parametrize("code", sorted(TEXTS))
@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.INDETERMINATE])
def test_no_remark_makes_an_invalid_signature_acceptable(code, verdict):
    one = signature(verdict=verdict, notes=(note(code, "x"),))
    for found in (choosing.of_signature(one), choosing.of_file(report(one, verdict=verdict))):
        assert found not in {BY_SUB_INDICATION["OK"], BY_CASE["noted"], BY_CASE["timestamp"]}
        assert not found.todo.vi.startswith("Tiếp nhận")


@pytest.mark.parametrize("advice", ROWS)
def test_a_sender_is_told_what_a_sender_can_do(advice):
    told = tell(advice, Contact()).own
    for text in told:
        assert text.endswith(".")
        assert TECHNICIAN not in text
    for receivers in ("bên gửi", "iếp nhận"):
        assert receivers not in told.vi
    assert "sender" not in told.en
    assert "ccept" not in told.en
    assert advice.refusal in told.vi
    assert advice.refusal in told.en
