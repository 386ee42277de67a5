"""Webhooks and replays of a whole gateway: made by API and command line, told to a real receiver.

RCV-16 (NĐ30 PL VI): a new document is notified.
"""

import asyncio
import contextlib
import io
import json

import pytest
from aiohttp import web

from gateway.__main__ import main
from tests.integration.test_facade_exchange import kit, rows
from tests.integration.test_inbox_replay import taken
from tests.unit.programs.test_herald import verified
from tests.world.gatehouse import gatehouse, packet
from tests.world.outside import cold

PATIENCE_S = 60


class Receiver:
    """A system's own address."""

    def __init__(self):
        self.got = asyncio.Queue()
        self.status = 204
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/su-kien"

    async def take(self, request):
        await self.got.put((request.headers, await request.read()))
        return web.Response(status=self.status)

    async def next(self):
        async with asyncio.timeout(PATIENCE_S):
            headers, body = await self.got.get()
        return headers, body, json.loads(body)


@pytest.fixture
async def receiver():
    made = Receiver()
    app = web.Application()
    app.router.add_post("/su-kien", made.take)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = site._server.sockets[0].getsockname()[1]
    yield made
    await runner.cleanup()


@pytest.fixture
async def house(tmp_path, receiver):
    extra = f'[webhooks]\nnetworks = ["127.0.0.0/8"]\nports = [443, {receiver.port}]\n'
    with cold():
        async with gatehouse(tmp_path, extra=extra) as found:
            yield found


async def vanlien(house, *args):
    """Run a command beside the server; return its exit code and its one JSON object."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        config = str(house.folder / "vanlien.toml")
        code = await asyncio.to_thread(main, [*args, "--config", config, "--json"])
    return code, json.loads(out.getvalue())


async def test_a_system_subscribes_and_hears_of_what_comes_and_goes(house, receiver):
    status, hook, _ = await house.call(
        "POST", "/webhooks", "stc", json={"url": receiver.url, "kinds": ["inbox.*"]}
    )
    assert status == 201, hook
    assert hook["secret"].startswith("whsec_")
    _, sent, _ = await house.send(packet())
    headers, body, message = await receiver.next()
    assert verified(hook["secret"], headers, body)
    assert message["type"] == "inbox.document"
    assert message["data"]["document_id"] == (await house.document(sent["id"]))["document_id"]
    status, arrival, _ = await house.call(
        "GET", message["data"]["href"].removeprefix("/api/v1"), "stc"
    )
    assert status == 200
    await house.call("POST", f"/inbox/{arrival['id']}/confirm", "stc")
    _, _, message = await receiver.next()
    assert message["type"] == "inbox.entered"
    # Not another's, and no secret again.
    status, _, _ = await house.call("GET", f"/webhooks/{hook['id']}", "snv")
    assert status == 404
    _, listed, _ = await house.call("GET", "/webhooks", "stc")
    assert [h["id"] for h in listed["items"]] == [hook["id"]]
    assert "secret" not in listed["items"][0]
    _, calls, _ = await house.call("GET", f"/webhooks/{hook['id']}/calls", "stc")
    assert {c["state"] for c in calls["items"]} <= {"told", "trying"}


async def test_the_command_line_does_the_same_beside_the_server(house, receiver):
    code, hook = await vanlien(house, "webhook", "add", "snv", receiver.url)
    assert code == 0, hook
    code, told = await vanlien(house, "webhook", "test", hook["id"])
    assert (code, told["taken"]) == (0, True)
    _, _, message = await receiver.next()
    assert message["type"] == "webhook.test"
    await house.send(packet())
    kinds = [(await receiver.next())[2]["type"] for _ in range(3)]
    assert kinds == ["document.accepted", "document.released", "delivery.handed_over"]
    code, paused = await vanlien(house, "webhook", "pause", hook["id"], "--reason", "Bảo trì")
    assert (code, paused["state"], paused["why"]) == (0, "paused", "Bảo trì")
    code, again = await vanlien(house, "webhook", "resume", hook["id"])
    assert again["state"] == "active"
    code, _ = await vanlien(
        house, "webhook", "replay", hook["id"], "--to", "0", "--reason", "Thử lại"
    )
    assert code == 0
    _, _, message = await receiver.next()
    assert message["data"]["replay"] is True
    code, shown = await vanlien(house, "webhook", "show", hook["id"])
    assert shown["calls"]
    code, changed = await vanlien(house, "webhook", "rotate", hook["id"])
    assert changed["secret"] != hook["secret"]
    code, gone = await vanlien(house, "webhook", "remove", hook["id"])
    assert gone["state"] == "removed"
    code, listed = await vanlien(house, "webhook", "list")
    assert listed == {"webhooks": []}
    code, wrong = await vanlien(house, "webhook", "add", "nobody", receiver.url)
    assert code == 64
    code, wrong = await vanlien(house, "webhook", "add", "snv", "http://10.9.9.9/")
    assert (code, wrong["error"]["kind"]) == (64, "rejected")


async def test_an_inbox_is_rewound_from_the_command_line(house):
    theirs = kit(house, "stc")
    doc_id, _ = await taken(house, theirs)
    why = ("--reason", "Phục hồi bản sao lưu")
    code, told = await vanlien(house, "inbox", "rewind", "stc", "--to", "0", *why, "--dry-run")
    assert (code, told["documents"], told["dry_run"]) == (0, 1, True)
    assert await rows(theirs) == []
    code, told = await vanlien(
        house, "inbox", "rewind", "stc", "--since", "2026-01-01T00:00:00+07:00", *why
    )
    assert (code, told["documents"]) == (0, 1)
    assert [row["docId"] for row in await rows(theirs)] == [doc_id]
    code, told = await vanlien(house, "inbox", "end", "stc")
    assert told["ended"]
    assert await rows(theirs) == []
    code, told = await vanlien(house, "inbox", "rewind", "stc", *why)
    assert code == 64
    code, told = await vanlien(house, "inbox", "rewind", "nobody", "--to", "0", *why)
    assert code == 64
