"""The ports a simulated node is given: the fakes behind a fence, where the planned faults happen.

Each awaits a gate before and after its effect (`plan.NODE_POINTS`). Nothing of a dead node passes.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.errors import UnavailableError
from gateway.ports import BlobInfo, ChangeSet, Committed, Conflict, Row, Wanted
from gateway.trust.report import Verdict, VerificationReport
from tests.simulation.life import Life

EPOCH = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # a Monday, 08:00 in Vietnam
UNLISTED, LISTED = "7" * 64, "8" * 64
"""The trust state before and after a revocation list came in."""

_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


class SimClock:
    """A house's clock: virtual time, and how far it is off."""

    def __init__(self, world: Any, house: Any) -> None:
        self._world = world
        self._house = house

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=round(self._world.loop.time() + self._house.skew, 6))

    def offset(self) -> timedelta | None:
        return self._house.known_offset


class SimIds:
    """UUIDv7 of virtual time, a counter and the seed; ordered within one life."""

    def __init__(self, world: Any, clock: SimClock) -> None:
        self._world = world
        self._clock = clock
        self._last = (0, 0)

    def new(self) -> str:
        ms = int((self._clock.now() - _UNIX).total_seconds() * 1000)
        last, count = self._last
        # As a real one: never back, not even when the clock is.
        count = count + 1 if ms <= last else 0
        ms = max(ms, last)
        self._last = (ms, count)
        tail = self._world.random.getrandbits(62) | 2 << 62
        text = f"{ms:012x}7{count:03x}{tail:016x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class NodeLedger:
    """The house's ledger as one node reaches it."""

    def __init__(self, life: Life, house: Any) -> None:
        self._life = life
        self._house = house
        self._random = life.world.random
        self._yields = life.world.plan.yields

    async def commit(self, change: ChangeSet) -> Committed | Conflict:
        await self._life.gate("ledger.before")
        if self._house.ledger_down or self._house.ledger_full:
            raise UnavailableError(public="the ledger cannot commit")
        done = await self._house.ledger.commit(change)
        await self._life.gate("ledger.after")
        return done

    @asynccontextmanager
    async def drain(self, limit: int) -> AsyncIterator[Sequence[Row]]:
        self._life.fence()
        if self._house.ledger_down:
            raise UnavailableError(public="the ledger cannot be read")
        async with self._house.ledger.drain(limit) as rows:
            yield rows
            if rows:
                await self._life.gate("ledger.drain")
                if self._house.ledger_down or self._house.ledger_full:
                    raise UnavailableError(public="the ledger cannot commit")

    async def one(self, query: str, **params: object) -> Row | None:
        await self._reads()
        return await self._house.ledger.one(query, **params)

    async def all(self, query: str, **params: object) -> Sequence[Row]:
        await self._reads()
        return await self._house.ledger.all(query, **params)

    async def _reads(self) -> None:
        if self._yields and self._random.random() < self._yields:
            await self._life.gate("ledger.read")
        else:
            self._life.fence()
        if self._house.ledger_down:
            raise UnavailableError(public="the ledger cannot be read")


class _NodeWriter:
    def __init__(self, life: Life, house: Any, inner: Any) -> None:
        self._life, self._house, self._inner = life, house, inner

    def write(self, data: bytes) -> None:
        self._life.fence()
        self._inner.write(data)

    async def finish(self) -> BlobInfo:
        await self._life.gate("blob.before")
        info = await self._inner.finish()
        await self._life.gate("blob.after")
        return info

    def abort(self) -> None:
        if self._life.alive:
            self._inner.abort()


