"""The frame around every request: credentials, ids, headers, room, errors, closing."""

import asyncio
import io
import json

import pytest
from aiohttp import web

from gateway import observe
from gateway.errors import ConfigurationError, IntegrityError, Reason, RejectedError
from gateway.web import models, openapi, routes
from gateway.web.server import HOUSE, Limits, listen, make_app, make_facade_app
from tests.world.api_house import house, problem
from tests.world.fake_desk import (
    SENDER_KEY,
    STRANGER_KEY,
    FakeApiClock,
    FakeDesk,
    FakeIds,
    FakeIntake,
    FakeKeys,
)


def endpoints():
    intake = FakeIntake()
    app = make_app(intake, FakeDesk(intake, FakeApiClock()), FakeKeys(), FakeApiClock(), FakeIds())
    return app[HOUSE].endpoints


GUARDED = [e for e in endpoints() if not e.open]
OPEN = [e for e in endpoints() if e.open]


def place(endpoint):
    return endpoint.path.replace("{id}", "a1").replace("{n}", "0").replace("{k}", "0")


@pytest.fixture
def lines():
    stream = io.StringIO()
    observe.configure(json=True, level="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    observe.silence()


# ---------------------------------------------------------------- credentials


@pytest.mark.parametrize("endpoint", GUARDED, ids=lambda e: e.name)
async def test_every_route_wants_a_key(endpoint):
    async with house() as h:
        for key in (None, "wrong-0123456789", "", "short", "x" * 600, "é" * 10):
            reply = await h.call(endpoint.method, place(endpoint), key=key)
            problem(reply, 401, "unauthenticated")
            assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert h.intake.begun == 0
        assert h.desk.calls == []


@pytest.mark.parametrize(
    "given",
    [
        "Basic dXNlcjpwYXNz",
        f"Bearer{SENDER_KEY}",
        f"Bearer {SENDER_KEY} x",
        f"Bearer {SENDER_KEY},{SENDER_KEY}",
        SENDER_KEY,
    ],
)
async def test_other_schemes_are_not_credentials(given):
    async with house() as h:
        reply = await h.get("/api/v1/inbox", key=None, headers={"Authorization": given})
        problem(reply, 401, "unauthenticated")


STRANGE_TYPES = [
    "application/json; " + ";" * 16_000,
    'application/json; a="' + ";" * 16_000,
    "application/json" + '"' * 300,
    "a/b" + "(" * 300,
    "a/b; a*",
    "a/b; " + "a=b; " * 50,
]


@pytest.mark.parametrize("told", STRANGE_TYPES, ids=range(len(STRANGE_TYPES)))
async def test_a_strange_type_of_body_costs_nothing_and_is_refused(told, lines):
    async with house() as h:
        for key in (None, SENDER_KEY):
            headers = {"Content-Type": told}
            reply = await h.call("POST", "/api/v1/documents", key=key, headers=headers, data=b"x")
            problem(reply, 400, "bad-request")
    assert not [line for line in lines() if line["event"] == "request_crashed"]


@pytest.mark.parametrize(
    "told",
    [
        'multipart/related; type="application/xop+xml"; start="<root.message@cxf.apache.org>"; '
        'boundary="uuid:0d2f1b0e-7a43-4b6c-9a36-1f1b7d4cf3a1"; start-info="application/soap+xml"',
        "multipart/form-data; boundary=----=_Part_5_1234567.890",
        "text/xml;charset=UTF-8;",
    ],
)
async def test_types_that_clients_write_pass(told):
    async with house() as h:
        reply = await h.call("GET", "/api/v1/inbox", key=SENDER_KEY, headers={"Content-Type": told})
        assert reply.status == 200


async def test_two_keys_at_once_are_none():
    async with house() as h:
        reply = await h.raw(
            f"GET /api/v1/inbox HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SENDER_KEY}\r\n"
            f"Authorization: Bearer {STRANGER_KEY}\r\nConnection: close\r\n\r\n".encode()
        )
        assert reply.startswith(b"HTTP/1.1 401 ")


async def test_the_scheme_has_no_case():
    async with house() as h:
        reply = await h.get(
            "/api/v1/inbox", key=None, headers={"Authorization": f"bEARER  {SENDER_KEY}"}
        )
        assert reply.status == 200


@pytest.mark.parametrize("name", ["api_key", "token", "access_token", "KEY", "Authorization"])
@pytest.mark.parametrize("path", ["/api/v1/inbox", "/live", "/metrics"])
async def test_a_key_in_the_address_is_refused_and_never_repeated(path, name, lines):
    async with house() as h:
        reply = await h.get(f"{path}?{name}={SENDER_KEY}")
        problem(reply, 400, "bad-request")
        assert SENDER_KEY not in reply.body.decode()
        assert h.keys.asked == 0
    assert SENDER_KEY not in json.dumps(lines())


async def test_a_disabled_key_stops_working():
    async with house() as h:
        assert (await h.get("/api/v1/inbox")).status == 200
        del h.keys.keys[SENDER_KEY]
        problem(await h.get("/api/v1/inbox"), 401, "unauthenticated")


# ---------------------------------------------------------------- operations


@pytest.mark.parametrize("endpoint", OPEN, ids=lambda e: e.name)
async def test_operations_need_no_key_and_answer_head(endpoint):
    async with house() as h:
        assert (await h.get(endpoint.path, key=None)).status == 200
        head = await h.call("HEAD", endpoint.path, key=None)
        assert (head.status, head.body) == (200, b"")


async def test_live_and_ready():
    async with house() as h:
        live = await h.get("/live")
        models.Live.model_validate_json(live.body, extra="forbid")
        assert live.json == {"live": True, "at": "2026-11-22T08:00:00.000+07:00"}
        ready = await h.get("/ready")
        assert ready.json == {"ready": True, "checks": {"ledger": "ok", "blobs": "ok"}}
        h.desk.checks["clock"] = "ok (off: stamping held)"
        assert (await h.get("/ready")).status == 200
        h.desk.checks["blobs"] = "okay?"
        assert (await h.get("/ready")).status == 503
        h.desk.checks["blobs"] = "disk full"
        not_ready = await h.get("/ready")
        assert not_ready.status == 503
        models.Ready.model_validate_json(not_ready.body, extra="forbid")
        h.desk.failure = OSError("secret detail")
        broken = await h.get("/ready")
        assert broken.status == 503
        assert b"secret" not in broken.body


async def test_metrics_show_counters_and_the_desks_gauges():
    async with house() as h:
        await h.submit()
        h.desk.gauges["not a name"] = 1
        text = (await h.get("/metrics")).body.decode()
        assert 'vanlien_queue_length{lane="express"} 2.0' in text
        assert "not a name" not in text
        assert 'route="/api/v1/documents",status="202"' in text
        h.desk.failure = OSError()
        assert "vanlien_requests_total" in (await h.get("/metrics")).body.decode()


async def test_the_openapi_document_is_served_with_its_etag():
    async with house() as h:
        reply = await h.get("/openapi.json", key=None)
        assert reply.json == openapi.build(endpoints(), routes.API_VERSION)
        again = await h.get("/openapi.json", headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")


# ---------------------------------------------------------------- addresses and methods


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/documents/", "/admin", "/api/v2/inbox"])
async def test_unknown_addresses(path):
    async with house() as h:
        problem(await h.get(path, headers={"Accept": "text/html"}), 404, "no-such-route")


async def test_dots_lead_nowhere():
    async with house() as h:
        for path in ("/api/v1/documents/../../../live", "/../etc/passwd", "//live", "/%2e%2e/live"):
            reply = await h.raw(
                f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
            )
            assert reply.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 401 ")), reply
            assert b"problem+json" in reply


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_unknown_methods(method):
    async with house() as h:
        reply = await h.call(method, "/api/v1/documents")
        problem(reply, 405, "method-not-allowed")
        assert reply.headers["Allow"] == "GET, HEAD, POST"
        reply = await h.call(method, "/api/v1/inbox/a1/confirm")
        assert reply.headers["Allow"] == "POST"


async def test_every_answer_is_dressed():
    async with house() as h:
        for reply in (
            await h.get("/live"),
            await h.get("/nowhere"),
            await h.get("/api/v1/inbox", key=None),
            await h.get("/api/v1/inbox"),
        ):
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert reply.headers["Server"] == "vanlien"
            assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
            assert reply.headers["X-Request-Id"].startswith("01990000-")
            assert "Strict-Transport-Security" not in reply.headers


# ---------------------------------------------------------------- failures


@pytest.mark.parametrize(
    "failure",
    [
        ValueError("secret text"),
        KeyError("secret"),
        ConnectionRefusedError("secret host"),
        TimeoutError("secret"),
        RecursionError("secret"),
        web.HTTPConflict(text="secret"),
    ],
)
async def test_bugs_leave_nothing_but_an_id(failure, lines):
    async with house() as h:
        h.intake.failure = failure
        reply = await h.submit(b"<x/>", headers={"Accept": "text/html"})
        status = failure.status if isinstance(failure, web.HTTPException) else 500
        reason = "http" if isinstance(failure, web.HTTPException) else "internal"
        found = problem(reply, status, reason)
        assert "secret" not in reply.body.decode()
        assert found["request_id"] == reply.headers["X-Request-Id"]
        assert (await h.submit()).status == 202
    written = lines()
    assert "secret" not in json.dumps(written)
    if status == 500:
        (crash,) = [line for line in written if line["event"] == "request_crashed"]
        assert crash["request_id"] == found["request_id"]
        assert crash["error"] == type(failure).__name__
        assert any("fake_desk.py" in frame for frame in crash["stack"])


@pytest.mark.parametrize("kind", [IntegrityError, ConfigurationError])
async def test_our_own_errors_are_500_and_alarm(kind, lines):
    async with house() as h:
        h.intake.failure = kind("A row is damaged")
        problem(await h.submit(), 500, "internal")
    assert [line["event"] for line in lines()].count("request_crashed") == 1


async def test_the_closing_line_names_the_route_not_the_path(lines):
    async with house() as h:
        await h.get("/api/v1/documents/01990000-dead", headers={"X-Name": "Nguyễn"})
        await h.get("/api/v1/documents/01990000-dead?limit=3")
        await h.get("/api/v1/documents?document_id=H37,2026,1", key=None)
        await h.get("/nowhere/Nguyễn")
    done = [line for line in lines() if line["event"] == "request_done"]
    assert [(line["route"], line["status"]) for line in done] == [
        ("/api/v1/documents/{id}", 404),
        ("/api/v1/documents/{id}", 400),
        ("/api/v1/documents", 401),
        ("(unknown)", 404),
    ]
    assert done[0]["system_id"] == "qlvb-h37"
    assert "system_id" not in done[2]
    text = json.dumps(lines(), ensure_ascii=False)
    for secret in ("dead", "Nguyễn", "H37,2026", SENDER_KEY):
        assert secret not in text


# ---------------------------------------------------------------- wire


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET /live HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"BREW /live HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /live HTTP/1.1\r\nHost: x\r\nX y: z\r\n\r\n", 400),
        (b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /live HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET /live HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
    ],
)
async def test_what_is_not_http_gets_a_problem_and_no_echo(sent, status):
    async with house() as h:
        reply = await h.raw(sent)
        head, _, body = reply.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == str(status).encode(), reply[:200]
        assert b"application/problem+json" in head
        assert set(json.loads(body)) >= {"type", "title", "title_en", "reason"}
        assert b"yyyy" not in body
        assert (await h.get("/live")).status == 200


