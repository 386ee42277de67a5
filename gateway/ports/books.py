"""The books: documents as they are searched, registered and counted, beside the ledger.

Everything in them is derived from the ledger and can be made again; the ledger stays the only
truth. Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from gateway.domain.wording import Asked

Direction = Literal["in", "out"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One document as one agency has it: received (`in`) or sent (`out`).

    Args:
        subject: Id of the arrival or the consignment.
        direction: Whether it came in or went out.
        agency: Whose it is.
        at: When it came or was accepted, ledger text.
        month: Month of that in Vietnam, `2026-11`.
        day: Date of the document, ISO, "" for none.
        year: Year of the register.
        number: Arrival number, or ordinal of issue; None while there is none.
        state: Of the arrival or the consignment.
        type_name: Type of document.
        urgency: 0…4.
        signed: `valid`, `invalid`, `unknown`, `unsigned`, or `paper` for what came so.
        partner: Code of the sender; of the first recipient.
        due_at: Until when it was to be done (SND-01, RCV-08), ledger text, "" where nothing is due.
        done_at: When it was, "" while it is not.
        shown: What lists and registers show, JSON-ready.
        terms: What it is found by.
    """

    subject: str
    direction: Direction
    agency: str
    at: str
    month: str
    day: str
    year: int
    number: int | None
    state: str
    type_name: str
    urgency: int
    signed: str
    partner: str
    due_at: str
    done_at: str
    shown: Mapping[str, Any]
    terms: frozenset[str]

    @property
    def outcome(self) -> str:
        """Return `on-time`, `late`, `open`, or `none` where nothing is due."""
        if not self.due_at:
            return "none"
        if not self.done_at:
            return "open"
        return "on-time" if self.done_at < self.due_at else "late"


@dataclass(frozen=True, slots=True)
class Question:
    """A search.

    Args:
        asked: Words and properties, those that bound what the person may read among them.
        before: Only what stands below this place; 0 for the newest.
        limit: How many.
    """

    asked: Asked
    before: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Hit:
    """One document of a page."""

    place: int
    subject: str
    direction: Direction
    agency: str
    at: str
    day: str
    year: int
    number: int | None
    state: str
    type_name: str
    urgency: int
    signed: str
    partner: str
    due_at: str
    outcome: str
    shown: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """A page of hits; `older` is what `before` of the next one is, 0 at the end."""

    hits: Sequence[Hit]
    older: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a register.

    Args:
        agency: Whose.
        direction: Which register.
        year: Its year.
        month: Only this month, `2026-11`, "" for the whole year.
        after: Behind this `(number, place)`.
        limit: How many.
    """

    agency: str
    direction: Direction
    year: int
    month: str = ""
    after: tuple[int, int] = (-1, 0)
    limit: int = 200


@dataclass(frozen=True, slots=True)
class Count:
    """So many documents of one kind."""

    agency: str
    direction: Direction
    month: str
    type_name: str
    state: str
    signed: str
    outcome: str
    n: int


class Mark(NamedTuple):
    """An event of the ledger: its place, and by what it is known again in another ledger."""

    cursor: int
    known_by: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the books follow the ledger: they hold `done` of `all` events.

    Args:
        done: Up to which event.
        all: How many there are.
        making: The part of them that is there while they are made anew, 0 to 1; None when not.
    """

    done: int
    all: int
    making: float | None = None

    @property
    def behind(self) -> int:
        """Return how many events are to be read yet."""
        return max(0, self.all - self.done)


class Following(Protocol):
    """Who keeps the books up with the ledger."""

    async def caught_up(self, timeout_s: float) -> Progress:
        """Return when the books hold what the ledger held at the call, or after `timeout_s`."""
        ...


class Making(Protocol):
    """Books that are made anew beside those in use. UnavailableError: they cannot be written."""

    async def add(self, entries: Sequence[Entry]) -> None:
        """Write entries, each once, in about the order of their documents."""
        ...

    async def done(self, mark: Mark) -> None:
        """Finish: `Books.adopt` takes them over, or whoever opens the books next."""
        ...

    async def drop(self) -> None:
        """Let go; what is not finished is gone."""
        ...


class Books(Protocol):
    """Where entries are kept. UnavailableError: they cannot be read or written."""

    async def mark(self) -> Mark:
        """Return up to which event of the ledger they are kept."""
        ...

    async def put(self, entries: Sequence[Entry], gone: Sequence[str], mark: Mark) -> None:
        """Write entries over those of the same subject, remove `gone`, and move the mark.

        All or nothing; again does nothing new.
        """
        ...

    async def empty(self) -> None:
        """Forget everything: it is brought again from the first event."""
        ...

    def make(self) -> Making:
        """Return books to be made anew; until they are taken over, these stay in use."""
        ...

    async def adopt(self) -> bool:
        """Take over books that were made anew, by whomever; return whether there were any."""
        ...

    async def find(self, question: Question) -> Page:
        """Return a page of what fits, newest first."""
        ...

    async def one(self, subject: str) -> Hit | None:
        """Return one document, None when the books do not hold it."""
        ...

    async def replies(self, agency: str, to: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return number and notation of what an agency sent in reply, by what it answers.

        Args:
            agency: Who answered.
            to: Numbers and notations, or identifiers, of what was answered; at most a page of it.
        """
        ...

    async def register(self, span: Span) -> Page:
        """Return a page of a register, in the order of its numbers."""
        ...

    async def counts(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the counts of some agencies from one month to another; kept, not counted anew."""
        ...

    async def together(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the same of all these agencies together, their `agency` blank.

        However many they are, as many as there are kinds; and so it is for `shares`.
        """
        ...

    async def shares(
        self, agencies: Sequence[str], first: str, last: str
    ) -> Mapping[tuple[str, str], int]:
        """Return how many each agency has in each direction."""
        ...

    async def recount(self, agencies: Sequence[str], first: str, last: str) -> Sequence[Count]:
        """Return the same, counted anew document by document: what `counts` is checked against."""
        ...

    async def overdue(self, agencies: Sequence[str], first: str, last: str, now: str) -> int:
        """Return how many of one month to another are still open though due; kept, not counted."""
        ...

    async def choices(self, agencies: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Return `types` and `years` there are, for filters."""
        ...
