"""What persons at the console do over HTTP, and how long they wait: clerks, and a few operators."""

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import aiohttp

from tests.benching.desks import MODELS, WORDS, documents
from tests.benching.houses import READER, SENDER, House

OPERATORS: Final = 5
COOKIE: Final = "vanlien_session"
OK: Final = 200
FIRST_BYTE: Final = "first byte"
_ASKED: Final = (
    "quyet dinh", "kế hoạch", "hoà giải", "chu ky so", "xa so 17", "ngân sách 2026",
    "QĐ-UBND", "V/v", "thanh tra a",
)  # fmt: skip
# What a clerk does, and how often of a hundred; the lists are asked for most.
_CLERK: Final = (
    ("search, some words", 11, "/search?q={words}"),
    ("search, a rare word", 7, "/search?q={rare}"),
    ("search, filtered", 5, "/search?q={word}&direction=in&type=C%C3%B4ng+v%C4%83n&from={day}"),
    ("search, state and days", 2, "/search?state=in:taken&from={day}&to={day}"),
    ("incoming list", 20, f"/incoming?agency={READER}"),
    ("incoming, done", 2, f"/incoming?agency={READER}&box=done"),
    ("incoming, deadlines", 3, f"/incoming?agency={READER}&box=due"),
    ("incoming, returned", 1, f"/incoming?agency={READER}&box=returned"),
    ("incoming, recalled", 1, f"/incoming?agency={READER}&box=recalled"),
    ("outgoing list", 13, f"/outgoing?agency={SENDER}"),
    ("outgoing, late receivers", 2, f"/outgoing/late?agency={SENDER}"),
    ("incoming document", 13, "/incoming/{arrival}"),
    ("outgoing document", 7, "/outgoing/{consignment}"),
    ("recalls", 1, "/recalls"),
    ("register, a page", 3, f"/registers?book=in&agency={READER}"),
    ("register, a month", 1, f"/registers?book=in&agency={READER}&year={{year}}&month={{month}}"),
    (
        f"register as a file, {FIRST_BYTE}",
        0.2,
        f"/registers/export?book=in&agency={READER}&year={{year}}&month={{month}}&form=csv",
    ),
    ("statistics", 2, f"/statistics?agency={READER}"),
    ("today", 2, "/today"),
    ("alerts", 1, "/alerts"),
    ("first page", 2, ""),
)
_OPERATOR: Final = (
    ("flow board", 30, "/ops"),
    ("queue", 10, "/ops/queue"),
    ("receipt log", 8, "/ops/receipts"),
    ("receipt log, filtered", 10, "/ops/receipts?kind=accepted&since={day}&until={day}"),
    ("audit log", 8, "/audit"),
    ("audit log, filtered", 10, "/audit?action=viewed&agency={agency}"),
    ("alerts of all", 8, "/alerts"),
    ("agencies", 8, "/ops/agencies"),
    ("statistics of all", 8, "/statistics"),
)


async def day(
    house: House, cookies: Sequence[str], pause_s: float, minutes: float
) -> tuple[dict[str, list[float]], Counter[str], dict[str, int]]:
    """Have everybody work for some minutes; the first sessions are those of the operators.

    Returns:
        Milliseconds waited, by page; how often which answer came; the largest size, by page.
    """
    waits: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    statuses: Counter[str] = Counter()
    ids = {
        table: [r["id"] for r in house.rows(f"SELECT id FROM {table} ORDER BY id LIMIT 5000")]
        for table in ("arrival", "consignment")
    }
    urls = [f"http://127.0.0.1:{port}/console" for port in house.ports]
    many = documents(house)
    until = time.monotonic() + minutes * 60
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as client:

        async def person(n: int) -> None:
            dice = random.Random(n)
            await asyncio.sleep(dice.random() * min(pause_s, minutes * 30))
            while True:
                name, path = _action(dice, ids, many, operator=n < OPERATORS)
                began = time.perf_counter()
                headers = {"Cookie": f"{COOKIE}={cookies[n]}"}
                url = urls[n % len(urls)] + path
                async with client.get(url, headers=headers, allow_redirects=False) as answer:
                    first, _ = await answer.content.readchunk()
                    first_at = time.perf_counter()
                    size = len(first) + len(await answer.read())
                    last_at = time.perf_counter()
                told_of = "200" if answer.status == OK else f"{answer.status} ({name})"
                statuses[told_of] += 1
                ended = first_at if name.endswith(FIRST_BYTE) else last_at
                waits[name].append((ended - began) * 1000)
                sizes[name] = max(sizes[name], size)
                rest = pause_s * (0.5 + dice.random())
                if time.monotonic() + rest > until:
                    return
                await asyncio.sleep(rest)

        await asyncio.gather(*(person(n) for n in range(len(cookies))))
    return waits, statuses, sizes


def _action(
    dice: random.Random, ids: dict[str, list[str]], many: int, *, operator: bool
) -> tuple[str, str]:
    known = _OPERATOR if operator else _CLERK
    name, _, path = dice.choices(known, [weight for _, weight, _ in known])[0]
    then = (datetime.now(UTC) - timedelta(days=dice.randrange(300))).date()
    return name, path.format(
        words=dice.choice(_ASKED).replace(" ", "+"),
        word=dice.choice(WORDS).split()[0],
        rare=f"ma{dice.randrange(MODELS, max(many // 2, MODELS + 1))}",
        day=then.isoformat(),
        year=then.year,
        month=then.month,
        agency=dice.choice((READER, SENDER)),
        arrival=dice.choice(ids["arrival"]),
        consignment=dice.choice(ids["consignment"]),
    )
