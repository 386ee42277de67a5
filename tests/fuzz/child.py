"""The child of the fuzzer: draws and runs cases, one after another, and tells the parent."""

import argparse
import logging
import resource
import signal
import time
import traceback
import warnings
from pathlib import Path

_MEMORY = 2 << 30
_COMPARE_EVERY = 29


class Child:
    """Draws and runs cases until time is up; tells everything by messages."""

    def __init__(self, options: argparse.Namespace, start: int, step: int, end: float) -> None:
        self.options = options
        self.start, self.step, self.end = start, step, end

    def work(self, now, box) -> None:
        """Run cases; `now` holds number and begin of the present one, `box` takes messages."""
        logging.disable(logging.CRITICAL)
        warnings.simplefilter("ignore")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        from gateway.trust.remembering import remember
        from tests.fuzz import seeds, targets

        seeds.truth(), seeds.golden()
        remember()  # as a warm verifier process does
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        found: list[seeds.Seed] = []
        known: set[str] = set()
        number = self.start
        while time.monotonic() < self.end:
            now[0], now[1] = number, time.monotonic()
            try:
                case = targets.draw(number, self.options.seed, found, self.options.only)
                data = case.bytes()
            except Exception:  # noqa: BLE001 — a mutator that failed made no case
                box.put(("nothing", number, traceback.format_exc(limit=-2)))
                number += self.step
                continue
            begun = time.perf_counter()
            seen = _outcome(case, data)
            took = time.perf_counter() - begun
            if case.target == "pdf" and number % _COMPARE_EVERY == 0 and not seen.wrong:
                seen = _same_when_fresh(case, data, seen)
            if seen.wrong:
                case, data = _smaller(case, seen.wrong)
                box.put(("finding", number, case.target, case.suffix, data, seen.wrong))
            new = seen.key not in known
            if new:
                known.add(seen.key)
                if case.target == "pdf" and len(data) < 60_000:
                    found.append(seeds.Seed(f"find-{number}", data))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            kept = data if new and self.options.explore else None
            box.put(("case", case.target, took, peak, seen.key if new else "", kept, case.suffix))
            number += self.step


def _outcome(case, data):
    """Run a case; an exception that escapes is what is wrong."""
    from tests.fuzz import targets

    try:
        return targets.run(case, data)
    except MemoryError:
        return targets.Seen("memory", "out of memory")
    except Exception as exc:  # noqa: BLE001 — that is what is looked for
        last = traceback.extract_tb(exc.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.name}"
        return targets.Seen("escaped", f"{type(exc).__name__} escaped from {place}")


def _same_when_fresh(case, data, seen):
    """Judge once more without what the process remembers of earlier files."""
    from gateway.trust.remembering import remember
    from tests.fuzz import targets

    remember(on=False)
    fresh = _outcome(case, data)
    remember()
    if fresh.key == seen.key:
        return seen
    return targets.Seen(seen.key, f"a fresh process says otherwise: {fresh.key}"[:200])


def _smaller(case, wrong: str):
    """Leave out steps while the finding stays."""
    for step in list(case.steps):
        fewer = [s for s in case.steps if s is not step]
        kept, case.steps = case.steps, fewer
        if _outcome(case, case.bytes()).wrong != wrong:
            case.steps = kept
    return case, case.bytes()
