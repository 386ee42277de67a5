"""A node that stands still for longer than it is waited for, and then goes on; a line that is cut.

Whoever took over is not disturbed, two never do at once what one alone does, the effect is once.
"""

import asyncio
import json
import signal
from datetime import datetime
from urllib.parse import urlsplit

import aiohttp
import pytest

from gateway.config import load
from gateway.domain.moments import from_text
from gateway.stores import open_ledger
from tests.world.cluster import PATIENCE_S, Cluster
from tests.world.crashhouse import RETRY, Child
from tests.world.gatehouse import MovedClock, _axis, packet
from tests.world.servers.proxy import Proxy

ONLY_ONE = ("janitor", "collect:truc")
pytestmark = [pytest.mark.crash, pytest.mark.timeout(300)]


async def until(question):
    async with asyncio.timeout(3 * PATIENCE_S):
        while True:
            if found := await question():
                return found
            await asyncio.sleep(0.05)


@pytest.fixture
async def cluster(tmp_path, postgres_ledger_url):
    cluster = Cluster(tmp_path, postgres_ledger_url)
    yield cluster
    await cluster.close()


async def was(event):
    return event.is_set()


async def holders(ledger):
    """Return who holds which lease now."""
    rows = await ledger.all("leases")
    return {row["name"]: row["holder"].partition("/")[0] for row in rows if row["holder"]}


class Nodes:
    """Real processes of one cluster."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.children = {}

    async def start(self, name):
        config = self.cluster.config(name, RETRY)
        child = self.children[name] = Child(config, self.cluster.folder / f"{name}.log", "")
        await child.start()

        async def listens():
            assert child.code is None, child.log.read_text()
            return child.url()

        await until(listens)

    async def end(self):
        for child in self.children.values():
            child.signal(signal.SIGKILL)
            await child.ended()


@pytest.fixture
async def nodes(cluster):
    nodes = Nodes(cluster)
    yield nodes
    await nodes.end()


async def test_a_stopped_node_is_followed_and_disturbs_nobody_when_it_goes_on(
    cluster, nodes, tmp_path
):
    axis, ministry, cluster.peer = await _axis(tmp_path, MovedClock(), cluster.stack, {})
    cluster.settle()
    heard, answer = asyncio.Event(), asyncio.Event()
    submit = axis._desk.submit

    async def slowly(caller, data, options):
        done = await submit(caller, data, options)
        if caller.system_id != "bnv" and not heard.is_set():
            heard.set()
            await answer.wait()  # the axis has it, and whoever sent it does not know
        return done

    axis._desk.submit = slowly
    await nodes.start("a")
    await nodes.start("b")
    async with (
        open_ledger(load(cluster.config("look"))) as ledger,
        aiohttp.ClientSession() as session,
    ):

        async def known():
            return await ledger.one("page_consignments", after="", limit=1) and any(
                row["code"] == "G09" for row in await ledger.all("agencies")
            )

        await until(known)
        headers = {
            "Authorization": f"Bearer {cluster.systems['snv'].key}",
            "Content-Type": "application/xml",
        }

        async def sent():
            url = f"{nodes.children['a'].url()}/api/v1/documents"
            body = packet("1", to=("G09",))
            async with session.post(url, data=body, headers=headers) as said:
                document = await said.json()
                return document if said.status == 202 else None

        document = await until(sent)
        await until(lambda: was(heard))
        (transfer,) = await ledger.all("transfers_of", consignment_id=document["id"])
        stopped = transfer["node"]
        other = "b" if stopped == "a" else "a"
        nodes.children[stopped].signal(signal.SIGSTOP)
        sent_first = await ledger.one("transfer", id=transfer["id"])

        async def sent_again():
            row = await ledger.one("transfer", id=transfer["id"])
            return row["state"] == "done" and row["node"] == other

        await until(sent_again)

        async def followed():
            held = await holders(ledger)  # a catalogue is another's when it is next read
            return all(held.get(name) == other for name in ONLY_ONE)

        await until(followed)
        before = {n: await ledger.one("lease", name=n) for n in ONLY_ONE}
        nodes.children[stopped].signal(signal.SIGCONT)
        answer.set()

        async def both_ready():
            for child in nodes.children.values():
                async with session.get(f"{child.url()}/ready") as said:
                    if said.status != 200:
                        return False
            return True

        await until(both_ready)

        async def told():
            await ministry.step()
            (row,) = await ledger.all("deliveries", consignment_id=document["id"])
            return row["state"] == "accepted" and all(i.taken_at for i in axis.items)

        await until(told)
        for name, row in before.items():  # nobody took back what had gone over
            after = await ledger.one("lease", name=name)
            assert (after["holder"], after["token"]) == (row["holder"], row["token"])
        (row,) = await ledger.all("transfers_of", consignment_id=document["id"])
        assert (row["state"], row["attempts"]) == ("done", 2)
        tried = await ledger.all("attempts_of", consignment_id=document["id"])
        assert all(attempt["ended_at"] for attempt in tried)
        # Doubt means send again, the same bytes; who has it drops the repeat: one effect.
        assert len([i for i in axis.items if i.kind == "edoc"]) == 2
        assert row["parcel_sha256"] == sent_first["parcel_sha256"] != ""
        entries = await ledger.all("entries_of", subject=document["id"])
        kinds = [entry["kind"] for entry in entries]
        # The axis took it twice, and both times it says so; everything else happened once.
        assert (kinds.count("accepted"), kinds.count("handed_over")) == (1, 2)
        log = "".join(child.log.read_text() for child in nodes.children.values())
        alarms = [
            json.loads(x) for x in log.splitlines() if '"event":"alarm"' in x.replace(" ", "")
        ]
        assert alarms == []


async def test_a_node_whose_line_to_the_ledger_hangs_stops_before_another_begins(cluster, nodes):
    cluster.settle()
    direct = cluster.url
    port = urlsplit(direct).port
    async with (
        Proxy.to(port) as line,
        open_ledger(load(cluster.config("look"))) as ledger,
        aiohttp.ClientSession() as session,
    ):

        async def held_by(name):
            return (await holders(ledger)).get("janitor") == name

        async def answers(status):
            async with session.get(f"{nodes.children['a'].url()}/ready") as answer:
                return answer.status == status

        cluster.url = direct.replace(f":{port}/", f":{line.port}/")
        await nodes.start("a")
        await until(lambda: held_by("a"))
        cluster.url = direct
        await nodes.start("b")
        line.stall()
        await until(lambda: held_by("b"))
        taken_at = (await ledger.one("lease", name="janitor"))["taken_at"]
        log = [
            json.loads(x) for x in nodes.children["a"].log.read_text().splitlines() if x[0] == "{"
        ]
        (lost,) = [x for x in log if x["event"] == "lease_lost" and x["name"] == "janitor"]
        # By its own clock, long before another could take it.
        assert datetime.fromisoformat(lost["at"]) < from_text(taken_at)
        await until(lambda: answers(503))
        line.heal()
        await until(lambda: answers(200))
        assert await held_by("b")
