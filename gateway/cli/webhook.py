"""`vanlien webhook`: who is told of what happens, how it fares, and playing it again.

Beside a running server, which sees a change within a second. Nothing is deleted: a message that was
given up stays on record, one that is removed keeps what it was told.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.ports import Webhook
    from gateway.programs.webhooks import LedgerWebhooks

T = TypeVar("T")
_ID: Final = "01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11"
_NOT_TAKEN: Final = 1

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Webhook. / The webhook.")]


def register(app: typer.Typer) -> None:
    """Add `webhook add|list|show|test|rotate|pause|resume|remove|replay`."""
    group = typer.Typer(help="Webhook: báo sự kiện tới hệ thống. / Events told to systems.")
    group.command(
        "add",
        epilog=examples(
            "vanlien webhook add qlvb-tinh https://qlvb.example.vn/su-kien",
            "vanlien webhook add qlvb-tinh https://qlvb.example.vn/su-kien --kinds 'inbox.*'",
        ),
    )(add)
    group.command(
        "list", epilog=examples("vanlien webhook list", "vanlien webhook list --system qlvb-tinh")
    )(list_webhooks)
    group.command("show", epilog=examples(f"vanlien webhook show {_ID} --dead"))(show)
    group.command(
        "test",
        epilog=examples(
            f"vanlien webhook test {_ID}", exits="0 đã nhận / taken · 1 không nhận / not taken"
        ),
    )(try_out)
    group.command("rotate", epilog=examples(f"vanlien webhook rotate {_ID} --overlap-hours 48"))(
        rotate
    )
    group.command("pause", epilog=examples(f"vanlien webhook pause {_ID} --reason 'Bảo trì'"))(
        pause
    )
    group.command("resume", epilog=examples(f"vanlien webhook resume {_ID}"))(resume)
    group.command("remove", epilog=examples(f"vanlien webhook remove {_ID}"))(remove)
    group.command(
        "replay",
        epilog=examples(f"vanlien webhook replay {_ID} --to 1200 --reason 'Đã sửa phần mềm'"),
    )(replay)
    app.add_typer(group, name="webhook")


# ---------------------------------------------------------------- looking


def list_webhooks(
    *,
    system: Annotated[str, typer.Option("--system", help="Chỉ của hệ thống. / Of a system.")] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê webhook và tình trạng. / List webhooks and how they fare."""
    from gateway.web.webhooks import shown

    found = _run(config, lambda hooks: hooks.listing(system))
    rows = [
        (h.id, h.system_id, h.url, h.state, h.newest - h.cursor, h.tries, h.dead, h.why)
        for h in found
    ]
    columns = ("Webhook", "Hệ thống", "Địa chỉ", "Trạng thái", "Chờ", "Lần", "Thôi thử", "Lý do")
    emit(
        {"webhooks": [shown(h) for h in found]},
        common.table("Webhook / Webhooks", columns, rows),
        as_json,
    )
    return OK


