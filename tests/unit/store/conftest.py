"""A ledger with its clock, ids, blobs and administration."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from gateway.store.admin import LedgerAdmin
from gateway.store.session import session
from tests.world.ledgers import ENGINES, commit_rows, new_ledger
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


@pytest.fixture(params=ENGINES)
def place(request, tmp_path):
    """A new ledger: on each engine, but where a test is of one only."""
    return new_ledger(request, tmp_path)


@pytest.fixture
def path(place):
    """The file of a ledger that is one."""
    return place.path


@pytest.fixture
def blobs():
    return MemoryBlobs()


@pytest.fixture
def admin(place, blobs, clock):
    made = LedgerAdmin(place, blobs, clock, CountedIds())
    yield made
    made.close()


@pytest.fixture
def sql(place):
    """Look into the ledger, or change it, as another process would."""
    with session(place, purpose="test") as opened:

        def run(text, *params):
            return [tuple(row.values()) for row in opened.rows(text, params)]

        yield run


@pytest.fixture
def write(place):
    """Commit rows as a server would."""

    def run(*changes):
        asyncio.run(commit_rows(place, *changes))

    return run
