"""Trust states kept for ever: what was trusted when a report was made, to make it again.

A state is a trust folder and the revocation store as it stood. The folder is copied; the store only
ever grows and can be asked as of any earlier identity, so a state names that identity and nothing
of it is copied. Promises: a state is durable (objects, folder, state, each fsynced) before `keep`
says so; objects are named by the SHA-256 of their bytes and written once; what is laid out again
has the very identity the reports name, or an error says what is missing or changed. Nothing is ever
removed here. A crash leaves at most objects that no state names, which the next one uses.

    evidence/objects/ab/abcd…         one file of a trust folder
    evidence/folders/<sha256>.json    one trust folder: names, kinds and digests of its files
    evidence/states/ab/<trust>.json   one state: folder, identity of the store, engine versions
"""

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import re
import secrets
import sqlite3
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway import __version__
from gateway.errors import IntegrityError, UnavailableError
from gateway.trust.fingerprint import (
    CONTROL_FILES,
    file_bytes,
    fingerprint,
    stamp,
    trust_files,
)
from gateway.verifier.trusted import combined

if TYPE_CHECKING:
    from gateway.trust.anchors import TrustStore

FORMAT: Final = 1
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_INDEX: Final = "index.sqlite"
_RECENT: Final = 1000
_REMEMBERED: Final = 10_000


class SnapshotError(IntegrityError):
    """A trust state cannot be laid out again.

    Args:
        problem: `missing` (no such state, or something of it is gone) or `damaged`.
        what: The state, folder, object or identity of the revocation store, SHA-256.
    """

    def __init__(self, problem: str, what: str) -> None:
        self.problem = problem
        self.what = what
        super().__init__(f"trust state: {what} is {problem}")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of a trust folder.

    Args:
        name: In the folder.
        kind: `certificate`, `crl`, `settings` (trust list, policy) or `other`.
        sha256: Of its bytes.
        size_bytes: Of it.
    """

    name: str
    kind: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One trust state, as it was.

    Args:
        trust_sha256: Its identity, as reports name it.
        folder: Identity of the trust folder alone.
        revocation: Identity of the revocation store, "" for an empty one.
        files: Of the folder, by name.
        engine: Program and library versions of whoever kept it.
    """

    trust_sha256: str
    folder: str
    revocation: str
    files: tuple[KeptFile, ...]
    engine: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that hold a state laid out again; they go with the block they were made for.

    Args:
        trust_dir: The trust folder.
        revocation_dir: The revocation store, None when the state had none.
        revocation: As of which identity it is to be asked.
    """

    trust_dir: Path
    revocation_dir: Path | None = None
    revocation: str = ""


def engine_versions() -> dict[str, str]:
    """Return the versions a report may depend on."""
    libraries = ("pyHanko", "pyhanko-certvalidator", "cryptography", "asn1crypto", "lxml")
    return {
        "vanlien": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


# ---------------------------------------------------------------- taking


def take(trust_dir: Path, revocation_dir: Path | None, into: Path) -> str:
    """Keep the present trust state; return its identity. Blocking; durable on return.

    Args:
        trust_dir: Certificates, lists, trust list and policy.
        revocation_dir: The revocation store, None for none.
        into: The evidence folder; made when missing.

    Raises:
        UnavailableError: The evidence folder cannot be written.
    """
    with _writing(into):
        folder = _take_folder(trust_dir, into)
        recent = _identities(revocation_dir)
        return _take_state(folder, recent[0] if recent else "", into)


@contextlib.contextmanager
def _writing(into: Path) -> Iterator[None]:
    try:
        for part in (into, *(into / name for name in ("objects", "folders", "states"))):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield
    except OSError as exc:
        raise UnavailableError(
            public=f"trust states cannot be kept in {into.name}: {exc.strerror}"
        ) from exc


def _take_folder(trust_dir: Path, into: Path) -> str:
    files = [
        KeptFile(name, _kind(name, data), _put(into, data), len(data))
        for name, data in _contents(trust_dir)
    ]
    # What was read is what counts, not what lies there by now: identity comes from the copy.
    with _laid_out(into, files) as room:
        folder = fingerprint(room)
    rows = [
        {"name": f.name, "kind": f.kind, "sha256": f.sha256, "size_bytes": f.size_bytes}
        for f in files
    ]
    _write_once(_folder(into, folder), {"format": FORMAT, "folder": folder, "files": rows})
    return folder


def _take_state(folder: str, identity: str, into: Path) -> str:
    trust_sha256 = combined(folder, identity)
    body = {
        "format": FORMAT,
        "trust_sha256": trust_sha256,
        "folder": folder,
        "revocation": identity,
        "engine": engine_versions(),
    }
    _write_once(_state(into, trust_sha256), body)
    return trust_sha256


def _identities(revocation_dir: Path | None) -> list[str]:
    """Return the latest identities of the revocation store, newest first."""
    return _asked(revocation_dir, "SELECT identity FROM item ORDER BY id DESC LIMIT ?", _RECENT)


def _asked(revocation_dir: Path | None, question: str, value: object) -> list[str]:
    if revocation_dir is None or not (revocation_dir / _INDEX).is_file():
        return []
    uri = f"{(revocation_dir / _INDEX).absolute().as_uri()}?mode=ro"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=15)) as connection:
            return [str(row[0]) for row in connection.execute(question, (value,))]
    except sqlite3.Error:
        return []


def _contents(trust_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what counts of a trust folder: certificates, lists, trust list and policy."""
    try:
        paths = trust_files(trust_dir)
    except OSError:
        return  # no folder is a state too: nobody is trusted
    for path in (*paths, *(trust_dir / name for name in CONTROL_FILES)):
        data = file_bytes(path)
        if data is not None:
            yield path.name, data


