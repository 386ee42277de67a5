"""Agency codes of any shape: classified, folded, resolved; never a failure.

Rules: ID-02, ID-03, ID-04, ID-05.
"""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.directory import Agency, Alias, Directory, Resolved
from gateway.domain.finding import Severity
from gateway.domain.identifiers import (
    CodeKind,
    classify,
    code_findings,
    fold,
    registration_findings,
)

TODAY = date(2026, 11, 22)
LEVEL1 = st.from_regex(r"[A-Y][0-9]{2}", fullmatch=True)
NEW = st.builds(".".join, st.tuples(LEVEL1, st.from_regex(r"[0-9]{2}", fullmatch=True)).map(list))
LEGACY = st.from_regex(r"[0-9]{3}\.[0-9]{2}\.[0-9]{2}\.[A-V][0-9]{2}", fullmatch=True)
ANY = st.one_of(st.text(max_size=50), NEW, LEGACY, st.text("AHW0123456789.", max_size=40))


@given(ANY)
def test_any_text_has_a_kind_and_bad_ones_a_finding(text):
    kind = classify(text)
    found = code_findings(text, "x", severity=Severity.WARNING)
    assert bool(found) is (kind is CodeKind.BAD)


@given(ANY)
def test_kind_and_key_do_not_depend_on_case_or_blanks(text):
    # Letters whose upper case is another letter are no codes anyway.
    if text.isascii():
        assert classify(f" {text.lower()} ") is classify(text)
    assert fold(fold(text)) == fold(text)


@given(NEW)
def test_new_codes_are_told_from_old_and_register(code):
    assert classify(code) is CodeKind.NEW
    assert registration_findings(code) == ()


@given(LEGACY)
def test_old_codes_are_told_from_new_and_register(code):
    assert classify(code) is CodeKind.LEGACY
    assert registration_findings(code) == ()


@given(st.lists(NEW, min_size=1, max_size=8, unique=True), st.data())
def test_every_spelling_of_an_agency_leads_to_it(codes, data):
    agencies = [Agency(c, c, legacy_code=f"000.{n:02d}.00.Z99") for n, c in enumerate(codes)]
    aliases = [Alias(f"alias.{c}", c) for c in codes]
    directory = Directory(agencies, aliases)
    n = data.draw(st.integers(0, len(codes) - 1))
    for written in (codes[n], codes[n].lower(), f"000.{n:02d}.00.Z99", f"ALIAS.{codes[n]} "):
        found = directory.resolve(written, TODAY)
        assert isinstance(found, Resolved)
        assert found.canonical == codes[n]
        assert found.written == written
        assert directory.same(written, codes[n], TODAY)


@given(st.lists(st.tuples(NEW, NEW), min_size=1, max_size=10))
def test_any_web_of_successors_comes_to_an_end(pairs):
    directory = Directory([Agency(a, a, successor=b) for a, b in pairs])
    for code, _ in pairs:
        directory.successor_of(code, TODAY)
        assert code in directory.lineage(code)
        directory.resolve(code, TODAY)
    directory.findings()
