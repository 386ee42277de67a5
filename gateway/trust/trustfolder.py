"""The files of a trust folder as an administrator handles them: read, found, replaced, locked.

Promises: a file is replaced as a whole and durably; the log only grows by whole lines; one change
at a time. A crash leaves a hidden draft nobody reads, or a cut-off line that the next one drops.
"""

import fcntl
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from asn1crypto import x509

from gateway.trust.anchors import certificates_in
from gateway.trust.facts import common_name
from gateway.trust.fingerprint import file_bytes, trust_files
from gateway.trust.notes import clean
from gateway.trust.policy import TrustFault, TrustList
from gateway.trust.trustlist import LIST_FILE, read_list


class RegistrarError(Exception):
    """The change cannot be made; nothing was touched. `faults` says why, all at once."""

    def __init__(self, faults: Sequence[TrustFault]) -> None:
        super().__init__("; ".join(f"{f.file}: {f.en}" for f in faults))
        self.faults = tuple(faults)


def display_name(cert: x509.Certificate) -> str:
    """Return a certificate's common name, fit to be shown and written."""
    return clean(common_name(cert))[:200]


def list_of(folder: Path) -> tuple[TrustList, bool]:
    """Return the list and whether there is one; RegistrarError when it has faults."""
    path = folder / LIST_FILE
    if not path.exists():
        return TrustList(), False
    data = file_bytes(path)
    if data is None:
        raise RegistrarError([TrustFault(LIST_FILE, "Không đọc được.", "Cannot be read.")])
    found, faults = read_list(data)
    if found is None:
        raise RegistrarError(faults)
    return found, True


def shelf(folder: Path) -> dict[str, x509.Certificate]:
    """Return every certificate of the folder by its SHA-256."""
    found: dict[str, x509.Certificate] = {}
    for path in trust_files(folder):
        data = file_bytes(path)
        for cert in certificates_in(data)[0] if data is not None else ():
            found.setdefault(cert.sha256.hex(), cert)
    return found


def holds(path: Path, sha256: str) -> bool:
    """Tell whether a file holds a certificate."""
    data = file_bytes(path)
    return data is not None and any(c.sha256.hex() == sha256 for c in certificates_in(data)[0])


def file_of(folder: Path, sha256: str) -> str:
    """Return the name of the first file that holds a certificate, or nothing."""
    return next((p.name for p in trust_files(folder) if holds(p, sha256)), "")


def file_name(cert: x509.Certificate) -> str:
    """Return the name under which a new certificate is kept: its own name, and its hash."""
    plain = unicodedata.normalize("NFKD", display_name(cert).replace("đ", "d").replace("Đ", "D"))
    slug = re.sub(r"[^a-z0-9]+", "-", plain.encode("ascii", "ignore").decode().lower()).strip("-")
    return f"{slug[:40] or 'ca'}-{cert.sha256.hex()[:12]}.pem"


def by_subject(
    certs: Sequence[x509.Certificate],
) -> Iterator[tuple[bytes, list[x509.Certificate]]]:
    """Yield certificates grouped by subject."""
    found: dict[bytes, list[x509.Certificate]] = {}
    for cert in certs:
        found.setdefault(cert.subject.dump(), []).append(cert)
    yield from found.items()


def self_issued(cert: x509.Certificate) -> bool:
    """Tell whether subject and issuer are the same."""
    return cert.self_signed in {"yes", "maybe"}


def unique(sha256: str, known: set[str]) -> str:
    """Return the one fingerprint that begins so, or refuse."""
    wanted = re.sub(r"[:\s]", "", sha256).lower()
    hits = [k for k in known if len(wanted) >= 16 and k.startswith(wanted)]
    if len(hits) == 1:
        return hits[0]
    vi = "Không có chứng thư này trong kho" if not hits else "Nhiều chứng thư bắt đầu như vậy"
    en = "No such certificate here" if not hits else "Several certificates begin so"
    raise RegistrarError(
        [
            TrustFault(
                wanted[:64],
                f"{vi}; dùng SHA-256 đầy đủ (ít nhất 16 chữ số) từ vanlien trust list.",
                f"{en}; use the SHA-256 (16 digits at least) that vanlien trust list shows.",
            )
        ]
    )


def free_name(folder: Path, name: str) -> Path:
    """Return a name nothing has yet."""
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{name}.{number}"
    return target


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from changing the folder meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def append_line(log: Path, line: bytes, whole: int) -> None:
    """Add a line durably; what a crash left behind the last whole line is dropped first."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.truncate(whole)
        file.seek(whole)
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    sync(log.parent)


def replace_file(target: Path, data: bytes) -> None:
    """Put a file in place as a whole, durably."""
    draft = target.with_name(f".{target.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(target)
    sync(target.parent)


def sync(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
