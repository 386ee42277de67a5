"""A simulated national axis on loopback: for the demonstration, benchmarks and tests.

Behaves as spec/edxml.md 3.2 and 7 describe: registered systems with secrets, a catalogue of the
agencies behind them, packets kept in a folder, one item per `To` element (old and new code of an
agency: the same document twice), packets serialised anew, statuses routed by ResponseFor/OrganId,
items listed until acknowledged, no idempotency. Faults are planned per operation.

Promises: nothing leaves loopback; packets are streamed. The registers live in memory: a crash
forgets them and leaves the folder's packets behind.
"""

import asyncio
import json
import secrets
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal

from aiohttp import web

from adapters.vxp import answers, facade, packets, wire
from gateway.domain.envelope import Header
from gateway.errors import Reason, RejectedError
from gateway.ports import (
    Accepted,
    AgencyRow,
    Caller,
    Clock,
    FormFile,
    InboxItem,
    MessageKind,
    Packet,
    SentItem,
    SubmitOptions,
)

_PIECE_BYTES: Final = 64 * 1024
# Codes the header `to` of the call being served names; empty = all of the packet.
_only_to: ContextVar[frozenset[str]] = ContextVar("vxp_simulator_only_to", default=frozenset())


class Fault(StrEnum):
    """What the axis may do wrong."""

    ERROR_500 = "answer 500"
    HTML = "an HTML page instead of JSON"
    NO_DATA = "JSON without what was asked for"
    UNAUTHORIZED = "401, as after a rotated secret"
    BUSY = "FAIL 20"
    REFUSE = "FAIL 18"
    LOSE_ANSWER = "do it, then drop the connection"
    DROP = "drop the connection before doing it"
    SLOW = "no answer until `release` is set"
    DUPLICATE = "list every item twice"
    TRUNCATED = "half a packet, then a dropped connection"
    NOT_OFFERED = "404, the operation is not offered"


@dataclass
class AxisItem:
    """One packet for one addressed code."""

    id: str
    kind: MessageKind
    sending_id: str
    sender: str
    to: str
    system_id: str
    head: packets.Head
    path: Path
    at: datetime
    taken_at: datetime | None = None
    failed_note: str | None = None
    last_status: str = ""


@dataclass
class _Registers:
    """Everything the axis knows."""

    secrets: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    agencies: dict[str, AgencyRow] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    items: dict[str, AxisItem] = field(default_factory=dict)
    sendings: dict[str, str] = field(default_factory=dict)
    window_shows_taken: bool = False


