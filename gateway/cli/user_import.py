"""`vanlien user import`: accounts from a list (CSV or XLSX), after showing what it would change.

A list is read whole and strictly: every fault with its line, and nothing is done while there is
one. Accounts and roles are added, names and mails brought up to date; nothing is taken away. Cut
short, the same command does the rest.
"""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, USAGE, UsageFault, emit, examples
from gateway.cli.user_desk import Desk, on_desk

if TYPE_CHECKING:
    from gateway.ports.accounts import ListFault
    from gateway.programs.accounts.lists import Line

_SHOWN: Final = 50


def register(group: typer.Typer) -> None:
    """Add `user import`."""
    group.command(
        "import",
        epilog=examples(
            "vanlien user import can-bo.xlsx --dry-run",
            "vanlien user import can-bo.csv --links duong-dan.csv",
            exits="0 xong / done · 64 danh sách có lỗi / the list has faults",
        ),
    )(import_list)


def import_list(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", exists=True, dir_okay=False, readable=True, help="CSV hoặc XLSX."
        ),
    ],
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Chỉ so sánh. / Check and compare only.")
    ] = False,
    links: Annotated[
        Path | None,
        typer.Option(
            "--links",
            help="Ghi đường dẫn mời ra tệp CSV mới, chỉ chủ tệp đọc được. / Where the invitations "
            "are written: a new CSV for the owner alone.",
        ),
    ] = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nhập danh sách tài khoản và vai trò. / Take over a list of accounts and roles."""
    from gateway.secrets import write_private

    lines, faults = _read(path)

    async def work(desk: Desk) -> None:
        if not faults:
            faults.extend(await desk.lists.compare(desk.me, lines))
        if faults or dry_run:
            return
        if any(one.known is None for one in lines) and (links is None or links.exists()):
            raise UsageFault(
                "--links phải là tệp chưa có: danh sách có tài khoản mới cần đường dẫn mời",
                "--links must name a new file: the list has new accounts to be invited",
            )
        if links is not None and not links.exists():
            write_private(links, b"login,link\r\n")
        for one in lines:
            made = await desk.lists.carry_out(desk.me, one)
            if made is not None and links is not None:
                _append(links, (made.login, desk.link(made.token)))

    on_desk(config, work)
    return _told(lines, faults, done=not (faults or dry_run), as_json=as_json)


def _told(
    lines: "Sequence[Line]", faults: "Sequence[ListFault]", *, done: bool, as_json: bool
) -> int:
    counts = {name: sum(one.action == name for one in lines) for name in ("add", "change", "same")}
    payload = {
        "done": done,
        "counts": counts,
        "lines": [one.shown() for one in lines if one.action != "same"],
        "faults": [{"line": f.line, "vi": f.vi, "en": f.en} for f in faults],
    }
    if faults:
        human = "\n".join(
            f"  dòng / line {f.line}: {f.vi} / {f.en}" for f in sorted(faults, key=lambda f: f.line)
        )
        emit(payload, human, as_json)
        return USAGE
    rows = [
        (one.line, one.new.login, one.new.name, {"add": "thêm", "change": "sửa"}[one.action],
         ", ".join([*one.changed, *(f"+{g.role}@{g.agency}" for g in one.lacking)]))
        for one in lines if one.action != "same"
    ][:_SHOWN]  # fmt: skip
    title = (
        f"{counts['add']} thêm / added, {counts['change']} sửa / changed, {counts['same']} không "
        f"đổi / same{'' if done else ' — chưa thực hiện / nothing done yet'}"
    )
    columns = ("Dòng", "Tài khoản", "Họ tên", "Việc", "Thay đổi")
    emit(payload, common.table(title, columns, rows) if rows else title, as_json)
    return OK


def _read(path: Path) -> "tuple[list[Line], list[ListFault]]":
    from gateway.programs.accounts.lists import ListError, read

    try:
        return read(path.read_bytes())
    except ListError as broken:
        raise UsageFault(broken.text.vi, broken.text.en) from broken


def _append(path: Path, made: tuple[str, str]) -> None:
    """Write one invitation at once: cut short, those made so far are not lost."""
    with path.open("a", encoding="utf-8", newline="") as out:
        csv.writer(out).writerow(made)
        out.flush()
        os.fsync(out.fileno())
