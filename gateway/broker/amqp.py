"""The broker on RabbitMQ: quorum queues, one a lane and topic, that carry ids and nothing else.

The ledger is the truth. A broker that is away, full, emptied or replaced loses nothing: publishing
says UnavailableError and the outbox keeps its rows, takers wait, and the janitor's repeated wishes
fill every queue again within `remember_s`. Work is acknowledged last, by hand, on the channel it
came by; a message that names no work is parked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aio_pika.abc import AbstractConnection

from gateway import observe
from gateway.broker.declaring import Declared, Found, Questions, asking
from gateway.broker.incoming import AmqpWork, Tap
from gateway.broker.link import Address, outage
from gateway.broker.mending import Mender
from gateway.broker.outgoing import Outgoing
from gateway.broker.queues import Queue, all_queues
from gateway.broker.repeats import Repeats
from gateway.broker.shelf import LANES
from gateway.errors import UnavailableError
from gateway.ports import Wanted
from gateway.rabbit import Link

_LOOK: Final = "look"
_CROWD: Final = 2000
"""Messages of a lane beyond which a repeated wish is not queued again: twice a janitor's sweep."""


class AmqpBroker:
    """Broker port over RabbitMQ. Connects when first used, and again whenever it has to.

    Args:
        address: Where the broker is and how we come in.
    """

    def __init__(self, address: Address) -> None:
        self._prefix = address.prefix
        self._address, self._outage = address, outage()
        self._repeats = Repeats(address.remember_s)
        self._declared = Declared(address.prefix, self._repeats)
        self._mender = Mender(
            address, self._repeats, let_go=self._look_again, made_anew=self._broken
        )
        self._out = Outgoing(
            address,
            outage=self._outage,
            declared=self._declared,
            repeats=self._repeats,
            mender=self._mender,
            crowded=self._crowded,
        )
        self._in = Link(address, "take", self._outage)
        self._taps: dict[str, Tap] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._topics: set[str] = set()
        self._ready: dict[tuple[str, int], int] = {}
        self._parked = 0
        self._closed = False

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        """Queue ids; returns once the broker keeps them. UnavailableError when it does not."""
        if not wanted:
            return
        self._know({one.topic for one in wanted})
        await self._out.publish(wanted)

    async def take(self, topic: str, *, lowest: int = 0) -> AmqpWork:
        """Return the most urgent id of a topic, waiting for one in lane `lowest` or above."""
        self._know({topic})
        tap = self._taps.get(topic)
        if tap is None:
            tap = self._taps[topic] = Tap(
                topic,
                address=self._address,
                link=self._in,
                outage=self._outage,
                declared=self._declared,
                repeats=self._repeats,
                mender=self._mender,
            )
            self._tasks.append(asyncio.create_task(tap.run(), name=f"broker {topic}"))
        return await tap.take(lowest)

    def depth(self) -> dict[tuple[str, int], int]:
        """Return what lies here, fetched ahead, and what waits there as the broker last said."""
        waiting = dict(self._ready)
        for topic, tap in self._taps.items():
            for lane, count in enumerate(tap.depths()):
                waiting[topic, lane] = waiting.get((topic, lane), 0) + count
        return waiting

    async def close(self) -> None:
        """Let go; the broker hands out again what was taken and not acknowledged."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await asyncio.gather(self._in.close(), self._out.close())
        self._outage.over()
        if self._parked:
            observe.standing_warning(what="parked_messages", active=False)

    # ------------------------------------------------------------ what waits there

    def _know(self, topics: set[str]) -> None:
        if self._closed:
            raise UnavailableError(public="the broker was let go")
        self._topics |= topics
        if not self._tasks:
            self._tasks += (
                asyncio.create_task(self._watch(), name="broker survey"),
                asyncio.create_task(self._mender.run(), name="broker mending"),
            )

    def _crowded(self, topic: str, lane: int) -> bool:
        return self._ready.get((topic, lane), 0) >= _CROWD

    def _look_again(self, topic: str) -> None:
        if topic in self._taps:
            self._taps[topic].look_again()

    def _broken(self, topic: str) -> None:
        if topic in self._taps:
            self._taps[topic].broken()

    async def _watch(self) -> None:
        """Look every few seconds at what waits, what is gone, and what was parked."""
        while True:
            await asyncio.sleep(self._address.look_s)
            try:
                connection = await self._in.steady()
                found = await survey(connection, all_queues(self._prefix, sorted(self._topics)))
                if self._outage.reason:
                    await self._out.probe()
            except UnavailableError as exc:
                self._outage.lost(_LOOK, exc.public)
                continue
            except Exception as exc:  # noqa: BLE001 - looking must not end
                observe.alarm(what="broker", failure=exc)
                continue
            if not any(tap.wanted for tap in self._taps.values()):
                self._outage.back(self._in.side)  # no tap will say it
            self._outage.back(_LOOK)
            self._note(found)

    def _note(self, found: Sequence[Found]) -> None:
        self._ready = {
            (one.queue.topic, one.queue.lane): one.ready for one in found if one.queue.topic
        }
        gone = {one.queue.topic for one in found if not one.there}
        if gone:  # perhaps only one queue, perhaps everything
            self._declared.forget_all()
        for topic in gone:
            self._repeats.lost(topic)
            self._broken(topic)
        for topic, tap in self._taps.items():
            tap.told({lane for lane in range(LANES) if self._ready.get((topic, lane))})
        parked = sum(one.ready for one in found if not one.queue.topic)
        if bool(parked) != bool(self._parked):
            observe.standing_warning(what="parked_messages", active=bool(parked))
        self._parked = parked


async def survey(connection: AbstractConnection, queues: Sequence[Queue]) -> list[Found]:
    """Ask about queues, one after the other; nothing is made."""
    async with asking(connection) as questions:
        return [await questions.look(queue) for queue in queues]


# ---------------------------------------------------------------- for operators


async def examine(address: Address, topics: Sequence[str]) -> list[Found]:
    """Return what is there of the queues of these topics and what differs; makes nothing."""

    async def ask(questions: Questions, queue: Queue) -> Found:
        return await questions.compare(queue)

    return await _each(address, topics, ask)


async def counted(address: Address, topics: Sequence[str]) -> list[Found]:
    """Return what waits in the queues of these topics, and how many take."""

    async def ask(questions: Questions, queue: Queue) -> Found:
        return await questions.look(queue)

    return await _each(address, topics, ask)


async def declare(address: Address, topics: Sequence[str]) -> list[Found]:
    """Make the queues that are missing; return what was found before."""

    async def ask(questions: Questions, queue: Queue) -> Found:
        found = await questions.compare(queue)
        if not found.there:
            await questions.make(queue)
        return found

    return await _each(address, topics, ask)


async def _each(
    address: Address,
    topics: Sequence[str],
    ask: Callable[[Questions, Queue], Awaitable[Found]],
) -> list[Found]:
    link = Link(address, "administration")
    try:
        async with asking(await link.once()) as questions:
            return [await ask(questions, queue) for queue in all_queues(address.prefix, topics)]
    finally:
        await link.close()
