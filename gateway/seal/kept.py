"""Sealed reports on disk, so that a second look gives the same file and a late time-stamp finds it.

    reports/<key>.b-b.pdf     sealed, waiting for a time-stamp
    reports/<key>.b-t.pdf     stamped, waiting for revocation data
    reports/<key>.b-lt.pdf    complete

The key names what was said and who sealed it. Promises: a file is whole or not there; the better
one is put in place before the lesser one goes, so that a crash between leaves both and the better
one counts; everything here can be made again from the documents, but for its time.
"""

import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

LEVELS: Final = ("B-LT", "B-T", "B-B")
"""Best first."""
COMPLETE: Final = LEVELS[0]
_TORN_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Kept:
    """One sealed report: its key, its level, its place."""

    key: str
    level: str
    path: Path


class KeptReports:
    """The folder.

    Args:
        folder: Made when missing, for our eyes only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return a report and its level, the best there is; None when none is kept."""
        for level in LEVELS:
            with suppress(FileNotFoundError):
                return self._path(key, level).read_bytes(), level
        return None

    def put(self, key: str, level: str, pdf: bytes, now: datetime) -> None:
        """Keep a report; lesser ones of the same key go.

        Raises:
            OSError: The disk did not take it.
        """
        part = self._folder / f"{secrets.token_hex(16)}.part"
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(pdf)
                file.flush()
                os.fsync(file.fileno())
            os.utime(part, (now.timestamp(), now.timestamp()))
            part.replace(self._path(key, level))
        except OSError:
            part.unlink(missing_ok=True)
            raise
        for lesser in LEVELS[LEVELS.index(level) + 1 :]:
            self._path(key, lesser).unlink(missing_ok=True)

    def waiting(self) -> list[Kept]:
        """Return what waits for a time-stamp or for revocation data, in order of the key."""
        found = [
            Kept(path.name.partition(".")[0], level, path)
            for level in LEVELS[1:]
            for path in self._folder.glob(f"*.{level.lower()}.pdf")
        ]
        return sorted((k for k in found if self._best(k)), key=lambda kept: kept.key)

    def sweep(self, now: datetime, keep: timedelta) -> int:
        """Remove complete reports older than that, and torn writes; return how many."""
        old = now.timestamp() - keep.total_seconds()
        count = _remove(self._folder.glob(f"*.{COMPLETE.lower()}.pdf"), old)
        # An hour: another process may be writing one this moment.
        _remove(self._folder.glob("*.part"), now.timestamp() - _TORN_S)
        return count

    def _best(self, kept: Kept) -> bool:
        better = LEVELS[: LEVELS.index(kept.level)]
        return not any(self._path(kept.key, level).exists() for level in better)

    def _path(self, key: str, level: str) -> Path:
        return self._folder / f"{key}.{level.lower()}.pdf"


def _remove(paths: Iterable[Path], before: float) -> int:
    count = 0
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()
                count += 1
    return count
