"""Files that live as long as one request: pages to draw, an upload of the /verify page.

Promises: nothing stays: each file goes with its block, and what a crash left behind goes when the
next process begins, before it listens. Only this process uses the folder (it holds the lock on the
data folder). Never durable, on purpose.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class Scratch:
    """A folder of short-lived files, emptied when it is opened.

    Args:
        folder: Made when missing, for our eyes only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.sweep()

    def sweep(self) -> int:
        """Remove what an earlier process left; return how many files."""
        count = 0
        for left in self._folder.iterdir():
            with suppress(OSError):
                left.unlink()
                count += 1
        return count

    @contextmanager
    def file(self) -> Iterator[Path]:
        """Lend the name of a new file; whatever is there at the end is removed."""
        path = self._folder / secrets.token_hex(16)
        path.touch(mode=0o600)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
