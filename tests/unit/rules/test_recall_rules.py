"""REC-03, REC-05, REC-06: who may recall what, and must say why."""

import pytest

from gateway.domain.envelope import Business, BusinessType
from gateway.domain.finding import Severity
from gateway.rules.registry import Target
from tests.world.rule_facts import header, judge

ERROR, WARNING = Severity.ERROR, Severity.WARNING
RECALL, UPDATE, REPLACE = BusinessType.RECALL, BusinessType.UPDATE, BusinessType.REPLACE
GOOD = (Target("x", found=True, allowed=True),)


def of(kind, reason="gửi nhầm"):
    return header(business=Business(kind, document_id="x", reason=reason))


@pytest.mark.parametrize("kind", [RECALL, UPDATE, REPLACE])
def test_a_good_change_of_ones_own_document(kind):
    assert judge(header=of(kind), targets=GOOD) == ()
    assert judge(header=of(kind), targets=None) == ()


@pytest.mark.parametrize(
    ("kind", "direction", "severity"),
    [(RECALL, "out", ERROR), (RECALL, "in", WARNING), (UPDATE, "out", WARNING)],
)
def test_a_recall_says_why(kind, direction, severity):
    (found,) = judge(header=of(kind, " "), targets=GOOD, direction=direction)
    assert (found.rule, found.severity) == ("REC-03", severity)


@pytest.mark.parametrize(("direction", "severity"), [("out", ERROR), ("in", WARNING)])
def test_the_document_concerned_is_named_and_known(direction, severity):
    for targets in ((), (Target("gone", found=False),)):
        (found,) = judge(header=of(RECALL), targets=targets, direction=direction)
        assert (found.rule, found.severity) == ("REC-05", severity)


@pytest.mark.parametrize("direction", ["out", "in"])
@pytest.mark.parametrize("kind", [RECALL, UPDATE, REPLACE])
def test_nobody_changes_anothers_document(kind, direction):
    theirs = (Target("x", found=True, allowed=False),)
    (found,) = judge(header=of(kind), targets=theirs, direction=direction)
    assert (found.rule, found.severity) == ("REC-06", ERROR)


def test_an_ordinary_document_recalls_nothing():
    assert judge(targets=(Target("x", found=True, allowed=False),)) == ()


@pytest.mark.parametrize(("name", "rules"), [("x", ["REC-04"]), ("y", [])])
def test_a_replacement_has_a_number_of_its_own(name, rules):
    about = Business(REPLACE, document_id="x", reason="sai phụ lục")
    found = judge(header=header(business=about, document_id=name), targets=GOOD)
    assert [f.rule for f in found] == rules
    updates = Business(UPDATE, document_id="x", reason="sai phụ lục")
    assert judge(header=header(business=updates, document_id=name), targets=GOOD) == ()
