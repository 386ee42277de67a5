"""Finding an agency: by code in both notations, by words of its name, ranked, hubs never."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.agencysearch import MOST, AgencyIndex
from gateway.domain.directory import Agency, AgencyKind, AgencyStatus, Alias, Directory
from gateway.domain.folding import plain

DAY = date(2026, 11, 22)
ROWS = [
    Agency("H37", "UBND tỉnh Lạng Sơn", hop="local", legacy_code="000.00.00.H37"),
    Agency("H37.02", "Sở Nội vụ tỉnh Lạng Sơn", hop="local", legacy_code="000.00.02.H37"),
    Agency("H37.03", "Sở Y tế tỉnh Lạng Sơn", legacy_code="000.00.03.H37"),
    Agency("H28", "UBND tỉnh Hòa Bình", status=AgencyStatus.CLOSED, successor="H44"),
    Agency("H44", "UBND tỉnh Phú Thọ", hop="truc"),
    Agency("H44.01", "UBND xã Hoà Bình", hop="truc"),
    Agency("H44.02", "UBND xã Hoa Binh Mới", hop="truc"),
    Agency("H44.03", "Trường Tiểu học Đại Từ", hop="truc"),
    Agency("G09", "Bộ Nội vụ", hop="truc", legacy_code="000.00.00.G09"),
    Agency("H37.11", "Mai mới mở", valid_from=date(2027, 1, 1)),
    Agency("H37.12", "Bị khóa", status=AgencyStatus.LOCKED),
    Agency("02.29.W00", "Trung tâm liên thông Nội vụ", hop="truc"),
    Agency("K99", "Trục Nội vụ", kind=AgencyKind.HUB),
]
INDEX = AgencyIndex(Directory(ROWS, [Alias("28.02.H37", "H37.02")]))


def found(text, **how):
    return [a.code for a in INDEX.find(text, DAY, **how)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("noi vu", ["G09", "H37.02"]),
        ("Nội Vụ Bộ", ["G09"]),  # any order
        ("bo n", ["G09"]),  # starts of words
        ("lang so", ["H37", "H37.03", "H37.02"]),
        ("so lang", ["H37", "H37.03", "H37.02"]),  # the body above first, then the shorter name
        ("so noi", ["H37.02"]),
        ("y te", ["H37.03"]),
        ("dai tu", ["H44.03"]),  # đ is d
        ("ĐẠI TỪ", ["H44.03"]),
        ("h37.0", ["H37.02", "H37.03"]),
        ("H37.02", ["H37.02"]),
        ("000.00.02", ["H37.02"]),
        ("02.h37", ["H37.02"]),  # as shortened in practice
        ("28.02", ["H37.02"]),  # an alias
        ("Ｇ０９", ["G09"]),
        (" g09 ", ["G09"]),
        ("", []),
        ("  ,. ", []),
        ("ội vụ", []),  # no start of a word
        ("nội vụ phú thọ", []),
        ("w00", []),
        ("02.29", []),
        ("trung tâm", []),
        ("trục", []),
    ],
)
def test_what_is_found_in_which_order(text, codes):
    assert found(text) == codes


def test_accents_that_were_typed_come_first():
    assert found("hoa binh") == ["H44.01", "H44.02"]
    assert found("hoa binh moi") == ["H44.02"]
    assert found("xã hòa bình") == ["H44.01", "H44.02"]
    assert found("xã hoa bình m") == ["H44.02"]


def test_closed_codes_come_when_asked_for_and_last():
    assert "H28" not in found("tinh")
    assert found("hoa binh", closed=True) == ["H44.01", "H44.02", "H28"]
    assert found("h28", closed=True) == ["H28"]
    assert found("khoa") == []
    assert found("mai mo") == []
    assert [a.code for a in INDEX.find("mai mo", date(2027, 1, 1))] == ["H37.11"]


def test_bounds():
    assert found("h", limit=3) == found("h")[:3]
    assert found("h", limit=0) == []
    assert len(found("h", limit=10**6)) <= MOST
    assert found("a" * 10_000) == []
    assert found("ubnd " * 500) == ["H44", "H37", "H44.01", "H44.02"]
    assert len(INDEX) == 11
    assert AgencyIndex(Directory([])).find("x", DAY) == ()


WORDS = ["Sở", "Xã", "Hòa", "Hoà", "Bình", "Đông", "Dong", "An", "Ân", "Tân", "Phú"]


@settings(max_examples=60)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=12),
    st.lists(st.sampled_from([w[:n] for w in WORDS for n in (1, 2, 3)]), min_size=1, max_size=3),
)
def test_all_and_only_those_with_every_word(names, typed):
    rows = [Agency(f"Q{n:02d}", " ".join(name)) for n, name in enumerate(names)]
    index = AgencyIndex(Directory(rows))
    wanted = [plain(word) for word in typed]
    expected = {
        row.code
        for row in rows
        if all(any(w.startswith(part) for w in plain(row.name).split()) for part in wanted)
    }
    assert {a.code for a in index.find(" ".join(typed), DAY, limit=MOST)} == expected


def test_130_000_agencies():
    """The whole country, kept cheap; times are in docs/operations.md."""
    rows = [
        Agency(f"H{n % 63 + 1:02d}.{n}", f"Xã {WORDS[n % 11]} {n // 11 % 1000}")
        for n in range(130_000)
    ]
    rows.append(Agency("H99.1", "Trạm Kiểm lâm Ba Bể"))
    index = AgencyIndex(Directory(rows))
    assert [a.code for a in index.find("be kiem", DAY)] == ["H99.1"]
    assert len(index.find("xa", DAY)) == 20
    assert len(index.find("h01.1", DAY, limit=100)) == 100
    assert [a.code for a in index.find("h99", DAY)] == ["H99.1"]
