"""Generated clients of a WSO2 gateway against our façade over loopback, and their evil twins."""

import asyncio
import base64
import contextlib
import io
import ipaddress
import json
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web

from adapters import vxp
from adapters.shared import serving
from adapters.shared.signins import FREE
from adapters.wso2 import plugin, wire
from gateway import dialects, observe
from gateway.config import cross
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.keys.tokens import SealedTokens
from gateway.ports import AgencyRow, Means
from gateway.ports.registration import RequestRow, Wish
from gateway.stores import UuidIds
from gateway.web.server import listen, make_facade_app
from tests.world import vxp_kit
from tests.world.fake_frontdoor import FakeCallers, FakeClock, FakeFrontDoor
from tests.world.vxp_kit import exchange
from tests.world.wso2_kit import BASE, FORMS, Kit, basic

FILE = "<edXML>văn bản số 7 ~~~???>>></edXML>\r\n".encode() * 3
MAX_BYTES = 4096


class House:
    """A façade before a front door in memory."""

    def __init__(self):
        self.clock = FakeClock()
        self.front = FakeFrontDoor(self.clock)
        self.callers = FakeCallers()
        self.callers.add("h37.qlvb", b"bi-mat-1", b"bi-mat-2", speaks_for=["H37.02", "H37.03"])
        self.callers.add("h14.qlvb", b"bi-mat-3", speaks_for=["H14.01"])
        self.tokens = SealedTokens(lambda: (b"k" * 32,), self.callers, self.clock.now)
        self.means = Means(self.front, self.callers, self.tokens, self.clock, MAX_BYTES)
        self.port = 0

    async def open(self, means=None, middlewares=()):
        app = web.Application(middlewares=middlewares)
        self.facade = plugin.facade(means or self.means)
        app.add_routes(self.facade.routes)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        return runner

    def kit(self, system="h37.qlvb", secret="bi-mat-1", base=BASE):
        return Kit(self.port, system, secret, base)


@pytest.fixture
async def house():
    found = House()
    runner = await found.open()
    yield found
    await runner.cleanup()


@pytest.fixture
def front(house):
    return house.front


@pytest.fixture
async def kit(house):
    return await house.kit().signed_in()


@pytest.fixture
async def stranger(house):
    return await house.kit("h14.qlvb", "bi-mat-3").signed_in()


def ok(reply):
    assert reply.status == 200, reply.body
    assert (reply.json["status"], reply.json["errorCode"]) == ("OK", "0"), reply.json
    return reply.json


def failed(reply, code, *words):
    """The axis behind says no: HTTP 200, status FAIL, in both spellings, and no list."""
    assert reply.status == 200, reply.body
    told = reply.json
    assert (told["status"], told["errorCode"], told["ErrorCode"]) == ("FAIL", str(code), str(code))
    assert told["errorDesc"] == told["ErrorDesc"]
    assert "data" not in told
    for word in words:
        assert word in told["errorDesc"]


def faulty(reply, status, code):
    """The gateway itself says no: HTTP status and fault, as two generations of releases write it."""
    assert reply.status == status, reply.body
    told = reply.json
    assert told["fault"]["code"] == code
    assert told["code"] == str(code)
    assert told["fault"]["message"] == told["message"]
    assert told["description"]
    return told


# ---------------------------------------------------------------- the token


async def test_a_token(house):
    reply = await house.kit().ask_token()
    assert reply.status == 200
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["pragma"] == "no-cache"
    told = reply.json
    assert (told["token_type"], told["expires_in"], told["scope"]) == ("Bearer", 3600, "default")
    assert house.tokens.check(told["access_token"], audience="wso2").system_id == "h37.qlvb"


@pytest.mark.parametrize("secret", ["bi-mat-1", "bi-mat-2"])
@pytest.mark.parametrize("path", ["/token", "/oauth2/token"])
async def test_both_secrets_while_they_are_replaced(house, secret, path):
    reply = await house.kit(secret=secret).ask_token(path=path)
    assert reply.status == 200


async def test_credentials_in_the_form(house):
    body = "client_id=h37.qlvb&client_secret=bi-mat-1&grant_type=client_credentials&scope=x"
    assert (await house.kit().ask_token(body, "")).status == 200


async def test_curl_with_the_grant_in_the_address(house):
    reply = await house.kit().ask_token("", path="/token?grant_type=client_credentials")
    assert reply.status == 200


async def test_a_client_id_beside_the_same_in_the_header(house):
    reply = await house.kit().ask_token("grant_type=client_credentials&client_id=h37.qlvb")
    assert reply.status == 200


async def test_credentials_encoded_as_the_standard_says_and_as_they_are(house):
    house.callers.add("h37/q+l v:b", "mật khẩu %41+".encode())
    coded = basic("h37%2Fq%2Bl+v%3Ab", "m%E1%BA%ADt+kh%E1%BA%A9u+%2541%2B")
    assert (await house.kit().ask_token(authorization=coded)).status == 200
    house.callers.add("plain", "mật khẩu %41+".encode())
    assert (
        await house.kit().ask_token(authorization=basic("plain", "mật khẩu %41+"))
    ).status == 200


