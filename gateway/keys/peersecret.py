"""The secret a peer gave us, replaced while we use it.

Promises: a changed file counts at the next call, without a restart; the secret before it goes on
for a day where the peer still wants it (it tells by 401), since nobody changes both ends at one
instant; a file that cannot be read leaves the secret before in place. Secrets are in memory and in
their file, nowhere else. Reads only.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway import observe
from gateway.errors import ConfigurationError
from gateway.keys.watch import Stamp, Trouble, stamp
from gateway.secrets import read_secret_file

OVERLAP: Final = timedelta(days=1)
ASK_AGAIN: Final = timedelta(minutes=1)


class PeerSecret:
    """SharedSecret over a file.

    Args:
        peer: Id of the peer, for what operations are told.
        path: One line.
        now: The time.

    Raises:
        ConfigurationError: The file cannot be used.
    """

    def __init__(self, peer: str, path: Path, now: Callable[[], datetime]) -> None:
        self._peer = peer
        self._path = path
        self._now = now
        self._seen: Stamp = stamp([path])
        self._newest = read_secret_file(path).encode()
        self._before: tuple[bytes, datetime] | None = None
        self._before_first_until: datetime | None = None
        self._unreadable = Trouble(f"secret of peer {peer} unreadable")
        self._not_taken = Trouble(f"secret of peer {peer} refused")

    def __repr__(self) -> str:
        return f"PeerSecret({self._peer!r})"

    def offered(self) -> Sequence[bytes]:
        """Return the secrets to try, in this order."""
        self._look()
        now = self._now()
        if self._before is None or now >= self._before[1]:
            return (self._newest,)
        if self._before_first_until is not None and now < self._before_first_until:
            return self._before[0], self._newest
        return self._newest, self._before[0]

    def refused(self, secret: bytes) -> None:
        """Note that the peer answered 401."""
        if secret == self._newest:
            self._not_taken.begin(subject=self._peer)

    def worked(self, secret: bytes) -> None:
        """Note that the peer took it: the newest ends the overlap, the older goes first a while."""
        if secret == self._newest:
            self._before = self._before_first_until = None
            self._not_taken.end()
        elif self._before is not None and self._not_taken.active:
            self._before_first_until = self._now() + ASK_AGAIN

    def _look(self) -> None:
        seen = stamp([self._path])
        if seen == self._seen:
            return
        try:
            found = read_secret_file(self._path).encode()
        except ConfigurationError as exc:
            self._unreadable.begin(failure=exc)
            return
        self._seen = seen
        self._unreadable.end()
        if found != self._newest:
            self._before = self._newest, self._now() + OVERLAP
            self._before_first_until = None
            self._newest = found
            observe.key_taken(what="peer secret", name=self._peer)
