"""`vanlien trust`: whom this gateway trusts, as what and since when, and what is wrong with that.

Promises: nothing here changes anything; every fault of the folder is told at once; exit codes are 0
for a folder that holds, 1 for one with faults, 64 for wrong use. Changes are `trust import`,
`trust remove` and `trust record` of `gateway.cli.trust_change`.
"""

import importlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from asn1crypto import x509

    from gateway.trust.anchors import TrustStore
    from gateway.trust.policy import Policy, TrustFault

# Modules that put their own commands on the group: each has `register(group)`.
COMPANIONS: Final[tuple[str, ...]] = ("trust_change", "trust_crl")
FAULTY: Final = 1
_SOON_DAYS: Final = 180

TrustOption = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="DIR",
        help="Thư mục chứng thư tin cậy; không có thì theo --config. / Trust folder.",
    ),
]
SettingsOption = Annotated[
    Path,
    typer.Option("--config", help="Tệp cấu hình. / Settings file.", envvar="VANLIEN_CONFIG"),
]
_EXITS: Final = "0 đúng / holds · 1 có lỗi / faults"


def register(app: typer.Typer) -> None:
    """Add `trust list|check|log|policy` and what the companions bring."""
    group = typer.Typer(help="Kho chứng thư tin cậy. / Whom the gateway trusts.")
    group.command(
        "list", epilog=examples("vanlien trust list", "vanlien trust list --trust trust --json")
    )(list_trust)
    group.command("check", epilog=examples("vanlien trust check --trust trust", exits=_EXITS))(
        check_trust
    )
    group.command("log", epilog=examples("vanlien trust log --trust trust", exits=_EXITS))(show_log)
    group.command(
        "policy",
        epilog=examples(
            "vanlien trust policy --trust trust", "vanlien trust policy --print > policy.toml"
        ),
    )(show_policy)
    for name in COMPANIONS:
        importlib.import_module(f"gateway.cli.{name}").register(group)
    app.add_typer(group, name="trust")


def folder_of(trust: Path | None, config: Path) -> Path:
    """Return the trust folder meant: the one given, or that of the settings.

    Raises:
        UsageFault: It is no folder.
        ConfigurationError: The settings cannot be read.
    """
    if trust is None:
        from gateway.config import load

        trust = load(config).verify.trust_dir
    if not trust.is_dir():
        raise UsageFault(
            f"Không có thư mục chứng thư tin cậy này: {trust}.", f"No such trust folder: {trust}"
        )
    return trust


def faults_json(faults: "Iterable[TrustFault]") -> list[dict[str, str]]:
    """Return faults as JSON-ready objects."""
    return [asdict(f) for f in faults]


def grouped(sha256: str) -> str:
    """Return a fingerprint in groups of four, to be read aloud and compared."""
    return " ".join(sha256[i : i + 4].upper() for i in range(0, len(sha256), 4))


# ---------------------------------------------------------------- list


