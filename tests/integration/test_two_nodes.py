"""Two gateways on one PostgreSQL ledger: restarted one by one nobody is refused, dead ones followed.

OPS-10 (S002 art 17.2).

The proxy obeys /ready and never tries again by itself: whatever a client sees is ours.
"""

import asyncio
import json

import aiohttp
import pytest

from gateway.ports import ChangeSet, Insert
from gateway.secrets import write_private
from gateway.stores import open_operations
from tests.world.cluster import PATIENCE_S, Cluster, Proxy
from tests.world.gatehouse import packet
from tests.world.servers.rabbitmq import PASSWORD


@pytest.fixture
async def cluster(tmp_path, postgres_ledger_url):
    cluster = Cluster(tmp_path, postgres_ledger_url)
    cluster.settle()
    yield cluster
    await cluster.close()


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


async def until(question):
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if found := await question():
                return found
            await asyncio.sleep(0.02)


def headers_of(cluster):
    key = cluster.systems["snv"].key
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/xml"}


async def all_done(gateway, count):
    rows = await gateway.ledger.all("transfer_counts")
    return not rows and (await gateway.ledger.one("log_size"))["size"] >= count


async def test_a_rolling_restart_refuses_no_request_and_loses_none(cluster, session):
    proxy = Proxy(session)
    await proxy.open(cluster.stack)
    for name in ("a", "b"):
        proxy.backends[name] = (await cluster.start(name)).url
    await proxy.seen(lambda: proxy.ready == {"a", "b"})
    answers, stop = [], asyncio.Event()

    async def client(letter):
        n = 0
        while not stop.is_set():
            n += 1
            body = packet(f"{letter}{n}")
            url = f"{proxy.url}/api/v1/documents"
            async with session.post(url, data=body, headers=headers_of(cluster)) as answer:
                answers.append((answer.status, await answer.text()))
            await asyncio.sleep(0.03)  # a pace: a slow machine must carry all of them in the end

    clients = [asyncio.create_task(client(letter)) for letter in "123"]
    try:
        for name in ("a", "b"):
            served = dict(proxy.served)
            other = "b" if name == "a" else "a"
            await proxy.seen(lambda other=other, s=served: proxy.served[other] > s.get(other, 0))
            leaving = asyncio.create_task(cluster.gateways[name].drain())
            await proxy.seen(lambda name=name: name not in proxy.ready and not proxy.inside[name])
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            await cluster.stop(name)
            proxy.backends[name] = (await cluster.start(name)).url
            await proxy.seen(lambda: proxy.ready == {"a", "b"})
            before = proxy.served[name]
            await proxy.seen(lambda name=name, n=before: proxy.served[name] > n)
    finally:
        stop.set()
        await asyncio.gather(*clients)
    assert {status for status, _ in answers} == {202}, [a for a in answers if a[0] != 202][:3]
    accepted = {json.loads(text)["id"] for _, text in answers}
    assert len(accepted) == len(answers)
    gateway = cluster.gateways["a"]
    await until(lambda: all_done(gateway, len(accepted)))
    kept = await gateway.ledger.all(
        "consignments_by_system", system_id="snv", after="", document_id="", limit=len(accepted) + 9
    )
    assert {row["id"] for row in kept} == accepted


async def test_what_one_alone_does_goes_to_the_other_when_it_leaves(cluster):
    first = await cluster.start("a")
    second = await cluster.start("b")

    async def holder():
        row = await first.ledger.one("lease", name="janitor")
        return row and row["holder"].partition("/")[0]

    one = await until(holder)
    await cluster.stop(one)
    other = second if one == "a" else first

    async def followed():
        row = await other.ledger.one("lease", name="janitor")
        return row["holder"].partition("/")[0] not in {one, ""}

    await until(followed)
    with open_operations(cluster.config("ask")) as ledger:
        states = {node.name: node.state for node in ledger.nodes()}
    assert states[one] == "down"
    assert "up" in states.values()


