"""What a search found, as a file (RPT-12, PL6-15): the lines of the page, as many as one can use.

The question is the page's own, with its bound of what may be read; the export leaves its audit
entry first. Over the most lines there are, the last one says that there are more.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from gateway.console.exports import all_there, form_of, send
from gateway.console.pages import READS, Answer, ForbiddenError, Page, Say, Section, Visit
from gateway.console.sections.searching import (
    DIRECTIONS,
    FIELDS,
    SIGNED,
    URGENCY,
    question_of,
    state_words,
)
from gateway.domain.access import Right
from gateway.domain.moments import VIETNAM, from_text
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.books import Books, Following, Hit, Question
from gateway.reports.advice import Words
from gateway.reports.tables import Cell, Column, Kind, Table

MOST: Final = 5000
_PIECE: Final = 500
_COLUMNS: Final = (
    Column("agency", Words("Cơ quan", "Agency"), width=18),
    Column("direction", Words("Sổ", "Direction"), width=10),
    Column("number", Words("Số đến", "Arrival number"), Kind.NUMBER, 7),
    Column("code", Words("Số, ký hiệu", "Number, notation"), width=14),
    Column("day", Words("Ngày văn bản", "Date"), Kind.DAY, 10),
    Column("type", Words("Loại văn bản", "Type"), width=12),
    Column("subject", Words("Trích yếu", "Subject"), width=34),
    Column("others", Words("Nơi gửi, nơi nhận", "From, to"), width=24),
    Column("at", Words("Thời điểm", "When"), Kind.MOMENT, 12),
    Column("urgency", Words("Độ khẩn", "Urgency"), width=10),
    Column("state", Words("Trạng thái", "State"), width=14),
    Column("signed", Words("Chữ ký", "Signature"), width=14),
)
_NAMES: Final = {
    "q": Words("Từ tìm", "Words"),
    "direction": Words("Sổ", "Direction"),
    "agency": Words("Cơ quan", "Agency"),
    "type": Words("Loại", "Type"),
    "urgency": Words("Độ khẩn", "Urgency"),
    "state": Words("Trạng thái", "State"),
    "sender": Words("Nơi gửi, nơi nhận", "From, to"),
    "from": Words("Từ ngày", "From"),
    "to": Words("Đến ngày", "To"),
}


@dataclass(frozen=True, slots=True)
class SearchExport:
    """The file of a search."""

    books: Books
    following: Following
    trail: Trail
    names: Callable[[str], str]

    async def export(self, visit: Visit) -> Answer:
        """Give what was found, piece by piece."""
        me = visit.me
        if not me.mine(Right.READ, Right.READ_OWN):
            raise ForbiddenError("nothing may be read")
        told = {name: visit.query(name)[:200] for name in FIELDS}
        question, faults = question_of(me, told, "", visit.now)
        if faults:
            raise RejectedError(Reason.BAD_REQUEST, faults[0].en)
        form = form_of(visit)
        await self.trail.viewed(me, "search:export", what="export", agency=told["agency"])
        await all_there(self.following)
        notes = [
            Words(f"{name.vi}: {told[key]}", f"{name.en}: {told[key]}")
            for key, name in _NAMES.items()
            if told.get(key)
        ]
        title = Words("KẾT QUẢ TÌM KIẾM VĂN BẢN", "DOCUMENTS FOUND")
        table = Table(title, _COLUMNS, tuple(notes), visit.now)
        day = visit.now.astimezone(VIETNAM).date()
        return await send(visit, form, table, self._pieces(visit, question), f"tim-kiem-{day}")

    async def _pieces(
        self, visit: Visit, question: Question
    ) -> AsyncIterator[list[tuple[Cell, ...]]]:
        left = MOST
        while True:
            page = await self.books.find(replace(question, limit=min(_PIECE, left)))
            left -= len(page.hits)
            yield [self._cells(hit, visit) for hit in page.hits]
            if not page.older:
                return
            if left <= 0:
                more = visit.say(
                    f"Còn nữa: tệp dừng ở {MOST} văn bản; hãy thu hẹp tìm kiếm",
                    f"There are more: a file ends at {MOST} documents; narrow the search",
                )
                yield [tuple(more if c.key == "subject" else None for c in _COLUMNS)]
                return
            question = replace(question, before=page.older)

    def _cells(self, hit: Hit, visit: Visit) -> tuple[Cell, ...]:
        def said(words: Say) -> str:
            return visit.say(words.vi, words.en)

        found = hit.shown
        others = found.get("from") if hit.direction == "in" else "; ".join(found.get("to", ()))
        if found.get("to_more") and hit.direction == "out":
            others = visit.say(
                f"{others} và {found['to_more']} nơi khác",
                f"{others} and {found['to_more']} more",
            )
        return (
            self.names(hit.agency),
            said(DIRECTIONS[hit.direction]),
            hit.number if hit.direction == "in" else None,
            str(found.get("code", "")),
            _day(hit.day),
            hit.type_name,
            str(found.get("subject", "")),
            str(others or ""),
            _moment(hit.at),
            said(URGENCY[min(hit.urgency, len(URGENCY) - 1)]),
            said(state_words(hit.direction, hit.state)),
            said(SIGNED[hit.signed][0]),
        )


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment(text: str) -> datetime | None:
    return from_text(text).astimezone(VIETNAM) if text else None


def section(
    books: Books, following: Following, trail: Trail, names: Callable[[str], str]
) -> Section:
    """Return the section."""
    pages = SearchExport(books, following, trail, names)
    return Section(pages=(Page("GET", "/search/export", "search-export", pages.export, READS),))
