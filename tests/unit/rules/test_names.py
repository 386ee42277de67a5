"""Names of agencies and people: what is one name, what is another, what cannot be told."""

import unicodedata

import pytest

from gateway.rules.facts import AgencyNames
from gateway.rules.names import Match, compare, contains, folded, same_agency, same_person
from tests.world.rule_facts import holder

HERE = AgencyNames(
    codes=frozenset({"H37.02"}),
    names=("Sở Nội vụ tỉnh Lạng Sơn",),
    above=("UBND tỉnh Lạng Sơn",),
    other_codes=frozenset({"000.00.02.H37"}),
)
SHORT = AgencyNames(frozenset({"H37.02"}), ("Sở Nội vụ",), ("UBND tỉnh Lạng Sơn",))
ALONE = AgencyNames(frozenset({"H37.02"}), ("Sở Nội vụ",))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bộ Hoà Bình", "BỘ HÒA BÌNH"),
        ("Uỷ ban nhân dân", "ỦY BAN NHÂN DÂN"),
        ("UBND tỉnh Lạng Sơn", "Ủy ban  nhân dân tỉnh Lạng Sơn"),
        ("HĐND tỉnh", "Hội đồng nhân dân tỉnh"),
        ("Sở GD&ĐT", "SỞ GIÁO DỤC - ĐÀO TẠO"),
        ("Sở LĐ-TB&XH", "Sở Lao động, Thương binh và Xã hội"),
        ("VP UBND TP. Hà Nội", "Văn phòng Ủy ban nhân dân thành phố Hà Nội"),
        ("Sở Nội vụ Lạng Sơn", "Sở Nội vụ tỉnh Lạng Sơn"),
        ("Sở\u200b Nội\u00a0vụ", "Sở Nội vụ"),
        ("Sở Nội vụ", unicodedata.normalize("NFD", "Sở Nội vụ")),
    ],
)
def test_spellings_of_one_agency(one, other):
    assert same_agency(one, other)
    assert same_agency(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sở Nội vụ", "Sở Ngoại vụ"),
        ("UBND phường Lương Văn Tri", "UBND xã Lương Văn Tri"),
        ("UBND tỉnh Lạng Sơn", "UBND thành phố Lạng Sơn"),
        ("Bộ Tài chính", "Bộ Tài chinh"),
        ("Sở Tư pháp", "Sở Trung ương pháp"),
        ("", ""),
    ],
)
def test_names_of_two_agencies(one, other):
    assert not same_agency(one, other)
    assert not same_agency(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nguyễn Văn An", "NGUYỄN VĂN AN"),
        ("TS. Nguyễn Văn An", "Nguyễn Văn An"),
        ("Ông Nguyễn Văn An", "Nguyễn Văn An (Giám đốc)"),
        ("PGS.TS Lê Hoà", "Lê Hòa"),
        ("NGUYEN VAN AN", "Nguyễn Văn An"),
        ("Nguyễn Văn An <an@langson.gov.vn>", "Nguyễn Văn An"),
    ],
)
def test_spellings_of_one_person(one, other):
    assert same_person(one, other)
    assert same_person(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nguyễn Văn An", "Nguyễn Văn Ân"),
        ("Nguyễn Văn An", "Nguyễn Văn Anh"),
        ("Nguyễn Văn An", "Nguyen Van Binh"),
        ("Nguyễn Văn An", ""),
        ("", ""),
        ("TS.", "TS."),
    ],
)
def test_names_of_two_people(one, other):
    # "TS." alone is a title of nobody; it has no name behind it, and stays what it is.
    assert same_person(one, other) is (one == other == "TS.")


@pytest.mark.parametrize("sender", [HERE, SHORT])
@pytest.mark.parametrize(
    ("certificate", "answer"),
    [
        (holder("SỞ NỘI VỤ TỈNH LẠNG SƠN"), Match.MATCH),
        (holder("Sở Nội vụ", "UBND TỈNH LẠNG SƠN"), Match.MATCH),
        (holder("SỞ NỘI VỤ", "UBND TỈNH", locality="Lạng Sơn"), Match.MATCH),
        (holder("UBND tỉnh Lạng Sơn - Sở Nội vụ"), Match.MATCH),
        (holder("Sở Nội vụ", units=("UBND tỉnh Lạng Sơn",)), Match.MATCH),
        (holder("X", identifiers=("MNS:h37.02",)), Match.MATCH),
        (holder("Sở Nội vụ", "UBND TỈNH CAO BẰNG"), Match.MISMATCH),
        (holder("Sở Nội vụ tỉnh Cao Bằng"), Match.MISMATCH),
        (holder("Sở Tài chính tỉnh Lạng Sơn"), Match.MISMATCH),
        (holder("Công ty TNHH ABC"), Match.MISMATCH),
        (holder("Sở Nội vụ tỉnh Lạng Sơn", identifiers=("MNS:H37.04",)), Match.MISMATCH),
        (holder("Phòng Tổ chức", "Sở Nội vụ tỉnh Lạng Sơn"), Match.MISMATCH),
        (holder("UBND TỈNH LẠNG SƠN"), Match.UNKNOWN),
        (holder("SNV tỉnh Lạng Sơn"), Match.UNKNOWN),
        (holder(""), Match.UNKNOWN),
    ],
)
def test_a_certificate_beside_a_sender(sender, certificate, answer):
    assert compare(sender, certificate) is answer


def test_numbers_the_catalogue_has_not_decide_nothing():
    own = holder("Sở Nội vụ tỉnh Lạng Sơn", identifiers=("MST:0102357802", "MNS:1032158"))
    other = holder("Sở Tài chính", identifiers=("MST:0102357802",))
    assert compare(HERE, own) is Match.MATCH
    assert compare(HERE, other) is Match.MISMATCH
    assert compare(HERE, holder("X", identifiers=("MNS:000.00.02.H37",))) is Match.MATCH


def test_a_name_without_its_province_is_nobodys_in_particular():
    assert compare(ALONE, holder("Sở Nội vụ tỉnh Cao Bằng")) is Match.UNKNOWN
    assert compare(ALONE, holder("Sở Nội vụ")) is Match.MATCH
    assert compare(AgencyNames(frozenset({"H37"})), holder("Sở Nội vụ")) is Match.UNKNOWN


def test_a_clerks_certificate_is_named_after_the_agency():
    clerk = holder("Văn thư Sở Nội vụ tỉnh Lạng Sơn")
    assert compare(HERE, clerk, is_clerk=True) is Match.MATCH
    assert compare(HERE, clerk) is Match.MISMATCH


def test_words_are_found_whole():
    assert contains("SAO Y; Sở Nội vụ", "Sao y")
    assert not contains("Sao yêu cầu", "Sao y")
    assert not contains("Sao y", "")
    assert folded("HOẢ  tốc") == folded("hỏa tốc")
