"""SIG-51, SIG-04b, G8: those who signed beside those the message names; SIG-03 by saved states."""

from dataclasses import replace

import pytest

from gateway.domain.envelope import Organization, Signer
from gateway.domain.finding import Severity
from gateway.rules.facts import AgencyNames
from gateway.rules.signature import LegalClass, legal_class
from gateway.rules.signers import codes_of, copy_form_of, fills, signed_in_order
from gateway.trust.report import AppearanceFacts, Note
from tests.world.rule_facts import HEADER, Sig, attachment, header, holder, judge, report

WARNING, NOTE = Severity.WARNING, Severity.NOTE
NAMES = AgencyNames(frozenset({"H37.02"}), ("Sở Nội vụ tỉnh Lạng Sơn",), ("UBND tỉnh Lạng Sơn",))
CODES = NAMES.codes
PERSON = Sig("person", signer=holder("NGUYỄN VĂN A", "Sở Nội vụ"))
AGENCY = Sig("organization", signer=holder("Sở Nội vụ tỉnh Lạng Sơn"))
OTHER = Sig("organization", signer=holder("Sở Tài chính tỉnh Lạng Sơn"))


def said(*signatures, **more):
    """Return rule and severity of every finding on a main document with these signatures."""
    found = judge(reports=(report(*signatures),), names=NAMES, **more)
    return [(f.rule, f.severity) for f in found]


def test_who_the_message_names_is_silent():
    assert said(PERSON, AGENCY) == []


@pytest.mark.parametrize(
    ("signatures", "wanted"),
    [
        ((PERSON, OTHER), [("SIG-51", WARNING)]),
        ((PERSON, replace(OTHER, signer=holder("UBND tỉnh Lạng Sơn"))), [("SIG-51", NOTE)]),
        ((replace(PERSON, signer=holder("Trần Văn B")), AGENCY), [("SIG-51", WARNING)]),
        ((replace(PERSON, signer=holder("")), AGENCY), []),
        ((PERSON, replace(AGENCY, signer=None)), [("SIG-51", NOTE)]),
        # Several agencies may issue one document.
        ((PERSON, AGENCY, OTHER), [("SIG-51", NOTE)]),
        # Two people signed; the one the message names is among them.
        ((replace(PERSON, signer=holder("Trần Văn B")), PERSON, AGENCY), []),
    ],
)
def test_somebody_else_is_warned_of(signatures, wanted):
    assert said(*signatures) == wanted


def test_without_a_name_in_the_message_nobody_is_compared():
    somebody = replace(PERSON, signer=holder("B C"))
    found = said(somebody, AGENCY, header=header(signer=None))
    assert found == [("MD-01", WARNING)]  # that the name is missing is all there is to say


def test_the_findings_show_both_names_and_cut_them():
    signer = holder("Đ" * 500)
    (found,) = judge(
        reports=(report(PERSON, replace(AGENCY, signer=signer)),),
        names=NAMES,
    )
    assert "Sở Nội vụ tỉnh Lạng Sơn" in found.vi
    assert "Sở Nội vụ tỉnh Lạng Sơn" in found.en
    assert "Đ" * 81 not in found.vi


def test_who_was_not_looked_up_is_not_compared():
    assert judge(reports=(report(PERSON, OTHER),)) == ()


# ---------------------------------------------------------------- TUQ


def delegated(*signatures):
    signer = Signer("TUQ. GIÁM ĐỐC", "Trưởng phòng", "Nguyễn Văn A")
    return said(*signatures, header=header(signer=signer))


def test_a_delegated_signature_carries_the_delegating_agencys_seal():
    unit = replace(AGENCY, signer=holder("Phòng Tổ chức cán bộ", "Sở Nội vụ tỉnh Lạng Sơn"))
    assert delegated(PERSON, AGENCY) == []
    assert delegated(PERSON, unit) == [("SIG-04b", WARNING)]
    above = replace(AGENCY, signer=holder("UBND tỉnh Lạng Sơn"))
    assert delegated(PERSON, above) == [("SIG-04b", NOTE)]


# ---------------------------------------------------------------- pinned signers (G8)


