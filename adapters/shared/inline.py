"""Packets as base64 inside JSON, both ways, while they pass: memory does not grow with them.

Pure, no I/O: a crash leaves nothing behind.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Final

import pybase64

from adapters.shared.values import unreadable

MAX_FRAME_BYTES: Final = 64 * 1024
_BLANKS: Final = b" \t\r\n"


class Base64Member:
    r"""Takes JSON piece by piece: decodes the base64 text of one member, keeps the frame around it.

    The member may hold escapes (some writers put `=` as `\u003d`, `/` as `\/`) and line
    breaks. Base64 is strict. `found` tells whether it was there.

    Args:
        names: The member, as written in the JSON: the first of these that comes.
        max_frame: Longest text around it.
    """

    def __init__(self, *names: str, max_frame: int = MAX_FRAME_BYTES) -> None:
        known = b"|".join(re.escape(name.encode()) for name in names or ("data",))
        self._member = re.compile(rb'"(?:%b)"\s*:\s*"' % known)
        self._max_frame = max_frame
        self._frame = bytearray()
        self._state = "before"
        self._escape = b""
        self._quartet = b""
        self._padded = False

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the answer; return the packet bytes it completes."""
        if self._state == "before":
            self._frame += chunk
            found = self._member.search(self._frame)
            self._limit(found.end() if found else len(self._frame))
            if found is None:
                return b""
            chunk = bytes(self._frame[found.end() :])
            del self._frame[found.end() :]
            self._state = "inside"
        if self._state == "inside":
            return self._inside(chunk)
        self._frame += chunk
        self._limit(len(self._frame))
        return b""

    @property
    def found(self) -> bool:
        """Tell whether the member was there."""
        return self._state != "before"

    @property
    def inside(self) -> bool:
        """Tell whether what comes next is the member's text."""
        return self._state == "inside"

    @property
    def frame(self) -> bytes:
        """Return what came so far, without the member's text."""
        return bytes(self._frame)

    def close(self) -> bytes:
        """End of the JSON: return it with the member empty.

        Raises:
            UnavailableError: It was cut off.
        """
        if self._state == "inside":
            raise unreadable("the answer was cut off")
        if self._quartet:
            raise unreadable("the packet's base64 is cut off")
        return bytes(self._frame)

    def _limit(self, size: int) -> None:
        if size > self._max_frame:
            raise unreadable("the answer around the packet is too long")

    def _inside(self, chunk: bytes) -> bytes:
        end = chunk.find(b'"')
        if end >= 0:
            self._state = "after"
            self._frame += chunk[end:]
            self._limit(len(self._frame))
            chunk = chunk[:end]
        return self._decode(self._unescape(chunk, last=end >= 0))

    def _unescape(self, chunk: bytes, *, last: bool) -> bytes:
        text = self._escape + chunk
        self._escape = b""
        if b"\\" not in text:
            return text
        cut = text.rfind(b"\\", max(0, len(text) - 5))
        if (
            not last
            and cut >= 0
            and len(text) - cut < (6 if text[cut + 1 : cut + 2] == b"u" else 2)
        ):
            text, self._escape = text[:cut], text[cut:]
        try:
            return str(json.loads(b'"' + text + b'"')).encode("ascii")
        except ValueError as exc:
            raise unreadable("the packet's base64 is broken") from exc

    def _decode(self, text: bytes) -> bytes:
        text = self._quartet + text.translate(None, _BLANKS)
        whole = len(text) - len(text) % 4
        text, self._quartet = text[:whole], text[whole:]
        if not text:
            return b""
        if self._padded:
            raise unreadable("the packet's base64 goes on after its end")
        self._padded = text.endswith(b"=")
        try:
            return pybase64.b64decode(text, validate=True)
        except ValueError as exc:
            raise unreadable("the packet's base64 is broken") from exc


async def encoded(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield base64 of a stream; the pieces join to one text without line breaks."""
    rest = b""
    async for chunk in chunks:
        joined = rest + chunk
        whole = len(joined) - len(joined) % 3
        rest = joined[whole:]
        if whole:
            yield pybase64.b64encode(joined[:whole])
    if rest:
        yield pybase64.b64encode(rest)
