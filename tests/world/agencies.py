"""Agencies' systems at a real RabbitMQ: users with the rights we tell operators to give, no more."""

import asyncio
import json
from contextlib import asynccontextmanager

import aio_pika
from aio_pika import DeliveryMode, Message
from yarl import URL

from adapters.amqp.names import Names

PASSWORD = "mat-khau-he-thong"


def add_user(place, system_id, names=None):
    """Make the RabbitMQ user of a system, with the rights docs/integrate.md tells."""
    place.server.evaluate(
        f'ok = rabbit_auth_backend_internal:add_user(<<"{system_id}">>, <<"{PASSWORD}">>, '
        '<<"test">>)'
    )
    grant(place, system_id, names)


def grant(place, system_id, names=None):
    """Give a user those rights, and no other."""
    told = (names or Names()).permissions(system_id)
    rights = ", ".join(
        f"<<{json.dumps(pattern)}>>" for pattern in (told.configure, told.write, told.read)
    )
    place.server.evaluate(
        f'rabbit_auth_backend_internal:set_permissions(<<"{system_id}">>, <<"{place.vhost}">>, '
        f'{rights}, <<"test">>)'
    )


def remove_user(place, system_id):
    """Remove a user: they are the server's, not the virtual host's."""
    place.server.evaluate(
        f'rabbit_auth_backend_internal:delete_user(<<"{system_id}">>, <<"test">>)'
    )


class System:
    """One system's software."""

    def __init__(self, system_id, channel, names):
        self.id, self.channel, self.names = system_id, channel, names

    async def publish(self, body=b"", *, key="", **properties):
        """Publish a submission as a careful client does."""
        told = {
            "user_id": self.id,
            "type": "document",
            "message_id": "m1",
            "content_type": "application/edxml+xml",
            "delivery_mode": DeliveryMode.PERSISTENT,
        } | properties
        exchange = await self.channel.get_exchange(self.names.exchange, ensure=False)
        await exchange.publish(Message(body, **told), key, mandatory=True)

    async def reply(self, *, limit_s=60):
        """Take the next answer."""
        return await self._next(self.names.reply(self.id).name, limit_s)

    async def brought(self, *, limit_s=60):
        """Take the next thing that was brought."""
        return await self._next(self.names.out(self.id).name, limit_s)

    async def _next(self, name, limit_s):
        queue = await self.channel.get_queue(name, ensure=False)
        message = await queue.get(timeout=limit_s, fail=False)
        async with asyncio.timeout(limit_s):
            while message is None:
                await asyncio.sleep(0.02)
                message = await queue.get(timeout=limit_s, fail=False)
        await message.ack()
        return message


@asynccontextmanager
async def system_at(place, system_id, names=None):
    """Connect as a system."""
    url = URL(place.url).with_user(system_id).with_password(PASSWORD)
    connection = await aio_pika.connect(url)
    try:
        channel = await connection.channel(on_return_raises=True)
        yield System(system_id, channel, names or Names())
    finally:
        await connection.close()
