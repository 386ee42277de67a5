"""Answers of the national axis protocol: built, read, told from noise, decoded while they arrive."""

import base64
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.shared import inline, values
from adapters.shared.jsonanswers import encode, frame, packet_inside, rows
from adapters.vxp import answers
from gateway.errors import CATALOGUE, Reason, RejectedError, UnavailableError


async def feed(*chunks):
    for chunk in chunks:
        yield chunk


async def joined(stream):
    return b"".join([chunk async for chunk in stream])


def test_success_and_failure():
    assert answers.build(DocId="7") == {
        "status": "OK",
        "ErrorCode": "0",
        "ErrorDesc": "Thanh cong",
        "DocId": "7",
    }
    failure = answers.refusal(RejectedError(Reason.RECIPIENT_UNKNOWN, "no H99"), DocId="")
    assert failure["status"] == "FAIL"
    assert failure["ErrorCode"] == "18"
    assert failure["ErrorDesc"] == "Không tìm thấy đơn vị nhận | no H99"
    assert failure["DocId"] == ""
    assert encode(failure).isascii()


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_code_a_client_can_read(reason):
    read = answers.read(encode(answers.refusal(RejectedError(reason))))
    assert not read.ok
    assert read.code == str(CATALOGUE[reason].axis)
    assert read.text.startswith(CATALOGUE[reason].vi)


@pytest.mark.parametrize("code", ["10", "18", "19", "22", "23"])
def test_codes_that_refuse(code):
    assert answers.read(encode(answers.build(code, "x"))).refusal_code


@pytest.mark.parametrize("code", ["15", "20", "21", "100", "999", ""])
def test_codes_that_wait(code):
    body = {"status": "FAIL", "ErrorCode": code, "ErrorDesc": "x"}
    assert not answers.read(json.dumps(body).encode()).refusal_code


def test_wrong_sender_is_told_by_its_text():
    body = answers.build("1", answers.wrong_sender("H99", "h37.demo"))
    read = answers.read(encode(body))
    assert read.refusal_code
    assert read.refusal_code == "19"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"null", b"[]", b'"OK"', b"{}", b'{"status":null}', b"{" * 9000],
)
def test_unreadable(body):
    with pytest.raises(UnavailableError):
        answers.read(body)


def test_status_ok_with_an_error_code_is_no_success():
    assert not answers.read(b'{"status":"OK","ErrorCode":"18","ErrorDesc":"x"}').ok
    assert answers.read(b'{"status":"SUCCESS"}').ok
    assert answers.read(b'{"status":"ok","ErrorCode":0}').ok


@pytest.mark.parametrize(
    "body",
    [
        {"status": "FAIL", "ErrorCode": "20", "ErrorDesc": "x", "data": []},
        {"status": "OK", "ErrorCode": "0"},
        {"status": "OK", "ErrorCode": "0", "data": None},
        {"status": "OK", "ErrorCode": "0", "data": {}},
        {"status": "OK", "ErrorCode": "0", "data": ["x"]},
    ],
)
def test_no_list_is_not_an_empty_list(body):
    with pytest.raises(UnavailableError):
        rows(answers.read(json.dumps(body).encode()))


def test_an_empty_list_is_empty():
    assert rows(answers.read(b'{"status":"OK","ErrorCode":"0","data":[]}')) == []


@pytest.mark.parametrize("text", [r"a\u0000b", r"a\ud800b", "a\ud800b"])
def test_words_no_ledger_can_keep_are_kept_without_what_is_wrong(text):
    words = f'{{"status": "FAIL", "ErrorCode": "9", "ErrorDesc": "{text}", "data": [["{text}"]]}}'
    answer = answers.read(words.encode("utf-8", "surrogatepass"))
    for kept in (answer.text, answer.body["data"][0][0]):
        assert (kept[0], kept[-1], len(kept)) == ("a", "b", 3)
        assert "\0" not in kept
        kept.encode()  # no half of a pair


def test_text_of():
    row = {"a": None, "b": " ", "c": 7, "d": "x"}
    assert values.text_of(row, "a", "b", "c", "d") == "7"
    assert values.text_of(row, "a", "none") == ""


# ---------------------------------------------------------------- getEdoc

FRAMES = [
    '{"status":"OK","ErrorCode":"0","ErrorDesc":"Thanh cong","data":"%s"}',
    '{ "data" : "%s" , "ErrorDesc":"\\"data\\":\\"x","status":"OK" }',
    '{"status":"OK","ErrorCode":0,"data":"%s","more":[1,2]}\n',
]


def spellings(data):
    plain = base64.b64encode(data).decode()
    yield plain
    yield plain.replace("=", "\\u003d").replace("/", "\\/").replace("+", "\\u002B")
    yield "\\r\\n".join(plain[i : i + 7] for i in range(0, len(plain), 7))


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 100])
async def test_packet_comes_out_however_it_is_cut(frame, size):
    data = bytes(range(156, 256))[-size:] if size else b""
    for text in spellings(data):
        body = (frame % text).encode()
        for step in (1, 2, 3, 5, 7, len(body)):
            chunks = [body[i : i + step] for i in range(0, len(body), step)]
            assert await joined(packet_inside(feed(*chunks), answers.check)) == data


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 50))
async def test_encoded_round_trip(chunks, step):
    before, after = frame(answers.build)
    body = before + await joined(inline.encoded(feed(*chunks))) + after
    assert json.loads(body)["status"] == "OK"
    pieces = [body[i : i + step] for i in range(0, len(body), step)]
    assert await joined(packet_inside(feed(*pieces), answers.check)) == b"".join(chunks)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"status":"OK","ErrorCode":"0"}',
        b'{"status":"OK","data":null}',
        b'{"status":"OK","data":"QUJD',
        b'{"status":"OK","data":"QUJD"',
        b'{"status":"OK","data":"QUJ"}',
        b'{"status":"OK","data":"QU!D"}',
        b'{"status":"OK","data":"QQ==QUJD"}',
        b'{"status":"OK","data":"QU\\qD"}',
        b'{"status":"OK","data":"QU\\u1ED7D"}',
        b'{"status":"FAIL","ErrorCode":"10","ErrorDesc":"x","data":"QUJD"}',
        b'{"status":"FAIL","ErrorCode":"10","ErrorDesc":"x"}',
        b'{"x":"' + b"y" * inline.MAX_FRAME_BYTES + b'","data":"QUJD"}',
        b'{"data":"QUJD","x":"' + b"y" * inline.MAX_FRAME_BYTES + b'"}',
    ],
)
async def test_broken_packet_answers(body):
    for step in (1000, len(body) or 1):
        chunks = [body[i : i + step] for i in range(0, len(body), step)]
        with pytest.raises(UnavailableError):
            await joined(packet_inside(feed(*chunks), answers.check))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Sun, 22 Nov 2026 08:01:00 GMT", 60),
        ("Sun, 22 Nov 2026 07:00:00 GMT", 0),
        ("9" * 400, 999_999_999),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("Sun, 99 Nov 2026 08:01:00 GMT", None),
        ("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_a_wish_to_wait_is_read_or_left_alone(header, seconds):
    assert values.wait_s(header, datetime(2026, 11, 22, 8, tzinfo=UTC)) == seconds
