"""One caller of a façade cannot take all the room, whatever dialect it speaks."""

import asyncio

import aiohttp
import pytest

from gateway.dialects import dialect, names
from gateway.errors import UnavailableError
from gateway.keys.tokens import SealedTokens
from gateway.ports import Means
from gateway.stores import UuidIds
from gateway.web.body import Limits
from gateway.web.server import listen, make_facade_app
from tests.world.fake_frontdoor import FakeCallers, FakeClock, FakeFrontDoor


class SlowDoor(FakeFrontDoor):
    """Lists nothing before it may."""

    def __init__(self, clock):
        super().__init__(clock)
        self.may, self.asked = asyncio.Event(), asyncio.Event()

    async def waiting(self, caller, kind, **window):
        if caller.system_id == "mine":
            self.asked.set()
            await self.may.wait()
        return await super().waiting(caller, kind, **window)


class Opened:
    """A façade with its own listener, and the callers `mine` and `other`."""

    def __init__(self, name, front):
        self.clock, self.callers, self.spoken = front.clock, FakeCallers(), dialect(name)
        for system_id, agency in (("mine", "H37.02"), ("other", "H37.04")):
            self.callers.add(system_id, f"secret-{system_id}".encode(), speaks_for=[agency])
        tokens = SealedTokens(lambda: (b"k" * 32,), self.callers, self.clock.now)
        means = Means(front, self.callers, tokens, self.clock, max_bytes=1 << 20)
        facade = self.spoken.facade(means)
        self.limits = Limits(in_flight=8, in_flight_per_caller=1, shutdown_s=1)
        self.app = make_facade_app(UuidIds(), facade.routes, limits=self.limits, busy=facade.busy)
        self.running = None

    async def listen(self):
        self.running = await listen(self.app, "127.0.0.1", 0, limits=self.limits)

    def client(self, system_id):
        return self.spoken.make_client(
            name=system_id,
            endpoint=self.running.url + self.spoken.path,
            system_id=system_id,
            secret=f"secret-{system_id}".encode(),
            clock=self.clock,
        )


@pytest.mark.parametrize("name", names())
async def test_one_caller_cannot_take_all_the_room(name):
    front = SlowDoor(FakeClock())
    opened = Opened(name, front)
    await opened.listen()
    first, second, stranger = (opened.client(who) for who in ("mine", "mine", "other"))
    held = asyncio.create_task(first.listing("edoc"))
    try:
        await front.asked.wait()
        with pytest.raises(UnavailableError):
            await second.listing("edoc")
        assert list(await stranger.listing("edoc")) == []
        front.may.set()
        assert list(await held) == []
        assert list(await second.listing("edoc")) == []  # the place was given back
    finally:
        held.cancel()
        await asyncio.gather(held, return_exceptions=True)
        for one in (first, second, stranger):
            await one.close()
        await opened.running.close()


LISTS = {
    "vxp": ("/XrdAdapter/adapter/getReceivedEdocList", 200, b"FAIL"),
    "bkav": ("/EdocService/getPendingDocIds", 200, b"Error"),
    "langson": ("/v1/syncReceivedEdocList", 503, b""),
    "wso2": ("/truclienthong/v1.0.0/vanbans", 503, b"303001"),
}


@pytest.mark.parametrize("name", names())
async def test_at_rest_a_client_hears_when_to_come_again_and_never_an_empty_list(name):
    """OPS-06: no dialect has a word for maintenance; who asks is put off in the words it knows."""
    opened = Opened(name, FakeFrontDoor(FakeClock()))
    await opened.listen()
    client, later = opened.client("mine"), opened.client("other")
    path, status, word = LISTS[name]
    try:
        opened.running.rest(True)
        with pytest.raises(UnavailableError):
            await client.listing("edoc")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{opened.running.url}{path}") as answer,
        ):
            said = await answer.read()
            assert (answer.status, answer.headers.get("Retry-After")) == (status, "30")
        assert word in said
        opened.running.rest(False)
        assert list(await later.listing("edoc")) == []
    finally:
        await client.close()
        await later.close()
        await opened.running.close()
