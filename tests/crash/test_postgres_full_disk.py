"""PostgreSQL's disk is full: said, nothing lost, no number skipped, well again by itself."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.errors import UnavailableError
from gateway.ports import ChangeSet, Committed, NextNumber
from gateway.store.places import place_of
from gateway.store.postgres.ledger import PostgresLedger
from tests.world import ledger_rows as rows

pytestmark = pytest.mark.crash

NUMBER = NextNumber("n", "H37.02", 2026, "issue")


@dataclass
class Disk:
    """A file system of its own, in memory."""

    folder: Path

    def size(self, text):
        options = f"remount,size={text}"
        subprocess.run(["mount", "-o", options, self.folder], check=True, capture_output=True)


@pytest.fixture
def disk(postgres_server):
    folder = postgres_server.folder / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("nothing can be mounted here")
    try:
        user = pwd.getpwnam("postgres")
        os.chown(folder, user.pw_uid, user.pw_gid)
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        folder.rmdir()


@pytest.fixture
def url(postgres_server, disk):
    postgres_server.sql(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
    ledger = postgres_server.create_ledger()
    name = ledger.rpartition("/")[2]
    postgres_server.sql(f"ALTER DATABASE {name} SET TABLESPACE small")
    yield ledger
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")
    postgres_server.sql("DROP TABLESPACE small")


def large(name):
    """A numbered set of some 60 kB that cannot be squeezed."""
    data = f'"{os.urandom(30_000).hex()}"'
    return ChangeSet((rows.event(name, data=data),), (), (NUMBER,))


async def test_a_full_disk_is_said_and_nothing_is_lost_or_skipped(url, disk):
    ledger = PostgresLedger(place_of(url), poll_s=3600.0)
    await ledger.open()
    told = []
    with pytest.raises(UnavailableError):  # noqa: PT012 - whichever of them it is
        while len(told) < 1000:
            told.append((await ledger.commit(large(f"s{len(told)}"))).numbers["n"])
    assert told == list(range(1, len(told) + 1))
    assert 0 < len(told) < 1000
    with pytest.raises(UnavailableError):
        await ledger.commit(large("still full"))
    assert await ledger.one("meta", key="nobody") is None  # it reads all the while
    disk.size("64m")
    done = await ledger.commit(large("room again"))
    assert done == Committed({"n": len(told) + 1})
    for n in range(len(told)):
        assert len(await ledger.all("events_of", subject=f"s{n}")) == 1
    assert await ledger.all("events_of", subject="still full") == []
    await ledger.close()
