"""What only the blob folder can do: fsync, modes, a full disk, files that come and go."""

import asyncio
import errno
import hashlib
import os
import stat
import threading
from pathlib import Path

import pytest

from gateway.errors import UnavailableError
from gateway.store import blobs as blobs_module
from gateway.store.blobs import FolderBlobs

BIG = 400_000


@pytest.fixture
def blobs(tmp_path):
    made = FolderBlobs(tmp_path / "blobs")
    yield made
    made.close()


def held():
    """Names of the files this process holds open."""
    links = Path("/proc/self/fd").iterdir()
    return [str(link.readlink()) for link in links if link.is_symlink()]


@pytest.fixture
def synced(monkeypatch):
    """Names of what was fsynced and renamed, in order."""
    said = []
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(fd):
        said.append(("sync", Path(f"/proc/self/fd/{fd}").readlink()))
        real_sync(fd)

    def replace(self, target):
        said.append(("name", Path(target)))
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    return said


@pytest.mark.parametrize("size", [10, BIG])
async def test_bytes_then_name_then_folder(blobs, synced, tmp_path, size):
    done = await blobs.put(bytes(size))
    path = blobs.path(done.sha256)
    kinds = [(kind, p.parent.name == "tmp", p) for kind, p in synced]
    assert kinds[0][:2] == ("sync", True)
    assert kinds[1:] == [
        ("sync", False, tmp_path / "blobs"),  # a new folder is durable before its first blob
        ("name", False, path),
        ("sync", False, path.parent),
    ]


async def test_a_known_blob_is_made_durable_again(blobs, synced):
    done = await blobs.put(b"x")
    synced.clear()
    await blobs.put(b"x")
    assert synced == [("sync", blobs.path(done.sha256).parent)]


async def test_a_folder_a_dead_writer_made_is_synced_before_use(tmp_path, synced):
    root = tmp_path / "blobs"
    blobs = FolderBlobs(root)
    name = hashlib.sha256(b"x").hexdigest()
    blobs.path(name).parent.mkdir()
    await blobs.put(b"x")
    blobs.close()
    assert synced.index(("sync", root)) < synced.index(("name", blobs.path(name)))


async def test_waiting_writers_share_a_folder_sync(tmp_path, monkeypatch):
    folder = tmp_path / "one"
    folder.mkdir()
    sync, count, gate = blobs_module._FolderSync(folder), [], threading.Event()
    first_in = threading.Event()
    real = os.fsync

    def slow(fd):
        count.append(fd)
        first_in.set()
        gate.wait(10)
        real(fd)

    monkeypatch.setattr(os, "fsync", slow)
    first = asyncio.create_task(asyncio.to_thread(sync.run))
    await asyncio.to_thread(first_in.wait, 10)
    others = [threading.Thread(target=sync.run) for _ in range(20)]
    for thread in others:
        thread.start()
    gate.set()
    await first
    for thread in others:
        await asyncio.to_thread(thread.join)
    # one under way, one for those who came meanwhile, and perhaps one for a thread that was late
    assert 2 <= len(count) < 10


async def test_a_failed_sync_is_not_shared_as_a_success(tmp_path, monkeypatch):
    sync, calls = blobs_module._FolderSync(tmp_path), []

    def failing(_fd):
        calls.append(1)
        raise OSError(errno.EIO, "disk")

    monkeypatch.setattr(os, "fsync", failing)
    for _ in range(3):
        with pytest.raises(OSError, match="disk"):
            sync.run()
    assert len(calls) == 3


async def test_blobs_are_private(blobs):
    done = await blobs.put(b"x")
    path = blobs.path(done.sha256)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("where", ["write", "fsync", "open"])
@pytest.mark.parametrize("size", [10, BIG])
async def test_a_full_disk_is_said_and_leaves_nothing(blobs, monkeypatch, where, size):
    real = getattr(os, where)

    def full(*args):
        if where == "open" and not args[1] & os.O_CREAT:
            return real(*args)
        raise OSError(errno.ENOSPC, "no space left")

    with monkeypatch.context() as patched:
        patched.setattr(os, where, full)
        with pytest.raises(UnavailableError):
            await blobs.put(bytes(size))
    assert list(blobs.names()) == []
    assert blobs.sweep_temporary(-1) == 0
    done = await blobs.put(bytes(size))
    assert blobs.size(done.sha256) == size


async def test_no_descriptor_is_left_open(blobs):
    for _ in range(3):
        await blobs.put(bytes(BIG))
        writer = blobs.writer()
        writer.write(bytes(BIG))
        writer.abort()
        async for _part in blobs.stream((await blobs.put(bytes(BIG + 1))).sha256):
            break
    assert [n for n in held() if "blobs/tmp/" in n] == []


async def test_aborting_while_a_thread_finishes_leaves_its_file_alone(blobs, monkeypatch):
    """The caller is cancelled and aborts; the thread must not find its descriptor closed."""
    entered, go_on = threading.Event(), threading.Event()
    real = blobs.renew

    def slow(sha256):
        entered.set()
        go_on.wait(10)
        return real(sha256)

    monkeypatch.setattr(blobs, "renew", slow)
    writer = blobs.writer()
    writer.write(bytes(BIG))
    task = asyncio.create_task(writer.finish())
    await asyncio.to_thread(entered.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    writer.abort()
    strangers = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
    go_on.set()
    await asyncio.to_thread(blobs.close)
    (name,) = blobs.names()
    assert blobs.size(name) == BIG
    assert blobs.sweep_temporary(-1) == 0
    for fd in strangers:
        os.close(fd)


async def test_after_close_nothing_is_taken(blobs):
    blobs.close()
    with pytest.raises(UnavailableError):
        await blobs.put(bytes(BIG))
    assert blobs.sweep_temporary(-1) == 0


async def test_strange_files_in_the_folder_are_no_blobs(blobs, tmp_path):
    done = await blobs.put(b"x")
    (tmp_path / "blobs" / "README").write_text("hello")
    (tmp_path / "blobs" / done.sha256[:2] / "note.txt").write_text("hello")
    assert list(blobs.names()) == [done.sha256]