class AxisSimulator:
    """A national axis (trục liên thông văn bản quốc gia) of our own.

    Args:
        folder: Where packets are kept.
        clock: Time of everything.
        hub: Code written into the trace.
        rewrites: Serialise packets anew, as the real axis does.
        route_by: `elements`: to every `To` of the packet, whatever the header `to` says; `header`:
            only to those the header names, where it names any.
        returns_to_sender: Deliver to the sender's own system as well when it is addressed.
        max_bytes: Largest packet.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        hub: str = "001.00.20.TT2",
        rewrites: bool = True,
        route_by: Literal["elements", "header"] = "elements",
        returns_to_sender: bool = True,
        max_bytes: int = 512 * 1024 * 1024,
    ) -> None:
        self._registers = _Registers()
        self._desk = _AxisDesk(
            self._registers,
            folder,
            clock,
            hub=hub,
            rewrites=rewrites,
            returns_to_sender=returns_to_sender,
        )
        self._route_by_header = route_by == "header"
        self._max_bytes = max_bytes
        self._clock = clock
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._runner: web.AppRunner | None = None
        self.release = asyncio.Event()
        self.calls: list[str] = []
        self.port = 0

    # ------------------------------------------------------------ registers

    def add_system(self, system_id: str, secret: bytes, agencies: Sequence[AgencyRow]) -> None:
        """Register a system, or replace its secret, with the agencies behind it."""
        self._registers.secrets[system_id] = (secret,)
        for row in agencies:
            for code in filter(None, (row.code, row.legacy_code)):
                self._registers.agencies[code] = row
                self._registers.owners[code] = system_id

    def set_secrets(self, system_id: str, *valid: bytes) -> None:
        """Rotate: these secrets are valid from now on; none disables the system."""
        self._registers.secrets[system_id] = valid

    @property
    def items(self) -> Sequence[AxisItem]:
        """Every item there ever was, oldest first."""
        return tuple(self._registers.items.values())

    def show_taken(self) -> None:
        """List what was taken already too, when asked for a window of dates: some axes do."""
        self._registers.window_shows_taken = True

    def fail(self, operation: str, *faults: Fault) -> None:
        """Plan faults for the next calls of an operation, one each."""
        self._faults[operation].extend(faults)

    # ------------------------------------------------------------ server

    @property
    def endpoint(self) -> str:
        """Base address of the running server."""
        return f"http://127.0.0.1:{self.port}{wire.BASE}"

    async def start(self, port: int = 0) -> str:
        """Listen on loopback; return the endpoint."""
        app = web.Application(middlewares=[self._misbehave])
        routes = facade.routes(self._desk, self._desk, self._clock, max_bytes=self._max_bytes)
        app.add_routes(routes)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.port = self._runner.addresses[0][1]
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
        operation = request.path.rsplit("/", 1)[-1]
        self.calls.append(operation)
        _only_to.set(self._named(request))
        planned = self._faults[operation]
        fault = planned.popleft() if planned else None
        match fault:
            case None:
                return await handler(request)
            case Fault.LOSE_ANSWER:
                await handler(request)
                return _drop(request)
            case Fault.DROP:
                return _drop(request)
            case Fault.SLOW:
                await self.release.wait()
                return _drop(request)
            case Fault.TRUNCATED:
                return await self._half(request)
            case Fault.DUPLICATE:
                return _twice(await handler(request))
            case _:
                return _instead(fault)

    def _named(self, request: web.Request) -> frozenset[str]:
        text = request.headers.get(f"{wire.PREFIX}to", "") if self._route_by_header else ""
        return frozenset(wire.read_codes(text))

    async def _half(self, request: web.Request) -> web.StreamResponse:
        doc_id = request.headers.get(f"{wire.PREFIX}docId", "")
        data = self._registers.items[doc_id].path.read_bytes()
        if request.path.endswith("getEdoc"):
            before, _ = answers.encoded_frame()
            data = before + data.hex().encode()
        response = web.StreamResponse()
        response.content_length = len(data)
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        return _drop(request, response)


def _drop(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response()


def _instead(fault: Fault) -> web.Response:
    """Return the answer of a fault that needs nothing done."""
    match fault:
        case Fault.ERROR_500:
            return web.Response(status=500, text="java.lang.NullPointerException")
        case Fault.HTML:
            return web.Response(text="<html><body>bảo trì</body></html>", content_type="text/html")
        case Fault.UNAUTHORIZED:
            body, status = answers.build("15", "Sai SystemId hoac SecretKey"), 401
        case Fault.NOT_OFFERED:
            body, status = answers.build("22", "Not found"), 404
        case Fault.BUSY:
            body, status = answers.build("20", "He thong ban", DocId=""), 200
        case Fault.REFUSE:
            body, status = answers.build("18", "Khong tim thay don vi nhan", DocId=""), 200
        case _:
            body, status = answers.build(), 200
    return web.Response(body=answers.encode(body), status=status, content_type="application/json")


def _twice(response: web.StreamResponse) -> web.StreamResponse:
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    answer = json.loads(response.body)
    answer["data"] = [row for row in answer.get("data", []) for _ in range(2)]
    return web.Response(body=answers.encode(answer), content_type="application/json")


class _AxisDesk:
    """What the axis does with a call: the façade's FrontDoor and Callers."""

    def __init__(
        self,
        registers: _Registers,
        folder: Path,
        clock: Clock,
        *,
        hub: str,
        rewrites: bool,
        returns_to_sender: bool,
    ) -> None:
        self._registers = registers
        self._folder = folder
        self._clock = clock
        self._hub = hub
        self._rewrites = rewrites
        self._returns_to_sender = returns_to_sender

    # ------------------------------------------------------------ callers

    def by_api_key(self, api_key: str) -> Caller | None:
        """Return None: the axis knows no bearer keys."""
        return None

    def system(self, system_id: str) -> Caller | None:
        """Return a registered system."""
        known = self.shared_secrets(system_id)
        return None if known is None else known[0]

    def shared_secrets(self, system_id: str) -> tuple[Caller, tuple[bytes, ...]] | None:
        """Return a registered system with its secrets."""
        known = self._registers.secrets.get(system_id)
        if not known:
            return None
        codes = {code for code, owner in self._registers.owners.items() if owner == system_id}
        return Caller(system_id, frozenset(codes)), known

    # ------------------------------------------------------------ sending

    async def submit(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> Accepted:
        """Take a document and split it by its `To` elements."""
        only_to = _only_to.get()
        sending_id, path = await self._keep(caller, packet, options)
        head = packets.read_head(path)
        if head.status or not head.recipients:
            raise RejectedError(Reason.SCHEMA_BROKEN, "the document names no recipient")
        codes = [code for code in head.recipients if not only_to or code in only_to]
        rows = [(code, self._owner(code)) for code in codes]
        handed_on = path
        if self._rewrites:
            handed_on = path.with_suffix(".out.edxml")
            packets.rewrite(path, handed_on, self._hub, self._clock.now())
        for code, system_id in rows:
            if system_id != caller.system_id or self._returns_to_sender:
                self._offer(sending_id, head, code, handed_on)
        self._registers.sendings[sending_id] = caller.system_id
        return Accepted(sending_id, head.document_id, "{}", replayed=False)

    async def report(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> str:
        """Take a status and offer it to the system behind ResponseFor/OrganId."""
        sending_id, path = await self._keep(caller, packet, options)
        head = packets.read_head(path)
        if not head.status:
            raise RejectedError(Reason.SCHEMA_BROKEN, "the status names no StatusCode")
        self._offer(sending_id, head, head.answers_to, path)
        for item in self._registers.items.values():
            same = self._row(item.to) is self._row(head.sender)
            if item.kind == "edoc" and item.head.document_id == head.document_id and same:
                item.last_status = head.status
        self._registers.sendings[sending_id] = caller.system_id
        return sending_id

    async def submit_form(
        self,
        caller: Caller,
        header: Header,
        files: AsyncIterator[FormFile],
        options: SubmitOptions,
    ) -> Accepted:
        """Refuse: the axis protocol has no forms."""
        raise RejectedError(Reason.BAD_REQUEST, "the axis protocol has no forms")

    async def _keep(
        self, caller: Caller, packet: AsyncIterator[bytes], options: SubmitOptions
    ) -> tuple[str, Path]:
        sending_id = secrets.token_hex(12)
        path = self._folder / f"{sending_id}.edxml"
        try:
            with path.open("xb") as file:
                async for chunk in packet:
                    file.write(chunk)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if options.declared_from not in caller.speaks_for:
            path.unlink()
            raise RejectedError(Reason.SENDER_NOT_CALLER)
        return sending_id, path

    def _row(self, code: str) -> AgencyRow | None:
        return self._registers.agencies.get(code)

    def _owner(self, code: str) -> str:
        row = self._row(code)
        if row is None:
            raise RejectedError(Reason.RECIPIENT_UNKNOWN, f"no agency {code}")
        if row.status == "locked":
            raise RejectedError(Reason.RECIPIENT_LOCKED, f"agency {code} is locked")
        return self._registers.owners[code]

    def _offer(self, sending_id: str, head: packets.Head, code: str, path: Path) -> None:
        item = AxisItem(
            id=secrets.token_hex(12),
            kind="status" if head.status else "edoc",
            sending_id=sending_id,
            sender=head.sender,
            to=code,
            system_id=self._owner(code),
            head=head,
            path=path,
            at=self._clock.now(),
        )
        self._registers.items[item.id] = item

    # ------------------------------------------------------------ receiving

    async def waiting(
        self,
        caller: Caller,
        kind: MessageKind,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1000,
    ) -> Sequence[InboxItem]:
        """List what a system has not acknowledged."""
        found = [
            _inbox_row(item)
            for item in self._registers.items.values()
            if item.system_id == caller.system_id
            and item.kind == kind
            and (
                (item.taken_at is None and item.failed_note is None)
                or (since is not None and self._registers.window_shows_taken)
            )
            and (since is None or item.at >= since)
            and (until is None or item.at <= until)
        ]
        return found[:limit]

    def _own(self, caller: Caller, item_id: str) -> AxisItem:
        item = self._registers.items.get(item_id)
        if item is None or item.system_id != caller.system_id:
            raise RejectedError(Reason.NOT_FOUND, "no such docId")
        return item

    async def fetch(self, caller: Caller, item_id: str) -> Packet:
        """Hand out an item's packet."""
        item = self._own(caller, item_id)
        size = item.path.stat().st_size
        return Packet("", size, item.path.name, "application/xml", _pieces(item.path))

    async def acknowledge(
        self, caller: Caller, item_id: str, *, done: bool, note: str = ""
    ) -> None:
        """Take an item off the list; safe to repeat."""
        item = self._own(caller, item_id)
        if not done:
            item.failed_note = note
        elif item.taken_at is None:
            item.taken_at = self._clock.now()

    async def sent(
        self, caller: Caller, consignment_id: str | None, kind: MessageKind, *, limit: int = 1000
    ) -> Sequence[SentItem]:
        """List what a system sent, by recipient, newest first."""
        found = [
            _sent_row(item)
            for item in reversed(self._registers.items.values())
            if self._registers.sendings.get(item.sending_id) == caller.system_id
            and item.kind == kind
            and consignment_id in {None, item.sending_id}
        ]
        return found[:limit]

    async def agencies(self) -> Sequence[AgencyRow]:
        """Return the catalogue: one row an agency, the old code beside it."""
        return tuple(row for code, row in self._registers.agencies.items() if code == row.code)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _inbox_row(item: AxisItem) -> InboxItem:
    return InboxItem(
        id=item.id,
        cursor=0,
        kind=item.kind,
        sender=item.sender,
        sender_written=item.sender,
        recipient=item.to,
        recipient_written=item.to,
        document_id=item.head.document_id,
        title=item.head.subject or item.head.status,
        notation=item.head.code,
        state="initial",
        at_gateway_at=item.at,
        taken_at=item.taken_at,
    )


def _sent_row(item: AxisItem) -> SentItem:
    return SentItem(
        consignment_id=item.sending_id,
        delivery_id=item.id,
        kind=item.kind,
        sender=item.sender,
        recipient=item.to,
        document_id=item.head.document_id,
        title=item.head.subject,
        notation=item.head.code,
        state="done" if item.taken_at else "initial",
        state_text="Da nhan" if item.taken_at else "Dang cho",
        last_status=item.last_status,
        sent_at=item.at,
        received_at=item.taken_at,
    )
