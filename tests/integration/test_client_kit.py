"""The client kit: it offers what /openapi.json has, asks again only where it may, and works live."""

import asyncio
import hashlib
import inspect
import re
from pathlib import Path

import pytest
from aiohttp import web

from gateway.client import AwayError, Client, RefusedError, WebhookError, shapes, verify_webhook
from gateway.domain import webhook as signing
from tests.world import client_shapes
from tests.world.gatehouse import gatehouse, packet

ROOT = Path(__file__).resolve().parents[2]
KEY = "vl_sender-0123456789abcdef"
OFFERED = {
    "submitDocument": ("send", "send_form"),
    "uploadPacket": ("upload",),
    "listDocuments": ("documents",),
    "getDocument": ("document",),
    "getDocumentEvents": ("document_events",),
    "getDocumentReceipts": ("document_receipts",),
    "recallDocument": ("recall",),
    "getDocumentRecalls": ("recalls",),
    "getDocumentVerification": ("document_verification", "document_report"),
    "getDocumentSignedBytes": ("document_signed",),
    "listInbox": ("inbox",),
    "getArrival": ("arrival",),
    "getArrivalEvents": ("arrival_events",),
    "getArrivalReceipts": ("arrival_receipts",),
    "getArrivalVerification": ("arrival_verification", "arrival_report"),
    "getArrivalSignedBytes": ("arrival_signed",),
    "getArrivalPacket": ("packet",),
    "getArrivalAttachment": ("attachment",),
    "confirmArrival": ("confirm",),
    "reportStatus": ("status",),
    "rewindInbox": ("rewind",),
    "listAgencies": ("agencies",),
    "streamEvents": ("events", "follow"),
    "listWebhooks": ("webhooks",),
    "addWebhook": ("webhook_add",),
    "getWebhook": ("webhook",),
    "listWebhookCalls": ("webhook_calls",),
    "rotateWebhook": ("webhook_rotate",),
    "pauseWebhook": ("webhook_pause",),
    "resumeWebhook": ("webhook_resume",),
    "removeWebhook": ("webhook_remove",),
    "replayWebhook": ("webhook_replay",),
    "testWebhook": ("webhook_test",),
}
# For orchestrators and programmers, not for an agency's system.
LEFT_OUT = {"live", "ready", "metrics", "openapi", "getVerificationSchema"}
GIVEN = {
    "recipients": ("H37.04",),
    "packet": b"<edXML/>",
    "metadata": {"sender": "H37"},
    "files": [("a.pdf", b"x")],
    "key": "so-1",
    "document": "a1",
    "arrival": "a1",
    "hook": "a1",
    "form": "pdf",
    "lang": "en",
    "code": "03",
    "reason": "thử",
    "undetermined_reason": "gấp",
    "decided_by": "Lê Thị Hoa",
    "since": "2026-11-20T00:00:00+07:00",
    "url": "https://a.example",
    "kinds": ["inbox.*"],
    "document_id": "H37,2026,1",
    "agency": "H37",
    "q": "so noi vu",
}


def given(name, parameter):
    """Return a value for every parameter, so that nothing of a method stays unasked."""
    if name in GIVEN and (name != "packet" or parameter.kind != parameter.VAR_KEYWORD):
        return GIVEN[name]
    return {"bool": True, "float": 2.0}.get(str(parameter.annotation).partition(" ")[0], 7)


class Listening(Client):
    """A client that notes what it would ask."""

    def __init__(self):
        super().__init__("http://localhost", KEY)
        self.asked = []

    async def json(self, ask):
        self.asked.append(ask)
        return {}

    async def raw(self, ask):
        self.asked.append(ask)
        return b""

    def answered(self, ask, *, silence_s=0.0):
        self.asked.append(ask)
        raise RefusedError(404, {})


