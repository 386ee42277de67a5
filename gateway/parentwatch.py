"""Worker processes that end with whoever started them, also when nobody could tell them to.

A pool's worker waits for work for ever; killed, its parent cannot send it home. A crash of the
parent leaves nothing running.
"""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process, started by `multiprocessing`, as soon as its parent is no more."""
    threading.Thread(target=_wait, name="parent-watch", daemon=True).start()


def _wait() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
