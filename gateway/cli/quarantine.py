"""`vanlien quarantine`: what was set apart because it shows a secrecy level (SEC-01).

A purge takes two different persons: the first call records the request, the second deletes the
bytes. A stub and its receipts stay, so that the chain still verifies. Each call is one transaction.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, local_iso
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.ports import QuarantineRow


def register(app: typer.Typer) -> None:
    """Add `quarantine list|purge`."""
    group = typer.Typer(help="Văn bản cách ly vì dấu hiệu mật. / Documents set apart (SEC-01).")
    group.command("list", epilog=examples("vanlien quarantine list --json"))(list_items)
    group.command(
        "purge",
        epilog=examples(
            "vanlien quarantine purge 0191e0c2-… --by 'Nguyễn Văn An'",
            "vanlien quarantine purge 0191e0c2-… --by 'Trần Thị Bình'",
        ),
    )(purge)
    app.add_typer(group, name="quarantine")


def list_items(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Liệt kê, không có nội dung. / List, without content."""
    with common.opened(config) as store:
        items = store.quarantined()
    rows = [(i.id, i.sender, i.document_id, i.reason, local_iso(i.since), _state(i)) for i in items]
    columns = ("Mã", "Bên gửi", "Mã định danh", "Lý do", "Từ lúc", "Tình trạng")
    human = common.table("Cách ly / Quarantine", columns, rows)
    emit({"items": [_json(item) for item in items]}, human, as_json)
    return OK


def purge(
    item_id: Annotated[str, typer.Argument(metavar="ID", help="Mã trong danh sách. / Item id.")],
    by: Annotated[
        str, typer.Option("--by", help="Họ tên người quyết định. / Name of the person deciding.")
    ],
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tiêu hủy, cần hai người khác nhau. / Delete the bytes; takes two different persons."""
    name = " ".join(by.split())
    if not name:
        raise UsageFault("--by phải ghi họ tên", "--by must name a person")
    with common.opened(config) as store:
        item = store.purge(item_id, by=name)
    if item.purged_at is None:
        human = (
            f"{item.id}: đã ghi đề nghị của {item.purge_asked_by}; cần người thứ hai xác nhận\n"
            f"{item.id}: request of {item.purge_asked_by} recorded; a second person must agree"
        )
    else:
        human = f"{item.id}: đã tiêu hủy, giữ lại dấu vết / purged, a stub stays"
    emit(_json(item), human, as_json)
    return OK


def _state(item: "QuarantineRow") -> str:
    if item.purged_at is not None:
        return f"đã tiêu hủy {local_iso(item.purged_at)}"
    if item.purge_asked_by:
        return f"chờ người thứ hai (đề nghị: {item.purge_asked_by})"
    return "đang giữ"


def _json(item: "QuarantineRow") -> dict[str, Any]:
    return {
        "id": item.id,
        "kind": item.kind,
        "document_id": item.document_id or None,
        "sender": item.sender,
        "reason": item.reason,
        "since": local_iso(item.since),
        "purge_asked_by": item.purge_asked_by or None,
        "purged_at": local_iso(item.purged_at),
    }
