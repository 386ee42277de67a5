"""A real RabbitMQ for tests: Debian's server 3.10 on free loopback ports, one a test run.

It takes seconds and 150 MB to start, so all processes of a run share one: the first that asks
starts it, each test has a virtual host of its own (`place`). Who kills or starves one has another
server for that (`alone`), one a process: nobody waits for anybody, however slow a test is.

It ends with the run, also a run that is killed: every user holds a shared lock on one file, and a
keeper that nobody waits for gets the exclusive one when the last user is gone, and kills it.

Commands go through `erl_call`, which takes milliseconds where `rabbitmqctl` takes seconds.
"""

import fcntl
import ipaddress
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.world.servers.ports import free_ports

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # not the wrapper: it wants another user
USER, PASSWORD = "vanlien", "gõ-cửa @:/ 100%"
PATIENCE_S = 300.0
# In Erlang's own terms: reading the newer form costs seconds, and takes plain characters only.
# Tests do not wait for a machine to be half empty.
_CONF = """\
[{{rabbit, [
  {{tcp_listeners, [{{"127.0.0.1", {amqp}}}]}},
  {{ssl_listeners, [{{"127.0.0.1", {amqps}}}]}},
  {{ssl_options, [
    {{cacertfile, "{folder}/tls.pem"}},
    {{certfile, "{folder}/tls.pem"}},
    {{keyfile, "{folder}/tls.key"}}
  ]}},
  {{default_user, <<"{user}">>}},
  {{default_pass, <<{password}>>}},
  {{loopback_users, []}},
  {{log, [{{console, [{{enabled, false}}]}}, {{file, [{{level, warning}}]}}]}},
  {{vm_memory_high_watermark, 0.9}},
  {{disk_free_limit, 1000000}}
]}}].
"""
_KEEPER = 'flock -x users.lock true; for f in beam epmd; do kill -9 -"$(cat $f.pid)"; done'
_SPAWN = 'setsid "$@" > "$0.log" 2>&1 < /dev/null & echo $! > "$0.pid"'


def missing() -> str:
    """Return what is not installed, "" when all is there."""
    if not SERVER.exists():
        return "Debian package rabbitmq-server"
    return "" if _erlang("erl_call") else "Debian package erlang-base"


def _erlang(name: str) -> str:
    found = sorted(Path("/usr/lib/erlang").glob(f"erts-*/bin/{name}"))
    return str(found[-1]) if found else ""


@dataclass(frozen=True)
class Place:
    """A virtual host of one test."""

    server: "RabbitServer"
    vhost: str

    @property
    def url(self) -> str:
        return f"amqp://{USER}@127.0.0.1:{self.server.amqp}/{self.vhost}"

    @property
    def tls_url(self) -> str:
        return f"amqps://{USER}@127.0.0.1:{self.server.amqps}/{self.vhost}"

    def wipe(self) -> None:
        """Forget every queue and message: the virtual host goes and comes again, empty."""
        self.server.delete_vhost(self.vhost)
        self.server.add_vhost(self.vhost)

    def queues(self) -> dict[str, int]:
        """Return the queues and how many messages are ready in each."""
        told = self.server.evaluate(
            "binary_to_list(iolist_to_binary([[element(4, amqqueue:get_name(Q)), $=, "
            "integer_to_list(element(2, rabbit_amqqueue:stat(Q))), 32] "
            f'|| Q <- rabbit_amqqueue:list(<<"{self.vhost}">>)]))'
        )
        rows = told.strip('[]"').split()
        return {name: int(count) for name, _, count in (row.rpartition("=") for row in rows)}

    def unacknowledged(self, *names: str) -> list[int]:
        """Return how many messages of each queue are out with somebody."""
        told = [
            self.server.evaluate(
                f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{self.vhost}">>, queue, '
                f'<<"{name}">>)), {{ok, {{_, N}}, _}} = ra:local_query(amqqueue:get_pid(Q), '
                "fun rabbit_fifo:query_messages_checked_out/1), N"
            )
            for name in names
        ]
        return [int(count) for count in told]

    def delete_queue(self, name: str) -> None:
        self.server.evaluate(
            f'rabbit_amqqueue:with(rabbit_misc:r(<<"{self.vhost}">>, queue, <<"{name}">>), '
            'fun(Q) -> rabbit_amqqueue:delete(Q, false, false, <<"test">>) end)'
        )

    def break_queue(self, name: str) -> None:
        """Leave a queue in the register with nothing behind it."""
        self.server.evaluate(
            f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{self.vhost}">>, queue, '
            f'<<"{name}">>)), ra:stop_server(quorum_queues, amqqueue:get_pid(Q))'
        )

    def stall_queue(self, name: str) -> None:
        """Leave a queue with something behind it that never answers."""
        self.server.evaluate(
            f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{self.vhost}">>, queue, '
            f'<<"{name}">>)), {{Name, _}} = amqqueue:get_pid(Q), sys:suspend(Name)'
        )

    def cut_connections(self) -> None:
        """Close every connection to this place from the server's side."""
        self.server.evaluate(
            '[rabbit_networking:close_connection(Pid, "test") || Pid <- '
            "rabbit_networking:connections(), {vhost, V} <- "
            f'rabbit_networking:connection_info(Pid, [vhost]), V =:= <<"{self.vhost}">>]'
        )


