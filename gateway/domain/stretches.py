"""A stretch of days as properties of a document: whole years and months, and days at its ends.

Promises: a document of a day has three properties, and a stretch asks for as few alternatives as
say it, some sixty at most beside a year each; so an index answers a long stretch as a short one,
without looking at documents outside it. Pure.
"""

from datetime import date, timedelta
from typing import Final

from gateway.domain.wording import Asked, Term, flag

FIRST: Final = date(2000, 1, 1)
LAST: Final = date(2099, 12, 31)
"""Nothing came before or comes after: a stretch ends there."""

_KINDS: Final = (("year", 4), ("month", 6), ("day", 8))


def properties_of(day: date) -> frozenset[str]:
    """Return the terms of a document that came or was sent on a day."""
    text = _digits(day)
    return frozenset(flag(kind, text[:length]) for kind, length in _KINDS)


def within(first: date, last: date) -> Asked:
    """Return the question for a stretch of days, both ends among them; none fits an empty one."""
    day, last = max(first, FIRST), min(last, LAST)
    some = []
    while day <= last:
        kind, length, end = _longest(day, last)
        some.append((Term(flag(kind, _digits(day)[:length])),))
        day = end + timedelta(days=1)
    return Asked((tuple(some),))


def _longest(day: date, last: date) -> tuple[str, int, date]:
    """Return the longest of year, month and day that begins here and does not reach beyond."""
    ends = (date(day.year, 12, 31), _end_of_month(day), day)
    begins = (day.replace(month=1, day=1), day.replace(day=1), day)
    for (kind, length), end, begin in zip(_KINDS, ends, begins, strict=True):
        if begin == day and end <= last:
            return kind, length, end
    raise AssertionError("a day is a stretch")


def _end_of_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def _digits(day: date) -> str:
    return day.isoformat().replace("-", "")
