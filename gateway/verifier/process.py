"""One verifier process as its owner sees it: asked over pipes, killed when it must be.

Messages are four bytes of length (big-endian) and that much UTF-8 JSON, both ways; `worker` is the
other end. Promises: a process that ends says of what; none outlives its owner, whose end closes
its pipe. Keeps nothing.
"""

import asyncio
import contextlib
import json
import os
import signal
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MIB: Final = 1024 * 1024
_LENGTH: Final = struct.Struct(">I")
_MAX_ANSWER: Final = 64 * MIB
_KILLED_S: Final = 5.0
_ENDING_S: Final = 1.0
GONE: Final = "gone before the job began"


class DiedError(Exception):
    """The worker is gone or killed; says of what."""


@dataclass(slots=True, eq=False)
class Worker:
    """One process and the number of files it did."""

    process: asyncio.subprocess.Process
    done: int = 0
    successor: "asyncio.Task[Worker] | None" = None

    async def ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Send a job and return the answer; DiedError when the process ends instead."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        body = json.dumps(message).encode()
        try:
            stdin.write(_LENGTH.pack(len(body)) + body)
            await stdin.drain()
            await self.answer()  # it has begun
        except (ConnectionError, RuntimeError, DiedError) as exc:
            raise DiedError(GONE) from exc
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """Read one message."""
        stdout = self.process.stdout
        assert stdout is not None
        try:
            (size,) = _LENGTH.unpack(await stdout.readexactly(_LENGTH.size))
            if size > _MAX_ANSWER:
                raise DiedError("answer too large")
            found: dict[str, Any] = json.loads(await stdout.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError, ValueError) as exc:
            raise DiedError("died") from exc
        return found

    async def stop(self, *, ending: bool = False) -> int | None:
        """Kill it and wait; return its exit code.

        One that closed its pipe is `ending`: it is given a moment to end by itself, because asking
        to kill a process that just ended takes its exit code away from who waits for it.
        """
        if ending:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ENDING_S):
                    return await self.process.wait()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        # A killed process is gone; only the news of it may fail to come (the system told another).
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_KILLED_S):
                return await self.process.wait()
        return None


async def spawned(module: str, arguments: Sequence[str]) -> Worker:
    """Start a process; it says when it is ready, see `Worker.answer`.

    Args:
        module: What it runs.
        arguments: For it.

    Raises:
        OSError: The system does not start one.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd="/",
        env=bare_environment(),
        # A session of its own: the terminal's interrupt is ours to handle, and a worker ends by
        # its pipe.
        start_new_session=True,
    )
    return Worker(process)


def bare_environment() -> dict[str, str]:
    """Return what a worker may know of our environment: where the code is, and no secrets."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(paths), "LC_ALL": "C.UTF-8", "PATH": os.defpath}


def cause_of(code: int | None) -> str:
    """Return of what a process ended, from its exit code."""
    if code is None or code >= 0:
        return f"exit {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return {"SIGXCPU": "CPU time"}.get(name, name)
