"""The project's own golden set: every known class of attack, each beside the good file it apes."""

import functools
import hashlib
import logging
import tempfile
from datetime import datetime
from pathlib import Path

import pytest
from pyhanko.sign.validation import ades
from pyhanko_certvalidator import context
from pyhanko_certvalidator.ltv import ades_past, poe, types

from gateway.trust.anchors import TrustStore
from gateway.trust.report import Answer, Verdict
from gateway.trust.verify import verify_file
from tests.golden.signatures import authority
from tests.golden.signatures.__main__ import main, table
from tests.golden.signatures.cases import CASES, GOOD, VALID, build

TWINS = {name: case.twin for name, case in CASES.items() if case.twin}
# A dice is in these: PSS has a salt, encryption a key.
UNSTEADY = {"pss", "locked"}


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@functools.cache
def _store(*, crls: bool = True) -> TrustStore:
    with tempfile.TemporaryDirectory(prefix="golden-trust-") as folder:
        return TrustStore.load(authority.lay_out_trust(Path(folder), crls=crls))


def _verified(data: bytes, at=authority.NOW, store=None):
    sha256 = hashlib.sha256(data).hexdigest()
    return verify_file(data, sha256=sha256, at=at, store=store or _store())


@functools.cache
def _report(name: str):
    return _verified(build(name), CASES[name].at)


def _codes(report) -> set[str]:
    return {n.code for s in report.signatures for n in s.notes} | {n.code for n in report.notes}


@pytest.mark.parametrize("name", CASES)
def test_a_golden_file_gets_the_verdict_of_the_table(name):
    case, report = CASES[name], _report(name)
    found = [(s.field, s.verdict.value, s.sub_indication) for s in report.signatures]
    assert report.verdict.value in case.verdicts, (found, sorted(_codes(report)))
    if case.sub:
        assert case.sub in {s.sub_indication for s in report.signatures}, found
    if case.note:
        assert case.note in _codes(report)


@pytest.mark.parametrize("name", TWINS)
def test_an_evil_twin_differs_from_a_good_file_that_is_valid(name):
    twin = TWINS[name]
    assert CASES[twin].verdicts == VALID
    assert _report(twin).verdict is Verdict.VALID
    assert build(name) != build(twin)


def test_every_defect_lies_between_a_good_file_and_its_twin():
    alone = {n for n, c in CASES.items() if c.verdicts != VALID and not c.twin}
    # Files that no signature was ever in have no good twin, nor does a question before its time.
    assert alone == {
        "empty", "not-a-pdf", "locked", "unsigned", "picture-of-a-seal", "asked-before-signing",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(CASES) - UNSTEADY))
def test_a_golden_file_is_the_same_every_time(name):
    assert CASES[name].make() == build(name)


def test_the_set_is_small():
    assert sum(len(build(name)) for name in CASES) < 2_000_000


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_valid_without_revocation_lists_that_the_file_does_not_bring(name):
    report = _verified(build(name), store=_store(crls=False))
    for one in report.signatures:
        if one.verdict is Verdict.VALID:
            assert one.not_revoked is Answer.YES
            assert one.level.endswith(("B-LT", "B-LTA", "timestamp")), one.level


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_valid_without_an_anchor(name):
    report = _verified(build(name), store=TrustStore())
    assert report.verdict is Verdict.INDETERMINATE
    assert "no-trust" in _codes(report)


@pytest.mark.parametrize("name", ["b-b", "b-t", "b-lt", "two-signatures"])
def test_the_four_answers_of_a_good_file(name):
    for one in _report(name).signatures:
        assert one.intact is one.trusted is one.not_revoked is Answer.YES
        assert (one.time_proven is Answer.YES) == (name != "b-b")


def test_a_foreign_time_stamp_is_not_told_as_a_changed_document():
    (one,) = _report("stamp-of-another").signatures
    assert one.intact is Answer.YES
    assert one.time_proven is Answer.UNKNOWN
    assert "content-changed" not in {n.code for n in one.notes}


@pytest.mark.parametrize(
    "name", ["b-lt", "b-lta", "archived-before-revocation", "archived-before-expiry"]
)
def test_the_clock_of_the_machine_does_not_matter(name, monkeypatch):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2046, 1, 1, tzinfo=tz)

    before = _report(name)
    for module in (ades, ades_past, poe, types, context):
        monkeypatch.setattr(module, "datetime", Later)
    assert _verified(build(name)) == before


def test_the_generator_writes_the_set_and_its_table(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    assert {p.stem for p in tmp_path.glob("*.pdf")} == {n.replace("-", "_") for n in CASES}
    assert (tmp_path / "README.md").read_text("utf-8") == table()
    assert main([]) == 0
    assert capsys.readouterr().out == table()
