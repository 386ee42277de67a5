"""200 clerks at the console over a million documents: `make bench-console` writes the page.

Some documents go through a real gateway; their rows are copied within the ledger, and the books
are filled with as many entries of mixed words (1,000,000 in all). Then 200 signed-in clerks, each
with an action about every ten seconds, ask a real `vanlien serve` over HTTP: lists, search,
documents, registers. What they wait is measured here, on the machine that also serves them.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway import stores
from gateway.domain.access import Grant, Role
from gateway.domain.moments import VIETNAM, to_text
from gateway.domain.wording import flag, terms_of
from gateway.ports import ChangeSet
from gateway.ports.accounts import NewAccount
from gateway.ports.books import Entry
from gateway.programs.accounts.means import account_row, grant_row, session_row
from gateway.store.session import session
from gateway.stores import UuidIds
from tests.benching.copies import multiply
from tests.benching.houses import READER, SENDER, House
from tests.benching.load import load_now, notes, post_all, quantile

PAGE: Final = Path(__file__).parents[1] / "docs" / "benchmarks-console.md"
COOKIE: Final = "vanlien_session"
OK: Final = 200
TABLES: Final = ("consignment", "delivery", "arrival")
MODELS: Final = 100
_PIECE: Final = 5000
_WORDS: Final = [
    "kế hoạch",
    "quyết định",
    "báo cáo",
    "thông báo",
    "triển khai",
    "kiện toàn",
    "phê duyệt",
    "kinh phí",
    "đầu tư",
    "xây dựng",
    "giao thông",
    "giáo dục",
    "y tế",
    "nông nghiệp",
    "môi trường",
    "đất đai",
    "bồi thường",
    "giải phóng mặt bằng",
    "cán bộ",
    "công chức",
    "viên chức",
    "tuyển dụng",
    "khen thưởng",
    "thi đua",
    "kỷ luật",
    "thanh tra",
    "khiếu nại",
    "tố cáo",
    "hoà giải",
    "tiếp công dân",
    "chuyển đổi số",
    "chữ ký số",
    "liên thông",
    "dữ liệu",
    "an toàn thông tin",
    "phòng cháy",
    "lũ lụt",
    "dịch bệnh",
    "tiêm chủng",
    "bảo hiểm",
    "trợ cấp",
    "hộ nghèo",
    "người có công",
    "trẻ em",
    "phụ nữ",
    "thanh niên",
    "du lịch",
    "văn hoá",
    "thể thao",
    "lễ hội",
    "biên giới",
    "cửa khẩu",
    "xuất khẩu",
    "thuế",
    "ngân sách",
    "quyết toán",
    "kiểm toán",
]
_PLACES: Final = [f"xã số {n}" for n in range(1, 400)]
_ASKED: Final = ("quyet dinh", "kế hoạch", "hoà giải", "chu ky so", "xa so 17", "ngân sách 2026")
# What a clerk does, and how often of a hundred; the lists are asked for most.
_ACTIONS: Final = (
    ("search, two words", 12, "/search?q={words}"),
    ("search, a rare word", 8, "/search?q={rare}"),
    ("search, filtered", 5, "/search?q={word}&direction=in&type=C%C3%B4ng+v%C4%83n&from={day}"),
    ("incoming list", 25, f"/incoming?agency={READER}"),
    ("outgoing list", 15, f"/outgoing?agency={SENDER}"),
    ("incoming document", 15, "/incoming/{arrival}"),
    ("outgoing document", 8, "/outgoing/{consignment}"),
    ("register, a page", 4, f"/registers?book=in&agency={READER}"),
    ("statistics", 2, f"/statistics?agency={READER}"),
    ("first page", 6, ""),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--documents", type=int, default=1_000_000)
    asked.add_argument("--clerks", type=int, default=200)
    asked.add_argument("--minutes", type=float, default=3.0)
    asked.add_argument("--pause", type=float, default=10.0)
    asked.add_argument("--out", type=Path, default=PAGE)
    told = asked.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), told)
    told.out.write_text(page(found), encoding="utf-8")
    sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")


def say(text: str) -> None:
    """Show progress."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S}  {text}\n")
    sys.stderr.flush()


