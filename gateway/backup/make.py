"""Making a backup beside running servers: one moment of the ledger, and every byte it names.

Promises: the ledger's rows are those of one read transaction; a blob is copied only when its bytes
match its name; what an earlier finished backup of the target holds is not copied again; the backup
gets its name only after everything is on disk, so a half-made one is never taken for a good one.
Keys are never copied. A target that fails leaves the others alone. Gateways may share a target:
each removes its own older backups only, and no bytes while any backup there cannot be read. A crash
leaves a `.part` folder, which the next run removes, and bytes in the pool that no finished backup
names.

1. the ledger's rows and the names of its blobs, in one read transaction
2. blobs that no finished backup of this target holds
3. files: trust, evidence, revocation, settings
4. manifest, signature, everything to disk, the name
5. older backups beyond the number kept, and bytes that none of the others names
"""

import contextlib
import ctypes
import fcntl
import gzip
import hashlib
import heapq
import json
import os
import re
import secrets
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from gateway import faults
from gateway.backup import form
from gateway.errors import GatewayError, IntegrityError, RejectedError, UnavailableError
from gateway.ports import Blobs
from gateway.receipts.proof import compact
from gateway.receipts.sign import ReceiptKey, public_pem
from gateway.store import revisions
from gateway.store.places import Place
from gateway.store.schema import metadata
from gateway.store.session import Session, session

_PRIVATE: Final = b"PRIVATE KEY-----"
_PASSWORD: Final = re.compile(r"(://[^:/@\s\"']*):[^/\s\"']*@")
_KEY_NAMES: Final = (".key", ".p12", ".pfx", ".jks", ".p8", ".pin")
_LEVEL: Final = 3
_TOLD_EVERY: Final = 1000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """What is backed up.

    Args:
        code: Code of the gateway.
        program: Version of the program.
        place: Where the ledger is.
        blobs: The blobs.
        key: Signs the manifest.
        roots: Folders of files by name: trust, evidence, revocation.
        settings: The settings file; None when it is not known.
        keys: Files that must never be copied, by the setting that names them.
    """

    code: str
    program: str
    place: Place
    blobs: Blobs
    key: ReceiptKey
    roots: Mapping[str, Path]
    settings: Path | None
    keys: Mapping[str, Path]


@dataclass(slots=True)
class Made:
    """What became of one target.

    Args:
        target: Its folder.
        id: Name of the backup; "" when none was made.
        blobs: Blobs the backup names.
        copied: Of these and of the files, how many had to be copied.
        copied_bytes: Their bytes.
        missing: Blobs the ledger names and nobody has, or only damaged.
        gone: Blobs that retention or a purge took away while the backup was being made.
        damaged: Finished backups of the target that cannot be read, or whose lists were changed.
        left_out: Files that look like private keys.
        removed: Older backups that were removed.
        vi: Why it failed, Vietnamese; "" when it did not.
        en: The same in English.
    """

    target: Path
    id: str = ""
    blobs: int = 0
    copied: int = 0
    copied_bytes: int = 0
    missing: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    vi: str = ""
    en: str = ""

    @property
    def good(self) -> bool:
        """Tell whether a backup was made and lacks nothing."""
        return bool(self.id) and not self.missing


def make(
    source: Source,
    targets: Sequence[Path],
    *,
    keep: int,
    now: Callable[[], datetime],
    progress: Progress = lambda _what, _done, _all: None,
) -> list[Made]:
    """Make one backup in each target; what is wrong with one does not stop the others."""
    found = []
    for target in targets:
        made = Made(target)
        found.append(made)
        try:
            _to(source, made, keep=keep, now=now, progress=progress)
        except OSError as exc:
            where = exc.strerror or type(exc).__name__
            made.vi, made.en = f"không ghi được: {where}", f"cannot be written: {where}"
        except GatewayError as exc:
            made.vi, made.en = f"không đọc được: {exc.public}", f"cannot be read: {exc.public}"
    return found


