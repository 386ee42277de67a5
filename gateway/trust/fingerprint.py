"""The identity of a trust directory: cheap to ask, without parsing a certificate.

Promises: the same contents under any names give the same fingerprint; a touched file gives another
stamp. Reads only; imports nothing heavy.
"""

import hashlib
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_FILES: Final = 2000
CONTROL_FILES: Final = ("policy.toml", "trust-list.toml")
"""Files that say how the certificates beside them are used; part of the fingerprint."""
_PASSED_OVER: Final = frozenset({".md", ".txt", ".toml", ".json", ".jsonl", ".csv"})


def fingerprint(directory: Path) -> str:
    """Return `TrustStore.load(directory).sha256` without parsing anything."""
    try:
        paths = trust_files(directory)
    except OSError:
        return hash_of([])
    contents = (file_bytes(path) for path in paths)
    digests = [hashlib.sha256(data).digest() for data in contents if data is not None]
    return hash_of([*digests, *control_digests(control_files(directory))])


def stamp(directory: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return names, inodes, sizes and change times: equal stamps mean nothing was touched."""
    try:
        control = [directory / name for name in CONTROL_FILES]
        paths = [*trust_files(directory), *(path for path in control if path.exists())]
        stats = ((path.name, path.stat()) for path in paths)
        return tuple((name, s.st_ino, s.st_size, s.st_mtime_ns) for name, s in stats)
    except OSError:
        return ()


def trust_files(directory: Path) -> list[Path]:
    """Return the files of a trust directory that are read, by name; OSError when it cannot be."""
    found = sorted(
        path
        for path in directory.iterdir()
        if not path.name.startswith(".")
        and path.suffix.lower() not in _PASSED_OVER
        and path.is_file()
    )
    return found[:MAX_FILES]


def control_files(directory: Path) -> dict[str, bytes | None]:
    """Return the control files there are, by name; None for one that cannot be read."""
    found: dict[str, bytes | None] = {}
    for name in CONTROL_FILES:
        path = directory / name
        try:
            present = path.is_symlink() or path.exists()
        except OSError:
            present = True  # it cannot even be asked about: then it is not known to be absent
        if present:
            found[name] = file_bytes(path)
    return found


def control_digests(contents: dict[str, bytes | None]) -> list[bytes]:
    """Return what the control files add to the fingerprint; their names count."""
    return [
        hashlib.sha256(name.encode() + b"\0" + (b"unreadable" if data is None else data)).digest()
        for name, data in contents.items()
    ]


def file_bytes(path: Path) -> bytes | None:
    """Return a trust file's bytes, None when it cannot be read or is too large."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            return None
        return path.read_bytes()
    except OSError:
        return None


def hash_of(digests: list[bytes]) -> str:
    """Return the hash over the digests of all files, in any order, copies once."""
    return hashlib.sha256(b"".join(sorted(set(digests)))).hexdigest()