class _Lent:
    """A blob lent as a read-only file, without a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def open(self, mode: str = "rb") -> io.BytesIO:
        return io.BytesIO(self._data)

    def read_bytes(self) -> bytes:
        return self._data


class NodeBlobs:
    """The house's blobs as one node reaches them."""

    def __init__(self, life: Life, house: Any) -> None:
        self._life = life
        self._house = house
        self._inner = house.blobs

    def __getattr__(self, name: str) -> Any:
        self._life.fence()
        return getattr(self._inner, name)

    def writer(self) -> _NodeWriter:
        self._life.fence()
        return _NodeWriter(self._life, self._house, self._inner.writer())

    async def put(self, data: bytes) -> BlobInfo:
        writer = self.writer()
        try:
            writer.write(data)
            return await writer.finish()
        finally:
            writer.abort()

    def chunks(self, sha256: str) -> Iterable[bytes]:
        self._life.fence()
        return self._inner.chunks(sha256)

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        self._life.fence()
        async for data in self._inner.stream(sha256):
            yield data

    @asynccontextmanager
    async def local(self, sha256: str) -> AsyncIterator[Any]:
        self._life.fence()
        yield _Lent(b"".join(self._inner.chunks(sha256)))

    def size(self, sha256: str) -> int | None:
        return self._inner.size(sha256)

    async def has(self, sha256: str) -> bool:
        await self._life.gate("blob.read")
        return await self._inner.has(sha256)

    @asynccontextmanager
    async def near(self, names: Sequence[str]) -> AsyncIterator[None]:
        await self._life.gate("blob.read")
        async with self._inner.near(names):
            yield

    def names(self) -> Iterable[str]:
        return self._inner.names()

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        self._life.fence()
        return self._inner.delete_if_older(sha256, age_s)

    def sweep_temporary(self, age_s: float) -> int:
        self._life.fence()
        return self._inner.sweep_temporary(age_s)

    def probe(self) -> None:
        self._life.fence()
        self._inner.probe()


class _NodeWork:
    def __init__(self, life: Life, inner: Any) -> None:
        self._life, self._inner = life, inner
        self.ref = inner.ref

    async def done(self) -> None:
        await self._life.gate("work.done")
        await self._inner.done()


class NodeBroker:
    """A broker as one node reaches it."""

    def __init__(self, life: Life, house: Any, inner: Any) -> None:
        self._life, self._house, self._inner = life, house, inner

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        if not wanted:
            return
        await self._life.gate("publish.before")
        if self._house.broker_down:
            raise UnavailableError(public="the broker does not answer")
        await self._inner.publish(wanted)
        await self._life.gate("publish.after")

    async def take(self, topic: str, *, lowest: int = 0) -> _NodeWork:
        self._life.fence()
        work = await self._inner.take(topic, lowest=lowest)
        await self._life.gate("take.after")
        return _NodeWork(self._life, work)

    def depth(self) -> Any:
        return self._inner.depth()

    async def close(self) -> None:
        pass


class SimVerifier:
    """Verdicts from the bytes: a file says itself what it is."""

    def __init__(self, life: Life, house: Any) -> None:
        self._life, self._house = life, house

    def quick(self, data: bytes, *, sha256: str, at: datetime) -> VerificationReport | None:
        if verdict_in(data) != "unsigned":
            return None
        return _report(Verdict.UNSIGNED, sha256, len(data), at, UNLISTED)

    async def verify(
        self, path: Any, *, sha256: str, size_bytes: int, at: datetime, lane: int = 0
    ) -> VerificationReport:
        await self._life.gate("verify.before")
        said = verdict_in(path.read_bytes())
        await asyncio.sleep(8.0 if said in {"slow", "secret-slow"} else 0.1)
        if self._house.verifier_down:
            raise UnavailableError(public="the verifier does not answer")
        await self._life.gate("verify.after")
        trust = self._life.world.trust_state()
        known = trust == LISTED
        verdict = {
            "valid": Verdict.VALID,
            "slow": Verdict.VALID,
            "undetermined": Verdict.INDETERMINATE,
            "listed-good": Verdict.VALID if known else Verdict.INDETERMINATE,
            "listed-bad": Verdict.INVALID if known else Verdict.INDETERMINATE,
            "invalid": Verdict.INVALID,
        }.get(said, Verdict.UNSIGNED)
        return _report(verdict, sha256, size_bytes, at, trust, _MARKS.get(said, ()))

    async def close(self) -> None:
        pass


def file_of(n: int, verdict: str, size: int) -> bytes:
    """Return a file that says what it is."""
    return f"%PDF-1.4 {verdict} {n} ".encode().ljust(size, b"x")


def verdict_in(data: bytes) -> str:
    words = data[:64].split(b" ")
    return words[1].decode() if len(words) > 2 and words[0] == b"%PDF-1.4" else "unsigned"


_MARKS = {"secret": ("MẬT",), "secret-slow": ("TỐI MẬT",)}


def _report(
    verdict: Verdict, sha256: str, size: int, at: datetime, trust: str, marks: tuple[str, ...] = ()
) -> VerificationReport:
    return VerificationReport(
        verdict=verdict,
        sha256=sha256,
        size_bytes=size,
        verified_at=at,
        trust_sha256=trust,
        engine="simulation",
        kind="pdf",
        secrecy_marks=marks,
    )
