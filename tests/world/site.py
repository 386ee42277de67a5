"""Real `vanlien serve` children on real engines, everything between them breakable.

`async with site(folder, engine)` prepares one node on SQLite, or two on PostgreSQL and RabbitMQ,
and the simulated axis, with a proxy before each of them; the caller starts the nodes and the load.
A node is killed and started again with the same settings; a server comes back on what its disk
kept. `rows` looks into the ledger directly, past proxies and nodes, as a stranger would.
"""

import asyncio
import re
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from adapters.simulator.autoagency import AutoAgency
from adapters.simulator.axis import AxisSimulator
from gateway.config import load
from gateway.ports import Adapter, AgencyRecord
from gateway.receipts.sign import generate
from gateway.secrets import create_key_file, read_key_file
from gateway.store import setup
from gateway.stores import open_admin
from tests.world.crashhouse import Child
from tests.world.gatehouse import HUB, MINISTRY, MovedClock, System, _axis, register
from tests.world.load import Load
from tests.world.servers import rabbitmq
from tests.world.servers.postgres import PostgresServer
from tests.world.servers.proxy import Proxy

Row = Any
Ask = Callable[[str], Awaitable[Sequence[Row]]]
_LANES = ("normal", "urgent", "very_urgent", "express", "express_timed")
_QUICK = (
    "".join(f'[retry.{lane}]\nfirst = "200 ms"\nlongest = "1 s"\n' for lane in _LANES)
    + '[breaker]\nfirst = "500 ms"\nlongest = "2 s"\nurgent_every = "1 s"\n'
)


@dataclass
class Node:
    """One `vanlien serve`, started again and again."""

    name: str
    config: Path
    child: Child | None = None
    starts: int = 0

    @property
    def up(self) -> bool:
        return self.child is not None and self.child.code is None

    @property
    def url(self) -> str:
        return self.child.url() if self.child is not None and self.up else ""


