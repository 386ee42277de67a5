"""What is said about recipients that cannot be reached (SND-04, ID-05), and how many fit."""

from datetime import date

import pytest

from gateway.domain.consignment import plan_deliveries
from gateway.domain.directory import Agency, Directory
from gateway.domain.envelope import Header, Organization
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError
from gateway.programs.judging import refuse_all
from gateway.programs.recipients import check_number, problem_text, proof_code
from gateway.rules.facts import MESSAGE_HEADER

BAD = (
    Reason.RECIPIENT_UNKNOWN,
    Reason.RECIPIENT_CLOSED,
    Reason.RECIPIENT_LOCKED,
    Reason.NOT_CONNECTED,
)


def test_every_problem_says_what_to_do():
    said = {problem_text(problem, "") for problem in BAD}
    assert len(said) == len(BAD)
    assert all("; " in text for text in said)
    assert "H42" in problem_text(Reason.RECIPIENT_CLOSED, "H42")


def test_a_crowd_is_refused_and_a_ministry_is_not():
    check_number(f"H{n:05}.12" for n in range(9_000))
    with pytest.raises(RejectedError) as refusal:
        check_number(f"H{n:05}.12" for n in range(20_000))
    assert refusal.value.reason is Reason.LIMIT_EXCEEDED
    assert refusal.value.findings


def test_receipts_cut_what_no_code_can_be():
    assert proof_code("H37.02") == "H37.02"
    assert len(proof_code("X" * 5000)) == 64
    assert proof_code("X" * 64) == "X" * 64


def _warning(position, rule="ID-09"):
    where = f"{MESSAGE_HEADER}/To[{position}]/OrganId"
    return Finding(rule, Severity.WARNING, where, "vi", "en", "R09")


def test_all_or_nothing_raises_only_what_sinks():
    directory = Directory([Agency("H37.04", "Sở Tài chính", hop="local")])
    header = Header(
        Organization("H37.02"), (Organization("H37.04"), Organization("X9"), Organization("x9"))
    )
    planned = plan_deliveries(header.recipients, directory, date(2026, 11, 22))
    findings = (_warning(1), _warning(2), _warning(2, "ID-03"), _warning(3))
    judged = refuse_all(header, planned, findings)
    assert [f.severity is Severity.ERROR for f in judged] == [False, True, False, True]
    assert "all_or_nothing" in judged[1].vi
    assert "all_or_nothing" in judged[1].en
