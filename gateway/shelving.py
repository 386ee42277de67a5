"""Composition of the books made anew by hand: settings become a ledger that is read, files written.

Works beside a running server: what was made lies ready beside the books in use, and whoever keeps
them takes it over. Entries are built on all processors but one; a crash leaves a file nobody reads.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway import stores
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.datafolder import take_lock
from gateway.domain.directory import Directory
from gateway.domain.moments import VIETNAM
from gateway.domain.worktime import OfficeHours
from gateway.errors import ConfigurationError, Fault, UnavailableError
from gateway.officehours import calendar_for
from gateway.parentwatch import end_with_parent
from gateway.ports import Row
from gateway.ports.books import Entry
from gateway.programs.bookkeeping import Around, Known, built
from gateway.programs.booksanew import Anew, Build, Step

_MOST_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Reindexed:
    """Books that were made anew.

    Args:
        path: Of the books.
        documents: How many were read.
        took_s: How long it took.
        in_use: Whether they are the books now; else a running server takes them over.
    """

    path: Path
    documents: int
    took_s: float
    in_use: bool


@dataclass(frozen=True, slots=True)
class _Shelf:
    directory: Callable[[], Directory]
    calendar: Callable[[str], OfficeHours]


def reindex(
    config: Path, workers: int | None, progress: Callable[[Step, float], None]
) -> Reindexed:
    """Make the books of this machine anew.

    Args:
        config: Settings file.
        workers: Processes beside this one; None for as many as there are other processors.
        progress: Told how far it is, and since how many seconds.

    Raises:
        ConfigurationError: No ledger for this program, or no console that would need books.
        UnavailableError: The ledger cannot be read, or the books cannot be written.
    """
    settings = load(config)
    if not settings.console.enabled:
        told = Fault(
            "console.enabled",
            "máy này không mở trang làm việc nên không có sổ tìm kiếm",
            "this machine serves no console, so it keeps no books",
        )
        raise ConfigurationError(told.en, (told,))
    stores.usable_ledger(settings)
    most = max(0, min(_MOST_WORKERS, (os.cpu_count() or 1) - 1))
    began = time.monotonic()
    documents = asyncio.run(_made(settings, config, most if workers is None else workers, progress))
    in_use = _taken_over(settings)
    return Reindexed(
        stores.books_path(settings), documents, round(time.monotonic() - began, 1), in_use
    )


async def _made(
    settings: Settings, config: Path, workers: int, progress: Callable[[Step, float], None]
) -> int:
    began = time.monotonic()

    async def stepped(step: Step) -> None:
        progress(step, time.monotonic() - began)

    with ExitStack() as opened:
        known = _known(settings, opened)
        async with stores.open_ledger(settings) as ledger:
            build: Build | None = None
            if workers:
                spawned = multiprocessing.get_context("spawn")
                pool = opened.enter_context(
                    ProcessPoolExecutor(workers, spawned, _furnish, (config,))
                )
                build = _elsewhere(pool)
            anew = Anew(ledger, known, build, ahead=max(1, workers))
            return await anew.into(stores.new_books(settings), stepped)


def _known(settings: Settings, opened: ExitStack) -> Known:
    catalogue = stores.open_catalogue(settings)
    opened.callback(catalogue.close)
    timetable = stores.open_timetable(settings)
    opened.callback(timetable.close)
    clock = SystemClock()
    hours = calendar_for(
        settings.times, timetable.timetable, lambda: clock.now().astimezone(VIETNAM).date()
    )
    return _Shelf(catalogue.directory, hours)


def _taken_over(settings: Settings) -> bool:
    """Put them in the place of those there were, unless a server has those open."""
    try:
        lock = take_lock(settings.gateway.data_dir)
    except ConfigurationError:
        return False
    try:
        stores.open_books(settings).close()
    finally:
        os.close(lock)
    return True


# ---------------------------------------------------------------- in other processes

_here: list[Known] = []


def _furnish(config: Path) -> None:
    end_with_parent()
    _here.append(_known(load(config), ExitStack()))


def _built(
    outgoing: Sequence[Row], incoming: Sequence[Row], beside: Around
) -> tuple[Sequence[Entry], Sequence[str]]:
    return built(_here[0], outgoing, incoming, beside)


def _elsewhere(pool: ProcessPoolExecutor) -> Build:
    async def build(
        outgoing: Sequence[Row], incoming: Sequence[Row], beside: Around
    ) -> tuple[Sequence[Entry], Sequence[str]]:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, _built, outgoing, incoming, beside)
        except BrokenProcessPool as exc:
            raise UnavailableError(public="a worker of the reindexing ended") from exc

    return build
