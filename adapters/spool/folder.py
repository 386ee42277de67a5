"""One folder on the disk: listing, reading, writing and moving, safe against what others put there.

Promises: nothing is read through a link, and nothing that has a second name; what is read is the
very file that was listed; what is written is whole and durable before it has its name; a folder
that is not there, or is not ours, is never taken for an empty one. Nothing is ever deleted that
others put there. Everything but `call` blocks: `call` does it in threads of the folder's own. A
crash leaves at most a file in a `tmp`.
"""

import asyncio
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.errors import UnavailableError

MARKER: Final = ".vanlien-spool"
TICK: Final = ".da-xac-nhan"
OUT_NEW: Final = "out/new"
OUT_CUR: Final = "out/cur"
IN_NEW: Final = "in/new"
IN_CUR: Final = "in/cur"
SHARED: Final = ("out/tmp", OUT_NEW, OUT_CUR, IN_NEW, IN_CUR)
OWN: Final = ("in/tmp", "following")
CHUNK: Final = 256 * 1024
T = TypeVar("T")
_THREADS: Final = 6
_SILENT_S: Final = 60.0
_FILE_MODE: Final = 0o660
_FOLDER_MODE: Final = 0o2770


class UnreadableError(Exception):
    """A file is there and cannot be read: rights, or its disk."""


class ChangedError(Exception):
    """A file is not the one that was looked at: somebody writes, or it was taken away."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that lies in a folder.

    Args:
        name: As the system gives it; undecodable bytes are surrogates.
        kind: `file`, `folder`, `link` or `other`.
        links: How many names it has.
        size_bytes: Of a file.
        identity: Changes whenever its bytes may have.
    """

    name: str
    kind: str
    links: int
    size_bytes: int
    identity: tuple[int, ...]


class Folder:
    """See the module.

    Args:
        path: Its root.
        system_id: Whose it must be marked as.
    """

    def __init__(self, path: Path, system_id: str) -> None:
        self.path = path
        self.system_id = system_id
        # Threads of its own: a share that hangs holds up nobody else's.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="spool")

    async def call(self, work: Callable[..., T], *given: Any) -> T:
        """Do one blocking thing in a thread of this folder's.

        Raises:
            UnavailableError: The disk does not answer; the thread is left to it.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_SILENT_S):
                return await loop.run_in_executor(self._threads, work, *given)
        except TimeoutError as exc:
            raise UnavailableError(public="the folder does not answer") from exc

    def close(self) -> None:
        """Let its threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def check(self) -> None:
        """Refuse a folder that is not there: a mount that went away looks like an empty one.

        Raises:
            UnavailableError: No mark, or another system's.
        """
        try:
            with _opened(self.path / MARKER) as file:
                marked = os.read(file, 200).decode("utf-8", "replace").strip()
        except OSError as exc:
            raise _away(exc) from exc
        if marked != self.system_id:
            raise UnavailableError(public="the folder is marked for another system")

    # ------------------------------------------------------------ looking

    def listed(self, part: str) -> list[Entry]:
        """Return what lies in a part, by name; hidden names are left out."""
        try:
            with os.scandir(self.path / part) as found:
                names = sorted(e.name for e in found if not e.name.startswith("."))
        except OSError as exc:
            raise _away(exc) from exc
        entries = (self.entry(part, name) for name in names)
        return [entry for entry in entries if entry is not None]

    def names(self, part: str) -> set[str]:
        """Return the names in a part, without looking at what they name."""
        try:
            with os.scandir(self.path / part) as found:
                return {e.name for e in found if not e.name.startswith(".")}
        except OSError as exc:
            raise _away(exc) from exc

    def entry(self, part: str, name: str) -> Entry | None:
        """Return one thing, None when it is gone."""
        try:
            told = (self.path / part / name).lstat()
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise _away(exc) from exc
        return Entry(name, _kind(told.st_mode), told.st_nlink, told.st_size, _identity(told))

    def has(self, part: str, name: str) -> bool:
        """Tell whether something has this name."""
        return os.path.lexists(self.path / part / name)

    def small(self, part: str, name: str, most: int) -> bytes | None:
        """Return a small file of ours; None when it is absent, larger, or not a plain file."""
        try:
            with _opened(self.path / part / name) as file:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    return None
                data = os.read(file, most + 1)
        except OSError:
            return None
        return data if len(data) <= most else None

    def chunks(self, part: str, entry: Entry) -> Generator[bytes, None, None]:
        """Yield the bytes of the very file that was listed.

        Raises:
            ChangedError: It is another one, has another name beside this one, or changed meanwhile.
            UnreadableError: It may not be read, or its disk does not give it.
        """
        try:
            with _opened(self.path / part / entry.name) as file:
                told = os.fstat(file)
                if _identity(told) != entry.identity or not stat.S_ISREG(told.st_mode):
                    raise ChangedError
                while data := os.read(file, CHUNK):
                    yield data
                if _identity(os.fstat(file)) != entry.identity:
                    raise ChangedError
        except FileNotFoundError as exc:
            raise ChangedError from exc
        except OSError as exc:
            raise UnreadableError from exc

    # ------------------------------------------------------------ writing

    def write(self, part: str, name: str, data: bytes) -> None:
        """Put a file down: whole, durable, under its name, or not at all."""
        target = self.path / part
        between = target.parent / "tmp" if part != "following" else self.path / "in/tmp"
        temporary = between / f".{secrets.token_hex(8)}"
        try:
            _new_file(temporary, (data,))
            temporary.rename(target / name)
            _sync(target)
        except OSError as exc:
            with suppress(OSError):
                temporary.unlink()
            raise _away(exc) from exc

    def move(self, part: str, name: str, to_part: str, to_name: str) -> None:
        """Move something, whatever it is, without opening it."""
        source, target = self.path / part / name, self.path / to_part / to_name
        try:
            if _in_the_way(source, target):
                target = target.with_name(f"{to_name}.{secrets.token_hex(6)}")
            source.rename(target)
            _sync(self.path / to_part)
            _sync(self.path / part)
        except FileNotFoundError:
            return  # the agency took it away: as good as moved
        except OSError as exc:
            raise _away(exc) from exc

    def forget(self, part: str, name: str) -> None:
        """Remove a note of our own."""
        with suppress(FileNotFoundError):
            (self.path / part / name).unlink()

    def is_ticked(self, name: str) -> bool:
        """Tell whether a folder in `in/cur` bears our mark that it was heard of."""
        return os.path.lexists(self.path / IN_CUR / name / TICK)

    def tick(self, name: str) -> None:
        """Leave our mark in a folder in `in/cur`; one we may not write to is heard of again."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            place = os.open(self.path / IN_CUR / name, os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            return
        try:
            with suppress(OSError):
                os.close(os.open(TICK, flags, _FILE_MODE, dir_fd=place))
        finally:
            os.close(place)

    def begin(self, name: str) -> "Bundle":
        """Begin a folder that will lie in `in/new`; what an earlier try left of it is removed."""
        temporary = self.path / "in/tmp" / name
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(mode=0o700)
        except OSError as exc:
            raise _away(exc) from exc
        return Bundle(temporary, self.path / IN_NEW / name)


class Bundle:
    """A folder being made for the agency; nothing of it is seen before `finish`."""

    def __init__(self, temporary: Path, target: Path) -> None:
        self._temporary = temporary
        self._target = target

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one file, durably."""
        try:
            _new_file(self._temporary / name, chunks)
        except OSError as exc:
            raise _away(exc) from exc

    def open(self, name: str) -> tuple[Callable[[bytes], None], Callable[[], None]]:
        """Return how to append to one file, and how to end it durably."""
        try:
            file = _created(self._temporary / name)
        except OSError as exc:
            raise _away(exc) from exc

        def append(data: bytes) -> None:
            try:
                _write_all(file, data)
            except OSError as exc:
                raise _away(exc) from exc

        def end() -> None:
            try:
                os.fsync(file)
            except OSError as exc:
                raise _away(exc) from exc
            finally:
                os.close(file)

        return append, end

    def finish(self) -> None:
        """Give it its name; last of all."""
        try:
            # mkdir obeys the umask; the agency's group must be able to move it.
            self._temporary.chmod(_FOLDER_MODE)
            _sync(self._temporary)
            self._temporary.rename(self._target)
            _sync(self._target.parent)
        except OSError as exc:
            raise _away(exc) from exc