async def test_a_token_lives_as_long_as_it_says(house, kit):
    house.clock.move(seconds=3600)
    ok(await kit.call("GET", "/vanbans"))
    house.clock.move(seconds=1)
    faulty(await kit.call("GET", "/vanbans"), 401, 900901)


@pytest.mark.parametrize(
    ("system", "secret"),
    [
        ("h37.qlvb", "bi-mat-3"),
        ("h14.qlvb", "bi-mat-1"),
        ("nobody", "bi-mat-1"),
        ("h37.qlvb", ""),
        ("", ""),
        ("h37.qlvb", "bi-mat-1 "),
        ("nobody", "a secret nobody has"),
        ("h37.qlvb", "x" * 5000),
    ],
)
async def test_one_answer_for_every_wrong_pair(house, system, secret):
    reply = await house.kit(system, secret).ask_token()
    assert reply.status == 401
    assert reply.json == {
        "error": "invalid_client",
        "error_description": "Client Authentication failed.",
    }
    assert reply.headers["www-authenticate"].startswith("Basic ")
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "authorization", "status", "error"),
    [
        ("", None, 400, "invalid_request"),
        ("grant_type=", None, 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", None, 400, "unsupported_grant_type"),
        ("grant_type=refresh_token&refresh_token=x", None, 400, "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=password", None, 400, "invalid_request"),
        ("grant_type=client_credentials&client_secret=bi-mat-1", None, 400, "invalid_request"),
        ("grant_type=client_credentials&client_id=h14.qlvb", None, 400, "invalid_request"),
        ("grant_type=client_credentials", "", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=h37.qlvb", "", 401, "invalid_client"),
        ("grant_type=client_credentials", "Bearer x", 400, "invalid_request"),
        ("grant_type=client_credentials", "Basic ???", 400, "invalid_request"),
        ("grant_type=client_credentials", "Basic /w==", 400, "invalid_request"),
        ("grant_type=client_credentials", "Basic", 400, "invalid_request"),
        ("grant_type=client_credentials&x=%ff", None, 200, ""),
        ("grant_type=client_credentials&" + "x" * 20_000, None, 413, "invalid_request"),
        ("&".join(f"x{n}=1" for n in range(40)), None, 400, "invalid_request"),
    ],
)
async def test_errors_of_the_token_endpoint(house, body, authorization, status, error):
    reply = await house.kit().ask_token(body, authorization)
    assert (reply.status, reply.json.get("error", "")) == (status, error)
    assert "access_token" in reply.json or reply.json["error_description"]


async def test_a_secret_in_the_address_is_refused_though_it_is_right(house):
    for name in ("client_secret", "CLIENT_SECRET", "password"):
        path = f"/token?client_id=h37.qlvb&{name}=bi-mat-1"
        reply = await house.kit().ask_token("grant_type=client_credentials", "", path)
        assert (reply.status, reply.json["error"]) == (400, "invalid_request")
        assert b"bi-mat" not in reply.body


async def test_a_token_request_that_is_no_form(house):
    reply = await house.kit().ask_token('{"grant_type":"x"}', content_type="application/json")
    assert (reply.status, reply.json["error"]) == (415, "invalid_request")


async def test_only_post_at_the_token_endpoint(house):
    faulty(await exchange(house.port, "GET", "/token", [], b""), 404, 900906)


async def test_wrong_ones_wait_the_right_one_never(house):
    """Nobody is locked out: not by himself, not by who uses his name, not by who shares an address."""
    guesser, victim = house.kit(secret="đoán"), house.kit()
    for _ in range(FREE):
        assert (await guesser.ask_token()).status == 401
    reply = await guesser.ask_token()
    assert (reply.status, reply.headers["retry-after"]) == (429, "2")
    assert (await guesser.ask_token()).headers["retry-after"] == "4"
    assert (await house.kit("h14.qlvb", "đoán").ask_token()).status == 401
    assert (await victim.ask_token()).status == 200
    assert (await guesser.ask_token()).status == 401  # the count begins anew


# ---------------------------------------------------------------- who calls


async def test_no_token(house):
    reply = await house.kit().call("GET", "/vanbans")
    faulty(reply, 401, 900902)
    assert reply.headers["www-authenticate"] == 'Bearer realm="vanlien"'


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer ", "Basic eDp5", "Token x", "Bearer\tx"]
)
async def test_no_bearer(house, authorization):
    told = {"Authorization": authorization}
    faulty(await house.kit().call("GET", "/vanbans", headers=told), 401, 900902)


async def test_two_bearers(house, kit):
    told = [("Authorization", f"Bearer {kit.token}")] * 2
    faulty(await exchange(house.port, "GET", f"{BASE}/vanbans", told, b""), 401, 900902)


async def test_a_bad_token(house, kit):
    for token in ("x", kit.token[:-2], kit.token + "A", "A" * 2000):
        kit.token = token
        reply = await kit.call("GET", "/vanbans")
        faulty(reply, 401, 900901)
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]


