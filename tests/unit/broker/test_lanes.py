"""In-process lanes: urgent first, nobody twice, reserved workers."""

import asyncio

from gateway.broker.lanes import Lanes


async def drained(lanes, topic, count, **options):
    return [await lanes.take(topic, **options) for _ in range(count)]


async def test_an_urgent_one_overtakes_two_hundred():
    lanes = Lanes()
    for n in range(200):
        lanes.publish("t", f"n{n}", 0)
    lanes.publish("t", "hẹn giờ", 4)
    lanes.publish("t", "khẩn", 1)
    assert await drained(lanes, "t", 3) == ["hẹn giờ", "khẩn", "n0"]


async def test_within_a_lane_first_come_first_served():
    lanes = Lanes()
    for n in range(5):
        lanes.publish("t", str(n), 2)
    assert await drained(lanes, "t", 5) == list("01234")


async def test_what_is_queued_is_not_queued_twice_but_again_once_taken():
    lanes = Lanes()
    lanes.publish("t", "a", 0)
    lanes.publish("t", "a", 0)
    lanes.publish("u", "a", 0)
    assert lanes.depth()["t", 0] == 1
    assert await lanes.take("t") == "a"
    lanes.publish("t", "a", 3)
    assert await lanes.take("t") == "a"
    assert await lanes.take("u") == "a"


async def test_a_reserved_worker_leaves_normal_ones_alone():
    lanes = Lanes()
    urgent = asyncio.ensure_future(lanes.take("t", lowest=1))
    await asyncio.sleep(0)
    lanes.publish("t", "n", 0)
    await asyncio.sleep(0)
    assert not urgent.done()
    assert await lanes.take("t") == "n"
    lanes.publish("t", "k", 1)
    assert await urgent == "k"


async def test_a_waiting_worker_gets_what_it_may_take():
    lanes = Lanes()
    reserved = asyncio.ensure_future(lanes.take("t", lowest=1))
    anyone = asyncio.ensure_future(lanes.take("t"))
    await asyncio.sleep(0)
    lanes.publish("t", "n", 0)
    assert await anyone == "n"
    lanes.publish("t", "h", 3)
    assert await reserved == "h"


async def test_who_went_away_gets_nothing():
    lanes = Lanes()
    gone = asyncio.ensure_future(lanes.take("t"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    lanes.publish("t", "a", 0)
    assert await lanes.take("t") == "a"


async def test_topics_do_not_see_each_other():
    lanes = Lanes()
    lanes.publish("relay:dead", "a", 4)
    lanes.publish("relay:local", "b", 0)
    assert await lanes.take("relay:local") == "b"