def show(
    webhook: IdArgument,
    *,
    dead: Annotated[
        bool, typer.Option("--dead", help="Chỉ sự kiện đã thôi thử. / Only those given up.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=10_000, help="Số dòng nhiều nhất. / Most rows.")
    ] = 50,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Xem một webhook và các thông điệp của nó. / Show a webhook and its messages."""
    from rich.console import Group

    from gateway.web.webhooks import shown, shown_call

    async def look(hooks: "LedgerWebhooks") -> Any:
        return await hooks.one("", webhook), await hooks.calls("", webhook, dead=dead, limit=limit)

    hook, calls = _run(config, look)
    rows = [
        (
            c.cursor,
            c.kind,
            c.state,
            c.tries,
            c.status or "",
            common.local_iso(c.began_at),
            c.outcome,
        )
        for c in calls
    ]
    columns = ("Con trỏ", "Loại", "Trạng thái", "Lần", "HTTP", "Lúc", "Kết quả")
    human = Group(*_text(hook), common.table("Thông điệp / Messages", columns, rows))
    emit({"webhook": shown(hook), "calls": [shown_call(c) for c in calls]}, human, as_json)
    return OK


def _text(hook: "Webhook") -> list[str]:
    since = common.local_iso(hook.failing_since)
    lines = [
        f"{hook.id} · {hook.system_id} · {hook.state}{f' ({hook.why})' if hook.why else ''}",
        f"  {hook.url}  {', '.join(hook.kinds) or 'mọi loại / all kinds'}",
        f"  con trỏ / cursor {hook.cursor}, mới nhất / newest {hook.newest}",
    ]
    if since:
        lines.append(f"  không gửi được từ / failing since {since}, lần / tries {hook.tries}")
    if hook.dead:
        lines.append(f"  {hook.dead} thông điệp đã thôi thử / messages given up: --dead, replay")
    return lines


# ---------------------------------------------------------------- changing


def add(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="Hệ thống. / The system.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="Địa chỉ nhận. / Where to send.")],
    *,
    kinds: Annotated[
        str,
        typer.Option("--kinds", help="Các loại, cách nhau bằng dấu phẩy. / Kinds, with commas."),
    ] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Thêm webhook; khóa hiện một lần ở đây. / Add one; its secret is shown once, here."""
    named = [one.strip() for one in kinds.split(",") if one.strip()]
    made = _run(config, lambda hooks: hooks.add(system, url, named, by=common.actor()), system)
    return _with_secret(made, as_json)


def rotate(
    webhook: IdArgument,
    *,
    overlap_hours: Annotated[
        float,
        typer.Option(
            "--overlap-hours", min=0, max=720, help="Hai khóa cùng ký. / Both sign for so long."
        ),
    ] = 24.0,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Đổi khóa; khóa mới hiện một lần. / A new secret, shown once; both sign for a while."""
    overlap = timedelta(hours=overlap_hours)
    made = _run(config, lambda hooks: hooks.rotate("", webhook, overlap=overlap, by=common.actor()))
    return _with_secret(made, as_json)


def _with_secret(made: "tuple[Webhook, str]", as_json: bool) -> int:
    from gateway.web.webhooks import shown

    hook, secret = made
    once = (
        "  Chỉ hiện một lần: đưa cho bên nhận để kiểm tra chữ ký. / Shown once: the receiver "
        "needs it to verify."
    )
    human = "\n".join([*_text(hook), f"  khóa / secret: {secret}", once])
    emit(shown(hook) | {"secret": secret}, human, as_json)
    return OK


def try_out(
    webhook: IdArgument,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Gửi thử một thông điệp từ máy này. / Send a test message from this machine."""
    from gateway.web.webhooks import shown_posted

    posted = _run(config, lambda hooks: hooks.test("", webhook))
    human = f"đã nhận / taken (HTTP {posted.status})"
    if not posted.taken:
        human = f"không nhận / not taken: {posted.outcome}"
    emit(shown_posted(posted), human, as_json)
    return OK if posted.taken else _NOT_TAKEN


def pause(
    webhook: IdArgument,
    *,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tạm dừng; không mất gì. / Bring nothing until it is resumed; nothing is lost."""
    why = common.stated(reason)
    return _told(
        _run(config, lambda hooks: hooks.pause("", webhook, reason=why, by=common.actor())), as_json
    )


def resume(
    webhook: IdArgument,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Chạy tiếp từ chỗ đã dừng. / Go on where it stood."""
    return _told(_run(config, lambda hooks: hooks.resume("", webhook, by=common.actor())), as_json)


def remove(
    webhook: IdArgument,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Bỏ hẳn; những gì đã gửi vẫn được lưu. / End it for good; its record stays."""
    return _told(_run(config, lambda hooks: hooks.remove("", webhook, by=common.actor())), as_json)


def replay(
    webhook: IdArgument,
    *,
    to: Annotated[
        int, typer.Option("--to", min=0, help="Gửi lại những gì sau con trỏ. / From behind it.")
    ],
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Gửi lại từ một con trỏ, cùng mã thông điệp. / Tell again from a cursor, same ids."""
    why = common.stated(reason)
    return _told(
        _run(config, lambda hooks: hooks.replay("", webhook, to, reason=why, by=common.actor())),
        as_json,
    )


def _told(hook: "Webhook", as_json: bool) -> int:
    from gateway.web.webhooks import shown

    emit(shown(hook), "\n".join(_text(hook)), as_json)
    return OK


# ---------------------------------------------------------------- the ledger behind it


def _run(config: Path, work: Callable[["LedgerWebhooks"], Awaitable[T]], system: str = "") -> T:
    import asyncio

    return asyncio.run(_with(config, work, system))


async def _with(config: Path, work: Callable[["LedgerWebhooks"], Awaitable[T]], system: str) -> T:
    from gateway import stores
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.keys.secretkey import SecretKeys
    from gateway.webhooking import make_webhooks

    settings = load(config)
    stores.usable_ledger(settings)
    keys = SecretKeys(settings.secrets.key_file)
    async with stores.open_ledger(settings) as ledger:
        if system and system not in {row["id"] for row in await ledger.all("systems")}:
            raise UsageFault(f"không có hệ thống {system}", f"there is no system {system}")
        hooks = make_webhooks(settings, ledger, SystemClock(), stores.UuidIds(), keys)
        return await work(hooks)