async def test_headers_of_an_old_clients_size_are_taken():
    async with house() as h:
        assert (await h.get("/live", headers={"XroadVnpt-to": "x" * 30_000})).status == 200


async def test_a_connection_that_never_asks_is_closed():
    async with house(Limits(keepalive_s=0.05)) as h:
        assert await h.raw(b"") == b""
        assert await h.raw(b"GET /live HTTP/1.1\r\nHo") == b""


# ---------------------------------------------------------------- room


async def test_one_caller_cannot_take_all_the_room():
    limits = Limits(in_flight=3, in_flight_per_caller=1, shutdown_s=1)
    async with house(limits) as h:
        h.intake.hold = asyncio.Event()
        first = asyncio.ensure_future(h.submit())
        await h.intake.until_waiting(1)
        mine = await h.get("/api/v1/inbox")
        problem(mine, 429, "overloaded")
        assert mine.headers["Retry-After"] == "1"
        assert (await h.get("/api/v1/inbox", key=STRANGER_KEY)).status == 200
        h.intake.hold.set()
        assert (await first).status == 202
        assert (await h.get("/api/v1/inbox")).status == 200


async def test_a_full_house_says_so_but_operations_see_in():
    async with house(Limits(in_flight=1, shutdown_s=1)) as h:
        h.intake.hold = asyncio.Event()
        first = asyncio.ensure_future(h.submit())
        await h.intake.until_waiting(1)
        full = await h.get("/api/v1/inbox", key=STRANGER_KEY)
        problem(full, 503, "unavailable")
        assert full.headers["Retry-After"] == "1"
        assert (await h.get("/live")).status == 200
        assert (await h.get("/metrics")).status == 200
        h.intake.hold.set()
        assert (await first).status == 202
        assert (await h.get("/api/v1/inbox", key=STRANGER_KEY)).status == 200


