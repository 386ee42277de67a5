"""What a sender goes by: catalogue first, the message's own words where they do not contradict it."""

from dataclasses import replace
from datetime import date

from gateway.domain.directory import Agency, Directory
from gateway.domain.envelope import Envelope, Organization
from gateway.programs.senders import names_of
from tests.world.rule_facts import HEADER

DAY = date(2026, 11, 22)
DIRECTORY = Directory(
    [
        Agency("H37", "UBND tỉnh Lạng Sơn", legacy_code="000.00.00.H37"),
        Agency("H37.02", "Sở Nội vụ", parent="H37", legacy_code="000.00.02.H37"),
        Agency("H37.05", "Sở Thông tin", valid_to=date(2025, 3, 1), successor="H37.06"),
        Agency("H37.06", "Sở Khoa học", parent="H37"),
        Agency("A01", "Vòng A", parent="A02"),
        Agency("A02", "Vòng B", parent="A01"),
    ]
)


def names(code, stated="", above=""):
    sender = Organization(code, organization_in_charge=above, organ_name=stated)
    return names_of(DIRECTORY, Envelope(replace(HEADER, sender=sender), (), ()), DAY)


def test_codes_and_the_bodies_above():
    found = names("h37.02 ", "Sở Nội vụ tỉnh Lạng Sơn")
    assert found.codes == {"H37.02"}
    assert found.other_codes == {"000.00.02.H37"}
    assert found.names == ("Sở Nội vụ", "Sở Nội vụ tỉnh Lạng Sơn")
    assert found.above == ("UBND tỉnh Lạng Sơn",)


def test_the_old_notation_is_the_same_agency():
    found = names("000.00.02.H37")
    assert found.codes == {"000.00.02.H37", "H37.02"}
    assert found.names == ("Sở Nội vụ",)


def test_a_name_that_contradicts_the_catalogue_is_not_taken():
    assert names("H37.02", "Sở Tài chính tỉnh Lạng Sơn").names == ("Sở Nội vụ",)
    assert names("H37.02", "Sở Nội vụ tỉnh Cao Bằng").names == ("Sở Nội vụ",)


def test_who_was_taken_over_keeps_its_name_and_code():
    found = names("H37.06")
    assert found.names == ("Sở Khoa học", "Sở Thông tin")
    assert "H37.05" in found.other_codes


def test_an_unknown_sender_is_what_the_message_says():
    found = names("G09", "Bộ Nội vụ", "Chính phủ")
    assert (found.codes, found.names, found.above) == ({"G09"}, ("Bộ Nội vụ",), ("Chính phủ",))
    assert names("G09").names == ()


def test_a_circle_in_the_catalogue_ends():
    assert names("A01").above == ("Vòng B",)
