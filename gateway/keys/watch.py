"""Who looks after keys and certificates: every few seconds, and at once when told (SIGHUP).

Promises: a file is read again only when its date, size or identity changed; what cannot be used is
left alone and the earlier key or certificate goes on working; each trouble is one alarm and a
standing warning until it is over. Nothing is written: a crash leaves nothing behind.
"""

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

from gateway import observe

Stamp = tuple[tuple[int, int, int, int] | None, ...]
EVERY_S: Final = 2.0


class Watched(Protocol):
    """Something made of files that may be replaced."""

    async def look(self, *, now: bool) -> None:
        """Take over what changed; `now` when an operator asked, so that nothing is waited for."""
        ...


def stamp(paths: Iterable[Path]) -> Stamp:
    """Return what tells an unchanged file from a replaced one: device, inode, date, size.

    Links are followed: a folder of secrets that is swapped by one link counts as replaced.
    """
    return tuple(_one(path) for path in paths)


def _one(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


class Trouble:
    """One kind of trouble: an alarm when it begins, a standing warning until it ends."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.active = False

    def begin(self, subject: str | None = None, failure: BaseException | None = None) -> None:
        """Say it, once."""
        if not self.active:
            self.active = True
            observe.alarm(what=self.what, subject=subject, failure=failure)
            observe.standing_warning(what=self.what, active=True)

    def end(self) -> None:
        """Say that it is over, if it was there."""
        if self.active:
            self.active = False
            observe.standing_warning(what=self.what, active=False)


class FilePatience:
    """Tells when files changed, and when they have been left alone since.

    Whoever replaces two files does so one after the other: in between they do not belong together,
    and that is no trouble yet. It is when they still do not at the next look.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._seen = stamp(self._paths)
        self._done: Stamp | None = self._seen

    def due(self) -> bool:
        """Tell whether the files differ from those last settled."""
        return stamp(self._paths) != self._done

    def settled(self, *, good: bool, now: bool) -> bool:
        """Note the outcome of a look; tell whether it counts: good, asked for, or bad twice."""
        current = stamp(self._paths)
        counts = good or now or current == self._seen
        self._seen = current
        # Bad ones are looked at until they are good: those from before may come back, date and all.
        self._done = current if good else None
        return counts


class KeyWatch:
    """The program that looks.

    Args:
        watched: What is looked after; each by itself, so that one's trouble is not another's.
        every_s: Seconds between looks.
    """

    def __init__(self, watched: Iterable[Watched] = (), *, every_s: float = EVERY_S) -> None:
        self.watched = list(watched)
        self._every_s = every_s
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Look now; call it on the loop."""
        self._asked.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._every_s):
                    await self._asked.wait()
            except TimeoutError:
                await self.once()
            else:
                self._asked.clear()
                await self.once(now=True)

    async def once(self, *, now: bool = False) -> None:
        """Let everything be looked at."""
        for one in self.watched:
            try:
                await one.look(now=now)
            except Exception as exc:  # noqa: BLE001 - the next look may find it mended
                observe.alarm(what="key watch", failure=exc)
