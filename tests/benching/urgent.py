"""What an urgent document waits behind a long queue of normal ones, against none.

The same documents "hỏa tốc" are sent one by one: first to an idle gateway, then while it works
through the queue. Each wait runs from acceptance to the reader's system.
"""

import asyncio
import time

from tests.benching.houses import House
from tests.benching.load import (
    EXPRESS,
    Client,
    Json,
    delivered,
    last_accepted,
    load_now,
    notes,
    quantile,
    spread,
)
from tests.benching.plan import Plan
from tests.benching.recovery import HOP, queue_up

_APART_S = 0.1
_WAITING = (
    f"SELECT COUNT(*) AS n FROM transfer WHERE state = 'waiting' AND lane = 0 AND hop = '{HOP}'"
)


def measure(plan: Plan) -> Json:
    """Measure every engine."""
    rows: list[Json] = []
    for engine in plan.engines:
        with plan.house(engine) as house:
            rows.append(_measure(plan, house))
    return {"rows": rows}


def _measure(plan: Plan, house: House) -> Json:
    size = plan.size
    if house.nodes[0].process is None:
        house.start()
    house.await_ready()
    load = load_now()
    idle = asyncio.run(_one_by_one(house, 400_000, size.urgent))
    queue_up(house, size.ahead, kill=False)
    ahead = int(house.value(_WAITING))
    began = time.perf_counter()
    while int(house.value(_WAITING)) == ahead:
        time.sleep(0.02)
    behind = asyncio.run(_one_by_one(house, 500_000, size.urgent))
    left = int(house.value(_WAITING))
    took = time.perf_counter() - began
    while int(house.value(_WAITING)) and time.perf_counter() - began < size.window_s:
        time.sleep(0.1)
    rate = (ahead - left) / took
    row = {
        "engine": house.engine,
        "ahead": ahead,
        "still_waiting_after": left,
        "urgent": size.urgent,
        "idle_ms": spread(idle),
        "behind_ms": spread(behind),
        # A queue in the order of arrival would have kept the last of them so long.
        "in_order_s": round(ahead / rate, 1) if rate else None,
        "load_before": load,
    }
    plan.say(
        f"{house.engine}: hỏa tốc p99 {quantile(idle, 0.99):g} ms idle, "
        f"{quantile(behind, 0.99):g} ms behind {ahead:,} ({left:,} still waiting)"
    )
    return row


async def _one_by_one(house: House, first: int, count: int) -> list[float]:
    after = last_accepted(house)
    client = Client(house.ports[0], house.key)
    for message in notes(first, count, lane=EXPRESS):
        await client.post(message)
        await asyncio.sleep(_APART_S)
    await client.close()
    return await delivered(house, count, after, EXPRESS)
