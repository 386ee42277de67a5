"""`vanlien queue`: what waits and why, holding it, letting it go, putting it back (SND-15).

Nothing here is deleted: a dead letter waits until an operator puts it back with a reason, which is
an audited transaction that a running server sees within a second. Many are changed in batches; a
command that is cut short leaves whole batches, and the same command does the rest.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.ports.operations import Action, Changed, Hold, Life, Matching, QueueRow, Wide
    from gateway.store.operations import LedgerOperations

_LANES: Final = {"normal": 0, "urgent": 1, "very_urgent": 2, "express": 3, "express_timed": 4}
_SHOWN: Final = 200
_ID: Final = "01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11"
_VERBS: Final = {
    "hold": ("giữ lại", "held"),
    "release": ("thả", "released"),
    "requeue": ("đưa lại hàng chờ", "put back"),
}

StateOption = Annotated[
    str,
    typer.Option(
        "--state",
        help="open, waiting, sending, deferred, failed, held (open: tất cả / all of them).",
    ),
]
HopOption = Annotated[
    str, typer.Option("--hop", help="Đích: mã peer, hoặc local:MÃ. / A peer's id, or local:CODE.")
]
LaneOption = Annotated[
    str, typer.Option("--lane", help="normal, urgent, very_urgent, express, express_timed.")
]
AgencyOption = Annotated[str, typer.Option("--agency", help="Mã đơn vị nhận. / A recipient.")]
OlderOption = Annotated[
    str, typer.Option("--older-than", help='Chờ lâu hơn, như "2 h". / Waiting for longer.')
]
DocumentOption = Annotated[
    str,
    typer.Option(
        "--document", help="Mã định danh hoặc ID văn bản. / A document's identifier or id."
    ),
]
AllOption = Annotated[
    bool,
    typer.Option(
        "--all-matching", help="Mọi lượt chuyển khớp bộ lọc. / Every transfer that matches."
    ),
]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="Chỉ cho xem sẽ đổi gì. / Show what would change.")
]
ItemArgument = Annotated[
    str, typer.Argument(metavar="[ID]", help="Lượt chuyển. / A transfer.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add `queue list|show|requeue|hold|release`."""
    group = typer.Typer(help="Hàng chờ gửi và thư lỗi. / The queue and its dead letters.")
    group.command(
        "list",
        epilog=examples(
            "vanlien queue list",
            "vanlien queue list --state failed --hop truc --json",
            "vanlien queue list --lane express --older-than '10 m'",
        ),
    )(list_queue)
    group.command("show", epilog=examples(f"vanlien queue show {_ID}"))(show)
    group.command(
        "requeue",
        epilog=examples(
            f"vanlien queue requeue {_ID} --reason 'Trục đã sửa'",
            "vanlien queue requeue --all-matching --hop truc --reason 'Trục đã sửa' --dry-run",
        ),
    )(requeue)
    group.command(
        "hold",
        epilog=examples(
            f"vanlien queue hold {_ID} --reason 'Chờ ý kiến văn phòng'",
            "vanlien queue hold --hop truc --reason 'Trục bảo trì đến 14 giờ'",
            "vanlien queue hold --document H37.02,2026/11/22,12/SNV --reason 'Gửi nhầm'",
            "vanlien queue hold --all-matching --agency G09 --reason 'Đổi mã' --dry-run",
        ),
    )(hold)
    group.command(
        "release",
        epilog=examples(
            f"vanlien queue release {_ID} --reason 'Đã có ý kiến'",
            "vanlien queue release --hop truc --reason 'Trục đã xong bảo trì'",
            "vanlien queue release --all-matching --agency G09 --reason 'Đã đổi mã'",
        ),
    )(release)
    app.add_typer(group, name="queue")


# ---------------------------------------------------------------- looking


