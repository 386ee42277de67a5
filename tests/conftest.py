"""What every test starts from."""

import os
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings
from prometheus_client.metrics import MetricWrapperBase

from gateway import measures, observe
from gateway.store import setup
from gateway.verifier import pool, process
from tests.world import nursery
from tests.world.servers.clamd import clamd_server  # noqa: F401
from tests.world.servers.postgres import (  # noqa: F401 - fixtures, for every test
    postgres_ledger_url,
    postgres_server,
    postgres_url,
)
from tests.world.servers.rabbitmq import (  # noqa: F401
    rabbit,
    rabbit_alone,
    rabbit_place,
    rabbit_to_kill,
)
from tests.world.servers.s3 import s3_store  # noqa: F401

_MIGRATE = setup._migrate
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 6 << 30


def _scratch_in_memory() -> None:
    """Put what tests write into memory where there is room: a fifth of the time is fsync else.

    A process that is killed loses nothing there either; `TMPDIR` chooses another place.
    """
    if "TMPDIR" in os.environ or not _MEMORY.is_dir():
        return
    told = os.statvfs(_MEMORY)
    spare = psutil.virtual_memory().available
    if told.f_flag & os.ST_NOEXEC or min(told.f_bavail * told.f_frsize, spare) < _ROOM_BYTES:
        return
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None


_scratch_in_memory()

# Two shared cores: an example may be slow to make or to try without being wrong.
settings.register_profile(
    "house", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("house")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what may take longest: a long test begun last leaves the other cores idle.

    Each process is given an equal part of the list, in order, and those who are done take from the
    end of others' parts. Long tests mostly wait: one process begins with quick ones meanwhile.
    """

    def allowed(item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        return float(marker.args[0]) if marker is not None else 0.0

    processes = int(getattr(config, "workerinput", {}).get("workercount", 1))
    long = sorted(filter(allowed, items), key=allowed, reverse=True)
    quick = [item for item in items if not allowed(item)]
    hands: list[list[pytest.Item]] = [[] for _ in range(processes)]
    # Whole modules: what a module shares is made once.
    modules = dict.fromkeys(item.path for item in long)
    for number, module in enumerate(modules):
        hands[number % max(processes - 1, 1)] += [i for i in long if i.path == module]
    dealt: list[pytest.Item] = []
    for number, hand in enumerate(hands):
        part = (len(items) - len(dealt)) // (processes - number)
        more = max(part - len(hand), 0)
        dealt += hand + quick[:more]
        del quick[:more]
    items[:] = dealt + quick


@pytest.fixture(autouse=True, scope="module")
def _measures_of_this_file() -> None:
    """Forget what tests of other files counted: there is one registry a process, and its labels stay.

    Once a file, as the gateways that files share live no longer.
    """
    measures.of.cache_clear()
    for metric in vars(measures).values():
        if isinstance(metric, MetricWrapperBase):
            metric.clear()


@pytest.fixture(autouse=True, scope="session")
def _workers_born_ready() -> Iterator[None]:
    """Let verifier processes be forked, not started: each start is a second of reading code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "spawned", nursery.worker)
        yield


@pytest.fixture(autouse=True, scope="session")
def _ledgers_migrated_once() -> Iterator[None]:
    """Copy the file of an empty ledger: making each table anew costs more than most tests."""

    @cache
    def empty() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "ledger.sqlite"
            path.touch()
            _MIGRATE(path)
            return path.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "_migrate", lambda path: path.write_bytes(empty()))
        yield


@pytest.fixture
def real_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every table as the gateway does, for tests about that."""
    monkeypatch.setattr(setup, "_migrate", _MIGRATE)


@pytest.fixture
def real_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start verifier processes as the gateway does, for tests about them."""
    monkeypatch.setattr(pool, "spawned", process.spawned)


@pytest.fixture(autouse=True)
def _told_anew() -> None:
    """Forget where an earlier test of this process had facts told, and what it left standing."""
    observe.silence()
    for family in measures.standing.collect():
        for sample in family.samples:
            measures.of(measures.standing, sample.labels["what"]).set(0)
