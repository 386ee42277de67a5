"""The connections of a client to one Bkav axis, REST or SOAP: one call, bounded and timed.

Promises: tokens go in headers or messages, never in addresses or logs; redirects are not followed;
a token refused with 401 is noted and the next one tried. A crash leaves nothing behind.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from adapters.shared.connecting import Line, PeerTime
from gateway.ports import SharedSecret

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
        self._line = Line(settings, time, ssl_context, tokens_to=settings.endpoint)

    async def close(self) -> None:
        """Close the connections; they may be opened again."""
        await self._line.close()

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        data: bytes | AsyncIterator[bytes] | None = None,
    ) -> Any:
        """Make one request; use as a context."""
        url = self._settings.endpoint.rstrip("/") + path
        return self._line.request(method, url, headers=headers, data=data)

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
        found = await self._line.bounded(response)
        for secret in self._secret.offered():
            token = secret.strip()
            if len(token) >= _A_TOKEN:
                found = found.replace(token, b"***")
        return found
