"""GET /api/v1/events over real sockets: pages, streams, and coming back to either."""

import asyncio
import contextlib
import json

import pytest

from gateway.ports import ChangeSet, Committed
from gateway.programs.notices import LedgerNotices
from gateway.programs.pulse import Pulse
from gateway.store import setup
from gateway.store.ledger import SqliteLedger
from gateway.web.events import NoticesOut
from gateway.web.server import HOUSE, Limits
from tests.world import ledger_rows as rows
from tests.world.api_house import house, problem
from tests.world.fake_desk import SENDER, SENDER_KEY, STRANGER_KEY

EVENTS = "/api/v1/events"
JSON = {"Accept": "application/json"}
PATIENCE_S = 60
QUICK = Limits(shutdown_s=60, heartbeat_s=0.05, streams_per_caller=2, streams=3)
AGENCY = min(SENDER.speaks_for)


@contextlib.asynccontextmanager
async def gateway(path, limits=QUICK):
    """One life of a gateway on a ledger file."""
    ledger = SqliteLedger(path)
    pulse = Pulse(ledger)
    ledger.on_commit = pulse.wake
    try:
        async with house(limits, notices=LedgerNotices(ledger, pulse)) as h:
            h.ledger = ledger
            yield h
    finally:
        await asyncio.to_thread(ledger.close)


@pytest.fixture
def path(tmp_path):
    setup.create(tmp_path / "ledger.sqlite")
    return tmp_path / "ledger.sqlite"


async def happen(h, agency=AGENCY, count=1):
    ids = [rows.new_id() for _ in range(count)]
    changes = [
        c for i in ids for c in (rows.arrival(i, i, agency=agency), rows.event(i, "offered"))
    ]
    assert isinstance(await h.ledger.commit(ChangeSet(rows=tuple(changes))), Committed)
    return ids


class Stream:
    """An open stream and what was read from it."""

    def __init__(self, answer):
        self.answer = answer
        self.last = None

    async def event(self):
        """Return the next event that has data; ids on the way count."""
        event = {}
        while True:
            line = (await self.answer.content.readline()).decode()
            if not line:
                return None
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "id":
                self.last = value
            if name in {"event", "data", "id"}:
                event[name] = value
            if line == "\n":
                if "data" in event:
                    return event | {"data": json.loads(event["data"])}
                event = {}

    async def beat(self):
        """Wait for a heartbeat."""
        while (line := await self.answer.content.readline()) != b": \n":
            assert line
            if line.startswith(b"id: "):
                self.last = line[4:].decode().strip()


@contextlib.asynccontextmanager
async def stream(h, query="", *, last=None, key=SENDER_KEY):
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    if last is not None:
        headers["Last-Event-ID"] = last
    async with (
        asyncio.timeout(PATIENCE_S),
        h.http.get(f"{h.running.url}{EVENTS}{query}", headers=headers) as answer,
    ):
        yield Stream(answer)


async def test_pages_for_those_who_ask(path):
    async with gateway(path) as h:
        mine = await happen(h, count=3)
        await happen(h, agency="H99")
        page = (await h.get(f"{EVENTS}?limit=2", headers=JSON)).json
        NoticesOut.model_validate(page, extra="forbid")
        assert [item["subject"] for item in page["items"]] == mine[:2]
        assert page["items"][0]["kind"] == "inbox.document"
        assert page["items"][0]["href"] == f"/api/v1/inbox/{mine[0]}"
        rest = (await h.get(f"{EVENTS}?after={page['next']}", headers=JSON)).json
        assert [item["subject"] for item in rest["items"]] == mine[2:]
        none = (await h.get(f"{EVENTS}?after={rest['next']}", headers=JSON)).json
        assert none == {"items": [], "next": rest["next"]}
        theirs = (await h.get(EVENTS, headers=JSON, key=STRANGER_KEY)).json
        assert theirs["items"] == []
        kinds = (await h.get(f"{EVENTS}?kinds=document.*", headers=JSON)).json
        assert kinds["items"] == []
        assert kinds["next"] == rest["next"]


@pytest.mark.parametrize("query", ["after=-1", "kinds=nothing", "kinds=", "limit=0", "strange=1"])
async def test_wrong_questions_are_refused(path, query):
    async with gateway(path) as h:
        problem(await h.get(f"{EVENTS}?{query}", headers=JSON), 400, "bad-request")


