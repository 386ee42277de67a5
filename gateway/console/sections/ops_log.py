"""The receipt log: listed, filtered, exported; and bundles that anybody checks offline.

Promises: a list and an export look at a bounded number of entries and say when there are more; an
export is recorded before its first byte; a bundle is the one of `vanlien receipts export`, with a
tree head signed now. An export cut short by a crash does not pass `vanlien receipts verify`.
"""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.console.auditwords import action_text
from gateway.console.pages import BASE, Answer, Group, Lang, Nav, Page, Say, Section, Shown, Visit
from gateway.console.sections.ops_shared import OPS, seeing
from gateway.domain.access import Right
from gateway.domain.moments import VIETNAM
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.operations import LogAsked, LogEntry, Operating, OpsDesk
from gateway.receipts.log import Kind
from gateway.reports.advice import Words
from gateway.reports.sheets import MEDIA, Form, write
from gateway.reports.tables import Column, Table
from gateway.reports.tables import Kind as CellKind

_PAGE: Final = 50
_MOST: Final = 5000
_CHUNK: Final = 500
_IN_MEMORY: Final = 4 << 20
_SENT: Final = 1 << 18
_LONGEST: Final = 200
_FOR_PERSONS: Final = frozenset({Form.PDF, Form.DOCX, Form.XLSX})
_COLUMNS: Final = (
    Column("index", Words("Thứ tự", "Index"), CellKind.NUMBER, 8),
    Column("at", Words("Thời điểm", "At"), CellKind.MOMENT, 16),
    Column("kind", Words("Loại", "Kind"), width=16),
    Column("document_id", Words("Mã văn bản", "Document id"), width=28),
    Column("subject", Words("Đối tượng", "Subject"), width=34),
    Column("actor", Words("Người làm", "By"), width=14),
    Column("action", Words("Việc", "Action"), width=16),
    Column("chain_hash", Words("Mã băm chuỗi", "Chain hash"), width=20),
)

KINDS: Final[Mapping[Kind, Say]] = {
    Kind.ACCEPTED: Say("Cổng tiếp nhận", "Accepted"),
    Kind.NUMBERED: Say("Cấp số phát hành", "Numbered"),
    Kind.HANDED_OVER: Say("Bên nhận đã lấy", "Handed over"),
    Kind.ARRIVED_AT_GATEWAY: Say("Đến cổng", "Arrived at the gateway"),
    Kind.ENTERED_SYSTEM: Say("Vào hệ thống của đơn vị", "Entered the agency's system"),
    Kind.STATUS: Say("Trạng thái, hồi báo", "Status"),
    Kind.REFUSED: Say("Cổng từ chối", "Refused"),
    Kind.FAILED: Say("Không gửi được", "Failed"),
    Kind.CANCELLED: Say("Hủy gửi", "Cancelled"),
    Kind.RETURNED: Say("Bị trả lại", "Returned"),
    Kind.RECALLED: Say("Thu hồi", "Recalled"),
    Kind.RESENT: Say("Gửi lại", "Sent again"),
    Kind.VERIFIED: Say("Kết quả kiểm tra chữ ký", "Verified"),
    Kind.QUARANTINED: Say("Cách ly", "Set apart"),
    Kind.RELEASED: Say("Phát hành", "Issued"),
    Kind.PURGED: Say("Hủy nội dung", "Content let go"),
    Kind.AUDIT: Say("Nhật ký", "Audit"),
    Kind.KEY_CHANGED: Say("Đổi khóa", "Key changed"),
    Kind.RESTORED: Say("Phục hồi", "Restored"),
    Kind.HEAD_STAMPED: Say("Đóng dấu thời gian đầu sổ", "Head time-stamped"),
}


