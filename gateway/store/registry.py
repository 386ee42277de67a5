"""What is kept in memory of the registry of systems and agencies, read again when it changed.

Every change of callers or catalogue, by whatever process, gives `meta.registry_version` a value
never used before. Promises: a change is seen within a second; in between nothing is read. On a file
the version is looked at when somebody asks; a database server is asked from a thread of its own,
because who asks must not wait for a network, and what was last seen too long ago is not used.
Keeps nothing but read-only connections; a crash leaves nothing behind.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Generic, TypeVar

from gateway.errors import UnavailableError
from gateway.store.places import Place
from gateway.store.queries import QUERIES
from gateway.store.session import Session, open_session, session

EVERY_S: Final = 0.5
"""How often the version is looked at, at most."""

STALE_S: Final = 10.0
"""What was last known to be true this long ago is used no more: a caller may be disabled since."""

T = TypeVar("T")


class RegistryWatch:
    """Tells when what was read last is no longer what the ledger says.

    Args:
        place: Where the ledger is.
        monotonic: Seconds that never go back.
        version: The query that gives the version of what is watched.
    """

    def __init__(
        self,
        place: Place,
        monotonic: Callable[[], float] = time.monotonic,
        version: str = "registry_version",
    ) -> None:
        self._place = place
        self._query = QUERIES[version]
        self._monotonic = monotonic
        self._session = open_session(place, purpose="registry watch", read_only=True)
        self._seen: tuple[str | None] | None = None
        self._look_at = monotonic()

    def changed(self) -> bool:
        """Return whether the registry must be read again; cheap, whatever its size.

        Raises:
            UnavailableError: The ledger cannot be read.
        """
        now = self._monotonic()
        if self._seen is not None and now < self._look_at:
            return False
        self._look_at = now + EVERY_S
        return self._seen != self._version(self._session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Lend a session that sees one moment of the registry; that moment counts as seen.

        Raises:
            UnavailableError: The ledger cannot be read; nothing counts as seen.
        """
        with session(self._place, purpose="registry", read_only=True) as opened, opened.reading():
            version = self._version(opened)
            yield opened
            self._seen = version

    def _version(self, opened: Session) -> tuple[str | None]:
        row = opened.row(self._query)
        return (row["value"] if row is not None else None,)

    def close(self) -> None:
        """Let go of the ledger."""
        self._session.close()


class Follower(Generic[T]):
    """Keeps one value of the registry current from a thread of its own.

    Args:
        watch: Used by this thread alone, once it runs; closed when the first look fails.
        load: Reads the value.
        monotonic: Seconds that never go back.

    Raises:
        UnavailableError: The ledger cannot be read now.
    """

    def __init__(
        self,
        watch: RegistryWatch,
        load: Callable[[Session], T],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = watch
        self._load = load
        self._monotonic = monotonic
        try:
            self._value = self._read()
        except BaseException:
            watch.close()
            raise
        self._known_at = monotonic()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)
        self._thread.start()

    def value(self) -> T:
        """Return the value as of a moment ago.

        Raises:
            UnavailableError: The ledger could not be read for `STALE_S`.
        """
        if self._monotonic() - self._known_at > STALE_S:
            raise UnavailableError(public="the ledger cannot be read", retry_after_s=5.0)
        return self._value

    def close(self) -> None:
        """Stop following; waits for a look under way."""
        self._end.set()
        self._thread.join()

    def _read(self) -> T:
        with self._watch.reading() as opened:
            return self._load(opened)

    def _run(self) -> None:
        while not self._end.wait(EVERY_S):
            # Whatever it is (a password file being written anew, a wrong server after a fail-over),
            # the next look may find it gone; `value` tells once it lasts.
            with suppress(Exception):
                looked_at = self._monotonic()
                if self._watch.changed():
                    self._value = self._read()
                self._known_at = looked_at
