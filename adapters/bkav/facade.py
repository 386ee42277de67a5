"""Bkav eDoc in front of our gateway: unmodified clients of `/EdocService` call us.

Promises: token and organId open only what is that agency's; bodies and packets are streamed, so
memory does not grow with them; every answer is JSON a client can read, and a failure never looks
like an empty list: refusals are HTTP 200 with status Fail, trouble of ours with status Error, only
bad credentials are 401 and foreign networks 403. A crash leaves nothing behind here: an upload that
broke off was never accepted, and the client sends it again.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

import aiohttp
from aiohttp import web

from adapters.bkav import wire
from adapters.bkav.gate import Gate, Guest
from adapters.bkav.numbers import MAX_ROWS, Numbers
from adapters.bkav.soapfacade import SoapDesk
from adapters.shared.jsonanswers import encode, hand_out
from adapters.shared.serving import Handler, admitted, body, may_call, not_from_here
from adapters.shared.values import text_of
from gateway import observe
from gateway.errors import GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import Facade, FrontDoor, InboxItem, Means, MessageKind, SubmitOptions

Operation = Callable[[web.Request, Guest], Awaitable[web.StreamResponse]]

MAX_JSON_BYTES: Final = 64 * 1024
_UNTRUSTED: Final = frozenset({Reason.UNAUTHENTICATED, Reason.SENDER_NOT_CALLER})


def make(means: Means) -> Facade:
    """Return the façade: REST below the base, SOAP at the base itself and at `/services` of it."""
    base = (means.base or wire.BASE).rstrip("/")
    gate = Gate(means.front, means.callers, means.clock)
    numbers = Numbers(means.front)
    desk = _Desk(means.front, gate, numbers, means.max_bytes)
    soap = SoapDesk(means, gate, numbers)
    posts: dict[str, Operation] = {
        "sendDocument": desk.send,
        "getDocument": desk.get,
        "confirmReceived": desk.confirm,
        "checkExistDocument": desk.exists,
    }
    gets: dict[str, Operation] = {
        "getPendingDocIds": desk.pending,
        "getOrganizations": desk.organizations,
    }
    guard = _Guard(gate, means)
    routes = [web.post(f"{base}/{name}", guard(name, posts[name])) for name in posts]
    for name, operation in gets.items():
        handler = guard(name, operation)
        routes.append(web.get(f"{base}/{name}", handler, allow_head=False))
        routes.append(web.post(f"{base}/{name}", handler))
    soap_paths = (base, f"/services{base}")
    for path in soap_paths:
        routes.append(web.post(path, soap.handle))
        routes.append(web.get(path, soap.describe, allow_head=False))
    routes.append(web.route("*", f"{base}/{{operation:.*}}", _no_such_operation))

    def busy(request: web.Request, error: GatewayError) -> web.StreamResponse | None:
        if request.path in soap_paths:
            return soap.busy(request, error)
        return _busy(request, error) if request.path.startswith(f"{base}/") else None

    return Facade(routes, busy)


def _busy(request: web.Request, error: GatewayError) -> web.StreamResponse:
    """Say that there is no room in words the client knows."""
    answer = _refused("busy", error)
    if isinstance(error, UnavailableError):
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
    return answer


# ---------------------------------------------------------------- one call


class _Guard:
    """Stands before every operation: network, token, agency; turns errors to answers."""

    def __init__(self, gate: Gate, means: Means) -> None:
        self._gate = gate
        self._plain_http_from = means.plain_http_from

    def __call__(self, name: str, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            plain = self._plain_http_from
            if plain is not None and not request.secure and not may_call(request.remote, plain):
                return _json(wire.refusal(not_from_here()), 403)
            try:
                token = wire.bearer(_one(request, "Authorization"))
                organ = _one(request, "organId") or request.query.get("organId", "")
                guest = await self._gate.enter(token, organ)
                admitted(request, guest.caller)
                return await operation(request, guest)
            except GatewayError as exc:
                return _refused(name, exc)
            except (ConnectionError, aiohttp.ClientConnectionError):
                raise  # the client went away: nobody reads an answer
            except Exception as exc:  # noqa: BLE001 - a bug must not look like an empty list
                observe.request_crashed(method=request.method, route=name, failure=exc)
                return _refused(name, UnavailableError(Reason.INTERNAL))

        return handle


def _one(request: web.Request, name: str) -> str:
    """Return a header of who calls; two that differ name nobody."""
    told = set(request.headers.getall(name, ()))
    if len(told) > 1:
        raise RejectedError(Reason.UNAUTHENTICATED, f"the header {name} stands twice")
    return next(iter(told), "")


def _refused(name: str, error: GatewayError) -> web.Response:
    if error.reason is Reason.UNAUTHENTICATED:
        observe.auth_failed(route=name)
        return _json(wire.refusal(error), 401)
    return _json(wire.refusal(error))


def _json(answer: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=encode(answer), status=status, content_type="application/json", charset="utf-8"
    )


async def _no_such_operation(request: web.Request) -> web.StreamResponse:
    error = RejectedError(Reason.NOT_FOUND, "EdocService has no such operation")
    return _json(wire.refusal(error), 404)


# ---------------------------------------------------------------- the operations


class _Desk:
    """The operations, one method each."""

    def __init__(self, front: FrontDoor, gate: Gate, numbers: Numbers, max_bytes: int) -> None:
        self._front = front
        self._gate = gate
        self._numbers = numbers
        self._max_bytes = max_bytes

    async def send(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """Take a document or a status."""
        kind = _kind(request)
        length = request.content_length
        if length is not None and length > self._max_bytes:
            raise wire.too_large(self._max_bytes)
        declared = wire.declared_hash(request.headers.get("hash-edoc", ""))
        packet = wire.checked(body(request), declared, self._max_bytes)
        options = SubmitOptions(via="bkav", reachable=True, declared_from=guest.organ or None)
        if kind == "edoc":
            doc_id = (await self._front.submit(guest.caller, packet, options)).id
        else:
            doc_id = await self._front.report(guest.caller, packet, options)
        return _json(wire.build(docId=self._numbers.show(doc_id)))

    async def pending(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """List what waits for the agency."""
        items = await self._numbers.waiting(guest.own, _kind(request))
        return _json(wire.build(data=[self._row(item) for item in items]))

    def _row(self, item: InboxItem) -> dict[str, object]:
        organ = item.recipient_written or item.recipient
        return {"docId": self._numbers.show(item.id), "organId": organ}

    async def get(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """Hand out a packet as base64 inside JSON, streamed."""
        item_id = await self._numbers.find(guest.own, await _doc_id(request))
        packet = await self._front.fetch(guest.own, item_id)
        return await hand_out(request, packet, wire.build)

    async def confirm(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """Take note that the agency's system has it."""
        item_id = await self._numbers.find(guest.own, await _doc_id(request))
        await self._front.acknowledge(guest.own, item_id, done=True)
        return _json(wire.build())

    async def organizations(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """Return the catalogue."""
        rows = await self._front.agencies()
        names = {row.code: row.name for row in rows}
        table = [
            {
                "organId": row.code,
                "organName": row.name,
                "organizationInCharge": names.get(row.parent, ""),
                "email": row.mail,
                "domain": row.code,
                "name": row.name,
                "oldDomain": row.legacy_code,
            }
            for row in rows
            if row.status != "closed"
        ]
        return _json(wire.build(data=table))

    async def exists(self, request: web.Request, guest: Guest) -> web.StreamResponse:
        """Tell whether a document of the caller was sent, or one for the caller waits here.

        Among the newest thousand: what is older is not told.
        """
        asked = await _json_body(request)
        from_, to, code = (text_of(asked, n) for n in ("fromOrgan", "toOrgan", "docCode"))
        if not (from_ and to and code):
            raise RejectedError(Reason.BAD_REQUEST, "fromOrgan, toOrgan and docCode are needed")
        wanted = (from_.upper(), to.upper(), code)
        sent = await self._front.sent(guest.caller, None, "edoc", limit=MAX_ROWS)
        came = await self._front.waiting(guest.own, "edoc", limit=MAX_ROWS)
        known = {(r.sender.upper(), r.recipient.upper(), r.notation) for r in sent}
        for item in came:
            for sender in (item.sender, item.sender_written):
                for recipient in (item.recipient, item.recipient_written):
                    known.add((sender.upper(), recipient.upper(), item.notation))
        return _json(wire.build(data=wanted in known))


def _kind(request: web.Request) -> MessageKind:
    told = request.headers.get("messageType", "") or request.headers.get("type", "")
    kind = wire.KINDS.get(told.strip().upper())
    if kind is None:
        raise RejectedError(Reason.BAD_REQUEST, "messageType must be EDOC or STATUS")
    return cast("MessageKind", kind)


async def _doc_id(request: web.Request) -> str:
    header = request.headers.get("docId", "").strip()
    return header or text_of(await _json_body(request), "docId", "docid", "DocId")


async def _json_body(request: web.Request) -> Mapping[str, Any]:
    data = bytearray()
    async for chunk in body(request):
        data += chunk
        if len(data) > MAX_JSON_BYTES:
            raise RejectedError(Reason.TOO_LARGE, "the JSON body is too large")
    if not data.strip():
        return {}
    try:
        value = json.loads(bytes(data))
    except (ValueError, RecursionError) as exc:
        raise RejectedError(Reason.BAD_REQUEST, "the body is not JSON") from exc
    if not isinstance(value, dict):
        raise RejectedError(Reason.BAD_REQUEST, "the body is not a JSON object")
    return value