def make(path: Path, system_id: str, group: int | None, owner: int | None = None) -> None:
    """Make a spool folder, or give one that is there its parts and rights; safe to repeat.

    The root and its halves belong to the gateway: nobody else can swap a part for a link.

    Args:
        path: Where.
        system_id: Whose it is.
        group: Number of the group that the agency's software is in, None for our own.
        owner: Number of the gateway's user, None for our own.
    """
    who = (-1 if owner is None else owner, -1 if group is None else group)

    path.mkdir(parents=True, exist_ok=True)
    for part in ("", "out", "in", *OWN, *SHARED):
        place = path / part
        place.mkdir(exist_ok=True)
        os.chown(place, *who)
        if part in OWN:
            place.chmod(0o2700)
        else:
            place.chmod(_FOLDER_MODE if part in SHARED else 0o2750)
    marker = path / MARKER
    marker.write_text(f"{system_id}\n", encoding="utf-8")
    marker.chmod(0o640)
    os.chown(marker, *who)


# ---------------------------------------------------------------- pieces


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    # Not blocking: whoever puts a pipe there would hold us for ever.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)


def _created(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(path, flags, _FILE_MODE)
    os.fchmod(file, _FILE_MODE)  # whatever the umask: the agency's group must read it
    return file


def _new_file(path: Path, chunks: Iterable[bytes]) -> None:
    file = _created(path)
    try:
        for chunk in chunks:
            _write_all(file, chunk)
        os.fsync(file)
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _in_the_way(source: Path, target: Path) -> bool:
    """Tell whether a move would replace something that is not another copy of the same file."""
    try:
        there = target.lstat()
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(there.st_mode) and stat.S_ISREG(source.lstat().st_mode))


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "folder"
    return "link" if stat.S_ISLNK(mode) else "other"


def _identity(told: os.stat_result) -> tuple[int, ...]:
    return (
        told.st_dev,
        told.st_ino,
        told.st_size,
        told.st_mtime_ns,
        told.st_nlink,
    )


def _away(exc: OSError) -> UnavailableError:
    return UnavailableError(public=f"the folder cannot be used: {exc.strerror or 'error'}")
