"""The daily log of operation (AUD-02): what was done on each of the last days, and as a file.

Each line says from which entry of the receipt log to which it counts, and its digest stands there.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from gateway.console.auditwords import ACTIONS
from gateway.console.exports import form_of, send
from gateway.console.pages import Answer, Group, Nav, Page, Say, Section, Shown, Visit
from gateway.console.sections.ops_shared import OPS, seeing
from gateway.domain.access import Right
from gateway.ports.accounts import Trail
from gateway.ports.figures import Days, Snapshot
from gateway.reports.advice import Words
from gateway.reports.tables import Cell, Column, Kind, Table

_SHOWN: Final = 31
_EXPORTED: Final = 400
KINDS: Final[Mapping[str, Say]] = {
    "accepted": Say("Văn bản đi tiếp nhận", "Accepted"),
    "numbered": Say("Cấp định danh", "Numbered"),
    "handed_over": Say("Đã chuyển bên nhận, trục", "Handed over"),
    "arrived_at_gateway": Say("Văn bản đến", "Arrived"),
    "entered_system": Say("Vào hệ thống đơn vị", "Entered a system"),
    "status": Say("Trạng thái, hồi báo", "Statuses"),
    "refused": Say("Từ chối", "Refused"),
    "returned": Say("Trả lại", "Returned"),
    "recalled": Say("Thu hồi", "Recalled"),
    "failed": Say("Không gửi được", "Failed"),
    "cancelled": Say("Hủy", "Cancelled"),
    "quarantined": Say("Cách ly", "Quarantined"),
    "purged": Say("Hủy nội dung", "Purged"),
}
_TABLE: Final = Table(
    Words("NHẬT KÝ VẬN HÀNH HẰNG NGÀY", "DAILY LOG OF OPERATION"),
    (
        Column("from_day", Words("Từ ngày", "From"), Kind.DAY, 10),
        Column("day", Words("Ngày", "Day"), Kind.DAY, 10),
        Column("what", Words("Việc", "What"), width=34),
        Column("n", Words("Số lần", "Count"), Kind.NUMBER, 10),
        Column("from_entry", Words("Từ mục", "From entry"), Kind.NUMBER, 12),
        Column("to_entry", Words("Đến trước mục", "Before entry"), Kind.NUMBER, 12),
        Column("sha256", Words("SHA-256", "SHA-256"), width=40),
    ),
)


@dataclass(frozen=True, slots=True)
class DayPages:
    """The page and the file."""

    days: Days
    trail: Trail

    async def page(self, visit: Visit) -> Answer:
        """Show the last days."""
        seeing(visit)
        days = await self.days.days(_SHOWN)
        rows = [(day, _said(day, visit)) for day in days]
        return Shown("ops-days.html.j2", {"rows": rows})

    async def export(self, visit: Visit) -> Answer:
        """Give the last year as a file."""
        seeing(visit)
        form = form_of(visit)
        await self.trail.viewed(visit.me, "days:operation", what="export")
        days = await self.days.days(_EXPORTED)

        async def pieces() -> AsyncIterator[list[tuple[Cell, ...]]]:
            for day in days:
                yield _lines(day, visit)

        return await send(visit, form, _TABLE, pieces(), "nhat-ky-van-hanh")


def _said(day: Snapshot, visit: Visit) -> list[tuple[str, int]]:
    """Return what was done on a day, and how often: documents first."""
    found: list[tuple[str, int]] = []
    for part, names in (("kinds", KINDS), ("acts", ACTIONS)):
        for name, n in day.figures[part].items():
            words = names.get(name)
            found.append((visit.say(words.vi, words.en) if words else name, n))
    return found


def _lines(day: Snapshot, visit: Visit) -> list[tuple[Cell, ...]]:
    figures = day.figures
    since, until = date.fromisoformat(figures["from_day"]), date.fromisoformat(day.period)
    around = (figures["from_entry"], figures["to_entry"], day.sha256)
    nothing = [(visit.say("(không có việc nào)", "(nothing was done)"), 0)]
    return [(since, until, what, n, *around) for what, n in _said(day, visit) or nothing]


def section(days: Days, trail: Trail) -> Section:
    """Return the section."""
    pages, see = DayPages(days, trail), Right.SEE_OPERATIONS
    return Section(
        pages=(
            Page("GET", f"{OPS}/days", "ops-days", pages.page, see),
            Page("GET", f"{OPS}/days/export", "ops-days-export", pages.export, see),
        ),
        nav=(Nav(f"{OPS}/days", "Nhật ký vận hành", "Daily log", Group.OPERATIONS, see, 45),),
    )