async def test_a_token_of_another_door(house, kit):
    kit.token = house.tokens.issue(
        "h37.qlvb", b"bi-mat-1", audience="langson", ttl=timedelta(hours=1)
    )
    faulty(await kit.call("GET", "/vanbans"), 401, 900901)


async def test_the_token_dies_with_its_secret_and_its_system(house, kit, stranger):
    house.callers.add("h37.qlvb", b"moi", speaks_for=["H37.02"])
    faulty(await kit.call("GET", "/vanbans"), 401, 900901)
    house.callers.disable("h14.qlvb")
    faulty(await stranger.call("GET", "/vanbans"), 401, 900901)


@pytest.mark.parametrize("name", ["access_token", "Authorization", "token"])
async def test_a_token_in_the_address_is_refused_and_not_repeated(house, kit, name):
    reply = await kit.call("GET", "/vanbans", **{name: kit.token})
    faulty(reply, 401, 900902)
    assert kit.token.encode() not in reply.body


async def test_the_units_secret_is_not_read(front, kit):
    front.offer("a1", FILE, to="H37.02")
    for told in ({"secretDonVi": "khác"}, {"secretDonVi": ""}):
        assert len((await kit.call("GET", "/vanbans", headers=told)).json["data"]) == 1
    assert len(await kit.listed(secretDonVi="khác")) == 1


# ---------------------------------------------------------------- sending


@pytest.mark.parametrize("form", FORMS)
async def test_send_in_every_form(front, kit, form):
    told = ok(await kit.send(FILE, form=form))
    assert (told["docId"], told["DocId"]) == ("c1", "c1")
    caller, data, options = front.documents["c1"]
    assert data == FILE
    assert caller.system_id == "h37.qlvb"
    assert (options.via, options.declared_from) == ("wso2", None)


@pytest.mark.parametrize("form", FORMS)
async def test_a_status_in_every_form(front, kit, form):
    assert ok(await kit.send(FILE, "STATUS", form=form))["docId"] == "s1"
    assert front.reports["s1"][1] == FILE
    assert not front.documents


@pytest.mark.parametrize("form", FORMS)
async def test_an_unknown_kind_is_refused(front, kit, form):
    failed(await kit.send(FILE, "congvan", form=form), 22, "loaiVanBan")
    assert not front.documents
    assert not front.reports


async def test_without_a_kind_it_is_a_document(front, kit):
    body = json.dumps({"data": base64.b64encode(FILE).decode()}).encode()
    ok(await kit.call("POST", "/vanbans", body))
    assert front.documents["c1"][1] == FILE


async def test_a_title_or_a_file_name_before_it_is_not_the_packet(front, kit):
    text = base64.b64encode(FILE).decode()
    told = {
        "file": "12-SNV.edxml",
        "noiDung": 'V/v "data":"x"',
        "content": "",
        "loaiVanBan": "edoc",
    }
    ok(await kit.call("POST", "/vanbans", json.dumps(told | {"data": text}).encode()))
    assert front.documents["c1"][1] == FILE


async def test_two_packets_in_one_body_are_none(front, kit):
    text = base64.b64encode(FILE).decode()
    for body, form in (
        (f'{{"data":"{text}","vanBan":"{text}"}}', "application/json"),
        (f'{{"\\u0064ata":"{text}","vanBan":"{text}"}}', "application/json"),
        (f"data={text}&data={text}", "application/x-www-form-urlencoded"),
    ):
        headers = {"Content-Type": form}
        reply = await kit.call("POST", "/vanbans", body.encode(), headers=headers)
        failed(reply, 22, "two packets")
    ok(await kit.call("POST", "/vanbans", f'{{"data":"{text}","vanBan":null}}'.encode()))


async def test_the_kind_said_twice(front, kit):
    ok(await kit.send(FILE, form="object", loaiVanBan="edoc"))
    failed(await kit.send(FILE, form="object", loaiVanBan="status"), 22, "loaiVanBan")
    failed(await kit.send(FILE, form="object-last", loaiVanBan="status"), 22, "loaiVanBan")
    failed(await kit.send(FILE, headers={"loaiVanBan": "status"}), 22, "loaiVanBan")
    body = b'{"loaiVanBan":"edoc","data":"' + base64.b64encode(FILE) + b'","loaiVanBan":"status"}'
    failed(await kit.call("POST", "/vanbans", body), 22, "loaiVanBan")
    assert list(front.documents) == ["c1"]


async def test_the_kind_behind_a_long_packet(kit, front, house):
    """So much is not kept waiting: it is taken for a document, and a status behind it is refused."""
    means = replace(house.means, max_bytes=1 << 20)
    runner = await house.open(means)
    try:
        kit.port = house.port
        long = b"x" * 900_000
        ok(await kit.send(long, form="object-last"))
        assert front.documents["c1"][1] == long
        failed(await kit.send(long, "status", form="object-last"), 22, "say it first")
    finally:
        await runner.cleanup()


async def test_again_gives_the_same_answer(front, kit):
    assert ok(await kit.send(FILE))["docId"] == ok(await kit.send(FILE, form="form"))["docId"]
    assert len(front.documents) == 1


