"""What the gateway answers when something of its own is full or away, and that it heals by itself.

OPS-11 (S002 art 10.2a), OPS-05 (S003 art 21.2).

The table "Something of ours is away" of docs/operations.md, line by line.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp

from adapters.vxp import wire
from gateway import app
from gateway.domain.moments import to_text
from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Insert, Update
from gateway.programs.admission import Room
from tests.world.cluster import PATIENCE_S, Cluster
from tests.world.gatehouse import gatehouse, packet
from tests.world.servers.postgres import PostgresServer, needs_postgres

FULL, EMPTY = Room(1 << 20, 1 << 40), Room(1 << 39, 1 << 40)


class Away:
    """Stands before something of ours: while it is away, what it is asked for fails."""

    def __init__(self, inner, *names):
        self.inner, self.names, self.away, self.asked = inner, names, True, asyncio.Event()

    def __getattr__(self, name):
        return self._fail if self.away and name in self.names else getattr(self.inner, name)

    def _fail(self, *_, **__):
        self.asked.set()
        raise UnavailableError(public="away")


async def ready(house):
    async with house.session.get(f"{house.url}/ready") as answer:
        return answer.status, (await answer.json())["checks"]


def at_door(house, monkeypatch):
    """Make the admission look at every request, so that no second has to pass."""
    monkeypatch.setattr("gateway.programs.admission._EVERY_S", -1.0)
    keeper = house.gateway.context.gatekeeper

    async def measured():
        # What is under way may have looked before the test changed anything.
        if keeper._measuring is not None:
            await asyncio.wait({keeper._measuring})
        await keeper.parts()
        await asyncio.wait({keeper._measuring})

    return measured


async def refused_unread(house, number="1", **headers):
    """Send a document whose body is never asked for; return the answer."""
    asked = asyncio.Event()

    async def body():
        asked.set()
        yield packet(number)

    told = {"Content-Type": "application/xml", **headers}
    status, problem, got = await house.call(
        "POST", "/documents", data=body(), headers=told, expect100=True
    )
    assert not asked.is_set()
    return status, problem, got


async def test_a_full_disk_is_said_before_the_body_and_heals(tmp_path, monkeypatch):
    monkeypatch.setattr(app, "_room", lambda *_: ROOMS[0])
    ROOMS[0] = EMPTY
    async with gatehouse(tmp_path) as house:
        measured = at_door(house, monkeypatch)
        await measured()
        assert (await house.send(packet("1")))[0] == 202
        ROOMS[0] = FULL
        await measured()
        status, problem, headers = await refused_unread(house)
        assert (status, problem["reason"]) == (503, "unavailable")
        assert problem["title"] == "Tạm thời không phục vụ được"
        assert 20 <= int(headers["Retry-After"]) <= 40
        status, checks = await ready(house)
        assert status == 503
        assert checks["disk"] != "ok"
        assert (await house.call("GET", "/documents"))[0] == 200  # what is there can be asked for
        ROOMS[0] = EMPTY
        await measured()
        assert (await house.send(packet("2")))[0] == 202
        assert (await ready(house))[0] == 200


ROOMS = [EMPTY]


async def test_a_full_backlog_keeps_room_for_the_urgent_and_says_so(tmp_path, monkeypatch):
    limits = "[admission]\nmax_backlog = 10\nurgent_share = 0.3\ncaller_share = 1\n"
    async with gatehouse(tmp_path, extra=limits) as house:
        measured = at_door(house, monkeypatch)
        at = to_text(datetime.now(UTC) + timedelta(days=1))
        template = {
            "system_id": "other", "via": "api", "sender": "H37", "sender_written": "H37",
            "digest": "", "state": "accepted", "envelope": "{}", "received_sha256": "",
            "received_size": 0, "accepted_at": at, "answer": "{}",
        }  # fmt: skip
        # `issue` cannot read these: they stay where they are.
        rows = tuple(Insert("consignment", {**template, "id": f"k{n}"}) for n in range(8))
        await house.gateway.ledger.commit(ChangeSet(rows=rows))
        await measured()
        assert (await house.send(packet("1")))[0] == 503  # read, found not urgent, put off
        status, *_ = await refused_unread(house, Priority="u=5")  # its caller said so: not read
        assert status == 503
        assert (await house.send(packet("2", urgency=2)))[0] == 202
        assert (await ready(house))[1]["load"] == "ok"
        rows = tuple(Insert("consignment", {**template, "id": f"m{n}"}) for n in range(3))
        await house.gateway.ledger.commit(ChangeSet(rows=rows))
        await measured()
        assert (await refused_unread(house, Priority="u=0"))[0] == 503
        status, checks = await ready(house)
        assert (status, checks["load"]) == (200, "ok (full: backlog)")
        gone = Update("consignment", {"state": "accepted"}, {"state": "refused"}, expect=None)
        await house.gateway.ledger.commit(ChangeSet(rows=(gone,)))
        await measured()
        assert (await house.send(packet("1")))[0] == 202


async def test_blobs_that_are_away_refuse_and_come_back(tmp_path):
    async with gatehouse(tmp_path) as house:
        context = house.gateway.context
        context.blobs = blobs = Away(context.blobs, "writer", "put", "probe")
        status, problem, headers = await house.send(packet("1"))
        assert (status, problem["reason"]) == (503, "unavailable")
        assert int(headers["Retry-After"]) >= 1
        status, checks = await ready(house)
        assert status == 503
        assert checks["blobs"].startswith("cannot write")
        assert checks["ledger"] == "ok"
        blobs.away = False
        assert (await house.send(packet("1")))[0] == 202

        async def healed():
            return (await ready(house))[0] == 200

        await house.until(healed)


async def test_a_broker_that_is_away_stops_no_acceptance_and_gets_all_later(tmp_path):
    async with gatehouse(tmp_path) as house:
        turnstile = house.gateway.turnstile
        turnstile._inner = broker = Away(turnstile._inner, "publish", "take")
        status, document, _ = await house.send(packet("1"))
        assert status == 202
        await broker.asked.wait()
        assert (await ready(house))[0] == 200
        assert await house.row("outbox_depth", limit=10) == {"n": 1}
        broker.away = False
        await house.state(document["id"], "H37.04", "handed_over", "arrived", "accepted")


async def test_a_verifier_that_is_dead_lets_documents_in_without_a_number(tmp_path):
    async with gatehouse(tmp_path) as house:
        context = house.gateway.context
        context.verifier = verifier = Away(context.verifier, "quick", "verify")
        status, document, _ = await house.send(packet("1"))
        assert status == 202
        assert document["verification"] == "pending"
        assert (await ready(house))[0] == 200
        verifier.away = False
        await house.state(document["id"], "H37.04", "handed_over", "arrived", "accepted")


async def test_a_gateway_at_rest_speaks_the_dialect_of_old_clients(tmp_path):
    async with gatehouse(tmp_path) as house:
        (listener,) = house.gateway.listeners
        listener.rest(True)
        async with house.session.post(f"{house.url}{wire.BASE.rstrip('/')}/sendEdoc") as answer:
            said = await answer.json()
        assert answer.status == 200
        assert said["status"] == "FAIL"
        assert said["ErrorCode"] == "20"
        listener.rest(False)


async def test_a_database_that_dies_under_us_is_waited_for(tmp_path):
    needs_postgres()
    server = PostgresServer()
    cluster = None
    try:
        server.start()
        cluster = Cluster(tmp_path, server.create_ledger())
        cluster.settle()
        gateway = await cluster.start("a")
        key = cluster.systems["snv"].key
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/xml"}
        async with aiohttp.ClientSession() as session:

            async def send(number):
                url = f"{gateway.url}/api/v1/documents"
                async with session.post(url, data=packet(number), headers=headers) as answer:
                    return answer.status

            async def until(wanted, question):
                async with asyncio.timeout(PATIENCE_S):
                    while True:
                        if await question() == wanted:
                            return
                        await asyncio.sleep(0.05)

            async def readiness():
                async with session.get(f"{gateway.url}/ready") as answer:
                    return answer.status

            assert await send("1") == 202
            server.kill()
            await until(503, readiness)
            assert await send("2") == 503
            async with session.get(f"{gateway.url}/live") as answer:
                assert answer.status == 200
            assert not gateway.failed.done()
            await asyncio.to_thread(server.start)
            await until(200, readiness)
            assert await send("2") == 202

            async def done():
                return len(await gateway.ledger.all("transfer_counts"))

            await until(0, done)
    finally:
        if cluster is not None:
            await cluster.close()
        server.close()
