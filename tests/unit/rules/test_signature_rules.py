"""SIG-*: legal value, invalid and undetermined signatures, annexes."""

import pytest

from gateway.domain.envelope import Signer
from gateway.domain.finding import Severity
from gateway.rules.registry import Policy
from gateway.rules.signature import LegalClass, legal_class, legal_text
from tests.world.rule_facts import Sig, attachment, header, judge, report

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
PERSON, AGENCY = Sig("person"), Sig("organization")
BOTH = report(PERSON, AGENCY)


@pytest.mark.parametrize(
    ("main", "value"),
    [
        (BOTH, LegalClass.ORIGINAL),
        (report(PERSON, Sig("tsa"), AGENCY), LegalClass.ORIGINAL),
        (report(AGENCY, PERSON), LegalClass.REFERENCE),
        (report(PERSON), LegalClass.REFERENCE),
        (report(AGENCY), LegalClass.REFERENCE),
        (report(Sig("unknown")), LegalClass.REFERENCE),
        (report(Sig("unknown"), Sig("unknown")), LegalClass.REFERENCE),
        (report(), LegalClass.UNSIGNED),
        (None, LegalClass.UNSIGNED),
        (report(verdict="unreadable"), LegalClass.UNDETERMINED),
        (report(PERSON, Sig("organization", "indeterminate")), LegalClass.UNDETERMINED),
        (report(PERSON, Sig("organization", "invalid")), LegalClass.INVALID),
        (report(PERSON, AGENCY, verdict="indeterminate"), LegalClass.UNDETERMINED),
    ],
)
def test_legal_value(main, value):
    assert legal_class([main]) is value
    assert legal_class([main, BOTH]) is value


def test_legal_value_of_nothing_and_of_copies():
    assert legal_class([]) is LegalClass.UNSIGNED
    assert legal_class([report(AGENCY)], copy_form="SY") is LegalClass.COPY
    assert legal_class([report(PERSON)], copy_form="SY") is LegalClass.REFERENCE
    assert legal_class([report(AGENCY)], copy_form="??") is LegalClass.REFERENCE


def test_only_the_original_is_called_so():
    for value in LegalClass:
        text = legal_text(value)
        assert ("bản gốc" in text.vi) is (value is LegalClass.ORIGINAL)


def test_an_original_is_silent_and_before_a_verdict_all_are():
    assert judge(reports=(BOTH,)) == ()
    assert judge(reports=None) == ()


@pytest.mark.parametrize(
    ("main", "rule"),
    [
        (report(), "SIG-02"),
        (report(PERSON), "SIG-04c"),
        (report(AGENCY), "SIG-01"),
        (report(Sig("unknown")), "SIG-01"),
        (report(AGENCY, PERSON), "SIG-03"),
    ],
)
@pytest.mark.parametrize("direction", ["out", "in"])
def test_what_is_no_original_passes_flagged(main, rule, direction):
    (found,) = judge(reports=(main,), direction=direction)
    assert (found.rule, found.severity) == (rule, WARNING)
    assert "tham khảo" in found.vi


@pytest.mark.parametrize(
    ("signature", "rule", "refusal"),
    [
        (Sig("person", "invalid"), "SIG-40", "R03"),
        (Sig("person", "invalid", "HASH_FAILURE", intact="no"), "SIG-49", "R04"),
        (Sig("person", "invalid", later_changes="other"), "SIG-49", "R04"),
        (Sig("person", "invalid", "REVOKED"), "SIG-42", "R05"),
        (Sig("person", "invalid", not_revoked="no"), "SIG-42", "R05"),
        (Sig("person", "invalid", "EXPIRED"), "SIG-41", "R05"),
        (Sig("person", "invalid", "NO_CERTIFICATE_CHAIN_FOUND"), "SIG-43", "R05"),
        (Sig("person", "invalid", trusted="no"), "SIG-43", "R05"),
        (Sig("person", "invalid", "CRYPTO_CONSTRAINTS_FAILURE"), "SIG-48", "R03"),
    ],
)
def test_an_invalid_signature_refuses_out_and_is_flagged_in(signature, rule, refusal):
    for direction, severity in (("out", ERROR), ("in", WARNING)):
        (found,) = judge(reports=(report(signature, AGENCY),), direction=direction)
        assert (found.rule, found.severity, found.refusal) == (rule, severity, refusal)


def test_whether_invalid_refuses_is_policy():
    (found,) = judge(
        reports=(report(Sig("person", "invalid")),), policy=Policy(refuse_invalid_out=False)
    )
    assert found.severity is WARNING


@pytest.mark.parametrize(
    "main",
    [report(Sig("person", "indeterminate")), report(verdict="unreadable")],
)
def test_undetermined_passes_flagged(main):
    (found,) = judge(reports=(main,))
    assert (found.rule, found.severity) == ("SIG-42", WARNING)


def test_separate_annexes_want_the_agencys_signature():
    two = [attachment(0), attachment(1, "phu luc.pdf")]
    (found,) = judge(attachments=two, reports=(BOTH, report()))
    assert (found.rule, found.severity) == ("SIG-07", WARNING)
    assert "phu luc.pdf" in found.vi
    assert judge(attachments=two, reports=(BOTH, report(AGENCY))) == ()
    assert judge(attachments=two, reports=(BOTH, None)) == ()
    assert [f.rule for f in judge(attachments=two, reports=(report(), report()))] == ["SIG-02"]


@pytest.mark.parametrize("mark", ["", "TM.", "KT. GIÁM ĐỐC", "TL. BO TRUONG", "TUQ.", "Q."])
def test_authority_marks_of_the_decree(mark):
    assert judge(header=header(signer=Signer(mark, "Giám đốc", "A"))) == ()


def test_other_authority_marks_are_noted():
    (found,) = judge(header=header(signer=Signer("XX.", "Giám đốc", "A")))
    assert (found.rule, found.severity) == ("SIG-04", NOTE)
