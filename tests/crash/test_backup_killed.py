"""kill -9 in the middle of a backup and of a restoration: never half of one, and the next run is whole."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from gateway import keeping
from gateway.__main__ import main
from gateway.backup import form
from gateway.backup.verify import verify
from gateway.config import load
from tests.world.gatehouse import gatehouse, packet

pytestmark = [pytest.mark.crash, pytest.mark.timeout(240)]


async def here(*words):
    """Run the command line in this process, which is quicker; return its exit code."""
    return await asyncio.to_thread(main, [str(word) for word in words])


def vanlien(*words, fault):
    """Run the command line in a process of its own, which dies; return how it ended."""
    environ = {**os.environ, "VANLIEN_FAULT": fault}
    told = [sys.executable, "-m", "gateway", *map(str, words)]
    return subprocess.run(told, env=environ, capture_output=True, timeout=120, check=False)


async def lived(folder):
    folder.mkdir()
    async with gatehouse(folder) as house:
        for number in (1, 2):
            files = (("a.txt", os.urandom(50_000).hex().encode()),)
            assert (await house.send(packet(str(number), files=files)))[0] == 202
        await house.inbox("stc", 2)
    return folder / "vanlien.toml"


def rows(path, table):
    with contextlib.closing(sqlite3.connect(path)) as ledger:
        return ledger.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0]


async def test_a_killed_backup_is_none_and_does_not_spoil_the_one_before(tmp_path):
    config = await lived(tmp_path / "g")
    settings = load(config)
    target = tmp_path / "target"
    target.mkdir()
    words = ("backup", "--to", target, "--config", config)
    for point, backups in (
        ("backup.after-ledger", 0),
        ("backup.after-rename", 1),
        ("backup.before-rename", 1),
    ):
        ended = vanlien(*words, fault=point)
        assert ended.returncode == -signal.SIGKILL, (point, ended.stderr)
        found = form.finished(target)
        assert len(found) == backups, point
        for backup in found:
            checked = verify(backup, keeping.trusted(settings))
            assert (checked.faults, checked.pinned) == ([], True), point
    assert await here(*words, "--keep", "1") == 0
    (last,) = form.finished(target)
    assert verify(last, keeping.trusted(settings)).exit_code == 0
    assert not list(target.glob(".*.part"))
    named = {name for name, _ in form.blobs_of(last)} | {k.sha256 for k in form.files_of(last)}
    assert {p.name for p in (target / "pool").rglob("*") if p.is_file()} == named


async def test_a_killed_restoration_never_leaves_a_ledger_without_its_hold(tmp_path):
    config = await lived(tmp_path / "g")
    target, new = tmp_path / "target", tmp_path / "n"
    target.mkdir()
    assert await here("backup", "--to", target, "--config", config) == 0
    new.mkdir()
    shutil.copytree(config.parent / "keys", new / "keys")
    (new / "trust").mkdir()
    shutil.copy(config, new / "vanlien.toml")
    settings = load(new / "vanlien.toml")
    words = ("restore", "from", target, "--config", new / "vanlien.toml")
    for point in ("restore.after-blobs", "restore.before-commit"):
        ended = vanlien(*words, fault=point)
        assert ended.returncode == -signal.SIGKILL, (point, ended.stderr)
        assert rows(settings.ledger.path, "consignment") == 0
    assert await here(*words) == 0
    assert rows(settings.ledger.path, "consignment") == 2
    with keeping.opened(settings) as ledger:
        assert ledger.restored()["backup"] == form.chosen(target).id
    # Once more: there is something now.
    assert await here(*words) == 64
