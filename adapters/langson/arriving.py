"""The packet inside a getEdoc answer: the text of `edxml`, while it arrives.

Promises: memory grows neither with the packet nor with the files beside it, which are in the packet
already and are skipped; an answer that is a failure, broken or cut off is UnavailableError, and
what was yielded before is void. A crash leaves nothing behind.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Final

import pybase64

from adapters.langson import wire
from adapters.langson.declared import Declared
from adapters.shared.jsonstream import BrokenJsonError, JsonStream
from adapters.shared.values import keepable, unreadable

_TEXT: Final = ("data", "edxml")
_FILE: Final = ("data", "attachments", "*", "fileContent")
_BLANKS: Final = b" \t\r\n"
_MAX_FRAME: Final = 1024 * 1024
_HELD_FILES: Final = b"ContentTransferEncoded"


async def packet_of(
    body: AsyncIterator[bytes], unsaid: Callable[[str], str] = str
) -> AsyncGenerator[bytes, None]:
    """Yield the packet of a getEdoc answer.

    Args:
        body: The answer as it comes.
        unsaid: Takes our secrets out of the peer's words.

    Raises:
        UnavailableError: There is none in it, or not all of one.
    """
    reader = JsonStream({_TEXT, _FILE}, max_frame=_MAX_FRAME)
    text, said, watch = _Text(), Declared(), _Watch()
    whole, files = False, False
    try:
        async for chunk in body:
            for piece in reader.feed(chunk):
                if piece.path == _FILE:
                    files = files or bool(piece.data)
                    continue
                whole = whole or piece.last
                if data := said.feed(text.feed(piece.data, last=piece.last), last=piece.last):
                    watch.see(data)
                    yield data
        answer = wire.judged(keepable(reader.close()))
    except BrokenJsonError as exc:
        raise unreadable(f"getEdoc: {exc}") from exc
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.code}: {unsaid(answer.text)}")
    if not whole:
        raise unreadable("the answer has no edxml")
    if files and not watch.seen:
        # Taking the packet alone would lose the files, and acknowledging it lose them for good.
        raise unreadable("the files stand beside the packet and not in it")


class _Watch:
    """Tells whether the packet holds contents of files, whatever the chunks."""

    def __init__(self) -> None:
        self._tail = b""
        self.seen = False

    def see(self, data: bytes) -> None:
        """Look at the next bytes."""
        if not self.seen:
            self.seen = _HELD_FILES in self._tail + data
            self._tail = (self._tail + data)[-len(_HELD_FILES) :]


class _Text:
    """The text of `edxml`: XML as it is, or base64 of it."""

    def __init__(self) -> None:
        self._waiting = b""
        self._plain: bool | None = None
        self._padded = False

    def feed(self, data: bytes, *, last: bool) -> bytes:
        """Take bytes of the text; return bytes of the packet."""
        if self._plain is None:
            self._waiting += data
            head = self._waiting.removeprefix(b"\xef\xbb\xbf").lstrip()
            if not head and not last:
                return b""
            self._plain = head.startswith(b"<")
            data, self._waiting = self._waiting, b""
        return data if self._plain else self._decoded(data, last=last)

    def _decoded(self, data: bytes, *, last: bool) -> bytes:
        text = self._waiting + data.translate(None, _BLANKS)
        whole = len(text) - len(text) % 4
        text, self._waiting = text[:whole], text[whole:]
        if self._padded and (text or self._waiting):
            raise unreadable("the base64 of edxml goes on after its end")
        self._padded = self._padded or text.endswith(b"=")
        try:
            packet: bytes = pybase64.b64decode(text, validate=True)
        except ValueError as exc:
            raise unreadable("edxml is neither XML nor base64") from exc
        if last and self._waiting:
            raise unreadable("the base64 of edxml is cut off")
        return packet
