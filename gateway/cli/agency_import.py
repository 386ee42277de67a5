"""`vanlien agency import|apply|seed`: a list of agencies, what it would change, and doing it.

A list is compared with the catalogue first and shown as a plan (gateway.domain.catalogue_plan);
what is carried out is the plan, step by step, and only while the catalogue is as the plan says. A
plan in a file is what was reviewed and nothing else. Cut short, the same command does the rest.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, USAGE, UsageFault, emit

if TYPE_CHECKING:
    from gateway.cli.agency_plan import PlanFile
    from gateway.config import Settings
    from gateway.domain.catalogue_plan import Listed, Plan, Scope, Step
    from gateway.domain.catalogue_remarks import Remark
    from gateway.ports.agencies import Applied

_SHOWN: Final = 20
_IN_JSON: Final = 1000
_VI: Final[Mapping[str, str]] = {
    "added": "thêm",
    "renamed": "đổi tên",
    "reparented": "đổi cấp trên",
    "code-changed": "đổi/thêm mã cũ, mã khác",
    "moved": "đổi nơi nối",
    "dated": "đổi hiệu lực",
    "succeeded": "đổi đơn vị kế thừa",
    "locked": "khóa",
    "unlocked": "mở khóa",
    "changed": "sửa khác",
    "closed": "đóng mã",
}

FileArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[CSV]", exists=True, dir_okay=False, readable=True, help="Tệp CSV."),
]
DryOption = Annotated[
    bool, typer.Option("--dry-run", help="Chỉ kiểm tra và so sánh. / Check and compare only.")
]
PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", help="Ghi kế hoạch ra tệp, chưa áp dụng. / Write the plan, do nothing."),
]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Bỏ qua dòng xung đột và giới hạn đóng mã. / Leave conflicts out, close so many.",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Không hỏi lại. / Do not ask.")]
WhyOption = Annotated[
    str, typer.Option("--reason", help="Lý do, ghi vào nhật ký. / Why; kept in the audit log.")
]


def import_list(
    file: FileArgument = None,
    *,
    from_peer: Annotated[
        str, typer.Option("--from-peer", help="Lấy danh mục của peer. / Ask a peer for its list.")
    ] = "",
    dry_run: DryOption = False,
    plan: PlanOption = None,
    close_missing: Annotated[
        bool,
        typer.Option(
            "--close-missing", help="Đóng mã vắng trong danh sách. / Close what is not listed."
        ),
    ] = False,
    most_closed: Annotated[
        float,
        typer.Option(
            "--most-closed",
            help="Tỷ lệ % đóng mã tối đa. / Most closings in %.",
            min=0,
            max=100,
        ),
    ] = 5.0,
    force: ForceOption = False,
    yes: YesOption = False,
    reason: WhyOption = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nhập danh mục: so sánh, cho xem, rồi áp dụng. / Import a list: compare, show, apply."""
    from gateway.agencycsv import read_csv
    from gateway.config import load
    from gateway.domain.catalogue_plan import Scope

    if (file is None) is not bool(from_peer):
        raise UsageFault("Nêu tệp CSV, hoặc --from-peer ID.", "Give a CSV file, or --from-peer ID.")
    settings = load(config)
    if from_peer:
        listed = _asked(settings, from_peer)
        scope = Scope(from_peer, close_missing, most_closed, {"numbered_by": "own-system"})
        source = f"peer:{from_peer}"
    else:
        assert file is not None
        listed, faults = read_csv(file, frozenset(peer.id for peer in settings.peers))
        if faults:
            lines = [f"{file}: {len(faults)} lỗi, chưa nhập gì / fault(s), nothing imported"]
            lines += [f"  dòng/line {f.line}: {f.vi} / {f.en}" for f in faults]
            payload = {"ok": False, "faults": [asdict(f) for f in faults]}
            emit(payload, "\n".join(lines), as_json)
            return USAGE
        scope = Scope("", close_missing, most_closed, {"numbered_by": "gateway"})
        source = f"csv:{file.name}"
    return _planned(listed, scope, source, dry_run, plan, force, yes, reason, config, as_json)


