"""One look for everybody who waits: what goes wrong with one is not the end of all."""

import asyncio

import pytest

from gateway import observe
from gateway.errors import UnavailableError
from gateway.programs.pulse import Pulse


class Ledger:
    """A ledger whose first looks fail; afterwards the cursor has moved."""

    def __init__(self, *failures):
        self.failures = list(failures)

    async def one(self, query, **params):
        assert (query, set(params)) == ("meta", {"key"})
        if self.failures:
            raise self.failures.pop(0)
        return {"value": "7"}


@pytest.mark.parametrize(
    ("failure", "alarms"), [(UnavailableError(), []), (RuntimeError(), ["pulse"])]
)
async def test_a_look_that_fails_is_followed_by_another(monkeypatch, failure, alarms):
    told = []
    monkeypatch.setattr(observe, "alarm", lambda **said: told.append(said["what"]))
    pulse = Pulse(Ledger(failure), poll_s=0.0)
    both = await asyncio.gather(
        pulse.beyond("inbox_seq", 3, 60.0), pulse.beyond("event_seq", 3, 60.0)
    )
    assert (both, told) == ([True, True], alarms)


async def test_what_did_not_move_is_waited_for_no_longer_than_asked():
    assert not await Pulse(Ledger(), poll_s=0.0).beyond("inbox_seq", 7, 0.05)