def measure(folder: Path, told: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured."""
    house = House(folder / "house", nodes=({"verify.workers": "1"},))
    try:
        house.start()
        house.await_ready()
        models = min(MODELS, max(2, told.documents // 20))
        asyncio.run(post_all(house, notes(1, models)))
        _settled(house, models)
        house.stop()
        say("filling the ledger")
        began = time.perf_counter()
        half = max(1, told.documents // 2 // models)
        multiply(house, half, TABLES)
        _aged(house)
        say("filling the books")
        asyncio.run(_fill_books(house, told.documents))
        filled_s = time.perf_counter() - began
        cookies = _clerks(house, told.clerks)
        say("the clerks begin")
        house.start()
        house.await_ready()
        load = load_now()
        cpu = house.cpu_s()["gateway"]
        waits, statuses, sizes = asyncio.run(_day(house, cookies, told))
        return {
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "load_before": load,
            "documents": told.documents,
            "ledger_documents": int(house.value("SELECT COUNT(*) AS n FROM consignment"))
            + int(house.value("SELECT COUNT(*) AS n FROM arrival")),
            "ledger_mb": round(house.size_bytes() / 1e6),
            "books_mb": round(_books(house).stat().st_size / 1e6),
            "filled_s": round(filled_s),
            "clerks": told.clerks,
            "pause_s": told.pause,
            "minutes": told.minutes,
            "cpu_s": round(house.cpu_s()["gateway"] - cpu, 1),
            "statuses": dict(sorted(statuses.items())),
            "pages": {
                name: {
                    "n": len(times),
                    "p50_ms": round(quantile(times, 0.5), 1),
                    "p95_ms": round(quantile(times, 0.95), 1),
                    "p99_ms": round(quantile(times, 0.99), 1),
                    "kb": round(sizes[name] / 1000, 1),
                }
                for name, times in sorted(waits.items())
            },
        }
    finally:
        house.close()


# ---------------------------------------------------------------- filling


def _settled(house: House, many: int) -> None:
    """Wait until every model has arrived and the books hold it."""
    until = time.monotonic() + 120
    while int(house.value("SELECT COUNT(*) AS n FROM arrival WHERE offered_at IS NOT NULL")) < many:
        if time.monotonic() > until:
            raise TimeoutError("the models do not arrive")
        time.sleep(0.1)


def _aged(house: House) -> None:
    """Most of what came is done: a clerk's list of what waits is not a million long."""
    house.run(["UPDATE arrival SET state = 'done' WHERE id < '01' AND substr(id, 8, 1) != '0'"])


def _books(house: House) -> Path:
    return house.settings.gateway.data_dir / "books" / "books.sqlite"


async def _fill_books(house: House, many: int) -> None:
    books = stores.open_books(house.settings)
    try:
        mark = await books.mark()
        some: list[Entry] = []
        for entry in _entries(house, many):
            some.append(entry)
            if len(some) == _PIECE:
                await books.put(some, [], mark)
                some = []
        await books.put(some, [], mark)
    finally:
        books.close()


def _entries(house: House, many: int) -> Iterator[Entry]:
    dice = random.Random(7)
    now = datetime.now(UTC)
    arrivals = [r["id"] for r in house.rows("SELECT id FROM arrival ORDER BY id")]
    sent = [r["id"] for r in house.rows("SELECT id FROM consignment ORDER BY id")]
    both = [("in", READER, i) for i in arrivals] + [("out", SENDER, i) for i in sent]
    dice.shuffle(both)
    for n, (direction, agency, subject) in enumerate(both[:many]):
        at = now - timedelta(seconds=(many - n) * 30)
        here = at.astimezone(VIETNAM)
        words = (
            f"V/v {', '.join(dice.sample(_WORDS, 3))} tại {dice.choice(_PLACES)} năm {here.year}"
        )
        code = f"{n % 5000 + 1}/QĐ-UBND"
        terms = terms_of([words, code, "Sở Nội vụ", agency, f"ma{n}"], [here.date()])
        kind = dice.choice(("Công văn", "Quyết định", "Thông báo", "Báo cáo"))
        flags = {flag(direction, agency), flag("type", kind), flag("urgency", "0")}
        shown: dict[str, Any] = {"code": code, "subject": words, "document_id": subject}
        shown |= {"from": "Sở Nội vụ"} if direction == "in" else {"to": ["Sở Tài chính"]}
        yield Entry(
            subject=subject,
            direction="in" if direction == "in" else "out",
            agency=agency,
            at=to_text(at),
            month=f"{here:%Y-%m}",
            day=here.date().isoformat(),
            year=here.year,
            number=n + 1,
            state="done" if direction == "in" else "closed",
            type_name=kind,
            urgency=0,
            signed="valid",
            partner=SENDER if direction == "in" else READER,
            due_at=to_text(at + timedelta(days=1)),
            done_at=to_text(at + timedelta(hours=dice.randrange(48))),
            shown=shown,
            terms=terms | flags,
        )


def _clerks(house: House, many: int) -> list[str]:
    """Make signed-in clerks; return their sessions' tokens."""
    now, tokens = datetime.now(UTC), []
    with session(stores.ledger_place(house.settings), purpose="bench") as opened, opened.writing():
        for n in range(many):
            new = NewAccount(f"vt{n}", f"Văn thư {n}", READER)
            token, row = session_row(f"a-{n}", now, ends_at=now + timedelta(days=1), strong=True)
            grants = [
                grant_row(UuidIds(), f"a-{n}", Grant(Role.CLERK, code), "bench", now)
                for code in (READER, SENDER)
            ]
            opened.apply(ChangeSet(rows=(account_row(f"a-{n}", new, "bench", now), *grants, row)))
            tokens.append(token)
    return tokens


# ---------------------------------------------------------------- a day at the desk


async def _day(
    house: House, cookies: Sequence[str], told: argparse.Namespace
) -> tuple[dict[str, list[float]], Counter[str], dict[str, int]]:
    waits: dict[str, list[float]] = defaultdict(list)
    sizes: dict[str, int] = defaultdict(int)
    statuses: Counter[str] = Counter()
    ids = {
        "arrival": [r["id"] for r in house.rows("SELECT id FROM arrival ORDER BY id LIMIT 5000")],
        "consignment": [
            r["id"] for r in house.rows("SELECT id FROM consignment ORDER BY id LIMIT 5000")
        ],
    }
    url = f"http://127.0.0.1:{house.ports[0]}/console"
    until = time.monotonic() + told.minutes * 60
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar()
    ) as client:

        async def clerk(n: int) -> None:
            dice = random.Random(n)
            await asyncio.sleep(dice.random() * min(told.pause, told.minutes * 30))
            while True:
                name, path = _action(dice, ids, told.documents)
                began = time.perf_counter()
                headers = {"Cookie": f"{COOKIE}={cookies[n]}"}
                async with client.get(url + path, headers=headers, allow_redirects=False) as answer:
                    data = await answer.read()
                told_of = "200" if answer.status == OK else f"{answer.status} ({name})"
                statuses[told_of] += 1
                waits[name].append((time.perf_counter() - began) * 1000)
                sizes[name] = max(sizes[name], len(data))
                rest = told.pause * (0.5 + dice.random())
                if time.monotonic() + rest > until:
                    return
                await asyncio.sleep(rest)

        await asyncio.gather(*(clerk(n) for n in range(len(cookies))))
    return waits, statuses, sizes


