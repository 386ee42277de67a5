"""Where processes of the gateway are born: forked from one that has read the program already.

Most of a start is the same two seconds of reading code: the crash tests start a server more than a
hundred times, and every gateway starts verifier processes. Promises: what is forked is a process of
its own, with the environment and the log or pipe it is given, killed and waited for like any other;
the nursery itself runs nothing and opens nothing, so a child inherits no thread, no connection and
no loop. It ends with who started it, and a child with the connection it was asked for on.
`tests/integration/test_readme.py` and `tests/crash/test_gateway_stops.py` start the real command;
the verifier's own tests start the real processes (`real_workers`).

    python -m tests.world.nursery SOCKET
"""

import asyncio
import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.verifier import pool, process

ROOT = Path(__file__).resolve().parents[2]


# ---------------------------------------------------------------- the tests' side


class Born:
    """A child as its test sees it: like `asyncio.subprocess.Process`, as far as tests need it."""

    stdin: asyncio.StreamWriter | None = None
    stdout: asyncio.StreamReader | None = None

    def __init__(self, pid: int, reader: asyncio.StreamReader, writer: Any) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._writer = writer
        self._ended = asyncio.create_task(self._end(reader))

    async def _end(self, reader: asyncio.StreamReader) -> None:
        try:
            line = await reader.readline()
            # Without a word the nursery itself is gone, and its children with it.
            self.returncode = int(line) if line else -signal.SIGKILL
        finally:  # also where the loop ends before it does: the nursery then kills it
            for writer in filter(None, (self._writer, self.stdin)):
                writer.close()

    def send_signal(self, number: int) -> None:
        """Send a signal; ProcessLookupError when it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it; ProcessLookupError when it has ended."""
        self.send_signal(signal.SIGKILL)

    def let_go(self) -> None:
        """Wait for it no more: the nursery kills it."""
        self._ended.cancel()

    async def wait(self) -> int:
        """Return its exit code, minus the signal that ended it."""
        await asyncio.shield(self._ended)
        assert self.returncode is not None
        return self.returncode


async def born(arguments: Sequence[str], log: Path, environ: Mapping[str, str]) -> Born:
    """Start `vanlien ARGUMENTS`, writing to `log`."""
    await asyncio.to_thread(log.write_bytes, b"")  # whoever looks finds it, however early
    return await _asked({"arguments": list(arguments), "log": str(log), "environ": dict(environ)})


async def worker(module: str, arguments: Sequence[str]) -> process.Worker:
    """Start a verifier process: `gateway.verifier.process.spawned`, sooner."""
    ours, theirs = socket.socketpair()
    environ = process.bare_environment()
    asked = {"module": module, "arguments": list(arguments), "environ": environ}
    with contextlib.ExitStack() as given_up:
        given_up.callback(ours.close)
        with theirs:
            child = await _asked(asked, theirs.fileno())
        given_up.callback(child.let_go)
        child.stdout, child.stdin = await asyncio.open_connection(sock=ours)
        given_up.pop_all()
    return process.Worker(child)  # type: ignore[arg-type]


async def _asked(message: Mapping[str, Any], *files: int) -> Born:
    # In a thread: reading the program takes seconds, and a gateway that does nothing for so long
    # takes its partners for dead.
    path = _running[0] if _running else await asyncio.to_thread(_nursery)
    with contextlib.ExitStack() as given_up:  # who is cancelled here leaves nothing open
        line = given_up.enter_context(socket.socket(socket.AF_UNIX))
        line.connect(str(path))
        socket.send_fds(line, [json.dumps(message).encode() + b"\n"], files)
        reader, writer = await asyncio.open_connection(sock=line)
        given_up.pop_all()
        given_up.callback(writer.close)
        child = Born(int(await reader.readline()), reader, writer)
        given_up.pop_all()
    return child


_running: list[Path] = []
_starting = threading.Lock()


def _nursery() -> Path:
    """Return the socket of this process's nursery, started when first asked for."""
    with _starting:
        return _running[0] if _running else _started()


