"""From where a visitor really comes, when a proxy of ours stands between: address, and TLS or not.

Promises: what a header says counts only when the connection comes from a listed proxy, and of a
chain only what the nearest of them added: a visitor's own header is never believed. Keeps nothing.
"""

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from gateway.ports import Network

_ADDRESS: Final = web.RequestKey("visitor_address", str)
_SECURE: Final = web.RequestKey("visitor_secure", bool)


def look(request: web.Request, proxies: Sequence[Network]) -> None:
    """Remember with a request where it comes from."""
    address, secure = request.remote or "", request.secure
    if proxies and _among(address, proxies):
        chain = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        told = [one.strip() for one in chain if one.strip()]
        # From the right: each was added by the one before it, until somebody who is none of ours.
        address = next((one for one in reversed(told) if not _among(one, proxies)), address)
        secure = request.headers.get("X-Forwarded-Proto", request.scheme) == "https"
    request[_ADDRESS], request[_SECURE] = address[:64], secure


def address_of(request: web.Request) -> str:
    """Return the visitor's address."""
    found: str = request.get(_ADDRESS, request.remote or "")
    return found


def is_secure(request: web.Request) -> bool:
    """Tell whether the visitor came over TLS."""
    found: bool = request.get(_SECURE, request.secure)
    return found


def _among(address: str, networks: Sequence[Network]) -> bool:
    try:
        read = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(read, "ipv4_mapped", None)
    return any((mapped or read) in network for network in networks)
