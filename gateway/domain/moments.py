"""Instants as people and partners read them: ISO 8601 with +07:00 (TIM-01), never naive."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

# TIM-01 (S003 art 11.3): Vietnam time zone everywhere outside the edXML packet. Vietnam has no
# daylight saving; a fixed offset cannot depend on the machine's zone data.
VIETNAM: Final = timezone(timedelta(hours=7), "+07:00")


def iso(at: datetime) -> str:
    """Return `2026-11-22T13:14:13.123+07:00`.

    Raises:
        ValueError: `at` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("naive instant")
    return at.astimezone(VIETNAM).isoformat(timespec="milliseconds")


def iso_or_none(at: datetime | None) -> str | None:
    """Return `iso(at)`, or None when there is no instant."""
    return None if at is None else iso(at)


@lru_cache(maxsize=256)
def to_text(at: datetime) -> str:
    """Return an instant as the ledger keeps it: `2026-11-22T06:14:13.123456Z`, sortable.

    Raises:
        ValueError: `at` is naive.
    """
    if at.tzinfo is None:
        raise ValueError("naive instant")
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def from_text(text: str) -> datetime:
    """Return the aware UTC instant behind a ledger text."""
    return datetime.fromisoformat(text)


def local_text(text: str | None) -> str | None:
    """Return a ledger text as `iso`, None as None."""
    return None if text is None else iso(from_text(text))
