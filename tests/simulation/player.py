"""Histories in a process of the runner: plain data in, plain data out.

A process keeps everything it can reuse between two histories: what an import made is frozen out of
the garbage collector's sight, and the collector runs between histories only, so that what it costs
does not grow with the code.
"""

import gc
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation.seeds import make_plan
from tests.simulation.world import run


@dataclass(frozen=True, slots=True)
class Job:
    """Which histories to play: `count` seeds from `first` on."""

    first: int
    count: int
    ledger: str = "memory"
    shape: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """What became of them.

    Args:
        job: Which.
        failed: Seed and the first invariant violated, of each that failed.
        counts: What happened, how often.
        cpu_s: Processor time.
    """

    job: Job
    failed: tuple[tuple[int, str], ...]
    counts: dict[str, int] = field(default_factory=dict)
    cpu_s: float = 0.0


def prepare() -> None:
    """Begin a process: what is there now stays, and needs no looking after."""
    run(make_plan(0))
    gc.collect()
    gc.freeze()
    gc.disable()


def play(job: Job) -> Played:
    began = time.process_time()
    counts: Counter[str] = Counter()
    failed = []
    for seed in range(job.first, job.first + job.count):
        result = run(make_plan(seed, ledger=job.ledger, shape=job.shape))
        counts.update(result.counts)
        if result.violations:
            failed.append((seed, result.name))
    gc.collect()
    return Played(job, tuple(failed), dict(counts), time.process_time() - began)
