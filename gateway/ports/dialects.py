"""How a dialect is plugged in: one client towards peers, one façade for those who call us.

A dialect is a package under `adapters` and an entry point in the group "gateway.adapters" whose
object is a `Dialect`. Protocols and the frozen values crossing them; nothing here does anything.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from gateway.errors import GatewayError
from gateway.ports.callers import Caller, Callers, FrontDoor
from gateway.ports.machine import Clock
from gateway.ports.peers import Adapter, SharedSecret
from gateway.ports.registration import Registrar

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Tokens(Protocol):
    """Short-lived tokens of callers that sign in before they call (OAuth2, login tokens).

    Every node knows every node's tokens, a restart forgets none, and one dies with the secret it
    was given for.
    """

    def issue(self, system_id: str, secret: bytes, *, audience: str, ttl: timedelta) -> str:
        """Return a new token for a system that has shown one of its secrets."""
        ...

    def check(self, token: str, *, audience: str) -> Caller | None:
        """Return whose token it is; None when unknown, expired, or its secret is no longer good."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What a façade works with.

    Args:
        front: What the operations are done by.
        callers: Who may call, with their secrets.
        tokens: For dialects whose callers sign in first.
        clock: Time.
        max_bytes: Largest packet taken.
        base: Path before the operations; "" for the dialect's own.
        plain_http_from: Ranges that may call without TLS; None leaves that to the listener.
        registrar: Takes down which agencies callers want registered; None where nobody does.
    """

    front: FrontDoor
    callers: Callers
    tokens: Tokens
    clock: Clock
    max_bytes: int
    base: str = ""
    plain_http_from: Sequence[Network] | None = None
    registrar: Registrar | None = None


@dataclass(frozen=True, slots=True)
class Facade:
    """A façade's routes (aiohttp's), and how it says that there is no room.

    Args:
        routes: They authenticate by themselves.
        busy: Given one of our own requests and what was raised, returns the answer its clients
            understand; None for a request that is not this façade's.
    """

    routes: Sequence[Any]
    busy: Callable[[Any, GatewayError], Any | None]


class Dialect(Protocol):
    """What `gateway.dialects` finds under an entry point. Importing it opens nothing."""

    @property
    def name(self) -> str:
        """Return the name used in settings and on the command line."""
        ...

    @property
    def path(self) -> str:
        """Return where the façade lies below a listener; what a client's endpoint ends with."""
        ...

    def make_client(
        self,
        *,
        name: str,
        endpoint: str,
        system_id: str,
        secret: bytes | SharedSecret,
        clock: Clock,
        **options: Any,
    ) -> Adapter:
        """Return the Adapter to one peer.

        Every client takes the options `ssl_context`, `connections`, `max_packet_bytes` and
        `silence_s`, and those settings of a peer that belong to its dialect.
        """
        ...

    def facade(self, means: Means) -> Facade:
        """Return the façade."""
        ...
