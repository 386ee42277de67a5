"""How many documents a second are accepted and delivered, and what each waits; Postfix beside it.

Delivered: in the reader's system, with receipt 01 owed in the same commit. The postman of the same
machine, Postfix, takes the same bytes over as many connections: it neither parses, verifies,
numbers nor proves, and is what a well-built store-and-forward program does here.
"""

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benching.houses import House
from tests.benching.load import (
    CONNECTIONS,
    Json,
    archive,
    delivered,
    last_accepted,
    load_now,
    notes,
    papers,
    post_all,
    signed,
    spread,
)
from tests.benching.plan import EMBEDDED, Plan
from tests.world.servers import postfix

NOTE = "3 kB, tệp văn bản không ký / unsigned text"
PAPER = "367 kB, PDF không ký / unsigned PDF"
SIGNED = "PDF đã ký (B-LT) / signed PDF"

Loads = list[tuple[str, list[bytes]]]


def measure(plan: Plan) -> Json:
    """Measure every engine, then Postfix."""
    rows: list[Json] = []
    loads: Loads = []
    for engine in plan.engines:
        with plan.house(engine) as house:
            loads = _loads(plan, house)
            house.start()
            house.await_ready()
            asyncio.run(post_all(house, notes(900_000, min(100, plan.size.notes))))
            for case, messages in loads:
                rows.append(asyncio.run(_measure(house, case, messages)))
                plan.say(
                    f"{engine}, {case}: {rows[-1]['accepted_per_s']:g} accepted/s, "
                    f"{rows[-1]['delivered_per_s']:g} delivered/s"
                )
    return {"rows": rows, "postfix": _yardstick(plan, loads)}


def _loads(plan: Plan, house: House) -> Loads:
    size = plan.size
    loads = [(NOTE, notes(1, size.notes))]
    if size.papers:
        loads.append((PAPER, papers(100_000, size.papers)))
    if size.signed:
        trust = house.settings.verify.trust_dir
        loads.append((SIGNED, signed(200_000, size.signed, house.folder / "pki", trust)))
    return loads


async def _measure(house: House, case: str, messages: Sequence[bytes]) -> Json:
    after, load, cpu = last_accepted(house), load_now(), house.cpu_s()
    blobs = house.blob_bytes()
    began = time.perf_counter()
    posted = await post_all(house, messages)
    waits = await delivered(house, len(messages), after)
    all_in = time.perf_counter() - began
    spent = {who: now - cpu[who] for who, now in house.cpu_s().items()}
    return {
        "engine": house.engine,
        "case": case,
        "message_bytes": round(statistics.mean(map(len, messages))),
        "documents": len(messages),
        "accepted_per_s": round(len(messages) / posted.took_s, 1),
        "delivered_per_s": round(len(messages) / all_in, 1),
        "accept_ms": spread(posted.waits_ms),
        "delivery_ms": spread(waits),
        "cpu_ms": {who: round(s / len(messages) * 1000, 2) for who, s in spent.items()},
        "blob_bytes": round((house.blob_bytes() - blobs) / len(messages)),
        "put_off": posted.put_off,
        "load_before": load,
    }


# ---------------------------------------------------------------- Postfix


async def _mail_all(port: int, messages: Sequence[bytes]) -> tuple[float, list[float]]:
    """Mail all messages as `post_all` posts them; return seconds, and each one's milliseconds."""
    waiting = [
        b"Subject: bench\r\n\r\n" + m.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
        for m in reversed(messages)
    ]
    times: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        await reader.readline()
        writer.write(b"EHLO bench.invalid\r\n")
        while (await reader.readline())[3:4] == b"-":
            pass
        while waiting:
            body = waiting.pop()
            began = time.perf_counter()
            writer.write(b"MAIL FROM:<a@bench.invalid>\r\nRCPT TO:<b@bench.invalid>\r\nDATA\r\n")
            for _ in range(3):
                await reader.readline()
            writer.write(body + b"\r\n.\r\n")
            answer = await reader.readline()
            if not answer.startswith(b"250 "):
                raise RuntimeError(answer.decode())
            times.append((time.perf_counter() - began) * 1000)
        writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONNECTIONS, len(messages))):
            group.create_task(connection())
    return time.perf_counter() - began, times


def _yardstick(plan: Plan, loads: Loads) -> list[Json]:
    """Load Postfix with the same cases; nothing where it cannot run."""
    if postfix.missing() or plan.one_house:
        return []
    folder = plan.folder / "mail"
    folder.mkdir()
    plan.folder.chmod(0o755)  # its processes are somebody else's
    server, rows = postfix.Postfix(folder), []
    server.start()
    try:
        asyncio.run(_mail_all(server.port, loads[0][1][:50]))
        for case, messages in loads:
            server.drained()
            load, began = load_now(), time.perf_counter()
            took, waits = asyncio.run(_mail_all(server.port, messages))
            server.drained()
            all_in = time.perf_counter() - began
            rows.append(
                {
                    "case": case,
                    "documents": len(messages),
                    "accepted_per_s": round(len(messages) / took, 1),
                    "delivered_per_s": round(len(messages) / all_in, 1),
                    "accept_ms": spread(waits),
                    "load_before": load,
                }
            )
            plan.say(f"Postfix, {case}: {rows[-1]['accepted_per_s']:g} accepted/s")
    finally:
        server.stop()
        plan.folder.chmod(0o700)
    return rows


# ---------------------------------------------------------------- one large message


def memory(plan: Plan) -> Json:
    """Return a server's peak resident memory before and after one large message."""
    with plan.house(EMBEDDED) as house:
        if house.nodes[0].process is None:
            house.start()
        asyncio.run(post_all(house, notes(800_000, 1)))
        before = _peak_kb(house)
        message = archive(800_002, plan.size.packet)
        asyncio.run(post_all(house, [message]))
        after = _peak_kb(house)
    plan.say(f"{len(message) / 1e6:.0f} MB through the API: peak {before} -> {after} kB")
    return {
        "message_mb": round(len(message) / 1e6),
        "peak_before_mb": before // 1024,
        "peak_after_mb": after // 1024,
    }


def _peak_kb(house: House) -> int:
    process = house.nodes[0].process
    assert process is not None
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1])
    raise KeyError("VmHWM")
