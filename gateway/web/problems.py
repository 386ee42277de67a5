"""Refusals as problem+json (RFC 9457): one form for every error the web gives, in two languages.

Nothing of an exception but its public text and findings leaves the house; there is no HTML and no
stack trace. Pure but for building the response object.
"""

import json
import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from aiohttp import web

from gateway.domain.problem import CONTENT_TYPE, problem
from gateway.errors import CATALOGUE, GatewayError, Reason, RejectedError, UnavailableError

REALM: Final = 'Bearer realm="vanlien"'
RETRY_AFTER_S: Final = 5.0


class WebReason(StrEnum):
    """Stable codes of refusals that only HTTP knows; the rest are `gateway.errors.Reason`."""

    NO_SUCH_ROUTE = "no-such-route"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    REQUEST_TIMEOUT = "request-timeout"
    UNSUPPORTED_MEDIA_TYPE = "unsupported-media-type"
    HEADERS_TOO_LARGE = "headers-too-large"
    NOT_FROM_HERE = "not-from-here"
    HTTP = "http"


WEB_CATALOGUE: Final[dict[WebReason, tuple[int, str, str]]] = {
    WebReason.NO_SUCH_ROUTE: (404, "Không có địa chỉ này", "No such address"),
    WebReason.METHOD_NOT_ALLOWED: (
        405,
        "Địa chỉ này không nhận phương thức đó",
        "The address does not take this method",
    ),
    WebReason.REQUEST_TIMEOUT: (
        408,
        "Nội dung gửi lên quá chậm hoặc bị ngắt",
        "The body came too slowly",
    ),
    WebReason.UNSUPPORTED_MEDIA_TYPE: (
        415,
        "Không nhận kiểu nội dung này",
        "The content type is not taken here",
    ),
    WebReason.HEADERS_TOO_LARGE: (
        431,
        "Dòng tiêu đề HTTP quá dài",
        "The request's headers are too large",
    ),
    WebReason.NOT_FROM_HERE: (403, "Không dùng được từ đây", "Not to be used from here"),
    WebReason.HTTP: (400, "Yêu cầu HTTP sai", "The HTTP request is wrong"),
}


class WebRefusalError(Exception):
    """A refusal of the transport itself.

    Args:
        reason: Code.
        detail: What is wrong and what to do, English.
        detail_vi: The same in Vietnamese.
        status: Other HTTP status than the catalogue's.
        headers: Further response headers (`Allow`).
    """

    def __init__(
        self,
        reason: WebReason,
        detail: str = "",
        detail_vi: str = "",
        *,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        default, self.title, self.title_en = WEB_CATALOGUE[reason]
        self.reason = reason
        self.status = status or default
        self.detail = detail or self.title_en
        self.detail_vi = detail_vi or self.title
        self.headers = dict(headers or {})
        super().__init__(f"{reason}: {self.detail}")


def render(
    *,
    status: int,
    reason: str,
    title: str,
    title_en: str,
    detail: str,
    request_id: str,
    detail_vi: str = "",
    findings: Iterable[Any] = (),
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a problem+json response."""
    body = problem(
        status=status,
        reason=reason,
        title=title,
        title_en=title_en,
        detail=detail,
        request_id=request_id,
        detail_vi=detail_vi,
        findings=findings,
    )
    return web.Response(
        status=status,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", errors="replace"
        ),
        headers=headers,
        content_type=CONTENT_TYPE,
    )


def of_gateway(failure: GatewayError, request_id: str) -> web.Response:
    """Return the response to one of our own errors."""
    row = CATALOGUE[failure.reason]
    headers: dict[str, str] = {}
    if isinstance(failure, UnavailableError):
        wait_s = RETRY_AFTER_S if failure.retry_after_s is None else failure.retry_after_s
        headers["Retry-After"] = str(max(1, math.ceil(wait_s)))
    if failure.reason is Reason.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = REALM
    return render(
        status=row.http,
        reason=failure.reason,
        title=row.vi,
        title_en=row.en,
        detail=failure.public,
        request_id=request_id,
        findings=failure.findings if isinstance(failure, RejectedError) else (),
        headers=headers,
    )


def of_web(failure: WebRefusalError, request_id: str) -> web.Response:
    """Return the response to a refusal of the transport."""
    return render(
        status=failure.status,
        reason=failure.reason,
        title=failure.title,
        title_en=failure.title_en,
        detail=failure.detail,
        detail_vi=failure.detail_vi,
        request_id=request_id,
        headers=failure.headers,
    )


def of_http(failure: web.HTTPException, request_id: str) -> web.Response:
    """Return the response to an error the HTTP library raised: unknown route, method, size."""
    match failure:
        case web.HTTPNotFound():
            refusal = WebRefusalError(
                WebReason.NO_SUCH_ROUTE,
                "No such address; /openapi.json lists what there is",
                "Không có địa chỉ này; xem /openapi.json",
            )
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(failure.allowed_methods))
            refusal = WebRefusalError(
                WebReason.METHOD_NOT_ALLOWED,
                f"This address takes {allowed}",
                f"Địa chỉ này chỉ nhận {allowed}",
                headers={"Allow": allowed},
            )
        case web.HTTPRequestEntityTooLarge():
            return of_gateway(RejectedError(Reason.TOO_LARGE), request_id)
        case _:
            refusal = WebRefusalError(WebReason.HTTP, status=failure.status)
    return of_web(refusal, request_id)


def of_bug(request_id: str) -> web.Response:
    """Return the response to a failure nobody foresaw: an id to name, nothing else."""
    row = CATALOGUE[Reason.INTERNAL]
    return render(
        status=row.http,
        reason=Reason.INTERNAL,
        title=row.vi,
        title_en=row.en,
        detail="Our own failure; repeat the request later and name its request_id to operations",
        detail_vi="Lỗi của hệ thống; thử lại sau và báo request_id cho bộ phận vận hành",
        request_id=request_id,
    )
