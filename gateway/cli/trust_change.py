"""`vanlien trust import|remove|record`: changing whom the gateway trusts, and writing it down.

Promises: a certificate is shown with its fingerprint in groups, to be compared by voice, before
anybody relies on it; private keys are refused and nothing else of the file is taken; `--dry-run`
touches nothing; every change is a line of the import log. What a crash leaves behind is named by
`vanlien trust check` and finished by the same command.
"""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples
from gateway.cli.trust import SettingsOption, TrustOption, faults_json, folder_of, grouped
from gateway.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from gateway.trust.registrar import Plan, Signed, Step, Wish
    from gateway.trust.trustfolder import RegistrarError

ByOption = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Người thực hiện. / Who does it.")
]


def register(group: typer.Typer) -> None:
    """Add `trust import|remove|record`."""
    group.command(
        "import",
        epilog=examples(
            "vanlien trust import rootcag2.pem --class duty --trust trust --dry-run",
            "vanlien trust import ca/ --class duty --by 'Nguyễn Văn An' --confirmed"
            " --reason 'Đã đối chiếu qua điện thoại'",
        ),
    )(import_certs)
    group.command(
        "remove",
        epilog=examples("vanlien trust remove f04ba4b459a7c9a1 --reason 'CA ngừng hoạt động'"),
    )(remove)
    group.command(
        "record", epilog=examples("vanlien trust record --reason 'Ghim chữ ký của cổng'")
    )(record)