def _to(
    source: Source, made: Made, *, keep: int, now: Callable[[], datetime], progress: Progress
) -> None:
    target = made.target
    if not target.is_dir():
        # A disk that is not mounted must not be taken for an empty folder of this machine.
        raise UnavailableError(public=f"there is no folder {target}")
    with _alone(target):
        for left in target.glob(".*.part"):
            shutil.rmtree(left)
        for left in (target / form.POOL).glob(".*.part"):
            left.unlink()
        at = now().astimezone(UTC)
        name = f"{at:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
        part = target / f".{name}.part"
        part.mkdir(mode=0o700)
        try:
            with _everything_synced(part):
                _fill(source, made, part, at, progress)
            faults.reach("backup.before-rename")
            part.rename(target / name)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        made.id = name
        _sync(target)
        faults.reach("backup.after-rename")
        made.damaged = form.broken(target)
        made.removed = prune(target, keep, newest=name)


def _fill(source: Source, made: Made, part: Path, at: datetime, progress: Progress) -> None:
    target = made.target
    before = [backup for backup in form.finished(target) if form.intact(backup)]
    with tempfile.TemporaryDirectory(dir=part) as work:
        names = Path(work) / "names"
        facts = _ledger(source, part / form.LEDGER, names, progress)
        faults.reach("backup.after-ledger")
        _blobs(source, made, names, part / form.BLOBS, before, progress)
        _still_named(source, made)
        _files(source, made, part / form.FILES, before)
    parts = {}
    for name in form.PARTS:
        sha256, size = form.hashed(part / name)
        parts[name] = {"sha256": sha256, "size_bytes": size}
    manifest = {
        "format": form.FORMAT,
        "gateway": source.code,
        "program": source.program,
        "made_at": at.isoformat(timespec="microseconds"),
        "revision": revisions.HEAD,
        "parts": parts,
        "blobs": made.blobs,
        "missing": made.missing,
        "gone": made.gone,
        "left_out": made.left_out,
        "keys_needed": {setting: path.name for setting, path in sorted(source.keys.items())},
        "receipt_key": {"kid": source.key.kid, "public": public_pem(source.key)},
        **facts,
    }
    data = compact(manifest).encode()
    (part / form.MANIFEST).write_bytes(data)
    claims = {"backup": part.name[1 : -len(".part")], "sha256": hashlib.sha256(data).hexdigest()}
    (part / form.SIGNATURE).write_text(source.key.sign(form.TYP_BACKUP, claims), encoding="ascii")
    for name in (*form.PARTS, form.MANIFEST, form.SIGNATURE):
        _sync(part / name)
    _sync(part)


# ---------------------------------------------------------------- (1) the ledger


def _ledger(source: Source, path: Path, names: Path, progress: Progress) -> dict[str, Any]:
    """Write every row; return what the manifest says of it."""
    with (
        session(source.place, purpose="backup", read_only=True) as opened,
        opened.reading(),
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as out,
        names.open("w", encoding="ascii") as named,
    ):
        rows = {}
        for table in metadata.sorted_tables:
            columns = [column.name for column in table.columns]
            out.write(compact({"table": table.name, "columns": columns}).encode() + b"\n")
            rows[table.name] = _table(opened, table.name, columns, out)
            progress("ledger", len(rows), len(metadata.sorted_tables))
        for (name,) in opened.values("SELECT DISTINCT sha256 FROM blob_ref ORDER BY sha256"):
            named.write(f"{name}\n")
        return {"rows": rows, "log": _log(opened)}


def _table(opened: Session, table: str, columns: Sequence[str], out: gzip.GzipFile) -> int:
    key = ", ".join(f'"{c.name}"' for c in metadata.tables[table].primary_key.columns)
    named = ", ".join(f'"{column}"' for column in columns)
    sql = f'SELECT {named} FROM "{table}" ORDER BY {key}'  # noqa: S608 - names of the schema
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    count = 0
    for row in opened.values(sql):
        out.write(encode(list(row)).encode("utf-8", "surrogatepass") + b"\n")
        count += 1
    return count


def _log(opened: Session) -> dict[str, Any]:
    """Return how long the receipt log is, its last chain hash and its newest signed head."""
    end = opened.row(
        "SELECT idx, chain_hash FROM receipt_entry WHERE idx IS NOT NULL ORDER BY idx DESC LIMIT 1"
    )
    head = opened.row("SELECT size, root, jws FROM tree_head ORDER BY size DESC LIMIT 1")
    return {
        "size": 0 if end is None else end["idx"] + 1,
        "chain_hash": "" if end is None else end["chain_hash"],
        "head": {} if head is None else dict(head),
    }


