"""Composition of backups: settings become what is backed up, checked and restored.

The command line and a server's schedule work through here. Nothing is kept.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from gateway import __version__, observe, stores
from gateway.backup import form
from gateway.backup.make import Made, Source, make
from gateway.backup.restore import Restored, Target, refuse_unless_good, restore
from gateway.backup.verify import Checked, verify
from gateway.clock import SystemClock
from gateway.config import Settings
from gateway.datafolder import take_lock
from gateway.errors import ConfigurationError, Fault, GatewayError, UnavailableError
from gateway.keys.receiptkey import signing_now
from gateway.policies import receipt_keys_of
from gateway.receipts.proof import (
    TYP_HEAD,
    Head,
    PublicKey,
    load_keys,
    open_jws,
    read_head,
    verify_file,
)
from gateway.receipts.ring import read_ring
from gateway.receipts.sign import load_private, public_pem
from gateway.secrets import write_private
from gateway.store.keeping import BACKUP, LedgerKeeping
from gateway.store.session import session

Progress = Callable[[str, int, int], None]
_KEYS: Final = ("key_file", "secret_file", "password_file", "pin_file", "tls_key")
_NICE: Final = 10
_FRESH: Final = timedelta(days=1)


def key_files(settings: Settings) -> dict[str, Path]:
    """Return every file of a key or secret, by the setting that names it."""
    ring = receipt_keys_of(settings).files()
    return {
        **dict(_keys_in(settings, "")),
        **{f"receipts.{name}": path for name, path in ring.items()},
    }


def _keys_in(model: BaseModel, where: str) -> Iterator[tuple[str, Path]]:
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _keys_in(value, f"{where}{name}.")
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from _keys_in(item, f"{where}{name}[{index}].")
        elif isinstance(value, Path) and name.endswith(_KEYS):
            yield f"{where}{name}", value


def roots_of(settings: Settings) -> Mapping[str, Path]:
    """Return the folders of files that belong to a gateway."""
    return {
        "trust": settings.verify.trust_dir,
        "evidence": settings.verify.evidence_dir,
        "revocation": settings.verify.revocation.dir,
    }


@contextmanager
def opened(settings: Settings) -> Iterator[LedgerKeeping]:
    """Open what the ledger knows of backups and restorations."""
    blobs = stores.open_blobs(settings)
    try:
        keeping = LedgerKeeping(
            stores.usable_ledger(settings), blobs, SystemClock(), stores.UuidIds()
        )
        try:
            yield keeping
        finally:
            keeping.close()
    finally:
        blobs.close()


def trusted(settings: Settings) -> Mapping[str, PublicKey]:
    """Return the receipt keys of these settings, those before the present one included."""
    key, earlier = signing_now(receipt_keys_of(settings), SystemClock().now())
    found = load_keys(public_pem(key).encode())
    for pem in earlier:
        found |= load_keys(pem.encode())
    return found


def back_up(
    settings: Settings,
    targets: Sequence[Path],
    *,
    keep: int,
    by: str,
    config: Path | None = None,
    progress: Progress = lambda _what, _done, _all: None,
) -> list[Made]:
    """Make a backup in each target and record what became of it in the ledger.

    Raises:
        ConfigurationError: The ledger or the receipt key cannot be used.
        UnavailableError: What was made could not be recorded.
    """
    place = stores.usable_ledger(settings)
    key, _earlier = signing_now(receipt_keys_of(settings), SystemClock().now())
    blobs = stores.open_blobs(settings)
    began = SystemClock().now()
    try:
        source = Source(
            code=settings.gateway.code,
            program=__version__,
            place=place,
            blobs=blobs,
            key=key,
            roots=roots_of(settings),
            settings=config,
            keys=key_files(settings),
        )
        found = make(source, targets, keep=keep, now=SystemClock().now, progress=progress)
        keeping = LedgerKeeping(place, blobs, SystemClock(), stores.UuidIds())
        try:
            told = [
                {"target": str(m.target), "id": m.id, "good": m.good, "said": said(m)}
                for m in found
            ]
            keeping.record_backup(told, made_at=began, by=by)
        finally:
            keeping.close()
    finally:
        blobs.close()
    return found


def upgrade_ledger(
    settings: Settings,
    *,
    finish: bool,
    by: str,
    backup: bool = True,
    config: Path | None = None,
    progress: Progress = lambda _what, _done, _all: None,
) -> list[Made]:
    """Bring the ledger to this program's schema, never without a backup to go back to.

    The first half only adds: a good backup by the program before, made within a day, will do. What
    the second half removes does not come back, so a backup is made then and there.

    Args:
        settings: Whose ledger.
        finish: Do the second half.
        by: Who does it.
        backup: False: the operator has one elsewhere.
        config: The settings file.
        progress: Told how far a backup is.

    Returns:
        The backups made; none when nothing was to be changed, or `backup` is False.

    Raises:
        ConfigurationError: There is no such backup, nowhere to make one, or the ledger cannot be
            upgraded now.
        UnavailableError: The backup was not made, or the engine cannot write; nothing was changed.
    """
    found = stores.ledger_status(settings)
    has = found.works_since if finish else found.revision
    made: list[Made] = []
    if backup and has and has < found.program:
        if not finish:
            _must_be_fresh(settings)
        elif not settings.backup.to:
            raise _no_backup("chưa có nơi sao lưu ([backup] to)", "there is no [backup] to")
        else:
            targets, keep = settings.backup.to, settings.backup.keep
            made = back_up(settings, targets, keep=keep, by=by, config=config, progress=progress)
            if not any(one.good for one in made):
                told = "; ".join(f"{one.target}: {said(one)}" for one in made)
                raise UnavailableError(public=f"no good backup was made: {told}")
    stores.upgrade_ledger(settings, finish=finish)
    return made


def _must_be_fresh(settings: Settings) -> None:
    """Refuse without a good backup of the last day; the ledger's own word, whatever its tables."""
    with session(stores.ledger_place(settings), purpose="upgrade", read_only=True) as opened:
        row = opened.row("SELECT value FROM meta WHERE key = ?", (BACKUP,))
    good_at = json.loads(row["value"]).get("good_at") if row and row["value"] else None
    if good_at is None or SystemClock().now() - datetime.fromisoformat(good_at) > _FRESH:
        raise _no_backup(
            "chưa có bản sao lưu tốt nào trong vòng một ngày; hãy chạy `vanlien backup` bằng bản "
            "vanlien đang dùng",
            "no good backup was made within a day: run `vanlien backup` with the vanlien in use",
        )