def import_certs(
    source: Annotated[
        Path, typer.Argument(metavar="FILE|DIR", help="Chứng thư PEM hoặc DER. / Certificates.")
    ],
    *,
    trust_class: Annotated[
        str,
        typer.Option("--class", help="duty công vụ, public công cộng, foreign, internal."),
    ] = "",
    trusted_from: Annotated[
        str, typer.Option("--from", metavar="DAY", help="Tin chữ ký từ ngày. / Trusted from.")
    ] = "",
    trusted_until: Annotated[
        str, typer.Option("--until", metavar="DAY", help="Đến hết ngày. / Through this day.")
    ] = "",
    confirmed: Annotated[
        bool | None,
        typer.Option(
            "--confirmed/--unconfirmed",
            help="Đã đối chiếu SHA-256 bằng đường khác. / Compared out of band.",
        ),
    ] = None,
    by: ByOption = "",
    reason: Annotated[str, typer.Option("--reason", help="Lý do. / Why.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Chỉ xem, không thay đổi. / Change nothing.")
    ] = False,
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nhập chứng thư của cơ quan chứng thực. / Put authorities into the trust folder."""
    from gateway.trust.registrar import carry_out, plan_import
    from gateway.trust.trustfolder import RegistrarError

    folder = folder_of(trust, config)
    if not source.exists():
        raise UsageFault(f"Không có tệp này: {source}.", f"No such file: {source}")
    wish = _wish(trust_class, trusted_from, trusted_until, confirmed)
    try:
        plan = plan_import(folder, source, wish)
        listed = plan.trust_list
        if not dry_run:
            listed = carry_out(folder, plan, _signed(by, reason))
    except RegistrarError as exc:
        raise _refusal(exc) from exc
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    payload = {
        "dry_run": dry_run,
        "version": listed.version,
        "list_created": plan.created and bool(plan.changes),
        "unlisted": listed.unlisted,
        "certificates": [_step_json(s) for s in plan.steps],
        "skipped": faults_json(plan.skipped),
    }
    emit(payload, "" if as_json else _told(plan, listed.version, dry_run=dry_run), as_json)
    return OK


def remove(
    sha256: Annotated[
        str, typer.Argument(metavar="SHA256", help="SHA-256, ít nhất 16 chữ số đầu. / Fingerprint.")
    ],
    *,
    reason: common.ReasonOption,
    by: ByOption = "",
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Gỡ một cơ quan chứng thực; tệp chuyển vào removed/. / Take an authority out."""
    from gateway.trust import registrar
    from gateway.trust.trustfolder import RegistrarError

    folder = folder_of(trust, config)
    try:
        full, files = registrar.remove(folder, sha256, _signed(by, common.stated(reason)))
    except RegistrarError as exc:
        raise _refusal(exc) from exc
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    moved = ", ".join(f"{registrar.REMOVED}/{name}" for name in files) or "-"
    human = f"Đã gỡ / Removed: {grouped(full)}\n  {moved}"
    emit({"sha256": full, "files": list(files)}, human, as_json)
    return OK


def record(
    *,
    reason: common.ReasonOption,
    by: ByOption = "",
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Ghi nhận danh sách đã sửa tay. / Write down that the list was changed by hand."""
    from gateway.trust.registrar import record_by_hand
    from gateway.trust.trustfolder import RegistrarError

    folder = folder_of(trust, config)
    try:
        listed = record_by_hand(folder, _signed(by, common.stated(reason)))
    except RegistrarError as exc:
        raise _refusal(exc) from exc
    except OSError as exc:
        raise _unwritable(folder, exc) from exc
    human = f"Đã ghi phiên bản {listed.version} / Version {listed.version} written down"
    emit({"version": listed.version}, human, as_json)
    return OK


# ---------------------------------------------------------------- pieces


def _wish(trust_class: str, since: str, until: str, confirmed: bool | None) -> "Wish":
    from gateway.trust.registrar import Wish
    from gateway.trust.trustlist import CLASSES

    if trust_class and trust_class not in CLASSES:
        known = ", ".join(CLASSES)
        raise UsageFault(f"--class phải là một trong {known}", f"--class must be one of {known}")
    begins, ends = _day("--from", since, 0), _day("--until", until, 1)
    if begins is not None and ends is not None and ends <= begins:
        raise UsageFault("--until phải sau --from", "--until must come after --from")
    return Wish(trust_class or None, begins, ends, confirmed)


def _day(option: str, text: str, days: int) -> datetime | None:
    from gateway.trust.report import VIETNAM

    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=days), time(), VIETNAM)
    except (ValueError, OverflowError) as exc:
        raise UsageFault(
            f"{option}: «{text}» không phải ngày như 2026-11-22",
            f"{option}: {text!r} is not a day like 2026-11-22",
        ) from exc


def _signed(by: str, reason: str) -> "Signed":
    from gateway.trust.registrar import Signed

    return Signed(
        by=" ".join(by.split())[:200] or common.actor(),
        reason=" ".join(reason.split())[:500],
        at=datetime.now(UTC),
    )


def _refusal(exc: "RegistrarError") -> ConfigurationError:
    faults = tuple(Fault(f.file, f.vi, f.en) for f in exc.faults)
    return ConfigurationError("nothing was changed", faults)


def _unwritable(folder: Path, exc: OSError) -> UsageFault:
    why = f"{exc.filename or folder}: {exc.strerror}"
    return UsageFault(f"Không ghi được {why}", f"Cannot write {why}")


def _step_json(step: "Step") -> dict[str, Any]:
    from gateway.trust.registrar import lifetime

    begins, ends = lifetime(step.cert)
    return {
        "sha256": step.entry.sha256,
        "sha256_grouped": grouped(step.entry.sha256),
        "subject": step.cert.subject.human_friendly,
        "issuer": step.cert.issuer.human_friendly,
        "not_before": common.local_iso(begins),
        "not_after": common.local_iso(ends),
        "class": step.entry.trust_class,
        "confirmed": step.entry.confirmed,
        "action": step.action,
        "source": step.source,
        "file": step.file,
    }


_ACTIONS = {
    "added": "THÊM / added",
    "changed": "SỬA / changed",
    "same": "đã có, không đổi / already there",
}


def _told(plan: "Plan", version: str, *, dry_run: bool) -> str:
    from gateway.trust.notes import clean
    from gateway.trust.trustlist import CLASS_NAMES

    lines: list[str] = []
    for step in plan.steps:
        facts = _step_json(step)
        lines += [
            f"{_ACTIONS[step.action]}: {clean(facts['subject'])}",
            f"  SHA-256: {facts['sha256_grouped']}",
            f"  Hiệu lực / Valid: {facts['not_before']} → {facts['not_after']}",
            f"  Loại / Class: {CLASS_NAMES[facts['class']]} ({facts['class']})",
        ]
        if not step.entry.confirmed:
            lines.append("  CẦN XÁC NHẬN / to be confirmed: đọc SHA-256 cho cơ quan chứng thực so.")
    lines += [f"{f.file}: {f.vi} / {f.en}" for f in plan.skipped]
    if plan.kept_open:
        lines.append(
            'Gốc có sẵn chưa có trong danh sách vẫn được tin (unlisted = "trust"); nhập chúng rồi'
            ' đổi thành "ignore". / Anchors that lay here stay trusted; import them, then set'
            ' unlisted = "ignore".'
        )
    if dry_run:
        lines.append("Chỉ xem, chưa thay đổi gì. / Dry run: nothing was changed.")
    elif plan.changes:
        lines.append(f"Danh sách tin cậy phiên bản {version} / trust list version {version}")
    return "\n".join(lines)
