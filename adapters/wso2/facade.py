"""A provincial axis behind a WSO2 gateway, in front of our gateway: its unmodified clients call us.

`POST /token` first (signin.py), then REST below the base path: `vanbans` (list, fetch, send,
acknowledge), `vanbandis` (what was sent), `donvilienthongs` (the catalogue). Promises: the bearer
token alone says who calls, and only what is the caller's own is reached; bodies and packets are
streamed, so memory does not grow with them. What the gateway would say itself (no token, no such
path, no room, our own failure) comes as its fault with an HTTP status, because generated clients
raise on one; what the axis behind would say comes as HTTP 200 with status FAIL, and a failure never
looks like an empty list. A crash leaves nothing behind here: an upload that broke off was never
accepted, and the client sends it again.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import aiohttp
from aiohttp import web

from adapters.shared.jsonanswers import encode, hand_out
from adapters.shared.serving import Handler, admitted, body, let_go, may_call, not_from_here, stream
from adapters.shared.signins import SignIns
from adapters.wso2 import wire
from adapters.wso2.intake import Intake, longest_body, too_large
from adapters.wso2.params import Params, members
from adapters.wso2.signin import SignInDesk
from gateway import observe
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import Caller, Facade, FrontDoor, InboxItem, Means, MessageKind, SubmitOptions
from gateway.ports.registration import Registrar, RequestRow

Operation = Callable[[web.Request, Params, Caller], Awaitable[web.StreamResponse]]

MAX_ROWS: Final = 1000
MAX_NOTE: Final = 1000

_NEEDS_OPERATOR: Final = (
    "Đăng ký hoặc xóa mã đơn vị cần quản trị trục duyệt: gửi yêu cầu cho đơn vị vận hành | "
    "registering or deleting an agency needs the operator's approval"
)
_WAITS: Final = (
    "Da ghi nhan yeu cau, cho quan tri truc duyet | noted, waits for the operator's approval"
)
_IN_THE_ADDRESS: Final = frozenset({"access_token", "authorization", "token", "client_secret"})


def facade(means: Means) -> Facade:
    """Return the façade. Its base path is `means.base`, or the one that was seen."""
    base = (means.base or wire.BASE).rstrip("/")
    desk = _Desk(means.front, means.max_bytes, means.registrar)
    guard = _Guard(means, base)
    signin = SignInDesk(means.callers, means.tokens, SignIns(means.clock.now, "/token"))
    doc, area = "/{doc_id}", "/{area:[A-Za-z]{2,4}}"
    table: list[tuple[str, str, Operation]] = [
        ("GET", "/vanbans", desk.waiting),
        ("POST", "/vanbans", desk.send),
        ("GET", f"/vanbans{doc}", desk.fetch),
        ("PUT", f"/vanbans{doc}", desk.update),
        ("GET", "/vanbandis", desk.sent),
        ("GET", f"/vanbandis{doc}", desk.sent),
        ("GET", "/donvilienthongs", desk.agencies),
        ("GET", f"/donvilienthongs{area}", desk.province),
        ("POST", "/donvilienthongs", desk.register),
        ("PUT", "/donvilienthongs", desk.close),
        ("DELETE", "/donvilienthongs", desk.close),
    ]
    routes: list[web.AbstractRouteDef] = [
        web.route(method, f"{base}{path}", guard(f"wso2{path}", operation), **_no_head(method))
        for method, path, operation in table
    ]
    routes += [web.post(path, guard.plainly(signin.handle)) for path in wire.TOKEN_PATHS]
    nothing = guard.plainly(_no_such_resource)
    routes += [web.route("*", path, nothing) for path in (f"{base}/{{rest:.*}}", *wire.TOKEN_PATHS)]
    return Facade(routes, guard.busy)


def _no_head(method: str) -> dict[str, Any]:
    """HEAD would have a packet made ready for nobody to read."""
    return {"allow_head": False} if method == "GET" else {}


# ---------------------------------------------------------------- one call


class _Guard:
    """Stands before every operation: network, token; turns errors to answers."""

    def __init__(self, means: Means, base: str) -> None:
        self._tokens = means.tokens
        self._clock = means.clock
        self._plain_http_from = means.plain_http_from
        self._base = base

    def __call__(self, name: str, operation: Operation) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                caller = admitted(request, self._caller(request))
                return await operation(request, Params.of(request), caller)
            except GatewayError as exc:
                return self._refused(request, name, exc)
            except (ConnectionError, aiohttp.ClientConnectionError):
                raise  # the client went away: nobody reads an answer
            except Exception as exc:  # noqa: BLE001 - a bug must not look like an empty list
                observe.request_crashed(method=request.method, route=name, failure=exc)
                return self._refused(request, name, UnavailableError(Reason.INTERNAL))

        return self.plainly(handle)

    def plainly(self, handler: Handler) -> Handler:
        """Return a handler behind the ranges that may call without TLS."""

        async def handle(request: web.Request) -> web.StreamResponse:
            plain = self._plain_http_from
            if plain is not None and not request.secure and not may_call(request.remote, plain):
                told = not_from_here().public
                return _json(wire.fault(wire.FORBIDDEN, "Resource forbidden", told), 403)
            return await handler(request)

        return handle

    def busy(self, request: web.Request, error: GatewayError) -> web.StreamResponse | None:
        """Answer one of our calls that found no room, as the gateway does; None for others'."""
        ours = request.path.startswith(f"{self._base}/") or request.path in wire.TOKEN_PATHS
        return self._unavailable(error) if ours else None

    def _caller(self, request: web.Request) -> Caller:
        """Return who calls: the token's system, and nothing else in the request counts."""
        if _IN_THE_ADDRESS & {name.casefold() for name in request.query}:
            raise _missing("a token stands in the address: send 'Authorization: Bearer …'")
        given = request.headers.getall("Authorization", ())
        kind, _, token = given[0].strip().partition(" ") if len(given) == 1 else ("", "", "")
        if kind.lower() != "bearer" or not token.strip():
            raise _missing("the call needs a header 'Authorization: Bearer ACCESS_TOKEN', once")
        caller = self._tokens.check(token.strip(), audience=wire.AUDIENCE)
        if caller is None:
            told = "the token is wrong, has ended, or its secret was replaced: ask for another one"
            code = wire.INVALID_CREDENTIALS
            raise _TokenError(code, "Invalid Credentials", told, "invalid_token")
        return caller

    def _refused(self, request: web.Request, name: str, error: GatewayError) -> web.StreamResponse:
        if isinstance(error, _TokenError):
            observe.auth_failed(route=name)
            return error.answer()
        if isinstance(error, UnavailableError) or error.reason is Reason.INTERNAL:
            return self._unavailable(error)
        extra = {"docId": "", "DocId": ""} if request.method == "POST" else {}
        status = CATALOGUE[error.reason].http if _wants_raw(request) else 200
        return _json(wire.refusal(error, **extra), status)

    def _unavailable(self, error: GatewayError) -> web.Response:
        if error.reason is Reason.INTERNAL:
            told = "Lỗi của hệ thống | our own failure"
            return _json(wire.fault(wire.GENERAL, "General Error", told), 500)
        told = f"{CATALOGUE[error.reason].vi} | {error.public}"
        wait_s = max(1, round(getattr(error, "retry_after_s", None) or 1))
        if error.reason is Reason.OVERLOADED:
            after = wire.next_access(self._clock.now() + timedelta(seconds=wait_s))
            said = wire.fault(wire.THROTTLED, "Message throttled out", told, nextAccessTime=after)
            answer = _json(said, 429)
        else:
            said = wire.fault(wire.NOT_READY, "Runtime Error", told, type="Status report")
            answer = _json(said, 503)
        answer.headers["Retry-After"] = str(wait_s)
        return answer