def test_a_signer_pinned_for_the_sender_decides_over_its_name():
    pinned = replace(OTHER, agencies=("h37.02",))
    assert said(PERSON, pinned) == []
    assert legal_class([report(PERSON, pinned)], "", CODES) is LegalClass.ORIGINAL


def test_a_signer_pinned_for_others_signs_for_nobody_here():
    elsewhere = replace(AGENCY, agencies=("H37.04",))
    found = said(PERSON, elsewhere)
    assert found == [("SIG-04c", WARNING), ("SIG-51", WARNING)]
    assert legal_class([report(PERSON, elsewhere)], "", CODES) is LegalClass.REFERENCE
    # Without a message there is nobody to compare with.
    assert legal_class([report(PERSON, elsewhere)]) is LegalClass.ORIGINAL


def test_a_person_pinned_for_others_is_not_the_competent_one():
    elsewhere = replace(PERSON, agencies=("H37.04",))
    assert said(elsewhere, AGENCY) == [("SIG-01", WARNING), ("SIG-51", WARNING)]
    assert said(elsewhere, PERSON, AGENCY) == [("SIG-51", NOTE)]


def test_all_pinned_elsewhere_is_said_so():
    elsewhere = replace(AGENCY, agencies=("H37.04",))
    (value, _) = judge(reports=(report(elsewhere),), names=NAMES)
    assert value.rule == "SIG-01"
    assert "cơ quan khác" in value.vi


# ---------------------------------------------------------------- roles


@pytest.mark.parametrize(
    ("role", "agencies", "copy_form", "counts"),
    [
        ("organization", (), "", True),
        ("organization", ("H37.04",), "", False),
        ("portal", (), "", False),
        ("portal", ("H37.02",), "", True),
        ("portal", ("G22",), "", False),
        ("clerk", (), "", False),
        ("clerk", (), "SY", True),
        ("clerk", ("H37.02",), "", True),
        ("clerk", ("H37.04",), "SY", False),
        ("person", ("H37.02",), "SY", False),
        ("tsa", ("H37.02",), "SY", False),
        ("unknown", (), "SY", False),
    ],
)
def test_whose_signature_is_the_agencys(role, agencies, copy_form, counts):
    (signature,) = report(Sig(role, agencies=agencies)).signatures
    assert fills(signature, "organization", CODES, copy_form) is counts
    main = report(PERSON, Sig(role, agencies=agencies))
    assert signed_in_order(main, ("person", "organization"), CODES, copy_form) is counts


@pytest.mark.parametrize("role", ["portal", "clerk"])
def test_a_portals_or_clerks_seal_alone_is_named(role):
    (found,) = judge(reports=(report(Sig(role)),), names=NAMES)
    assert found.rule == "SIG-01"
    assert {"portal": "cổng thông tin", "clerk": "văn thư"}[role] in found.vi


def test_must_sign_names_roles_exactly_but_for_the_agencys():
    main = report(Sig("portal", agencies=("H37.02",)))
    assert signed_in_order(main, ("portal",), CODES)
    assert signed_in_order(main, ("organization",), CODES)
    assert not signed_in_order(main, ("person",), CODES)
    assert signed_in_order(main, (), CODES)


# ---------------------------------------------------------------- order


def test_order_goes_by_saved_states_not_by_the_list():
    first, second = replace(PERSON, revision=2), replace(AGENCY, revision=3)
    late, early = replace(PERSON, revision=3), replace(AGENCY, revision=2)
    assert legal_class([report(second, first)]) is LegalClass.ORIGINAL
    assert legal_class([report(late, early)]) is LegalClass.REFERENCE
    assert said(late, early) == [("SIG-03", WARNING)]
    same = replace(AGENCY, revision=2)
    assert legal_class([report(first, same)]) is LegalClass.REFERENCE


def test_an_invalid_persons_signature_counts_for_nothing():
    main = report(replace(PERSON, verdict="invalid"), AGENCY, verdict="valid")
    assert legal_class([main]) is LegalClass.REFERENCE


