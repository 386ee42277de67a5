"""Dates as the axes write them, both ways: `dd/MM/yyyy HH:mm:ss`, local, and what else was seen.

Pure, no I/O: a crash leaves nothing behind.
"""

from datetime import datetime
from typing import Final

from gateway.domain.moments import VIETNAM

_FORMS: Final = (
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
)


def date_text(at: datetime | None) -> str:
    """Return `dd/MM/yyyy HH:mm:ss`, local +07:00; "" for None."""
    return "" if at is None else f"{at.astimezone(VIETNAM):%d/%m/%Y %H:%M:%S}"


def read_date(text: str) -> datetime | None:
    """Return the aware instant of a date on this wire, +07:00 where none is said; None if none."""
    at = _any_date(text.strip())
    if at is None or not 1970 <= at.year <= 9000:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)


def _any_date(text: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=VIETNAM)
        except ValueError:
            continue
    try:
        if text.isdigit() and len(text) == 13:  # epoch milliseconds
            return datetime.fromtimestamp(int(text) / 1000, VIETNAM)
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
