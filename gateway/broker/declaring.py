"""Questions about queues, and making those that are missing.

`Questions` asks one after another on a channel of its own, because an answer may close it.
`Declared` remembers which topics have their queues on the broker as it is now; a queue that
somebody declared otherwise is used as it is, and named aloud.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from gateway import observe
from gateway.broker.queues import Queue, lanes_of, parking
from gateway.broker.repeats import Repeats
from gateway.errors import UnavailableError
from gateway.rabbit import CALL_S, open_channel, part_from, speaking, to_the_end


@dataclass(frozen=True, slots=True)
class Found:
    """What the broker said of a queue: there or not, messages and consumers, what differs."""

    queue: Queue
    there: bool
    ready: int = 0
    consumers: int = 0
    differs: str = ""


class Questions:
    """Asks about queues over a channel that is opened again whenever an answer closed it."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._channel: AbstractChannel | None = None

    async def look(self, queue: Queue) -> Found:
        """Ask about a queue; nothing is made."""
        try:
            async with speaking(CALL_S):
                channel = await self._open()
                asked = await channel.declare_queue(queue.name, passive=True)
        except UnavailableError as exc:
            if isinstance(exc.__cause__, ChannelNotFoundEntity):
                return Found(queue, there=False)
            raise
        told = asked.declaration_result
        return Found(queue, True, told.message_count or 0, told.consumer_count or 0)

    async def compare(self, queue: Queue) -> Found:
        """Ask about a queue, and whether it was declared as ours are; nothing is made."""
        found = await self.look(queue)
        if not found.there:
            return found
        try:
            await self.make(queue)  # there as it is: nothing happens; otherwise: refused
        except UnavailableError as exc:
            if not isinstance(exc.__cause__, ChannelPreconditionFailed):
                raise
            return replace(found, differs=_difference(exc.__cause__))
        return found

    async def make(self, queue: Queue) -> None:
        """Declare a queue."""
        async with speaking(CALL_S):
            channel = await self._open()
            await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))

    async def delete(self, queue: Queue) -> None:
        """Delete a queue, whatever is in it."""
        async with speaking(CALL_S):
            channel = await self._open()
            await channel.queue_delete(queue.name)

    async def turn(self, name: str) -> bool:
        """Take a turn that one connection has at a time, until it ends; tell whether it is ours."""
        try:
            async with speaking(CALL_S):
                channel = await self._open()
                await channel.declare_queue(name, exclusive=True)
        except UnavailableError as exc:
            if isinstance(exc.__cause__, ChannelLockedResource):
                return False
            raise
        return True

    async def close(self) -> None:
        """Let the channel go."""
        if self._channel is not None and not self._channel.is_closed:
            await to_the_end(part_from(self._channel))

    async def _open(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await open_channel(self._connection)
        return self._channel


def _difference(refusal: BaseException) -> str:
    """Return the broker's words without their beginning, which is always the same."""
    told = str(refusal.args[0] if refusal.args else refusal)
    return told.removeprefix("PRECONDITION_FAILED - ").strip()


@asynccontextmanager
async def asking(connection: AbstractConnection) -> AsyncIterator[Questions]:
    """Lend questions on a connection."""
    questions = Questions(connection)
    try:
        yield questions
    finally:
        await questions.close()


class Declared:
    """Topics whose queues are there.

    Args:
        prefix: What the queues' names begin with.
        repeats: Told when a queue was gone: its wishes went with it.
    """

    def __init__(self, prefix: str, repeats: Repeats) -> None:
        self._prefix, self._repeats = prefix, repeats
        self._there: set[str] = set()
        self._named: set[str] = set()
        self._lock = asyncio.Lock()

    async def ensure(self, connection: AbstractConnection, topic: str) -> None:
        """Make the queues of a topic that are missing; UnavailableError when they cannot be."""
        if topic in self._there:
            return
        async with self._lock:
            if topic in self._there:
                return
            async with asking(connection) as questions:
                for queue in (parking(self._prefix), *lanes_of(self._prefix, topic)):
                    await self._one(questions, queue)
            self._there.add(topic)

    def forget(self, topic: str) -> None:
        """A queue of a topic is gone, or may be."""
        self._there.discard(topic)

    def forget_all(self) -> None:
        """The broker may be another one now."""
        self._there.clear()

    async def _one(self, questions: Questions, queue: Queue) -> None:
        found = await questions.compare(queue)
        if not found.there:
            await questions.make(queue)
            self._repeats.lost(queue.topic)
            observe.queue_made(queue=queue.name)
        elif found.differs and queue.name not in self._named:
            # It carries ids as well as ours would; the operator is told (`vanlien broker declare`).
            self._named.add(queue.name)
            observe.alarm(what="queue declared otherwise", subject=queue.name)
