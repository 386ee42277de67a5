"""ClamAV through its daemon clamd: one connection a file, the bytes streamed, one exact answer.

Promises: `clean` only when clamd said so, in the form its manual gives, after it had every byte and
before it closed; everything else is `not-scanned`. Same bytes under the same signature database are
scanned once while this process lives. One file takes at most its time limit; while clamd is
away nobody waits for it twice within seconds. Keeps nothing on disk; a crash leaves nothing behind.
"""

import asyncio
import re
import socket
import struct
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway import observe
from gateway.domain.malware import NotScanned, Scan, ScanResult

_CHUNK: Final = 128 * 1024
_ANSWER_BYTES: Final = 4096
_VERSION_S: Final = 60.0
"""How long a version is believed: signatures change a few times a day."""
_VERSION_WAIT_S: Final = 10.0
"""A version is said at once; who does not say it is away, long before a file's time is over."""
_AWAY_S: Final = 5.0
_AWAY_MOST_S: Final = 30.0
_WEDGED: Final = 3
"""So many files in a row without an answer: it is not the files."""
_AGAIN_S: Final = 30.0
_LASTING_S: Final = 300.0
"""How long it is remembered that a file could not be scanned: no use in streaming it each time."""
_KNOWN: Final = 4096
_KNOWN_S: Final = 3600.0
"""Signatures of one's own have no version: what was clean is looked at again after an hour."""
_FOUND: Final = re.compile(rb"stream: (.{1,500}) FOUND")
_OVER: Final = b"INSTREAM size limit exceeded. ERROR"
# Findings of clamd that are no malware: it did not see all of the file.
_PARTLY: Final = (
    ("Heuristics.Limits.Exceeded", NotScanned.LIMITS),
    ("Heuristics.Encrypted", NotScanned.ENCRYPTED),
)
_DATED: Final = "%a %b %d %H:%M:%S %Y"