async def test_a_sender_that_is_not_the_caller(front, kit):
    front.sender_of = lambda _: "H14.01"
    failed(await kit.send(FILE), 19)


async def test_in_small_pieces(house, kit, front):
    """Every cut of the body gives the same bytes."""
    text = base64.b64encode(FILE).decode().replace("=", "\\u003d").replace("/", "\\/")
    body = f'{{"loaiVanBan" : "edoc" ,\n"data" :\t"{text}" , "x": [1, {{"y": null}}]}}'.encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"POST {BASE}/vanbans HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {kit.token}\r\n"
    head += "Content-Type: application/json\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    writer.write(f"{head}\r\n".encode())
    for at in range(len(body)):
        writer.write(b"1\r\n" + body[at : at + 1] + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()
    assert front.documents["c1"][1] == FILE


@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        (b'"PGVkWE1M', 10, "cut off"),
        (b'"PGVkWE1"', 10, "base64"),
        (b'"PGVk!E1M"', 10, "base64"),
        (b'"PGVkWA==PGVkWA=="', 10, "base64"),
        (b'{"data":"PGVkWE1M', 10, "cut off"),
        (b'{"data":"PGVkWE1M"', 22, "JSON"),
        (b'{"data":"PGVkWE1M"} x', 22, "JSON"),
        (b'{"data":""}', 22, "packet"),
        (b'{"du_lieu":"PGVkWE1M"}', 22, "packet"),
        (b'{"data":{"x":1}}', 22, "packet"),
        (b"{}", 22, "packet"),
        (b"[]", 22, "JSON"),
        (b"null", 22, "JSON"),
        (b"", 22, "JSON"),
        (b'""', 22, "packet"),
        (b"<edXML/>", 22, "JSON"),
        (b'{"data":"\\ud83d"}', 10, "base64"),
        (b'{"data":"\\x"}', 10, "base64"),
        (b'{"a":"' + b"x" * 70_000 + b'"}', 10, "too long"),
    ],
)
async def test_a_body_that_is_no_packet(front, kit, body, code, word):
    failed(await kit.call("POST", "/vanbans", body, loaiVanBan="edoc"), code, word)
    assert not front.documents


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"data=PGVkWE1", 10),
        (b"data=PGVk%2", 10),
        (b"data=PGVk%zz", 10),
        (b"data=PGVk%22", 10),
        (b"xdata=PGVkWE1M", 22),
        (b"loaiVanBan=edoc", 22),
        (b"data=", 22),
        (b"&".join([b"a=b"] * 100) + b"&data=PGVkWE1M", 10),
        (b"a=" + b"b" * 70_000 + b"&data=PGVkWE1M", 10),
        (b"data=PGVkWE1M&a=" + b"b" * 70_000, 10),
    ],
)
async def test_a_form_that_is_no_packet(front, kit, body, code):
    failed(await kit.call("POST", "/vanbans", body, "application/x-www-form-urlencoded"), code)
    assert not front.documents


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "image/png"])
async def test_a_body_of_another_type(front, kit, kind):
    failed(await kit.call("POST", "/vanbans", b"x", kind), 22, "application/json")


async def test_an_upload_that_breaks_off_is_nobody_s_document(house, kit, front):
    _, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"POST {BASE}/vanbans?loaiVanBan=edoc HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
    head += f"Authorization: Bearer {kit.token}\r\nContent-Type: application/json\r\n\r\n"
    writer.write(head.encode() + b'"PGVkWE1M')
    await writer.drain()
    writer.transport.abort()
    ok(await kit.send(FILE))
    assert [data for _, data, _ in front.documents.values()] == [FILE]


@pytest.mark.parametrize("form", ["text", "object", "form", "lines", "raw"])
async def test_oversize(front, kit, form):
    ok(await kit.send(b"x" * MAX_BYTES, form=form))
    failed(await kit.send(b"x" * (MAX_BYTES + 1), form=form), 10, str(MAX_BYTES))
    failed(await kit.send(b"x" * (MAX_BYTES * 60), form=form), 10, str(MAX_BYTES))
    assert len(front.documents) == 1


async def test_blanks_without_end(front, kit):
    """Blanks inside base64 are nothing, but a body of them is not read for ever."""
    body = b'{"data":"' + b" " * 300_000 + b'PGVk"}'
    failed(await kit.call("POST", "/vanbans", body), 10)
    assert not front.documents


async def test_refusals_have_the_code_of_the_table(front, kit):
    front.failure = RejectedError(Reason.RECIPIENT_UNKNOWN)
    failed(await kit.send(FILE), 18, "Không tìm thấy đơn vị nhận")
    front.failure = RejectedError(Reason.RECIPIENT_LOCKED)
    failed(await kit.send(FILE), 23)


# ---------------------------------------------------------------- receiving


