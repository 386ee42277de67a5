"""A document on its way in: a multipart file (`/v1`) or a text inside JSON (`/api/lgspedoc`).

Promises: memory does not grow with the document; what stands behind it in the body (its kind, the
secret key) is looked at before its last byte is handed on, so that nothing is accepted which the
end of the body contradicts; one file and no more. A crash leaves nothing behind.
"""

import asyncio
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, Protocol, TypeVar, cast

import aiohttp
from aiohttp import BodyPartReader, MultipartReader, parse_content_disposition, web

from adapters.langson.declared import Declared
from adapters.shared.jsonstream import MAX_FRAME, BrokenJsonError, JsonStream
from adapters.shared.serving import SILENCE_S, body, fell_silent
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Caller, MessageKind

T = TypeVar("T")

CONTENT: Final = "edocContent"
FILE: Final = "edocFile"
KIND: Final = "messageType"
# So much is read before the kind must be known. A status is far shorter: all of it is read.
PEEK_BYTES: Final = 64 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_FIELD_BYTES: Final = 16 * 1024
_PARTS: Final = 32
_PLAIN_ENCODINGS: Final = frozenset({"", "binary", "7bit", "8bit"})


class FileRefusedError(RejectedError):
    """The file is missing or not alone: code 10 of rules C7 (file invalid)."""

    axis: Final = "10"


