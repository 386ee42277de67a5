"""`vanlien inbox`: an agency that restored an old backup gets what it had taken once more.

Same ids, same bytes, marked as replay; receipts and the first legal time stay. Beside a running
server, which sees it at once; one audited transaction.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from datetime import datetime

    from gateway.ports import Rewound
    from gateway.programs.replays import LedgerReplays

SystemArgument = Annotated[
    str, typer.Argument(metavar="SYSTEM", help="Hệ thống của đơn vị. / The agency's system.")
]


def register(app: typer.Typer) -> None:
    """Add `inbox rewind|end`."""
    group = typer.Typer(help="Hộp đến của hệ thống: nhận lại. / A system's inbox, played again.")
    group.command(
        "rewind",
        epilog=examples(
            "vanlien inbox rewind qlvb-tinh --since 2026-11-20T00:00:00+07:00 "
            "--reason 'Phục hồi bản sao lưu' --dry-run",
            "vanlien inbox rewind qlvb-tinh --to 15200 --reason 'Phục hồi bản sao lưu' --json",
        ),
    )(rewind)
    group.command("end", epilog=examples("vanlien inbox end qlvb-tinh"))(end)
    app.add_typer(group, name="inbox")


def rewind(
    system: SystemArgument,
    *,
    to: Annotated[
        int | None,
        typer.Option("--to", min=0, help="Nhận lại những gì sau con trỏ. / From behind a cursor."),
    ] = None,
    since: Annotated[
        str, typer.Option("--since", help="Nhận lại từ thời điểm (ISO 8601). / Since a time.")
    ] = "",
    reason: ReasonOption,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Chỉ cho xem. / Only show what would come.")
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cho nhận lại văn bản đã nhận. / Offer again what was taken before."""
    import asyncio

    from gateway.web.replays import shown

    if (to is None) == (not since):
        raise UsageFault(
            "cần --to hoặc --since, một trong hai", "name --to or --since, one of them"
        )
    at = common.moment(since, "--since") if since else None
    told = asyncio.run(_rewound(config, system, to, at, common.stated(reason), dry_run=dry_run))
    emit(shown(told) | {"dry_run": dry_run}, _text(told, dry_run=dry_run), as_json)
    return OK


def _text(told: "Rewound", *, dry_run: bool) -> str:
    verb = "sẽ nhận lại / would come again" if dry_run else "sẽ nhận lại / come again"
    first = (
        f"{told.system_id}: {told.documents} văn bản / documents, {told.statuses} trạng thái / "
        f"statuses {verb}, từ con trỏ / behind cursor {told.cursor}"
    )
    lines = [first]
    if told.purged:
        lines.append(
            f"  {told.purged} văn bản đã hết hạn lưu, không còn nội dung: xin bên gửi gửi lại / "
            "documents whose bytes retention let go: ask their senders"
        )
    if told.consumers:
        lines.append(f"  cùng với / with: {', '.join(told.consumers)}")
    return "\n".join(lines)


def end(
    system: SystemArgument,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Thôi cho nhận lại. / Offer no more of it again."""
    import asyncio

    ended = asyncio.run(_ended(config, system))
    human = "đã thôi / ended" if ended else "không có gì đang nhận lại / nothing is played again"
    emit({"system_id": system, "ended": ended}, human, as_json)
    return OK


async def _rewound(
    config: Path, system: str, to: int | None, since: "datetime | None", reason: str, *,
    dry_run: bool,
) -> "Rewound":  # fmt: skip
    from gateway.ports import Caller

    async with _ledger(config) as ledger:
        if system not in {row["id"] for row in await ledger.all("systems")}:
            raise UsageFault(f"không có hệ thống {system}", f"there is no system {system}")
        spoken = await ledger.all("system_agencies")
        codes = frozenset(row["agency"] for row in spoken if row["system_id"] == system)
        return await _replays(ledger).rewind(
            Caller(system, codes), to=to, since=since, by=common.actor(), reason=reason,
            dry_run=dry_run,
        )  # fmt: skip


async def _ended(config: Path, system: str) -> bool:
    async with _ledger(config) as ledger:
        return await _replays(ledger).end(system)


def _ledger(config: Path) -> Any:
    from gateway import stores
    from gateway.config import load

    settings = load(config)
    stores.usable_ledger(settings)
    return stores.open_ledger(settings)


def _replays(ledger: Any) -> "LedgerReplays":
    from gateway import stores
    from gateway.clock import SystemClock
    from gateway.programs.replays import LedgerReplays

    return LedgerReplays(ledger, SystemClock(), stores.UuidIds())
