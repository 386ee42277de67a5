"""Waiting for what cannot be done now, with a message in hand: longer each time, never for ever.

Keeps nothing: a death gives the message back.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from gateway.errors import UnavailableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long "not now" is waited for.

    Args:
        first_s: The first wait; each is twice the one before.
        longest_s: The longest.
        hold_s: How long a message is kept in hand; below the half hour after which RabbitMQ closes
            a channel that keeps one.
        reply_s: How long an answer waits for a reply queue that does not take it.
        mute_s: How long such a queue is not tried again.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    hold_s: float = 1200.0
    reply_s: float = 60.0
    mute_s: float = 60.0


class Waits:
    """The waits of one message: longer each time, and over when the door shuts.

    Args:
        pace: How long.
        shut: Set when nothing more is to be taken.
    """

    def __init__(self, pace: Pace, shut: asyncio.Event) -> None:
        self._pace, self._shut = pace, shut
        self._loop = asyncio.get_running_loop()
        self._until = self._loop.time() + pace.hold_s
        self._wait_s = pace.first_s

    async def out(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something, again and again while it is not now; UnavailableError when it is over."""
        while True:
            try:
                return await work()
            except UnavailableError as exc:
                wait_s = max(self._wait_s, min(exc.retry_after_s or 0.0, self._pace.longest_s))
                left_s = self._until - self._loop.time()
                if left_s <= 0 or await self._shut_within(min(wait_s, left_s)):
                    raise
                self._wait_s = min(wait_s * 2, self._pace.longest_s)

    async def _shut_within(self, wait_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._shut.wait()
        return self._shut.is_set()
