"""Blobs: one suite for every store, and for the fake the programs are tested with.

The object store is moto's server, which stands in for a real S3 store (`tests/world/servers/s3.py`).
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import sqlite3
import threading

import pytest

from gateway.errors import Reason, RejectedError
from gateway.ports import BlobInfo
from gateway.store.blobs import FolderBlobs
from gateway.store.tiers import TieredBlobs
from tests.world.memory_blobs import MemoryBlobs

KIB = 1024
SIZES = (0, 1, 128 * KIB, 128 * KIB + 1, 256 * KIB, 256 * KIB + 1, 3 * KIB * KIB + 7)
ABSENT = "0" * 64
HOSTILE = (
    "",
    ".",
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "tmp",
    "0" * 63,
    "0" * 65,
    "A" * 64,
    "0" * 62 + "/x",
    "0" * 63 + "\n",
    "0" * 63 + "\0",
    "０" * 64,  # full-width digits
)


class Store:
    """A Blobs with hands to make one of its blobs older."""

    def __init__(self, blobs, age, reopen=None, *, many=200):
        self.blobs = blobs
        self.age = age
        self.many = many  # puts that make a crowd here
        self._reopen = reopen

    def reopen(self):
        """Close it, and look at what the next process would find."""
        self.blobs.close()
        if self._reopen is not None:
            self.blobs = self._reopen()
        return self.blobs


@pytest.fixture(params=["folder", "tiers", "objects", "memory"])
def store(request, tmp_path):
    made = MAKERS[request.param](request, tmp_path)
    yield made
    made.blobs.close()


def _folder(_request, tmp_path):
    blobs = FolderBlobs(tmp_path / "blobs")

    def age(sha256, seconds):
        path = blobs.path(sha256)
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))

    return Store(blobs, age)


def _tiers(_request, tmp_path):
    root = tmp_path / "blobs"
    blobs = TieredBlobs(root)

    def age(sha256, seconds):
        sql = "UPDATE blob SET put_at = put_at - ? WHERE sha256 = ?"
        with contextlib.closing(sqlite3.connect(root / "small.sqlite", timeout=60)) as small:
            small.execute("PRAGMA synchronous=OFF")
            found = small.execute(sql, (seconds, sha256)).rowcount
            small.commit()
        if not found:
            path = root / sha256[:2] / sha256
            then = path.stat().st_mtime - seconds
            os.utime(path, (then, then))

    return Store(blobs, age, lambda: TieredBlobs(root))


def _objects(request, tmp_path):
    from gateway.store.objects import Bucket, ObjectBlobs

    server = request.getfixturevalue("s3_store")
    name = server.bucket()
    bucket = Bucket(name, "here/it/is", server.url, access_key="a", secret_key="b", plain=True)

    def age(sha256, seconds):
        key = f"here/it/is/{sha256[:2]}/{sha256}"
        if not server.order("age", bucket=name, key=key, seconds=seconds):
            raise FileNotFoundError(key)

    return Store(ObjectBlobs(bucket, tmp_path / "work", threads=8), age, many=15)


def _memory(_request, _tmp_path):
    blobs = MemoryBlobs()

    def age(sha256, seconds):
        data, at = blobs.kept[sha256]
        blobs.kept[sha256] = (data, at - seconds)

    return Store(blobs, age)


MAKERS = {"folder": _folder, "tiers": _tiers, "objects": _objects, "memory": _memory}


@pytest.fixture
def blobs(store):
    return store.blobs


def info(data):
    return BlobInfo(hashlib.sha256(data).hexdigest(), len(data))


async def read(blobs, sha256):
    return b"".join([part async for part in blobs.stream(sha256)])


# ---------------------------------------------------------------- putting and reading


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_put_is_read(blobs, size):
    data = os.urandom(size)
    assert await blobs.put(data) == info(data)
    name = info(data).sha256
    assert await read(blobs, name) == data
    assert b"".join(blobs.chunks(name)) == data
    assert blobs.size(name) == size
    assert await blobs.has(name)
    async with blobs.near([name, name]):
        assert b"".join(blobs.chunks(name)) == data
    async with blobs.local(name) as path:
        assert path.read_bytes() == data
    assert list(blobs.names()) == [name]


async def test_chunks_are_small(blobs):
    data = os.urandom(1_000_000)
    name = (await blobs.put(data)).sha256
    assert max(len(part) for part in blobs.chunks(name)) <= 256 * KIB
    assert max([len(part) async for part in blobs.stream(name)]) <= 256 * KIB


@pytest.mark.parametrize("step", [1, 1000, 100_000])
async def test_a_blob_is_written_in_any_steps(blobs, step):
    data = os.urandom(300_000 if step > 1 else 300)
    writer = blobs.writer()
    for start in range(0, len(data), step):
        writer.write(data[start : start + step])
    assert list(blobs.names()) == []
    assert await writer.finish() == info(data)
    assert await read(blobs, info(data).sha256) == data


async def test_a_writer_takes_buffers_that_change_afterwards(blobs):
    writer, buffer = blobs.writer(), bytearray(b"first")
    writer.write(buffer)
    buffer[:] = b"other"
    writer.write(memoryview(buffer))
    assert await writer.finish() == info(b"firstother")


@pytest.mark.parametrize("size", [10, 400_000])
async def test_the_same_bytes_are_one_blob(blobs, size):
    data = os.urandom(size)
    done = await asyncio.gather(*(blobs.put(data) for _ in range(20)))
    assert set(done) == {info(data)}
    assert list(blobs.names()) == [info(data).sha256]
    assert await read(blobs, info(data).sha256) == data


async def test_very_many_small_puts_at_once(store):
    blobs = store.blobs
    datas = [i.to_bytes(4, "big") * 50 for i in range(5 * store.many)]
    done = await asyncio.gather(*(blobs.put(data) for data in datas))
    assert done == [info(data) for data in datas]
    assert sorted(blobs.names()) == sorted(i.sha256 for i in done)


@pytest.mark.parametrize("size", [10, 400_000])
async def test_what_is_aborted_never_was(blobs, size):
    writer = blobs.writer()
    writer.write(os.urandom(size))
    writer.abort()
    writer.abort()
    assert list(blobs.names()) == []
    assert blobs.sweep_temporary(-1) == 0


@pytest.mark.parametrize("size", [10, 400_000])
async def test_aborting_after_finishing_changes_nothing(blobs, size):
    writer = blobs.writer()
    writer.write(bytes(size))
    done = await writer.finish()
    writer.abort()
    assert await read(blobs, done.sha256) == bytes(size)


@pytest.mark.parametrize("size", [10, 400_000])
async def test_a_caller_that_goes_away_leaves_all_or_nothing(store, size):
    blobs = store.blobs
    datas = [os.urandom(size) for _ in range(40)]
    tasks = [asyncio.create_task(blobs.put(data)) for data in datas]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    last = await blobs.put(b"last")
    blobs = store.reopen()
    for name in blobs.names():
        assert info(b"".join(blobs.chunks(name))).sha256 == name
    assert last.sha256 in set(blobs.names())
    assert blobs.sweep_temporary(-1) == 0


# ---------------------------------------------------------------- what is not there


async def test_an_absent_blob(blobs):
    assert blobs.size(ABSENT) is None
    assert not await blobs.has(ABSENT)
    with pytest.raises(RejectedError):
        async with blobs.near([ABSENT]):
            pass
    assert blobs.delete_if_older(ABSENT, 0) is False
    with pytest.raises(RejectedError) as caught:
        list(blobs.chunks(ABSENT))
    assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(RejectedError):
        await read(blobs, ABSENT)
    with pytest.raises(RejectedError):
        async with blobs.local(ABSENT):
            pass


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_leads_nowhere(blobs, name):
    await blobs.put(b"x")
    for call in (
        blobs.size,
        lambda n: list(blobs.chunks(n)),
        lambda n: blobs.delete_if_older(n, 0),
    ):
        with pytest.raises(RejectedError) as caught:
            call(name)
        assert caught.value.reason is Reason.NOT_FOUND
    with pytest.raises(RejectedError):
        await read(blobs, name)
    with pytest.raises(RejectedError):
        async with blobs.local(name):
            pass
    assert len(list(blobs.names())) == 1


# ---------------------------------------------------------------- age and deletion


async def test_only_what_is_old_is_deleted(store):
    name = (await store.blobs.put(b"x")).sha256
    assert store.blobs.delete_if_older(name, 3600) is False
    store.age(name, 7200)
    assert store.blobs.delete_if_older(name, 3600) is True
    assert store.blobs.size(name) is None
    assert store.blobs.delete_if_older(name, 3600) is False


async def test_no_age_at_all_deletes_what_was_just_put(store):
    name = (await store.blobs.put(b"x")).sha256
    store.age(name, 0.02)  # the file system's clock ticks in milliseconds
    assert store.blobs.delete_if_older(name, 0) is True
    assert list(store.blobs.names()) == []


@pytest.mark.parametrize("size", [10, 400_000])
async def test_putting_again_renews_the_age(store, size):
    name = (await store.blobs.put(bytes(size))).sha256
    store.age(name, 7200)
    await store.blobs.put(bytes(size))
    assert store.blobs.delete_if_older(name, 3600) is False
    assert await read(store.blobs, name) == bytes(size)


async def test_what_was_deleted_can_be_put_again(store):
    name = (await store.blobs.put(b"x")).sha256
    store.age(name, 10)
    assert store.blobs.delete_if_older(name, 5)
    assert (await store.blobs.put(b"x")).sha256 == name
    assert await read(store.blobs, name) == b"x"


async def test_a_blob_just_put_is_never_collected(store):
    """A collector that runs all the time, against puts of the same bytes."""
    blobs, stop, deleted = store.blobs, threading.Event(), []
    name = (await blobs.put(b"again")).sha256

    def collect():
        while not stop.is_set():
            try:
                store.age(name, 7200)
            except (FileNotFoundError, KeyError):
                pass  # just deleted
            else:
                deleted.extend([1] * blobs.delete_if_older(name, 3600))

    # The collector makes the blob old before it looks: what it deletes was put before that.
    collector = asyncio.create_task(asyncio.to_thread(collect))
    puts = 0
    while puts < store.many or (len(deleted) < 3 and puts < 20_000):
        assert (await blobs.put(b"again")).sha256 == name
        puts += 1
    stop.set()
    await collector
    assert deleted, "the two never met"
    await blobs.put(b"again")
    assert blobs.delete_if_older(name, 3600) is False
    assert await read(blobs, name) == b"again"


async def test_half_made_blobs_are_swept_when_old(blobs):
    writer = blobs.writer()
    writer.write(bytes(400_000))
    assert blobs.sweep_temporary(3600) == 0
    assert blobs.sweep_temporary(-1) == 1
    assert blobs.sweep_temporary(-1) == 0
    assert list(blobs.names()) == []
    writer.abort()


# ---------------------------------------------------------------- a folder several machines share


async def test_a_shared_folder_keeps_its_promise_between_stores(tmp_path):
    """Two nodes on one folder: while one collects, the other's put waits for it."""
    one, other = (FolderBlobs(tmp_path, shared=True) for _ in range(2))
    name = (await one.put(b"again")).sha256
    os.utime(one.path(name), (1, 1))
    assert not list(tmp_path.glob("*.sqlite"))
    with one._alone():
        renewing = asyncio.create_task(asyncio.to_thread(other.renew, name))
        collecting = asyncio.create_task(asyncio.to_thread(other.delete_if_older, name, 3600))
        lock = os.open(tmp_path / "collect.lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(lock)
        assert not renewing.done()
        assert not collecting.done()
    renewed, deleted = await asyncio.gather(renewing, collecting)
    assert renewed or deleted
    assert (one.size(name) is None) == deleted
    one.close()
    other.close()
