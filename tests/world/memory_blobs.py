"""MemoryBlobs: the Blobs port in a dict, with a clock that is moved.

Kept equal to the real one by tests/contract/test_blobs_contract.py, which runs on both.
"""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import BlobInfo

CHUNK = 256 * 1024


class MemoryBlobWriter:
    def __init__(self, blobs: "MemoryBlobs") -> None:
        self._blobs = blobs
        self._data = bytearray()
        self._blobs.open.append((self, self._blobs.now()))

    def write(self, data: bytes) -> None:
        if self._blobs.full:
            raise UnavailableError(public="the blob store cannot write")
        self._data += data

    async def finish(self) -> BlobInfo:
        await asyncio.sleep(0)
        if self._blobs.full:
            raise UnavailableError(public="the blob store cannot write")
        data = bytes(self._data)
        name = hashlib.sha256(data).hexdigest()
        self._blobs.kept[name] = (data, self._blobs.now())
        self.abort()
        return BlobInfo(name, len(data))

    def abort(self) -> None:
        self._blobs.open[:] = [(w, at) for w, at in self._blobs.open if w is not self]


class MemoryBlobs:
    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self.full = False
        self.kept: dict[str, tuple[bytes, float]] = {}
        self.open: list[tuple[MemoryBlobWriter, float]] = []

    def close(self) -> None:
        pass

    def writer(self) -> MemoryBlobWriter:
        return MemoryBlobWriter(self)

    async def put(self, data: bytes) -> BlobInfo:
        writer = self.writer()
        try:
            writer.write(data)
            return await writer.finish()
        finally:
            writer.abort()

    def _data(self, sha256: str) -> bytes:
        if sha256 not in self.kept:
            raise RejectedError(Reason.NOT_FOUND)
        return self.kept[sha256][0]

    def chunks(self, sha256: str) -> Iterator[bytes]:
        data = self._data(sha256)
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        for data in self.chunks(sha256):
            yield data

    @asynccontextmanager
    async def local(self, sha256: str) -> AsyncIterator[Path]:
        data = self._data(sha256)
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield Path(file.name)

    def size(self, sha256: str) -> int | None:
        _checked(sha256)
        return len(self.kept[sha256][0]) if sha256 in self.kept else None

    async def has(self, sha256: str) -> bool:
        return self.size(sha256) is not None

    @asynccontextmanager
    async def near(self, names: Sequence[str]) -> AsyncIterator[None]:
        for sha256 in names:
            self._data(sha256)
        yield

    def names(self) -> Iterator[str]:
        return iter(list(self.kept))

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        _checked(sha256)
        if sha256 in self.kept and self.kept[sha256][1] + age_s < self.now():
            del self.kept[sha256]
            return True
        return False

    def sweep_temporary(self, age_s: float) -> int:
        old = [w for w, at in self.open if at + age_s < self.now()]
        for writer in old:
            writer.abort()
        return len(old)

    def probe(self) -> None:
        self.writer().abort()


def _checked(sha256: str) -> None:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise RejectedError(Reason.NOT_FOUND)
