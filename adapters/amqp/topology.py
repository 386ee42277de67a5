"""The exchange and the queues on RabbitMQ: made where missing, compared where they are there.

What somebody declared otherwise is used as it is and named; nothing is ever deleted here. A crash
leaves what was made so far, and the next start makes the rest.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed

from adapters.amqp.names import Exchange, Names, Queue
from gateway.errors import UnavailableError
from gateway.rabbit import CALL_S, Link, Server, open_channel, part_from, speaking, to_the_end


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of an exchange or a queue: there before or not, what waits, what differs."""

    name: str
    what: str
    there: bool
    ready: int = 0
    differs: str = ""


async def ensure(
    connection: AbstractConnection, names: Names, queues: Iterable[Queue], *, make: bool = True
) -> list[Found]:
    """Make the exchange and these queues where they are missing; return what was found before.

    Args:
        connection: To the broker.
        names: What the exchange is called.
        queues: The queues.
        make: False: compare only.
    """
    async with _asking(connection) as questions:
        found = [await questions.exchange(one, make=make) for one in names.exchanges]
        found += [await questions.queue(queue, make=make) for queue in queues]
    return found


async def examined(
    server: Server, names: Names, systems: Sequence[str], *, make: bool
) -> list[Found]:
    """Do the same from the command line, over a connection of its own."""
    link = Link(server, "administration")
    try:
        return await ensure(await link.once(), names, names.every(systems), make=make)
    finally:
        await link.close()


class _Questions:
    """Asks over a channel that is opened again whenever an answer closed it."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def exchange(self, exchange: Exchange, *, make: bool) -> Found:
        there = await self._there(exchange) is not None
        differs = await self._declared(exchange) if make or there else ""
        return Found(exchange.name, "exchange", there, differs=differs)

    async def queue(self, queue: Queue, *, make: bool) -> Found:
        ready = await self._there(queue)
        there = ready is not None
        differs = await self._declared(queue) if make or there else ""
        if make and queue.exchange:
            async with speaking(CALL_S):
                kept = await (await self._open()).get_queue(queue.name, ensure=False)
                await kept.bind(queue.exchange, queue.key)
        return Found(queue.name, "queue", there, ready or 0, differs)

    async def close(self) -> None:
        """Let the channel go."""
        if self._channel is not None and not self._channel.is_closed:
            await to_the_end(part_from(self._channel))

    async def _there(self, thing: Exchange | Queue) -> int | None:
        """Return how many messages wait, None when there is no such thing."""
        try:
            async with speaking(CALL_S):
                channel = await self._open()
                if isinstance(thing, Queue):
                    asked = await channel.declare_queue(thing.name, passive=True)
                    return asked.declaration_result.message_count or 0
                await channel.declare_exchange(thing.name, passive=True)
        except UnavailableError as exc:
            if isinstance(exc.__cause__, ChannelNotFoundEntity):
                return None
            raise
        return 0

    async def _declared(self, thing: Exchange | Queue) -> str:
        """Declare as ours are: nothing happens, it is made, or what differs is returned."""
        try:
            async with speaking(CALL_S):
                channel = await self._open()
                if isinstance(thing, Queue):
                    await channel.declare_queue(
                        thing.name, durable=True, arguments=dict(thing.arguments)
                    )
                else:
                    await channel.declare_exchange(
                        thing.name,
                        ExchangeType(thing.type),
                        durable=True,
                        arguments=dict(thing.arguments),
                    )
        except UnavailableError as exc:
            if not isinstance(exc.__cause__, ChannelPreconditionFailed):
                raise
            told = str(exc.__cause__.args[0] if exc.__cause__.args else exc.__cause__)
            return told.removeprefix("PRECONDITION_FAILED - ").strip()
        return ""

    async def _open(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(self._connection)
        return self._channel


@asynccontextmanager
async def _asking(connection: AbstractConnection) -> AsyncIterator[_Questions]:
    questions = _Questions(connection)
    try:
        yield questions
    finally:
        await questions.close()
