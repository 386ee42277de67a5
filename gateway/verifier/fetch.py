"""Fetching revocation lists and OCSP answers: the only thing of the verifier that dials out.

It runs in the parent, never where strangers' files are read. Promises:

- only addresses the operator listed, and addresses found in certificates when their host is listed;
- names are resolved here and the connection goes to the address that was checked: no private,
  loopback or link-local one unless that very host and port is listed (SSRF, DNS rebinding);
- no redirects, no compression, no cookies, no credentials; size and time are limited; nothing but
  GET of a list and POST of a small OCSP query;
- what comes back is bytes; the store verifies them before anybody uses them.

Nothing is kept but the marks of the last answer (ETag), which may be lost.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

_OCSP: Final = {
    "Content-Type": "application/ocsp-request",
    "Accept": "application/ocsp-response",
}
_STAMP: Final = {
    "Content-Type": "application/timestamp-query",
    "Accept": "application/timestamp-reply",
}
_PLAIN: Final = {"Accept-Encoding": "identity", "User-Agent": "vanlien"}
_MAX_ANSWER: Final = 256 * 1024
_CHUNK: Final = 1 << 16
_PORTS: Final = {"http": 80, "https": 443}


class FetchError(Exception):
    """Nothing usable came: a stable reason, safe to log (no address, no content)."""


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Where one may dial, and how.

    Args:
        urls: Addresses of lists, given by the operator.
        ocsp: Addresses of OCSP responders, likewise.
        hosts: `host` or `host:port` that addresses found in certificates may name.
        private: `host:port` inside the house that may be dialled.
        host_map: `name=address[:port]`: reached there instead.
        proxy: HTTP forward proxy, None for none.
        timeout: For one fetch.
        max_bytes: Of one list.
    """

    urls: tuple[str, ...] = ()
    ocsp: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()
    host_map: tuple[str, ...] = ()
    proxy: str | None = None
    timeout: timedelta = timedelta(seconds=60)
    max_bytes: int = 64 * 1024 * 1024

    def permits(self, url: str) -> bool:
        """Tell whether an address may be asked at all."""
        if url in self.urls or url in self.ocsp:
            return True
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
        except (ValueError, KeyError):
            return False
        host = (parts.hostname or "").lower()
        if not host or parts.username is not None or parts.password is not None:
            return False
        named = {host} if port == _PORTS[parts.scheme] else set()
        return bool({*named, _joined(host, port)} & set(self.hosts))

    def mapped(self, host: str, port: int) -> tuple[str, int]:
        """Return where a host is reached."""
        for mapping in self.host_map:
            name, _, target = mapping.partition("=")
            if name == host.lower():
                return _parted(target, port)
        return host, port

    def may_dial(self, host: str, port: int, address: str) -> bool:
        """Tell whether a resolved address may be dialled for this host and port."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if all(_is_public(one) for one in _meant(found)):
            return True
        return bool({_joined(host, port), _joined(address, port)} & set(self.private))


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came back.

    Args:
        body: The bytes; b"" when nothing changed.
        changed: False when the other side said that nothing did.
        etag: Mark of this answer, or "".
        last_modified: Likewise.
    """

    body: bytes
    changed: bool
    etag: str = ""
    last_modified: str = ""


