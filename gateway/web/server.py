"""The HTTP server: one frame around every request, and a listener that closes gracefully.

The frame gives each request an id, refuses what is too much, turns every error into problem+json
and writes one closing line. A request that was committed before the process died is answered by its
repeat (same Idempotency-Key); one that was not has left nothing.

A stream of events has a place among streams instead of one among requests.

Order of the checks on a request: (1) room, (2) keys in the address, (3) credentials, (4) room of
this caller, (5) the handler: parameters, body, the port.
"""

import asyncio
import contextlib
import functools
import re
import ssl
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from adapters.shared.serving import ADMIT
from gateway import observe
from gateway.domain.marking import FILES
from gateway.errors import GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    Callers,
    Clock,
    Desk,
    FrontDoor,
    Ids,
    Notices,
    Replays,
    Uploads,
    Webhooks,
)
from gateway.ports.recalls import Recalls
from gateway.web import auth, openapi, problems
from gateway.web.body import Limits
from gateway.web.documents import Documents
from gateway.web.events import EventRoutes
from gateway.web.inbox import InboxRoutes
from gateway.web.ops import Ops
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.recalling import RecallRoutes
from gateway.web.replays import ReplayRoutes
from gateway.web.routes import ANYBODY, API_VERSION, Endpoint, read_query
from gateway.web.studio import Studio
from gateway.web.uploads import UploadRoutes
from gateway.web.verifications import Verifications
from gateway.web.verify_page import VerifyPage
from gateway.web.webhooks import WebhookRoutes

__all__ = ["Limits", "Running", "listen", "make_app", "make_facade_app", "make_ops_app"]

_SERVER: Final = "vanlien"
_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
_FILE_NAME: Final = re.compile(r"""filename\*=(?:UTF|utf)-8''|filename="?""")
_HSTS: Final = "max-age=31536000"
_ROUTE_UNKNOWN: Final = "(unknown)"
_CLIENT_GONE: Final = 499
_AFTER_REST_S: Final = 30.0
_SLOW: Final = 408
_UNSAID_BYTES: Final = 8 << 20

REQUEST_ID: Final = web.RequestKey("request_id", str)
SYSTEM_ID: Final = web.RequestKey("system_id", str)