def _action(dice: random.Random, ids: dict[str, list[str]], many: int) -> tuple[str, str]:
    weights = [weight for _, weight, _ in _ACTIONS]
    name, _, path = dice.choices(_ACTIONS, weights)[0]
    day = datetime.now(UTC) - timedelta(days=dice.randrange(300))
    return name, path.format(
        words=dice.choice(_ASKED).replace(" ", "+"),
        word=dice.choice(_WORDS).split()[0],
        rare=f"ma{dice.randrange(many)}",
        day=day.date().isoformat(),
        arrival=dice.choice(ids["arrival"]),
        consignment=dice.choice(ids["consignment"]),
    )


# ---------------------------------------------------------------- the page


def page(found: dict[str, Any]) -> str:
    """Return the page."""
    rows = "\n".join(
        f"| {name} | {one['n']} | {one['p50_ms']:g} | {one['p95_ms']:g} | {one['p99_ms']:g} "
        f"| {one['kb']:g} |"
        for name, one in found["pages"].items()
    )
    answers = ", ".join(f"{n} of {status}" for status, n in found["statuses"].items())
    return f"""# The console under load

Written by `make bench-console` (`tests/bench_console.py`).

{found["clerks"]} signed-in clerks, each with an action about every {found["pause_s"]:g} s, for
{found["minutes"]:g} minutes, against one embedded gateway (SQLite) over HTTP with real sessions.
The ledger holds {found["ledger_documents"]:,} documents ({found["ledger_mb"]:,} MB), the books
{found["documents"]:,} entries ({found["books_mb"]:,} MB). Machine: {found["machine"]}, Python
{found["python"]}; load before: {found["load_before"]}. The clerks share it with the gateway, which
used {found["cpu_s"]:g} s of processor. Answers: {answers}.

| page | asked | p50 ms | p95 ms | p99 ms | largest, kB |
|---|---|---|---|---|---|
{rows}

Times are from the request to the last byte. The target is 300 ms at p95 for search and lists, and
a first page under 100 kB.
"""


if __name__ == "__main__":
    main()
