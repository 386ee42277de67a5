"""Publishing to RabbitMQ: persistent, mandatory, confirmed, a whole batch at a time.

Promises that `publish` returns only when the broker has said of every message that it keeps it, and
that a message for a queue that is not there is an error, not silence. What it cannot do now is an
UnavailableError; whoever asked still has his rows. A queue that said nothing, or no, is left out
until it has been examined (`mending`), so that it holds up no other.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import DeliveryError, PublishError

from gateway import faults
from gateway.broker import wire
from gateway.broker.declaring import Declared
from gateway.broker.link import Address
from gateway.broker.mending import Mender
from gateway.broker.queues import Queue, lanes_of
from gateway.broker.repeats import Repeats
from gateway.errors import UnavailableError
from gateway.ports import Wanted
from gateway.rabbit import Link, Outage, away, open_channel, part_from, unblocked


class Outgoing:
    """The publishing side, on a connection of its own: the broker may stop reading from it.

    Args:
        address: Where the broker is.
        outage: Told when it is away, and back.
        declared: Makes queues that are missing.
        repeats: Knows what was sent already.
        mender: Told of silent queues; knows which are set aside.
        crowded: Whether a lane of a topic holds plenty.
    """

    def __init__(
        self,
        address: Address,
        *,
        outage: Outage,
        declared: Declared,
        repeats: Repeats,
        mender: Mender,
        crowded: Callable[[str, int], bool],
    ) -> None:
        self._address, self._outage, self._declared = address, outage, declared
        self._repeats, self._mender, self._crowded = repeats, mender, crowded
        self._link = Link(address, "publish", outage)
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._lock = asyncio.Lock()
        self._parting: set[asyncio.Task[None]] = set()

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        """Queue what was not queued lately; UnavailableError when any of it is not kept."""
        well = [one for one in wanted if not self._mender.aside(self._queue(one))]
        if well:
            await self._publish(well)
        if len(well) < len(wanted):
            raise away(f"has queues that are being examined: {len(wanted) - len(well)} left out")

    async def _publish(self, wanted: Sequence[Wanted]) -> None:
        batch: list[Wanted] = []
        kept: set[Wanted] = set()
        try:
            # First: a queue that has to be made has lost what was sent to it.
            await self._ready({one.topic for one in wanted})
            batch += (
                one
                for one in wanted
                if self._repeats.wants(one, crowded=self._crowded(one.topic, one.lane))
            )
            if batch:
                await self._send(batch, kept)
        except UnavailableError as exc:
            if not kept:  # else it is one queue, not the broker
                self._outage.lost(self._link.side, exc.public)
            raise
        finally:
            for one in batch:
                if one not in kept:
                    self._repeats.failed(one)
        self._outage.back(self._link.side)

    async def probe(self) -> None:
        """See whether the broker would take something now."""
        try:
            await self._ready(())
        except UnavailableError as exc:
            self._outage.lost(self._link.side, exc.public)
        else:
            self._outage.back(self._link.side)

    async def close(self) -> None:
        """Let go of the connection."""
        for task in self._parting:
            task.cancel()
        await asyncio.gather(*self._parting, return_exceptions=True)
        await self._link.close()

    # ------------------------------------------------------------ sending

    async def _send(self, batch: Collection[Wanted], kept: set[Wanted]) -> None:
        unkept = await self._confirmed(batch, kept)
        homeless = [one for one, why in unkept.items() if isinstance(why, PublishError)]
        if homeless and len(homeless) == len(unkept):
            # Somebody deleted queues under us: make them, and try once more.
            for one in homeless:
                self._declared.forget(one.topic)
            unkept = await self._confirmed(homeless, kept)
        if unkept:
            why = next(iter(unkept.values()))
            raise away(f"did not keep {len(unkept)} of {len(batch)}") from why

    async def _confirmed(
        self, batch: Collection[Wanted], kept: set[Wanted]
    ) -> dict[Wanted, BaseException]:
        """Publish all at once; note what the broker keeps, return the others and why."""
        channel = await self._ready({one.topic for one in batch})
        tasks = {asyncio.ensure_future(self._one(channel, one)): one for one in batch}
        try:
            _, late = await asyncio.wait(tasks, timeout=self._address.confirm_s)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        unkept: dict[Wanted, BaseException] = {}
        for one, result in zip(tasks.values(), ended, strict=True):
            if isinstance(result, BaseException):
                unkept[one] = result
            else:
                kept.add(one)
        if late and self._connection is not None:
            await unblocked(self._connection)  # short of memory or disk: no queue's fault
        for task, one in tasks.items():
            if task in late or type(unkept.get(one)) is DeliveryError:
                self._mender.suspect(self._queue(one))
        if late:
            await self._begin_anew(channel, everything=not kept.intersection(batch))
        return unkept

    def _queue(self, one: Wanted) -> Queue:
        return lanes_of(self._address.prefix, one.topic)[one.lane]

    async def _one(self, channel: AbstractChannel, one: Wanted) -> None:
        message = Message(
            wire.write(one),
            content_type="application/json",
            delivery_mode=DeliveryMode.PERSISTENT,
            app_id="vanlien",
        )
        # A confirmation that is a refusal raises, and so does a message that no queue took.
        await channel.default_exchange.publish(message, self._queue(one).name, mandatory=True)
        faults.reach("broker.after-confirm")

    async def _begin_anew(self, channel: AbstractChannel, *, everything: bool) -> None:
        """No word in time: what the server knows of this channel is of no use any more."""
        if everything:
            await self._link.drop()
            raise away("did not confirm in time")
        if channel is self._channel:
            self._channel = None
            task = asyncio.create_task(self._part(channel), name="broker parting")
            self._parting.add(task)
            task.add_done_callback(self._parting.discard)

    async def _part(self, channel: AbstractChannel) -> None:
        await asyncio.sleep(self._address.confirm_s)  # others may still wait on it
        await part_from(channel)

    async def _ready(self, topics: Collection[str]) -> AbstractChannel:
        """Return a channel that publishes, with the queues of these topics there."""
        async with self._lock:
            connection = await self._link.once()
            if connection is not self._connection:
                self._connection, self._channel = connection, None
                self._declared.forget_all()
            await unblocked(connection)
            for topic in topics:
                await self._declared.ensure(connection, topic)
            if self._channel is None or self._channel.is_closed:
                self._channel = await open_channel(connection, confirms=True)
            return self._channel
