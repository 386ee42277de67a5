"""Request bodies under limits: size, pace, silence; whole small ones, streamed large ones, forms.

Nothing is buffered beyond one chunk (the connection stops reading while nobody takes it). When the
client goes away or sends rubbish, the reader raises, so that whoever writes the bytes drops them;
this module keeps nothing itself.
"""

import asyncio
import re
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from urllib.parse import unquote

from aiohttp import (
    BodyPartReader,
    MultipartReader,
    StreamReader,
    parse_content_disposition,
    web,
)
from aiohttp.http_exceptions import HttpProcessingError

from gateway.errors import Reason, RejectedError
from gateway.ports import FormFile
from gateway.web.problems import WebReason, WebRefusalError

T = TypeVar("T")

CHUNK_BYTES: Final = 1 << 16
# What XML 1.0 cannot carry, line breaks and unpaired surrogates (bytes that were not UTF-8).
_UNSPEAKABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_ENCODED: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")
_PLAIN_ENCODINGS: Final = frozenset({"", "binary", "7bit", "8bit"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and all requests together may take.

    Args:
        max_packet_bytes: Body of a submission.
        max_json_bytes: A JSON body or the metadata part of a form.
        max_files: Files of one form.
        max_header_bytes: One header line (an old client lists every recipient in one).
        in_flight: Requests handled at one time.
        in_flight_per_caller: The same of one caller, so that none starves the others.
        coming_bytes: Bytes of all bodies under way together; one caller has three quarters.
        idle_s: Longest silence while a body comes in or an answer goes out.
        pace_grace_s: After this, an upload must keep the least pace.
        pace_bytes_s: Least pace of an upload.
        keepalive_s: Longest time between requests, and for a request line and headers to come in.
        shutdown_s: How long requests may still run when the server closes.
        streams: Streams of events open at one time.
        streams_per_caller: The same of one caller.
        heartbeat_s: Longest silence in a stream of events.
    """

    max_packet_bytes: int = 512 << 20
    max_json_bytes: int = 256 << 10
    max_files: int = 200
    max_header_bytes: int = 32 << 10
    in_flight: int = 512
    in_flight_per_caller: int = 128
    coming_bytes: int = 8 << 30
    idle_s: float = 30.0
    pace_grace_s: float = 60.0
    pace_bytes_s: float = 4096.0
    keepalive_s: float = 75.0
    shutdown_s: float = 30.0
    streams: int = 1000
    streams_per_caller: int = 8
    heartbeat_s: float = 15.0


class Body:
    """One request body being read; enough of a StreamReader for aiohttp's multipart reader.

    Raises (every reading method):
        RejectedError: TOO_LARGE over the limit; BAD_REQUEST when the client broke off.
        WebRefusalError: REQUEST_TIMEOUT when it fell silent or below the least pace.
    """

    def __init__(self, request: web.Request, limits: Limits, max_bytes: int) -> None:
        encoding = request.headers.get("Content-Encoding", "identity")
        if encoding.lower() != "identity":
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                "Content-Encoding is not taken here: send the bytes as they are",
                "Không nhận Content-Encoding: hãy gửi nguyên nội dung",
            )
        if (request.content_length or 0) > max_bytes:
            raise _too_large(max_bytes)
        self._request = request
        self._content: StreamReader = request.content
        self._limits = limits
        self._max_bytes = max_bytes
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._awaited = request.headers.get("Expect", "").lower() == "100-continue"

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        while data := await self._take(self._content.readany()):
            yield data

    async def whole(self) -> bytes:
        """Return a small body."""
        return b"".join([data async for data in self.chunks()])

    async def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes."""
        return await self._take(self._content.read(size))

    async def readline(self, *, max_line_length: int | None = None) -> bytes:
        """Return one line."""
        return await self._take(self._content.readline(max_line_length=max_line_length))

    def unread_data(self, data: bytes) -> None:
        """Put bytes back; the multipart reader does."""
        self._content.unread_data(data)

    def at_eof(self) -> bool:
        """Say whether all was read."""
        return self._content.at_eof()

    async def _take(self, reading: Awaitable[bytes]) -> bytes:
        try:
            if self._awaited:
                # Only now: whoever is refused before never sends the body.
                self._awaited = False
                await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._request.writer.output_size = 0
            async with asyncio.timeout(self._limits.idle_s):
                data = await reading
        except TimeoutError as late:
            raise WebRefusalError(WebReason.REQUEST_TIMEOUT) from late
        except (web.RequestPayloadError, ConnectionError) as broken:
            raise RejectedError(
                Reason.BAD_REQUEST, "The body broke off before its end; nothing was taken"
            ) from broken
        self._weigh()
        return data

    def _weigh(self) -> None:
        taken = self._content.total_bytes
        if taken > self._max_bytes:
            raise _too_large(self._max_bytes)
        elapsed_s = self._loop.time() - self._began
        if elapsed_s > self._limits.pace_grace_s and taken < elapsed_s * self._limits.pace_bytes_s:
            raise WebRefusalError(WebReason.REQUEST_TIMEOUT)


def _too_large(max_bytes: int) -> RejectedError:
    return RejectedError(
        Reason.TOO_LARGE, f"The body is larger than the {max_bytes} bytes taken here"
    )


class _Parts(MultipartReader):
    """The library's reader, which would print a wrong disposition, file name and all."""

    async def fetch_next_part(self) -> MultipartReader | BodyPartReader:
        """Return the next part; ValueError when its Content-Disposition cannot be read."""
        part = await super().fetch_next_part()
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            kind, _ = parse_content_disposition(part.headers.get("Content-Disposition"))
        if complaints or kind != "form-data":
            raise ValueError("Content-Disposition")
        return part


class Form:
    """A `multipart/form-data` body: `metadata` (JSON) first, then `file`…, main document first."""

    def __init__(self, request: web.Request, body: Body, limits: Limits) -> None:
        self._limits = limits
        try:
            self._reader = _Parts(request.headers, cast("StreamReader", body))
        except (ValueError, AssertionError) as exc:
            raise _malformed("the boundary is missing or wrong") from exc

    async def metadata(self) -> bytes:
        """Return the bytes of the part `metadata`, which comes first; see `first`."""
        return await self.first("metadata", "hold JSON")

    async def first(self, name: str, what: str) -> bytes:
        """Return the first part's bytes.

        Raises:
            RejectedError: MALFORMED when the first part has another name; TOO_LARGE.
        """
        part = await self._next()
        if part is None or part.name != name:
            raise _malformed(f"the first part must be named '{name}' and {what}")
        data = bytearray()
        async for chunk in self._chunks(part):
            data += chunk
            if len(data) > self._limits.max_json_bytes:
                raise _too_large(self._limits.max_json_bytes)
        return bytes(data)

    async def files(self, *, unchosen: bool = False) -> AsyncGenerator[FormFile, None]:
        """Yield each file; its chunks must be taken before the next one, or they are skipped.

        Args:
            unchosen: A nameless part of no bytes is a browser's field where nothing was chosen.

        Raises:
            RejectedError: MALFORMED for another part, a nameless file or a broken body;
                LIMIT_EXCEEDED for too many.
        """
        count = 0
        while (part := await self._next()) is not None:
            count += 1
            if count > self._limits.max_files:
                raise RejectedError(
                    Reason.LIMIT_EXCEEDED, f"More than {self._limits.max_files} files in one form"
                )
            if part.name != "file":
                raise _malformed(f"part {count + 1} is not named 'file'")
            if unchosen and not part.filename and not [b async for b in self._chunks(part)]:
                continue
            yield FormFile(
                name=_file_name(part, count),
                content_type=part.headers.get("Content-Type", "application/octet-stream"),
                chunks=self._chunks(part),
                description=_printable(part.headers.get("Content-Description", "")),
            )

    async def _next(self) -> BodyPartReader | None:
        part = await _parsed(self._reader.next())
        if isinstance(part, MultipartReader):
            raise _malformed("a part may not be multipart itself")
        if part is not None:
            encoding = part.headers.get("Content-Transfer-Encoding", "").lower()
            if encoding not in _PLAIN_ENCODINGS:
                raise _malformed("send files as bytes, without Content-Transfer-Encoding")
        return part

    async def _chunks(self, part: BodyPartReader) -> AsyncIterator[bytes]:
        while not part.at_eof():
            if data := await _parsed(part.read_chunk(CHUNK_BYTES)):
                yield data


async def _parsed(reading: Awaitable[T]) -> T:
    """Await a step of the multipart reader; its complaints become a refusal of ours."""
    try:
        return await reading
    except (ValueError, AssertionError, RuntimeError, HttpProcessingError) as exc:
        raise _malformed(
            "a boundary or a part's headers are broken, or its end is missing"
        ) from exc


def _malformed(what: str) -> RejectedError:
    return RejectedError(Reason.MALFORMED, f"The multipart form cannot be read: {what}")


def _printable(value: str) -> str:
    return "" if _UNSPEAKABLE.search(value) else value


def _file_name(part: BodyPartReader, number: int) -> str:
    """Return the name as the sender meant it; it is never a path for us (the codec cleans it)."""
    name = part.filename or ""
    # RFC 7578 section 2: names may come percent-encoded; "100%.pdf" is not, and stays.
    if _ENCODED.fullmatch(name):
        with suppress(UnicodeDecodeError):
            name = unquote(name, errors="strict")
    if not name or _UNSPEAKABLE.search(name):
        raise _malformed(f"file {number} has no readable filename")
    return name
