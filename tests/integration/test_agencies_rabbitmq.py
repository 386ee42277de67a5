"""Agencies come by a real RabbitMQ: one answer a message, whoever dies, and nobody else's word."""

import asyncio
import json
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from adapters.amqp.door import AgenciesDoor, Bounds
from adapters.amqp.names import Names
from adapters.amqp.taking import Pace
from gateway.errors import Reason, RejectedError
from gateway.rabbit import Server
from tests.world.agencies import add_user, system_at
from tests.world.fake_feeds import FakeFeeds
from tests.world.fake_frontdoor import FakeCallers, FakeFrontDoor
from tests.world.servers.rabbitmq import PASSWORD

pytestmark = pytest.mark.timeout(480)
PATIENCE_S = 120.0
NAMES = Names()
ONE, OTHER = "qlvb-tinh", "qlvb-xa"


@asynccontextmanager
async def always(_):
    yield True


class NoUploads:
    async def open(self, caller, upload_id):
        raise RejectedError(Reason.NOT_FOUND)


class Town:
    """One door and what stands behind it."""

    def __init__(self, place):
        self.place = place
        self.front, self.feeds, self.callers = FakeFrontDoor(), FakeFeeds(), FakeCallers()
        self.callers.add(ONE, speaks_for=["H37"])
        self.callers.add(OTHER, speaks_for=["H37.71"])
        for system in (ONE, OTHER):
            add_user(place, system)

    @asynccontextmanager
    async def door(self, turn=always, **options):
        told = {
            "systems": (ONE, OTHER),
            "max_bytes": 1 << 20,
            "pace": Pace(0.02, 0.1, 30.0),
            "between_s": 0.1,
        } | options
        door = AgenciesDoor(
            Server(self.place.url, PASSWORD, confirm_s=5.0),
            NAMES,
            Bounds(**told),
            front=self.front,
            callers=self.callers,
            uploads=NoUploads(),
            feeds=self.feeds,
            turn=turn,
        )
        task = asyncio.create_task(door.run())
        try:
            await until(lambda: NAMES.out(OTHER).name in self.place.queues())
            yield door
        finally:
            await door.close()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await door.let_go()


@pytest.fixture
def town(rabbit_place):
    town = Town(rabbit_place)
    yield town
    for system in (ONE, OTHER):
        rabbit_place.server.evaluate(
            f'rabbit_auth_backend_internal:delete_user(<<"{system}">>, <<"test">>)'
        )


async def until(ready):
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if found := ready():
                return found
            await asyncio.sleep(0.05)


async def test_a_document_is_accepted_once_and_answered_as_often_as_it_comes(town):
    async with town.door(), system_at(town.place, ONE) as system:
        await system.publish(b"<edXML/>", message_id="m-1", reply_to=NAMES.reply(ONE).name)
        first = await system.reply()
        await system.publish(b"<edXML/>", message_id="m-1", correlation_id="again")
        second = await system.reply()
    assert (first.type, first.correlation_id, first.delivery_mode) == ("accepted", "m-1", 2)
    assert (second.type, second.correlation_id) == ("accepted", "again")
    assert first.body == second.body
    assert first.headers["for"] == "document"
    ((caller, packet, options),) = town.front.documents.values()
    assert (caller.system_id, packet) == (ONE, b"<edXML/>")
    assert (options.via, options.idempotency_key) == ("amqp", "m-1")
    assert town.place.queues()[NAMES.incoming.name] == 0


async def test_what_is_wrong_is_refused_with_everything_at_once(town):
    async with town.door(), system_at(town.place, ONE) as system:
        town.front.failure = RejectedError(Reason.RULES_BROKEN, "no subject")
        await system.publish(b"<edXML/>", message_id="m-1")
        broken = await system.reply()
        await system.publish(
            b"x" * ((1 << 20) + 1), message_id="m-2", reply_to=NAMES.reply(OTHER).name
        )
        large = await system.reply()
        await system.publish(b"", message_id="a b", type="letter", reply_to=NAMES.reply(OTHER).name)
        frame = await system.reply()
    assert json.loads(broken.body)["reason"] == "rules-broken"
    told = json.loads(large.body)
    assert (told["status"], told["reason"]) == (413, "too-large")
    assert "/api/v1/uploads" in told["detail"]
    assert "/api/v1/uploads" in told["detail_vi"]
    told = json.loads(frame.body)
    for word in ("message_id", "type", "reply_to"):
        assert word in told["detail"]
        assert word in told["detail_vi"]
    assert town.place.queues()[NAMES.reply(OTHER).name] == 0
    assert not town.front.documents


async def test_nobody_speaks_for_another(town):
    async with town.door(), system_at(town.place, OTHER) as system:
        with pytest.raises(ChannelPreconditionFailed):  # the broker itself
            await system.publish(b"<edXML/>", user_id=ONE, message_id="m-1")
    async with town.door(), system_at(town.place, OTHER) as system:
        # Without user_id the broker checks nothing, and we believe nothing.
        await system.publish(
            b"<edXML/>", user_id=None, message_id="m-2", headers={"user_id": ONE},
            reply_to=NAMES.reply(ONE).name,
        )  # fmt: skip
        await until(lambda: town.place.queues()[NAMES.dead.name] == 1)
        assert town.place.queues()[NAMES.reply(ONE).name] == 0
        town.callers.disable(OTHER)
        await system.publish(b"<edXML/>", message_id="m-3")
        await until(lambda: town.place.queues()[NAMES.dead.name] == 2)
    assert not town.front.documents


async def test_a_system_has_no_right_to_more_than_its_own(town):
    async with town.door():
        foreign = [NAMES.out(OTHER), NAMES.reply(OTHER), NAMES.incoming, NAMES.dead]
        for queue in foreign:
            async with system_at(town.place, ONE) as system:
                taken = await system.channel.get_queue(queue.name, ensure=False)
                with pytest.raises(ChannelAccessRefused):
                    await taken.get(fail=False)
        async with system_at(town.place, ONE) as system:
            with pytest.raises(ChannelAccessRefused):
                await system.channel.declare_queue("vanlien.reply.qlvb-tinh.mine", durable=True)
        async with system_at(town.place, ONE) as system:
            with pytest.raises(ChannelAccessRefused):  # past the exchange, into a queue
                await system.channel.default_exchange.publish(
                    aio_pika.Message(b"x"), NAMES.reply(OTHER).name
                )
