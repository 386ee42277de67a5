"""Clients of the Lạng Sơn axis, both forms, against our façade, and their evil twins."""

import asyncio
import base64
import hashlib
import io
import ipaddress
import json
import logging
import pathlib
from datetime import timedelta
from typing import Self

import aiohttp
import pytest

from adapters.langson import incoming, plugin
from adapters.shared import serving
from gateway import measures, observe
from gateway.codec.edxml import emit_document
from gateway.domain.envelope import Attachment, Header, Organization
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.keys.tokens import SealedTokens
from gateway.ports import AgencyRow, Means, Packet
from gateway.web.server import listen, make_facade_app
from tests.world.fake_adapter import document_packet
from tests.world.fake_desk import FakeIds
from tests.world.fake_frontdoor import FakeCallers, FakeClock, FakeFrontDoor
from tests.world.langson_kit import Kit

ROOT = pathlib.Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "samples" / "edxml" / "wire" / "lgspedoc_rest.jsonl"
FILE = "<edXML>văn bản số 7</edXML>\r\n".encode()
MAX_BYTES = 400_000


class House:
    """A façade on loopback and what stands behind it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.front = FakeFrontDoor(self.clock)
        self.front.catalogue.append(AgencyRow("H37.02", "Sở Nội vụ", "000.00.02.H37", "H37", "a@b"))
        self.callers = FakeCallers()
        self.callers.add("h37.qlvb", b"bi-mat-1", b"bi-mat-2", speaks_for=["H37.02"])
        self.callers.add("h14.qlvb", b"bi-mat-3", speaks_for=["H14.01"])
        self.tokens = SealedTokens(lambda: [b"k" * 32], self.callers, self.clock.now)
        self.options: dict[str, object] = {}

    async def __aenter__(self) -> Self:
        means = Means(
            front=self.front,
            callers=self.callers,
            tokens=self.tokens,
            clock=self.clock,
            max_bytes=MAX_BYTES,
            **self.options,
        )
        facade = plugin.facade(means)
        app = make_facade_app(FakeIds(), facade.routes, busy=facade.busy)
        self.running = await listen(app, "127.0.0.1", 0)
        self.session = aiohttp.ClientSession(self.running.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.running.close()

    def kit(self, system="h37.qlvb", secret="bi-mat-1") -> Kit:
        return Kit(self.session, system, secret)


@pytest.fixture
async def house():
    async with House() as found:
        yield found


@pytest.fixture
async def kit(house):
    client = house.kit()
    await client.login()
    return client


def done(reply):
    assert reply.status == 200, reply.body
    assert reply.json["success"] is True, reply.body
    return reply.json


def failed(reply, code, status=200):
    assert reply.status == status, reply.body
    assert reply.json["success"] is False
    data = reply.json["data"]
    assert (data["docId"], data["status"], data["errorCode"]) == (None, "error", str(code)), data
    assert data["errorDesc"]
    return data["errorDesc"]


def no_token(reply):
    assert reply.status == 401
    assert reply.json["message"] == "licenseInfo:invalid"
    assert reply.json["success"] is False


# ---------------------------------------------------------------- the whole way, both forms


async def test_the_whole_way(house):
    kit = house.kit()
    told = done(await kit.login())
    assert told["code"] == 200
    assert told["data"]["username"] == "h37.qlvb"
    sent = done(await kit.send(FILE))
    assert sent["docId"] == "c1"
    _, data, options = house.front.documents["c1"]
    assert (data, options.via) == (FILE, "langson")
    done(await kit.send(FILE, "status"))
    assert [data for _, data, _ in house.front.reports.values()] == [FILE]

    packet = document_packet("H37.02", sender="H14.01", padding=3000)
    house.front.offer("d1", packet, to="H37.02", sender="H14.01", written="000.00.02.H37")
    listed = done(await kit.received())
    assert listed["count"] == 1
    assert listed["data"] == [
        {
            "docId": "d1",
            "serviceType": "eDoc",
            "messageType": "edoc",
            "createdTime": "2026/11/22 08:00:00",
            "updatedTime": "2026/11/22 08:00:00",
            "from": "H14.01",
            "to": "000.00.02.H37",
            "status": "initial",
            "statusDesc": "",
        }
    ]
    got = done(await kit.get("d1"))["data"]
    assert got["edxml"].encode() == packet
    assert (got["docId"], got["from"], got["edocCode"]) == ("d1", "H14.01", "7/SNV")
    assert got["edocAbstract"] == "Về việc thử nghiệm"
    (file,) = got["attachments"]
    assert file["fileName"] == "vb.pdf"
    assert base64.b64decode(file["fileContent"]) == b"ABC" * 1000
    done(await kit.update("d1", "done"))
    assert house.front.items["d1"].row.taken_at is not None
    assert done(await kit.received())["data"] == []
    (row,) = done(await kit.call("GET", "/v1/getAgenciesList", headers=kit.headers()))["data"]
    assert (row["orgCode"], row["orgName"], row["parentCode"]) == ("H37.02", "Sở Nội vụ", "H37")


async def test_the_older_form(house):
    kit = house.kit()
    done(await kit.old_login())
    assert done(await kit.old_send(FILE.decode()))["docId"] == "c1"
    assert house.front.documents["c1"][1] == FILE
    house.front.offer("d1", FILE, to="H37.02")
    asked = {"messageType": "edoc", "systemId": "h37.qlvb", "secretKey": "bi-mat-1"}
    window = {"fromDate": "2026-11-15", "toDate": "2026-11-22"}
    listed = done(await kit.old_ask("received-edocs", **asked, **window))
    assert [row["docId"] for row in listed["data"]] == ["d1"]
    assert done(await kit.old_ask("get-edoc", docId="d1"))["data"]["edxml"].encode() == FILE
    assert done(await kit.old_ask("organizations"))["count"] == 1
    told = {"token": kit.token, "docId": "d1", "status": "done"}
    done(await kit.call("POST", "/api/lgspedoc/update-status", json=told))
    assert house.front.items["d1"].row.taken_at is not None


@pytest.mark.skipif(not RECORDED.exists(), reason="the shared samples are not here")
async def test_recorded_requests(house):
    """The recorded client signs in as `u` and names the pair of `sys`; its addresses are kept."""
    house.callers.add("u", b"p", speaks_for=["H37.02"])
    house.callers.add("sys", b"dummy", speaks_for=["H37.02"])
    house.front.offer("d-9", FILE, to="H37.02")
    house.clock.at = house.clock.at.replace(hour=3)
    kit = house.kit()
    token = ""
    answers = {}
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        request = json.loads(line)
        path, body = (text.replace("t1", token) for text in (request["u"], request["b"]))
        skipped = {"host", "content-length", "connection"}
        headers = {name: value for name, value in request["h"].items() if name not in skipped}
        reply = await kit.call(
            request["m"], path, data=body.encode() if body else None, headers=headers
        )
        answers[path.partition("?")[0].rpartition("/")[2]] = done(reply)
        token = token or reply.json["token"]
    assert answers["send-edoc"]["docId"] == "c1"
    assert house.front.documents["c1"][0].system_id == "sys"
    assert house.front.documents["c1"][1] == b"<edXML/>"
    assert answers["get-edoc"]["data"]["edxml"].encode() == FILE
    assert answers["received-edocs"]["data"][0]["docId"] == "d-9"
    assert answers["organizations"]["count"] == 1


# ---------------------------------------------------------------- who calls


async def test_both_secrets_while_they_change(house):
    for secret in ("bi-mat-1", "bi-mat-2"):
        kit = house.kit(secret=secret)
        done(await kit.login())
        done(await kit.received())


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "sai"},
        {"username": "h14.qlvb"},
        {"username": "nobody"},
        {"username": ""},
        {"password": None},
        {"password": ""},
    ],
)
async def test_wrong_login(house, changed):
    reply = await house.kit().login(**changed)
    failed(reply, 15, 401)
    assert reply.json["message"] != "licenseInfo:invalid"
    assert "token" not in reply.json


async def test_without_a_token(house):
    kit = house.kit()
    no_token(await kit.send(FILE, Authorization=None))
    no_token(await kit.send(FILE, Authorization="Bearer rubbish"))
    no_token(await kit.received())
    no_token(await kit.get("d1"))
    no_token(await kit.update("d1", "done"))
    no_token(await kit.old_send(FILE.decode(), token=None))
    no_token(await kit.old_ask("organizations", token=None))
    assert not house.front.documents


async def test_a_token_ends_after_half_an_hour(house, kit):
    house.clock.move(minutes=29)
    done(await kit.received())
    house.clock.move(minutes=2)
    no_token(await kit.received())
    done(await kit.login())
    done(await kit.received())


async def test_a_token_without_its_scheme(house, kit):
    done(await kit.send(FILE, Authorization=kit.token))
    no_token(await kit.send(FILE, Authorization=f"Basic {kit.token}"))


async def test_a_token_of_another_door(house, kit):
    kit.token = house.tokens.issue(
        "h37.qlvb", b"bi-mat-1", audience="wso2", ttl=timedelta(minutes=30)
    )
    no_token(await kit.received())


async def test_a_secret_replaced_ends_its_tokens(house, kit):
    house.callers.add("h37.qlvb", b"bi-mat-2", speaks_for=["H37.02"])
    no_token(await kit.received())
    house.callers.disable("h37.qlvb")
    no_token(await kit.received())


async def test_the_pair_decides_who_calls(house, kit):
    house.front.offer("d1", FILE, to="H14.01")
    failed(await kit.get("d1"), 10, 404)
    failed(await kit.get("d1", X_SystemId="h14.qlvb"), 15, 403)
    failed(await kit.get("d1", X_SystemId="h14.qlvb", X_SecretKey=None), 15, 403)
    failed(await kit.get("d1", X_SecretKey="sai"), 15, 403)
    failed(await kit.send(FILE, X_SecretKey="bi-mat-3"), 15)
    assert not house.front.documents
    # One account may sign in for several systems, each with its own pair.
    done(await kit.get("d1", X_SystemId="h14.qlvb", X_SecretKey="bi-mat-3"))
    done(await kit.get("d1", X_SystemId="h14.qlvb", X_SecretKey="bi-mat-3"))
    failed(await kit.get("d1", X_SystemId=None, X_SecretKey=None), 10, 404)


async def test_guessing_is_told_to_wait_and_the_right_secret_opens(house):
    guess = house.kit(secret="sai")
    replies = [await guess.login() for _ in range(12)]
    assert [reply.status for reply in replies[:10]] == [401] * 10
    failed(replies[-1], 20, 429)
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert (await house.kit("h14.qlvb", "sai").login()).status == 401
    done(await house.kit().login())


# ---------------------------------------------------------------- what is sent


def form(*parts, kind="multipart/form-data; boundary=x", end="--x--\r\n"):
    pieces = [
        f"--x\r\nContent-Disposition: form-data; {told}\r\n{more}\r\n{text}\r\n"
        for told, more, text in parts
    ]
    return ("".join(pieces) + end).encode(), {"Content_Type": kind}


A_FILE = ('name="edocFile"; filename="a.edxml"', "Content-Type: application/xml\r\n", "<edXML/>")
KIND = ('name="messageType"', "", "edoc")


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (form(KIND), 10),
        (form(A_FILE, KIND, A_FILE), 10),
        (form((A_FILE[0], "", ""), KIND), 10),
        (form(A_FILE, KIND, kind="application/xml"), 10),
        (form(A_FILE, KIND, kind="multipart/form-data"), 22),
        (form(A_FILE, ('name="messageType"', "", "thu")), 22),
        (form(A_FILE, KIND, ('name="messageType"', "", "status")), 22),
        (form(A_FILE, KIND, end=""), 22),
        (form(("name=", "", "x"), A_FILE), 22),
        (form((A_FILE[0], "Content-Transfer-Encoding: base64\r\n", "QQ==")), 22),
        (form((A_FILE[0], "Content-Type: multipart/mixed; boundary=y\r\n", "--y--")), 22),
        (form(*(("name=x", "", "y") for _ in range(40)), A_FILE), 22),
        (form(('name="other"', "", "y" * 20_000), A_FILE), 22),
    ],
)
async def test_a_form_that_is_none(house, kit, made, code):
    body, headers = made
    failed(await kit.send(None, form=body, **headers), code)
    assert not house.front.documents
    done(await kit.send(FILE))


async def test_a_form_in_any_order_with_other_fields(house, kit):
    body, headers = form(('name="note"', "", "x"), KIND, A_FILE, ('name="z"', "", "1"))
    done(await kit.send(None, form=body, **headers))
    assert house.front.documents["c1"][1] == b"<edXML/>"


async def old_raw(kit, text):
    body = text.encode() if isinstance(text, str) else text
    return await kit.call("POST", "/api/lgspedoc/send-edoc", data=body)


async def test_json_that_is_none(house, kit):
    token = json.dumps(kit.token)
    for text in (
        f'{{"token":{token},"edocContent":"<edXML/>"',
        f'{{"token":{token},"edocContent":"<edXML/>',
        f'{{"token":{token},"edocContent":"<edXML/>\\',
        f'{{"token":{token},"edocContent":"a","edocContent":"b"}}',
        f'{{"token":{token},"edocContent":"\\x"}}',
        f'{{"token":{token},"edocContent":"\\ud800 alone"}}',
        f'{{"token":{token},"edocContent":"a","messageType":"thu"}}',
        f'{{"token":{token},"note":"{"y" * 70_000}","edocContent":"a"}}',
        f'{{"token":{token},"edocContent":"'.encode() + b'\xff"}',
    ):
        failed(await old_raw(kit, text), 22)
    for text in (
        f'{{"token":{token}}}',
        f'{{"token":{token},"edocContent":""}}',
        f'{{"token":{token},"edocContent":null}}',
        f'{{"token":{token},"edocContent":{{"a":"b"}}}}',
    ):
        failed(await old_raw(kit, text), 10)
    for text in ("[]", "", "rubbish", '["edocContent"]'):
        assert (await old_raw(kit, text)).status in {200, 401}
    assert not house.front.documents


async def test_long_documents_pass_in_pieces(house, kit):
    """Whatever stands behind a long document is looked at before it is taken."""
    text = "<edXML>" + 'văn bản \\ "dài" \r\n' * 10_000 + "</edXML>"
    done(await kit.old_send(text))
    assert house.front.documents["c1"][1] == text.encode()
    assert house.front.largest_chunk <= 256 * 1024
    other = text.replace("dài", "DÀI")
    failed(await kit.old_send(other, secretKey="sai"), 15)
    failed(await kit.old_send(other, systemId="h14.qlvb"), 15)
    failed(await kit.old_send(other, systemId="h14.qlvb", secretKey="bi-mat-3"), 22)
    failed(await kit.old_send(other, kind="status"), 22)
    told = {"edocContent": other, "token": kit.token}
    no_token(await kit.call("POST", "/api/lgspedoc/send-edoc", json=told))
    body = aiohttp.FormData()
    body.add_field("edocFile", io.BytesIO(other.encode()), filename="a.edxml")
    body.add_field("messageType", "status")
    failed(await kit.send(None, form=body), 22)
    assert len(house.front.documents) == 1
    assert not house.front.reports


async def test_a_string_that_declares_utf_16_is_read_as_it_was_meant(house, kit):
    text = '<?xml version="1.0" encoding="utf-16"?><edXML>văn bản</edXML>'
    done(await kit.old_send(text))
    assert house.front.documents["c1"][1].decode("utf-16") == text


async def test_headers_of_any_bytes(house, kit):
    for name in ("X-SystemId", "X-SecretKey", "Authorization"):
        lines = "".join(f"{n}: {v}\r\n" for n, v in kit.headers().items() if n != name)
        odd = f"GET /v1/getAgenciesList HTTP/1.1\r\nHost: x\r\n{lines}{name}: Bearer ".encode()
        answer = await raw(house, odd + b"\xff\xfe\r\n\r\n", b"\r\n\r\n")
        assert answer.split()[1] in {b"401", b"403"}, answer


async def test_too_large(house, kit):
    failed(await kit.send(b"a" * (MAX_BYTES + 1)), 10)
    failed(await kit.old_send("a" * (MAX_BYTES + 1)), 10)
    for path in ("/v1/sendEdoc", "/api/lgspedoc/send-edoc"):
        # What says beforehand that it is too long need not come.
        told = {**kit.headers(), "Host": "x", "Content-Length": str(9 * MAX_BYTES)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        more = "Content-Type: multipart/form-data; boundary=x\r\nConnection: close\r\n\r\n"
        answer = await raw(house, f"POST {path} HTTP/1.1\r\n{lines}{more}", b'"code":10,')
        assert answer.startswith(b"HTTP/1.1 200"), answer
    done(await kit.send(b"a" * MAX_BYTES))
    done(await kit.old_send("b" * MAX_BYTES))


async def test_a_connection_that_breaks_leaves_nothing(house, kit):
    async def torn():
        yield b'{"token":' + json.dumps(kit.token).encode() + b',"edocContent":"' + b"a" * 200_000
        raise RuntimeError("torn")

    with pytest.raises((aiohttp.ClientError, RuntimeError)):
        await kit.call("POST", "/api/lgspedoc/send-edoc", data=torn())
    done(await kit.send(FILE))
    assert [data for _, data, _ in house.front.documents.values()] == [FILE]


async def test_who_falls_silent_loses_the_place(house, kit, monkeypatch):
    monkeypatch.setattr(serving, "SILENCE_S", 0.05)
    monkeypatch.setattr(incoming, "SILENCE_S", 0.05)
    form = "Content-Type: multipart/form-data; boundary=x\r\n"
    begun = '--x\r\nContent-Disposition: form-data; name="edocFile"; filename="a"\r\n\r\n<ed'
    older = f'{{"token":"{kit.token}","edocContent":"<edXML'
    for path, body in (("/v1/sendEdoc", begun), ("/api/lgspedoc/send-edoc", older)):
        lines = "".join(f"{name}: {value}\r\n" for name, value in kit.headers().items())
        told = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n{form}{lines}\r\n{body}"
        answer = await raw(house, told, b'"errorCode":"20"')
        assert answer.startswith(b"HTTP/1.1 503")
    assert not house.front.documents


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.SENDER_NOT_CALLER, 19),
        (Reason.RECIPIENT_UNKNOWN, 18),
        (Reason.RECIPIENT_LOCKED, 23),
        (Reason.RECIPIENT_CLOSED, 23),
        (Reason.NOT_CONNECTED, 18),
        (Reason.SCHEMA_BROKEN, 22),
        (Reason.RULES_BROKEN, 22),
        (Reason.SIGNATURE_INVALID, 10),
        (Reason.SECRECY, 10),
    ],
)
async def test_what_the_core_refuses(house, kit, reason, code):
    for send in (kit.send(FILE), kit.old_send(FILE.decode())):
        house.front.failure = RejectedError(reason, "why it is refused")
        assert "why it is refused" in failed(await send, code)


async def test_our_own_trouble_is_no_refusal(house, kit):
    for send in (kit.send(FILE), kit.old_send(FILE.decode()), kit.received()):
        house.front.failure = UnavailableError(retry_after_s=7)
        reply = await send
        failed(reply, 20, 503)
        assert reply.headers["retry-after"] == "7"
    house.front.failure = IntegrityError("a bug")
    failed(await kit.received(), 20, 500)
    house.front.failure = RuntimeError("a bug with bi-mat-1 in it")
    reply = await kit.received()
    failed(reply, 20, 500)
    assert b"bi-mat-1" not in reply.body


# ---------------------------------------------------------------- what is asked


async def test_windows(house, kit):
    house.front.offer("d1", FILE, to="H37.02")
    inside = [
        ("2026/11/22", "2026/11/22"),
        ("2026-11-22", "2026-11-22"),
        ("22/11/2026", "22/11/2026"),
        ("2026/11/22 08:00:00", "2026/11/22 08:00:00"),
        ("", ""),
    ]
    for begins, ends in inside:
        reply = done(await kit.received(fromDate=begins, toDate=ends))
        assert reply["count"] == 1, (begins, ends)
    for begins, ends in (("2026/11/23", "2026/11/30"), ("2026/11/01", "2026/11/21")):
        assert done(await kit.received(fromDate=begins, toDate=ends))["count"] == 0
    failed(await kit.received(fromDate="hôm qua"), 22, 400)
    failed(await kit.received("thu"), 22, 400)


async def test_an_update_of_every_kind(house, kit):
    packet = document_packet("H37.02", sender="H14.01")
    for number in range(4):
        house.front.offer(f"d{number}", packet, to="H37.02", sender="H14.01")
    done(await kit.update("d0", "processing"))
    assert house.front.items["d0"].row.taken_at is None
    done(await kit.update("d0", "fail", description="không đọc được"))
    assert house.front.items["d0"].note == "không đọc được"
    for status in ("1", "01", "Done"):
        done(await kit.update("d1", status))
    assert house.front.items["d1"].row.taken_at is not None
    done(await kit.update("d2", "03"))
    (report,) = house.front.reports.values()
    said = report[1].decode()
    for part in ("<edXML:StatusCode>03<", "H14.01,2026/11/21,7/SNV", "<edXML:OrganId>H37.02<"):
        assert part in said
    assert house.front.items["d2"].row.taken_at is not None
    for status in ("", "99", "13", "xong"):
        failed(await kit.update("d3", status), 22)
    failed(await kit.update("", "done"), 22)
    for status in ("done", "processing", "03", "fail"):
        failed(await kit.update("none", status), 10)
    assert house.front.items["d3"].row.taken_at is None


async def test_a_code_for_several_agencies_is_not_guessed(house):
    house.callers.add("two", b"hai", speaks_for=["H37.02", "H37.03"])
    kit = house.kit("two", "hai")
    await kit.login()
    both = document_packet("H37.02", "H37.03", sender="H14.01")
    house.front.offer("d1", both, to="H37.02")
    house.front.offer("d2", document_packet("H37.03", sender="H14.01"), to="H37.03")
    failed(await kit.update("d1", "03"), 22)
    done(await kit.update("d2", "03"))
    (report,) = house.front.reports.values()
    assert "<edXML:OrganId>H37.03<" in report[1].decode()


async def test_files_come_as_they_were(house, kit):
    """A file that went zipped into the packet comes out unzipped beside it."""
    files = {
        "bảng.xlsx": b"PK\x03\x04 sheet" * 9000,
        "a.pdf": b"%PDF" * 30_001,
        "b.txt": b"",
        "c.txt": bytes(3_000_000),
        "d.zip": b"PK\x03\x04" + b"z" * 5000,
        "không tên": b"x",
    }
    header = Header(Organization("H14.01"), (Organization("H37.02"),), subject="Bảng")
    attachments = [
        Attachment(number, name, name, f"f{number}", "", "", "", len(files[name]))
        for number, name in enumerate(files)
    ]
    packet = b"".join(emit_document(header, attachments, lambda a: [files[a.safe_name]]))
    house.front.offer("d1", packet, to="H37.02")
    house.front.chunk_bytes = 1000
    got = done(await kit.get("d1"))["data"]
    assert hashlib.sha256(got["edxml"].encode()).digest() == hashlib.sha256(packet).digest()
    found = {f["fileName"]: base64.b64decode(f["fileContent"]) for f in got["attachments"]}
    assert found == files


async def test_a_packet_that_breaks_off_never_looks_whole(house, kit):
    house.front.offer("d1", document_packet("H37.02", padding=30_000), to="H37.02")
    whole = house.front.fetch

    async def torn(caller, item_id):
        packet = await whole(caller, item_id)
        chunks = packet.chunks

        async def some():
            for _ in range(20):
                yield await anext(chunks)
            raise IntegrityError("the blob is damaged")

        return type(packet)(
            packet.sha256, packet.size_bytes, packet.name, packet.content_type, some()
        )

    house.front.fetch = torn
    with pytest.raises(aiohttp.ClientError):
        await kit.get("d1")


async def test_who_takes_nothing_loses_the_place(house, kit, monkeypatch):
    monkeypatch.setattr(serving, "SILENCE_S", 0.05)
    let_go = asyncio.Event()

    async def endless():
        try:
            while True:
                yield b"a" * 100_000
        finally:
            let_go.set()

    async def fetch(caller, item_id):
        return Packet("", 1, "a", "application/xml", endless())

    house.front.fetch = fetch
    lines = "".join(f"{name}: {value}\r\n" for name, value in kit.headers().items())
    _, writer = await asyncio.open_connection("127.0.0.1", house.running.port)
    writer.write(f"GET /v1/getEdoc?docId=d1 HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    async with asyncio.timeout(60):
        await let_go.wait()
    writer.close()


async def test_no_such_operation(house, kit):
    for path in ("/v1/none", "/api/lgspedoc/none", "/v1/"):
        failed(await kit.call("GET", path, headers=kit.headers()), 10, 404)
    failed(await kit.call("GET", "/v1/sendEdoc", headers=kit.headers()), 10, 404)
    failed(await kit.call("GET", "/v1/getEdoc", headers=kit.headers()), 22, 400)
    for body in (b"rubbish", b"[]", b"{" * 100_000):
        failed(
            await kit.call("POST", "/v1/updateStatus", data=body, headers=kit.headers()),
            10 if len(body) > 70_000 else 22,
        )


async def test_plain_http_only_from_listed_ranges():
    house = House()
    house.options["plain_http_from"] = [ipaddress.ip_network("10.0.0.0/8")]
    async with house:
        reply = await house.kit().login()
        failed(reply, 15, 403)


async def test_when_there_is_no_room(house):
    house.running.rest(resting=True)
    for path in ("/v1/getAgenciesList", "/api/lgspedoc/organizations"):
        reply = await house.kit().call("GET", path)
        failed(reply, 20, 503)
        assert int(reply.headers["retry-after"]) >= 1


# ---------------------------------------------------------------- secrets in addresses


def standing(system):
    what = {"what": f"secret_in_address:{system}"}
    return measures.REGISTRY.get_sample_value("vanlien_standing_warning", what)


async def test_a_secret_in_an_address_is_flagged_and_never_written(house, caplog):
    caplog.set_level(logging.DEBUG)
    lines = io.StringIO()
    observe.configure(json=True, level="debug", stream=lines)
    house.callers.add("cũ.qlvb", b"bi-mat-rieng", speaks_for=["H37.02"])
    kit = house.kit("cũ.qlvb", "bi-mat-rieng")
    bodies = []
    try:
        await kit.login()
        house.front.offer("d1", FILE, to="H37.02")
        assert not standing("cũ.qlvb")
        done(await kit.received())
        assert not standing("cũ.qlvb")
        pair = {"systemId": "cũ.qlvb", "secretKey": "bi-mat-rieng"}
        done(await kit.old_ask("received-edocs", **pair))
        done(await kit.old_ask("get-edoc", docId="d1", **pair))
        signed = {"username": "cũ.qlvb", "password": "bi-mat-rieng"}
        done(await kit.call("POST", "/api/lgspedoc/login", params=signed))
        assert standing("cũ.qlvb") == 1
        # Whatever goes wrong, the address is not in what is said of it.
        failed(await kit.old_ask("get-edoc", docId="none", **pair), 10, 404)
        failed(await kit.old_ask("none", **pair), 10, 404)
        for failure in (UnavailableError(), RuntimeError("bug")):
            house.front.failure = failure
            assert (await kit.old_ask("received-edocs", **pair)).status in {500, 503}
        wrong = {"systemId": "cũ.qlvb", "secretKey": "bi-mat-rieng-sai"}
        failed(await kit.old_ask("received-edocs", **wrong), 15, 403)
        no_token(await kit.old_ask("organizations", token=kit.token[:-9]))
        torn = f"GET /v1/getEdoc?secretKey=bi-mat-rieng&token={kit.token} HTTP/9.x\r\n\r\n"
        bodies.append(await raw(house, torn))
        bodies.append(await raw(house, torn.replace(" HTTP", "\0 HTTP")))
        secrets = ("bi-mat-rieng", kit.token[:40])
    finally:
        observe.silence()
    said = lines.getvalue() + caplog.text
    bodies += [reply.body for reply in kit.calls if b'"token"' not in reply.body]
    assert "secret_in_address" in said
    assert said.count('"what":"secret_in_address') == 1
    for secret in secrets:
        assert secret not in said
        assert all(secret.encode() not in body for body in bodies)
    house.clock.move(hours=25)
    kit = house.kit("cũ.qlvb", "bi-mat-rieng")
    await kit.login()
    assert not standing("cũ.qlvb")


async def raw(house, text, until=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", house.running.port)
    writer.write(text.encode() if isinstance(text, str) else text)
    async with asyncio.timeout(60):
        found = await (reader.readuntil(until) if until else reader.read())
    writer.close()
    return found