@dataclass
class Site:
    """The nodes, what they lean on, and what stands between."""

    folder: Path
    engine: str
    axis: AxisSimulator
    ministry: AutoAgency
    line: Adapter
    systems: dict[str, System] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    file: Path | None = None
    postgres: PostgresServer | None = None
    database: str = ""
    rabbit: rabbitmq.Place | None = None
    load: Load | None = None
    unlooked: int = 0
    refused_starts: int = 0
    patience_s: float = 240.0
    _urls: dict[str, str] = field(default_factory=dict)
    _handed: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def hub(self) -> str:
        """Return who we are at the axis."""
        return HUB

    @property
    def settings(self) -> Any:
        """Return the settings of a node, any will do."""
        return load(next(iter(self.nodes.values())).config)

    def urls(self) -> list[str]:
        """Return where nodes listen now."""
        return [url for name, url in self._urls.items() if self.nodes[name].up]

    # ------------------------------------------------------------ nodes

    async def start(self, name: str, fault: str = "") -> None:
        """Start a node; it may die while it starts, if that is where its fault is.

        One that cannot have its ledger yet says so and ends: it is started again, as a service is.
        """
        while not await self._started(name, fault):
            self.refused_starts += 1
            await asyncio.sleep(1)

    async def _started(self, name: str, fault: str) -> bool:
        node = self.nodes[name]
        self._urls.pop(name, None)  # the process before may have died by itself
        node.starts += 1
        node.child = Child(node.config, self.folder / f"{name}-{node.starts}.log", fault)
        await node.child.start()
        await self.until(lambda: node.url or not node.up, f"{name} says no address")
        if node.up:
            self._urls[name] = node.url
            return True
        if node.child.code == -signal.SIGKILL and fault:
            return True
        told = self.tail(name)
        refused = node.child.code == 70 and "vanlien doctor" in told
        assert refused, f"{name} does not start\n{told}"
        return False

    async def kill(self, name: str) -> None:
        """SIGKILL, whatever it is doing."""
        node = self.nodes[name]
        self._urls.pop(name, None)
        assert node.child is not None
        node.child.signal(signal.SIGKILL)
        code = await node.child.ended()
        assert code == -signal.SIGKILL, f"{name} ended with {code} by itself\n{self.tail(name)}"

    async def dies(self, name: str, patience_s: float) -> bool:
        """Tell whether the armed fault kills a node within so long."""
        child = self.nodes[name].child
        assert child is not None
        with suppress(TimeoutError):
            await child.ended(patience_s)
        return child.code is not None

    async def stop(self) -> None:
        """Stop every node gracefully."""
        for name, node in self.nodes.items():
            self._urls.pop(name, None)
            assert node.child is not None
            node.child.signal(signal.SIGTERM)
            code = await node.child.ended(self.patience_s)
            assert code == 0, f"{name} ended with {code}\n{self.tail(name)}"

    def tail(self, name: str) -> str:
        """Return a node's last words."""
        child = self.nodes[name].child
        return child.log.read_text(errors="replace")[-3000:] if child else ""

    async def until(
        self,
        ready: Callable[[], Any],
        what: str,
        patience_s: float = 0.0,
        every_s: float = 0.02,
    ) -> Any:
        """Wait for a true answer."""
        try:
            async with asyncio.timeout(patience_s or self.patience_s):
                while True:
                    found = ready()
                    if asyncio.iscoroutine(found):
                        found = await found
                    if found:
                        return found
                    await asyncio.sleep(every_s)
        except TimeoutError:
            tails = "\n".join(f"--- {name}\n{self.tail(name)[-1500:]}" for name in self.nodes)
            raise AssertionError(f"{what}\n{tails}") from None

    # ------------------------------------------------------------ servers

    async def kill_postgres(self) -> None:
        """Kill the database server and start it again on its disk."""
        assert self.postgres is not None
        await asyncio.to_thread(self.postgres.kill)
        await asyncio.to_thread(self.postgres.start)

    def new_database(self) -> None:
        """Give the nodes an empty ledger; the one before is lost."""
        assert self.postgres is not None
        before, self.database = self.database, self.postgres.create_ledger()
        old, new = before.rpartition("/")[2], self.database.rpartition("/")[2]
        for node in self.nodes.values():
            text = node.config.read_text(encoding="utf-8")
            node.config.write_text(re.sub(rf'/{old}"', f'/{new}"', text, count=1), encoding="utf-8")

    async def kill_rabbit(self) -> None:
        """Kill the broker and start it again on its disk."""
        assert self.rabbit is not None
        server = self.rabbit.server
        await asyncio.to_thread(server.settle)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)

    # ------------------------------------------------------------ looking inside

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[Ask]:
        """Lend one moment of the ledger, without a node and without a proxy."""
        if self.postgres is None:
            assert self.file is not None
            with closing(_file(self.file)) as connection:

                async def ask(sql: str) -> Sequence[Row]:
                    return await asyncio.to_thread(lambda: connection.execute(sql).fetchall())

                connection.execute("BEGIN")
                yield ask
            return
        connection = await asyncpg.connect(self.database, timeout=60)
        try:
            await connection.execute("SET search_path = vanlien")
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield connection.fetch
        finally:
            await connection.close()

    async def rows(self, sql: str) -> Sequence[Row]:
        """Ask one question."""
        async with self.looking() as ask:
            return await ask(sql)

    def watch_axis(self) -> None:
        """At each handing over, ask the ledger: has it an attempt of its own on record?"""
        desk = self.axis._desk
        submit, report = desk.submit, desk.report

        async def watched_submit(caller: Any, data: Any, options: Any) -> Any:
            done = await submit(caller, data, options)
            if caller.system_id == HUB:
                await self._recorded(done.document_id, "")
            return done

        async def watched_report(caller: Any, data: Any, options: Any) -> Any:
            done = await report(caller, data, options)
            if caller.system_id == HUB:
                items = reversed(self.axis._registers.items.values())
                item = next(i for i in items if i.sending_id == done)
                await self._recorded(item.head.document_id, item.head.status)
            return done

        desk.submit, desk.report = watched_submit, watched_report

    async def _recorded(self, document_id: str, code: str) -> None:
        """Count: a dead sender's attempt may be closed by its successor, it is never taken away."""
        assert self.load is not None
        book = self.load.book
        book.handed[document_id, code] += 1
        times = book.handed[document_id, code]
        try:
            found = await self.rows(recorded_sql(document_id, code))
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.unlooked += 1  # the database is being killed: the judge asks again afterwards
            return
        if found[0]["n"] < times:
            told = f"{code or 'the document'} of {document_id}: handed over {times} times, "
            book.violate("unrecorded", f"{told}{found[0]['n']} attempts on record")

    # ------------------------------------------------------------ beginning

    def _texts(self, name: str, ports: dict[str, int], peer: str) -> str:
        """Write one node's settings."""
        text = (
            f'[gateway]\ncode = "{HUB}"\ndata_dir = "data-{name}"\n[http]\nport = 0\n'
            f'[node]\nname = "{name}"\nlease = "3 s"\n[verify]\nworkers = 1\nbudget = "0 s"\n'
            f"{_QUICK}"
        )
        if self.postgres is not None:
            assert self.rabbit is not None
            database = self.database.replace(f":{self.postgres.port}/", f":{ports['postgres']}/")
            broker = self.rabbit.url.replace(f":{self.rabbit.server.amqp}/", f":{ports['rabbit']}/")
            text += (
                f'[ledger]\nurl = "{database}"\n[blobs]\ndir = "{self.folder / "blobs"}"\n'
                f'shared = true\n[broker]\nurl = "{broker}"\n'
                'password_file = "keys/broker.password"\nconfirm_timeout = "3 s"\n'
                'heartbeat = "3 s"\nremember = "3 s"\n'
            )
        peer = peer.replace('poll_every = "100 ms"', 'poll_every = "400 ms"')
        return text + re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{ports['axis']}", peer)

    async def settle(self, names: Sequence[str], peer: str, budget: str) -> None:
        """Make keys, callers, the catalogue and everybody's settings."""
        for name in ("keys", "trust", "blobs"):
            (self.folder / name).mkdir(mode=0o700)
        generate(self.folder / "keys" / "receipts.pem")
        create_key_file(self.folder / "keys" / "secrets.key")
        if self.rabbit is not None:
            password = self.folder / "keys" / "broker.password"
            password.touch(mode=0o600)
            password.write_text(rabbitmq.PASSWORD, encoding="utf-8")
        ports = {name: proxy.port for name, proxy in self.proxies.items()}
        for name in names:
            config = self.folder / f"{name}.toml"
            text = self._texts(name, ports, peer).replace('budget = "0 s"', f'budget = "{budget}"')
            config.write_text(text, encoding="utf-8")
            self.nodes[name] = Node(name, config)
        await asyncio.to_thread(self._register)

    def _register(self) -> None:
        """Beside the proxies, which need our loop; we hold it up."""
        config = next(iter(self.nodes.values())).config
        settings = load(config)
        if settings.ledger.is_file:
            self.file = settings.ledger.path
            settings.ledger.path.parent.mkdir(mode=0o700, parents=True)
            setup.create(settings.ledger.path)
        key = read_key_file(settings.secrets.key_file)
        self.systems = register(config, key, {"snv": ["H37.02"], "stc": ["H37.04"]})
        with open_admin(config) as admin:
            row = AgencyRecord(MINISTRY.code, MINISTRY.name, connected="truc")
            admin.put_agency(row, by="test")


