"""RabbitMQ misbehaves: killed, cut, stalled, starved, emptied. Nothing is lost, everything is said."""

import asyncio
import io
import json
from contextlib import asynccontextmanager, suppress

import aio_pika
import pytest
from yarl import URL

from gateway import observe
from gateway.broker import amqp
from gateway.broker.amqp import AmqpBroker, declare, examine
from gateway.broker.link import Address
from gateway.broker.queues import lanes_of
from gateway.errors import UnavailableError
from gateway.ports import Wanted
from tests.world.gatehouse import gatehouse, packet
from tests.world.servers.proxy import Proxy
from tests.world.servers.rabbitmq import PASSWORD

pytestmark = pytest.mark.timeout(480)
PATIENCE_S = 120.0


@pytest.fixture
def told():
    """Every fact told from here on, as (event, fields)."""
    stream = io.StringIO()
    observe.configure(True, level="info", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    observe.silence()


def count(told, event):
    return sum(line["event"] == event for line in told())


async def steady(told):
    """Wait until no outage is told that is not over; return how many were.

    A slow machine may see one at the start, and two where there was one.
    """
    await until(lambda: count(told, "broker_away") == count(told, "broker_back"))
    return count(told, "broker_away")


@asynccontextmanager
async def broker_at(url, **options):
    broker = AmqpBroker(Address(url, PASSWORD, **options))
    try:
        yield broker
    finally:
        await broker.close()


async def until(ready):
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = ready()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.05)


async def kept(broker, *wanted):
    """Publish until the broker keeps it; return how often it refused."""

    async def tried():
        try:
            await broker.publish(wanted)
        except UnavailableError:
            refusals.append(1)
            return False
        return True

    refusals = []
    await until(tried)
    return len(refusals)


async def refused(broker, one):
    """Publish new wishes until one is refused: what was under way when it went may be kept."""
    for n in range(1000):
        try:
            await broker.publish([Wanted(one.topic, one.ref, one.lane, f"{one.stamp}{n}")])
        except UnavailableError:
            return
    raise AssertionError("never refused")


async def drained(broker, topic, wanted):
    """Take until all these have come, in any number; return how many came."""
    missing, came = set(wanted), 0
    async with asyncio.timeout(PATIENCE_S):
        while missing:
            work = await broker.take(topic)
            came += 1
            missing.discard(work.ref)
            await work.done()
    return came


async def fulfilled(broker, topic, wanted):
    """Take until all these have come, while somebody repeats the wishes as the janitor does."""
    taking, sweep = asyncio.ensure_future(drained(broker, topic, wanted)), 0
    while not taking.done():
        sweep += 1
        with suppress(UnavailableError):
            await broker.publish([Wanted(topic, ref, 0, str(sweep)) for ref in wanted])
        await asyncio.wait({taking}, timeout=1.0)
    await taking


# ---------------------------------------------------------------- the server


async def test_short_of_memory_it_takes_nothing_and_gives_on(rabbit_alone, told):
    server = rabbit_alone.server
    async with broker_at(rabbit_alone.url, confirm_s=2.0, look_s=0.5) as broker:
        await kept(broker, Wanted("t", "before"))
        before = await steady(told)
        await asyncio.to_thread(server.starve, True)
        try:
            with pytest.raises(UnavailableError):
                await broker.publish([Wanted("t", "during", 0, "1")])
            with pytest.raises(UnavailableError, match="takes nothing now"):
                await broker.publish([Wanted("t", "during", 0, "2")])
            await drained(broker, "t", {"before"})
        finally:
            await asyncio.to_thread(server.starve, False)
        await kept(broker, Wanted("t", "after"))
        await drained(broker, "t", {"after"})
        await until(lambda: count(told, "broker_away") == count(told, "broker_back") > before)


async def test_one_look_that_fails_is_over_with_the_next(rabbit_place, told, monkeypatch):
    looks = iter([UnavailableError()])
    survey = amqp.survey

    async def failing(connection, queues):
        for failure in looks:
            raise failure
        return await survey(connection, queues)

    async with broker_at(rabbit_place.url, look_s=0.1) as broker:
        # Its consumers stand all the time, and have nothing to say.
        taking = asyncio.ensure_future(broker.take("t"))
        await broker.publish([Wanted("t", "a")])
        assert (await taking).ref == "a"
        before = await steady(told)
        monkeypatch.setattr(amqp, "survey", failing)
        await until(lambda: count(told, "broker_away") > before)
        await steady(told)


