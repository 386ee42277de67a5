"""How the lanes come to RabbitMQ: the address, what their queues need, and what is told of it."""

from dataclasses import dataclass

from gateway import observe
from gateway.broker.queues import PREFIX
from gateway.rabbit import Outage, Server


@dataclass(frozen=True, slots=True)
class Address(Server):
    """Where the lanes' broker is.

    Args:
        prefix: What the names of our queues begin with.
        remember_s: How long a repeated wish is not sent again.
        hold_s: How long a message is kept without an acknowledgement; far below the half hour after
            which RabbitMQ closes a channel that keeps one (`consumer_timeout`).
        look_s: How often the queues are looked at.
    """

    prefix: str = PREFIX
    remember_s: float = 60.0
    hold_s: float = 300.0
    look_s: float = 5.0


def outage() -> Outage:
    """Return what tells operations of the lanes' broker."""
    return Outage(
        lambda *, side, reason: observe.broker_away(side=side, reason=reason),
        lambda *, away_s: observe.broker_back(away_s=away_s),
        observe.broker_let_go,
    )
