"""`vanlien agency`: the catalogue of agencies as this gateway sees it.

Each change is one audited transaction; lists of many are `gateway.cli.agency_import`'s.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gateway.cli import agency_import, agency_requests, common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from datetime import date

    from gateway.ports import AgencyRecord

CodeArgument = Annotated[str, typer.Argument(metavar="CODE", help="Mã định danh. / Agency code.")]
_STATUS_VI = {"active": "hoạt động", "locked": "tạm khóa", "closed": "đã đóng"}


def register(app: typer.Typer) -> None:
    """Add `agency add|find|list|close|lock|unlock|alias|import|apply|seed`."""
    group = typer.Typer(help="Danh mục cơ quan. / The catalogue of agencies.")
    group.command(
        "add",
        epilog=examples(
            "vanlien agency add H37.02 --name 'Sở Nội vụ' --legacy-code 000.00.02.H37 --console",
            "vanlien agency add G22 --name 'Văn phòng Chính phủ' --connected truc-qg",
        ),
    )(add)
    group.command("find", epilog=examples("vanlien agency find 'so noi vu'"))(find)
    group.command("list", epilog=examples("vanlien agency list --json"))(list_agencies)
    group.command(
        "close",
        epilog=examples(
            "vanlien agency close H37.25 --successor H37.02 --reason 'Sáp nhập'",
            "vanlien agency close H37.26 --successor H37.02 --successor H37.05@2026-07-01 "
            "--reason 'Chia tách'",
            "vanlien agency close H37.25 --successor H37.02 --forward-until 2026-12-31 "
            "--reason 'Sáp nhập'",
        ),
    )(close)
    group.command("lock", epilog=examples("vanlien agency lock H37.02 --reason 'Tạm dừng'"))(lock)
    group.command("unlock", epilog=examples("vanlien agency unlock H37.02 --reason 'Nối lại'"))(
        unlock
    )
    group.command("alias", epilog=examples("vanlien agency alias 02.H37 H37.02"))(alias)
    group.command(
        "import",
        epilog=examples(
            "vanlien agency import danh-muc.csv --dry-run",
            "vanlien agency import --from-peer truc-qg --plan ke-hoach.json",
        ),
    )(agency_import.import_list)
    group.command("apply", epilog=examples("vanlien agency apply ke-hoach.json"))(
        agency_import.apply
    )
    group.command(
        "seed", epilog=examples("vanlien agency seed --connected truc-qg --plan ke-hoach.json")
    )(agency_import.seed)
    agency_requests.register(group)
    app.add_typer(group, name="agency")


def add(
    code: CodeArgument,
    *,
    name: Annotated[str, typer.Option("--name", help="Tên cơ quan. / Name.")],
    legacy_code: Annotated[str, typer.Option(help="Mã cũ, 13 ký tự. / Old code.")] = "",
    parent: Annotated[str, typer.Option(help="Mã cấp trên. / Code above.")] = "",
    mail: Annotated[str, typer.Option(help="Thư điện tử. / Mail.")] = "",
    connected: Annotated[
        str, typer.Option(help='"local", tên peer, hoặc "" (không liên thông). / Where it is.')
    ] = "local",
    console: Annotated[
        bool,
        typer.Option("--console", help="Làm việc trên trang của cổng. / Works in our console."),
    ] = False,
    numbered_by: Annotated[
        Literal["gateway", "own-system"], typer.Option(help="Ai cấp số. / Who counts.")
    ] = "gateway",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Thêm hoặc sửa một cơ quan. / Add an agency, or change it."""
    from gateway.agencycsv import record_faults
    from gateway.ports import AgencyRecord

    record = AgencyRecord(
        code=code,
        name=" ".join(name.split()),
        legacy_code=legacy_code,
        parent=parent,
        mail=mail,
        connected=connected,
        console=console,
        numbered_by=numbered_by,
    )
    for vi, en in record_faults(record, _peers(config)):
        raise UsageFault(vi, en)
    with common.opened(config) as store:
        outcome = store.put_agency(record, by=common.actor())
    word = {"added": "đã thêm", "changed": "đã sửa", "same": "không đổi"}[outcome]
    emit({"code": code, "result": outcome}, f"{code}: {word} / {outcome}", as_json)
    return OK


