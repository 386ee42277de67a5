"""Every rule id cited in code is in the catalogue, and the catalogue promises nothing unseen."""

import csv
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "docs" / "rules.csv"
SPECIFICATION = ROOT.parent / "shared" / "spec" / "rules.md"
PREFIXES = "ID|DID|MD|FMT|SIG|SND|RCV|STS|REC|TSK|KN|RPT|ACC|AUD|OPS|ARC|TIM|SEC|ORG|PL6"
CITED = re.compile(rf"(?<![\w-])(?:{PREFIXES})-\d{{2}}[a-z]?(?!\w)")
STATUSES = {"yes", "partial", "no", "out"}


@cache
def catalogue():
    with CATALOGUE.open(encoding="utf-8", newline="") as lines:
        return tuple(csv.DictReader(lines))


@cache
def cited_in(*folders):
    """Return rule id → files that cite it."""
    found = {}
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".xsd"} and "__pycache__" not in path.parts:
                for rule_id in CITED.findall(path.read_text(encoding="utf-8")):
                    found.setdefault(rule_id, set()).add(str(path.relative_to(ROOT)))
    return found


def test_the_catalogue_is_well_formed():
    rows = catalogue()
    assert list(rows[0]) == ["id", "source", "title", "status", "where"]
    assert not [i for i, n in Counter(r["id"] for r in rows).items() if n > 1]
    for row in rows:
        assert CITED.fullmatch(row["id"]), row
        assert row["status"] in STATUSES, row
        assert row["source"], row
        assert row["title"], row


def test_what_is_built_says_where():
    for row in catalogue():
        places = [p for p in row["where"].split("; ") if p]
        assert bool(places) is (row["status"] in {"yes", "partial"}), row
        assert not [p for p in places if not (ROOT / p).exists()], row


def test_no_unknown_id_is_cited():
    known = {row["id"] for row in catalogue()}
    cited = cited_in("gateway", "adapters", "schemas", "tests")
    assert {i: sorted(cited[i]) for i in cited.keys() - known} == {}


def test_no_yes_without_code_and_a_test_that_cite_it():
    code = cited_in("gateway", "adapters", "schemas")
    tests = cited_in("tests")
    promised = {row["id"] for row in catalogue() if row["status"] == "yes"}
    assert promised - code.keys() == set()
    assert promised - tests.keys() == set()


def test_what_code_cites_is_not_called_unbuilt():
    code = cited_in("gateway", "adapters")
    assert [r["id"] for r in catalogue() if r["status"] in {"no", "out"} and r["id"] in code] == []


def test_the_registered_rules_are_in_the_catalogue_as_built():
    from gateway.rules.registry import registered

    status = {row["id"]: row["status"] for row in catalogue()}
    for rule in registered():
        assert status[rule.id] in {"yes", "partial"}, rule.id


def test_the_pattern_tells_ids_from_other_words():
    text = "MD-01, SIG-04c (DID-02b) but not SHA-25, RSA-2048, XMD-01, MD-011 or A-MD-01"
    assert CITED.findall(text) == ["MD-01", "SIG-04c", "DID-02b"]


@pytest.mark.corpus
def test_the_catalogue_has_exactly_the_ids_of_the_specification():
    if not SPECIFICATION.exists():
        pytest.skip("the specification folder is not beside the project")
    row = re.compile(rf"^\| ((?:{PREFIXES})-\d{{2}}[a-z]?) \|", re.MULTILINE)
    specified = set(row.findall(SPECIFICATION.read_text(encoding="utf-8")))
    assert {r["id"] for r in catalogue()} == specified
