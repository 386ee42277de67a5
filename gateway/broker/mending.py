"""Queues that are there and keep nothing: examined, and made anew when they are dead.

A quorum queue can stand in RabbitMQ's register with nothing alive behind it: its server was killed
right after the queue was made, or it was made while its predecessor was being deleted. It takes
publishes and confirms none, its consumers never get anything, and it stays so for ever. The ledger
is the truth, so such a queue is worth nothing, and making it anew costs nothing:

1. a queue that left a publish without a word, or broke its consumer, is set aside: nobody publishes
   to it or takes from it until it has been examined;
2. one node at a time examines, by an exclusive queue that ends with its connection, so that no two
   delete each other's new queue;
3. it is asked three times, `confirm_s` apart, to keep a message that names no work; another quorum
   queue, made for this, has to confirm before and after. One confirmation, or none at all from
   either, and it is let go: a slow or blocked broker is no reason to delete anything;
4. still silent, declared as ours are, and not mended lately: it is deleted and declared again.

A crash anywhere leaves a queue that is dead, missing or new; the next who publishes finds out.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from aio_pika import Message
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import DeliveryError, PublishError

from gateway import observe
from gateway.broker import wire
from gateway.broker.declaring import Questions, asking
from gateway.broker.link import Address
from gateway.broker.queues import Queue, probing
from gateway.broker.repeats import Repeats
from gateway.errors import UnavailableError
from gateway.rabbit import Link, open_channel, speaking

_ASKED: Final = 3
"""Times a queue is asked before it is taken for dead."""
_FIRST_S: Final = 60.0
_LAST_S: Final = 3600.0
"""Least time between two mendings of one queue: a minute, twice as long each time, at most this."""


@dataclass(frozen=True, slots=True)
class _Mended:
    """When a queue may be mended again, and how long that was put off."""

    not_before: float
    pause_s: float


class Mender:
    """Examines the queues that others found silent.

    Args:
        address: Where the broker is.
        repeats: Told when a queue was made anew: its wishes went with it.
        let_go: Told the topic of a queue that is no longer aside.
        made_anew: Told the topic of a queue that was deleted and made again.
    """

    def __init__(
        self,
        address: Address,
        repeats: Repeats,
        *,
        let_go: Callable[[str], None],
        made_anew: Callable[[str], None],
    ) -> None:
        self._address, self._repeats = address, repeats
        self._told, self._made_anew = let_go, made_anew
        self._aside: dict[str, Queue] = {}
        self._named: set[str] = set()
        self._mended: dict[str, _Mended] = {}
        self._woken = asyncio.Event()

    def suspect(self, queue: Queue) -> None:
        """Set a queue aside until it has been examined."""
        if queue.name not in self._aside:
            self._aside[queue.name] = queue
            self._woken.set()

    def aside(self, queue: Queue) -> bool:
        """Tell whether a queue is set aside."""
        return queue.name in self._aside

    async def run(self) -> None:
        """Examine what is suspected, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            try:
                await self._round(tuple(self._aside.values()))
            except UnavailableError:
                self._let_go(tuple(self._aside.values()))  # it is the broker, or the line
            except Exception as exc:  # noqa: BLE001 - a bug here must not end all mending
                observe.alarm(what="broker", subject="mending", failure=exc)
                self._let_go(tuple(self._aside.values()))
            if self._aside:
                await asyncio.sleep(self._address.look_s)  # another node is at it, or it failed
                self._woken.set()

    # ------------------------------------------------------------ inside

    async def _round(self, queues: Collection[Queue]) -> None:
        link = Link(self._address, "mend")
        try:
            connection = await link.once()
            async with asking(connection) as questions:
                if not await questions.turn(f"{self._address.prefix}.mending"):  # (2)
                    return
                silent = await self._silent(connection, questions, queues)
                for queue in silent:
                    await self._mend(questions, queue)
        finally:
            await link.close()

    async def _silent(
        self, connection: AbstractConnection, questions: Questions, queues: Collection[Queue]
    ) -> Collection[Queue]:
        """Ask three times (3); return those who never answer."""
        yardstick = probing(self._address.prefix, secrets.token_hex(6))
        await questions.make(yardstick)
        try:
            for _ in range(_ASKED):
                if queues:
                    queues = await self._asked(connection, yardstick, queues)
            return queues
        finally:
            await questions.delete(yardstick)

    async def _asked(
        self, connection: AbstractConnection, yardstick: Queue, queues: Collection[Queue]
    ) -> Collection[Queue]:
        """Return which queues keep nothing now; none of them when the yardstick does not either."""
        asking_each = [asyncio.ensure_future(self._answers(connection, one)) for one in queues]
        try:
            before = await self._keeps(connection, yardstick)
            answers = await asyncio.gather(*asking_each)
            if not all(answers):  # a dead queue may refuse at once: so may one that is being moved
                await asyncio.sleep(self._address.confirm_s)
            sure = before and await self._keeps(connection, yardstick)
        finally:
            for task in asking_each:
                task.cancel()
            await asyncio.gather(*asking_each, return_exceptions=True)
        if not sure:
            self._let_go(queues)
            return []
        return [one for one, answer in zip(queues, answers, strict=True) if not answer]

    async def _answers(self, connection: AbstractConnection, queue: Queue) -> bool:
        """Let go a queue that keeps something now; tell whether it did."""
        keeps = await self._keeps(connection, queue)
        if keeps:
            self._let_go([queue])
        return keeps

    async def _keeps(self, connection: AbstractConnection, queue: Queue) -> bool:
        """Tell whether a queue confirms a message, on a channel that has not met it before."""
        # A channel each: a dead queue holds up all that comes behind it on the same one, also its
        # closing, which is left to the connection.
        channel = await open_channel(connection, confirms=True)
        try:
            async with speaking(self._address.confirm_s):
                message = Message(wire.PROBE, app_id="vanlien")
                await channel.default_exchange.publish(message, queue.name, mandatory=True)
        except UnavailableError as exc:
            if isinstance(exc.__cause__, PublishError):
                return True  # not there any more: whoever needs it makes it
            if isinstance(exc.__cause__, (DeliveryError, TimeoutError)):
                return False
            raise
        return True

    async def _mend(self, questions: Questions, queue: Queue) -> None:
        """Delete a dead queue and declare it again (4)."""
        found = await questions.compare(queue)
        if not found.there:
            self._let_go([queue])
            return
        if queue.name not in self._named:
            self._named.add(queue.name)
            observe.alarm(what="queue does not confirm", subject=queue.name)
        last, now = self._mended.get(queue.name), time.monotonic()
        if found.differs or (last is not None and now < last.not_before):
            return  # somebody else's to delete, or mended a moment ago and dead again
        pause_s = _FIRST_S
        if last is not None and now < last.not_before + _LAST_S:
            pause_s = min(last.pause_s * 2, _LAST_S)
        self._mended[queue.name] = _Mended(now + pause_s, pause_s)
        await self._make_anew(queue)

    async def _make_anew(self, queue: Queue) -> None:
        # On a connection of its own: the one that asked may end with the dead queue (3.10).
        link = Link(self._address, "mend")
        try:
            connection = await link.once()
            async with asking(connection) as hands:
                await hands.delete(queue)
                await hands.make(queue)
            observe.queue_mended(queue=queue.name)
            self._repeats.lost(queue.topic)
            self._made_anew(queue.topic)
            await self._answers(connection, queue)
        finally:
            await link.close()

    def _let_go(self, queues: Collection[Queue]) -> None:
        for queue in queues:
            if self._aside.pop(queue.name, None) is not None:
                self._named.discard(queue.name)
                self._told(queue.topic)
