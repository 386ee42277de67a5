"""Gateways of one PostgreSQL ledger in the test's own process, and a proxy that honours /ready.

`Cluster(folder, url)` makes nodes with data folders of their own, one blob folder and one set of
keys; `Proxy` sends each request to a node that was ready when it was last asked, and counts what
came of it. Nothing here waits for time to pass: what is waited for is seen.
"""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from gateway import app
from gateway.config import load
from gateway.receipts.sign import generate
from gateway.secrets import create_key_file, read_key_file
from tests.world.gatehouse import HUB, MovedClock, System, register

PATIENCE_S = 60.0


@dataclass
class Cluster:
    """Nodes of one ledger."""

    folder: Path
    url: str
    systems: dict[str, System] = field(default_factory=dict)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    gateways: dict[str, app.Gateway] = field(default_factory=dict)
    peer: str = ""

    def settle(self) -> None:
        """Make keys and callers, once."""
        for name in ("keys", "trust", "blobs"):
            (self.folder / name).mkdir(mode=0o700)
        generate(self.folder / "keys" / "receipts.pem")
        create_key_file(self.folder / "keys" / "secrets.key")
        key = read_key_file(self.folder / "keys" / "secrets.key")
        speaks = {"snv": ["H37.02"], "stc": ["H37.04"]}
        self.systems = register(self.config("register"), key, speaks)

    def config(self, name: str, extra: str = "", roles: str = "") -> Path:
        """Write the settings of one node."""
        given = f"roles = {roles}\n" if roles else ""
        config = self.folder / f"{name}.toml"
        config.write_text(
            f'[gateway]\ncode = "{HUB}"\ndata_dir = "data-{name}"\n'
            f'[node]\nname = "{name}"\ndrain = "10 m"\nlease = "3 s"\n{given}'
            f'[http]\nport = 0\n[ledger]\nurl = "{self.url}"\n'
            f'[blobs]\ndir = "{self.folder / "blobs"}"\nshared = true\n'
            f"[verify]\nworkers = 1\n{extra}\n{self.peer}",
            encoding="utf-8",
        )
        return config

    async def start(self, name: str, *, extra: str = "", roles: str = "") -> app.Gateway:
        """Start a node, or the next process of one that was stopped."""
        gateway = app.Gateway(load(self.config(name, extra, roles)), clock=MovedClock())
        await gateway.start()
        self.gateways[name] = gateway
        return gateway

    async def stop(self, name: str) -> None:
        """Stop a node."""
        await self.gateways.pop(name).stop()

    async def close(self) -> None:
        """Stop all of them."""
        for name in list(self.gateways):
            await self.stop(name)
        await self.stack.aclose()


@dataclass
class Proxy:
    """A reverse proxy as operations put before two gateways: it asks /ready and obeys."""

    session: aiohttp.ClientSession
    backends: dict[str, str] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    inside: Counter[str] = field(default_factory=Counter)
    served: Counter[str] = field(default_factory=Counter)
    url: str = ""
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def ask(self) -> None:
        """Ask every node whether it is ready, until cancelled."""
        while True:
            for name, url in list(self.backends.items()):
                await self._ask(name, url)
            await asyncio.sleep(0.02)

    async def _ask(self, name: str, url: str) -> None:
        try:
            async with self.session.get(f"{url}/ready") as answer:
                good = answer.status == 200
        except aiohttp.ClientError:
            good = False
        async with self._changed:
            (self.ready.add if good else self.ready.discard)(name)
            self._changed.notify_all()

    async def seen(self, condition: Any) -> None:
        """Wait until the proxy has seen something."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(condition)

    async def handle(self, request: web.Request) -> web.Response:
        """Send a request on to the ready node with the fewest."""
        body = await request.read()
        if not self.ready:  # a slow machine: nobody was asked in time
            await self.seen(lambda: self.ready)
        name = min(sorted(self.ready), key=lambda n: self.inside[n])
        self.inside[name] += 1
        try:
            async with self.session.request(
                request.method,
                f"{self.backends[name]}{request.path_qs}",
                data=body,
                headers={k: v for k, v in request.headers.items() if k in _PASSED},
            ) as answer:
                self.served[name] += 1
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    content_type="application/json",
                )
        except aiohttp.ClientError as exc:
            return web.Response(status=502, text=type(exc).__name__)
        finally:
            self.inside[name] -= 1
            async with self._changed:
                self._changed.notify_all()

    async def open(self, stack: AsyncExitStack) -> None:
        """Listen, and begin to ask."""
        site = web.Application()
        site.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        tcp = web.TCPSite(runner, "127.0.0.1", 0)
        await tcp.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        asking = asyncio.create_task(self.ask())

        async def end() -> None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

        stack.push_async_callback(end)


_PASSED = {"Authorization", "Content-Type", "Idempotency-Key"}
