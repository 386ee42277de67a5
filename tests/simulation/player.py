"""One history in a process of the runner: plain data in, plain data out."""

import time

from tests.simulation.plan import make_plan
from tests.simulation.world import run


def play(job: tuple[int, str, str]) -> tuple[int, str, dict[str, int], float]:
    seed, ledger, shape = job
    began = time.process_time()
    result = run(make_plan(seed, ledger=ledger, shape=shape))
    return seed, result.name, dict(result.counts), time.process_time() - began
