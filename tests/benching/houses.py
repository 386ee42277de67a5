"""Gateways to measure: one on SQLite, or two on PostgreSQL, RabbitMQ and a shared folder.

Real `vanlien serve` processes over real engines that keep what they promise (fsync on). A house
can be stopped, killed as by a power cut, filled while it is down, and started again.
"""

import contextlib
import http.client
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import psutil

from gateway import stores
from gateway.cli.init import init
from gateway.config import Settings, load, sample
from gateway.ports import AgencyRecord, NewCredential
from gateway.secrets import new_api_key, write_private
from gateway.store.dialects import WRITE_LOCK
from gateway.store.session import Session, open_session
from tests.world.servers import postgres, rabbitmq

ROOT: Final = Path(__file__).resolve().parents[2]
SENDER, READER, HELD = "H37.02", "H37.04", "H37.06"
_AGENCIES: Final = (
    (SENDER, "Sở Nội vụ", False),
    (READER, "Sở Tài chính", True),
    (HELD, "Sở Y tế", False),
)
_PATIENCE_S: Final = 120.0
_KNOWN: Final = {"gateway.code": '"00.37.W00"'}


class Node:
    """One `vanlien serve` process."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self.told: deque[str] = deque(maxlen=20)

    def start(self) -> None:
        """Start it and read its address."""
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.config)]
        environ = os.environ | {"VANLIEN__HTTP__PORT": "0", "VANLIEN__LOG__LEVEL": "error"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        self.told.clear()
        for line in self.process.stderr:
            self.told.append(line)
            if line.startswith("vanlien: http"):
                self.port = int(line.strip().rpartition(":")[2])
                # The pipe is read on: a server whose log is full stands still.
                threading.Thread(target=self._read_on, args=(self.process,), daemon=True).start()
                return
        raise RuntimeError("the server did not start: " + "".join(self.told))

    def _read_on(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr:
            self.told.extend(process.stderr)

    def end(self, how: signal.Signals) -> None:
        """End it."""
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(_PATIENCE_S)
        self.process = None

    def ready(self) -> bool:
        """Ask it whether it takes documents."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class House:
    """Nodes of one ledger; `vanlien init` furnished the first one, the others share its keys.

    A folder that is there already is taken up again; then nobody can post to it: API keys are shown
    once.
    """

    def __init__(
        self,
        folder: Path,
        engine: str = "embedded",
        nodes: Sequence[Mapping[str, str]] = ({},),
        url: str = "",
    ) -> None:
        self.folder, self.engine = folder, engine
        self.key = self.reader_key = ""
        self._session: Session | None = None
        self.nodes = [Node(folder / f"node-{number}.toml") for number in range(len(nodes))]
        if not folder.exists():
            with contextlib.redirect_stdout(io.StringIO()):
                init(folder, ledger=url, as_json=True)
            for node, given in zip(self.nodes, nodes, strict=True):
                write_private(node.config, sample(_KNOWN | given).encode())
            self._furnish()
        self.settings: Settings = load(self.nodes[0].config)

    def _furnish(self) -> None:
        """Put agencies and two systems into the catalogue."""
        key = new_api_key()
        with stores.open_admin(self.nodes[0].config) as admin:
            for code, name, console in _AGENCIES:
                record = AgencyRecord(code=code, name=name, connected="local", console=console)
                admin.put_agency(record, by="bench")
            credential = NewCredential(id=key.key_id, kind="api-key", sha256=key.sha256)
            admin.add_system("bench", [SENDER], [credential], by="bench")
            reader = new_api_key()
            credential = NewCredential(id=reader.key_id, kind="api-key", sha256=reader.sha256)
            admin.add_system("reader", [READER], [credential], by="bench")
        self.key, self.reader_key = key.text, reader.text

    @property
    def ports(self) -> list[int]:
        """Return where its nodes listen."""
        return [node.port for node in self.nodes]

    def start(self) -> None:
        """Start all nodes."""
        for node in self.nodes:
            node.start()

    def await_ready(self) -> None:
        """Return when every node takes documents."""
        until = time.monotonic() + _PATIENCE_S
        while not all(node.ready() for node in self.nodes):
            if time.monotonic() > until:
                told = "".join(line for node in self.nodes for line in node.told)
                raise TimeoutError(f"the gateway does not become ready: {told}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop all nodes in peace."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop all nodes as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        for node in self.nodes:
            node.end(how)

    def close(self) -> None:
        """End everything; nothing of it is wanted any more."""
        if self._session is not None:
            self._session.close()
            self._session = None
        self.kill()

    # ------------------------------------------------------------ looking and filling

    def rows(self, sql: str, params: Any = ()) -> list[Any]:
        """Return rows of the ledger."""
        if self._session is None:
            place = stores.ledger_place(self.settings)
            self._session = open_session(place, purpose="bench", read_only=True, patient=True)
        return self._session.rows(sql, params)

    def value(self, sql: str) -> Any:
        """Return the first column of the first row."""
        (row,) = self.rows(sql)
        return next(iter(dict(row).values()))

    def run(self, script: Sequence[str]) -> None:
        """Run statements in one transaction, past the product: filling only."""
        with sqlite3.connect(self.settings.ledger.path, isolation_level=None) as connection:
            connection.execute("PRAGMA cache_size=-262144")
            connection.execute("BEGIN IMMEDIATE")
            for statement in script:
                connection.execute(statement)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def hold(self, hop: str, held: bool) -> None:
        """Hold a destination, or let it go, as an operator does."""
        with stores.open_operations(self.nodes[0].config) as ledger:
            act = ledger.hold_wide if held else ledger.release_wide
            act("hop", hop, reason="đo / bench", by="bench")

    def size_bytes(self) -> int:
        """Return what the ledger takes on the disk."""
        path = self.settings.ledger.path
        return sum(f.stat().st_size for f in path.parent.glob(f"{path.name}*"))

    def blob_bytes(self) -> int:
        """Return what the blobs take on the disk."""
        folder = self.settings.blobs.dir
        return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())

    def cpu_s(self) -> dict[str, float]:
        """Return processor seconds so far: of the gateways, and of the engines under them."""
        pids = [node.process.pid for node in self.nodes if node.process is not None]
        return {"gateway": sum(_tree_s(pid) for pid in pids), "engines": self._engines_s()}

    def _engines_s(self) -> float:
        return 0.0


