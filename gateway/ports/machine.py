"""Ports to the machine itself: clock, identifiers, blobs, broker, verifier processes.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from gateway.trust.report import VerificationReport


class Clock(Protocol):
    """Time and what we know of its truth (TIM-01)."""

    def now(self) -> datetime:
        """Return the aware UTC instant."""
        ...

    def offset(self) -> timedelta | None:
        """Return how far we are known to be off true time; None when unknown."""
        ...


class Ids(Protocol):
    """Fresh identifiers; ordered by time so that indexes stay warm."""

    def new(self) -> str:
        """Return a UUIDv7 as 36 characters."""
        ...


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """A stored blob: its name (SHA-256 hex) and size."""

    sha256: str
    size_bytes: int


class BlobWriter(Protocol):
    """One blob being written. Nothing exists under its name before `finish` returned."""

    def write(self, data: bytes) -> None:
        """Append; quick, no fsync."""
        ...

    def finish(self) -> Awaitable[BlobInfo]:
        """Make it durable (fsynced, its name too); the result is its name."""
        ...

    def abort(self) -> None:
        """Drop it; safe to call after `finish`."""
        ...


class Blobs(Protocol):
    """Content-addressed bytes. Putting an existing blob renews its age and durability."""

    def writer(self) -> BlobWriter:
        """Begin a blob."""
        ...

    async def put(self, data: bytes) -> BlobInfo:
        """Store a small blob durably."""
        ...

    def chunks(self, sha256: str) -> Iterable[bytes]:
        """Read in chunks of at most 256 KiB, blocking; RejectedError(NOT_FOUND) when absent."""
        ...

    def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in chunks of at most 256 KiB without blocking the loop."""
        ...

    def local(self, sha256: str) -> AbstractAsyncContextManager[Path]:
        """Lend the blob as a local read-only file."""
        ...

    def near(self, names: Sequence[str]) -> AbstractAsyncContextManager[None]:
        """Bring blobs near: within the block `chunks` of them never waits for a network.

        IntegrityError when one is damaged, RejectedError(NOT_FOUND) when one is absent.
        """
        ...

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes, None when absent, blocking."""
        ...

    async def has(self, sha256: str) -> bool:
        """Tell whether a blob is there, without blocking the loop."""
        ...

    def names(self) -> Iterable[str]:
        """Return the names of all blobs, in no order, blocking."""
        ...

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        """Delete a blob not put or renewed for `age_s` seconds; tell whether it was."""
        ...

    def sweep_temporary(self, age_s: float) -> int:
        """Remove half-made blobs older than `age_s` seconds; return how many."""
        ...

    def probe(self) -> None:
        """Try whether a blob could be kept now, leaving none behind, blocking.

        UnavailableError when it could not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """An id for one lane of a topic.

    `stamp` tells one wish from the next for the same id, such as the time it became due: the
    janitor repeats a wish until it is fulfilled, and a broker may forget a repeated one. `flow`
    names whose turn it takes: a broker that can serves the flows of a lane in turn.
    """

    topic: str
    ref: str
    lane: int = 0
    stamp: str = ""
    flow: str = ""


class Work(Protocol):
    """An id taken from a lane."""

    @property
    def ref(self) -> str:
        """The id."""
        ...

    async def done(self) -> None:
        """Acknowledge, last of all: work whose taker dies before this comes again."""
        ...


class Broker(Protocol):
    """Carries ids from the outbox to the programs; losing it loses nothing."""

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        """Queue ids; returns once the broker keeps them. UnavailableError when it does not.

        A wish that still waits in its topic need not be queued twice.
        """
        ...

    async def take(self, topic: str, *, lowest: int = 0) -> Work:
        """Return the most urgent id of a topic, waiting for one in lane `lowest` or above."""
        ...

    def depth(self) -> Mapping[tuple[str, int], int]:
        """Return how many ids are known to wait, by topic and lane."""
        ...

    async def close(self) -> None:
        """Let go; what was taken and not acknowledged comes again."""
        ...


class Evidence(Protocol):
    """Keeps what verdicts rest on, so that they can be given again years later (SIG-47)."""

    async def keep(self, trust_sha256: str) -> bool:
        """Make a trust state durable before a report that names it is committed.

        False when the certificates and lists at hand are no longer those: verify again.
        UnavailableError when they cannot be written.
        """
        ...


class Verifier(Protocol):
    """Signature verification in processes of its own, killed when they hang."""

    def quick(self, data: bytes, *, sha256: str, at: datetime) -> VerificationReport | None:
        """Return a report on bytes that need no process (surely unsigned), None when they do."""
        ...

    async def verify(
        self, path: Path, *, sha256: str, size_bytes: int, at: datetime, lane: int = 0
    ) -> VerificationReport:
        """Return a report for one file; never raises for what the file does.

        `lane` is the document's urgency: a more urgent file overtakes those that wait.

        A file over the size limit is indeterminate (too large); a killed worker is indeterminate
        (verifier failed).
        """
        ...

    async def close(self) -> None:
        """Stop the workers."""
        ...
