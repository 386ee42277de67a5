"""Connections to RabbitMQ: made when needed, made again when lost, every library error translated.

`Link` is one connection. `speaking` is the door through which every call of the library goes: it
has a limit, and whatever comes out of it is an UnavailableError. `Outage` tells operations once
that the broker is away and once that it is back, however many calls fail in between. For the lanes
(`gateway.broker`) and the agencies' door (`adapters.amqp`) alike; nothing here knows a queue.
"""

import asyncio
import logging
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
)
from yarl import URL

from gateway.errors import ConfigurationError, Reason, UnavailableError

CONNECT_S: Final = 5.0
CALL_S: Final = 20.0
"""Longest time of one call that is no publish; a quorum queue made on a slow disk is the worst."""
_PARTING_S: Final = 5.0
_BLOCKED_S: Final = 1.0
"""How long a publish waits for a broker that has said it takes nothing."""
_AGAIN_S: Final = 0.2
_WORDS: Final = 150
_PAUSES_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
# StopAsyncIteration: the library's word for a server that goes away between two frames of its
# greeting, as one that starts or is killed does.
_TROUBLE: Final = (
    AMQPError,
    ChannelInvalidStateError,
    EOFError,
    OSError,
    RuntimeError,
    StopAsyncIteration,
    TimeoutError,
)


@dataclass(frozen=True, slots=True)
class Server:
    """Where a RabbitMQ is and how we come in.

    Args:
        url: `amqp://user@host:port/vhost`, `amqps://…`; without the password.
        password: Its password.
        ca_file: Who vouches for the server of an `amqps` address; None: the system's authorities.
        heartbeat_s: A connection silent for about three times this is given up.
        confirm_s: How long a publish may wait for the broker's word.
    """

    url: str
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    heartbeat_s: int = 10
    confirm_s: float = 10.0

    def full(self, name: str) -> URL:
        """Return the address with everything the library reads from it."""
        url = URL(self.url)
        if self.password:
            url = url.with_password(self.password)
        return url.update_query(heartbeat=str(self.heartbeat_s), name=name)

    def tls(self) -> ssl.SSLContext | None:
        """Return how an `amqps` server is checked; ConfigurationError when the file is useless."""
        if URL(self.url).scheme != "amqps":
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as exc:  # ssl.SSLError is one
            raise ConfigurationError(f"ca_file of RabbitMQ: {exc}") from exc
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def away(why: str) -> UnavailableError:
    """Return the error of a broker that does not do what it is for."""
    return UnavailableError(Reason.UNAVAILABLE, f"the broker {why}")


