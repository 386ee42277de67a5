"""How long something was not tried on purpose: spans of time that do not count as trying.

An operator's hold, an open circuit breaker and the clock's hold all stop attempts; SND-15's time
until a transfer is given up is a time of trying, so these spans are taken out of it. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.moments import from_text

STALE: Final = timedelta(hours=2)
"""So long after its next probe was due, a breaker's record belongs to a node that is no more."""


@dataclass(frozen=True, slots=True)
class Span:
    """From one instant to another; no end while it lasts."""

    since: datetime
    until: datetime | None = None


def held_within(spans: Iterable[Span], first: datetime, last: datetime) -> timedelta:
    """Return how much of the time from `first` to `last` any of the spans covers.

    Spans may overlap, in any order; what overlaps counts once. A span that ends before it begins
    (a clock set back) covers nothing.
    """
    total = timedelta(0)
    reached = first
    for span in sorted(spans, key=lambda s: s.since):
        start = max(span.since, reached)
        end = last if span.until is None else min(span.until, last)
        if end > start:
            total += end - start
            reached = end
    return total


def hold_stands(until: str | None, released_at: str | None, now: datetime) -> bool:
    """Return whether a hold of the ledger still stands.

    Args:
        until: When a breaker's next probe is due; None for an operator's hold, which has no end.
        released_at: When it was let go.
        now: Aware instant.
    """
    return released_at is None and (until is None or now < from_text(until) + STALE)


def hold_span(since: str, until: str | None, released_at: str | None, now: datetime) -> Span:
    """Return the time a hold of the ledger covers; see `hold_stands`."""
    if released_at is not None:
        return Span(from_text(since), from_text(released_at))
    if until is None or hold_stands(until, released_at, now):
        return Span(from_text(since))
    return Span(from_text(since), from_text(until))
