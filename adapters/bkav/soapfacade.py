"""The SOAP ancestor of Bkav eDoc in front of our gateway (namespace http://www.e-doc.vn/Schema/).

Promises: nobody's attachment is read before its token is known; a message becomes one packet and is
given to the front door whole or not at all; a failure never looks like an empty list: what reads is
refused with a fault, what writes with a Report. Trouble of ours is always a fault, so that clients
come again. A crash leaves nothing behind but a folder of temporary files the system clears.
"""

import asyncio
import secrets
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from adapters.bkav import letters, mime, soap, wire, writing
from adapters.bkav.gate import Gate, Guest
from adapters.bkav.numbers import Numbers
from adapters.bkav.wsdl import wsdl
from adapters.shared.dates import read_date
from adapters.shared.serving import admitted, body, let_go, may_call, not_from_here, soon, stream
from gateway import observe
from gateway.codec.limits import Limits
from gateway.codec.reader import ReadPacket, read_packet
from gateway.codec.status import parse_status
from gateway.errors import GatewayError, IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import InboxItem, Means, SubmitOptions

MAX_TRACES: Final = 500
_CHUNK: Final = 64 * 1024
_MEMORY: Final = 10_000
# An envelope of this size is read at once; a longer one would hold others up.
_QUICK: Final = 64 * 1024
# What MIME adds to a packet at most: heads of parts, and base64 lines that are longer than ours.
_SLACK: Final = 1024 * 1024
# Anybody may begin an envelope, so it must be here soon; its attachments may take their time.
OPENING_S: Final = 60.0
_WRITING: Final = frozenset({"SendDocument", "ConfirmReceived", "UpdateTraces", "CheckPermission"})


@dataclass(frozen=True, slots=True)
class _Call:
    """One call: its message, what it asks for and what is still to be read of it."""

    request: web.Request
    message: soap.Message
    operation: str
    guest: Guest
    parts: mime.Parts | None

    def answer(self, inside: str) -> web.Response:
        """Return a good answer around finished markup."""
        name = f"{self.operation}Response"
        version = self.message.version
        data = soap.envelope(version, soap.block(name, inside))
        return _xml(data, 200, version)