async def test_bytes_on_their_way_are_bounded_and_the_refused_never_send_theirs():
    async with house(Limits(coming_bytes=4000, shutdown_s=1)) as h:
        h.intake.hold = asyncio.Event()
        first = asyncio.ensure_future(h.submit(b"x" * 2000))
        await h.intake.until_waiting(1)
        mine = await h.submit(b"x" * 1500)  # of one caller at most three quarters
        problem(mine, 429, "overloaded")
        assert mine.headers["Retry-After"] == "5"
        full = await h.raw(
            b"POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nContent-Length: 2500\r\n"
            b"Content-Type: application/xml\r\nConnection: close\r\n"
            b"Expect: 100-continue\r\nAuthorization: Bearer " + STRANGER_KEY.encode() + b"\r\n\r\n"
        )
        assert full.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After: 5" in full
        second = asyncio.ensure_future(h.submit(b"x" * 1500, key=STRANGER_KEY))
        await h.intake.until_waiting(2)
        assert (await h.get("/api/v1/inbox")).status == 200  # brings nothing
        h.intake.hold.set()
        assert [(await r).status for r in (first, second)] == [202, 202]
        assert (await h.submit(b"x" * 9000)).status == 202  # alone, however large


async def test_a_body_that_says_no_length_counts_as_a_packet():
    async with house(Limits(coming_bytes=(8 << 20) + 1000, shutdown_s=1)) as h:
        h.intake.hold = asyncio.Event()

        async def body():
            yield b"<edXML/>"

        first = asyncio.ensure_future(h.submit(body()))
        await h.intake.until_waiting(1)
        problem(await h.submit(b"x" * 2000, key=STRANGER_KEY), 503, "unavailable")
        h.intake.hold.set()
        assert (await first).status == 202


