"""`GET /api/v1/events`: what happens to a caller's documents, as a stream (SSE) or page by page.

The id of each event is its cursor in the ledger, so whoever comes back with `Last-Event-ID`, to
this node or another, before or after a restart, goes on exactly behind it. A stream holds no page:
what a reader does not take in time cuts it off, and it comes back. Streams have places of their own
beside the requests'; they end when the node leaves, and credentials are looked at again each time
something is written. A crash leaves nothing.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway import observe
from gateway.domain.notices import MAINTENANCE, NAMES
from gateway.errors import GatewayError, Reason, RejectedError
from gateway.ports import Caller, Callers, Notice, Notices
from gateway.web import auth
from gateway.web.body import Limits
from gateway.web.routes import (
    API,
    LIMIT,
    Answer,
    Endpoint,
    Query,
    json_response,
    read_query,
    whole,
)

_SSE: Final = "text/event-stream"
_JSON: Final = "application/json"
_CURSOR_MAX: Final = 2**63 - 1
_PAGE: Final = 100
_RETRY_MS: Final = 3000
_LAST: Final = "Last-Event-ID"
_GROUPS: Final = tuple(sorted({f"{name.partition('.')[0]}.*" for name in NAMES}))
_HEADERS: Final = {
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # a proxy that gathers would make a stream of minutes
}


def read_kinds(text: str) -> tuple[str, ...]:
    """Read a choice of kinds: names, or groups such as `inbox.*`, with commas between them.

    Raises:
        ValueError: One of them is none.
    """
    named = tuple(one.strip() for one in text.split(",") if one.strip())
    strange = [one for one in named if one not in NAMES and one not in _GROUPS]
    if strange or not named:
        raise ValueError(f"must be some of {', '.join((*_GROUPS, *NAMES))}")
    return named


_AFTER: Final = Query(
    "after",
    {"type": "integer", "minimum": 0, "maximum": _CURSOR_MAX},
    "Con trỏ: chỉ các sự kiện sau nó; không có: luồng bắt đầu từ bây giờ, trang từ đầu",
    "Cursor: only events behind it; without one a stream begins now, a page at the beginning",
    whole(0, _CURSOR_MAX),
)
_KINDS: Final = Query(
    "kinds",
    {
        "type": "array",
        "items": {"type": "string", "enum": [*_GROUPS, *NAMES]},
        "minItems": 1,
        "examples": [["inbox.*", "delivery.failed"]],
    },
    "Chỉ các loại này, cách nhau bằng dấu phẩy",
    "Only these kinds, with commas between them",
    read_kinds,
    (),
)


class NoticeOut(BaseModel):
    """Sự kiện: one thing that happened; ids, codes and states, never content."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(description="Its cursor; what Last-Event-ID takes")
    kind: str = Field(examples=["inbox.document"])
    at: str
    subject: str = Field(description="Id of what it happened to")
    document_id: str | None = None
    document: str | None = Field(None, description="Id of the sending")
    agencies: list[str] = []
    code: str | None = Field(None, description="Status code 01…16")
    verdict: str | None = None
    sender: str | None = None
    cursor: int | None = Field(None, description="Its cursor in the inbox")
    href: str | None = Field(None, description="Where to read on")
    alert: str | None = Field(None, description="Kind of the alert")
    count: int | None = Field(None, description="How many things an alert is about")
    due: str | None = Field(None, description="Until when something must be done")
    title: str | None = Field(None, description="What a maintenance is for")
    planned_from: str | None = Field(None, description="When a maintenance begins")
    planned_to: str | None = Field(None, description="When it ends")


class NoticesOut(BaseModel):
    """A page of events; `next` is the cursor to ask behind."""

    model_config = ConfigDict(frozen=True)

    items: list[NoticeOut]
    next: int