class Fetcher:
    """Dials out under a policy.

    Args:
        policy: Where and how.
    """

    def __init__(self, policy: FetchPolicy) -> None:
        self.policy = policy

    async def get_list(self, url: str, *, etag: str = "", last_modified: str = "") -> Fetched:
        """Return a list, or that it did not change since the marks given.

        Raises:
            FetchError: It may not be asked, or did not come.
        """
        headers = dict(_PLAIN)
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        return await self._ask("GET", url, headers, None, self.policy.max_bytes)

    async def ask_ocsp(self, url: str, query: bytes) -> bytes:
        """Return the answer to an OCSP query.

        Raises:
            FetchError: It may not be asked, or did not come.
        """
        answer = await self._ask("POST", url, {**_PLAIN, **_OCSP}, query, _MAX_ANSWER)
        return answer.body

    async def ask_timestamp(self, url: str, query: bytes) -> bytes:
        """Return the answer of a time-stamp authority (RFC 3161).

        Raises:
            FetchError: It may not be asked, or did not come.
        """
        answer = await self._ask("POST", url, {**_PLAIN, **_STAMP}, query, _MAX_ANSWER)
        return answer.body

    async def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, limit: int
    ) -> Fetched:
        if not self.policy.permits(url):
            raise FetchError("address not listed")
        _check_literal(self.policy, url)
        proxy = self.policy.proxy  # chosen by the operator, wherever it is
        connector = aiohttp.TCPConnector(
            resolver=_CheckedResolver(self.policy), use_dns_cache=False, limit=1
        )
        timeout = aiohttp.ClientTimeout(total=self.policy.timeout.total_seconds())
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                ) as session,
                session.request(
                    method, url, headers=headers, data=body, proxy=proxy, allow_redirects=False
                ) as response,
            ):
                return await _answer(response, limit)
        except TimeoutError as exc:
            raise FetchError("no answer in time") from exc
        except _AddressError as exc:
            raise FetchError(str(exc)) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            cause = exc.__cause__ or exc
            if isinstance(cause, _AddressError) or isinstance(
                getattr(exc, "os_error", None), _AddressError
            ):
                raise FetchError("address inside the house refused") from exc
            raise FetchError(f"no connection: {type(exc).__name__}") from exc


async def _answer(response: aiohttp.ClientResponse, limit: int) -> Fetched:
    if response.status == 304:
        return Fetched(b"", changed=False)
    if response.status != 200:
        kind = "redirect refused" if 300 <= response.status < 400 else "HTTP"
        raise FetchError(f"{kind} {response.status}")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError("compressed answer refused")
    if (response.content_length or 0) > limit:
        raise FetchError("answer too large")
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            raise FetchError("answer too large")
    return Fetched(
        bytes(body),
        changed=True,
        etag=response.headers.get("ETag", "")[:200],
        last_modified=response.headers.get("Last-Modified", "")[:100],
    )


# ---------------------------------------------------------------- addresses

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _meant(found: _Address) -> list[_Address]:
    """Return an address and those it leads to: IPv4 inside IPv6 is dialled as IPv4."""
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    if found.ipv4_mapped is not None:
        return [found.ipv4_mapped]
    return [found] if found.sixtofour is None else [found, found.sixtofour]


def _is_public(found: _Address) -> bool:
    return found.is_global and not found.is_multicast and not found.is_reserved


class _AddressError(OSError):
    """A name led to an address that may not be dialled."""


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parted(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or port


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_literal(policy: FetchPolicy, url: str) -> None:
    """Refuse an address written in numbers: those are dialled without being resolved."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if _is_literal(host) and not policy.may_dial(host, port, host):
        raise FetchError("address inside the house refused")


class _CheckedResolver(AbstractResolver):
    """Resolves names to addresses that may be dialled, and to no others."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._proxy = urlsplit(policy.proxy) if policy.proxy else None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return where to dial; the library dials exactly that."""
        target, at = self._policy.mapped(host, port)
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(target, at, type=socket.SOCK_STREAM, family=family)
        allowed = [
            info for info in found if self._is_proxy(host, port) or self._may(host, target, info)
        ]
        if not allowed:
            raise _AddressError("address inside the house refused")
        return [
            ResolveResult(
                hostname=host,
                host=str(info[4][0]),
                port=int(info[4][1]),
                family=info[0],
                proto=info[2],
                flags=socket.AI_NUMERICHOST,
            )
            for info in allowed
        ]

    def _may(self, host: str, target: str, info: Sequence[Any]) -> bool:
        address, port = str(info[4][0]), int(info[4][1])
        return any(self._policy.may_dial(name, port, address) for name in (host, target))

    def _is_proxy(self, host: str, port: int) -> bool:
        proxy = self._proxy
        return (
            proxy is not None
            and proxy.hostname == host.lower()
            and (proxy.port or _PORTS.get(proxy.scheme, 0)) == port
        )

    async def close(self) -> None:
        """Nothing is kept open."""