@dataclass(slots=True)
class Gate:
    """Room for requests and for the bytes they bring: all together and of each caller."""

    limits: Limits
    inside: int = 0
    coming: int = 0
    callers: Counter[str] = field(default_factory=Counter)
    bringing: Counter[str] = field(default_factory=Counter)
    streaming: Counter[str] = field(default_factory=Counter)
    ending: asyncio.Event = field(default_factory=asyncio.Event)
    closing: bool = False
    leaving: bool = False
    resting: bool = False
    emptied: asyncio.Event = field(default_factory=asyncio.Event)

    def bytes_of(self, request: web.Request) -> int:
        """Return what a request may bring; one that does not say counts as a middling packet."""
        if not request.can_read_body:
            return 0
        said = request.content_length
        return min(_UNSAID_BYTES if said is None else said, self.limits.max_packet_bytes)

    def enter(self, size_bytes: int = 0) -> None:
        """Take a place and room for so many bytes; UnavailableError when there is none."""
        if self.closing:
            raise UnavailableError(public="The server is closing; repeat the request")
        if self.resting:
            raise UnavailableError(
                public="Maintenance; repeat the request later", retry_after_s=_AFTER_REST_S
            )
        if self.inside >= self.limits.in_flight:
            raise UnavailableError(public="Too many requests at one time", retry_after_s=1)
        # What comes alone is always let in: it cannot be smaller another time.
        if self.coming and self.coming + size_bytes > self.limits.coming_bytes:
            raise UnavailableError(public="Too many bytes are on their way", retry_after_s=5)
        self.inside += 1
        self.coming += size_bytes

    def leave(self, size_bytes: int = 0) -> None:
        """Give the place back."""
        self.inside -= 1
        self.coming -= size_bytes
        if not self.inside:
            self.emptied.set()

    def enter_stream(self, system_id: str) -> None:
        """Take a caller's place among streams; UnavailableError when there is none."""
        if self.ending.is_set():
            raise UnavailableError(public="This node is leaving; connect again", retry_after_s=1)
        if self.streaming.total() >= self.limits.streams:
            raise UnavailableError(public="Too many streams at one time", retry_after_s=5)
        if self.streaming[system_id] >= self.limits.streams_per_caller:
            raise UnavailableError(
                Reason.OVERLOADED,
                f"More than {self.limits.streams_per_caller} streams of this caller at one time",
                retry_after_s=5,
            )
        self.streaming[system_id] += 1

    def leave_stream(self, system_id: str) -> None:
        """Give it back."""
        self.streaming[system_id] -= 1
        if not self.streaming[system_id]:
            del self.streaming[system_id]

    def see_streams(self) -> None:
        """End streams when this node leaves or rests: their readers go on with another one."""
        if self.leaving or self.resting or self.closing:
            self.ending.set()
        else:
            self.ending.clear()

    async def drained(self, patience_s: float) -> None:
        """Let nobody in any more and wait until the last one has left, or so long."""
        self.closing = True
        self.see_streams()
        self.emptied.clear()
        if self.inside:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience_s):
                    await self.emptied.wait()

    def enter_caller(self, system_id: str, size_bytes: int = 0) -> None:
        """Take a caller's place; UnavailableError(OVERLOADED) when it has too many."""
        if self.callers[system_id] >= self.limits.in_flight_per_caller:
            raise UnavailableError(
                Reason.OVERLOADED,
                f"More than {self.limits.in_flight_per_caller} requests of this caller at one time",
                retry_after_s=1,
            )
        brought = self.bringing[system_id]
        if brought and brought + size_bytes > self.limits.coming_bytes * 3 // 4:
            raise UnavailableError(
                Reason.OVERLOADED,
                "Too many bytes of this caller are on their way",
                retry_after_s=5,
            )
        self.callers[system_id] += 1
        self.bringing[system_id] += size_bytes

    def leave_caller(self, system_id: str, size_bytes: int = 0) -> None:
        """Give it back."""
        self.callers[system_id] -= 1
        self.bringing[system_id] -= size_bytes
        if not self.callers[system_id]:
            del self.callers[system_id], self.bringing[system_id]


Busy = Callable[[web.Request, GatewayError], web.StreamResponse | None]
"""How a façade says that there is no room, in its own dialect; None for requests not its own."""

Pages = Callable[[web.Request, web.Response], web.Response | None]
"""How a problem looks to a person: the same answer as a page; None for what no person asked for."""


_OPEN_PATHS: Final = frozenset({"/live", "/ready", "/metrics", "/openapi.json"})


@dataclass(frozen=True, slots=True)
class House:
    """What belongs to one application."""

    gate: Gate
    ops: Ops | None
    ids: Ids
    endpoints: tuple[Endpoint, ...]
    busy: Busy | None = None
    streams: frozenset[str] = frozenset()
    free: frozenset[str] = _OPEN_PATHS
    pages: Pages | None = None
    training: bool = False


HOUSE: Final = web.AppKey("house", House)


@contextlib.contextmanager
def stream_place(request: web.Request, who: str) -> Iterator[asyncio.Event]:
    """Take somebody's place among streams for the block; lends what is set when it must end.

    Raises:
        UnavailableError: There is none, or this node is leaving.
    """
    gate = request.app[HOUSE].gate
    gate.enter_stream(who)
    try:
        yield gate.ending
    finally:
        gate.leave_stream(who)


