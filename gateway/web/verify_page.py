"""`/verify`: drop any file on a page and read what its signatures are worth.

Promises: nothing is kept: the upload lies in the scratch folder while it is examined and is removed
with the request (after a crash, when the next process begins); no name and no content is logged.
Only for a browser on this machine or a caller with an API key; another site's page cannot use the
visitor's browser to get in (origin, host and fetch metadata are checked); each address has its
pace, so that looking never starves the documents.

Order of the checks: (1) who, (2) from which page, (3) pace, (4) size while it comes in.
"""

import functools
import hashlib
import ipaddress
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway import observe
from gateway.errors import GatewayError, Reason, RejectedError, UnavailableError
from gateway.ports import Caller, Callers, Clock, Verifier
from gateway.reports import html
from gateway.reports.build import build
from gateway.web import auth, problems
from gateway.web.body import Body, Form, Limits
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.routes import Answer, Endpoint, read_query
from gateway.web.scratch import Scratch
from gateway.web.studio import Studio

_ENVELOPE_BYTES: Final = 64 * 1024
_ADDRESSES: Final = 4096
# Whoever forwards says for whom: then the connection's own address says nothing about the visitor.
_FORWARDING: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_TEMPLATE: Final = "verify.html.j2"
_FORM: Final = "multipart/form-data"
PATH: Final = "/verify"


@dataclass(slots=True)
class Pace:
    """How many files each address may have verified in a minute: a bucket that refills.

    Args:
        per_minute: Files a minute, and at once.
    """

    per_minute: int
    _left: OrderedDict[str, tuple[float, datetime]] = field(default_factory=OrderedDict)

    def take(self, who: str, now: datetime) -> None:
        """Count one file; UnavailableError(OVERLOADED) with the wait when there were too many."""
        left, at = self._left.pop(who, (float(self.per_minute), now))
        passed = max((now - at).total_seconds(), 0.0)
        left = min(left + passed * self.per_minute / 60, float(self.per_minute))
        granted = left >= 1
        self._left[who] = (left - 1 if granted else left, now)
        while len(self._left) > _ADDRESSES:
            self._left.popitem(last=False)
        if not granted:
            raise UnavailableError(
                Reason.OVERLOADED,
                f"More than {self.per_minute} files in a minute from one address",
                retry_after_s=(1 - left) * 60 / self.per_minute,
            )


class VerifyPage:
    """Handlers of the page.

    Args:
        verifier: Examines the file.
        studio: Makes the report.
        scratch: Where the upload lies meanwhile.
        callers: Who has an API key.
        clock: The time questions are asked for.
        limits: Times of uploads.
        max_bytes: Largest file.
        per_minute: Files of one address in a minute.
    """

    def __init__(
        self,
        verifier: Verifier,
        studio: Studio,
        scratch: Scratch,
        callers: Callers,
        clock: Clock,
        *,
        limits: Limits,
        max_bytes: int,
        per_minute: int = 30,
    ) -> None:
        self._verifier = verifier
        self._studio = studio
        self._scratch = scratch
        self._callers = callers
        self._clock = clock
        self._limits = limits
        self._max_bytes = max_bytes
        self._pace = Pace(per_minute)

    async def show(self, request: web.Request, _: Caller) -> web.StreamResponse:
        """Return the page."""
        try:
            read_query(request, ())
            self._visitor(request)  # (1)
        except (GatewayError, WebRefusalError) as failure:
            return refused(request, failure)
        return _page(_TEMPLATE, max_mib=self._max_bytes >> 20)

    async def verify(self, request: web.Request, _: Caller) -> web.StreamResponse:
        """Take one file and return its report as a page."""
        try:
            read_query(request, ())
            visitor = self._visitor(request)  # (1)
            if "Authorization" not in request.headers:
                refuse_other_sites(request)  # (2)
            self._pace.take(visitor, self._clock.now())  # (3)
            with self._scratch.file() as path:
                return await self._report(request, path)
        except (GatewayError, WebRefusalError) as failure:
            return refused(request, failure)

    def _visitor(self, request: web.Request) -> str:
        """Return whose pace counts; WebRefusalError when the page is not for this visitor."""
        if "Authorization" in request.headers:
            try:
                return f"system {auth.authenticate(request, self._callers).system_id}"
            except RejectedError:
                observe.auth_failed(route=PATH)
                raise
        if not is_this_machine(request):
            raise WebRefusalError(
                WebReason.NOT_FROM_HERE,
                "This page is for a browser on the gateway's own machine, or for a caller with an "
                "API key",
                "Trang này chỉ dùng cho trình duyệt trên chính máy chạy cổng, hoặc cho hệ thống "
                "gọi có khóa API",
            )
        return request.remote or ""

    async def _report(self, request: web.Request, path: Path) -> web.Response:
        name, sha256, size_bytes = await self._upload(request, path)  # (4)
        report = await self._verifier.verify(
            path, sha256=sha256, size_bytes=size_bytes, at=self._clock.now()
        )
        dossier = await self._studio.of_upload(name, report, path)
        return _page(_TEMPLATE, max_mib=self._max_bytes >> 20, view=build(dossier))

    async def _upload(self, request: web.Request, path: Path) -> tuple[str, str, int]:
        if request.content_type != _FORM:
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                f"Send one file as {_FORM}, in a part named 'file'",
                f"Hãy gửi một tệp dạng {_FORM}, trong phần tên 'file'",
            )
        body = Body(request, self._limits, self._max_bytes + _ENVELOPE_BYTES)
        form = Form(request, body, self._limits)
        files = form.files()
        digest, size, name = hashlib.sha256(), 0, ""
        try:
            async for file in files:
                if name:
                    raise RejectedError(Reason.LIMIT_EXCEEDED, "One file at a time")
                name = file.name
                with path.open("wb") as out:
                    async for chunk in file.chunks:
                        size += len(chunk)
                        if size > self._max_bytes:
                            raise RejectedError(
                                Reason.TOO_LARGE, f"Files up to {self._max_bytes} bytes here"
                            )
                        digest.update(chunk)
                        out.write(chunk)
        finally:
            await files.aclose()
        if not name:
            raise RejectedError(Reason.BAD_REQUEST, "No file was sent")
        return name, digest.hexdigest(), size

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        answer = Answer(200, "Trang HTML", "An HTML page", None, html.MEDIA)
        return (
            Endpoint(
                "GET",
                PATH,
                "verifyPage",
                "verify",
                "Trang kiểm tra chữ ký của một tệp bất kỳ; chỉ từ máy này hoặc có khóa API",
                "Page to verify any file; from this machine, or with an API key",
                self.show,
                (answer,),
                refusals=(401, 403, 503),
                open=True,
            ),
            Endpoint(
                "POST",
                PATH,
                "verifyUpload",
                "verify",
                "Kiểm tra một tệp (phần `file`), trả về báo cáo; không lưu gì",
                "Verify one file (part `file`) and return the report; nothing is kept",
                self.verify,
                (answer,),
                refusals=(401, 403, 408, 413, 415, 422, 429, 503),
                takes={_FORM: None},
                open=True,
            ),
        )


