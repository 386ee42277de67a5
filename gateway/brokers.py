"""Composition of what RabbitMQ is for: lanes between programs, and the door for agencies.

Settings become lanes in this process, or queues on RabbitMQ; and, where they name one, the door.

The library of RabbitMQ is imported only where an address asks for it.
"""

from typing import TYPE_CHECKING

from gateway.broker.lanes import Lanes
from gateway.config import Settings
from gateway.errors import ConfigurationError, Fault
from gateway.ports import Broker, Callers, Feeds, FrontDoor, Uploads
from gateway.programs.routing import LOCAL, topic_of
from gateway.secrets import read_secret_file

if TYPE_CHECKING:
    from adapters.amqp.bringing import Turn
    from adapters.amqp.door import AgenciesDoor
    from adapters.amqp.names import Names
    from gateway.broker.link import Address
    from gateway.rabbit import Server


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


# ---------------------------------------------------------------- the agencies' door


def agencies_outside(settings: Settings) -> bool:
    """Tell whether agencies may come by RabbitMQ."""
    return bool(settings.agencies_amqp.url)


def agencies_server_of(settings: Settings) -> "Server":
    """Return where the agencies' RabbitMQ is; ConfigurationError when the settings name none."""
    from gateway.rabbit import Server

    told = settings.agencies_amqp
    if not told.url:
        vi, en = "chưa đặt địa chỉ RabbitMQ", "no address of RabbitMQ is set"
        where = "agencies_amqp.url"
        raise ConfigurationError(f"{where}: {en}", (Fault(where, vi, en),))
    return Server(
        url=told.url,
        password=read_secret_file(told.password_file) if told.password_file else "",
        ca_file=told.ca_file,
        heartbeat_s=round(told.heartbeat.total_seconds()),
        confirm_s=told.confirm_timeout.total_seconds(),
    )


def agencies_names_of(settings: Settings) -> "Names":
    """Return what exchange and queues of the agencies' door are called."""
    from adapters.amqp.names import Names

    return Names(settings.agencies_amqp.prefix)


def make_agencies_door(
    settings: Settings,
    *,
    front: FrontDoor,
    callers: Callers,
    uploads: Uploads,
    feeds: Feeds,
    turn: "Turn",
) -> "AgenciesDoor":
    """Return the door; nothing is dialled before it runs."""
    from adapters.amqp.door import AgenciesDoor, Bounds

    told = settings.agencies_amqp
    bounds = Bounds(
        systems=told.systems,
        max_bytes=int(told.max_bytes),
        hands=told.hands,
        finish_s=settings.node.finish.total_seconds(),
    )
    return AgenciesDoor(
        agencies_server_of(settings),
        agencies_names_of(settings),
        bounds,
        front=front,
        callers=callers,
        uploads=uploads,
        feeds=feeds,
        turn=turn,
    )


def asyncapi_of(settings: Settings) -> bytes:
    """Return the AsyncAPI document of the door as these settings make it."""
    from adapters.amqp import asyncapi

    told = settings.agencies_amqp
    return asyncapi.render(agencies_names_of(settings), max_bytes=int(told.max_bytes))