def make_app(
    front: FrontDoor,
    desk: Desk,
    callers: Callers,
    clock: Clock,
    ids: Ids,
    *,
    limits: Limits | None = None,
    extra_routes: Sequence[web.AbstractRouteDef] = (),
    uploads: Uploads | None = None,
    studio: Studio | None = None,
    verify_page: VerifyPage | None = None,
    busy: Busy | None = None,
    notices: Notices | None = None,
    replays: Replays | None = None,
    hooks: Webhooks | None = None,
    recalls: Recalls | None = None,
    extra_streams: Collection[str] = (),
    extra_free: Collection[str] = (),
    pages: Pages | None = None,
    training: bool = False,
) -> web.Application:
    """Return the application.

    Args:
        front: Where submissions go.
        desk: What answers questions.
        callers: Who may call.
        clock: Time of the answers that carry one.
        ids: Request ids.
        limits: Sizes, times, room; the defaults when None.
        extra_routes: Façades' routes. They run inside the same frame (id, headers, closing line,
            problem+json for what they raise) but authenticate by themselves.
        uploads: Keeps packets that messages refer to; None for no such address.
        studio: Makes verification reports; one without names and pictures when None.
        verify_page: The page for any file, None for none.
        busy: How the façades say that there is no room.
        notices: The feed of events, None for none.
        replays: Plays inboxes again, None for none.
        hooks: Subscriptions of webhooks, None for none.
        recalls: Takes documents back, None for no such address.
        extra_streams: Patterns of those extra routes that stay open; they take their place among
            streams themselves (`stream_place`), for they know who looks.
        extra_free: Patterns of those extra routes that take no place, and are there also while
            nobody else is let in: what a page that says so is made of.
        pages: How problems look to persons.
        training: Whether all data are for training: names of files say so.
    """
    limits = limits or Limits()
    gate, ops = Gate(limits), Ops(desk, clock)
    endpoints = (
        *ops.endpoints(),
        *Documents(front, desk, limits).endpoints(),
        *InboxRoutes(front, desk, limits).endpoints(),
        *Verifications(desk, studio or Studio(), limits).endpoints(),
        *(UploadRoutes(uploads, limits).endpoints() if uploads is not None else ()),
        *(verify_page.endpoints() if verify_page is not None else ()),
        *(WebhookRoutes(hooks, limits).endpoints() if hooks is not None else ()),
        *(ReplayRoutes(replays, limits).endpoints() if replays is not None else ()),
        *(RecallRoutes(recalls, limits).endpoints() if recalls is not None else ()),
        *(
            EventRoutes(notices, callers, limits, gate.ending).endpoints()
            if notices is not None
            else ()
        ),
    )
    ops.publish(functools.partial(openapi.render, endpoints, API_VERSION))
    streams = frozenset(e.path for e in endpoints if e.streams) | frozenset(extra_streams)
    free = _OPEN_PATHS | frozenset(extra_free)
    app = _framed(House(gate, ops, ids, endpoints, busy, streams, free, pages, training), ())
    fixed = frozenset(endpoint.path for endpoint in endpoints)
    for endpoint in endpoints:
        handler = _open(endpoint) if endpoint.open else _guarded(endpoint, callers, gate)
        path = _pattern(endpoint.path, fixed)
        app.router.add_route(endpoint.method, path, handler, expect_handler=_expect_later)
        if endpoint.method == "GET":
            app.router.add_route("HEAD", path, handler, expect_handler=_expect_later)
    app.router.add_routes(extra_routes)
    return app


def make_ops_app(
    desk: Desk, clock: Clock, ids: Ids, *, limits: Limits | None = None
) -> web.Application:
    """Return an application that answers operations and nobody else.

    For a node that takes no documents, so that its health can be asked for all the same.
    """
    ops = Ops(desk, clock)
    endpoints = ops.endpoints()
    ops.publish(functools.partial(openapi.render, endpoints, API_VERSION))
    app = _framed(House(Gate(limits or Limits()), ops, ids, endpoints), ())
    for endpoint in endpoints:
        app.router.add_route(endpoint.method, endpoint.path, _open(endpoint))
        app.router.add_route("HEAD", endpoint.path, _open(endpoint))
    return app


