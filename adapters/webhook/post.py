"""Bringing one message to an address that a stranger wrote, without being used by it.

Promises: only http(s) without credentials in the address, only listed ports, https unless the
receiver is in a listed network; the name is resolved here and only the checked address is dialled
(`gateway.outbound`); no redirects, no proxy of the environment, no cookies; the certificate is
verified; no body of an answer is read; one time limit for all of it. What is told of a failure
names neither address nor content. Nothing is kept.
"""

import asyncio
import email.utils
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from gateway.outbound import (
    INSIDE,
    PORTS,
    AddressError,
    CheckedResolver,
    check_literal,
    is_public,
    is_refused,
    meant,
    read_address,
)
from gateway.ports import Network, Posted

_HEADERS: Final = {
    "Content-Type": "application/json",
    "User-Agent": "vanlien",
    "Accept-Encoding": "identity",
}
_URL_MAX: Final = 1000
_WISH_MAX: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Reach:
    """Where messages may go.

    Args:
        networks: Ranges inside the house that may be dialled, and called without TLS.
        ports: Ports that may be dialled.
        timeout: For one message, all of it.
        ca_file: Further authorities whose certificates count, "" for the system's alone.
    """

    networks: Sequence[Network] = ()
    ports: Sequence[int] = (443,)
    timeout: timedelta = timedelta(seconds=15)
    ca_file: str = ""

    @property
    def proxy(self) -> str | None:
        """Return none: what is dialled is what was checked."""
        return None

    def mapped(self, host: str, port: int) -> tuple[str, int]:
        """Return the host itself."""
        return host, port

    def listed(self, address: str) -> bool:
        """Tell whether an address, and all it leads to, is in a listed network."""
        found = read_address(address)
        return found is not None and all(
            any(one in network for network in self.networks) for one in meant(found)
        )

    def may_dial(self, host: str, port: int, address: str) -> bool:
        """Tell whether a resolved address may be dialled."""
        found = read_address(address)
        if found is None or port not in self.ports:
            return False
        return is_public(found) or self.listed(address)


class _OnlyListed:
    """The same without what is public: for messages that go without TLS."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.proxy: str | None = None

    def mapped(self, host: str, port: int) -> tuple[str, int]:
        return self._reach.mapped(host, port)

    def may_dial(self, host: str, port: int, address: str) -> bool:
        return self._reach.may_dial(host, port, address) and self._reach.listed(address)


class HttpPost:
    """See `gateway.ports.Post`.

    Args:
        reach: Where messages may go.
    """

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._tls: ssl.SSLContext | None = None

    def refusal(self, url: str) -> str:
        """Return why an address may not be used, "" when it may."""
        try:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            return "not an address"
        if len(url) > _URL_MAX or not url.isascii() or not url.isprintable() or " " in url:
            return f"must be plain ASCII, at most {_URL_MAX} characters"
        if parts.scheme not in PORTS or not parts.hostname:
            return "must begin with https://"
        if parts.username is not None or parts.password is not None or parts.fragment:
            return "must carry neither credentials nor a fragment"
        if parts.scheme == "http" and not self._reach.networks:
            return "must begin with https://: no network may be called without TLS"
        if port not in self._reach.ports:
            ports = ", ".join(map(str, self._reach.ports))
            return f"must use one of the ports {ports}"
        try:
            check_literal(self._policy(parts.scheme), url)
        except AddressError:
            return INSIDE
        return ""

    def _policy(self, scheme: str) -> "Reach | _OnlyListed":
        return self._reach if scheme == "https" else _OnlyListed(self._reach)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        """POST a message; what the receiver does becomes an outcome."""
        refused = self.refusal(url)
        if refused:
            return Posted(0, refused)
        try:
            async with asyncio.timeout(self._reach.timeout.total_seconds()):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Posted(0, "no answer in time")
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            return Posted(0, _told(exc))

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Posted:
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self._policy(urlsplit(url).scheme)),
            use_dns_cache=False,
            limit=1,
            force_close=True,
            ssl=self._context(),
        )
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                auto_decompress=False,
                trust_env=False,
            ) as session,
            session.post(
                url, data=body, headers={**headers, **_HEADERS}, allow_redirects=False
            ) as answer,
        ):
            # The body is nobody's business: it is not read, the connection is closed.
            answer.close()
            return _posted(answer)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self._reach.ca_file:
                context.load_verify_locations(self._reach.ca_file)
            self._tls = context
        return self._tls


def _posted(answer: aiohttp.ClientResponse) -> Posted:
    status = answer.status
    if 200 <= status < 300:
        return Posted(status)
    if 300 <= status < 400:
        return Posted(status, "redirect refused")
    return Posted(status, f"HTTP {status}", _wish(answer.headers.get("Retry-After", "")))


def _wish(text: str) -> timedelta | None:
    """Return what Retry-After says: seconds, or a date."""
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return min(timedelta(seconds=int(text)), _WISH_MAX)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):  # a receiver may write what it likes
        return None
    return min(timedelta(seconds=max(0.0, at - time.time())), _WISH_MAX)


def _told(exc: Exception) -> str:
    if is_refused(exc):
        return INSIDE
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "certificate not trusted, or no TLS"
    return f"no connection: {type(exc).__name__}"
