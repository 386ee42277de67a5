"""`vanlien restore`: put a backup back, reconcile what came after it, and let traffic go on.

A restored gateway stands still: it receives and answers, but gives no number and relays nothing,
because its counters may be behind numbers already given. `reconcile` moves them past what is known
from outside; `release` lets go. Each step is audited; none undoes another.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.backup import KeysOption, chosen, public_keys, told
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.backup import form
    from gateway.store.keeping import Floor

_FLOOR: Final = re.compile(r"([0-9A-Z.]{1,35}):(\d{4}):(issue|arrival)=(\d{1,12})")


def register(app: typer.Typer) -> None:
    """Add `restore from|show|reconcile|release`."""
    group = typer.Typer(help="Phục hồi từ bản sao lưu. / Restoring a backup.")
    group.command(
        "from",
        epilog=examples(
            "vanlien restore from /mnt/sao-luu-1 --to /srv/vanlien-moi --keys-from /root/khoa",
            "vanlien restore from /mnt/sao-luu-1 --config /srv/vanlien-moi/vanlien.toml",
        ),
    )(restore_from)
    group.command("show", epilog=examples("vanlien restore show --json"))(show)
    group.command(
        "reconcile",
        epilog=examples(
            "vanlien restore reconcile --floor H37.02:2026:issue=4711",
            "vanlien restore reconcile --receipts so-hoi-bao.jsonl",
        ),
    )(reconcile)
    group.command(
        "release", epilog=examples("vanlien restore release --reason 'Đã đối chiếu với trục'")
    )(release)
    app.add_typer(group, name="restore")


def restore_from(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Bản sao lưu, hoặc đích (bản mới nhất). / A backup, or a target."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option(
            "--to",
            help="Thư mục mới, trống: cấu hình lấy từ bản sao lưu. / A new, empty folder: settings "
            "come from the backup.",
        ),
    ] = None,
    keys_from: Annotated[
        Path | None,
        typer.Option(
            "--keys-from",
            help="Thư mục khóa đã chép bằng backup --keys-to. / Keys copied by backup --keys-to.",
        ),
    ] = None,
    key: KeysOption = None,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Phục hồi vào sổ cái trống; cổng đứng yên sau đó. / Restore into an empty ledger, held."""
    from gateway import keeping
    from gateway.config import load

    backup = chosen(folder)
    if to is not None:
        config = _lay_out(backup, to.absolute(), keys_from)
    elif keys_from is not None:
        raise UsageFault("--keys-from đi cùng --to", "--keys-from goes with --to")
    settings = load(config)
    trusted = {**keeping.trusted(settings), **public_keys(key or [])}
    done = keeping.put_back(settings, backup, trusted, by=common.actor(), progress=told)
    payload = {
        "backup": done.backup,
        "config": str(config),
        "made_at": done.made_at,
        "restored_at": done.restored_at,
        "rows": done.rows,
        "blobs": done.blobs,
        "files": done.files,
        "missing": list(done.missing),
        "left": done.left,
        "tree_size": done.tree_size,
        "root": done.root,
        "keys_needed": dict(done.keys_needed),
        "held": True,
    }
    lines = [
        f"Đã phục hồi {done.backup} / restored: {done.rows} dòng/rows, {done.blobs} tệp/blobs",
        *_window(done.made_at, done.restored_at),
        *(f"  ! giữ nguyên / left as it was: {name}" for name in done.left),
        *(f"  ! thiếu từ lúc sao lưu / missing already then: {name}" for name in done.missing),
        "Cổng đang đứng yên: nhận và trả lời, không cấp số, không chuyển đi.",
        "The gateway stands still: it receives, gives no number, relays nothing.",
        "Tiếp theo / Next:",
        f"  $ vanlien serve --config {config}",
        f"  $ vanlien restore reconcile --floor MÃ:NĂM:issue=SỐ --config {config}",
        f"  $ vanlien restore release --reason '…' --config {config}",
    ]
    emit(payload, "\n".join(lines), as_json)
    return OK