class EventRoutes:
    """Handler of the feed of events.

    Args:
        notices: The feed.
        callers: Asked again while a stream is open.
        limits: Times.
        ending: Set when every stream is to end.
    """

    def __init__(
        self, notices: Notices, callers: Callers, limits: Limits, ending: asyncio.Event
    ) -> None:
        self._notices = notices
        self._callers = callers
        self._limits = limits
        self._ending = ending

    async def events(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Answer with a stream, or with a page where JSON is asked for."""
        query = read_query(request, (_AFTER, LIMIT, _KINDS))
        after = _last(request, query["after"])
        if _wants_json(request):
            page = await self._notices.after(
                caller, after or 0, limit=query["limit"], kinds=query["kinds"]
            )
            await self._heard(caller, page.notices)
            return json_response({"items": [n.body for n in page.notices], "next": page.next})
        if after is None:
            after = await self._notices.newest()
        # A cursor that is not kept is refused before the stream begins: 410, which ends a reader.
        await self._notices.after(caller, after, limit=1)
        response = web.StreamResponse(headers=_HEADERS)
        response.content_type = _SSE
        response.charset = "utf-8"
        await response.prepare(request)
        if request.method != "HEAD":
            await self._stream(request, response, after, query["kinds"])
        return response

    async def _stream(
        self,
        request: web.Request,
        response: web.StreamResponse,
        after: int,
        kinds: tuple[str, ...],
    ) -> None:
        # The first id makes a reader that heard nothing come back to where it began.
        await self._write(response, f"retry: {_RETRY_MS}\nid: {after}\n\n")
        while not self._ending.is_set():
            try:
                caller = auth.authenticate(request, self._callers)
            except RejectedError:
                break  # disabled, or its key is no longer good
            seen = await self._notices.newest()
            page = await self._notices.after(caller, after, limit=_PAGE, kinds=kinds)
            if page.next != after:
                after = page.next
                await self._write(response, _frames(page.notices, after))
                await self._heard(caller, page.notices)
                continue
            if not await self._more(seen):
                await self._write(response, ": \n\n")  # keeps proxies, and shows who has gone
        await response.write_eof()

    async def _heard(self, caller: Caller, notices: Sequence[Notice]) -> None:
        """Record whose system was told of maintenance; a reader never fails by it."""
        if any(one.kind in MAINTENANCE for one in notices):
            try:
                await self._notices.heard(caller, notices)
            except GatewayError as exc:
                observe.program_failed(program="events", failure=exc, retry_in_s=0)

    async def _more(self, seen: int) -> bool:
        """Wait for more, or for the end; False when neither came for a heartbeat's time."""
        waiting = (
            asyncio.ensure_future(self._notices.changed(seen, self._limits.heartbeat_s)),
            asyncio.ensure_future(self._ending.wait()),
        )
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return any(one.result() for one in done)
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        async with asyncio.timeout(self._limits.idle_s):
            await response.write(text.encode())

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the route."""
        return (
            Endpoint(
                "GET",
                f"{API}/events",
                "streamEvents",
                "events",
                "Những gì xảy ra với văn bản của bên gọi, theo thứ tự, không sót: luồng SSE, hoặc "
                "từng trang với Accept: application/json; nối lại bằng Last-Event-ID",
                "What happens to the caller's documents, in order, nothing skipped: a stream "
                "(SSE), or page by page with Accept: application/json; Last-Event-ID goes on",
                self.events,
                (Answer(200, "Một trang", "A page", NoticesOut, also=(_SSE,)),),
                refusals=(410,),
                queries=(_AFTER, LIMIT, _KINDS),
                headers=(_LAST,),
                streams=True,
            ),
        )


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "")
    return _JSON in accept and _SSE not in accept


def _last(request: web.Request, after: int | None) -> int | None:
    """Return where to begin: what the reader had last counts before the address it came to."""
    said = request.headers.get(_LAST)
    if said is None or not said.strip():
        return after
    try:
        return whole(0, _CURSOR_MAX)(said.strip())
    except ValueError as fault:
        raise RejectedError(Reason.BAD_REQUEST, f"{_LAST}: {fault}") from fault


def _frames(notices: Any, upto: int) -> str:
    """Return events as they are written, then the cursor that all of them reach."""
    return "".join([*map(_frame, notices), f"id: {upto}\n\n"])


def _frame(notice: Notice) -> str:
    body = json.dumps(notice.body, ensure_ascii=False, separators=(",", ":"))
    return f"id: {notice.cursor}\nevent: {notice.kind}\ndata: {body}\n\n"
