"""Where this process may dial: names are resolved here, and only what was checked is dialled.

Shared by whoever follows an address that somebody else wrote: the fetcher of revocation lists and
the deliverer of webhooks. A name that leads inside the house (loopback, private, link-local,
multicast, reserved, and IPv4 wrapped into IPv6) leads nowhere unless the policy lists it (SSRF),
and the connection goes to the very address that was checked, so that a second answer of a name
server changes nothing (DNS rebinding). Nothing is kept.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

PORTS: Final = {"http": 80, "https": 443}
INSIDE: Final = "address inside the house refused"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


class AddressError(OSError):
    """A name led to an address that may not be dialled."""


class DialPolicy(Protocol):
    """What may be dialled."""

    @property
    def proxy(self) -> str | None:
        """Return the forward proxy, None for none."""
        ...

    def mapped(self, host: str, port: int) -> tuple[str, int]:
        """Return where a host is reached."""
        ...

    def may_dial(self, host: str, port: int, address: str) -> bool:
        """Tell whether a resolved address may be dialled for this host and port."""
        ...


def meant(found: Address) -> list[Address]:
    """Return an address and those it leads to: IPv4 inside IPv6 is dialled as IPv4."""
    if isinstance(found, ipaddress.IPv4Address):
        return [found]
    if found.ipv4_mapped is not None:
        return [found.ipv4_mapped]
    if found in _NAT64:
        return [found, ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)]
    return [found] if found.sixtofour is None else [found, found.sixtofour]


def is_public(found: Address) -> bool:
    """Tell whether an address is out there, all it leads to included."""
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved for one in meant(found)
    )


def read_address(text: str) -> Address | None:
    """Return an address written in numbers, None when it is none."""
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def check_literal(policy: DialPolicy, url: str) -> None:
    """Refuse an address written in numbers: those are dialled without being resolved.

    Raises:
        AddressError: It may not be dialled.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0)
    if read_address(host) is not None and not policy.may_dial(host, port, host):
        raise AddressError(INSIDE)


class CheckedResolver(AbstractResolver):
    """Resolves names to addresses that may be dialled, and to no others."""

    def __init__(self, policy: DialPolicy) -> None:
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
            raise AddressError(INSIDE)
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
            and (proxy.port or PORTS.get(proxy.scheme, 0)) == port
        )

    async def close(self) -> None:
        """Nothing is kept open."""


def is_refused(failure: BaseException) -> bool:
    """Tell whether a library's failure to connect means that the address was refused here."""
    cause = failure.__cause__ or failure
    return isinstance(cause, AddressError) or isinstance(
        getattr(failure, "os_error", None), AddressError
    )
