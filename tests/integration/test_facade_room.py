"""One caller of a façade cannot take all the room, whatever dialect it speaks."""

import asyncio

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


@pytest.mark.parametrize("name", names())
async def test_one_caller_cannot_take_all_the_room(name):
    clock, callers = FakeClock(), FakeCallers()
    callers.add("mine", b"secret-mine", speaks_for=["H37.02"])
    callers.add("other", b"secret-other", speaks_for=["H37.04"])
    front = SlowDoor(clock)
    spoken = dialect(name)
    tokens = SealedTokens(lambda: (b"k" * 32,), callers, clock.now)
    facade = spoken.facade(Means(front, callers, tokens, clock, max_bytes=1 << 20))
    limits = Limits(in_flight=8, in_flight_per_caller=1, shutdown_s=1)
    app = make_facade_app(UuidIds(), facade.routes, limits=limits, busy=facade.busy)
    running = await listen(app, "127.0.0.1", 0, limits=limits)

    def client(system_id):
        return spoken.make_client(
            name=system_id,
            endpoint=running.url + spoken.path,
            system_id=system_id,
            secret=f"secret-{system_id}".encode(),
            clock=clock,
        )

    first, second, stranger = client("mine"), client("mine"), client("other")
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
        await running.close()
