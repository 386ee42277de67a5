"""Codes lead to agencies through the catalogue, by date, and never by guessing.

Rules: ID-01, ID-04, ID-05, ID-06, ID-07, ID-09.
"""

from datetime import date

import pytest

from gateway.domain.catalogue_data import CLOSED_PROVINCES, MINISTRIES, PROVINCES, national_agencies
from gateway.domain.directory import (
    Agency,
    AgencyKind,
    AgencyStatus,
    Alias,
    CodeForm,
    Directory,
    Resolved,
    Unknown,
    Via,
)
from gateway.errors import Reason

TODAY = date(2026, 11, 22)


@pytest.fixture
def directory():
    return Directory(
        [
            Agency("H37", "UBND tỉnh Lạng Sơn", hop="local", legacy_code="000.00.00.H37"),
            Agency("H37.02", "Sở Nội vụ", parent="H37", hop="local", legacy_code="000.00.05.H37"),
            Agency("H37.09", "Sở bị khóa", parent="H37", status=AgencyStatus.LOCKED, hop="local"),
            Agency("H37.10", "Chưa liên thông", parent="H37"),
            Agency("H37.11", "Mai mới mở", parent="H37", valid_from=date(2027, 1, 1), hop="local"),
            Agency("02.29.W00", "Trung tâm tích hợp", kind=AgencyKind.HUB, hop="vxp"),
            *(a for a in national_agencies("vxp") if a.code != "H37"),
        ],
        [
            Alias("28.02.H37", "H37.02", valid_to=date(2026, 12, 31)),
            Alias("000.00.07.H37", "H37.02", valid_to=date(2020, 12, 31)),
            Alias("000.00.07.H37", "H37.10", valid_from=date(2021, 1, 1)),
            Alias("000.00.99.H37", "H37.02", valid_to=date(2022, 6, 30)),
        ],
    )


def test_old_and_new_notation_are_one_agency(directory):
    old, new = directory.resolve("000.00.00.H37", TODAY), directory.resolve("h37 ", TODAY)
    assert isinstance(old, Resolved)
    assert old.canonical == new.canonical == "H37"
    assert (old.via, new.via) == (Via.LEGACY, Via.CODE)
    assert old.reason is None


def test_string_surgery_is_never_done(directory):
    assert isinstance(directory.resolve("02.H37", TODAY), Unknown)
    assert directory.resolve("02.H37", TODAY).reason is Reason.RECIPIENT_UNKNOWN


def test_an_alias_given_out_anew_goes_by_its_dates(directory):
    assert directory.resolve("000.00.07.H37", date(2020, 6, 1)).canonical == "H37.02"
    assert directory.resolve("000.00.07.H37", date(2024, 6, 1)).canonical == "H37.10"


def test_an_expired_alias_resolves_as_closed_with_its_agency_as_successor(directory):
    found = directory.resolve("000.00.99.H37", TODAY)
    assert found.via is Via.EXPIRED_ALIAS
    assert found.status is AgencyStatus.CLOSED
    assert found.reason is Reason.RECIPIENT_CLOSED
    assert found.successor.code == "H37.02"


def test_a_closed_province_is_refused_but_readable(directory):
    found = directory.resolve("H25", TODAY)
    assert found.agency.name == "UBND tỉnh Hà Nam"
    assert found.reason is Reason.RECIPIENT_CLOSED
    assert found.successor.code == "H42"
    assert directory.resolve("H25", date(2025, 6, 30)).status is AgencyStatus.CLOSED


def test_validity_dates_close_an_agency_that_the_catalogue_calls_active():
    directory = Directory([Agency("H25", "x", valid_to=date(2025, 6, 30), hop="vxp")])
    assert directory.resolve("H25", date(2025, 6, 30)).reason is None
    assert directory.resolve("H25", date(2025, 7, 1)).reason is Reason.RECIPIENT_CLOSED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("H37.02", None),
        ("H37.09", Reason.RECIPIENT_LOCKED),
        ("H37.10", Reason.NOT_CONNECTED),
        ("H37.11", Reason.RECIPIENT_UNKNOWN),
        ("02.29.W00", Reason.RECIPIENT_UNKNOWN),
        ("X99", Reason.RECIPIENT_UNKNOWN),
    ],
)
def test_why_nothing_can_be_sent(directory, code, reason):
    assert directory.resolve(code, TODAY).reason is reason


def test_successors_are_followed_to_the_end_and_circles_end(directory):
    chain = Directory(
        [
            Agency("A01", "a", successor="A02"),
            Agency("A02", "b", successor="A03"),
            Agency("A03", "c"),
            Agency("B01", "x", successor="B02"),
            Agency("B02", "y", successor="B01"),
        ]
    )
    assert chain.successor_of("A01", TODAY).one.code == "A03"
    assert chain.successor_of("A03", TODAY).codes == ()
    assert chain.successor_of("B01", TODAY).one.code == "B02"
    assert {f.where for f in chain.findings() if f.rule == "ID-05"} == {"B01", "B02"}
    assert chain.lineage("B01") == {"B01", "B02"}


def test_lineage_leads_up_or_down_but_not_across(directory):
    assert directory.lineage("H25") == {"H25", "H42"}
    assert directory.lineage("H42") == {"H25", "H40", "H42"}
    assert directory.same("H25", "H42", TODAY)
    assert directory.same("000.00.00.H25", "H42", TODAY)
    assert not directory.same("H25", "H40", TODAY)


def test_a_code_is_rendered_as_the_peer_expects(directory):
    assert directory.render("H37", CodeForm.LEGACY) == "000.00.00.H37"
    assert directory.render("H37", CodeForm.NEW) == "H37"
    assert directory.render("H37.10", CodeForm.LEGACY) == "H37.10"
    assert directory.render("X99", CodeForm.LEGACY) == "X99"


def test_hubs_and_closed_codes_are_not_offered_to_clerks(directory):
    codes = {a.code for a in directory.pickable(TODAY)}
    assert {"H37", "H37.02", "H42"} <= codes
    assert not codes & {"02.29.W00", "H25", "H37.09", "H37.11"}


def test_a_bad_catalogue_is_reported_line_by_line():
    directory = Directory(
        [
            Agency("H37", "a"),
            Agency("h37", "again"),
            Agency("H37.01", "b", parent="H99"),
            Agency("H37.02", "c", successor="H98"),
        ],
        [Alias("1", "H97")],
    )
    assert {(f.rule, f.where) for f in directory.findings()} == {
        ("ID-01", "h37"),
        ("ID-06", "H37.01"),
        ("ID-05", "H37.02"),
        ("ID-04", "1"),
    }
    assert len(directory) == 3
    assert directory.get("H37").name == "a"


def test_the_shipped_catalogue_is_sound():
    directory = Directory(national_agencies("vxp"))
    assert directory.findings() == ()
    assert len(PROVINCES) == 34
    assert len(PROVINCES) + len(CLOSED_PROVINCES) == 63
    assert {r.certainty for r in (*MINISTRIES, *PROVINCES, *CLOSED_PROVINCES)} == {"Q", "M"}
    for row in CLOSED_PROVINCES:
        assert directory.resolve(row.code, TODAY).successor.code in {p.code for p in PROVINCES}
        assert directory.resolve(row.code, TODAY).agency.hop == ""
    assert all(a.hop == "vxp" for a in directory.pickable(TODAY))
