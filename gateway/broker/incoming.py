"""Taking from RabbitMQ: one tap a topic, one consumer a lane, acknowledged last and by hand.

Each lane's consumer has a prefetch of its own, as large as there are workers, so that normal
messages never keep urgent ones from coming, and little lies here that another node could do. What
came lies on a shelf, the most urgent first. A channel that dies takes its messages with it: the
broker hands them out again, here or elsewhere, and `done` on the old ones does nothing.
"""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final
from weakref import WeakSet

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue

from gateway import observe
from gateway.broker import wire
from gateway.broker.declaring import Declared
from gateway.broker.link import CALL_S, Address, Link, Outage, speaking, to_the_end
from gateway.broker.queues import lanes_of
from gateway.broker.repeats import Repeats
from gateway.broker.shelf import LANES, Shelf
from gateway.errors import UnavailableError

_ACK_S: Final = 5.0
_PAUSE_S: Final = 0.5
_MOST: Final = 1000


class AmqpWork:
    """An id taken from a queue."""

    __slots__ = ("__weakref__", "_message", "_tap", "ref")

    def __init__(self, ref: str, message: AbstractIncomingMessage, tap: "Tap") -> None:
        self.ref = ref
        self._message: AbstractIncomingMessage | None = message
        self._tap = tap

    async def done(self) -> None:
        """Acknowledge on the channel it came by; on a dead one it comes again, and that is all."""
        message, self._message = self._message, None
        if message is None or message.delivery_tag is None:
            return
        self._tap.finished(self)
        with suppress(UnavailableError):
            async with speaking(_ACK_S):
                await message.channel.basic_ack(message.delivery_tag, wait=False)


class Tap:
    """The consumers of one topic, opened while somebody takes.

    Args:
        topic: The topic.
        address: Where the broker is.
        link: The connection that all taps share.
        outage: Told when the broker is away, and back.
        declared: Makes queues that are missing.
        repeats: Told what is done.
    """

    def __init__(
        self,
        topic: str,
        *,
        address: Address,
        link: Link,
        outage: Outage,
        declared: Declared,
        repeats: Repeats,
    ) -> None:
        self.topic = topic
        self._queues = lanes_of(address.prefix, topic)
        self._link, self._outage = link, outage
        self._declared, self._repeats = declared, repeats
        self._shelf: Shelf[AmqpWork] = Shelf()
        self._out: WeakSet[AmqpWork] = WeakSet()
        self._lowest, self._prefetch = LANES, 0
        self._leaving, self._lost = False, False
        self._tags: list[tuple[AbstractQueue, str]] = []
        self._needed, self._changed = asyncio.Event(), asyncio.Event()

    async def take(self, lowest: int) -> AmqpWork:
        """Return the most urgent id, waiting for one in lane `lowest` or above."""
        self._leaving = False
        self._needed.set()
        if lowest < self._lowest or min(self._hands() + 1, _MOST) > self._prefetch:
            self._lowest = min(lowest, self._lowest)
            self._changed.set()  # open again, for more lanes or more hands
        try:
            work = await self._shelf.take(lowest)
        except asyncio.CancelledError:
            self._leaving = True
            self._rest()
            raise
        self._out.add(work)
        return work

    def finished(self, work: AmqpWork) -> None:
        """A taker has done its work."""
        self._out.discard(work)
        self._repeats.done(self.topic, work.ref)
        self._rest()

    def depths(self) -> tuple[int, ...]:
        """Return how many ids lie here, by lane."""
        return self._shelf.depths()

    def broken(self) -> None:
        """Open again: something of it is gone."""
        self._lost = True
        self._changed.set()

    async def run(self) -> None:
        """Keep the consumers open while somebody takes, until cancelled."""
        while True:
            await self._needed.wait()
            channel: AbstractChannel | None = None
            try:
                connection = await self._link.steady()
                await self._declared.ensure(connection, self.topic)
                async with speaking(CALL_S):
                    channel = await connection.channel(publisher_confirms=False)
                await self._watch(channel)
                while not self._lost and self._needed.is_set():
                    await self._consume(channel)
                    self._outage.back(self._link.side)
                    await self._changed.wait()
                if self._lost:
                    # A server still at deleting a queue ruins the one made in its place.
                    await asyncio.sleep(_PAUSE_S)
            except UnavailableError as exc:
                self._outage.lost(self._link.side, exc.public)
                await asyncio.sleep(_PAUSE_S)
            except Exception as exc:  # noqa: BLE001 - a bug here must not end all taking
                observe.alarm(what="broker", subject=self.topic, failure=exc)
                await asyncio.sleep(_PAUSE_S)
            finally:
                if channel is not None:
                    await to_the_end(self._shut(channel))

    # ------------------------------------------------------------ inside

    def _hands(self) -> int:
        return self._shelf.takers + len(self._out)

    def _rest(self) -> None:
        """Nobody takes any more: what was fetched ahead goes back, for other nodes."""
        if self._leaving and not self._hands():
            self._lowest = LANES
            self._needed.clear()
            self._changed.set()

    async def _watch(self, channel: AbstractChannel) -> None:
        self._lost = False
        self._tags.clear()
        channel.close_callbacks.add(self._on_lost)
        async with speaking(CALL_S):
            inner = await channel.get_underlay_channel()
            inner.on_consumer_cancel_callbacks.add(self._on_cancelled)

    async def _consume(self, channel: AbstractChannel) -> None:
        """Open the consumers, for as many hands and lanes as there are now.

        Those that stand are replaced on the same channel: what is out on it stays out.
        """
        self._changed.clear()
        self._prefetch = max(1, min(self._hands(), _MOST))
        async with speaking(CALL_S):
            while self._tags:
                queue, tag = self._tags.pop()
                await queue.cancel(tag)
            await channel.set_qos(prefetch_count=self._prefetch)
            # The most urgent first: when much waits, it is also the first to arrive.
            for lane in reversed(self._queues[self._lowest :]):
                queue = await channel.get_queue(lane.name, ensure=False)
                tag = await queue.consume(partial(self._on_message, lane.lane))
                self._tags.append((queue, tag))

    async def _shut(self, channel: AbstractChannel) -> None:
        """Close a channel: the broker hands out again what was not acknowledged on it."""
        channel.close_callbacks.discard(self._on_lost)
        self._prefetch = 0
        if not channel.is_closed:
            with suppress(UnavailableError):
                async with speaking(_ACK_S):
                    await channel.close()
        self._shelf.drop(lambda _: True)

    async def _on_message(self, lane: int, message: AbstractIncomingMessage) -> None:
        try:
            ref, flow = wire.read(message.body, self.topic)
        except ValueError as exc:
            observe.message_parked(queue=self._queues[lane].name, reason=str(exc))
            with suppress(UnavailableError):
                async with speaking(_ACK_S):
                    await message.reject(requeue=False)  # to the parking queue, by its arguments
            return
        self._shelf.put(lane, AmqpWork(ref, message, self), flow)

    def _on_lost(self, *_: object) -> None:
        self.broken()

    def _on_cancelled(self, *_: object) -> None:
        """A queue was deleted under us."""
        self._declared.forget(self.topic)
        self.broken()
