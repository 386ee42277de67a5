"""`vanlien system`: who may call. Secrets are shown once, here, and kept only hashed or sealed.

Each command is one transaction: a crash before it leaves nothing, after it the change is whole (the
secrets of a crashed `add` or `rotate` were never shown; rotate again).
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway import keyforms
from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, local_iso
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.ports import AdminStore, NewCredential, SystemRow

_SYSTEM_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
SystemId = Annotated[str, typer.Argument(metavar="ID", help="Mã hệ thống. / System id.")]


def register(app: typer.Typer) -> None:
    """Add `system add|list|rotate|disable`."""
    group = typer.Typer(
        help="Hệ thống được phép gọi: đăng ký, đổi khóa, khóa. / Calling systems and their keys."
    )
    group.command(
        "add",
        epilog=examples(
            "vanlien system add qlvb-tinh --speaks-for H37.02 --speaks-for H37.03",
            "vanlien system add so-noi-vu --speaks-for H37.02 --json > khoa.json",
        ),
    )(add)
    group.command("list", epilog=examples("vanlien system list --json"))(list_systems)
    group.command("rotate", epilog=examples("vanlien system rotate qlvb-tinh --overlap '24 h'"))(
        rotate
    )
    group.command("disable", epilog=examples("vanlien system disable qlvb-tinh"))(disable)
    app.add_typer(group, name="system")


def add(
    system_id: SystemId,
    speaks_for: Annotated[
        list[str],
        typer.Option(
            "--speaks-for",
            metavar="CODE",
            help="Mã cơ quan mà hệ thống gửi và nhận thay; lặp lại được. / Agencies, repeatable.",
        ),
    ],
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CODE]...", help="Thêm mã cơ quan. / Further agencies."),
    ] = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đăng ký một hệ thống; khóa chỉ hiện một lần. / Register a system; its keys show once."""
    if not _SYSTEM_ID.fullmatch(system_id):
        raise UsageFault(
            f"Mã hệ thống “{system_id}” sai: dùng chữ không dấu, chữ số, chấm, gạch; tối đa 63",
            f"“{system_id}” is no system id: letters, digits, dots, dashes; at most 63",
        )
    codes = _codes([*speaks_for, *(more or [])])
    settings, fresh = _load(config), _Fresh()
    fresh.seal(system_id, settings)
    with common.opened(config) as store:
        new = _register_unknown(store, codes)
        store.add_system(system_id, codes, fresh.stored, by=common.actor())
    if new:
        _say(f"đã đăng ký cơ quan mới / new agencies registered: {', '.join(new)}")
    _show_once(system_id, fresh, settings, {}, as_json)
    return OK


