"""Makes verification reports for the web: facts from the desk's answers, pictures, the form asked.

Stores nothing. A picture that cannot be drawn is left out; the words never wait for it longer than
the renderer's own limit.
"""

import asyncio
from collections.abc import (
    Awaitable,
    Callable,
    Container,
    Iterable,
    Mapping,
    Sequence,
)
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from gateway.ports import Json, Packet
from gateway.reports.advice import Words
from gateway.reports.model import Contact, DocumentFacts, Dossier, Scanned, Subject
from gateway.reports.printing import PrintedReport, Printer
from gateway.reports.renderers import FORMS, Form
from gateway.rules.appearance import APPEARANCE_RULES
from gateway.rules.holders import HOLDER_RULES
from gateway.trust.pictures import NO_PICTURES, Pictures, Wanted, wanted
from gateway.trust.render import from_json
from gateway.trust.report import VerificationReport
from gateway.web.previews import Previews, spool
from gateway.web.scratch import Scratch

_MAX_DRAWN_BYTES: Final = 64 << 20
_MAX_DRAWN_FILES: Final = 4

Fetch = Callable[[int], Awaitable[Packet]]


class Painter(Protocol):
    """Draws pages; `gateway.verifier.pictures.PageRenderer` does."""

    async def draw(self, path: Path, wanted: Sequence[Wanted]) -> Pictures:
        """Return pictures; never raises for what the file does."""
        ...


class Studio:
    """Turns what the desk says into reports.

    Args:
        contact: The technician named in reports.
        gateway: Name of this gateway.
        painter: Draws pages; None for reports without pictures.
        scratch: Where a file lies while its pages are drawn; None: no pictures of stored files.
        printer: Seals what is printed; None: printed reports are not sealed.
        previews: Pages of stored files as pictures, for persons; None where nobody looks.
        training: Whether all data are for training: every report says so.
    """

    def __init__(
        self,
        contact: Contact | None = None,
        gateway: str = "",
        painter: Painter | None = None,
        scratch: Scratch | None = None,
        printer: Printer | None = None,
        *,
        previews: Previews | None = None,
        training: bool = False,
    ) -> None:
        self.training = training
        self.previews = previews
        self._printer = printer
        self._contact = contact or Contact()
        self._gateway = gateway
        self._painter = painter
        self._scratch = scratch

    async def of_document(
        self,
        form: Form,
        verification: Json,
        document: Json,
        *,
        lang: str,
        fetch: Fetch,
        only: int | None = None,
    ) -> Dossier:
        """Return the dossier of a stored document.

        Args:
            form: The form it is for.
            verification: As `ports.Desk` answers it.
            document: The document or arrival, likewise.
            lang: Language shown first.
            fetch: Returns the packet of a file by index, for pictures.
            only: Index of the one file wanted, None for all.
        """
        pending = verification["verdict"] == "pending"
        subjects: list[Subject] = []
        for file in verification["files"]:
            if only is None or file["index"] == only:
                drawn = form.pictures and len(subjects) < _MAX_DRAWN_FILES
                subjects.append(await self._subject(file, fetch if drawn else None))
        facts = facts_of(document, verification["legal_class"] or "", pending=pending)
        return Dossier(
            *(tuple(subjects), facts, self._contact, lang, self._gateway),
            training=self.training,
        )

    async def print(self, dossier: Dossier) -> PrintedReport:
        """Return the report on paper, sealed if this gateway seals."""
        if self._printer is None:
            return PrintedReport(await asyncio.to_thread(FORMS["pdf"].render, dossier))
        return await self._printer.printed(dossier)

    async def of_upload(self, name: str, report: VerificationReport, path: Path) -> Dossier:
        """Return the dossier of a file that belongs to nothing."""
        pictures = await self._drawn(report, path)
        subject = Subject(name, report, 0, pictures)
        return Dossier(
            *((subject,), None, self._contact, "vi", self._gateway), training=self.training
        )

    async def _subject(self, file: Mapping[str, Any], fetch: Fetch | None) -> Subject:
        given = file["report"]
        report = None if given is None else from_json(given)
        links: dict[int, str] = {}
        pictures = NO_PICTURES
        if report is not None:
            links = {
                k: f"verification/files/{file['index']}/signed/{k}"
                for k, signature in enumerate(report.signatures)
                if signature.revision_end
            }
            if fetch is not None and self._scratch is not None and wanted(report):
                pictures = await self._fetched(report, fetch, file["index"])
        scan = file.get("scan")
        told = (
            None
            if scan is None
            else Scanned(
                scan["result"], scan["signature"], scan["reason"], scan["engine"], scan["at"]
            )
        )
        return Subject(file["name"], report, file["index"], pictures, links, told)

    async def _fetched(self, report: VerificationReport, fetch: Fetch, index: int) -> Pictures:
        packet = await fetch(index)
        if packet.size_bytes > _MAX_DRAWN_BYTES or self._scratch is None or self._painter is None:
            return NO_PICTURES
        with self._scratch.file() as path:
            await spool(path, packet.chunks)
            return await self._drawn(report, path)

    async def _drawn(self, report: VerificationReport, path: Path) -> Pictures:
        if self._painter is None or report.size_bytes > _MAX_DRAWN_BYTES:
            return NO_PICTURES
        return await self._painter.draw(path, wanted(report))


def facts_of(document: Json, legal_class: str, *, pending: bool) -> DocumentFacts:
    """Return what a report tells of a document or arrival as the desk shapes it."""
    at = document.get("at_gateway_at") or document.get("accepted_at") or ""
    found = document.get("findings") or ()
    return DocumentFacts(
        document_id=document.get("document_id") or "",
        legal_class=legal_class,
        code=document.get("code") or "",
        subject=document.get("subject") or "",
        sender=document.get("sender_name") or document.get("sender") or "",
        arrived_at=datetime.fromisoformat(at) if at else None,
        pending=pending,
        holders=_said(found, HOLDER_RULES),
        appearance=_said(found, APPEARANCE_RULES),
    )


def _said(findings: Iterable[Mapping[str, str]], rules: Container[str]) -> tuple[Words, ...]:
    return tuple(Words(f["vi"], f["en"]) for f in findings if f["rule"] in rules)


def negotiated(accept: str, asked: str | None) -> Form:
    """Return the form a caller wants: `?format=`, then `Accept`, JSON when it is all the same.

    Args:
        accept: The `Accept` header, "" when there is none.
        asked: Value of `format`, already known to be a form's name, or None.
    """
    if asked is not None:
        return FORMS[asked]
    wishes = _wishes(accept)
    order = sorted(FORMS.values(), key=lambda form: form.name != "json")
    return max(order, key=lambda form: _quality(form.media, wishes))


def _wishes(accept: str) -> dict[str, float]:
    wishes: dict[str, float] = {}
    for item in accept.lower().split(",")[:30]:
        media, *parameters = (part.strip() for part in item.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if media:
            wishes[media] = quality
    return wishes or {"*/*": 1.0}


def _quality(media: str, wishes: Mapping[str, float]) -> float:
    for pattern in (media, f"{media.partition('/')[0]}/*", "*/*"):
        if pattern in wishes:
            return wishes[pattern]
    return 0.0
