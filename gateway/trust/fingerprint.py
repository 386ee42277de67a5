"""The identity of a trust directory: cheap to ask, without parsing a certificate.

Promises: the same contents under any names give the same fingerprint; a touched file gives another
stamp. Reads only; imports nothing heavy.
"""

import hashlib
from pathlib import Path
from typing import Final

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_FILES: Final = 2000
_PASSED_OVER: Final = frozenset({".md", ".txt", ".toml", ".json", ".csv"})


def fingerprint(directory: Path) -> str:
    """Return `TrustStore.load(directory).sha256` without parsing anything."""
    try:
        paths = trust_files(directory)
    except OSError:
        return hash_of([])
    contents = (file_bytes(path) for path in paths)
    return hash_of([hashlib.sha256(data).digest() for data in contents if data is not None])


def stamp(directory: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return names, inodes, sizes and change times: equal stamps mean nothing was touched."""
    try:
        stats = ((path.name, path.stat()) for path in trust_files(directory))
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