class Cluster(House):
    """Two nodes on PostgreSQL with fsync; lanes on RabbitMQ."""

    def __init__(
        self, folder: Path, server: postgres.PostgresServer, place: rabbitmq.Place | None
    ) -> None:
        self._server, self._place = server, place
        secret, blobs = folder.with_suffix(".password"), folder.with_suffix(".blobs")
        if folder.exists():  # the first database of a kept server
            self._database = server.url("t1")
        else:
            write_private(secret, rabbitmq.PASSWORD.encode())
            blobs.mkdir(mode=0o700)
            self._database = server.create_database()
        given = {"ledger.url": self._database, "blobs.dir": str(blobs)}
        if place is not None:
            given |= {"broker.url": place.url, "broker.password_file": str(secret)}
        told = {key: json.dumps(value) for key, value in given.items()} | {"blobs.shared": "true"}
        nodes = [
            told | {"node.name": f'"{name}"', "gateway.data_dir": f'"data-{name}"'} for name in "ab"
        ]
        super().__init__(folder, "cluster", nodes, self._database)

    def run(self, script: Sequence[str]) -> None:
        """Run statements in one transaction, past the product: filling only."""
        name = self._database.rpartition("/")[2]
        turn = f"SELECT pg_advisory_xact_lock({WRITE_LOCK})"
        self._server.sql("; ".join(["SET search_path = vanlien", turn, *script]), name)

    def size_bytes(self) -> int:
        """Return what the database takes on the disk."""
        return int(self.value("SELECT pg_database_size(current_database()) AS n"))

    def analyze(self) -> None:
        """Do what autovacuum does on a real server; the one of the tests naps for an hour."""
        self._server.sql("VACUUM ANALYZE", self._database.rpartition("/")[2])

    def _engines_s(self) -> float:
        pids = [self._server._process.pid] if self._server._process is not None else []
        if self._place is not None:
            pids.append(self._place.server._pid("beam"))
        return sum(_tree_s(pid) for pid in pids)


def _tree_s(pid: int) -> float:
    """Return processor seconds of a process and its children, those that ended included."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                told = one.cpu_times()
                total += told.user + told.system
                if one is process:
                    total += told.children_user + told.children_system
    return total
