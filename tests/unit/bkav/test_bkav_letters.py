"""What Bkav's answers mean, and letters ⇄ packets: any of them is read or refused, nothing else."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from adapters.bkav import letters, soap, wire, writing
from adapters.bkav.client import failed
from adapters.shared import ways
from gateway.codec.parse import parse_envelope
from gateway.codec.split import split_bytes
from gateway.codec.status import emit_status, parse_status
from gateway.domain.envelope import (
    Attachment,
    Envelope,
    Header,
    Organization,
    ResponseFor,
    StaffInfo,
    StatusReport,
    TraceHop,
)
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Busy, Refused, Taken
from tests.world import bkav_kit as kit

WORDS = st.text(
    alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    max_size=12,
)


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (["18"], "18"),
        (["9999", "22", "N.Subject"], "22"),
        (["N.Subject"], "22"),
        (["X", "T.Type"], "22"),
        (["M.Token"], ""),
        (["M.OrganId", "N.Subject"], ""),
        (["15", "N.Subject"], ""),
        (["20", "MD-01"], ""),
        (["9999"], ""),
        (["Q.Subject"], ""),
        ([""], ""),
        ([], ""),
    ],
)
def test_which_codes_are_final(codes, expected):
    assert wire.refusal_code([wire.Fault(code, "x") for code in codes]) == expected


def test_a_status_their_bus_has_already_is_taken():
    faults = [wire.Fault("M.UpdateTraces", "đã có trạng thái 1")]
    assert isinstance(failed(faults, kind="status"), Taken)
    assert isinstance(failed(faults, kind="edoc"), Refused)
    assert isinstance(failed([wire.Fault("N.StatusCode", "x")], kind="status"), Refused)
    assert isinstance(failed([wire.Fault("9999", "x")], kind="status"), Busy)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html/>", b"null", b"[]", b'"Success"', b"{}", b'{"status":null}', b"{" * 9000],
)
def test_unreadable_answers(body):
    with pytest.raises(UnavailableError):
        wire.read(body)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "Fail", "code": "9999", "errors": [], "data": []},
        {"status": "Success", "code": "9999", "data": []},
        {"status": "Success"},
        {"status": "Success", "data": None},
        {"status": "Success", "data": {}},
        {"status": "Success", "data": [None]},
        {"status": "Success", "data": [True]},
    ],
)
def test_no_list_is_not_an_empty_list(body):
    with pytest.raises(UnavailableError):
        wire.rows(wire.read(json.dumps(body).encode()))


def test_lists_of_rows_and_of_bare_ids():
    body = {"status": "success", "code": 0, "data": [{"docId": 7}, 8, "9"]}
    assert [row["docId"] for row in wire.rows(wire.read(json.dumps(body).encode()))] == [7, 8, "9"]
    answer = wire.read(b'{"status":"Fail","code":9999,"errors":["a\\u0000",{"code":1}]}')
    assert (answer.ok, answer.words) == (False, "a\ufffd; 1")


@given(st.text(max_size=60))
def test_a_number_is_always_fifteen_digits(item_id):
    assert len(str(wire.number_of(item_id))) == 15
    assert wire.number_of(item_id) == wire.number_of(item_id)


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        ("http://10.1.2.3:8280/services/Edoc", True),
        ("http://ltvb.example.vn/EdocService", True),
        ("https://ltvb.example.vn/EdocService", False),
        ("http://127.0.0.1:1/EdocService", False),
        ("http://[::1]:1/x", False),
        ("http://localhost/x", False),
    ],
)
def test_a_token_that_others_can_read(endpoint, expected):
    assert ways.in_clear(endpoint) is expected


# ---------------------------------------------------------------- letters


def read_letter(header, body):
    return soap.read(soap.envelope("11", body, header))


@given(WORDS, WORDS, st.lists(WORDS, max_size=3), st.dates())
def test_a_document_comes_back_from_its_letter(subject, name, places, day):
    header = Header(
        Organization("H37.02", "UBND", name),
        (Organization("H37.04"), Organization("G09", email="a@b")),
        "H37.02,2026/11/21,12/SNV",
        "12",
        "SNV-VP",
        promulgation_date=day,
        subject=subject,
        to_places=tuple(places),
        response_for=(ResponseFor("G09", "1/x", "d", day),),
        trace=(TraceHop("H37.02", datetime(2026, 11, 21, 1, tzinfo=UTC)),),
    )
    one = writing.header_of(Envelope(header, (), ()), "OrganInCharge")
    message = read_letter(one, writing.body_of(Envelope(header, (), ())))
    packet = b"".join(letters.packet(message, letters.references(message), {}))
    read = parse_envelope(split_bytes(packet), []).envelope.header
    assert (read.sender.organ_id, read.sender.organization_in_charge) == ("H37.02", "UBND")
    assert read.sender.organ_name.strip() == name.strip()
    assert [to.organ_id for to in read.recipients] == ["H37.04", "G09"]
    assert (read.subject.strip(), read.promulgation_date) == (subject.strip(), day)
    assert [p.strip() for p in read.to_places] == [p.strip() for p in places if p.strip()]
    assert read.response_for == header.response_for
    assert read.trace[0].at == header.trace[0].at
    assert (read.document_id, read.full_code) == (header.document_id, "12/SNV-VP")


@given(st.sampled_from(["01", "03", "13"]), WORDS)
def test_a_status_comes_back_from_its_letter(code, words):
    report = StatusReport(
        Organization("H37.04"),
        ResponseFor("H37.02", "12/x", "d", datetime(2026, 11, 21, tzinfo=UTC).date()),
        code,
        words.strip(),
        datetime(2026, 11, 21, 1, tzinfo=UTC),
        StaffInfo(staff="Lê"),
    )
    message = read_letter("", writing.status_of(report))
    again = parse_status(letters.status_packet(message.body))
    assert emit_status(again) == emit_status(report)


def attachment(index, content_id):
    return Attachment(index, "a", "a.pdf", content_id, "", "", "", 0)


@given(st.lists(WORDS | st.sampled_from(["1", "1.1", "2.1", 'a"b', "x\r\ny", "cid:"]), max_size=6))
def test_every_file_has_an_id_of_its_own(ids):
    found = writing.part_ids([attachment(n, one) for n, one in enumerate(ids)])
    assert len(set(found)) == len(ids)
    assert all(name.isascii() and name and not set(name) & set('"<>\r\n ') for name in found)


XMLISH = st.lists(
    st.sampled_from(
        [
            "<edXML:Manifest>",
            "</edXML:Manifest>",
            "<S:Body>",
            "</S:Body>",
            "<S:Header>",
            "x",
            "</S:Header>",
            "<edXML:MessageHeader/>",
            "<edXML:Reference/>",
            "<!-- -->",
            "<?p?>",
            "&x;",
            '<edXML:Reference href="cid:1"/>',
            "<![CDATA[<]]>",
            "<edXML:Token>t</edXML:Token>",
        ]
    ),
    max_size=12,
).map("".join)


@given(st.one_of(st.binary(max_size=40), XMLISH.map(str.encode)), st.booleans())
def test_any_noise_is_read_or_refused(noise, wrapped):
    if wrapped:
        opening = kit.envelope("", "").partition(b"<S:Header>")[0]
        noise = opening + noise + b"</S:Envelope>"
    try:
        message = soap.read(noise)
        soap.credentials(message)
        listed = letters.references(message)
        letters.match(listed, {})
        packet = b"".join(letters.packet(message, listed, {}))
        soap.operation(message, "")
    except RejectedError:
        return
    assert etree.fromstring(packet) is not None


def test_elements_of_others_are_left_behind():
    header = (
        "<edXML:MessageHeader><edXML:From><w:OrganId xmlns:w='urn:w'>X</w:OrganId>"
        "<edXML:OrganId a='1'>H37.02<!-- c --></edXML:OrganId></edXML:From></edXML:MessageHeader>"
    )
    message = read_letter(header, "<edXML:Manifest/>")
    packet = b"".join(letters.packet(message, (), {}))
    assert b"<edXML:From><edXML:OrganId>H37.02</edXML:OrganId></edXML:From>" in packet


def test_a_control_character_is_no_way_out():
    with pytest.raises(RejectedError) as caught:
        soap.tag("Subject", "a\x01b")
    assert caught.value.reason is Reason.MALFORMED
    assert b"a\xef\xbf\xbdb" in soap.fault("11", "Client", [wire.Fault("1", "a\x01b")])


@pytest.mark.parametrize(
    "data",
    [b"", b"<html/>", b"<!DOCTYPE a><a/>", kit.envelope("", "")],
)
def test_answers_that_say_nothing(data):
    with pytest.raises(UnavailableError):
        soap.good(soap.answer(data))


@pytest.mark.parametrize("version", ["11", "12"])
def test_faults_of_anybody_are_told(version):
    body = (
        "<S:Fault><faultcode>S:Server</faultcode><faultstring>hỏng \n rồi</faultstring></S:Fault>"
    )
    (one,) = soap.faults_in(soap.answer(kit.envelope("", body, version)))
    assert one == wire.Fault("", "S:Server hỏng rồi")
    ours = soap.fault(version, "Server", [wire.Fault("20", "bận")])
    assert soap.faults_in(soap.answer(ours)) == (wire.Fault("20", "bận"),)
    assert soap.faults_in(soap.answer(soap.envelope(version, soap.report()))) is None
