"""`make bench`: what one gateway does on this machine; written to docs/benchmarks.{json,md}.

A real `vanlien serve` process (SQLite with fsync, local blobs) is loaded over real HTTP from this
process. Every message is different, so nothing is answered from a cache. Times of receipts are
read from the ledger. Figures of a shared machine are noisy: compare rows of one run, not runs.
"""

import argparse
import asyncio
import base64
import io
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway import stores
from gateway.cli.init import init
from gateway.config import load
from gateway.demo.letters import make_plain_pdf, sign_once
from gateway.demo.pki import make_pki
from gateway.ports import AgencyRecord, NewCredential
from gateway.secrets import new_api_key
from tests.world.machine import machine
from tests.world.servers import postfix

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 48
PACKET = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
<edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader>
<edXML:MessageHeader><edXML:From><edXML:OrganId>H37.02</edXML:OrganId>
<edXML:OrganName>Sở Nội vụ tỉnh Lạng Sơn</edXML:OrganName></edXML:From>
<edXML:To><edXML:OrganId>H37.04</edXML:OrganId><edXML:OrganName>Sở Tài chính</edXML:OrganName>
</edXML:To><edXML:Code><edXML:CodeNumber>{n}</edXML:CodeNumber>
<edXML:CodeNotation>SNV-VP</edXML:CodeNotation></edXML:Code><edXML:PromulgationInfo>
<edXML:Place>Lạng Sơn</edXML:Place><edXML:PromulgationDate>{day}</edXML:PromulgationDate>
</edXML:PromulgationInfo><edXML:DocumentType><edXML:Type>2</edXML:Type>
<edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>V/v đo năng lực của cổng, văn bản số {n}</edXML:Subject>
<edXML:SignerInfo><edXML:Position>Giám đốc</edXML:Position>
<edXML:FullName>Nguyễn Văn An</edXML:FullName></edXML:SignerInfo>
<edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo></edXML:MessageHeader>
<edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>H37.02</edXML:OrganId>
<edXML:Timestamp>{day} 08:00:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>
</edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest version="1.0"><edXML:Reference>
<edXML:ContentId>cid:a</edXML:ContentId><edXML:AttachmentName>{name}</edXML:AttachmentName>
</edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<AttachmentEncoded><Attachment><ContentId>cid:a</ContentId><AttachmentName>{name}</AttachmentName>
<ContentType>{kind}</ContentType>
<edXML:ContentTransferEncoded xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">{data}</edXML:ContentTransferEncoded>
</Attachment></AttachmentEncoded></edXML>"""


@dataclass(frozen=True, slots=True)
class Row:
    """One measured case; times in milliseconds."""

    case: str
    message_bytes: int
    documents: int
    accepted_per_s: float
    receipts_per_s: float
    accept_p50_ms: float
    accept_p99_ms: float
    receipt_p50_ms: float
    receipt_p99_ms: float
    server_cpu_ms: float


class Server:
    """A `vanlien serve` process in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        init(folder, as_json=True)
        self.config = folder / "vanlien.toml"
        self.settings = load(self.config)
        key = new_api_key()
        with stores.open_admin(self.config) as admin:
            for code, name, console in (("H37.02", "Sở Nội vụ", False), ("H37.04", "STC", True)):
                record = AgencyRecord(code=code, name=name, connected="local", console=console)
                admin.put_agency(record, by="bench")
            credential = NewCredential(id=key.key_id, kind="api-key", sha256=key.sha256)
            admin.add_system("bench", ["H37.02"], [credential], by="bench")
        self.key = key.text
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and read its address."""
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(self.config)]
        environ = os.environ | {"VANLIEN__HTTP__PORT": "0", "VANLIEN__LOG__LEVEL": "warning"}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("vanlien: http"):
                self.port = int(line.strip().rpartition(":")[2])
                return
        raise RuntimeError("the server did not start")

    def stop(self) -> None:
        """Stop it."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)

    def proc(self, name: str, field: str) -> int:
        """Return one number of the process' status file."""
        assert self.process is not None
        for line in Path(f"/proc/{self.process.pid}/{name}").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1])
        raise KeyError(field)

    def cpu_s(self) -> float:
        """Return processor seconds of the server and its verifiers that ended."""
        assert self.process is not None
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ledger(self) -> sqlite3.Connection:
        """Open its ledger for reading."""
        return sqlite3.connect(f"file:{self.settings.ledger.path}?mode=ro", uri=True)


def packet(n: int, name: str, kind: str, data: bytes) -> bytes:
    """Return one message."""
    day = datetime.now(UTC).strftime("%Y/%m/%d")
    body = base64.b64encode(data).decode()
    return PACKET.format(n=n, day=day, name=name, kind=kind, data=body).encode()


