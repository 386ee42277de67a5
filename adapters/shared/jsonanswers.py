"""JSON answers as three dialects read and write them: success or failure, rows, a packet inside.

Promises: what says nothing is UnavailableError, never an empty list (spec 7.3); memory does not
grow with a packet. Pure but for the streams it is given: a crash leaves nothing behind.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from adapters.shared.inline import Base64Member, encoded
from adapters.shared.serving import stream
from adapters.shared.values import keepable, refusal_code, unreadable
from gateway.ports import Packet

JSON_TYPE: Final = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as read.

    Args:
        ok: The peer says success.
        code: Its error code as text; "" when absent.
        text: Its words.
        body: The whole object.
    """

    ok: bool
    code: str
    text: str
    body: Mapping[str, Any]

    @property
    def words(self) -> str:
        """Return code and words as one line."""
        return f"{self.code}: {self.text}".strip()

    @property
    def refusal_code(self) -> str:
        """Return the code of rules C7 if the same parcel will never pass, "" otherwise."""
        return "" if self.ok else refusal_code(self.code, self.text)


def encode(answer: Mapping[str, Any]) -> bytes:
    """Return the bytes of an answer: ASCII JSON, readable under any character set."""
    return json.dumps(answer, separators=(",", ":")).encode("ascii")


def read_json(body: bytes) -> Any:
    """Return what an answer holds.

    Raises:
        UnavailableError: It is no JSON (HTML, empty, broken).
    """
    try:
        return keepable(json.loads(body))
    except (ValueError, RecursionError) as exc:
        raise unreadable("the answer is not JSON") from exc


def read_object(body: bytes) -> dict[str, Any]:
    """Return the object an answer is.

    Raises:
        UnavailableError: It is none.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise unreadable("the answer is no object")
    return value


def rows(answer: Answer) -> list[Mapping[str, Any]]:
    """Return the rows of a list answer.

    Raises:
        UnavailableError: The peer reports a failure, or there is no list to read.
    """
    if not answer.ok:
        raise unreadable(f"the peer answers {answer.words}")
    data = answer.body.get("data")
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data):
        raise unreadable("the answer has no list")
    return data


async def packet_inside(
    body: AsyncIterator[bytes], check: Callable[[bytes], None]
) -> AsyncGenerator[bytes, None]:
    """Yield the packet that stands as base64 in the member `data` of an answer.

    Args:
        body: The answer as it comes.
        check: Reads the rest of it; raises UnavailableError unless it is one of success.

    Raises:
        UnavailableError: The answer is a failure, broken or cut off; what was yielded is void.
    """
    member = Base64Member("data")
    async for chunk in body:
        if piece := member.feed(chunk):
            yield piece
    check(member.close())
    if not member.found:
        raise unreadable("the answer has no data")


def frame(build: Callable[..., Mapping[str, Any]]) -> tuple[bytes, bytes]:
    """Return what stands before and after the base64 of a packet in a good answer."""
    before, after = encode(build(data="|")).split(b"|")
    return before, after


async def hand_out(
    request: web.Request, packet: Packet, build: Callable[..., Mapping[str, Any]]
) -> web.StreamResponse:
    """Stream an answer with a packet as base64 in its member `data`.

    Args:
        request: Whom to answer.
        packet: What is handed out.
        build: Makes a good answer of its members.
    """
    before, after = frame(build)
    size = len(before) + (packet.size_bytes + 2) // 3 * 4 + len(after)

    async def text() -> AsyncIterator[bytes]:
        yield before
        async for chunk in encoded(packet.chunks):
            yield chunk
        yield after

    return await stream(request, text(), size, JSON_TYPE, packet)
