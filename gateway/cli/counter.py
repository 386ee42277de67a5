"""`vanlien counter`: the running numbers, for going live in the middle of a year.

DID-01 (S003 art 8.3): one number per agency and year, never used twice; so a counter only moves
forward. Each change is one audited transaction.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from gateway.ports import CounterRow


def register(app: typer.Typer) -> None:
    """Add `counter set|list`."""
    group = typer.Typer(help="Số thứ tự văn bản theo cơ quan và năm. / Numbers by agency and year.")
    group.command(
        "set",
        epilog=examples(
            "vanlien counter set H37.02 2026 4321 --reason 'Chuyển từ hệ thống cũ giữa năm'",
        ),
    )(set_counter)
    group.command("list", epilog=examples("vanlien counter list --json"))(list_counters)
    app.add_typer(group, name="counter")


def set_counter(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Mã cơ quan. / Agency.")],
    year: Annotated[int, typer.Argument(metavar="YEAR", min=2000, max=2999, help="Năm. / Year.")],
    last: Annotated[
        int,
        typer.Argument(
            metavar="N",
            min=0,
            help="Số cuối cùng đã cấp; văn bản kế tiếp nhận N+1. / Last number used; next is N+1.",
        ),
    ],
    *,
    reason: ReasonOption,
    series: Annotated[
        str, typer.Option("--series", help="Dãy số: issue (đi) hoặc arrival (đến). / Series.")
    ] = "issue",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đặt số cuối đã cấp, chỉ tăng, có lý do. / Set the last number used; never back."""
    why = common.stated(reason)
    with common.opened(config) as store:
        row = store.set_counter(code, year, series, last, reason=why, by=common.actor())
    human = (
        f"{row.agency} năm {row.year} ({row.series}): số kế tiếp {row.last + 1}"
        f" / next number {row.last + 1}"
    )
    emit(_json(row), human, as_json)
    return OK


def list_counters(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Liệt kê các dãy số. / List the counters."""
    with common.opened(config) as store:
        counters = store.counters()
    rows = [(c.agency, c.year, c.series, c.last, c.last + 1) for c in counters]
    human = common.table(
        "Số thứ tự / Counters", ("Cơ quan", "Năm", "Dãy", "Đã cấp", "Kế tiếp"), rows
    )
    emit({"counters": [_json(c) for c in counters]}, human, as_json)
    return OK


def _json(row: "CounterRow") -> dict[str, object]:
    return {
        "agency": row.agency,
        "year": row.year,
        "series": row.series,
        "last": row.last,
        "next": row.last + 1,
    }
