"""MD-*, SND-13: what must be there, how long it may be, and whether the hop takes it."""

from datetime import date

import pytest

from gateway.domain.envelope import Business, BusinessType, ManifestEntry, Organization, Signer
from gateway.domain.finding import Severity
from gateway.rules.content import lengths
from gateway.rules.registry import HopLimit
from tests.world.rule_facts import attachment, facts, header, judge

ERROR, WARNING = Severity.ERROR, Severity.WARNING


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"code_number": " "}, "Code/CodeNumber"),
        ({"code_notation": ""}, "Code/CodeNotation"),
        ({"promulgation_date": None}, "PromulgationInfo/PromulgationDate"),
        ({"subject": "  "}, "Subject"),
        ({"recipients": ()}, "To"),
    ],
)
def test_what_the_law_requires_refuses_out_and_warns_in(change, where):
    bad = header(document_id="", **change)
    for direction, severity in (("out", ERROR), ("in", WARNING)):
        found = [f for f in judge(header=bad, direction=direction) if f.rule == "MD-01"]
        assert [(f.severity, f.refusal) for f in found] == [(severity, "R08")]
        assert found[0].where.endswith(f"MessageHeader/{where}")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"type_name": ""}, "TypeName"),
        ({"signer": None}, "FullName"),
        ({"signer": Signer("", "Giám đốc", "")}, "FullName"),
        ({"signer": Signer("", "", "Nguyễn Văn A")}, "Position"),
    ],
)
def test_what_old_kits_leave_out_only_warns(change, where):
    (found,) = judge(header=header(**change))
    assert (found.rule, found.severity) == ("MD-01", WARNING)
    assert found.where.endswith(where)


def test_number_and_notation_in_one_field_are_enough():
    assert judge(header=header(code_number="123/SNV-VP", code_notation="")) == ()


@pytest.mark.parametrize(
    ("day", "severity"),
    [
        (date(2026, 11, 22), None),
        (date(2026, 11, 23), WARNING),
        (date(2028, 1, 1), ERROR),
        (date(9999, 12, 31), ERROR),
        (date(10, 1, 5), ERROR),
    ],
)
def test_dates_that_cannot_be(day, severity):
    found = judge(header=header(promulgation_date=day, document_id=""))
    assert [(f.rule, f.severity) for f in found] == ([("MD-05", severity)] if severity else [])


def test_a_sending_without_the_document_is_refused_but_a_recall_may_be():
    (found,) = judge(attachments=())
    assert (found.rule, found.severity, found.refusal) == ("MD-01", ERROR, "R02")
    recall = header(business=Business(BusinessType.RECALL, reason="gửi nhầm"))
    assert judge(attachments=(), header=recall) == ()


def test_an_empty_file_is_refused():
    found = judge(attachments=[attachment(size=0)], heads={0: b""})
    assert ("MD-01", ERROR) in {(f.rule, f.severity) for f in found}


@pytest.mark.parametrize("direction", ["out", "in"])
def test_a_missing_and_an_extra_file_are_errors_both_ways(direction):
    manifest = (ManifestEntry("id0"), ManifestEntry("gone", name="phu luc.pdf"))
    found = judge(
        attachments=[attachment(0), attachment(1)], manifest=manifest, direction=direction
    )
    assert [(f.rule, f.severity, f.refusal) for f in found] == [("MD-01", ERROR, "R02")] * 2
    assert "phu luc.pdf" in found[0].vi
    assert found[0].where.endswith("Reference[2]")
    assert found[1].where.endswith("Attachment[2]/ContentId")


def test_no_manifest_at_all_is_a_warning():
    (found,) = judge(manifest=())
    assert (found.rule, found.severity) == ("MD-01", WARNING)
    assert judge(manifest=(), attachments=()) != ()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"code_number": "1" * 12}, "CodeNumber"),
        ({"code_notation": "A" * 31}, "CodeNotation"),
        ({"subject": "x" * 501}, "Subject"),
        ({"type_name": "x" * 101}, "TypeName"),
        ({"sender": Organization("H37.02", organ_name="x" * 201)}, "OrganName"),
        ({"signer": Signer("", "Giám đốc", "x" * 51)}, "FullName"),
    ],
)
def test_long_values_warn_and_are_never_cut(change, name):
    (found,) = list(lengths(facts(header=header(**change))))
    assert (found.rule, found.severity) == ("MD-02", WARNING)
    assert found.where.endswith(name)


def test_values_at_the_limit_are_silent():
    assert list(lengths(facts(header=header(subject="x" * 500, code_number="1" * 11)))) == []


def test_long_file_names_warn():
    (found,) = list(lengths(facts(attachments=[attachment(name="a" * 200 + ".pdf")])))
    assert found.where.endswith("AttachmentName")


def test_the_next_hops_limit_refuses_before_acceptance_and_names_the_hop():
    limits = (HopLimit("Trục quốc gia", 50_000_000), HopLimit("Trục tỉnh", 90_000_000))
    (found,) = judge(packet_bytes=60_000_000, limits=limits)
    assert (found.rule, found.severity) == ("SND-13", ERROR)
    assert "Trục quốc gia" in found.vi
    assert "60.0 MB" in found.en
    assert judge(packet_bytes=50_000_000, limits=limits) == ()
    assert judge(packet_bytes=None, limits=limits) == ()
