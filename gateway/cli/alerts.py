"""`vanlien alerts`: what is wrong, taking it on, and whether mail gets through.

Beside a running server, which does the watching; nothing here looks for what is wrong.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.ports.watch import Alert
    from gateway.programs.watch.keeping import LedgerAlerts

T = TypeVar("T")
_ID: Final = "01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11"
_NOT_SENT: Final = 1


def register(app: typer.Typer) -> None:
    """Add `alerts list|ack|end|test-mail`."""
    group = typer.Typer(help="Cảnh báo của việc giám sát. / Alerts of the watch.")
    group.command(
        "list", epilog=examples("vanlien alerts list", "vanlien alerts list --agency H37.61 --json")
    )(list_alerts)
    group.command("ack", epilog=examples(f"vanlien alerts ack {_ID} --note 'Đang thay ổ đĩa'"))(ack)
    group.command(
        "end", epilog=examples(f"vanlien alerts end {_ID} --reason 'Đơn vị đã giải thể'")
    )(end)
    group.command(
        "test-mail",
        epilog=examples(
            "vanlien alerts test-mail --to van-hanh@example.vn",
            exits="0 đã gửi / sent · 1 không gửi được / not sent",
        ),
    )(try_mail)
    app.add_typer(group, name="alerts")


def list_alerts(
    *,
    agency: Annotated[
        str | None,
        typer.Option("--agency", help="Chỉ của đơn vị này. / Of this agency only."),
    ] = None,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê cảnh báo đang có; không chọn đơn vị: của cổng. / List what stands."""
    found = _run(config, lambda alerts: alerts.standing([agency or ""]))
    rows = [
        (
            a.id,
            a.severity.name.lower(),
            _title(a),
            a.state.value,
            a.count,
            common.local_iso(a.since),
        )
        for a in found
    ]
    columns = ("Cảnh báo", "Mức", "Việc", "Tình trạng", "Số lượng", "Từ")
    human = common.table("Cảnh báo / Alerts", columns, rows)
    emit({"alerts": [shown(a) for a in found]}, human, as_json)
    return OK


def ack(
    alert: Annotated[str, typer.Argument(metavar="ID", help="Cảnh báo. / The alert.")],
    *,
    note: Annotated[str, typer.Option("--note", help="Ghi chú. / A note.")] = "",
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Nhận xử lý: thôi báo lên cấp trên. / Take it on: no further level is told."""
    from gateway.domain.access import Person

    actor = common.actor()
    by = Person("", actor, actor)
    taken = _run(config, lambda alerts: alerts.acknowledge(alert, note, by=by))
    human = f"{_title(taken)}: {taken.state.value}, {taken.acknowledged_by or '–'}"
    emit({"alert": shown(taken)}, human, as_json)
    return OK


def end(
    alert: Annotated[str, typer.Argument(metavar="ID", help="Cảnh báo. / The alert.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Vì sao. / Why.")],
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cho kết thúc dù nguyên nhân còn đó; việc đến sau là cảnh báo khác. / End it with a reason."""
    from gateway.domain.access import Person

    actor = common.actor()
    by = Person("", actor, actor)
    ended = _run(config, lambda alerts: alerts.dismiss(alert, reason, by=by))
    emit({"alert": shown(ended)}, f"{_title(ended)}: {ended.state.value}", as_json)
    return OK


def try_mail(
    *,
    to: Annotated[str, typer.Option("--to", help="Gửi tới. / To whom.")],
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Gửi thử một thư. / Send a letter to see whether mail gets through."""
    import asyncio

    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.ports.watch import Letter
    from gateway.stores import UuidIds
    from gateway.watching import mail_of, words_of

    settings = load(config)
    post, words = mail_of(settings, SystemClock()), words_of(settings)
    if post is None:
        raise UsageFault("chưa khai báo [mail] host", "[mail] host is not set")
    subject = f"Thư thử · {words.name}"
    body = "Thư thử của cổng liên thông.\nA letter that tests whether mail gets through.\n"
    letter = Letter(f"{UuidIds().new()}@{words.host}", to, subject, body)
    mailed = asyncio.run(post.send(letter))
    human = f"Không gửi được / not sent: {mailed.reason}" if mailed.reason else "Đã gửi / sent"
    emit({"sent": not mailed.reason, "reason": mailed.reason}, human, as_json)
    return _NOT_SENT if mailed.reason else OK


def shown(alert: "Alert") -> dict[str, Any]:
    """Return an alert as JSON."""
    from gateway.programs.watch.telling import shown as told

    return {
        **told(alert),
        "acknowledged_by": alert.acknowledged_by,
        "note": alert.note,
        "ended_at": common.local_iso(alert.ended_at),
    }


def _title(alert: "Alert") -> str:
    from gateway.domain.watch import KINDS

    text = KINDS[alert.kind].text
    return f"{text.vi} / {text.en}"


def _run(config: Path, work: Callable[["LedgerAlerts"], Awaitable[T]]) -> T:
    import asyncio

    return asyncio.run(_with(config, work))


async def _with(config: Path, work: Callable[["LedgerAlerts"], Awaitable[T]]) -> T:
    from gateway import stores
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.programs.watch.keeping import Beside, LedgerAlerts

    settings = load(config)
    stores.usable_ledger(settings)
    async with stores.open_ledger(settings) as ledger:
        return await work(LedgerAlerts(Beside(ledger, SystemClock(), stores.UuidIds())))
