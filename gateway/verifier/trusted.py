"""What is trusted right now, on both sides of the pipe: trust folder and revocation store as one.

The parent asks for an identity (cheap: nothing is parsed, and only touched files are read); a
worker makes the store of that identity and keeps it for the next job. Promises: equal identities,
equal verdicts; a touched file or a newly taken list is seen at the next job without a restart.
Reads only, but for one thing: a journal that a killed writer left is rolled back by the parent,
because workers cannot. A crash leaves nothing behind.
"""

import hashlib
import sqlite3
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.trust.fingerprint import fingerprint, stamp

if TYPE_CHECKING:  # heavy: only the worker process loads them
    from gateway.trust.anchors import TrustStore
    from gateway.verifier.crl_index import CrlIndex

_STAMP_S: Final = 1.0
_INDEX: Final = "index.sqlite"


def combined(trust_sha256: str, identity: str) -> str:
    """Return the identity of a trust folder together with a revocation store.

    Args:
        trust_sha256: Of the folder.
        identity: Of the store's index, "" when it is empty: then the folder's alone counts.
    """
    if not identity:
        return trust_sha256
    return hashlib.sha256(f"{trust_sha256}+{identity}".encode()).hexdigest()


def index_identity(folder: Path) -> str:
    """Return the identity of a revocation store's index, "" for none or an unreadable one."""
    path = folder / _INDEX
    if not path.is_file():
        return ""
    question = "SELECT identity FROM item ORDER BY id DESC LIMIT 1"
    for mode in ("ro", "rw"):  # only a writer may roll back what a killed one left
        try:
            connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True)
            try:
                row = connection.execute(question).fetchone()
            finally:
                connection.close()
        except sqlite3.Error:
            continue
        return "" if row is None else str(row[0])
    return ""


@dataclass(slots=True)
class TrustState:
    """The parent's view: identities, renewed when a file was touched.

    Args:
        directory: The trust folder.
        revocation: The revocation folder, None for none.
        identity: Of its index, as the last question found it.
        as_of: Ask the index as of this identity; None for its newest.
    """

    directory: Path
    revocation: Path | None = None
    identity: str = ""
    as_of: str | None = None
    _stamp: object = None
    _index_stamp: object = None
    _sha256: str = ""
    _looked: float = field(default=-1e9)

    def fingerprint(self) -> str:
        """Return the identity of everything trusted; `identity` is then the index's."""
        now = time.monotonic()
        if now - self._looked >= _STAMP_S:
            self._looked = now
            current = stamp(self.directory)
            if current != self._stamp or not self._sha256:
                self._stamp, self._sha256 = current, fingerprint(self.directory)
            if self.revocation is not None and self.as_of is None:
                self._look_at_index(self.revocation)
        if self.as_of is not None:
            self.identity = self.as_of
        return combined(self._sha256, self.identity)

    def _look_at_index(self, folder: Path) -> None:
        try:
            found = (folder / _INDEX).stat()
            current: object = (found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError:
            current = None
        if current != self._index_stamp:
            self._index_stamp, self.identity = current, index_identity(folder)


class TrustDesk:
    """A worker's view: the trust store of the last identity asked for.

    Args:
        directory: The trust folder.
        revocation: The revocation folder, None for none.
    """

    def __init__(self, directory: Path, revocation: Path | None) -> None:
        from gateway.trust.anchors import TrustStore

        self._directory = directory
        self._revocation = revocation
        self._plain = TrustStore.load(directory)
        self._index: CrlIndex | None = None

    def store(self, trust_sha256: str, identity: str) -> "TrustStore":
        """Return what is trusted.

        Args:
            trust_sha256: The identity asked for; when the folder has changed since, the store
                returned says its own.
            identity: The part of it that is the index's.

        Raises:
            sqlite3.Error: The index cannot be read.
        """
        from gateway.trust.anchors import TrustStore

        index = self._pinned(identity)
        seen = "" if index is None else index.sha256
        if combined(self._plain.sha256, seen) != trust_sha256:
            self._plain = TrustStore.load(self._directory)
        if index is None:
            return self._plain
        return replace(self._plain, index=index, sha256=combined(self._plain.sha256, seen))

    def _pinned(self, identity: str) -> "CrlIndex | None":
        from gateway.verifier.revocation import open_index

        if not identity:
            return None
        if self._index is None or not self._index.pin(identity):
            if self._index is not None:
                self._index.close()
            self._index = open_index(self._revocation)
            if self._index is not None:
                self._index.pin(identity)
        return self._index