def list_agencies(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Liệt kê danh mục, kể cả mã đã đóng. / List all, closed ones too."""
    with common.opened(config) as store:
        agencies = store.agencies()
    columns = ("Mã", "Tên", "Mã cũ", "Nối ở", "Cấp số", "Trạng thái", "Kế thừa", "Tên gọi khác")
    human = common.table("Cơ quan / Agencies", columns, [_cells(a) for a in agencies])
    emit({"agencies": [_json(a) for a in agencies]}, human, as_json)
    return OK


def find(
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="Đầu mã, hoặc các từ trong tên. / Code or words."),
    ],
    limit: Annotated[int, typer.Option("--limit", min=1, max=100, help="Số dòng. / Rows.")] = 20,
    every: Annotated[
        bool, typer.Option("--all", help="Cả mã đã đóng, bị khóa. / Closed and locked ones too.")
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tìm cơ quan theo mã hoặc tên, không cần dấu. / Find by code or name, accents or none."""
    from contextlib import closing
    from datetime import UTC, datetime

    from gateway.config import load
    from gateway.domain.agencysearch import AgencyIndex
    from gateway.domain.moments import VIETNAM
    from gateway.stores import open_catalogue

    day = datetime.now(UTC).astimezone(VIETNAM).date()
    with closing(open_catalogue(load(config))) as catalogue:
        directory = catalogue.directory()
    found = AgencyIndex(directory).find(text, day, limit=limit, closed=every)
    rows = [
        {
            "code": a.code,
            "name": a.name,
            "legacy_code": a.legacy_code,
            "connected": a.hop,
            "status": a.status_on(day).value,
            "successors": list(directory.successor_of(a.code, day).codes),
            "forward_until": a.forward_until.isoformat() if a.forward_until else None,
        }
        for a in found
    ]
    columns = ("Mã", "Tên", "Mã cũ", "Nối ở", "Trạng thái", "Kế thừa", "Chuyển tiếp đến")
    cells = [
        (
            *(r[k] for k in ("code", "name", "legacy_code", "connected", "status")),
            ", ".join(directory.successor_of(str(r["code"]), day).codes),
            r["forward_until"],
        )
        for r in rows
    ]
    emit({"agencies": rows}, common.table("Cơ quan / Agencies", columns, cells), as_json)
    return OK


def close(
    code: CodeArgument,
    *,
    reason: ReasonOption,
    successor: Annotated[
        list[str] | None,
        typer.Option(
            "--successor",
            help="Mã tiếp nhận, có thể kèm ngày: H42, H42@2025-07-01..; nêu nhiều lần nếu chia "
            "tách. / Code that takes over, perhaps with days; again for each after a split.",
        ),
    ] = None,
    forward_until: Annotated[
        str,
        typer.Option(
            "--forward-until",
            help="Ngày cuối còn chuyển văn bản đến cho đơn vị kế thừa. / Last day on which others' "
            "documents are brought to the successor.",
        ),
    ] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đóng mã vĩnh viễn; tra cứu vẫn được. / Close a code for good; look-up still works."""
    # ID-05 (QĐ20): the code is closed, never given to another, its history still resolves.
    heirs = successor or []
    if len(heirs) > 1 or forward_until or any("@" in heir for heir in heirs):
        return _close_with(code, heirs, forward_until, reason, config, as_json=as_json)
    heir = heirs[0] if heirs else ""
    return _set_status(
        code, "closed", successor=heir, reason=reason, config=config, as_json=as_json
    )


def _close_with(
    code: str, heirs: list[str], until: str, reason: str, config: Path, *, as_json: bool
) -> int:
    from datetime import date

    from gateway.agencycsv import successor_of
    from gateway.domain.succession import Succession

    why = common.stated(reason)
    try:
        day = date.fromisoformat(until) if until else None
        read = [successor_of(heir) for heir in heirs]
        links = [Succession(code, heir, _date(since), _date(to)) for heir, since, to in read]
    except ValueError as exc:
        raise UsageFault(f"Ngày sai: {exc}; ví dụ 2026-06-30.", f"No day: {exc}") from exc
    with common.opened_agencies(config) as book:
        fields = book.close_agency(code, links, forward_until=day, reason=why, by=common.actor())
    named = ", ".join(link[0] for link in fields["successors"]) or "không có / none"
    term = f"; chuyển tiếp đến / forwarded until {day}" if day else ""
    human = f"{code}: {_STATUS_VI['closed']} / closed; kế thừa / successors {named}{term}"
    emit({"code": code, **fields}, human, as_json)
    return OK


def _date(text: str | None) -> "date | None":
    from datetime import date

    return date.fromisoformat(text) if text else None


def lock(
    code: CodeArgument,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tạm khóa: không gửi đến được. / Lock: nothing can be sent to it."""
    return _set_status(code, "locked", successor="", reason=reason, config=config, as_json=as_json)


def unlock(
    code: CodeArgument,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Mở khóa. / Unlock."""
    return _set_status(code, "active", successor="", reason=reason, config=config, as_json=as_json)


def alias(
    alias_code: Annotated[
        str, typer.Argument(metavar="ALIAS", help="Cách viết khác. / Other spelling.")
    ],
    code: CodeArgument,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cho một mã khác cùng chỉ một cơ quan. / Let another code mean an agency."""
    with common.opened(config) as store:
        row = store.put_alias(alias_code, code, by=common.actor())
    emit(_json(row), f"{alias_code} → {row.code} ({row.name})", as_json)
    return OK


# ---------------------------------------------------------------- pieces


def _set_status(
    code: str,
    status: Literal["active", "locked", "closed"],
    *,
    successor: str,
    reason: str,
    config: Path,
    as_json: bool,
) -> int:
    why = common.stated(reason)
    with common.opened(config) as store:
        row = store.set_agency_status(
            code, status, successor=successor, reason=why, by=common.actor()
        )
    then = f", kế thừa / successor {row.successor}" if row.successor else ""
    emit(_json(row), f"{row.code}: {_STATUS_VI[row.status]} / {row.status}{then}", as_json)
    return OK


def _peers(config: Path) -> frozenset[str]:
    from gateway.config import load

    return frozenset(peer.id for peer in load(config).peers)


def _cells(agency: "AgencyRecord") -> Sequence[object]:
    return (
        agency.code,
        agency.name,
        agency.legacy_code,
        agency.connected or "không liên thông",
        "cổng" if agency.numbered_by == "gateway" else "hệ thống riêng",
        _STATUS_VI[agency.status],
        agency.successor,
        ", ".join(agency.aliases),
    )


def _json(agency: "AgencyRecord") -> dict[str, Any]:
    return asdict(agency) | {"aliases": list(agency.aliases)}
