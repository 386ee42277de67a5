"""Metadata of a form: every field arrives, every fault is named, nothing else ever happens."""

import json
from dataclasses import fields
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain import envelope
from gateway.domain.envelope import BusinessType, Urgency
from gateway.domain.finding import Finding
from gateway.errors import Reason, RejectedError
from gateway.web.metadata import Metadata, StatusIn, read_json

WHOLE = {
    "sender": {
        "organ_id": "H37.02",
        "organization_in_charge": "UBND tỉnh",
        "organ_name": "UBND huyện",
        "organ_add": "1 Hùng Vương",
        "email": "a@b.vn",
        "telephone": "025",
        "fax": "026",
        "website": "b.vn",
    },
    "recipients": ["H37.05", {"organ_id": "000.00.00.G22", "organ_name": "VPCP"}],
    "document_id": "H37.02,2026/01/31,15/UBND-VP",
    "code_number": "15",
    "code_notation": "UBND-VP",
    "place": "Lạng Sơn",
    "promulgation_date": "2026-01-31",
    "type_code": 2,
    "type_detail": 0,
    "type_name": "Công văn",
    "subject": "V/v báo cáo",
    "content": "Nội dung\r\ndòng hai\tcột",
    "signer": {"competence": "KT.", "position": "Phó Chủ tịch", "full_name": "Trần Thị B"},
    "due_date": "2026-02-28",
    "urgency": 2,
    "sphere": "Công khai",
    "typer_notation": "TVC",
    "promulgation_amount": 3,
    "page_amount": 4,
    "reply_fors": "r",
    "direction": True,
    "reference_codes": "ref",
    "appendixes": ["PL 1", "PL 2"],
    "response_for": [
        {
            "organ_id": "G22",
            "code": "1/VPCP",
            "document_id": "G22,2026,1",
            "promulgation_date": "2026-01-01",
        }
    ],
    "steering_type": 1,
    "task_codes": ["T1"],
    "application_type": "app",
    "to_places": ["Lưu VT"],
    "business": {
        "doc_type": "update",
        "document_id": "H37.02,2026,7",
        "reason": "sửa",
        "paper": 1,
        "document_info": 1,
        "document_receiver": 0,
        "receivers": [{"organ_id": "H41", "receiver_type": 0}],
        "replacements": [{"document_id": "x", "organ_ids": ["H14"]}],
        "staff": {
            "department": "VP",
            "department_id": "1",
            "staff": "C",
            "staff_id": "2",
            "email": "c@b.vn",
            "mobile": "09",
        },
    },
    "secrecy": 0,
}


def read(value):
    return read_json(Metadata, json.dumps(value).encode(), "metadata")


def test_every_field_of_a_header_arrives():
    header = read(WHOLE).to_header()
    assert header == envelope.Header(
        sender=envelope.Organization(**WHOLE["sender"]),
        recipients=(
            envelope.Organization("H37.05"),
            envelope.Organization("000.00.00.G22", organ_name="VPCP"),
        ),
        document_id="H37.02,2026/01/31,15/UBND-VP",
        code_number="15",
        code_notation="UBND-VP",
        place="Lạng Sơn",
        promulgation_date=date(2026, 1, 31),
        type_code=2,
        type_detail=0,
        type_name="Công văn",
        subject="V/v báo cáo",
        content="Nội dung\r\ndòng hai\tcột",
        signer=envelope.Signer("KT.", "Phó Chủ tịch", "Trần Thị B"),
        due_date=date(2026, 2, 28),
        urgency=Urgency.VERY_URGENT,
        sphere="Công khai",
        typer_notation="TVC",
        promulgation_amount=3,
        page_amount=4,
        reply_fors="r",
        direction=True,
        reference_codes="ref",
        appendixes=("PL 1", "PL 2"),
        response_for=(envelope.ResponseFor("G22", "1/VPCP", "G22,2026,1", date(2026, 1, 1)),),
        steering_type=1,
        task_codes=("T1",),
        application_type="app",
        to_places=("Lưu VT",),
        business=envelope.Business(
            doc_type=BusinessType.UPDATE,
            document_id="H37.02,2026,7",
            reason="sửa",
            paper=1,
            document_info=1,
            document_receiver=0,
            receivers=(envelope.Receiver("H41", 0),),
            replacements=(envelope.Replacement("x", ("H14",)),),
            staff=envelope.StaffInfo("VP", "1", "C", "2", "c@b.vn", "09"),
        ),
    )


