"""`/api/v1/inbox` and `/api/v1/agencies`: what waits for an agency's system, and its answers.

Files go out as downloads, never to be shown by a browser: attachment disposition, no sniffing, only
harmless content types. A stream that breaks after its headers went out is cut, so that its length
betrays it; nothing is recorded as taken before `confirm`.
"""

import asyncio
import re
from dataclasses import asdict
from typing import Final
from urllib.parse import quote

from aiohttp import web

from gateway.errors import IntegrityError
from gateway.ports import Caller, Desk, FrontDoor, Packet
from gateway.web import models
from gateway.web.body import Body, Limits
from gateway.web.metadata import StatusIn, read_json
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.routes import (
    API,
    LIMIT,
    Answer,
    Endpoint,
    Query,
    flag,
    found_by_id,
    json_response,
    one_of,
    path_id,
    path_index,
    read_query,
    text,
    text_schema,
    whole,
)

# Types a browser does not run even where it ignores nosniff; anything else is octet-stream.
_HARMLESS: Final = re.compile(
    r"application/(pdf|zip|msword|rtf|vnd\.(ms-excel|ms-powerpoint|oasis\.opendocument\.[a-z]+"
    r"|openxmlformats-officedocument\.[a-z.]+))|image/(png|jpeg|tiff|gif|bmp)|text/(plain|csv)"
)
_CURSOR_MAX: Final = 2**63 - 1
_AFTER: Final = Query(
    "after",
    {"type": "integer", "minimum": 0, "maximum": _CURSOR_MAX, "default": 0},
    "Con trỏ: giá trị `next` của trang trước",
    "Cursor: the `next` of the page before",
    whole(0, _CURSOR_MAX),
    0,
)
_SOUGHT: Final = Query(
    "q",
    text_schema(200),
    "Đầu mã (mới hoặc cũ), hoặc các từ trong tên, thứ tự bất kỳ",
    "The start of a code, new or old, or words of the name in any order",
    text(200),
)
_PICKED: Final = Query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    "Số kết quả tối đa khi tìm",
    "Most answers of a search",
    whole(1, 100),
    20,
)
_CLOSED: Final = Query(
    "closed",
    {"type": "boolean", "default": False},
    "Tìm cả mã đã đóng hoặc bị khóa, kèm đơn vị kế thừa",
    "Find closed and locked codes too, with who took over",
    flag,
    default=False,
)
_AGENCY: Final = Query(
    "agency",
    text_schema(100),
    "Chỉ của cơ quan này",
    "Only of this agency",
    text(100),
)
_FORM: Final = Query(
    "form",
    {"type": "string", "enum": ["strict", "received"], "default": "strict"},
    "`strict`: gói chuẩn của trục; `received`: nguyên các byte đã nhận",
    "`strict`: our strict packet; `received`: the bytes as they came",
    one_of("strict", "received"),
    "strict",
)


