"""Identifiers are opaque; their parts are read, checked, and never change the text.

Rules: DID-05, DID-08.
"""

import unicodedata
from datetime import date

import pytest

from gateway.domain.document_id import (
    Disagreement,
    IdForm,
    code_key,
    disagreements,
    format_code,
    format_number,
    parse_code,
    parse_document_id,
    render_document_id,
    render_ordinal_id,
)


def test_form_1():
    parsed = parse_document_id("000.00.00.G22,2015/09/30,7816/VPCP-TTĐT")
    assert parsed.form is IdForm.CODE_DATE_NUMBER
    assert parsed.organ == "000.00.00.G22"
    assert (parsed.year, parsed.day) == (2015, date(2015, 9, 30))
    assert (parsed.number, parsed.notation) == ("7816", "VPCP-TTĐT")
    assert parsed.is_legal_form


def test_notation_may_hold_commas_slashes_and_hashes():
    parsed = parse_document_id("H37,2026/01/05,12/QĐ/A,B#1")
    assert parsed.notation == "QĐ/A,B#1"


def test_an_impossible_date_is_kept_and_not_read():
    parsed = parse_document_id("H37,2014/02/30,12/A")
    assert parsed.form is IdForm.CODE_DATE_NUMBER
    assert parsed.day is None
    assert parsed.year == 2014


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("000.00.01.H01,2018,10", IdForm.CODE_YEAR_ORDINAL),
        ("H37-2026-05/QĐ-UBND", IdForm.HYPHENS),
        ("H37-2026-17", IdForm.HYPHENS),
        ("9fbfbad2-f1f8-4256-a2eb-50fb1061cddb", IdForm.UUID),
        ("GW-20251014073327634-773", IdForm.FREE),
        ("test-123", IdForm.FREE),
        ("184533", IdForm.INTEGER),
        ("", IdForm.FREE),
        ("a,b,c", IdForm.FREE),
        ("x" * 5000, IdForm.FREE),
    ],
)
def test_other_forms(text, form):
    parsed = parse_document_id(text)
    assert parsed.form is form
    assert parsed.text == text


def test_parts_of_the_ordinal_and_hyphen_forms():
    assert parse_document_id("H01,2018,10").ordinal == 10
    assert parse_document_id("H37-2026-17").ordinal == 17
    assert parse_document_id("H37-2026-05/QĐ-UBND").notation == "QĐ-UBND"


def test_wrong_separators_are_read_and_noted():
    parsed = parse_document_id("H37,2026-01-05,12/A")
    assert parsed.day == date(2026, 1, 5)
    assert parsed.odd_separators


def test_rendering():
    day = date(2026, 1, 5)
    assert render_document_id("H37.02", day, "05", "SNV-VP") == "H37.02,2026/01/05,05/SNV-VP"
    assert render_ordinal_id("H37.02", 2026, 17) == "H37.02,2026,17"


@pytest.mark.parametrize(
    ("agency", "number", "notation"),
    [
        ("", "1", "A"),
        ("H3,7", "1", "A"),
        ("H37", "", "A"),
        ("H37", " ", "A"),
        ("H" * 36, "1", "A"),
        ("H37", "1", "A" * 200),
    ],
)
def test_what_cannot_be_read_back_is_not_rendered(agency, number, notation):
    with pytest.raises(ValueError, match=r"needs|not an|at most"):
        render_document_id(agency, date(2026, 1, 5), number, notation)


def test_an_ordinal_is_positive():
    with pytest.raises(ValueError, match="ordinal"):
        render_ordinal_id("H37", 2026, 0)


def _disagreements(text, **changes):
    packet = {
        "sender": "H37.02",
        "number": "5",
        "notation": "SNV-VP",
        "promulgation_date": date(2026, 1, 5),
    } | changes
    return disagreements(parse_document_id(text), **packet)


def test_parts_that_agree():
    text = "h37.02,2026/01/05,05/snv-vp"
    assert _disagreements(text) == ()
    assert _disagreements("free text") == ()
    assert _disagreements(text, number="5/SNV-VP", notation="") == ()
    assert _disagreements(text, number="5", notation="") == ()
    assert _disagreements(text, number="", notation="", promulgation_date=None) == ()


def test_parts_that_disagree_are_named():
    assert _disagreements("H99,2026/01/05,05/SNV-VP") == (Disagreement.ORGAN,)
    assert _disagreements("H37.02,2026/01/05,06/SNV-VP") == (Disagreement.CODE,)
    assert _disagreements("H37.02,2026/01/06,05/SNV-VP") == (Disagreement.DATE,)
    assert _disagreements("H37.02,2025,17") == (Disagreement.DATE,)
    assert len(_disagreements("H99,2025/01/05,06/X")) == 3


def test_an_alias_is_not_a_disagreement():
    assert _disagreements("H99,2026/01/05,05/SNV-VP", same_agency=lambda *_: True) == ()


@pytest.mark.parametrize(
    ("text", "number", "notation", "year", "mark"),
    [
        ("Số: 15/QĐ-BNV", "15", "QĐ-BNV", None, "QĐ"),
        ("05/BNV-VP", "05", "BNV-VP", None, ""),
        ("31/2020/QĐ-UBND", "31", "2020/QĐ-UBND", 2020, "QĐ"),
        ("1122/QĐ-UBND-HC", "1122", "QĐ-UBND-HC", None, "QĐ"),
        ("7816/VPCP-TTĐT", "7816", "VPCP-TTĐT", None, ""),
        ("12/QyĐ-X", "12", "QyĐ-X", None, "QyĐ"),
        ("34E31", "34E31", "", None, ""),
        ("3/UBND-CT", "3", "UBND-CT", None, ""),
        ("", "", "", None, ""),
    ],
)
def test_number_and_notation(text, number, notation, year, mark):
    parsed = parse_code(text)
    assert (parsed.number, parsed.notation) == (number, notation)
    assert (parsed.year, parsed.type_mark) == (year, mark)
    assert parsed.raw == text


def test_numbers_below_ten_have_a_leading_zero():
    assert [format_number(n) for n in ("5", "05", "15", "005", "5a", "34E31", "0")] == [
        "05",
        "05",
        "15",
        "05",
        "05a",
        "34E31",
        "00",
    ]
    assert format_code("5", "QĐ-UBND") == "05/QĐ-UBND"
    assert format_code("5", "") == "05"


def test_spellings_of_one_code_are_equal():
    decomposed = unicodedata.normalize("NFD", "QĐ-TTĐT ấ")
    assert code_key("5", decomposed) == code_key("05", "qđ-ttđt  ấ")
    assert code_key("5", "A") != code_key("50", "A")
    assert code_key("5/A-B", "") == code_key("05", "A-B")
    assert code_key("5", "") == code_key("05", " ")