async def heard(method):
    client = Listening()
    bound = getattr(client, method)
    parameters = inspect.signature(bound).parameters
    try:
        told = bound(**{name: given(name, one) for name, one in parameters.items()})
        if inspect.isasyncgen(told):
            async for _ in told:
                pass
        else:
            await told
    except RefusedError:
        pass
    (ask,) = client.asked
    return ask


def operations():
    return {
        told["operationId"]: (path, verb.upper(), told)
        for path, item in client_shapes.document()["paths"].items()
        for verb, told in item.items()
    }


def test_every_operation_is_offered_or_left_out_on_purpose():
    assert set(OFFERED) | LEFT_OUT == set(operations())
    public = {
        name for name, value in vars(Client).items() if not name.startswith("_") and callable(value)
    }
    assert public == {name for names in OFFERED.values() for name in names}


@pytest.mark.parametrize(
    ("operation", "method"), [(o, m) for o, methods in OFFERED.items() for m in methods]
)
async def test_a_method_asks_what_the_document_describes(operation, method):
    path, verb, told = operations()[operation]
    ask = await heard(method)
    assert ask.method == verb
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), ask.path)
    known = {p["name"] for p in told.get("parameters", ()) if p["in"] == "query"}
    assert set(ask.query or ()) <= known
    assert method == "follow" or operation.endswith("Verification") or known == set(ask.query or ())
    headers = {p["name"] for p in told.get("parameters", ()) if p["in"] == "header"}
    assert set(ask.headers or ()) - {"Accept", "Content-Type"} <= headers
    taken = told.get("requestBody", {}).get("content", {})
    body = ask.body() if ask.body else {}
    if "json" in body:
        name = taken["application/json"]["schema"]["$ref"].rpartition("/")[2]
        fields = client_shapes.document()["components"]["schemas"][name]["properties"]
        assert set(body["json"]) == set(fields)
    elif "data" in body:
        kind = (ask.headers or {}).get("Content-Type", "multipart/form-data")
        assert kind in taken
    else:
        assert not taken


def test_the_types_are_those_of_the_document():
    made = (ROOT / "gateway/client/shapes.py").read_text(encoding="utf-8")
    assert made == client_shapes.text(), "make docs"
    assert set(shapes.AcceptedOut.__annotations__) >= {"id", "receipt", "findings"}


def test_it_needs_nothing_of_the_gateway():
    for file in (ROOT / "gateway/client").glob("*.py"):
        named = re.findall(r"^(?:from|import) (\S+)", file.read_text("utf-8"), re.MULTILINE)
        inside = {n for n in named if n.startswith(("gateway", "adapters"))}
        assert all(n.startswith("gateway.client") for n in inside), file


# ---------------------------------------------------------------- addresses and keys


def test_a_key_does_not_travel_in_clear():
    for url in ("http://lienthong.example.vn", "ftp://a", "lienthong.example.vn", ""):
        with pytest.raises(ValueError, match=r"https|begin"):
            Client(url, KEY)
    Client("http://10.0.0.1", KEY, plain=True)
    with pytest.raises(ValueError, match="key"):
        Client("https://a.example", "a\nb")


async def test_an_id_is_never_a_path():
    client = Listening()
    await client.document("../inbox?x=1")
    assert client.asked[0].path == "/api/v1/documents/..%2Finbox%3Fx%3D1"


# ---------------------------------------------------------------- asking again


