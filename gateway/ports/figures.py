"""What persons keep of search and statistics: saved searches, frozen figures of a month.

Protocols and the frozen values crossing them; nothing here does anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.domain.access import Person

MOST_SAVED = 50
"""Searches one person may keep."""


@dataclass(frozen=True, slots=True)
class SavedSearch:
    """A search somebody kept (RPT-11): the query part of its address."""

    id: str
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Figures of a month as they were (RPT-09).

    Args:
        id: Of the row.
        agency: Whose.
        period: `2026-11`.
        made_at: When they were frozen, ledger text.
        made_by: Login, or `vanlien` at the end of the month.
        sha256: Of the figures; the receipt log holds it too.
        figures: `{agency, period, rows: [{direction, type_name, state, signed, outcome, n}]}`.
        whole: Whether the figures still have that digest.
    """

    id: str
    agency: str
    period: str
    made_at: str
    made_by: str
    sha256: str
    figures: Mapping[str, Any]
    whole: bool


class Days(Protocol):
    """The log of operation, a day a row (AUD-02)."""

    async def days(self, limit: int) -> Sequence[Snapshot]:
        """Return the last days, the newest first."""
        ...


class Figures(Protocol):
    """Kept searches and figures. UnavailableError: the ledger cannot be used."""

    async def saved(self, person: Person) -> Sequence[SavedSearch]:
        """Return a person's searches by name."""
        ...

    async def save(self, person: Person, name: str, query: str) -> None:
        """Keep a search under a name; the one before of that name goes.

        Raises:
            RejectedError: BAD_REQUEST: no name, or `MOST_SAVED` are kept.
        """
        ...

    async def drop(self, person: Person, search_id: str) -> None:
        """Forget one of the person's own searches."""
        ...

    async def snapshots(self, agency: str) -> Sequence[Snapshot]:
        """Return an agency's frozen months, newest first."""
        ...

    async def freeze(self, agency: str, period: str, *, by: str) -> Snapshot:
        """Freeze the figures of a month that is over; one frozen before stays as it is.

        Raises:
            RejectedError: BAD_REQUEST: the month is not over.
            UnavailableError: The books are behind the ledger.
        """
        ...
