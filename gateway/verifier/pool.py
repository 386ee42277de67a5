"""A pool of verifier processes behind `ports.Verifier`.

Promises: a report for every file, whatever it does: a worker that hangs is killed, one that dies is
replaced, and its file is indeterminate; the same bytes are verified once at a time, and again only
when trust or time moved; the queue is bounded in each lane, the urgent overtake, and a slow file
delays no urgent one (`turns`); a touched trust directory is seen at the next job
without a restart. Workers are processes of their own session, fed through pipes: when the parent
goes, however it goes, they go. Nothing is stored: a crash loses only answers not yet given.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.errors import Reason, UnavailableError
from gateway.trust.notes import note
from gateway.trust.render import from_json
from gateway.trust.report import Note, Verdict, VerificationReport
from gateway.verifier.examine import failed_report, quick_report, quick_report_of
from gateway.verifier.process import GONE, MIB, DiedError, Worker, cause_of, spawned
from gateway.verifier.trusted import TrustState
from gateway.verifier.turns import Turn, Turns

_START_S: Final = 30.0
_TIMELESS: Final = frozenset({Verdict.UNSIGNED, Verdict.UNREADABLE})


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """Counters for metrics."""

    verified: int
    quick: int
    cached: int
    killed: int
    died: int
    started: int
    waiting: int


@dataclass(slots=True)
class _Counts:
    verified: int = 0
    quick: int = 0
    cached: int = 0
    killed: int = 0
    died: int = 0
    started: int = 0


class VerifierPool:
    """Implements `ports.Verifier` with worker processes.

    Args:
        trust_dir: Certificates and CRLs; may be empty, may change while running.
        revocation_dir: The revocation store; may change while running. None for none.
        workers: Processes at most, None for as many as there are cores; they start when needed,
            or at `warm`. Up to as many again help urgent files past slow ones.
        timeout_s: Wall time a file may take; processor time is limited to the same.
        memory_bytes: Address space of one worker.
        max_bytes: Files over this are indeterminate (too large).
        recycle_after: Files after which a worker is replaced.
        max_waiting: Files waiting in one lane at most; beyond it, UnavailableError(OVERLOADED).
        patience_s: How long an urgent file waits behind others before it gets a process of its own.
        linger_s: How long such a process is kept after its file.
        cache_entries: Reports kept.
        max_age: How far apart two questions about signed bytes may be and share an answer.
        pdf_expected: Every file is meant to be a PDF: any other kind is UNREADABLE, not UNSIGNED.
        worker_module: What a worker runs; tests put a misbehaving one here.
    """

    def __init__(
        self,
        trust_dir: Path,
        *,
        revocation_dir: Path | None = None,
        workers: int | None = None,
        timeout_s: float = 30.0,
        memory_bytes: int = 1024 * MIB,
        max_bytes: int = 100 * MIB,
        recycle_after: int = 2000,
        max_waiting: int = 1000,
        patience_s: float = 0.25,
        linger_s: float = 30.0,
        cache_entries: int = 4096,
        max_age: timedelta = timedelta(minutes=10),
        pdf_expected: bool = False,
        worker_module: str = "gateway.verifier.worker",
    ) -> None:
        revocation = None if revocation_dir is None else revocation_dir.absolute()
        self._trust = TrustState(trust_dir.absolute(), revocation)
        self._workers = max(workers or cores(), 1)
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._max_bytes = max_bytes
        self._recycle_after = recycle_after
        self._linger_s = linger_s
        self._cache_entries = cache_entries
        self._max_age = max_age
        self._pdf_expected = pdf_expected
        self._worker_module = worker_module
        self._turns = Turns(self._workers, max_waiting=max_waiting, patience_s=patience_s)
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._flights: dict[tuple[str, str], _Flight] = {}
        self._trimming: asyncio.TimerHandle | None = None
        self._trimmed: set[asyncio.Task[int | None]] = set()
        self._cache: OrderedDict[tuple[str, str], VerificationReport] = OrderedDict()
        self._closed = False
        self.on_report: Callable[[VerificationReport], None] | None = None
        """Told every fresh report; who keeps revocation data fresh learns what is missing."""
        self._counts = _Counts()

    @property
    def facts(self) -> PoolFacts:
        """Return counters since the start, for metrics."""
        c = self._counts
        waiting = self._turns.waiting
        return PoolFacts(c.verified, c.quick, c.cached, c.killed, c.died, c.started, waiting)

    @property
    def worker_ids(self) -> tuple[int, ...]:
        """Return the process ids of the workers that run."""
        return tuple(sorted(w.process.pid for w in self._all if w.process.returncode is None))

    def trust_state(self) -> str:
        """Return the identity of what is trusted now, as reports will name it."""
        return self._trust.fingerprint()

    def look_as_of(self, identity: str) -> None:
        """Ask the revocation store as of an earlier identity, from the next file on."""
        self._trust.as_of = identity

    async def warm(self) -> None:
        """Start all workers now, so that no file waits for one.

        Raises:
            UnavailableError: A worker does not start.
        """
        missing = self._workers - len(self._all)
        self._idle += await asyncio.gather(*(self._start() for _ in range(missing)))

    def quick(self, data: bytes, *, sha256: str, at: datetime) -> VerificationReport | None:
        """Return a report on bytes that need no worker, None when they do."""
        if self._pdf_expected or len(data) > self._max_bytes:
            return None
        trust = self._trust.fingerprint()
        report = quick_report_of(data, sha256=sha256, at=at, trust_sha256=trust)
        if report is not None:
            self._counts.quick += 1
        return report

    async def verify(
        self, path: Path, *, sha256: str, size_bytes: int, at: datetime, lane: int = 0
    ) -> VerificationReport:
        """Return a report for one file; see `ports.Verifier`.

        Args:
            path: The file; it must stay readable until the answer.
            sha256: Lower-case hex of its bytes.
            size_bytes: Of the file.
            at: The time the questions are asked for, aware.
            lane: Urgency of the document; one that waits already is moved up to it.

        Raises:
            UnavailableError: The lane's queue is full, no worker starts, the file cannot be
                opened, or the pool is closed. Nothing was learnt about the file: ask again.
        """
        if self._closed:
            raise UnavailableError(Reason.UNAVAILABLE, "the verifier is closed")
        trust = self._trust.fingerprint()
        key = (sha256, trust)
        cached = self._cached(key, at)
        if cached is not None:
            return cached
        facts = _Facts(path, sha256, size_bytes, at, trust, self._trust.identity)
        if size_bytes > self._max_bytes:
            limit = f"{self._max_bytes // MIB} MiB"
            return facts.failed(note("too-large", limit))
        if not self._pdf_expected:
            quick = quick_report(
                path, sha256=sha256, size_bytes=size_bytes, at=at, trust_sha256=trust
            )
            if quick is not None:
                self._counts.quick += 1
                return quick
        flight = self._flights.get(key)
        if flight is None:
            turn = self._turns.join(lane)
            flight = _Flight(turn, asyncio.create_task(self._fly(key, facts, turn)))
            self._flights[key] = flight
            flight.task.add_done_callback(lambda _: self._flights.pop(key, None))
        self._turns.hurry(flight.turn, lane)
        # Shielded: who stops waiting (a budget) leaves the answer to the next one who asks.
        return await asyncio.shield(flight.task)

    async def close(self) -> None:
        """Stop the workers; files under way end in UnavailableError."""
        self._closed = True
        flights = [flight.task for flight in self._flights.values()]
        if self._trimming is not None:
            self._trimming.cancel()
        for flight in flights:
            flight.cancel()
        starting = [w.successor for w in self._all if w.successor is not None]
        for start in starting:
            start.cancel()
        await asyncio.gather(*flights, *starting, *self._trimmed, return_exceptions=True)
        await asyncio.gather(*(w.stop() for w in tuple(self._all)), return_exceptions=True)
        self._all.clear()
        self._idle.clear()

    # ------------------------------------------------------------ cache

    def _cached(self, key: tuple[str, str], at: datetime) -> VerificationReport | None:
        report = self._cache.get(key)
        if report is None:
            return None
        if report.verdict in _TIMELESS:
            report = replace(report, verified_at=at)
        elif abs(at - report.verified_at) > self._max_age:
            return None
        self._cache.move_to_end(key)
        self._counts.cached += 1
        return report

    def _keep(self, key: tuple[str, str], report: VerificationReport) -> None:
        self._cache[key] = report
        self._cache.move_to_end(key)
        while len(self._cache) > self._cache_entries:
            self._cache.popitem(last=False)

    # ------------------------------------------------------------ one file

    async def _fly(self, key: tuple[str, str], facts: "_Facts", turn: Turn) -> VerificationReport:
        try:
            report = await self._in_turn(facts, turn)
        except asyncio.CancelledError:
            if self._closed:
                raise UnavailableError(Reason.UNAVAILABLE, "the verifier is closed") from None
            raise
        self._keep(key, report)
        if self.on_report is not None:
            self.on_report(report)
        return report

    async def _in_turn(self, facts: "_Facts", turn: Turn) -> VerificationReport:
        await self._turns.wait(turn)
        try:
            return await self._ask(facts)
        finally:
            self._turns.leave(turn)
            if len(self._all) > self._workers and self._trimming is None and not self._closed:
                loop = asyncio.get_running_loop()
                self._trimming = loop.call_later(self._linger_s, self._trim)

    async def _ask(self, facts: "_Facts") -> VerificationReport:
        """Have one file verified, by a fresh worker if the idle one was gone already."""
        for _ in range(2):
            worker = await self._hire()
            try:
                async with asyncio.timeout(self._timeout_s):
                    answer = await worker.ask(facts.job(pdf_expected=self._pdf_expected))
            except TimeoutError:
                await self._dismiss(worker)
                self._counts.killed += 1
                return facts.failed(note("verifier-failed", f"{self._timeout_s:g} s"))
            except DiedError as exc:
                code = await self._dismiss(worker, ending=True)
                self._counts.died += 1
                if str(exc) == GONE:
                    continue  # it never saw the file, which is innocent
                return facts.failed(note("verifier-failed", cause_of(code)))
            except BaseException:
                await self._dismiss(worker)
                raise
            return await self._take(worker, answer, facts)
        raise UnavailableError(Reason.UNAVAILABLE, "verifier workers do not stay up")

    async def _take(
        self, worker: Worker, answer: dict[str, Any], facts: "_Facts"
    ) -> VerificationReport:
        worker.done += 1
        self._idle.append(await self._rested(worker))
        if "report" in answer:
            self._counts.verified += 1
            return from_json(answer["report"])
        if answer["failed"] == "file":
            raise UnavailableError(
                Reason.UNAVAILABLE, f"the file cannot be read: {answer['detail']}"
            )
        return facts.failed(note("verifier-failed", answer["failed"]))

    # ------------------------------------------------------------ processes

    async def _rested(self, worker: Worker) -> Worker:
        """Return the worker to use next in this one's place: a fresh one once it is ready.

        The old one goes on working while its successor starts: nobody waits for a start.
        """
        if worker.done < self._recycle_after:
            return worker
        if worker.successor is None:
            worker.successor = asyncio.create_task(self._start())
            return worker
        if not worker.successor.done():
            return worker
        if worker.successor.cancelled() or worker.successor.exception() is not None:
            worker.successor = None  # try again after the next file
            return worker
        fresh = worker.successor.result()
        worker.successor = None
        await self._dismiss(worker)
        return fresh

    async def _hire(self) -> Worker:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
            await self._dismiss(worker)
            self._counts.died += 1
        return await self._start()

    def _trim(self) -> None:
        """Let go of processes that were hired to help urgent files along."""
        self._trimming = None
        surplus = len(self._all) - self._workers
        for worker in [self._idle.pop(0) for _ in range(min(surplus, len(self._idle)))]:
            self._all.discard(worker)
            ended = asyncio.create_task(self._dismiss(worker))
            self._trimmed.add(ended)
            ended.add_done_callback(self._trimmed.discard)

    async def _dismiss(self, worker: Worker, *, ending: bool = False) -> int | None:
        self._all.discard(worker)
        if worker.successor is not None:
            worker.successor.add_done_callback(self._welcome)
            worker.successor = None
        return await worker.stop(ending=ending)

    def _welcome(self, started: "asyncio.Task[Worker]") -> None:
        """Take on a successor whose predecessor is gone; failures show at the next start."""
        if not started.cancelled() and started.exception() is None:
            self._idle.append(started.result())

    async def _start(self) -> Worker:
        try:
            worker = await spawned(
                self._worker_module,
                (
                    str(self._trust.directory),
                    str(self._memory_bytes),
                    str(self._timeout_s),
                    str(self._trust.revocation or ""),
                ),
            )
        except OSError as exc:
            raise UnavailableError(Reason.UNAVAILABLE, "no verifier process starts") from exc
        self._all.add(worker)
        try:
            async with asyncio.timeout(_START_S):
                await worker.answer()
        except (TimeoutError, DiedError) as exc:
            await self._dismiss(worker)
            raise UnavailableError(
                Reason.UNAVAILABLE, "a verifier process starts and ends at once"
            ) from exc
        except BaseException:
            await self._dismiss(worker)
            raise
        self._counts.started += 1
        return worker


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class _Flight:
    """A file under way, and its place in the queue."""

    turn: Turn
    task: "asyncio.Task[VerificationReport]"


@dataclass(frozen=True, slots=True)
class _Facts:
    """One question."""

    path: Path
    sha256: str
    size_bytes: int
    at: datetime
    trust_sha256: str
    index_sha256: str

    def job(self, *, pdf_expected: bool) -> dict[str, Any]:
        return {
            "path": str(self.path.absolute()),
            "sha256": self.sha256,
            "at": self.at.isoformat(),
            "trust_sha256": self.trust_sha256,
            "index_sha256": self.index_sha256,
            "pdf_expected": pdf_expected,
        }

    def failed(self, remark: Note) -> VerificationReport:
        return failed_report(
            Verdict.INDETERMINATE,
            remark,
            sha256=self.sha256,
            size_bytes=self.size_bytes,
            at=self.at,
            trust_sha256=self.trust_sha256,
        )
