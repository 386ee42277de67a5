"""A simulated axis as `vanlien simulate axis` runs it: started, announced, watched, summed up.

A crash leaves the folder: credentials, readable by their owner alone, and the packets that came.
"""

import asyncio
import contextlib
import json
import signal
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import typer

from adapters.simulator.autoagency import AutoAgency, Reply
from adapters.simulator.axis import AxisSimulator, Manners
from adapters.simulator.faults import Call, Chance, Faults
from gateway.cli.common import local_iso, table
from gateway.cli.frame import UsageFault, emit
from gateway.cli.scorecard import clean
from gateway.clock import SystemClock
from gateway.conformance.letters import Letter, parcel
from gateway.ports import Adapter, AgencyRow, Busy, Dialect, Parcel
from gateway.secrets import new_shared_secret, write_private

CREDENTIALS: Final = "credentials.json"
_STEP_S: Final = 0.25
_TRIES: Final = 100
_PATIENCE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, checked.

    Args:
        dialect: What the axis speaks.
        host: Where it listens.
        port: Where it listens, 0 for any.
        systems: Names by code, for every system of clients.
        partners: Names by code, played by the axis itself.
        locked: Names by code; nothing may be sent to them.
        chances: What goes wrong.
        script: What partners answer.
        seed: Makes chance come again.
        letters: How many test letters every partner sends to every agency.
        remembers: Repeats get the first answer.
        untouched: Packets are handed on as they came.
        max_bytes: Largest packet taken.
        lasting: How long it runs, None until it is stopped.
        as_json: One object at the end.
    """

    dialect: Dialect
    host: str
    port: int
    systems: tuple[dict[str, str], ...]
    partners: dict[str, str]
    locked: dict[str, str]
    chances: tuple[Chance, ...]
    script: tuple[Reply, ...]
    seed: int | None
    letters: int
    remembers: bool
    untouched: bool
    max_bytes: int
    lasting: timedelta | None
    as_json: bool


async def run(order: Order, folder: Path) -> None:
    """Run the axis until it is stopped, or for as long as was asked."""
    # A folder of its own for each run: with a seed, ids come again.
    packets = Path(tempfile.mkdtemp(prefix="packets-", dir=folder))
    made = AxisSimulator(
        order.dialect,
        packets,
        SystemClock(),
        manners=Manners(
            rewrites=not order.untouched,
            remembers=order.remembers,
            seed=order.seed,
        ),
        faults=Faults(order.chances, order.seed),
        max_bytes=order.max_bytes,
    )
    systems = _registered(made, order)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    try:
        await made.start(order.port, order.host)
    except OSError as exc:
        raise UsageFault(
            f"--listen: không lắng nghe được: {exc.strerror}", f"cannot listen: {exc.strerror}"
        ) from exc
    began = SystemClock().now()
    try:
        _announce(order, made, folder, systems)
        if not order.as_json:
            made.on_call = _live
        async with contextlib.AsyncExitStack() as stack:
            await _start_partners(order, made, systems, stack)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(
                    None if order.lasting is None else order.lasting.total_seconds()
                ):
                    await stop.wait()
    finally:
        await made.stop()
    found = _happened(order, made, began)
    emit(found, _story(found), order.as_json)


@dataclass(frozen=True, slots=True)
class _System:
    """A system that was registered."""

    id: str
    codes: tuple[str, ...]
    secret: str


def _registered(made: AxisSimulator, order: Order) -> dict[str, _System]:
    """Register every system; return them by each of their codes."""
    found: dict[str, _System] = {}
    alone = ({code: name} for part in (order.partners, order.locked) for code, name in part.items())
    for rows in (*order.systems, *alone):
        first = next(iter(rows))
        system = _System(f"sim-{_plain(first)}", tuple(rows), new_shared_secret())
        agencies = [AgencyRow(code, name) for code, name in rows.items()]
        made.add_system(system.id, system.secret.encode(), agencies)
        found |= dict.fromkeys(rows, system)
    for code in order.locked:
        made.lock(code)
    return found


def _plain(code: str) -> str:
    return code.lower().replace(".", "-")


def _announce(order: Order, made: AxisSimulator, folder: Path, systems: dict[str, _System]) -> None:
    """Write the credentials and say where everything is."""
    told = []
    for rows in order.systems:
        system = systems[next(iter(rows))]
        path = folder / f"{system.id}.secret"
        path.unlink(missing_ok=True)
        write_private(path, system.secret.encode())
        told.append(
            {"system_id": system.id, "agencies": list(system.codes), "secret_file": path.name}
        )
    place = {"endpoint": made.endpoint, "dialect": order.dialect.name, "systems": told}
    path = folder / CREDENTIALS
    path.unlink(missing_ok=True)
    write_private(path, json.dumps(place, ensure_ascii=False, indent=1).encode())
    lines = [
        f"Trục mô phỏng ({order.dialect.name}) / simulated axis: {made.endpoint}",
        *(f"  {s.id}: {', '.join(s.codes)}" for s in dict.fromkeys(systems.values())),
        *(f"  {code}: tự trả lời / answers by itself" for code in order.partners),
        *(f"  {code}: bị khóa / locked" for code in order.locked),
        f"Khóa ở / secrets in: {folder / CREDENTIALS}, {folder}/*.secret. Dừng bằng Ctrl-C.",
    ]
    typer.echo("\n".join(lines), err=order.as_json)


def _live(call: Call) -> None:
    fault = f" [{call.fault.value}]" if call.fault is not None else ""
    delay = f" +{call.delay_s:.2f}s" if call.delay_s else ""
    status = str(call.status) if call.status else "cắt / cut"
    what = f"{call.doing or '?'} {clean(call.subject)}".strip()
    typer.echo(
        f"#{call.number} {clean(call.system_id) or '–'} {call.method} {clean(call.operation)}"
        f" ({what}) → {status}{fault}{delay}"
    )


async def _start_partners(
    order: Order, made: AxisSimulator, systems: dict[str, _System], stack: AsyncExitStack
) -> None:

    tasks: list[asyncio.Task[None]] = []

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    for code, name in order.partners.items():
        system = systems[code]
        client = order.dialect.make_client(
            name=system.id,
            endpoint=made.endpoint,
            system_id=system.id,
            secret=system.secret.encode(),
            clock=SystemClock(),
        )
        stack.push_async_callback(client.close)
        agency = AutoAgency(client, SystemClock(), code, name, order.script)
        tasks.append(asyncio.create_task(agency.run(_STEP_S)))
        tasks.append(asyncio.create_task(_letters(order, client, code)))
    stack.push_async_callback(end)


async def _letters(order: Order, client: Adapter, code: str) -> None:
    """Send test letters from a partner to every agency, each until it is taken."""
    clock = SystemClock()
    for number in range(1, order.letters + 1):
        for to in (code for rows in order.systems for code in rows):
            letter = Letter(code, (to,), number, f"TN-{to.replace('.', '')}", clock.now())
            what = parcel(
                letter.packet(), sender=code, recipients=(to,), document_id=letter.document_id
            )
            await _hand(client, what)


async def _hand(client: Adapter, what: Parcel) -> None:
    """Hand a parcel over until it is taken or refused."""
    for _ in range(_TRIES):
        outcome = await client.deliver(what, deadline=SystemClock().now() + _PATIENCE)
        if not isinstance(outcome, Busy):
            return
        await asyncio.sleep(_STEP_S)


# ---------------------------------------------------------------- what happened


def _happened(order: Order, made: AxisSimulator, began: datetime) -> dict[str, Any]:

    return {
        "endpoint": made.endpoint,
        "dialect": order.dialect.name,
        "seed": order.seed,
        "began_at": local_iso(began),
        "calls": [
            {
                "number": call.number,
                "system_id": call.system_id,
                "operation": call.operation,
                "doing": call.doing,
                "subject": call.subject,
                "status": call.status,
                "fault": None if call.fault is None else call.fault.value,
                "delay_s": round(call.delay_s, 3),
            }
            for call in made.log
        ],
        "faults": dict(Counter(call.fault.value for call in made.log if call.fault is not None)),
        "documents": [
            {
                "id": item.id,
                "kind": item.kind,
                "sender": item.sender,
                "to": item.to,
                "document_id": item.head.document_id,
                "status": item.head.status,
                "at": local_iso(item.at),
                "taken_at": local_iso(item.taken_at),
                "unusable": item.failed_note,
                "last_status": item.last_status,
            }
            for item in made.items
        ],
    }


def _story(found: dict[str, Any]) -> object:
    rows = [
        (
            clean(d["document_id"]),
            d["status"] or "văn bản",
            f"{clean(d['sender'])} → {clean(d['to'])}",
            "đã lấy" if d["taken_at"] else ("hỏng" if d["unusable"] is not None else "đang chờ"),
            d["last_status"],
        )
        for d in found["documents"]
    ]
    head = ("Mã văn bản", "Loại", "Từ → đến", "Bên nhận", "Trạng thái cuối")
    title = f"{len(found['calls'])} lượt gọi, sự cố {found['faults'] or 'không có'}"
    return table(title, head, rows)