def list_queue(
    *,
    state: StateOption = "open",
    hop: HopOption = "",
    lane: LaneOption = "",
    agency: AgencyOption = "",
    older_than: OlderOption = "",
    document: DocumentOption = "",
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="Số dòng nhiều nhất. / Most rows.")
    ] = 200,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê hàng chờ, thư lỗi trước. / List the queue, dead letters first."""
    from gateway.stores import open_operations

    matching = _matching(state, hop, lane, agency, older_than, document)
    with open_operations(config) as ledger:
        found = ledger.queue(matching, limit=limit)
        holds = ledger.holds()
        number = len(found) if len(found) < limit else ledger.count(matching)
    rows = [(r.id, r.document_id, r.hop, _waits(r), r.attempts, _at(r), _why(r)) for r in found]
    columns = ("Lượt chuyển", "Văn bản", "Chặng", "Trạng thái", "Lần", "Đến hạn", "Lý do")
    lines = [_hold_text(h) for h in holds]
    if number > len(found):
        lines.append(f"  còn {number - len(found)} lượt chuyển khác / and as many more")
    from rich.console import Group

    human = Group(common.table("Hàng chờ / Queue", columns, rows), *lines)
    payload = {
        "transfers": [_json(r) for r in found],
        "matching": number,
        "holds": [_hold_json(h) for h in holds],
    }
    emit(payload, human, as_json)
    return OK


def show(
    transfer: Annotated[str, typer.Argument(metavar="ID", help="Lượt chuyển. / Transfer.")],
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xem toàn bộ quá trình của một lượt chuyển. / Show the whole life of one transfer."""
    from gateway.stores import open_operations

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


# ---------------------------------------------------------------- changing