# ---------------------------------------------------------------- (2) blobs


def _blobs(  # noqa: PLR0917 - one step of one procedure
    source: Source,
    made: Made,
    names: Path,
    path: Path,
    before: Sequence[form.Backup],
    progress: Progress,
) -> None:
    """Copy what the pool does not surely hold, and write the list."""
    with names.open(encoding="ascii") as lines:
        total = sum(1 for _ in lines)
    known = _Known(before)
    with names.open(encoding="ascii") as lines, path.open("w", encoding="ascii") as out:
        for done, line in enumerate(lines, 1):
            name = line.rstrip("\n")
            size = known.size(name)
            if size is None or not _has(made.target, name, size):
                size = _copy_blob(source.blobs, made, name)
            if size is None:
                made.missing.append(name)
            else:
                out.write(f"{name} {size}\n")
                made.blobs += 1
            if done % _TOLD_EVERY == 0 or done == total:
                progress("blobs", done, total)


def _still_named(source: Source, made: Made) -> None:
    """Tell what is missing from what was let go of, on purpose, since the ledger was read."""
    if not made.missing:
        return
    with session(source.place, purpose="backup", read_only=True) as opened, opened.reading():
        sql = "SELECT 1 AS n FROM blob_ref WHERE sha256 = ? LIMIT 1"
        made.gone = [name for name in made.missing if opened.row(sql, (name,)) is None]
    made.missing = sorted({*made.missing} - {*made.gone})


class _Known:
    """Blobs of finished backups: two ascending lists walked side by side, whatever their length."""

    def __init__(self, backups: Sequence[form.Backup]) -> None:
        self._names = heapq.merge(*(form.blobs_of(backup) for backup in backups))
        self._last: tuple[str, int] | None = ("", 0)

    def size(self, name: str) -> int | None:
        """Return the size of a blob that is known; names must be asked in ascending order."""
        while self._last is not None and self._last[0] < name:
            self._last = next(self._names, None)
        return self._last[1] if self._last is not None and self._last[0] == name else None


def _has(target: Path, sha256: str, size: int) -> bool:
    try:
        return form.pooled(target, sha256).stat().st_size == size
    except FileNotFoundError:
        return False


def _copy_blob(blobs: Blobs, made: Made, name: str) -> int | None:
    """Copy one blob; None when nobody has it whole."""
    try:
        return _pool(made, blobs.chunks(name), name)[1]
    except (RejectedError, IntegrityError):
        return None


def _pool(made: Made, chunks: Iterator[bytes] | Any, name: str = "") -> tuple[str, int]:
    """Put bytes into the pool; IntegrityError when they are not what `name` says."""
    pool = made.target / form.POOL
    pool.mkdir(mode=0o700, exist_ok=True)
    part = pool / f".{secrets.token_hex(8)}.part"
    digest, size = hashlib.sha256(), 0
    try:
        with part.open("xb") as out:
            for data in chunks:
                out.write(data)
                digest.update(data)
                size += len(data)
        sha256 = digest.hexdigest()
        if name and sha256 != name:
            raise IntegrityError(f"the blob {name} is damaged")  # noqa: TRY301 - one way out
        path = form.pooled(made.target, sha256)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    made.copied += 1
    made.copied_bytes += size
    return sha256, size


# ---------------------------------------------------------------- (3) files


def _files(source: Source, made: Made, path: Path, before: Sequence[form.Backup]) -> None:
    known = {(k.sha256, k.size_bytes) for backup in before for k in form.files_of(backup)}
    secret = {_inode(key) for key in source.keys.values()} - {None}
    with path.open("w", encoding="utf-8") as out:

        def keep(root: str, name: str, sha256: str, size: int) -> None:
            out.write(compact([root, name, sha256, size]) + "\n")

        for root, folder in sorted(source.roots.items()):
            for file in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()):
                name = file.relative_to(folder).as_posix()
                if file.name.endswith(("-wal", "-shm", ".part")):
                    continue
                try:
                    if _inode(file) in secret or _is_private(file):
                        made.left_out.append(f"{root}/{name}")
                        continue
                    with _still(file) as still:
                        sha256, size = form.hashed(still)
                        if (sha256, size) not in known or not _has(made.target, sha256, size):
                            with still.open("rb") as bytes_of:
                                sha256, size = _pool(
                                    made, iter(lambda: bytes_of.read(form.CHUNK), b"")
                                )
                except FileNotFoundError:
                    continue  # gone since the folder was read
                keep(root, name, sha256, size)
        if source.settings is not None:
            text = _PASSWORD.sub(r"\1:***@", source.settings.read_text(encoding="utf-8"))
            keep("settings", source.settings.name, *_pool(made, iter((text.encode(),))))


