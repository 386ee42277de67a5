"""One dead destination out of fifty, measured: `make bench-fairness` writes the page.

The programs and made-up peers of `tests/world/fifty_peers.py` on a clock that stands still for what
else the machine does: it moves by what the peers' calls take, by 4 ms a commit, and by the
processor time each step really took. So the figures are those of one core that is ours alone. What
the page says of "without a breaker" is what the breaker is for.
"""

import asyncio
import statistics
import sys
import tempfile
import time
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


def sweeps() -> tuple[float, float]:
    """Return milliseconds of one look of the janitor: nothing due, and 100,000 at a dead hop."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        setup.create(path)
        ledger = SqliteLedger(path)
        try:
            return asyncio.run(_looks(ledger))
        finally:
            ledger.close()


def sweeps_of_postgres() -> tuple[float, float]:
    """Return the same of a ledger on PostgreSQL."""

    async def looks(url: str) -> tuple[float, float]:
        place = place_of(url)
        assert isinstance(place, PostgresDatabase)
        ledger = PostgresLedger(place, poll_s=3600.0)
        await ledger.open()
        try:
            return await _looks(ledger)
        finally:
            await ledger.close()

    server = PostgresServer(fsync=True)
    try:
        server.start()
        return asyncio.run(looks(server.create_ledger()))
    finally:
        server.close()


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


def main() -> None:
    """Measure and write the page."""
    runs: dict[str, list[tuple[Waits, float]]] = {name: [] for name in CASES}
    for seed in range(1, ROUNDS + 1):
        for name, options in CASES.items():
            runs[name].append(measured(seed, **options))
            waits = runs[name][-1][0]
            sys.stderr.write(f"{name}: p99 {waits.at(0.99) * 1000:.0f} ms\n")
    was = statistics.median(w.at(0.99) for w, _ in runs[next(iter(CASES))])
    rows = [row(name, found, was) for name, found in runs.items()]
    empty, piled = sweeps()
    empty_far, piled_far = sweeps_of_postgres()
    PAGE.write_text(
        f"""# One dead destination of fifty

Made by `make bench-fairness`; do not edit. Fifty made-up peers (20 to 800 ms a call, most of them quick), {DOCUMENTS} documents each within {OVER_S:.0f} s, one in twenty hỏa tốc; dispatch, relay, breakers and janitor of one process. The clock moves by what a call takes, by 4 ms a commit (one writer, all who wait go with it) and by the processor time each step really takes, so the figures are those of one core that has nothing else to do. Waits from acceptance to the peer's answer recorded, of the forty-nine others; medians of {ROUNDS} rounds with different seeds. The second row is the same as the first: what it differs by is noise. Without the processor's time the difference is nought (`tests/integration/test_fifty_peers.py`).

Run of {datetime.now(UTC).isoformat(timespec="seconds")}.

| case | p50, ms | p99, ms | p99 against all well | p99 of hỏa tốc, ms | attempts at the dead one | CPU, s |
|---|---|---|---|---|---|---|
{chr(10).join(rows)}

One look of the janitor at the real ledger (SQLite file), which happens every second: {empty:.2f} ms with nothing due, {piled:.2f} ms with {BACKLOG:,} due rows of a destination that is left alone. On PostgreSQL, the server on the same machine: {empty_far:.2f} ms and {piled_far:.2f} ms.
""",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
