"""The agencies' door on RabbitMQ: two consumers, and a bringer for each system that has a queue.

Connections to take and one to publish, because a broker short of memory or disk stops reading
from who publishes. Rests and ends like a listener: nothing more is taken, what is in hand is
answered. A crash leaves messages that come again, to the same answers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aio_pika.abc import AbstractConnection

from adapters.amqp import topology
from adapters.amqp.bringing import Bringing, Turn
from adapters.amqp.names import Names, Queue
from adapters.amqp.patience import Pace
from adapters.amqp.speaking import Mouth
from adapters.amqp.taking import Taking
from gateway import observe
from gateway.errors import UnavailableError
from gateway.ports import Callers, Feeds, FrontDoor, Uploads
from gateway.rabbit import Link, Outage, Server, unblocked

_URGENT_SHARE: Final = 4


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the operator chose.

    Args:
        systems: Those that have queues.
        max_bytes: Largest packet inside a message, either way.
        hands: Messages worked on at a time, and a quarter more for urgent ones.
        finish_s: How long what is in hand may take when the node goes to rest.
        pace: How long "not now" is waited for.
        between_s: How often one who has no turn to bring asks again.
    """

    systems: Sequence[str] = ()
    max_bytes: int = 16 << 20
    hands: int = 8
    finish_s: float = 5.0
    pace: Pace = field(default_factory=Pace)
    between_s: float = 5.0


class AgenciesDoor:
    """See the module.

    Args:
        server: Where RabbitMQ is.
        names: What exchange and queues are called.
        bounds: What the operator chose.
        front: Does the work.
        callers: Who may come.
        uploads: Where referred packets are.
        feeds: What is offered.
        turn: Lends what one node does at a time.
    """

    def __init__(
        self,
        server: Server,
        names: Names,
        bounds: Bounds,
        *,
        front: FrontDoor,
        callers: Callers,
        uploads: Uploads,
        feeds: Feeds,
        turn: Turn,
    ) -> None:
        self._names, self._bounds = names, bounds
        self._outage = Outage(
            lambda *, side, reason: observe.agencies_broker_away(side=side, reason=reason),
            lambda *, away_s: observe.agencies_broker_back(away_s=away_s),
            observe.agencies_broker_let_go,
        )
        self._out = Link(server, "agencies publish", self._outage)
        self._dead = False
        self._made: AbstractConnection | None = None
        self._mouth = Mouth(self._out, names, self._outage, server.confirm_s)
        # A connection each: what breaks the one leaves the other (and what is urgent) alone.
        self._in = [
            Link(server, "agencies take", self._outage),
            Link(server, "agencies take urgent", self._outage),
        ]
        self._taking = [
            Taking(
                link,
                queue,
                names,
                self._outage,
                self._mouth,
                front=front,
                callers=callers,
                uploads=uploads,
                max_bytes=bounds.max_bytes,
                hands=hands,
                pace=bounds.pace,
            )
            for link, queue, hands in (
                (self._in[0], names.incoming, bounds.hands),
                (self._in[1], names.urgent, max(1, bounds.hands // _URGENT_SHARE)),
            )
        ]
        self._bringing = [
            Bringing(
                system_id,
                names,
                self._mouth,
                turn=turn,
                feeds=feeds,
                front=front,
                callers=callers,
                max_bytes=bounds.max_bytes,
                between_s=bounds.between_s,
            )
            for system_id in dict.fromkeys(bounds.systems)
        ]

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            for taking in self._taking:
                group.create_task(taking.run(), name="agencies take")
            group.create_task(self._watch(), name="agencies watch")
            for one in self._bringing:
                group.create_task(one.run(), name=f"agencies bring {one.system_id}")

    async def _watch(self) -> None:
        """Make all queues on each new connection, and look at what was set aside."""
        while True:
            try:
                await self._look()
            except UnavailableError:
                pass  # who needs it says so
            except Exception as exc:  # noqa: BLE001 - looking must not end
                observe.alarm(what="agencies broker", failure=exc)
            await asyncio.sleep(self._bounds.between_s)

    async def _look(self) -> None:
        """Look once. One by one: a queue that does not answer is its own system's trouble."""
        connection = await self._out.steady()
        if connection is not self._made:
            for queue in self._names.every(self._bounds.systems):
                await self._make(connection, queue)
            self._made = connection
        found = await topology.ensure(connection, self._names, (self._names.dead,), make=False)
        self._note(found[-1].ready > 0)
        # Who could not publish may have nothing more to say: it is for us to see the end of it.
        await unblocked(connection)
        self._outage.back(self._out.side)

    def _note(self, dead: bool) -> None:
        if dead != self._dead:
            self._dead = dead
            observe.standing_warning(what="agency_dead_letters", active=dead)

    async def _make(self, connection: AbstractConnection, queue: Queue) -> None:
        try:
            found = await topology.ensure(connection, self._names, (queue,))
        except UnavailableError as exc:
            observe.program_failed(program="agencies", failure=exc, retry_in_s=0.0)
            return
        for one in found:
            if one.differs:
                observe.alarm(what="queue declared otherwise", subject=one.name)
            elif not one.there:
                observe.queue_made(queue=one.name)

    # ------------------------------------------------------------ like a listener

    def leave(self, why: str) -> None:
        """Nothing: systems publish to the broker, and see no difference between nodes."""

    def rest(self, resting: bool) -> None:
        """Take and bring nothing more, or go on."""
        for taking in self._taking:
            taking.rest(resting)
        for one in self._bringing:
            one.rest(resting)

    async def close(self) -> None:
        """Take nothing more and answer what is in hand. Safe to repeat."""
        self.rest(True)
        patience_s = self._bounds.finish_s
        await asyncio.gather(*(taking.finished(patience_s) for taking in self._taking))

    async def let_go(self) -> None:
        """Close the connections; the programs have ended."""
        await asyncio.gather(*(link.close() for link in self._in), self._mouth.close())
        for one in self._bringing:
            one.close()
        self._note(False)
        self._outage.over()
