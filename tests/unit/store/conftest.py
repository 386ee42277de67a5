"""A ledger with its clock, ids, blobs and administration."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from gateway.store import setup
from gateway.store.admin import SqliteAdmin
from gateway.store.ledger import connect
from tests.world.memory_blobs import MemoryBlobs

START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


@dataclass
class HandClock:
    at: datetime = START

    def now(self):
        return self.at

    def offset(self):
        return None


class CountedIds:
    def __init__(self):
        self.count = 0

    def new(self):
        self.count += 1
        return f"0195a000-0000-7000-9000-{self.count:012d}"


class Ticks:
    """Seconds that pass when told."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def path(tmp_path):
    setup.create(tmp_path / "ledger.sqlite")
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def blobs():
    return MemoryBlobs()


@pytest.fixture
def admin(path, blobs, clock):
    made = SqliteAdmin(path, blobs, clock, CountedIds())
    yield made
    made.close()


@pytest.fixture
def sql(path):
    """Look into the ledger, or change it, as another process would."""
    connection = connect(path)

    def run(text, *params):
        return [tuple(row) for row in connection.execute(text, params)]

    yield run
    connection.close()
