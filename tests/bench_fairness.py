"""One dead destination out of fifty, measured: `make bench-fairness` writes the page.

The programs and made-up peers of `tests/world/fifty_peers.py` on a clock that stands still for what
else the machine does: it moves by what the peers' calls take, by 4 ms a commit, and by the
processor time each step really took. So the figures are those of one core that is ours alone. What
the page says of "without a breaker" is what the breaker is for. Then the same on real ledgers and a
real clock, where everything is measured, what else the machine does included.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from gateway.domain.breaker import BreakerPolicy
from gateway.domain.moments import to_text
from gateway.programs.janitor import Janitor
from gateway.store import setup
from gateway.store.ledger import SqliteLedger
from gateway.store.places import PostgresDatabase, place_of
from gateway.store.postgres.ledger import PostgresLedger
from tests.simulation.loop import VirtualLoop
from tests.world.fifty_peers import DEAD, Town, Waits, on_loop, virtual_town
from tests.world.servers.postgres import PostgresServer

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-fairness.md"
NEVER = BreakerPolicy(failures=10**9, window=10**9)
DOCUMENTS, OVER_S, BACKLOG, ROUNDS = 30, 15.0, 100_000, 3
REAL_DOCUMENTS, REAL_OVER_S, REAL_ROUNDS = 8, 40.0, 2
HEAD = """\
| case | p50, ms | p99, ms | p99 against all well | p99 of hỏa tốc, ms | attempts at the dead one | CPU, s |
|---|---|---|---|---|---|---|"""


class CostedLoop(VirtualLoop):
    """A virtual loop whose clock also moves by the processor time of each step."""

    def _run_once(self) -> None:
        began = time.thread_time()
        super()._run_once()
        self._now += time.thread_time() - began


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def offset(self) -> timedelta | None:
        return None


def measured(seed: int, **options: Any) -> tuple[Waits, float]:
    """Return the waits, and the processor seconds it took."""
    before = time.process_time()
    found = on_loop(
        CostedLoop(Random(seed), shuffle=0.0),
        lambda: virtual_town(
            seed=seed,
            documents=DOCUMENTS,
            over_s=OVER_S,
            patience=timedelta(seconds=5),
            **options,
        ),
    )
    return found, time.process_time() - before


# ---------------------------------------------------------------- real ledgers


@contextmanager
def sqlite_places() -> Iterator[Any]:
    """Lend what gives a new ledger file each time."""
    with tempfile.TemporaryDirectory() as folder:

        def made() -> Path:
            path = Path(folder) / f"ledger-{time.monotonic_ns()}.sqlite"
            setup.create(path)
            return path

        yield made


@contextmanager
def postgres_places() -> Iterator[Any]:
    """Lend what gives a new ledger each time, on a PostgreSQL of its own that fsyncs."""
    server = PostgresServer(fsync=True)
    try:
        server.start()
        yield lambda: place_of(server.create_ledger())
    finally:
        server.close()


@asynccontextmanager
async def opened(place: Path | PostgresDatabase) -> AsyncIterator[Any]:
    """Lend a ledger as programs have it."""
    if isinstance(place, Path):
        ledger = SqliteLedger(place)
        try:
            yield ledger
        finally:
            await asyncio.to_thread(ledger.close)
        return
    shared = PostgresLedger(place)
    await shared.open()
    try:
        yield shared
    finally:
        await shared.close()


def measured_really(place: Any, seed: int, **options: Any) -> tuple[Waits, float]:
    """Return the waits of one town on a real ledger, and the processor seconds of this process."""

    async def live() -> Waits:
        async with opened(place) as ledger:
            town = Town(
                ledger,
                WallClock(),
                seed=seed,
                documents=REAL_DOCUMENTS,
                over_s=REAL_OVER_S,
                patience=timedelta(seconds=5),
                **options,
            )
            await town.live()
            return await town.waits()

    before = time.process_time()
    return asyncio.run(live()), time.process_time() - before


def really(places: Any) -> tuple[list[str], tuple[float, float]]:
    """Return the rows of one engine, and milliseconds of the janitor's looks.

    Looks: with nothing due, and with so many due rows of a destination that is left alone.
    """
    runs: dict[str, list[tuple[Waits, float]]] = {name: [] for name in REAL_CASES}
    for seed in range(1, REAL_ROUNDS + 1):
        for name in REAL_CASES:
            runs[name].append(measured_really(places(), seed, **CASES[name]))
            p99 = runs[name][-1][0].at(0.99)
            sys.stderr.write(f"real ledger, {name}: p99 {p99 * 1000:.0f} ms\n")

    async def looks() -> tuple[float, float]:
        async with opened(places()) as ledger:
            return await _looks(ledger)

    return rows_of(runs), asyncio.run(looks())


async def _looks(ledger: Any) -> tuple[float, float]:
    town = Town(ledger, WallClock(), dead="gone", documents=0, backlog=BACKLOG)
    janitor = Janitor(town.context)
    empty = await _best(janitor)
    await town.pile_up()
    town.context.halted = frozenset({DEAD})
    return empty, await _best(janitor)


async def _best(janitor: Janitor) -> float:
    times = []
    for _ in range(9):
        began = time.perf_counter()
        await janitor._due(to_text(datetime.now(UTC)))
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def row(name: str, runs: list[tuple[Waits, float]], was: float) -> str:
    """Return a row of the page: the median of the runs, each figure by itself."""

    def middle(figures: list[float]) -> float:
        return statistics.median(figures)

    p99 = middle([w.at(0.99) for w, _ in runs])
    cells = [
        name,
        f"{middle([w.at(0.5) for w, _ in runs]) * 1000:.0f}",
        f"{p99 * 1000:.0f}",
        f"{(p99 / was - 1) * 100:+.1f} %",
        f"{middle([w.at(0.99, 'express') for w, _ in runs]) * 1000:.0f}",
        f"{middle([w.tries for w, _ in runs]):.0f}",
        f"{middle([cpu_s for _, cpu_s in runs]):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


CASES: dict[str, dict[str, Any]] = {
    "all fifty well": {},
    "all fifty well, again (the noise)": {},
    "one silent (calls hang 5 s)": {"dead": "silent"},
    "one gone (calls fail at once)": {"dead": "gone"},
    f"one gone, {BACKLOG:,} due for it": {"dead": "gone", "backlog": BACKLOG},
    f"one gone, {BACKLOG:,} due for it, without a breaker": {
        "dead": "gone",
        "backlog": BACKLOG,
        "breaker": NEVER,
    },
}


REAL_CASES = [name for name in CASES if name.startswith("all ") or name.endswith("due for it")]


def rows_of(runs: dict[str, list[tuple[Waits, float]]]) -> list[str]:
    """Return the rows of one table; the first case is what the others are held against."""
    was = statistics.median(w.at(0.99) for w, _ in runs[next(iter(runs))])
    return [row(name, found, was) for name, found in runs.items()]


def main() -> None:
    """Measure and write the page."""
    argparse.ArgumentParser(
        prog="bench_fairness", description="Measure one dead destination of fifty (about 12 min)."
    ).parse_args()
    runs: dict[str, list[tuple[Waits, float]]] = {name: [] for name in CASES}
    for seed in range(1, ROUNDS + 1):
        for name, options in CASES.items():
            runs[name].append(measured(seed, **options))
            waits = runs[name][-1][0]
            sys.stderr.write(f"{name}: p99 {waits.at(0.99) * 1000:.0f} ms\n")
    before = os.getloadavg()[0]
    with sqlite_places() as places:
        near, (empty, piled) = really(places)
    with postgres_places() as places:
        far, (empty_far, piled_far) = really(places)
    PAGE.write_text(
        f"""# One dead destination of fifty