def show(*, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Xem cổng có đang đứng yên sau phục hồi không. / Show whether the gateway stands still."""
    from gateway import keeping
    from gateway.config import load

    with keeping.opened(load(config)) as ledger:
        stands = ledger.restored()
    if not stands:
        emit({"held": False}, "Cổng không đứng yên / the gateway does not stand still", as_json)
        return OK
    lines = [
        f"Đứng yên / stands still: {stands['backup']}",
        *_window(stands["made_at"], stands["restored_at"]),
        f"  sổ hồi báo / receipt log: {stands['tree_size']} · {stands['root']}",
        f"  đối chiếu / reconciled: {stands.get('reconciled_at', '—')}",
        *(f"    {name}" for name in stands.get("raised", ())),
    ]
    emit({"held": True, **stands}, "\n".join(lines), as_json)
    return OK


def reconcile(
    floor: Annotated[
        list[str] | None,
        typer.Option(
            "--floor",
            metavar="CODE:YEAR:SERIES=N",
            help="Số chắc chắn đã cấp: số kế tiếp lớn hơn. / A number surely given.",
        ),
    ] = None,
    receipts: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipts",
            help="Sổ hồi báo đã xuất sau bản sao lưu (bên khác giữ). / An export made after the "
            "backup, kept by somebody else.",
        ),
    ] = None,
    *,
    nothing_later: Annotated[
        bool,
        typer.Option(
            "--nothing-later",
            help="Chắc chắn không số nào được cấp sau bản sao lưu. / Surely no number was given "
            "after the backup.",
        ),
    ] = False,
    key: KeysOption = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đẩy các dãy số qua số đã cấp, kê những gì đã mất. / Move counters; list what is lost."""
    from gateway import keeping
    from gateway.config import load

    floors = [_floor(text) for text in floor or ()]
    if not floors and not receipts and not nothing_later:
        raise UsageFault(
            "cần --floor, --receipts, hoặc --nothing-later nếu chắc chắn không có số nào sau đó",
            "give --floor, --receipts, or --nothing-later when surely no number came after",
        )
    settings = load(config)
    trusted = {**keeping.trusted(settings), **public_keys(key or [])}
    entries = [facts for path in receipts or () for facts in keeping.entries_of(path, trusted)]
    from gateway.store.keeping import highest_in

    with keeping.opened(settings) as ledger:
        lost = ledger.lost(entries)
        raised = ledger.reconcile([*floors, *highest_in(entries)], by=common.actor())
        stands = ledger.restored()
    payload = {
        "raised": [
            {
                "agency": r.floor.agency,
                "year": r.floor.year,
                "series": r.floor.series,
                "before": r.before,
                "last": r.floor.last,
            }
            for r in raised
        ],
        "lost": [_lost(facts) for facts in lost],
        "window": {"from": stands["made_at"], "to": stands["restored_at"]},
    }
    lines = [
        f"{r.floor.agency} {r.floor.year} {r.floor.series}: {r.before} → {r.floor.last}"
        for r in raised
    ] or ["Không dãy số nào phải đẩy / no counter had to move"]
    lines += [f"mất / lost: {_lost_text(facts)}" for facts in lost]
    lines += _window(stands["made_at"], stands["restored_at"])
    emit(payload, "\n".join(lines), as_json)
    return OK


def release(
    *, reason: ReasonOption, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False
) -> int:
    """Cho cổng cấp số và chuyển đi trở lại, có lý do. / Let numbers and documents go again."""
    from gateway import keeping
    from gateway.config import load

    with keeping.opened(load(config)) as ledger:
        stood = ledger.release(reason=common.stated(reason), by=common.actor())
    human = f"Cổng hoạt động lại sau phục hồi {stood['backup']} / the gateway goes on"
    emit({"held": False, "backup": stood["backup"]}, human, as_json)
    return OK


# ---------------------------------------------------------------- pieces


def _floor(text: str) -> "Floor":
    from gateway.store.keeping import Floor

    found = _FLOOR.fullmatch(text)
    if found is None:
        raise UsageFault(
            f"--floor “{text}” sai: viết MÃ:NĂM:issue=SỐ, ví dụ H37.02:2026:issue=4711",
            f"--floor {text!r}: write CODE:YEAR:issue=N, like H37.02:2026:issue=4711",
        )
    return Floor(found[1], int(found[2]), found[3], int(found[4]))


def _lay_out(backup: "form.Backup", folder: Path, keys_from: Path | None) -> Path:
    """Write the settings, certificates and keys of a backup into a new folder."""
    import tomllib

    from gateway.backup import form

    if folder.exists() and any(folder.iterdir()):
        raise UsageFault(f"{folder} không trống", f"{folder} is not empty")
    kept = list(form.files_of(backup))
    settings = next((k for k in kept if k.root == "settings"), None)
    if settings is None:
        raise UsageFault(
            "bản sao lưu không có tệp cấu hình: dùng --config",
            "the backup holds no settings file: give --config",
        )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = folder / CONFIG_NAME
    shutil.copyfile(backup.pooled(settings.sha256), config)
    config.chmod(0o600)
    raw = tomllib.loads(config.read_text(encoding="utf-8"))
    trust = folder / raw.get("verify", {}).get("trust_dir", "trust")
    trust.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Settings may name a folder elsewhere: what is trusted there already is left alone.
    fresh = not any(trust.iterdir())
    for one in kept:
        if one.root == "trust" and fresh:
            out = trust / one.path
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(backup.pooled(one.sha256), out)
    if keys_from is not None:
        _put_keys(raw, folder, keys_from)
    return config


def _put_keys(raw: Mapping[str, Any], folder: Path, keys_from: Path) -> None:
    """Put keys copied by `backup --keys-to` where the settings look for them."""
    from gateway.secrets import write_private

    ring = "keys/receipts.ring.json"
    defaults = {
        "receipts.key_file": "keys/receipts.pem",
        "receipts.ring_file": ring,
        "secrets.key_file": "keys/secrets.key",
    }
    beside = Path(_written(raw, "receipts.ring_file") or ring).parent
    for file in sorted(keys_from.glob("*--*")):
        setting, _, name = file.name.partition("--")
        written = _written(raw, setting) or defaults.get(setting)
        if setting.startswith("receipts.ring."):  # keys of the ring lie beside it
            written = str(beside / name)
        if written is not None:
            out = folder / written
            out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not out.exists():
                write_private(out, file.read_bytes())


def _written(raw: Any, setting: str) -> str | None:
    """Return what the settings file says under a key path like `peers[0].secret_file`."""
    for part in setting.split("."):
        name, _, index = part.rstrip("]").partition("[")
        table = {"peers": "peer", "agencies": "agency"}.get(name, name)
        raw = raw.get(table) if isinstance(raw, Mapping) else None
        if index and isinstance(raw, list) and int(index) < len(raw):
            raw = raw[int(index)]
    return raw if isinstance(raw, str) else None


def _window(made_at: str, restored_at: str) -> list[str]:
    return [
        f"  Có thể thiếu mọi việc từ {made_at} đến {restored_at}",
        "  Whatever happened in between may be missing",
    ]


def _lost(facts: Mapping[str, Any]) -> dict[str, Any]:
    names = ("entry_id", "kind", "at", "consignment_id", "document_id", "sender", "issue_ordinal")
    return {name: facts[name] for name in names if name in facts}


def _lost_text(facts: Mapping[str, Any]) -> str:
    return " ".join(str(v) for v in _lost(facts).values())
