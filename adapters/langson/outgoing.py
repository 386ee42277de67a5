"""A packet on its way out: inside JSON, its attachments once more beside it as base64 files.

Promises: memory does not grow with the packet: it is read twice, once for its text and once for its
files; what breaks off is cut, so that it cannot look whole. A crash leaves nothing behind.
"""

import json
import struct
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final

import pybase64

from adapters.shared.jsonstream import quoted
from gateway.codec.limits import Limits
from gateway.codec.split import NullSink, Part, Skeleton, Splitter
from gateway.codec.tree import Node
from gateway.codec.unwrap import MAGIC
from gateway.errors import RejectedError
from gateway.ports import Packet

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
# Flags and method as `codec.unwrap.wrap` writes them: sizes behind the data, UTF-8, deflated.
_OUR_ZIP: Final = b"\x08\x08\x08\x00"
# What we hand out passed our limits when it came, whatever they were then.
OWN_LIMITS: Final = Limits(packet_bytes=1 << 40, header_bytes=1 << 40, unwrapped_bytes=1 << 40)
_FEED_BYTES: Final = 16 * 1024
_WRAPPED: Final = "application/zip"

Fetch = Callable[[], Awaitable[Packet]]


async def answer(packet: Packet, fetch: Fetch, item_id: str) -> AsyncGenerator[bytes, None]:
    """Yield the getEdoc answer of an item.

    Args:
        packet: Its packet; closed whatever happens once this has begun.
        fetch: Returns the packet again, for its files.
        item_id: Its docId.
    """
    splitter = Splitter(OWN_LIMITS, NullSink())
    skeleton: Skeleton | None = None
    yield b'{"success":true,"code":200,"message":"OK","data":{"docId":' + _json(item_id)
    yield b',"edxml":"'
    readable = True
    async with aclosing(packet_chunks(packet)) as chunks:
        async for chunk in chunks:
            yield quoted(chunk)
            readable = readable and _fed(splitter, chunk)
    if readable:
        skeleton = _closed(splitter)
    yield b'"'
    for name, value in _head(skeleton).items():
        yield b"," + _json(name) + b":" + _json(value)
    if skeleton is not None:
        yield b',"attachments":['
        if skeleton.parts:
            async with aclosing(_files(fetch, skeleton.parts)) as pieces:
                async for piece in pieces:
                    yield piece
        yield b"]"
    yield b"}}"


async def packet_chunks(packet: Packet) -> AsyncGenerator[bytes, None]:
    """Yield a packet's chunks and let go of it."""
    try:
        async for chunk in packet.chunks:
            yield chunk
    finally:
        close = getattr(packet.chunks, "aclose", None)
        if close is not None:
            await close()


def _json(value: Any) -> bytes:
    return json.dumps(value).encode("ascii")


def _fed(splitter: Splitter, chunk: bytes) -> bool:
    """Show the splitter a chunk; a packet it cannot read goes out all the same, alone."""
    try:
        splitter.feed(chunk)
    except RejectedError:
        return False
    return True


def _closed(splitter: Splitter) -> Skeleton | None:
    try:
        return splitter.close()
    except RejectedError:
        return None


def _head(skeleton: Skeleton | None) -> dict[str, str]:
    """Return what the answer says about the packet beside it."""
    if skeleton is None:
        return {"from": "", "fromName": "", "edocCode": "", "edocAbstract": ""}
    message = skeleton.layout.message
    number = text_at(message, "Code", "CodeNumber")
    notation = text_at(message, "Code", "CodeNotation")
    return {
        "from": text_at(message, "From", "OrganId"),
        "fromName": text_at(message, "From", "OrganName"),
        "edocCode": "/".join(filter(None, (number, notation))),
        "edocAbstract": text_at(message, "Subject"),
    }


def text_at(node: Node, *path: str) -> str:
    """Return the text at the end of a path of elements, "" when there is none."""
    for name in path:
        found = next((child for child in node.children if child.local == name), None)
        if found is None:
            return ""
        node = found
    return node.whole_text().strip()


# ---------------------------------------------------------------- attachments


async def _files(fetch: Fetch, parts: tuple[Part, ...]) -> AsyncGenerator[bytes, None]:
    """Yield the elements of `attachments`, from a second reading of the packet."""
    files = _Files(parts)
    splitter = Splitter(OWN_LIMITS, files)
    async with aclosing(packet_chunks(await fetch())) as chunks:
        async for chunk in chunks:
            # Little at a time: a file of zeros becomes a thousand times as long here.
            for start in range(0, len(chunk), _FEED_BYTES):
                splitter.feed(chunk[start : start + _FEED_BYTES])
                if files.ready:
                    yield files.drained()
    splitter.close()
    yield files.drained()


class _Files:
    """A sink that turns attachments into JSON."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = parts
        self._first = True
        self._zip: _Unzip | None = None
        self._rest = b""
        self.ready = bytearray()

    def drained(self) -> bytes:
        """Return what is ready and forget it."""
        data = bytes(self.ready)
        self.ready.clear()
        return data

    def begin(self, index: int) -> None:
        """Attachment `index` starts."""
        part = self._parts[index]
        self._zip = _Unzip() if _wrapped(part) else None
        self.ready += (b"" if self._first else b",") + b'{"fileName":' + _json(part.name)
        self.ready += b',"fileContent":"'
        self._first = False

    def write(self, data: bytes) -> None:
        """Take decoded bytes."""
        joined = self._rest + (data if self._zip is None else self._zip.feed(data))
        whole = len(joined) - len(joined) % 3
        self._rest = joined[whole:]
        self.ready += pybase64.b64encode(joined[:whole])

    def end(self) -> None:
        """The attachment is complete."""
        self.ready += pybase64.b64encode(self._rest) + b'"}'
        self._rest = b""


def _wrapped(part: Part) -> bool:
    """Tell whether our emitter put a zip around this file (spec/edxml.md 3.5)."""
    named = text_at(part.node, "ContentType").lower() == _WRAPPED
    ours = part.head[:4] == MAGIC and part.head[6:10] == _OUR_ZIP
    return named and ours and not part.name.lower().endswith(".zip")


class _Unzip:
    """Undoes, forward only, the single-entry zip our emitter writes around a file."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._inflate: Any = None

    def feed(self, data: bytes) -> bytes:
        """Take bytes of the zip; return bytes of the file."""
        if self._inflate is None:
            self._waiting += data
            if len(self._waiting) < _LOCAL.size:
                return b""
            *_, name, extra = _LOCAL.unpack_from(self._waiting)
            begin = _LOCAL.size + name + extra
            if len(self._waiting) < begin:
                return b""
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            data = bytes(self._waiting[begin:])
            self._waiting.clear()
        if self._inflate.eof:
            return b""
        inflated: bytes = self._inflate.decompress(data)
        return inflated
