"""Duty: a node on the way to its end heeds no maintenance any more."""

import asyncio

from gateway.broker.lanes import Lanes
from gateway.programs.duty import Duty
from gateway.programs.leases import Alone
from gateway.programs.turnstile import Turnstile


class Said:
    """Nodes as far as duty is concerned: what was said."""

    def __init__(self):
        self.states = []

    async def say(self, state, reason=""):
        self.states.append(state)


class Door:
    def __init__(self):
        self.why = ""
        self.resting = False

    def leave(self, why):
        self.why = why

    def rest(self, resting):
        self.resting = resting


def made():
    said, door, leases = Said(), Door(), Alone()
    duty = Duty(Turnstile(Lanes()), leases, said, lambda: [door], drain_s=0.0, finish_s=60.0)
    return duty, said, door, leases


async def settled(duty):
    await asyncio.gather(duty._going)


async def test_maintenance_comes_and_goes():
    duty, said, door, leases = made()
    await duty.maintenance("thay đĩa")
    await settled(duty)
    assert (door.why, door.resting, leases.paused) == ("maintenance", True, True)
    await duty.maintenance("")
    await settled(duty)
    assert (door.why, door.resting, leases.paused) == ("", False, False)
    assert said.states == ["draining", "maintenance", "up"]


async def test_the_end_of_maintenance_brings_nobody_back_who_is_leaving():
    duty, said, door, leases = made()
    await duty.maintenance("thay đĩa")
    await settled(duty)
    await duty.leave("closing")
    await duty.maintenance("")
    await duty.rest()
    assert (door.why, leases.paused) == ("closing", True)
    assert said.states == ["draining", "maintenance", "draining"]


async def test_who_is_leaving_begins_no_maintenance():
    duty, said, door, _ = made()
    await duty.leave("closing")
    await duty.maintenance("thay đĩa")
    await duty.ended()
    assert (door.why, door.resting) == ("closing", False)
    assert said.states == ["draining", "down"]
