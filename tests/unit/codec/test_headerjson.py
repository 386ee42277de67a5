import json
from datetime import datetime, timedelta, timezone

import pytest

from gateway.codec.edxml import (
    envelope_from_json,
    envelope_to_json,
    header_from_json,
    header_to_json,
)
from gateway.domain.envelope import TraceHop
from gateway.errors import Reason, RejectedError

MINIMAL = {"sender": {"organ_id": "H1"}, "recipients": []}


def test_lossless_through_text(header, read, packet):
    assert header_from_json(json.loads(json.dumps(header_to_json(header)))) == header
    envelope = read(packet).envelope
    assert envelope_from_json(json.loads(json.dumps(envelope_to_json(envelope)))) == envelope


def test_absent_keys_take_their_defaults():
    header = header_from_json(MINIMAL)
    assert header.urgency == 0
    assert header.business.doc_type == 0
    assert header.subject == ""


def test_moments_are_local():
    at = datetime(2026, 1, 1, 0, 0, 0, tzinfo=timezone(timedelta(0)))
    header = header_from_json(MINIMAL | {"trace": [{"organ_id": "H1", "at": at.isoformat()}]})
    assert header.trace == (TraceHop("H1", at),)
    assert header_to_json(header)["trace"][0]["at"] == "2026-01-01T07:00:00+07:00"


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"subject": 1}, "subject"),
        ({"subject": "a\x00"}, "subject"),
        ({"subject": "\ud800"}, "subject"),
        ({"lạ": 1}, "lạ"),
        ({"urgency": 5}, "urgency"),
        ({"urgency": "1"}, "urgency"),
        ({"urgency": True}, "urgency"),
        ({"page_amount": -1}, "page_amount"),
        ({"page_amount": 1.5}, "page_amount"),
        ({"direction": "true"}, "direction"),
        ({"promulgation_date": "02/03/2026"}, "promulgation_date"),
        ({"promulgation_date": "2026-02-30"}, "promulgation_date"),
        ({"trace": [{"organ_id": "H1", "at": "2026-01-01T00:00:00"}]}, "trace[0].at"),
        ({"recipients": {}}, "recipients"),
        ({"recipients": [{"organ_name": "x"}]}, "recipients[0].organ_id"),
        ({"recipients": ["H1"]}, "recipients[0]"),
        ({"business": {"replacements": [{"document_id": None}]}}, "business.replacements[0].document_id"),
    ],
)  # fmt: skip
def test_faults_name_the_field(change, where):
    with pytest.raises(RejectedError) as caught:
        header_from_json(MINIMAL | change)
    assert caught.value.reason is Reason.BAD_REQUEST
    assert [f.where for f in caught.value.findings] == [where]


def test_all_faults_at_once():
    with pytest.raises(RejectedError) as caught:
        header_from_json({"subject": 1, "urgency": 9, "x": 1})
    assert {f.where for f in caught.value.findings} == {
        "subject", "urgency", "x", "sender", "recipients"}  # fmt: skip


@pytest.mark.parametrize("data", [None, [], "x", 1])
def test_no_object_at_all(data):
    with pytest.raises(RejectedError):
        header_from_json(data)
