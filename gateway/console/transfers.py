"""Files to and from a page: uploads taken as they come, downloads streamed, never shown inline.

Promises: an upload is refused before its first byte is kept unless it comes from our own form; what
is downloaded opens in no browser tab of ours. Nothing is kept here; a crash leaves nothing.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from urllib.parse import quote

from aiohttp import web

from gateway.console.frame import check_forgery
from gateway.console.pages import Visit
from gateway.console.render import CSP
from gateway.errors import Reason, RejectedError
from gateway.ports import FormFile, Packet
from gateway.web.body import Body, Form, Limits


async def uploads(visit: Visit, limits: Limits) -> AsyncIterator[FormFile]:
    """Yield the files of an upload whose first field is the token of the form.

    Raises:
        RejectedError: The form is not ours, malformed, too large, or broke off.
    """
    body = Body(visit.request, limits, limits.max_packet_bytes)
    form = Form(visit.request, body, limits)
    token = await form.first("_csrf", "hold the token of the form")
    check_forgery(visit, token.decode("ascii", "replace"))
    async with aclosing(form.files()) as files:
        async for file in files:
            yield file


async def still_here(visit: Visit) -> None:
    """Cut what is being given piece by piece once its person is signed out or locked (ACC-03).

    Raises:
        RejectedError: FORBIDDEN.
    """
    if await visit.again() is None:
        raise RejectedError(Reason.FORBIDDEN, "the session ended")


async def download(visit: Visit, packet: Packet) -> web.StreamResponse:
    """Answer with a file to be saved; the sender's own type is not believed."""
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(packet.size_bytes),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(packet.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": f"{CSP}; sandbox",
    }
    response = web.StreamResponse(headers=headers)
    await response.prepare(visit.request)
    if visit.request.method == "HEAD":
        return response
    async for chunk in packet.chunks:
        await response.write(chunk)
    await response.write_eof()
    return response


def saved(name: str, body: bytes, content_type: str) -> web.Response:
    """Answer with a small document of ours to be saved."""
    return web.Response(
        body=body,
        content_type=content_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )
