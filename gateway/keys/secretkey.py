"""The key that protects shared secrets, replaced while we use it.

Promises: a changed file counts at the next secret that is opened; one that is gone, half written,
open to everyone or not ours leaves the keys before in use, with an alarm and a standing warning
until it is mended, so that no caller is refused for it. What was in use stays in memory until the
process ends: a secret sealed under it is opened, whatever lies in the file by now. Reads only.
"""

from pathlib import Path
from typing import Final

from gateway.errors import ConfigurationError
from gateway.keys.watch import FilePatience, Trouble
from gateway.secrets import earlier_key_file, next_key_file, read_key_files

_REMEMBERED: Final = 6


class SecretKeys:
    """The keys that may open a secret, the present one first.

    Args:
        path: The key file; the next and the one before stand beside it.

    Raises:
        ConfigurationError: It cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trouble = Trouble("secrets key")
        self._patience = FilePatience((path, next_key_file(path), earlier_key_file(path)))
        self._keys = read_key_files(path)

    def __call__(self) -> tuple[bytes, ...]:
        """Return the keys as the files are now, then those that were in use before."""
        try:
            self._take()
        except ConfigurationError:
            return self._keys  # `look` says it; a change under way is over in a moment
        return self._keys

    async def look(self, *, now: bool) -> None:
        """Look whether the files can still be used, and say when they cannot."""
        if not now and not self._patience.due():
            return
        try:
            self._take()
        except ConfigurationError as exc:
            if self._patience.settled(good=False, now=now):
                self._trouble.begin(failure=exc)
            return
        self._patience.settled(good=True, now=now)
        self._trouble.end()

    def _take(self) -> None:
        found = read_key_files(self._path)
        self._keys = tuple(dict.fromkeys((*found, *self._keys)))[:_REMEMBERED]
