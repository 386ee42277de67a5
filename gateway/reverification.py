"""Composition of `vanlien reverify`: settings become judges over stored trust states.

Promises: the ledger is opened for reading only and the verifier's processes are limited as the
server's are, so it may run beside a server. A crash leaves a temporary folder of links at worst.
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway.config import Settings, load
from gateway.ports import Blobs
from gateway.programs.evidence import NOW, Judge, StateError
from gateway.store.readonly import ReadOnlyLedger
from gateway.stores import open_blobs, open_readonly
from gateway.trust.report import VerificationReport
from gateway.verifier import snapshot
from gateway.verifier.pool import VerifierPool

_AT_ONCE: Final = timedelta(0)
_REMEMBERED: Final = 100_000


class _Judge:
    """Implements `programs.evidence.Judge` with verifier processes over one trust folder."""

    def __init__(
        self, pool: VerifierPool, blobs: Blobs, evidence: "StoredEvidence", *, now: bool
    ) -> None:
        self._pool = pool
        self._blobs = blobs
        self._evidence = evidence
        self._now = now

    async def report(
        self, sha256: str, size_bytes: int, at: datetime, trust_sha256: str
    ) -> VerificationReport:
        """Return the report on a stored file; see `programs.evidence.Judge`."""
        async with self._blobs.local(sha256) as path:
            if not self._now:
                # Read before anything is awaited: files beside this one have their own states.
                self._pool.look_as_of(self._evidence.revocation_of(trust_sha256))
            return await self._pool.verify(path, sha256=sha256, size_bytes=size_bytes, at=at)


class StoredEvidence:
    """Implements `programs.evidence.Evidence` over the evidence folder of a gateway.

    Args:
        settings: Where things are, and the limits of the processes.
        blobs: The files.
    """

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._verify = settings.verify
        self._blobs = blobs
        self._source = settings.verify.evidence_dir
        self._revocation = settings.verify.revocation.dir
        self._states: dict[str, snapshot.Manifest] = {}

    def folder_of(self, trust_sha256: str) -> str:
        """Return which trust folder a state is of."""
        return self._state(trust_sha256).folder

    def revocation_of(self, trust_sha256: str) -> str:
        """Return as of which identity a state asks the revocation store."""
        return self._state(trust_sha256).revocation

    def engine_of(self, trust_sha256: str) -> Mapping[str, str]:
        """Return the versions a state was kept by."""
        try:
            return self._state(trust_sha256).engine
        except StateError:
            return {}

    def _state(self, trust_sha256: str) -> snapshot.Manifest:
        known = self._states.get(trust_sha256)
        if known is None:
            try:
                known = snapshot.read(trust_sha256, self._source)
            except snapshot.SnapshotError as exc:
                raise StateError(exc.problem, exc.what) from exc
            if known.revocation and not snapshot.is_known(self._revocation, known.revocation):
                raise StateError("missing", known.revocation)
            if len(self._states) >= _REMEMBERED:
                self._states.clear()
            self._states[trust_sha256] = known
        return known

    @contextlib.asynccontextmanager
    async def judge(self, folder: str) -> AsyncIterator[Judge]:
        """Lend a judge for the states of a folder; `NOW` for today's trust."""
        with self._folder(folder) as trust_dir:
            verify = self._verify
            pool = VerifierPool(
                trust_dir,
                revocation_dir=self._revocation,
                workers=verify.workers,
                timeout_s=verify.timeout.total_seconds(),
                memory_bytes=int(verify.memory),
                max_bytes=int(verify.verify_max_bytes),
                max_age=_AT_ONCE,
            )
            try:
                yield _Judge(pool, self._blobs, self, now=folder == NOW)
            finally:
                await pool.close()

    @contextlib.contextmanager
    def _folder(self, folder: str) -> Iterator[Path]:
        if folder == NOW:
            yield self._verify.trust_dir
            return
        try:
            lent = snapshot.folder_laid_out(folder, self._source)
            room = lent.__enter__()
        except snapshot.SnapshotError as exc:
            raise StateError(exc.problem, exc.what) from exc
        with contextlib.ExitStack() as stack:
            stack.push(lent.__exit__)
            yield room


@dataclass(frozen=True, slots=True)
class Opened:
    """What a run needs: the ledger for reading, trust states, how many files at a time."""

    ledger: ReadOnlyLedger
    evidence: StoredEvidence
    hands: int


@contextlib.contextmanager
def opened(config: Path) -> Iterator[Opened]:
    """Open what lies behind a settings file for reading, beside a running server."""
    settings = load(config)
    ledger = open_readonly(settings)
    try:
        blobs = open_blobs(settings)
        try:
            yield Opened(ledger, StoredEvidence(settings, blobs), settings.verify.workers)
        finally:
            blobs.close()
    finally:
        ledger.close()
