"""Many accounts at once, from CSV or XLSX: the list is compared and shown, then confirmed.

Promises: nothing is done while anything is wrong, nor anything but what was shown; invitations are
shown once. The list travels with the confirmation, nothing is kept between.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from gateway.console.frame import check_forgery
from gateway.console.pages import Answer, Page, Say, Section, Shown, Visit
from gateway.console.sections.faults import faults_of
from gateway.console.sections.people import MANAGES, link_to
from gateway.domain.access import ROLE_TEXTS
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import AccountLists

MOST_BYTES: Final = 160_000
"""What fits into the form that confirms; some thousand lines. More: `vanlien user import`."""

_NONE: Final = Say("Hãy chọn một tệp CSV hoặc XLSX.", "Choose a CSV or XLSX file.")
_WORDS: Final = {
    "add": Say("thêm", "add"),
    "change": Say("sửa", "change"),
    "same": Say("không đổi", "same"),
}


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    lists: AccountLists

    async def ask(self, visit: Visit) -> Answer:
        """Show the form."""
        return _asking()

    async def plan(self, visit: Visit) -> Answer:
        """Show what the list would do; nothing is done yet."""
        data = await _file(visit)
        if not data:
            return _asking(_NONE)
        plan = await self.lists.plan(visit.me, data)
        shown = [line for line in plan.lines if line.action != "same"]
        values = {
            "plan": plan,
            "lines": shown,
            "same": len(plan.lines) - len(shown),
            "words": _WORDS,
            "data": base64.urlsafe_b64encode(data).decode(),
        }
        return Shown("people-import-plan.html.j2", values, 422 if plan.faults else 200)

    async def take(self, visit: Visit) -> Answer:
        """Do what was shown."""
        try:
            data = base64.urlsafe_b64decode(visit.text("data").encode())
        except (ValueError, binascii.Error) as exc:
            raise RejectedError(Reason.BAD_REQUEST, "the list cannot be read") from exc
        try:
            made = await self.lists.take(visit.me, data, visit.text("token"))
        except RejectedError as refused:
            if refused.reason is Reason.FORBIDDEN:
                raise
            return _asking(*faults_of(refused))
        invited = [(one, link_to(visit, one.token)) for one in made]
        return Shown("people-import-done.html.j2", {"invited": invited})


def _asking(*faults: Say) -> Shown:
    """Return the form, with what is wrong and the words a list may use."""
    values = {"faults": faults, "roles": ROLE_TEXTS}
    return Shown("people-import.html.j2", values, 422 if faults else 200)


async def _file(visit: Visit) -> bytes:
    """Return the file of the form, whose first field is its token.

    Raises:
        RejectedError: It is not our form, or too large.
    """
    if visit.request.content_type != "multipart/form-data":
        raise RejectedError(Reason.BAD_REQUEST, "a form with a file is wanted")
    try:
        reader = await visit.request.multipart()
        token = await _part(await reader.next(), "_csrf", 200)
        check_forgery(visit, token.decode("ascii", "replace"))
        return await _part(await reader.next(), "file", MOST_BYTES)
    except (AssertionError, ValueError, BadHttpMessage, web.HTTPBadRequest) as exc:
        raise RejectedError(Reason.BAD_REQUEST, "the form cannot be read") from exc


async def _part(part: object, name: str, most: int) -> bytes:
    if not isinstance(part, BodyPartReader) or part.name != name:
        raise RejectedError(Reason.BAD_REQUEST, f"the field {name} is missing")
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > most:
            raise RejectedError(Reason.TOO_LARGE, "the list is too large for a form")
    return bytes(data)


def section(lists: AccountLists) -> Section:
    """Return the section."""
    pages, path = _Pages(lists), "/people/import"
    return Section(
        pages=(
            Page("GET", path, "people-import", pages.ask, MANAGES),
            Page("POST", path, "people-import-plan", pages.plan, MANAGES, takes="upload"),
            Page("POST", f"{path}/take", "people-import-take", pages.take, MANAGES, takes="form"),
        ),
    )