Made by `make bench-fairness`; do not edit. Fifty made-up peers (20 to 800 ms a call, most of them quick), {DOCUMENTS} documents each within {OVER_S:.0f} s, one in twenty hỏa tốc; dispatch, relay, breakers and janitor of one process. The clock moves by what a call takes, by 4 ms a commit (one writer, all who wait go with it) and by the processor time each step really takes, so the figures are those of one core that has nothing else to do. Waits from acceptance to the peer's answer recorded, of the forty-nine others; medians of {ROUNDS} rounds with different seeds. The second row is the same as the first: what it differs by is noise. Without the processor's time the difference is nought (`tests/integration/test_fifty_peers.py`).

Run of {datetime.now(UTC).isoformat(timespec="seconds")}.

{HEAD}
{chr(10).join(rows_of(runs))}

## On real ledgers

The same programs and peers on the gateway's own ledgers and the machine's clock: {REAL_DOCUMENTS} documents for each of the fifty within {REAL_OVER_S:.0f} s ({50 * REAL_DOCUMENTS / REAL_OVER_S:.0f} a second, where the country's busiest hour is 16: [the plan](benchmarks.md#the-capacity-plan-in-figures)); everything is measured, what else the machine does too (load {before:.1f} when it began): where p50 is seconds, it was too little machine, and says nothing. Medians of {REAL_ROUNDS} rounds.

SQLite, `synchronous=FULL`:

{HEAD}
{chr(10).join(near)}

PostgreSQL with fsync, the server on the same machine:

{HEAD}
{chr(10).join(far)}

One look of the janitor at the ledger (SQLite file), which happens every second: {empty:.2f} ms with nothing due, {piled:.2f} ms with {BACKLOG:,} due rows of a destination that is left alone. On PostgreSQL, the server on the same machine: {empty_far:.2f} ms and {piled_far:.2f} ms.
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