@asynccontextmanager
async def speaking(limit_s: float) -> AsyncIterator[None]:
    """Let the library work for so long; UnavailableError is all that comes out of it."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # The library cancels what waits on a channel that is lost: nobody cancelled us.
        raise away("went away") from None
    except TimeoutError as exc:
        raise away("does not answer") from exc
    except _TROUBLE as exc:
        raise away(f"refused or went away: {_words(exc)}") from exc


def _words(trouble: BaseException) -> str:
    """Return what the server or the system said, in one short line; never anything we sent."""
    told = " ".join(str(trouble).split())[:_WORDS]
    return f"{type(trouble).__name__}: {told}" if told else type(trouble).__name__


def alive(connection: AbstractConnection) -> bool:
    """Tell whether a connection still stands; `is_closed` alone means that we closed it."""
    transport = connection.transport
    return transport is not None and not transport.connection.is_closed


async def to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Let a parting finish, also when we are cancelled: the library takes half of one ill."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


async def unblocked(connection: AbstractConnection) -> None:
    """Refuse at once while the broker has said that it takes nothing."""
    transport = connection.transport
    if transport is None:
        raise away("went away")
    try:
        async with speaking(_BLOCKED_S):
            await transport.ready()
    except UnavailableError as exc:
        raise away("takes nothing now: it is short of memory or disk") from exc


class Lost(Protocol):
    """Says that one side found the broker away."""

    def __call__(self, *, side: str, reason: str) -> None:
        """Say it."""
        ...


class Back(Protocol):
    """Says that the broker works again."""

    def __call__(self, *, away_s: float) -> None:
        """Say it."""
        ...


class Outage:
    """Says once that the broker is away, and once that it is back.

    A side is whoever looks. What it said lost stays so until it says otherwise: so each must look
    again by itself, or leave.

    Args:
        say_lost: The fact that it is away.
        say_back: The fact that it is back.
        say_over: Takes down what stands, without a word.
    """

    def __init__(self, say_lost: Lost, say_back: Back, say_over: Callable[[], None]) -> None:
        self._say_lost, self._say_back, self._say_over = say_lost, say_back, say_over
        self._down: dict[str, str] = {}
        self._since = 0.0

    @property
    def reason(self) -> str:
        """Why the broker is away, "" when it is not."""
        return next(iter(self._down.values()), "")

    def lost(self, side: str, reason: str) -> None:
        """One side found the broker away."""
        if not self._down:
            self._since = time.monotonic()
            self._say_lost(side=side, reason=reason)
        self._down[side] = reason

    def back(self, side: str) -> None:
        """One side found it again."""
        if self._down.pop(side, None) is not None and not self._down:
            self._say_back(away_s=round(time.monotonic() - self._since, 1))

    def leave(self, side: str) -> None:
        """One side looks no more for now: what it found last says nothing."""
        if self._down.pop(side, None) is not None and not self._down:
            self._say_over()

    def over(self) -> None:
        """Nobody looks any more: take the standing warning down without a word."""
        if self._down:
            self._down.clear()
            self._say_over()


async def open_channel(
    connection: AbstractConnection, *, confirms: bool = False
) -> AbstractChannel:
    """Return a new channel; with `confirms`, what is returned unroutable raises."""
    async with speaking(CALL_S):
        return await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)


async def part_from(what: AbstractConnection | AbstractChannel) -> None:
    """Close a connection or channel that may be dead already."""
    with suppress(UnavailableError):
        async with speaking(_PARTING_S):
            await what.close()


class Link:
    """One connection; `side` names it in facts and to the server.

    `outage` is told when it cannot be made; None where the caller's error says all there is.
    """

    def __init__(self, server: Server, side: str, outage: Outage | None = None) -> None:
        self._server, self.side, self._outage = server, side, outage
        self._tls = server.tls()
        self._lock = asyncio.Lock()
        self._connection: AbstractConnection | None = None
        self._closed = False
        self._not_before = 0.0
        # The library tells each loss at length, at every try; `Outage` tells it once.
        for name in ("aiormq", "aio_pika"):
            logging.getLogger(name).setLevel(logging.CRITICAL)

    async def once(self) -> AbstractConnection:
        """Return the connection, trying once to make it; UnavailableError when there is none.

        Right after a try that failed it is not tried again: who publishes has other things to do.
        """
        return await self._get(patient=False)

    async def _get(self, *, patient: bool) -> AbstractConnection:
        async with self._lock:
            if self._closed:
                raise away("was let go")
            if self._connection is not None and alive(self._connection):
                return self._connection
            began = time.monotonic()
            if began < self._not_before and not patient:
                raise away("went away a moment ago")
            await self.drop()  # a dead one, which the library believes open until it is closed
            try:
                self._connection = await self._made()
            except UnavailableError as exc:
                if self._outage is not None:
                    self._outage.lost(self.side, exc.public)
                now = time.monotonic()
                self._not_before = now + max(_AGAIN_S, now - began)
                raise
            return self._connection

    async def _made(self) -> AbstractConnection:
        url = self._server.full(f"vanlien {self.side}")
        connection = aio_pika.Connection(url, ssl_context=self._tls)
        try:
            async with speaking(CONNECT_S):
                await connection.connect()
        except BaseException:
            # Else the library closes it when it is collected, perhaps where no loop runs any more.
            await to_the_end(part_from(connection))
            raise
        return connection

    async def steady(self) -> AbstractConnection:
        """Return the connection, however long it takes to make it."""
        tries = 0
        while True:
            try:
                return await self._get(patient=True)
            except UnavailableError:
                if self._closed:
                    raise
            pause = _PAUSES_S[min(tries, len(_PAUSES_S) - 1)]
            tries += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def drop(self) -> None:
        """Give up the connection, which is of no use any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await to_the_end(part_from(connection))

    async def close(self) -> None:
        """Let go for good."""
        self._closed = True
        await self.drop()