async def test_the_list(house, front, kit, stranger):
    front.offer("a1", FILE, to="H37.02", written="000.00.02.H37")
    front.offer("s1", FILE, to="H37.03", kind="status")
    front.offer("a2", FILE, to="H14.01")
    assert [row["docId"] for row in await kit.listed()] == ["a1", "s1"]
    assert [row["docId"] for row in await kit.listed(loaiVanBan="status")] == ["s1"]
    assert [row["docId"] for row in await kit.listed(messageType="EDOC")] == ["a1"]
    assert [row["docId"] for row in await stranger.listed()] == ["a2"]
    (row,) = await kit.listed(loaiVanBan="edoc")
    assert row == {
        "docId": "a1",
        "serviceType": "eDoc",
        "messageType": "edoc",
        "createdTime": "22/11/2026 08:00:00",
        "created_time": "22/11/2026 08:00:00",
        "updatedTime": "22/11/2026 08:00:00",
        "updated_time": "22/11/2026 08:00:00",
        "from": "H01.01",
        "to": "000.00.02.H37",
        "status": "INITIAL",
        "statusDesc": "",
        "status_desc": "",
    }


async def test_the_list_by_status_and_date(house, front, kit):
    front.offer("a1", FILE, to="H37.02")
    house.clock.move(days=1)
    front.offer("a2", FILE, to="H37.02")
    await kit.signed_in()

    async def ids(**query):
        return [row["docId"] for row in await kit.listed(**query)]

    assert await ids(status="INITIAL") == ["a1", "a2"]
    assert await ids(trangThai="processing") == ["a1", "a2"]
    assert await ids(status="DONE") == []
    assert await ids(status="FAIL") == []
    assert await ids(fromDate="23/11/2026 00:00:00") == ["a2"]
    assert await ids(tuNgay="2026/11/22", denNgay="22/11/2026 23:59:59") == ["a1"]
    told = {"fromDate": "23/11/2026"}
    assert [r["docId"] for r in (await kit.call("GET", "/vanbans", headers=told)).json["data"]] == [
        "a2"
    ]


@pytest.mark.parametrize(
    "query",
    [
        {"loaiVanBan": "x"},
        {"status": "XONG"},
        {"fromDate": "hôm qua"},
        {"toDate": "32/01/2026"},
        {"loaiVanBan": "edoc", "messageType": "status"},
        {"loaiVanBan": "ed\0oc"},
        {"status": "DONE", "trangThai": "FAIL"},
    ],
)
async def test_a_question_that_means_nothing_is_no_empty_list(kit, query):
    failed(await kit.call("GET", "/vanbans", **query), 22)


async def test_fetch_as_base64_and_raw(front, kit):
    front.offer("a1", FILE, to="H37.02")
    told = ok(await kit.get("a1"))
    assert base64.b64decode(told["data"], validate=True) == FILE
    for accept in ("application/xml", "application/octet-stream, text/xml;q=0.5"):
        reply = await kit.get("a1", headers={"Accept": accept})
        assert (reply.status, reply.body) == (200, FILE)
        assert reply.headers["content-type"] == "application/xml"
    for accept in ("*/*", "application/json, application/xml", "text/html"):
        assert ok(await kit.get("a1", headers={"Accept": accept}))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 100])
async def test_fetch_of_any_length(front, kit, size):
    front.offer("a1", b"x" * size, to="H37.02")
    assert base64.b64decode(ok(await kit.get("a1"))["data"]) == b"x" * size


async def test_what_is_another_s_is_not_there(front, kit, stranger):
    front.offer("a1", FILE, to="H37.02")
    for doc_id in ("a1", "none", "../a1", "a1\0", "\r\n", "ă", "%2e%2e"):
        failed(await stranger.get(doc_id), 10)
        failed(await stranger.put(doc_id, "DONE"), 10)
        failed(await stranger.put(doc_id, "PROCESSING"), 10)
        raw = await stranger.get(doc_id, headers={"Accept": "application/xml"})
        assert (raw.status, raw.json["errorCode"]) == (404, "10")
    assert front.items["a1"].row.taken_at is None


async def test_a_packet_that_breaks_off_does_not_look_whole(front, kit, monkeypatch):
    front.offer("a1", FILE, to="H37.02")
    fetch = front.fetch

    async def broken(caller, item_id):
        packet = await fetch(caller, item_id)

        async def chunks():
            async for chunk in packet.chunks:
                yield chunk
                raise IntegrityError("damaged")

        return replace(packet, chunks=chunks())

    monkeypatch.setattr(front, "fetch", broken)
    for accept in ("application/json", "application/xml"):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            reply = await kit.get("a1", headers={"Accept": accept})
            assert len(reply.body) < int(reply.headers["content-length"])


# ---------------------------------------------------------------- acknowledging


async def test_done(house, front, kit):
    front.offer("a1", FILE, to="H37.02")
    for _ in range(2):
        ok(await kit.put("a1", "DONE"))
    assert front.items["a1"].row.taken_at == house.clock.now()
    assert await kit.listed() == []


async def test_fail_with_words(front, kit):
    front.offer("a1", FILE, to="H37.02")
    ok(await kit.put("a1", "FAIL", description="sai\ncấu trúc"))
    assert front.items["a1"].note == "sai cấu trúc"


