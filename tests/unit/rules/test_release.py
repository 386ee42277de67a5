"""As what a document may be issued. Rules: SIG-01, SIG-02, SIG-04c, SIG-07, F19, SEC-01."""

import pytest

from gateway.domain.finding import Finding, Severity
from gateway.rules.holders import FROM, SIGNER
from gateway.rules.release import RELEASE_TEXTS, ReleasedAs, release_of
from gateway.rules.signature import LegalClass


def found(rule, severity=Severity.WARNING):
    return Finding(rule, severity, "", "sai", "wrong")


@pytest.mark.parametrize(
    ("legal", "rules", "may"),
    [
        (LegalClass.ORIGINAL, (), ReleasedAs.ORIGINAL),
        (LegalClass.COPY, (), ReleasedAs.COPY),
        # What is shown takes nothing away: names, appearance, not connected recipients.
        (LegalClass.ORIGINAL, ("SIG-51", "SIG-21", "SND-04"), ReleasedAs.ORIGINAL),
        # A PDF annex of its own without the agency's signature does (SIG-07).
        (LegalClass.ORIGINAL, ("SIG-07",), ReleasedAs.REFERENCE),
        (LegalClass.REFERENCE, ("SIG-04c",), ReleasedAs.REFERENCE),
        (LegalClass.UNSIGNED, ("SIG-02",), ReleasedAs.REFERENCE),
        (LegalClass.UNDETERMINED, ("SIG-42",), ReleasedAs.REFERENCE),
        # Without a verdict nothing is claimed.
        (None, (), ReleasedAs.REFERENCE),
    ],
)
def test_only_the_right_signatures_make_an_original(legal, rules, may):
    release = release_of([found(r) for r in rules], legal)
    assert release.may is may
    assert not release.errors
    assert len(release.lacks) + len(release.others) == len(rules)


@pytest.mark.parametrize("legal", [*LegalClass, None])
def test_an_error_refuses_whatever_the_signatures(legal):
    release = release_of([found("SEC-01", Severity.ERROR), found("SIG-02")], legal)
    assert release.may is ReleasedAs.NOT
    assert [f.rule for f in release.errors] == ["SEC-01"]


@pytest.mark.parametrize(
    ("severity", "where", "may"),
    [
        # SIG-01: another agency's seal is not the sender's; a name that cannot be compared is.
        (Severity.WARNING, FROM, ReleasedAs.REFERENCE),
        (Severity.NOTE, FROM, ReleasedAs.ORIGINAL),
        (Severity.WARNING, SIGNER, ReleasedAs.ORIGINAL),
    ],
)
def test_the_seal_of_another_agency_makes_no_original(severity, where, may):
    finding = Finding("SIG-51", severity, where, "sai", "wrong")
    assert release_of([finding], LegalClass.ORIGINAL).may is may


def test_a_note_takes_nothing_away():
    assert release_of([found("SIG-04b", Severity.NOTE)], LegalClass.ORIGINAL).may == "original"
    assert set(RELEASE_TEXTS) == set(ReleasedAs)