async def test_an_outage_while_nobody_takes_is_over_too(rabbit_place, told):
    server, vhost = rabbit_place.server, rabbit_place.vhost
    async with broker_at(rabbit_place.url, look_s=0.1) as broker:
        await kept(broker, Wanted("t", "a"))
        await drained(broker, "t", {"a"})
        idle = asyncio.ensure_future(broker.take("t"))
        await asyncio.sleep(0)
        idle.cancel()
        await asyncio.gather(idle, return_exceptions=True)
        before = await steady(told)
        await asyncio.to_thread(server.delete_vhost, vhost)
        await until(lambda: count(told, "broker_away") > before)
        await asyncio.to_thread(server.add_vhost, vhost)
        await steady(told)


# ---------------------------------------------------------------- the line


@pytest.mark.parametrize("after_bytes", [1, 700, 5000])
async def test_cut_in_the_middle_of_a_frame(rabbit_place, after_bytes):
    wanted = [Wanted("t", str(n)) for n in range(100)]
    async with Proxy.to(rabbit_place.server.amqp) as proxy:
        url = rabbit_place.url.replace(str(rabbit_place.server.amqp), str(proxy.port))
        async with broker_at(url) as broker:
            await broker.publish([Wanted("t", "first")])
            await drained(broker, "t", {"first"})
            proxy.cut(after_bytes=after_bytes)
            await kept(broker, *wanted)
            await drained(broker, "t", {one.ref for one in wanted})
            proxy.reset()
            await kept(broker, Wanted("t", "after a reset"))
            await drained(broker, "t", {"after a reset"})


async def test_a_line_that_stalls_is_no_yes(rabbit_place, told):
    async with Proxy.to(rabbit_place.server.amqp) as proxy:
        url = rabbit_place.url.replace(str(rabbit_place.server.amqp), str(proxy.port))
        async with broker_at(url, confirm_s=0.5) as broker:
            await kept(broker, Wanted("t", "before"))
            work = await broker.take("t")
            before = await steady(told)
            proxy.stall()
            with pytest.raises(UnavailableError):
                await broker.publish([Wanted("t", "during")])
            await work.done()
            proxy.heal()
            await kept(broker, Wanted("t", "after"))
            await drained(broker, "t", {"after"})
            assert await steady(told) > before


async def test_nobody_there(told):
    async with broker_at("amqp://vanlien@127.0.0.1:9/none") as broker:
        taking = asyncio.ensure_future(broker.take("t"))
        for _ in range(3):
            with pytest.raises(UnavailableError):
                await broker.publish([Wanted("t", "a")])
        assert not taking.done()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        assert count(told, "broker_away") == 1
        assert PASSWORD not in json.dumps(told(), ensure_ascii=False)
    with pytest.raises(UnavailableError):
        await broker.publish([Wanted("t", "a")])  # let go
    with pytest.raises(UnavailableError):
        await broker.take("t")


async def test_over_tls_to_a_server_that_is_vouched_for(rabbit_place):
    authority = rabbit_place.server.folder / "tls.pem"
    async with broker_at(rabbit_place.tls_url, ca_file=authority) as broker:
        await broker.publish([Wanted("t", "a")])
        assert await drained(broker, "t", {"a"}) == 1
    async with broker_at(rabbit_place.tls_url) as broker:  # nobody vouches for it
        with pytest.raises(UnavailableError):
            await broker.publish([Wanted("t", "b")])


async def test_a_wrong_password_is_no_way_in(rabbit_place):
    broker = AmqpBroker(Address(rabbit_place.url, "sai"))
    with pytest.raises(UnavailableError):
        await broker.publish([Wanted("t", "a")])
    await broker.close()


# ---------------------------------------------------------------- the queues


