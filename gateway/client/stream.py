"""The stream of events (SSE), gap-free: it comes back behind the last event by itself.

Who keeps the `id` of the last event it has dealt with, with its own data, goes on there after a
restart of its own, too.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final, cast

import aiohttp

from gateway.client.errors import AwayError
from gateway.client.shapes import NoticeOut
from gateway.client.wire import Ask, Wire

_SILENCE_S: Final = 60.0  # a comment comes every 15 seconds
_AGAIN_S: Final = 1.0


async def follow(
    wire: Wire, path: str, after: int | str | None, kinds: Sequence[str]
) -> AsyncIterator[NoticeOut]:
    """Yield events for ever.

    Raises:
        RefusedError: 410 `gone`: the cursor is not kept; read inbox and documents again. Or the key
            is no longer good.
    """
    place = _Place("" if after is None else str(after))
    ask = Ask("GET", path, {"kinds": list(kinds) or None}, {"Accept": "text/event-stream"})
    while True:
        headers = {"Last-Event-ID": place.last} if place.last else {}
        now = replace(ask, headers={**(ask.headers or {}), **headers})
        try:
            async with wire.answered(now, silence_s=_SILENCE_S) as answer:
                async for event in _events(answer, place):
                    yield event
        except (aiohttp.ClientError, TimeoutError, AwayError):
            pass  # cut off, silent, or away for long: the same place once more
        await asyncio.sleep(_AGAIN_S)


class _Place:
    """Where the reader is: the last id that came, with an event or alone."""

    def __init__(self, last: str) -> None:
        self.last = last


async def _events(answer: aiohttp.ClientResponse, place: _Place) -> AsyncIterator[NoticeOut]:
    data: list[str] = []
    last = place.last
    async for raw in answer.content:
        line = raw.decode().rstrip("\r\n")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last = value
        elif name == "data":
            data.append(value)
        elif not line:
            # Moved before it is given away: a caller that stops here has had this event.
            place.last = last
            if data:
                event = json.loads("\n".join(data))
                data = []
                yield cast("NoticeOut", event)
