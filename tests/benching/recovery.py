"""How long after kill -9 a gateway is there again, with a long queue waiting.

A destination is held as an operator does, real documents are sent to it, the gateway is killed with
SIGKILL while more come in; then the rows of what waits are copied until so many wait
(`tests.benching.copies`), the hold is let go, and the gateway started. Times count from its start:
its address is open; every node says at /ready that documents can be taken; the first waiting
document is in its reader's system. Then the queue's rate is watched for a while.
"""

import asyncio
import contextlib
import time

from tests.benching.copies import multiply
from tests.benching.houses import READER, House
from tests.benching.load import Json, load_now, notes, post_all
from tests.benching.plan import Plan

HOP = f"local:{READER}"
_MODELS = 100
_WAITING = f"SELECT COUNT(*) AS n FROM transfer WHERE state = 'waiting' AND hop = '{HOP}'"


def queue_up(house: House, count: int, *, kill: bool) -> None:
    """Leave about `count` documents waiting, no longer held; the gateway is down if it is killed."""
    if house.nodes[0].process is None:
        house.start()
    house.await_ready()
    models = min(_MODELS, count)
    house.hold(HOP, held=True)
    time.sleep(1.5)  # a running gateway sees a hold within a second
    asyncio.run(post_all(house, notes(300_000, models)))
    if kill:
        asyncio.run(_killed_while_posting(house))
    waiting = int(house.value(_WAITING))
    multiply(house, max(1, round(count / waiting) - 1))
    house.hold(HOP, held=False)


async def _killed_while_posting(house: House) -> None:
    posting = asyncio.ensure_future(post_all(house, notes(310_000, 400)))
    await asyncio.sleep(0.2)
    await asyncio.to_thread(house.kill)
    with contextlib.suppress(BaseExceptionGroup, OSError, asyncio.IncompleteReadError):
        await posting


def measure(plan: Plan) -> Json:
    """Measure every engine."""
    rows: list[Json] = []
    for engine in plan.engines:
        with plan.house(engine) as house:
            queue_up(house, plan.size.queued, kill=True)
            rows.append(_measure(plan, house))
    return {"rows": rows}


def _measure(plan: Plan, house: House) -> Json:
    waiting = int(house.value(_WAITING))
    plan.say(f"{house.engine}: killed, {waiting:,} wait")
    load, began = load_now(), time.perf_counter()
    house.start()
    listening = time.perf_counter() - began
    house.await_ready()
    ready = time.perf_counter() - began
    while (left := int(house.value(_WAITING))) == waiting:
        time.sleep(0.02)
    first = time.perf_counter() - began
    then, left_then = time.perf_counter(), left
    while left and time.perf_counter() - then < plan.size.window_s:
        time.sleep(0.25)
        left = int(house.value(_WAITING))
    rate = (left_then - left) / (time.perf_counter() - then)
    row = {
        "engine": house.engine,
        "queued": waiting,
        "listening_s": round(listening, 2),
        "ready_s": round(ready, 2),
        "first_delivery_s": round(first, 2),
        "delivered_per_s": round(rate, 1),
        "watched": waiting - left,
        "all_s": round(first + waiting / rate, 1) if rate else None,
        "load_before": load,
    }
    plan.say(f"{house.engine}: ready after {ready:.1f} s, {rate:.0f}/s from the queue")
    return row