class _NoAnswerError(Exception):
    """Clamd said nothing usable; `reason` is what becomes of the file."""

    def __init__(self, reason: NotScanned, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Version:
    """What clamd says of itself.

    Args:
        text: As it wrote it, cut: `ClamAV 1.4.3/27500/Fri Nov 20 08:30:12 2026`.
        dated: Of the signature database, None when it has no official one.
    """

    text: str
    dated: datetime | None


@dataclass(frozen=True, slots=True)
class Address:
    """Where clamd listens: `socket` path, or `host` and `port`."""

    socket: str = ""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        """Return it as the settings write it."""
        return f"unix:{self.socket}" if self.socket else f"tcp:{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """Return the address a setting names: `unix:/run/clamav/clamd.ctl` or `tcp:host:3310`."""
    kind, _, rest = text.partition(":")
    if kind == "unix":
        return Address(socket=rest)
    host, _, port = rest.rpartition(":")
    return Address(host=host.strip("[]"), port=int(port))


class Clamd:
    """See `ports.Scanner`.

    Args:
        address: Where it listens.
        max_bytes: Largest file given to it; at most its own StreamMaxLength.
        timeout: Longest time for one file, once it is its turn.
        max_age: A signature database older than this is warned about.
        connections: Files scanned at once.
        now: The time, for the age of the database.
    """

    def __init__(
        self,
        address: Address,
        *,
        max_bytes: int,
        timeout: timedelta,
        max_age: timedelta,
        connections: int,
        now: Callable[[], datetime],
    ) -> None:
        self._address = address
        self._max_bytes = max_bytes
        self._timeout_s = timeout.total_seconds()
        self._max_age = max_age
        self._turns = asyncio.Semaphore(connections)
        self._now = now
        self._known: OrderedDict[tuple[str, str], tuple[float, Scan]] = OrderedDict()
        self._missed: OrderedDict[str, tuple[float, Scan]] = OrderedDict()
        self._version: tuple[float, Version] | None = None
        self._asking = asyncio.Lock()
        self._away_until = 0.0
        self._failed = 0
        self._standing: dict[str, bool] = {}

    async def scan(
        self,
        chunks: Callable[[], AsyncIterator[bytes]],
        *,
        sha256: str,
        size_bytes: int,
        at: datetime,
    ) -> Scan:
        """Return what clamd says of these bytes."""
        began = asyncio.get_running_loop().time()
        scan = await self._scan(chunks, sha256, size_bytes, at)
        wait_s = asyncio.get_running_loop().time() - began
        observe.file_scanned(
            sha256=sha256, result=scan.result.value, reason=scan.reason, wait_s=wait_s
        )
        return replace(scan, at=at)

    async def version(self) -> Version | None:
        """Return what clamd says of itself, None when it does not answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._asked_version()
        except (_NoAnswerError, OSError, TimeoutError):
            return None

    # ------------------------------------------------------------ one file

    async def _scan(
        self, chunks: Callable[[], AsyncIterator[bytes]], sha256: str, size: int, at: datetime
    ) -> Scan:
        unknown = Scan(sha256, ScanResult.NOT_SCANNED, at)
        if size > self._max_bytes:
            return replace(unknown, reason=NotScanned.TOO_LARGE)
        now_s = asyncio.get_running_loop().time()
        missed = self._missed.get(sha256)
        if missed is not None and now_s < missed[0]:
            return missed[1]
        if now_s < self._away_until:
            return replace(unknown, reason=NotScanned.AWAY)
        engine = ""
        try:
            async with self._turns, asyncio.timeout(self._timeout_s):
                now_s = asyncio.get_running_loop().time()
                if now_s < self._away_until:  # found out while this one waited for its turn
                    return replace(unknown, reason=NotScanned.AWAY)
                version = await self._current()
                engine = version.text
                known = self._known.get((sha256, engine))
                if known is not None and now_s < known[0]:
                    return known[1]
                told = await self._stream(chunks(), size)
        except (_NoAnswerError, OSError, TimeoutError) as exc:
            return self._missing(replace(unknown, engine=engine), exc)
        self._failed = 0
        self._stand("scanner", active=False)
        scan = _read(replace(unknown, engine=engine), told)
        if scan.result is ScanResult.NOT_SCANNED:
            self._remember_missed(scan)
        else:
            self._known[sha256, engine] = (now_s + _KNOWN_S, scan)
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return scan

    def _missing(self, unknown: Scan, exc: Exception) -> Scan:
        """Return why there is no answer; a clamd that is away is left alone for a moment."""
        reason = exc.reason if isinstance(exc, _NoAnswerError) else NotScanned.UNCLEAR
        if isinstance(exc, TimeoutError):
            # A machine that cannot be reached times out as well: then no version was learnt.
            reason = NotScanned.TIMEOUT if unknown.engine else NotScanned.AWAY
        scan = replace(unknown, reason=reason)
        self._version = None
        self._failed += 1
        away = reason is NotScanned.AWAY or not unknown.engine
        if away or self._failed >= _WEDGED:
            wait_s = min(_AWAY_S * 2 ** min(self._failed - 1, 8), _AWAY_MOST_S)
            self._away_until = asyncio.get_running_loop().time() + wait_s
            self._stand("scanner", active=True)
        if not away:
            self._remember_missed(scan)
        return scan

    def _remember_missed(self, scan: Scan) -> None:
        for_s = _LASTING_S if scan.lasting else _AGAIN_S
        self._missed[scan.sha256] = (asyncio.get_running_loop().time() + for_s, scan)
        while len(self._missed) > _KNOWN:
            self._missed.popitem(last=False)

    async def _stream(self, chunks: AsyncIterator[bytes], size: int) -> bytes:
        """Send the bytes and return clamd's answer, without its end mark.

        An answer that comes before our last byte can only be a refusal: it was not about the file.
        """
        async with self._connected() as line:
            try:
                ended = await _send(line, chunks, size)
            except ConnectionError:
                ended = False  # it may have said why before it hung up
            if not ended:
                with suppress(OSError):
                    line.shutdown(socket.SHUT_WR)
            told = await _answer(line)
        if not ended and told != _OVER:
            raise _NoAnswerError(NotScanned.UNCLEAR, "an answer before the end of the file")
        return told

    # ------------------------------------------------------------ its version

    async def _current(self) -> Version:
        async with self._asking:
            now_s = asyncio.get_running_loop().time()
            if self._version is None or now_s - self._version[0] > _VERSION_S:
                async with asyncio.timeout(_VERSION_WAIT_S):
                    self._version = (now_s, await self._asked_version())
            return self._version[1]

    async def _asked_version(self) -> Version:
        async with self._connected() as line:
            await asyncio.get_running_loop().sock_sendall(line, b"zVERSION\0")
            told = (await _answer(line)).decode("utf-8", "replace")
        if not told.startswith("ClamAV ") or not told.isprintable():
            raise _NoAnswerError(NotScanned.UNCLEAR, "this is no clamd")
        version = Version(told[:120], _dated(told))
        old = version.dated is not None and self._now() - version.dated > self._max_age
        self._stand("scanner signatures", active=old)
        return version

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[socket.socket]:
        """Lend a connection of its own: what is read on it can be about nothing else.

        A plain socket, not a stream: a refusal that came before a broken write is still read.
        """
        where, loop = self._address, asyncio.get_running_loop()
        try:
            if where.socket:
                kind, target = socket.AF_UNIX, where.socket
                line = socket.socket(kind, socket.SOCK_STREAM)
                line.setblocking(False)
                with _closed_unless_lent(line):
                    await loop.sock_connect(line, target)
            else:
                ((family, *_, place), *_) = await loop.getaddrinfo(
                    where.host, where.port, type=socket.SOCK_STREAM
                )
                line = socket.socket(family, socket.SOCK_STREAM)
                line.setblocking(False)
                with _closed_unless_lent(line):
                    await loop.sock_connect(line, place)
        except OSError as exc:
            raise _NoAnswerError(NotScanned.AWAY, "clamd cannot be reached") from exc
        with line:
            yield line

    @property
    def troubles(self) -> tuple[str, ...]:
        """Return what stands in its way now: `scanner`, `scanner signatures`."""
        return tuple(sorted(what for what, active in self._standing.items() if active))

    def _stand(self, what: str, *, active: bool) -> None:
        if self._standing.get(what, False) != active:
            self._standing[what] = active
            observe.standing_warning(what=what, active=active)


@contextmanager
def _closed_unless_lent(line: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:
        line.close()
        raise


async def _send(line: socket.socket, chunks: AsyncIterator[bytes], size: int) -> bool:
    """Stream the file; False when clamd spoke before it had all of it."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(line, b"zINSTREAM\0")
    sent = 0
    async for chunk in chunks:
        for start in range(0, len(chunk), _CHUNK):
            part = chunk[start : start + _CHUNK]
            await loop.sock_sendall(line, struct.pack(">I", len(part)) + part)
            sent += len(part)
        if _spoke(line):
            return False
    if sent != size:
        # Fewer bytes than the file has: whatever is said of them is not about the file.
        raise _NoAnswerError(NotScanned.UNCLEAR, "the stored file has another length")
    if _spoke(line):
        return False
    await loop.sock_sendall(line, struct.pack(">I", 0))
    return True


def _spoke(line: socket.socket) -> bool:
    """Tell whether something lies in the socket, or it was closed."""
    try:
        line.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


async def _answer(line: socket.socket) -> bytes:
    """Return one answer, whole: up to its end mark, with nothing behind it, then hung up."""
    loop, told = asyncio.get_running_loop(), b""
    # Who refuses hangs up on what we still sent: a reset ends its answer like an end of file.
    with suppress(ConnectionError):
        while data := await loop.sock_recv(line, _ANSWER_BYTES):
            told += data
            if len(told) > _ANSWER_BYTES:
                raise _NoAnswerError(NotScanned.UNCLEAR, "an answer without an end")
    if told.count(b"\0") != 1 or not told.endswith(b"\0"):
        raise _NoAnswerError(NotScanned.UNCLEAR, "it hung up within its answer")
    return told[:-1]


def _read(unknown: Scan, told: bytes) -> Scan:
    """Return what an answer means. No session is used, so an answer bears no number."""
    if told == b"stream: OK":
        return replace(unknown, result=ScanResult.CLEAN)
    if told == _OVER:
        return replace(unknown, reason=NotScanned.TOO_LARGE)
    found = _FOUND.fullmatch(told)
    if found is None:
        return replace(unknown, reason=NotScanned.UNCLEAR)
    name = "".join(c if c.isprintable() else "?" for c in found[1].decode("utf-8", "replace"))
    for prefix, reason in _PARTLY:
        if name.startswith(prefix):
            return replace(unknown, reason=reason)
    return replace(unknown, result=ScanResult.INFECTED, signature=name[:120])


def _dated(version: str) -> datetime | None:
    parts = version.split("/", 2)
    if len(parts) != 3:
        return None
    try:
        # It writes its machine's own time without a zone; a few hours do not matter to its age.
        return datetime.strptime(" ".join(parts[2].split()), _DATED).replace(tzinfo=UTC)
    except ValueError:
        return None
