"""Restoring a backup into an empty gateway, which then stands still until it is reconciled.

OPS-03 (S000 art 10.1): tools for backup, reinstalling and restoring.

Promises: nothing is written before the whole backup was checked; a ledger that holds anything is
refused; the rows, the hold and the receipt log's `restored` entry are one transaction, so a
restored ledger never exists without its hold. Feeds go on above every cursor the lost gateway can
have handed out, so that no reader who kept one misses what comes now. A crash before it leaves
blobs that no row names; running the same command again finishes the work.

1. check everything
2. the ledger is there and empty
3. blobs, each under the name its bytes have
4. files: evidence and revocation; certificates only where the trust folder is empty
5. rows, hold, log entry: one transaction
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from gateway import faults
from gateway.backup import form
from gateway.backup.verify import Checked, verify
from gateway.domain.moments import to_text
from gateway.errors import ConfigurationError, Fault, IntegrityError
from gateway.ports import Blobs, Ids
from gateway.receipts.proof import PublicKey
from gateway.store import blobmark, revisions
from gateway.store.keeping import mark_restored
from gateway.store.places import Place, SqliteFile
from gateway.store.schema import metadata
from gateway.store.session import Session, session
from gateway.store.statements import insert_sql

Progress = Callable[[str, int, int], None]
_AT_ONCE: Final = 64
_PARAMETERS: Final = 30_000
_ROWS: Final = 200
_COUNTED: Final = (("event", "id"), ("receipt_entry", "ord"), ("outbox", "id"))
_CURSORS: Final = ("inbox_seq", "event_seq")
_OWNERS: Final = (
    ("consignment", "document_id"),
    ("arrival", "document_id"),
    ("transfer", "document_id"),
    ("inbound", "peer_doc_id"),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a backup is restored to.

    Args:
        place: An empty ledger.
        blobs: Where its blobs go.
        roots: Folders of files by name.
        ids: Names the log's entry.
        now: Tells the time.
        by: Who restores.
    """

    place: Place
    blobs: Blobs
    roots: Mapping[str, Path]
    ids: Ids
    now: Callable[[], datetime]
    by: str


@dataclass(slots=True)
class Restored:
    """What was restored, and what may be missing.

    Args:
        backup: Name of the backup.
        made_at: The moment it shows: whatever was accepted after it is not here.
        restored_at: The end of that window.
        rows: Rows of the ledger.
        blobs: Blobs put back.
        files: Files put back.
        missing: Blobs that were missing when the backup was made.
        lacking: Every row whose blob is among these: `sha256`, `owner`, `kind`, `document_id`.
        gone: Blobs that retention or a purge took away while the backup was being made.
        left: Folders that were left as they are.
        tree_size: Entries of the receipt log that came back.
        root: Root of its tree over them, hex.
        keys_needed: Key files by the setting that names them.
    """

    backup: str
    made_at: str
    restored_at: str = ""
    rows: int = 0
    blobs: int = 0
    files: int = 0
    missing: tuple[str, ...] = ()
    lacking: list[Mapping[str, str]] = field(default_factory=list)
    gone: tuple[str, ...] = ()
    left: list[str] = field(default_factory=list)
    tree_size: int = 0
    root: str = ""
    keys_needed: Mapping[str, str] = field(default_factory=dict)


async def restore(
    backup: form.Backup,
    target: Target,
    keys: Mapping[str, PublicKey],
    progress: Progress = lambda _what, _done, _all: None,
    *,
    checked: Checked | None = None,
) -> Restored:
    """Put a backup back.

    Args:
        backup: Which.
        target: Where to.
        keys: Receipt keys one of which must have signed it, by kid.
        progress: Told how far it is.
        checked: What `verify` found a moment ago, so that it need not look again.

    Raises:
        DamagedBackupError: It is damaged, or nobody trusted signed it; nothing was written.
        ConfigurationError: The ledger is not empty, or the backup is of another revision.
    """
    manifest = backup.manifest
    _fits(backup)
    with session(target.place, purpose="restore", read_only=True) as opened, opened.reading():
        _empty(target.place, opened)  # (2), before a long check
    if checked is None:
        checked = await asyncio.to_thread(verify, backup, keys, progress)  # (1)
    refuse_unless_good(checked, keys)
    done = Restored(backup.id, backup.made_at)
    done.missing, done.gone = tuple(manifest["missing"]), tuple(manifest.get("gone", ()))
    done.tree_size, done.root = int(manifest["log"]["size"]), checked.root
    done.keys_needed = dict(manifest["keys_needed"])
    done.blobs = await _blobs(backup, target.blobs, progress)
    faults.reach("restore.after-blobs")
    await asyncio.to_thread(_files, backup, target, done)
    await asyncio.to_thread(_rows, backup, target, done, progress)
    return done


