"""Small blobs in one SQLite file: many of them share one fsync.

A file and its folder cost two to four flushes a blob, which is what limits a busy gateway; here a
batch costs one. Promises the same: durable when `put` returns (WAL, synchronous=FULL),
putting again renews the age, deletion runs on the same thread as putting, so a blob just reused is
never collected, and freed pages are overwritten (secure_delete). A crash leaves whole blobs only.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.errors import UnavailableError
from gateway.ports import BlobInfo

_BATCH: Final = 256
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=15000",
    "PRAGMA secure_delete=ON",
)
_CREATE: Final = (
    "CREATE TABLE IF NOT EXISTS blob "
    "(sha256 TEXT PRIMARY KEY, put_at REAL NOT NULL, data BLOB NOT NULL)"
)
_PUT: Final = (
    "INSERT INTO blob (sha256, put_at, data) VALUES (?, ?, ?) "
    "ON CONFLICT (sha256) DO UPDATE SET put_at = excluded.put_at"
)
_DELETE: Final = "DELETE FROM blob WHERE sha256 = ? AND put_at < ?"


@dataclass(slots=True)
class _Job:
    sql: str
    params: tuple[Any, ...]
    done: Any  # called on the thread with the row count or an exception


class SmallBlobs:
    """Blobs by SHA-256 in `path`, one writer thread, readers beside it."""

    def __init__(self, path: Path) -> None:
        try:
            self._writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self._writer.execute(pragma)
            self._writer.execute(_CREATE)
            path.chmod(0o600)
            _sync_folder(path.parent)
            self._reader = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except (sqlite3.Error, OSError) as exc:
            raise UnavailableError(public=f"the blob store cannot be opened: {exc}") from exc
        self._lock = threading.Lock()
        self._gate = threading.Lock()
        self._closed = False
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="blob-writer", daemon=True)
        self._thread.start()

    def put(self, sha256: str, data: bytes) -> "asyncio.Future[BlobInfo]":
        """Store durably; the future fails with UnavailableError when the disk does not take it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[BlobInfo] = loop.create_future()
        info = BlobInfo(sha256, len(data))

        def done(result: int | BaseException) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
                loop.call_soon_threadsafe(_resolve, future, info, result)

        self._queue(_Job(_PUT, (sha256, time.time(), data), done))
        return future

    def _queue(self, job: "_Job") -> None:
        with self._gate:  # nothing is queued behind the end, where nobody would answer it
            if self._closed:
                raise UnavailableError(public="the blob store is closed")
            self._jobs.put(job)

    def get(self, sha256: str) -> bytes | None:
        """Return the bytes, None when absent."""
        with self._reading() as reader:
            row = reader.execute("SELECT data FROM blob WHERE sha256 = ?", (sha256,)).fetchone()
        return None if row is None else bytes(row[0])

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes, None when absent."""
        with self._reading() as reader:
            row = reader.execute(
                "SELECT length(data) FROM blob WHERE sha256 = ?", (sha256,)
            ).fetchone()
        return None if row is None else int(row[0])

    def names(self) -> Iterator[str]:
        """Yield the names of all blobs."""
        last = ""
        while True:
            with self._reading() as reader:
                rows = reader.execute(
                    "SELECT sha256 FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT 1000", (last,)
                ).fetchall()
            if not rows:
                return
            yield from (name for (name,) in rows)
            last = rows[-1][0]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._reader
            except sqlite3.Error as exc:
                raise UnavailableError(public="the blob store cannot be read") from exc

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        """Delete a blob not put for `age_s` seconds, its bytes overwritten; blocking."""
        result: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()
        self._queue(_Job(_DELETE, (sha256, time.time() - age_s), result.put))
        found = result.get()
        if isinstance(found, BaseException):
            raise found
        return found > 0

    def forget_freed(self) -> None:
        """Move freed pages out of the write-ahead log too, so that purged bytes are gone."""
        with contextlib.suppress(sqlite3.Error), self._lock:
            self._reader.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Finish what is queued and let go of the file."""
        with self._gate:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        with self._lock:  # a connection closed under a reader takes the process down
            self._reader.close()

    # ------------------------------------------------------------ the writer thread

    def _run(self) -> None:
        running = True
        while running:
            job = self._jobs.get()
            if job is None:
                break
            batch = [job]
            while len(batch) < _BATCH:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    running = False
                    break
                batch.append(job)
            self._do(batch)
        self._writer.close()

    def _do(self, batch: list[_Job]) -> None:
        counts: list[int] = []
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            counts = [self._writer.execute(job.sql, job.params).rowcount for job in batch]
            self._writer.execute("COMMIT")
        except BaseException as exc:  # noqa: BLE001 - nobody may be told "stored"
            with contextlib.suppress(sqlite3.Error):
                self._writer.execute("ROLLBACK")
            for job in batch:
                trouble = UnavailableError(public="the blob store cannot write")
                trouble.__cause__ = exc
                job.done(trouble)
            return
        for job, count in zip(batch, counts, strict=True):
            job.done(count)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _resolve(
    future: "asyncio.Future[BlobInfo]", info: BlobInfo, result: int | BaseException
) -> None:
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(info)
