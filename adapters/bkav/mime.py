"""multipart/related while it streams: parts come in one by one, parts go out with a known length.

Promises: memory does not grow with a part; a body that breaks off, has no parts or no end is
refused and never looks whole; every bound is checked as the bytes come. Pure but for reading the
files of parts that go out. A crash leaves nothing behind.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message as MailHeaders
from email.utils import collapse_rfc2231_value
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pybase64

from gateway.codec.base64stream import Base64Decoder, base64_broken
from gateway.codec.refusal import over_limit
from gateway.codec.xmlsafe import malformed
from gateway.errors import RejectedError

MAX_HEAD_BYTES: Final = 16 * 1024
MAX_PREAMBLE_BYTES: Final = 64 * 1024
MAX_PARTS: Final = 201
_PADDING: Final = 100
_CRLF: Final = b"\r\n"
_SNIFF: Final = 64
_BASE64_TEXT: Final = re.compile(rb"[A-Za-z0-9+/=\r\n]+\Z")
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]\Z")
# The library's reading of these takes time that grows with the square of their length.
_LONGEST_TYPE: Final = 1024
_LONGEST_NAME: Final = 4096
_FILE_CHUNK: Final = 48 * 1024  # a multiple of three: base64 of chunks joins without padding


# ---------------------------------------------------------------- headers


@dataclass(frozen=True, slots=True)
class ContentType:
    """A Content-Type header: `type/subtype`, lower case, and its parameters."""

    media: str
    parameters: Mapping[str, str]

    def get(self, name: str) -> str:
        """Return a parameter, "" when absent."""
        return self.parameters.get(name, "")


def content_type(text: str) -> ContentType:
    """Read a Content-Type; one that is absent, or longer than any, has the media type ""."""
    if not text.strip() or len(text) > _LONGEST_TYPE:
        return ContentType("", {})
    mail = MailHeaders()
    mail["Content-Type"] = " ".join(text.split())
    pairs = mail.get_params(failobj=[]) or []
    found: dict[str, str] = {}
    for name, value in pairs[1:]:
        found.setdefault(name.lower(), collapse_rfc2231_value(value))
    media = pairs[0][0].strip().lower() if pairs else ""
    return ContentType(media, found)


def content_id(text: str) -> str:
    """Return a Content-ID or cid: reference without brackets, scheme and escapes."""
    told = text.strip()
    if told.startswith("<") and told.endswith(">"):
        told = told[1:-1]
    while told.lower().startswith("cid:"):
        told = told[4:]
    return unquote(told).strip()


@dataclass(frozen=True, slots=True)
class Part:
    """The head of one part; names of headers in lower case."""

    headers: Mapping[str, str]

    @property
    def id(self) -> str:
        """Its Content-ID, bare."""
        return content_id(self.headers.get("content-id", ""))

    @property
    def type(self) -> ContentType:
        """Its Content-Type."""
        return content_type(self.headers.get("content-type", ""))

    @property
    def encoding(self) -> str:
        """Its Content-Transfer-Encoding, lower case."""
        return self.headers.get("content-transfer-encoding", "").strip().lower()

    @property
    def name(self) -> str:
        """The file name it gives itself, "" for none.

        Raises:
            RejectedError: LIMIT_EXCEEDED.
        """
        mail = MailHeaders()
        for name in ("content-disposition", "content-type"):
            if name in self.headers:
                told = self.headers[name]
                if len(told) > _LONGEST_NAME:
                    raise over_limit(f"{name} (ký tự)", f"characters of {name}", _LONGEST_NAME)
                mail[name] = " ".join(told.split())
        return mail.get_filename("") or ""


# ---------------------------------------------------------------- coming in


class CutOffError(RejectedError):
    """The body ended before its last boundary: cut on the way, or its boundary is wrong."""


def _cut_off() -> CutOffError:
    told = malformed(
        "Thông điệp nhiều phần (multipart) bị cắt cụt hoặc sai boundary; hãy gửi lại.",
        "The multipart message is cut off or its boundary is wrong; send it again.",
    )
    return CutOffError(told.reason, told.public, findings=told.findings)


class Parts:
    """Reads a multipart body: `following`, then `data` of that part, and so on.

    Args:
        chunks: The body.
        boundary: Of its Content-Type.
        max_bytes: Largest body.

    Raises:
        RejectedError: From every method: MALFORMED or LIMIT_EXCEEDED.
    """

    def __init__(self, chunks: AsyncIterator[bytes], boundary: str, max_bytes: int) -> None:
        if not _BOUNDARY.match(boundary):
            raise malformed("Thiếu hoặc sai boundary.", "The boundary is missing or wrong.")
        self._chunks = chunks
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._max_bytes = max_bytes
        self._buffer = bytearray(_CRLF)  # so that a delimiter at the very start is one
        self._passed = 0
        self._count = 0
        self._begun = False
        self._inside = False
        self._last = False

    async def following(self) -> Part | None:
        """Return the head of the next part, None after the last; what is left of one is skipped."""
        if not self._begun:
            self._begun = True
            await self._preamble()
        async for _ in self.data():
            pass
        if self._last:
            while await self._fill():  # an epilogue says nothing
                self._buffer.clear()
            return None
        self._count += 1
        if self._count > MAX_PARTS:
            raise over_limit("số phần của thông điệp", "parts of the message", MAX_PARTS)
        part = Part(_headers(await self._head()))
        self._inside = True
        return part

    async def data(self) -> AsyncIterator[bytes]:
        """Yield the bytes of the present part as they stand."""
        if not self._inside:
            return
        async for piece in self._until_delimiter():
            yield piece
        self._inside = False

    async def _preamble(self) -> None:
        skipped = 0
        async for piece in self._until_delimiter():
            skipped += len(piece)
            if skipped > MAX_PREAMBLE_BYTES:
                raise _cut_off()
        if self._last:
            raise malformed("Thông điệp không có phần nào.", "The message has no parts.")

    async def _until_delimiter(self) -> AsyncIterator[bytes]:
        start = 0
        while True:
            at = self._buffer.find(self._delimiter, start)
            if at < 0:
                ready = len(self._buffer) - len(self._delimiter) + 1
                if ready > 0:
                    piece = bytes(self._buffer[:ready])
                    del self._buffer[:ready]
                    yield piece
                start = 0
                if not await self._fill():
                    raise _cut_off()
                continue
            end = await self._line_end(at + len(self._delimiter))
            if end == 0:  # another text that begins like it
                start = at + 1
                continue
            piece = bytes(self._buffer[:at])
            del self._buffer[:end]
            if piece:
                yield piece
            return

    async def _line_end(self, at: int) -> int:
        """Return where the delimiter's line ends, 0 when it is none."""
        while len(self._buffer) < at + 2:
            if not await self._fill():
                raise _cut_off()
        if self._buffer[at : at + 2] == b"--":
            self._last = True
            return at + 2
        end = at
        while True:
            if len(self._buffer) < end + 2:
                if not await self._fill():
                    raise _cut_off()
            elif self._buffer[end : end + 2] == _CRLF:
                return end + 2
            elif self._buffer[end] in b" \t" and end - at < _PADDING:
                end += 1
            else:
                return 0

    async def _head(self) -> bytes:
        while not self._buffer.startswith(_CRLF):  # otherwise a part without headers
            end = self._buffer.find(b"\r\n\r\n")
            if max(end, len(self._buffer) if end < 0 else 0) > MAX_HEAD_BYTES:
                raise over_limit("phần đầu (byte)", "bytes of a part's head", MAX_HEAD_BYTES)
            if end >= 0:
                head = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                break
            if not await self._fill():
                raise _cut_off()
        else:
            head = b""
        # The blank line after the head: in an empty part it is the delimiter's as well.
        while len(self._buffer) < len(self._delimiter):
            if not await self._fill():
                raise _cut_off()
        if not self._buffer.startswith(self._delimiter):
            del self._buffer[: len(_CRLF)]
        return head

    async def _fill(self) -> bool:
        chunk = await anext(self._chunks, None)
        if chunk is None:
            return False
        self._passed += len(chunk)
        if self._passed > self._max_bytes:
            raise over_limit("kích thước thông điệp (byte)", "message bytes", self._max_bytes)
        self._buffer += chunk
        return True


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    unfolded = re.sub(rb"\r\n[ \t]+", b" ", head)
    for line in unfolded.split(_CRLF) if unfolded else ():
        name, colon, value = line.partition(b":")
        key = name.strip().decode("latin-1").lower()
        if not colon or not key:
            raise malformed("Phần đầu MIME sai.", "A MIME header is wrong.")
        if key in found:
            raise malformed(
                f"Phần đầu MIME {key[:40]} lặp lại.", f"The MIME header {key[:40]} stands twice."
            )
        found[key] = value.strip().decode("utf-8", "replace")
    return found


