"""`/api/v1/documents`: take submissions and say what became of them.

A body streams straight through to the front door, which answers only after commit; a client that
goes away before the end leaves nothing (the front door drops what it began). The answer is the
front door's own text, byte for byte, so that a repeat gives the same.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.errors import Reason, RejectedError
from gateway.ports import Accepted, Caller, Desk, FrontDoor, SubmitOptions
from gateway.web import models
from gateway.web.body import Body, Form, Limits
from gateway.web.metadata import Metadata, read_json
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
    path_id,
    read_query,
    text,
    text_schema,
)

PACKET_TYPES: Final = (
    "application/xml",
    "text/xml",
    "application/edxml+xml",
    "application/octet-stream",
)
_FORM: Final = "multipart/form-data"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
_PRIORITY: Final = re.compile(r"(?:^|[,\s])u=([0-7])(?=$|[,;\s])")
_NORMAL: Final = 3
_ALL_OR_NOTHING: Final = Query(
    "all_or_nothing",
    {"type": "boolean", "default": False},
    "Một nơi nhận sai thì từ chối cả lần gửi",
    "One bad recipient refuses the whole sending",
    flag,
    default=False,
)
_REPLACE_CLOSED: Final = Query(
    "replace_closed",
    {"type": "boolean", "default": False},
    "Nơi nhận đã đóng mã, có một đơn vị kế thừa: gửi cho đơn vị kế thừa",
    "Send to the successor of a closed recipient that has one",
    flag,
    default=False,
)
_AFTER: Final = Query(
    "after",
    text_schema(64),
    "Trang tiếp theo: giá trị `next` của trang trước",
    "Next page: the `next` of the page before",
    text(64),
)
_DOCUMENT_ID: Final = Query(
    "document_id",
    text_schema(200),
    "Mã định danh văn bản",
    "Document identifier as on the wire",
    text(200),
)


def idempotency_key(request: web.Request) -> str | None:
    """Return the caller's key, or None; RejectedError(BAD_REQUEST) when it cannot be one."""
    given = request.headers.getall("Idempotency-Key", ())
    if not given:
        return None
    if len(given) > 1 or _KEY.fullmatch(given[0]) is None:
        raise RejectedError(
            Reason.BAD_REQUEST,
            "Idempotency-Key must stand once and be 1 to 200 visible ASCII characters",
        )
    return given[0]


def declared_urgency(request: web.Request) -> bool | None:
    """Return whether the caller calls it urgent: `Priority: u=0` to `u=2` (RFC 9218); None: silent.

    It only decides at the door when there is little room; the document says what it is.
    """
    found = _PRIORITY.search(request.headers.get("Priority", ""))
    return None if found is None else int(found[1]) < _NORMAL