def list_trust(
    *,
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê cơ quan chứng thực, loại, thời hạn. / List authorities, classes and windows."""
    from gateway.trust.anchors import TrustStore

    store = TrustStore.load(folder_of(trust, config))
    rows = authorities(store, datetime.now(UTC))
    payload = {
        "trust_sha256": store.sha256,
        "version": store.trust_list.version,
        "dated": store.trust_list.dated.isoformat() if store.trust_list.dated else None,
        "unlisted": store.trust_list.unlisted,
        "broken": store.broken,
        "policy": asdict(store.policy_facts()),
        "authorities": rows,
        "signers": [asdict(s) for s in store.trust_list.signers],
        "faults": faults_json(store.faults),
    }
    emit(payload, "" if as_json else _table(store, rows), as_json)
    return OK


def authorities(store: "TrustStore", now: datetime) -> list[dict[str, Any]]:
    """Return every authority of the folder or the list as JSON-ready facts."""
    kinds: list[tuple[str, x509.Certificate]] = [("anchor", c) for c in store.anchors]
    kinds += [("intermediate", c) for c in store.intermediates]
    kinds += [("untrusted", c) for c in store.unlisted]
    rows = [_row(store, kind, cert, now) for kind, cert in kinds]
    seen = {r["sha256"] for r in rows}
    missing = [
        {"kind": "missing", "name": entry.name, "sha256": entry.sha256}
        | {"class": entry.trust_class, "confirmed": entry.confirmed}
        | {"warnings": ["missing"]}
        for entry in store.trust_list.anchors
        if entry.sha256 not in seen
    ]
    return [*rows, *missing]


def _row(store: "TrustStore", kind: str, cert: "x509.Certificate", now: datetime) -> dict[str, Any]:
    from gateway.trust.registrar import lifetime
    from gateway.trust.trustfolder import display_name

    sha256 = cert.sha256.hex()
    begins, ends = lifetime(cert)
    entry = store.trust_list.anchor(sha256)
    days = (ends - now).days
    found = {
        "untrusted": kind == "untrusted",
        "expired": ends < now,
        "not-yet-valid": now < begins,
        "expires-soon": now <= ends and days < _SOON_DAYS,
        "window-closed": entry is not None and not entry.allows(now),
        "unconfirmed": entry is not None and not entry.confirmed,
        "unlisted": entry is None and kind == "anchor",
    }
    return {
        "kind": kind,
        "name": display_name(cert),
        "sha256": sha256,
        "class": store.trust_class(cert),
        "confirmed": entry.confirmed if entry else False,
        "trusted_from": common.local_iso(entry.trusted_from) if entry else None,
        "trusted_until": common.local_iso(entry.trusted_until) if entry else None,
        "not_before": common.local_iso(begins),
        "not_after": common.local_iso(ends),
        "days_left": days,
        "warnings": [name for name, true in found.items() if true],
    }


_KINDS: Final = {
    "anchor": "gốc",
    "intermediate": "trung gian",
    "untrusted": "KHÔNG TIN",
    "missing": "THIẾU TỆP",
}
_WARNINGS: Final = {
    "untrusted": "tự ký, không được tin",
    "expired": "đã hết hạn",
    "not-yet-valid": "chưa có hiệu lực",
    "expires-soon": "sắp hết hạn",
    "window-closed": "ngoài thời gian tin cậy",
    "unconfirmed": "cần xác nhận",
    "unlisted": "chưa có trong danh sách",
    "missing": "không có tệp",
}


def _table(store: "TrustStore", rows: list[dict[str, Any]]) -> object:
    from rich.console import Group

    from gateway.trust.trustlist import CLASS_NAMES

    version = store.trust_list.version
    title = f"Danh sách tin cậy phiên bản {version}" if version else "Chưa có danh sách tin cậy"
    cells = [
        (
            r["name"],
            CLASS_NAMES[r["class"]],
            _KINDS[r["kind"]],
            grouped(r["sha256"]),
            (r.get("not_after") or "")[:10],
            ", ".join(_WARNINGS[w] for w in r["warnings"]),
        )
        for r in rows
    ]
    columns = ("Cơ quan chứng thực", "Loại", "Vai trò", "SHA-256", "Hết hạn", "Lưu ý")
    grid = common.table(f"{title} / Trust list", columns, cells)
    return Group(grid, *(f"Lỗi / Fault: {_plain(f)}" for f in store.faults))


def _plain(fault: "TrustFault") -> Any:
    from rich.text import Text

    return Text(f"{fault.file}: {fault.vi} / {fault.en}")


# ---------------------------------------------------------------- check


def check_trust(
    *,
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Kiểm tra thư mục, báo mọi lỗi một lần. / Check the folder; tell every fault at once."""
    from gateway.trust.anchors import TrustStore

    folder = folder_of(trust, config)
    store = TrustStore.load(folder)
    _, broken = _log_of(folder, store)
    faults = [*store.faults, *broken]
    if not store.anchors and not store.broken:
        faults.append(_no_anchor(folder.name))
    rows = [r for r in authorities(store, datetime.now(UTC)) if r["warnings"]]
    warnings = [
        {"sha256": r["sha256"], "name": r["name"], "warning": w}
        for r in rows
        for w in r["warnings"]
    ]
    payload = {
        "ok": not faults,
        "faults": faults_json(faults),
        "warnings": warnings,
        "trust_sha256": store.sha256,
    }
    lines = [f"{len(faults)} lỗi / fault(s)" if faults else "Kho tin cậy đúng / The folder holds"]
    lines += [f"  {f.file}: {f.vi} / {f.en}" for f in faults]
    lines += [
        f"  Lưu ý / warning: {w['name']} ({w['sha256'][:16]}): {_WARNINGS[w['warning']]}"
        for w in warnings
    ]
    emit(payload, "\n".join(lines), as_json)
    return FAULTY if faults else OK


def _no_anchor(name: str) -> "TrustFault":
    from gateway.trust.policy import TrustFault

    return TrustFault(
        name,
        "Không có gốc tin cậy nào: mọi chữ ký đều chưa xác định. Dùng vanlien trust import.",
        "There is no anchor: every signature stays indeterminate. Use vanlien trust import.",
    )


# ---------------------------------------------------------------- log


def show_log(
    *,
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xem nhật ký nhập chứng thư và kiểm tra chuỗi băm. / Show and verify the import log."""
    from gateway.trust.anchors import TrustStore
    from gateway.trust.importlog import as_facts

    folder = folder_of(trust, config)
    entries, faults = _log_of(folder, TrustStore.load(folder))
    rows = [
        (
            e.number,
            e.at,
            e.by,
            e.action,
            "\n".join(
                f"{c.get('name', '')} {str(c.get('sha256', ''))[:16]}" for c in e.certificates
            ),
            e.list_version,
            e.reason,
        )
        for e in entries
    ]
    columns = ("Số", "Lúc", "Người", "Việc", "Chứng thư", "Phiên bản", "Lý do")
    if not as_json:
        from rich.console import Group

        grid = common.table("Nhật ký kho tin cậy / Import log", columns, rows)
        human: object = Group(grid, *(_plain(f) for f in faults))
    else:
        human = ""
    payload = {"ok": not faults, "entries": as_facts(entries), "faults": faults_json(faults)}
    emit(payload, human, as_json)
    return FAULTY if faults else OK


def _log_of(folder: Path, store: "TrustStore") -> tuple[Any, list["TrustFault"]]:
    """Return the log's entries and everything wrong with it, beside the list."""
    from gateway.trust.fingerprint import control_files
    from gateway.trust.importlog import LOG_FILE, compare, read_log
    from gateway.trust.trustlist import LIST_FILE

    log = folder / LOG_FILE
    try:
        data = log.read_bytes() if log.exists() else b""
    except OSError as exc:
        raise UsageFault(
            f"Không đọc được {log}: {exc.strerror}.", f"Cannot read {log}: {exc.strerror}"
        ) from exc
    entries, faults = read_log(data)
    if store.broken == LIST_FILE:
        return entries, list(faults)
    listed = control_files(folder).get(LIST_FILE)
    return entries, [*faults, *compare(data, store.trust_list, listed)]


# ---------------------------------------------------------------- policy


def show_policy(
    *,
    print_text: Annotated[
        bool,
        typer.Option(
            "--print", help="In chính sách mặc định có chú giải. / The built-in, annotated."
        ),
    ] = False,
    trust: TrustOption = None,
    config: SettingsOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xem chính sách kiểm tra đang dùng. / Show the policy in force."""
    if print_text:
        from gateway.trust.policytext import TEXT

        emit({"text": TEXT}, TEXT, as_json)
        return OK
    from gateway.trust.anchors import TrustStore
    from gateway.trust.policyfile import POLICY_FILE

    store = TrustStore.load(folder_of(trust, config))
    faults = [f for f in store.faults if f.file == POLICY_FILE]
    payload = {"policy": _policy_json(store.policy), "faults": faults_json(faults)}
    emit(payload, "" if as_json else _policy_text(store.policy, faults), as_json)
    return FAULTY if faults else OK


def _policy_json(policy: "Policy") -> dict[str, Any]:
    facts = asdict(policy)
    facts["dated"] = policy.dated.isoformat()
    facts["digests"] = [{"name": n, "until": common.local_iso(u)} for n, u in policy.digests]
    facts["rsa_bits"] = [{"bits": n, "until": common.local_iso(u)} for n, u in policy.rsa_bits]
    return facts


def _policy_text(policy: "Policy", faults: "list[TrustFault]") -> str:
    def dated(what: object, until: datetime | None) -> str:
        return f"{what}" if until is None else f"{what} (trước {common.local_iso(until)})"

    lines = [
        f"Chính sách / Policy: {policy.name}, {policy.dated.isoformat()}",
        f"SHA-256: {policy.sha256}",
        f"Thuật toán băm / Digests: {', '.join(dated(n, u) for n, u in policy.digests)}",
        f"RSA: {', '.join(dated(n, u) for n, u in policy.rsa_bits)} bit · EC: {policy.ec_bits} bit",
        f"Dấu thời gian / Time-stamp: {policy.timestamp}",
        f"Chưa rõ thu hồi / Unknown revocation: {policy.unknown}",
        f"Phải ký / Must sign: {', '.join(policy.must_sign) or '-'}",
    ]
    for n, row in enumerate(policy.decisions, 1):
        what = ", ".join(row.verdicts) or "*"
        lines.append(f"{n}. {row.sender} · {row.direction} · {what} → {row.action}")
    lines += [f"{f.file}: {f.vi} / {f.en}" for f in faults]
    return "\n".join(lines)