# ---------------------------------------------------------------- who


def is_this_machine(request: web.Request) -> bool:
    """Tell whether a browser on this machine asks: its connection, for its own name.

    A proxy on this machine forwards for others, and says so; a foreign name that leads here (DNS
    rebinding) is somebody else's page.
    """
    if any(name in request.headers for name in _FORWARDING):
        return False
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    if not isinstance(peer, tuple):
        return False
    return _is_loopback(str(peer[0])) and _is_loopback(_host_name(request))


def refuse_other_sites(request: web.Request) -> None:
    """Refuse a form that another site's page sends with the visitor's browser.

    Raises:
        WebRefusalError: NOT_FROM_HERE.
    """
    site = request.headers.get("Sec-Fetch-Site", "none")
    origin = request.headers.get("Origin")
    own = f"{request.scheme}://{request.headers.get('Host', '')}"
    if site not in {"none", "same-origin"} or origin not in {None, own}:
        raise WebRefusalError(
            WebReason.NOT_FROM_HERE,
            "The form came from another page: open /verify and send the file from there",
            "Biểu mẫu gửi từ một trang khác: hãy mở /verify rồi gửi tệp tại đó",
        )


def _host_name(request: web.Request) -> str:
    host = request.headers.get("Host", "")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_loopback(name: str) -> bool:
    if name.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


# ---------------------------------------------------------------- pages


@functools.cache
def content_security_policy() -> str:
    """Return the page's policy: our own styles and script by hash, nothing from outside."""
    styles = (html.digest_source(html.asset(name)) for name in ("report.css", "verify.css"))
    return (
        f"default-src 'none'; style-src {' '.join(styles)}; "
        f"script-src {html.digest_source(html.asset('verify.js'))}; img-src data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


def _page(template: str, status: int = 200, **values: object) -> web.Response:
    values = {"view": None, "problem": None, **values}
    values |= {"extra": html.inline("verify.css"), "script": html.inline("verify.js")}
    response = web.Response(
        status=status, body=html.page(template, values), content_type=html.MEDIA, charset="utf-8"
    )
    response.headers["Content-Security-Policy"] = content_security_policy()
    return response


def refused(request: web.Request, failure: GatewayError | WebRefusalError) -> web.StreamResponse:
    """Return a refusal: a page for a browser; for a program the error goes on to the frame.

    Raises:
        GatewayError, WebRefusalError: The caller did not ask for a page.
    """
    wants_page = "text/html" in request.headers.get("Accept", "")
    if not wants_page or (isinstance(failure, GatewayError) and _is_ours(failure)):
        raise failure
    told = (
        problems.of_web(failure, "")
        if isinstance(failure, WebRefusalError)
        else problems.of_gateway(failure, "")
    )
    problem = json.loads(bytes(told.body or b"{}"))  # type: ignore[arg-type]
    response = _page(_TEMPLATE, told.status, max_mib=0, problem=problem)
    for name in ("Retry-After", "WWW-Authenticate"):
        if name in told.headers:
            response.headers[name] = told.headers[name]
    if told.status in {408, 413}:
        response.force_close()
    return response


def _is_ours(failure: GatewayError) -> bool:
    return not isinstance(failure, (RejectedError, UnavailableError))
