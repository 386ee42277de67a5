"""The catalogue of agencies: looked up, edited, imported; successors; what systems ask for.

Promises: nothing is changed that was not shown first: an edit and a list both become a plan (what
is there, what will be), and what is carried out is that plan and only while the catalogue is as it
says. Cut short, the same list does the rest. Every change has a reason.
"""

import asyncio
import base64
import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from urllib.parse import quote, urlencode

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from gateway.agencycsv import CsvFault
from gateway.console.frame import check_forgery
from gateway.console.pages import (
    BASE,
    Answer,
    Group,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
    Whose,
)
from gateway.console.sections.ops_shared import HOME, OPS, STANDINGS, TONES, acting, seeing
from gateway.domain.access import Right
from gateway.domain.catalogue_plan import BLANK, KINDS, Fields, Listed, Scope, Step, compare
from gateway.domain.succession import Succession
from gateway.errors import Reason, RejectedError
from gateway.ports.operations import Operating, OpsDesk

Reader = Callable[[bytes], tuple[list[Listed], list[CsvFault]]]
"""Reads a list of agencies (CSV): what it says, and every fault in it."""

_PAGE: Final = 50
_UPLOAD: Final = 8 << 20
_PACKED: Final = 200_000
_UNPACKED: Final = 16 << 20
_SHOWN: Final = 300
_LONGEST: Final = 200
_EDITED: Final = ("name", "legacy_code", "parent", "mail", "connected", "numbered_by")


@dataclass(frozen=True, slots=True)
class _Upload:
    """A form with a file."""

    fields: dict[str, str]
    file: bytes


class AgencyPages:
    """Handlers of the catalogue."""

    def __init__(self, desk: OpsDesk, operating: Operating, read: Reader) -> None:
        self._desk = desk
        self._operating = operating
        self._read = read

    async def agencies(self, visit: Visit) -> Answer:
        """Show a page of the catalogue."""
        seeing(visit)
        text, after = visit.query("q")[:_LONGEST], visit.query("after")[:_LONGEST]
        rows = list(await self._desk.agencies(text, after=after, limit=_PAGE + 1))
        more = rows[_PAGE - 1]["code"] if len(rows) > _PAGE else ""
        path = f"{BASE}{OPS}/agencies"
        older = f"{path}?{urlencode({'q': text, 'after': more})}" if more else ""
        waiting = await self._operating.decide(lambda s: s.requests(waiting=True))
        values = {
            "rows": rows[:_PAGE],
            "q": text,
            "older": older,
            "tones": TONES,
            "standings": STANDINGS,
            "asked": len(waiting),
        }
        return Shown("ops-agencies.html.j2", values)

    async def agency(self, visit: Visit) -> Answer:
        """Show one agency, to be edited."""
        seeing(visit)
        code = visit.request.match_info["code"]
        return Shown(
            "ops-agency.html.j2",
            {"one": await self._one(code), "tones": TONES, "standings": STANDINGS},
        )

    async def _one(self, code: str) -> dict[str, Any]:
        found = await self._operating.catalogue(lambda s: s.catalogue().get(code))
        if found is None:
            raise RejectedError(Reason.NOT_FOUND, f"there is no agency {code}")
        return {"code": code, **found}

    async def edit(self, visit: Visit) -> Answer:
        """Show what an edit would change."""
        reason, _ = acting(visit, Right.CONFIGURE)
        code = visit.request.match_info["code"]
        fields = {name: visit.text(name)[:_LONGEST] for name in _EDITED if name in visit.form}
        return await self._planned([Listed(code, fields)], Scope(whole=False), reason)

    async def close(self, visit: Visit) -> Answer:
        """Close a code with whoever took over, lock it, or open a locked one."""
        reason, by = acting(visit, Right.CONFIGURE)
        code, do = visit.request.match_info["code"], visit.text("do")
        if do == "close":
            heirs = [
                Succession(code, heir)
                for heir in visit.text("successors").replace(",", " ").split()
            ]
            until = _day(visit.text("forward_until"))
            await self._operating.catalogue(
                lambda s: s.close_agency(code, heirs, forward_until=until, reason=reason, by=by)
            )
        elif do in {"locked", "active"}:
            status: Any = do
            await self._operating.do(
                lambda s: s.set_agency_status(code, status, successor="", reason=reason, by=by)
            )
        else:
            raise RejectedError(Reason.BAD_REQUEST, f"unknown action {do!r}")
        return See(f"{HOME}/agencies/{quote(code)}", Say(f"Đã sửa {code}", f"{code} is changed"))

    # ------------------------------------------------------------ lists

    async def importing(self, visit: Visit) -> Answer:
        """Show the form for a list."""
        visit.must(Right.CONFIGURE)
        return Shown("ops-import.html.j2", {"faults": ()})

    async def imported(self, visit: Visit) -> Answer:
        """Show what a list would change, or every fault in it."""
        visit.must(Right.CONFIGURE)
        upload = await _upload(visit)
        reason = upload.fields.get("reason", "").strip()
        if not reason or len(reason) > _LONGEST:
            raise RejectedError(Reason.BAD_REQUEST, "Hãy ghi lý do / give a reason")
        listed, faults = await asyncio.to_thread(self._read, upload.file)
        if faults:
            return Shown("ops-import.html.j2", {"faults": faults[:_SHOWN]}, status=422)
        missing = upload.fields.get("close_missing", "") == "yes"
        scope = Scope(close_missing=missing, new={"numbered_by": "gateway"})
        return await self._planned(listed, scope, reason)

    async def _planned(self, listed: list[Listed], scope: Scope, reason: str) -> Answer:
        plan = await self._operating.catalogue(lambda s: compare(s.catalogue(), listed, scope))
        packed = pack(plan.steps)
        values = {
            "plan": plan,
            "steps": plan.steps[:_SHOWN],
            "packed": packed if len(packed) <= _PACKED else "",
            "too_large": len(packed) > _PACKED,
            "blocked": bool(plan.too_many),
            "reason": reason,
        }
        return Shown("ops-plan.html.j2", values)

    async def apply(self, visit: Visit) -> Answer:
        """Carry out a plan that was shown."""
        reason, by = acting(visit, Right.CONFIGURE)
        steps = unpack(visit.text("plan"))
        name = hashlib.sha256(visit.text("plan").encode()).hexdigest()
        done = await self._operating.catalogue(
            lambda s: s.apply(steps, plan=name, reason=reason, by=by)
        )
        if done.differences:
            codes = ", ".join(d.code for d in done.differences[:5])
            told = Say(
                f"Danh mục đã khác so với bản xem trước ({codes}): hãy lập lại",
                f"The catalogue is not as it was shown ({codes}): make the plan anew",
            )
            return See(f"{HOME}/agencies", told, good=False)
        told = Say(
            f"Đã áp dụng {done.done} thay đổi, {done.already} đã có",
            f"{done.done} changes applied, {done.already} there already",
        )
        return See(f"{HOME}/agencies", told)

    # ------------------------------------------------------------ what systems ask

    async def requests(self, visit: Visit) -> Answer:
        """Show what systems ask for."""
        seeing(visit)
        waiting = await self._operating.decide(lambda s: s.requests(waiting=True))
        return Shown("ops-requests.html.j2", {"rows": waiting[:_SHOWN], "count": len(waiting)})

    async def decide(self, visit: Visit) -> Answer:
        """Approve or refuse one."""
        reason, by = acting(visit, Right.CONFIGURE)
        request_id = visit.request.match_info["id"]
        if visit.text("do") == "approve":
            await self._operating.decide(lambda s: s.approve(request_id, reason=reason, by=by))
            told = Say("Đã duyệt", "Approved")
        else:
            await self._operating.decide(lambda s: s.refuse(request_id, reason=reason, by=by))
            told = Say("Đã từ chối", "Refused")
        return See(f"{HOME}/requests", told)


def pack(steps: tuple[Step, ...]) -> str:
    """Return steps as a field of a form keeps them between showing and doing."""
    rows = [[s.code, list(s.kinds), s.before, s.after] for s in steps]
    return base64.b64encode(zlib.compress(json.dumps(rows, default=list).encode())).decode()


