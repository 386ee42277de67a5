"""What nobody foresaw, as a page: the server's last word on a request for the console.

Promises: a person never meets bare JSON below `/console`; the page says in both languages what
happened, what was recorded and what to do, names the request and nothing of the inside; status and
headers are those of the answer it stands for. It asks neither ledger nor session, so that it is
there when they are not. Keeps nothing.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway.console import render
from gateway.console.pages import BASE, Say

_KEPT: Final = ("Allow", "Retry-After")
_BUG: Final = Say(
    "Lỗi của hệ thống, không phải do bạn, và đã được ghi lại. Việc vừa làm có thể đã xong hoặc "
    "chưa: mở lại trang để xem trước khi làm lại. Nếu vẫn lỗi, báo bộ phận vận hành mã dưới đây.",
    "The fault is ours, not yours, and it was recorded. What you just did may or may not be done: "
    "open the page again and look before repeating it. If it stays, name the code below to "
    "operations.",
)
_ADVICE: Final[Mapping[int, Say]] = {
    404: Say(
        "Kiểm tra lại địa chỉ, hoặc về trang chính rồi đi theo trình đơn.",
        "Check the address, or go to the first page and follow the menu.",
    ),
    405: Say(
        "Trang này không mở trực tiếp được: về trang chính rồi làm lại từ biểu mẫu.",
        "This page is not opened by itself: go to the first page and begin at its form.",
    ),
    413: Say(
        "Quay lại, chọn tệp nhỏ hơn hoặc gửi làm nhiều lần.",
        "Go back and choose smaller files, or send them one by one.",
    ),
    429: Say("Chờ một lúc rồi mở lại trang.", "Wait a while, then open the page again."),
    503: Say(
        "Hệ thống đang bận hoặc bảo trì; chưa có gì bị mất. Trang đang xem sẽ tự tải lại; biểu mẫu "
        "vừa gửi thì gửi lại sau ít phút.",
        "The gateway is busy or under maintenance; nothing is lost. A page loads again by itself; "
        "send a form again in a few minutes.",
    ),
}
_SENT_BADLY: Final = Say(
    "Quay lại trang trước, tải lại trang rồi làm lại.",
    "Go back, load the page again and repeat it.",
)


def page(
    request: web.Request, problem: web.Response, *, name: str, training: bool
) -> web.Response | None:
    """Return a problem as a page, None when the request is not for the console.

    Args:
        request: The request that failed.
        problem: The answer as machines get it (problem+json).
        name: Name of this gateway.
        training: Whether all data are for training.
    """
    if request.path != BASE and not request.path.startswith(f"{BASE}/"):
        return None
    status = problem.status
    values = {
        "told": _told(problem),
        "advice": advice(status) or (_BUG if status >= 500 else _SENT_BADLY),
        "status": status,
        "gateway_name": name,
        "training": training,
        # A form is not sent again by a page that loads itself.
        "again": status == 503 and request.method == "GET",
    }
    headers = {key: problem.headers[key] for key in _KEPT if key in problem.headers}
    return web.Response(
        status=status,
        body=render.render("trouble.html.j2", "vi", values),
        content_type="text/html",
        charset="utf-8",
        headers={**headers, "Content-Security-Policy": render.CSP},
    )


def advice(status: int) -> Say | None:
    """Return what to do about a status, None where only the page itself can say."""
    return _ADVICE.get(status)


def _told(problem: web.Response) -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads(problem.body if isinstance(problem.body, bytes) else b"{}")
    return told
