"""Blobs of the embedded gateway: small ones in one SQLite file, large ones in the folder.

One port, two tiers by size alone: a name is in exactly one of them, because its size decides.
Promises and crash behaviour are those of `gateway.store.small` and `gateway.store.blobs`.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from gateway.errors import Reason, RejectedError
from gateway.ports import BlobInfo, BlobWriter
from gateway.store.blobs import FolderBlobs
from gateway.store.small import SmallBlobs

SMALL: Final = 64 * 1024
"""Largest blob kept in SQLite, in bytes."""


class TieredWriter:
    """One blob being written: in memory while it is small, then the folder's own writer."""

    def __init__(self, small: SmallBlobs, folder: FolderBlobs) -> None:
        self._small = small
        self._folder = folder
        self._parts: list[bytes] = []
        self._size = 0
        self._large: BlobWriter | None = None

    def write(self, data: bytes) -> None:
        """Append; quick, no fsync."""
        if self._large is not None:
            self._large.write(data)
            return
        self._parts.append(bytes(data))
        self._size += len(data)
        if self._size > SMALL:
            self._large = self._folder.writer()
            for part in self._parts:
                self._large.write(part)
            self._parts.clear()

    def finish(self) -> Awaitable[BlobInfo]:
        """Begin to make it durable; the result is its name."""
        if self._large is not None:
            return self._large.finish()
        data = b"".join(self._parts)
        self._parts.clear()
        return self._small.put(hashlib.sha256(data).hexdigest(), data)

    def abort(self) -> None:
        """Drop it; safe to call after `finish`."""
        self._parts.clear()
        if self._large is not None:
            self._large.abort()


class TieredBlobs:
    """Blobs port over both tiers.

    Args:
        root: The blob folder; the SQLite file lies in it.
        threads: Threads that flush large blobs.
    """

    def __init__(self, root: Path, *, threads: int = 4) -> None:
        self._folder = FolderBlobs(root, threads=threads)
        self._small = SmallBlobs(root / "small.sqlite")

    def close(self) -> None:
        """Finish writers and let go of files."""
        self._folder.close()
        self._small.close()

    def writer(self) -> TieredWriter:
        """Begin a blob."""
        return TieredWriter(self._small, self._folder)

    async def put(self, data: bytes) -> BlobInfo:
        """Store a small blob durably."""
        writer = self.writer()
        writer.write(data)
        return await writer.finish()

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes, None when absent."""
        size = self._small.size(sha256)
        return self._folder.size(_checked(sha256)) if size is None else size

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """Read in chunks, blocking."""
        data = self._small.get(_checked(sha256))
        if data is None:
            return self._folder.chunks(sha256)
        return iter((data,) if data else ())

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in chunks without blocking the loop; small blobs come at once."""
        data = self._small.get(_checked(sha256))
        if data is None:
            async for part in self._folder.stream(sha256):
                yield part
        elif data:
            yield data

    @asynccontextmanager
    async def local(self, sha256: str) -> AsyncIterator[Path]:
        """Lend the blob as a local read-only file; a small one as a copy for the while."""
        data = self._small.get(_checked(sha256))
        if data is None:
            async with self._folder.local(sha256) as path:
                yield path
            return
        copy = self._folder.temporary()
        copy.write_bytes(data)
        try:
            yield copy
        finally:
            await asyncio.to_thread(copy.unlink, missing_ok=True)

    async def has(self, sha256: str) -> bool:
        """Tell whether it is there."""
        return self.size(sha256) is not None

    @asynccontextmanager
    async def near(self, names: Sequence[str]) -> AsyncIterator[None]:
        """Do nothing but look: both tiers are near already."""
        for sha256 in names:
            if self.size(sha256) is None:
                raise RejectedError(Reason.NOT_FOUND)
        yield

    def names(self) -> Iterator[str]:
        """Yield the names of all blobs, in no order."""
        return chain(self._small.names(), self._folder.names())

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        """Delete a blob not put or renewed for `age_s` seconds; False when younger or gone."""
        if self._small.size(_checked(sha256)) is None:
            return self._folder.delete_if_older(sha256, age_s)
        deleted = self._small.delete_if_older(sha256, age_s)
        if deleted and age_s <= 0:
            self._small.forget_freed()
        return deleted

    def sweep_temporary(self, age_s: float) -> int:
        """Remove half-made blobs and forgotten copies older than `age_s` seconds."""
        return self._folder.sweep_temporary(age_s)

    def probe(self) -> None:
        """Try whether the disk takes a blob."""
        self._folder.probe()


def _checked(sha256: str) -> str:
    if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
        raise RejectedError(Reason.NOT_FOUND)
    return sha256