class Documents:
    """Handlers of what a system sends."""

    def __init__(self, front: FrontDoor, desk: Desk, limits: Limits) -> None:
        self._front = front
        self._desk = desk
        self._limits = limits

    async def submit(self, request: web.Request, caller: Caller) -> web.Response:
        """Take an edXML packet or a form; 202 after commit."""
        asked = read_query(request, (_ALL_OR_NOTHING, _REPLACE_CLOSED))
        key = idempotency_key(request)
        kind = request.content_type
        if kind in PACKET_TYPES:
            options = SubmitOptions(idempotency_key=key, urgent=declared_urgency(request), **asked)
            body = Body(request, self._limits, self._limits.max_packet_bytes)
            return _accepted(await self._front.submit(caller, body.chunks(), options))
        if kind == _FORM:
            return _accepted(await self._submit_form(request, caller, key, asked))
        raise WebRefusalError(
            WebReason.UNSUPPORTED_MEDIA_TYPE,
            f"Send an edXML packet as {', '.join(PACKET_TYPES)}, or a form as {_FORM}",
            f"Hãy gửi gói edXML dạng {', '.join(PACKET_TYPES)}, hoặc biểu mẫu dạng {_FORM}",
        )

    async def _submit_form(
        self, request: web.Request, caller: Caller, key: str | None, asked: Mapping[str, Any]
    ) -> Accepted:
        body = Body(request, self._limits, self._limits.max_packet_bytes)
        form = Form(request, body, self._limits)
        metadata = read_json(Metadata, await form.metadata(), "metadata")
        options = SubmitOptions(
            via="form",
            idempotency_key=key,
            secrecy=metadata.secrecy,
            **asked,
        )
        files = form.files()
        try:
            return await self._front.submit_form(caller, metadata.to_header(), files, options)
        finally:
            await files.aclose()

    async def listing(self, request: web.Request, caller: Caller) -> web.Response:
        """List the caller's documents, newest first."""
        query = read_query(request, (_DOCUMENT_ID, _AFTER, LIMIT))
        return json_response(await self._desk.documents(caller, **query))

    async def one(self, request: web.Request, caller: Caller) -> web.Response:
        """Return one document."""
        return json_response(await self._desk.document(caller, path_id(request)))

    async def events(self, request: web.Request, caller: Caller) -> web.Response:
        """Return its events."""
        return json_response({"items": await self._desk.document_events(caller, path_id(request))})

    async def receipts(self, request: web.Request, caller: Caller) -> web.Response:
        """Return its receipts."""
        return json_response(await self._desk.document_receipts(caller, path_id(request)))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return (*self._collection(), *self._parts())

    def _collection(self) -> tuple[Endpoint, ...]:
        root = f"{API}/documents"
        packets: dict[str, type | None] = dict.fromkeys(PACKET_TYPES)
        return (
            Endpoint(
                "POST",
                root,
                "submitDocument",
                "documents",
                "Gửi văn bản: gói edXML, hoặc biểu mẫu gồm phần `metadata` (JSON) rồi các phần "
                "`file`, văn bản chính đứng đầu",
                "Send a document: an edXML packet, or a form of `metadata` (JSON) and then "
                "`file` parts, main document first. Answered after commit; a repeat with the same "
                "Idempotency-Key gets the same answer",
                self.submit,
                (
                    Answer(
                        202,
                        "Đã nhận và lưu bền vững",
                        "Accepted and durably stored",
                        models.AcceptedOut,
                        headers=("Location", "Idempotent-Replayed"),
                    ),
                ),
                refusals=(403, 404, 408, 409, 413, 415, 422),
                queries=(_ALL_OR_NOTHING, _REPLACE_CLOSED),
                takes={**packets, _FORM: Metadata},
                headers=("Idempotency-Key",),
            ),
            Endpoint(
                "GET",
                root,
                "listDocuments",
                "documents",
                "Danh sách văn bản đã gửi, mới nhất trước",
                "List what was sent, newest first",
                self.listing,
                (Answer(200, "Một trang", "A page", models.Documents),),
                queries=(_DOCUMENT_ID, _AFTER, LIMIT),
            ),
        )

    def _parts(self) -> tuple[Endpoint, ...]:
        one = f"{API}/documents/{{id}}"
        return (
            found_by_id(
                one,
                "getDocument",
                "documents",
                "Một văn bản",
                "One document",
                handler=self.one,
                model=models.Document,
            ),
            found_by_id(
                f"{one}/events",
                "getDocumentEvents",
                "documents",
                "Diễn biến của văn bản",
                "What happened to it",
                handler=self.events,
                model=models.Events,
            ),
            found_by_id(
                f"{one}/receipts",
                "getDocumentReceipts",
                "documents",
                "Hồi báo và bằng chứng",
                "Its receipts and proofs",
                handler=self.receipts,
                model=models.Receipts,
            ),
        )


def _accepted(accepted: Accepted) -> web.Response:
    headers = {"Location": f"{API}/documents/{accepted.id}"}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return web.Response(
        status=202,
        body=accepted.answer_json.encode(),
        content_type="application/json",
        headers=headers,
    )
