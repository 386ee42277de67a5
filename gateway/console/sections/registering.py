"""Registers of NĐ30 PL IV (rules C8): outgoing, incoming, handling; on page, paper and as files.

The columns are those of the law, in its order, filled from what was registered; what only a hand
can fill (who signed for it) stays empty. Every export leaves its audit entry first.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from urllib.parse import urlencode

from gateway.console.exports import all_there, form_of, send
from gateway.console.pages import (
    BASE,
    Answer,
    ForbiddenError,
    Group,
    Nav,
    Page,
    Section,
    Shown,
    Thing,
    Visit,
)
from gateway.console.sections.searching import path_of, state_words
from gateway.domain.access import Right
from gateway.domain.moments import VIETNAM, from_text
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.books import Books, Direction, Following, Hit, Span
from gateway.reports.advice import Words
from gateway.reports.tables import Cell, Column, Kind, Row, Table, shown

ROOT: Final = f"{BASE}/registers"
_PAGE: Final = 100
_PIECE: Final = 500
_SOON_S: Final = 0.3
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2100
_LINKED: Final = frozenset({"subject", "about"})


@dataclass(frozen=True, slots=True)
class Book:
    """One register (sổ): its title, direction and columns."""

    key: str
    title: Words
    direction: Direction
    columns: tuple[Column, ...]
    lines: Callable[[Hit, Mapping[str, Sequence[str]]], Sequence[tuple[Cell, ...]]]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment_day(text: str | None) -> date | None:
    return from_text(text).astimezone(VIETNAM).date() if text else None


def _what(hit: Hit) -> str:
    subject = hit.shown.get("subject", "")
    return f"{hit.type_name}: {subject}" if hit.type_name else str(subject)


def _note(hit: Hit) -> str:
    told = {"recalled": "Đã thu hồi", "returned": "Trả lại", "cancelled": "Đã hủy"}
    return told.get(hit.state, "")


def _sent(hit: Hit, _: Mapping[str, Sequence[str]]) -> Sequence[tuple[Cell, ...]]:
    shown = hit.shown
    names = "; ".join(shown.get("to", ()))
    more = shown.get("to_more", 0)
    line = (
        shown.get("code", ""),
        _day(hit.day),
        _what(hit),
        shown.get("signer", ""),
        f"{names}; và {more} nơi khác" if more else names,
        "",
        shown.get("copies"),
        _moment_day(shown.get("sent_at")),
        "",
        _note(hit),
    )
    return (line,)


def _received(hit: Hit, _: Mapping[str, Sequence[str]]) -> Sequence[tuple[Cell, ...]]:
    shown = hit.shown
    line = (
        _moment_day(shown.get("legal_at") or shown.get("came_at")),
        hit.number,
        shown.get("from", ""),
        shown.get("code", ""),
        _day(hit.day),
        _what(hit),
        shown.get("unit", ""),
        _moment_day(shown.get("unit_at")),
        "",
        _note(hit),
    )
    return (line,)


def _handled(hit: Hit, replies: Mapping[str, Sequence[str]]) -> Sequence[tuple[Cell, ...]]:
    """Return a line for each unit that handles it (RCV-15), one where nobody does yet."""
    shown = hit.shown
    day = f"{_day(hit.day):%d/%m/%Y}" if hit.day else ""
    about = [hit.type_name, shown.get("code", ""), day, shown.get("from", "")]
    answers = [
        *replies.get(shown.get("code", ""), ()),
        *replies.get(shown.get("document_id", ""), ()),
    ]
    units: Sequence[Mapping[str, str]] = shown.get("units") or ({},)
    return [
        (
            hit.number,
            ", ".join(part for part in about if part),
            one.get("unit", ""),
            _day(one.get("due") or shown.get("due") or None),
            state_words("in", hit.state).vi,
            "; ".join(dict.fromkeys(answers)),
            _note(hit),
        )
        for one in units
    ]


_SIGNED_FOR: Final = Column("signed_for", Words("Ký nhận", "Signed for"), width=8)
_REMARK: Final = Column("note", Words("Ghi chú", "Note"), width=9)
BOOKS: Final[Mapping[str, Book]] = {
    book.key: book
    for book in (
        Book(
            "out",
            Words("SỔ ĐĂNG KÝ VĂN BẢN ĐI", "REGISTER OF OUTGOING DOCUMENTS"),
            "out",
            (
                Column("code", Words("Số, ký hiệu văn bản", "Number, notation"), width=13),
                Column("day", Words("Ngày tháng văn bản", "Date"), Kind.DAY, 10),
                Column("subject", Words("Tên loại và trích yếu nội dung", "Subject"), width=36),
                Column("signer", Words("Người ký", "Signer"), width=14),
                Column("to", Words("Nơi nhận văn bản", "Recipients"), width=26),
                Column("kept", Words("Đơn vị, người nhận bản lưu", "Copy kept by"), width=10),
                Column("copies", Words("Số lượng bản", "Copies"), Kind.NUMBER, 7),
                Column("sent", Words("Ngày chuyển", "Sent"), Kind.DAY, 10),
                _SIGNED_FOR,
                _REMARK,
            ),
            _sent,
        ),
        Book(
            "in",
            Words("SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", "REGISTER OF INCOMING DOCUMENTS"),
            "in",
            (
                Column("came", Words("Ngày đến", "Arrived"), Kind.DAY, 10),
                Column("number", Words("Số đến", "No."), Kind.NUMBER, 7),
                Column("from", Words("Tác giả", "Author"), width=20),
                Column("code", Words("Số, ký hiệu văn bản", "Number, notation"), width=13),
                Column("day", Words("Ngày tháng văn bản", "Date"), Kind.DAY, 10),
                Column("subject", Words("Tên loại và trích yếu nội dung", "Subject"), width=36),
                Column("unit", Words("Đơn vị hoặc người nhận", "Unit, person"), width=16),
                Column("handed", Words("Ngày chuyển", "Handed over"), Kind.DAY, 10),
                _SIGNED_FOR,
                _REMARK,
            ),
            _received,
        ),
        Book(
            "handling",
            Words(
                "SỔ THEO DÕI GIẢI QUYẾT VĂN BẢN ĐẾN", "REGISTER OF HANDLING OF INCOMING DOCUMENTS"
            ),
            "in",
            (
                Column("number", Words("Số đến", "No."), Kind.NUMBER, 7),
                Column(
                    "about",
                    Words(
                        "Tên loại, số và ký hiệu, ngày tháng và tác giả văn bản",
                        "Type, number, date, author",
                    ),
                    width=40,
                ),
                Column("unit", Words("Đơn vị hoặc người nhận", "Unit, person"), width=20),
                Column("due", Words("Thời hạn giải quyết", "Due"), Kind.DAY, 11),
                Column("progress", Words("Tiến độ giải quyết", "Progress"), width=18),
                Column(
                    "reply", Words("Số, ký hiệu văn bản trả lời", "Number of the reply"), width=16
                ),
                _REMARK,
            ),
            _handled,
        ),
    )
}


@dataclass(frozen=True, slots=True)
class _Chosen:
    book: Book
    agency: str
    name: str
    span: Span
    period: Words

    @property
    def table(self) -> Table:
        return Table(
            self.book.title,
            self.book.columns,
            (Words(f"{self.name} ({self.agency})", f"{self.name} ({self.agency})"), self.period),
            signers=(Words("BÊN GIAO", "GIVEN BY"), Words("BÊN NHẬN", "TAKEN BY")),
        )

    @property
    def query(self) -> dict[str, str]:
        return {
            "book": self.book.key,
            "agency": self.agency,
            "year": str(self.span.year),
            "month": self.span.month[5:],
        }


@dataclass(frozen=True, slots=True)
class Registers:
    """The pages."""

    books: Books
    following: Following
    trail: Trail
    names: Callable[[str], str]

    async def page(self, visit: Visit) -> Answer:
        """Show a register."""
        chosen = self._chosen(visit)
        progress = await self.following.caught_up(_SOON_S)
        after = _after(visit.query("after"))
        lines, last = await self._lines(chosen, replace(chosen.span, after=after, limit=_PAGE))
        agencies = visit.me.mine(Right.REGISTERS)
        choices = await self.books.choices(agencies)
        query = urlencode(chosen.query)
        older = ""
        if last is not None:
            older = f"{ROOT}?{query}&after={last.number}-{last.place}"
        return Shown(
            "registers.html.j2",
            {
                "book": chosen.book,
                "books": BOOKS,
                "chosen": chosen,
                "agencies": [(code, self.names(code)) for code in agencies],
                "years": sorted({*choices["years"], f"{visit.now.astimezone(VIETNAM):%Y}"})[::-1],
                "rows": [(path_of(hit), _texts(chosen.book, cells)) for hit, cells in lines],
                "older": older,
                "first": f"{ROOT}?{query}" if after != (-1, 0) else "",
                "query": query,
                "progress": progress,
                "numeric": {c.key for c in chosen.book.columns if c.kind is Kind.NUMBER},
            },
        )

    async def export(self, visit: Visit) -> Answer:
        """Give a register as a file, piece by piece."""
        chosen = self._chosen(visit)
        form = form_of(visit)
        period = chosen.span.month or chosen.span.year
        target = f"register:{chosen.agency}:{chosen.book.key}:{period}"
        await self.trail.viewed(visit.me, target, what="export", agency=chosen.agency)
        await all_there(self.following)
        table = replace(chosen.table, made_at=visit.now)
        return await send(visit, form, table, self._pieces(chosen), target.replace(":", "-"))

    async def _pieces(self, chosen: _Chosen) -> AsyncIterator[list[Row]]:
        span = replace(chosen.span, limit=_PIECE)
        while True:
            lines, last = await self._lines(chosen, span)
            yield [cells for _, cells in lines]
            if last is None or last.number is None:
                return
            span = replace(span, after=(last.number, last.place))

    async def _lines(
        self, chosen: _Chosen, span: Span
    ) -> tuple[list[tuple[Hit, tuple[Cell, ...]]], Hit | None]:
        page = await self.books.register(span)
        replies: Mapping[str, Sequence[str]] = {}
        if chosen.book.key == "handling" and page.hits:
            names = {h.shown.get("code", "") for h in page.hits}
            names |= {h.shown.get("document_id", "") for h in page.hits}
            replies = await self.books.replies(chosen.agency, sorted(names - {""}))
        lines = [(hit, line) for hit in page.hits for line in chosen.book.lines(hit, replies)]
        return lines, page.hits[-1] if page.older else None

    async def about(self, visit: Visit) -> Thing:
        """Find the arrival of the path: known to who reads the registers of its agency."""
        hit = await self.books.one(visit.request.match_info["id"])
        if hit is None or hit.direction != "in":
            raise RejectedError(Reason.NOT_FOUND)
        known = visit.me.may(Right.REGISTERS, hit.agency)
        return Thing(hit.agency, f"arrival:{hit.subject}", known, hit)

    async def stamp(self, visit: Visit) -> Answer:
        """Show the stamp “ĐẾN” of an arrival, 35 by 50 mm, to be printed."""
        hit: Hit = visit.thing.found
        shown = hit.shown
        return Shown(
            "register-stamp.html.j2",
            {
                "hit": hit,
                "agency_name": self.names(hit.agency),
                "came": _moment_day(shown.get("legal_at") or shown.get("came_at")),
                "path": path_of(hit),
            },
        )

    def _chosen(self, visit: Visit) -> _Chosen:
        agencies = visit.me.mine(Right.REGISTERS)
        if not agencies:
            raise ForbiddenError("no register may be read")
        agency = visit.query("agency") or agencies[0]
        visit.must(Right.REGISTERS, agency)
        book = BOOKS.get(visit.query("book", "in"))
        today = visit.now.astimezone(VIETNAM).date()
        year, month = visit.query("year") or str(today.year), visit.query("month")
        if (
            book is None
            or not (year.isdecimal() and _FIRST_YEAR <= int(year) <= _LAST_YEAR)
            or (month and not (month.isdecimal() and 1 <= int(month) <= 12))
        ):
            raise RejectedError(Reason.NOT_FOUND)
        part = f"{year}-{int(month):02}" if month else ""
        span = Span(agency, book.direction, int(year), part)
        period = (
            Words(f"Tháng {int(month)} năm {year}", f"Month {int(month)} of {year}")
            if month
            else Words(f"Năm {year}", f"Year {year}")
        )
        return _Chosen(book, agency, self.names(agency), span, period)


def _texts(book: Book, cells: Sequence[Cell]) -> list[tuple[str, str]]:
    """Return cells as text, each with how it is shown: said here once, not by a page a cell."""
    pairs = zip(cells, book.columns, strict=True)
    return [(shown(cell, column.kind), _how(column)) for cell, column in pairs]


def _how(column: Column) -> str:
    if column.key in _LINKED:
        return "link"
    return {Kind.NUMBER: "num", Kind.DAY: "nowrap"}.get(column.kind, "")


def _after(text: str) -> tuple[int, int]:
    number, _, place = text.partition("-")
    if number.isdecimal() and place.isdecimal() and len(text) < 30:
        return int(number), int(place)
    return -1, 0


def section(
    books: Books, following: Following, trail: Trail, names: Callable[[str], str]
) -> Section:
    """Return the section."""
    pages = Registers(books, following, trail, names)
    return Section(
        pages=(
            Page("GET", "/registers", "registers", pages.page, Right.REGISTERS),
            Page("GET", "/registers/export", "register-export", pages.export, Right.REGISTERS),
            Page(
                *("GET", "/registers/stamp/{id}", "register-stamp", pages.stamp, Right.REGISTERS),
                about=pages.about,
                seen="stamp",
            ),
        ),
        nav=(
            Nav("/registers", "Sổ văn bản", "Registers", Group.REPORTS, Right.REGISTERS, order=10),
        ),
    )
