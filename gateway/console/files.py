"""What persons look at instead of a stranger's file: pages as pictures, the signature report.

Promises: no byte of a document is ever shown as itself; a page is a PNG drawn in the sandbox, a
report is our own page or paper. The caller has asked for rights and recorded the view.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from aiohttp import web

from gateway.console.pages import Say, Visit
from gateway.errors import Reason, RejectedError
from gateway.ports import Json, Packet
from gateway.reports.build import build
from gateway.reports.model import DocumentView
from gateway.reports.renderers import FORMS
from gateway.web.previews import Preview, Previews
from gateway.web.studio import Studio
from gateway.web.verifications import page as report_page
from gateway.web.verifications import paper as report_paper

Fetch = Callable[[int], Awaitable[Packet]]

WHY: Final = {
    "not-pdf": Say(
        "Chỉ tệp PDF được hiển thị dưới dạng ảnh. Tải tệp về để mở bằng phần mềm phù hợp.",
        "Only PDF files are shown as pictures. Download the file to open it.",
    ),
    "too-large": Say(
        "Tệp quá lớn để hiển thị. Tải tệp về để xem.",
        "The file is too large to be shown. Download it.",
    ),
    "no-such-page": Say("Không có trang này.", "There is no such page."),
    "not-drawn": Say(
        "Không vẽ được trang này: tệp hỏng, có mật khẩu hoặc quá phức tạp. Tải tệp về để xem.",
        "This page cannot be drawn: the file is damaged, has a password or is too complex.",
    ),
    "no-previews": Say(
        "Hệ thống chưa bật hiển thị trang. Tải tệp về để xem.",
        "Pages are not shown on this gateway. Download the file.",
    ),
}


def looks_like_pdf(name: str, content_type: str) -> bool:
    """Tell whether a file is worth asking for a picture; what it really is is seen when drawn."""
    return name.lower().endswith(".pdf") or content_type.lower() == "application/pdf"


async def look(
    previews: Previews | None, packet: Packet, number: int
) -> tuple[Preview, Say | None]:
    """Return one page, and in words why there is none."""
    if previews is None:
        return Preview(), WHY["no-previews"]
    found = await previews.page(packet, number)
    return found, WHY[found.why] if found.why else None


async def picture(previews: Previews | None, packet: Packet, number: int) -> web.Response:
    """Answer with a page as PNG.

    Raises:
        RejectedError: NOT_FOUND where there is none.
    """
    found, _ = await look(previews, packet, number)
    if found.picture is None:
        raise RejectedError(Reason.NOT_FOUND)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"}
    return web.Response(body=found.picture.png, content_type="image/png", headers=headers)


async def panel(visit: Visit, studio: Studio, verification: Json, document: Json) -> DocumentView:
    """Return the model of the signature panel; nothing is drawn for it."""

    async def nothing(_: int) -> Packet:
        raise RejectedError(Reason.NOT_FOUND)

    dossier = await studio.of_document(
        FORMS["json"], verification, document, lang=visit.lang, fetch=nothing
    )
    return await asyncio.to_thread(build, dossier)


async def report(  # noqa: PLR0917
    visit: Visit, studio: Studio, name: str, verification: Json, document: Json, fetch: Fetch
) -> web.Response:
    """Answer with the whole report: a page, or sealed paper with `?format=pdf`."""
    form = FORMS["pdf" if visit.query("format") == "pdf" else "html"]
    dossier = await studio.of_document(form, verification, document, lang=visit.lang, fetch=fetch)
    # The parts that were signed are had from the API; here a link would lead nowhere.
    dossier = replace(dossier, files=tuple(replace(f, signed_links={}) for f in dossier.files))
    if form.name == "pdf":
        return report_paper(await studio.print(dossier), name)
    return report_page(form, await asyncio.to_thread(form.render, dossier))
