"""The audit log: who did and saw what, found by person, action, target, agency and time.

Promises: read by who has the right, for the agencies it is had for; an export is itself audited
before it begins, and its cells are guarded against formulas. Changes nothing else.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from gateway.console import auditwords as words
from gateway.console.pages import BASE, Answer, Group, Lang, Nav, Page, Section, Shown, Visit, Whose
from gateway.console.sections.delegation import time_of
from gateway.console.transfers import still_here
from gateway.domain.access import Right
from gateway.ports.accounts import AuditLog, AuditQuery, AuditRow, Trail
from gateway.reports.advice import Words
from gateway.reports.sheets import Form, writer
from gateway.reports.tables import Column, Kind, Table

LOG: Final = f"{BASE}/audit"
_NAMES: Final = ("actor", "action", "target", "agency", "since", "until")
_PIECE: Final = 200
_SHEET: Final = Table(
    Words("Nhật ký", "Audit log"),
    (
        Column("at", Words("Thời điểm", "When"), Kind.MOMENT, 16),
        Column("actor", Words("Người", "Who"), width=16),
        Column("action", Words("Việc", "What"), width=18),
        Column("target", Words("Đối tượng", "Target"), width=30),
        Column("agency", Words("Cơ quan", "Agency"), width=12),
        Column("facts", Words("Chi tiết", "Facts"), width=40),
        Column("entry_id", Words("Mã mục", "Entry"), width=30),
    ),
)


def _asked(visit: Visit) -> AuditQuery:
    since, until = time_of(visit.query("since")), time_of(visit.query("until"))
    return AuditQuery(
        visit.query("actor")[:100],
        visit.query("action")[:60],
        visit.query("target")[:200],
        visit.query("agency")[:50],
        since,
        # A minute is chosen, its seconds are meant too.
        None if until is None else until + timedelta(minutes=1),
    )


@dataclass(frozen=True, slots=True)
class _Pages:
    """The pages, with what they ask."""

    log: AuditLog
    trail: Trail

    async def listing(self, visit: Visit) -> Answer:
        """Show entries, newest first."""
        page = await self.log.entries(visit.me, _asked(visit), after=visit.query("after"))
        asked = {name: visit.query(name) for name in _NAMES}
        query = urlencode({k: v for k, v in asked.items() if v})
        values = {
            "items": page.items,
            "asked": asked,
            "words": words,
            "choices": [("", visit.say("Tất cả", "All"))]
            + [(name, said.to(visit.lang)) for name, said in words.ACTIONS.items()],
            "older": f"{LOG}?{query}&{urlencode({'after': page.after})}" if page.after else "",
            "newer": f"{LOG}?{query}" if visit.query("after") else "",
            "export": f"{LOG}/export?{query}",
        }
        return Shown("audit.html.j2", values)

    async def one(self, visit: Visit) -> Answer:
        """Show one entry with what stands beside it."""
        row = await self.log.one(visit.me, visit.request.match_info["id"])
        return Shown("audit-entry.html.j2", {"row": row, "words": words})

    async def export(self, visit: Visit) -> Answer:
        """Give the entries asked for as CSV, in pieces."""
        query = _asked(visit)
        # Who takes the log away leaves a trace first; what comes after that is not in the file.
        await self.trail.viewed(visit.me, "page:audit", what="export", agency=query.agency)
        query = replace(query, until=min(query.until or visit.now, visit.now))
        page = await self.log.entries(visit.me, query, limit=_PIECE)
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/csv; charset=utf-8",
                "Content-Disposition": 'attachment; filename="nhat-ky.csv"',
            }
        )
        made = writer(Form.CSV, _SHEET, visit.lang, training=visit.training)
        await response.prepare(visit.request)
        await response.write(made.head())
        while True:
            await response.write(made.rows(_cells(row, visit.lang) for row in page.items))
            if not page.after:
                break
            await still_here(visit)
            page = await self.log.entries(visit.me, query, after=page.after, limit=_PIECE)
        await response.write(made.tail())
        await response.write_eof()
        return response


def _cells(row: AuditRow, lang: Lang) -> tuple[Any, ...]:
    done = words.action_text(row.action, lang)
    # The target as it stands: whoever compares the file with the log looks for it.
    facts = words.facts_text(row.facts, lang)
    return row.at, row.actor, done, row.target, row.agency, facts, row.entry_id


def section(log: AuditLog, trail: Trail) -> Section:
    """Return the section."""
    pages = _Pages(log, trail)
    return Section(
        pages=(
            Page("GET", "/audit", "audit", pages.listing, Right.AUDIT),
            Page("GET", "/audit/export", "audit-export", pages.export, Right.AUDIT),
            Page("GET", "/audit/{id}", "audit-entry", pages.one, Right.AUDIT, about=Whose.PROGRAM),
        ),
        nav=(Nav("/audit", "Nhật ký", "Audit log", Group.ADMINISTRATION, Right.AUDIT, order=20),),
    )
