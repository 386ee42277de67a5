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
    read_address,
)

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
            port = parts.port or PORTS[parts.scheme]
        except (ValueError, KeyError):
            return False
        host = (parts.hostname or "").lower()
        if not host or parts.username is not None or parts.password is not None:
            return False
        named = {host} if port == PORTS[parts.scheme] else set()
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
        found = read_address(address)
        if found is None:
            return False
        if is_public(found):
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
        try:
            check_literal(self.policy, url)
        except AddressError as exc:
            raise FetchError(str(exc)) from exc
        proxy = self.policy.proxy  # chosen by the operator, wherever it is
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self.policy), use_dns_cache=False, limit=1
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
        except AddressError as exc:
            raise FetchError(str(exc)) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            if is_refused(exc):
                raise FetchError(INSIDE) from exc
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


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _parted(text: str, port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    return parts.hostname or "", parts.port or port