class LogPages:
    """Handlers of the receipt log."""

    def __init__(self, desk: OpsDesk, operating: Operating, trail: Trail) -> None:
        self._desk = desk
        self._operating = operating
        self._trail = trail

    async def listed(self, visit: Visit) -> Answer:
        """Show a page of entries, newest first."""
        seeing(visit)
        fields = _fields(visit)
        entries, older = await self._desk.log(_asked(fields), before=_cursor(visit), limit=_PAGE)
        path = f"{BASE}{OPS}/receipts"
        values = {
            "entries": entries,
            "filter": fields,
            "kinds": [("", visit.say("Mọi loại", "All"))]
            + [(kind.value, visit.say(said.vi, said.en)) for kind, said in KINDS.items()],
            "kind_words": {kind.value: said for kind, said in KINDS.items()},
            "older": f"{path}?{urlencode({**fields, 'before': older})}" if older else "",
            "export": f"{path}/export?{urlencode(fields)}",
            "bundle": f"{path}/bundle?{urlencode({'document': fields['document']})}",
        }
        return Shown("ops-receipts.html.j2", values)

    async def export(self, visit: Visit) -> Answer:
        """Send the entries that match as a file."""
        seeing(visit)
        fields = _fields(visit)
        form = _form(visit.query("form", "csv"))
        await self._trail.viewed(visit.me, "receipts:log", what="export")
        rows, more = await self._all(_asked(fields))
        notes = [Words(f"Lọc: {v}", f"Filter: {v}") for v in fields.values() if v]
        if more:
            notes.append(
                Words(
                    f"Chỉ có {_MOST} mục mới nhất; hãy thu hẹp bộ lọc",
                    f"Only the newest {_MOST} entries; narrow the filter",
                )
            )
        table = Table(Words("SỔ HỒI BÁO", "RECEIPT LOG"), _COLUMNS, tuple(notes), made_at=visit.now)
        # Persons read words; machines get the codes of the log.
        told = visit.lang if form in _FOR_PERSONS else None
        cells = [_row(entry, told) for entry in rows]
        data = await asyncio.to_thread(
            write, form, table, cells, visit.lang, training=visit.training
        )
        return _file(data, MEDIA[form], f"so-hoi-bao.{form.value}")

    async def _all(self, asked: LogAsked) -> tuple[Sequence[LogEntry], bool]:
        found: list[LogEntry] = []
        before: int | None = None
        while len(found) < _MOST:
            entries, before = await self._desk.log(asked, before=before, limit=_CHUNK)
            found += entries
            if before is None:
                return found, False
        return found[:_MOST], True

    async def bundle(self, visit: Visit) -> Answer:
        """Send a proof bundle: of one document, or of the whole log."""
        seeing(visit)
        document = visit.query("document")[:_LONGEST] or None
        target = f"document:{document}" if document else "receipts:log"
        await self._trail.viewed(visit.me, target, what="export")
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as out:
            await self._operating.bundle(out, document=document)  # type: ignore[arg-type]
            headers = {"Content-Disposition": 'attachment; filename="hoi-bao.jsonl"'}
            response = web.StreamResponse(headers=headers)
            response.content_type = "application/jsonl"
            response.content_length = out.tell()
            await response.prepare(visit.request)
            out.seek(0)
            while data := await asyncio.to_thread(out.read, _SENT):
                await response.write(data)
            await response.write_eof()
            return response


def _file(data: bytes, media: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": media}
    return web.Response(body=data, headers=headers)


def _row(entry: LogEntry, lang: Lang | None) -> tuple[str | int | datetime | None, ...]:
    if lang is not None:
        known = {kind.value: said.to(lang) for kind, said in KINDS.items()}
        kind = known.get(entry.kind, entry.kind)
        entry = replace(entry, kind=kind, action=action_text(entry.action, lang))
    return tuple(getattr(entry, column.key) for column in _COLUMNS)


def _form(text: str) -> Form:
    try:
        return Form(text)
    except ValueError as exc:
        raise RejectedError(Reason.BAD_REQUEST, f"unknown form {text!r}") from exc


def _fields(visit: Visit) -> dict[str, str]:
    names = ("kind", "document", "subject", "since", "until")
    fields = {name: visit.query(name)[:_LONGEST] for name in names}
    if fields["kind"] not in set(Kind):
        fields["kind"] = ""
    return fields


def _asked(fields: Mapping[str, str]) -> LogAsked:
    until = _day(fields["until"])
    return LogAsked(
        kind=fields["kind"],
        document=fields["document"],
        subject=fields["subject"],
        since=_day(fields["since"]),
        until=None if until is None else until + timedelta(days=1),
    )


def _day(text: str) -> datetime | None:
    """Return the beginning of a day in Vietnam, None for none."""
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), VIETNAM)
    except ValueError as exc:
        raise RejectedError(Reason.BAD_REQUEST, f"Ngày sai: {text} / not a day: {text}") from exc


def _cursor(visit: Visit) -> int | None:
    text = visit.query("before")
    if not text:
        return None
    if not text.isdecimal() or int(text) >= 1 << 63:
        raise RejectedError(Reason.BAD_REQUEST, "not a cursor")
    return int(text)


def section(desk: OpsDesk, operating: Operating, trail: Trail) -> Section:
    """Return the section."""
    pages = LogPages(desk, operating, trail)
    see = Right.SEE_OPERATIONS
    path = f"{OPS}/receipts"
    return Section(
        pages=(
            Page("GET", path, "ops-receipts", pages.listed, see),
            Page("GET", f"{path}/export", "ops-receipts-export", pages.export, see),
            Page("GET", f"{path}/bundle", "ops-receipts-bundle", pages.bundle, see),
        ),
        nav=(Nav(path, "Sổ hồi báo", "Receipt log", Group.OPERATIONS, see, 40),),
    )
