"""Who plays, what came of it: the values of a conformance run. Pure."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.ports import Adapter

if TYPE_CHECKING:
    from gateway.conformance.bench import Bench


@dataclass(frozen=True, slots=True)
class Side:
    """One system that plays.

    Args:
        code: Agency it plays for.
        system_id: How it signs in.
        secret: What it shows.
    """

    code: str
    system_id: str
    secret: bytes


@dataclass(frozen=True, slots=True)
class Parties:
    """Who plays.

    Args:
        sender: The sending side.
        to: Agency it sends to.
        recipient: The system behind `to`, where it is ours; None: nobody looks what arrives.
        also: Another agency behind the recipient's system, "" for none.
        locked: A locked agency, "" for none.
        unknown: A code nobody has.
        foreign: An agency the sender does not speak for, "" for none.
        max_bytes: Largest packet the system takes, None when not told.
    """

    sender: Side
    to: str
    recipient: Side | None = None
    also: str = ""
    locked: str = ""
    unknown: str = "H99.99.99"
    foreign: str = ""
    max_bytes: int | None = None

    @property
    def apart(self) -> bool:
        """Tell whether two different systems play."""
        return self.recipient is not None and self.recipient.system_id != self.sender.system_id


Connect = Callable[[str, bytes], Adapter]
"""Makes a client for a system id and a secret."""


class Level(StrEnum):
    """How binding a rule is (RFC 2119)."""

    MUST = "must"
    SHOULD = "should"


class State(StrEnum):
    """What came of a case."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_PLAYED = "not-played"


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the card.

    Args:
        id: `send-and-fetch`, or `send-and-fetch.codes` for one remark of it.
        vi: What is asked, Vietnamese.
        en: The same in English.
        level: How binding.
        rules: Where it is written.
        state: What came of it.
        why_vi: What went wrong, or why it was not played.
        why_en: The same in English.
        took_s: How long it took.
    """

    id: str
    vi: str
    en: str
    level: Level
    rules: tuple[str, ...]
    state: State
    why_vi: str = ""
    why_en: str = ""
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Case:
    """One thing asked of a system; `play` raises BrokenError or NotPlayedError."""

    id: str
    vi: str
    en: str
    level: Level
    rules: tuple[str, ...]
    play: Callable[["Bench"], Awaitable[None]]


class BrokenError(Exception):
    """The system does not do what is asked."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi
        self.en = en


class NotPlayedError(Exception):
    """The case needs something that was not given."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi = vi
        self.en = en