class _TokenError(RejectedError):
    """No token, or none that is good, as the gateway says it.

    Args:
        code: The gateway's own.
        message: Its words.
        told: What to do.
        error: The word of RFC 6750 3.1, "" where there was no token to be wrong.
    """

    def __init__(self, code: int, message: str, told: str, error: str = "") -> None:
        super().__init__(Reason.UNAUTHENTICATED, told)
        self.code = code
        self.message = message
        self.error = error

    def answer(self) -> web.Response:
        """Return the 401."""
        told = f"{CATALOGUE[self.reason].vi} | {self.public}"
        answer = _json(wire.fault(self.code, self.message, told), 401)
        error = f', error="{self.error}"' if self.error else ""
        answer.headers["WWW-Authenticate"] = f'Bearer realm="vanlien"{error}'
        return answer


def _missing(told: str) -> _TokenError:
    return _TokenError(wire.MISSING_CREDENTIALS, "Missing Credentials", told)


def _json(answer: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=encode(answer), status=status, content_type=wire.JSON_TYPE, charset="utf-8"
    )


async def _no_such_resource(request: web.Request) -> web.StreamResponse:
    told = "No matching resource found in the API for the given request"
    return _json(wire.fault(wire.NO_RESOURCE, told, "Không có tài nguyên này | not found"), 404)


def _wants_raw(request: web.Request) -> bool:
    """Tell whether the caller asks for the packet itself and not for JSON around it."""
    told = request.headers.get("Accept", "").lower()
    if request.method != "GET" or "json" in told:
        return False
    return any(kind in told for kind in ("application/octet-stream", "/xml", "+xml"))


# ---------------------------------------------------------------- the operations