def make_facade_app(
    ids: Ids,
    routes: Sequence[web.AbstractRouteDef],
    *,
    limits: Limits | None = None,
    middlewares: Sequence[Any] = (),
    busy: Busy | None = None,
    streams: Collection[str] = (),
    pages: Pages | None = None,
    training: bool = False,
) -> web.Application:
    """Return an application of a façade's routes alone, for a listener of its own.

    Args:
        ids: Request ids.
        routes: The façade's; they authenticate by themselves.
        limits: Room and times; the defaults when None.
        middlewares: Run inside the frame (who may connect).
        busy: How the façade says that there is no room.
        streams: As `extra_streams` of `make_app`.
        pages: How problems look to persons.
        training: As `make_app` has it.
    """
    gate = Gate(limits or Limits())
    house = House(gate, None, ids, (), busy, frozenset(streams), pages=pages, training=training)
    app = _framed(house, middlewares)
    app.router.add_routes(routes)
    return app


def _framed(house: House, middlewares: Sequence[Any]) -> web.Application:
    limits = house.gate.limits
    app = web.Application(middlewares=[_frame, *middlewares], client_max_size=limits.max_json_bytes)
    app[HOUSE] = house
    app.on_response_prepare.append(_dress)
    return app


def _pattern(path: str, paths: frozenset[str]) -> str:
    """Return the router's pattern of a path: no `{id}` is called as an address beside it is.

    Else `Allow` of `/inbox/rewind` would name the methods of `/inbox/{id}` too.
    """
    folder = path.removesuffix("{id}")
    names = [p.removeprefix(folder) for p in paths if folder != path and p.startswith(folder)]
    fixed = sorted(name for name in names if name.isalpha())
    return f"{folder}{{id:(?!(?:{'|'.join(fixed)})$)[^{{}}/]+}}" if fixed else path


async def _expect_later(_: web.Request) -> None:
    """Leave `100 Continue` to the body's first read: the refused never send theirs."""


def _open(endpoint: Endpoint) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        auth.refuse_keys_in_address(request)
        return await endpoint.handler(request, ANYBODY)

    return handler


def _guarded(endpoint: Endpoint, callers: Callers, gate: Gate) -> Any:
    async def handler(request: web.Request) -> web.StreamResponse:
        auth.refuse_keys_in_address(request)  # (2)
        try:
            caller = auth.authenticate(request, callers)  # (3)
        except RejectedError:
            observe.auth_failed(route=endpoint.path)
            raise
        request[SYSTEM_ID] = caller.system_id
        if endpoint.streams:
            gate.enter_stream(caller.system_id)  # (4)
            try:
                return await endpoint.handler(request, caller)  # (5)
            finally:
                gate.leave_stream(caller.system_id)
        size_bytes = gate.bytes_of(request)
        gate.enter_caller(caller.system_id, size_bytes)  # (4)
        try:
            if not endpoint.queries:
                read_query(request, ())
            return await endpoint.handler(request, caller)  # (5)
        finally:
            gate.leave_caller(caller.system_id, size_bytes)

    return handler


@web.middleware
async def _frame(request: web.Request, handler: Any) -> web.StreamResponse:
    began = time.perf_counter()
    house = request.app[HOUSE]
    request_id = house.ids.new()
    request[REQUEST_ID] = request_id
    observe.bind_request(request_id)
    observe.request_began()
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else _ROUTE_UNKNOWN
    status, reason = _CLIENT_GONE, None
    entered, size_bytes = False, 0
    places: _Places | None = None
    try:
        _refuse_strange_type(request)
        if route not in house.free and route not in house.streams:
            size_bytes = house.gate.bytes_of(request)
            house.gate.enter(size_bytes)  # (1)
            entered = True
        request[ADMIT] = places = _Places(house.gate, size_bytes)
        response: web.StreamResponse = await handler(request)
        status = response.status
    except Exception as failure:  # noqa: BLE001  the last place: everything becomes a problem
        response, reason = _refuse(failure, request, route, request_id)
        status = response.status
    finally:
        if places is not None:
            places.leave()
        if entered:
            house.gate.leave(size_bytes)
        observe.request_done(
            method=request.method if request.method in _METHODS else "OTHER",
            route=route,
            status=status,
            wait_s=time.perf_counter() - began,
            system_id=request.get(SYSTEM_ID) or (places.system_id if places else None),
            reason=reason,
        )
    if house.gate.leaving and not response.prepared:
        response.force_close()  # a proxy's kept connections end here, not under a request
    return response