def _no_backup(vi: str, en: str) -> ConfigurationError:
    vi, en = f"{vi}; hoặc dùng --no-backup", f"{en}, or give --no-backup"
    return ConfigurationError(en, (Fault("backup.to", vi, en),))


async def back_up_beside(settings: Settings) -> None:
    """Make a backup in every target of the settings, beside the server that asks for it.

    In a process of its own at low priority: a large ledger takes minutes of processor time, which
    documents must not wait for. Cancelled, the process ends and leaves what a crash leaves. A
    target that failed is an alarm.
    """
    if settings.file is None:
        return
    words = ("backup", "--json", "--config", str(settings.file))
    making = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, making.pid, _NICE)
    try:
        said_of, _ = await making.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            making.kill()
        await making.wait()
        raise
    try:
        targets = json.loads(said_of)["targets"]
    except (ValueError, KeyError, TypeError):
        observe.alarm(what="backup failed", subject=f"exit code {making.returncode}")
        return
    for target in targets:
        if not target["good"]:
            observe.alarm(what="backup failed", subject=str(target["target"]))
        for damaged in target["damaged"]:
            observe.alarm(what="backup damaged", subject=f"{target['target']}/{damaged}")


def said(made: Made) -> str:
    """Return what is wrong with one target (Vietnamese / English), "" when nothing is."""
    if made.vi:
        return f"{made.vi} / {made.en}"
    if made.missing:
        count = len(made.missing)
        return f"thiếu {count} tệp mà sổ cái nêu tên / {count} blobs the ledger names are missing"
    return ""


