"""A simulated axis on loopback: for demonstrations, benchmarks, tests, and those who build systems.

Behaves as spec/edxml.md 3.2 and 7 describe: registered systems with secrets, a catalogue of the
agencies behind them, packets kept in a folder, one item per `To` element (old and new code of an
agency: the same document twice), packets serialised anew, statuses routed by ResponseFor/OrganId,
items listed until acknowledged, no idempotency. It speaks any dialect whose façade it is given.

Promises: nothing leaves loopback unless it is told to listen elsewhere; packets are streamed. The
registers live in memory: a crash forgets them and leaves the folder's packets behind.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Final

from aiohttp import web

from adapters.simulator.desk import AxisDesk, Manners
from adapters.simulator.faults import (
    RETRY_AFTER_S,
    Call,
    Fault,
    Faults,
    Interrupted,
    answered_wrongly,
    drop,
    present,
    torn,
)
from adapters.simulator.registers import AxisItem, MemoryTokens, Registers
from gateway.ports import AgencyRow, Clock, Dialect, Means

__all__ = ["AxisItem", "AxisSimulator", "Fault", "Manners"]

_LOOPBACK: Final = "127.0.0.1"
_only_to: ContextVar[Collection[str]] = ContextVar("simulated_only_to", default=frozenset())


class AxisSimulator:
    """An axis (trục liên thông) of our own.

    Args:
        dialect: What it speaks.
        folder: Where packets are kept.
        clock: Time of everything.
        manners: How it behaves.
        faults: What goes wrong by chance; None for nothing.
        named: Codes a call is limited to whatever `To` elements there are; None for no limit.
        max_bytes: Largest packet.
        keep_calls: How many calls it remembers.
    """

    def __init__(
        self,
        dialect: Dialect,
        folder: Path,
        clock: Clock,
        *,
        manners: Manners | None = None,
        faults: Faults | None = None,
        named: Callable[[web.Request], Collection[str]] | None = None,
        max_bytes: int = 512 * 1024 * 1024,
        keep_calls: int = 100_000,
    ) -> None:
        self._dialect = dialect
        self._clock = clock
        self._registers = Registers()
        self._tokens = MemoryTokens(self._registers, clock.now)
        self._faults = faults or Faults()
        self._desk = AxisDesk(
            self._registers,
            folder,
            clock,
            faults=self._faults,
            manners=manners or Manners(),
            only_to=_only_to.get,
        )
        self._named = named
        self._max_bytes = max_bytes
        self._keep_calls = keep_calls
        self._runner: web.AppRunner | None = None
        self.release = asyncio.Event()
        self.calls: list[str] = []
        self.log: list[Call] = []
        self.on_call: Callable[[Call], None] | None = None
        self.port = 0
        self._host = _LOOPBACK

    # ------------------------------------------------------------ registers

    def add_system(self, system_id: str, secret: bytes, agencies: Sequence[AgencyRow]) -> None:
        """Register a system, or replace its secret, with the agencies behind it."""
        self._registers.add_system(system_id, secret, agencies)

    def set_secrets(self, system_id: str, *valid: bytes) -> None:
        """Rotate: these secrets are valid from now on; none disables the system."""
        self._registers.secrets[system_id] = valid

    def lock(self, code: str) -> None:
        """Lock an agency (đơn vị bị khóa): nothing may be sent to it."""
        self._registers.agencies[code] = replace(self._registers.agencies[code], status="locked")

    def forget_tokens(self) -> None:
        """Let every token end, as an axis does that was started again."""
        self._tokens.forget()

    @property
    def items(self) -> Sequence[AxisItem]:
        """Every item there ever was, oldest first."""
        return tuple(self._registers.items.values())

    def show_taken(self) -> None:
        """List what was taken already too, when asked for a window of dates: some axes do."""
        self._registers.window_shows_taken = True

    def fail(self, operation: str, *faults: Fault) -> None:
        """Plan faults for the next calls of an operation (see `faults`), one each."""
        self._faults.plan(operation, *faults)

    def mend(self, operation: str) -> None:
        """Forget what was planned for an operation."""
        self._faults.forget(operation)

    # ------------------------------------------------------------ server

    @property
    def url(self) -> str:
        """Address of the running server, without a path."""
        return f"http://{self._host}:{self.port}"

    @property
    def endpoint(self) -> str:
        """Address for a client of the running server."""
        return f"{self.url}{self._dialect.path}"

    async def start(self, port: int = 0, host: str = _LOOPBACK) -> str:
        """Listen, on loopback unless told otherwise; return the endpoint."""
        app = web.Application(middlewares=[self._misbehave], client_max_size=self._max_bytes)
        means = Means(
            front=self._desk,
            callers=self._registers,
            tokens=self._tokens,
            clock=self._clock,
            max_bytes=self._max_bytes,
        )
        app.add_routes(self._dialect.facade(means).routes)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]
        self._host = f"[{host}]" if ":" in host else host
        return self.endpoint

    async def stop(self) -> None:
        """Stop listening; the registers stay."""
        self.release.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # ------------------------------------------------------------ faults

    @web.middleware
    async def _misbehave(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        call = self._faults.begin(request.method, request.path.rstrip("/").rsplit("/", 1)[-1])
        self.calls.append(call.operation)
        self.log.append(call)
        del self.calls[: -self._keep_calls], self.log[: -self._keep_calls]
        present.set(call)
        _only_to.set(frozenset() if self._named is None else frozenset(self._named(request)))
        try:
            if call.delay_s:
                await asyncio.sleep(call.delay_s)
            response = await self._served(call, request, handler)
            cut = request.transport is None or request.transport.is_closing()
            call.status = 0 if cut else response.status
        finally:
            if self.on_call is not None:
                self.on_call(call)
        return response

    async def _served(
        self,
        call: Call,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if call.fault is not None:
            instead = await answered_wrongly(call.fault, request, self.release)
            if instead is not None:
                return instead
        try:
            response = await handler(request)
        except Interrupted as exc:
            instead = await answered_wrongly(exc.fault, request, self.release)
            return instead or drop(request)
        match call.fault:
            case Fault.LOSE_ANSWER:
                return drop(request)
            case Fault.TRUNCATED if call.doing != "fetch":
                return await torn(request, response)
            case Fault.BUSY if not response.prepared:
                response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
