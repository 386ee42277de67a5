"""The form of a backup folder, and reading one. Values and small readers; nothing is changed here.

    DIR/                              a target: any number of backups share its pool
        pool/ab/abcd…                 bytes by SHA-256, once however many backups name them
        20261122T061413.123456Z-1f2e3d/  one backup; named only when everything is durable
            manifest.json             what it is; hashes of the three files below
            manifest.jws              the receipt key's signature over the manifest's SHA-256
            ledger.jsonl.gz           every row of every table, as one moment saw them
            blobs.list                `sha256 size` of each blob the ledger names, ascending
            files.list                trust, evidence, revocation and settings: names and hashes
        .20261122T061413.123456Z-….part/ one that was not finished: never taken for a backup

Keys are never in it: the manifest only says which are needed.
"""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway.errors import IntegrityError

FORMAT: Final = 1
TYP_BACKUP: Final = "vanlien-backup+jwt"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.jws"
LEDGER: Final = "ledger.jsonl.gz"
BLOBS: Final = "blobs.list"
FILES: Final = "files.list"
PARTS: Final = (LEDGER, BLOBS, FILES)
POOL: Final = "pool"
CHUNK: Final = 1 << 20

_NAME: Final = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}")
_SHA: Final = re.compile(r"[0-9a-f]{64}")
_KINDS: Final[Mapping[str, type]] = {
    **dict.fromkeys(("gateway", "program", "made_at", "revision"), str),
    **dict.fromkeys(("rows", "log", "keys_needed", "receipt_key"), dict),
    **dict.fromkeys(("missing", "left_out"), list),
    "blobs": int,
}
_MAX_MANIFEST: Final = 16 << 20
_MAX_LINE: Final = 64 << 20


class DamagedBackupError(IntegrityError):
    """A backup is not what its manifest says.

    Args:
        file: The damaged file, relative to the target folder.
        vi: What is wrong with it, Vietnamese.
        en: The same in English.
    """

    def __init__(self, file: str, vi: str, en: str) -> None:
        super().__init__(f"{file}: {vi} / {en}")
        self.file, self.vi, self.en = file, vi, en


@dataclass(frozen=True, slots=True)
class Kept:
    """One file in a backup: which folder of the gateway, its path there, its bytes."""

    root: str
    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Backup:
    """One finished backup."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Return its name."""
        return self.folder.name

    @property
    def made_at(self) -> str:
        """Return the moment it shows (ISO 8601)."""
        return str(self.manifest["made_at"])

    def pooled(self, sha256: str) -> Path:
        """Return where bytes lie."""
        return pooled(self.folder.parent, sha256)


def pooled(target: Path, sha256: str) -> Path:
    """Return where a target keeps bytes."""
    return target / POOL / sha256[:2] / sha256


def finished(target: Path) -> list[Backup]:
    """Return the finished backups of a target, oldest first; unreadable ones are left out."""
    found = []
    for folder in sorted(target.iterdir()) if target.is_dir() else ():
        if _NAME.fullmatch(folder.name):
            try:
                found.append(read(folder))
            except DamagedBackupError:
                continue
    return found


def broken(target: Path) -> list[str]:
    """Return the names of finished backups that cannot be read, or not now.

    What they name is not known, so nothing in the pool may be taken for unneeded while there are
    any: a disk that fails to answer once must not cost a good backup its bytes.
    """
    names = (f.name for f in target.iterdir() if _NAME.fullmatch(f.name))
    return sorted({*names} - {backup.id for backup in finished(target) if intact(backup)})


def intact(backup: Backup) -> bool:
    """Tell whether the lists of what a backup names are what its manifest says."""
    told = backup.manifest["parts"]
    try:
        found = {name: hashed(backup.folder / name) for name in (BLOBS, FILES)}
    except OSError:
        return False
    return all(
        (told[name]["sha256"], told[name]["size_bytes"]) == said for name, said in found.items()
    )


def chosen(folder: Path) -> Backup:
    """Return the backup a folder is, or the newest in the target it is.

    Raises:
        DamagedBackupError: There is none, or its manifest cannot be read.
    """
    if (folder / MANIFEST).is_file():
        return read(folder.resolve())
    names = (
        sorted(f for f in folder.iterdir() if _NAME.fullmatch(f.name)) if folder.is_dir() else []
    )
    if not names:
        raise DamagedBackupError(
            str(folder), "không có bản sao lưu hoàn chỉnh nào", "there is no finished backup"
        )
    return read(names[-1].resolve())


