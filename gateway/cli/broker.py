"""`vanlien broker`: what is on RabbitMQ, made beforehand, compared, and counted.

A running gateway makes what is missing by itself; these commands are for those who want to see it
first. Nothing is deleted or changed here: the ledger is the truth, and whoever removes a queue
finds it filled again.
"""

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, emit, examples

if TYPE_CHECKING:
    from gateway.broker.declaring import Found

DIFFERS = 1
_EXITS = "0 xong / done · 1 có hàng đợi thiếu hoặc khác / queues are missing or differ"


def register(app: typer.Typer) -> None:
    """Add `broker declare|status|agencies`."""
    group = typer.Typer(help="Hàng đợi RabbitMQ. / The queues on RabbitMQ.")
    group.command(
        "declare",
        epilog=examples(
            "vanlien broker declare --diff", "vanlien broker declare --json", exits=_EXITS
        ),
    )(declare)
    group.command(
        "status", epilog=examples("vanlien broker status", "vanlien broker status --json")
    )(status)
    group.command(
        "agencies",
        epilog=examples(
            "vanlien broker agencies --diff", "vanlien broker agencies --json", exits=_EXITS
        ),
    )(agencies)
    app.add_typer(group, name="broker")


def declare(
    *,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Chỉ so sánh, không tạo gì. / Compare only, make nothing."),
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tạo các hàng đợi còn thiếu, hoặc xem khác gì. / Make missing queues, or see what differs."""
    found = asyncio.run(_found(config, make=not diff))
    done = "sẽ tạo / would be made" if diff else "đã tạo / made"
    rows = [(one.queue.name, _state(one, done), one.differs) for one in found]
    differing = [one for one in found if one.differs]
    human: list[object] = [
        common.table("Hàng đợi / Queues", ("Tên", "Tình trạng", "Khác chỗ nào"), rows)
    ]
    human += [_advice(one) for one in differing]
    missing = [one for one in found if not one.there]
    payload = {
        "made": not diff,
        "queues": [
            {**_json(one), "missing": not one.there, "differs": one.differs or None}
            for one in found
        ],
    }
    emit(payload, _stacked(human), as_json)
    return DIFFERS if differing or (diff and missing) else OK


def status(*, config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Xem các hàng đợi: số việc chờ, số nơi nhận. / Queues, what waits in them, who takes."""
    found = asyncio.run(_found(config, make=None))
    rows = [
        (one.queue.name, one.ready, one.consumers)
        if one.there
        else (one.queue.name, "chưa có / missing", "")
        for one in found
    ]
    human = common.table("Hàng đợi / Queues", ("Tên", "Đang chờ", "Nơi nhận"), rows)
    payload = {
        "queues": [
            {**_json(one), "ready": one.ready, "consumers": one.consumers, "missing": not one.there}
            for one in found
        ]
    }
    emit(payload, human, as_json)
    return OK


def agencies(
    *,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="Chỉ so sánh, không tạo gì. / Compare only, make nothing."),
    ] = False,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Exchange, hàng đợi và quyền của các cơ quan. / The agencies' exchange, queues and rights."""
    from adapters.amqp import topology
    from gateway import brokers
    from gateway.config import load

    settings = load(config)
    names, systems = brokers.agencies_names_of(settings), settings.agencies_amqp.systems
    server = brokers.agencies_server_of(settings)
    found = asyncio.run(topology.examined(server, names, systems, make=not diff))
    done = "sẽ tạo / would be made" if diff else "đã tạo / made"
    rows = [
        (one.name, done if not one.there else "khác / differs" if one.differs else "đúng / good",
         one.ready if one.what == "queue" else "", one.differs)
        for one in found
    ]  # fmt: skip
    rights = [names.permissions(system) for system in systems]
    vhost = unquote(urlsplit(settings.agencies_amqp.url or "").path[1:]) or "/"
    lines = [
        f"rabbitmqctl set_permissions -p {shlex.quote(vhost)} {one.user} \\\n"
        f"  '{one.configure}' '{one.write}' '{one.read}'"
        for one in rights
    ]
    human: list[object] = [
        common.table(
            "Exchange, hàng đợi / Queues", ("Tên", "Tình trạng", "Đang chờ", "Khác chỗ nào"), rows
        ),
        *lines,
    ]
    payload = {
        "made": not diff,
        "queues": [
            {"name": one.name, "what": one.what, "missing": not one.there,
             "ready": one.ready, "differs": one.differs or None}
            for one in found
        ],
        "permissions": [asdict(one) for one in rights],
    }  # fmt: skip
    emit(payload, _stacked(human), as_json)
    differing = any(one.differs for one in found)
    return DIFFERS if differing or (diff and any(not one.there for one in found)) else OK


async def _found(config: Path, *, make: bool | None) -> "Sequence[Found]":
    """Ask the broker; `make` what is missing, only compare (False), or only count (None)."""
    from gateway import brokers
    from gateway.broker import amqp
    from gateway.config import load

    settings = load(config)
    address, topics = brokers.address_of(settings), brokers.topics_of(settings)
    if make is None:
        return await amqp.counted(address, topics)
    return await (amqp.declare if make else amqp.examine)(address, topics)


def _state(one: "Found", done: str) -> str:
    if not one.there:
        return done
    return "khác / differs" if one.differs else "đúng / as it should be"


def _advice(one: "Found") -> str:
    name = one.queue.name
    remove = f"rabbitmqctl -p VHOST delete_queue {name}"
    return (
        f"{name}: khai báo khác; cổng vẫn dùng được. Muốn sửa: {remove}, rồi vanlien broker "
        "declare; không mất gì, việc chờ được xếp lại từ sổ cái. / "
        f"{name} was declared otherwise and is used as it is. To mend it: {remove}, then vanlien "
        "broker declare; nothing is lost, the ledger fills it again."
    )


def _stacked(parts: Sequence[object]) -> object:
    from rich.console import Group
    from rich.text import Text

    return Group(*(Text(part) if isinstance(part, str) else part for part in parts))  # type: ignore[arg-type]


def _json(one: "Found") -> dict[str, Any]:
    queue = one.queue
    return {"name": queue.name, "topic": queue.topic or None, "lane": queue.lane}
