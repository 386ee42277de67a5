"""One delivery per agency, one digest per content, and what a repeat is.

Rules: DID-07, ID-04, ID-05, SND-04.
"""

import unicodedata
from dataclasses import replace
from datetime import date

import pytest

from gateway.domain.consignment import (
    Earlier,
    Repeat,
    content_digest,
    judge_repeat,
    plan_deliveries,
)
from gateway.domain.directory import Agency, Alias, Directory
from gateway.domain.envelope import (
    Attachment,
    Business,
    BusinessType,
    Envelope,
    Extra,
    Header,
    ManifestEntry,
    Organization,
    ResponseFor,
    Signer,
    TraceHop,
    Urgency,
)
from gateway.domain.lifecycle import DeliveryState
from gateway.errors import Reason

TODAY = date(2026, 11, 22)
D = DeliveryState


@pytest.fixture
def directory():
    return Directory(
        [
            Agency("H37", "UBND tỉnh Lạng Sơn", hop="local", legacy_code="000.00.00.H37"),
            Agency("G22", "Văn phòng Chính phủ", hop="vxp"),
            Agency("H37.10", "Chưa liên thông"),
            Agency("H25", "Hà Nam", valid_to=date(2025, 6, 30), successor="H42"),
            Agency("H42", "Ninh Bình", hop="vxp"),
        ],
        [Alias("000.00.99.H37", "H37", valid_to=date(2022, 1, 1))],
    )


def _to(*codes):
    return tuple(Organization(c, organ_name=f"tên {c}") for c in codes)


def test_old_and_new_code_are_one_delivery_in_the_senders_order(directory):
    plan = plan_deliveries(_to("G22", "000.00.00.H37", "H37", "h37"), directory, TODAY)
    assert [(p.agency, p.addressed_as) for p in plan] == [
        ("G22", ("G22",)),
        ("H37", ("000.00.00.H37", "H37", "h37")),
    ]
    assert all(p.state is D.PENDING for p in plan)


def test_one_bad_recipient_does_not_sink_the_others(directory):
    plan = plan_deliveries(_to("H37", "H25", "H37.10", "X99"), directory, TODAY)
    assert [(p.agency, p.reason, p.state) for p in plan] == [
        ("H37", None, D.PENDING),
        ("H25", Reason.RECIPIENT_CLOSED, D.NOT_CONNECTED),
        ("H37.10", Reason.NOT_CONNECTED, D.NOT_CONNECTED),
        ("X99", Reason.RECIPIENT_UNKNOWN, D.NOT_CONNECTED),
    ]
    assert plan[1].successor == "H42"
    assert plan[3].name == "tên X99"


def test_an_expired_alias_beside_the_good_code_does_not_close_the_delivery(directory):
    for codes in (("000.00.99.H37", "H37"), ("H37", "000.00.99.H37")):
        (plan,) = plan_deliveries(_to(*codes), directory, TODAY)
        assert plan.reason is None
        assert plan.hop == "local"
        assert plan.addressed_as == codes


HEADER = Header(
    sender=Organization("H37.02", organ_name="Sở Nội vụ"),
    recipients=_to("H37"),
    document_id="H37.02,2026/11/20,5/SNV",
    code_number="5",
    code_notation="SNV",
    promulgation_date=date(2026, 11, 20),
    type_name="Công văn",
    subject="V/v báo cáo",
    signer=Signer("", "Giám đốc", "Nguyễn Văn A"),
    response_for=(ResponseFor("H37", "1/A", "x"), ResponseFor("G22", "2/B", "y")),
)
FILES = (
    Attachment(0, "a.pdf", "a.pdf", "id0", "application/pdf", "", "1" * 64, 10),
    Attachment(1, "b.pdf", "b.pdf", "id1", "application/pdf", "", "2" * 64, 10),
)
ENVELOPE = Envelope(HEADER, (ManifestEntry("id0"), ManifestEntry("id1")), FILES)


