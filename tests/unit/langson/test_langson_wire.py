"""Answers, dates and packets of the Lạng Sơn protocol, apart from any socket."""

import base64
import json
from datetime import UTC, datetime

import pytest

from adapters.langson import wire
from adapters.langson.arriving import packet_of
from adapters.langson.declared import Declared
from adapters.shared.jsonanswers import rows
from adapters.shared.jsonstream import MAX_DEPTH, BrokenJsonError, JsonStream
from gateway.errors import CATALOGUE, Reason, RejectedError, UnavailableError

PACKET = "<edXML>văn bản <ContentTransferEncoded>QUJD</ContentTransferEncoded></edXML>"


def test_days_of_both_forms():
    late = datetime(2026, 11, 22, 18, 30, tzinfo=UTC)
    assert wire.day(late, "v1") == "2026/11/23"
    assert wire.day(late, "lgspedoc") == "2026-11-23"
    assert wire.moment(late) == "2026/11/23 01:30:00"
    assert wire.moment(None) == ""


def test_a_day_without_a_time_counts_whole():
    begins = wire.read_from("2026/11/22", "fromDate")
    ends = wire.read_to("2026-11-22", "toDate")
    assert (ends - begins).total_seconds() == pytest.approx(86_400, abs=0.01)
    assert wire.read_to("2026/11/22 10:00:00", "toDate").hour == 10
    assert wire.read_to(" ", "toDate") is None
    with pytest.raises(RejectedError):
        wire.read_to("31/02/2026", "toDate")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_its_code_and_both_languages(reason):
    answer = wire.refusal(RejectedError(reason, "what is wrong"))
    told = answer["data"]
    assert told["errorCode"] == str(CATALOGUE[reason].axis)
    assert told["errorDesc"].startswith(CATALOGUE[reason].vi)
    assert "what is wrong" in told["errorDesc"]
    assert wire.judged(answer).ok is False


def test_answers_seen():
    good = wire.read(b'{"success":true,"message":"OK","docId":"d1"}')
    assert (good.ok, wire.doc_id_of(good), good.refusal_code) == (True, "d1", "")
    bad = wire.read(
        b'{"success":false,"message":"Loi","data":{"docId":null,"status":"error",'
        b'"errorCode":"18","errorDesc":"Khong co"}}'
    )
    assert (bad.ok, bad.code, bad.text, bad.refusal_code) == (False, "18", "Khong co", "18")
    assert wire.token_of(wire.read(b'{"code":200,"message":"","data":{"token":"t"}}')) == "t"
    assert wire.token_of(wire.read(b'{"success":true,"message":"","token":"t"}')) == "t"
    for code in (b'"00"', b"1", b'"success"', b"null"):
        odd = wire.read(b'{"code":%b,"message":"","data":{"token":"t"}}' % code)
        assert (odd.ok, wire.token_of(odd)) == (True, "t")
    assert not wire.read(b'{"success":false,"data":{"token":"t"}}').ok
    assert not wire.read(b'{"code":"500","data":[]}').ok
    assert rows(wire.read(b'[{"code":"H37"}]')) == [{"code": "H37"}]
    # A success with a code of failure is none.
    assert not wire.read(b'{"success":true,"data":{"errorCode":"20"}}').ok
    assert not wire.read(b'{"code":"401","message":"licenseInfo:invalid"}').ok


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"7", b'"OK"', b"{}", b'{"data":[]}', b"[[[" * 9999]
)
def test_answers_that_say_nothing(body):
    with pytest.raises(UnavailableError):
        wire.read(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":false,"data":[]}',
        b'{"success":true}',
        b'{"success":true,"data":{}}',
        b'{"success":true,"data":[1]}',
        b'{"success":true,"data":null}',
    ],
)
def test_lists_that_are_none(body):
    with pytest.raises(UnavailableError):
        rows(wire.read(body))


# ---------------------------------------------------------------- getEdoc


async def fetched(answer, size=7):
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()

    async def chunks():
        for start in range(0, len(data), size):
            yield data[start : start + size]

    return b"".join([chunk async for chunk in packet_of(chunks())])


def got(edxml, **data):
    return {"success": True, "message": "OK", "data": {"docId": "d", "edxml": edxml, **data}}


@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_packet_as_text_or_as_base64(size):
    whole = PACKET.encode()
    text = base64.b64encode(whole).decode()
    broken = "\r\n".join(text[start : start + 20] for start in range(0, len(text), 20))
    files = [{"fileName": "a.pdf", "fileContent": "QUJD"}]
    for edxml in (PACKET, f"\ufeff{PACKET}", f"\n{PACKET}", text, broken):
        found = await fetched(got(edxml, attachments=files), size)
        assert found.strip(b"\xef\xbb\xbf\n") == whole


@pytest.mark.parametrize(
    "answer",
    [
        {"success": False, "message": "Loi", "data": {"errorCode": "20"}},
        {"success": True, "message": "OK", "data": {"docId": "d"}},
        {"success": True, "message": "OK", "data": None},
        {"message": "OK", "data": {"edxml": PACKET}},
        got(None),
        got({"a": PACKET}),
        got("rubbish!"),
        got("QUJ"),
        got("QUI=QUJD"),
        json.dumps(got(PACKET)).encode()[:-1],
        json.dumps(got(PACKET)).encode()[:-20],
        b"<html>",
        b"",
        # Files beside a packet that holds none: taking it would lose them.
        got("<edXML/>", attachments=[{"fileName": "a.pdf", "fileContent": "QUJD"}]),
    ],
)
async def test_what_is_no_packet(answer):
    for size in (3, 10_000):
        with pytest.raises(UnavailableError):
            await fetched(answer, size)


# ---------------------------------------------------------------- the reader's bounds


def test_the_reader_is_bounded():
    for text in ('{"a":"' + "y" * 200, "[" * (MAX_DEPTH + 1), '{"a":' + " " * 200):
        stream = JsonStream({("b",)}, max_frame=100)
        with pytest.raises(BrokenJsonError):
            list(stream.feed(text.encode()))
    stream = JsonStream({("b",)}, max_frame=100)
    taken = sum(len(piece.data) for piece in stream.feed(b'{"b":"' + b"y" * 10_000))
    assert taken == 10_000


# ---------------------------------------------------------------- what a text declares


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("declared", ["utf-16", "UTF-16", "Unicode", "utf-16le"])
def test_a_text_that_declares_utf_16_becomes_it(size, declared):
    text = f'<?xml version="1.0" encoding="{declared}"?><edXML>văn bản 😀</edXML>'
    data = text.encode()
    for before in (b"", b"\xef\xbb\xbf", b"\r\n"):
        assert declared_as(before + data, size).decode("utf-16") == text


@pytest.mark.parametrize(
    "text",
    [
        '<?xml version="1.0" encoding="utf-8"?><edXML/>',
        '<?xml version="1.0"?><edXML encoding="utf-16"/>',
        '<edXML a=\'<?xml version="1.0" encoding="utf-16"?>\'/>',
        "",
        "<",
        "x" * 5000,
        f'<?xml {"y" * 300} encoding="utf-16"?>',
    ],
)
def test_any_other_text_stays(text):
    for size in (1, 7, 10_000):
        assert declared_as(text.encode(), size) == text.encode()


def declared_as(data, size):
    text = Declared()
    pieces = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    last = len(pieces) - 1
    return b"".join(text.feed(piece, last=n == last) for n, piece in enumerate(pieces))
