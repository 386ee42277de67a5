"""The packet inside a POST of a document, while it arrives, and the words around it.

Clients of this API were generated from a description nobody published, so the packet is taken in
every form generators make of "a base64 text and a kind": a JSON object, a JSON text, a form, plain
base64; raw edXML as well. Promises: memory does not grow with the packet; what is no packet is the
sender's to mend (RejectedError), what broke off on its way is to be sent again. A crash leaves
nothing behind.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, unquote_to_bytes

from adapters.shared.inline import MAX_FRAME_BYTES, Base64Member
from adapters.shared.values import text_of
from adapters.wso2 import wire
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import MessageKind

# A status is a few thousand bytes; so much of a packet waits for the word that tells its kind.
_WAITING_BYTES: Final = 64 * 1024
_FORM: Final = "application/x-www-form-urlencoded"
_RAW: Final = frozenset({"application/octet-stream", "application/xml", "text/xml"})
_PLAIN: Final = frozenset({"text/plain"})
_BLANKS: Final = b" \t\r\n"


class Intake:
    """One POST of a document: first `kind`, then `packet`.

    Args:
        body: As it arrives.
        content_type: Of the body, without parameters; "" where none is said: JSON.
        kind: What query and headers say it is, None when they say nothing.
        max_bytes: Largest packet.

    Raises:
        RejectedError: BAD_REQUEST: no packet is taken in this type of body.
    """

    def __init__(
        self,
        body: AsyncIterator[bytes],
        content_type: str,
        kind: MessageKind | None,
        max_bytes: int,
    ) -> None:
        self._body = body
        self._form = _form_of(content_type.strip().lower())
        self._kind = kind
        self._max_bytes = max_bytes
        self._held: list[bytes] = []
        self._passed = 0
        self._came = 0
        self._ended = False

    async def kind(self) -> MessageKind:
        """Return what it is, as soon as that is said; a document where nothing says it.

        Raises:
            RejectedError: It is something else, or no packet.
            UnavailableError: The connection broke.
        """
        while self._kind is None and not self._ended and self._passed <= _WAITING_BYTES:
            if piece := await self._next():
                self._held.append(piece)
                # What stands before the packet is said with its first piece, the rest at the end.
                self._kind = self._said() if len(self._held) == 1 else None
        self._kind = self._kind or self._said() or "edoc"
        return self._kind

    async def packet(self) -> AsyncIterator[bytes]:
        """Yield the packet.

        Raises:
            RejectedError: It is no base64, too large, not there, or said to be two things.
            UnavailableError: The connection broke.
        """
        kind = await self.kind()
        while self._held:
            yield self._held.pop(0)
        while not self._ended:
            if piece := await self._next():
                yield piece
        if self._said() not in {None, kind}:
            raise RejectedError(
                Reason.BAD_REQUEST,
                "loaiVanBan says two things, or stands behind a long packet: say it first",
            )
        if self._twice():
            raise RejectedError(Reason.BAD_REQUEST, "two packets in one body: send one at a time")
        if not self._passed:
            raise RejectedError(
                Reason.BAD_REQUEST, f"no packet: the body has none of {', '.join(wire.PACKET)}"
            )

    async def _next(self) -> bytes:
        """Read one piece of the body; return what it completes of the packet."""
        chunk = await anext(self._body, None)
        try:
            if chunk is None:
                self._ended = True
                self._form.close()
                return b""
            piece = self._form.feed(chunk)
        except UnavailableError as exc:  # the reader's word for what a peer sent us
            raise _broken(exc.public.rpartition("peer: ")[2]) from exc
        self._came += len(chunk)
        self._passed += len(piece)
        # Blanks and escapes make a text longer, but not without end.
        if self._passed > self._max_bytes or self._came > longest_body(self._max_bytes):
            raise too_large(self._max_bytes)
        return piece

    def _twice(self) -> bool:
        """Tell whether a text that could be a packet stands around the one that was taken."""
        told = self._form.told()
        others = (told.get(name) for name in wire.PACKET)
        return bool(self._passed) and any(isinstance(t, str) and t.strip() for t in others)

    def _said(self) -> MessageKind | None:
        told = self._form.told()
        inner = next((value for value in told.values() if isinstance(value, dict)), {})
        return wire.kind_of(text_of(told, *wire.KIND) or text_of(inner, *wire.KIND))


def longest_body(max_bytes: int) -> int:
    """Return how long a body can be that carries a packet of at most so many bytes."""
    return 2 * max_bytes + 2 * MAX_FRAME_BYTES


def too_large(max_bytes: int) -> RejectedError:
    """Return the refusal of a packet beyond the limit."""
    return RejectedError(Reason.TOO_LARGE, f"the packet is larger than {max_bytes} bytes")


def _broken(how: str) -> RejectedError:
    return RejectedError(Reason.BASE64_BROKEN, how)


# ---------------------------------------------------------------- the forms


class _Form(Protocol):
    """One way of writing a packet and the words around it."""

    def feed(self, chunk: bytes) -> bytes:
        """Take a piece of the body; return the packet bytes it completes."""
        ...

    def close(self) -> None:
        """End of the body; UnavailableError or RejectedError when it is not whole."""
        ...

    def told(self) -> Mapping[str, Any]:
        """Return the words around the packet, as far as they have come."""
        ...


def _form_of(content_type: str) -> _Form:
    if content_type in _RAW:
        return _Raw()
    if content_type in _PLAIN:
        return _Plain()
    if content_type == _FORM:
        return _UrlForm()
    if content_type in {"", wire.JSON_TYPE} or content_type.endswith("+json"):
        return _Json()
    raise RejectedError(
        Reason.BAD_REQUEST,
        f"the body must be {wire.JSON_TYPE}, {_FORM}, {', '.join(sorted(_PLAIN | _RAW))}",
    )


class _Raw:
    """The packet itself."""

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def close(self) -> None:
        return

    def told(self) -> Mapping[str, Any]:
        return {}


class _Json:
    """A JSON object with the packet as a member, or a JSON text that is the packet."""

    def __init__(self) -> None:
        self._member = Base64Member(*wire.PACKET)
        self._begun = False
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        if not self._begun:
            chunk = chunk.lstrip(_BLANKS)
            if not chunk:
                return b""
            self._begun = True
            if chunk.startswith(b'"'):
                self._tail = b"}"
                self._member.feed(b'{"data":')
        return self._member.feed(chunk)

    def close(self) -> None:
        self._member.feed(self._tail)
        if _object(self._member.close()) is None:
            raise RejectedError(Reason.BAD_REQUEST, "the body is not a JSON object or text")

    def told(self) -> Mapping[str, Any]:
        frame = self._member.frame
        if self._member.inside:
            frame += b'"}'
        return _object(frame) or {}


class _Plain:
    """Base64 and nothing else."""

    def __init__(self) -> None:
        self._member = Base64Member("data")
        self._member.feed(b'{"data":"')

    def feed(self, chunk: bytes) -> bytes:
        if b'"' in chunk or b"\\" in chunk:
            raise _broken("the packet's base64 is broken")
        return self._member.feed(chunk)

    def close(self) -> None:
        self._member.feed(b'"}')
        self._member.close()

    def told(self) -> Mapping[str, Any]:
        return {}


class _UrlForm:
    """A form with the packet as a field. A bare `+` in it is base64's own, not a blank."""

    _FIELD: Final = re.compile(rb"(?:^|&)(?:%b)=" % "|".join(wire.PACKET).encode())

    def __init__(self) -> None:
        self._plain = _Plain()
        self._frame = bytearray()
        self._inside = False
        self._found = False
        self._closed = False
        self._escape = b""

    def feed(self, chunk: bytes) -> bytes:
        if self._inside:
            return self._value(chunk)
        self._frame += chunk
        found = None if self._found else self._FIELD.search(self._frame)
        self._limit(found.end() if found else len(self._frame))
        if found is None:
            return b""
        rest = bytes(self._frame[found.end() :])
        del self._frame[found.end() :]
        self._found = self._inside = True
        return self._value(rest)

    def _limit(self, size: int) -> None:
        if size > MAX_FRAME_BYTES:
            raise RejectedError(Reason.LIMIT_EXCEEDED, "the form around the packet is too long")

    def _value(self, chunk: bytes) -> bytes:
        text, end, rest = (self._escape + chunk).partition(b"&")
        self._escape = b""
        if end:
            self._inside = False
            self._frame += end + rest
            self._limit(len(self._frame))
        else:
            cut = text.rfind(b"%", max(0, len(text) - 2))
            if cut >= 0:
                text, self._escape = text[:cut], text[cut:]
        return self._plain.feed(unquote_to_bytes(text))

    def close(self) -> None:
        self._closed = True
        if self._found:
            self._plain.feed(self._escape)
            self._plain.close()

    def told(self) -> Mapping[str, Any]:
        # The last field may not have come whole.
        frame = self._frame if self._closed else self._frame.rpartition(b"&")[0]
        try:
            pairs = parse_qsl(frame.decode("utf-8", "replace"), max_num_fields=64)
        except ValueError as exc:
            raise RejectedError(Reason.LIMIT_EXCEEDED, "the form has too many fields") from exc
        return _once(pairs)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return the members of an object; one that stands twice must say the same."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if found.setdefault(name, value) != value:
            raise RejectedError(
                Reason.BAD_REQUEST, f"{', '.join(wire.KIND)} and others may stand once in the body"
            )
    return found
