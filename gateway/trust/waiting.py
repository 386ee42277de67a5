"""Run one of the library's coroutines to its end, in a loop that is kept.

The library is asynchronous for its fetchers, which are never used here: its coroutines wait for
nothing. Making a loop for each, with its selector and its pair of sockets, cost more than some of
them. Promises: as `asyncio.run`, one at a time; a fault passes through; no task is left behind.
"""

import asyncio
import atexit
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_loop: asyncio.AbstractEventLoop | None = None


def completed(job: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns; raises what it raises.

    Raises:
        RuntimeError: A loop is running in this thread already.
    """
    global _loop  # noqa: PLW0603 — one loop a process
    if threading.current_thread() is not threading.main_thread():
        return asyncio.run(job)
    if _loop is None or _loop.is_closed():
        _loop = asyncio.new_event_loop()
        atexit.register(_loop.close)
    try:
        return _loop.run_until_complete(job)
    finally:
        left = asyncio.all_tasks(_loop)
        if left:
            _abandon(_loop, left)


def _abandon(loop: asyncio.AbstractEventLoop, tasks: set["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
