"""`vanlien queue`: what waits, what failed and why, and putting it back (SND-15).

Nothing here is deleted: a dead letter waits until an operator puts it back with a reason, which is
an audited transaction that a running server sees within a second.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.store.operations import Life, QueueRow


def register(app: typer.Typer) -> None:
    """Add `queue list|show|requeue`."""
    group = typer.Typer(help="Hàng chờ gửi và thư lỗi. / The queue and its dead letters.")
    group.command(
        "list",
        epilog=examples("vanlien queue list", "vanlien queue list --state failed --json"),
    )(list_queue)
    group.command(
        "show", epilog=examples("vanlien queue show 01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11")
    )(show)
    group.command(
        "requeue",
        epilog=examples(
            "vanlien queue requeue 01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11 --reason 'Trục đã sửa'",
        ),
    )(requeue)
    app.add_typer(group, name="queue")


def list_queue(
    *,
    state: Annotated[
        str,
        typer.Option(
            "--state",
            help="open, waiting, sending, deferred, failed, held (open: tất cả / all of them).",
        ),
    ] = "open",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="Số dòng nhiều nhất. / Most rows.")
    ] = 200,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê hàng chờ, thư lỗi trước. / List the queue, dead letters first."""
    from gateway.app import open_operations
    from gateway.store.operations import QueueState

    known: tuple[QueueState, ...] = get_args(QueueState)
    wanted = next((s for s in known if s == state), None)
    if wanted is None:
        raise UsageFault(f"--state phải là một trong {', '.join(known)}", f"no state {state}")
    with open_operations(config) as ledger:
        found = ledger.queue(wanted, limit=limit)
    rows = [
        (r.id, r.document_id, r.hop, r.hold or r.state, r.attempts, _at(r), r.reason) for r in found
    ]
    columns = ("Lượt chuyển", "Văn bản", "Chặng", "Trạng thái", "Lần", "Đến hạn", "Lý do")
    human = common.table("Hàng chờ / Queue", columns, rows)
    emit({"transfers": [_json(r) for r in found]}, human, as_json)
    return OK


def show(
    transfer: Annotated[str, typer.Argument(metavar="ID", help="Lượt chuyển. / Transfer.")],
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xem toàn bộ quá trình của một lượt chuyển. / Show the whole life of one transfer."""
    from gateway.app import open_operations

    with open_operations(config) as ledger:
        life = ledger.transfer(transfer)
    payload = {
        "transfer": _json(life.transfer),
        "attempts": [
            {k: _time(v) if k.endswith("_at") else v for k, v in row.items()}
            for row in life.attempts
        ],
        "deliveries": [
            {k: row[k] for k in ("id", "agency", "state", "reason")} for row in life.deliveries
        ],
        "events": [_event(row) for row in life.events],
    }
    emit(payload, _life_text(life), as_json)
    return OK


def requeue(
    item: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Lượt chuyển lỗi, hoặc một phần gửi lỗi hay bị trả lại. / A failed transfer, or "
            "one failed or returned delivery.",
        ),
    ],
    *,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đưa trở lại hàng chờ, có lý do. / Put it back into the queue, with a reason."""
    from gateway.app import open_operations

    with open_operations(config) as ledger:
        row = ledger.requeue(item, reason=common.stated(reason), by=common.actor())
    human = f"{row.id}: đã đưa lại hàng chờ tới {row.hop} / put back, to {row.hop}"
    emit(_json(row), human, as_json)
    return OK


def _at(row: "QueueRow") -> str:
    return common.local_iso(row.due_at) or ""


def _time(text: str | None) -> str | None:
    from gateway.domain.moments import local_text

    return local_text(text)


def _event(row: Any) -> dict[str, Any]:
    import json

    return {"at": _time(row["at"]), "type": row["type"], "data": json.loads(row["data"])}


def _json(row: "QueueRow") -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "consignment_id": row.consignment_id,
        "document_id": row.document_id,
        "hop": row.hop,
        "state": row.state,
        "hold": row.hold or None,
        "lane": row.lane,
        "attempts": row.attempts,
        "recipients": list(row.recipients),
        "created_at": common.local_iso(row.created_at),
        "due_at": common.local_iso(row.due_at),
        "reason": row.reason,
    }


def _life_text(life: "Life") -> str:
    row = life.transfer
    lines = [
        f"{row.id}  {row.kind}  {row.document_id}",
        f"  tới / to {row.hop}: {', '.join(row.recipients)}",
        f"  {row.hold or row.state}, đến hạn / due {_at(row)}  {row.reason}".rstrip(),
    ]
    lines += [f"  phần gửi / delivery {d['id']}: {d['agency']} {d['state']} {d['reason']}".rstrip()
              for d in life.deliveries]  # fmt: skip
    lines += [
        f"  lần / try {a['n']}: {_time(a['began_at'])} → {_time(a['ended_at']) or '…'} "
        f"{a['outcome']} {a['detail']}".rstrip()
        for a in life.attempts
    ]
    lines += [f"  {_time(e['at'])} {e['type']} {e['data']}" for e in life.events]
    return "\n".join(lines)
