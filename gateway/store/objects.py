"""Content-addressed blobs in an S3-compatible object store: `prefix/ab/abcd…`, many nodes at once.

Promises: `finish` returns only after the store answered that it keeps the object; every byte read
is hashed, and a damaged object is an IntegrityError before its last byte is handed over; putting a
blob that exists writes it again (age renewed, damage healed); a blob just reused is never
collected, whichever node collects. A blob is written to a local working file while its hash is not
known, so nothing half-made ever has a name. A crash leaves working files (swept), an unfinished
multipart upload (invisible; the bucket's lifecycle rule ends it) or a mark in `doomed/` (swept).

Putting against collecting, without locks (needs only read-after-write consistency):

1. The collector writes a mark (create-only, so it is the only one), *then* looks at the object's
   age, deletes once and never repeats a request, and takes the mark away.
2. Putting new bytes is one create-only request: it succeeds only when nothing is there to delete.
3. Putting what exists overwrites it, *then* looks for a mark, then for the object. A collector that
   marked before the look is seen (we wait for it and write again); one that marks after it sees a
   young object. A collector that died leaves its mark; five minutes later it counts for nothing.
"""

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from gateway import observe
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import BlobInfo

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig, S3Config

CHUNK: Final = 256 * 1024
PART: Final = 5 * 1024 * 1024
"""Above this size a blob goes up in parts, the smallest S3 allows."""
HOLD: Final = timedelta(minutes=5)
"""After this a collector's mark counts for nothing: its one request is long over."""

