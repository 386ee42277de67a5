"""`vanlien restore`: put a backup back, reconcile what came after it, and let traffic go on.

A restored gateway stands still: it receives and answers, but gives no number and relays nothing,
because its counters may be behind numbers already given. `reconcile` moves them past what is known
from outside; `release` lets go. Each step is audited; none undoes another.
"""

import itertools
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.backup import KeysOption, chosen, public_keys, told
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.backup import form
    from gateway.backup.verify import Checked
    from gateway.store.keeping import Floor, Raised, SeenHead

_UNDER_WAY: Final = ".restore-under-way"
"""Names the backup a folder is being filled from: the same command goes on with it."""

_FLOOR: Final = re.compile(r"([0-9A-Z.]{1,35}):(\d{4}):(issue|arrival)=(\d{1,12})")


def register(app: typer.Typer) -> None:
    """Add `restore from|show|reconcile|strays|release`."""
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
        "strays",
        epilog=examples("vanlien restore strays", "vanlien restore strays --to /srv/tim-lai"),
    )(strays)
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
    checked = None
    if to is not None:
        checked, config = _begun(backup, to.absolute(), keys_from, key or [])
    elif keys_from is not None:
        raise UsageFault("--keys-from đi cùng --to", "--keys-from goes with --to")
    settings = load(config)
    trusted = {**keeping.trusted(settings), **public_keys(key or [])}
    if checked is not None and keys_from is not None:
        trusted |= keeping.signers_in(keys_from)
    done = keeping.put_back(
        settings, backup, trusted, by=common.actor(), progress=told, checked=checked
    )
    if to is not None:
        (to / _UNDER_WAY).unlink(missing_ok=True)
    payload = {
        "backup": done.backup,
        "config": str(config),
        "made_at": done.made_at,
        "restored_at": done.restored_at,
        "rows": done.rows,
        "blobs": done.blobs,
        "files": done.files,
        "missing": list(done.missing),
        "lacking": list(done.lacking),
        "gone": list(done.gone),
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
        *(
            f"    {' '.join(filter(None, (r['kind'], r['owner'], r['document_id'])))}"
            for r in done.lacking
        ),
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
        *(_head_text(*head) for head in stands.get("heads", ())),
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
    head: Annotated[
        list[Path] | None,
        typer.Option(
            "--head",
            help="Đầu cây bên khác giữ: cho biết sổ đã dài tới đâu. / A tree head kept by somebody "
            "else: how long the log was.",
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
    if not floors and not receipts and not head and not nothing_later:
        raise UsageFault(
            "cần --floor, --receipts, hoặc --nothing-later nếu chắc chắn không có số nào sau đó",
            "give --floor, --receipts, or --nothing-later when surely no number came after",
        )
    settings = load(config)
    trusted = {**keeping.trusted(settings), **public_keys(key or [])}
    exports = [keeping.entries_of(path, trusted) for path in receipts or ()]
    entries = itertools.chain.from_iterable(facts for facts, _ in exports)
    heads = [
        *(tree for _, tree in exports),
        *(keeping.head_of(path, trusted) for path in head or ()),
    ]
    raised: list[Raised] = []
    with keeping.opened(settings) as ledger:
        seen = ledger.see_heads([tree for tree in heads if tree[0]], by=common.actor())
        lost = ledger.lost(entries)
        told_of = [state for *_, state in ledger.restored().get("heads", ())]
        if nothing_later and (lost or "ahead" in told_of):
            raise UsageFault(
                "--nothing-later không đúng: có đầu cây hoặc hồi báo ghi sau bản sao lưu; dùng "
                "--floor hoặc --receipts",
                "--nothing-later is not true: there is a tree head or a receipt from after the "
                "backup; give --floor or --receipts",
            )
        if floors or receipts or nothing_later:
            raised = ledger.reconcile([*floors, *ledger.floors(lost)], by=common.actor())
        stands = ledger.restored()
    payload = _reconciled(raised, lost, seen, stands)
    lines = [
        f"{r.floor.agency} {r.floor.year} {r.floor.series}: {r.before} → {r.floor.last}"
        for r in raised
    ] or ["Không dãy số nào phải đẩy / no counter had to move"]
    lines += [f"mất / lost: {_lost_text(facts)}" for facts in lost]
    lines += [_head_text(h.size, h.root, h.state) for h in seen]
    lines += _window(stands["made_at"], stands["restored_at"])
    emit(payload, "\n".join(lines), as_json)
    return OK


def _reconciled(
    raised: "Sequence[Raised]",
    lost: Sequence[Mapping[str, Any]],
    seen: "Sequence[SeenHead]",
    stands: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what `restore reconcile --json` answers."""
    return {
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
        "heads": [{"size": h.size, "root": h.root, "state": h.state} for h in seen],
        "reconciled": bool(stands.get("reconciled_at")),
        "window": {"from": stands["made_at"], "to": stands["restored_at"]},
    }


def strays(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="Chép các tệp ra thư mục này. / Copy them into this folder."),
    ] = None,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê tệp còn trong kho mà sổ cái không nêu tên. / List blobs that no row names.

    Kho còn, chỉ sổ cái mất: gói tin đã nhận sau bản sao lưu nằm trong số này. / Where only the
    ledger was lost, packets accepted after the backup are among them.
    """
    from gateway import keeping
    from gateway.config import load

    try:
        found = list(keeping.strays(load(config), None if to is None else to.absolute()))
    except OSError as exc:
        raise UsageFault(f"--to {to}: {exc.strerror}", f"--to {to}: {exc.strerror}") from exc
    rows = [{"sha256": name, "size_bytes": size} for name, size in found]
    lines = [f"{name} {size:,} B" for name, size in found]
    lines.append(f"{len(found)} tệp không dòng nào nêu tên / blobs that no row names")
    emit({"blobs": rows, "to": None if to is None else str(to)}, "\n".join(lines), as_json)
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


def _begun(
    backup: "form.Backup", folder: Path, keys_from: Path | None, key: list[Path]
) -> "tuple[Checked, Path]":
    """Check a backup, then lay its settings out; nothing of it is written, or believed, before."""
    from gateway import keeping

    under_way = folder / _UNDER_WAY
    again = under_way.is_file() and under_way.read_text(encoding="utf-8") == backup.id
    if folder.exists() and any(folder.iterdir()) and not again:
        raise UsageFault(f"{folder} không trống", f"{folder} is not empty")
    known = {**(keeping.signers_in(keys_from) if keys_from else {}), **public_keys(key)}
    if not known and keys_from is not None:
        raise UsageFault(
            f"{keys_from} không có khóa hồi báo nào do `vanlien backup --keys-to` chép ra",
            f"{keys_from} holds no receipt key that `vanlien backup --keys-to` copied",
        )
    if not known:
        raise UsageFault(
            "chưa biết ai ký bản sao lưu: cần --keys-from có khóa hồi báo, hoặc --key (khóa trong "
            "thiết bị PKCS#11)",
            "nobody knows yet who signed the backup: give --keys-from with the receipt key, or "
            "--key (for a key in a PKCS#11 token)",
        )
    checked = keeping.examine(backup, known, told)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    under_way.write_text(backup.id, encoding="utf-8")
    return checked, _lay_out(backup, folder, keys_from, again=again)


def _lay_out(
    backup: "form.Backup", folder: Path, keys_from: Path | None, *, again: bool = False
) -> Path:
    """Write the settings, certificates and keys of a checked backup into a new folder."""
    import tomllib

    from gateway.backup import form

    kept = list(form.files_of(backup))
    settings = next((k for k in kept if k.root == "settings"), None)
    if settings is None:
        raise UsageFault(
            "bản sao lưu không có tệp cấu hình: dùng --config",
            "the backup holds no settings file: give --config",
        )
    config = folder / CONFIG_NAME
    shutil.copyfile(backup.pooled(settings.sha256), config)
    config.chmod(0o600)
    raw = tomllib.loads(config.read_text(encoding="utf-8"))
    trust = folder / raw.get("verify", {}).get("trust_dir", "trust")
    trust.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Settings may name a folder elsewhere: what is trusted there already is left alone.
    fresh = not any(trust.iterdir()) or (again and trust.is_relative_to(folder))
    for one in kept:
        if one.root == "trust" and fresh:
            out = trust / one.path
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(backup.pooled(one.sha256), out)
    if keys_from is not None:
        _put_keys(raw, folder, keys_from, again=again)
    return config


def _put_keys(
    raw: Mapping[str, Any], folder: Path, keys_from: Path, *, again: bool = False
) -> None:
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
            if again and out.is_relative_to(folder):
                out.unlink(missing_ok=True)  # cut off in its middle, perhaps
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


def _head_text(size: int, root: str, state: str) -> str:
    words = {
        "fits": "khớp sổ / fits the log",
        "ahead": "dài hơn sổ đã phục hồi: có mục đã mất / ahead of the restored log: entries lost",
        "contradicts": "KHÔNG KHỚP, ký bằng khóa của cổng: điều tra / CONTRADICTS, signed with our "
        "key: investigate",
    }
    return f"  đầu cây / tree head {size} · {root[:16]}…: {words[state]}"


def _window(made_at: str, restored_at: str) -> list[str]:
    began, ended = (common.local_iso(datetime.fromisoformat(t)) for t in (made_at, restored_at))
    return [
        f"  Có thể thiếu mọi việc từ {began} đến {ended}",
        "  Whatever happened in between may be missing",
    ]


def _lost(facts: Mapping[str, Any]) -> dict[str, Any]:
    names = ("entry_id", "kind", "at", "consignment_id", "document_id", "sender", "issue_ordinal")
    return {name: facts[name] for name in names if name in facts}


def _lost_text(facts: Mapping[str, Any]) -> str:
    return " ".join(str(v) for v in _lost(facts).values())
