"""An S3-compatible store in a child process: moto's server, with hands to age objects and to fail.

moto stands in for a real S3 store: it has buckets, conditional puts, multipart uploads and
listings, but no disk, no replication and no authority over keys. `s3_store` starts one a test
process, when first asked for; each test makes its own bucket.

Under `/-world/` the child takes orders: `bucket`, `age`, `spoil`, `plan` (what to do to the next
requests that match), `seen` and `release`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


class S3Store:
    """The parent's hold on the child."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.world.servers.s3", str(os.getpid())],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={k: v for k, v in os.environ.items() if not k.startswith("COV")},
        )
        self.url = self._process.stdout.readline().decode().strip()
        assert self.url, "the S3 server did not start"

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def order(self, what: str, **told):
        body = json.dumps(told).encode()
        with urllib.request.urlopen(f"{self.url}/-world/{what}", data=body, timeout=60) as answer:
            return json.load(answer)

    def bucket(self) -> str:
        """Make a bucket of its own."""
        name = f"bucket-{uuid.uuid4().hex}"
        self.order("bucket", name=name)
        return name


@pytest.fixture(scope="session")
def s3_store():
    """The test process's S3 server, started when first asked for."""
    server = S3Store()
    yield server
    server.close()


# ---------------------------------------------------------------- the child


class World:
    """A WSGI application around moto's."""

    def __init__(self, app) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._plans: list[dict] = []
        self._seen: list[str] = []
        self._arrived = threading.Condition(self._lock)
        self._go = threading.Event()

    def __call__(self, environ, start):
        path = environ["PATH_INFO"]
        if path.startswith("/-world/"):
            size = int(environ.get("CONTENT_LENGTH") or 0)
            told = json.loads(environ["wsgi.input"].read(size) or b"{}")
            body = json.dumps(getattr(self, path.removeprefix("/-world/"))(**told)).encode()
            start("200 OK", [("Content-Type", "application/json")])
            return [body]
        line = f"{environ['REQUEST_METHOD']} {path}?{environ.get('QUERY_STRING', '')}"
        plan = self._plan_for(line, environ["REQUEST_METHOD"])
        return getattr(self, f"_{plan['do'].replace('-', '_')}")(environ, start)

    def _plan_for(self, line, method):
        with self._lock:
            self._seen.append(line)
            self._arrived.notify_all()
            for plan in self._plans:
                if plan["times"] and plan["method"] == method and plan["match"] in line:
                    plan["times"] -= 1
                    return plan
        return {"do": "serve"}

    # -------------------------------------------- orders

    def bucket(self, name):
        _backend().create_bucket(name, "us-east-1")

    def age(self, bucket, key, seconds):
        from datetime import timedelta

        found = _backend().buckets[bucket].keys.get(key)
        if found is None:
            return False
        found.last_modified -= timedelta(seconds=seconds)
        return True

    def spoil(self, bucket, key, at):
        """Change one byte of a stored object."""
        found = _backend().buckets[bucket].keys.get(key)
        data = bytearray(found.value)
        data[at] ^= 1
        found.value = bytes(data)

    def keys(self, bucket):
        return sorted(_backend().buckets[bucket].keys.keys())

    def uploads(self, bucket):
        return len(_backend().buckets[bucket].multiparts)

    def plan(self, method, do, match="", times=1):
        with self._lock:
            self._plans.append({"method": method, "do": do, "match": match, "times": times})

    def seen(self, match="", count=0):
        """Return requests that match, waiting until there are `count`."""
        with self._lock:
            self._arrived.wait_for(lambda: len(self._matching(match)) >= count, timeout=60)
            return self._matching(match)

    def _matching(self, match):
        return [line for line in self._seen if match in line]

    def release(self):
        self._go.set()

    def calm(self):
        with self._lock:
            self._plans.clear()
            self._seen.clear()
        self._go.set()
        self._go = threading.Event()

    # -------------------------------------------- what is done to a request

    def _serve(self, environ, start):
        return self._app(environ, start)

    def _slow_down(self, environ, start):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start("503 Slow Down", [("Content-Type", "application/xml")])
        return [b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"]

    def _drop(self, environ, start):
        """Hang up without a word, nothing done."""
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return _hang_up(environ)

    def _lose_answer(self, environ, start):
        """Do it, then hang up."""
        b"".join(self._app(environ, lambda *_a, **_k: lambda _d: None))
        return _hang_up(environ)

    def _hold(self, environ, start):
        """Do it once `release` is ordered."""
        go = self._go
        go.wait(60)
        return self._app(environ, start)

    def _flip(self, environ, start):
        """Answer with one byte changed."""
        body = bytearray(b"".join(self._app(environ, start)))
        body[len(body) // 2] ^= 1
        return [bytes(body)]

    def _cut(self, environ, start):
        """Answer with half of what was announced."""
        body = b"".join(self._app(environ, start))

        def half():
            yield body[: len(body) // 2]
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)

        return half()


def _hang_up(environ):
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    return []


def _backend():
    from moto.s3.models import s3_backends

    return s3_backends["123456789012"]["aws"]


def _end_with_parent(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def main() -> None:
    _end_with_parent(int(sys.argv[1]))
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    # A connection we cut would be told with a traceback.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    app = World(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