@pytest.mark.parametrize("status", ["INITIAL", "PROCESSING", "processing"])
async def test_begun_is_not_ended(front, kit, status):
    front.offer("a1", FILE, to="H37.02")
    ok(await kit.put("a1", status))
    assert [row["docId"] for row in await kit.listed(status="PROCESSING")] == ["a1"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"status":"DONE"}', "application/json"),
        (b'{"trangThai":"done","docId":"a1","x":[1]}', "application/json"),
        (b'"DONE"', "application/json"),
        (b"status=DONE", "application/x-www-form-urlencoded"),
        (b"DONE", "text/plain"),
    ],
)
async def test_the_status_in_any_place(front, kit, body, kind):
    front.offer("a1", FILE, to="H37.02")
    ok(await kit.call("PUT", "/vanbans/a1", body, kind))
    assert front.items["a1"].row.taken_at is not None
    front.offer("a2", FILE, to="H37.02")
    ok(await kit.call("PUT", "/vanbans/a2", headers={"status": "DONE"}))
    assert front.items["a2"].row.taken_at is not None


@pytest.mark.parametrize(
    ("body", "query"),
    [
        (b"", {}),
        (b"", {"status": "XONG"}),
        (b'{"status":"FAIL"}', {"status": "DONE"}),
        (b'{"status":', {"status": "DONE"}),
        (b"[[[[", {"status": "DONE"}),
        (b"\xff\xfe", {"status": "DONE"}),
        (b'{"status":true}', {}),
    ],
)
async def test_a_status_that_means_nothing_changes_nothing(front, kit, body, query):
    front.offer("a1", FILE, to="H37.02")
    failed(await kit.call("PUT", "/vanbans/a1", body, **query), 22)
    assert front.items["a1"].row.taken_at is None
    assert front.items["a1"].note is None


async def test_words_without_end_change_nothing(front, kit):
    front.offer("a1", FILE, to="H37.02")
    failed(await kit.call("PUT", "/vanbans/a1", b" " * 70_000, status="DONE"), 10)
    assert front.items["a1"].row.taken_at is None


# ---------------------------------------------------------------- sent, catalogue


async def test_what_was_sent(kit, stranger):
    sent = ok(await kit.send(FILE))["docId"]
    for path, query in (
        ("/vanbandis", {}),
        (f"/vanbandis/{sent}", {}),
        ("/vanbandis", {"docId": sent}),
    ):
        (row,) = ok(await kit.call("GET", path, **query))["data"]
        assert (row["senderDocId"], row["receiveStatus"], row["sendStatus"]) == (
            sent,
            "03",
            "ACCEPTED",
        )
        assert ok(await stranger.call("GET", path, **query))["data"] == []
    assert ok(await kit.call("GET", "/vanbandis", loaiVanBan="status"))["data"] == []


async def test_agencies_of_the_country_and_of_the_province(front, kit):
    front.catalogue += [
        AgencyRow("H37.02", "Sở Nội vụ", "000.00.02.H37", "H37", "snv@h37"),
        AgencyRow("G12", "Bộ Tài chính"),
        AgencyRow("000.00.09.H37", "Sở cũ"),
    ]
    every = ok(await kit.call("GET", "/donvilienthongs"))["data"]
    assert [row["code"] for row in every] == ["H37.02", "G12", "000.00.09.H37"]
    assert every[0] == {
        "id": "H37.02",
        "pid": "H37",
        "code": "H37.02",
        "name": "Sở Nội vụ",
        "mail": "snv@h37",
        "oldCode": "000.00.02.H37",
    }
    near = ok(await kit.call("GET", "/donvilienthongs/qn"))["data"]
    assert [row["code"] for row in near] == ["H37.02", "000.00.09.H37"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_registering_needs_the_operator(kit, method):
    failed(await kit.call(method, "/donvilienthongs", b'{"code":"H37.99"}'), 15, "quản trị")


class FakeRegistrar:
    """Takes down what is asked below the caller's own."""

    def __init__(self):
        self.asked = []
        self.state = "waiting"

    def _noted(self, kind, caller, wish):
        if not wish.code.startswith(tuple(caller.speaks_for)):
            raise RejectedError(Reason.FORBIDDEN, "not below one of yours")
        self.asked.append((kind, wish))
        return RequestRow("r1", kind, caller.system_id, wish, self.state, FakeClock().now())

    async def register(self, caller, wish):
        return self._noted("register", caller, wish)

    async def close(self, caller, code):
        return self._noted("close", caller, Wish(code, ""))


async def test_registering_below_ones_own_is_noted(house):
    registrar = FakeRegistrar()
    runner = await house.open(replace(house.means, registrar=registrar))
    wish = {"code": "H37.02.01", "pcode": "H37.02", "name": "Phòng", "email": "p@h37", "fax": ""}
    try:
        kit = await house.kit().signed_in()
        body = json.dumps(wish | {"mobile": 123}).encode()
        assert "cho quan tri" in ok(await kit.call("POST", "/donvilienthongs", body))["errorDesc"]
        assert registrar.asked == [
            ("register", Wish("H37.02.01", "Phòng", "H37.02", "p@h37", "123"))
        ]
        registrar.state = "approved"
        told = ok(await kit.call("POST", "/donvilienthongs", body))
        assert told["errorDesc"] == "Thanh cong"
        ok(await kit.call("PUT", "/donvilienthongs", agencyCode="H37.02.01"))
        ok(await kit.call("PUT", "/donvilienthongs", b'{"agencyCode":"H37.02.01"}'))
        ok(await kit.call("DELETE", "/donvilienthongs", headers={"agencyCode": "H37.02.01"}))
        assert [kind for kind, _ in registrar.asked[2:]] == ["close"] * 3
        failed(await kit.call("PUT", "/donvilienthongs", agencyCode="H14.01"), 15)
        failed(await kit.call("PUT", "/donvilienthongs"), 22, "agencyCode")
        for wrong, code in ((b"[", 22), (b"x" * 70_000, 10), (b"\xff", 22)):
            failed(await kit.call("POST", "/donvilienthongs", wrong), code)
        assert len(registrar.asked) == 5
    finally:
        await runner.cleanup()


# ---------------------------------------------------------------- trouble


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/vanban"),
        ("GET", "/"),
        ("DELETE", "/vanbans/a1"),
        ("POST", "/vanbans/a1"),
        ("GET", "/donvilienthongs/H37.02"),
        ("GET", "/vanbans/a/b"),
        ("PATCH", "/vanbans"),
        ("OPTIONS", "/vanbans"),
    ],
)
async def test_no_such_resource(kit, method, path):
    faulty(await kit.call(method, path), 404, 900906)