def put_back(
    settings: Settings,
    backup: form.Backup,
    keys: Mapping[str, PublicKey],
    *,
    by: str,
    now: Callable[[], datetime] | None = None,
    progress: Progress = lambda _what, _done, _all: None,
    checked: Checked | None = None,
) -> Restored:
    """Restore a backup into the empty gateway behind settings; it stands still afterwards."""
    with contextlib.ExitStack() as stack:
        if not stores.shared(settings):
            # A server that starts meanwhile could give a number before it sees the hold.
            stack.callback(os.close, take_lock(settings.gateway.data_dir))
        if stores.ledger_fault(settings) is not None:
            stores.create_ledger(settings)
        blobs = stack.enter_context(contextlib.closing(stores.open_blobs(settings, patient=True)))
        target = Target(
            stores.usable_ledger(settings),
            blobs,
            roots_of(settings),
            stores.UuidIds(),
            now or SystemClock().now,
            by,
        )
        return asyncio.run(restore(backup, target, keys, progress, checked=checked))


def examine(
    backup: form.Backup,
    keys: Mapping[str, PublicKey],
    progress: Progress = lambda _what, _done, _all: None,
) -> Checked:
    """Check a backup whose settings are not laid out yet: nothing of it is believed before.

    Raises:
        DamagedBackupError: It is damaged, or none of `keys` signed it.
    """
    checked = verify(backup, keys, progress)
    refuse_unless_good(checked, keys)
    return checked


def signers_in(folder: Path) -> Mapping[str, PublicKey]:
    """Return the public receipt keys behind what `backup --keys-to` copied into a folder."""
    found: dict[str, PublicKey] = {}
    for file in sorted(folder.glob("receipts.*--*")):
        with contextlib.suppress(ConfigurationError, ValueError, OSError):
            if file.name.startswith("receipts.ring_file--"):
                for known in read_ring(file.read_bytes()).keys:
                    found |= load_keys(known.public_key.encode())
            else:
                found |= load_keys(public_pem(load_private(file)).encode())
    return found


def strays(settings: Settings, folder: Path | None) -> Iterator[tuple[str, int]]:
    """Yield name and size of each blob that no row names; copy it into a folder, if one is given.

    Where only the ledger was lost, what was accepted after the backup is among them.

    Raises:
        OSError: The folder takes no file.
    """
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.closing(stores.open_blobs(settings)) as blobs, opened(settings) as ledger:
        for name in ledger.strays(blobs.names()):
            try:
                data = b"".join(blobs.chunks(name))
            except GatewayError:
                continue  # damaged, or gone since: nothing to save
            if folder is not None:
                out = folder / f"{name}{'.xml' if data.lstrip()[:1] == b'<' else ''}"
                out.unlink(missing_ok=True)
                write_private(out, data)
            yield name, len(data)


def entries_of(
    path: Path, keys: Mapping[str, PublicKey]
) -> tuple[Iterator[Mapping[str, Any]], tuple[int, str]]:
    """Return the facts of an exported receipt log that one of `keys` signed, and its tree.

    The facts are read as they are asked for; the whole file was checked before.

    Raises:
        ConfigurationError: It is damaged, or signed by nobody we know.
    """
    report = verify_file(path, keys, None)
    if report.exit_code != 0:
        told = f"{path}: không phải sổ hồi báo nguyên vẹn của cổng này"
        raise ConfigurationError(f"{told} / not a whole export of this gateway's receipts")
    return _facts_in(path), (report.tree_size, report.root)


def _facts_in(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open("rb") as lines:
        for line in lines:
            record = json.loads(line)
            if record.get("type") == "entry":
                yield json.loads(record["body"])


def head_of(path: Path, keys: Mapping[str, PublicKey]) -> tuple[int, str]:
    """Return size and root of a tree head that one of `keys` signed.

    Raises:
        ConfigurationError: It is none, or signed by nobody we know.
    """
    try:
        token = read_head(path.read_bytes()).token
        head = Head.of(token, open_jws(token, TYP_HEAD, keys)[1])
    except (OSError, ValueError) as exc:
        told = f"{path}: không phải đầu cây do cổng này ký"
        raise ConfigurationError(f"{told} / no tree head signed by this gateway") from exc
    return head.size, head.root.hex()
