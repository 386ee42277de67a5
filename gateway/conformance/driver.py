"""Plays the cases, one after another, and says what came of each.

Promises: a case that cannot be played is never green; one case that breaks stops no other; trouble
of the line counts as broken, a bug of ours ends the run. A crash leaves marked test documents at
the other end and nothing here.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.conformance import exchanging, refusing, reporting
from gateway.conformance.bench import Bench
from gateway.conformance.plan import (
    BrokenError,
    Case,
    Connect,
    Level,
    NotPlayedError,
    Parties,
    Result,
    State,
)
from gateway.errors import GatewayError
from gateway.ports import Clock

CASES: Final = (*exchanging.CASES, *reporting.CASES, *refusing.CASES, *refusing.LAST)
PATIENCE: Final = timedelta(seconds=60)
_LONGEST: Final = 5
"""A case may look for this many arrivals, each with its patience."""
BEYOND: Final[dict[str, frozenset[str]]] = {
    # Its lists name documents and recipients, neither senders nor days (spec/edxml.md 7.8).
    "bkav": frozenset({"send-and-fetch.names-both", "date-window.future"}),
}
"""Remarks that a dialect has no words for."""


async def play(
    parties: Parties,
    connect: Connect,
    clock: Clock,
    *,
    run: str,
    only: Collection[str] = (),
    beyond: Collection[str] = (),
    patience: timedelta = PATIENCE,
) -> AsyncGenerator[Result, None]:
    """Play and yield results as they come, each case's own before its remarks.

    Args:
        parties: Who plays.
        connect: Makes clients.
        clock: Time.
        run: Names the run in every document; letters and digits, new for each run.
        only: Ids of the cases to play; none = all.
        beyond: Remarks the dialect has no words for: not played.
        patience: How long something may take to arrive.
    """
    bench = Bench(parties, connect, clock, run=run, patience=patience)
    try:
        await bench.begin()
        for case in CASES:
            if not only or case.id in only:
                for result in await _played(bench, case):
                    yield _unsayable(result) if result.id in beyond else result
    finally:
        await bench.close()


async def play_all(
    parties: Parties,
    connect: Connect,
    clock: Clock,
    *,
    run: str,
    only: Collection[str] = (),
    beyond: Collection[str] = (),
    patience: timedelta = PATIENCE,
) -> list[Result]:
    """Play and return all results."""
    going = play(parties, connect, clock, run=run, only=only, beyond=beyond, patience=patience)
    async with aclosing(going) as results:
        return [result async for result in results]


async def _played(bench: Bench, case: Case) -> list[Result]:
    bench.remarks.clear()
    began = time.monotonic()
    state, vi, en = State.PASSED, "", ""
    try:
        async with asyncio.timeout(_LONGEST * bench.patience.total_seconds()):
            await case.play(bench)
    except NotPlayedError as exc:
        state, vi, en = State.NOT_PLAYED, exc.vi, exc.en
    except BrokenError as exc:
        state, vi, en = State.FAILED, exc.vi, exc.en
    except GatewayError as exc:
        state, vi, en = State.FAILED, f"liên lạc hỏng: {exc.public}", f"no answer: {exc.public}"
    except TimeoutError:
        state, vi, en = State.FAILED, "quá lâu không xong", "took too long"
    took_s = round(time.monotonic() - began, 3)
    own = Result(case.id, case.vi, case.en, case.level, case.rules, state, vi, en, took_s)
    if state is State.NOT_PLAYED:
        return [own]
    return [own, *_remarks(bench, case)]


def _unsayable(result: Result) -> Result:
    return replace(
        result,
        state=State.NOT_PLAYED,
        why_vi="giao thức này không nói được điều đó",
        why_en="this dialect has no words for it",
    )


def _remarks(bench: Bench, case: Case) -> Iterable[Result]:
    """Return one line for each remark of a case; kept only if it was kept every time."""
    found: dict[str, Result] = {}
    for remark in bench.remarks:
        state = State.PASSED if remark.kept else State.FAILED
        line = Result(
            f"{case.id}.{remark.name}",
            remark.vi,
            remark.en,
            Level.SHOULD,
            remark.rules,
            state,
            "" if remark.kept else remark.vi,
            "" if remark.kept else remark.en,
        )
        if line.id not in found or state is State.FAILED:
            found[line.id] = line
    return found.values()
