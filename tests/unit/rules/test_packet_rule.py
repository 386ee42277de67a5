"""SIG-08: the packet's own signature is told, never counted."""

from dataclasses import replace

import pytest

from gateway.domain.finding import Severity
from gateway.rules.registry import run_all
from tests.world.rule_facts import HEADER, facts, report

DUMMY = replace(HEADER, has_signature_block=True)
REAL = replace(DUMMY, has_xml_signature=True)


def _said(header, **more):
    more.setdefault("reports", (report(verdict="valid"),))
    return [f for f in run_all(facts(header=header, **more)) if f.rule == "SIG-08"]


def test_a_dummy_block_is_not_verifiable():
    (found,) = _said(DUMMY)
    assert found.severity is Severity.NOTE
    assert "không kiểm chứng được" in found.vi
    assert "not verifiable" in found.en
    assert found.where.endswith("/edXMLHeader/Signature")


@pytest.mark.parametrize(
    ("verdict", "severity", "word"),
    [
        ("valid", Severity.NOTE, "valid XML signature"),
        ("invalid", Severity.WARNING, "does not fit"),
        ("indeterminate", Severity.WARNING, "could not be decided"),
        ("unreadable", Severity.WARNING, "could not be decided"),
    ],
)
def test_a_real_signature_says_its_verdict_and_never_refuses(verdict, severity, word):
    (found,) = _said(REAL, packet=report(verdict=verdict))
    assert (found.severity, found.refusal) == (severity, "")
    assert word in found.en


def test_silence_without_a_block_before_a_verdict_and_when_nobody_looked():
    assert _said(HEADER, packet=report(verdict="valid")) == []
    assert _said(DUMMY, reports=None) == []
    assert _said(REAL) == []
