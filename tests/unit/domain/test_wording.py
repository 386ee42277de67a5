"""What is found by which words."""

from datetime import date

import pytest

from gateway.domain.wording import Asked, asked, flag, marked, one_of, terms_of

TERMS = terms_of(
    [
        "05/QĐ-UBND",
        "V/v hoà giải ở cơ sở, Uỷ ban nhân dân tỉnh Đồng Tháp",
        "H37.02",
        "Nghị định 30/2020/NĐ-CP",
    ],
    [date(2026, 11, 5)],
)


@pytest.mark.parametrize(
    "text",
    [
        "quyet dinh 5/qd-ubnd".removeprefix("quyet dinh "),
        "05/QĐ-UBND",
        "5/qđ-ubnd",
        "hoà giải",
        "hòa giải",
        "HOA GIAI",
        "uỷ ban",
        "ủy ban",
        "dong thap",
        "Đồng Tháp",
        "đồng thá",
        "dong th",
        "thap dong",
        "h37.02",
        "H37",
        "30/2020/NĐ-CP",
        "05/11/2026",
        "5-11-2026",
        "2026-11-05",
        "2026",
        "uy ban 2026",
        "",
    ],
)
def test_found(text):
    assert asked(text).fits(TERMS)


@pytest.mark.parametrize(
    "text",
    [
        "hoá giải",
        "đông tháp",
        "dong thapx",
        "6/qd",
        "06/11/2026",
        "hoa gia i",
        "thap dong ha",
        "2025",
    ],
)
def test_not_found(text):
    assert not asked(text).fits(TERMS)


def test_only_the_last_word_is_a_beginning():
    assert asked("uy ban nha").fits(TERMS)
    assert not asked("nha uy ban").fits(TERMS)
    assert not asked("uy ban nha ").fits(TERMS)  # a blank ends the word


def test_a_year_is_whole():
    """As a beginning it would be a merger of every document of the year: 0.4 s of a million."""
    assert not any(t.starts for some in asked("ngan sach 2026").clauses[-1] for t in some)
    assert any(t.starts for some in asked("ngan sach 202").clauses[-1] for t in some)


def test_properties_are_asked_exactly():
    terms = TERMS | {flag("in", "H37.02")}
    assert one_of("in", ["H37.02", "H37.04"]).fits(terms)
    assert not one_of("in", ["H37"]).fits(terms)
    assert not one_of("out", ["H37.02"]).fits(terms)
    assert not one_of("in", []).fits(terms)
    assert not asked("shome").fits({flag("home", "x")})
    assert one_of("in", ["H37.02"]).both(asked("hoa giai")).fits(terms)
    assert Asked().fits(())


def test_what_was_asked_for_is_marked():
    pieces = marked("V/v Hoà giải ở cơ sở", asked("hoa gi").shown)
    assert "".join(text for text, _ in pieces) == "V/v Hoà giải ở cơ sở"
    assert [text for text, hit in pieces if hit] == ["Hoà", "giải"]
