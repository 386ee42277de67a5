"""Large and broken uploads: memory flat in the document's size, nothing left of half a body.

Issue part 2 ("attachments never sit in memory whole … whichever entry") and "Show it".
"""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import psutil

from gateway.config import load
from gateway.secrets import read_key_file
from tests.world.gatehouse import System, gatehouse, packet, register, write_config
from tests.world.servers.ports import free_port
from tests.world.submitting import form, nothing_left, sweep_blobs

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


def _files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file() and "small" not in path.name)


async def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    async with gatehouse(tmp_path) as house:
        folder = Path(house.gateway.settings.blobs.dir)
        before = _files(folder)
        data = packet("12", files=(("so-lieu.txt", b"so lieu\n" * 200_000),))
        url = house.url.removeprefix("http://")
        host, _, port = url.partition(":")
        bodies = {
            "application/xml": data,
            form({"sender": "H37.02"})[1]["Content-Type"]: form(
                {"sender": "H37.02", "recipients": ["H37.04"]}, [("a.txt", b"so lieu\n" * 200_000)]
            )[0],
        }
        for kind, body in bodies.items():
            _, writer = await asyncio.open_connection(host, int(port))
            head = (
                f"POST /api/v1/documents HTTP/1.1\r\nHost: {url}\r\n"
                f"Authorization: Bearer {house.systems['snv'].key}\r\n"
                f"Content-Type: {kind}\r\nIdempotency-Key: k\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body[: len(body) // 2])
            await writer.drain()
            intake = house.gateway.door._intake

            async def begun(intake=intake) -> bool:
                return bool(intake._in_flight) and _files(folder) > before

            await house.until(begun)
            writer.close()

            async def gone(intake=intake) -> bool:
                return not intake._in_flight and _files(folder) == before

            await house.until(gone)
            assert nothing_left(house)
        assert await sweep_blobs(house) == []
        status, _, _ = await house.send(packet("12"), key="k")
        assert status == 202


@contextmanager
def _served(folder: Path) -> Iterator[tuple[psutil.Process, str, System]]:
    """Run `vanlien serve` in a process of its own."""
    port = free_port()
    config = write_config(folder)
    config.write_text(config.read_text("utf-8").replace("port = 0", f"port = {port}"), "utf-8")
    key = read_key_file(load(config).secrets.key_file)
    systems = register(config, key, {"snv": ["H37.02"]})
    command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
    with (folder / "server.log").open("wb") as log:
        child = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ)
    try:
        yield psutil.Process(child.pid), f"http://127.0.0.1:{port}", systems["snv"]
    except BaseException:
        print((folder / "server.log").read_text("utf-8")[-4000:])
        raise
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)


async def _ready(session: aiohttp.ClientSession, url: str, process: psutil.Process) -> None:
    async with asyncio.timeout(60):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            try:
                async with session.get(f"{url}/live") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise AssertionError("the server ended at once")


LINE = b"Noi dung van ban dai, dong nay qua dong khac, khong co gi dac biet.\n"
PIECE = LINE * 3 * 5000  # a multiple of three bytes: base64 pieces can be joined


async def _large_packet(size: int) -> AsyncIterator[bytes]:
    mark = base64.b64encode(b"@@@")
    head, _, tail = packet("100", files=(("lon.txt", b"@@@"),)).partition(mark)
    yield head
    coded = base64.b64encode(PIECE)
    for _ in range(size // len(PIECE) + 1):
        yield coded
    yield tail


async def _large_form(size: int) -> AsyncIterator[bytes]:
    metadata = {
        "sender": "H37.02", "recipients": ["H37.04"], "code_number": "101",
        "code_notation": "SNV-VP", "promulgation_date": "2026-11-20", "type_name": "Công văn",
        "subject": "V/v tệp lớn",
    }  # fmt: skip
    head, _, tail = form(metadata, [("lon.txt", b"@@@")])[0].partition(b"@@@")
    yield head
    for _ in range(size // len(PIECE) + 1):
        yield PIECE
    yield tail


async def test_100_megabytes_in_flat_memory(tmp_path: Path) -> None:
    with _served(tmp_path) as (process, url, system):
        async with aiohttp.ClientSession() as session:
            await _ready(session, url, process)

            async def send(body: object, kind: str) -> int:
                headers = {"Authorization": f"Bearer {system.key}", "Content-Type": kind}
                target = f"{url}/api/v1/documents"
                async with session.post(target, data=body, headers=headers) as answer:
                    text = await answer.text()
                    assert answer.status == 202, text[:2000]
                    return _peak(process)

            before = await send(packet("1"), "application/xml")
            grown = {
                "packet": await send(_large_packet(100 * MIB), "application/xml") - before,
                "form": await send(_large_form(100 * MIB), form({})[1]["Content-Type"]) - before,
            }
    assert max(grown.values()) < 40 * MIB, {k: v // MIB for k, v in grown.items()}


def _peak(process: psutil.Process) -> int:
    """Return the most resident memory the server ever had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    line = next(row for row in status.splitlines() if row.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