def _file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro",
        uri=True,
        timeout=60,
        check_same_thread=False,
        isolation_level=None,
    )
    connection.row_factory = sqlite3.Row
    return connection


def recorded_sql(document_id: str, code: str) -> str:
    """Return the question how many attempts to hand something to the axis are on record."""
    return (
        "SELECT COUNT(*) AS n FROM attempt a JOIN transfer t ON t.id = a.transfer_id "
        "LEFT JOIN status_report s ON s.id = t.status_id "
        f"WHERE t.document_id = '{document_id}' AND t.hop = 'truc' AND COALESCE(s.code, '') = '{code}'"
    )


@asynccontextmanager
async def site(
    folder: Path,
    *,
    postgres: PostgresServer | None = None,
    rabbit: rabbitmq.Place | None = None,
    budget: str = "20 ms",
) -> AsyncIterator[Site]:
    """Prepare a site: one node on SQLite, or two on the servers given; nothing runs yet."""
    async with AsyncExitStack() as stack:
        axis, ministry, peer = await _axis(folder, MovedClock(), stack, {})
        engine = "cluster" if postgres is not None else "sqlite"
        made = Site(folder, engine, axis, ministry, ministry._adapter)
        targets = {"axis": axis.port}
        if postgres is not None and rabbit is not None:
            made.postgres, made.rabbit = postgres, rabbit
            made.database = postgres.create_ledger()
            targets |= {"postgres": postgres.port, "rabbit": rabbit.server.amqp}
        for name, port in targets.items():
            made.proxies[name] = await stack.enter_async_context(Proxy.to(port))
        await made.settle(("a",) if postgres is None else ("a", "b"), peer, budget)
        made.watch_axis()

        async def end() -> None:
            for node in made.nodes.values():
                if node.child is not None:
                    node.child.signal(signal.SIGKILL)
                    await node.child.ended()

        stack.push_async_callback(end)
        yield made
