"""An unmodified VXP client as the recorded requests show it, down to the bytes on the socket.

Written from the recordings, not from our wire module, so that a misreading there does not hide
itself: one header map for the life of the client (later calls carry leftovers of earlier ones, and
the first timestamp), unpadded hash-file, CRLF after the file, `Expect: 100-continue` with JSON
bodies, letters cut to their low byte.
"""

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    continued: bool

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def unpadded(data: bytes) -> str:
    return "".join(format(byte, "x") for byte in hashlib.sha256(data).digest())


def compact(pairs: dict[str, str]) -> str:
    def text(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(f"{text(name)}:{text(value)}" for name, value in pairs.items()) + "}"


class Kit:
    """One service object of the Java kit.

    Args:
        port: Of the server on loopback.
        system_id: Whose credentials.
        secret: As configured.
        base: Path before the operation.
    """

    def __init__(
        self,
        port: int,
        system_id: str,
        secret: str,
        base: str = "/XrdAdapter/adapter",
        timestamp: str = "22112026T044559+0170",
    ) -> None:
        self.port, self.system_id, self.secret, self.base = port, system_id, secret, base
        self.map: dict[str, str] = {"systemid": system_id, "timestamp": timestamp}

    def headers(self) -> list[tuple[str, str]]:
        signed = compact({f"XroadVnpt-{name}": value for name, value in self.map.items()})
        digest = hmac.new(self.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        found = []
        for name, value in self.map.items():
            if name == "Content-Type":
                found.append((name, value))
            found.append((f"XroadVnpt-{name}", value))
        return [
            *found,
            ("XroadVnpt-sign-header-key", ";".join(self.map)),
            ("XroadVnpt-sign-header", signed),
            ("XroadVnpt-hash-header", digest),
            ("User-Agent", "JAVASDKAgent/1.0.0 XRoad/VPCP"),
            ("XroadVnpt-version", "3.0.201608"),
        ]

    async def call(
        self,
        operation: str,
        body: bytes = b"",
        *,
        method: str = "POST",
        headers: list[tuple[str, str]] | None = None,
        **parameters: str,
    ) -> Reply:
        """Make a JSON call; `{}` bodies wait for 100 Continue."""
        self.map["Content-Type"] = "application/json"
        self.map.update(parameters)
        sent = [*(self.headers() if headers is None else headers)]
        if method == "POST":
            sent.append(("Content-Length", str(len(body))))
        if body:
            sent.append(("Expect", "100-continue"))
        return await exchange(self.port, method, f"{self.base}/{operation}", sent, body)

    async def send_edoc(
        self,
        file: bytes,
        messagetype: str = "edoc",
        *,
        hash_file: str | None = None,
        tail: bytes = b"\r\n",
        **parameters: str,
    ) -> Reply:
        """Send a file the way the kit does: hash without the CRLF, body with it."""
        self.map["Content-Type"] = "application/octet-stream"
        self.map.update(servicetype="eDoc", messagetype=messagetype, **parameters)
        self.map["hash-file"] = unpadded(file) if hash_file is None else hash_file
        if hash_file == "":
            del self.map["hash-file"]
        body = file + tail
        sent = [
            *self.headers(),
            ("Cache-Control", "no-cache"),
            ("Pragma", "no-cache"),
            ("Accept", "text/html, image/gif, image/jpeg, */*; q=0.2"),
            ("Content-Length", str(len(body))),
        ]
        return await exchange(self.port, "POST", f"{self.base}/sendEdoc", sent, body)


async def exchange(
    port: int, method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> Reply:
    """Write one request byte by byte as given, read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
        lines += [f"{name}: {cut(value)}" for name, value in headers]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        continued = False
        if ("Expect", "100-continue") in headers:
            status, _ = await head(reader)
            if status != 100:
                return Reply(status, _, await reader.read(), continued=False)
            continued = True
        try:
            writer.write(body)
            await writer.drain()
        except ConnectionError:
            pass  # the server answered and closed before it had everything
        status, found = await head(reader)
        return Reply(status, found, await reader.read(), continued)
    finally:
        writer.close()


def cut(text: str) -> str:
    return "".join(chr(ord(c) & 0xFF) for c in text)


async def head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    found = dict(line.split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value for name, value in found.items()}
