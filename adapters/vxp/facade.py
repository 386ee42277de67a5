"""The national axis's HTTP interface in front of our gateway: unmodified VXP clients call us.

Promises: parameters come only from the signed JSON; a caller reaches only what is its own; bodies
and packets are streamed, so memory does not grow with them; `filePath` never touches a disk; every
answer is JSON the old kit can read, and a failure never looks like an empty list (spec/edxml.md
7.3: the kit takes HTTP 500 for "nothing there", so our failures are HTTP 200 with status FAIL;
only missing or wrong signatures are 401, foreign networks 403, and downloadEdoc, whose good answer
is no JSON, uses HTTP status codes). A crash leaves nothing behind here: an upload that broke off
was never accepted, and the client sends it again.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, cast

import aiohttp
from aiohttp import web

from adapters.shared.jsonanswers import encode, hand_out
from adapters.shared.serving import Handler, admitted, body, let_go, may_call, not_from_here, stream
from adapters.shared.values import keepable, text_of
from adapters.vxp import answers, wire
from gateway import observe
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    AgencyRow,
    Caller,
    Callers,
    Clock,
    FrontDoor,
    InboxItem,
    MessageKind,
    Network,
    SentItem,
    SubmitOptions,
)
from gateway.ports.registration import Registrar, RequestRow, Wish

Operation = Callable[[web.Request, wire.Signed, Caller], Awaitable[web.StreamResponse]]

MAX_ROWS: Final = 1000
MAX_COUNT: Final = 100_000
MAX_NOTE: Final = 1000

MAX_WISH_BYTES: Final = 16 * 1024

_NEEDS_OPERATOR: Final = (
    "Đăng ký hoặc xóa mã đơn vị cần quản trị trục duyệt: gửi yêu cầu cho đơn vị vận hành | "
    "registering or deleting an agency needs the operator's approval"
)
_WAITS: Final = (
    "Da ghi nhan yeu cau, cho quan tri truc duyet | noted, waits for the operator's approval"
)


def routes(
    front: FrontDoor,
    callers: Callers,
    clock: Clock,
    *,
    base: str = wire.BASE,
    max_bytes: int,
    plain_http_from: Sequence[Network] | None = None,
    max_skew_s: float | None = None,
    registrar: Registrar | None = None,
) -> list[web.RouteDef]:
    """Return the façade's routes.

    Args:
        front: What the operations are done by.
        callers: Who may call, with their secrets.
        clock: For `max_skew_s`.
        base: Path before the operation.
        max_bytes: Largest file sendEdoc takes.
        plain_http_from: Ranges that may call without TLS; None leaves that to the listener.
        max_skew_s: Refuse calls whose timestamp is further from now; None accepts any (the Java
            kit repeats its first timestamp for as long as it lives).
        registrar: Takes down which agencies callers want registered or closed.
    """
    desk = _Desk(front, max_bytes, registrar)
    posts: dict[str, Operation] = {
        "sendEdoc": desk.send,
        "getReceivedEdocList": desk.received,
        "getSentEdocList": desk.sent,
        "getEdoc": desk.get,
        "downloadEdoc": desk.download,
        "updateStatus": desk.update,
        "getAgenciesList": desk.agencies,
        "getAgenciesListQD20": desk.agencies_qd20,
        "getSynchronizeUnit": desk.units,
        "countReceiveEdoc": desk.count_edoc,
        "countReceiveStatus": desk.count_status,
        "registerAgency": desk.register,
        "deleteAgency": desk.delete,
    }
    gets = ("downloadEdoc", "countReceiveEdoc", "countReceiveStatus")
    guard = _Guard(callers, clock, max_skew_s, plain_http_from)
    base = base.rstrip("/")
    found = [web.post(f"{base}/{name}", guard(name, posts[name])) for name in posts]
    found += [
        web.get(f"{base}/{name}", guard(name, posts[name]), allow_head=False) for name in gets
    ]
    found.append(web.route("*", f"{base}/{{operation:.*}}", _no_such_operation))
    return found


def busy(request: web.Request, error: GatewayError) -> web.StreamResponse | None:
    """Answer one of our calls that found no room, in words the kit knows; None for others' calls.

    The kit takes any status but 200 for "nothing there": a gateway at rest must not look like one.
    """
    name = request.path.removeprefix(f"{wire.BASE.rstrip('/')}/")
    if name == request.path:
        return None
    answer = _refused(request, name, error)
    if isinstance(error, UnavailableError):
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
    return answer


# ---------------------------------------------------------------- one call


class _Guard:
    """Stands before every operation: network, signature, freshness; turns errors to answers."""

    def __init__(
        self,
        callers: Callers,
        clock: Clock,
        max_skew_s: float | None,
        plain_http_from: Sequence[Network] | None,
    ) -> None:
        self._callers = callers
        self._clock = clock
        self._max_skew_s = max_skew_s
        self._plain_http_from = plain_http_from

    def __call__(self, name: str, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            plain = self._plain_http_from
            if plain is not None and not request.secure and not may_call(request.remote, plain):
                return _failure(not_from_here(), 403)
            try:
                signed, caller = self._authenticate(request)
                admitted(request, caller)
                return await operation(request, signed, caller)
            except GatewayError as exc:
                return _refused(request, name, exc)
            except (ConnectionError, aiohttp.ClientConnectionError):
                raise  # the client went away: nobody reads an answer
            except Exception as exc:  # noqa: BLE001 - a bug must not look like an empty list
                observe.request_crashed(method=request.method, route=name, failure=exc)
                return _refused(request, name, UnavailableError(Reason.INTERNAL))

        return handle

    def _authenticate(self, request: web.Request) -> tuple[wire.Signed, Caller]:
        found: dict[str, Caller] = {}

        def secrets_of(system_id: str) -> Sequence[bytes]:
            known = self._callers.shared_secrets(system_id)
            if known is None:
                return ()
            found[system_id] = known[0]
            return known[1]

        signed = wire.verify(request.raw_headers, secrets_of)
        if self._max_skew_s is not None and not self._fresh(signed.at, self._max_skew_s):
            raise RejectedError(
                Reason.UNAUTHENTICATED, "XroadVnpt-timestamp is too far from the time here"
            )
        return signed, found[signed.system_id]

    def _fresh(self, at: datetime | None, max_skew_s: float) -> bool:
        return at is not None and abs((self._clock.now() - at).total_seconds()) <= max_skew_s


def _refused(request: web.Request, name: str, error: GatewayError) -> web.StreamResponse:
    """Answer an error; DocId is always there for sendEdoc, without it the kit sees nothing."""
    extra = {"DocId": ""} if name == "sendEdoc" else {}
    if error.reason is Reason.UNAUTHENTICATED:
        observe.auth_failed(route=name)
        return _failure(error, 401, **extra)
    status = CATALOGUE[error.reason].http if name == "downloadEdoc" else 200
    return _failure(error, status, **extra)


def _failure(error: GatewayError, status: int, **payload: object) -> web.Response:
    return _json(answers.refusal(error, **payload), status)


def _json(answer: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=encode(answer), status=status, content_type="application/json", charset="utf-8"
    )


async def _no_such_operation(request: web.Request) -> web.StreamResponse:
    return _failure(RejectedError(Reason.NOT_FOUND, "the axis has no such operation"), 404)


# ---------------------------------------------------------------- the operations


class _Desk:
    """The operations, one method each."""

    def __init__(
        self, front: FrontDoor, max_bytes: int, registrar: Registrar | None = None
    ) -> None:
        self._front = front
        self._max_bytes = max_bytes
        self._registrar = registrar

    async def send(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Take a document or a status. Recipients are those of the packet, not of header `to`."""
        kind = _kind(signed)
        declared = signed.get("hash-file")
        sender = signed.get("from")
        length = request.content_length
        if length is not None and length > self._max_bytes + len(wire.CRLF):
            raise wire.too_large(self._max_bytes)
        packet = wire.without_crlf(body(request), declared, self._max_bytes)
        options = SubmitOptions(
            via="vxp",
            reachable=True,
            declared_from=sender or None,
            check_sha256=wire.hash_check(declared),
        )
        try:
            if kind == "edoc":
                doc_id = (await self._front.submit(caller, packet, options)).id
            else:
                doc_id = await self._front.report(caller, packet, options)
        except RejectedError as exc:
            if exc.reason is not Reason.SENDER_NOT_CALLER:
                raise
            text = answers.wrong_sender(sender or "?", caller.system_id)
            code = str(CATALOGUE[exc.reason].axis)
            return _json(answers.build(code, f"{text} | {exc.public}", DocId=""))
        return _json(answers.build(DocId=doc_id))

    async def received(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """List what waits for the caller's agencies."""
        items = await self._front.waiting(
            caller,
            _kind(signed),
            since=_moment(signed, "fromDate"),
            until=_moment(signed, "toDate"),
            limit=MAX_ROWS,
        )
        return _json(answers.build(data=[_waiting_row(item) for item in items]))

    async def sent(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """List the deliveries of what the caller sent."""
        doc_id = signed.get("docId") or None
        items = await self._front.sent(caller, doc_id, _kind(signed), limit=MAX_ROWS)
        return _json(answers.build(data=[_sent_row(item) for item in items]))

    async def get(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Hand out a packet as base64 inside JSON, streamed."""
        packet = await self._front.fetch(caller, _doc_id(signed))
        return await hand_out(request, packet, answers.build)

    async def download(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Hand out a packet's raw bytes."""
        packet = await self._front.fetch(caller, _doc_id(signed))
        return await stream(request, packet.chunks, packet.size_bytes, wire.BINARY_TYPE, packet)

    async def update(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Acknowledge an item: done, fail with a description, or processing (no effect)."""
        doc_id = _doc_id(signed)
        status = signed.get("status").lower()
        match status:
            case "done":
                await self._front.acknowledge(caller, doc_id, done=True)
            case "fail":
                note = signed.get("description")[:MAX_NOTE]
                await self._front.acknowledge(caller, doc_id, done=False, note=note)
            case "processing":
                await let_go(await self._front.fetch(caller, doc_id))  # is it the caller's?
            case _:
                raise RejectedError(Reason.BAD_REQUEST, "status must be done, fail or processing")
        return _json(answers.build())

    async def agencies(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Return the catalogue with old codes."""
        return _json(answers.build(data=[_agency_row(r) for r in await self._front.agencies()]))

    async def agencies_qd20(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Return the catalogue in the notation of QĐ 20 with that of QCVN 102 beside it."""
        table = [
            {"id": r.code, "code": r.code, "name": r.name, "mail": r.mail, "code102": r.legacy_code}
            for r in await self._front.agencies()
        ]
        return _json(answers.build(data=table))

    async def units(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Return the catalogue as the synchronising clients want it, closed codes as deleted."""
        table = [
            _agency_row(r)
            | {
                "version": "1",
                "centerCode": "",
                "deleted": "true" if r.status == "closed" else "false",
                "modifyDate": "",
                "isAgency": "true",
            }
            for r in await self._front.agencies(closed=True)
        ]
        return _json(answers.build(data=table))

    async def count_edoc(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Count waiting documents."""
        return await self._count(caller, "edoc")

    async def count_status(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Count waiting statuses."""
        return await self._count(caller, "status")

    async def _count(self, caller: Caller, kind: MessageKind) -> web.StreamResponse:
        items = await self._front.waiting(caller, kind, limit=MAX_COUNT)
        return _json(answers.build(count=str(len(items))))

    async def register(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Take down an agency the caller wants registered below its own."""
        if self._registrar is None:
            return _needs_operator()
        return _noted(await self._registrar.register(caller, _wish(await _small_json(request))))

    async def delete(
        self, request: web.Request, signed: wire.Signed, caller: Caller
    ) -> web.StreamResponse:
        """Take down an agency the caller wants closed."""
        if self._registrar is None:
            return _needs_operator()
        code = signed.get("AgencyCode")
        if not code:
            raise RejectedError(Reason.BAD_REQUEST, "AgencyCode is missing from the signed JSON")
        return _noted(await self._registrar.close(caller, code))


def _needs_operator() -> web.Response:
    return _json(answers.build(str(CATALOGUE[Reason.FORBIDDEN].axis), _NEEDS_OPERATOR))


def _noted(asked: RequestRow) -> web.Response:
    """Answer OK: the kit knows no "not yet"; the words say whether it is decided."""
    done = asked.state == "approved"
    return _json(answers.build(text=answers.SUCCESS_TEXT if done else _WAITS))


async def _small_json(request: web.Request) -> Mapping[str, Any]:
    """Return the JSON object of a small body."""
    data = bytearray()
    async for chunk in body(request):
        data += chunk
        if len(data) > MAX_WISH_BYTES:
            raise RejectedError(Reason.TOO_LARGE, "the JSON of an agency is not that long")
    try:
        told = keepable(json.loads(bytes(data)))
    except (ValueError, RecursionError) as exc:
        raise RejectedError(Reason.BAD_REQUEST, "the body is not JSON") from exc
    if not isinstance(told, dict):
        raise RejectedError(Reason.BAD_REQUEST, "the body is not a JSON object")
    return told


def _wish(told: Mapping[str, Any]) -> Wish:
    """Return the agency of registerAgency: {id, pcode, code, name, mail, mobile, fax}."""
    return Wish(
        code=text_of(told, "code"),
        name=text_of(told, "name"),
        parent=text_of(told, "pcode"),
        mail=text_of(told, "mail"),
        phone=text_of(told, "mobile"),
        fax=text_of(told, "fax"),
    )


# ---------------------------------------------------------------- parameters


def _kind(signed: wire.Signed) -> MessageKind:
    kind = signed.get("messagetype").lower() or "edoc"
    if kind not in {"edoc", "status"}:
        raise RejectedError(Reason.BAD_REQUEST, "messagetype must be edoc or status")
    return cast("MessageKind", kind)


def _doc_id(signed: wire.Signed) -> str:
    doc_id = signed.get("docId")
    if not doc_id:
        raise RejectedError(Reason.BAD_REQUEST, "docId is missing from the signed JSON")
    return doc_id


def _moment(signed: wire.Signed, name: str) -> datetime | None:
    text = signed.get(name)
    if not text:
        return None
    at = wire.read_date(text)
    if at is None:
        raise RejectedError(Reason.BAD_REQUEST, f"{name} must be dd/MM/yyyy HH:mm:ss")
    return at


# ---------------------------------------------------------------- rows


def _waiting_row(item: InboxItem) -> dict[str, str]:
    return {
        "docId": item.id,
        "serviceType": wire.SERVICE_TYPE,
        "messageType": item.kind,
        "created_time": wire.date_text(item.at_gateway_at),
        "updated_time": wire.date_text(item.taken_at or item.at_gateway_at),
        "from": item.sender_written or item.sender,
        "to": item.recipient_written or item.recipient,
        "status": "initial" if item.taken_at is None else "done",
        "status_desc": "",
    }


def _sent_row(item: SentItem) -> dict[str, str]:
    return {
        "serviceType": wire.SERVICE_TYPE,
        "messageType": item.kind,
        "senderDocId": item.consignment_id,
        "receiverDocId": item.delivery_id,
        "fromCode": item.sender,
        "toCode": item.recipient,
        "sendStatus": item.state,
        "sendStatusDesc": item.state_text,
        "receiveStatus": item.last_status,
        "receiveStatusDesc": item.state_text if item.last_status else "",
        "title": item.title,
        "notation": item.notation,
        "sentTime": wire.date_text(item.sent_at),
        "receivedTime": wire.date_text(item.received_at),
    }


def _agency_row(row: AgencyRow) -> dict[str, str]:
    return {
        "id": row.code,
        "pid": row.parent,
        "code": row.code,
        "name": row.name,
        "mail": row.mail,
        "oldCode": row.legacy_code,
    }
