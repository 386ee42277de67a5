"""Search over everything a person may read (RPT-11, RPT-12): words, filters, kept searches.

The bound of what may be read is part of the question itself, so that no page and no count ever
tells of what lies beyond it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from urllib.parse import urlencode

from gateway.console.pages import (
    BASE,
    READS,
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
from gateway.console.sections.widening import searched, wider
from gateway.domain.access import EVERYWHERE, Person, Right
from gateway.domain.lifecycle import (
    ARRIVAL,
    CONSIGNMENT,
    ArrivalState,
    ConsignmentState,
    state_text,
)
from gateway.domain.moments import VIETNAM
from gateway.domain.stretches import FIRST, within
from gateway.domain.wording import Asked, Term, asked, flag, marked, one_of
from gateway.ports.books import Books, Direction, Following, Hit, Question
from gateway.ports.figures import Figures

ROOT: Final = f"{BASE}/search"
PAGE: Final = 50
URGENCY: Final = (
    Say("Thường", "Normal"),
    Say("Khẩn", "Urgent"),
    Say("Thượng khẩn", "Very urgent"),
    Say("Hỏa tốc", "Express"),
    Say("Hỏa tốc hẹn giờ", "Express, timed"),
)
DIRECTIONS: Final[Mapping[Direction, Say]] = {
    "in": Say("Văn bản đến", "Incoming"),
    "out": Say("Văn bản đi", "Outgoing"),
}
SIGNED: Final = {
    "valid": (Say("Chữ ký hợp lệ", "Signature valid"), "good"),
    "invalid": (Say("Chữ ký không hợp lệ", "Signature invalid"), "bad"),
    "unknown": (Say("Chữ ký chưa xác định", "Signature undetermined"), "doubt"),
    "unsigned": (Say("Không ký số", "Not signed"), "none"),
    "paper": (Say("Văn bản giấy", "On paper"), "none"),
}
FIELDS: Final = ("q", "direction", "agency", "from", "to", "type", "urgency", "state", "sender")
_HIDDEN: Final = {ArrivalState.QUARANTINED, ConsignmentState.QUARANTINED}
_FEW: Final = 100
"""Events that are read within the second: nobody waits for them, nobody is told."""


def state_words(direction: str, state: str) -> Say:
    """Return a state in words."""
    try:
        if direction == "in":
            text = state_text(ARRIVAL, ArrivalState(state))
        else:
            text = state_text(CONSIGNMENT, ConsignmentState(state))
    except ValueError:
        return Say(state, state)
    return Say(text.vi, text.en)


def readable(person: Person, directions: Sequence[Direction], agency: str = "") -> Asked:
    """Return what bounds a question to what a person may read (ACC-06).

    Args:
        person: Who asks.
        directions: Which are asked for.
        agency: Only this one's, "" for all of the person's.
    """
    whole = person.agencies(Right.READ) - {EVERYWHERE}
    own = person.agencies(Right.READ_OWN) - whole - {EVERYWHERE}
    mine = Term(flag("account", person.account_id))
    alternatives = [
        (Term(flag(direction, code)), *more)
        for codes, more in ((whole, ()), (own, (mine,)))
        for code in sorted(codes)
        if agency in {"", code}
        for direction in directions
    ]
    return Asked((tuple(alternatives),))


@dataclass(frozen=True, slots=True)
class Searching:
    """The pages."""

    books: Books
    following: Following
    figures: Figures
    names: Callable[[str], str]

    async def page(self, visit: Visit) -> Answer:
        """Show the form and what fits."""
        me = visit.me
        agencies = me.mine(Right.READ, Right.READ_OWN)
        if not agencies:
            raise ForbiddenError("nothing may be read")
        told = {name: visit.query(name)[:200] for name in FIELDS}
        question, faults = question_of(me, told, visit.query("before"), visit.now)
        progress = await self.following.caught_up(0)
        found = await self.books.find(question)
        nothing = not found.hits and not question.before
        words = asked(told["q"]).shown
        choices = await self.books.choices(agencies)
        return Shown(
            "search.html.j2",
            {
                "asked": told,
                "rows": [self._row(hit, words) for hit in found.hits],
                "agencies": [(code, self.names(code)) for code in agencies],
                "types": choices["types"],
                "directions": DIRECTIONS,
                "urgencies": URGENCY,
                "states": _states(),
                "saved": await self.figures.saved(me),
                "query": _query(told),
                "older": _address(told, found.older) if found.older else "",
                "first": _address(told, 0) if question.before else "",
                "faults": faults,
                "searched": searched(told, self._named()) if nothing else (),
                "offers": await self._offers(visit, told) if nothing else (),
                "progress": progress,
                "few": _FEW,
                "limit": question.limit,
            },
        )

    async def _offers(self, visit: Visit, told: Mapping[str, str]) -> list[tuple[Say, str]]:
        """Return questions that ask for more, as far as they find something."""
        offers = []
        for words, changed in wider(told):
            question, _ = question_of(visit.me, changed, "", visit.now)
            found = await self.books.find(replace(question, limit=1))
            if found.hits:
                offers.append((words, _address(changed, 0)))
        return offers

    def _named(self) -> Mapping[str, Callable[[str], Say]]:
        def agency(code: str) -> Say:
            return Say(self.names(code), self.names(code))

        def urgency(number: str) -> Say:
            known = number.isascii() and number.isdigit() and int(number) < len(URGENCY)
            return URGENCY[int(number)] if known else Say(number, number)

        def direction(name: str) -> Say:
            return {str(known): said for known, said in DIRECTIONS.items()}.get(
                name, Say(name, name)
            )

        def state(name: str) -> Say:
            return state_words(*name.split(":", 1)) if ":" in name else Say(name, name)

        return {"agency": agency, "urgency": urgency, "direction": direction, "state": state}

    def _row(self, hit: Hit, words: Sequence[str]) -> dict[str, object]:
        shown = hit.shown
        others = shown.get("from") if hit.direction == "in" else ", ".join(shown.get("to", ()))
        return {
            "hit": hit,
            "path": path_of(hit),
            "code": marked(shown.get("code", ""), words),
            "subject": marked(shown.get("subject", ""), words),
            "others": marked(str(others or "")[:300], words),
            "more": shown.get("to_more", 0),
            "agency": self.names(hit.agency),
            "state": state_words(hit.direction, hit.state),
            "signed": SIGNED[hit.signed],
            "urgency": URGENCY[min(hit.urgency, len(URGENCY) - 1)],
        }

    async def save(self, visit: Visit) -> Answer:
        """Keep a search under a name."""
        query = visit.text("query")[:1000]
        name = visit.text("name")
        back = f"{ROOT}?{query}" if query else ROOT
        if not name:
            told = Say("Hãy đặt tên cho tìm kiếm.", "Give the search a name.")
            return See(back, told, good=False)
        await self.figures.save(visit.me, name, query)
        return See(back, Say("Đã lưu tìm kiếm.", "The search is kept."))

    async def drop(self, visit: Visit) -> Answer:
        """Forget a kept search."""
        await self.figures.drop(visit.me, visit.text("id"))
        return See(ROOT, Say("Đã xóa tìm kiếm đã lưu.", "The kept search is gone."))


def path_of(hit: Hit) -> str:
    """Return the page of a document."""
    return f"{BASE}/{'incoming' if hit.direction == 'in' else 'outgoing'}/{hit.subject}"


def question_of(
    me: Person, told: Mapping[str, str], before: str, now: datetime
) -> tuple[Question, list[Say]]:
    """Return what a filled form asks, within what a person may read, and what is wrong with it."""
    faults: list[Say] = []
    state_of, _, state = told["state"].partition(":")
    chosen = state_of if state and not told["direction"] else told["direction"]
    directions: list[Direction] = [d for d in DIRECTIONS if chosen in {"", d}]
    wanted = readable(me, directions, told["agency"]).both(asked(told["q"]))
    if told["sender"]:
        wanted = wanted.both(asked(told["sender"]))
    exactly = {"type": told["type"], "urgency": told["urgency"]}
    exactly["state"] = state if state_of in directions else ""
    for kind, value in exactly.items():
        if value:
            wanted = wanted.both(one_of(kind, [value]))
    first, last = _day(told["from"], faults), _day(told["to"], faults)
    if first or last:
        next_year = now.astimezone(VIETNAM).year + 1
        wanted = wanted.both(within(first or FIRST, last or date(next_year, 12, 31)))
    question = Question(
        wanted,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else 0,
        limit=PAGE,
    )
    return question, faults


def _day(text: str, faults: list[Say]) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        faults.append(Say(f"“{text}” không phải là ngày.", f"“{text}” is no day."))
        return None


def _states() -> list[tuple[str, Say]]:
    pairs = [("in", s.value) for s in ArrivalState if s not in _HIDDEN]
    pairs += [("out", s.value) for s in ConsignmentState if s not in _HIDDEN]
    return [
        (
            f"{direction}:{state}",
            Say(
                f"{'Đến' if direction == 'in' else 'Đi'}: {state_words(direction, state).vi}",
                f"{direction.capitalize()}: {state_words(direction, state).en}",
            ),
        )
        for direction, state in pairs
    ]


def _query(told: Mapping[str, str]) -> str:
    return urlencode({k: v for k, v in told.items() if v})


def _address(told: Mapping[str, str], before: int) -> str:
    return f"{ROOT}?{_query(dict(told) | ({'before': str(before)} if before else {}))}"


def section(
    books: Books, following: Following, figures: Figures, names: Callable[[str], str]
) -> Section:
    """Return the section."""
    pages = Searching(books, following, figures, names)
    return Section(
        pages=(
            Page("GET", "/search", "search", pages.page, READS),
            Page("POST", "/search/saved", "search-save", pages.save, READS, takes="form"),
            Page("POST", "/search/saved/drop", "search-drop", pages.drop, READS, takes="form"),
        ),
        nav=(Nav("/search", "Tìm kiếm", "Search", Group.CLERK, READS, order=10),),
    )
