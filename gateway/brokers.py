"""Composition of the broker: settings become lanes in this process, or queues on RabbitMQ.

The library of RabbitMQ is imported only where an address asks for it.
"""

from typing import TYPE_CHECKING

from gateway.broker.lanes import Lanes
from gateway.config import Settings
from gateway.errors import ConfigurationError, Fault
from gateway.ports import Broker
from gateway.programs.routing import LOCAL, topic_of
from gateway.secrets import read_secret_file

if TYPE_CHECKING:
    from gateway.broker.link import Address


def outside(settings: Settings) -> bool:
    """Tell whether the queues are shared with other processes."""
    return bool(settings.broker.url)


def topics_of(settings: Settings) -> tuple[str, ...]:
    """Return every topic that programs under these settings use."""
    relays = (topic_of(LOCAL), *(topic_of(peer.id) for peer in settings.peers))
    return ("issue", "receive", *relays)


def address_of(settings: Settings) -> "Address":
    """Return where RabbitMQ is; ConfigurationError when the settings name none."""
    from gateway.broker.link import Address

    broker = settings.broker
    if not broker.url:
        vi, en = "chưa đặt địa chỉ RabbitMQ", "no address of RabbitMQ is set"
        raise ConfigurationError(f"broker.url: {en}", (Fault("broker.url", vi, en),))
    return Address(
        url=broker.url,
        password=read_secret_file(broker.password_file) if broker.password_file else "",
        ca_file=broker.ca_file,
        prefix=broker.prefix,
        heartbeat_s=round(broker.heartbeat.total_seconds()),
        confirm_s=broker.confirm_timeout.total_seconds(),
        remember_s=broker.remember.total_seconds(),
    )


def make_broker(settings: Settings) -> Broker:
    """Return the broker of a gateway; nothing is dialled before it is used."""
    if not outside(settings):
        return Lanes()
    from gateway.broker.amqp import AmqpBroker

    return AmqpBroker(address_of(settings))