def unpack(text: str) -> tuple[Step, ...]:
    """Return the steps again.

    Raises:
        RejectedError: BAD_REQUEST when they are not what `pack` gave.
    """
    try:
        machine = zlib.decompressobj()
        data = machine.decompress(base64.b64decode(text, validate=True), _UNPACKED)
        return tuple(_step(*row) for row in json.loads(data))
    except (ValueError, TypeError, RecursionError, zlib.error) as exc:
        raise RejectedError(Reason.BAD_REQUEST, "the plan cannot be read: make it anew") from exc


def _step(code: Any, kinds: list[str], before: Fields | None, after: Fields) -> Step:
    """Return a step; ValueError for columns and kinds that no plan has: a form can be forged."""
    if not isinstance(code, str) or not set(kinds) <= set(KINDS) or not after:
        raise ValueError(code)
    if not {*(before or ()), *after} <= set(BLANK):
        raise ValueError(code)
    return Step(code, tuple(kinds), None if before is None else dict(before), dict(after))


async def _upload(visit: Visit) -> _Upload:
    """Read a form with one file, bounded; nothing after its first field unless it is ours.

    Raises:
        RejectedError: BAD_REQUEST, TOO_LARGE.
    """
    fields: dict[str, str] = {}
    file, size = b"", 0
    try:
        async for part in await visit.request.multipart():
            if not isinstance(part, BodyPartReader):
                raise RejectedError(Reason.BAD_REQUEST, "nested forms are not read")
            data = bytearray()
            while chunk := await part.read_chunk():
                size += len(chunk)
                if size > _UPLOAD:
                    raise RejectedError(Reason.TOO_LARGE, "the file is too large")
                data += chunk
            if not fields:
                check_forgery(visit, data.decode(errors="replace") if part.name == "_csrf" else "")
            if part.name == "file":
                file = bytes(data)
            else:
                fields[part.name or ""] = data.decode(errors="replace")
    except (AssertionError, ValueError, BadHttpMessage, web.HTTPBadRequest) as exc:
        raise RejectedError(Reason.BAD_REQUEST, "a form with a file is expected") from exc
    if not fields:
        raise RejectedError(Reason.BAD_REQUEST, "a form with a file is expected")
    return _Upload(fields, file)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as exc:
        raise RejectedError(Reason.BAD_REQUEST, f"not a day: {text}") from exc


def section(desk: OpsDesk, operating: Operating, read: Reader) -> Section:
    """Return the section."""
    pages = AgencyPages(desk, operating, read)
    see, configure = Right.SEE_OPERATIONS, Right.CONFIGURE
    path = f"{OPS}/agencies"

    def post(where: str, name: str, handler: Any) -> Page:
        return Page("POST", where, name, handler, configure, takes="form", about=Whose.GATEWAY)

    return Section(
        pages=(
            Page("GET", path, "ops-agencies", pages.agencies, see),
            Page("GET", f"{OPS}/import", "ops-import", pages.importing, configure),
            Page(
                "POST",
                f"{OPS}/import",
                "ops-imported",
                pages.imported,
                configure,
                takes="upload",
            ),
            post(f"{OPS}/import/apply", "ops-plan-apply", pages.apply),
            Page("GET", f"{path}/{{code}}", "ops-agency", pages.agency, see, about=Whose.GATEWAY),
            post(f"{path}/{{code}}", "ops-agency-edit", pages.edit),
            post(f"{path}/{{code}}/status", "ops-agency-status", pages.close),
            Page("GET", f"{OPS}/requests", "ops-requests", pages.requests, see),
            post(f"{OPS}/requests/{{id}}", "ops-request-decide", pages.decide),
        ),
        nav=(
            Nav(path, "Danh mục cơ quan", "Agencies", Group.OPERATIONS, see, 90),
            Nav(f"{OPS}/requests", "Đề nghị đăng ký mã", "Requests", Group.OPERATIONS, see, 95),
        ),
    )