class Coming(Protocol):
    """A body with a document in it."""

    @property
    def fields(self) -> Mapping[str, str]:
        """Return the other members that have come so far; all of them once `pieces` has ended."""
        ...

    def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the document.

        Raises:
            RejectedError: The body is not what it should be.
            UnavailableError: It broke off.
        """
        ...


def coming_by(request: web.Request, max_bytes: int, *, multipart: bool) -> Coming:
    """Return the body of a sending.

    Raises:
        RejectedError: It is of another kind, or too large.
    """
    if multipart:
        return _Form(request, max_bytes)
    return _Json(request, max_bytes)


class _Json:
    def __init__(self, request: web.Request, max_bytes: int) -> None:
        if (request.content_length or 0) > 2 * max_bytes + MAX_FRAME:
            raise too_large(max_bytes)
        self._request = request
        self._max_bytes = max_bytes
        self._reader = JsonStream({(CONTENT,)})

    @property
    def fields(self) -> Mapping[str, str]:
        return self._reader.strings

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        passed, found, text = 0, False, Declared()
        try:
            async for chunk in body(self._request):
                for piece in self._reader.feed(chunk):
                    found = found or piece.last
                    passed += len(piece.data)
                    if passed > self._max_bytes:
                        raise too_large(self._max_bytes)
                    if data := text.feed(piece.data, last=piece.last):
                        yield data
            whole = self._reader.close()
        except BrokenJsonError as exc:
            raise RejectedError(Reason.BAD_REQUEST, f"the body cannot be read: {exc}") from exc
        if not isinstance(whole, dict):
            raise RejectedError(Reason.BAD_REQUEST, "the body is no JSON object")
        if not found or not passed:
            raise FileRefusedError(Reason.BAD_REQUEST, f"{CONTENT} is missing or empty")


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


class _Form:
    def __init__(self, request: web.Request, max_bytes: int) -> None:
        if (request.content_length or 0) > max_bytes + _PARTS * _FIELD_BYTES:
            raise too_large(max_bytes)
        if request.content_type != "multipart/form-data":
            raise FileRefusedError(
                Reason.BAD_REQUEST, f"send multipart/form-data with {FILE} and {KIND}"
            )
        self._request = request
        self._max_bytes = max_bytes
        self._fields: dict[str, str] = {}

    @property
    def fields(self) -> Mapping[str, str]:
        return self._fields

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            reader = _Parts(self._request.headers, self._request.content)
        except (ValueError, AssertionError) as exc:
            raise _malformed("the boundary is missing or wrong") from exc
        passed, files, parts = 0, 0, 0
        while (part := await self._next(reader)) is not None:
            parts += 1
            if parts > _PARTS:
                raise _malformed(f"more than {_PARTS} parts")
            if part.name != FILE:
                await self._field(part)
                continue
            files += 1
            if files > 1:
                raise FileRefusedError(Reason.BAD_REQUEST, f"more than one {FILE}")
            async for chunk in _chunks(part):
                passed += len(chunk)
                if passed > self._max_bytes:
                    raise too_large(self._max_bytes)
                yield chunk
        if not passed:
            raise FileRefusedError(Reason.BAD_REQUEST, f"{FILE} is missing or empty")

    async def _next(self, reader: MultipartReader) -> BodyPartReader | None:
        part = await _parsed(reader.next())
        if isinstance(part, MultipartReader):
            raise _malformed("a part may not be multipart itself")
        if part is not None:
            encoding = part.headers.get("Content-Transfer-Encoding", "").lower()
            if encoding not in _PLAIN_ENCODINGS:
                raise _malformed("send the file as bytes, without Content-Transfer-Encoding")
        return part

    async def _field(self, part: BodyPartReader) -> None:
        data = bytearray()
        async for chunk in _chunks(part):
            data += chunk
            if len(data) > _FIELD_BYTES:
                raise _malformed("a field is too long, or a second file")
        name = part.name or ""
        text = data.decode("utf-8", "replace")
        if self._fields.setdefault(name, text) != text:
            raise _malformed("a field stands twice with two values")


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while not part.at_eof():
        if data := await _parsed(part.read_chunk(_CHUNK_BYTES)):
            yield data


async def _parsed(reading: Awaitable[T]) -> T:
    """Await a step of the multipart reader; its complaints become errors of ours."""
    try:
        async with asyncio.timeout(SILENCE_S):
            return await reading
    except TimeoutError as exc:
        raise fell_silent() from exc
    except (web.RequestPayloadError, ConnectionError) as exc:
        raise UnavailableError(
            Reason.UNAVAILABLE, "the connection broke while the file was arriving; send it again"
        ) from exc
    except (ValueError, AssertionError, RuntimeError, aiohttp.http.HttpProcessingError) as exc:
        raise _malformed(
            "a boundary or a part's headers are broken, or the end is missing"
        ) from exc


def _malformed(what: str) -> RejectedError:
    return RejectedError(Reason.BAD_REQUEST, f"the multipart body cannot be read: {what}")


def too_large(max_bytes: int) -> RejectedError:
    """Return the refusal of a document beyond the limit."""
    return RejectedError(Reason.TOO_LARGE, f"the document is larger than {max_bytes} bytes")


# ---------------------------------------------------------------- what it is, and whose


Knowing = Callable[[Mapping[str, str]], Caller]
"""Returns who calls, given the members of the body that have come; raises what is wrong."""
Taking = Callable[[Caller, MessageKind, AsyncIterator[bytes]], Awaitable[T]]


async def taken(coming: Coming, knowing: Knowing, take: Taking[T]) -> T:
    """Find out whose document is coming and of what kind, and hand it on while it comes.

    Raises:
        RejectedError: The body is wrong, or its end contradicts its beginning.
    """
    async with aclosing(coming.pieces()) as pieces:
        head = bytearray()
        ended = True
        async for piece in pieces:
            head += piece
            if len(head) >= PEEK_BYTES:
                ended = False
                break
        kind = _kind(coming.fields)
        caller = knowing(coming.fields)

        async def whole() -> AsyncIterator[bytes]:
            yield bytes(head)
            if ended:
                return
            held = b""
            async for piece in pieces:
                if held:
                    yield held
                held = piece
            # The last of it is kept back until the members behind it have been looked at.
            same = knowing(coming.fields).system_id == caller.system_id
            if not same or _kind(coming.fields) != kind:
                raise RejectedError(
                    Reason.BAD_REQUEST,
                    f"{KIND}, systemId and secretKey of a document this long stand before it",
                )
            if held:
                yield held

        return await take(caller, kind, whole())


def _kind(fields: Mapping[str, str]) -> MessageKind:
    given: Any = fields.get(KIND, "").strip().lower() or "edoc"
    if given not in {"edoc", "status"}:
        raise RejectedError(Reason.BAD_REQUEST, f"{KIND} must be edoc or status")
    return cast("MessageKind", given)