class SoapDesk:
    """The SOAP operations.

    Args:
        means: What the façade works with.
        gate: Lets systems in.
        numbers: Numbers of items.
    """

    def __init__(self, means: Means, gate: Gate, numbers: Numbers) -> None:
        self._front = means.front
        self._plain_http_from = means.plain_http_from
        self._max_bytes = means.max_bytes
        self._gate = gate
        self._numbers = numbers
        self._shown: OrderedDict[str, None] = OrderedDict()
        self._operations: dict[str, Callable[[_Call], Awaitable[web.StreamResponse]]] = {
            "SendDocument": self._send,
            "GetPendingDocumentIds": self._pending,
            "GetDocument": self._get,
            "ConfirmReceived": self._confirm,
            "GetTraces": self._traces,
            "UpdateTraces": self._update,
            "GetOrganizations": self._organizations,
            "CheckPermission": self._permission,
        }

    # ------------------------------------------------------------ one call

    async def describe(self, request: web.Request) -> web.StreamResponse:
        """Serve the WSDL."""
        if not any(name.lower() == "wsdl" for name in request.query):
            return web.Response(text="Bkav eDoc: POST SOAP, or GET ?wsdl\n", status=404)
        address = str(request.url.with_query(None))
        return web.Response(body=wsdl(address), content_type="text/xml", charset="utf-8")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one SOAP call."""
        version: soap.Version = "12" if "soap+xml" in _media(request) else "11"
        plain = self._plain_http_from
        if plain is not None and not request.secure and not may_call(request.remote, plain):
            return _fault(version, not_from_here(), 403)
        name = "soap"
        message: soap.Message | None = None
        try:
            async with soon(OPENING_S):
                message, parts, action = await self._opened(request)
            version = message.version
            name = soap.operation(message, action)
            organ, token = soap.credentials(message)
            guest = await self._gate.enter(token, organ)
            admitted(request, guest.caller)
            call = _Call(request, message, name, guest, parts)
            return await self._operations[name](call)
        except GatewayError as exc:
            if exc.reason is Reason.UNAUTHENTICATED:
                observe.auth_failed(route=name)
            return _refused(version, name, exc)
        except (ConnectionError, aiohttp.ClientConnectionError):
            raise  # the client went away: nobody reads an answer
        except Exception as exc:  # noqa: BLE001 - a bug must not look like an answer
            observe.request_crashed(method=request.method, route=name, failure=exc)
            return _refused(version, name, UnavailableError(Reason.INTERNAL))

    def busy(self, request: web.Request, error: GatewayError) -> web.StreamResponse:
        """Say that there is no room with a fault."""
        version: soap.Version = "12" if "soap+xml" in _media(request) else "11"
        answer = _fault(version, error)
        if isinstance(error, UnavailableError):
            answer.headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
        return answer

    async def _opened(self, request: web.Request) -> tuple[soap.Message, mime.Parts | None, str]:
        """Read the envelope of a call; its attachments stay unread.

        Raises:
            RejectedError: It cannot be read, or contradicts itself.
        """
        told = mime.content_type(request.headers.get("Content-Type", ""))
        length = request.content_length
        if length is not None and length > self._max_bytes + _SLACK:
            raise wire.too_large(self._max_bytes)
        if told.media != "multipart/related":
            message = await _message(await letters.small(body(request)))
            _check_media(message, told)
            return message, None, _action(request, told)
        limit = self._max_bytes + _SLACK
        parts = mime.Parts(body(request), told.get("boundary"), limit)
        root = await parts.following()
        if root is None:
            raise soap.FaultError("Client", "Không có phần SOAP.", "There is no SOAP part.")
        start = mime.content_id(told.get("start"))
        if start and start != root.id:
            raise soap.FaultError(
                "Client",
                "Phần SOAP (start) phải đứng đầu thông điệp.",
                "The SOAP part named by start must come first.",
            )
        message = await _message(await letters.root_of(root, parts.data()))
        _check_media(message, root.type if root.type.media else told)
        return message, parts, _action(request, told, root.type)

    # ------------------------------------------------------------ what comes in

    async def _send(self, call: _Call) -> web.StreamResponse:
        """Take a document with its MIME parts."""
        listed = letters.references(call.message)
        with tempfile.TemporaryDirectory(prefix="vanlien-bkav-") as folder:
            came = await letters.spooled(call.parts, Path(folder))
            letters.match(listed, came)
            packet = letters.packet(call.message, listed, came)
            options = SubmitOptions(
                via="bkav", reachable=True, declared_from=call.guest.organ or None
            )
            caller = call.guest.caller
            accepted = await self._front.submit(caller, self._bounded(packet), options)
        number = str(self._numbers.show(accepted.id))
        return call.answer(soap.report() + soap.tag("DocumentId", number))

    async def _update(self, call: _Call) -> web.StreamResponse:
        """Take a status."""
        body_ = call.message.body
        status = call.message.headers.get("Status")
        if status is None and body_ is not None:
            status = soap.find(body_, "Status")
        if status is None:
            raise RejectedError(Reason.MALFORMED, "the message has no Status")
        data = letters.status_packet(status)
        options = SubmitOptions(via="bkav", declared_from=call.guest.organ or None)
        await self._front.report(call.guest.caller, _once(data), options)
        return call.answer(soap.report())

    async def _bounded(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        passed = 0
        async for piece in mime.paced(pieces):
            passed += len(piece)
            if passed > self._max_bytes:
                raise wire.too_large(self._max_bytes)
            yield piece

    # ------------------------------------------------------------ what goes out

    async def _pending(self, call: _Call) -> web.StreamResponse:
        """List the documents that wait."""
        items = await self._numbers.waiting(call.guest.own, "edoc")
        ids = (soap.tag("DocumentId", str(self._numbers.show(item.id))) for item in items)
        return call.answer(soap.block("DocumentIds", *ids))

    async def _get(self, call: _Call) -> web.StreamResponse:
        """Hand out a document: header, manifest, and its files as MIME parts."""
        own = call.guest.own
        item_id = await self._numbers.find(own, soap.text(call.message.body, "DocumentId"))
        packet = await self._front.fetch(own, item_id)
        try:
            with tempfile.TemporaryDirectory(prefix="vanlien-bkav-") as folder:
                read = await self._read(packet.chunks, Path(folder))
                if read.envelope is None:
                    raise RejectedError(Reason.NOT_FOUND, "this is a status: GetTraces has it")
                whole = _letter(call.message.version, read)
                return await stream(
                    call.request,
                    mime.paced(whole.pieces()),
                    whole.size_bytes,
                    whole.content_type,
                    packet,
                )
        finally:
            await let_go(packet)

    async def _read(self, chunks: AsyncIterator[bytes], folder: Path) -> ReadPacket:
        path = folder / "packet.edxml"
        with path.open("xb") as file:
            async for chunk in chunks:
                file.write(chunk)
        spool = folder / "files"
        spool.mkdir()
        limits = Limits(packet_bytes=max(path.stat().st_size, 1))
        try:
            return await asyncio.to_thread(_read_file, path, spool, limits)
        except RejectedError as exc:  # our own strict form: nobody else's fault
            raise _ours(exc) from exc

    async def _confirm(self, call: _Call) -> web.StreamResponse:
        """Take note that the agency's system has it."""
        own = call.guest.own
        item_id = await self._numbers.find(own, soap.text(call.message.body, "DocumentId"))
        await self._front.acknowledge(own, item_id, done=True)
        return call.answer(soap.report())

    async def _traces(self, call: _Call) -> web.StreamResponse:
        """Hand out statuses.

        Nothing on this wire acknowledges them. Without TimeStamp they count as taken once the
        answer is out whole; with it, those shown before that are from before that time are.
        """
        own = call.guest.own
        since = _since(call.message)
        ready: list[InboxItem] = []
        for item in await self._front.waiting(own, "status", limit=_MEMORY):
            if since is not None and item.id in self._shown and item.at_gateway_at < since:
                await self._front.acknowledge(own, item.id, done=True)
            else:
                ready.append(item)
        # What was not shown yet comes first, or much that was would hide it.
        ready.sort(key=lambda item: item.id in self._shown)
        del ready[MAX_TRACES:]
        statuses = [await self._status(call.guest, item) for item in ready]
        answer = call.answer(soap.block("Traces", *statuses))
        await answer.prepare(call.request)
        await answer.write_eof()
        try:  # the answer is out: whatever goes wrong now, there is no other
            for item in ready:
                if since is None:
                    await self._front.acknowledge(own, item.id, done=True)
                else:
                    self._remember(item.id)
        except GatewayError:
            pass  # these are handed out again
        except Exception as exc:  # noqa: BLE001
            observe.request_crashed(method="POST", route="GetTraces", failure=exc)
        return answer

    async def _status(self, guest: Guest, item: InboxItem) -> str:
        packet = await self._front.fetch(guest.own, item.id)
        try:
            data = b"".join([chunk async for chunk in packet.chunks])
        finally:
            await let_go(packet)
        try:
            return writing.status_of(parse_status(data), "OrganInCharge")
        except RejectedError as exc:  # our own strict form: nobody else's fault
            raise _ours(exc) from exc

    def _remember(self, item_id: str) -> None:
        self._shown[item_id] = None
        self._shown.move_to_end(item_id)
        if len(self._shown) > _MEMORY:
            self._shown.popitem(last=False)

    async def _organizations(self, call: _Call) -> web.StreamResponse:
        """Hand out the catalogue."""
        rows = await self._front.agencies()
        names = {row.code: row.name for row in rows}
        found = (
            soap.block(
                "Organization",
                soap.tag("OrganId", row.code),
                soap.tag("OrganInCharge", names.get(row.parent, "")),
                soap.tag("OrganName", row.name),
                soap.tag("OrganAdd"),
                soap.tag("Email", row.mail),
                soap.tag("Telephone"),
                soap.tag("Fax"),
                soap.tag("Website"),
            )
            for row in rows
            if row.status != "closed"
        )
        return call.answer(soap.block("Organizations", *found))

    async def _permission(self, call: _Call) -> web.StreamResponse:
        """Say that token and agency belong together: the gate has looked."""
        return call.answer(soap.report())