def refuse_unless_good(checked: Checked, keys: Mapping[str, PublicKey]) -> None:
    """Raise DamagedBackupError when a backup is damaged, or none of `keys` signed it."""
    if checked.faults:
        raise form.DamagedBackupError(*checked.faults[0])
    if checked.kid not in keys:
        whose = checked.backup.manifest["gateway"]
        raise form.DamagedBackupError(
            f"{checked.backup.id}/{form.SIGNATURE}",
            f"(cổng {whose}) được ký bằng khóa khác với khóa hồi báo của cấu hình này; nếu khóa đã "
            "đổi, dùng --key",
            f"(gateway {whose}) is signed by another key than the receipt key of these settings; "
            "if it was changed, give --key",
        )


def _fits(backup: form.Backup) -> None:
    revision = backup.manifest["revision"]
    if revision != revisions.HEAD:
        vi = f"bản sao lưu có sổ cái phiên bản {revision}, chương trình này dùng {revisions.HEAD}"
        en = f"the backup's ledger is at revision {revision}, this program works with "
        en += f"{revisions.HEAD}: restore it with the version {backup.manifest.get('program')}"
        raise ConfigurationError(f"{backup.id}: {en}", (Fault(backup.id, vi, en),))
    if lacks := sorted(set(metadata.tables) - set(backup.manifest["rows"])):
        raise ConfigurationError(revisions.strange(backup.id, lacks))


def _empty(place: Place, opened: Session) -> None:
    for table in metadata.sorted_tables:
        sql = f'SELECT 1 AS n FROM "{table.name}" LIMIT 1'  # noqa: S608 - a name of the schema
        if table.name != "meta" and opened.row(sql):
            vi = f"sổ cái đã có dữ liệu (bảng {table.name}); chỉ phục hồi vào sổ cái trống"
            en = f"the ledger holds data already (table {table.name}); restore into an empty one"
            raise ConfigurationError(f"{place}: {en}", (Fault(str(place), vi, en),))


# ---------------------------------------------------------------- (3) blobs, (4) files


async def _blobs(backup: form.Backup, blobs: Blobs, progress: Progress) -> int:
    total = int(backup.manifest["blobs"])
    count = 0
    under_way: list[tuple[str, asyncio.Future[Any]]] = []
    for name, _size in form.blobs_of(backup):
        writer = blobs.writer()
        with backup.pooled(name).open("rb") as file:
            while data := file.read(form.CHUNK):
                writer.write(data)
        under_way.append((name, asyncio.ensure_future(writer.finish())))
        if len(under_way) == _AT_ONCE:
            count += await _settled(under_way)
            progress("blobs", count, total)
    count += await _settled(under_way)
    progress("blobs", count, total)
    return count


async def _settled(under_way: list[tuple[str, asyncio.Future[Any]]]) -> int:
    infos = await asyncio.gather(*(future for _, future in under_way))
    for (name, _), info in zip(under_way, infos, strict=True):
        if info.sha256 != name:
            raise IntegrityError(f"the blob {name} changed while it was read")
    count = len(under_way)
    under_way.clear()
    return count


def _files(backup: form.Backup, target: Target, done: Restored) -> None:
    trust = target.roots.get("trust")
    if trust is not None and trust.is_dir() and any(trust.iterdir()):
        # What is trusted now was decided after the backup: it is not undone by a restoration.
        done.left.append(str(trust))
    for kept in form.files_of(backup):
        folder = target.roots.get(kept.root)
        if folder is None or (kept.root == "trust" and done.left):
            continue
        out = folder / kept.path
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(backup.pooled(kept.sha256), out)
        done.files += 1


# ---------------------------------------------------------------- (5) rows