def test_the_form_knows_every_field_of_a_header_but_the_gateways_own():
    own = {"trace", "extras", "has_signature_block", "has_xml_signature"}
    header = {field.name for field in fields(envelope.Header)} - own
    assert set(Metadata.model_fields) == header | {"secrecy"}
    assert set(WHOLE) == set(Metadata.model_fields)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (0, Urgency.NORMAL),
        (4, Urgency.EXPRESS_TIMED),
        ("express", Urgency.EXPRESS),
        ("Hỏa tốc", Urgency.EXPRESS),
        ("HOẢ TỐC", Urgency.EXPRESS),
        ("hỏa tốc", Urgency.EXPRESS),  # combining marks
        (" thượng khẩn ", Urgency.VERY_URGENT),
    ],
)
def test_urgency_as_number_or_name(written, meant):
    assert read(WHOLE | {"urgency": written}).to_header().urgency is meant


@pytest.mark.parametrize("written", [5, -1, True, 1.0, "1", "", "gấp", None, [], {}])
def test_other_urgencies_are_refused(written):
    with pytest.raises(RejectedError) as refused:
        read(WHOLE | {"urgency": written})
    (finding,) = refused.value.findings
    assert finding.where == "/urgency"
    assert "từ 0 đến 4" in finding.vi
    assert "from 0 to 4" in finding.en


@pytest.mark.parametrize(
    ("change", "where", "rule"),
    [
        ({"sender": 3}, "/sender", "MD-10"),
        ({"sender": {}}, "/sender/organ_id", "MD-01"),
        ({"recipients": [""]}, "/recipients/0/organ_id", "MD-01"),
        ({"recipients": "H37"}, "/recipients", "MD-10"),
        ({"recipients": ["H1", {"organ_id": "x", "name": "y"}]}, "/recipients/1/name", "MD-10"),
        ({"promulgation_date": "2026-02-30"}, "/promulgation_date", "MD-10"),
        ({"promulgation_date": "2026-01-01T00:00:00"}, "/promulgation_date", "MD-10"),
        ({"promulgation_date": 1}, "/promulgation_date", "MD-10"),
        ({"code_number": 15}, "/code_number", "MD-10"),
        ({"direction": 1}, "/direction", "MD-10"),
        ({"page_amount": -1}, "/page_amount", "MD-10"),
        ({"page_amount": 2**31}, "/page_amount", "MD-10"),
        ({"secrecy": -1}, "/secrecy", "SEC-01"),
        ({"secrecy": "Mật"}, "/secrecy", "SEC-01"),
        ({"subject": "a\x00"}, "/subject", "FMT-06"),
        ({"subject": "a\ufffe"}, "/subject", "FMT-06"),
        ({"a/b~c": 1}, "/a~1b~0c", "MD-10"),
        ({"trace": []}, "/trace", "MD-10"),
        ({"business": {"staff": {"nme": 1}}}, "/business/staff/nme", "MD-10"),
    ],
)
def test_each_fault_is_named_with_its_place(change, where, rule):
    with pytest.raises(RejectedError) as refused:
        read(WHOLE | change)
    assert refused.value.reason is Reason.RULES_BROKEN
    (finding,) = refused.value.findings
    assert (finding.where, finding.rule) == (where, rule)
    assert finding.vi
    assert finding.en


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"subject": "\\ud800"}', b"[" * 100_000])
def test_what_is_not_json_is_malformed(data):
    with pytest.raises(RejectedError) as refused:
        read_json(Metadata, data, "metadata")
    assert refused.value.reason is Reason.MALFORMED


def test_findings_are_bounded_and_never_repeat_values():
    with pytest.raises(RejectedError) as refused:
        read(WHOLE | {"task_codes": [12345678] * 5000})
    assert len(refused.value.findings) == 100
    assert "12345678" not in repr(refused.value.findings)


@pytest.mark.parametrize("code", ["02", "03", "04", "05", "06", "15", "16"])
def test_status_codes(code):
    assert read_json(StatusIn, json.dumps({"code": code}).encode(), "status").code == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(Metadata.model_fields)) | st.text(), JSON))
def test_anything_is_a_header_or_a_refusal_with_findings(value):
    data = json.dumps(WHOLE | value).encode()
    refusal = None
    try:
        header = read_json(Metadata, data, "metadata").to_header()
    except RejectedError as refused:
        refusal = refused
    if refusal is None:
        assert isinstance(header, envelope.Header)
    else:
        assert refusal.findings
        assert all(isinstance(finding, Finding) for finding in refusal.findings)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused_cleanly(data):
    with pytest.raises(RejectedError):
        read_json(Metadata, data, "metadata")
