"""Decisions about working time as one `Timetable`, read from the ledger when they changed.

Promises: a decision made by any process is seen within a second. A crash leaves nothing behind.
"""

import json
import time
from collections.abc import Callable
from datetime import date

from gateway.domain.timetable import DayRow, HoursRow, Timetable, week_of
from gateway.domain.worktime import HoursPeriod
from gateway.ports import Row
from gateway.store.places import Place, PostgresDatabase
from gateway.store.queries import QUERIES
from gateway.store.registry import Follower, RegistryWatch
from gateway.store.session import Session


class LedgerTimetable:
    """The decisions behind `Context.calendar`.

    Args:
        place: Where the ledger is.
        monotonic: Seconds that never go back.
    """

    def __init__(self, place: Place, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._watch = RegistryWatch(place, monotonic, "timetable_version")
        self._table: Timetable | None = None
        self._follower: Follower[Timetable] | None = None
        if isinstance(place, PostgresDatabase):
            self._follower = Follower(self._watch, _load, monotonic)

    def close(self) -> None:
        """Let go of the ledger."""
        if self._follower is not None:
            self._follower.close()
        self._watch.close()

    def timetable(self) -> Timetable:
        """Return the decisions as of at most a second ago; the same object while none is new.

        Raises:
            UnavailableError: The ledger cannot be read.
        """
        if self._follower is not None:
            return self._follower.value()
        if self._watch.changed() or self._table is None:
            with self._watch.reading() as opened:
                self._table = _load(opened)
        return self._table


def _load(opened: Session) -> Timetable:
    hours = tuple(hours_row(row) for row in opened.rows(QUERIES["office_hours"]))
    days = {row.day: row for row in map(day_row, opened.rows(QUERIES["calendar_days"]))}
    years = frozenset(row["year"] for row in opened.rows(QUERIES["calendar_years"]))
    return Timetable(hours, days, years)


def hours_row(row: Row) -> HoursRow:
    """Return a row of `office_hours`."""
    period = HoursPeriod(
        week_of(json.loads(row["week"])),
        _day(row["valid_from"]),
        _day(row["valid_to"]),
        row["confirmed_at"] is not None,
    )
    return HoursRow(row["id"], row["agency"], period, row["source"])


def day_row(row: Row) -> DayRow:
    """Return a row of `calendar_day`."""
    return DayRow(date.fromisoformat(row["day"]), row["worked"] != 0, row["name"], row["source"])


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
