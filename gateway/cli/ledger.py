"""`vanlien ledger`: make the ledger, see which revision it has, upgrade it, reindex it.

An upgrade is one transaction: a crash leaves the ledger as it was. It has two halves. The first
only adds: the program before can be put back with nothing lost, and on PostgreSQL nodes are
replaced one by one. The second (`--finish`) ends that, once nobody needs the older program. Neither
happens without a backup to go back to (`gateway.keeping.upgrade_ledger`).
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, USAGE, emit, examples

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.programs.booksanew import Step
    from gateway.stores import LedgerStatus


def register(app: typer.Typer) -> None:
    """Add `ledger create`, `ledger status`, `ledger upgrade` and `ledger reindex`."""
    group = typer.Typer(
        help="Sổ cái: tạo, xem, nâng cấp, lập lại sổ tìm kiếm. / The ledger: make, look, upgrade, "
        "reindex."
    )
    group.command(
        "create",
        epilog=examples("vanlien ledger create --config /srv/vanlien/vanlien.toml"),
    )(create)
    group.command(
        "status",
        epilog=examples(
            "vanlien ledger status --config /srv/vanlien/vanlien.toml",
            "vanlien ledger status --json",
            exits="0 dùng được / usable, 64 không / not",
        ),
    )(status)
    group.command(
        "upgrade",
        epilog=examples(
            "vanlien ledger upgrade --config /srv/vanlien/vanlien.toml",
            "vanlien ledger upgrade --finish",
            "vanlien ledger upgrade --no-backup",
            exits="0 xong / done, 64 chưa có bản sao lưu / no backup, 70 không sao lưu được / it "
            "could not be made",
        ),
    )(upgrade)
    group.command(
        "reindex",
        epilog=examples(
            "vanlien ledger reindex --config /srv/vanlien/vanlien.toml",
            "vanlien ledger reindex --workers 0",
            "vanlien ledger reindex --json",
            exits="0 xong / done, 64 không có sổ cái hay trang làm việc / no ledger or console, "
            "70 không đọc hay ghi được / not readable or writable",
        ),
    )(reindex)
    app.add_typer(group, name="ledger")


def create(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Tạo sổ cái trống theo cấu hình; không ghi đè. / Make the empty ledger of the settings."""
    from gateway.stores import create_ledger

    settings = _load(config)
    create_ledger(settings)
    return _tell(settings, as_json, "Đã tạo sổ cái / ledger created")


def status(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Xem sổ cái ở đâu, phiên bản nào, có dùng được không. / Where it is, its revision, usable?"""
    return _tell(_load(config), as_json, "Sổ cái / ledger")


def upgrade(
    *,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish",
            help="Bước hai: khi không còn dùng và không quay lại bản cũ nữa. / The second half, "
            "once no older program is used or may come back.",
        ),
    ] = False,
    no_backup: Annotated[
        bool,
        typer.Option(
            "--no-backup",
            help="Không đòi bản sao lưu: đã có ở nơi khác. / Ask for no backup: there is one "
            "elsewhere.",
        ),
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nâng cấp sổ cái, không bao giờ thiếu bản sao lưu. / Upgrade it, never without a backup."""
    from gateway.cli import common
    from gateway.cli.backup import told
    from gateway.keeping import upgrade_ledger

    settings = _load(config)
    made = upgrade_ledger(
        settings,
        finish=finish,
        by=common.actor(),
        backup=not no_backup,
        config=config,
        progress=told,
    )
    backups = [str(one.target / one.id) for one in made if one.good]
    done = "Đã nâng cấp sổ cái / ledger upgraded"
    if backups:
        done = f"Đã sao lưu / backed up: {', '.join(backups)}\n{done}"
    return _tell(settings, as_json, done, backups)


def reindex(
    *,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=0,
            max=16,
            help="Số tiến trình phụ; mặc định: số nhân trừ một. / Further processes; one less "
            "than there are processors by default.",
        ),
    ] = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Lập lại sổ tìm kiếm, sổ đăng ký, thống kê của máy này. / Make this machine's books anew.

    Sổ cái không bị đụng đến; cổng cứ chạy, dùng sổ cũ đến khi sổ mới xong. / The ledger is only
    read; the gateway goes on with the books it has until the new ones are whole.
    """
    from gateway.shelving import reindex as made_anew

    found = made_anew(config, workers, _step)
    payload: dict[str, object] = {
        "books": str(found.path),
        "documents": found.documents,
        "took_s": found.took_s,
        "in_use": found.in_use,
    }
    after = (
        "đang dùng / in use"
        if found.in_use
        else "máy chủ đang chạy sẽ dùng trong vòng một phút / the running server takes them over "
        "within a minute"
    )
    human = (
        f"Đã lập lại / made anew: {found.path}\n{found.documents} văn bản / documents, "
        f"{found.took_s:.0f} s; {after}"
    )
    emit(payload, human, as_json)
    return OK


def _step(step: "Step", took_s: float) -> None:
    """Show how far it is, to somebody who watches."""
    if not sys.stderr.isatty():
        return
    shown = f"{step.done}/{step.total} văn bản / documents"
    if step.done:
        shown += f", còn / left {took_s / step.done * (step.total - step.done):.0f} s"
    end = "\n" if step.done == step.total else "\x1b[K"
    sys.stderr.write(f"\r{shown}{end}")
    sys.stderr.flush()


def _load(config: Path) -> "Settings":
    from gateway.config import load

    return load(config)


def _tell(
    settings: "Settings", as_json: bool, done: str, backups: Sequence[str] | None = None
) -> int:
    from gateway.stores import ledger_status

    found = ledger_status(settings)
    payload: dict[str, object] = {
        "engine": found.engine,
        "where": found.where,
        "revision": found.revision or None,
        "works_since": found.works_since or None,
        "program": found.program,
        "usable": not found.fault,
        "fault": found.fault or None,
    }
    if backups is not None:
        payload["backups"] = list(backups)
    emit(payload, f"{done}: {found.where}\n{_said(found)}", as_json)
    return USAGE if found.fault else OK


def _said(found: "LedgerStatus") -> str:
    if found.fault:
        return found.fault
    lines = [f"phiên bản {found.revision}, dùng được / revision {found.revision}, usable"]
    if found.works_since < found.revision:
        lines.append(
            f"chương trình từ phiên bản {found.works_since} còn được dùng; khi chúng đã dừng hết: "
            f"vanlien ledger upgrade --finish / programs since revision {found.works_since} may "
            "still work with it; once they left: vanlien ledger upgrade --finish"
        )
    return "\n".join(lines)
