"""A clamd that answers as a test says: late, early, torn, twice, or not at all."""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

VERSION = b"ClamAV 1.4.3/27500/Fri Nov 20 08:30:12 2026\0"

Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def whole(reader: asyncio.StreamReader) -> bytes:
    """Read a stream to its end mark."""
    data = b""
    while (size := struct.unpack(">I", await reader.readexactly(4))[0]) > 0:
        data += await reader.readexactly(size)
    return data


def says(answer: bytes) -> Manner:
    """Answer this once the stream is over."""

    async def manner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await whole(reader)
        writer.write(answer)

    return manner


@dataclass
class HostileClamd:
    """Listens on loopback; `manner` is how it treats a stream."""

    manner: Manner
    version: bytes = VERSION
    streams: int = 0
    versions: int = 0
    port: int = 0
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._met, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """End, with everything under way."""
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        try:
            asked = await reader.readuntil(b"\0")
            if asked == b"zVERSION\0":
                self.versions += 1
                writer.write(self.version)
            else:
                self.streams += 1
                await self.manner(reader, writer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            pass
        finally:
            writer.close()
            if task is not None:
                self._tasks.discard(task)