# ---------------------------------------------------------------- pieces


def _media(request: web.Request) -> str:
    return request.headers.get("Content-Type", "").lower()


def _action(request: web.Request, *types: mime.ContentType) -> str:
    told = request.headers.get("SOAPAction", "").strip().strip('"')
    return told or next((t.get("action") for t in types if t.get("action")), "")


def _check_media(message: soap.Message, told: mime.ContentType) -> None:
    """Refuse a message whose Content-Type is that of the other version."""
    named = told
    if told.media in {"application/xop+xml", "multipart/related"}:
        inner = told.get("start-info") if told.media == "multipart/related" else ""
        named = mime.content_type(inner or told.get("type"))
        if named.media == "application/xop+xml":
            return
    other: soap.Version = "12" if message.version == "11" else "11"
    if named.media == soap.MEDIA[other]:
        raise soap.FaultError(
            "Client",
            f"Content-Type {named.media} không phải của phiên bản SOAP này.",
            f"The Content-Type {named.media} is not that of this SOAP version.",
        )


def _refused(version: soap.Version, name: str, error: GatewayError) -> web.Response:
    known = isinstance(error, RejectedError) and not isinstance(error, soap.FaultError)
    if known and name in _WRITING:
        inside = soap.report(wire.faults_of(error))
        data = soap.envelope(version, soap.block(f"{name}Response", inside))
        return _xml(data, 200, version)
    return _fault(version, error)


