"""How a client of a peer connects, and what its answers say of the time there.

One session a client: bounded connections, times for connecting and for silence, no cookies, no
redirects, no proxy from the environment. Each answer's `Date` is compared with our clock (TIM-01:
the same time across all systems); a whole second of it and the way of the answer are not to be
trusted, so the middle of the last answers counts. Keeps nothing beyond them.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from statistics import median
from types import SimpleNamespace
from typing import Any, Final, Literal, Protocol

import aiohttp

from adapters.shared.values import kind_of, unreadable
from adapters.shared.ways import in_clear
from gateway import observe
from gateway.errors import Reason, UnavailableError

TROUBLE: Final = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)
"""What the HTTP library raises when a peer cannot be reached or goes away."""

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


class Bounds(Protocol):
    """What a client's settings say of its connections."""

    @property
    def name(self) -> str:
        """Name of the peer in our routes and logs."""
        ...

    @property
    def connect_s(self) -> float:
        """Longest wait for a connection."""
        ...

    @property
    def silence_s(self) -> float:
        """Longest silence of the peer while data should flow."""
        ...

    @property
    def max_answer_bytes(self) -> int:
        """Largest answer that carries no packet."""
        ...

    @property
    def connections(self) -> int:
        """Most connections at once."""
        ...


class Line:
    """A client's connections to its peer, made when first needed.

    Args:
        bounds: How many, how long, how much.
        time: Hears the `Date` of each answer.
        ssl_context: For an https endpoint with its own trust; None = the system's.
        tokens_to: Where our token goes as it is; "" where nothing is sent that could be used again.
    """

    def __init__(
        self,
        bounds: Bounds,
        time: PeerTime,
        ssl_context: ssl.SSLContext | None,
        *,
        tokens_to: str = "",
    ) -> None:
        self._bounds, self._time, self._tokens_to = bounds, time, tokens_to
        self._ssl: ssl.SSLContext | Literal[True] = ssl_context or True
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; they may be made again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def request(self, method: str, url: Any, **given: Any) -> Any:
        """Return a request under way, to be entered; `given` is as the HTTP library takes it."""
        if self._session is None:
            self._session = self._connected()
        return self._session.request(method, url, allow_redirects=False, ssl=self._ssl, **given)

    def _connected(self) -> aiohttp.ClientSession:
        if self._tokens_to and in_clear(self._tokens_to):
            # SEC-04: old axes speak plain HTTP inside the VPN; it is said aloud.
            observe.standing_warning(what=f"token_in_clear:{self._bounds.name}", active=True)
        trace = aiohttp.TraceConfig()
        trace.on_request_end.append(self._time.heard)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._bounds.connections),
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=self._bounds.connect_s,
                sock_connect=self._bounds.connect_s,
                sock_read=self._bounds.silence_s,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            trace_configs=[trace],
        )

    async def bounded(self, response: aiohttp.ClientResponse) -> bytes:
        """Return a small answer.

        Raises:
            UnavailableError: It is too long.
        """
        found = bytearray()
        async for chunk in response.content.iter_any():
            found += chunk
            if len(found) > self._bounds.max_answer_bytes:
                raise unreadable("the answer is too long")
        return bytes(found)


@contextmanager
def heard_out(trouble: str) -> Iterator[None]:
    """Make of a peer that cannot be reached, or goes away, an UnavailableError.

    Args:
        trouble: What it is called, `login: no answer from the axis`.
    """
    try:
        yield
    except TROUBLE as exc:
        raise UnavailableError(Reason.UNAVAILABLE, f"{trouble} ({kind_of(exc)})") from exc
