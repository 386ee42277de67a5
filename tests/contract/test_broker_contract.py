"""Broker: one suite for the lanes of the process and for RabbitMQ."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from gateway.broker.amqp import AmqpBroker
from gateway.broker.lanes import Lanes
from gateway.broker.link import Address
from gateway.ports import Wanted
from tests.simulation.broker import SharedBroker
from tests.world.servers.rabbitmq import PASSWORD

PATIENCE_S = 60.0


@pytest.fixture(params=["lanes", "rabbitmq", "simulated"])
async def broker(request):
    if request.param == "lanes":
        made = Lanes()
    elif request.param == "simulated":
        made = SharedBroker()
    else:
        place = request.getfixturevalue("rabbit_place")
        made = AmqpBroker(Address(place.url, PASSWORD))
    yield made
    await made.close()


async def taken(broker, topic="t", count=1, **options):
    """Take and finish so many; return them in order."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(count):
            work = await broker.take(topic, **options)
            found.append(work.ref)
            await work.done()
    return found


@asynccontextmanager
async def taking(broker, topic="t", **options):
    """A taker under way."""
    task = asyncio.ensure_future(broker.take(topic, **options))
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(ready):
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if ready():
                return
            await asyncio.sleep(0.01)


async def one_more(broker, ref, lane=0):
    await broker.publish([Wanted("t", ref, lane)])


async def test_what_is_published_is_taken_once(broker):
    await broker.publish([Wanted("t", str(n), n % 5, "s") for n in range(30)])
    assert sorted(await taken(broker, count=30), key=int) == [str(n) for n in range(30)]
    async with taking(broker) as another:
        await one_more(broker, "last")
        assert (await asyncio.wait_for(another, PATIENCE_S)).ref == "last"


async def test_nothing_to_publish_is_nothing(broker):
    await broker.publish([])
    await one_more(broker, "a")
    assert await taken(broker) == ["a"]


async def test_within_a_lane_first_come_first_served(broker):
    await broker.publish([Wanted("t", str(n), 2) for n in range(5)])
    assert await taken(broker, count=5) == list("01234")


async def test_an_urgent_one_overtakes_all_that_wait(broker):
    await broker.publish([Wanted("t", f"n{n}", 0) for n in range(200)])
    # Several hands: what is fetched ahead must not keep the urgent from coming.
    first = [await broker.take("t") for _ in range(4)]
    await broker.publish([Wanted("t", "hẹn giờ", 4), Wanted("t", "khẩn", 1)])
    await until(lambda: broker.depth().get(("t", 4)) and broker.depth().get(("t", 1)))
    assert await taken(broker, count=2) == ["hẹn giờ", "khẩn"]
    for work in first:
        await work.done()
    assert all(ref.startswith("n") for ref in await taken(broker, count=3))


async def test_what_is_queued_is_not_queued_twice_but_again_once_done(broker):
    for _ in range(3):
        await broker.publish([Wanted("t", "a", 0, "s")])
    assert await taken(broker) == ["a"]
    await one_more(broker, "b")
    assert await taken(broker) == ["b"]  # and not "a" again
    await broker.publish([Wanted("t", "a", 3, "s")])
    assert await taken(broker) == ["a"]


async def test_a_reserved_worker_leaves_normal_ones_alone(broker):
    async with taking(broker, lowest=1) as urgent:
        await one_more(broker, "n")
        assert await taken(broker) == ["n"]
        assert not urgent.done()
        await one_more(broker, "k", 1)
        assert (await asyncio.wait_for(urgent, PATIENCE_S)).ref == "k"


async def test_a_waiting_worker_gets_what_it_may_take(broker):
    async with taking(broker, lowest=1) as reserved, taking(broker) as anyone:
        await one_more(broker, "n")
        assert (await asyncio.wait_for(anyone, PATIENCE_S)).ref == "n"
        await one_more(broker, "h", 3)
        assert (await asyncio.wait_for(reserved, PATIENCE_S)).ref == "h"


async def test_who_went_away_gets_nothing(broker):
    async with taking(broker):
        pass
    await one_more(broker, "a")
    assert await taken(broker) == ["a"]


async def test_who_leaves_before_coming_for_it_leaves_it_to_another(broker):
    async with taking(broker) as leaving:
        await one_more(broker, "a")
        async with asyncio.timeout(PATIENCE_S):
            while not leaving.done():
                leaving.cancel()
                await asyncio.sleep(0)
    # Whether it was given already or not, somebody gets it.
    if leaving.cancelled():
        assert await taken(broker) == ["a"]


async def test_topics_do_not_see_each_other(broker):
    await broker.publish([Wanted("relay:dead", "a", 4), Wanted("relay:local", "b", 0)])
    assert await taken(broker, "relay:local") == ["b"]
    assert await taken(broker, "relay:dead") == ["a"]


async def test_flows_of_a_lane_are_served_in_turn(broker):
    await broker.publish([Wanted("t", f"x{n}", 0, flow="x") for n in range(3)])
    await broker.publish([Wanted("t", f"y{n}", 0, flow="y") for n in range(3)])
    if isinstance(broker, Lanes):
        assert await taken(broker, count=6) == ["x0", "y0", "x1", "y1", "x2", "y2"]
    else:  # a queue server keeps one order; only what was fetched ahead is turned
        assert sorted(await taken(broker, count=6)) == ["x0", "x1", "x2", "y0", "y1", "y2"]


async def test_many_workers_share_everything(broker):
    await broker.publish([Wanted("t", str(n), n % 5) for n in range(300)])
    found = []

    async def work(lowest):
        while True:
            one = await broker.take("t", lowest=lowest)
            found.append(one.ref)
            await one.done()

    workers = [asyncio.ensure_future(work(n % 2)) for n in range(10)]
    await until(lambda: len(found) == 300)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert sorted(found, key=int) == [str(n) for n in range(300)]


async def test_done_twice_is_done(broker):
    await one_more(broker, "a")
    work = await asyncio.wait_for(broker.take("t"), PATIENCE_S)
    await work.done()
    await work.done()
    await one_more(broker, "b")
    assert await taken(broker) == ["b"]


async def test_what_nobody_acknowledged_comes_again(rabbit_place):
    first, second = (AmqpBroker(Address(rabbit_place.url, PASSWORD)) for _ in range(2))
    await first.publish([Wanted("t", "a"), Wanted("t", "b"), Wanted("t", "c")])
    held = await asyncio.wait_for(first.take("t"), PATIENCE_S)
    done = await asyncio.wait_for(first.take("t"), PATIENCE_S)
    await done.done()
    await first.close()
    await held.done()  # too late: its channel is gone, and it says nothing
    assert (held.ref, done.ref) == ("a", "b")
    assert sorted(await taken(second, count=2)) == ["a", "c"]
    await second.close()