class InboxRoutes:
    """Handlers of what a system receives."""

    def __init__(self, front: FrontDoor, desk: Desk, limits: Limits) -> None:
        self._front = front
        self._desk = desk
        self._limits = limits

    async def listing(self, request: web.Request, caller: Caller) -> web.Response:
        """Return a page of the feed."""
        query = read_query(request, (_AFTER, LIMIT, _AGENCY))
        return json_response(await self._desk.inbox(caller, **query))

    async def one(self, request: web.Request, caller: Caller) -> web.Response:
        """Return one arrival."""
        return json_response(await self._desk.arrival(caller, path_id(request)))

    async def events(self, request: web.Request, caller: Caller) -> web.Response:
        """Return its events."""
        return json_response({"items": await self._desk.arrival_events(caller, path_id(request))})

    async def receipts(self, request: web.Request, caller: Caller) -> web.Response:
        """Return its receipts."""
        return json_response(await self._desk.arrival_receipts(caller, path_id(request)))

    async def packet(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Stream the packet."""
        arrival_id = path_id(request)
        received = read_query(request, (_FORM,))["form"] == "received"
        packet = await self._desk.arrival_packet(caller, arrival_id, received=received)
        return await self._send(request, packet, "application/xml")

    async def attachment(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Stream one file."""
        arrival_id, index = path_id(request), path_index(request)
        packet = await self._desk.arrival_attachment(caller, arrival_id, index)
        kind = packet.content_type.partition(";")[0].strip().lower()
        harmless = _HARMLESS.fullmatch(kind) is not None
        return await self._send(request, packet, kind if harmless else "application/octet-stream")

    async def confirm(self, request: web.Request, caller: Caller) -> web.Response:
        """Record that the agency's system has it (RCV-06)."""
        await Body(request, self._limits, self._limits.max_json_bytes).whole()
        return json_response(await self._desk.confirm(caller, path_id(request)))

    async def status(self, request: web.Request, caller: Caller) -> web.Response:
        """Report a business status to the sender."""
        arrival_id = path_id(request)
        if request.content_type != "application/json":
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                "Send {code, reason} as application/json",
                "Hãy gửi {code, reason} dạng application/json",
            )
        data = await Body(request, self._limits, self._limits.max_json_bytes).whole()
        asked = read_json(StatusIn, data, "status")
        arrival = await self._desk.set_status(
            caller,
            arrival_id,
            code=asked.code,
            reason=asked.reason,
            undetermined_reason=asked.undetermined_reason,
            decided_by=asked.decided_by,
        )
        return json_response(arrival)

    async def agencies(self, request: web.Request, _: Caller) -> web.Response:
        """Return the catalogue, or what a picker asks of it."""
        query = read_query(request, (_SOUGHT, _PICKED, _CLOSED))
        if query["q"] is None:
            rows = await self._front.agencies()
        else:
            limit, closed = query["limit"], query["closed"]
            rows = await self._front.find_agencies(query["q"], limit=limit, closed=closed)
        return json_response({"items": [asdict(row) for row in rows]})

    async def _send(self, request: web.Request, packet: Packet, kind: str) -> web.StreamResponse:
        etag = f'"{packet.sha256}"'
        headers = {
            "ETag": etag,
            "Content-Disposition": disposition(packet.name),
            "Cache-Control": "private, no-cache",
        }
        if etag in {tag.strip() for tag in request.headers.get("If-None-Match", "").split(",")}:
            return web.Response(status=304, headers=headers)
        response = web.StreamResponse(headers=headers)
        response.content_type = kind
        response.content_length = packet.size_bytes
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        left = packet.size_bytes
        async for chunk in packet.chunks:
            left -= len(chunk)
            if left < 0:
                break
            # A reader that takes nothing holds a place: it may be silent only so long.
            async with asyncio.timeout(self._limits.idle_s):
                await response.write(chunk)
        if left != 0:
            raise IntegrityError("A stored file is not as long as its record says")
        await response.write_eof()
        return response

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return (*self._reading(), *self._files(), *self._acting())

    def _reading(self) -> tuple[Endpoint, ...]:
        one = f"{API}/inbox/{{id}}"
        return (
            Endpoint(
                "GET",
                f"{API}/inbox",
                "listInbox",
                "inbox",
                "Văn bản đến các cơ quan của bên gọi, theo thứ tự con trỏ, không sót; văn bản có "
                "kết quả kiểm tra chữ ký thay đổi được liệt kê lại (cùng id, verdict_changed_at)",
                "What arrived for the caller's agencies, by cursor, nothing skipped; one whose "
                "verdict changed is listed again (same id, verdict_changed_at set)",
                self.listing,
                (Answer(200, "Một trang", "A page", models.Inbox),),
                refusals=(404,),
                queries=(_AFTER, LIMIT, _AGENCY),
            ),
            found_by_id(
                one, "getArrival", "inbox", "Một văn bản đến", "One arrival", handler=self.one,
                model=models.Arrival,
            ),
            found_by_id(
                f"{one}/events", "getArrivalEvents", "inbox", "Diễn biến", "What happened to it",
                handler=self.events, model=models.Events,
            ),
            found_by_id(
                f"{one}/receipts", "getArrivalReceipts", "inbox", "Hồi báo và bằng chứng",
                "Its receipts and proofs", handler=self.receipts, model=models.Receipts,
            ),
            Endpoint(
                "GET",
                f"{API}/agencies",
                "listAgencies",
                "agencies",
                "Danh mục cơ quan, mã định danh; với q: tìm theo đầu mã hoặc tên, không cần dấu",
                "The catalogue of agencies and their codes; with q: by the start of a code or "
                "words of a name, accents or none",
                self.agencies,
                (Answer(200, "Danh mục", "The catalogue", models.Agencies),),
                queries=(_SOUGHT, _PICKED, _CLOSED),
            ),
        )  # fmt: skip

    def _files(self) -> tuple[Endpoint, ...]:
        one = f"{API}/inbox/{{id}}"
        headers = ("ETag", "Content-Disposition", "Content-Length")
        same = Answer(304, "Không đổi", "Not changed", headers=("ETag",))
        return (
            Endpoint(
                "GET",
                f"{one}/edxml",
                "getArrivalPacket",
                "inbox",
                "Gói edXML của văn bản",
                "The document's edXML packet",
                self.packet,
                (Answer(200, "Gói tin", "The packet", None, "application/xml", headers), same),
                refusals=(404, 410),
                queries=(_FORM,),
                headers=("If-None-Match",),
            ),
            Endpoint(
                "GET",
                f"{one}/attachments/{{n}}",
                "getArrivalAttachment",
                "inbox",
                "Một tệp đính kèm, n từ 0",
                "One file, n from 0",
                self.attachment,
                (
                    Answer(200, "Tệp", "The file", None, "application/octet-stream", headers),
                    same,
                ),
                refusals=(404, 410),
                headers=("If-None-Match",),
            ),
        )

    def _acting(self) -> tuple[Endpoint, ...]:
        one = f"{API}/inbox/{{id}}"
        return (
            Endpoint(
                "POST",
                f"{one}/confirm",
                "confirmArrival",
                "inbox",
                "Xác nhận hệ thống của cơ quan đã nhận văn bản (mốc thời điểm nhận); lặp lại được",
                "Confirm that the agency's system has it (the moment of receipt); safe to repeat",
                self.confirm,
                (Answer(200, "Văn bản đến", "The arrival", models.Arrival),),
                refusals=(404, 408, 409, 413, 415),
            ),
            Endpoint(
                "POST",
                f"{one}/status",
                "reportStatus",
                "inbox",
                "Báo trạng thái xử lý cho bên gửi (02…06, 15, 16); 02 và 16 phải có lý do; tiếp "
                "nhận văn bản có chữ ký chưa xác định được phải có undetermined_reason",
                "Report a status to the sender (02…06, 15, 16); 02 and 16 need a reason; taking "
                "an undetermined document needs undetermined_reason",
                self.status,
                (Answer(200, "Văn bản đến", "The arrival", models.Arrival),),
                refusals=(404, 408, 409, 413, 415, 422),
                takes={"application/json": StatusIn},
            ),
        )


def disposition(name: str) -> str:
    """Return a Content-Disposition that saves under `name` (RFC 6266, RFC 8187)."""
    clean = "".join(c for c in name.replace("/", "_").replace("\\", "_") if c.isprintable())
    clean = clean[:200] or "file"
    ascii_name = "".join(c if c.isascii() and c not in '"%;' else "_" for c in clean)
    encoded = quote(clean.encode("utf-8", errors="replace"), safe="")
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{encoded}"