def _rows(backup: form.Backup, target: Target, done: Restored, progress: Progress) -> None:
    manifest = backup.manifest
    with session(target.place, purpose="restore") as opened, opened.writing():
        _empty(target.place, opened)
        opened.run("DELETE FROM meta")
        total = len(manifest["rows"])
        for count, table in enumerate(form.tables_of(backup), 1):
            done.rows += _table(opened, table)
            progress("rows", count, total)
        if not isinstance(target.place, SqliteFile):
            for name, column in _COUNTED:
                # Numbers the engine gives go on after those that came back.
                opened.row(
                    f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'), "  # noqa: S608
                    f"(SELECT COALESCE(MAX({column}), 0) + 1 FROM {name}), false) AS n"
                )
        now = target.now()
        _above_every_cursor(opened, now)
        _sign_out(opened, now)
        _unmark(opened, done.missing)
        done.lacking = list(_lacking(opened, done.missing))
        done.restored_at = now.isoformat()
        facts = {
            "backup": backup.id,
            "made_at": _local(backup.made_at),
            "tree_size": done.tree_size,
            "root": done.root,
            "by": target.by,
        }
        opened.apply(mark_restored(facts, target.ids, now))
        faults.reach("restore.before-commit")


def _above_every_cursor(opened: Session, now: datetime) -> None:
    """Let the feeds go on where no lost cursor can be.

    A client that read on after the backup asks for what follows its last cursor; what is offered
    now must lie above it. Feeds may have gaps, and milliseconds since 1970 outrun any feed, that of
    an earlier restoration too.
    """
    floor = int(now.timestamp() * 1000)
    for key in _CURSORS:
        row = opened.row("SELECT value FROM meta WHERE key = ?", (key,))
        value = str(max(floor, int(row["value"]) if row else 0))
        opened.run("DELETE FROM meta WHERE key = ?", (key,))
        opened.run("INSERT INTO meta (key, value) VALUES (?, ?)", (key, value))


def _sign_out(opened: Session, now: datetime) -> None:
    """End every session and one-time link: what was ended after the backup must not live again."""
    at = to_text(now)
    opened.run(
        "UPDATE account_session SET ended_at = ?, why = 'restored' WHERE ended_at IS NULL", (at,)
    )
    opened.run("UPDATE account_link SET used_at = ? WHERE used_at IS NULL", (at,))


def _unmark(opened: Session, missing: Sequence[str]) -> None:
    """Forget the mark of the blob store when it is itself among the blobs that are missing.

    Else no node could start over these blobs; the first one that does marks them anew.
    """
    row = opened.row("SELECT value FROM meta WHERE key = ?", (blobmark.KEY,))
    if row is not None and row["value"] in missing:
        opened.run("DELETE FROM meta WHERE key = ?", (blobmark.KEY,))
        opened.run("DELETE FROM blob_ref WHERE sha256 = ?", (row["value"],))


def _lacking(opened: Session, missing: Sequence[str]) -> Iterator[Mapping[str, str]]:
    """Yield each row whose bytes are not there, one by one."""
    for name in missing:
        sql = "SELECT owner FROM blob_ref WHERE sha256 = ? ORDER BY owner"
        for ref in opened.rows(sql, (name,)):
            yield {"sha256": name, "owner": ref["owner"], **_whose(opened, ref["owner"])}


def _whose(opened: Session, owner: str) -> Mapping[str, str]:
    for table, column in _OWNERS:
        sql = f"SELECT {column} AS name FROM {table} WHERE id = ?"  # noqa: S608 - our own names
        row = opened.row(sql, (owner,))
        if row is not None:
            return {"kind": table, "document_id": row["name"] or ""}
    return {"kind": "", "document_id": ""}


def _table(opened: Session, table: form.TableRows) -> int:
    known = metadata.tables.get(table.name)
    if wrong := set(table.columns) ^ set(known.columns.keys() if known is not None else ()):
        lacks = [f"{table.name}.{column}" for column in sorted(wrong)]
        raise ConfigurationError(revisions.strange("backup", lacks))
    most = max(1, min(_ROWS, _PARAMETERS // len(table.columns)))
    count = 0
    batch: list[Any] = []
    rows = 0
    for row in table.rows:
        batch += row
        rows += 1
        if rows == most:
            count += _insert(opened, table.name, table.columns, batch, rows)
            batch, rows = [], 0
    return count + (_insert(opened, table.name, table.columns, batch, rows) if rows else 0)


def _insert(
    opened: Session, table: str, columns: Sequence[str], values: Sequence[Any], rows: int
) -> int:
    return opened.run(insert_sql(table, tuple(columns), ignore=False, rows=rows), tuple(values))


def _local(text: str) -> str:
    from gateway.domain.moments import iso

    return iso(datetime.fromisoformat(text))
