"""`vanlien backup`: copies of everything, made beside a running gateway, and checked offline.

S004 art 10.2: at least weekly; S003 art 21.2. A backup appears only when it is whole and on disk.
Keys are never in it; `--keys-to` copies them to another place. What became of a run is recorded in
the ledger, so that `vanlien health` and the alarm know how old the last good one is.
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import FAILURE, OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.backup import form
    from gateway.backup.make import Made
    from gateway.receipts.proof import PublicKey

KeysOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--key",
        help="Khóa công khai hồi báo (PEM), lặp lại được. / Public receipt key, repeatable.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add `backup`, `backup verify` and `backup list`."""
    group = typer.Typer(
        help="Sao lưu và kiểm tra bản sao lưu. / Backups, and checking them.",
        invoke_without_command=True,
        epilog=examples(
            "vanlien backup --to /mnt/sao-luu-1 --to /mnt/sao-luu-2",
            "vanlien backup --to /mnt/sao-luu-1 --keys-to /root/khoa",
            "vanlien backup verify /mnt/sao-luu-1 --key receipts.pub.pem",
            exits="0 mọi đích đều tốt / every target good · 70 một đích hỏng / one failed",
        ),
    )
    group.callback()(backup)
    group.command(
        "verify",
        epilog=examples(
            "vanlien backup verify /mnt/sao-luu-1 --key receipts.pub.pem",
            exits="0 tốt / good · 1 hỏng / damaged · 2 nguyên vẹn, chưa rõ người ký / whole, signer"
            " not pinned",
        ),
    )(verify_backup)
    group.command("list", epilog=examples("vanlien backup list /mnt/sao-luu-1 --json"))(
        list_backups
    )
    app.add_typer(group, name="backup")


