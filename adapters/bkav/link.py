"""The connections of a client to one Bkav axis, REST or SOAP: one call, bounded and timed.

Promises: tokens go in headers or messages, never in addresses or logs; redirects are not followed;
a token refused with 401 is noted and the next one tried. A crash leaves nothing behind.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiohttp

from adapters.shared.connecting import PeerTime, connected
from adapters.shared.values import unreadable
from adapters.shared.ways import in_clear
from gateway import observe
from gateway.ports import SharedSecret

TROUBLE: Final = (aiohttp.ClientError, OSError, TimeoutError, asyncio.IncompleteReadError)

_A_TOKEN: Final = 6


@dataclass(frozen=True, slots=True)
class BkavSettings:
    """What a connection needs besides the token.

    Args:
        name: Name of the peer in our routes and logs.
        endpoint: Base address, `https://host/EdocService`; of SOAP the service's own.
        system_id: The organId we are registered under.
        connect_s: Longest wait for a connection.
        silence_s: Longest silence of the peer while data should flow.
        max_answer_bytes: Largest answer that carries no packet.
        max_packet_bytes: Largest packet fetched.
        connections: Most connections at once.
    """

    name: str
    endpoint: str
    system_id: str
    connect_s: float = 10.0
    silence_s: float = 60.0
    max_answer_bytes: int = 64 * 1024 * 1024
    max_packet_bytes: int = 512 * 1024 * 1024
    connections: int = 10


class Link:
    """The connections.

    Args:
        settings: Where and how.
        secret: Tells which token to try.
        ssl_context: For an https endpoint with its own trust; None = the system's.
    """

    def __init__(
        self,
        settings: BkavSettings,
        secret: SharedSecret,
        ssl_context: ssl.SSLContext | None,
        time: PeerTime,
    ) -> None:
        self.time = time
        self._settings = settings
        self._secret = secret
        self._ssl: ssl.SSLContext | Literal[True] = ssl_context or True
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; they may be opened again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        data: bytes | AsyncIterator[bytes] | None = None,
    ) -> Any:
        """Make one request; use as a context."""
        settings = self._settings
        if self._session is None:
            if in_clear(settings.endpoint):
                # SEC-04: old axes of this kind speak plain HTTP inside the VPN; it is said aloud.
                observe.standing_warning(what=f"token_in_clear:{settings.name}", active=True)
            self._session = connected(
                self.time,
                connections=settings.connections,
                connect_s=settings.connect_s,
                silence_s=settings.silence_s,
            )
        url = settings.endpoint.rstrip("/") + path
        return self._session.request(
            method, url, headers=headers, data=data, allow_redirects=False, ssl=self._ssl
        )

    def judged(self, secret: bytes, *, refused: bool, worked: bool) -> bool:
        """Note what the peer says of a token; tell whether it was not refused."""
        if refused:
            self._secret.refused(secret)
            return False
        if worked:
            self._secret.worked(secret)
        return True

    async def bounded(self, response: aiohttp.ClientResponse) -> bytes:
        """Return a small answer, without our tokens: its words are kept and logged.

        Raises:
            UnavailableError: It is too long.
        """
        found = bytearray()
        async for chunk in response.content.iter_any():
            found += chunk
            if len(found) > self._settings.max_answer_bytes:
                raise unreadable("the answer is too long")
        for secret in self._secret.offered():
            token = secret.strip()
            if len(token) >= _A_TOKEN:
                found = found.replace(token, b"***")
        return bytes(found)
