"""Which counter a number comes from, and that no number is given twice.

Promises: an outgoing document counts in the year it is dated, an incoming one in the year it
arrives, both by Vietnam's calendar; a counter goes up by one, never down and never back. The ledger
does the same step inside its transaction, so a crash between "taken" and "used" cannot happen:
both are one commit.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from gateway.domain.moments import VIETNAM
from gateway.errors import Reason, RejectedError

ISSUE_SERIES: Final = "issue"
"""Series of the identifier's ordinal: every outgoing document of the agency (DID-02b)."""

ARRIVAL_SERIES: Final = "arrival"
"""Series of số đến, the arrival number (DID-04)."""

FIRST_YEAR: Final = 1945
"""Oldest year a document of this State can bear."""

LAST_YEAR: Final = 2999


@dataclass(frozen=True, slots=True)
class CounterKey:
    """Names one counter: canonical agency code, year, series."""

    agency: str
    year: int
    series: str


@dataclass(frozen=True, slots=True)
class CounterState:
    """How far a counter has come; `last` is the last number given, 0 before the first."""

    last: int = 0

    def take(self) -> tuple["CounterState", int]:
        """Return the counter one further, and the number it gave.

        Source: DID-01, DID-02: consecutive, from 1, never reused.
        """
        number = self.last + 1
        return CounterState(number), number

    def advanced_to(self, last: int) -> "CounterState":
        """Return the counter set for going live mid-year; `last` counts as already given.

        Raises:
            RejectedError: CONFLICT when this would go down and give numbers out again.
        Source: DID-01.
        """
        if last < self.last:
            raise RejectedError(
                Reason.CONFLICT,
                f"the counter stands at {self.last} and cannot go down to {last}: "
                "numbers would be given twice",
            )
        return CounterState(last)


def issue_year(promulgation_date: date) -> int:
    """Return the year a document counts in: its own date, never the clock.

    Dated 31 December and released the next morning takes the old year's next number.

    Raises:
        ValueError: the year cannot be that of a document.
    Source: DID-01, DID-02.
    """
    if isinstance(promulgation_date, datetime):
        raise TypeError("a promulgation date is a day, not an instant")
    return _plausible(promulgation_date.year)


def arrival_year(entered_at: datetime) -> int:
    """Return the year an arrival counts in, by Vietnam's calendar.

    Raises:
        ValueError: `entered_at` is naive.
    Source: DID-04, TIM-01.
    """
    if entered_at.tzinfo is None:
        raise ValueError("naive instant")
    return _plausible(entered_at.astimezone(VIETNAM).year)


def issue_counter(agency: str, promulgation_date: date) -> CounterKey:
    """Return the counter of the identifier's ordinal.

    DID-02b: one counter over all outgoing documents of the year, whatever series their own numbers
    belong to; the document's number never comes from it.
    """
    return CounterKey(agency, issue_year(promulgation_date), ISSUE_SERIES)


def arrival_counter(agency: str, entered_at: datetime) -> CounterKey:
    """Return the counter of the arrival number (số đến), shared by paper and electronic arrivals.

    Source: DID-04 (NĐ30 art 22.2).
    """
    return CounterKey(agency, arrival_year(entered_at), ARRIVAL_SERIES)


def document_counter(agency: str, promulgation_date: date, series: str) -> CounterKey:
    """Return the counter of a document's own number in one number series (DID-02).

    Raises:
        ValueError: `series` is empty or one of the gateway's own.
    """
    if not series or series in {ISSUE_SERIES, ARRIVAL_SERIES}:
        raise ValueError(f"not a number series of documents: {series!r}")
    return CounterKey(agency, issue_year(promulgation_date), f"document:{series}")


def _plausible(year: int) -> int:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(f"year {year} cannot be the year of a document")
    return year