def backup(
    context: typer.Context,
    to: Annotated[
        list[Path] | None,
        typer.Option(
            "--to",
            help="Thư mục đích, lặp lại được; không có thì theo `to` của \\[backup]. "
            "/ Target folders; without it those of `to` in \\[backup].",
        ),
    ] = None,
    keys_to: Annotated[
        Path | None,
        typer.Option(
            "--keys-to",
            help="Chép riêng các tệp khóa vào đây; không để cùng chỗ với bản sao lưu. / Copy the "
            "key files here, apart from the backups.",
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=1, help="Số bản giữ lại. / Backups kept in each target."),
    ] = None,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Sao lưu sổ cái, tệp và chứng thư; cổng vẫn chạy. / Back everything up beside a server."""
    if context.invoked_subcommand is not None:
        return OK
    from gateway import keeping
    from gateway.config import load

    settings = load(config)
    targets = [path.absolute() for path in (to or settings.backup.to)]
    if len({target.resolve() for target in targets}) < len(targets):
        raise UsageFault(
            "hai đích là cùng một thư mục: cần hai nơi khác nhau",
            "two targets are the same folder: two places are wanted",
        )
    if not targets:
        raise UsageFault(
            "chưa có đích: dùng --to THƯ-MỤC hoặc đặt [backup] to",
            "no target: give --to FOLDER or set [backup] to",
        )
    copied = _copy_keys(settings, keys_to, targets) if keys_to is not None else []
    found = keeping.back_up(
        settings,
        targets,
        keep=keep or settings.backup.keep,
        by=common.actor(),
        config=config,
        progress=told,
    )
    payload = {"targets": [_json(made) for made in found], "keys": copied}
    emit(payload, "\n".join((*map(_text, found), *_keys_text(copied, keys_to))), as_json)
    return OK if all(made.good for made in found) else FAILURE


def verify_backup(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Bản sao lưu, hoặc đích (bản mới nhất). / A backup, or a target."
        ),
    ],
    key: KeysOption = None,
    *,
    as_json: JsonOption = False,
) -> int:
    """Kiểm tra toàn bộ, không cần cổng hay mạng. / Check every byte, with no gateway at hand."""
    from gateway.backup.form import DamagedBackupError
    from gateway.backup.verify import verify

    try:
        found = verify(chosen(folder), public_keys(key or []), told)
    except DamagedBackupError as exc:
        faults = [(exc.file, exc.vi, exc.en)]
        emit(_checked_json(None, faults, pinned=False), f"✗ {exc.public}", as_json)
        return 1
    told_of = found.backup
    words = {0: "tốt / good", 1: "HỎNG / DAMAGED", 2: "nguyên vẹn / whole"}[found.exit_code]
    lines = [
        f"{told_of.folder}: {words}",
        f"  thời điểm / made at: {_local(told_of)} · cổng / gateway: {told_of.manifest['gateway']}",
        f"  sổ cái / ledger: {found.rows} · tệp / blobs: {found.blobs}",
        *(f"  ✗ {file}: {vi} / {en}" for file, vi, en in found.faults),
    ]
    if told_of.manifest["missing"]:
        count = len(told_of.manifest["missing"])
        lines.append(f"  ! thiếu {count} tệp từ lúc sao lưu / {count} blobs were missing already")
    if not found.pinned and not found.faults:
        lines.append("  ! chưa rõ người ký: dùng --key / the signer is not pinned: give --key")
    payload = _checked_json(told_of, found.faults, pinned=found.pinned)
    payload |= {"rows": found.rows, "blobs": found.blobs, "exit_code": found.exit_code}
    emit(payload, "\n".join(lines), as_json)
    return found.exit_code


def list_backups(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Đích. / A target.")],
    *,
    as_json: JsonOption = False,
) -> int:
    """Liệt kê các bản sao lưu hoàn chỉnh của một đích. / List a target's finished backups."""
    from gateway.backup import form

    broken = form.broken(folder) if folder.is_dir() else []
    found = [one for one in form.finished(folder) if one.id not in broken]
    rows: list[tuple[object, ...]] = [
        (b.id, _local(b), b.manifest["blobs"], len(b.manifest["missing"])) for b in found
    ]
    rows += [(name, "HỎNG / DAMAGED", "", "") for name in broken]
    columns = ("Bản sao lưu", "Thời điểm", "Tệp", "Thiếu")
    human = common.table(f"Sao lưu / Backups: {folder}", columns, rows)
    told_of = [
        {
            "id": b.id,
            "made_at": b.made_at,
            "gateway": b.manifest["gateway"],
            "blobs": b.manifest["blobs"],
            "missing": len(b.manifest["missing"]),
        }
        for b in found
    ]
    emit({"target": str(folder), "backups": told_of, "damaged": broken}, human, as_json)
    return OK


def _local(backup_of: "form.Backup") -> str:
    return common.local_iso(datetime.fromisoformat(backup_of.made_at)) or ""


def chosen(folder: Path) -> "form.Backup":
    """Return the backup a folder is or holds; DamagedBackupError when there is none."""
    from gateway.backup import form

    return form.chosen(folder)


def public_keys(paths: list[Path]) -> "Mapping[str, PublicKey]":
    """Return public receipt keys from PEM files, or refuse."""
    from gateway.receipts.proof import load_keys

    keys: dict[str, PublicKey] = {}
    for path in paths:
        try:
            keys |= load_keys(path.read_bytes())
        except (OSError, ValueError) as exc:
            raise UsageFault(
                f"--key {path}: không phải khóa công khai dạng PEM",
                f"--key {path}: not a public key in PEM ({exc})",
            ) from exc
    return keys


def told(what: str, done: int, total: int) -> None:
    """Show how far a long work is, to somebody who watches."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{what}: {done}/{total}{end}")
        sys.stderr.flush()


def _copy_keys(settings: Any, keys_to: Path, targets: list[Path]) -> list[str]:
    from gateway import keeping
    from gateway.backup.make import copy_keys

    place = keys_to.resolve()
    inside = {place, *place.parents}
    if any(target.resolve() in inside for target in targets):
        raise UsageFault(
            "--keys-to không được nằm trong thư mục sao lưu: khóa phải để riêng",
            "--keys-to must not lie in a backup target: keys are kept apart",
        )
    try:
        return copy_keys(keeping.key_files(settings), place)
    except OSError as exc:
        raise UsageFault(
            f"--keys-to {place}: {exc.strerror}", f"--keys-to {place}: {exc.strerror}"
        ) from exc


def _keys_text(copied: list[str], keys_to: Path | None) -> list[str]:
    if keys_to is None:
        return []
    return [
        f"{keys_to}: {len(copied)} tệp khóa / key files",
        "! Khóa không được mã hóa: cất ở nơi khác với bản sao lưu, ví dụ két sắt",
        "! The keys are not encrypted: lock them away, apart from the backups",
    ]


def _text(made: "Made") -> str:
    from gateway.keeping import said

    if not made.id:
        return f"{made.target}: ✗ {said(made)}"
    lines = [
        f"{made.target}: {made.id}",
        f"  tệp / blobs {made.blobs} · chép mới / copied {made.copied} ({made.copied_bytes:,} B)",
    ]
    lines += [f"  ! {said(made)}"] if made.missing else []
    lines += [f"  ! bản cũ bị hỏng / an older one is damaged: {n}" for n in made.damaged]
    lines += [f"  ! bỏ ra vì giống khóa / left out, looks like a key: {n}" for n in made.left_out]
    lines += [f"  xóa bản cũ / older one removed: {n}" for n in made.removed]
    return "\n".join(lines)


def _json(made: "Made") -> dict[str, Any]:
    from gateway.keeping import said

    return {
        "target": str(made.target),
        "id": made.id or None,
        "good": made.good,
        "blobs": made.blobs,
        "copied": made.copied,
        "copied_bytes": made.copied_bytes,
        "missing": made.missing,
        "gone": made.gone,
        "damaged": made.damaged,
        "left_out": made.left_out,
        "removed": made.removed,
        "said": said(made) or None,
    }


def _checked_json(
    backup_of: "form.Backup | None", faults: list[tuple[str, str, str]], *, pinned: bool
) -> dict[str, Any]:
    return {
        "backup": None if backup_of is None else backup_of.id,
        "made_at": None if backup_of is None else backup_of.made_at,
        "pinned": pinned,
        "faults": [{"file": file, "vi": vi, "en": en} for file, vi, en in faults],
        "exit_code": 1,
    }