@contextlib.contextmanager
def _still(file: Path) -> Iterator[Path]:
    """Lend a file that nobody changes: a database as a copy of one moment."""
    if file.suffix != ".sqlite":
        yield file
        return
    with tempfile.TemporaryDirectory() as work:
        copy = Path(work) / file.name
        try:
            with (
                contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as live,
                contextlib.closing(sqlite3.connect(copy)) as out,
            ):
                live.backup(out)
        except sqlite3.Error as exc:
            raise UnavailableError(public=f"{file} cannot be read: {exc}") from exc
        yield copy


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_private(path: Path) -> bool:
    if path.suffix.lower() in _KEY_NAMES:
        return True
    with path.open("rb") as file:
        return _PRIVATE in file.read(form.CHUNK)


# ---------------------------------------------------------------- (5) what is kept


def prune(target: Path, keep: int, *, newest: str) -> list[str]:
    """Remove all but `keep` backups of the gateway that made `newest`, and bytes nobody names.

    Never the one just made, which a clock that was set back makes look older than the others, and
    never the last one that lacks nothing. Other gateways' backups are theirs to remove.
    """
    everybody = form.finished(target)
    own = next((b.manifest["gateway"] for b in everybody if b.id == newest), None)
    backups = sorted(
        (backup for backup in everybody if backup.manifest["gateway"] == own),
        key=lambda backup: (backup.id == newest, backup.id),
    )
    whole = [b.id for b in backups if not b.manifest["missing"] and form.intact(b)]
    old = [backup for backup in backups[: -max(keep, 1)] if backup.id not in whole[-1:]]
    for backup in old:
        # Out of sight at once: a crash in the middle leaves no half of a backup under its name.
        gone = target / f".{backup.id}.part"
        backup.folder.rename(gone)
        shutil.rmtree(gone)
    if old and not form.broken(target):
        _forget(target, [backup for backup in everybody if backup not in old])
    return [backup.id for backup in old]


def _forget(target: Path, kept: Sequence[form.Backup]) -> None:
    files = {k.sha256 for backup in kept for k in form.files_of(backup)}
    known = _Known(kept)
    pool = target / form.POOL
    for folder in sorted(pool.iterdir()):
        if len(folder.name) != 2:
            folder.unlink()
            continue
        for file in sorted(folder.iterdir()):
            if known.size(file.name) is None and file.name not in files:
                file.unlink()


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep two runs on one target apart."""
    with (target / ".vanlien-backup.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise UnavailableError(public="another backup is being made there") from exc
        yield


@contextlib.contextmanager
def _everything_synced(folder: Path) -> Iterator[None]:
    """Bring what the block writes to the disk, thousands of small files, in one go.

    Opened before the first byte: what the disk refused later, when nobody waited for it any more,
    is told here (Linux 5.8). sync(2) would tell nothing, and would flush the disks of the ledger.

    Raises:
        OSError: The disk did not take everything.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------- keys, apart


def copy_keys(keys: Mapping[str, Path], folder: Path) -> list[str]:
    """Copy key files into a folder nobody else can read; return their names.

    Raises:
        RejectedError: The folder is open to others, or not empty of something else.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        raise PermissionError(13, "readable by others: chmod 700", str(folder))
    copied = []
    for setting, path in sorted(keys.items()):
        if path.is_file():
            out = folder / f"{setting}--{path.name}"
            part = out.with_name(f".{out.name}.part")
            part.unlink(missing_ok=True)
            _write_private(part, path)
            part.replace(out)
            copied.append(out.name)
    _sync(folder)
    return copied


def _write_private(out: Path, path: Path) -> None:
    descriptor = os.open(out, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    file: BinaryIO
    with os.fdopen(descriptor, "wb") as file:
        file.write(path.read_bytes())
        file.flush()
        os.fsync(file.fileno())
