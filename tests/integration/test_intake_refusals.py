"""Refusals: everything wrong at once, in two languages, and nothing left behind.

Issue: "Bad input of any kind gets a clear refusal and never a stack trace, a hang, or a lost
document"; hardened XML, base64, zips, sizes; "the next hop's size limit checked before acceptance".
"""

import base64
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.world.gatehouse import gatehouse, packet
from tests.world.submitting import faults, form, nothing_left, send_form, sweep_blobs

HEADER = "/edXML/edXMLEnvelope/edXMLHeader/MessageHeader"
MANIFEST = "/edXML/edXMLEnvelope/edXMLBody/edXMLManifest"
FILES = "/edXML/AttachmentEncoded"


async def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    files = (("chay.exe", b"MZ\x90\x00 program"), ("that.pdf", b"not a pdf"))
    data = packet("", subject="", day="2026/13/45", files=files, sender="H37.02").replace(
        b"<edXML:ContentId>cid:1</edXML:ContentId>", b"<edXML:ContentId>cid:mat</edXML:ContentId>"
    )
    async with gatehouse(tmp_path) as house:
        status, problem, _ = await house.send(data)
        assert (status, problem["reason"]) == (422, "rules-broken")
        wrong = faults(problem)
        assert wrong >= {
            ("MD-01", f"{HEADER}/Code/CodeNumber"),
            ("MD-01", f"{HEADER}/Subject"),
            ("MD-01", f"{HEADER}/PromulgationInfo/PromulgationDate"),
            ("MD-01", f"{MANIFEST}/Reference[2]"),
            ("MD-01", f"{FILES}/Attachment[2]/ContentId"),
            ("FMT-05", f"{FILES}/Attachment[1]"),
            ("FMT-04", f"{FILES}/Attachment[2]"),
        }
        for finding in problem["findings"]:
            assert finding["rule"]
            assert finding["vi"]
            assert finding["en"]
            assert finding["vi"] != finding["en"]
        assert nothing_left(house)
        assert await sweep_blobs(house) == []


def _doctype() -> bytes:
    return packet("12").replace(b"<edXML xmlns", b'<!DOCTYPE a [<!ENTITY x "y">]><edXML xmlns', 1)


def _bad_base64() -> bytes:
    return packet("12").replace(base64.b64encode(b"xin chao"), b"@@@not base64@@@")


def _bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("to.txt", bytes(80 << 20))
    return packet("12", files=(("to.txt", out.getvalue()),))


def _deep() -> bytes:
    return packet("12", more="<a>" * 60 + "</a>" * 60)


def _many() -> bytes:
    return packet("12", files=[(f"t{n}.txt", b"x") for n in range(201)])


def _status() -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?><edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"'
        b' xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:Status><edXML:ResponseFor>'
        b"<edXML:OrganId>H37.04</edXML:OrganId><edXML:DocumentId>X</edXML:DocumentId>"
        b"</edXML:ResponseFor><edXML:From><edXML:OrganId>H37.02</edXML:OrganId></edXML:From>"
        b"<edXML:StatusCode>03</edXML:StatusCode></edXML:Status></edXML>"
    )


