"""Trust states kept for ever: what was trusted when a report was made, to make it again.

Promises: a state is durable (objects, then manifest, fsynced) before `keep` says so; objects are
named by the SHA-256 of their bytes and written once; what is laid out again has the very identity
the reports name, or an error says what is missing or changed. Nothing is ever removed here. A crash
leaves at most objects that no manifest names, which the next snapshot uses.

    evidence/objects/ab/abcd…      one file of a trust folder, or one revocation list or answer
    evidence/states/<trust>.json   names, kinds and digests of one state; engine versions
"""

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import re
import secrets
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway import __version__
from gateway.errors import IntegrityError, UnavailableError
from gateway.trust.fingerprint import CONTROL_FILES, file_bytes, fingerprint, trust_files

if TYPE_CHECKING:
    from gateway.trust.anchors import TrustStore

FORMAT: Final = 1
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_TRUST: Final = "trust"


class SnapshotError(IntegrityError):
    """A trust state cannot be laid out again.

    Args:
        problem: `missing` (no such state, or an object of it is gone) or `damaged`.
        what: The state or the object, SHA-256.
    """

    def __init__(self, problem: str, what: str) -> None:
        self.problem = problem
        self.what = what
        super().__init__(f"trust state: {what} is {problem}")


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file of a state.

    Args:
        place: Which folder it belongs to: `trust`.
        name: There.
        kind: `certificate`, `crl`, `settings` (trust list, policy) or `other`.
        sha256: Of its bytes.
        size_bytes: Of it.
    """

    place: str
    name: str
    kind: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """One trust state, as it was.

    Args:
        trust_sha256: Its identity, as reports name it.
        files: By place and name.
        engine: Program and library versions of whoever kept it.
    """

    trust_sha256: str
    files: tuple[KeptFile, ...]
    engine: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Places:
    """Folders that hold a state laid out again; they go with the block they were made for."""

    trust_dir: Path


def engine_versions() -> dict[str, str]:
    """Return the versions a report may depend on."""
    libraries = ("pyHanko", "pyhanko-certvalidator", "cryptography", "asn1crypto", "lxml")
    return {
        "vanlien": __version__,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


# ---------------------------------------------------------------- taking


def take(trust_dir: Path, into: Path) -> str:
    """Keep the present trust state; return its identity. Blocking; durable on return.

    Args:
        trust_dir: Certificates, lists, trust list and policy.
        into: The evidence folder; made when missing.

    Raises:
        UnavailableError: The folder cannot be written.
    """
    try:
        return _take(trust_dir, into)
    except OSError as exc:
        raise UnavailableError(
            public=f"trust states cannot be kept in {into.name}: {exc.strerror}"
        ) from exc


def _take(trust_dir: Path, into: Path) -> str:
    for folder in (into, into / "objects", into / "states"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = [
        KeptFile(_TRUST, name, _kind(name, data), _put(into, data), len(data))
        for name, data in _contents(trust_dir)
    ]
    # What was read is what counts, not what lies there by now: identity comes from the copy.
    with _laid_out(into, files) as places:
        trust_sha256 = fingerprint(places.trust_dir)
    manifest = into / "states" / f"{trust_sha256}.json"
    if not manifest.exists():
        body = {
            "format": FORMAT,
            "trust_sha256": trust_sha256,
            "files": [
                {
                    "place": f.place,
                    "name": f.name,
                    "kind": f.kind,
                    "sha256": f.sha256,
                    "size_bytes": f.size_bytes,
                }
                for f in files
            ],
            "engine": engine_versions(),
        }
        _write(manifest, json.dumps(body, ensure_ascii=False, indent=1, sort_keys=True).encode())
    return trust_sha256


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
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _sync(path.parent.parent)
        _write(path, data)
    return sha256


def _object(into: Path, sha256: str) -> Path:
    return into / "objects" / sha256[:2] / sha256


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
    if name.endswith((".toml", ".json")):
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
        with contextlib.suppress(ValueError, TypeError):
            load(data)
            return kind
    return "other"


# ---------------------------------------------------------------- giving back


def read(trust_sha256: str, source: Path) -> Manifest:
    """Return the manifest of a state.

    Raises:
        SnapshotError: There is none, or it cannot be read.
    """
    try:
        text = (source / "states" / f"{trust_sha256}.json").read_bytes()
    except OSError as exc:
        raise SnapshotError("missing", trust_sha256) from exc
    try:
        body = json.loads(text)
        if body["format"] != FORMAT or body["trust_sha256"] != trust_sha256:
            raise SnapshotError("damaged", trust_sha256)
        files = tuple(_file(row) for row in body["files"])
        return Manifest(trust_sha256, files, dict(body["engine"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise SnapshotError("damaged", trust_sha256) from exc


def _file(row: Mapping[str, Any]) -> KeptFile:
    one = KeptFile(row["place"], row["name"], row["kind"], row["sha256"], row["size_bytes"])
    # A manifest is a file like others: it must not write anywhere but into its own folder.
    named = one.name == Path(one.name).name and one.name not in {"", ".", ".."}
    if not named or one.place != _TRUST or _HEX.fullmatch(one.sha256) is None:
        raise ValueError(one.name)
    return one


@contextlib.contextmanager
def laid_out(trust_sha256: str, source: Path) -> Iterator[Places]:
    """Lay a state out as the folders it came from, for the length of the block.

    Raises:
        SnapshotError: Something of it is missing, damaged, or it is not the state it says it is.
    """
    manifest = read(trust_sha256, source)
    for file in manifest.files:
        try:
            data = _object(source, file.sha256).read_bytes()
        except OSError as exc:
            raise SnapshotError("missing", file.sha256) from exc
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise SnapshotError("damaged", file.sha256)
    with _laid_out(source, manifest.files) as places:
        if fingerprint(places.trust_dir) != trust_sha256:
            raise SnapshotError("damaged", trust_sha256)
        yield places


@contextlib.contextmanager
def _laid_out(source: Path, files: "list[KeptFile] | tuple[KeptFile, ...]") -> Iterator[Places]:
    with tempfile.TemporaryDirectory(prefix="vanlien-trust-") as room:
        places = Places(Path(room) / _TRUST)
        places.trust_dir.mkdir()
        for file in files:
            target = _object(source.absolute(), file.sha256)
            (places.trust_dir / file.name).symlink_to(target)
        yield places


def restore(trust_sha256: str, source: Path) -> "TrustStore":
    """Return a state as the verdict engine takes it.

    Raises:
        SnapshotError: As `laid_out`.
    """
    from gateway.trust.anchors import TrustStore

    with laid_out(trust_sha256, source) as places:
        return TrustStore.load(places.trust_dir)


def is_whole(trust_sha256: str, source: Path) -> bool:
    """Tell whether a state and every object of it are there, by name and size."""
    try:
        manifest = read(trust_sha256, source)
        return all(_object(source, f.sha256).stat().st_size == f.size_bytes for f in manifest.files)
    except (SnapshotError, OSError):
        return False


class Snapshots:
    """Implements `ports.Evidence` over the folders a running gateway verifies with.

    Args:
        trust_dir: As the verifier has it.
        into: The evidence folder.
    """

    def __init__(self, trust_dir: Path, into: Path) -> None:
        self._trust_dir = trust_dir
        self._into = into
        self._kept: set[str] = set()
        self._lock = threading.Lock()

    async def keep(self, trust_sha256: str) -> bool:
        """Make a state durable; see `ports.Evidence`."""
        if trust_sha256 in self._kept:
            return True
        return await asyncio.to_thread(self._keep, trust_sha256)

    def _keep(self, trust_sha256: str) -> bool:
        with self._lock:
            if trust_sha256 in self._kept or is_whole(trust_sha256, self._into):
                self._kept.add(trust_sha256)
                return True
            taken = take(self._trust_dir, self._into)
            self._kept.add(taken)
            return taken == trust_sha256
