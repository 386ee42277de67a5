"""Many histories on all cores: `python -m tests.simulation --seeds 1000 --from 0`.

Prints progress and speed; a failing history is made short, told in order, and named by the command
that plays it again. With `--record FILE` what was played is written down, and the same command goes
on where it was stopped; `--tally FILE` says what a record adds up to. Exit code 1 when any history
failed.
"""

import argparse
import collections
import multiprocessing
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.simulation.player import Job, Played, play, prepare
from tests.simulation.record import Record, told
from tests.simulation.seeds import make_plan
from tests.simulation.shrink import shrink
from tests.simulation.watch import INVARIANTS
from tests.simulation.world import Result, run

_SHOWN = 3
_EVERY_S = 10.0
_AT_ONCE = 25
"""Histories a process plays between two words to the runner, and a line of the record."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000, help="how many histories")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--ledger", choices=("memory", "sqlite"), default="memory")
    parser.add_argument("--shape", choices=("single", "cluster", "pair"), default="")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--seed", type=int, help="play one history and tell it")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--record", type=Path, help="write down what was played; go on from there")
    parser.add_argument("--label", default="", help="said in the record, such as the commit")
    parser.add_argument("--tally", type=Path, help="say what a record adds up to, play nothing")
    return parser.parse_args()


def _tell(result: Result) -> None:
    print(result.plan)
    print("\n".join(result.story))
    for name, what in result.violations:
        print(f"  violated: {name} ({INVARIANTS[name]}): {what}")
    print(f"  {result.seconds:.0f} s of virtual time, digest {result.digest[:16]}")


def _one(options: argparse.Namespace) -> int:
    result = run(make_plan(options.seed, ledger=options.ledger, shape=options.shape))
    _tell(result)
    if not result.violations:
        print("nothing was violated")
        return 0
    _tell_short(result, options)
    return 1


def _tell_short(result: Result, options: argparse.Namespace) -> None:
    short = shrink(result, run)
    print(f"\nthe shortest history found that violates {short.name!r}:")
    _tell(short)
    shape = f" SHAPE={options.shape}" if options.shape else ""
    print(f"again: make histories SEED={result.plan.seed} LEDGER={options.ledger}{shape}")


class _Tally:
    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.begun = time.monotonic()
        self.said = self.begun
        self.done = 0
        self.cpu_s = 0.0
        self.counts: collections.Counter[str] = collections.Counter()
        self.failed: list[tuple[int, str]] = []

    def take(self, played: Played) -> None:
        self.done += played.job.count
        self.cpu_s += played.cpu_s
        self.counts.update(played.counts)
        for seed, name in played.failed:
            self.failed.append((seed, name))
            print(f"seed {seed} violates {name!r}: {INVARIANTS[name]}", flush=True)
        if time.monotonic() - self.said > _EVERY_S:
            self.said = time.monotonic()
            self.say()

    def say(self) -> None:
        wall_s = time.monotonic() - self.begun
        print(
            f"{self.done}/{self.wanted} histories, {self.done / max(wall_s, 0.001):.1f}/s "
            f"({self.done / max(self.cpu_s, 0.001):.1f}/s of processor), {len(self.failed)} failed",
            flush=True,
        )

    def summary(self) -> None:
        self.say()
        for what, times in sorted(self.counts.items()):
            print(f"  {times:9d}  {what}")


def _jobs(options: argparse.Namespace) -> Iterator[Job]:
    last = options.first + options.seeds
    for first in range(options.first, last, _AT_ONCE):
        yield Job(first, min(_AT_ONCE, last - first), options.ledger, options.shape)


def _play_all(options: argparse.Namespace, jobs: Iterable[Job], record: Record | None) -> _Tally:
    jobs = list(jobs)
    tally = _Tally(sum(job.count for job in jobs))
    with multiprocessing.get_context("spawn").Pool(options.jobs, initializer=prepare) as pool:
        for played in pool.imap_unordered(play, jobs):
            tally.take(played)
            if record is not None:
                record.add(played)
            if tally.failed and not options.keep_going:
                pool.terminate()
                break
    return tally


def main() -> int:
    """Play; return the exit code."""
    options = _arguments()
    if options.tally is not None:
        print("\n\n".join(told(one) for one in Record(options.tally).sums()))
        return 0
    if options.seed is not None:
        return _one(options)
    record = Record(options.record, options.label) if options.record is not None else None
    jobs = _jobs(options)
    tally = _play_all(options, record.left(jobs) if record is not None else jobs, record)
    tally.summary()
    for seed, _ in tally.failed[:_SHOWN]:
        print()
        _tell_short(run(make_plan(seed, ledger=options.ledger, shape=options.shape)), options)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
