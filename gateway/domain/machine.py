"""The engine under the tables of `gateway.domain.lifecycle`.

Promises: a state moves only along a row of its table; what is real but moves nothing (a late,
repeated or backward status) is listed under `stays`, never an error; anything else is a bug of the
caller and raises `IllegalTransitionError`. A table that contradicts itself cannot be built. Pure:
a crash leaves nothing behind.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from gateway.errors import Reason, RejectedError

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Text(NamedTuple):
    """A state in words, Vietnamese and English."""

    vi: str
    en: str


class IllegalTransitionError(RejectedError):
    """The table has no row for this state and event."""

    def __init__(self, table: str, state: str, event: str) -> None:
        self.table = table
        self.state = state
        self.event = event
        super().__init__(
            Reason.ILLEGAL_TRANSITION, f"{table}: {event} is not possible in state {state}"
        )


@dataclass(frozen=True, slots=True)
class Table(Generic[S, E]):
    """One state machine.

    Args:
        name: English name, used in errors and the drawn documentation.
        states: The state enum.
        events: The event enum.
        initial: States a new thing may begin in.
        rows: `(state, event) -> next state`.
        stays: Pairs that are recorded and move nothing, with the reason why.
        settled: States in which nothing more is owed; a late event may still move some of them.
        texts: Every state in words.
    """

    name: str
    states: type[S]
    events: type[E]
    initial: frozenset[S]
    rows: Mapping[tuple[S, E], S]
    stays: Mapping[tuple[S, E], str]
    settled: frozenset[S]
    texts: Mapping[S, Text]

    def __post_init__(self) -> None:
        """Refuse a table whose rows and stays overlap, or with a state without words."""
        both = self.rows.keys() & self.stays.keys()
        if both:
            raise ValueError(f"{self.name}: pairs that move and stay: {sorted(both)}")
        wordless = set(self.states) - self.texts.keys()
        if wordless:
            raise ValueError(f"{self.name}: states without words: {sorted(wordless)}")


def advance(table: Table[S, E], state: S, event: E) -> S:
    """Return the next state; the same one where the event moves nothing.

    Raises:
        IllegalTransitionError: the table knows no such step.
    Source: STS-07 for what moves nothing.
    """
    following = table.rows.get((state, event))
    if following is not None:
        return following
    if (state, event) in table.stays:
        return state
    raise IllegalTransitionError(table.name, state, event)


def moves_nothing(table: Table[S, E], state: S, event: E) -> bool:
    """Return whether the event is recorded without moving the state (STS-07)."""
    return (state, event) in table.stays


def allows(table: Table[S, E], state: S, event: E) -> bool:
    """Return whether `advance` would answer, moving or not."""
    return (state, event) in table.rows or (state, event) in table.stays


def settled(table: Table[S, E], state: S) -> bool:
    """Return whether nothing more is owed in this state."""
    return state in table.settled


def state_text(table: Table[S, E], state: S) -> Text:
    """Return the state in words, Vietnamese and English."""
    return table.texts[state]


def rows(*lines: tuple[Iterable[S], E, S]) -> dict[tuple[S, E], S]:
    """Spread lines of (many states, event, next state) into rows.

    Raises:
        ValueError: a pair was said twice.
    """
    spread: dict[tuple[S, E], S] = {}
    for states, event, following in lines:
        for state in states:
            if (state, event) in spread:
                raise ValueError(f"row said twice: {state} {event}")
            spread[state, event] = following
    return spread


def stays(*lines: tuple[Iterable[S], Iterable[E], str]) -> dict[tuple[S, E], str]:
    """Spread lines of (many states, many events, why) into pairs that move nothing.

    Raises:
        ValueError: a pair was said twice.
    """
    spread: dict[tuple[S, E], str] = {}
    for states, events, why in lines:
        for state in states:
            for event in events:
                if (state, event) in spread:
                    raise ValueError(f"stay said twice: {state} {event}")
                spread[state, event] = why
    return spread
