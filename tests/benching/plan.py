"""How large a run is, and where its houses stand: engines are started once, when first needed."""

import contextlib
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.benching.houses import Cluster, House
from tests.world.servers import postgres, rabbitmq

EMBEDDED, CLUSTER = "embedded", "cluster"
ENGINES: Final = (EMBEDDED, CLUSTER)


@dataclass(frozen=True, slots=True)
class Size:
    """How many of everything.

    Args:
        notes: Small messages of the throughput.
        papers: Messages of the usual size.
        signed: Messages with a signed PDF; signing them is what takes time.
        queued: Documents that wait when a gateway is killed.
        ahead: Normal documents an urgent one has before it.
        urgent: Urgent documents sent meanwhile.
        rows: Rows of a full ledger.
        window_s: The longest that a queue's rate is watched.
        packet: Bytes of the one large message.
    """

    notes: int = 2000
    papers: int = 200
    signed: int = 30
    queued: int = 50_000
    ahead: int = 10_000
    urgent: int = 100
    rows: int = 1_000_000
    window_s: float = 15.0
    packet: int = 100_000_000


WHOLE: Final = Size()
QUICK: Final = Size(
    notes=16,
    papers=0,
    signed=0,
    queued=100,
    ahead=60,
    urgent=3,
    rows=2000,
    window_s=10.0,
    packet=1_000_000,
)


@dataclass
class Plan:
    """One run of the bench.

    Args:
        folder: For everything it makes.
        size: How large it is.
        engines: Which are measured.
        one_house: Every part uses the same house, so that a test starts one server.
    """

    folder: Path
    size: Size
    engines: tuple[str, ...] = ENGINES
    one_house: bool = False
    _stack: ExitStack = field(default_factory=ExitStack)
    _server: postgres.PostgresServer | None = None
    _rabbit: rabbitmq.RabbitServer | None = None
    _kept: House | None = None
    _houses: int = 0
    _began: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Show progress."""
        sys.stderr.write(f"bench {time.monotonic() - self._began:5.0f} s  {text}\n")
        sys.stderr.flush()

    @contextlib.contextmanager
    def house(self, engine: str) -> Iterator[House]:
        """Lend a house with an empty ledger, its nodes not started; all of it goes afterwards."""
        if self._kept is not None:
            yield self._kept
            return
        with ExitStack() as stack:
            made = self._make(engine, stack)
            if self.one_house:
                self._kept = made
                self._stack.push(stack.pop_all())
            yield made

    def _make(self, engine: str, stack: ExitStack) -> House:
        self._houses += 1
        folder = self.folder / f"{engine}-{self._houses}"
        if engine == EMBEDDED:
            # A test waits for this one: the second verifier takes seconds to come up.
            house = House(folder, nodes=({"verify.workers": "1"} if self.one_house else {},))
        else:
            place = stack.enter_context(self._broker().place())
            house = Cluster(folder, self._postgres(), place)
        stack.callback(house.close)
        return house

    def _postgres(self) -> postgres.PostgresServer:
        if self._server is None:
            # A server of its own settings, as small as it is: a quarter of a small machine.
            told = {"shared_buffers": "512MB", "max_wal_size": "4GB"}
            self._server = postgres.PostgresServer(fsync=True, settings=told)
            self._stack.callback(self._server.close)
            self._server.start()
        return self._server

    def _broker(self) -> rabbitmq.RabbitServer:
        if self._rabbit is None:
            self._rabbit = self._stack.enter_context(rabbitmq.shared(self.folder))
        return self._rabbit

    def close(self) -> None:
        """Stop everything."""
        self._stack.close()


def lacking(engine: str) -> str:
    """Return why an engine cannot be measured here, "" when it can."""
    if engine == EMBEDDED:
        return ""
    if postgres.programs() is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    return rabbitmq.missing()
