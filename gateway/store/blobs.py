"""Content-addressed blobs in a folder: `ab/abcd…`, durable before they are named to anyone.

Promises: `finish` returns only after the file and its folder were fsynced (waiting writers share
one flusher, so many small blobs cost few folder syncs); putting a blob that exists renews its age,
and deletion takes the same lock, so a blob just reused is never collected. A crash leaves at worst
files in `tmp/` and blobs no row names; the janitor removes both after a day.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from gateway import faults
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import BlobInfo

CHUNK: Final = 256 * 1024
TRIAL: Final = 256 * 1024
"""Bytes of a trial: more than is kept in memory, so that the disk is asked."""
_SPILL: Final = 128 * 1024


class FolderBlobWriter:
    """One blob being written: in memory up to 128 KiB, then in `tmp/`."""

    def __init__(self, blobs: "FolderBlobs") -> None:
        self._blobs = blobs
        self._hash = hashlib.sha256()
        self._size = 0
        self._head: list[bytes] = []
        self._path: Path | None = None
        self._fd = -1
        self._handed_over = False

    def write(self, data: bytes) -> None:
        """Append; quick, no fsync.

        Raises:
            UnavailableError: The disk does not take it.
        """
        self._hash.update(data)
        self._size += len(data)
        if self._fd < 0:
            self._head.append(bytes(data))
            if self._size > _SPILL:
                self._spill()
        else:
            _write_all(self._fd, data)

    def _spill(self) -> None:
        self._path = self._blobs.temporary()
        self._fd = _open_new(self._path)
        for part in self._head:
            _write_all(self._fd, part)
        self._head.clear()

    async def finish(self) -> BlobInfo:
        """Make it durable and return its name.

        A caller that is cancelled meanwhile leaves a whole blob behind, or none.

        Raises:
            UnavailableError: The disk does not take it.
        """
        info = BlobInfo(self._hash.hexdigest(), self._size)
        loop = asyncio.get_running_loop()
        # Once queued, the file belongs to the thread: a descriptor closed under it could be
        # another file's by the time it writes. The thread tidies up, even if nobody waits.
        try:
            settled = loop.run_in_executor(self._blobs.pool, self._settle, info.sha256)
        except RuntimeError as exc:
            raise UnavailableError(public="the blob store is closed") from exc
        self._handed_over = True
        await asyncio.shield(settled)
        return info

    def _settle(self, sha256: str) -> None:
        try:
            # (1) known already: renew age and durability under the deletion lock
            if self._blobs.renew(sha256):
                return
            # (2) bytes on disk, (3) name, (4) folder on disk
            if self._fd < 0:
                self._spill()
            assert self._path is not None
            os.fsync(self._fd)
            self._blobs.adopt(self._path, sha256)
            self._path = None
        except OSError as exc:
            raise UnavailableError(public="the blob store cannot write") from exc
        finally:
            self._drop()

    def abort(self) -> None:
        """Drop it; safe to call after `finish`, and while it is under way."""
        if not self._handed_over:
            self._drop()

    def _drop(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._path = None
        self._head.clear()


class FolderBlobs:
    """Blobs port over a folder.

    Args:
        root: The folder.
        threads: Threads that flush blobs.
        shared: Other machines write to it too: renewing and deleting exclude each other through a
            lock file, which takes a file system whose locks reach all of them (NFSv4). Otherwise
            one process writes and any number may read.
    """

    def __init__(self, root: Path, *, threads: int = 8, shared: bool = False) -> None:
        self._root = root
        self._tmp = root / "tmp"
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tmp.mkdir(mode=0o700, exist_ok=True)
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="blobs")
        self._lock = threading.Lock()
        self._shared = (
            os.open(root / "collect.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if shared
            else -1
        )
        self._syncs: dict[Path, _FolderSync] = {}
        self._ready: set[Path] = set()

    def close(self) -> None:
        """Wait for writers and stop the threads."""
        self.pool.shutdown()
        if self._shared >= 0:
            os.close(self._shared)
            self._shared = -1

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep renewing and deleting apart, in this process and, if shared, in all."""
        with self._lock:
            if self._shared < 0:
                yield
                return
            fcntl.flock(self._shared, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._shared, fcntl.LOCK_UN)

    def writer(self) -> FolderBlobWriter:
        """Begin a blob."""
        return FolderBlobWriter(self)

    async def put(self, data: bytes) -> BlobInfo:
        """Store a small blob durably."""
        writer = self.writer()
        try:
            writer.write(data)
            return await writer.finish()
        finally:
            writer.abort()

    def path(self, sha256: str) -> Path:
        """Return where a blob lies.

        Raises:
            RejectedError: `sha256` is not 64 lower-case hex digits.
        """
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise RejectedError(Reason.NOT_FOUND)
        return self._root / sha256[:2] / sha256

    def temporary(self) -> Path:
        """Return a fresh name in `tmp/`."""
        return self._tmp / secrets.token_hex(16)

    def renew(self, sha256: str) -> bool:
        """Touch an existing blob and make it durable again; False when there is none."""
        path = self.path(sha256)
        with self._alone():
            try:
                os.utime(path)
            except FileNotFoundError:
                return False
        self._sync_folder(path.parent)
        return True

    def adopt(self, temporary: Path, sha256: str) -> None:
        """Give fsynced bytes their name, durably."""
        path = self.path(sha256)
        self._make_ready(path.parent)
        with self._alone():
            temporary.replace(path)
        faults.reach("blobs.after-rename")
        self._sync_folder(path.parent)

    def _make_ready(self, folder: Path) -> None:
        """Make a folder durable: one that is there may be a dead writer's, not yet on disk."""
        if folder not in self._ready:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._sync_folder(self._root)
            self._ready.add(folder)

    def _sync_folder(self, folder: Path) -> None:
        with self._lock:
            sync = self._syncs.setdefault(folder, _FolderSync(folder))
        sync.run()

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes, None when absent."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """Read in chunks, blocking."""
        try:
            with self.path(sha256).open("rb", buffering=0) as file:
                while data := file.read(CHUNK):
                    yield data
        except FileNotFoundError as exc:
            raise RejectedError(Reason.NOT_FOUND) from exc

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in chunks without blocking the loop; small blobs come at once."""
        chunks = self.chunks(sha256)
        if (self.size(sha256) or 0) <= CHUNK:
            for data in chunks:
                yield data
            return
        loop = asyncio.get_running_loop()
        while data := await loop.run_in_executor(self.pool, next, chunks, b""):
            yield data

    @asynccontextmanager
    async def local(self, sha256: str) -> AsyncIterator[Path]:
        """Lend the blob as a local read-only file."""
        path = self.path(sha256)
        if not path.exists():
            raise RejectedError(Reason.NOT_FOUND)
        yield path

    async def has(self, sha256: str) -> bool:
        """Tell whether it is there."""
        return self.size(sha256) is not None

    @asynccontextmanager
    async def near(self, names: Sequence[str]) -> AsyncIterator[None]:
        """Do nothing but look: a file is near already."""
        for sha256 in names:
            if self.size(sha256) is None:
                raise RejectedError(Reason.NOT_FOUND)
        yield

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        """Delete a blob not renewed for `age_s` seconds; False when it is younger or gone."""
        path = self.path(sha256)
        with self._alone(), contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime + age_s < time.time():
                path.unlink()
                return True
        return False

    def names(self) -> Iterator[str]:
        """Yield the names of all blobs, in no order."""
        for folder in self._root.iterdir():
            if len(folder.name) == 2:
                yield from (entry.name for entry in os.scandir(folder) if len(entry.name) == 64)

    def sweep_temporary(self, age_s: float) -> int:
        """Remove half-made blobs older than `age_s` seconds; return how many."""
        count = 0
        for entry in os.scandir(self._tmp):
            with contextlib.suppress(FileNotFoundError):
                if entry.stat().st_mtime + age_s < time.time():
                    Path(entry.path).unlink()
                    count += 1
        return count

    def probe(self) -> None:
        """Try whether the disk takes a blob."""
        writer = self.writer()
        try:
            writer.write(bytes(TRIAL))
        finally:
            writer.abort()


class _FolderSync:
    """Group fsync of one folder: who arrives while one runs shares the next."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._begun = 0
        self._good = 0

    def run(self) -> None:
        """Return once a sync that began after this call has succeeded.

        Raises:
            OSError: Ours failed; a failure is never shared as a success.
        """
        seen = self._begun
        with self._turn:
            if self._good > seen:
                return
            self._begun += 1
            number = self._begun
            fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
            self._good = number


def _open_new(path: Path) -> int:
    try:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise UnavailableError(public="the blob store cannot write") from exc


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError as exc:
        raise UnavailableError(public="the blob store cannot write") from exc
