"""The pre-check and the reasons of a refusal (RCV-01, RCV-02, RCV-04)."""

import pytest

from gateway.domain.finding import Severity
from gateway.domain.precheck import Facts, Same, Step, precheck, step_of, suspected, worst
from gateway.domain.refusals import OTHER, REFUSALS, refusal_faults, refusal_text
from gateway.reports.advice import REFUSALS as IN_REPORTS

CLEAN = ({"result": "clean"},)
WHOLE = Facts((), verdict="valid", scans=CLEAN, files=1, must_scan=True)


def found(rule, severity="warning", refusal=""):
    return {"rule": rule, "severity": severity, "vi": "vì", "en": "why", "refusal": refusal}


def of(facts, step):
    return next(c for c in precheck(facts) if c.step is step)


def test_every_step_is_answered_once_in_the_order_of_the_rule():
    assert [c.step for c in precheck(WHOLE)] == list(Step)
    assert worst(precheck(WHOLE)) == "good"
    for check in precheck(WHOLE):
        assert check.rule
        assert check.title.vi != check.title.en
        assert check.todo.vi == ""


@pytest.mark.parametrize("verdict", ["indeterminate", "pending", "unreadable", "unsigned", "new"])
def test_what_is_not_known_is_never_good(verdict):
    check = of(Facts((), verdict=verdict, scans=CLEAN, files=1), Step.SIGNATURES)
    assert check.tone == "doubt"


def test_files_nobody_read_are_not_said_to_bear_no_stamp():
    for verdict in ("pending", "unreadable"):
        check = of(Facts((), verdict=verdict, scans=CLEAN, files=1), Step.SECRECY)
        assert (check.tone, check.todo.vi != "") == ("doubt", True)
    assert "bản quét" in of(WHOLE, Step.SECRECY).answer.vi
    assert of(Facts((found("SEC-01", "error"),), files=1), Step.SECRECY).tone == "bad"


def test_an_invalid_signature_is_bad_whatever_else_was_found():
    facts = Facts((found("SIG-26", "note"),), verdict="invalid", scans=CLEAN, files=1)
    assert of(facts, Step.SIGNATURES).tone == "bad"
    assert "R03" in of(facts, Step.SIGNATURES).todo.vi


@pytest.mark.parametrize(
    ("scans", "files", "must", "tone"),
    [
        ((), 1, False, "doubt"),
        ((), 1, True, "doubt"),
        (CLEAN, 1, True, "good"),
        (CLEAN, 2, True, "doubt"),
        ((*CLEAN, {"result": "not-scanned"}), 2, True, "doubt"),
        ((*CLEAN, {"result": "infected"}), 2, True, "bad"),
    ],
)
def test_malware_is_out_of_the_question_only_when_every_file_was_scanned(scans, files, must, tone):
    facts = Facts((), verdict="valid", scans=scans, files=files, must_scan=must)
    assert of(facts, Step.MALWARE).tone == tone


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("MD-10", Step.ENVELOPE),
        ("MD-01", Step.METADATA),
        ("ID-05", Step.ADDRESSEE),
        ("ID-09", Step.CODES),
        ("DID-05", Step.CODES),
        ("DID-07", Step.DUPLICATE),
        ("FMT-14", Step.MALWARE),
        ("FMT-06", Step.METADATA),
        ("FMT-02", Step.FORMAT),
        ("SIG-51", Step.SIGNATURES),
        ("SEC-01", Step.SECRECY),
        ("XYZ-1", Step.METADATA),
    ],
)
def test_each_finding_stands_at_its_step(rule, step):
    assert step_of(rule) is step


@pytest.mark.parametrize(
    ("severity", "tone"), [("error", "bad"), ("warning", "doubt"), ("note", "good")]
)
def test_a_finding_weighs_what_it_weighs(severity, tone):
    facts = Facts((found("MD-01", severity),), verdict="valid", scans=CLEAN, files=1)
    check = of(facts, Step.METADATA)
    assert check.tone == tone
    assert (check.todo.vi == "") == (tone == "good")


def test_a_document_without_a_file_and_a_repaired_packet_are_said():
    repairs = ({"vi": "ngày", "en": "date"},)
    facts = Facts((), repairs=repairs, verdict="valid", files=0)
    assert of(facts, Step.MANIFEST).tone == "bad"
    assert of(facts, Step.ENVELOPE).tone == "doubt"


def test_a_duplicate_names_the_number_it_had():
    same = Same("x", 7, 2026, None, paper=True)
    check = of(Facts((), verdict="valid", scans=CLEAN, files=1, same=(same,)), Step.DUPLICATE)
    assert check.tone == "doubt"
    assert check.said[0].text.vi == "Nghi trùng với số đến 7/2026 (bản giấy)"
    assert "chưa vào sổ" in suspected(Same("x", None, None, None)).vi


# ---------------------------------------------------------------- reasons


def test_the_list_is_the_one_of_the_rules():
    assert list(REFUSALS) == [f"R{n:02}" for n in range(1, 15)]
    assert [code for code, one in REFUSALS.items() if not one.rule] == [OTHER]
    for code, words in IN_REPORTS.items():
        assert (REFUSALS[code].text.vi, REFUSALS[code].text.en) == (words.vi, words.en)


@pytest.mark.parametrize(
    ("code", "text", "answered", "faults"),
    [
        ("R01", "", False, []),
        ("R10", "trùng số 7", True, []),
        ("", "", True, ["/code"]),
        ("R15", "x", True, ["/code"]),
        (OTHER, "", False, ["/text", "/answered_for"]),
        (OTHER, "vì", False, ["/answered_for"]),
        (OTHER, "  ", True, ["/text"]),
        (OTHER, "vì", True, []),
    ],
)
def test_a_refusal_says_why_and_who_answers_for_it(code, text, answered, faults):
    told = refusal_faults(code, text, answered_for=answered)
    assert [f.where for f in told] == faults
    assert all(f.severity is Severity.ERROR and f.rule == "RCV-04" for f in told)


def test_the_sender_reads_code_words_and_text():
    assert refusal_text("R01", " gửi nhầm ") == "R01: sai nơi nhận. gửi nhầm"
    assert refusal_text("R10", "") == "R10: trùng văn bản"
