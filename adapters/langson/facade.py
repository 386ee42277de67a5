"""The Lạng Sơn axis's interface in front of our gateway: its clients of both forms call us.

Promises: a caller reaches only what is its own; documents are streamed both ways, so memory does
not grow with them; a failure never looks like an empty list; no secret is echoed or logged,
wherever it stood. HTTP status: sends and updates are 200 whatever becomes of the document, what is
asked for fails with the status of its reason, no token is always 401 `licenseInfo:invalid`, our own
trouble 503. A crash leaves nothing behind here: an upload that broke off was never accepted, and
the client sends it again.
"""

import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

import aiohttp
from aiohttp import web

from adapters.langson import incoming, outgoing, wire
from adapters.langson.credentials import NoTokenError, Reception, queried
from adapters.langson.statuses import Reporter
from adapters.shared.jsonanswers import encode
from adapters.shared.serving import Handler, may_call, not_from_here, small_body, write
from gateway import observe
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    Accepted,
    AgencyRow,
    Caller,
    InboxItem,
    Means,
    MessageKind,
    SubmitOptions,
)

Operation = Callable[[web.Request], Awaitable[web.StreamResponse]]

VIA: Final = "langson"
MAX_ROWS: Final = 1000
MAX_JSON_BYTES: Final = 64 * 1024


def routes(means: Means) -> list[web.RouteDef]:
    """Return the routes of both forms."""
    desk = _Desk(means)
    found: list[web.RouteDef] = []
    for variant, paths in wire.PATHS.items():
        base = means.base.rstrip("/")
        send = functools.partial(desk.send, multipart=variant == "v1")
        posts: tuple[tuple[str, Operation, bool], ...] = (
            (paths.login, desk.login, False),
            (paths.send, send, True),
            (paths.update, desk.update, True),
        )
        gets: tuple[tuple[str, Operation, bool], ...] = (
            (paths.listing, desk.listing, False),
            (paths.get, desk.get, False),
            (paths.agencies, desk.agencies, False),
        )
        for path, operation, told in posts:
            found.append(web.post(base + path, _guarded(means, base + path, operation, told=told)))
        for path, operation, told in gets:
            guarded = _guarded(means, base + path, operation, told=told)
            found.append(web.get(base + path, guarded, allow_head=False))
        rest = f"{base}{paths.root}{{operation:.*}}"
        found.append(web.route("*", rest, _guarded(means, rest, _no_such_operation, told=False)))
    return found


def busy(means: Means) -> Callable[[Any, GatewayError], Any | None]:
    """Return what answers one of our calls that found no room; None for others' calls."""
    base = means.base.rstrip("/")
    roots = tuple(base + paths.root for paths in wire.PATHS.values())

    def told(request: web.Request, error: GatewayError) -> web.StreamResponse | None:
        return _failure(error, told=False) if request.path.startswith(roots) else None

    return told


# ---------------------------------------------------------------- one call


def _guarded(means: Means, route: str, operation: Operation, *, told: bool) -> Handler:
    """Return a handler that turns errors into answers.

    Args:
        means: For the ranges that may call.
        route: What is logged: the route, never the address.
        operation: What is done.
        told: Its clients read the answer whatever its HTTP status: a refusal is 200.
    """
    plain = means.plain_http_from

    async def handle(request: web.Request) -> web.StreamResponse:
        if plain is not None and not request.secure and not may_call(request.remote, plain):
            return _json(wire.refusal(not_from_here(), status=403), 403)
        try:
            return await operation(request)
        except GatewayError as exc:
            if exc.reason is Reason.UNAUTHENTICATED:
                observe.auth_failed(route=route)
            return _failure(exc, told=told)
        except (ConnectionError, aiohttp.ClientConnectionError):
            raise  # the client went away: nobody reads an answer
        except Exception as exc:  # noqa: BLE001 - a bug must not look like an empty list
            observe.request_crashed(method=request.method, route=route, failure=exc)
            return _failure(UnavailableError(Reason.INTERNAL), told=told)

    return handle


def _failure(error: GatewayError, *, told: bool) -> web.StreamResponse:
    if isinstance(error, NoTokenError):
        return _json(wire.refusal(error, status=401, message=wire.NO_TOKEN), 401)
    if isinstance(error, UnavailableError):
        status = CATALOGUE[error.reason].http
        answer = _json(wire.refusal(error, status=status), status)
        answer.headers["Retry-After"] = str(max(1, round(error.retry_after_s or 1)))
        return answer
    # 401 says "sign in again", which does not mend a wrong pair: it is 403 (code 15).
    status = 403 if error.reason is Reason.UNAUTHENTICATED else CATALOGUE[error.reason].http
    status = 200 if told else status
    return _json(wire.refusal(error, status=status), status)


def _json(answer: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=encode(answer), status=status, content_type="application/json", charset="utf-8"
    )


async def _no_such_operation(request: web.Request) -> web.StreamResponse:
    raise RejectedError(Reason.NOT_FOUND, "the axis has no such operation")


# ---------------------------------------------------------------- the operations