class _Places:
    """Takes the caller's place for one request of a façade, which knows late who calls.

    It lies in the request and knows nothing of it: a circle would keep the connection alive.
    """

    def __init__(self, gate: Gate, size_bytes: int) -> None:
        self._gate, self._size_bytes = gate, size_bytes
        self._held = ""
        self.system_id: str | None = None

    def __call__(self, system_id: str) -> None:
        """Take a place; UnavailableError(OVERLOADED) when the caller has too many."""
        if system_id == self._held:
            return
        self.leave()
        self._gate.enter_caller(system_id, self._size_bytes)
        self._held = self.system_id = system_id

    def leave(self) -> None:
        """Give it back."""
        if self._held:
            self._gate.leave_caller(self._held, self._size_bytes)
            self._held = ""


_LONGEST_TYPE: Final = 512
_MOST_MARKS: Final = 40


def _refuse_strange_type(request: web.Request) -> None:
    """Refuse a Content-Type before the library's parser meets it.

    It is the parser of mail headers: 32 KB of semicolons keep it busy for many seconds, brackets
    make it recurse, and anybody may send them.
    """
    for told in request.headers.getall("Content-Type", ()):
        marks = sum(map(told.count, ';"()*,'))
        if len(told) > _LONGEST_TYPE or marks > _MOST_MARKS:
            raise RejectedError(Reason.BAD_REQUEST, "the header Content-Type is too long")
        try:
            _ = request.content_type
        except Exception as exc:  # the parser fails in many ways
            raise RejectedError(
                Reason.BAD_REQUEST, "the header Content-Type cannot be read"
            ) from exc


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _refuse(
    failure: Exception, request: web.Request, route: str, request_id: str
) -> tuple[web.StreamResponse, str]:
    """Return the response to a failure and its reason.

    Raises:
        ConnectionError: An answer had begun: it is cut, so that its length betrays it.
    """
    begun = request.writer.output_size > 0
    house = request.app[HOUSE]
    if isinstance(failure, UnavailableError) and house.busy is not None and not begun:
        told = house.busy(request, failure)
        if told is not None:
            return told, str(failure.reason)
    match failure:
        case WebRefusalError():
            response, reason = problems.of_web(failure, request_id), str(failure.reason)
        case GatewayError():
            response, reason = problems.of_gateway(failure, request_id), str(failure.reason)
        case web.HTTPException() if failure.status < 400:
            raise failure
        case web.HTTPException():
            response, reason = problems.of_http(failure, request_id), "http"
        case ConnectionError() if request.transport is None or request.transport.is_closing():
            raise failure
        case _:
            response, reason = problems.of_bug(request_id), "internal"
    if (
        response.status >= 500
        and not isinstance(failure, UnavailableError)
        and not (begun and isinstance(failure, TimeoutError))
    ):
        observe.request_crashed(method=request.method, route=route, failure=failure)
    if response.status == _SLOW and isinstance(request.protocol, _Protocol):
        request.protocol.do_not_linger()
    if begun:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer had begun") from failure
    page = house.pages(request, response) if house.pages is not None else None
    return page or response, reason


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers["Server"] = _SERVER
    for name, value in _SECURITY.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    if request_id := request.get(REQUEST_ID):
        headers["X-Request-Id"] = request_id
    if request.app[HOUSE].training and (named := headers.get("Content-Disposition")):
        # Bytes that came are never changed: the name says what they are.
        headers["Content-Disposition"] = _FILE_NAME.sub(rf"\g<0>{FILES}", named)
    if request.secure:
        headers["Strict-Transport-Security"] = _HSTS


# ---------------------------------------------------------------- listening


