"""The object store when the store is down, slow, lying or forgets to answer."""

import asyncio
import contextlib
import hashlib
import os
import re
import socket
import ssl
from datetime import timedelta

import pytest

from gateway import observe
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.store.objects import PART, Bucket, ObjectBlobs
from tests.world.tls_pairs import pair, put

SMALL, LARGE = 1000, 2 * PART + 77


class World:
    """A bucket, blobs over it, and what the server is told to do."""

    def __init__(self, server, work, **told):
        self.server = server
        self.name = server.bucket()
        self.work = work
        self.blobs = self.other(**told)

    def other(self, **told):
        bucket = Bucket(
            told.pop("name", self.name),
            "p",
            told.pop("url", self.server.url),
            access_key="ten-khoa",
            secret_key="khoa-bi-mat",
            plain=True,
            **told,
        )
        return ObjectBlobs(bucket, self.work, threads=4)

    def plan(self, method, do, match="", times=1):
        self.server.order("plan", method=method, do=do, match=f"{self.name}/p{match}", times=times)

    def seen(self, match, count=0):
        return self.server.order("seen", match=match, count=count)

    def key(self, name):
        return f"p/{name[:2]}/{name}"


@pytest.fixture
def world(s3_store, tmp_path):
    made = World(s3_store, tmp_path / "work")
    yield made
    s3_store.order("calm")
    made.blobs.close()


async def read(blobs, name):
    return b"".join([part async for part in blobs.stream(name)])


def left(world):
    return list(world.work.iterdir())


# ---------------------------------------------------------------- trouble on the way up


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_put_whose_answer_is_lost_is_whole_and_known(world, size):
    data = os.urandom(size)
    world.plan("PUT", "lose-answer")
    info = await world.blobs.put(data)
    assert await read(world.blobs, info.sha256) == data
    assert world.server.order("keys", bucket=world.name) == [world.key(info.sha256)]
    assert left(world) == []


@pytest.mark.parametrize("do", ["slow-down", "drop"])
@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_trouble_that_passes_is_not_noticed(world, size, do):
    data = os.urandom(size)
    world.plan("PUT", do)
    info = await world.blobs.put(data)
    world.plan("GET", do)
    assert await read(world.blobs, info.sha256) == data


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_trouble_that_stays_is_said_and_leaves_nothing(world, size):
    world.blobs.close()
    world.blobs = world.other(timeout=timedelta(seconds=5))
    world.plan("PUT", "slow-down", times=1000)
    world.plan("POST", "slow-down", times=1000)
    with pytest.raises(UnavailableError):
        await world.blobs.put(os.urandom(size))
    assert world.server.order("keys", bucket=world.name) == []
    assert left(world) == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_store_that_stalls_is_given_up(world, size):
    world.blobs.close()
    world.blobs = world.other(timeout=timedelta(seconds=2))
    world.plan("PUT", "hold", times=1000)
    with pytest.raises(UnavailableError):
        await world.blobs.put(os.urandom(size))
    world.server.order("release")
    assert left(world) == []


async def test_a_part_that_is_refused_for_good_ends_the_whole(world):
    """No name for half a blob, and no parts that cost money for ever."""
    world.blobs.close()
    world.blobs = world.other(timeout=timedelta(seconds=5))
    world.plan("PUT", "slow-down", match="/", times=1000)
    with pytest.raises(UnavailableError):
        await world.blobs.put(os.urandom(LARGE))
    world.server.order("calm")
    assert world.server.order("keys", bucket=world.name) == []
    assert world.server.order("uploads", bucket=world.name) == 0


async def test_nobody_listens(world):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    blobs = world.other(url=f"http://127.0.0.1:{port}", timeout=timedelta(seconds=2))
    name = "ab" * 32
    with pytest.raises(UnavailableError):
        await blobs.put(b"x")
    with pytest.raises(UnavailableError):
        await read(blobs, name)
    with pytest.raises(UnavailableError):
        await blobs.has(name)
    for call in (blobs.size, lambda n: blobs.delete_if_older(n, 0), lambda _n: list(blobs.names())):
        with pytest.raises(UnavailableError):
            call(name)
    blobs.close()


