"""Files of an incoming document: pages as pictures, downloads, the whole report, receipts.

Downloads open in no tab of ours.
"""

import json
from dataclasses import dataclass

from gateway.console import files
from gateway.console.pages import (
    READS,
    Answer,
    Handler,
    Page,
    Shown,
    Visit,
)
from gateway.console.sections.incoming import ROOT, Means
from gateway.console.transfers import download, saved
from gateway.domain.marking import told
from gateway.errors import Reason, RejectedError
from gateway.ports import Packet


@dataclass(frozen=True, slots=True)
class IncomingFiles:
    """Everything of a document that is not the page itself."""

    means: Means

    async def file(self, visit: Visit) -> Answer:
        """Give one file to be saved."""
        return await download(visit, await self._file(visit))

    async def packet(self, visit: Visit) -> Answer:
        """Give the packet as it came."""
        arrival_id = visit.request.match_info["id"]
        return await download(visit, await self.means.receiving.packet(arrival_id))

    async def view(self, visit: Visit) -> Answer:
        """Show one page of a file, with the ways to the others."""
        number = _number(visit.query("page", "1"))
        packet = await self._file(visit)
        found, why = await files.look(self.means.studio.previews, packet, number)
        index = visit.request.match_info["index"]
        return Shown(
            "incoming-view.html.j2",
            {
                "name": packet.name,
                "arrival_id": visit.request.match_info["id"],
                "root": ROOT,
                "index": index,
                "number": number,
                "count": found.pages,
                "picture": found.picture,
                "why": why,
            },
        )

    async def picture(self, visit: Visit) -> Answer:
        """Give one page as a picture."""
        number = _number(visit.request.match_info["page"])
        return await files.picture(self.means.studio.previews, await self._file(visit), number)

    async def report(self, visit: Visit) -> Answer:
        """Give the whole signature report, as a page or on paper."""
        arrival_id, receiving = visit.request.match_info["id"], self.means.receiving
        letter = await receiving.letter(arrival_id)

        async def fetch(index: int) -> Packet:
            return await receiving.file(arrival_id, index)

        return await files.report(
            visit, self.means.studio, arrival_id, letter.verification, letter.arrival, fetch
        )

    async def receipts(self, visit: Visit) -> Answer:
        """Give the receipts with their proofs, to be kept."""
        arrival_id = visit.request.match_info["id"]
        found = await self.means.receiving.receipts(arrival_id)
        body = json.dumps(
            told(found, training=visit.training), ensure_ascii=False, indent=1
        ).encode()
        return saved(f"hoi-bao-{arrival_id}.json", body, "application/json")

    async def _file(self, visit: Visit) -> Packet:
        index = int(visit.request.match_info["index"])
        return await self.means.receiving.file(visit.request.match_info["id"], index)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        one = "/incoming/{id}"
        file = one + r"/files/{index:\d{1,4}}"
        picture = file + r"/pages/{page:\d{1,4}}.png"

        def page(path: str, name: str, handler: Handler, seen: str) -> Page:
            return Page("GET", path, name, handler, READS, about=self.means.about, seen=seen)

        return (
            page(file, "incoming-file", self.file, "file"),
            page(f"{file}/view", "incoming-view", self.view, "preview"),
            page(picture, "incoming-picture", self.picture, "preview"),
            page(f"{one}/packet", "incoming-packet", self.packet, "file"),
            page(f"{one}/verification", "incoming-report", self.report, "report"),
            page(f"{one}/receipts", "incoming-receipts", self.receipts, "receipts"),
        )


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 4):
        raise RejectedError(Reason.NOT_FOUND)
    return int(text)
