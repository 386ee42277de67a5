"""Arrivals on paper (văn bản giấy, RCV-14): the form by which a clerk enters one.

Nothing is written until the form is whole and, where an earlier arrival looks the same, the clerk
said that it is another; then the number is given at once.
"""

import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from gateway.console.frame import check_forgery
from gateway.console.pages import Answer, Page, Say, See, Shown, Visit
from gateway.console.sections import incomingwords as words
from gateway.console.sections.incoming import ROOT, Means
from gateway.domain.access import Right
from gateway.domain.doctypes import DOCUMENT_TYPES
from gateway.domain.moments import VIETNAM
from gateway.domain.precheck import suspected
from gateway.errors import RejectedError
from gateway.ports import FormFile
from gateway.ports.clerk_receive import PaperArrival
from gateway.web.body import Body, Form, Limits

FIELDS: Final = (
    *("once", "agency", "confirmed", "sender_name", "sender_code", "number", "notation"),
    *("promulgation_date", "type_name", "subject", "signer_position", "signer", "urgency"),
    *("pages", "to", "due_on", "came_at", "late_reason"),
)
"""Fields in the order of the form: a browser sends them as they stand, the scan last."""

_URGENCIES: Final = {n: said for n, said in words.ALL["urgencies"].items() if n <= 3}
"""C1: NĐ30 knows no timed one; on paper there is none."""

_ONCE: Final = re.compile("[0-9a-f]{32}")
_LENGTHS: Final = {"subject": 500, "to": 1000, "late_reason": 500, "sender_name": 200}


@dataclass(frozen=True, slots=True)
class IncomingPaper:
    """The form and its target."""

    means: Means
    limits: Limits

    async def form(self, visit: Visit) -> Answer:
        """Show an empty form."""
        agency = visit.query("agency")[:64]
        return await self._form(visit, {"agency": agency})

    async def enter(self, visit: Visit) -> Answer:
        """Read the form; enter what it says, or show it again with its faults."""
        form = Form(
            visit.request,
            Body(visit.request, self.limits, self.limits.max_packet_bytes),
            self.limits,
        )
        token = await form.first("_csrf", "hold the token of the form")
        check_forgery(visit, token.decode("ascii", "replace"))
        typed = {}
        for name in FIELDS:
            raw = await form.first(name, "hold text")
            typed[name] = (
                raw.decode("utf-8", "replace").replace("\0", "").strip()[: _LENGTHS.get(name, 200)]
            )
        agency = typed["agency"]
        visit.must(Right.RECEIVE, agency)
        paper, faults = read_paper(typed)
        receiving = self.means.receiving
        if faults:
            return await self._form(visit, typed, faults=faults)
        if typed["confirmed"] != "1":
            # DID-07: said before a number is given; the clerk decides.
            same = await receiving.alike(agency, paper)
            if same:
                warned = [(suspected(one), one) for one in same]
                return await self._form(visit, typed, same=warned)
        try:
            async with aclosing(form.files(unchosen=True)) as files:
                found = await anext(files, None)
                arrival_id, done = await receiving.enter(visit.me, agency, _with(paper, found))
        except RejectedError as failure:
            if not failure.findings:
                raise
            return await self._form(visit, typed, faults=_faults(failure))
        told = Say(
            ("Đã vào sổ trước đó" if done.repeated else "Đã vào sổ văn bản giấy")
            + f", số đến {done.number}/{done.year}.",
            f"Entered, arrival number {done.number}/{done.year}.",
        )
        return See(f"{ROOT}/{arrival_id}", told)

    async def _form(
        self,
        visit: Visit,
        typed: Mapping[str, str],
        *,
        faults: Mapping[str, Say] | None = None,
        same: Sequence[Any] = (),
    ) -> Shown:
        mine = sorted(visit.me.agencies(Right.RECEIVE) - {""})
        console = await self.means.receiving.local_agencies()
        agencies = [(code, f"{console[code]} ({code})") for code in mine if code in console]
        values = {
            "typed": dict.fromkeys(FIELDS, "") | dict(typed),
            "once": once_of(typed) or secrets.token_hex(16),
            "agencies": agencies,
            "type_choices": [(kind.vi, kind.vi) for kind in DOCUMENT_TYPES],
            "urgency_choices": [
                (str(level), said.to(visit.lang)) for level, said in _URGENCIES.items()
            ],
            "faults": faults or {},
            "same": same,
            **words.ALL,
        }
        return Shown("incoming-paper.html.j2", values, status=422 if faults or same else 200)

    def pages(self) -> tuple[Page, ...]:
        """Return the pages."""
        path, right = "/incoming/paper", Right.RECEIVE
        return (
            Page("GET", path, "incoming-paper", self.form, right),
            Page("POST", path, "incoming-paper-enter", self.enter, right, takes="upload"),
        )


def once_of(typed: Mapping[str, str]) -> str:
    """Return what the form was given to be known by, "" for anything we did not give."""
    given = typed.get("once", "")
    return given if _ONCE.fullmatch(given) else ""


def read_paper(typed: Mapping[str, str]) -> tuple[PaperArrival, dict[str, Say]]:
    """Return what a form says, and what of it cannot be read."""
    faults: dict[str, Say] = {}
    pages = typed["pages"]
    if pages and not (pages.isascii() and pages.isdecimal() and len(pages) <= 5):
        faults["pages"] = Say("Ghi số trang.", "Give the number of pages.")
    paper = PaperArrival(
        sender_name=typed["sender_name"],
        sender_code=typed["sender_code"],
        number=typed["number"],
        notation=typed["notation"],
        promulgation_date=_day(typed, "promulgation_date", faults),
        type_name=typed["type_name"],
        subject=typed["subject"],
        signer=typed["signer"],
        signer_position=typed["signer_position"],
        urgency=int(typed["urgency"]) if typed["urgency"] in {"1", "2", "3"} else 0,
        pages=int(pages) if pages and "pages" not in faults else None,
        to=typed["to"],
        due_on=_day(typed, "due_on", faults),
        came_at=_moment(typed, "came_at", faults),
        late_reason=typed["late_reason"],
        once=once_of(typed),
    )
    return paper, faults


def _day(typed: Mapping[str, str], name: str, faults: dict[str, Say]) -> date | None:
    if not typed[name]:
        return None
    try:
        return date.fromisoformat(typed[name])
    except ValueError:
        faults[name] = words.NO_DAY
        return None


def _moment(typed: Mapping[str, str], name: str, faults: dict[str, Say]) -> datetime | None:
    """Read what `datetime-local` sends: Vietnam's time, without a zone (TIM-01)."""
    if not typed[name]:
        return None
    try:
        found = datetime.fromisoformat(typed[name])
    except ValueError:
        faults[name] = words.NO_DAY
        return None
    return found.replace(tzinfo=VIETNAM) if found.tzinfo is None else found


def _with(paper: PaperArrival, file: FormFile | None) -> PaperArrival:
    if file is None:
        return paper
    return replace(paper, scan=_bytes(file), scan_name=file.name)


async def _bytes(file: FormFile) -> AsyncIterator[bytes]:
    async for chunk in file.chunks:
        yield chunk


def _faults(failure: RejectedError) -> dict[str, Say]:
    """Return findings by field; what belongs to no field stands above the form."""
    found: dict[str, Say] = {}
    for one in failure.findings:
        name = one.where.strip("/")
        key = name if name in FIELDS or name == "scan" else "form"
        found[key] = Say(f"{one.vi} ({one.rule})", f"{one.en} ({one.rule})")
    return found