def test_a_second_person_after_the_seal_takes_nothing_away():
    signatures = (replace(PERSON, revision=2), replace(AGENCY, revision=3))
    late = replace(PERSON, revision=4)
    assert legal_class([report(*signatures, late)]) is LegalClass.ORIGINAL


# ---------------------------------------------------------------- copies (SIG-60)


@pytest.mark.parametrize(
    ("changes", "form"),
    [
        ({"type_name": "Sao y"}, "SY"),
        ({"type_name": "BẢN SAO LỤC"}, "SL"),
        ({"type_name": "Bản trích sao"}, "TrS"),
        ({"type_name": "Sao y bản chính"}, "SY"),
        ({"code_notation": "SY-UBND"}, "SY"),
        ({"code_notation": "2026/TRS-SNV"}, "TrS"),
        ({"code_notation": "QĐ-SY"}, ""),
        ({"type_name": "Sao yêu cầu"}, ""),
        ({}, ""),
    ],
)
def test_what_the_message_says_of_a_copy(changes, form):
    assert copy_form_of(header(**changes), None) == form


def stamp(text, quadrant="top-right", page=1, role="organization"):
    looks = AppearanceFacts(text=text, quadrant=quadrant)
    return replace(AGENCY, role=role, page=page, appearance=looks)


SEALED = stamp("SAO Y; Sở Nội vụ tỉnh Lạng Sơn")


@pytest.mark.parametrize(
    ("signatures", "form"),
    [
        ((SEALED,), "SY"),
        ((stamp("TRÍCH SAO", role="clerk"),), "TrS"),
        ((stamp("SAO Y", "bottom-right"),), ""),
        ((stamp("SAO Y", page=2),), ""),
        ((stamp("Sở Nội vụ"),), ""),
        ((stamp("SAO Y", role="portal"),), ""),
        ((replace(SEALED, agencies=("H37.04",)),), ""),
        # A person signed too: then the words alone make it no copy.
        ((PERSON, SEALED), ""),
    ],
)
def test_what_a_lone_signature_says_of_a_copy(signatures, form):
    assert copy_form_of(HEADER, report(*signatures), CODES) == form


def test_a_copy_needs_the_agency_only():
    copy = header(type_name="Sao y")
    assert said(AGENCY, header=copy) == []
    assert said(PERSON, header=copy) == [("SIG-60", WARNING)]
    assert legal_class([report(AGENCY)], "SY", CODES) is LegalClass.COPY
    assert legal_class([report(Sig("clerk"))], "SY", CODES) is LegalClass.COPY
    assert legal_class([report(Sig("portal"))], "SY", CODES) is LegalClass.REFERENCE
    assert legal_class([report(replace(AGENCY, verdict="invalid"))], "SY") is LegalClass.INVALID


# ---------------------------------------------------------------- annexes, files, lifetime


def annexed(main, annex, **more):
    two = [attachment(0), attachment(1, "phu luc.pdf")]
    found = judge(attachments=two, reports=(main, annex), names=NAMES, **more)
    return [(f.rule, f.severity) for f in found]


def test_only_what_can_be_signed_wants_a_signature():
    main = report(PERSON, AGENCY)
    assert annexed(main, report()) == [("SIG-07", WARNING)]
    assert annexed(main, report(PERSON)) == [("SIG-07", WARNING)]
    assert annexed(main, report(kind="other")) == []  # .docx, .xlsx: material (F19)
    assert annexed(main, report(kind="zip")) == []
    assert annexed(main, report(OTHER)) == []  # somebody else's document that goes along


def test_a_signed_annex_does_not_sign_for_the_main_document():
    assert annexed(report(), report(PERSON, AGENCY)) == [("SIG-02", WARNING), ("SIG-52", WARNING)]
    assert annexed(report(), report(Sig("tsa"))) == [("SIG-02", WARNING)]


def test_a_certificate_that_lives_too_long_is_noted():
    long = replace(AGENCY, notes=(Note("long-lifetime", "dài", "long"),))
    assert said(PERSON, long) == [("SIG-06", NOTE)]


def test_codes_are_compared_as_codes():
    assert codes_of(" h37.02 ", "", "H37") == {"H37.02", "H37"}
    assert Organization("h37.02").organ_id == "h37.02"
