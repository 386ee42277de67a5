"""Checking a backup offline: every hash, every row's form, the receipt log's chain, the signature.

Needs no gateway, no database and no network. Reads only.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.backup import form
from gateway.receipts.proof import (
    GENESIS,
    Frontier,
    PublicKey,
    chain_hash,
    entry_hash,
    leaf_hash,
    load_keys,
    open_jws,
)

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Checked:
    """What a check found.

    Args:
        backup: The backup.
        faults: What is damaged: file, Vietnamese, English.
        pinned: The signature is by a key the caller trusts.
        kid: Whose signature it is, "" while it is not a good one.
        blobs: Blobs whose bytes are right.
        rows: Rows of the ledger.
        root: Root of the receipt log's tree over all its entries, hex.
    """

    backup: form.Backup
    faults: list[tuple[str, str, str]] = field(default_factory=list)
    pinned: bool = False
    kid: str = ""
    blobs: int = 0
    rows: int = 0
    root: str = ""

    @property
    def exit_code(self) -> int:
        """Return 0 good, 1 damaged, 2 whole but signed by a key that was not given."""
        return 1 if self.faults else 0 if self.pinned else 2

    def fault(self, file: str, vi: str, en: str) -> None:
        """Note one fault."""
        self.faults.append((file, vi, en))


def verify(
    backup: form.Backup,
    keys: Mapping[str, PublicKey],
    progress: Progress = lambda _what, _done, _all: None,
) -> Checked:
    """Check everything a backup says of itself.

    Args:
        backup: The backup.
        keys: Receipt keys the caller trusts, by kid.
        progress: Told how far it is.
    """
    found = Checked(backup)
    _signature(found, keys)
    for name in form.PARTS:
        _part(found, name)
    if not found.faults:
        for check in (_ledger, _pool):
            try:
                check(found, progress)
            except form.DamagedBackupError as exc:
                found.fault(exc.file, exc.vi, exc.en)
    return found


def _signature(found: Checked, keys: Mapping[str, PublicKey]) -> None:
    backup = found.backup
    name = f"{backup.id}/{form.SIGNATURE}"
    try:
        token = (backup.folder / form.SIGNATURE).read_text(encoding="ascii")
        data = (backup.folder / form.MANIFEST).read_bytes()
        own = load_keys(backup.manifest["receipt_key"]["public"].encode())
        kid, claims = open_jws(token, form.TYP_BACKUP, {**own, **keys})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        found.fault(name, "chữ ký không đúng", "is not a good signature")
        return
    if claims.get("sha256") != hashlib.sha256(data).hexdigest():
        found.fault(
            f"{backup.id}/{form.MANIFEST}", "đã bị sửa sau khi ký", "was changed after signing"
        )
    if claims.get("backup") != backup.id:
        found.fault(name, "thuộc bản sao lưu khác", "belongs to another backup")
    found.kid, found.pinned = kid, kid in keys


def _part(found: Checked, name: str) -> None:
    told = found.backup.manifest["parts"][name]
    where = f"{found.backup.id}/{name}"
    try:
        sha256, size = form.hashed(found.backup.folder / name)
    except OSError:
        found.fault(where, "không đọc được", "cannot be read")
        return
    if (sha256, size) != (told["sha256"], told["size_bytes"]):
        found.fault(where, "nội dung không khớp mã băm", "does not match its hash")


def _ledger(found: Checked, progress: Progress) -> None:
    """Read every row; follow the receipt log's chain and compute its tree."""
    told = found.backup.manifest["rows"]
    log = _Log(found)
    for done, table in enumerate(form.tables_of(found.backup), 1):
        count = 0
        for row in table.rows:
            count += 1
            if table.name == "receipt_entry":
                log.entry(dict(zip(table.columns, row, strict=True)))
        found.rows += count
        said = told.get(table.name)
        if said != count:
            found.fault(
                f"{found.backup.id}/{form.LEDGER}",
                f"bảng {table.name} có {count} dòng, bản kê ghi {said}",
                f"the table {table.name} has {count} rows, the manifest says {said}",
            )
        progress("ledger", done, len(told))
    log.end()


class _Log:
    """The chain and the tree, computed from the bodies as they come."""

    def __init__(self, found: Checked) -> None:
        self._found = found
        self._early: dict[int, tuple[bytes, str]] = {}
        self._prev, self._tree = GENESIS, Frontier()
        self._broken = False

    def entry(self, row: Mapping[str, Any]) -> None:
        """Take one row; rows may come in another order than their places."""
        if row["idx"] is not None:
            self._early[row["idx"]] = (entry_hash(row["body"].encode()), row["chain_hash"])
        while not self._broken and self._tree.size in self._early:
            self._next(*self._early.pop(self._tree.size))

    def _next(self, hashed: bytes, chain: str) -> None:
        index, where = self._tree.size, f"{self._found.backup.id}/{form.LEDGER}"
        self._prev = chain_hash(self._prev, index, hashed)
        if self._prev.hex() != chain:
            self._broken = True
            self._found.fault(
                where, f"sổ hồi báo đứt ở mục {index}", f"the receipt log breaks at {index}"
            )
            return
        self._tree.add(leaf_hash(self._prev))
        head = self._found.backup.manifest["log"]["head"]
        if head and self._tree.size == head["size"] and self._tree.root().hex() != head["root"]:
            self._found.fault(where, "đầu cây không khớp", "the tree head does not match the log")

    def end(self) -> None:
        """Tell whether the log is as long as the manifest says."""
        self._found.root = self._tree.root().hex()
        size = self._found.backup.manifest["log"]["size"]
        if not self._broken and (self._tree.size != size or self._early):
            self._found.fault(
                f"{self._found.backup.id}/{form.LEDGER}",
                f"sổ hồi báo có {self._tree.size} mục, bản kê ghi {size}",
                f"the receipt log has {self._tree.size} entries, the manifest says {size}",
            )


def _pool(found: Checked, progress: Progress) -> None:
    """Hash every blob and every file."""
    backup = found.backup
    total = int(backup.manifest["blobs"])
    for done, (name, size) in enumerate(form.blobs_of(backup), 1):
        found.blobs += _bytes(found, name, size, f"blob {name}")
        if done % 1000 == 0 or done == total:
            progress("blobs", done, total)
    for kept in form.files_of(backup):
        _bytes(found, kept.sha256, kept.size_bytes, f"{kept.root}/{kept.path}")


def _bytes(found: Checked, sha256: str, size: int, what: str) -> bool:
    path = found.backup.pooled(sha256)
    where = f"{form.POOL}/{sha256[:2]}/{sha256}"
    try:
        good = form.hashed(path) == (sha256, size)
    except OSError:
        found.fault(where, f"thiếu ({what})", f"is missing ({what})")
        return False
    if not good:
        found.fault(where, f"bị hỏng ({what})", f"is damaged ({what})")
    return good