@dataclass(frozen=True)
class RabbitServer:
    """One server; plain facts, so that every process of the run can hold one."""

    folder: Path
    amqp: int
    amqps: int
    dist: int
    epmd: int
    cookie: str

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Start it on what is on disk, and wait until it takes connections."""
        self.spawn("epmd", _erlang("epmd"), "-address", "127.0.0.1", "-port", str(self.epmd))
        self._wait("epmd", lambda: _listens(self.epmd))
        self.spawn("beam", str(SERVER))
        self._wait("beam", lambda: _listens(self.amqp) and _listens(self.amqps))

    def settle(self) -> None:
        """Write the register of quorum queues, which 3.10 does half a second late.

        A server killed before that knows a queue and has nothing of it: it never confirms again.
        """
        self.evaluate("[dets:sync(Table) || Table <- dets:all()]")

    def kill(self) -> None:
        """SIGKILL, whatever it was doing; returns when it is gone."""
        for name in ("beam", "epmd"):
            pid = self._pid(name)
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            while _lives(pid) or _listens(self.amqp if name == "beam" else self.epmd):
                time.sleep(0.01)

    def alive(self) -> bool:
        return _listens(self.amqp)

    # ------------------------------------------------------------ commands

    def evaluate(self, expression: str) -> str:
        """Evaluate an Erlang expression on the server; raise when it fails."""
        command = [
            _erlang("erl_call"),
            "-address",
            f"127.0.0.1:{self.dist}",
            "-c",
            self.cookie,
            "-h",
            f"caller{secrets.token_hex(6)}",
            "-e",
        ]
        # One after the other: a node refuses a second caller while the first knocks.
        with (self.folder / "call.lock").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            done = subprocess.run(
                command,
                input=f"{expression}.\n",
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        if done.returncode or not done.stdout.startswith("{ok, "):
            raise RuntimeError(f"{expression}: {done.stdout}{done.stderr}")
        return done.stdout.removeprefix("{ok, ").rstrip().removesuffix("}")

    def add_vhost(self, name: str) -> None:
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"test">>), '
            f'rabbit_auth_backend_internal:set_permissions(<<"{USER}">>, <<"{name}">>, '
            '<<".*">>, <<".*">>, <<".*">>, <<"test">>)'
        )

    def delete_vhost(self, name: str) -> None:
        self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"test">>)')

    def starve(self, wanted: bool) -> None:
        """Raise the memory alarm, which blocks everybody who publishes; or end it."""
        self.evaluate(
            f"vm_memory_monitor:set_vm_memory_high_watermark({'0.00001' if wanted else '0.9'})"
        )

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Lend a virtual host that nobody else uses."""
        place = Place(self, f"t{secrets.token_hex(6)}")
        self.add_vhost(place.vhost)
        try:
            yield place
        finally:
            self.delete_vhost(place.vhost)

    @contextmanager
    def alone(self) -> Iterator[Place]:
        """The same on a server nobody else uses; it is started again when it was killed."""
        with self.place() as place:
            try:
                yield place
            finally:
                if not self.alive():
                    self.start()

    # ------------------------------------------------------------ inside

    @cached_property
    def _environ(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": folder,
            "RABBITMQ_NODENAME": f"vanlien{self.amqp}@localhost",
            "RABBITMQ_DIST_PORT": str(self.dist),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_PID_FILE": f"{folder}/node.pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.config",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                f"-setcookie {self.cookie} -kernel inet_dist_use_interface {{127,0,0,1}} "
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
            "ERL_EPMD_PORT": str(self.epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_CRASH_DUMP": "/dev/null",
        }

    def spawn(self, name: str, *command: str) -> None:
        """Start a process that is nobody's child: any process of the run may kill it."""
        spawn = ["sh", "-c", _SPAWN, str(self.folder / name), *command]
        subprocess.run(spawn, env=self._environ, cwd=self.folder, check=True)

    def _wait(self, name: str, ready: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not ready():
            if time.monotonic() > until or not _lives(self._pid(name)):
                told = (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]
                raise TimeoutError(f"RabbitMQ: {name} does not come up\n{told}")
            time.sleep(0.05)

    def _pid(self, name: str) -> int:
        return int((self.folder / f"{name}.pid").read_text())


def _lives(pid: int) -> bool:
    """Tell whether a process is there; a dead one that nobody buried is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _certificate(folder: Path) -> None:
    """Write a certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "RabbitMQ of the tests")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def make(folder: Path) -> RabbitServer:
    """Prepare a server in an empty folder; nothing runs yet."""
    folder.mkdir()
    amqp, amqps, dist, epmd = free_ports(4)
    server = RabbitServer(folder, amqp, amqps, dist, epmd, secrets.token_hex(10))
    _certificate(folder)
    password = ",".join(map(str, PASSWORD.encode()))
    conf = _CONF.format(**asdict(server), user=USER, password=password)
    (folder / "rabbitmq.config").write_text(conf)
    (folder / "plugins").write_text("[].\n")
    return server


@contextmanager
def shared(base: Path) -> Iterator[RabbitServer]:
    """Use the run's server, starting it if nobody has; `base` is a folder all processes know."""
    folder = base / "rabbitmq"
    with ExitStack() as using:
        with (base / "rabbitmq.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = _standing(folder / "facts.json")
            if server is None:
                shutil.rmtree(folder, ignore_errors=True)
                server = make(folder)
            users = using.enter_context((folder / "users.lock").open("a"))
            fcntl.flock(users, fcntl.LOCK_SH)
            if not server.alive():
                server.spawn("keeper", "sh", "-c", _KEEPER)
                server.start()
                facts = {**asdict(server), "folder": str(folder)}
                (folder / "facts.json").write_text(json.dumps(facts))
        yield server


def _standing(facts: Path) -> RabbitServer | None:
    """Return the server somebody started, if it stands."""
    if not facts.exists():
        return None
    told = json.loads(facts.read_text())
    server = RabbitServer(**{**told, "folder": Path(told["folder"])})
    return server if server.alive() else None


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """The RabbitMQ server of this test run."""
    if lacking := missing():
        pytest.skip(f"RabbitMQ is not installed: {lacking}")
    base = tmp_path_factory.getbasetemp()
    with shared(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) as server:
        yield server


@pytest.fixture
def rabbit_place(rabbit: RabbitServer) -> Iterator[Place]:
    """A virtual host of this test's own."""
    with rabbit.place() as place:
        yield place


@pytest.fixture(scope="session")
def rabbit_to_kill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitServer]:
    """A server of this process alone."""
    if lacking := missing():
        pytest.skip(f"RabbitMQ is not installed: {lacking}")
    with shared(tmp_path_factory.mktemp("rabbit-to-kill")) as server:
        yield server


@pytest.fixture
def rabbit_alone(rabbit_to_kill: RabbitServer) -> Iterator[Place]:
    """The same on a server that nobody else uses: it may be killed, and starved."""
    with rabbit_to_kill.alone() as place:
        yield place
