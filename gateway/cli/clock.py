"""`vanlien clock`: let traffic go on under a clock that is known to be off, audited (TIM-01).

The override is a row of the ledger that a running server sees within a second. It hides nothing:
receipts are marked `unverified` while it stands, and its beginning and end are audit entries.
"""

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples


def register(app: typer.Typer) -> None:
    """Add `clock override`."""
    group = typer.Typer(help="Đồng hồ của cổng (TIM-01). / The gateway's clock (TIM-01).")
    group.command(
        "override",
        epilog=examples(
            "vanlien clock override --reason 'Máy chủ giờ hỏng, đã đối chiếu tay'",
            "vanlien clock override --end",
            "vanlien clock override --json",
        ),
    )(override)
    app.add_typer(group, name="clock")

    @group.callback()
    def only_groups() -> None:
        """Keep `override` a command of its own while it is the only one."""


def override(
    *,
    reason: Annotated[
        str | None,
        typer.Option("--reason", help="Lý do, ghi vào nhật ký. / Why; kept in the audit log."),
    ] = None,
    end: Annotated[
        bool, typer.Option("--end", help="Bỏ lệnh vượt quyền. / End the override.")
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cho phép ghi giờ và chuyển đi dù đồng hồ lệch; không tùy chọn: xem trạng thái.

    Let stamping and relaying go on although the clock is off; without options: show what stands.
    """
    from gateway.stores import open_operations

    if end and reason is not None:
        raise UsageFault(
            "--reason và --end không đi cùng nhau", "--reason and --end exclude one another"
        )
    with open_operations(config) as ledger:
        if reason is not None:
            stands = ledger.override_clock(reason=common.stated(reason), by=common.actor())
        elif end:
            ledger.end_clock_override(by=common.actor())
            stands = None
        else:
            stands = ledger.clock_override()
    if stands is None:
        emit({"override": None}, "Không có lệnh vượt quyền / no override stands", as_json)
        return OK
    shown = {"reason": stands.reason, "by": stands.by, "since": common.local_iso(stands.since)}
    human = (
        f"Đang vượt quyền kiểm tra đồng hồ từ {shown['since']}, do {stands.by}: {stands.reason}\n"
        "The clock's hold is overridden; end it with: vanlien clock override --end"
    )
    emit({"override": shown}, human, as_json)
    return OK