# ---------------------------------------------------------------- closing, façades


async def test_closing_finishes_what_runs_and_takes_no_more():
    async with house(Limits(shutdown_s=5)) as h:
        h.intake.hold = asyncio.Event()
        first = asyncio.ensure_future(h.submit())
        await h.intake.until_waiting(1)
        closing = asyncio.ensure_future(h.running.close())
        await asyncio.sleep(0)
        with pytest.raises(OSError, match=r".*"):
            await h.raw(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n")
        h.intake.hold.set()
        assert (await first).status == 202
        await closing
        await h.running.close()


async def test_a_taken_port_is_an_os_error_and_leaves_nothing_open():
    async with house() as h:
        intake = FakeIntake()
        app = make_app(
            intake, FakeDesk(intake, FakeApiClock()), FakeKeys(), FakeApiClock(), FakeIds()
        )
        with pytest.raises(OSError, match="address already in use"):
            await listen(app, "127.0.0.1", h.running.port)


async def test_extra_routes_run_inside_the_frame(lines):
    async def good(request):
        return web.json_response({"token": request.query.get("token")})

    async def bad(_):
        raise IntegrityError("broken")

    extra = [web.get("/XrdAdapter/adapter/x", good), web.post("/XrdAdapter/adapter/y", bad)]
    async with house(extra_routes=extra) as h:
        reply = await h.get("/XrdAdapter/adapter/x?token=theirs", key=None)
        assert reply.json == {"token": "theirs"}
        assert reply.headers["X-Request-Id"]
        problem(await h.post("/XrdAdapter/adapter/y", key=None), 500, "internal")
    assert "theirs" not in json.dumps(lines())


async def test_a_facade_on_a_listener_of_its_own_has_the_frame_and_nothing_else(lines):
    async def good(_):
        return web.json_response({})

    @web.middleware
    async def nobody(request, handler):
        if request.headers.get("X-From") == "outside":
            raise RejectedError(Reason.FORBIDDEN)
        return await handler(request)

    app = make_facade_app(
        FakeIds(), [web.post("/XrdAdapter/adapter/x", good)], middlewares=[nobody]
    )
    running = await listen(app, "127.0.0.1", 0, limits=Limits(shutdown_s=1))
    async with house() as h:
        h.running = running
        assert (await h.post("/XrdAdapter/adapter/x", key=None)).status == 200
        outside = await h.post("/XrdAdapter/adapter/x", headers={"X-From": "outside"})
        problem(outside, 403, "forbidden")
        problem(await h.post("/elsewhere"), 404, "no-such-route")
        async with h.http.get(running.url + "/api/v1/inbox") as answer:
            assert answer.status == 404
    await running.close()
    assert [line["event"] for line in lines()].count("request_done") == 4