async def test_a_queue_deleted_under_us_is_made_again(rabbit_place):
    (normal, *_) = lanes_of("vanlien", "t")
    async with broker_at(rabbit_place.url) as broker:
        await broker.publish([Wanted("t", "a")])
        await drained(broker, "t", {"a"})  # a consumer stands
        await asyncio.to_thread(rabbit_place.delete_queue, normal.name)
        await fulfilled(broker, "t", {"b", "c"})


async def test_an_emptied_broker_is_filled_again_by_whoever_repeats(rabbit_place):
    wanted = [Wanted("t", str(n), n % 5, "due") for n in range(50)]
    async with broker_at(rabbit_place.url, remember_s=600.0) as broker:
        await broker.publish(wanted)
        await broker.publish(wanted)
        assert sum(rabbit_place.queues().values()) == 50
        await asyncio.to_thread(rabbit_place.wipe)
        # Remembered for ten minutes, but queues that had to be made remember nothing.
        await kept(broker, *wanted)
        assert sum(rabbit_place.queues().values()) == 50
        assert await drained(broker, "t", {one.ref for one in wanted}) == 50


def alarms(told):
    return [(line["what"], line["subject"]) for line in told() if line["event"] == "alarm"]


async def test_a_dead_queue_is_made_anew_and_holds_up_no_other(rabbit_place, told):
    async with broker_at(rabbit_place.url, confirm_s=0.5, look_s=0.2) as broker:
        await kept(broker, Wanted("sick", "a"), Wanted("well", "a"))
        # What is left of a quorum queue whose server was killed right after it was made.
        await asyncio.to_thread(rabbit_place.break_queue, "vanlien.sick.normal")
        with pytest.raises(UnavailableError):
            await broker.publish([Wanted("sick", "b"), Wanted("well", "b")])
        await kept(broker, Wanted("well", "c"))
        await drained(broker, "well", {"a", "c"})
        # "a" was in it, and is wished again at once: nothing is remembered of a queue made anew.
        await kept(broker, Wanted("sick", "a"), Wanted("sick", "b"))
        await drained(broker, "sick", {"a", "b"})
        dead = ("queue does not confirm", "vanlien.sick.normal")
        assert alarms(told) == [dead]
        # Dead again within the minute: it is named, and not made anew in circles.
        await asyncio.to_thread(rabbit_place.break_queue, "vanlien.sick.normal")
        with pytest.raises(UnavailableError):
            await broker.publish([Wanted("sick", "c")])
        await until(lambda: alarms(told) == [dead, dead])
        assert [t["queue"] for t in told() if t["event"] == "queue_mended"] == [dead[1]]


async def test_two_who_find_a_queue_dead_make_it_anew_once(rabbit_place, told):
    options = {"confirm_s": 1.0, "look_s": 0.2}
    async with (
        broker_at(rabbit_place.url, **options) as first,
        broker_at(rabbit_place.url, **options) as second,
    ):
        for broker in (first, second):
            await kept(broker, Wanted("t", f"before {id(broker)}"))
            await (await broker.take("t")).done()
        waiting = asyncio.ensure_future(second.take("t"))
        await asyncio.to_thread(rabbit_place.break_queue, "vanlien.t.normal")
        # Nothing else is published: no other queue confirms in the same batch.
        await asyncio.gather(*(kept(b, Wanted("t", "x", 0, "s")) for b in (first, second)))
        # Its consumer stood on the queue that was dead, and nobody told it.
        assert (await asyncio.wait_for(waiting, PATIENCE_S)).ref == "x"
        assert count(told, "queue_mended") == 1
        assert alarms(told) == [("queue does not confirm", "vanlien.t.normal")]


async def test_who_takes_first_from_a_dead_queue_keeps_the_other_lanes(rabbit_place, told):
    await declare(Address(rabbit_place.url, PASSWORD), ["t"])
    await asyncio.to_thread(rabbit_place.break_queue, "vanlien.t.urgent")
    async with broker_at(rabbit_place.url, confirm_s=0.5, look_s=0.2) as broker:
        await kept(broker, Wanted("t", "normal", 0))
        await drained(broker, "t", {"normal"})
        await kept(broker, Wanted("t", "urgent", 1))
        await drained(broker, "t", {"urgent"})
        assert count(told, "queue_mended") == 1


