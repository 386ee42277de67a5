import asyncio

import pytest

from gateway.errors import Reason, UnavailableError
from gateway.verifier.turns import Turns

NEVER = 3600.0


def turns(places=1, *, max_waiting=10, patience_s=NEVER):
    return Turns(places, max_waiting=max_waiting, patience_s=patience_s)


def called(*some):
    return [turn.called.done() for turn in some]


async def test_places_go_to_the_urgent_then_to_the_oldest():
    queue = turns()
    busy = queue.join(0)
    normal, later, urgent, most = queue.join(0), queue.join(0), queue.join(1), queue.join(3)
    assert called(busy, normal, later, urgent, most) == [True, False, False, False, False]
    order = []
    for _ in range(4):
        queue.leave(busy)
        order += [t for t in (normal, later, urgent, most) if t.called.done() and t not in order]
    assert order == [most, urgent, normal, later]
    assert queue.waiting == 0


async def test_every_place_is_everybodys():
    queue = turns(2)
    assert called(queue.join(0), queue.join(-1), queue.join(0)) == [True, True, False]


async def test_a_lane_is_bounded_and_does_not_bound_the_others():
    queue = turns(max_waiting=2)
    for _ in range(3):
        queue.join(0)
    with pytest.raises(UnavailableError) as caught:
        queue.join(0)
    assert caught.value.reason is Reason.OVERLOADED
    assert caught.value.retry_after_s
    queue.join(1)
    assert (queue.waiting_in(0), queue.waiting_in(1)) == (2, 1)


async def test_an_impatient_urgent_file_gets_an_extra_place():
    queue = turns(patience_s=0.0)
    slow, normal = queue.join(0), queue.join(0)
    urgent = queue.join(1)
    await queue.wait(urgent)
    assert urgent.extra
    assert called(normal) == [False]
    # The extra place is only for the urgent, and there is one for each place.
    second = queue.join(2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert called(second) == [False]
    queue.leave(urgent)
    assert called(second, normal) == [True, False]
    queue.leave(slow)
    assert called(normal) == [True]
    assert not normal.extra


async def test_patience_is_not_for_normal_files():
    queue = turns(patience_s=0.0)
    queue.join(0)
    background, normal = queue.join(-1), queue.join(0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert called(background, normal) == [False, False]


async def test_a_file_asked_for_more_urgently_is_moved_up():
    queue = turns(patience_s=0.0)
    queue.join(0)
    first, second = queue.join(0), queue.join(0)
    queue.hurry(second, 2)
    await queue.wait(second)
    assert second.extra
    queue.hurry(second, 0)  # never down
    assert second.lane == 2
    assert called(first) == [False]


async def test_who_gives_up_gives_back():
    queue = turns()
    busy, impatient = queue.join(0), queue.join(0)
    waiting = asyncio.create_task(queue.wait(impatient))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert queue.waiting == 0
    # Called and given up in one moment: the place goes on to the next.
    late, next_one = queue.join(0), queue.join(0)
    waiting = asyncio.create_task(queue.wait(late))
    await asyncio.sleep(0)
    queue.leave(busy)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert called(next_one) == [True]