def _put(into: Path, data: bytes) -> str:
    """Write one object unless it is there."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = _object(into, sha256)
    if not path.exists():
        _in_folder(path)
        _write(path, data)
    return sha256


def _object(into: Path, sha256: str) -> Path:
    return into / "objects" / sha256[:2] / sha256


def _folder(into: Path, folder: str) -> Path:
    return into / "folders" / f"{folder}.json"


def _state(into: Path, trust_sha256: str) -> Path:
    return into / "states" / trust_sha256[:2] / f"{trust_sha256}.json"


def _write_once(path: Path, body: Mapping[str, Any]) -> None:
    if not path.exists():
        _in_folder(path)
        _write(path, json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True).encode())


def _in_folder(path: Path) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _sync(path.parent.parent)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _kind(name: str, data: bytes) -> str:
    """Return what a file is, without trusting it: a hint for people who look into the folder."""
    if name in CONTROL_FILES:
        return "settings"
    if b"-----BEGIN X509 CRL-----" in data:
        return "crl"
    if b"-----BEGIN " in data:
        return "certificate" if b"CERTIFICATE-----" in data else "other"
    from cryptography import x509

    for kind, load in (
        ("certificate", x509.load_der_x509_certificate),
        ("crl", x509.load_der_x509_crl),
    ):
        with contextlib.suppress(ValueError, TypeError, x509.InvalidVersion):
            load(data)
            return kind
    return "other"


# ---------------------------------------------------------------- giving back


def read(trust_sha256: str, source: Path) -> Manifest:
    """Return what a state is made of.

    Raises:
        SnapshotError: It is not there, or cannot be read.
    """
    state = _json(_state(source, trust_sha256), trust_sha256)
    try:
        folder, identity = state["folder"], state["revocation"]
        true = state["trust_sha256"] == trust_sha256 == combined(folder, identity)
        if not true or _HEX.fullmatch(folder) is None:
            raise SnapshotError("damaged", trust_sha256)
        files = files_of(folder, source)
        return Manifest(trust_sha256, folder, identity, files, dict(state["engine"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise SnapshotError("damaged", trust_sha256) from exc


def files_of(folder: str, source: Path) -> tuple[KeptFile, ...]:
    """Return the files of a kept trust folder.

    Raises:
        SnapshotError: It is not there, or cannot be read.
    """
    try:
        return tuple(map(_file, _json(_folder(source, folder), folder)["files"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise SnapshotError("damaged", folder) from exc


def _json(path: Path, what: str) -> dict[str, Any]:
    try:
        body = json.loads(path.read_bytes())
    except OSError as exc:
        raise SnapshotError("missing", what) from exc
    except ValueError as exc:
        raise SnapshotError("damaged", what) from exc
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise SnapshotError("damaged", what)
    return body


def _file(row: Mapping[str, Any]) -> KeptFile:
    one = KeptFile(row["name"], row["kind"], row["sha256"], row["size_bytes"])
    # A manifest is a file like others: it must not write anywhere but into its own folder.
    named = one.name == Path(one.name).name and one.name not in {"", ".", ".."}
    if not named or _HEX.fullmatch(one.sha256) is None:
        raise ValueError(one.name)
    return one


@contextlib.contextmanager
def laid_out(
    trust_sha256: str, source: Path, revocation_dir: Path | None = None
) -> Iterator[Places]:
    """Lay a state out as the folders it came from, for the length of the block.

    Args:
        trust_sha256: As a report names it.
        source: The evidence folder.
        revocation_dir: The revocation store, which only ever grows.

    Raises:
        SnapshotError: Something of it is missing, damaged, or it is not the state it says it is.
    """
    kept = read(trust_sha256, source)
    if kept.revocation and not is_known(revocation_dir, kept.revocation):
        raise SnapshotError("missing", kept.revocation)
    with folder_laid_out(kept.folder, source) as room:
        yield Places(room, revocation_dir if kept.revocation else None, kept.revocation)


@contextlib.contextmanager
def folder_laid_out(folder: str, source: Path) -> Iterator[Path]:
    """Lay a kept trust folder out, for the length of the block.

    Raises:
        SnapshotError: As `laid_out`.
    """
    files = files_of(folder, source)
    for file in files:
        try:
            data = _object(source, file.sha256).read_bytes()
        except OSError as exc:
            raise SnapshotError("missing", file.sha256) from exc
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise SnapshotError("damaged", file.sha256)
    with _laid_out(source, files) as room:
        if fingerprint(room) != folder:
            raise SnapshotError("damaged", folder)
        yield room


def is_known(revocation_dir: Path | None, identity: str) -> bool:
    """Tell whether a revocation store can be asked as of an identity."""
    return bool(_asked(revocation_dir, "SELECT 1 FROM item WHERE identity = ?", identity))


@contextlib.contextmanager
def _laid_out(source: Path, files: Sequence[KeptFile]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="vanlien-trust-") as room:
        folder = Path(room) / "trust"
        folder.mkdir()
        for file in files:
            (folder / file.name).symlink_to(_object(source.absolute(), file.sha256))
        yield folder


@contextlib.contextmanager
def restore(
    trust_sha256: str, source: Path, revocation_dir: Path | None = None
) -> "Iterator[TrustStore]":
    """Lend a state as the verdict engine takes it.

    Raises:
        SnapshotError: As `laid_out`.
    """
    from gateway.verifier.trusted import TrustDesk

    with laid_out(trust_sha256, source, revocation_dir) as places:
        desk = TrustDesk(places.trust_dir, places.revocation_dir)
        store = desk.store(trust_sha256, places.revocation)
        if store.sha256 != trust_sha256:
            raise SnapshotError("damaged", trust_sha256)
        yield store


def is_whole(trust_sha256: str, source: Path) -> bool:
    """Tell whether a state and every file of its folder are there, by name and size."""
    try:
        return _are_there(read(trust_sha256, source).files, source)
    except SnapshotError:
        return False


def _is_folder_whole(folder: str, source: Path) -> bool:
    try:
        return _are_there(files_of(folder, source), source)
    except SnapshotError:
        return False


def _are_there(files: Sequence[KeptFile], source: Path) -> bool:
    try:
        return all(_object(source, f.sha256).stat().st_size == f.size_bytes for f in files)
    except OSError:
        return False


class Snapshots:
    """Implements `ports.Evidence` over the folders a running gateway verifies with.

    Args:
        trust_dir: As the verifier has it.
        into: The evidence folder.
        revocation_dir: As the verifier has it.
    """

    def __init__(self, trust_dir: Path, into: Path, revocation_dir: Path | None = None) -> None:
        self._trust_dir = trust_dir
        self._into = into
        self._revocation_dir = revocation_dir
        self._kept: set[str] = set()
        self._stamp: object = None
        self._folder = ""
        self._lock = threading.Lock()

    async def keep(self, trust_sha256: str) -> bool:
        """Make a state durable; see `ports.Evidence`."""
        if trust_sha256 in self._kept:
            return True
        return await asyncio.to_thread(self._keep, trust_sha256)

    def _keep(self, trust_sha256: str) -> bool:
        with self._lock:
            found = trust_sha256 in self._kept or is_whole(trust_sha256, self._into)
            if not found:
                with _writing(self._into):
                    found = self._take(trust_sha256)
            if found:
                if len(self._kept) >= _REMEMBERED:
                    self._kept.clear()
                self._kept.add(trust_sha256)
            return found

    def _take(self, trust_sha256: str) -> bool:
        """Keep the folder as it is, and the state of the store that makes the one asked for."""
        now = stamp(self._trust_dir)
        if now != self._stamp or not _is_folder_whole(self._folder, self._into):
            self._folder, self._stamp = _take_folder(self._trust_dir, self._into), now
        # The store may have grown since the report was made; it can still be asked as it was.
        for identity in ("", *_identities(self._revocation_dir)):
            if combined(self._folder, identity) == trust_sha256:
                _take_state(self._folder, identity, self._into)
                return True
        return False
