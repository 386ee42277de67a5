"""`make bundle`: one archive that installs vanlien on a machine without a network.

    python packaging/bundle.py --wheels DIR --output dist

Takes a folder of wheels (one for each line of `requirements.lock`, and vanlien's own), checks every
one against the lock and against the oldest system it is for, and writes
`vanlien-VERSION-linux-x86_64.tar.gz`: wheels, hashes, installer, systemd units, documents, the
stand-alone receipt verifier, a manifest with versions and licences; and its SHA-256 beside it. The
same input gives the same bytes. Only the standard library; the archive gets its name when it is
whole: a crash leaves a `.part` file.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_string
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
PLATFORM: Final = "linux-x86_64"
PYTHON: Final = "3.11"
NAME: Final = "vanlien"
_PIN: Final = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+?)(?: *\\)?$")
_GLIBC: Final = 2, 36
"""Of Debian 12, the oldest system the bundle is for."""
_OLD_NAMES: Final = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_MANYLINUX: Final = re.compile(r"(?:manylinux_(\d+)_(\d+)|(manylinux\d+))_x86_64")
_ABI3: Final = re.compile(r"cp3(\d+)-abi3-")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class BundleError(Exception):
    """The bundle cannot be made, and why."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel of the bundle: what it is, and what its makers say of its licence."""

    name: str
    version: str
    licence: str
    file: str
    sha256: str
    size_bytes: int


def normal(name: str) -> str:
    """Return a distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Return name to version and allowed hashes; BundleError for a line without a hash."""
    locked: dict[str, tuple[str, frozenset[str]]] = {}
    name, version, hashes = "", "", set[str]()
    for line in [*text.splitlines(), ""]:
        pin = _PIN.match(line)
        if pin or not line.strip():
            if name:
                if not hashes:
                    raise BundleError(f"{name}=={version} has no hash in the lock")
                locked[name] = version, frozenset(hashes)
            name, version, hashes = "", "", set()
        if pin:
            name, version = normal(pin[1]), pin[2]
        hashes.update(_HASH.findall(line))
    return locked


def read_wheel(path: Path) -> Wheel:
    """Return what a wheel says of itself."""
    data = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        told = [n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)]
        if len(told) != 1:
            raise BundleError(f"{path.name} is no wheel")
        metadata = message_from_string(archive.read(told[0]).decode("utf-8"))
    licence = metadata.get("License-Expression") or ", ".join(
        c.rsplit(" :: ", 1)[1]
        for c in metadata.get_all("Classifier", [])
        if c.startswith("License :: ") and " :: " in c.removeprefix("License :: ")
    )
    plain = (metadata.get("License") or "").strip().splitlines()
    licence = licence or (plain[0][:100] if plain else "")
    return Wheel(
        name=normal(str(metadata["Name"])),
        version=str(metadata["Version"]),
        licence=licence,
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )


def fits(file: str) -> bool:
    """Tell whether a wheel runs where the bundle is for: CPython 3.11, x86-64, Debian 12."""
    python, abi, platforms = file.removesuffix(".whl").rsplit("-", 3)[1:]
    ours = {"py3", "cp311"} & set(python.split("."))
    older = _ABI3.match(f"{python}-{abi}-")
    if not (ours or (older and int(older[1]) <= int(PYTHON.partition(".")[2]))):
        return False
    for platform in platforms.split("."):
        found = _MANYLINUX.fullmatch(platform)
        if platform == "any":
            return True
        if found and (_OLD_NAMES.get(found[3]) or (int(found[1]), int(found[2]))) <= _GLIBC:
            return True
    return False


def checked(folder: Path, lock: Mapping[str, tuple[str, frozenset[str]]]) -> list[Wheel]:
    """Return the wheels of a folder, each one the lock wants, and vanlien's own.

    Raises:
        BundleError: Something is missing, there twice, not in the lock or not the locked bytes.
    """
    wheels = [read_wheel(path) for path in sorted(folder.glob("*.whl"))]
    names = [wheel.name for wheel in wheels]
    faults = [f"{name} is there twice" for name in sorted({n for n in names if names.count(n) > 1})]
    faults += [f"{name} is missing" for name in sorted({*lock, NAME} - set(names))]
    for wheel in wheels:
        if wheel.name == NAME:
            continue
        version, hashes = lock.get(wheel.name, ("", frozenset[str]()))
        if not version:
            faults.append(f"{wheel.file} is not in the lock")
        elif wheel.version != version or wheel.sha256 not in hashes:
            faults.append(f"{wheel.file} is not what the lock names")
        elif not fits(wheel.file):
            faults.append(f"{wheel.file} is for another system than {PLATFORM}, Python {PYTHON}")
    strangers = [p.name for p in folder.iterdir() if p.suffix != ".whl"]
    faults += [f"{name} is no wheel" for name in sorted(strangers)]
    if faults:
        raise BundleError("; ".join(faults))
    return wheels