async def test_a_bucket_that_is_not_there_is_no_lost_blob(world):
    blobs = world.other(name="nobody-made-this-one")
    with pytest.raises(UnavailableError):
        await blobs.put(b"x")
    with pytest.raises(UnavailableError):
        await read(blobs, "ab" * 32)
    with pytest.raises(UnavailableError):
        list(blobs.names())
    blobs.close()


async def test_why_is_said_once_and_the_secret_is_nowhere_in_it(world, monkeypatch):
    said = []
    monkeypatch.setattr(observe, "alarm", lambda **facts: said.append(facts))
    blobs = world.other(name="nobody-made-this-one")
    for _ in range(2):
        with pytest.raises(UnavailableError) as caught:
            await blobs.put(b"x")
    told = repr(caught.value) + repr(caught.value.__cause__)
    assert said == [{"what": "blob store", "subject": "cannot write: NoSuchBucket"}]
    assert "khoa-bi-mat" not in told
    with pytest.raises(UnavailableError):
        blobs.probe()
    blobs.close()


async def test_who_waits_for_a_store_that_hangs_is_answered_in_time(world, monkeypatch):
    """Four threads hang; the fifth caller is not told to wait for them."""
    blobs = world.other(timeout=timedelta(seconds=60))
    assert blobs.patience_s(1000) < 61
    assert ObjectBlobs(Bucket("b"), world.work, patient=True).patience_s(1000) is None
    world.plan("PUT", "hold", times=1000)
    hanging = [asyncio.create_task(blobs.put(os.urandom(9))) for _ in range(4)]
    await asyncio.to_thread(world.seen, f"PUT /{world.name}/", 4)
    before = len(left(world))
    monkeypatch.setattr(blobs, "patience_s", lambda _: 0.1)
    with pytest.raises(UnavailableError, match="in time"):
        await blobs.put(os.urandom(400_000))
    assert len(left(world)) == before  # it had not begun, so nothing of it is kept
    world.server.order("calm")
    assert {info.size_bytes for info in await asyncio.gather(*hanging)} == {9}
    await asyncio.to_thread(blobs.close)
    assert left(world) == []


