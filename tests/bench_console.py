"""200 clerks at the console over a million documents: `make bench-console` writes the page.

    make bench-console                              a million documents on SQLite, then on PostgreSQL
    make bench-console ARGS="--engine postgres"     one engine; the other stays as it was on the page
    make bench-console ARGS="--keep /srv/bench"     keep the ledgers there, or use those kept
    make bench-console ARGS="--documents 20000 --clerks 20 --minutes 0.5 --out /tmp/x"

Some documents go through a real gateway; their rows are copied within the ledger with words,
numbers and days of their own, and `vanlien ledger reindex` makes the books from them. Then 200
signed-in persons (five of them operators), each with an action about every ten seconds, ask real
`vanlien serve` processes over HTTP: lists, search, documents, registers; the board, the logs. What
they wait is measured here, on the machine that also serves them.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.benching.consoleday import OPERATORS, day
from tests.benching.desks import clerks, documents, fill, logged
from tests.benching.houses import ROOT, Cluster, House
from tests.benching.load import load_now, quantile
from tests.world.servers.postgres import PostgresServer, programs

DOCS: Final = ROOT / "docs"
ENGINES: Final = ("sqlite", "postgres")
_FEW: Final = 20_000


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and write the page."""
    asked = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    asked.add_argument("--engine", choices=ENGINES, default="", help="only this one")
    asked.add_argument("--documents", type=int, default=1_000_000)
    asked.add_argument("--clerks", type=int, default=200)
    asked.add_argument("--minutes", type=float, default=3.0)
    asked.add_argument("--pause", type=float, default=10.0)
    asked.add_argument("--keep", type=Path, default=None, help="folder of ledgers that stay")
    asked.add_argument("--out", type=Path, default=DOCS, help="folder of the page and its figures")
    told = asked.parse_args(argv)
    told.out.mkdir(parents=True, exist_ok=True)
    figures = told.out / "benchmarks-console.json"
    known = json.loads(figures.read_text(encoding="utf-8")) if figures.exists() else {}
    for engine in [told.engine] if told.engine else ENGINES:
        if engine == "postgres" and programs() is None:
            say("PostgreSQL is not installed (Debian: postgresql): not measured")
            continue
        with _folder(told.keep, engine) as folder:
            known[engine] = measure(folder, engine, told)
        figures.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        (told.out / "benchmarks-console.md").write_text(page(known), encoding="utf-8")
    sys.stdout.write(json.dumps(known, ensure_ascii=False, indent=1) + "\n")


@contextmanager
def _folder(keep: Path | None, engine: str) -> Iterator[Path]:
    if keep is not None:
        folder = keep.absolute() / engine
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)  # PostgreSQL's own user goes through it
        yield Path(made)


def say(text: str) -> None:
    """Show progress."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S}  {text}\n")
    sys.stderr.flush()


@contextmanager
def _house(folder: Path, engine: str) -> Iterator[House]:
    server = None
    if engine == "postgres":
        server = _server(folder)
        server.start()
    try:
        house = (
            Cluster(folder / "house", server, None)
            if server is not None
            else House(folder / "house", nodes=({"verify.workers": "1"},))
        )
        try:
            yield house
        finally:
            house.close()
    finally:
        if server is not None:
            server.end()
            server.close()


def _server(folder: Path) -> PostgresServer:
    """Return a server as one is set up for a million documents; kept with its port."""
    noted = folder / "port"
    port = int(noted.read_text()) if noted.exists() else 0
    settings = {
        "shared_buffers": "1GB",
        "max_wal_size": "4GB",
        "maintenance_work_mem": "256MB",
        "autovacuum_naptime": "1min",
        "default_toast_compression": "lz4",
    }
    server = PostgresServer(fsync=True, settings=settings, kept=folder / "postgres", port=port)
    noted.write_text(str(server.port))
    return server


def measure(folder: Path, engine: str, told: argparse.Namespace) -> dict[str, Any]:
    """Return what was measured on one engine."""
    kept = (folder / "house").exists()
    with _house(folder, engine) as house:
        began = time.perf_counter()
        load_filling = load_now()
        fill(house, told.documents, say)
        entries = logged(house, told.documents)
        if isinstance(house, Cluster):
            house.analyze()
        filled_s = time.perf_counter() - began
        books = _books(house)
        made = _reindexed(house, told.documents) if _lacking(house) else {}
        tokens = clerks(house, told.clerks, operators=min(OPERATORS, told.clerks))
        say("the clerks begin")
        load = load_now()
        began = time.perf_counter()
        house.start()
        house.await_ready()
        ready_s = time.perf_counter() - began
        cpu = house.cpu_s()
        waits, statuses, sizes = asyncio.run(day(house, tokens, told.pause, told.minutes))
        used = {name: s - cpu[name] for name, s in house.cpu_s().items()}
        pages = sum(map(len, waits.values()))
        return {
            "measured_on": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "nodes": len(house.nodes),
            "documents": documents(house),
            "entries": entries,
            "ledger_mb": round(house.size_bytes() / 1e6),
            "kept": kept,
            "filled_s": round(filled_s),
            "load_filling": load_filling,
            "books_mb": round(books[0].stat().st_size / 1e6),
            "reindex": made,
            "ready_s": round(ready_s, 1),
            "clerks": told.clerks,
            "pause_s": told.pause,
            "minutes": told.minutes,
            "load_before": load,
            "load_after": load_now(),
            "cpu_ms_a_page": {name: round(s * 1000 / pages, 1) for name, s in used.items()},
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


# ---------------------------------------------------------------- the books


def _books(house: House) -> list[Path]:
    return [
        house.folder / name / "books" / "books.sqlite"
        for name in (["data-a", "data-b"] if len(house.nodes) > 1 else ["data"])
    ]


def _lacking(house: House) -> bool:
    wanted = documents(house)
    return any(_held(path) < wanted for path in _books(house))


def _held(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as books:
        return int(books.execute("SELECT COUNT(*) FROM doc").fetchone()[0])


def _reindexed(house: House, many: int) -> dict[str, Any]:
    """Make the books anew as an operator does; the second node is given those of the first."""
    say("vanlien ledger reindex")
    load, before = load_now(), os.times()
    command = [sys.executable, "-m", "gateway", "ledger", "reindex", "--json"]
    command += ["--workers", "0"] if many < _FEW else []
    command += ["--config", str(house.nodes[0].config)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    after = os.times()
    first, *others = _books(house)
    for other in others:
        for left in other.parent.glob("*"):
            left.unlink()
        shutil.copyfile(first, other)
        other.chmod(0o600)
    found = json.loads(done.stdout)
    return {
        "took_s": round(found["took_s"]),
        "documents": found["documents"],
        "cpu_s": round(
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        ),
        "load": [load, load_now()],
    }


# ---------------------------------------------------------------- the page

_TARGET_MS: Final = 300
_WHAT: Final = {
    "sqlite": "SQLite, one gateway",
    "postgres": "PostgreSQL (fsync on), two nodes asked in turn",
}


def page(known: dict[str, Any]) -> str:
    """Return the page."""
    parts = "\n".join(_part(engine, known[engine]) for engine in ENGINES if engine in known)
    return f"""# The console under load

