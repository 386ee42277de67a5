"""Watching the registry of systems and agencies: has anybody changed it?

Every change of callers or catalogue, by whatever process, gives `meta.registry_version` a value
never used before. Promises: a change is seen within `EVERY_S`; in between nothing is read. Keeps no
file but a read-only connection; a crash leaves nothing behind.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.errors import UnavailableError
from gateway.store.ledger import connect
from gateway.store.queries import QUERIES

EVERY_S: Final = 0.5
"""How often the version is looked at, at most."""


class RegistryWatch:
    """Tells when what was read last is no longer what the ledger says.

    Args:
        path: The ledger file.
        monotonic: Seconds that never go back.
    """

    def __init__(self, path: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._connection = connect(path, read_only=True)
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
        try:
            return self._seen != _version(self._connection)
        except sqlite3.Error as exc:
            raise UnavailableError(public="the ledger cannot be read") from exc

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that sees one moment of the registry; that moment counts as seen.

        Raises:
            UnavailableError: The ledger cannot be read; nothing counts as seen.
        """
        connection = connect(self._path, read_only=True)
        try:
            connection.execute("BEGIN")
            version = _version(connection)
            yield connection
            self._seen = version
        except sqlite3.Error as exc:
            raise UnavailableError(public="the ledger cannot be read") from exc
        finally:
            connection.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def _version(connection: sqlite3.Connection) -> tuple[str | None]:
    row = connection.execute(QUERIES["registry_version"]).fetchone()
    return (row["value"] if row is not None else None,)