class _Protocol(web.RequestHandler):
    """A connection whose unreadable requests get problem+json too, and no word of theirs back."""

    def do_not_linger(self) -> None:
        """Close right after the answer: who sends too slowly is not waited for again."""
        self._lingering_time = 0.0

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed, or what escaped the frame."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer had begun")
        if isinstance(exc, LineTooLong):
            refusal = WebRefusalError(WebReason.HEADERS_TOO_LARGE)
            response = problems.of_web(refusal, "")
        elif isinstance(exc, HttpProcessingError):
            refusal = WebRefusalError(WebReason.HTTP, "The request is not valid HTTP/1.1")
            response = problems.of_web(refusal, "")
        else:
            if exc is not None:
                observe.request_crashed(method="-", route=_ROUTE_UNKNOWN, failure=exc)
            response = problems.of_bug("")
        response.headers.update(_SECURITY)
        response.headers["Server"] = _SERVER
        response.force_close()
        return response


_TURNS_TO_CONNECT: Final = 5


@dataclass(frozen=True, slots=True)
class Running:
    """A listener that is open. `url` has the port that was really taken."""

    url: str
    port: int
    _runner: web.AppRunner
    _server: asyncio.Server
    _app: web.Application
    _shutdown_s: float

    def leave(self, why: str) -> None:
        """Say at /ready why nothing more should come, "" to take it back; everybody is served."""
        house = self._app.get(HOUSE)
        if house is not None:
            house.gate.leaving = bool(why)
            house.gate.see_streams()
            if house.ops is not None:
                house.ops.leaving = why

    def rest(self, resting: bool) -> None:
        """Put new requests off with 503 and Retry-After, or take them again."""
        house = self._app.get(HOUSE)
        if house is not None:
            house.gate.resting = resting
            house.gate.see_streams()

    async def _take_no_more(self) -> None:
        """Stop listening without forgetting who was taken in this very moment.

        A connection is made a few turns of the loop after it is taken, and asyncio drops it without
        closing it when its server closed meanwhile: first nobody is taken any more, then we close.
        """
        loop = asyncio.get_running_loop()
        for taker in self._server.sockets:
            loop.remove_reader(taker.fileno())
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)
        self._server.close()

    async def close(self) -> None:
        """Take no more, let running requests finish (`shutdown_s`), then cut. Safe to repeat."""
        if self._runner.server is None:
            return
        await self._take_no_more()
        house = self._app.get(HOUSE)
        if house is not None:
            if house.ops is not None:
                house.ops.leaving = "closing"
            # Before the library's own end, which stops reading bodies that are still coming.
            await house.gate.drained(self._shutdown_s)
        await self._runner.cleanup()
        observe.server_stopped(listener="http", port=self.port)


async def listen(
    app: web.Application,
    host: str,
    port: int,
    ssl: ssl.SSLContext | None = None,
    *,
    limits: Limits | None = None,
) -> Running:
    """Open a listener.

    Args:
        app: From `make_app`, or any other application (a façade's own plain listener); one
            listener each.
        host: Address.
        port: Port; 0 takes a free one.
        ssl: TLS context; None for plain HTTP (loopback, or listed ranges).
        limits: Times and header sizes; those of the app when None.

    Raises:
        OSError: The address cannot be taken.
    """
    house = app.get(HOUSE)
    limits = limits or (house.gate.limits if house else Limits())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=limits.shutdown_s)
    await runner.setup()
    manager = runner.server
    assert manager is not None
    loop = asyncio.get_running_loop()

    def connection() -> _Protocol:
        return _Protocol(
            manager,
            loop=loop,
            access_log=cast("Any", None),
            keepalive_timeout=limits.keepalive_s,
            max_field_size=limits.max_header_bytes,
            auto_decompress=False,
            lingering_time=5.0,
        )

    try:
        server = await loop.create_server(connection, host, port, ssl=ssl, backlog=1024)
    except BaseException:
        await runner.cleanup()
        raise
    taken = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    observe.server_started(listener="http", port=taken, tls=ssl is not None)
    url = f"{'https' if ssl else 'http'}://{shown}:{taken}"
    return Running(url, taken, runner, server, app, limits.shutdown_s)