BROKEN = {
    "doctype": (_doctype, 422, "doctype-refused"),
    "base64": (_bad_base64, 422, "base64-broken"),
    "zip-bomb": (_bomb, 422, "limit-exceeded"),
    "deep": (_deep, 422, "limit-exceeded"),
    "201-files": (_many, 422, "limit-exceeded"),
    "status": (_status, 422, "malformed"),
    "empty": (lambda: b"", 422, "malformed"),
    "blank": (lambda: b" \r\n ", 422, "malformed"),
    "json": (lambda: b'{"a": 1}', 422, "malformed"),
    "not-xml": (lambda: b"<a><b></a>", 422, "malformed"),
    "other-xml": (lambda: b"<html><body/></html>", 422, "malformed"),
    "cut": (lambda: packet("12")[:-40], 422, "malformed"),
    "latin": (lambda: packet("12").replace("ơ".encode(), b"\xff"), 422, "malformed"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    make, wanted, reason = BROKEN[name]
    async with gatehouse(tmp_path) as house:
        status, problem, _ = await house.send(make(), key="k")
        assert (status, problem["reason"]) == (wanted, reason), problem
        assert problem["findings"], problem
        for finding in problem["findings"]:
            assert finding["rule"]
            assert finding["vi"] != finding["en"]
        assert nothing_left(house)
        assert await sweep_blobs(house) == []
        # the door is still open, and so is the key
        status, _, _ = await house.send(packet("12"), key="k")
        assert status == 202


async def test_over_the_packet_limit(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        most = int(house.gateway.settings.http.max_packet_bytes)
        headers = {"Content-Type": "application/xml", "Content-Length": str(most + 1)}

        async def never():
            yield packet("12")

        status, problem, _ = await house.call("POST", "/documents", data=never(), headers=headers)
        assert (status, problem["reason"]) == (413, "too-large")
        assert nothing_left(house)


async def test_without_a_length_it_is_weighed_as_it_comes(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        context = house.gateway.context
        limits = replace(context.policy.limits, packet_bytes=100_000)
        context.policy = replace(context.policy, limits=limits)
        big = packet("12", files=(("so-lieu.txt", b"so lieu\n" * 20_000),))
        status, problem, _ = await house.send(big)
        assert (status, problem["reason"]) == (422, "limit-exceeded")
        assert nothing_left(house)
        assert await sweep_blobs(house) == []


async def test_the_next_hop_is_named_before_acceptance(tmp_path: Path) -> None:
    async with gatehouse(tmp_path, axis=True) as house:
        policy = house.gateway.context.peers["truc"]
        house.gateway.context.peers["truc"] = replace(policy, max_bytes=200_000)
        big = (("so-lieu.txt", b"so lieu\n" * 20_000),)
        status, problem, _ = await house.send(packet("12", to=("H37.04", "G09"), files=big))
        assert status == 422
        assert faults(problem) == {("SND-13", "/edXML")}
        (finding,) = [f for f in problem["findings"] if f["severity"] == "error"]
        assert "truc" in finding["vi"]
        assert "0.2 MB" in finding["en"]
        assert nothing_left(house)
        # its good twins: without that hop; small enough
        status, _, _ = await house.send(packet("12", to=("H37.04",), files=big))
        assert status == 202
        status, _, _ = await house.send(packet("13", to=("H37.04", "G09")))
        assert status == 202


async def test_a_form_is_judged_by_the_same_rules(tmp_path: Path) -> None:
    metadata = {
        "sender": "H37.02",
        "recipients": ["H37.04"],
        "code_number": "12",
        "promulgation_date": "1811-01-01",
    }
    async with gatehouse(tmp_path) as house:
        body = form(metadata, [("macro.docm", b"PK\x03\x04" + bytes(40)), ("rong.txt", b"")])
        status, problem, _ = await send_form(house, body)
        assert status == 422
        assert faults(problem) >= {
            ("MD-01", f"{HEADER}/Code/CodeNotation"),
            ("MD-01", f"{HEADER}/Subject"),
            ("MD-05", f"{HEADER}/PromulgationInfo/PromulgationDate"),
            ("FMT-05", f"{FILES}/Attachment[1]"),
            ("MD-01", f"{FILES}/Attachment[2]"),
        }
        assert nothing_left(house)
        assert await sweep_blobs(house) == []


async def test_more_recipients_than_a_receipt_can_name(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        crowd = [f"X{n}.12345678" for n in range(11_000)]
        status, problem, _ = await house.send(io.BytesIO(packet("12", to=crowd)))
        assert (status, problem["reason"]) == (422, "limit-exceeded")
        assert faults(problem) == {("MD-10", f"{HEADER}/To")}
        assert nothing_left(house)
        # a code nobody could have, however long, fails its own delivery only
        status, answer, _ = await house.send(packet("12", to=("H37.04", "X" * 5000)))
        assert status == 202
        assert [d["state"] for d in answer["deliveries"]] == ["pending", "not_connected"]