async def test_a_queue_that_answers_nobody_is_made_anew(rabbit_place, told):
    options = {"confirm_s": 0.5, "look_s": 0.2}
    async with (
        broker_at(rabbit_place.url, **options) as broker,
        broker_at(rabbit_place.url, **options) as other,
    ):
        await kept(broker, Wanted("t", "a"))
        # As after a kill: its channels wait for it, and end badly when it is deleted.
        await asyncio.to_thread(rabbit_place.stall_queue, "vanlien.t.normal")
        await asyncio.gather(*(kept(b, Wanted("t", "x", 0, "s")) for b in (broker, other)))
        assert count(told, "queue_mended") == 1


async def test_a_slow_broker_loses_no_queue(rabbit_place, told):
    async with Proxy.to(rabbit_place.server.amqp) as proxy:
        url = rabbit_place.url.replace(str(rabbit_place.server.amqp), str(proxy.port))
        async with broker_at(url, confirm_s=0.1, look_s=0.1) as broker:
            await kept(broker, Wanted("t", "before"))
            proxy.delay_s = 0.12
            said = []

            async def examined_and_let_go():
                try:
                    await broker.publish([Wanted("t", str(len(said)))])
                except UnavailableError as exc:
                    said.append("being examined" in exc.public)
                return True in said and not said[-1]

            await until(examined_and_let_go)
            proxy.heal()
            await kept(broker, Wanted("t", "after"))
            await drained(broker, "t", {"before", "after"})
    assert alarms(told) == []
    assert count(told, "queue_mended") == 0


async def test_a_dead_queue_declared_otherwise_is_for_whoever_declared_it(rabbit_place, told):
    (normal, *_) = lanes_of("vanlien", "t")
    connection = await aio_pika.connect(URL(rabbit_place.url).with_password(PASSWORD))
    async with connection:
        channel = await connection.channel()
        kind = {"x-queue-type": "quorum"}
        await channel.declare_queue(normal.name, durable=True, arguments=kind)
    async with broker_at(rabbit_place.url, confirm_s=0.5, look_s=0.2) as broker:
        await kept(broker, Wanted("t", "a"))
        await asyncio.to_thread(rabbit_place.break_queue, normal.name)
        with pytest.raises(UnavailableError):
            await broker.publish([Wanted("t", "b")])
        otherwise, dead = "queue declared otherwise", "queue does not confirm"
        await until(lambda: (dead, normal.name) in alarms(told))
        assert alarms(told) == [(otherwise, normal.name), (dead, normal.name)]
        await asyncio.to_thread(rabbit_place.delete_queue, normal.name)
        await kept(broker, Wanted("t", "b", 0, "s"))
        await drained(broker, "t", {"b"})
        assert count(told, "queue_mended") == 0


async def test_nothing_is_kept_long_without_an_acknowledgement(rabbit_place):
    (normal, urgent, *_) = lanes_of("vanlien", "t")

    def unacknowledged():
        return rabbit_place.unacknowledged(normal.name, urgent.name)

    async with broker_at(rabbit_place.url, hold_s=0.5) as broker:
        await broker.publish([Wanted("t", "long work", 0, "s")])
        work = await broker.take("t")
        await broker.publish([Wanted("t", "fetched ahead", 1, "s")])
        await until(lambda: broker.depth().get(("t", 1)))
        # RabbitMQ would close the channel, and hand out both again and again until they are parked.
        await until(lambda: unacknowledged() == [0, 0])
        assert not broker.depth().get(("t", 1))
        # Who had not begun leaves it to the ledger, whose next wish is no repeated one.
        await broker.publish([Wanted("t", "fetched ahead", 1, "s")])
        again = await asyncio.wait_for(broker.take("t"), PATIENCE_S)
        assert again.ref == "fetched ahead"
        await again.done()
        await work.done()  # was acknowledged: nothing is said twice
        await broker.publish([Wanted("t", "next", 0)])
        assert await drained(broker, "t", {"next"}) == 1