async def test_nobody_asks_for_heads(kit):
    assert (await kit.call("HEAD", "/vanbans")).status == 404


async def test_our_failure_is_never_an_empty_list(front, kit):
    for failure in (
        RuntimeError("bug"),
        IntegrityError("damage"),
        UnavailableError(Reason.INTERNAL),
    ):
        front.failure = failure
        told = faulty(await kit.call("GET", "/vanbans"), 500, 900967)
        assert "data" not in told
        assert "bug" not in told["description"]


async def test_no_room(house, front, kit):
    front.failure = UnavailableError(Reason.UNAVAILABLE, "later", retry_after_s=7.4)
    reply = await kit.send(FILE)
    faulty(reply, 503, 303001)
    assert reply.headers["retry-after"] == "7"
    front.failure = UnavailableError(Reason.OVERLOADED, "too many", retry_after_s=30)
    reply = await kit.send(FILE)
    told = faulty(reply, 429, 900800)
    assert reply.headers["retry-after"] == "30"
    assert told["nextAccessTime"] == "2026-Nov-22 01:00:30+0000 UTC"
    assert wire.next_access_s(reply.body, house.clock.now()) == 30


async def test_a_body_without_a_type_is_json(house, kit, front):
    told = {"Authorization": f"Bearer {kit.token}", "Content-Length": "10"}
    reply = await exchange(house.port, "POST", f"{BASE}/vanbans", [*told.items()], b'"PGVkWE1M"')
    ok(reply)
    assert front.documents["c1"][1] == b"<edXML"[:6]


