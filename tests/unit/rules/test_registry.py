"""Every rule runs, on its days, all at once, and quickly."""

import re
import timeit
from datetime import date, timedelta

import pytest

import gateway.rules
from gateway.domain.envelope import Organization
from gateway.domain.finding import Severity, errors
from gateway.rules import registry
from gateway.rules.registry import Rule, registered, run_all
from tests.world.rule_facts import facts, header, judge


def test_a_good_document_breaks_no_rule():
    assert judge() == ()
    assert judge(direction="in") == ()


def test_importing_the_package_registers_every_module():
    modules = {r.check.__module__.rpartition(".")[2] for r in registered()}
    assert modules == set(gateway.rules.__all__)


def test_everything_wrong_is_said_at_once():
    bad = header(subject="", code_number="", promulgation_date=None, recipients=())
    found = errors(judge(header=bad, recipients=()))
    assert {f.where.rpartition("/")[2] for f in found} == {
        "Subject",
        "CodeNumber",
        "PromulgationDate",
        "To",
    }


def test_every_finding_can_be_shown_to_a_clerk():
    worst = header(
        sender=Organization("null"),
        recipients=(Organization("x..y"), Organization("x..y")),
        document_id="",
        subject="",
        type_name="",
        signer=None,
        code_notation="A" * 40,
    )
    found = run_all(facts(header=worst, direction="in"))
    assert len(found) >= 6
    for finding in found:
        assert re.fullmatch(r"[A-Z]+[0-9]?-\d{2}[a-z]?", finding.rule)
        assert finding.where
        assert finding.vi.endswith(".")
        assert finding.en.endswith(".")
        assert finding.vi != finding.en
        assert re.fullmatch(r"(R(0[1-9]|1[0-4]))?", finding.refusal)


@pytest.fixture
def scratch(monkeypatch):
    """Lend an empty register."""
    monkeypatch.setattr(registry, "_RULES", [])
    registry._in_force.cache_clear()
    yield registry
    registry._in_force.cache_clear()


def test_a_rule_holds_on_its_days_only(scratch):
    day = facts().today

    @scratch.rule("MD-01", source="x", in_force=day, until=day)
    def always(_facts):
        return [gateway.rules.registry.Finding("MD-01", Severity.NOTE, "x", "x.", "y.")]

    assert len(run_all(facts())) == 1
    for other in (day - timedelta(1), day + timedelta(1)):
        assert not scratch.registered()[0].holds_on(other)


def test_a_rule_without_dates_always_holds():
    endless = Rule("MD-01", "x", None, None, lambda _f: ())
    assert endless.holds_on(date.min)
    assert endless.holds_on(date.max)


def test_all_rules_on_a_typical_header_are_quick():
    typical = facts()
    best = min(timeit.repeat(lambda: run_all(typical), number=200, repeat=5)) / 200
    # Measured 0.06-0.08 ms; the limit leaves room for a busy machine.
    assert best < 0.001