async def test_a_store_with_an_authority_of_its_own(world, tmp_path):
    """Vietnamese agencies have theirs: with its certificate it is believed, without it is not."""
    put(tmp_path, *pair("s3"))
    authority = (tmp_path / "tls.pem").read_text()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "tls.pem", tmp_path / "tls.key")

    async def answer(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            body = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
            head = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % len(body) + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for certificates, why in ((authority, "RequestTimeTooSkewed"), ("", "UnknownIssuer|Connect")):
        blobs = world.other(url=url, certificates=certificates, timeout=timedelta(seconds=5))
        with pytest.raises(UnavailableError):
            await asyncio.to_thread(blobs.probe)
        assert re.fullmatch(why, next(iter(blobs._told)))
        await asyncio.to_thread(blobs.close)
    server.close()
    await server.wait_closed()


# ---------------------------------------------------------------- bytes that are not the bytes


@pytest.mark.parametrize("size", [1, SMALL, 256 * 1024, LARGE])
async def test_a_damaged_object_is_never_served_whole(world, size):
    data = os.urandom(size)
    name = (await world.blobs.put(data)).sha256
    world.server.order("spoil", bucket=world.name, key=world.key(name), at=size // 2)
    got = []

    async def take():
        async for part in world.blobs.stream(name):
            got.extend([part])

    with pytest.raises(IntegrityError):
        await take()
    assert sum(map(len, got)) < size
    with pytest.raises(IntegrityError):
        list(world.blobs.chunks(name))
    with pytest.raises(IntegrityError):
        async with world.blobs.local(name):
            pass
    with pytest.raises(IntegrityError):
        async with world.blobs.near([name]):
            pass
    assert left(world) == []


async def test_putting_the_same_bytes_heals_a_damaged_object(world):
    data = os.urandom(SMALL)
    name = (await world.blobs.put(data)).sha256
    world.server.order("spoil", bucket=world.name, key=world.key(name), at=5)
    await world.blobs.put(data)
    assert await read(world.blobs, name) == data


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_answer_changed_on_its_way_is_caught(world, size):
    name = (await world.blobs.put(os.urandom(size))).sha256
    world.plan("GET", "flip", match="/", times=1)
    with pytest.raises(IntegrityError):
        await read(world.blobs, name)
    assert hashlib.sha256(await read(world.blobs, name)).hexdigest() == name


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_answer_cut_short_is_never_taken_for_the_whole(world, size):
    data = os.urandom(size)
    name = (await world.blobs.put(data)).sha256
    world.plan("GET", "cut", match="/", times=1000)
    with pytest.raises((UnavailableError, IntegrityError)):
        await read(world.blobs, name)
    world.server.order("calm")
    assert await read(world.blobs, name) == data


# ---------------------------------------------------------------- putting against collecting


async def test_a_collector_that_is_late_does_not_take_what_was_just_put(world):
    """It marked, found the blob old, and its deletion is on its way while we put the bytes."""
    data = os.urandom(SMALL)
    name = (await world.blobs.put(data)).sha256
    world.server.order("age", bucket=world.name, key=world.key(name), seconds=7200)
    world.plan("DELETE", "hold", match=f"/{name[:2]}/")
    collecting = asyncio.create_task(asyncio.to_thread(world.blobs.delete_if_older, name, 3600))
    deletion = f"DELETE /{world.name}/{world.key(name)}"
    assert await asyncio.to_thread(world.seen, deletion, 1)
    putting = asyncio.create_task(world.blobs.put(data))
    # It looks for the mark once it has written: the mark is there, so it waits.
    looked = f"HEAD /{world.name}/p/doomed/{name}"
    assert await asyncio.to_thread(world.seen, looked, 3)
    assert not putting.done()
    world.server.order("release")
    assert await collecting is True
    await putting
    assert await read(world.blobs, name) == data


async def test_a_collector_that_died_does_not_hold_anybody_up(world):
    data = os.urandom(SMALL)
    name = (await world.blobs.put(data)).sha256
    world.server.order("age", bucket=world.name, key=world.key(name), seconds=7200)
    world.plan("DELETE", "drop", match=f"/{name[:2]}/")
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(world.blobs.delete_if_older, name, 3600)
    mark = f"p/doomed/{name}"
    assert mark in world.server.order("keys", bucket=world.name)
    # Another collector leaves it alone; who puts the bytes waits five minutes, not for ever.
    assert world.blobs.delete_if_older(name, 3600) is False
    world.server.order("age", bucket=world.name, key=mark, seconds=301)
    await world.blobs.put(data)
    assert await read(world.blobs, name) == data
    assert mark in world.server.order("keys", bucket=world.name)


async def test_a_dead_collectors_mark_is_swept(world):
    data = os.urandom(SMALL)
    name = (await world.blobs.put(data)).sha256
    world.server.order("age", bucket=world.name, key=world.key(name), seconds=7200)
    world.plan("DELETE", "drop", match=f"/{name[:2]}/")
    with pytest.raises(UnavailableError):
        await asyncio.to_thread(world.blobs.delete_if_older, name, 3600)
    assert world.blobs.sweep_temporary(3600) == 0
    world.server.order("age", bucket=world.name, key=f"p/doomed/{name}", seconds=90_000)
    assert world.blobs.sweep_temporary(3600) == 1
    assert world.blobs.delete_if_older(name, 3600) is True


async def test_absent_is_absent(world):
    with pytest.raises(RejectedError) as caught:
        await read(world.blobs, "ab" * 32)
    assert caught.value.reason is Reason.NOT_FOUND
