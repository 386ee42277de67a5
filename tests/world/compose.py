"""compose.yaml brought up without a container engine: the same settings given to real processes.

Every service gets what the file gives it and nothing else: its environment, its command, its
secrets under /run/secrets with the owners that `packaging/compose-secrets.sh` gave them, its volumes,
its user, no capabilities, a file system that can't be written where it says `read_only`; names are
those of the services. Containers are made of the kernel's own namespaces (`unshare`, `nsenter`), so
root is needed. What is not the same: Debian's PostgreSQL and RabbitMQ stand in for the images', moto
for MinIO, one network namespace with an address for each service for a network of containers; so a
gateway listens at its own address instead of at all of them.

Everything dies with this process: the first process of the namespaces is told by the kernel.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from tests.world.servers import postgres, rabbitmq

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
ADDRESSES = {
    "postgres": "127.0.0.2",
    "rabbitmq": "127.0.0.3",
    "s3": "127.0.0.4",
    "gateway-1": "127.0.0.11",
    "gateway-2": "127.0.0.12",
}
PORTS = {"postgres": 5432, "rabbitmq": 5671, "s3": 9000, "gateway-1": 8480, "gateway-2": 8480}
# The accounts of the images; the S3 store is root.
USERS = {"postgres": 999, "rabbitmq": 999, "s3": 0, "gateway-1": 10001, "gateway-2": 10001}
ACCOUNTS = """\
root:x:0:0::/root:/bin/sh
server:x:999:999::/var/lib/server:/bin/sh
vanlien:x:10001:10001::/srv/vanlien:/bin/sh
"""
# Run by root inside new mounts of the service's own; $1: a folder with secrets and volumes.
CONTAINER = """
set -eu
place=$1 user=$2 read_only=$3; shift 3
mount -t tmpfs none /mnt
hold() { mkdir -p "/mnt/$1"; mount --bind "$2" "/mnt/$1"; }
hold place "$place"; hold program "$ROOT"; hold python "$PYTHON"
# The way to program and interpreter may lead through folders that only their owner enters.
for path in "$ROOT" "$PYTHON"; do
  at=
  for part in $(printf %s "$path" | tr / ' '); do
    at=$at/$part
    if ! setpriv --reuid 10001 --clear-groups test -x "$at"; then
      mount -t tmpfs -o mode=755 none "$at"; mkdir -p "$path"; break
    fi
  done
done
mkdir -p "$ROOT" "$PYTHON"
mount --bind /mnt/program "$ROOT"; mount --bind /mnt/python "$PYTHON"
for hidden in /run /srv /var/lib; do mount -t tmpfs -o mode=755 none "$hidden"; done
for name in hosts passwd; do mount --bind "/mnt/place/$name" "/etc/$name"; done
mkdir /run/secrets; mount --bind /mnt/place/secrets /run/secrets
while read -r volume target; do
  mkdir -p "$target"; mount --bind "/mnt/place/volumes/$volume" "$target"
done < /mnt/place/mounts
umount /mnt/place /mnt/program /mnt/python; umount /mnt
mount -t tmpfs -o mode=1777 none /tmp
[ "$read_only" = no ] || mount -o remount,bind,ro /
[ "$user" != 0 ] || exec "$@"
exec setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs \\
  --bounding-set -all --inh-caps -all -- "$@"
"""


def missing() -> str:
    """Return what is not there to bring it up with, "" when all is."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "-n", "true"], check=False).returncode:
        return "namespaces of one's own need root"
    if postgres.programs() is None:
        return "Debian package postgresql"
    if shutil.which("curl") is None:
        return "Debian package curl"
    return rabbitmq.missing()


