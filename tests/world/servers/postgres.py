"""PostgreSQL from Debian's package, as a child process on a free loopback port.

`postgres_server` starts one server a test process, when the first test asks for it; each test has
a database of its own (`postgres_url`: empty; `postgres_ledger_url`: with the ledger's schema). A
test that kills the server makes one of its own with `PostgresServer(fsync=True)`.

The server dies with this process, however this process ends: the kernel tells the postmaster.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Final

import psutil
import pytest

from tests.world.servers.ports import free_port

USER: Final = "vanlien"
_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "lc_messages": "C",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_statement": "none",
    "max_connections": "150",
    "shared_buffers": "32MB",
    "autovacuum_naptime": "1h",
}
# `vanlien.test` tells the gateway that this server may lose what it committed.
_UNSAFE: Final = {"fsync": "off", "full_page_writes": "off", "vanlien.test": "on"}
_READY: Final = b"database system is ready to accept connections"


def programs() -> Path | None:
    """Return the folder of the newest PostgreSQL installed, None when there is none."""
    found = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest = sorted(found, key=lambda path: int(path.parts[-3]))
    return newest[-1].parent if newest else None


def _as_postgres() -> list[str]:
    """Return how a command is begun: never as root, and ended when we end."""
    begin = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        begin += ["--reuid", "postgres", "--regid", "postgres", "--init-groups"]
    return begin


class PostgresServer:
    """One server with its own data folder; `start`, `kill` and `start` again as often as wanted.

    Args:
        fsync: Whether what is committed survives the machine; a crash test wants it on.
        settings: Further settings of `postgresql.conf`.
        kept: A folder that stays when the server goes, and is taken up again; else a new one.
        port: Where it listens; 0 for a free one.
    """

    def __init__(
        self,
        *,
        fsync: bool = False,
        settings: dict[str, str] | None = None,
        kept: Path | None = None,
        port: int = 0,
    ) -> None:
        bin_folder = programs()
        if bin_folder is None:
            raise FileNotFoundError("PostgreSQL is not installed (Debian: postgresql)")
        self._bin = bin_folder
        self._settings = _SETTINGS | ({} if fsync else _UNSAFE) | (settings or {})
        self.port = port or free_port()
        self._kept = kept is not None
        self.folder = kept or Path(tempfile.mkdtemp(prefix="vanlien-postgres-"))
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: list[bytes] = []
        self._names = itertools.count(1)
        self._template = ""
        self._shared = ""
        self._emptying: list[str] = []
        if self._data.exists():
            return
        try:
            self._initialise()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        made = subprocess.run(
            [
                *_as_postgres(),
                self._bin / "initdb",
                f"--pgdata={self._data}",
                f"--username={USER}",
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--no-locale",
            ],
            cwd="/",
            capture_output=True,
            check=False,
        )
        if made.returncode:
            raise RuntimeError(f"initdb: {made.stderr.decode()}")

    def start(self) -> None:
        """Start, and return when connections are accepted; a killed server first recovers."""
        settings = self._settings | {
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [*_as_postgres(), self._bin / "postgres", "-D", self._data, *options],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self._log = []
        for line in self._process.stderr:
            self._log.append(line)
            if _READY in line:
                break
        else:
            code = self._process.wait()
            self._process.stderr.close()
            raise RuntimeError(f"postgres ended with {code}: {b''.join(self._log).decode()}")
        # The pipe is read on: a server whose log is full stands still.
        threading.Thread(target=self._read_on, args=(self._process,), daemon=True).start()

    def _read_on(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self._log.append(line)

    @property
    def log(self) -> str:
        """What the server wrote since its last start."""
        return b"".join(self._log).decode(errors="replace")

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of this server."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def sql(self, text: str, database: str = "postgres") -> str:
        """Run SQL as the superuser; return what it gives, a row a line."""
        done = subprocess.run(
            [
                *(self._bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                *("-d", self.url(database), "-c", text),
            ],
            capture_output=True,
            check=False,
            env=os.environ | {"PGCONNECT_TIMEOUT": "60", "LC_ALL": "C.UTF-8"},
        )
        if done.returncode:
            raise RuntimeError(done.stderr.decode())
        return done.stdout.decode().strip()

    def create_database(self, options: str = "") -> str:
        """Make an empty database; return its URL.

        Args:
            options: What follows the name in `CREATE DATABASE`, such as another collation.
        """
        name = f"t{next(self._names)}"
        self.sql(f"CREATE DATABASE {name} {options or 'TEMPLATE template0'}")
        return self.url(name)

    def create_ledger(self) -> str:
        """Make a database with an empty ledger in it; return its URL. Migrated once a server."""
        if not self._template:
            # Imported here: the server is of use without a ledger too.
            from gateway.store.places import PostgresDatabase, place_of
            from gateway.store.postgres import setup

            name = "ledger_template"
            self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
            place = place_of(self.url(name))
            assert isinstance(place, PostgresDatabase)
            setup.create(place)
            self._template = name
        return self.create_database(f"TEMPLATE {self._template}")

    def empty_ledger(self) -> str:
        """Return the URL of a ledger that is used again and again, emptied; quicker than a new one.

        Connections an earlier test left open are ended.
        """
        if not self._shared:
            self._shared = self.create_ledger()
            return self._shared
        name = self._shared.rpartition("/")[2]
        if not self._emptying:
            tables = self.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'vanlien'", name)
            counters = self.sql(
                "SELECT sequencename FROM pg_sequences WHERE schemaname = 'vanlien'", name
            )
            kept = {"alembic_version", "meta"}
            self._emptying = [
                "SET search_path = vanlien; SET session_replication_role = replica; "
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                f"WHERE datname = '{name}' AND pid != pg_backend_pid()",
                *(f"DELETE FROM {table}" for table in tables.split() if table not in kept),
                "DELETE FROM meta WHERE key != 'works_since'",
                *(f"ALTER SEQUENCE {counter} RESTART" for counter in counters.split()),
            ]
        self.sql("; ".join(self._emptying), name)
        return self._shared

    def kill(self) -> None:
        """End every process of the server at once, as a power cut would."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            # Stopped first: it must not see its children die and start others.
            os.kill(process.pid, signal.SIGSTOP)
        children: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(process.pid).children()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        process.wait()
        # The next start refuses while one of them still holds the shared memory.
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive, alive
        self._process = None

    def end(self) -> None:
        """Stop the server in peace: what it holds is on the disk, and it starts at once again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Kill the server and remove its folder, unless that is kept."""
        self.kill()
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)


def needs_postgres() -> None:
    """Skip the test when PostgreSQL is not installed."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    if os.geteuid() == 0:
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("root without a user `postgres` cannot run PostgreSQL")


@pytest.fixture(scope="session")
def postgres_server():
    """One server a test process, without fsync; it starts when the first test asks for it."""
    needs_postgres()
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server):
    """An empty database of the test's own."""
    return postgres_server.create_database()


@pytest.fixture
def postgres_ledger_url(postgres_server):
    """A database with an empty ledger in it, this test's until it ends."""
    return postgres_server.empty_ledger()
