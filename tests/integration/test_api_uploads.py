"""Uploads: large, slow, broken, too large; what they cost; nothing is left of what broke off."""

import asyncio
import gc
import io
import time

import psutil
import pytest

from gateway.errors import GatewayError
from gateway.web.problems import WebRefusalError
from gateway.web.server import Limits
from tests.world.api_house import house, problem
from tests.world.fake_desk import SENDER_KEY

MIB = 1 << 20
HEAD = (
    "POST /api/v1/documents HTTP/1.1\r\nHost: x\r\nContent-Type: application/xml\r\n"
    f"Authorization: Bearer {SENDER_KEY}\r\n"
)


async def pieces(size, piece=b"x" * 65536):
    for _ in range(size // len(piece)):
        yield piece


@pytest.mark.parametrize("form", [False, True])
async def test_fifty_megabytes_flow_through_in_flat_memory(form):
    process = psutil.Process()
    async with house() as h:
        await h.submit(b"warm")
        gc.collect()
        before, peak = process.memory_info().rss, 0

        def watch(size):
            nonlocal peak
            if size % MIB < 65536:
                peak = max(peak, process.memory_info().rss)

        h.intake.on_chunk = watch
        if form:
            body = _form(50 * MIB)
            headers = {"Content-Type": "multipart/form-data; boundary=b"}
            reply = await h.post("/api/v1/documents", data=body, headers=headers)
        else:
            reply = await h.submit(pieces(50 * MIB))
        assert reply.status == 202
        assert [sent.size_bytes for sent in h.intake.sent.values()][-1] == 50 * MIB
        assert peak - before < 16 * MIB
        assert h.intake.largest_chunk <= MIB


async def _form(size):
    yield (
        b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n'
        b'{"sender": "H37", "recipients": ["H38"]}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    )
    async for piece in pieces(size):
        yield piece
    yield b"\r\n--b--\r\n"


@pytest.mark.parametrize("chunked", [False, True])
async def test_too_large_is_413_and_leaves_nothing(chunked):
    async with house(Limits(max_packet_bytes=MIB, shutdown_s=1)) as h:
        data = pieces(2 * MIB) if chunked else io.BytesIO(b"x" * (MIB + 1))
        problem(await h.submit(data), 413, "too-large")
        assert not h.intake.sent
        # Announced sizes are refused before anything begins.
        assert h.intake.begun == int(chunked)
        assert (await h.submit(io.BytesIO(b"x" * MIB))).status == 202


async def test_a_form_is_weighed_as_a_whole():
    async with house(Limits(max_packet_bytes=MIB, shutdown_s=1)) as h:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        reply = await h.post("/api/v1/documents", data=_form(2 * MIB), headers=headers)
        problem(reply, 413, "too-large")
        reply = await h.post("/api/v1/documents", data=pieces(2 * MIB), headers=headers)
        assert reply.status in {413, 422}
        assert not h.intake.sent


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + "Content-Length: 1000\r\n\r\nhalf",
        HEAD + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        HEAD.replace("application/xml", "multipart/form-data; boundary=b")
        + "Content-Length: 1000000\r\n\r\n--b\r\nContent-Disposition: form-data; "
        'name="metadata"\r\n\r\n{"sender": "H37", "recipients": ["H38"]}\r\n--b\r\n'
        'Content-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n' + "half" * 50_000,
    ],
)
async def test_a_client_that_goes_away_leaves_nothing(sent):
    async with house() as h:
        _, writer = await asyncio.open_connection("127.0.0.1", h.running.port)
        writer.write(sent.encode())
        await writer.drain()
        await h.intake.until(lambda: h.intake.begun)
        writer.transport.abort()
        await h.intake.until(lambda: h.intake.abandoned)
        assert isinstance(h.intake.abandoned[0], GatewayError | ConnectionError)
        assert not h.intake.sent
        assert (await h.submit()).status == 202


async def test_broken_chunks_are_refused():
    async with house() as h:
        sent = HEAD + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"
        reply = await h.raw(sent.encode())
        assert reply.split(b" ")[1] == b"400"
        assert b"problem+json" in reply
        assert not h.intake.sent


async def test_silence_is_not_waited_for():
    async with house(Limits(idle_s=0.05, shutdown_s=1)) as h:
        sent = HEAD + "Content-Length: 1000\r\n\r\nhalf"
        reply = await h.raw(sent.encode(), eof=False)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert isinstance(h.intake.abandoned[0], WebRefusalError)
        assert not h.intake.sent


async def test_dripping_is_not_waited_for():
    async with house(Limits(pace_grace_s=0.0, pace_bytes_s=1e9, shutdown_s=1)) as h:
        reply = await h.raw((HEAD + "Content-Length: 1000\r\n\r\nhalf").encode())
        assert reply.startswith(b"HTTP/1.1 408 ")


async def test_the_refused_never_send_their_body():
    async with house() as h:
        asking = HEAD.replace(SENDER_KEY, "wrong-0123456789") + (
            "Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", h.running.port)
        writer.write(asking.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 401 ")
        writer.close()


async def test_the_welcome_are_told_to_go_on():
    async with house() as h:
        reader, writer = await asyncio.open_connection("127.0.0.1", h.running.port)
        asking = HEAD + "Expect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
        writer.write(asking.encode())
        assert await reader.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert await reader.readline() == b"\r\n"
        writer.write(b"body")
        assert (await reader.readline()).startswith(b"HTTP/1.1 202 ")
        writer.close()


async def test_an_empty_body_reaches_the_front_door_as_it_is():
    async with house() as h:
        assert (await h.submit(b"")).status == 202
        assert [sent.size_bytes for sent in h.intake.sent.values()] == [0]


async def test_a_four_kilobyte_packet_costs_little():
    """Whole process, client and server: the bound is generous, a regression is not."""
    async with house() as h:
        body = b"x" * 4096
        await asyncio.gather(*(h.submit(body) for _ in range(20)))
        began = time.process_time()
        for _ in range(10):
            replies = await asyncio.gather(*(h.submit(body) for _ in range(30)))
            assert all(reply.status == 202 for reply in replies)
        each_s = (time.process_time() - began) / 300
        assert each_s < 0.006
