from dataclasses import replace
from datetime import date, datetime

import pytest

from gateway.codec.dates import LOCAL
from gateway.codec.edxml import status_from_json, status_to_json
from gateway.codec.schema import check
from gateway.codec.split import split_bytes
from gateway.codec.status import emit_status, parse_status
from gateway.domain.envelope import Organization, ResponseFor, StaffInfo, StatusReport
from gateway.errors import Reason, RejectedError

REPORT = StatusReport(
    Organization("H37.05", organ_name="Phường Hai"),
    ResponseFor("H37.02", "15/SM-VP", "H37.02,2026/03/02,15/SM-VP", date(2026, 3, 2)),
    "02",
    "Gửi nhầm nơi nhận",
    datetime(2026, 3, 3, 7, 0, 1, tzinfo=LOCAL),
    StaffInfo("Văn phòng", staff="Người Trực"),
)


def test_round_trip_and_strict_form():
    packet = emit_status(REPORT)
    assert parse_status(packet) == REPORT
    assert check(split_bytes(packet)) == ()
    assert emit_status(parse_status(packet)) == packet
    assert status_from_json(status_to_json(REPORT)) == REPORT


def test_status_in_place_of_message_header():
    packet = emit_status(REPORT).replace(b"edXML:MessageHeader", b"edXML:Status")
    report = parse_status(packet)
    assert [r.code for r in report.repairs] == ["status-element"]
    assert replace(report, repairs=()) == REPORT


def test_one_digit_is_padded():
    report = parse_status(emit_status(REPORT).replace(b"Code>02<", b"Code>2<"))
    assert report.code == "02"
    assert [r.code for r in report.repairs] == ["status-code-padding"]


@pytest.mark.parametrize("code", ["999", "07", "XX"])
def test_unknown_codes_are_data(code):
    report = parse_status(emit_status(REPORT).replace(b"Code>02<", f"Code>{code}<".encode()))
    assert report.code == code
    assert report.repairs == ()


def test_old_dates_and_unknown_elements():
    packet = emit_status(REPORT).replace(b"2026/03/03 07:00:01", b"03/03/2026 07:00:01")
    packet = packet.replace(b"<edXML:StatusCode>", b"<edXML:La/><edXML:StatusCode>")
    report = parse_status(packet)
    assert [r.code for r in report.repairs] == ["date-dmy", "unknown-dropped"]
    assert report.at == REPORT.at


def test_without_code_it_is_refused():
    with pytest.raises(RejectedError) as caught:
        parse_status(emit_status(REPORT).replace(b"Code>02<", b"Code> <"))
    assert caught.value.reason is Reason.MALFORMED
    assert caught.value.findings[0].where.endswith("StatusCode")


def test_a_document_is_no_status(packet):
    with pytest.raises(RejectedError) as caught:
        parse_status(packet)
    assert caught.value.reason is Reason.MALFORMED


def test_lint_tells_a_bad_status(packet):
    bad = emit_status(replace(REPORT, at=None, code="2"))
    assert {f.where.rpartition("/")[2] for f in check(split_bytes(bad))} == {
        "StatusCode", "MessageHeader"}  # fmt: skip
