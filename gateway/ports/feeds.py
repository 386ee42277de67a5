"""What is offered to an agency, in the order of its cursor, and how far each consumer has come.

For doors that bring things to an agency instead of waiting to be asked: webhook, RabbitMQ, folder.
Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.ports.callers import InboxItem


@dataclass(frozen=True, slots=True)
class Offer:
    """One item of a feed.

    Args:
        item: What is offered; `item.cursor` is its place.
        replay: It was offered before: the consumer was put back on purpose.
    """

    item: InboxItem
    replay: bool


@dataclass(frozen=True, slots=True)
class Place:
    """How far a consumer has come.

    Args:
        consumer: Its name.
        cursor: Everything up to here was brought.
        highest: As far as it ever was; above `cursor` while it is being played again.
        at: When it last moved.
    """

    consumer: str
    cursor: int
    highest: int
    at: datetime


class Feeds(Protocol):
    """Feeds of documents and statuses by agency; both kinds share one cursor, nothing is skipped.

    A consumer's name is `<door>:<system or subscription>`, such as `amqp:qlvb-tinh`. Who brings
    things is one at a time (a lease): `after`, bring, `advance`, and `changed` when there is none.
    """

    async def place(self, consumer: str) -> Place:
        """Return how far a consumer is; a new one begins behind what is there now."""
        ...

    async def after(
        self, consumer: str, agencies: Collection[str], *, limit: int
    ) -> Sequence[Offer]:
        """Return what is offered to these agencies behind the consumer's place, in order."""
        ...

    async def advance(self, consumer: str, cursor: int) -> None:
        """Record, durably, that everything up to `cursor` was brought; never moves back.

        A consumer put back since its last `after` stays where it was put: its next `after` begins
        there.
        """
        ...

    async def rewind(self, consumer: str, cursor: int, *, by: str, reason: str) -> Place:
        """Put a consumer back (audited): what lies behind `cursor` is brought again, as replay.

        RejectedError(BAD_REQUEST) for a cursor it has not reached: nothing is ever left out.
        """
        ...

    async def changed(self, consumer: str, timeout_s: float) -> None:
        """Return when something may have been offered since the consumer's last `after`.

        At the latest after `timeout_s`; at once when there is something already, so that nothing
        offered between the two calls waits for the next.
        """
        ...
