"""ID-*, DID-*: senders, recipients and identifiers."""

from datetime import date

import pytest

from gateway.domain.envelope import Organization
from gateway.domain.finding import Severity
from gateway.rules.registry import EarlierDocument, Policy
from tests.world.rule_facts import DIRECTORY, TODAY, header, judge

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


def to(*codes):
    return tuple(Organization(c) for c in codes)


def sent_by(code):
    return header(sender=Organization(code), document_id="")


def test_a_senders_unreadable_code_refuses_out_and_warns_in():
    for direction, severity in (("out", ERROR), ("in", WARNING)):
        found = judge(header=sent_by("H37..02"), direction=direction)
        assert ("ID-03", severity) in {(f.rule, f.severity) for f in found}


def test_an_unknown_or_closed_sender():
    (unknown,) = judge(header=sent_by("H99"))
    assert (unknown.rule, unknown.severity, unknown.refusal) == ("ID-09", ERROR, "R09")
    (closed,) = judge(header=sent_by("H25"))
    assert (closed.rule, closed.severity) == ("ID-05", ERROR)
    assert "H42" in closed.vi
    incoming = judge(header=sent_by("H99"), direction="in")
    assert {(f.rule, f.severity) for f in incoming} == {("ID-09", WARNING), ("DID-06", WARNING)}


def test_the_caller_must_speak_for_the_sender_under_any_code():
    assert judge(speaks_for=frozenset({"H37.02"})) == ()
    old = header(sender=Organization("000.00.05.H37"))
    same = {"same_agency": lambda one, other: DIRECTORY.same(one, other, TODAY)}
    assert judge(header=old, speaks_for=frozenset({"H37.02"}), **same) == ()
    (found,) = judge(speaks_for=frozenset({"H37"}))
    assert (found.rule, found.severity) == ("ID-09", ERROR)


@pytest.mark.parametrize(
    ("code", "rule"), [("H99", "ID-09"), ("H25", "ID-05"), ("H37.10", "SND-04")]
)
def test_a_bad_recipient_is_a_warning_naming_it(code, rule):
    (found,) = judge(header=header(recipients=to("H37", code)))
    assert (found.rule, found.severity, found.refusal) == (rule, WARNING, "R09")
    assert found.where.endswith("To[2]/OrganId")
    assert code in found.vi
    assert judge(header=header(recipients=to("H37", code)), direction="in") == ()


def test_a_closed_recipients_heir_is_named():
    (found,) = judge(header=header(recipients=to("H25")))
    assert "H42" in found.vi
    assert "UBND tỉnh Ninh Bình" in found.en


def test_one_recipient_twice_and_under_two_codes():
    (twice,) = judge(header=header(recipients=to("H37", "h37 ")))
    assert (twice.rule, twice.severity) == ("ID-01", WARNING)
    (both,) = judge(header=header(recipients=to("H37", "000.00.00.H37")))
    assert (both.rule, both.severity) == ("ID-04", NOTE)


def test_codes_longer_than_a_peer_takes():
    (found,) = judge(
        header=header(recipients=to("000.00.00.H37")), policy=Policy(max_code_length=12)
    )
    assert (found.rule, found.severity) == ("ID-10", WARNING)


@pytest.mark.parametrize(
    ("identifier", "where"),
    [
        ("H37,2026/11/20,123/SNV-VP", "From/OrganId"),
        ("H37.02,2026/11/21,123/SNV-VP", "PromulgationDate"),
        ("H37.02,2026/11/20,124/SNV-VP", "Code"),
    ],
)
def test_an_identifier_that_says_something_else(identifier, where):
    (found,) = judge(header=header(document_id=identifier))
    assert (found.rule, found.severity) == ("DID-05", WARNING)
    assert found.where.endswith(where)


@pytest.mark.parametrize(
    "identifier", ["9fbfbad2-f1f8-4256-a2eb-50fb1061cddb", "184533", "test-123", "H37.02,2026,17"]
)
def test_other_forms_are_no_fault(identifier):
    assert judge(header=header(document_id=identifier)) == ()


def test_odd_separators_are_noted():
    (found,) = judge(header=header(document_id="H37.02,2026-11-20,123/SNV-VP"))
    assert (found.rule, found.severity) == ("DID-05", NOTE)


def test_a_missing_identifier_matters_incoming_only():
    assert judge(header=header(document_id="")) == ()
    (found,) = judge(header=header(document_id=" "), direction="in")
    assert (found.rule, found.severity) == ("DID-06", WARNING)


def test_an_overlong_identifier_is_refused():
    (found,) = judge(header=header(document_id="x" * 201))
    assert (found.rule, found.severity) == ("DID-06", ERROR)
    assert judge(header=header(document_id="x" * 200)) == ()


def test_parts_too_long_for_an_identifier_are_refused_before_numbering():
    found = judge(header=header(document_id="", code_notation="A" * 200))
    assert ("DID-01", ERROR) in {(f.rule, f.severity) for f in found}
    given = judge(header=header(code_notation="A" * 200))
    assert "DID-01" not in {f.rule for f in given}


def test_a_suspected_duplicate_names_the_earlier_document():
    earlier = EarlierDocument("H37.02,2026/11/19,9/A", "9/A", date(2026, 11, 19))
    (found,) = judge(earlier=earlier)
    assert (found.rule, found.severity, found.refusal) == ("DID-07", WARNING, "R10")
    assert "9/A ngày 19/11/2026" in found.vi
    assert "H37.02,2026/11/19,9/A" in found.en
    (same,) = judge(earlier=EarlierDocument("x", "9/A", same_identifier=True))
    assert "identifier" in same.en
