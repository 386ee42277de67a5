"""The HTTP API over real loopback sockets, on fakes: `async with house() as h: await h.get(…)`."""

import asyncio
import functools
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from gateway.web import openapi
from gateway.web.server import HOUSE, Limits, Running, listen, make_app
from tests.world.fake_desk import SENDER_KEY, FakeApiClock, FakeDesk, FakeIds, FakeIntake, FakeKeys

XML = {"Content-Type": "application/xml"}


@dataclass
class Reply:
    """One answer, read whole."""

    status: int
    headers: object
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def unasked():
    """Return everything an application may have beside its front door, for routes nobody calls."""
    return {"notices": object(), "replays": object(), "hooks": object(), "recalls": object()}


@functools.cache
def _operations():
    intake = FakeIntake()
    clock = FakeApiClock()
    app = make_app(intake, FakeDesk(intake, clock), FakeKeys(), clock, FakeIds(), **unasked())
    document = openapi.build(app[HOUSE].endpoints, "test")
    return [
        (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), method.upper(), set(operation["responses"]))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def check_documented(method, path, status):
    """Fail when a route of ours answers with a status its document does not name."""
    for pattern, known, statuses in _operations():
        if known == ("GET" if method == "HEAD" else method) and pattern.fullmatch(
            path.partition("?")[0]
        ):
            assert str(status) in statuses, (method, path, status)


@dataclass
class House:
    """A running API and everything behind it."""

    intake: FakeIntake
    desk: FakeDesk
    keys: FakeKeys
    clock: FakeApiClock
    running: Running
    http: aiohttp.ClientSession

    async def call(self, method, path, *, key=SENDER_KEY, headers=None, **rest) -> Reply:
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        async with self.http.request(
            method, self.running.url + path, headers=sent, allow_redirects=False, **rest
        ) as answer:
            check_documented(method, path, answer.status)
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(self, path, **rest) -> Reply:
        return await self.call("GET", path, **rest)

    async def post(self, path, **rest) -> Reply:
        return await self.call("POST", path, **rest)

    async def submit(self, body=b"<edXML/>", *, headers=None, **rest) -> Reply:
        return await self.post(
            "/api/v1/documents", data=body, headers=XML | (headers or {}), **rest
        )

    async def raw(self, data: bytes, *, eof=False, patience_s=60.0) -> bytes:
        """Send bytes as they are on a connection of their own; return all that comes back."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.running.port)
        try:
            writer.write(data)
            await writer.drain()
            if eof:
                writer.write_eof()
            async with asyncio.timeout(patience_s):
                return await reader.read()
        finally:
            writer.close()


def problem(reply: Reply, status: int, reason: str) -> dict:
    """Check that an answer is a whole problem of this kind, and return it."""
    assert reply.status == status, reply.body
    assert reply.headers["Content-Type"].startswith("application/problem+json")
    found = reply.json
    assert set(found) == {
        "type",
        "title",
        "title_en",
        "status",
        "detail",
        "detail_vi",
        "reason",
        "request_id",
        "findings",
    }
    assert found["status"] == status
    assert found["reason"] == reason
    assert found["type"] == f"urn:vanlien:problem:{reason}"
    assert found["title"]
    assert found["title_en"]
    assert "Traceback" not in reply.body.decode()
    assert "<html" not in reply.body.decode().lower()
    return found


@asynccontextmanager
async def house(
    limits: Limits | None = None, extra_routes=(), ssl=None, studio=None, make_page=None, **more
):
    """Run the API on a free loopback port; `make_page` gets callers and clock."""
    intake, clock, keys = FakeIntake(), FakeApiClock(), FakeKeys()
    desk = FakeDesk(intake, clock)
    app = make_app(
        intake,
        desk,
        keys,
        clock,
        FakeIds(),
        limits=limits or Limits(shutdown_s=1),
        extra_routes=extra_routes,
        studio=studio,
        verify_page=make_page(keys, clock) if make_page else None,
        **more,
    )
    running = await listen(app, "127.0.0.1", 0, ssl)
    try:
        async with aiohttp.ClientSession() as http:
            yield House(intake, desk, keys, clock, running, http)
    finally:
        await running.close()
