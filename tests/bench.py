"""`make bench`: what a gateway does on this machine; written to docs/benchmarks.{json,md}.

    make bench                                everything, about ten minutes on two cores
    make bench ARGS="--only recovery"         one part; the others stay as they were in the page
    make bench ARGS="--only cost --engines embedded --rows 10000000"
    make bench ARGS="--quick --out /tmp/x"    everything once, tiny: shows only that it works

Real `vanlien serve` processes are loaded over real HTTP from this process, on the same cores.
Figures of a shared machine are noisy: compare rows of one part, which were measured in one run; the
load before each is written beside it.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.benching import cost, facades, recovery, throughput, urgent
from tests.benching.houses import ROOT
from tests.benching.load import Json, load_now
from tests.benching.page import page
from tests.benching.plan import EMBEDDED, ENGINES, QUICK, WHOLE, Plan, Size, lacking
from tests.world.machine import machine

PARTS: Final[dict[str, Callable[[Plan], Json]]] = {
    "throughput": throughput.measure,
    "memory": throughput.memory,
    "urgent": urgent.measure,
    "recovery": recovery.measure,
    "cost": cost.measure,
    "facades": facades.measure,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for, and write both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--engines", default=",".join(ENGINES), help="embedded, cluster or both")
    parser.add_argument("--rows", type=int, default=0, help="rows of a full ledger")
    parser.add_argument("--queued", type=int, default=0, help="documents waiting at a recovery")
    parser.add_argument("--quick", action="store_true", help="tiny, embedded only")
    parser.add_argument("--out", type=Path, default=None, help="folder for both files")
    given = parser.parse_args(arguments)
    wanted = [name for name in given.only.split(",") if name] or list(PARTS)
    if unknown := set(wanted) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    size = QUICK if given.quick else WHOLE
    size = replace(size, rows=given.rows or size.rows, queued=given.queued or size.queued)
    engines = [EMBEDDED] if given.quick else given.engines.split(",")
    missing = {engine: why for engine in engines if (why := lacking(engine))}
    out = given.out or (None if given.quick else ROOT / "docs")
    measured = _run(wanted, size, [e for e in engines if e not in missing], quick=given.quick)
    for engine, why in missing.items():
        print(f"{engine} was not measured: {why}")
    if out is not None:
        _write(out, measured)


def _run(wanted: Sequence[str], size: Size, engines: Sequence[str], *, quick: bool) -> Json:
    with tempfile.TemporaryDirectory(prefix="vanlien-bench-") as folder:
        plan = Plan(Path(folder), size, tuple(engines), one_house=quick)
        try:
            return {
                name: {
                    "at": datetime.now(UTC).isoformat(timespec="seconds"),
                    "load": load_now(),
                    **PARTS[name](plan),
                }
                for name in PARTS
                if name in wanted
            }
        finally:
            plan.close()


def _write(out: Path, measured: Json) -> None:
    """Put what was measured into the files; parts that were not stay as they are."""
    out.mkdir(exist_ok=True)
    file = out / "benchmarks.json"
    before = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    parts = before.get("parts", {}) | measured
    result = {"machine": machine(), "parts": parts}
    file.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    (out / "benchmarks.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