async def content(part: Part, data: AsyncIterator[bytes], where: str) -> AsyncIterator[bytes]:
    """Yield the file inside a part: its transfer encoding and Bkav's base64 text undone.

    What begins as base64 text must be that to its end. No format that is exchanged begins with 64
    characters of base64's alphabet: PDF, zip and the old office formats have others at once. Under
    a base64 encoding less than that says nothing: it may be a short text.

    Raises:
        RejectedError: BASE64_BROKEN, or MALFORMED for an encoding that is not used here.
    """
    encoding = part.encoding
    if encoding not in {"", "7bit", "8bit", "binary", "base64"}:
        raise malformed(
            f"Content-Transfer-Encoding {encoding[:40]} không được dùng.",
            f"The Content-Transfer-Encoding {encoding[:40]} is not used here.",
            where,
        )
    inner = data
    if encoding == "base64":
        inner = _plain(data, where)
    head = b""
    async for chunk in inner:
        head += chunk
        if len(head) >= _SNIFF:
            break
    is_text = _BASE64_TEXT.match(head[:_SNIFF]) is not None
    if len(head) < _SNIFF and encoding == "base64":
        is_text = False
    whole = _after(head, inner)
    async for piece in _plain(whole, where) if is_text else whole:
        yield piece


async def _after(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in rest:
        yield chunk


async def _plain(text: AsyncIterator[bytes], where: str) -> AsyncIterator[bytes]:
    """Yield what a base64 text says."""
    decoder = Base64Decoder(where)
    async for chunk in text:
        try:
            piece = decoder.feed(chunk.decode("ascii"))
        except UnicodeDecodeError as exc:
            raise base64_broken(
                where, "có ký tự ngoài bảng mã base64", "characters outside the alphabet"
            ) from exc
        if piece:
            yield piece
    decoder.close()


# ---------------------------------------------------------------- going out


async def paced(pieces: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield pieces that are read from files, without holding anybody else up meanwhile."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


@dataclass(frozen=True, slots=True)
class File:
    """A file that goes out as a part."""

    content_id: str
    content_type: str
    path: Path
    size_bytes: int


class Multipart:
    """A multipart/related body going out: its length is known before its first byte.

    Args:
        boundary: Fresh and random.
        root: The SOAP envelope.
        root_type: Its Content-Type.
        files: Written as base64 text, as Bkav's partners read them.
    """

    ROOT_ID: Final = "root.message@vanlien"

    def __init__(self, boundary: str, root: bytes, root_type: str, files: Sequence[File]) -> None:
        self._boundary = boundary
        self._root = root
        self._root_type = root_type
        self._files = files

    @property
    def content_type(self) -> str:
        """Return the Content-Type of the whole."""
        media = self._root_type.partition(";")[0]
        return (
            f'multipart/related; boundary="{self._boundary}"; type="{media}"; '
            f'start="<{self.ROOT_ID}>"'
        )

    @property
    def size_bytes(self) -> int:
        """Return the length of the body."""
        size = len(self._head(self.ROOT_ID, self._root_type)) + len(self._root)
        for file in self._files:
            size += len(self._head(file.content_id, file.content_type)) + 2
            size += (file.size_bytes + 2) // 3 * 4
        return size + len(self._end)

    def pieces(self) -> Iterator[bytes]:
        """Yield the body."""
        yield self._head(self.ROOT_ID, self._root_type) + self._root
        for file in self._files:
            yield _CRLF + self._head(file.content_id, file.content_type)
            with file.path.open("rb") as source:
                while data := source.read(_FILE_CHUNK):
                    yield pybase64.b64encode(data)
        yield self._end

    @property
    def _end(self) -> bytes:
        return f"\r\n--{self._boundary}--\r\n".encode()

    def _head(self, part_id: str, part_type: str) -> bytes:
        # "binary" and not "base64": the text itself is what Bkav's partners decode.
        return (
            f"--{self._boundary}\r\nContent-Type: {part_type}\r\n"
            f"Content-Transfer-Encoding: binary\r\nContent-ID: <{part_id}>\r\n\r\n"
        ).encode()
