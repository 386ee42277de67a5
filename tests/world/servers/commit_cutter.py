"""A TCP proxy before PostgreSQL that breaks the connection at a COMMIT, before it or behind it.

`cut = "before"`: the server never hears the COMMIT. `cut = "behind"`: it commits, its answer is
lost. Each cut happens once; later connections pass. `down` refuses everything. `pools` says a
number of its own for the server's process, as a pooler of connections does.
"""

import asyncio

COMMIT = b"COMMIT\x00"
KEY_DATA = b"K\x00\x00\x00\x0c"


class CommitCutter:
    def __init__(self, port):
        self._server_port = port
        self.cut = ""
        self.cuts = 0
        self.down = False
        self.pools = False
        self._open = set()
        self._tasks = set()

    async def start(self):
        self._listening = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self._listening.sockets[0].getsockname()[1]

    async def close(self):
        self._listening.close()
        for transport in list(self._open):
            transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.down:
            writer.transport.abort()
            return
        behind, before = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._open.add(writer.transport)
        armed = []
        ways = [
            asyncio.ensure_future(self._out(reader, before, armed)),
            asyncio.ensure_future(self._back(behind, writer, armed)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            before.transport.abort()
            writer.transport.abort()
            self._open.discard(writer.transport)

    async def _out(self, reader, writer, armed):
        while data := await reader.read(65536):
            if data.startswith(b"Q") and COMMIT in data and self.cut:
                how, self.cut = self.cut, ""
                self.cuts += 1
                if how == "before":
                    return
                armed.append(how)
            writer.write(data)
            await writer.drain()

    async def _back(self, reader, writer, armed):
        while data := await reader.read(65536):
            if armed and COMMIT in data:
                return
            if self.pools and KEY_DATA in data:
                before, _, rest = data.partition(KEY_DATA)
                data = before + KEY_DATA + bytes(4) + rest[4:]
            writer.write(data)
            await writer.drain()
