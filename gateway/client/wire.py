"""One call to the gateway: asked again as long as that is safe, its refusals as exceptions.

What may be done twice without harm is asked again when nobody answers; anything else only where the
answer says that nothing was done (429, 503). Waits grow, with jitter, and `Retry-After` counts.
"""

import asyncio
import email.utils
import json
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from gateway.client.errors import AwayError, RefusedError

_NOT_DONE: Final = frozenset({429, 503})
_PERHAPS: Final = frozenset({408, 502, 504})
_LONGEST_WAIT_S: Final = 60.0

Body = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Args:
        method: GET or POST.
        path: Behind the address, `/api/v1/…`.
        query: Parameters; those that are None are left out.
        headers: Besides the credentials.
        body: Makes the body anew for each try.
        repeat: Doing it twice does no harm.
    """

    method: str
    path: str
    query: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None
    body: Body | None = None
    repeat: bool = True


class Wire:
    """Connections to one gateway with one key.

    Args:
        url: Of the gateway: `https://lienthong.example.gov.vn`.
        key: API key of the system.
        ssl_context: Where the authorities of the system are not enough.
        plain: Take `http` to another machine: the key and the documents can be read on the way.
        tries: How often one call is tried.
        timeout_s: Longest silence of one try.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        ssl_context: ssl.SSLContext | None = None,
        plain: bool = False,
        tries: int = 6,
        timeout_s: float = 60.0,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("the address of the gateway must begin with https://")
        if parts.scheme == "http" and not plain and not _is_this_machine(parts.hostname):
            raise ValueError("the key would travel in clear: use https, or say plain=True")
        if not key.isascii() or not key.isprintable() or not key:
            raise ValueError("the key must be visible ASCII characters, without line breaks")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "User-Agent": "vanlien-client"}
        self._ssl = ssl_context
        self._tries = tries
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Files must come as they are: a proxy's packing is undone, ours never asked for.
            self._session = aiohttp.ClientSession(headers=self._headers | _AS_IS)
        return self._session

    async def json(self, ask: Ask) -> Any:
        """Return a JSON answer."""
        body = await self.raw(ask)
        try:
            return json.loads(body)
        except ValueError as strange:
            raise AwayError(f"{ask.method} {ask.path}: somebody else answered") from strange

    async def raw(self, ask: Ask) -> bytes:
        """Return an answer's bytes."""
        async with self.answered(ask) as answer:
            try:
                return await answer.read()
            except (aiohttp.ClientError, TimeoutError) as cut:
                raise AwayError(f"{ask.method} {ask.path}: the answer broke off") from cut

    @asynccontextmanager
    async def answered(
        self, ask: Ask, *, silence_s: float = 0.0
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Lend a good answer.

        Raises:
            RefusedError: The gateway refused.
            AwayError: Nobody answered, as often as was tried.
        """
        left = self._tries
        while True:
            left -= 1
            try:
                answer = await self._send(ask, silence_s)
            except (aiohttp.ClientConnectionError, TimeoutError) as gone:
                # Where the connection never stood nothing can have been done.
                safe = ask.repeat or isinstance(gone, aiohttp.ClientConnectorError)
                if not safe or left <= 0:
                    raise AwayError(f"{ask.method} {ask.path}: no answer") from gone
                await asyncio.sleep(self._wait_s(left, 0.0))
                continue
            async with answer:
                if answer.status < 300:
                    yield answer
                    return
                refusal = RefusedError.read(answer.status, await answer.read())
                wait_s = _retry_after_s(answer.headers.get("Retry-After", ""))
            if not _passes(ask, refusal):
                raise refusal
            if left <= 0:
                raise AwayError(f"{ask.method} {ask.path}: {refusal}", wait_s) from refusal
            await asyncio.sleep(self._wait_s(left, wait_s))

    async def _send(self, ask: Ask, silence_s: float) -> aiohttp.ClientResponse:
        query = {k: _text(v) for k, v in (ask.query or {}).items() if v is not None}
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self._timeout_s, sock_read=silence_s or self._timeout_s
        )
        more: dict[str, Any] = {} if ask.body is None else ask.body()
        if self._ssl is not None:
            more["ssl"] = self._ssl
        return await self._opened().request(
            ask.method,
            self._url + ask.path,
            params=query,
            headers=dict(ask.headers or {}) | more.pop("headers", {}),
            timeout=timeout,
            allow_redirects=False,  # the key goes to this address and no other
            **more,
        )

    def _wait_s(self, left: int, asked_s: float) -> float:
        grown = min(0.2 * 2 ** (self._tries - left - 1), _LONGEST_WAIT_S)
        # Jitter against a herd, not against a guesser.
        jitter = random.uniform(0.5, 1.0)  # noqa: S311
        return max(min(asked_s, _LONGEST_WAIT_S), float(grown * jitter))


_AS_IS: Final = {"Accept-Encoding": "identity"}


def _passes(ask: Ask, refusal: RefusedError) -> bool:
    """Tell whether the same call may succeed later and does no harm."""
    if refusal.status in _NOT_DONE:
        return True
    waiting = refusal.status == 409 and refusal.reason == "in-flight"
    return ask.repeat and (waiting or refusal.status in _PERHAPS)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)


def _retry_after_s(value: str) -> float:
    """Return how long an answer asks to wait: seconds, or a date of HTTP."""
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