class Compose:
    """What `docker compose` does, as far as the file asks for it.

    Args:
        folder: Where secrets, volumes and logs go.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
        self.made: dict[str, Any] = yaml.safe_load(self.text)
        self._up: dict[str, subprocess.Popen[bytes]] = {}
        # The network all share; the mounts are each one's own.
        self._first = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--propagation",
             "private", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self._first.stdout is not None
        assert self._first.stdout.readline() == b"up\n"
        for volume in self.made["volumes"]:
            (folder / "volumes" / volume).mkdir(parents=True)

    def secrets(self) -> None:
        """Make the secrets as the operator does."""
        script = [str(ROOT / "packaging/compose-secrets.sh"), str(self.folder / "secrets")]
        subprocess.run(script, check=True, capture_output=True, timeout=PATIENCE_S)

    def first_time(self) -> list[list[str]]:
        """Return the `docker compose …` lines that the head of the file tells an operator to give."""
        head = self.text.partition("\nx-")[0].splitlines()
        return [
            shlex.split(line.partition("docker compose ")[2])
            for line in head
            if "docker compose " in line
        ]

    def do(self, words: list[str]) -> str:
        """Do what one such line says; return what was printed."""
        match words:
            case ["build"]:
                return ""
            case ["up", "-d", "--wait", *names]:
                wanted = names or [
                    n for n, s in self.made["services"].items() if "profiles" not in s
                ]
                for name in wanted:
                    if name not in self._up:
                        self.start(name)
                for name in wanted:
                    self._listening(name)
                return ""
            case ["run", "--rm", "--no-deps", name, *command] | ["run", "--rm", name, *command]:
                return self.run(name, *command)
            case _:
                raise AssertionError(f"nobody taught this test: {words}")

    def run(self, name: str, *command: str) -> str:
        """Run one command as a service."""
        if name == "s3-bucket":
            return self.curl("-X", "PUT", "https://s3:9000/vanlien")
        done = subprocess.run(
            self._command(name, list(command)),
            env=self._environ(name),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def curl(self, *words: str) -> str:
        """Ask from inside the network; an answer that is no success is an error."""
        cacert = str(self.folder / "secrets/ca.pem")
        named = [("--resolve", f"{n}:{PORTS[n]}:{a}") for n, a in ADDRESSES.items()]
        resolve = [word for pair in named for word in pair]
        done = subprocess.run(
            [*self._inside(), "curl", "-sS", "--fail-with-body", "--noproxy", "*",
             "--cacert", cacert, *resolve, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words[-1], done.stdout, done.stderr)
        return done.stdout

    def start(self, name: str) -> None:
        """Start a service in the background."""
        log = (self.folder / f"{name}.log").open("wb")
        command = self._command(name, list(self.made["services"][name].get("command", ())))
        with log:
            self._up[name] = subprocess.Popen(
                command, env=self._environ(name), stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        """SIGKILL a service and all it started."""
        process = self._up.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, name: str) -> int:
        """SIGTERM, as `docker compose stop`; return the exit code."""
        process = self._up.pop(name)
        process.terminate()
        return process.wait(PATIENCE_S)

    def close(self) -> None:
        """End everything."""
        for name in list(self._up):
            self.kill(name)
        self._first.kill()
        self._first.wait()
        assert self._first.stdout is not None
        self._first.stdout.close()

    def said(self, name: str) -> str:
        """Return what a service wrote."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    # ------------------------------------------------------------ pieces

    def _inside(self) -> list[str]:
        return [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "nsenter",
            f"--net=/proc/{self._first.pid}/ns/net",
        ]

    def _command(self, name: str, command: list[str]) -> list[str]:
        service = self.made["services"][name]
        place = self._place(name)
        user = str(service.get("user", USERS[name]))
        assert int(user) == USERS[name], "the secrets are for another account"
        read_only = "yes" if service.get("read_only") else "no"
        return [
            *(*self._inside(), "unshare", "--mount", "--propagation", "private"),
            *("sh", "-c", CONTAINER, "-", str(place), user, read_only),
            *getattr(self, f"_{name.partition('-')[0]}")(name, command),
        ]

    def _place(self, name: str) -> Path:
        """Lay out what a service sees: its own secrets and volumes, nobody else's."""
        service = self.made["services"][name]
        place = self.folder / "places" / name
        if place.exists():
            return place
        (place / "secrets").mkdir(parents=True)
        (place / "volumes").mkdir()
        mounts = []
        for secret in service["secrets"]:
            given = {"source": secret, "target": secret} if isinstance(secret, str) else secret
            file = self.folder / self.made["secrets"][given["source"]]["file"]
            copy = place / "secrets" / given["source"]
            shutil.copy2(file, copy)
            owner = file.stat()
            os.chown(copy, owner.st_uid, owner.st_gid)
        for volume in service["volumes"]:
            source, _, target = volume.partition(":")
            os.chown(self.folder / "volumes" / source, USERS[name], USERS[name])
            (place / "volumes" / source).symlink_to(self.folder / "volumes" / source)
            mounts.append(f"{source} {target}\n")
        (place / "mounts").write_text("".join(mounts))
        names = "".join(f"{address} {host}\n" for host, address in ADDRESSES.items())
        (place / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
        (place / "passwd").write_text(ACCOUNTS)
        return place

    def _environ(self, name: str) -> dict[str, str]:
        """Return the service's environment, and what its image brings."""
        told = {k: str(v) for k, v in self.made["services"][name].get("environment", {}).items()}
        image = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "ROOT": str(ROOT),
            "PYTHON": sys.base_prefix,
        }
        if name.startswith("gateway"):
            told["VANLIEN__HTTP__HOST"] = ADDRESSES[name]
        if name == "rabbitmq":
            folder = "/var/lib/rabbitmq"
            image |= {
                "HOME": folder,
                "RABBITMQ_NODENAME": "rabbit@rabbitmq",
                "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
                "RABBITMQ_LOG_BASE": f"{folder}/log",
                "RABBITMQ_PID_FILE": f"{folder}/pid",
                "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
                "RABBITMQ_CONF_ENV_FILE": "/dev/null",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
            }
        return image | told

    def _listening(self, name: str) -> None:
        """Wait until a service takes connections, or is well as its image's check says."""
        until = time.monotonic() + PATIENCE_S
        asked = ["curl", "-sk", "-o", "/dev/null", "--noproxy", "*"]
        asked += [f"https://{ADDRESSES[name]}:{PORTS[name]}/ready", "-f"]
        if not name.startswith("gateway"):
            probe = f"exec 3<>/dev/tcp/{ADDRESSES[name]}/{PORTS[name]}"
            asked = ["bash", "-c", probe]
        while subprocess.run(
            [*self._inside(), *asked], capture_output=True, check=False
        ).returncode:
            assert self._up[name].poll() is None, self.said(name)
            assert time.monotonic() < until, self.said(name)
            time.sleep(0.1)

    # ------------------------------------------------------------ what the images do

    def _gateway(self, _name: str, command: list[str]) -> list[str]:
        dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
        (line,) = [li for li in dockerfile.splitlines() if li.startswith("ENTRYPOINT ")]
        assert json.loads(line.removeprefix("ENTRYPOINT ")) == ["vanlien"]
        return ["env", "-u", "ROOT", "-u", "PYTHON", sys.executable, "-m", "gateway", *command]

    def _postgres(self, name: str, command: list[str]) -> list[str]:
        """Do what the image's entry point does: a database on the first start, then the command."""
        told = self.made["services"][name]["environment"]
        folder = postgres.programs()
        begin = f"""
            set -eu
            if [ ! -e "$PGDATA/PG_VERSION" ]; then
              {folder}/initdb -D "$PGDATA" -U {told["POSTGRES_USER"]} --no-sync \\
                --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS > /dev/null
              echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
              echo 'create database {told["POSTGRES_DB"]}' |
                {folder}/postgres --single -D "$PGDATA" postgres > /dev/null
            fi
            shift; exec {folder}/postgres -D "$PGDATA" -c listen_addresses='*' -k /tmp "$@"
        """
        data = "PGDATA=/var/lib/postgresql/data"
        return ["env", data, "sh", "-c", begin, "-", *command]

    def _rabbitmq(self, _name: str, _command: list[str]) -> list[str]:
        return [str(rabbitmq.SERVER)]

    def _s3(self, name: str, command: list[str]) -> list[str]:
        """Start moto where the command says, with the certificates it says."""
        assert command[:3] == ["server", "--address", ":9000"]
        targets = {
            s["target"]: f"/run/secrets/{s['source']}"
            for s in self.made["services"][name]["secrets"]
            if not isinstance(s, str)
        }
        certificate, key = targets["/certs/public.crt"], targets["/certs/private.key"]
        return [
            *(sys.executable, "-m", "moto.server", "-H", ADDRESSES[name], "-p", "9000"),
            *("--ssl", "--ssl-cert", certificate, "--ssl-key", key),
        ]
