"""Deciding about working time: what the pages of the calendar ask for.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.access import Person
from gateway.domain.timetable import Effect
from gateway.domain.worktime import OfficeHours, Session


@dataclass(frozen=True, slots=True)
class NewHours:
    """Office hours to be entered.

    Args:
        agency: Canonical code, "" for all.
        week: Weekday (0 is Monday) to its sessions.
        valid_from: First day, not before tomorrow: what was stamped stays.
        valid_to: Last day, None without end.
        source: The document that says so, such as `Quyết định 12/2026`.
        confirmed: Whether who enters them also confirms them.
    """

    agency: str
    week: Mapping[int, tuple[Session, ...]]
    valid_from: date
    valid_to: date | None = None
    source: str = ""
    confirmed: bool = True


@dataclass(frozen=True, slots=True)
class HoursEntry:
    """Office hours that were entered."""

    id: str
    agency: str
    week: Mapping[int, tuple[Session, ...]]
    valid_from: date | None
    valid_to: date | None
    source: str
    entered_by: str
    entered_at: datetime
    confirmed_by: str
    confirmed_at: datetime | None


@dataclass(frozen=True, slots=True)
class DayEntry:
    """A day off or made up, whoever says so.

    Args:
        day: The day.
        worked: Whether offices are open.
        name: What is celebrated, or why.
        source: Document; "" for a holiday of the law or of the settings.
        decided_by: Login of who decided; "" for what is known without a person.
        confirmed: Whether the day is certain.
    """

    day: date
    worked: bool
    name: str
    source: str
    decided_by: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class YearView:
    """One year of the calendar."""

    year: int
    days: Sequence[DayEntry]
    confirmed_by: str
    confirmed_at: datetime | None
    complete: bool


class Timekeeping(Protocol):
    """Reads and decides. Every change is audited and counts on all nodes within a second.

    Raises (every change):
        RejectedError: BAD_REQUEST with what is wrong; NOT_FOUND; CONFLICT when somebody else
            decided meanwhile.
    """

    def hours(self, agency: str) -> OfficeHours:
        """Return the hours of an agency as they count now."""
        ...

    async def entries(self, agency: str) -> Sequence[HoursEntry]:
        """Return the hours entered for an agency ("" for all), newest first."""
        ...

    async def year(self, year: int) -> YearView:
        """Return a year's days off and days made up."""
        ...

    async def effect_of_hours(self, new: NewHours) -> Sequence[Effect]:
        """Return what entering hours would change, for the agency (for "" : where none differ)."""
        ...

    async def effect_of_day(self, day: date, *, worked: bool, agency: str) -> Sequence[Effect]:
        """Return what deciding about a day would change for an agency."""
        ...

    async def enter_hours(self, person: Person, new: NewHours) -> str:
        """Enter office hours; return their id."""
        ...

    async def confirm_hours(self, person: Person, entry_id: str) -> None:
        """Confirm hours that were entered."""
        ...

    async def end_hours(self, person: Person, entry_id: str) -> None:
        """Take hours back from tomorrow on; what was stamped stays."""
        ...

    async def decide_day(
        self, person: Person, day: date, *, worked: bool, name: str, source: str
    ) -> None:
        """Make a day off or a working day (TIM-05, TIM-06); today and later days only."""
        ...

    async def confirm_year(self, person: Person, year: int) -> None:
        """Confirm that all holidays of a year are in (TIM-05)."""
        ...
