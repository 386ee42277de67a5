"""A TCP proxy that misbehaves on demand: cuts, stalls, resets, delays, refuses.

`async with Proxy.to(port) as proxy:` listens on `proxy.port`. Faults hit connections that stand and
those that come; `heal()` ends them. Bytes are passed on as they come, so a cut falls anywhere, also
into the middle of a frame: `cut(after_bytes=n)` lets so many more through, in either direction.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)


@dataclass
class Proxy:
    """One proxied port."""

    target: int
    port: int = 0
    delay_s: float = 0.0
    passed: int = 0
    connections: int = 0
    cuts: int = 0
    _left: int | None = None
    _refusing: bool = False
    _flowing: asyncio.Event = field(default_factory=asyncio.Event)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def to(cls, target: int) -> AsyncIterator["Proxy"]:
        """Lend a proxy before a port of this machine."""
        proxy = cls(target)
        proxy._flowing.set()
        server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
        proxy.port = server.sockets[0].getsockname()[1]
        try:
            yield proxy
        finally:
            server.close()
            proxy._flowing.set()
            proxy.cut()
            for task in tuple(proxy._tasks):
                task.cancel()
            await asyncio.gather(*proxy._tasks, return_exceptions=True)
            await server.wait_closed()

    # ------------------------------------------------------------ faults

    def cut(self, after_bytes: int = 0) -> None:
        """Close every connection, at once or after so many more bytes; new ones are welcome."""
        if after_bytes:
            self._left = after_bytes
        else:
            for writer in tuple(self._open):
                writer.close()

    def reset(self) -> None:
        """Close every connection with a reset."""
        for writer in tuple(self._open):
            raw = writer.get_extra_info("socket")
            with suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on, and close nothing."""
        self._flowing.clear()

    def refuse(self) -> None:
        """Close what stands, and whatever comes."""
        self._refusing = True
        self.cut()

    def heal(self) -> None:
        """Pass everything on again."""
        self._refusing = False
        self._left = None
        self.delay_s = 0.0
        self._flowing.set()

    # ------------------------------------------------------------ passing on

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # only our end cancels, and streams take it ill
            await self._serve(reader, writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self._open.add(writer)
        there: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            back, there = await asyncio.open_connection("127.0.0.1", self.target)
            self._open.add(there)
            ways = [
                asyncio.ensure_future(self._pass(reader, there)),
                asyncio.ensure_future(self._pass(back, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            pass  # nobody there: the caller sees a closed connection
        finally:
            for end in (writer, there):
                if end is not None:
                    self._open.discard(end)
                    end.close()
                    with suppress(OSError):
                        await end.wait_closed()
            self._tasks.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._flowing.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if self._left is not None:
                    data = data[: self._left]
                    self._left -= len(data)
                self.passed += len(data)
                writer.write(data)
                await writer.drain()
                if self._left == 0:
                    self._left = None
                    self.cuts += 1
                    self.cut()
                    return