async def test_a_document_goes_through_nodes_that_each_do_a_part(cluster, session, rabbit_place):
    write_private(cluster.folder / "keys" / "broker.password", PASSWORD.encode())
    broker = f'[broker]\nurl = "{rabbit_place.url}"\npassword_file = "keys/broker.password"\n'
    parts = {
        "cua": '["api"]',
        "phat": '["dispatch"]',
        "chuyen": '["relay"]',
        "con-lai": '["issue", "receive", "collect", "janitor"]',
    }
    for name, roles in parts.items():
        await cluster.start(name, roles=roles, extra=broker)
    api, relay = cluster.gateways["cua"], cluster.gateways["chuyen"]
    url = f"{api.url}/api/v1/documents"
    async with session.post(url, data=packet("1"), headers=headers_of(cluster)) as answer:
        assert answer.status == 202, await answer.text()
    await until(lambda: all_done(api, 1))
    headers = {"Authorization": f"Bearer {cluster.systems['stc'].key}"}
    async with session.get(f"{api.url}/api/v1/inbox", headers=headers) as answer:
        assert len((await answer.json())["items"]) == 1
    # A node without that role has no such counter, and its health can be asked for all the same.
    async with session.post(f"{relay.url}/api/v1/documents", data=packet("2")) as answer:
        assert answer.status == 404
    for gateway in cluster.gateways.values():
        async with session.get(f"{gateway.url}/ready") as answer:
            assert answer.status == 200, await answer.text()


async def test_a_broker_wiped_under_the_traffic_of_two_nodes_loses_nothing(
    cluster, session, rabbit_place
):
    write_private(cluster.folder / "keys" / "broker.password", PASSWORD.encode())
    broker = (
        f'[broker]\nurl = "{rabbit_place.url}"\npassword_file = "keys/broker.password"\n'
        'remember = "2 s"\n'
    )
    urls = [(await cluster.start(name, extra=broker)).url for name in ("a", "b")]
    answers, stop = [], asyncio.Event()

    async def client(letter, url):
        n = 0
        while not stop.is_set():
            n += 1
            async with session.post(
                f"{url}/api/v1/documents", data=packet(f"{letter}{n}"), headers=headers_of(cluster)
            ) as answer:
                answers.append((answer.status, await answer.text()))
            await asyncio.sleep(0.05)  # a pace, as above

    async def accepted(count):
        return len(answers) >= count

    clients = [asyncio.create_task(client(*one)) for one in zip("xy", urls, strict=True)]
    try:
        await until(lambda: accepted(10))
        await asyncio.to_thread(rabbit_place.wipe)
        there = len(answers)
        await until(lambda: accepted(there + 10))
    finally:
        stop.set()
        await asyncio.gather(*clients)
    assert {status for status, _ in answers} == {202}, [a for a in answers if a[0] != 202][:3]
    await until(lambda: all_done(cluster.gateways["a"], len(answers)))
    headers = {"Authorization": f"Bearer {cluster.systems['stc'].key}"}
    came, after = [], 0
    while len(came) < len(answers):
        url = f"{urls[1]}/api/v1/inbox?after={after}"
        async with session.get(url, headers=headers) as answer:
            page = await answer.json()
        if not page["items"]:
            break
        came += [item["document_id"] for item in page["items"]]
        after = page["next"]
    assert len(came) == len(set(came)) == len(answers)


async def test_what_a_dead_node_had_begun_goes_on_with_another(cluster):
    first = await cluster.start("a")
    began = {
        "id": "t1", "kind": "edoc", "hop": "local:H37.04", "state": "sending", "attempts": 1,
        "due_at": "2026-11-22T00:00:00.000000Z", "lease_until": "2036-01-01T00:00:00.000000Z",
        "sender_written": "H37.02", "recipients": "[]", "document_id": "x", "node": "b",
        "created_at": "2026-11-22T00:00:00.000000Z",
    }  # fmt: skip
    others = {**began, "id": "t2", "node": "a-khac"}
    rows = (Insert("transfer", began), Insert("transfer", others))
    await first.ledger.commit(ChangeSet(rows=rows))
    await first.janitor.take_back("b")
    states = {n: (await first.ledger.one("transfer", id=n))["state"] for n in ("t1", "t2")}
    assert states == {"t1": "deferred", "t2": "sending"}