def _started() -> Path:
    folder = tempfile.mkdtemp(prefix="vanlien-nursery-")
    path = Path(folder) / "socket"
    environ = {k: v for k, v in os.environ.items() if k != "VANLIEN_FAULT"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.world.nursery", str(path)],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(1) == b"!", "the nursery did not start"
    atexit.register(_close, process, path)
    _running.append(path)
    return path


def _close(process: "subprocess.Popen[bytes]", path: Path) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    process.wait()
    path.unlink(missing_ok=True)
    path.parent.rmdir()


# ---------------------------------------------------------------- the nursery's side


def main(path: str) -> None:
    """Read the program, then fork a child for every connection until standard input closes."""
    import pypdfium2  # noqa: F401

    import gateway.trust.pdf
    import gateway.trust.render
    import gateway.trust.verify
    import gateway.verifier.examine
    import gateway.verifier.firstpage
    import gateway.verifier.trusted  # noqa: F401
    from gateway.__main__ import application
    from gateway.cli import frame

    frame._commands(application())
    _running.append(Path(path))  # a gateway born here has its workers born here
    gc.collect()
    gc.freeze()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen(64)
    os.write(1, b"!")
    poll = select.poll()
    for number in (0, listening.fileno()):
        poll.register(number, select.POLLIN | select.POLLHUP)
    children: dict[int, tuple[int, socket.socket]] = {}
    lines: dict[int, int] = {}
    while True:
        for number, _ in poll.poll():
            if number == 0:
                for pid, _line in children.values():
                    os.kill(pid, signal.SIGKILL)
                return
            if number == listening.fileno():
                line, _address = listening.accept()
                pid = _fork(line, listening, children)
                watched = os.pidfd_open(pid)
                children[watched], lines[line.fileno()] = (pid, line), pid
                poll.register(watched, select.POLLIN)
                poll.register(line.fileno(), select.POLLIN | select.POLLHUP)
                with contextlib.suppress(OSError):  # gone already: told by the poll
                    line.sendall(b"%d\n" % pid)
            elif number in lines:  # nobody asks for this child any more
                os.kill(lines[number], signal.SIGKILL)
                poll.unregister(number)
            elif number in children:
                pid, line = children.pop(number)
                _, status = os.waitpid(pid, 0)
                poll.unregister(number)
                os.close(number)
                with contextlib.suppress(KeyError):
                    poll.unregister(line.fileno())
                del lines[line.fileno()]
                with contextlib.suppress(OSError):
                    line.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                line.close()


def _fork(
    line: socket.socket, listening: socket.socket, children: Mapping[int, tuple[int, socket.socket]]
) -> int:
    """Read what is asked for and fork it; return the child's process id."""
    told, files, _flags, _address = socket.recv_fds(line, 1 << 20, 1)
    while not told.endswith(b"\n"):
        told += line.recv(1 << 20)
    asked = json.loads(told)
    pid = os.fork()
    if pid:
        for number in files:
            os.close(number)
        return pid
    try:
        listening.close()
        line.close()
        for watched, (_, other) in children.items():
            os.close(watched)
            other.close()
        code = _work(asked, *files) if "module" in asked else _live(asked)
    except BaseException:  # noqa: BLE001 - like the interpreter: say it, and end with 1
        sys.excepthook(*sys.exc_info())
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _live(asked: Mapping[str, Any]) -> int:
    """Be a server: its own output and environment, then the command."""
    from gateway import app, faults
    from gateway.__main__ import main as command

    # The verifier starts with the first file that has a signature; most children never see one.
    app._LISTENERS_FIRST_S = 3600.0
    pool.spawned = worker
    written = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    _wear(os.open(os.devnull, os.O_RDONLY), written, written, asked["environ"])
    armed, _, count = asked["environ"].get("VANLIEN_FAULT", "").partition(":")
    faults._ARMED, faults._left = armed, int(count or "1")
    return command(asked["arguments"])


def _work(asked: Mapping[str, Any], line: int) -> int:
    """Be a verifier process: its owner's pipe and nothing else, then its module."""
    os.setsid()
    os.chdir("/")
    _wear(line, line, os.open(os.devnull, os.O_WRONLY), asked["environ"])
    os.close(line)
    sys.argv = [asked["module"], *asked["arguments"]]
    try:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    except SystemExit as exc:
        return int(exc.code or 0)
    return 0


def _wear(stdin: int, stdout: int, stderr: int, environ: Mapping[str, str]) -> None:
    for number, source in enumerate((stdin, stdout, stderr)):
        os.dup2(source, number)
    os.environ.clear()
    os.environ.update(environ)


if __name__ == "__main__":
    main(sys.argv[1])