def _with(**changes):
    return content_digest(replace(ENVELOPE, header=replace(HEADER, **changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"recipients": _to("G22", "H42")},
        {"trace": (TraceHop("02.29.W00", None),)},
        {"document_id": "9fbfbad2-f1f8-4256-a2eb-50fb1061cddb"},
        {"has_signature_block": True, "has_xml_signature": True},
        {"direction": False},
        {"steering_type": 0, "type_code": 2, "page_amount": 1, "promulgation_amount": 1},
        {"extras": (Extra("edXML", "<x/>"),)},
        {"subject": unicodedata.normalize("NFD", " V/v  báo cáo ")},
        {"sender": Organization(" h37.02", organ_name="khác", email="x@y")},
        {"response_for": HEADER.response_for[::-1]},
        {"signer": Signer("", "Giám đốc ", "Nguyễn Văn A")},
    ],
)
def test_what_an_axis_rewrites_is_the_same_content(changes):
    assert _with(**changes) == content_digest(ENVELOPE)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "V/v khác"},
        {"code_number": "6"},
        {"promulgation_date": date(2026, 11, 21)},
        {"urgency": Urgency.EXPRESS},
        {"due_date": date(2026, 12, 1)},
        {"type_code": 1},
        {"page_amount": 2},
        {"direction": True},
        {"signer": None},
        {"business": Business(BusinessType.RECALL, reason="sai")},
        {"response_for": ()},
        {"sender": Organization("H37.03")},
    ],
)
def test_what_a_person_changed_is_other_content(changes):
    assert _with(**changes) != content_digest(ENVELOPE)


def test_files_count_by_their_bytes_only():
    renamed = tuple(
        replace(f, name="x", content_id="y", content_type="application/zip", wrapped_sha256="9")
        for f in FILES
    )
    assert content_digest(replace(ENVELOPE, attachments=renamed)) == content_digest(ENVELOPE)
    assert content_digest(replace(ENVELOPE, attachments=FILES[:1])) != content_digest(ENVELOPE)
    # The main document comes first, so another order is other content.
    assert content_digest(replace(ENVELOPE, attachments=FILES[::-1])) != content_digest(ENVELOPE)
    other = (replace(FILES[0], sha256="3" * 64), FILES[1])
    assert content_digest(replace(ENVELOPE, attachments=other)) != content_digest(ENVELOPE)


EARLIER = Earlier("aa", 2, {"H37": D.ARRIVED, "G22": D.RETURNED, "H42": D.FAILED})


@pytest.mark.parametrize(
    ("digest", "agencies", "kind", "version", "new"),
    [
        ("aa", ["H37", "G22"], Repeat.SAME, 2, ()),
        ("aa", ["H37", "H01"], Repeat.MORE_RECIPIENTS, 2, ("H01",)),
        ("bb", ["G22", "H42"], Repeat.RESEND, 3, ("G22", "H42")),
        ("bb", ["G22", "H37"], Repeat.CONFLICT, 2, ()),
        ("bb", ["H01"], Repeat.CONFLICT, 2, ()),
        ("bb", [], Repeat.CONFLICT, 2, ()),
    ],
)
def test_repeats(digest, agencies, kind, version, new):
    judged = judge_repeat(EARLIER, digest, agencies)
    assert (judged.kind, judged.version, judged.agencies) == (kind, version, new)


def test_nothing_on_record_is_fresh_and_an_update_is_other_content_by_intent():
    fresh = judge_repeat(None, "aa", ["H37", "H37"])
    assert (fresh.kind, fresh.version, fresh.agencies) == (Repeat.FRESH, 1, ("H37",))
    update = judge_repeat(EARLIER, "bb", ["H37"], BusinessType.UPDATE)
    assert (update.kind, update.version) == (Repeat.FRESH, 3)
    again = judge_repeat(EARLIER, "aa", ["H37"], BusinessType.UPDATE)
    assert again.kind is Repeat.SAME