Written by `make bench-console` (`tests/bench_console.py`); the figures are in [benchmarks-console.json](benchmarks-console.json). Real `vanlien serve` processes over HTTP with real sessions. Some documents went through the product; their rows were copied within the ledger (documents, deliveries, attempts, events, statuses, entries of the log) with words, numbers and days of their own, and `vanlien ledger reindex` made the books from them. Every page was asked for once before. The clerks share the machine with what they measure. Times are from the request to the last byte. The target is 300 ms at p95 for search and lists, and a first page under 100 kB.

{parts}"""


def _part(engine: str, found: dict[str, Any]) -> str:
    rows = "\n".join(
        f"| {name} | {one['n']} | {one['p50_ms']:g} | {one['p95_ms']:g} | {one['p99_ms']:g} "
        f"| {one['kb']:g} |"
        for name, one in found["pages"].items()
    )
    answers = ", ".join(f"{n} of {status}" for status, n in found["statuses"].items())
    spent = " and ".join(f"{ms:g} ms ({name})" for name, ms in found["cpu_ms_a_page"].items() if ms)
    made = found["reindex"]
    reindexed = (
        f"`vanlien ledger reindex` of {made['documents']:,} documents took {made['took_s']} s and "
        f"{made['cpu_s']} s of processor (load {made['load'][0]:g} to {made['load'][1]:g}). "
        if made
        else ""
    )
    filled = (
        "kept from an earlier run"
        if found["kept"]
        else f"filled in {found['filled_s']} s at load {found['load_filling']:g}"
    )
    return f"""## {_WHAT[engine]}

Measured {found["measured_on"]} on {found["machine"]}, Python {found["python"]}; load of the machine {found["load_before"]:g} before and {found["load_after"]:g} after. {found["clerks"]} persons ({OPERATORS} of them operators), each with an action about every {found["pause_s"]:g} s, for {found["minutes"]:g} minutes. The ledger holds {found["documents"]:,} documents and {found["entries"]:,} entries of the receipt log ({found["ledger_mb"]:,} MB, {filled}), the books {found["books_mb"]:,} MB. {reindexed}Ready {found["ready_s"]:g} s after the start; processor a page: {spent}. Answers: {answers}.

| page | asked | p50 ms | p95 ms | p99 ms | largest, kB |
|---|---|---|---|---|---|
{rows}

{_verdict(found)}
"""


def _verdict(found: dict[str, Any]) -> str:
    """Return which pages miss the target: nobody should have to look for it in the table."""
    slow = [page for page, one in found["pages"].items() if one["p95_ms"] > _TARGET_MS]
    if not slow:
        return f"Every page is under {_TARGET_MS} ms at p95."
    return f"**Over {_TARGET_MS} ms at p95**: {'; '.join(slow)}."


if __name__ == "__main__":
    main()
