"""A listener that closes in the very moment somebody connects leaves no connection behind."""

import asyncio
import gc
import socket

import pytest
from aiohttp import web

from gateway.web.server import listen


@pytest.mark.parametrize("turns", range(6))
async def test_a_connection_taken_while_closing_is_closed_too(turns):
    running = await listen(web.Application(), "127.0.0.1", 0)
    with socket.socket() as client:
        client.connect(("127.0.0.1", running.port))
        for _ in range(turns):
            await asyncio.sleep(0)
        await running.close()
        client.settimeout(60)
        assert await asyncio.to_thread(_ended, client)
    gc.collect()  # a transport left behind warns here, and a warning is an error


def _ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True
