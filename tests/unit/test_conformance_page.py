"""docs/conformance.md says what is there: every case with its rules, every fault."""

import re
from pathlib import Path

from adapters.simulator.faults import MEANINGS, Fault
from gateway.conformance.driver import BEYOND, CASES
from gateway.conformance.plan import Level

PAGE = (Path(__file__).parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")


def table(first):
    """Return the rows below the heading row that begins with this cell."""
    _, _, rest = PAGE.partition(f"| {first} |")
    lines = rest.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_case_is_told_with_its_rules():
    told = [(i.strip("`"), level, en, rules) for i, level, en, rules in table("case")]
    assert told == [(c.id, str(c.level), c.en, ", ".join(c.rules)) for c in CASES]


def test_every_fault_is_told():
    told = {name.strip("`"): en for name, en in table("fault")}
    assert told == {fault.value: en for fault, (_, en) in MEANINGS.items()}
    assert set(MEANINGS) == set(Fault)


def test_cases_are_told_apart_and_bind_to_something():
    ids = [case.id for case in CASES]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", i) for i in ids)
    assert all(case.rules for case in CASES)
    assert sum(case.level is Level.MUST for case in CASES) >= 20
    assert {name.partition(".")[0] for names in BEYOND.values() for name in names} <= set(ids)
