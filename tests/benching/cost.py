"""What the same work costs over a full ledger against an empty one, on each engine.

A real mix goes through an empty ledger and is timed; its rows are then copied until the ledger is
full (`tests.benching.copies`), and the same is timed again. One document in twenty is for an agency
that is held, so that a full ledger has a long queue too. What grows with the table is a bug.
"""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from gateway import stores
from gateway.domain.moments import to_text
from gateway.ports.operations import Matching
from gateway.store.queries import QUERIES
from tests.benching.copies import multiply, total_rows
from tests.benching.houses import HELD, READER, SENDER, Cluster, House
from tests.benching.load import (
    Client,
    Json,
    delivered,
    last_accepted,
    load_now,
    notes,
    post_all,
    quantile,
)
from tests.benching.plan import Plan
from tests.benching.recovery import HOP

_SHARE_HELD: Final = 20
_ASKED: Final = 15
# What grows with what is open, and may: it lists or counts just that.
OPEN: Final = frozenset({"queue list", "queue count", "/metrics"})


def measure(plan: Plan) -> Json:
    """Measure every engine."""
    return {"engines": [_engine(plan, engine) for engine in plan.engines]}


def _engine(plan: Plan, engine: str) -> Json:
    size = plan.size
    many = max(40, min(150, size.notes // 5)) if not plan.one_house else 10
    with plan.house(engine) as house:
        if house.nodes[0].process is None:
            house.start()
        house.await_ready()
        load = load_now()
        house.hold(f"local:{HELD}", held=True)
        asyncio.run(post_all(house, notes(600_000, many)))
        asyncio.run(post_all(house, notes(610_000, max(1, many // _SHARE_HELD), to=HELD)))
        empty = _timings(house, 620_000, many)
        rows_then, bytes_then = total_rows(house), house.size_bytes()
        documents = int(house.value("SELECT COUNT(*) AS n FROM consignment"))
        if not plan.one_house:
            house.stop()
        began = time.perf_counter()
        multiply(house, max(1, round(size.rows / rows_then) - 1))
        if isinstance(house, Cluster):
            house.analyze()
        filled_s = time.perf_counter() - began
        rows_now, bytes_now = total_rows(house), house.size_bytes()
        documents_now = int(house.value("SELECT COUNT(*) AS n FROM consignment"))
        plan.say(f"{engine}: {rows_now:,} rows of {documents_now:,} documents in {filled_s:.0f} s")
        began = time.perf_counter()
        if not plan.one_house:
            house.start()
        house.await_ready()
        started_s = time.perf_counter() - began
        full = _timings(house, 630_000, many)
        house.hold(f"local:{HELD}", held=False)
    each = {
        name: {"empty": empty[name], "full": full[name], "times": _ratio(full[name], empty[name])}
        for name in empty
    }
    plan.say(f"{engine}: " + ", ".join(f"{n} x{v['times']:g}" for n, v in each.items()))
    return {
        "engine": engine,
        "rows_empty": rows_then,
        "rows_full": rows_now,
        "documents_full": documents_now,
        "rows_a_document": round((rows_now - rows_then) / (documents_now - documents), 1),
        "ledger_bytes_a_document": round((bytes_now - bytes_then) / (documents_now - documents)),
        "ready_s": round(started_s, 2),
        "ms": each,
        "load_before": load,
    }


def _ratio(now: float, then: float) -> float:
    return round(now / then, 2) if then else 0.0


# ---------------------------------------------------------------- what is timed


def _timings(house: House, first: int, many: int) -> dict[str, float]:
    """Return medians in milliseconds."""
    told = asyncio.run(_through_the_api(house, first, many))
    told |= _by_hand(house)
    return told | _questions(house)


async def _through_the_api(house: House, first: int, many: int) -> dict[str, float]:
    after = last_accepted(house)
    client, reader = Client(house.ports[0], house.key), Client(house.ports[0], house.reader_key)
    told = {"accept": quantile([await client.post(m) for m in notes(first, many)], 0.5)}
    waits = await delivered(house, many, after)
    told["deliver"] = quantile(waits, 0.5)
    (newest,) = house.rows("SELECT id FROM consignment ORDER BY id DESC LIMIT 1")
    cursor = int(house.value("SELECT COALESCE(MAX(inbox_seq), 0) AS n FROM arrival"))
    paths = {
        "document": (client, f"/api/v1/documents/{newest['id']}"),
        "its receipts": (client, f"/api/v1/documents/{newest['id']}/receipts"),
        "documents, newest 50": (client, "/api/v1/documents?limit=50"),
        "inbox, newest 50": (reader, f"/api/v1/inbox?limit=50&after={max(0, cursor - 50)}"),
        "inbox, oldest 50": (reader, "/api/v1/inbox?limit=50&after=0"),
        "/metrics": (client, "/metrics"),
        "/ready": (client, "/ready"),
    }
    for name, (who, path) in paths.items():
        times = []
        for _ in range(_ASKED):
            began = time.perf_counter()
            await who.ask("GET", path)
            times.append((time.perf_counter() - began) * 1000)
        told[name] = quantile(times, 0.5)
    await client.close()
    await reader.close()
    after = last_accepted(house)
    posted = await post_all(house, notes(first + 5000, many * 3))
    await delivered(house, many * 3, after)  # nothing is due any more when the ledger is asked
    told["accept, one of 48 at a time"] = round(posted.took_s / (many * 3) * 1000, 2)
    return told


def _by_hand(house: House) -> dict[str, float]:
    with stores.open_operations(house.nodes[0].config) as ledger:
        return {
            "queue list": _median(ledger.queue),
            "queue count": _median(lambda: ledger.count(Matching())),
        }


def _questions(house: House) -> dict[str, float]:
    """Time what programs ask every second, and what old clients ask, at the ledger itself."""
    now = to_text(datetime.now(UTC))
    asked: dict[str, dict[str, Any]] = {
        "transfers_due_at": {"now": now, "hop": HOP, "limit": 1000},
        "transfers_expired": {"now": now, "limit": 1000},
        "hops_waiting": {},
        "consignments_pending": {},
        "inbound_open": {"now": now, "limit": 1000},
        "backlog": {"limit": 20_000},
        "log_size": {},
        "sent": {"system_id": "bench", "limit": 100},
        "sent_statuses_of": {"agency": READER, "limit": 100},
        "waiting_documents_of": {"agency": READER, "since": "", "until": "", "limit": 100},
        "waiting_statuses_of": {"agency": SENDER, "since": "", "until": "", "limit": 100},
        "arrivals_noted": {
            "agencies": json.dumps([READER]),
            "senders": json.dumps([SENDER]),
            "code_number": "600001",
            "code_notation": "SNV-VP",
            "promulgation_date": datetime.now(UTC).date().isoformat(),
            "before": "~",
            "limit": 200,
        },
        "backlog_of": {"system_id": "bench", "limit": 1000},
    }
    return {
        f"{name}": _median(lambda name=name, given=given: house.rows(QUERIES[name], given))
        for name, given in asked.items()
    }


def _median(act: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return quantile(times, 0.5)
