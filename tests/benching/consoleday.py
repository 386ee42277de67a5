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

Action = tuple[str, float, str]
"""What it is called, how often of a hundred, its path."""

OPERATORS: Final = 5
COOKIE: Final = "vanlien_session"
OK: Final = 200
FIRST_BYTE: Final = "first byte"
_ASKED: Final = (
    "quyet dinh", "kế hoạch", "hoà giải", "chu ky so", "xa so 17", "ngân sách 2026",
    "QĐ-UBND", "V/v", "thanh tra a",
)  # fmt: skip
# The lists are asked for most.
_CLERK: Final[Sequence[Action]] = (
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
_OPERATOR: Final[Sequence[Action]] = (
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

    Every page was asked for once before: a gateway that just started compiles its pages first.

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
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as client:

        async def asked(n: int, url: str, path: str) -> tuple[int, float, float, int]:
            """Return the status, milliseconds to the first and to the last byte, the size."""
            headers = {"Cookie": f"{COOKIE}={cookies[n]}"}
            began = time.perf_counter()
            async with client.get(url + path, headers=headers, allow_redirects=False) as answer:
                first, _ = await answer.content.readchunk()
                first_ms = (time.perf_counter() - began) * 1000
                size = len(first) + len(await answer.read())
                return answer.status, first_ms, (time.perf_counter() - began) * 1000, size

        async def person(n: int) -> None:
            dice = random.Random(n)
            await asyncio.sleep(dice.random() * min(pause_s, minutes * 30))
            while True:
                name, path = _action(dice, ids, many, _of(n))
                status, first_ms, last_ms, size = await asked(n, urls[n % len(urls)], path)
                statuses["200" if status == OK else f"{status} ({name})"] += 1
                waits[name].append(first_ms if name.endswith(FIRST_BYTE) else last_ms)
                sizes[name] = max(sizes[name], size)
                rest = pause_s * (0.5 + dice.random())
                if time.monotonic() + rest > until:
                    return
                await asyncio.sleep(rest)

        for url in urls:
            for n in {0, len(cookies) - 1}:
                for one in _of(n):
                    await asked(n, url, _action(random.Random(n), ids, many, (one,))[1])
        until = time.monotonic() + minutes * 60
        await asyncio.gather(*(person(n) for n in range(len(cookies))))
    return waits, statuses, sizes


def _of(n: int) -> Sequence[Action]:
    """Return what a person does."""
    return _OPERATOR if n < OPERATORS else _CLERK


def _action(
    dice: random.Random, ids: dict[str, list[str]], many: int, known: Sequence[Action]
) -> tuple[str, str]:
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
