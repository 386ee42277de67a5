"""`vanlien retention`: what may go under `[retention]`, and letting it go; beside running servers.

The janitor does the same once a day. Identifiers, hashes and the signed receipt log stay.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.programs.retention import Tally


def register(app: typer.Typer) -> None:
    """Add `retention plan|run`."""
    group = typer.Typer(help="Thời hạn lưu. / How long data is kept.")
    group.command(
        "plan", epilog=examples("vanlien retention plan", "vanlien retention plan --json")
    )(plan)
    group.command("run", epilog=examples("vanlien retention run"))(run)
    app.add_typer(group, name="retention")


def plan(*, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Xem những gì sẽ được bỏ; không đổi gì. / Show what would go; changes nothing."""
    return _go(config, as_json, purge=False)


def run(*, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Bỏ những gì đã hết hạn lưu; được ghi nhật ký. / Let go what need not be kept; audited."""
    return _go(config, as_json, purge=True)


def _go(config: Path, as_json: bool, *, purge: bool) -> int:
    import asyncio

    told = asyncio.run(_told(config, purge=purge))
    payload: dict[str, Any] = {
        "purged": purge,
        "classes": {k: {"items": t.items, "size_bytes": t.size_bytes} for k, t in told.items()},
    }
    title = "Đã bỏ / Let go" if purge else "Sẽ bỏ / Would go"
    rows = [(kind, t.items, t.size_bytes) for kind, t in told.items()]
    columns = ("Loại / class", "Số lượng / items", "Byte")
    emit(payload, common.table(title, columns, rows), as_json)
    return OK


async def _told(config: Path, *, purge: bool) -> "Mapping[str, Tally]":
    from gateway import stores
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.policies import ages_of
    from gateway.programs.retention import Retention

    settings = load(config)
    stores.usable_ledger(settings)
    blobs = stores.open_blobs(settings)
    try:
        async with stores.open_ledger(settings) as ledger:
            retention = Retention(
                ledger,
                blobs,
                SystemClock(),
                stores.UuidIds(),
                ages_of(settings),
                actor=common.actor(),
            )
            return await (retention.run() if purge else retention.plan())
    finally:
        blobs.close()