def seed(
    *,
    connected: Annotated[
        str, typer.Option("--connected", help="Peer nối tới các đơn vị này. / Peer behind which.")
    ] = "",
    dry_run: DryOption = False,
    plan: PlanOption = None,
    force: ForceOption = False,
    yes: YesOption = False,
    reason: WhyOption = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đưa danh mục cấp 1 và việc sáp nhập 2025 vào sổ. / The level-1 list and the 2025 mergers."""
    from gateway.config import load
    from gateway.domain.catalogue_data import listed_level1, to_confirm
    from gateway.domain.catalogue_plan import Scope

    if connected and connected not in {peer.id for peer in load(config).peers}:
        raise UsageFault(
            f"Không có peer nào tên «{connected}».", f"There is no peer called {connected!r}"
        )
    scope = Scope(
        most_closed_percent=100, new={"connected": connected}, whole=False, remarks=to_confirm()
    )
    source = "seed:QĐ 09/2025/QĐ-TTg, NQ 202/2025/QH15"
    return _planned(
        listed_level1(), scope, source, dry_run, plan, force, yes, reason, config, as_json
    )


def apply(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Tệp kế hoạch. / A plan."),
    ],
    *,
    dry_run: DryOption = False,
    reason: WhyOption = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Áp dụng kế hoạch đã xem; lặp lại được. / Carry out a reviewed plan; safe to repeat."""
    from gateway.cli.agency_plan import read

    held = read(file)
    if held.refused and not held.forced:
        raise UsageFault(
            f"Kế hoạch đóng quá nhiều mã ({held.refused}); lập lại với --force nếu đúng ý.",
            f"The plan closes too many codes ({held.refused}); make it with --force if so meant.",
        )
    human = [f"{file}: {_counted(held.counts)}", f"  sha256 {held.sha256}"]
    payload: dict[str, Any] = {"plan": held.sha256, "source": held.source, "dry_run": dry_run}
    payload["counts"] = dict(held.counts)
    if dry_run:
        emit({"ok": True, **payload}, "\n".join(human), as_json)
        return OK
    result = _carried_out(held.steps, held.sha256, reason or _why(held), config, quiet=as_json)
    code, told = _outcome(result)
    emit(payload | told, "\n".join([*human, _told(told)]), as_json)
    return code


# ---------------------------------------------------------------- from a list to a plan


def _asked(settings: "Settings", peer_id: str) -> list["Listed"]:
    """Return what a peer's catalogue says of the agencies behind it."""
    from gateway.clock import SystemClock
    from gateway.domain.catalogue_plan import Listed
    from gateway.domain.identifiers import fold
    from gateway.policies import adapter_of
    from gateway.programs.cataloguing import behind

    peer = next((p for p in settings.peers if p.id == peer_id), None)
    if peer is None:
        raise UsageFault(
            f"Không có peer nào tên «{peer_id}».", f"There is no peer called {peer_id!r}"
        )

    async def ask() -> list["Listed"]:
        adapter = adapter_of(peer, SystemClock())
        try:
            rows = await adapter.agencies()
        finally:
            await adapter.close()
        # ID-04: during the change-over an old code stands on a row of its own beside the new one.
        pairs = [(fold(r.legacy_code), fold(r.code)) for r in rows if r.legacy_code]
        old = {legacy for legacy, code in pairs if legacy != code}
        found = []
        for row in rows:
            if fold(row.code) in old or not behind(tuple(peer.codes_behind), row):
                continue
            said: dict[str, Any] = {"name": row.name, "parent": row.parent, "mail": row.mail}
            said["legacy_code"] = "" if fold(row.legacy_code) == fold(row.code) else row.legacy_code
            if row.status in {"active", "closed", "locked"}:
                said["status"] = row.status
            found.append(Listed(row.code, said))
        return found

    return asyncio.run(ask())


def _planned(  # noqa: PLR0917
    listed: Sequence["Listed"],
    scope: "Scope",
    source: str,
    dry_run: bool,
    path: Path | None,
    force: bool,
    yes: bool,
    reason: str,
    config: Path,
    as_json: bool,
) -> int:
    """Compare, show, and do what was asked with the plan."""
    from gateway.cli.agency_plan import content, write
    from gateway.domain.catalogue_plan import compare

    with common.opened_agencies(config) as book:
        plan = compare(book.catalogue(), listed, scope)
    made_at = common.local_iso(datetime.now(UTC)) or ""
    held = content(plan, source, made_at, common.actor(), forced=force)
    blocked = bool(plan.too_many or plan.conflicts) and not force
    payload: dict[str, Any] = {
        "ok": not blocked,
        "dry_run": dry_run,
        "source": source,
        "plan": held["sha256"],
        **_payload(plan),
    }
    lines = _lines(plan, source)
    if path is not None:
        write(path, held)
        payload["file"] = str(path)
        lines.append(f"{path}: đã ghi kế hoạch {held['sha256']} / plan written, nothing applied")
        emit(payload, "\n".join(lines), as_json)
        return OK
    if dry_run or blocked:
        if blocked:
            lines.append(_blocked(plan))
        emit(payload, "\n".join(lines), as_json)
        return OK if dry_run else USAGE
    if not as_json and not yes and plan.steps and sys.stdin.isatty():
        emit({}, "\n".join(lines), as_json)
        lines = []
        if not typer.confirm("Áp dụng? / Apply?", err=True):
            return OK
    why = reason or f"{source} {made_at}"
    result = _carried_out(plan.steps, held["sha256"], why, config, quiet=as_json)
    code, told = _outcome(result)
    emit(payload | told, "\n".join([*lines, _told(told)]), as_json)
    return code


def _payload(plan: "Plan") -> dict[str, Any]:
    added = sum(1 for step in plan.steps if step.before is None)
    return {
        "added": added,
        "changed": len(plan.steps) - added,
        "same": plan.same,
        "counts": plan.counts,
        "hidden": plan.hidden,
        "missing": len(plan.missing),
        "too_many": plan.too_many,
        "conflicts": [asdict(r) for r in plan.conflicts[:_IN_JSON]],
        "warnings": [asdict(r) for r in plan.warnings[:_IN_JSON]],
        "steps": [
            {"code": s.code, "kinds": list(s.kinds), "before": s.before, "after": s.after}
            for s in plan.steps[:_IN_JSON]
        ],
        "steps_left_out": max(0, len(plan.steps) - _IN_JSON),
    }


# ---------------------------------------------------------------- carrying out


def _why(held: "PlanFile") -> str:
    return f"{held.source} {held.made_at}"


def _carried_out(
    steps: Sequence["Step"], sha256: str, reason: str, config: Path, *, quiet: bool
) -> "Applied":
    shown = [0]

    def progress(done: int, of: int) -> None:
        percent = done * 100 // of
        if not quiet and (percent >= shown[0] + 10 or done == of) and of > _IN_JSON:
            shown[0] = percent
            typer.echo(f"{done}/{of}", err=True)

    with common.opened_agencies(config) as book:
        return book.apply(
            steps, plan=sha256, reason=reason[:500], by=common.actor(), progress=progress
        )


def _outcome(result: "Applied") -> tuple[int, dict[str, Any]]:
    told = {
        "ok": not result.differences,
        "applied": result.done,
        "already": result.already,
        "differences": [asdict(d) for d in result.differences[:_IN_JSON]],
    }
    return (USAGE if result.differences else OK), told


def _told(told: Mapping[str, Any]) -> str:
    if told["differences"]:
        lines = [
            "Danh mục đã khác so với kế hoạch: không áp dụng phần còn lại; lập lại kế hoạch.",
            "The catalogue is not as the plan says: not applied; make the plan anew.",
        ]
        for one in told["differences"][:_SHOWN]:
            there, said = _short(one["found"]), _short(one["expected"])
            lines.append(f"  {one['code']}: kế hoạch/plan {said}; hiện có/now {there}")
        return "\n".join(lines)
    return f"Áp dụng {told['applied']}, đã có {told['already']} / applied, there already"


def _short(fields: Mapping[str, Any] | None) -> str:
    if fields is None:
        return "không có/none"
    return ", ".join(f"{k}={v!r}" for k, v in fields.items())


# ---------------------------------------------------------------- for people


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{_VI[k]} {n}" for k, n in counts.items()) or "không đổi gì / no change"


def _lines(plan: "Plan", source: str) -> list[str]:
    lines = [f"{source}: {_counted(plan.counts)}; không đổi / same {plan.same}"]
    if plan.hidden:
        lines.append(f"Mã trung tâm liên thông bỏ qua / hub codes left out: {plan.hidden}")
    seen: Counter[str] = Counter()
    for step in plan.steps:
        kind = step.kinds[-1]
        seen[kind] += 1
        if seen[kind] <= _SHOWN:
            lines.append(f"  {_VI[kind]:>12} {step.code}: {_change(step)}")
    lines += [f"  … {_VI[k]}: còn/more {n - _SHOWN}" for k, n in seen.items() if n > _SHOWN]
    if plan.missing:
        some = ", ".join(plan.missing[:_SHOWN])
        more = " …" if len(plan.missing) > _SHOWN else ""
        lines.append(f"Vắng trong danh sách / not listed: {len(plan.missing)}: {some}{more}")
    lines += _remarks("Xung đột, bỏ ra / Conflicts, left out", plan.conflicts)
    lines += _remarks("Cần xem / To look at", plan.warnings)
    return lines


def _remarks(title: str, remarks: Sequence["Remark"]) -> list[str]:
    if not remarks:
        return []
    lines = [f"{title}: {len(remarks)}"]
    lines += [f"  {r.code} ({r.rule}): {r.vi} / {r.en}" for r in remarks[:_SHOWN]]
    return [*lines, "  …"] if len(remarks) > _SHOWN else lines


def _change(step: "Step") -> str:
    if step.before is None:
        return str(step.after.get("name", ""))
    parts = [f"{k}: {step.before[k]!r} → {v!r}" for k, v in step.after.items()]
    return "; ".join(parts)


def _blocked(plan: "Plan") -> str:
    if plan.too_many:
        return (
            f"Từ chối: danh sách sẽ đóng {plan.too_many} mã. Kiểm tra danh sách; đúng ý thì thêm "
            f"--force. / Refused: the list would close {plan.too_many} codes. Check it; if so "
            "meant, add --force."
        )
    return (
        "Chưa áp dụng: có dòng xung đột. Sửa danh sách, hoặc --force để bỏ các dòng đó ra. / Not "
        "applied: there are conflicts. Correct the list, or leave those rows out with --force."
    )