async def test_where_nobody_takes_what_was_fetched_ahead_goes_back(rabbit_place):
    async with (
        broker_at(rabbit_place.url, look_s=0.2) as first,
        broker_at(rabbit_place.url) as second,
    ):
        await first.publish([Wanted("t", "a"), Wanted("t", "b")])
        await (await first.take("t")).done()
        await until(lambda: first.depth().get(("t", 0)) == 1)
        # Nobody was told to stop: the hands of the first are busy elsewhere, or its gate is shut.
        assert (await asyncio.wait_for(second.take("t"), PATIENCE_S)).ref == "b"


async def test_connections_cut_by_the_server_are_made_again(rabbit_place):
    async with broker_at(rabbit_place.url) as broker:
        await broker.publish([Wanted("t", "a")])
        taken = await broker.take("t")
        await asyncio.to_thread(rabbit_place.cut_connections)
        await kept(broker, Wanted("t", "b"))
        await drained(broker, "t", {"a", "b"})  # "a" was not acknowledged, so it comes again
        await taken.done()


async def send_raw(place, queue, *bodies):
    connection = await aio_pika.connect(URL(place.url).with_password(PASSWORD))
    async with connection:
        channel = await connection.channel()
        for body in bodies:
            await channel.default_exchange.publish(aio_pika.Message(body), queue)


async def test_a_message_that_names_no_work_is_parked_and_told(rabbit_place, told):
    (normal, *_) = lanes_of("vanlien", "t")
    async with broker_at(rabbit_place.url, look_s=0.2) as broker:
        await broker.publish([Wanted("t", "first")])
        await drained(broker, "t", {"first"})
        poison = (b"\x00garbage", b'{"v": 2, "topic": "t", "ref": "x"}', b"")
        await send_raw(rabbit_place, normal.name, *poison)
        await broker.publish([Wanted("t", "after")])
        await drained(broker, "t", {"after"})
        await until(lambda: rabbit_place.queues()["vanlien.parking"] == 3)
        assert count(told, "message_parked") == 3
        assert "garbage" not in json.dumps(told())
        await until(
            lambda: any(
                line["event"] == "standing_warning" and line["what"] == "parked_messages"
                for line in told()
            )
        )


async def test_a_queue_declared_otherwise_is_used_and_named(rabbit_place, told):
    connection = await aio_pika.connect(URL(rabbit_place.url).with_password(PASSWORD))
    async with connection:
        channel = await connection.channel()
        await channel.declare_queue("vanlien.t.normal", durable=True)
    address = Address(rabbit_place.url, PASSWORD)
    before = {found.queue.name: found for found in await examine(address, ["t"])}
    assert "inequivalent arg" in before["vanlien.t.normal"].differs
    assert not before["vanlien.t.urgent"].there
    assert len(rabbit_place.queues()) == 1  # looking makes nothing
    async with broker_at(rabbit_place.url) as broker:
        await broker.publish([Wanted("t", "a")])
        await drained(broker, "t", {"a"})
    alarms = [line for line in told() if line["event"] == "alarm"]
    assert [(line["what"], line["subject"]) for line in alarms] == [
        ("queue declared otherwise", "vanlien.t.normal")
    ]
    await declare(address, ["t", "issue"])
    after = await examine(address, ["t", "issue"])
    assert [found.queue.name for found in after if not found.there] == []
    assert [found.queue.name for found in after if found.differs] == ["vanlien.t.normal"]


async def test_who_stops_taking_gives_back_what_was_fetched_ahead(rabbit_place):
    async with broker_at(rabbit_place.url) as first, broker_at(rabbit_place.url) as second:
        takers = [asyncio.ensure_future(first.take("t")) for _ in range(4)]
        await first.publish([Wanted("t", str(n)) for n in range(10)])
        works = await asyncio.wait_for(asyncio.gather(*takers), PATIENCE_S)
        for work in works:
            await work.done()
        await until(lambda: sum(first.depth().values()))
        resting = asyncio.ensure_future(first.take("t", lowest=4))
        await asyncio.sleep(0)
        resting.cancel()
        await asyncio.gather(resting, return_exceptions=True)
        done = {work.ref for work in works}
        assert await drained(second, "t", {str(n) for n in range(10)} - done) == 6


