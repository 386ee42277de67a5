"""Taking from RabbitMQ: one tap a topic, one consumer a lane, acknowledged last and by hand.

Each lane's consumer has a prefetch of its own, as large as there are workers, so that normal
messages never keep urgent ones from coming, and little lies here that another node could do. What
came lies on a shelf, the most urgent first. A channel that dies takes its messages with it: the
broker hands them out again, here or elsewhere, and `done` on the old ones does nothing.

No message is kept for `hold_s` without an acknowledgement: after half an hour RabbitMQ would close
the channel, and each time it hands something out again counts towards its being parked. Where
nobody takes for `look_s`, everything goes back. Where all hands are busy for so long, what was not
begun is acknowledged and dropped, because the ledger wishes it again; what is being worked on is
acknowledged before its end, because the ledger knows that it was begun.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Final
from weakref import WeakSet

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aiormq.exceptions import ChannelNotFoundEntity

from gateway import faults, observe
from gateway.broker import wire
from gateway.broker.declaring import Declared
from gateway.broker.link import Address
from gateway.broker.mending import Mender
from gateway.broker.queues import Queue, lanes_of
from gateway.broker.repeats import Repeats
from gateway.broker.shelf import LANES, Shelf
from gateway.errors import UnavailableError
from gateway.rabbit import (
    CALL_S,
    Link,
    Outage,
    open_channel,
    part_from,
    speaking,
    to_the_end,
)

_ACK_S: Final = 5.0
_PAUSE_S: Final = 0.5
_MOST: Final = 1000
_STARVED: Final = 3
"""Looks at the broker, one after the other, that find ids waiting for hands that get none."""


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
        if message is not None:
            self._tap.finished(self)
            await self._tap.acknowledge(message)

    def came_by(self, message: AbstractIncomingMessage) -> bool:
        """Tell whether a message is the one that brought this."""
        return self._message is message


class Tap:
    """The consumers of one topic, opened while somebody takes.

    Args:
        topic: The topic.
        address: Where the broker is.
        link: The connection that all taps share.
        outage: Told when the broker is away, and back.
        declared: Makes queues that are missing.
        repeats: Told what is done.
        mender: Told of queues that break who takes from them; knows which are set aside.
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
        mender: Mender,
    ) -> None:
        self.topic = topic
        self._side = f"{link.side} {topic}"
        self._queues = lanes_of(address.prefix, topic)
        self._link, self._outage = link, outage
        self._declared, self._repeats, self._mender = declared, repeats, mender
        self._hold_s, self._look_s = address.hold_s, address.look_s
        self._shelf: Shelf[AmqpWork] = Shelf()
        self._out: WeakSet[AmqpWork] = WeakSet()
        self._unacknowledged: dict[AbstractIncomingMessage, float] = {}
        self._starved: Counter[int] = Counter()
        self._busy_at = 0.0
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
        self._busy_at = time.monotonic()
        return work

    def finished(self, work: AmqpWork) -> None:
        """A taker has done its work."""
        self._out.discard(work)
        self._busy_at = time.monotonic()
        self._repeats.done(self.topic, work.ref)
        self._rest()

    async def acknowledge(self, message: AbstractIncomingMessage) -> None:
        """Acknowledge a message, once; one whose channel is gone is somebody else's now."""
        came = self._unacknowledged.pop(message, None)
        if came is None or message.delivery_tag is None:
            return
        faults.reach("broker.before-ack")
        with suppress(UnavailableError):
            async with speaking(_ACK_S):
                await message.channel.basic_ack(message.delivery_tag, wait=False)

    @property
    def wanted(self) -> bool:
        """Whether somebody takes, so that the consumers are open or being opened."""
        return self._needed.is_set()

    def depths(self) -> tuple[int, ...]:
        """Return how many ids lie here, by lane."""
        return self._shelf.depths()

    def broken(self) -> None:
        """Open again: something of it is gone."""
        self._lost = True
        self._changed.set()

    def look_again(self) -> None:
        """A queue that was set aside may be taken from again."""
        self._changed.set()

    def told(self, waiting: AbstractSet[int]) -> None:
        """Hear in which lanes ids wait; open again when those who wait for them get none.

        A queue that another node made anew knows nothing of consumers on the one before.
        """
        hungry = self._shelf.hungry
        for queue in self._queues:
            if queue.lane >= hungry and queue.lane in waiting and not self._mender.aside(queue):
                self._starved[queue.lane] += 1
            else:
                del self._starved[queue.lane]
        if max(self._starved.values(), default=0) >= _STARVED:
            self._starved.clear()
            self.broken()

    async def run(self) -> None:
        """Keep the consumers open while somebody takes, until cancelled."""
        while True:
            if not self._needed.is_set():
                self._outage.leave(self._side)
            await self._needed.wait()
            channel: AbstractChannel | None = None
            try:
                connection = await self._link.steady()
                await self._declared.ensure(connection, self.topic)
                channel = await open_channel(connection)
                await self._watch(channel)
                while not self._lost and self._needed.is_set():
                    await self._consume(channel)
                    self._outage.back(self._link.side)
                    self._outage.back(self._side)
                    while not await self._changed_within(min(self._look_s, self._hold_s)):
                        await self._tend()
            except UnavailableError as exc:
                self._outage.lost(self._side, exc.public)
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
            self._let_go()

    def _let_go(self) -> None:
        self._lowest = LANES
        self._needed.clear()
        self._changed.set()

    async def _changed_within(self, limit_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._changed.wait()
        return self._changed.is_set()

    async def _tend(self) -> None:
        """Keep no message too long."""
        now = time.monotonic()
        if not self._hands() and now - self._busy_at > self._look_s:
            self._let_go()
            return
        for message, came in tuple(self._unacknowledged.items()):
            if now - came > self._hold_s:
                self._shelf.drop(partial(self._forgotten, message))
                await self.acknowledge(message)

    def _forgotten(self, message: AbstractIncomingMessage, work: AmqpWork) -> bool:
        if not work.came_by(message):
            return False
        self._repeats.done(self.topic, work.ref)  # its next wish is a new one
        return True

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
            if not self._mender.aside(lane):
                await self._open(channel, lane)

    async def _open(self, channel: AbstractChannel, lane: Queue) -> None:
        try:
            async with speaking(CALL_S):
                queue = await channel.get_queue(lane.name, ensure=False)
                tag = await queue.consume(partial(self._on_message, lane.lane))
                # The server says yes before it asks the queue, and the connection dies of a dead
                # one (3.10): only the next answer shows that it did not.
                await channel.set_qos(prefetch_count=self._prefetch)
        except UnavailableError as exc:
            if isinstance(exc.__cause__, ChannelNotFoundEntity):
                self._declared.forget(self.topic)
            else:
                self._mender.suspect(lane)
            raise
        self._tags.append((queue, tag))

    async def _shut(self, channel: AbstractChannel) -> None:
        """Close a channel: the broker hands out again what was not acknowledged on it."""
        channel.close_callbacks.discard(self._on_lost)
        self._prefetch = 0
        if not channel.is_closed:
            await part_from(channel)
        self._unacknowledged.clear()
        self._shelf.drop(lambda _: True)

    async def _on_message(self, lane: int, message: AbstractIncomingMessage) -> None:
        self._unacknowledged[message] = time.monotonic()
        self._starved.pop(lane, None)
        if message.body == wire.PROBE:
            await self.acknowledge(message)
            return
        try:
            ref, flow = wire.read(message.body, self.topic)
        except ValueError as exc:
            observe.message_parked(queue=self._queues[lane].name, reason=str(exc))
            del self._unacknowledged[message]
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
