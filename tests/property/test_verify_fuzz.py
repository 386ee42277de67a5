"""The fuzzer in small: what it found once, fresh mutations each time, and its judge put to the test.

The long run is `make fuzz-verify`; docs/fuzzing.md tells what it does and what it found.
"""

import dataclasses
import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.trust.report import Verdict
from tests.fuzz import seeds, targets
from tests.golden.signatures.cases import GOOD, build

ROOT = Path(__file__).resolve().parents[2]
KEPT = sorted((ROOT / "tests" / "fuzz" / "corpus").iterdir())
numbers = st.integers(min_value=0, max_value=10**9)
slow = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_was_found_once_is_not_found_again(path):
    assert targets.run_kept(path).wrong == ""


def _fine(number: int, *only: str) -> None:
    case = targets.draw(number, 0, (), only)
    seen = targets.run(case)
    assert seen.wrong == "", (case.seed, [step.__name__ for step, _ in case.steps])


@given(numbers)
@slow
def test_mutated_pdfs_are_judged_without_a_wrong_accept(number):
    _fine(number, "pdf")


@given(numbers)
@slow
def test_mutated_containers_are_judged(number):
    _fine(number, "zip")


@pytest.mark.skipif(not seeds.xml(), reason="no sample corpus beside the project")
@given(numbers)
@slow
def test_mutated_xml_is_judged(number):
    _fine(number, "xml")


@given(numbers)
@slow
def test_mutated_lists_and_answers_are_refused_or_say_the_same(number):
    _fine(number, "crl", "ocsp")


@given(numbers)
@settings(slow, max_examples=10)
def test_a_damaged_trust_directory_makes_nothing_valid(number):
    _fine(number, "trust")


@given(numbers)
@slow
def test_damaged_stored_reports_are_values_or_value_errors(number):
    _fine(number, "json")


# ---------------------------------------------------------------- the judge


def _called_valid(name: str):
    report = targets._report(build(name))
    signatures = tuple(dataclasses.replace(s, verdict=Verdict.VALID) for s in report.signatures)
    return dataclasses.replace(report, verdict=Verdict.VALID, signatures=signatures)


@pytest.mark.parametrize("name", GOOD)
def test_the_judge_lets_good_files_be_valid(name):
    assert seeds.truth().objection(build(name), _called_valid(name)) == ""


@pytest.mark.parametrize(
    "name",
    [
        "content-changed",
        "isa-rebuilt-table",
        "isa-copied-signature",
        "shadow-hide-by-catalogue",
        "shadow-replace-font",
        "shadow-swap-catalogue",
        "eaa-annotation-over-text",
        "page-added",
        "self-signed",
        "double-of-the-root",
        "unsigned",
    ],
)
def test_the_judge_objects_when_evil_files_are_called_valid(name):
    assert seeds.truth().objection(build(name), _called_valid(name)) != ""


def test_the_judge_objects_to_a_time_nobody_proved():
    report = _called_valid("b-t")
    moved = dataclasses.replace(
        report.signatures[0], signed_at=report.signatures[0].signed_at.replace(year=2025)
    )
    evil = dataclasses.replace(report, signatures=(moved,))
    assert "nobody proved" in seeds.truth().objection(build("b-t"), evil)


def test_the_same_case_is_drawn_for_the_same_number():
    for number in range(30):
        one, two = (targets.draw(number, 7, ()) for _ in range(2))
        assert (one.target, one.seed, one.bytes()) == (two.target, two.seed, two.bytes())


def test_the_long_fuzzer_runs_and_tells_what_it_did(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz", "--minutes", "0.05", "--seed", "5"]
    done = subprocess.run(
        [*command, "--only", "crl", "--keep", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    summary = json.loads(done.stdout.rsplit("DONE ", 1)[1])
    assert summary["findings"] == {}
    assert list(tmp_path.iterdir()) == []
