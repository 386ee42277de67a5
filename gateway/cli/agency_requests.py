"""`vanlien agency requests|approve|refuse`: agencies that systems ask to have registered or closed.

Each decision is one audited transaction; a request is decided once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption, local_iso
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from gateway.ports.registration import RequestRow

RequestId = Annotated[
    str, typer.Argument(metavar="ID", help="Yêu cầu, xem agency requests. / Request.")
]
_KIND_VI = {"register": "đăng ký", "close": "đóng mã"}
_STATE_VI = {"waiting": "chờ duyệt", "approved": "đã duyệt", "refused": "từ chối"}


def register(group: typer.Typer) -> None:
    """Add the commands to `vanlien agency`."""
    group.command("requests", epilog=examples("vanlien agency requests --json"))(requests)
    group.command(
        "approve",
        epilog=examples("vanlien agency approve 019a-… --reason 'Công văn 15/SNV ngày 20/11/2026'"),
    )(approve)
    group.command(
        "refuse", epilog=examples("vanlien agency refuse 019a-… --reason 'Sai mã cấp trên'")
    )(refuse)


def requests(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="Cả yêu cầu đã quyết định. / Decided ones too.")
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Yêu cầu đăng ký, đóng mã do các hệ thống gửi. / What systems ask about agencies."""
    from gateway.stores import open_requests

    with open_requests(config) as store:
        rows = store.requests(waiting=not every)
    columns = ("Yêu cầu", "Việc", "Mã", "Tên", "Cấp trên", "Hệ thống", "Lúc", "Trạng thái")
    human = common.table("Yêu cầu về mã cơ quan / Agency requests", columns, map(_cells, rows))
    emit({"requests": [_json(row) for row in rows]}, human, as_json)
    return OK


def approve(
    request_id: RequestId,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Duyệt: đăng ký mã cho hệ thống đã xin, hoặc đóng mã. / Do what was asked."""
    from gateway.stores import open_requests

    with open_requests(config) as store:
        row = store.approve(request_id, reason=common.stated(reason), by=common.actor())
    return _told(row, as_json=as_json)


def refuse(
    request_id: RequestId,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Từ chối; danh mục không đổi. / Decide against it; the catalogue stays as it is."""
    from gateway.stores import open_requests

    with open_requests(config) as store:
        row = store.refuse(request_id, reason=common.stated(reason), by=common.actor())
    return _told(row, as_json=as_json)


def _told(row: "RequestRow", *, as_json: bool) -> int:
    word = f"{_KIND_VI[row.kind]} {row.wish.code}: {_STATE_VI[row.state]} / {row.state}"
    emit(_json(row), word, as_json)
    return OK


def _cells(row: "RequestRow") -> tuple[object, ...]:
    return (
        row.id,
        _KIND_VI[row.kind],
        row.wish.code,
        row.wish.name,
        row.wish.parent,
        row.system_id,
        local_iso(row.asked_at),
        _STATE_VI[row.state],
    )


def _json(row: "RequestRow") -> dict[str, Any]:
    wish = row.wish
    return {
        "id": row.id,
        "kind": row.kind,
        "system": row.system_id,
        "code": wish.code,
        "name": wish.name,
        "parent": wish.parent,
        "mail": wish.mail,
        "phone": wish.phone,
        "fax": wish.fax,
        "state": row.state,
        "asked_at": local_iso(row.asked_at),
        "decided_at": local_iso(row.decided_at),
        "decided_by": row.decided_by,
        "reason": row.reason,
    }
