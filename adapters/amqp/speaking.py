"""Publishing to the queues of systems: persistent, mandatory, confirmed, a channel a queue.

Promises that a letter was confirmed by the broker when `say` returns. A queue that is gone is made
again; one that says no (it is full) or nothing holds up no other, because each has a channel of its
own. A crash loses nothing: whoever publishes records it afterwards.
"""

import asyncio
from collections import OrderedDict
from typing import Final

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError

from adapters.amqp import topology
from adapters.amqp.names import Names, Queue
from adapters.amqp.wire import Letter
from gateway.errors import Reason, UnavailableError
from gateway.rabbit import Link, Outage, away, open_channel, part_from, speaking, unblocked

_CHANNELS: Final = 500
"""Channels kept open, those last used; RabbitMQ allows 2,047 on a connection."""


class FullError(UnavailableError):
    """The queue takes nothing more: its owner does not read it."""


class Mouth:
    """The publishing side, on a connection of its own: the broker may stop reading from it.

    Args:
        link: The connection.
        names: What queues are called.
        outage: Told when the broker is away, and back.
        confirm_s: How long a publish may wait for the broker's word.
    """

    def __init__(self, link: Link, names: Names, outage: Outage, confirm_s: float) -> None:
        self._link, self._names, self._outage = link, names, outage
        self._confirm_s = confirm_s
        self._channels: OrderedDict[str, AbstractChannel] = OrderedDict()
        self._connection: AbstractConnection | None = None
        self._lock = asyncio.Lock()
        self._parting: set[asyncio.Task[None]] = set()

    async def say(self, queue: Queue, letter: Letter) -> None:
        """Publish one letter; returns once the broker keeps it.

        Raises:
            FullError: The queue takes nothing more.
            UnavailableError: The broker does not keep it, or did not say so in time.
        """
        try:
            trouble = await self._sent(queue, letter)
            if isinstance(trouble, PublishError):
                async with self._lock:  # somebody deleted the queue under us
                    await topology.ensure(await self._link.once(), self._names, (queue,))
                trouble = await self._sent(queue, letter)
        except UnavailableError as exc:
            self._outage.lost(self._link.side, exc.public)
            raise
        if trouble is None:
            self._outage.back(self._link.side)
            return
        if type(trouble) is DeliveryError:
            raise FullError(Reason.UNAVAILABLE, f"the queue {queue.name} takes nothing more")
        # This queue's trouble, perhaps not the broker's: nobody else waits on its channel.
        self._close(queue)
        raise away(f"did not confirm a message for {queue.name}") from trouble

    async def close(self) -> None:
        """Let go of the connection."""
        for task in self._parting:
            task.cancel()
        await asyncio.gather(*self._parting, return_exceptions=True)
        await self._link.close()

    # ------------------------------------------------------------ inside

    async def _sent(self, queue: Queue, letter: Letter) -> Exception | None:
        """Publish once; return why it is not known to be kept, None when it is."""
        channel = await self._channel(queue)
        try:
            async with speaking(self._confirm_s):
                await _publish(channel, queue, letter)
        except UnavailableError as exc:
            cause = exc.__cause__
            return cause if isinstance(cause, DeliveryError) else exc
        return None

    async def _channel(self, queue: Queue) -> AbstractChannel:
        async with self._lock:
            connection = await self._link.once()
            if connection is not self._connection:
                self._connection = connection
                self._channels.clear()
            await unblocked(connection)
            channel = self._channels.get(queue.name)
            if channel is None or channel.is_closed:
                channel = self._channels[queue.name] = await open_channel(connection, confirms=True)
            self._channels.move_to_end(queue.name)
            if len(self._channels) > _CHANNELS:
                self._part(self._channels.popitem(last=False)[1])
            return channel

    def _close(self, queue: Queue) -> None:
        """Use the channel of a queue no more: what is late on it would confuse the next."""
        channel = self._channels.pop(queue.name, None)
        if channel is not None:
            self._part(channel)

    def _part(self, channel: AbstractChannel) -> None:
        task = asyncio.create_task(part_from(channel), name="agencies' broker parting")
        self._parting.add(task)
        task.add_done_callback(self._parting.discard)


async def _publish(channel: AbstractChannel, queue: Queue, letter: Letter) -> None:
    message = Message(
        letter.body,
        content_type=letter.content_type,
        delivery_mode=DeliveryMode.PERSISTENT,
        type=letter.type,
        message_id=letter.message_id,
        correlation_id=letter.correlation_id or None,
        headers=dict(letter.headers),
        app_id="vanlien",
    )
    # A confirmation that is a refusal raises, and so does a message that no queue took.
    await channel.default_exchange.publish(message, queue.name, mandatory=True)