_SPILL: Final = 128 * 1024
_PARTS_AT_ONCE: Final = 2
_LARGE_AT_ONCE: Final = 8
_TRIES: Final = 3
_WAIT_S: Final = 0.05
_LONGEST: Final = timedelta(hours=1)
_SLOWEST: Final = 256 * 1024
"""Bytes a second; a slower line is one that does not work."""
_TOLD_EVERY_S: Final = 60.0
_WHY: Final = (
    re.compile(r"<Code>(\w{3,40})</Code>"),  # what S3 says: AccessDenied, RequestTimeTooSkewed
    re.compile(r"InvalidCertificate\(\s*(\w{3,40})"),
    re.compile(r"kind: (Connect|Timeout|Request|Decode|Interrupted)"),
)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where the objects are and how to get there.

    Args:
        name: The bucket.
        prefix: Put before every key; "" for none.
        endpoint: Address of the store; "" for the one that belongs to the region.
        region: Its region.
        access_key: Name of the key.
        secret_key: The key itself; never shown.
        timeout: Longest wait for one answer, and the longest silence in a long one.
        certificates: Further certificates to trust (PEM), of a store with its own authority.
        plain: Allow an address without TLS.
    """

    name: str
    prefix: str = ""
    endpoint: str = ""
    region: str = "us-east-1"
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    timeout: timedelta = timedelta(seconds=30)
    certificates: str = field(default="", repr=False)
    plain: bool = False


class ObjectBlobWriter:
    """One blob being written: in memory up to 128 KiB, then in a local working file."""

    def __init__(self, blobs: "ObjectBlobs") -> None:
        self._blobs = blobs
        self._hash = hashlib.sha256()
        self._size = 0
        self._head: list[bytes] = []
        self._path: Path | None = None
        self._fd = -1
        self._handed_over = False

    def write(self, data: bytes) -> None:
        """Append; quick, nothing is sent yet.

        Raises:
            UnavailableError: The local disk does not take it.
        """
        self._hash.update(data)
        self._size += len(data)
        try:
            if self._fd >= 0:
                _write_all(self._fd, data)
                return
            self._head.append(bytes(data))
            if self._size > _SPILL:
                self._path = self._blobs.temporary()
                self._fd = os.open(
                    self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600
                )
                for part in self._head:
                    _write_all(self._fd, part)
                self._head.clear()
        except OSError as exc:
            raise UnavailableError(public="the blob store cannot write") from exc

    async def finish(self) -> BlobInfo:
        """Send it and return its name once the store keeps it.

        A caller that is cancelled meanwhile leaves a whole blob behind, or none.

        Raises:
            UnavailableError: The store does not take it.
        """
        info = BlobInfo(self._hash.hexdigest(), self._size)
        try:
            job = self._blobs.pool.submit(self._settle, info)
        except RuntimeError as exc:
            raise UnavailableError(public="the blob store is closed") from exc
        # Once queued, the working file belongs to the thread, which tidies up.
        self._handed_over = True
        settled = asyncio.shield(asyncio.wrap_future(job))
        try:
            async with asyncio.timeout(self._blobs.patience_s(info.size_bytes)):
                await settled
        except (TimeoutError, asyncio.CancelledError) as exc:
            if job.cancel():  # it had not begun: a store that hangs is not owed what nobody awaits
                self._drop()
            if isinstance(exc, TimeoutError):
                raise UnavailableError(public="the blob store does not answer in time") from exc
            raise
        return info

    def _settle(self, info: BlobInfo) -> None:
        try:
            if self._path is None:
                self._blobs.keep(info, b"".join(self._head))
            else:
                self._blobs.keep(info, self._path)
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


class ObjectBlobs:
    """Blobs port over one bucket. Any number of processes may write and read.

    Args:
        bucket: Where the objects are.
        work: Local folder for working files; nothing in it outlives a blob's way up or down.
        threads: Uploads at a time, and as many downloads.
        patient: Who puts waits for its turn however long that takes.
    """

    def __init__(
        self, bucket: Bucket, work: Path, *, threads: int = 32, patient: bool = False
    ) -> None:
        self._patient = patient
        self._timeout_s = bucket.timeout.total_seconds()
        self._quick = _store(bucket, bucket.timeout, retries=_TRIES)
        self._long = _store(bucket, _LONGEST, retries=_TRIES)
        self._once = _store(bucket, bucket.timeout, retries=0)
        self._prefix = f"{bucket.prefix.strip('/')}/" if bucket.prefix.strip("/") else ""
        self._work = work
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="blobs-up")
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="blobs-down")
        self._large = threading.BoundedSemaphore(_LARGE_AT_ONCE)
        self._near: dict[str, list[Path]] = {}
        self._told: dict[str, float] = {}

    def close(self) -> None:
        """Wait for uploads and stop the threads."""
        self.pool.shutdown()
        self._readers.shutdown()

    # ------------------------------------------------------------ putting

    def writer(self) -> ObjectBlobWriter:
        """Begin a blob."""
        return ObjectBlobWriter(self)

    async def put(self, data: bytes) -> BlobInfo:
        """Store a small blob durably."""
        writer = self.writer()
        try:
            writer.write(data)
            return await writer.finish()
        finally:
            writer.abort()

    def temporary(self) -> Path:
        """Return a fresh name for a working file."""
        return self._work / f"{secrets.token_hex(16)}.blob"

    def patience_s(self, size_bytes: int) -> float | None:
        """Return how long who puts a blob waits, the turn behind others included.

        As long as one answer may take, and what a slow line needs for the bytes: so an acceptance
        says 503 in time, however many wait for a store that hangs. None: as long as it takes.
        """
        if self._patient:
            return None
        return self._timeout_s + size_bytes / _SLOWEST

    def keep(self, info: BlobInfo, source: bytes | Path) -> None:
        """Send bytes of a known hash; returns once the store keeps them under their name.

        Raises:
            UnavailableError: It does not.
        """
        key = self._key(info.sha256)
        with self._troubles("write"):
            if info.size_bytes > PART:
                self._send_parts(key, source)
            else:
                data = source if isinstance(source, bytes) else source.read_bytes()
                # A lost answer is asked again and finds the object: it is then written once more.
                with contextlib.suppress(AlreadyExistsError):
                    obstore.put(self._quick, key, data, mode="create", use_multipart=False)
                    return
                obstore.put(self._quick, key, data, use_multipart=False)
            self._outlast_collector(info, key, source)

    def _send_parts(self, key: str, source: bytes | Path) -> None:
        with self._large:
            obstore.put(
                self._long,
                key,
                source,
                use_multipart=True,
                chunk_size=PART,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def _outlast_collector(self, info: BlobInfo, key: str, source: bytes | Path) -> None:
        """Return once no collector can still take what was overwritten (3)."""
        until = time.monotonic() + self._timeout_s
        while True:
            mark = self._head(self._mark(info.sha256))
            there = self._head(key)
            if mark is not None and there is not None and not _dead(mark, there):
                # A collector is at it this very moment: it deletes, or sees that we were here.
                if time.monotonic() > until:
                    raise UnavailableError(public="the blob is being collected")
                time.sleep(_WAIT_S * (0.5 + secrets.randbelow(1000) / 1000))
                continue
            # A dead mark is left to `sweep_temporary`: taking it away here could take a fresh one.
            if there is not None and there["size"] == info.size_bytes:
                return
            if time.monotonic() > until:
                raise UnavailableError(public="the blob store does not keep what it was given")
            if info.size_bytes > PART:
                self._send_parts(key, source)
            else:
                data = source if isinstance(source, bytes) else source.read_bytes()
                obstore.put(self._quick, key, data, use_multipart=False)

    # ------------------------------------------------------------ reading

    def size(self, sha256: str) -> int | None:
        """Return the size in bytes, None when absent; blocking."""
        key = self._key(sha256)
        with self._troubles("read"):
            found = self._head(key)
        return None if found is None else found["size"]

    async def has(self, sha256: str) -> bool:
        """Tell whether it is there, without blocking the loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self.size, sha256) is not None

    def chunks(self, sha256: str) -> Iterator[bytes]:
        """Read in chunks, blocking; from the working file of a blob that is near.

        Raises:
            IntegrityError: The object is damaged; its last chunk is not handed over.
        """
        near = self._near.get(sha256)
        return _of_file(near[-1]) if near else self._fetched(sha256)

    def _fetched(self, sha256: str) -> Iterator[bytes]:
        key = self._key(sha256)
        digest = hashlib.sha256()
        held = b""
        with self._troubles("read"):
            for part in obstore.get(self._long, key).stream(min_chunk_size=CHUNK):
                view = memoryview(part)
                for start in range(0, len(view), CHUNK):
                    if held:
                        yield held
                    held = bytes(view[start : start + CHUNK])
                    digest.update(held)
        if digest.hexdigest() != sha256:
            raise IntegrityError(f"the object of blob {sha256} is damaged")
        if held:
            yield held

    async def stream(self, sha256: str) -> AsyncIterator[bytes]:
        """Read in chunks without blocking the loop.

        Raises:
            IntegrityError: The object is damaged; its last chunk is not handed over.
        """
        chunks = self.chunks(sha256)
        loop = asyncio.get_running_loop()
        while data := await loop.run_in_executor(self._readers, next, chunks, b""):
            yield data

    @asynccontextmanager
    async def local(self, sha256: str) -> AsyncIterator[Path]:
        """Lend the blob as a local read-only file, whole and checked."""
        loop = asyncio.get_running_loop()
        path = self.temporary()
        try:
            await loop.run_in_executor(self._readers, self._download, sha256, path)
            yield path
        finally:
            path.unlink(missing_ok=True)

    @asynccontextmanager
    async def near(self, names: Sequence[str]) -> AsyncIterator[None]:
        """Bring blobs near, so that `chunks` of them do not wait for the network meanwhile."""
        async with contextlib.AsyncExitStack() as stack:
            for sha256 in dict.fromkeys(names):
                path = await stack.enter_async_context(self.local(sha256))
                near = self._near.setdefault(sha256, [])
                near.append(path)
                stack.callback(self._no_longer_near, sha256, path)
            yield

    def _no_longer_near(self, sha256: str, path: Path) -> None:
        near = self._near[sha256]
        near.remove(path)
        if not near:
            del self._near[sha256]

    def _download(self, sha256: str, path: Path) -> None:
        chunks = self._fetched(sha256)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                for data in chunks:
                    _write_all(file.fileno(), data)
        except OSError as exc:
            raise UnavailableError(public="the working folder of the blobs is full") from exc

    def names(self) -> Iterator[str]:
        """Yield the names of all blobs, in no order, blocking."""
        with self._troubles("list"):
            for batch in obstore.list(self._quick, prefix=self._prefix or None, chunk_size=1000):
                for found in batch:
                    folder, _, name = found["path"].removeprefix(self._prefix).partition("/")
                    if len(folder) == 2 and _is_name(name) and name.startswith(folder):
                        yield name

    # ------------------------------------------------------------ collecting

    def delete_if_older(self, sha256: str, age_s: float) -> bool:
        """Delete a blob not put or renewed for `age_s` seconds; tell whether it was."""
        key = self._key(sha256)
        with self._troubles("delete"):
            found = self._head(key)
            if found is None:
                return False
            if age_s <= 0:  # a purge: whoever puts the same bytes now does so after it
                obstore.delete(self._once, key)
                return True
            # A first look by our own clock; the one that counts is by the store's, below.
            if found["last_modified"].timestamp() + age_s >= time.time():
                return False
            return self._collect(sha256, key, age_s)

    def _collect(self, sha256: str, key: str, age_s: float) -> bool:
        """Mark, look, delete once, unmark (1)."""
        mark_key, began = self._mark(sha256), _boot_s()
        try:
            obstore.put(self._once, mark_key, b"", mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False  # another collector, or a dead one's mark: `sweep_temporary` ends it
        mark, found = self._head(mark_key), self._head(key)
        old = (
            mark is not None
            and found is not None
            and (mark["last_modified"] - found["last_modified"]).total_seconds() > age_s
        )
        if old and _boot_s() - began > HOLD.total_seconds() / 2:
            old = False  # we were stopped meanwhile: others may think us dead
        if old:
            # Never twice: a repeated request could arrive after somebody put the bytes again. When
            # its answer is lost the mark stays, and whoever puts the bytes waits for its end.
            obstore.delete(self._once, key)
        obstore.delete(self._quick, mark_key)
        return old

    def sweep_temporary(self, age_s: float) -> int:
        """Remove working files older than `age_s` seconds and dead collectors' marks."""
        count = 0
        for entry in os.scandir(self._work):
            with contextlib.suppress(FileNotFoundError):
                if entry.name.endswith(".blob") and entry.stat().st_mtime + age_s < time.time():
                    Path(entry.path).unlink()
                    count += 1
        # Our clock against the store's: far more than either can be off.
        dead = datetime.now(UTC) - timedelta(days=1)
        with self._troubles("list"):
            for batch in obstore.list(self._quick, prefix=f"{self._prefix}doomed/"):
                for found in batch:
                    if found["last_modified"] < dead:
                        still = self._head(found["path"])
                        if still is not None and still["last_modified"] < dead:
                            obstore.delete(self._quick, found["path"])
                            count += 1
        return count

    def probe(self) -> None:
        """Try whether the working folder and the store take bytes."""
        writer = self.writer()
        try:
            writer.write(bytes(2 * _SPILL))
        finally:
            writer.abort()
        with self._troubles("write"):
            # One object for all nodes, written again each time: it takes part in nothing.
            obstore.put(self._once, f"{self._prefix}ready", b"", use_multipart=False)

    # ------------------------------------------------------------ trouble

    @contextmanager
    def _troubles(self, what: str) -> Iterator[None]:
        """Turn the library's exceptions into ours, and say why, once a minute.

        Raises:
            RejectedError: The object is not there.
            UnavailableError: Everything else; it may work again.
        """
        try:
            yield
        except FileNotFoundError as exc:
            # Only an object that is asked for is absent; a bucket that is not there is trouble.
            if what == "read" and "NoSuchBucket" not in str(exc):
                raise RejectedError(Reason.NOT_FOUND) from exc
            raise self._trouble(what, exc) from exc
        except (BaseError, OSError) as exc:
            raise self._trouble(what, exc) from exc

    def _trouble(self, what: str, failure: BaseException) -> UnavailableError:
        """Say aloud what a store has against us: its own code, never its whole answer."""
        text = str(failure)
        found = next((match[1] for why in _WHY if (match := why.search(text))), None)
        reason = found or type(failure).__name__
        now = time.monotonic()
        if now >= self._told.get(reason, 0.0):
            self._told[reason] = now + _TOLD_EVERY_S
            observe.alarm(what="blob store", subject=f"cannot {what}: {reason}")
        return UnavailableError(public=f"the blob store cannot {what}")

    # ------------------------------------------------------------ keys

    def _key(self, sha256: str) -> str:
        if not _is_name(sha256):
            raise RejectedError(Reason.NOT_FOUND)
        return f"{self._prefix}{sha256[:2]}/{sha256}"

    def _mark(self, sha256: str) -> str:
        return f"{self._prefix}doomed/{sha256}"

    def _head(self, key: str) -> "ObjectMeta | None":
        try:
            return obstore.head(self._quick, key)
        except FileNotFoundError:
            return None


def _boot_s() -> float:
    """Return seconds that also count while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _dead(mark: "ObjectMeta", written: "ObjectMeta") -> bool:
    """Tell whether a mark is so much older than what we wrote just now that it counts no more."""
    return written["last_modified"] - mark["last_modified"] > HOLD


def _store(bucket: Bucket, whole: timedelta, *, retries: int) -> S3Store:
    client: ClientConfig = {
        "allow_http": bucket.plain,
        "connect_timeout": min(bucket.timeout, timedelta(seconds=5)),
        "read_timeout": bucket.timeout,
        "timeout": whole,
    }
    if bucket.certificates:
        client["root_certificate"] = bucket.certificates
    # Full jitter: nodes that were refused together do not come back together.
    retry: RetryConfig = {
        "max_retries": retries,
        "retry_timeout": bucket.timeout,
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=5),
            "base": 2,
        },
    }
    config: S3Config = {
        "region": bucket.region,
        "access_key_id": bucket.access_key,
        "secret_access_key": bucket.secret_key,
        "virtual_hosted_style_request": False,
        "conditional_put": "etag",
        # The store refuses bytes that changed on their way.
        "checksum_algorithm": "sha256",
        "disable_bulk_delete": True,
    }
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
    return S3Store(bucket.name, config=config, client_options=client, retry_config=retry)


def _of_file(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            yield data


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _is_name(sha256: str) -> bool:
    return len(sha256) == 64 and set(sha256) <= set("0123456789abcdef")