class _Desk:
    """The operations, one method each."""

    def __init__(self, front: FrontDoor, max_bytes: int, registrar: Registrar | None) -> None:
        self._front = front
        self._max_bytes = max_bytes
        self._registrar = registrar

    async def send(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Take a document or a status; recipients and sender are those of the packet."""
        length = request.content_length
        if length is not None and length > longest_body(self._max_bytes):
            raise too_large(self._max_bytes)
        told = wire.kind_of(params.get(*wire.KIND))
        written = request.content_type if "Content-Type" in request.headers else ""
        intake = Intake(body(request), written, told, self._max_bytes)
        options = SubmitOptions(via="wso2", reachable=True)
        if await intake.kind() == "edoc":
            doc_id = (await self._front.submit(caller, intake.packet(), options)).id
        else:
            doc_id = await self._front.report(caller, intake.packet(), options)
        return _json(wire.build(docId=doc_id, DocId=doc_id))

    async def waiting(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """List what waits for the caller's agencies: documents, then statuses, or one kind.

        What was begun (PROCESSING) and not ended still waits, so it is listed under both words.
        """
        told = wire.kind_of(params.get(*wire.KIND))
        wanted = wire.status_of(params.get(*wire.STATUS))
        since = wire.moment_of(params.get(*wire.SINCE), "fromDate")
        until = wire.moment_of(params.get(*wire.UNTIL), "toDate")
        kinds: tuple[MessageKind, ...] = ("edoc", "status") if told is None else (told,)
        found: list[InboxItem] = []
        for kind in kinds:
            found += await self._front.waiting(
                caller, kind, since=since, until=until, limit=MAX_ROWS
            )
        return _json(wire.build(data=[wire.waiting_row(i) for i in found if _is(i, wanted)]))

    async def fetch(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Hand out a packet: base64 inside JSON, or raw for who accepts no JSON. Streamed."""
        packet = await self._front.fetch(caller, _doc_id(request))
        if _wants_raw(request):
            return await stream(
                request, packet.chunks, packet.size_bytes, "application/xml", packet
            )
        return await hand_out(request, packet, wire.build)

    async def update(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Acknowledge an item: DONE, FAIL with a description, or what has no effect yet."""
        doc_id = _doc_id(request)
        params = await params.with_body(request)
        match wire.status_of(params.get(*wire.STATUS)):
            case wire.DONE:
                await self._front.acknowledge(caller, doc_id, done=True)
            case wire.FAIL:
                note = params.get(*wire.NOTE)[:MAX_NOTE]
                await self._front.acknowledge(caller, doc_id, done=False, note=note)
            case wire.INITIAL | wire.PROCESSING:
                await let_go(await self._front.fetch(caller, doc_id))  # is it the caller's?
            case _:
                wire.status_of("?")
        return _json(wire.build())

    async def sent(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """List the deliveries of what the caller sent, or of one sending."""
        doc_id = request.match_info.get("doc_id") or params.get(*wire.DOC_ID) or None
        kind = wire.kind_of(params.get(*wire.KIND)) or "edoc"
        found = await self._front.sent(caller, doc_id, kind, limit=MAX_ROWS)
        return _json(wire.build(data=[wire.sent_row(item) for item in found]))

    async def agencies(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Return the whole catalogue."""
        return _json(wire.build(data=[wire.agency_row(r) for r in await self._front.agencies()]))

    async def province(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Return the agencies under the level-1 codes the caller's own are under.

        The axis that was seen calls this list by its province's letters (`/qn`): any will do.
        """
        own = {wire.province_of(code) for code in caller.speaks_for} - {""}
        found = [r for r in await self._front.agencies() if wire.province_of(r.code) in own]
        return _json(wire.build(data=[wire.agency_row(row) for row in found]))

    async def register(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Take down an agency the caller wants registered below its own."""
        if self._registrar is None:
            return _needs_operator()
        wish = wire.wish_of(dict(await members(request)))
        return _noted(await self._registrar.register(caller, wish))

    async def close(
        self, request: web.Request, params: Params, caller: Caller
    ) -> web.StreamResponse:
        """Take down an agency the caller wants closed."""
        if self._registrar is None:
            return _needs_operator()
        code = (await params.with_body(request)).get(*wire.AGENCY)
        if not code:
            raise RejectedError(Reason.BAD_REQUEST, "agencyCode is missing")
        return _noted(await self._registrar.close(caller, code))


def _needs_operator() -> web.Response:
    return _json(wire.build(str(CATALOGUE[Reason.FORBIDDEN].axis), _NEEDS_OPERATOR))


def _noted(asked: RequestRow) -> web.Response:
    """Answer OK: the clients know no "not yet"; the words say whether it is decided."""
    done = asked.state == "approved"
    return _json(wire.build(text=wire.SUCCESS_TEXT if done else _WAITS))


def _doc_id(request: web.Request) -> str:
    doc_id = str(request.match_info["doc_id"])
    if not doc_id.isprintable():
        raise RejectedError(Reason.NOT_FOUND, "no docId has such characters")
    return doc_id


def _is(item: InboxItem, wanted: str) -> bool:
    """Tell whether an item has the status asked for; "" asks for none."""
    match wanted:
        case "":
            return True
        case wire.DONE:
            return item.taken_at is not None
        case wire.FAIL:
            return False
        case _:
            return item.taken_at is None