async def post_all(server: Server, packets: list[bytes]) -> tuple[float, list[float]]:
    """POST all messages over keep-alive connections; return seconds and each one's milliseconds."""
    waiting = list(reversed(packets))
    times: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        while waiting:
            body = waiting.pop()
            head = (
                "POST /api/v1/documents HTTP/1.1\r\nHost: bench\r\n"
                f"Authorization: Bearer {server.key}\r\nContent-Type: application/xml\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            began = time.perf_counter()
            writer.write(head.encode() + body)
            status = await reader.readuntil(b"\r\n\r\n")
            size = int(status.lower().partition(b"content-length:")[2].split(b"\r")[0])
            answer = await reader.readexactly(size)
            if b" 202 " not in status[:15]:
                raise RuntimeError(answer.decode()[:2000])
            times.append((time.perf_counter() - began) * 1000)
        writer.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONNECTIONS, len(packets))):
            group.create_task(connection())
    return time.perf_counter() - began, times


def quantile(values: list[float], share: float) -> float:
    """Return the value below which a share of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def measure(server: Server, case: str, packets: list[bytes]) -> Row:
    """Load one case and read the receipts' times from the ledger."""
    with server.ledger() as ledger:
        (last,) = ledger.execute(
            "SELECT COALESCE(MAX(accepted_at), '') FROM consignment"
        ).fetchone()
    cpu = server.cpu_s()
    began = time.perf_counter()
    took, accepts = await post_all(server, packets)
    sql = (
        "SELECT (julianday(s.created_at) - julianday(c.accepted_at)) * 86400000 "
        "FROM status_report s JOIN consignment c ON c.id = s.consignment_id "
        "WHERE s.code = '01' AND c.accepted_at > ?"
    )
    while True:
        with server.ledger() as ledger:
            waits = [w for (w,) in ledger.execute(sql, (last,))]
        if len(waits) >= len(packets):
            break
        await asyncio.sleep(0.05)
    all_in = time.perf_counter() - began
    return Row(
        case=case,
        message_bytes=round(statistics.mean(map(len, packets))),
        documents=len(packets),
        accepted_per_s=round(len(packets) / took, 1),
        receipts_per_s=round(len(packets) / all_in, 1),
        accept_p50_ms=round(quantile(accepts, 0.5), 1),
        accept_p99_ms=round(quantile(accepts, 0.99), 1),
        receipt_p50_ms=round(quantile(waits, 0.5), 1),
        receipt_p99_ms=round(quantile(waits, 0.99), 1),
        server_cpu_ms=round((server.cpu_s() - cpu) / len(packets) * 1000, 2),
    )


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The same bytes through Postfix: accepted into its queue, and delivered to its sink."""

    case: str
    accepted_per_s: float
    delivered_per_s: float
    accept_p50_ms: float
    accept_p99_ms: float


async def mail_all(port: int, packets: list[bytes]) -> tuple[float, list[float]]:
    """Mail all messages as `post_all` posts them; return the same."""
    waiting = [
        b"Subject: bench\r\n\r\n" + p.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..")
        for p in reversed(packets)
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
        for _ in range(min(CONNECTIONS, len(packets))):
            group.create_task(connection())
    return time.perf_counter() - began, times


def yardstick(folder: Path, loads: list[tuple[str, list[bytes]]]) -> list[Yardstick]:
    """Load Postfix with the same cases; nothing where it cannot run."""
    if postfix.missing():
        return []
    folder.mkdir()
    folder.parent.chmod(0o755)
    server, rows = postfix.Postfix(folder), []
    server.start()
    try:
        asyncio.run(mail_all(server.port, loads[0][1][:50]))
        for case, packets in loads:
            server.drained()
            began = time.perf_counter()
            took, accepts = asyncio.run(mail_all(server.port, packets))
            server.drained()
            all_in = time.perf_counter() - began
            row = Yardstick(
                case=case,
                accepted_per_s=round(len(packets) / took, 1),
                delivered_per_s=round(len(packets) / all_in, 1),
                accept_p50_ms=round(quantile(accepts, 0.5), 1),
                accept_p99_ms=round(quantile(accepts, 0.99), 1),
            )
            print(json.dumps(asdict(row), ensure_ascii=False), flush=True)
            rows.append(row)
    finally:
        server.stop()
    return rows


def memory(folder: Path, size: int) -> dict[str, Any]:
    """Return the server's peak resident memory before and after one message of `size` bytes."""
    server = Server(folder)
    server.start()
    try:
        asyncio.run(post_all(server, [packet(1, "a.txt", "text/plain", b"xin chao")]))
        before = server.proc("status", "VmHWM")
        body = packet(2, "lon.zip", "application/zip", _zip(size * 3 // 4))
        asyncio.run(post_all(server, [body]))
        after = server.proc("status", "VmHWM")
    finally:
        server.stop()
    return {
        "message_mb": round(len(body) / 1e6),
        "peak_before_mb": before // 1024,
        "peak_after_mb": after // 1024,
    }


def _zip(size: int) -> bytes:
    """Return a zip of `size` incompressible bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("du-lieu.bin", os.urandom(size))
    return out.getvalue()


def cases(server: Server, scale: float) -> list[tuple[str, list[bytes]]]:
    """Return the cases and their messages."""
    small = [
        packet(n, "ghi-chu.txt", "text/plain", f"Ghi chú {n}. ".encode() + b"x" * 1000)
        for n in range(1, int(4000 * scale) + 1)
    ]
    middle = [
        packet(100_000 + n, "van-ban.pdf", "application/pdf", make_plain_pdf(274_000, n))
        for n in range(int(300 * scale))
    ]
    pki = make_pki(
        server.folder / "pki",
        now=datetime.now(UTC),
        agencies=[("H37.02", "Sở Nội vụ")],
        people=["Nguyễn Văn An"],
    )
    for file in pki.trust_dir.iterdir():
        (server.settings.verify.trust_dir / file.name).write_bytes(file.read_bytes())
    signed = []
    for n in range(int(60 * scale)):
        pdf = sign_once(
            make_plain_pdf(120_000, 10_000 + n), pki, pki.person(), "NguoiKy", visible=False
        )
        signed.append(packet(200_000 + n, "van-ban.signed.pdf", "application/pdf", pdf))
    return [
        ("4 KB, tệp văn bản không ký / unsigned text", small),
        ("369 KB, PDF không ký / unsigned PDF", middle),
        ("PDF đã ký (B-LT) / signed PDF", signed),
    ]


def page(result: dict[str, Any]) -> str:
    """Return the Markdown page."""
    facts = result["machine"]
    lines = [
        "# Benchmarks",
        "",
        "Made by `make bench`; do not edit. One `vanlien serve` process, SQLite with "
        "`synchronous=FULL`, blobs fsynced, every message different, the load generator on the "
        "same cores. Figures of a shared machine are noisy: compare rows of one run.",
        "",
        f"Machine: {facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['system']}, Python {facts['python']}, SQLite {facts['sqlite']}. "
        f"Run of {result['at']}.",
        "",
        "| case | message | documents | accepted/s | accept to receipt 01, /s | accept p50 / p99 "
        "| receipt p50 / p99 | server CPU a document |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['case']} | {r['message_bytes'] / 1000:.1f} kB | {r['documents']} | "
        f"{r['accepted_per_s']:g} | {r['receipts_per_s']:g} | "
        f"{r['accept_p50_ms']:g} / {r['accept_p99_ms']:g} ms | "
        f"{r['receipt_p50_ms']:g} / {r['receipt_p99_ms']:g} ms | {r['server_cpu_ms']:g} ms |"
        for r in result["rows"]
    ]
    m = result["memory"]
    lines += [
        "",
        *_yardstick_lines(result),
        f"Memory: one message of {m['message_mb']} MB through the API raises the server's peak "
        f"resident memory from {m['peak_before_mb']} MB to {m['peak_after_mb']} MB.",
        "",
    ]
    return "\n".join(lines)


def _yardstick_lines(result: dict[str, Any]) -> list[str]:
    if not result["postfix"]:
        return ["Postfix was not there to compare with.", ""]
    ours = {row["case"]: row for row in result["rows"]}
    return [
        "The same bytes through Postfix (Debian's, fsync on, one queue file a message, a local "
        "sink behind it), in the same run over as many connections. It neither parses, verifies, "
        "numbers, nor proves; it is what a well-built store-and-forward program does here.",
        "",
        "| case | Postfix accepted/s | delivered/s | accept p50 / p99 | vanlien accepted/s of it |",
        "|---|---|---|---|---|",
        *(
            f"| {r['case']} | {r['accepted_per_s']:g} | {r['delivered_per_s']:g} | "
            f"{r['accept_p50_ms']:g} / {r['accept_p99_ms']:g} ms | "
            f"{ours[r['case']]['accepted_per_s'] / r['accepted_per_s']:.2f} times |"
            for r in result["postfix"]
        ),
        "",
    ]


def main() -> None:
    """Run everything and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the documents to send")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vanlien-bench-") as folder:
        server = Server(Path(folder) / "a")
        loads = cases(server, options.scale)
        server.start()
        rows = []
        try:
            warm = [packet(900_000 + n, "a.txt", "text/plain", b"x") for n in range(50)]
            asyncio.run(post_all(server, warm))
            for case, packets in loads:
                rows.append(asdict(asyncio.run(measure(server, case, packets))))
                print(json.dumps(rows[-1], ensure_ascii=False), flush=True)
        finally:
            server.stop()
        result = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "rows": rows,
            "postfix": [asdict(row) for row in yardstick(Path(folder) / "mail", loads)],
            "memory": memory(Path(folder) / "b", 100_000_000),
        }
    print(json.dumps(result["memory"]))
    options.out.mkdir(exist_ok=True)
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    (options.out / "benchmarks.json").write_text(text, encoding="utf-8")
    (options.out / "benchmarks.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
