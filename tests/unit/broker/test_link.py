"""What the library raises, whatever it is, is "the broker is away"; our own bugs are not."""

import asyncio

import pytest
from aiormq.exceptions import AMQPConnectionError, ChannelInvalidStateError

from gateway.errors import UnavailableError
from gateway.rabbit import speaking


@pytest.mark.parametrize(
    "trouble",
    [
        AMQPConnectionError("gone"),
        ChannelInvalidStateError("closed"),
        ConnectionResetError(104, "reset"),
        # A server killed between two frames of its greeting: this brought nodes down.
        StopAsyncIteration(),
        asyncio.IncompleteReadError(b"", 7),
        RuntimeError("writer is closed"),
    ],
)
async def test_trouble_of_the_library_is_a_broker_that_is_away(trouble):
    with pytest.raises(UnavailableError, match="the broker refused or went away"):
        async with speaking(5):
            raise trouble


async def test_a_bug_of_ours_stays_one():
    with pytest.raises(KeyError):
        async with speaking(5):
            raise KeyError("x")
