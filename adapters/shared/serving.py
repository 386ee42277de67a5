"""What every façade does besides its dialect: who may connect, bodies in, packets out, words.

Promises: bodies and packets are streamed, so memory does not grow with them; a packet that breaks
off on its way is cut, so that it cannot look whole. A crash leaves nothing behind.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

import aiohttp
from aiohttp import web

from gateway import observe
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import Caller, Network, Packet

SILENCE_S: Final = 60.0
"""Longest silence while a body comes in or an answer goes out."""
GRACE_S: Final = 60.0
"""After this a body must keep the least pace."""
LEAST_BYTES_S: Final = 4096
SMALL_WITHIN_S: Final = 20.0
"""Longest wait for a small body, which anybody may begin."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doorkeeper(Protocol):
    """What counts a caller's calls; put into each request by who serves us."""

    def __call__(self, system_id: str) -> None:
        """Take a place for a call of this system; UnavailableError when it has too many."""
        ...


ADMIT: Final = web.RequestKey("admit", Doorkeeper)


def may_call(remote: str | None, networks: Sequence[Network]) -> bool:
    """Tell whether a peer address lies in one of the ranges; IPv4 inside IPv6 counts as IPv4."""
    try:
        address = ipaddress.ip_address((remote or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


def only_from(networks: Sequence[Network]) -> Any:
    """Return a middleware that refuses everyone outside the ranges.

    For a plain HTTP listener of old clients inside the VPN. The peer address of the connection
    counts, never a header. The answer has the members in which the dialects' clients look.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not may_call(request.remote, networks):
            told = words(not_from_here())
            answer = {"status": "FAIL", "code": "403", "message": told, "ErrorDesc": told}
            return web.json_response(answer, status=403)
        return await handler(request)

    return check


def admitted(request: web.Request, caller: Caller) -> Caller:
    """Return who calls, once there is room for another call of theirs.

    What stands around the façade counts, and gives the place back when the call ends; asked again
    during one call it changes nothing.

    Raises:
        UnavailableError: OVERLOADED.
    """
    admit = request.get(ADMIT)
    if admit is not None:
        admit(caller.system_id)
    return caller


def not_from_here() -> RejectedError:
    """Return the refusal of an address outside the listed ranges."""
    return RejectedError(Reason.FORBIDDEN, "plain HTTP is not open to this address; use HTTPS")


async def body(request: web.Request) -> AsyncIterator[bytes]:
    """Yield a request body as it arrives; what breaks it off is one of our errors.

    Who falls silent, or drips, does not keep a place that others need.
    """
    loop = asyncio.get_running_loop()
    began, taken = loop.time(), 0
    try:
        while chunk := await _next(request):
            taken += len(chunk)
            elapsed_s = loop.time() - began
            if elapsed_s > GRACE_S and taken < elapsed_s * LEAST_BYTES_S:
                raise fell_silent()
            yield chunk
    except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, ConnectionError) as exc:
        raise UnavailableError(
            Reason.UNAVAILABLE, "the connection broke while the file was arriving; send it again"
        ) from exc


async def small_body(request: web.Request, longest: int) -> bytes:
    """Return a whole small body; it must be here soon, because anybody may begin one.

    Raises:
        RejectedError: TOO_LARGE.
        UnavailableError: It broke off, or came too slowly.
    """
    found = bytearray()
    async with soon(SMALL_WITHIN_S):
        async for chunk in body(request):
            found += chunk
            if len(found) > longest:
                raise RejectedError(Reason.TOO_LARGE, f"the body is over {longest} bytes")
    return bytes(found)


@contextlib.asynccontextmanager
async def soon(within_s: float) -> AsyncIterator[None]:
    """Bound what is read of a body before it is known whose it is.

    Raises:
        UnavailableError: It came too slowly.
    """
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError as exc:
        raise fell_silent() from exc


async def _next(request: web.Request) -> bytes:
    """Return what has come meanwhile, nothing at the end."""
    try:
        async with asyncio.timeout(SILENCE_S):
            return await request.content.readany()
    except TimeoutError as exc:
        raise fell_silent() from exc


def fell_silent() -> UnavailableError:
    """Return the error of a client that sends no more: its place is wanted for others."""
    return UnavailableError(Reason.UNAVAILABLE, "nothing came any more; send it again")


async def stream(
    request: web.Request,
    chunks: AsyncIterator[bytes],
    size: int,
    content_type: str,
    packet: Packet,
) -> web.StreamResponse:
    """Stream a body of known size; if it breaks, the connection is cut, so it cannot look whole."""
    response = web.StreamResponse(headers={"Content-Type": content_type})
    response.content_length = size
    sent = 0
    try:
        await response.prepare(request)
        async for chunk in chunks:
            await write(response, chunk)
            sent += len(chunk)
        if sent == size:
            await response.write_eof()
    except Exception as exc:  # noqa: BLE001 - the head is out, no other answer is possible
        if not isinstance(exc, ConnectionError):
            observe.request_crashed(method=request.method, route="packet", failure=exc)
    finally:
        if sent != size and request.transport is not None:
            request.transport.abort()
        await let_go(packet)
    return response


async def write(response: web.StreamResponse, chunk: bytes) -> None:
    """Write a piece of an answer; who takes nothing for long has gone.

    Raises:
        ConnectionError: It has.
    """
    try:
        async with asyncio.timeout(SILENCE_S):
            await response.write(chunk)
    except TimeoutError as exc:
        raise ConnectionResetError("nothing is taken any more") from exc


async def let_go(packet: Packet) -> None:
    """Close a packet's stream, read or not."""
    close = getattr(packet.chunks, "aclose", None)
    if close is not None:
        await close()


def words(error: GatewayError, *, longest: int = 4000) -> str:
    """Return an error as one line: Vietnamese, then English, then every finding with its rule."""
    row = CATALOGUE[error.reason]
    texts = [row.vi]
    if error.public and error.public != row.vi:
        texts.append(error.public)
    for finding in getattr(error, "findings", ()):
        where = f" ({finding.where})" if finding.where else ""
        texts.append(f"{finding.rule}{where}: {finding.vi}")
    return " | ".join(texts)[:longest]
