"""A form that the ledger did not take, or nobody can say whether it did: shown to be sent again.

Promises: what a person typed is on the page, whatever became of the ledger; the page says in both
languages that it may or may not be saved, where to look and what to do; a secret is not written
into a page. It asks neither ledger nor session, so that it is there when they are not. Sent again,
an act that had happened is refused by its own guards (`tests/crash/test_console_killed.py`). Keeps
nothing.
"""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from multidict import MultiMapping

from gateway.console import render
from gateway.console.pages import BASE, Page
from gateway.errors import UnavailableError
from gateway.web.server import REQUEST_ID

_SECRETS: Final = ("/account", "/sign-in")
"""Below these, forms hold passwords and codes."""

_WAIT_S: Final = 5


def concerns(page: Page) -> bool:
    """Return whether a page takes what a person would lose."""
    return page.method == "POST" and not page.open and not page.path.startswith(_SECRETS)


def shown(
    page: Page,
    request: web.Request,
    form: MultiMapping[str],
    failure: UnavailableError,
    *,
    name: str,
    training: bool,
) -> web.Response:
    """Return the page.

    Args:
        page: Where the form was sent; it `concerns` us.
        request: How.
        form: What it held; empty for an upload, whose file has to be chosen anew.
        failure: What happened.
        name: Name of this gateway.
        training: Whether all data are for training.
    """
    values = {
        "action": request.path_qs,
        "fields": list(form.items()),
        "upload": page.takes == "upload",
        "before": _before(request),
        "request_id": request.get(REQUEST_ID, ""),
        "gateway_name": name,
        "training": training,
    }
    wait_s = _WAIT_S if failure.retry_after_s is None else max(1, round(failure.retry_after_s))
    return web.Response(
        status=503,
        body=render.render("unsaved.html.j2", "vi", values),
        content_type="text/html",
        charset="utf-8",
        headers={
            "Retry-After": str(wait_s),
            "Content-Security-Policy": render.CSP,
            "Referrer-Policy": "same-origin",
        },
    )


def _before(request: web.Request) -> str:
    """Return the page of ours the form was on, the first one when nobody says."""
    try:
        found = urlsplit(request.headers.get("Referer", ""))
    except ValueError:  # a header is what anybody makes of it
        return BASE
    path = found.path + (f"?{found.query}" if found.query else "")
    ours = path == BASE or path.startswith((f"{BASE}/", f"{BASE}?"))
    return path if ours and "\\" not in path and path.isprintable() else BASE