@pytest.mark.parametrize("bound", ["SILENCE_S", "SMALL_WITHIN_S"])
async def test_a_sign_in_that_falls_silent_keeps_no_place(house, monkeypatch, bound):
    """Nobody knows who it is: it is answered and let go, though it never ends."""
    monkeypatch.setattr(serving, bound, 0.01)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    writer.write(b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\ngrant_type=")
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400")
    writer.transport.abort()


async def test_an_upload_that_drips_keeps_no_place(house, kit, front, monkeypatch):
    monkeypatch.setattr(serving, "GRACE_S", -1.0)
    monkeypatch.setattr(serving, "LEAST_BYTES_S", 1e12)
    faulty(await kit.send(FILE), 503, 303001)
    assert not front.documents


async def test_a_gateway_at_rest_says_so_to_its_own_clients_only(house, kit):
    @web.middleware
    async def resting(request, handler):
        told = house.facade.busy(request, UnavailableError(retry_after_s=30))
        return told if told is not None else web.Response(status=299)

    runner = await house.open(middlewares=[resting])
    try:
        kit.port = house.port
        faulty(await kit.call("GET", "/vanbans"), 503, 303001)
        faulty(await kit.ask_token(), 503, 303001)
        assert (await exchange(house.port, "GET", "/live", [], b"")).status == 299
        assert (await exchange(house.port, "GET", f"{BASE}x/vanbans", [], b"")).status == 299
    finally:
        await runner.cleanup()


async def test_plain_http_from_listed_ranges_only(house):
    here, elsewhere = ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8")
    for networks, status in (([here], 200), ([elsewhere], 403)):
        runner = await house.open(replace(house.means, plain_http_from=networks))
        try:
            assert (await house.kit().ask_token()).status == status
            reply = await house.kit().call("GET", "/vanbans")
            assert reply.status == (401 if status == 200 else 403)
        finally:
            await runner.cleanup()
    runner = await house.open(middlewares=[serving.only_from([elsewhere])])
    assert (await house.kit().ask_token()).status == 403
    await runner.cleanup()


async def test_another_base_path(house):
    runner = await house.open(replace(house.means, base="/truc-tinh/v2"))
    try:
        kit = await house.kit(base="/truc-tinh/v2").signed_in()
        ok(await kit.call("GET", "/vanbans"))
        kit.base = BASE
        assert (await kit.call("GET", "/vanbans")).status == 404
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("form", FORMS)
async def test_large_packets_in_small_pieces(house, front, kit, form):
    runner = await house.open(replace(house.means, max_bytes=32 << 20))
    try:
        kit.port = house.port
        large = bytes(range(256)) * (8 << 10)
        ok(await kit.send(large, form=form))
        assert front.documents["c1"][1] == large
        assert front.largest_chunk <= 512 << 10
    finally:
        await runner.cleanup()


async def test_a_large_packet_is_fetched_as_it_is(house, front, kit):
    large = bytes(range(256)) * (16 << 10)
    front.chunk_bytes = 65_536
    front.offer("a1", large, to="H37.02")
    assert base64.b64decode(ok(await kit.get("a1"))["data"]) == large


async def test_a_signed_call_of_the_national_kit_may_carry_a_token(house, front, kit):
    """One told to get a token first: the signature says who calls, the token beside it nothing."""
    app = web.Application()
    app.add_routes([*plugin.facade(house.means).routes, *vxp.plugin.facade(house.means).routes])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        house.port = runner.addresses[0][1]
        token = (await house.kit().ask_token()).json["access_token"]
        signed = vxp_kit.Kit(house.port, "h37.qlvb", "bi-mat-1")
        front.offer("a1", FILE, to="H37.02")
        signed.map |= {"servicetype": "eDoc", "messagetype": "edoc"}
        bearer = ("Authorization", f"Bearer {token}")
        reply = await signed.call("getReceivedEdocList", headers=[*signed.headers(), bearer])
        assert [row["docId"] for row in reply.json["data"]] == ["a1"]
        reply = await signed.call("getReceivedEdocList", headers=[bearer])
        assert reply.status == 401
    finally:
        await runner.cleanup()


def test_no_other_dialect_s_paths_can_be_its_base(house):
    """A base path that shadows another dialect is refused with the settings."""
    for name in set(dialects.names()) - {"wso2"}:
        routes = dialects.dialect(name).facade(house.means).routes
        assert {route.path.split("/")[1] for route in routes} <= cross._TAKEN
    assert {path.split("/")[1] for path in wire.TOKEN_PATHS} <= cross._TAKEN


async def test_secrets_tokens_and_content_are_in_no_line_and_no_answer(house, front, caplog):
    """The whole frame around the façade, all logs at their finest, everything going wrong."""
    caplog.set_level(logging.DEBUG)
    lines = io.StringIO()
    observe.configure(json=True, level="debug", stream=lines)
    house.callers.add("rieng.qlvb", b"bi-mat-rieng", speaks_for=["H37.02"])
    routes = plugin.facade(house.means).routes
    running = await listen(make_facade_app(UuidIds(), routes), "127.0.0.1", 0)
    house.port = running.port
    kit = house.kit("rieng.qlvb", "bi-mat-rieng")
    answers = []
    try:
        await kit.signed_in()
        front.offer("a1", FILE, to="H37.02")
        for secret in ("bi-mat-rieng", kit.token):
            query = f"grant_type=client_credentials&client_secret={secret}"
            answers.append(await kit.ask_token("", "", f"/token?{query}"))
            answers.append(await kit.call("GET", "/vanbans", access_token=secret))
            answers.append(await kit.call("GET", f"/{secret}", secretDonVi=secret))
            answers.append(await kit.call("GET", f"/vanbans/{secret}"))
            answers.append(await kit.call("GET", "/vanbans", status=secret))
            answers.append(await kit.ask_token(f"grant_type={secret}"))
            answers.append(await kit.ask_token(authorization=basic(secret, secret)))
        wrong = house.kit("rieng.qlvb", "bi-mat-rieng-sai")
        answers += [await wrong.ask_token() for _ in range(FREE + 1)]
        for failure in (UnavailableError(), RuntimeError("bi-mat-rieng")):
            front.failure = failure
            answers.append(await kit.send(b"bi-mat-rieng"))
        answers.append(await kit.call("PUT", "/vanbans/a1", b'{"status":"bi-mat-rieng"}'))
        answers.append(await kit.call("POST", "/vanbans", b'"bi-mat-rieng"'))
    finally:
        await running.close()
        observe.silence()
    said = lines.getvalue() + caplog.text
    assert said.count('"event":"signins_failing"') == 1
    assert '"event":"auth_failed"' in said
    for secret in ("bi-mat-rieng", kit.token[:40]):
        assert secret not in said
        assert all(secret.encode() not in reply.body for reply in answers)