def read(folder: Path) -> Backup:
    """Read a backup's manifest.

    Raises:
        DamagedBackupError: It cannot be read.
    """
    name = f"{folder.name}/{MANIFEST}"
    try:
        with (folder / MANIFEST).open("rb") as file:
            manifest = json.loads(file.read(_MAX_MANIFEST))
        parts = manifest["parts"]
        good = manifest["format"] == FORMAT and all(
            isinstance(parts[p]["size_bytes"], int) and _SHA.fullmatch(parts[p]["sha256"])
            for p in PARTS
        )
        good = good and all(isinstance(manifest[key], kind) for key, kind in _KINDS.items())
        good = good and datetime.fromisoformat(manifest["made_at"]).tzinfo is not None
        log = manifest["log"]
        head = log["head"]
        good = good and isinstance(log["size"], int) and isinstance(head, dict)
        good = good and isinstance(manifest.get("gone", []), list)
        good = good and (not head or isinstance(head["size"], int))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DamagedBackupError(name, "không đọc được", "cannot be read") from exc
    if not good:
        raise DamagedBackupError(name, "không phải dạng đã biết", "is not of a known form")
    return Backup(folder, manifest)


def hashed(path: Path) -> tuple[str, int]:
    """Return SHA-256 and size of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(CHUNK):
            digest.update(data)
            size += len(data)
    return digest.hexdigest(), size


# ---------------------------------------------------------------- the parts


def blobs_of(backup: Backup) -> Iterator[tuple[str, int]]:
    """Yield name and size of each blob, by name."""
    try:
        with (backup.folder / BLOBS).open(encoding="ascii") as lines:
            for line in lines:
                name, _, size = line.rstrip("\n").partition(" ")
                if not _SHA.fullmatch(name):
                    raise ValueError(line)  # noqa: TRY301 - one way out
                yield name, int(size)
    except (OSError, ValueError) as exc:
        raise DamagedBackupError(f"{backup.id}/{BLOBS}", "bị hỏng", "is damaged") from exc


def files_of(backup: Backup) -> Iterator[Kept]:
    """Yield the kept files."""
    try:
        with (backup.folder / FILES).open(encoding="utf-8") as lines:
            for line in lines:
                root, path, sha256, size = json.loads(line)
                if (
                    not _SHA.fullmatch(sha256)
                    or Path(path).is_absolute()
                    or ".." in Path(path).parts
                ):
                    raise ValueError(line)  # noqa: TRY301 - one way out
                yield Kept(root, path, sha256, int(size))
    except (OSError, ValueError, TypeError) as exc:
        raise DamagedBackupError(f"{backup.id}/{FILES}", "bị hỏng", "is damaged") from exc


@dataclass(frozen=True, slots=True)
class TableRows:
    """The rows of one table; they must be read before the next table is asked for."""

    name: str
    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


def tables_of(backup: Backup) -> Iterator[TableRows]:
    """Yield every table with its rows, in an order in which they can be inserted.

    Raises:
        DamagedBackupError: The file ends early or holds what we never write.
    """
    try:
        with gzip.open(backup.folder / LEDGER, "rt", encoding="utf-8", newline="\n") as lines:
            reader = _Lines(lines)
            while (head := reader.next()) is not None:
                yield TableRows(head["table"], tuple(head["columns"]), reader.rows())
                reader.skip()
    except (OSError, EOFError, ValueError, KeyError, TypeError) as exc:
        raise DamagedBackupError(f"{backup.id}/{LEDGER}", "bị hỏng", "is damaged") from exc


class _Lines:
    """Lines of the ledger file: an object begins a table, an array is a row."""

    def __init__(self, lines: Any) -> None:
        self._lines = lines
        self._head: dict[str, Any] | None = None

    def _read(self) -> Any:
        line = self._lines.readline(_MAX_LINE)
        return json.loads(line) if line else None

    def next(self) -> dict[str, Any] | None:
        head, self._head = self._head, None
        found = self._read() if head is None else head
        if found is not None and not isinstance(found, dict):
            raise ValueError("a row without its table")
        return found

    def rows(self) -> Iterator[Sequence[Any]]:
        while True:
            found = self._read()
            if isinstance(found, list):
                yield found
                continue
            self._head = found
            return

    def skip(self) -> None:
        """Go to the next table when nobody read this one to its end."""
        while self._head is None:
            found = self._read()
            if found is None:
                return
            if isinstance(found, dict):
                self._head = found
