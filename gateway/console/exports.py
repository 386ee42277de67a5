"""Tables given as files: in which form, when they hold everything, piece by piece.

Promises: a file that would lack documents is not begun; a session that ends meanwhile ends the
file; whatever is slow is done beside the loop. Nothing is kept; what breaks off is cut.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from gateway.console.pages import Visit
from gateway.console.transfers import still_here
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports.books import Following
from gateway.reports import sheets
from gateway.reports.sheets import Form
from gateway.reports.tables import Table

_WHOLE_S: Final = 20.0


def form_of(visit: Visit) -> Form:
    """Return the form that is asked for.

    Raises:
        RejectedError: NOT_FOUND, there is no such form.
    """
    try:
        return Form(visit.query("form"))
    except ValueError as exc:
        raise RejectedError(Reason.NOT_FOUND, "no such form") from exc


async def all_there(following: Following) -> None:
    """Wait until the books hold all; a file does not say that something is missing in it.

    Raises:
        UnavailableError: They do not hold it yet.
    """
    if (await following.caught_up(_WHOLE_S)).behind:
        raise UnavailableError(
            public="The books are being brought up to date: a file made now would lack documents.",
            retry_after_s=60,
        )


async def send(
    visit: Visit, form: Form, table: Table, pieces: AsyncIterator[list[Any]], name: str
) -> web.StreamResponse:
    """Send a table as a file; whatever is slow is done beside the loop."""
    response = web.StreamResponse()
    response.content_type, _, charset = sheets.MEDIA[form].partition("; charset=")
    if charset:
        response.charset = charset
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in name)
    response.headers["Content-Disposition"] = f'attachment; filename="{safe}.{form}"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    writer = sheets.writer(form, table, visit.lang, training=visit.training)
    head = await asyncio.to_thread(writer.head)
    await response.prepare(visit.request)
    if head:
        await response.write(head)
    async for piece in pieces:
        await still_here(visit)
        if data := await asyncio.to_thread(writer.rows, piece):
            await response.write(data)
    if data := await asyncio.to_thread(writer.tail):
        await response.write(data)
    await response.write_eof()
    return response
