"""Messages to load a gateway with, and the clients that post them; what they waited, in ms.

Every message is different, so nothing is answered from a cache. The clients share the machine with
what they measure.
"""

import asyncio
import base64
import contextlib
import io
import os
import time
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.demo.letters import make_plain_pdf, sign_once
from gateway.demo.pki import make_pki
from gateway.domain.moments import from_text
from tests.benching.houses import READER, House

CONNECTIONS: Final = 48
_AGAIN_S: Final = 1.0
EXPRESS: Final = 3
"""Lane of "hỏa tốc"."""

_PACKET: Final = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
<edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader>
<edXML:MessageHeader><edXML:From><edXML:OrganId>H37.02</edXML:OrganId>
<edXML:OrganName>Sở Nội vụ tỉnh Lạng Sơn</edXML:OrganName></edXML:From>
<edXML:To><edXML:OrganId>{to}</edXML:OrganId><edXML:OrganName>Sở Tài chính</edXML:OrganName>
</edXML:To><edXML:Code><edXML:CodeNumber>{n}</edXML:CodeNumber>
<edXML:CodeNotation>SNV-VP</edXML:CodeNotation></edXML:Code><edXML:PromulgationInfo>
<edXML:Place>Lạng Sơn</edXML:Place><edXML:PromulgationDate>{day}</edXML:PromulgationDate>
</edXML:PromulgationInfo><edXML:DocumentType><edXML:Type>2</edXML:Type>
<edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
<edXML:Subject>V/v đo năng lực của cổng, văn bản số {n}</edXML:Subject>
<edXML:SignerInfo><edXML:Position>Giám đốc</edXML:Position>
<edXML:FullName>Nguyễn Văn An</edXML:FullName></edXML:SignerInfo>
<edXML:OtherInfo><edXML:Priority>{lane}</edXML:Priority></edXML:OtherInfo></edXML:MessageHeader>
<edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>H37.02</edXML:OrganId>
<edXML:Timestamp>{day} 08:00:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>
</edXML:edXMLHeader><edXML:edXMLBody><edXML:edXMLManifest version="1.0"><edXML:Reference>
<edXML:ContentId>cid:a</edXML:ContentId><edXML:AttachmentName>{name}</edXML:AttachmentName>
</edXML:Reference></edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>
<AttachmentEncoded><Attachment><ContentId>cid:a</ContentId><AttachmentName>{name}</AttachmentName>
<ContentType>{kind}</ContentType>
<edXML:ContentTransferEncoded xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">{data}</edXML:ContentTransferEncoded>
</Attachment></AttachmentEncoded></edXML>"""


# ---------------------------------------------------------------- messages


def packet(n: int, name: str, kind: str, data: bytes, *, to: str = READER, lane: int = 0) -> bytes:
    """Return one message."""
    day = datetime.now(UTC).strftime("%Y/%m/%d")
    body = base64.b64encode(data).decode()
    facts = {"n": n, "day": day, "name": name, "kind": kind, "data": body, "to": to, "lane": lane}
    return _PACKET.format(**facts).encode()


def notes(first: int, count: int, *, to: str = READER, lane: int = 0) -> list[bytes]:
    """Return small unsigned messages, numbered from `first`."""
    return [
        packet(
            n,
            "ghi-chu.txt",
            "text/plain",
            f"Ghi chú {n}. ".encode() + b"x" * 1000,
            to=to,
            lane=lane,
        )
        for n in range(first, first + count)
    ]


def papers(first: int, count: int) -> list[bytes]:
    """Return messages with an unsigned PDF of the usual size."""
    return [
        packet(n, "van-ban.pdf", "application/pdf", make_plain_pdf(274_000, n))
        for n in range(first, first + count)
    ]


def signed(first: int, count: int, folder: Path, trust: Path) -> list[bytes]:
    """Return messages with a signed PDF; whom they are signed under is trusted from now on."""
    pki = make_pki(
        folder,
        now=datetime.now(UTC),
        agencies=[("H37.02", "Sở Nội vụ")],
        people=["Nguyễn Văn An"],
    )
    for file in pki.trust_dir.iterdir():
        (trust / file.name).write_bytes(file.read_bytes())
    made = []
    for n in range(first, first + count):
        plain = make_plain_pdf(120_000, n)
        pdf = sign_once(plain, pki, pki.person(), "NguoiKy", visible=False)
        made.append(packet(n, "van-ban.signed.pdf", "application/pdf", pdf))
    return made


def archive(n: int, size: int) -> bytes:
    """Return a message of about `size` bytes that nothing makes smaller."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("du-lieu.bin", os.urandom(size * 3 // 4))
    return packet(n, "lon.zip", "application/zip", out.getvalue())


# ---------------------------------------------------------------- clients


@dataclass(slots=True)
class Posted:
    """What posting came to; `put_off` counts 503s, after each of which it was sent again."""

    took_s: float
    waits_ms: list[float]
    put_off: int = 0


class BusyError(RuntimeError):
    """The gateway asks to come again: 503."""


class Client:
    """One keep-alive connection to a node."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self.put_off = 0
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: bytes = b"", want: int = 200) -> bytes:
        """Send one request; return the answer's body.

        Raises:
            BusyError: It was answered 503.
            RuntimeError: It was answered with another status than `want`.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
        reader, writer = self._streams
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        status = await reader.readuntil(b"\r\n\r\n")
        size = int(status.lower().partition(b"content-length:")[2].split(b"\r")[0])
        answer = await reader.readexactly(size)
        if f" {want} ".encode() not in status[:15]:
            fault = BusyError if b" 503 " in status[:15] else RuntimeError
            raise fault(answer.decode()[:2000])
        return answer

    async def post(self, message: bytes) -> float:
        """Send a document, again while it is put off; return milliseconds until acceptance."""
        began = time.perf_counter()
        while True:
            try:
                await self.ask("POST", "/api/v1/documents", message, 202)
            except BusyError:
                self.put_off += 1
                await asyncio.sleep(_AGAIN_S)
            else:
                return (time.perf_counter() - began) * 1000

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def post_all(
    house: House, messages: Sequence[bytes], connections: int = CONNECTIONS
) -> Posted:
    """Post all messages over keep-alive connections, the nodes in turn."""
    waiting = list(reversed(messages))
    times: list[float] = []
    ports = house.ports
    clients = [
        Client(ports[number % len(ports)], house.key)
        for number in range(min(connections, len(messages)))
    ]

    async def work(client: Client) -> None:
        try:
            while waiting:
                times.append(await client.post(waiting.pop()))
        finally:
            await client.close()

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(work(client))
    return Posted(time.perf_counter() - began, times, sum(c.put_off for c in clients))


# ---------------------------------------------------------------- what came of it


def last_accepted(house: House) -> str:
    """Return the time of the latest acceptance, for `delivered`."""
    return str(house.value("SELECT COALESCE(MAX(accepted_at), '') AS at FROM consignment"))


async def delivered(house: House, count: int, after: str, lane: int | None = None) -> list[float]:
    """Wait until `count` documents accepted since are in the reader's system; their waits in ms."""
    of_lane = "" if lane is None else f"AND c.urgency = {lane}"
    sql = (
        "FROM status_report s JOIN consignment c ON c.id = s.consignment_id "
        f"WHERE s.code = '01' AND c.accepted_at > '{after}' {of_lane}"
    )
    while house.value(f"SELECT COUNT(*) AS n {sql}") < count:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    rows = house.rows(f"SELECT s.created_at, c.accepted_at {sql}")
    return [
        (from_text(r["created_at"]) - from_text(r["accepted_at"])).total_seconds() * 1000
        for r in rows
    ]


def quantile(values: Iterable[float], share: float) -> float:
    """Return the value below which a share of all lie."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 2)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return the median and the 99th percentile."""
    return {"p50": quantile(values, 0.5), "p99": quantile(values, 0.99)}


def load_now() -> float:
    """Return the machine's load of the last minute: above the cores, figures are others' too."""
    return round(os.getloadavg()[0], 2)


Json = dict[str, Any]