def _fault(version: soap.Version, error: GatewayError, status: int = 0) -> web.Response:
    code = "Client" if isinstance(error, RejectedError) else "Server"
    if isinstance(error, soap.FaultError):
        code = error.code
    sender = version == "12" and code == "Client"
    data = soap.fault(version, code, wire.faults_of(error))
    return _xml(data, status or (400 if sender else 500), version)


def _xml(data: bytes, status: int, version: soap.Version) -> web.Response:
    return web.Response(body=data, status=status, content_type=soap.MEDIA[version], charset="utf-8")


def _since(message: soap.Message) -> datetime | None:
    text = soap.text(message.body, "TimeStamp") or soap.text(message.body, "Timestamp")
    at = read_date(text) if text else None
    if text and at is None:
        raise RejectedError(Reason.BAD_REQUEST, "TimeStamp must be dd/MM/yyyy HH:mm:ss")
    return at


async def _message(data: bytes) -> soap.Message:
    if len(data) < _QUICK:
        return soap.read(data)
    return await asyncio.to_thread(soap.read, data)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def _ours(error: RejectedError) -> IntegrityError:
    return IntegrityError(f"a packet of ours cannot be read: {error.reason}")


def _read_file(path: Path, spool: Path, limits: Limits) -> ReadPacket:
    with path.open("rb") as file:
        return read_packet(iter(lambda: file.read(_CHUNK), b""), spool, limits)


def _letter(version: soap.Version, read: ReadPacket) -> mime.Multipart:
    envelope = read.envelope
    if envelope is None:
        raise IntegrityError("a status is no letter")
    root = soap.envelope(
        version, writing.body_of(envelope), writing.header_of(envelope, "OrganInCharge")
    )
    files = writing.files_of(envelope, read.files)
    return mime.Multipart(
        f"MIMEBoundary_{secrets.token_hex(16)}", root, soap.media_type(version), files
    )