class _Desk:
    """The operations, one method each; both forms share them."""

    def __init__(self, means: Means) -> None:
        self._front = means.front
        self._max_bytes = means.max_bytes
        self._reception = Reception(means.callers, means.tokens, means.clock)
        self._reporter = Reporter(means.front, means.clock, VIA)

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Sign a system in: its id and one of its secrets for a token of half an hour."""
        members = await _members(request, optional=True)
        try:
            caller, token = self._reception.sign_in(request, members)
        except RejectedError as exc:
            if exc.reason is not Reason.UNAUTHENTICATED:
                raise
            resource = request.match_info.route.resource
            observe.auth_failed(route="login" if resource is None else resource.canonical)
            return _json(wire.refusal(exc, status=401), 401)
        name = caller.system_id
        data = {
            "id": name,
            "username": name,
            "name": name,
            "token": token,
            "expiresIn": int(wire.TOKEN_TTL.total_seconds()),
        }
        return _json(wire.good(token=token, data=data))

    async def send(self, request: web.Request, *, multipart: bool) -> web.StreamResponse:
        """Take a document or a status. Recipients are those of the packet, not `destOrgCode`."""
        if multipart:  # everything that says who it is stands in the headers
            self._reception.caller_of(request)
        coming = incoming.coming_by(request, self._max_bytes, multipart=multipart)
        knowing = functools.partial(self._reception.caller_of, request)
        doc_id = await incoming.taken(coming, knowing, self._take)
        data = {"docId": doc_id, "status": "success", "errorCode": "0", "errorDesc": ""}
        return _json(wire.good(docId=doc_id, data=data))

    async def _take(self, caller: Caller, kind: MessageKind, packet: AsyncIterator[bytes]) -> str:
        options = SubmitOptions(via=VIA, reachable=True)
        if kind == "edoc":
            accepted: Accepted = await self._front.submit(caller, packet, options)
            return accepted.id
        return await self._front.report(caller, packet, options)

    async def listing(self, request: web.Request) -> web.StreamResponse:
        """List what waits for the caller's agencies."""
        caller = self._reception.caller_of(request)
        asked = queried(request)
        kind = asked.get("messagetype", "").strip().lower() or "edoc"
        if kind not in {"edoc", "status"}:
            raise RejectedError(Reason.BAD_REQUEST, "messageType must be edoc or status")
        items = await self._front.waiting(
            caller,
            "edoc" if kind == "edoc" else "status",
            since=wire.read_from(asked.get("fromdate", ""), "fromDate"),
            until=wire.read_to(asked.get("todate", ""), "toDate"),
            limit=MAX_ROWS,
        )
        table = [_waiting_row(item) for item in items]
        return _json(wire.good(count=len(table), data=table))

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Hand out a packet inside JSON, streamed, its attachments beside it."""
        caller = self._reception.caller_of(request)
        doc_id = queried(request).get("docid", "").strip()
        if not doc_id:
            raise RejectedError(Reason.BAD_REQUEST, "docId is missing")
        fetch = functools.partial(self._front.fetch, caller, doc_id)
        return await _stream(request, outgoing.answer(await fetch(), fetch, doc_id))

    async def update(self, request: web.Request) -> web.StreamResponse:
        """Acknowledge an item: done, fail, processing (no effect), or a status code (01…16)."""
        members = await _members(request)
        caller = self._reception.caller_of(request, members)
        inside = {name.lower(): value for name, value in members.items()}
        doc_id = inside.get("docid", "").strip()
        if not doc_id:
            raise RejectedError(Reason.BAD_REQUEST, "docId is missing")
        note = inside.get("description", "") or inside.get("statusdesc", "")
        await self._reporter.update(caller, doc_id, inside.get("status", "").strip(), note)
        data = {"docId": doc_id, "status": "success", "errorCode": "0", "errorDesc": ""}
        return _json(wire.good(docId=doc_id, data=data))

    async def agencies(self, request: web.Request) -> web.StreamResponse:
        """Return the catalogue."""
        self._reception.caller_of(request)
        table = [_agency_row(row) for row in await self._front.agencies()]
        return _json(wire.good(count=len(table), data=table))


# ---------------------------------------------------------------- bodies


async def _members(request: web.Request, *, optional: bool = False) -> dict[str, str]:
    """Return the text members of a small JSON body; empty where there is none and may be none."""
    data = await small_body(request, MAX_JSON_BYTES)
    if optional and not data.strip():
        return {}
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as exc:
        raise RejectedError(Reason.BAD_REQUEST, "the body is not JSON") from exc
    if not isinstance(value, dict):
        raise RejectedError(Reason.BAD_REQUEST, "the body is no JSON object")
    return {name: text for name, text in value.items() if isinstance(text, str)}


async def _stream(request: web.Request, pieces: Any) -> web.StreamResponse:
    """Stream an answer whose length is not known; if it breaks off, the connection is cut."""
    response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
    whole = False
    try:
        await response.prepare(request)
        async for piece in pieces:
            await write(response, piece)
        await response.write_eof()
        whole = True
    except Exception as exc:  # noqa: BLE001 - the head is out, no other answer is possible
        if not isinstance(exc, ConnectionError):
            observe.request_crashed(method=request.method, route="packet", failure=exc)
    finally:
        if not whole and request.transport is not None:
            request.transport.abort()
        await pieces.aclose()
    return response


# ---------------------------------------------------------------- rows


def _waiting_row(item: InboxItem) -> dict[str, str]:
    return {
        "docId": item.id,
        "serviceType": wire.SERVICE_TYPE,
        "messageType": item.kind,
        "createdTime": wire.moment(item.at_gateway_at),
        "updatedTime": wire.moment(item.taken_at or item.at_gateway_at),
        "from": item.sender_written or item.sender,
        "to": item.recipient_written or item.recipient,
        "status": "initial" if item.taken_at is None else "done",
        "statusDesc": "",
    }


def _agency_row(row: AgencyRow) -> dict[str, Any]:
    return {
        "id": row.code,
        "pid": row.parent,
        "code": row.code,
        "name": row.name,
        "mail": row.mail,
        "oldCode": row.legacy_code,
        "orgCode": row.code,
        "orgName": row.name,
        "parentCode": row.parent or None,
        "email": row.mail or None,
        "status": row.status,
    }