# ---------------------------------------------------------------- a whole gateway


def settings(folder, place):
    (folder / "mq").mkdir(exist_ok=True)
    (folder / "mq/password").write_text(PASSWORD, encoding="utf-8")
    (folder / "mq/password").chmod(0o600)
    return f'[broker]\nurl = "{place.url}"\npassword_file = "mq/password"\nremember = "2 s"\n'


async def delivered(house, documents):
    """Wait until every document is in the inbox of its agency; each may be there once."""

    async def rows():
        found = []
        after = 0
        while True:
            page = (await house.call("GET", f"/inbox?after={after}", "stc"))[1]
            if not page["items"]:
                return found
            found += page["items"]
            after = page["next"]

    async def all_there():
        return len(await rows()) >= documents

    await until(all_there)
    found = [item["document_id"] for item in await rows()]
    assert len(found) == len(set(found)) == documents


async def park_one(place, queue):
    """Have the server park a message, as it does with one handed out too often."""
    connection = await aio_pika.connect(URL(place.url).with_password(PASSWORD))
    async with connection:
        channel = await connection.channel()
        taken = await (await channel.get_queue(queue, ensure=False)).get()
        await taken.reject(requeue=False)
        await until(lambda: place.queues()["vanlien.parking"] == 1)


async def test_what_the_broker_parks_or_forgets_comes_from_the_ledger(rabbit_place, tmp_path):
    queue = "vanlien.relay:local.normal"
    async with gatehouse(tmp_path, extra=settings(tmp_path, rabbit_place)) as house:
        await house.gateway.turnstile.shut(0.0)  # they queue, and nobody takes them
        assert (await house.send(packet("0")))[0] == 202
        await until(lambda: rabbit_place.queues().get(queue, 0) >= 1)
        await park_one(rabbit_place, queue)
        house.gateway.turnstile.open()
        await delivered(house, 1)
        await house.gateway.turnstile.shut(60.0)
        for n in range(1, 41):
            assert (await house.send(packet(str(n))))[0] == 202
        await until(lambda: rabbit_place.queues().get(queue, 0) >= 40)
        await asyncio.to_thread(rabbit_place.wipe)
        house.gateway.turnstile.open()
        await delivered(house, 41)


async def test_documents_are_taken_while_the_broker_is_down(rabbit_alone, tmp_path, told):
    server = rabbit_alone.server
    async with (
        gatehouse(tmp_path, extra=settings(tmp_path, rabbit_alone)) as house,
        broker_at(rabbit_alone.url, prefix="alone") as broker,
    ):
        assert (await house.send(packet("0")))[0] == 202
        await delivered(house, 1)
        await broker.publish([Wanted("t", str(n)) for n in range(20)])
        held = await broker.take("t")
        waiting = asyncio.ensure_future(broker.take("rare"))
        await until(lambda: len(rabbit_alone.queues()) == 16 + 11)
        before = await steady(told)
        await asyncio.to_thread(server.settle)
        await asyncio.to_thread(server.kill)
        await refused(broker, Wanted("t", "late"))
        await refused(broker, Wanted("t", "late"))
        await held.done()  # on a channel that died: no error, no acknowledgement
        assert not waiting.done()
        for n in range(1, 20):
            status, answer, _ = await house.send(packet(str(n), urgency=n % 3))
            assert status == 202, answer
        assert len(await house.gateway.ledger.all("outbox", limit=100)) >= 19
        # Said once by each of the two, however many calls fail in between.
        await until(lambda: count(told, "broker_away") >= before + 2)
        assert count(told, "broker_away") == before + 2
        await asyncio.to_thread(server.start)
        await kept(broker, Wanted("t", "late", 0, "s"), Wanted("rare", "r"))
        assert (await asyncio.wait_for(waiting, PATIENCE_S)).ref == "r"
        await drained(broker, "t", {*map(str, range(20)), "late"})
        await delivered(house, 20)

        async def handed_on():
            return not await house.gateway.ledger.all("outbox", limit=1)

        await until(handed_on)
        await steady(told)
    # Nothing turned in circles while it was away.
    assert count(told, "program_failed") <= 2