class Moody:
    """A gateway that answers as it is told, in turn."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    async def take(self, request):
        self.asked.append((dict(request.headers), await request.read()))
        answer = self.answers.pop(0)
        if answer is None:
            request.transport.abort()
            return web.Response()
        status, body = answer
        headers = {"Retry-After": "0"} if status in {429, 503} else {}
        if status in {301, 307}:
            headers = {"Location": "/elsewhere"}
        if isinstance(body, bytes):
            headers = {"ETag": f'"{hashlib.sha256(body.strip()).hexdigest()}"'}
            return web.Response(body=body, status=status, headers=headers)
        return web.json_response(body, status=status, headers=headers)


@pytest.fixture
async def moody():
    runners = []

    async def make(*answers):
        made = Moody(*answers)
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", made.take)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        made.client = Client(f"http://127.0.0.1:{port}", KEY, tries=3)
        return made

    yield make
    for runner in runners:
        await runner.cleanup()


BUSY = (503, {"reason": "unavailable"})
FLYING = (409, {"reason": "in-flight"})


async def test_the_same_key_goes_with_every_try(moody, tmp_path):
    file = tmp_path / "di.edxml"
    file.write_bytes(b"<edXML/>")
    there = await moody(None, BUSY, (202, {"id": "x"}))
    async with there.client as client:
        assert (await client.send(file, key="so-7"))["id"] == "x"
    assert [body for _, body in there.asked] == [b"<edXML/>"] * 3
    assert {h["Idempotency-Key"] for h, _ in there.asked} == {"so-7"}
    assert {h["Authorization"] for h, _ in there.asked} == {f"Bearer {KEY}"}


async def test_a_first_try_still_under_way_is_waited_for(moody):
    there = await moody(FLYING, (202, {"id": "x"}))
    async with there.client as client:
        assert (await client.send_form({}, [("a.txt", b"x")], key="so-8"))["id"] == "x"


async def test_what_may_not_be_done_twice_is_not(moody):
    there = await moody(None)
    async with there.client as client:
        with pytest.raises(AwayError):
            await client.webhook_add("https://a.example")
    assert len(there.asked) == 1
    there = await moody(BUSY, (201, {"id": "w"}))
    async with there.client as client:
        assert (await client.webhook_add("https://a.example"))["id"] == "w"


async def test_who_stays_away_is_given_up_with_its_wish(moody):
    there = await moody(BUSY, BUSY, BUSY)
    async with there.client as client:
        with pytest.raises(AwayError, match="unavailable"):
            await client.agencies()
    assert len(there.asked) == 3


async def test_a_refusal_says_everything_and_is_not_repeated(moody):
    finding = {"rule": "MD-01", "where": "/subject", "vi": "Thiếu trích yếu", "en": "x"}
    there = await moody((422, {"reason": "rules-broken", "title": "Sai", "findings": [finding]}))
    async with there.client as client:
        with pytest.raises(RefusedError, match="Thiếu trích yếu") as refused:
            await client.send(b"<edXML/>", key="so-9")
    assert refused.value.reason == "rules-broken"
    assert refused.value.findings == (finding,)
    there = await moody((400, "a proxy's own words"))
    async with there.client as client:
        with pytest.raises(RefusedError, match="400"):
            await client.inbox()


async def test_bytes_changed_on_the_way_are_found(moody):
    there = await moody((200, b"<edXML/>"), (200, b"<edXML/>\n"))
    async with there.client as client:
        assert b"".join([p async for p in client.packet("a1")]) == b"<edXML/>"
        with pytest.raises(AwayError, match="not those"):
            assert [p async for p in client.packet("a1")]


async def test_a_page_of_somebody_else_is_no_answer(moody):
    there = await moody((200, b"<html>Sign in to the network</html>"))
    async with there.client as client:
        with pytest.raises(AwayError, match="somebody else"):
            await client.inbox()


async def test_the_key_does_not_follow_a_redirect(moody):
    there = await moody((307, {}))
    async with there.client as client:
        with pytest.raises(RefusedError, match="307"):
            await client.inbox()
    assert len(there.asked) == 1


# ---------------------------------------------------------------- webhooks

SECRET = signing.secret_text(b"k" * 32)
OLD = signing.secret_text(b"o" * 32)


def message(secret=b"k" * 32, body=b'{"type":"inbox.document"}', at=1000):
    return signing.headers([secret], "m1", at, body), body


def test_a_message_of_the_gateway_is_known():
    headers, body = message()
    assert verify_webhook(SECRET, headers, body, now=1000)["type"] == "inbox.document"
    upper = {name.title(): value for name, value in headers.items()}
    assert verify_webhook([OLD, SECRET], upper, body, now=1299)
    both = signing.headers([b"n" * 32, b"k" * 32], "m1", 1000, body)
    assert verify_webhook(SECRET, both, body, now=1000)


@pytest.mark.parametrize(
    "change",
    [
        {"body": b'{"type":"inbox.documenT"}'},
        {"now": 1301},
        {"now": 699},
        {"secrets": OLD},
        {"secrets": ()},
        {"secrets": "whsec_"},
        {"secrets": "whsec_%%"},
        {"headers": {}},
        {"headers": {"webhook-id": "m1", "webhook-timestamp": "1000"}},
        {"headers": {"webhook-id": "m1", "webhook-timestamp": "-1", "webhook-signature": "v1,x"}},
        {"headers": {"webhook-id": "m1", "webhook-timestamp": "1000", "webhook-signature": "v1,é"}},
    ],
)
def test_anything_else_is_not(change):
    headers, body = message()
    told = {"secrets": SECRET, "headers": headers, "body": body, "now": 1000} | change
    with pytest.raises(WebhookError):
        verify_webhook(**told)


# ---------------------------------------------------------------- live


async def test_a_document_and_back_through_a_gateway(tmp_path):
    async with gatehouse(tmp_path) as house:
        snv = Client(house.url, house.systems["snv"].key)
        stc = Client(house.url, house.systems["stc"].key)
        async with snv, stc, asyncio.timeout(60):
            sent = await snv.send(packet(), key="so-12")
            assert (await snv.send(packet(), key="so-12"))["id"] == sent["id"]
            follow = stc.follow(0, kinds=["inbox.*"])
            event = await anext(follow)
            await follow.aclose()
            assert event["kind"] == "inbox.document"
            (item,) = (await stc.inbox())["items"]
            assert item["id"] == event["subject"]
            files = [b"".join([p async for p in stc.attachment(item["id"], 0)])]
            assert files == [b"xin chao"]
            assert b"edXML" in b"".join([p async for p in stc.packet(item["id"])])
            assert (await stc.confirm(item["id"]))["entered_system_at"]
            assert "02" in (await stc.status(item["id"], "05"))["actions"]
            again = stc.follow(event["id"])
            assert (await anext(again))["kind"] == "inbox.entered"
            await again.aclose()
            assert (await snv.documents())["items"][0]["id"] == sent["id"]
            assert (await snv.document_receipts(sent["id"]))["entries"]
            assert (await stc.arrival_verification(item["id"]))["files"][0]["index"] == 0
            with pytest.raises(RefusedError) as refused:
                await stc.status(item["id"], "02")
            assert refused.value.findings[0]["rule"] == "RCV-04"
            with pytest.raises(RefusedError, match="gone"):
                await anext(stc.follow(10**9))
            told = await stc.rewind("phục hồi", to=0, dry_run=True)
            assert told["documents"] == 1


async def test_a_stream_goes_on_behind_what_was_had():
    lives = [
        [b"retry: 3000\nid: 4\n\n", b'id: 5\nevent: x\ndata: {"id": "5"}\n\n', b"id: 6\ndata: {"],
        [b": \n\n", b"id: 9\n\n"],
        [b'id: 10\r\ndata: {"id":\r\ndata: "10"}\r\n\r\n'],
    ]
    came = []

    async def stream(request):
        came.append(request.headers.get("Last-Event-ID"))
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for piece in lives.pop(0):
            await answer.write(piece)
        return answer

    app = web.Application()
    app.router.add_get("/api/v1/events", stream)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}", KEY) as client, asyncio.timeout(60):
            events = client.follow()
            assert [(await anext(events))["id"], (await anext(events))["id"]] == ["5", "10"]
            await events.aclose()
    finally:
        await runner.cleanup()
    # Half an event was not had; a cursor alone was.
    assert came == [None, "5", "9"]