def requirements(wheels: Sequence[Wheel]) -> str:
    """Return what pip installs with --require-hashes: exactly these bytes."""
    return "".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in wheels)


def manifest(version: str, wheels: Sequence[Wheel]) -> bytes:
    """Return the manifest: what is in the bundle, with versions and licences."""
    packages = [
        {
            "name": w.name,
            "version": w.version,
            "licence": w.licence or "see the wheel",
            "file": f"wheels/{w.file}",
            "sha256": w.sha256,
            "size_bytes": w.size_bytes,
        }
        for w in wheels
    ]
    told = {
        "name": NAME,
        "version": version,
        "platform": PLATFORM,
        "python": PYTHON,
        "packages": packages,
    }
    return json.dumps(told, ensure_ascii=False, indent=2).encode() + b"\n"


def contents(
    version: str, folder: Path, wheels: Sequence[Wheel], root: Path = ROOT
) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the bundle but SHA256SUMS: name and bytes."""
    here = root / "packaging"
    yield "VERSION", f"{version}\n".encode()
    yield "MANIFEST.json", manifest(version, wheels)
    yield "requirements.txt", requirements(wheels).encode()
    yield "install.sh", (here / "install.sh").read_bytes()
    yield "LICENSE", (root / "LICENSE").read_bytes()
    yield "README.md", (here / "README.md").read_bytes()
    yield "proof.py", (root / "gateway" / "receipts" / "proof.py").read_bytes()
    for path in sorted((here / "systemd").iterdir()):
        yield f"systemd/{path.name}", path.read_bytes()
    for path in sorted((root / "docs").rglob("*.md")):
        yield f"docs/{path.relative_to(root / 'docs')}", path.read_bytes()
    yield "docs/CHANGELOG.md", (root / "CHANGELOG.md").read_bytes()
    for wheel in wheels:
        yield f"wheels/{wheel.file}", (folder / wheel.file).read_bytes()


def write(
    output: Path,
    version: str,
    folder: Path,
    wheels: Sequence[Wheel],
    at: int,
    *,
    root: Path = ROOT,
) -> Path:
    """Write the archive, and its hash beside it; return it."""
    top = f"{NAME}-{version}-{PLATFORM}"
    target = output / f"{top}.tar.gz"
    part = target.with_name(target.name + ".part")
    output.mkdir(parents=True, exist_ok=True)
    sums = ""
    with (
        part.open("wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=at) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, data in contents(version, folder, wheels, root):
            sums += f"{hashlib.sha256(data).hexdigest()}  {name}\n"
            _add(archive, f"{top}/{name}", data, at)
        _add(archive, f"{top}/SHA256SUMS", sums.encode(), at)
    with part.open("rb") as done:
        os.fsync(done.fileno())
    digest = hashlib.sha256(part.read_bytes()).hexdigest()
    part.replace(target)
    target.with_name(target.name + ".sha256").write_text(f"{digest}  {target.name}\n", "ascii")
    return target


def _add(archive: tarfile.TarFile, name: str, data: bytes, at: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(data), at
    executable = name.endswith((".sh", "proof.py"))
    entry.mode = stat.S_IFREG | (0o755 if executable else 0o644)
    entry.uname = entry.gname = "root"
    archive.addfile(entry, io.BytesIO(data))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="bundle.py", description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, required=True, help="folder of wheels")
    parser.add_argument("--root", type=Path, default=ROOT, help="the source the rest comes from")
    parser.add_argument("--lock", type=Path, help="else requirements.lock of the source")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    options = parser.parse_args(argv)
    try:
        lock = options.lock or options.root / "requirements.lock"
        wheels = checked(options.wheels, read_lock(lock.read_text("utf-8")))
        version = next(w.version for w in wheels if w.name == NAME)
        at = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
        target = write(options.output, version, options.wheels, wheels, at, root=options.root)
    except (BundleError, OSError) as exc:
        sys.stderr.write(f"bundle.py: {exc}\n")
        return 70
    told = target.with_name(target.name + ".sha256").read_text("ascii").strip()
    sys.stdout.write(f"{told}  {target.stat().st_size} bytes, {len(wheels)} wheels\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
