"""Statistics of sending and receiving (RPT-02, RPT-12), and months frozen for good (RPT-09).

Figures are those the books keep; a frozen month is shown as it was, with what differs today beside
it. Every export and every look at frozen figures leaves its audit entry first.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from gateway.console import charts
from gateway.console.charts import Chart, Series
from gateway.console.exports import all_there, form_of, send
from gateway.console.pages import (
    BASE,
    Answer,
    ForbiddenError,
    Group,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
)
from gateway.console.sections.searching import DIRECTIONS, SIGNED, state_words
from gateway.domain.access import EVERYWHERE, Right
from gateway.domain.moments import VIETNAM, to_text
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import Trail
from gateway.ports.books import Books, Count, Following
from gateway.ports.figures import Figures, Snapshot
from gateway.reports.advice import Words
from gateway.reports.tables import Column, Kind, Row, Table, shown

ROOT: Final = f"{BASE}/statistics"
MOST_MONTHS: Final = 36
_SOON_S: Final = 0.3
OUTCOMES: Final[Mapping[str, tuple[Say, str]]] = {
    "on-time": (Say("Đúng hạn", "On time"), "good"),
    "late": (Say("Trễ hạn", "Late"), "bad"),
    "open": (Say("Chưa xong", "Open"), "doubt"),
    "none": (Say("Không tính hạn", "Nothing due"), "none"),
}
_COLUMNS: Final = (
    Column("agency", Words("Cơ quan", "Agency"), width=14),
    Column("month", Words("Tháng", "Month"), Kind.MONTH, 8),
    Column("direction", Words("Sổ", "Direction"), width=10),
    Column("type", Words("Loại văn bản", "Type"), width=20),
    Column("state", Words("Trạng thái", "State"), width=20),
    Column("signed", Words("Chữ ký", "Signature"), width=16),
    Column("outcome", Words("Thời hạn", "Deadline"), width=12),
    Column("n", Words("Số văn bản", "Documents"), Kind.NUMBER, 9),
)


_SIGNERS: Final = (
    Words("NGƯỜI LẬP", "MADE BY"),
    Words("THỦ TRƯỞNG CƠ QUAN", "HEAD OF THE AGENCY"),
)


@dataclass(frozen=True, slots=True)
class _Chosen:
    agencies: tuple[str, ...]
    agency: str
    first: str
    last: str

    @property
    def query(self) -> str:
        return urlencode({"agency": self.agency, "from": self.first, "to": self.last})


@dataclass(frozen=True, slots=True)
class Statistics:
    """The pages."""

    books: Books
    following: Following
    figures: Figures
    trail: Trail
    names: Callable[[str], str]
    everybody: Callable[[], Sequence[str]]

    async def page(self, visit: Visit) -> Answer:
        """Show the figures of a period."""
        chosen = self._chosen(visit)
        progress = await self.following.caught_up(_SOON_S)
        counts = await self.books.together(chosen.agencies, chosen.first, chosen.last)
        shares = (
            await self.books.shares(chosen.agencies, chosen.first, chosen.last)
            if len(chosen.agencies) > 1
            else {}
        )
        overdue = await self.books.overdue(
            chosen.agencies, chosen.first, chosen.last, to_text(visit.now)
        )
        months = _months(chosen.first, chosen.last)
        may = self._mine(visit)
        frozen = await self.figures.snapshots(chosen.agency) if chosen.agency else ()
        held = {one.period for one in frozen}
        return Shown(
            "statistics.html.j2",
            {
                "chosen": chosen,
                "query": chosen.query,
                "agencies": [(code, self.names(code)) for code in may],
                "total": _total(counts),
                "overdue": overdue,
                "parts": self._parts(visit, counts, shares),
                "charts": self._charts(visit, counts, months),
                "progress": progress,
                "frozen": frozen,
                "over": [m for m in months if m < _month_of(visit) and m not in held],
                "is_empty": not counts,
            },
        )

    def _parts(
        self, visit: Visit, counts: Sequence[Count], shares: Mapping[tuple[str, str], int]
    ) -> list[tuple[str, list[Any]]]:
        """Return tables: what it is by, and rows of a name and how many came in and went out."""
        say = visit.say
        by: list[tuple[str, Callable[[Count], str]]] = [
            (
                say("Theo loại văn bản", "By type"),
                lambda c: c.type_name or say("(không ghi)", "(none)"),
            ),
            (
                say("Theo trạng thái", "By state"),
                lambda c: state_words(c.direction, c.state).to(visit.lang),
            ),
            (say("Theo chữ ký số", "By signature"), lambda c: SIGNED[c.signed][0].to(visit.lang)),
            (say("Theo thời hạn", "By deadline"), lambda c: OUTCOMES[c.outcome][0].to(visit.lang)),
        ]
        parts = [(title, _table((name(c), c.direction, c.n) for c in counts)) for title, name in by]
        if len({agency for agency, _ in shares}) > 1:
            own = ((self.names(agency), way, n) for (agency, way), n in shares.items())
            parts.insert(0, (say("Theo cơ quan", "By agency"), _table(own)))
        return parts

    def _charts(self, visit: Visit, counts: Sequence[Count], months: Sequence[str]) -> list[Any]:
        labels = tuple(f"{m[5:]}/{m[2:4]}" for m in months)
        head, figures = visit.say("Tháng", "Month"), visit.say("Số liệu", "Figures")
        flows = tuple(
            Series(words.to(visit.lang), _along(months, (c for c in counts if c.direction == d)))
            for d, words in DIRECTIONS.items()
        )
        outcomes = tuple(
            Series(
                words.to(visit.lang), _along(months, (c for c in counts if c.outcome == key)), tone
            )
            for key, (words, tone) in OUTCOMES.items()
            if key != "none"
        )
        title = visit.say("Văn bản đến và đi theo tháng", "Documents by month")
        late = visit.say("Đúng hạn và trễ hạn theo tháng", "On time and late by month")
        return [
            charts.bars(Chart(title, labels, flows, head=head, figures=figures)),
            charts.bars(Chart(late, labels, outcomes, head=head, figures=figures), stacked=True),
        ]

    async def export(self, visit: Visit) -> Answer:
        """Give the figures as a file."""
        chosen = self._chosen(visit)
        form = form_of(visit)
        target = f"statistics:{chosen.agency or 'all'}:{chosen.first}:{chosen.last}"
        await self.trail.viewed(visit.me, target, what="export", agency=chosen.agency)
        await all_there(self.following)
        counts = await self.books.counts(chosen.agencies, chosen.first, chosen.last)
        issuer = self.names(chosen.agency) if chosen.agency else ""
        whom = Words(issuer or "Tất cả cơ quan", issuer or "All agencies")
        first, last = shown(chosen.first, Kind.MONTH), shown(chosen.last, Kind.MONTH)
        total = sum(count.n for count in counts)
        notes = (
            whom,
            Words(f"Từ tháng {first} đến tháng {last}", f"From {first} to {last}"),
            Words(f"Tổng số văn bản: {total}", f"Documents: {total}"),
        )
        table = Table(
            Words("THỐNG KÊ GỬI, NHẬN VĂN BẢN ĐIỆN TỬ", "STATISTICS OF SENDING AND RECEIVING"),
            _COLUMNS,
            notes,
            visit.now,
            _SIGNERS,
            issuer,
        )
        rows = [_row(c, visit) for c in counts]
        return await send(visit, form, table, _once(rows), target.replace(":", "-"))

    async def freeze(self, visit: Visit) -> Answer:
        """Freeze a month that is over."""
        agency, period = visit.text("agency"), visit.text("period")
        me = visit.must(Right.STATISTICS, agency)
        await self.figures.freeze(agency, period, by=me.login)
        query = urlencode({"agency": agency, "period": period})
        month = shown(period, Kind.MONTH)
        told = Say(f"Đã chốt số liệu tháng {month}.", f"The figures of {month} are frozen.")
        return See(f"{ROOT}/frozen?{query}", told)

    async def frozen(self, visit: Visit) -> Answer:
        """Show a frozen month, and what differs today."""
        snapshot = await self._snapshot(visit)
        await self.trail.viewed(
            visit.me, f"figures:{snapshot.id}", what="page", agency=snapshot.agency
        )
        now = await self.books.counts([snapshot.agency], snapshot.period, snapshot.period)
        before = _frozen_counts(snapshot)
        return Shown(
            "statistics-frozen.html.j2",
            {
                "snapshot": snapshot,
                "agency_name": self.names(snapshot.agency),
                "rows": [(_named(c, visit), c.n) for c in before],
                "total": sum(c.n for c in before),
                "differs": [(_named(c, visit), was, n) for c, was, n in differences(before, now)],
                "query": urlencode({"agency": snapshot.agency, "period": snapshot.period}),
                "back": f"{ROOT}?{urlencode({'agency': snapshot.agency})}",
            },
        )

    async def frozen_export(self, visit: Visit) -> Answer:
        """Give a frozen month as a file: the same figures every time."""
        snapshot = await self._snapshot(visit)
        form = form_of(visit)
        await self.trail.viewed(
            visit.me, f"figures:{snapshot.id}", what="export", agency=snapshot.agency
        )
        month, digest = shown(snapshot.period, Kind.MONTH), f"SHA-256 {snapshot.sha256}"
        notes = (
            Words(f"Tháng {month}", f"Month {month}"),
            Words(digest, digest),
        )
        table = Table(
            Words("SỐ LIỆU ĐÃ CHỐT", "FROZEN FIGURES"),
            _COLUMNS,
            notes,
            None,
            _SIGNERS,
            self.names(snapshot.agency),
        )
        rows = [_row(c, visit) for c in _frozen_counts(snapshot)]
        name = f"figures-{snapshot.agency}-{snapshot.period}"
        return await send(visit, form, table, _once(rows), name)

    async def _snapshot(self, visit: Visit) -> Snapshot:
        agency, period = visit.query("agency"), visit.query("period")
        visit.must(Right.STATISTICS, agency)
        for one in await self.figures.snapshots(agency):
            if one.period == period:
                return one
        raise RejectedError(Reason.NOT_FOUND)

    def _mine(self, visit: Visit) -> list[str]:
        everywhere = EVERYWHERE in visit.me.agencies(Right.STATISTICS)
        return sorted(self.everybody()) if everywhere else visit.me.mine(Right.STATISTICS)

    def _chosen(self, visit: Visit) -> _Chosen:
        mine = self._mine(visit)
        if not visit.me.may_anywhere(Right.STATISTICS):
            raise ForbiddenError("no statistics")
        agency = visit.query("agency")
        if agency:
            visit.must(Right.STATISTICS, agency)
        elif len(mine) == 1:
            agency = mine[0]
        last = _checked(visit.query("to")) or _month_of(visit)
        first = _checked(visit.query("from")) or f"{last[:4]}-01"
        months = _months(first, last)
        if not months or len(months) > MOST_MONTHS:
            first = last
        return _Chosen((agency,) if agency else tuple(mine), agency, first, last)


def differences(before: Sequence[Count], now: Sequence[Count]) -> list[tuple[Count, int, int]]:
    """Return what is counted differently: a kind, how many there were, how many there are."""
    was = {_kind(c): c for c in before}
    are = {_kind(c): c for c in now}
    found = []
    for key in sorted(was.keys() | are.keys()):
        one = was.get(key) or are[key]
        n, m = (kept[key].n if key in kept else 0 for kept in (was, are))
        if n != m:
            found.append((one, n, m))
    return found


def _kind(c: Count) -> tuple[str, ...]:
    return (c.direction, c.type_name, c.state, c.signed, c.outcome)


def _frozen_counts(snapshot: Snapshot) -> list[Count]:
    rows: Sequence[Mapping[str, Any]] = snapshot.figures["rows"]
    return [Count(agency=snapshot.agency, month=snapshot.period, **row) for row in rows]


def _named(c: Count, visit: Visit) -> list[str]:
    return [
        DIRECTIONS[c.direction].to(visit.lang),
        c.type_name,
        state_words(c.direction, c.state).to(visit.lang),
        SIGNED[c.signed][0].to(visit.lang),
        OUTCOMES[c.outcome][0].to(visit.lang),
    ]


def _row(c: Count, visit: Visit) -> Row:
    return (c.agency, c.month, *_named(c, visit), c.n)


def _table(named: Iterable[tuple[str, str, int]]) -> list[tuple[str, int, int]]:
    """Return a name, how many came in, how many went out; of names, directions and numbers."""
    came: Counter[str] = Counter()
    went: Counter[str] = Counter()
    for name, direction, n in named:
        (came if direction == "in" else went)[name] += n
    keys = sorted(came.keys() | went.keys(), key=lambda k: (-came[k] - went[k], k))
    return [(key, came[key], went[key]) for key in keys[:50]]


def _total(counts: Iterable[Count]) -> Counter[str]:
    total: Counter[str] = Counter()
    for c in counts:
        total[c.direction] += c.n
        total[c.outcome] += c.n
        total[c.signed] += c.n
    return total


def _along(months: Sequence[str], counts: Iterable[Count]) -> tuple[float, ...]:
    by: Counter[str] = Counter()
    for c in counts:
        by[c.month] += c.n
    return tuple(float(by[m]) for m in months)


def _months(first: str, last: str) -> list[str]:
    year, month = int(first[:4]), int(first[5:])
    found: list[str] = []
    while (text := f"{year:04}-{month:02}") <= last and len(found) <= MOST_MONTHS:
        found.append(text)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def _checked(text: str) -> str:
    year, dash, month = text.partition("-")
    fits = len(year) == 4 and len(month) == 2 and dash and text.isascii()
    good = fits and year.isdigit() and month.isdigit() and year >= "2000" and "01" <= month <= "12"
    return text if good else ""


def _month_of(visit: Visit) -> str:
    return f"{visit.now.astimezone(VIETNAM):%Y-%m}"


async def _once(rows: list[Row]) -> AsyncIterator[list[Row]]:
    yield rows


def section(
    books: Books,
    following: Following,
    figures: Figures,
    trail: Trail,
    *,
    names: Callable[[str], str],
    everybody: Callable[[], Sequence[str]],
) -> Section:
    """Return the section."""
    pages = Statistics(books, following, figures, trail, names, everybody)
    right = Right.STATISTICS
    return Section(
        pages=(
            Page("GET", "/statistics", "statistics", pages.page, right),
            Page("GET", "/statistics/export", "statistics-export", pages.export, right),
            Page(
                "POST", "/statistics/freeze", "statistics-freeze", pages.freeze, right, takes="form"
            ),
            Page("GET", "/statistics/frozen", "statistics-frozen", pages.frozen, right),
            Page("GET", "/statistics/frozen/export", "frozen-export", pages.frozen_export, right),
        ),
        nav=(Nav("/statistics", "Thống kê", "Statistics", Group.REPORTS, right, order=20),),
    )