def requeue(
    item: Annotated[
        str,
        typer.Argument(
            metavar="[ID]",
            help="Lượt chuyển lỗi, hoặc một phần gửi lỗi hay bị trả lại. / A failed transfer, or "
            "one failed or returned delivery.",
            show_default=False,
        ),
    ] = "",
    *,
    reason: ReasonOption,
    all_matching: AllOption = False,
    hop: HopOption = "",
    lane: LaneOption = "",
    agency: AgencyOption = "",
    older_than: OlderOption = "",
    document: DocumentOption = "",
    dry_run: DryOption = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đưa thư lỗi trở lại hàng chờ, có lý do. / Put dead letters back, with a reason."""
    matching = _matching("failed", hop, lane, agency, older_than, document)
    why = common.stated(reason)
    _one_target(item, all_matching=all_matching, wide=None, matching=matching, narrows="failed")
    if all_matching:
        return _many("requeue", matching, why, dry_run=dry_run, config=config, as_json=as_json)
    _no_dry_run(dry_run)
    from gateway.stores import open_operations

    with open_operations(config) as ledger:
        row = ledger.requeue(item, reason=why, by=common.actor())
    human = f"{row.id}: đã đưa lại hàng chờ tới {row.hop} / put back, to {row.hop}"
    emit(_json(row), "\n".join([human, *(_hold_text(h) for h in row.holds)]), as_json)
    return OK


def hold(
    item: ItemArgument = "",
    *,
    reason: ReasonOption,
    all_matching: AllOption = False,
    state: StateOption = "open",
    hop: HopOption = "",
    lane: LaneOption = "",
    agency: AgencyOption = "",
    older_than: OlderOption = "",
    document: DocumentOption = "",
    dry_run: DryOption = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Giữ lại một lượt chuyển, một văn bản hay cả một đích. / Hold a transfer, document or peer."""
    matching = _matching(state, hop, lane, agency, older_than, document)
    return _change(
        "hold",
        item,
        matching,
        reason,
        all_matching=all_matching,
        dry_run=dry_run,
        config=config,
        as_json=as_json,
    )


def release(
    item: ItemArgument = "",
    *,
    reason: ReasonOption,
    all_matching: AllOption = False,
    hop: HopOption = "",
    lane: LaneOption = "",
    agency: AgencyOption = "",
    older_than: OlderOption = "",
    document: DocumentOption = "",
    dry_run: DryOption = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Thả những gì đã giữ lại. / Let go what an operator held."""
    state = "held" if all_matching else "open"
    matching = _matching(state, hop, lane, agency, older_than, document)
    return _change(
        "release",
        item,
        matching,
        reason,
        all_matching=all_matching,
        dry_run=dry_run,
        config=config,
        as_json=as_json,
    )


def _change(
    action: "Action",
    item: str,
    matching: "Matching",
    reason: str,
    *,
    all_matching: bool,
    dry_run: bool,
    config: Path,
    as_json: bool,
) -> int:
    from gateway.ports.operations import Matching
    from gateway.stores import open_operations

    why = common.stated(reason)
    wide: Wide | None = None
    if not item and not all_matching and matching.hop and matching == Matching(hop=matching.hop):
        wide = "hop"
    elif not item and not all_matching and matching == Matching(document=matching.document):
        wide = "document" if matching.document else None
    narrows = "held" if action == "release" else "open"
    _one_target(item, all_matching=all_matching, wide=wide, matching=matching, narrows=narrows)
    if all_matching:
        return _many(action, matching, why, dry_run=dry_run, config=config, as_json=as_json)
    _no_dry_run(dry_run)
    with open_operations(config) as ledger:
        if wide is not None:
            subject = matching.hop or matching.document
            if wide == "hop" and action == "hold":
                _known_hop(config, ledger, subject)
            act = ledger.hold_wide if action == "hold" else ledger.release_wide
            held = act(wide, subject, reason=why, by=common.actor())
            vi, en = _VERBS[action]
            name = "đích / destination" if wide == "hop" else "văn bản / document"
            human = f"{name} {held.subject}: đã {vi} / {en}"
            emit({"action": action, "hold": _hold_json(held)}, human, as_json)
            return OK
        one = ledger.hold if action == "hold" else ledger.release
        row = one(item, reason=why, by=common.actor())
    vi, en = _VERBS[action]
    lines = [f"{row.id}: đã {vi} / {en}", *(_hold_text(h) for h in row.holds)]
    emit(_json(row), "\n".join(lines), as_json)
    return OK


def _many(
    action: "Action",
    matching: "Matching",
    reason: str,
    *,
    dry_run: bool,
    config: Path,
    as_json: bool,
) -> int:
    from gateway.stores import open_operations

    def progress(done: int, of: int) -> None:
        sys.stderr.write(f"{done}/{of}\n")

    with open_operations(config) as ledger:
        if dry_run:
            changed = ledger.would_change(action, matching)
        else:
            changed = ledger.change_all(
                action, matching, reason=reason, by=common.actor(), progress=progress
            )
    payload = {
        "action": action,
        "dry_run": dry_run,
        "changed": len(changed.ids),
        "skipped": len(changed.skipped),
        "transfers": list(changed.ids[:_SHOWN]),
        "left": [{"id": s.id, "why": s.why} for s in changed.skipped[:_SHOWN]],
    }
    emit(payload, _changed_text(changed, dry_run=dry_run), as_json)
    return OK


def _changed_text(changed: "Changed", *, dry_run: bool) -> str:
    vi, en = _VERBS[changed.action]
    will = ("sẽ", "would be ") if dry_run else ("đã", "")
    lines = [f"{len(changed.ids)} lượt chuyển {will[0]} được {vi} / {will[1]}{en}"]
    lines += [f"  {name}" for name in changed.ids[:_SHOWN]]
    if changed.skipped:
        lines.append(f"{len(changed.skipped)} lượt giữ nguyên / left as they are")
        lines += [f"  {s.id}: {s.why}" for s in changed.skipped[:_SHOWN]]
    return "\n".join(lines)


# ---------------------------------------------------------------- what is meant


def _matching(  # noqa: PLR0917
    state: str, hop: str, lane: str, agency: str, older_than: str, document: str
) -> "Matching":
    from datetime import UTC, datetime

    from gateway.ports.operations import Matching, QueueState

    known: tuple[QueueState, ...] = get_args(QueueState)
    wanted = next((s for s in known if s == state), None)
    if wanted is None:
        raise UsageFault(f"--state phải là một trong {', '.join(known)}", f"no state {state}")
    number = _LANES.get(lane.replace("-", "_"))
    if lane and number is None:
        raise UsageFault(f"--lane phải là một trong {', '.join(_LANES)}", f"no lane {lane}")
    before = None
    if older_than:
        from gateway.config.kinds import parse_duration

        try:
            before = datetime.now(UTC) - parse_duration(older_than)
        except (ValueError, OverflowError) as exc:
            raise UsageFault(
                f'--older-than: «{older_than}» không phải khoảng thời gian như "2 h"',
                f'--older-than: {older_than!r} is no time like "2 h"',
            ) from exc
    return Matching(wanted, hop, number, agency, document, before)


def _one_target(
    item: str, *, all_matching: bool, wide: "Wide | None", matching: "Matching", narrows: str
) -> None:
    """Refuse a command that names nothing, or two things at once."""
    from gateway.ports.operations import Matching

    filters = matching != Matching(matching.state)
    if all_matching:
        if item:
            raise UsageFault(
                "dùng ID hoặc --all-matching, không dùng cả hai",
                "an ID or --all-matching, not both",
            )
        if not filters and matching.state == narrows != "failed":
            raise UsageFault(
                "--all-matching cần ít nhất một bộ lọc như --hop hoặc --agency",
                "--all-matching needs at least one filter, such as --hop or --agency",
            )
        return
    if item:
        if filters:
            raise UsageFault(
                "bộ lọc chỉ dùng với --all-matching", "filters go with --all-matching only"
            )
        return
    if wide is None:
        raise UsageFault(
            "cần một ID, hoặc --all-matching với bộ lọc; giữ và thả: hoặc --hop, hoặc --document",
            "name an ID, or --all-matching with filters; to hold and release also --hop or "
            "--document alone",
        )


def _no_dry_run(dry_run: bool) -> None:
    if dry_run:
        raise UsageFault("--dry-run đi với --all-matching", "--dry-run goes with --all-matching")


def _known_hop(config: Path, ledger: "LedgerOperations", hop: str) -> None:
    """Refuse a destination nobody has heard of: a slip would hold nothing, and seem to hold."""
    from gateway.config import load
    from gateway.ports.operations import Matching

    known = {peer.id for peer in load(config).peers}
    known |= {f"local:{a.code}" for a in ledger.agencies() if a.connected == "local"}
    if hop not in known and not ledger.count(Matching(hop=hop)):
        raise UsageFault(
            f"không có đích {hop}; các đích: {', '.join(sorted(known)) or 'chưa có'}",
            f"there is no destination {hop}",
        )


# ---------------------------------------------------------------- how it is shown


def _at(row: "QueueRow") -> str:
    return common.local_iso(row.due_at) or ""


def _waits(row: "QueueRow") -> str:
    held = [
        f"giữ ({h.scope})" if h.kind == "operator" else "đích không phản hồi" for h in row.holds
    ]
    return ", ".join([row.state, *([row.hold] if row.hold else []), *dict.fromkeys(held)])


def _why(row: "QueueRow") -> str:
    return "; ".join(filter(None, [row.reason, *(h.reason for h in row.holds)]))


def _time(text: str | None) -> str | None:
    from gateway.domain.moments import local_text

    return local_text(text)


def _event(row: Any) -> dict[str, Any]:
    import json

    return {"at": _time(row["at"]), "type": row["type"], "data": json.loads(row["data"])}


def _hold_json(held: "Hold") -> dict[str, Any]:
    return {
        "kind": held.kind,
        "scope": held.scope,
        "subject": held.subject,
        "by": held.by,
        "reason": held.reason,
        "since": common.local_iso(held.since),
        "until": common.local_iso(held.until),
    }


def _hold_text(held: "Hold") -> str:
    since = common.local_iso(held.since)
    if held.kind == "breaker":
        again = common.local_iso(held.until)
        return (
            f"  cầu dao: đích {held.subject} không phản hồi từ {since}, thử lại lúc {again} / "
            f"no answer since then  {held.reason}"
        ).rstrip()
    return f"  giữ / held {held.scope} {held.subject}: {held.by}, từ / since {since}: {held.reason}"


def _json(row: "QueueRow") -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "consignment_id": row.consignment_id,
        "document_id": row.document_id,
        "hop": row.hop,
        "state": row.state,
        "hold": row.hold or None,
        "holds": [_hold_json(h) for h in row.holds],
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
        f"  {_waits(row)}, đến hạn / due {_at(row)}  {row.reason}".rstrip(),
        *(_hold_text(h) for h in row.holds),
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
