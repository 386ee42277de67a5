"""`…/verification` of documents and arrivals: the report in every form, and what was really signed.

A caller sees the reports of its own documents only: the desk decides, what is another's does not
exist. Pages go out with a policy of their own; downloads are never shown by a browser. Stores
nothing.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from gateway.domain.marking import told
from gateway.errors import IntegrityError, Reason, RejectedError
from gateway.ports import Caller, Desk, Json, Packet
from gateway.reports import html, schema
from gateway.reports.printing import PrintedReport
from gateway.reports.renderers import FORMS, Form
from gateway.trust.render import from_json
from gateway.web import models
from gateway.web.body import Limits
from gateway.web.inbox import disposition
from gateway.web.routes import (
    API,
    Answer,
    Endpoint,
    Query,
    json_response,
    one_of,
    path_id,
    path_index,
    read_query,
    whole,
)
from gateway.web.studio import Studio, negotiated

_MAX_INDEX: Final = 99_999
_FORMAT: Final = Query(
    "format",
    {"type": "string", "enum": list(FORMS)},
    "Dạng báo cáo; không ghi thì theo Accept, mặc định JSON",
    "Form of the report; without it Accept decides, JSON by default",
    one_of(*FORMS),
)
_FILE: Final = Query(
    "file",
    {"type": "integer", "minimum": 0, "maximum": _MAX_INDEX},
    "Chỉ báo cáo của tệp này (index)",
    "Only the report of this file (index)",
    whole(0, _MAX_INDEX),
)
_LANG: Final = Query(
    "lang",
    {"type": "string", "enum": list(html.LANGUAGES), "default": "vi"},
    "Ngôn ngữ hiện trước của trang HTML và bản PDF",
    "Language the HTML page and the PDF show first",
    one_of(*html.LANGUAGES),
    "vi",
)
_QUERIES: Final = (_FORMAT, _FILE, _LANG)
_PAGE_POLICY: Final = "; frame-ancestors 'none'; sandbox allow-downloads"

SEAL_HEADER: Final = "X-Report-Seal"
"""`B-LT`, `B-T; waiting`, `B-B; waiting`, `B-B`, or `none`."""

Ask = Callable[[Caller, str], Awaitable[Json]]
Fetch = Callable[[Caller, str, int], Awaitable[Packet]]


class Verifications:
    """Handlers of verification reports.

    Args:
        desk: Answers questions, each caller its own.
        studio: Makes the reports.
        limits: Times of streams.
    """

    def __init__(self, desk: Desk, studio: Studio, limits: Limits) -> None:
        self._desk = desk
        self._studio = studio
        self._limits = limits

    async def of_document(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return the reports on a document sent."""
        desk = self._desk
        return await self._report(
            request, caller, desk.document_verification, desk.document, desk.document_attachment
        )

    async def of_arrival(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return the reports on a document received."""
        desk = self._desk
        return await self._report(
            request, caller, desk.arrival_verification, desk.arrival, desk.arrival_attachment
        )

    async def signed_of_document(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return exactly what a signature of a document sent signed."""
        desk = self._desk
        return await self._signed(
            request, caller, desk.document_verification, desk.document_attachment
        )

    async def signed_of_arrival(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """Return exactly what a signature of a document received signed."""
        desk = self._desk
        return await self._signed(
            request, caller, desk.arrival_verification, desk.arrival_attachment
        )

    async def json_schema(self, _: web.Request, __: Caller) -> web.Response:
        """Return the JSON Schema of one report."""
        return web.Response(body=schema.text().encode(), content_type=schema.MEDIA, charset="utf-8")

    async def _report(
        self, request: web.Request, caller: Caller, ask: Ask, tell: Ask, fetch: Fetch
    ) -> web.Response:
        query = read_query(request, _QUERIES)
        asked_id = path_id(request)
        form = negotiated(request.headers.get("Accept", ""), query["format"])
        found = await ask(caller, asked_id)
        only: int | None = query["file"]
        if only is not None and all(file["index"] != only for file in found["files"]):
            raise RejectedError(Reason.NOT_FOUND)
        if form.name == "json":
            kept = [f for f in found["files"] if only is None or f["index"] == only]
            marked = told({**found, "files": kept}, training=self._studio.training)
            return _varying(json_response(marked))
        document = await tell(caller, asked_id)

        async def fetched(index: int) -> Packet:
            return await fetch(caller, asked_id, index)

        dossier = await self._studio.of_document(
            form, found, document, lang=query["lang"], fetch=fetched, only=only
        )
        if form.name == "pdf":
            return _varying(paper(await self._studio.print(dossier), asked_id))
        return _varying(page(form, await asyncio.to_thread(form.render, dossier)))

    async def _signed(
        self, request: web.Request, caller: Caller, ask: Ask, fetch: Fetch
    ) -> web.StreamResponse:
        asked_id, index, number = path_id(request), path_index(request), path_index(request, "k")
        found = await ask(caller, asked_id)
        file = next((f for f in found["files"] if f["index"] == index), None)
        if file is None or file["report"] is None:
            raise RejectedError(Reason.NOT_FOUND)
        report = from_json(file["report"])
        if number >= len(report.signatures) or not report.signatures[number].revision_end:
            raise RejectedError(Reason.NOT_FOUND)
        signature = report.signatures[number]
        packet = await fetch(caller, asked_id, index)
        if packet.sha256 != report.sha256 or signature.revision_end > packet.size_bytes:
            raise IntegrityError("A stored file is not the one its report is about")
        name = signed_name(file["name"], number)
        return await self._send(
            request, packet, signature.revision_end, signature.revision_sha256, name
        )

    async def _send(
        self, request: web.Request, packet: Packet, end: int, sha256: str, name: str
    ) -> web.StreamResponse:
        """Stream the first bytes of a file; cut when they are not what was verified."""
        response = web.StreamResponse(
            headers={
                "Content-Disposition": disposition(name),
                "Cache-Control": "private, no-cache",
                **({"ETag": f'"{sha256}"'} if sha256 else {}),
            }
        )
        response.content_type = "application/octet-stream"
        response.content_length = end
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        left, digest = end, hashlib.sha256()
        async for chunk in packet.chunks:
            part = chunk[:left]
            left -= len(part)
            digest.update(part)
            if left == 0 and sha256 and digest.hexdigest() != sha256:
                raise IntegrityError("What was signed is not what its report says")
            async with asyncio.timeout(self._limits.idle_s):
                await response.write(part)
            if left == 0:
                break
        if left:
            raise IntegrityError("A stored file is not as long as its record says")
        await response.write_eof()
        return response

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return (
            *_routes("documents", "Document", self.of_document, self.signed_of_document),
            *_routes("inbox", "Arrival", self.of_arrival, self.signed_of_arrival),
            Endpoint(
                "GET",
                f"{API}/schemas/verification-report.json",
                "getVerificationSchema",
                "documents",
                "Lược đồ JSON của một báo cáo kiểm tra chữ ký số",
                "JSON Schema of one verification report",
                self.json_schema,
                (Answer(200, "Lược đồ", "The schema", None, schema.MEDIA),),
            ),
        )


def _routes(folder: str, what: str, report: Any, signed: Any) -> tuple[Endpoint, ...]:
    one = f"{API}/{folder}/{{id}}/verification"
    also = tuple(form.media for form in FORMS.values() if form.name != "json")
    return (
        Endpoint(
            "GET",
            one,
            f"get{what}Verification",
            folder,
            "Kết quả kiểm tra chữ ký số: JSON, trang HTML, PDF/A, hoặc XML theo ETSI TS 119 102-2",
            "Its signature reports: JSON, an HTML page, PDF/A, or XML after ETSI TS 119 102-2",
            report,
            (
                Answer(
                    200,
                    "Báo cáo",
                    "The report",
                    models.Verification,
                    headers=(SEAL_HEADER,),
                    also=also,
                ),
            ),
            refusals=(404,),
            queries=_QUERIES,
        ),
        Endpoint(
            "GET",
            f"{one}/files/{{n}}/signed/{{k}}",
            f"get{what}SignedBytes",
            folder,
            "Đúng phần mà chữ ký k của tệp n đã ký, từng byte",
            "Exactly what signature k of file n signed, byte for byte",
            signed,
            (
                Answer(
                    200,
                    "Bản đã ký",
                    "What was signed",
                    None,
                    "application/octet-stream",
                    ("ETag", "Content-Disposition", "Content-Length"),
                ),
            ),
            refusals=(404,),
        ),
    )


def page(form: Form, data: bytes) -> web.Response:
    """Return a report as an answer; a page brings its own content security policy."""
    response = web.Response(body=data, content_type=form.media, charset="utf-8")
    if form.media == html.MEDIA:
        response.headers["Content-Security-Policy"] = html.content_security_policy() + _PAGE_POLICY
    return response


def paper(report: PrintedReport, name: str) -> web.Response:
    """Return a report on paper as an answer: a download that says how it is sealed."""
    digest = hashlib.sha256(report.pdf).hexdigest()
    return web.Response(
        body=report.pdf,
        content_type=FORMS["pdf"].media,
        headers={
            "Content-Disposition": disposition(f"bao-cao-{name}.pdf"),
            "Cache-Control": "private, no-cache",
            "ETag": f'"{digest}"',
            SEAL_HEADER: report.told,
        },
    )


def signed_name(name: str, number: int) -> str:
    """Return the file name of what a signature signed: `cong-van.ban-ky-1.pdf`."""
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 8:
        stem, suffix = name, "bin"
    return f"{stem[:150]}.ban-ky-{number + 1}.{suffix}"


def _varying(response: web.Response) -> web.Response:
    response.headers["Vary"] = "Accept"
    return response
