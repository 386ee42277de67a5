"""In-process lanes: urgent first, nobody twice, reserved workers."""

import asyncio

from gateway.broker.lanes import Lanes
from gateway.ports import Wanted


async def drained(lanes, topic, count, **options):
    return [(await lanes.take(topic, **options)).ref for _ in range(count)]


async def test_an_urgent_one_overtakes_two_hundred():
    lanes = Lanes()
    for n in range(200):
        await lanes.publish([Wanted("t", f"n{n}", 0)])
    await lanes.publish([Wanted("t", "hẹn giờ", 4)])
    await lanes.publish([Wanted("t", "khẩn", 1)])
    assert await drained(lanes, "t", 3) == ["hẹn giờ", "khẩn", "n0"]


async def test_within_a_lane_first_come_first_served():
    lanes = Lanes()
    for n in range(5):
        await lanes.publish([Wanted("t", str(n), 2)])
    assert await drained(lanes, "t", 5) == list("01234")


async def test_what_is_queued_is_not_queued_twice_but_again_once_taken():
    lanes = Lanes()
    await lanes.publish([Wanted("t", "a", 0)])
    await lanes.publish([Wanted("t", "a", 0)])
    await lanes.publish([Wanted("u", "a", 0)])
    assert lanes.depth()["t", 0] == 1
    assert (await lanes.take("t")).ref == "a"
    await lanes.publish([Wanted("t", "a", 3)])
    assert (await lanes.take("t")).ref == "a"
    assert (await lanes.take("u")).ref == "a"


async def test_a_reserved_worker_leaves_normal_ones_alone():
    lanes = Lanes()
    urgent = asyncio.ensure_future(lanes.take("t", lowest=1))
    await asyncio.sleep(0)
    await lanes.publish([Wanted("t", "n", 0)])
    await asyncio.sleep(0)
    assert not urgent.done()
    assert (await lanes.take("t")).ref == "n"
    await lanes.publish([Wanted("t", "k", 1)])
    assert (await urgent).ref == "k"


async def test_a_waiting_worker_gets_what_it_may_take():
    lanes = Lanes()
    reserved = asyncio.ensure_future(lanes.take("t", lowest=1))
    anyone = asyncio.ensure_future(lanes.take("t"))
    await asyncio.sleep(0)
    await lanes.publish([Wanted("t", "n", 0)])
    assert (await anyone).ref == "n"
    await lanes.publish([Wanted("t", "h", 3)])
    assert (await reserved).ref == "h"


async def test_who_went_away_gets_nothing():
    lanes = Lanes()
    gone = asyncio.ensure_future(lanes.take("t"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await lanes.publish([Wanted("t", "a", 0)])
    assert (await lanes.take("t")).ref == "a"


async def test_topics_do_not_see_each_other():
    lanes = Lanes()
    await lanes.publish([Wanted("relay:dead", "a", 4)])
    await lanes.publish([Wanted("relay:local", "b", 0)])
    assert (await lanes.take("relay:local")).ref == "b"
