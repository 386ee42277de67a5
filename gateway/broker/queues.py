"""The queues of RabbitMQ as data: one quorum queue a topic and lane, and one for what is parked.

`AmqpBroker` makes what is missing when it needs it; `vanlien broker declare` makes it beforehand,
or says what differs. Pure values.

There are no priorities: quorum queues of RabbitMQ 3.10 have none, so each lane is a queue of its
own. There is no length limit: a queue that refuses would hold up the outbox rows of every other
one, and what waits is bounded by the documents that wait (repeats are held back, `repeats`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateway.domain.delivery import Lane

PREFIX: Final = "vanlien"
DELIVERY_LIMIT: Final = 100
"""Times a message is handed out before it is parked. 3.10 has no limit of its own: a message that
kills whoever takes it would go round for ever."""
PARKED: Final = 10_000
"""Parked messages kept, the newest; they are evidence, never state."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue: its name, whom it serves, and the arguments it is declared with."""

    name: str
    topic: str = ""
    lane: int = 0
    arguments: Mapping[str, str | int] = field(default_factory=dict)


def parking(prefix: str) -> Queue:
    """Return the queue of what nobody could use."""
    limits: dict[str, str | int] = {
        "x-queue-type": "quorum",
        "x-max-length": PARKED,
        "x-overflow": "drop-head",
    }
    return Queue(f"{prefix}.parking", arguments=MappingProxyType(limits))


def lanes_of(prefix: str, topic: str) -> tuple[Queue, ...]:
    """Return the queues of a topic, by lane."""
    return tuple(
        Queue(
            f"{prefix}.{topic}.{lane.name.lower()}",
            topic,
            lane.value,
            MappingProxyType(
                {
                    "x-queue-type": "quorum",
                    "x-delivery-limit": DELIVERY_LIMIT,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": parking(prefix).name,
                }
            ),
        )
        for lane in Lane
    )


def probing(prefix: str, token: str) -> Queue:
    """Return a queue to measure others by, of their kind; it goes by itself when unused."""
    arguments: dict[str, str | int] = {"x-queue-type": "quorum", "x-expires": 600_000}
    return Queue(f"{prefix}.probing.{token}", arguments=MappingProxyType(arguments))


def all_queues(prefix: str, topics: Iterable[str]) -> tuple[Queue, ...]:
    """Return every queue that programs on these topics use."""
    return (parking(prefix), *(queue for topic in topics for queue in lanes_of(prefix, topic)))