async def test_a_stream_begins_now_and_says_what_comes(path):
    async with gateway(path) as h:
        await happen(h)
        async with stream(h) as opened:
            answer = opened.answer
            assert answer.status == 200
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["X-Accel-Buffering"] == "no"
            assert "no-transform" in answer.headers["Cache-Control"]
            assert answer.headers["Transfer-Encoding"] == "chunked"
            await opened.beat()
            (new,) = await happen(h)
            told = await opened.event()
            assert (told["event"], told["data"]["subject"]) == ("inbox.document", new)
            assert told["id"] == told["data"]["id"]


async def test_a_reader_that_comes_back_after_a_restart_hears_all_in_between(path):
    heard, sent = [], []
    async with gateway(path) as h:
        async with stream(h, "?after=0") as opened:
            sent += await happen(h, count=3)
            heard += [(await opened.event())["data"]["subject"] for _ in range(2)]
            last = opened.last
        sent += await happen(h, count=2)
    async with gateway(path) as h:
        sent += await happen(h, count=2)
        # What the reader had last counts before the address it was made with.
        async with stream(h, "?after=0", last=last) as opened:
            sent += await happen(h)
            heard += [(await opened.event())["data"]["subject"] for _ in range(len(sent) - 2)]
    assert heard == sent


async def test_a_reader_that_heard_nothing_comes_back_to_where_it_began(path):
    async with gateway(path) as h:
        await happen(h)
        async with stream(h) as opened:
            await opened.beat()
            last = opened.last
        (missed,) = await happen(h)
        async with stream(h, last=last) as opened:
            assert (await opened.event())["data"]["subject"] == missed


async def test_a_choice_of_kinds_moves_the_cursor_on(path):
    async with gateway(path) as h, stream(h, "?after=0&kinds=document.*") as opened:
        await happen(h, count=3)
        while (await opened.answer.content.readline()) != b"id: 3\n":
            assert not opened.answer.content.at_eof()


@pytest.mark.parametrize("headers", [JSON, {}])
async def test_a_cursor_never_given_is_gone_and_says_how_to_go_on(path, headers):
    async with gateway(path) as h:
        told = problem(await h.get(f"{EVENTS}?after=7", headers=headers), 410, "gone")
        assert "/api/v1/inbox" in told["detail"]
        last = {"Last-Event-ID": "8", **headers}
        problem(await h.get(EVENTS, headers=last), 410, "gone")


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30])
async def test_a_strange_last_event_id_is_refused(path, last):
    async with gateway(path) as h:
        problem(await h.get(EVENTS, headers={"Last-Event-ID": last}), 400, "bad-request")


async def test_streams_have_places_of_their_own(path):
    limits = Limits(
        shutdown_s=60, heartbeat_s=0.05, streams_per_caller=2, streams=3, in_flight=1,
        in_flight_per_caller=1,
    )  # fmt: skip
    async with gateway(path, limits) as h, stream(h) as one:
        await one.beat()
        async with stream(h) as two:
            await two.beat()
            problem(await h.get(EVENTS), 429, "overloaded")
            async with stream(h, key=STRANGER_KEY) as three:
                await three.beat()
                problem(await h.get(EVENTS, key=STRANGER_KEY), 503, "unavailable")
                # A request finds room beside three streams, though one is all there is.
                assert (await h.get("/api/v1/agencies")).status == 200


async def test_a_key_that_is_no_longer_good_ends_the_stream(path):
    async with gateway(path) as h, stream(h) as opened:
        await opened.beat()
        del h.keys.keys[SENDER_KEY]
        assert await opened.event() is None


async def test_streams_end_when_the_node_leaves_and_come_back_with_it(path):
    async with gateway(path) as h:
        async with stream(h) as opened:
            await opened.beat()
            h.running.leave("closing")
            assert await opened.event() is None
        problem(await h.get(EVENTS), 503, "unavailable")
        h.running.leave("")
        async with stream(h) as opened:
            await opened.beat()
    # Closing waits for no stream.


async def test_a_reader_that_does_not_read_is_cut_off(path):
    limits = Limits(shutdown_s=60, heartbeat_s=0.05, idle_s=0.2)
    async with gateway(path, limits) as h:
        _, writer = await asyncio.open_connection("127.0.0.1", h.running.port, limit=1)
        writer.write(
            f"GET {EVENTS}?after=0 HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {SENDER_KEY}\r\n\r\n".encode()
        )
        await writer.drain()
        streaming = h.running._app[HOUSE].gate.streaming
        async with asyncio.timeout(PATIENCE_S):
            while not streaming:
                await happen(h)
            while streaming:
                await happen(h, count=500)
        writer.close()


async def test_a_look_without_a_body(path):
    async with gateway(path) as h:
        reply = await h.call("HEAD", EVENTS)
        assert reply.status == 200
        assert reply.body == b""