def list_systems(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Liệt kê các hệ thống, không có khóa. / List systems, without secrets."""
    with common.opened(config) as store:
        systems = store.systems()
    rows = [
        (s.id, _status_vi(s), ", ".join(s.speaks_for), local_iso(s.created_at), _keys_text(s))
        for s in systems
    ]
    columns = ("Hệ thống", "Trạng thái", "Thay mặt", "Đăng ký lúc", "Khóa đang dùng")
    human = common.table("Hệ thống được phép gọi / Calling systems", columns, rows)
    emit({"systems": [_system_json(s) for s in systems]}, human, as_json)
    return OK


def rotate(
    system_id: SystemId,
    overlap: Annotated[
        str, typer.Option("--overlap", help="Khóa cũ còn dùng bao lâu. / How long old keys last.")
    ] = "24 h",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cấp khóa mới; khóa cũ còn dùng hết --overlap. / New keys; old ones last for --overlap."""
    wait = _overlap(overlap)
    settings, fresh = _load(config), _Fresh()
    fresh.seal(system_id, settings)
    with common.opened(config) as store:
        store.rotate(system_id, fresh.stored, overlap=wait, by=common.actor())
    until = local_iso(datetime.now(UTC) + wait)
    _show_once(system_id, fresh, settings, {"old_keys_valid_until": until}, as_json)
    return OK


def disable(
    system_id: SystemId, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False
) -> int:
    """Khóa một hệ thống ngay. / Refuse a system from now on."""
    with common.opened(config) as store:
        row = store.disable_system(system_id, by=common.actor())
    emit(_system_json(row), f"{row.id}: đã khóa / disabled", as_json)
    return OK


# ---------------------------------------------------------------- keys


@dataclass(slots=True)
class _Fresh:
    """New keys: what is shown once, and what is stored."""

    api_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    stored: "list[NewCredential]" = field(default_factory=list)

    def seal(self, system_id: str, settings: "Settings") -> None:
        from gateway import secrets
        from gateway.ports import NewCredential

        protecting = secrets.read_key_file(settings.secrets.key_file)
        api, shared_id = secrets.new_api_key(), secrets.new_credential_id()
        self.api_key, self.secret = api.text, secrets.new_shared_secret()
        sealed = secrets.seal_secret(
            protecting, self.secret.encode(), system_id=system_id, credential_id=shared_id
        )
        self.stored = [
            NewCredential(api.key_id, "api-key", sha256=api.sha256),
            NewCredential(shared_id, "shared-secret", sealed=sealed),
        ]


def _show_once(
    system_id: str, fresh: _Fresh, settings: "Settings", extra: dict[str, Any], as_json: bool
) -> None:
    forms = keyforms.forms(system_id, fresh.api_key, fresh.secret, settings)
    rows = list(keyforms.rows(system_id, fresh.api_key, fresh.secret, settings))
    rows += list(extra.items())
    width = max(len(name) for name, _ in rows)
    human = "\n".join(
        (
            f"Hệ thống {system_id}: chép lại ngay, khóa không hiện lần nữa",
            f"System {system_id}: copy these now, they are not shown again",
            *(f"  {name:<{width}}  {value}" for name, value in rows),
        )
    )
    emit({"id": system_id, "api_key": fresh.api_key, **forms, **extra}, human, as_json)


# ---------------------------------------------------------------- pieces


def _load(config: Path) -> "Settings":
    from gateway.config import load

    return load(config)


def _codes(texts: Sequence[str]) -> list[str]:
    written = [code for text in texts for code in text.replace(",", " ").split()]
    if not written:
        raise UsageFault("--speaks-for cần ít nhất một mã", "--speaks-for needs at least one code")
    return sorted({common.registrable(code) for code in written})


def _register_unknown(store: "AdminStore", codes: Sequence[str]) -> list[str]:
    """Register agencies that are not in the catalogue yet, as local ones; return their codes."""
    from gateway.ports import AgencyRecord

    known = {
        name
        for agency in store.agencies()
        for name in (agency.code, agency.legacy_code, *agency.aliases)
    }
    new = [code for code in codes if code not in known]
    for code in new:
        store.put_agency(AgencyRecord(code, code, connected="local"), by=common.actor())
    return new


def _overlap(text: str) -> timedelta:
    from gateway.config.kinds import parse_duration

    try:
        return parse_duration(text)
    except ValueError as exc:
        raise UsageFault(
            f'--overlap phải là khoảng thời gian như "24 h", đang là "{text}"',
            f'--overlap must be a duration such as "24 h", it is "{text}"',
        ) from exc


def _system_json(system: "SystemRow") -> dict[str, Any]:
    return {
        "id": system.id,
        "status": system.status,
        "speaks_for": list(system.speaks_for),
        "created_at": local_iso(system.created_at),
        "credentials": [
            {
                "id": c.id,
                "kind": c.kind,
                "created_at": local_iso(c.created_at),
                "expires_at": local_iso(c.expires_at),
            }
            for c in system.credentials
        ],
    }


def _status_vi(system: "SystemRow") -> str:
    return "hoạt động" if system.status == "active" else "đã khóa"


def _keys_text(system: "SystemRow") -> str:
    return "\n".join(
        f"{c.kind} {c.id}" + (f" (đến {local_iso(c.expires_at)})" if c.expires_at else "")
        for c in system.credentials
    )


def _say(text: str) -> None:
    sys.stderr.write(f"vanlien: {text}\n")
