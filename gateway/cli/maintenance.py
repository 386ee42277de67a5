"""`vanlien maintenance`: give the nodes of a gateway a rest, and take it back; they obey at once.

A node at rest says no at /ready, serves what still comes for `[node] drain`, then puts requests off
with 503 and Retry-After, ends its work and gives back what it alone did. Nothing that was accepted
is touched.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from gateway.ports.operations import Maintenance, NodeRow

_SILENT: Final = timedelta(seconds=30)
NodeOption = Annotated[
    str | None,
    typer.Option("--node", help="Chỉ một tiến trình; mặc định: tất cả. / One node; else all."),
]


def register(app: typer.Typer) -> None:
    """Add `maintenance on|off|status`."""
    group = typer.Typer(help="Bảo trì. / Maintenance of the nodes.")
    group.command(
        "on",
        epilog=examples(
            "vanlien maintenance on --reason 'Thay đĩa'",
            "vanlien maintenance on --node cong-1 --reason 'Nâng cấp'",
        ),
    )(on)
    group.command(
        "off", epilog=examples("vanlien maintenance off", "vanlien maintenance off --node cong-1")
    )(off)
    group.command(
        "status", epilog=examples("vanlien maintenance status", "vanlien maintenance status --json")
    )(status)
    app.add_typer(group, name="maintenance")


def on(
    *,
    reason: ReasonOption,
    node: NodeOption = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cho nghỉ để bảo trì; được ghi nhật ký. / Give a rest; audited."""
    from gateway.stores import open_operations

    with open_operations(config) as ledger:
        stands = ledger.begin_maintenance(node, reason=common.stated(reason), by=common.actor())
    human = (
        f"{node or 'tất cả / all'}: bảo trì / maintenance: {stands.reason}\n"
        "Xem: vanlien maintenance status. Kết thúc / end it: vanlien maintenance off"
    )
    emit({"maintenance": [_json(stands)]}, human, as_json)
    return OK


def off(
    *,
    node: NodeOption = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Kết thúc bảo trì. / End maintenance."""
    from gateway.stores import open_operations

    with open_operations(config) as ledger:
        ended = ledger.end_maintenance(node, by=common.actor())
    human = "\n".join(f"{m.node or 'tất cả / all'}: hết bảo trì / maintenance ended" for m in ended)
    emit({"ended": [_json(m) for m in ended]}, human or "Không có bảo trì / none stands", as_json)
    return OK


def status(*, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Xem các tiến trình và bảo trì. / Show nodes and maintenance."""
    from gateway.stores import open_operations

    with open_operations(config) as ledger:
        nodes, standing = ledger.nodes(), ledger.maintenance()
    now = datetime.now(UTC)
    payload = {
        "nodes": [node_json(n, now) for n in nodes],
        "maintenance": [_json(m) for m in standing],
    }
    columns = ("Tiến trình", "Trạng thái", "Việc", "Giữ riêng", "Phiên bản", "Thấy lúc")
    rows = [
        (n.name, shown_state(n, now), ",".join(n.roles), ", ".join(n.leases), n.version,
         common.local_iso(n.seen_at))
        for n in nodes
    ]  # fmt: skip
    if as_json or not standing:
        emit(payload, common.table("Tiến trình / Nodes", columns, rows), as_json)
        return OK
    lines = [f"{r[0]}  {r[1]}  {r[2]}  {r[5]}" for r in rows]
    lines += [
        f"Bảo trì / maintenance {m.node or 'tất cả / all'}: {m.reason} ({m.by}, "
        f"{common.local_iso(m.since)})"
        for m in standing
    ]
    emit(payload, "\n".join(lines), as_json)
    return OK


def shown_state(node: "NodeRow", now: datetime) -> str:
    """Return a node's state as it said it; `silent` when it should have spoken since."""
    late = now - node.seen_at > _SILENT
    return "silent" if late and node.state != "down" else node.state


def node_json(node: "NodeRow", now: datetime) -> dict[str, Any]:
    """Return a node for a JSON answer."""
    return {
        "name": node.name,
        "state": shown_state(node, now),
        "roles": list(node.roles),
        "leases": list(node.leases),
        "version": node.version,
        "started_at": common.local_iso(node.started_at),
        "seen_at": common.local_iso(node.seen_at),
    }


def _json(stands: "Maintenance") -> dict[str, Any]:
    since = common.local_iso(stands.since)
    return {"node": stands.node, "reason": stands.reason, "by": stands.by, "since": since}
