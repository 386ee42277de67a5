"""The verifier process: reads jobs from standard input, answers reports on standard output.

Promises: memory, processor time and file size are limited by the operating system before any
foreign byte is read; the process ends when its parent is gone, however the parent went, also in the
middle of a job; it ignores the terminal's interrupt and writes no file. What it dies of is the
parent's report.

A message is four bytes of length (big-endian) and that much UTF-8 JSON, both ways.
"""

import gc
import json
import os
import resource
import select
import signal
import sqlite3
import struct
import sys
import threading
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

_LENGTH: Final = struct.Struct(">I")
_MAX_MESSAGE: Final = 64 * 1024 * 1024
_EXIT_ORPHAN: Final = 3


def _limit(memory_bytes: int) -> None:
    for kind, soft in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        limit = soft if hard == resource.RLIM_INFINITY else min(soft, hard)
        resource.setrlimit(kind, (limit, limit))


def _limit_processor(seconds: float) -> None:
    """Allow this much processor time from now; beyond it the system kills us."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = int(used.ru_utime + used.ru_stime + seconds) + 2
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _die_with_parent() -> None:
    """Watch the job pipe from a thread: when its other end closes, leave at once."""

    def watch() -> None:
        poll = select.poll()
        poll.register(0, 0)  # only hang-ups and errors are reported
        poll.poll()
        os._exit(_EXIT_ORPHAN)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    if size > _MAX_MESSAGE:
        return None
    body = stream.read(size)
    message: dict[str, Any] = json.loads(body)
    return message


def _write(stream: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message, ensure_ascii=False).encode()
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


class _Desk:
    """Answers jobs under what is trusted now."""

    def __init__(self, trust_dir: Path, revocation: Path | None, job_seconds: float) -> None:
        from gateway.verifier.trusted import TrustDesk

        self._trusted = TrustDesk(trust_dir, revocation)
        self._job_seconds = job_seconds

    def answer(self, job: dict[str, Any]) -> dict[str, Any]:
        """Return `{"report": …}`, or `{"failed": reason}` when there can be none."""
        from gateway.trust.render import to_json
        from gateway.verifier.examine import examine

        _limit_processor(self._job_seconds)
        try:
            store = self._trusted.store(job["trust_sha256"], job["index_sha256"])
            report = examine(
                Path(job["path"]),
                sha256=job["sha256"],
                at=datetime.fromisoformat(job["at"]),
                store=store,
                pdf_expected=job["pdf_expected"],
            )
            return {"report": to_json(report)}
        except MemoryError:
            return {"failed": "memory"}
        except RecursionError:
            return {"failed": "depth"}
        except OSError as exc:
            return {"failed": "file", "detail": exc.strerror or type(exc).__name__}
        except sqlite3.Error as exc:
            return {"failed": "file", "detail": f"revocation index: {type(exc).__name__}"}


def main(argv: list[str]) -> int:
    """Serve jobs until the parent closes the pipe.

    Args:
        argv: Trust directory, memory limit in bytes, processor seconds a job, revocation
            directory or "".
    """
    import logging

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _limit(int(argv[1]))
    _die_with_parent()
    logging.disable(logging.CRITICAL)  # the libraries log what strangers wrote
    warnings.simplefilter("ignore")
    jobs, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing but answers goes there
    # Import now: the first job should not wait for it.
    import pypdfium2  # noqa: F401

    import gateway.trust.pdf  # noqa: F401

    desk = _Desk(Path(argv[0]), Path(argv[3]) if argv[3] else None, float(argv[2]))
    # What is loaded now stays for good: the collector need not walk through it at every file.
    gc.collect()
    gc.freeze()
    _write(answers, {"ready": os.getpid()})
    while (job := _read(jobs)) is not None:
        _write(answers, {"begun": True})  # from here on, dying is this file's doing
        _write(answers, desk.answer(job))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
