"""How a client of a peer connects, and what its answers say of the time there.

One session a client: bounded connections, times for connecting and for silence, no cookies, no
proxy from the environment. Each answer's `Date` is compared with our clock (TIM-01: the same time
across all systems); a whole second of it and the way of the answer are not to be trusted, so the
middle of the last answers counts. Keeps nothing beyond them.
"""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median
from types import SimpleNamespace
from typing import Final

import aiohttp

_ANSWERS: Final = 9
_HALF: Final = timedelta(milliseconds=500)
"""`Date` has whole seconds, cut off: half of one is missing on average."""


class PeerTime:
    """What the last answers of a peer say of its clock.

    Args:
        now: Our clock.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._last: deque[timedelta] = deque(maxlen=_ANSWERS)

    @property
    def offset(self) -> timedelta | None:
        """Return how far the peer's clock is ahead of ours, None before enough answers."""
        if len(self._last) < _ANSWERS // 2:
            return None
        return timedelta(seconds=median(one.total_seconds() for one in self._last))

    def note(self, date: str | None) -> None:
        """Take an answer's `Date`; one that cannot be read says nothing."""
        if not date or len(date) > 64:
            return
        try:
            told = parsedate_to_datetime(date)
        except (ValueError, TypeError, OverflowError):
            return
        told = told.replace(tzinfo=UTC) if told.tzinfo is None else told
        self._last.append(told + _HALF - self._now())

    async def heard(
        self,
        session: aiohttp.ClientSession,
        context: SimpleNamespace,
        told: aiohttp.TraceRequestEndParams,
    ) -> None:
        """Hear the end of a request (a signal of the HTTP client)."""
        del session, context
        self.note(told.response.headers.get("Date"))


def connected(
    time: PeerTime, *, connections: int, connect_s: float, silence_s: float
) -> aiohttp.ClientSession:
    """Return a session for one peer; whoever opens it closes it."""
    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(time.heard)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections),
        timeout=aiohttp.ClientTimeout(
            total=None, connect=connect_s, sock_connect=connect_s, sock_read=silence_s
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        trace_configs=[trace],
    )
