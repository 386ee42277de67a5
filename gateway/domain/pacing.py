"""How fast somebody may guess: waits that grow with failures, and a bucket for an address.

Two measures that cannot be turned against others (decision on accounts): a `Run` belongs to one
account seen from one address or one known browser, so that failing from elsewhere delays nobody
there; a `Bucket` belongs to an address and refills steadily, however long it was empty. What is
refused while waiting is not looked at and does not count, so nobody can keep a wait alive. Pure.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Pace:
    """The rules of waiting.

    Args:
        free: Failures in a row before the first wait.
        longest: No wait is longer; a run is forgotten after four of it without a failure.
        burst: Failures from one address before it must wait.
        per_minute: How many of them come back a minute.
    """

    free: int = 5
    longest: timedelta = timedelta(minutes=5)
    burst: int = 30
    per_minute: float = 5.0


@dataclass(frozen=True, slots=True)
class Run:
    """Failures in a row of one account from one place."""

    failures: int = 0
    last_at: datetime | None = None

    def wait(self, pace: Pace, now: datetime) -> timedelta:
        """Return how long the next try must wait: 0 while it is free, else doubling."""
        over = self.failures - pace.free
        if over < 0 or self.last_at is None:
            return timedelta(0)
        whole = min(pace.longest, timedelta(seconds=2.0 ** min(over + 1, 30)))
        return min(whole, max(timedelta(0), self.last_at + whole - now))

    def failed(self, pace: Pace, now: datetime) -> "Run":
        """Return the run with one more failure; a forgotten one begins anew."""
        old = self.last_at is None or not timedelta(0) <= now - self.last_at < 4 * pace.longest
        return Run(1 if old else self.failures + 1, now)


@dataclass(frozen=True, slots=True)
class Bucket:
    """Failures from one address, whoever they say they are: `spent` of them are not back yet."""

    spent: float = 0.0
    at: datetime | None = None

    def wait(self, pace: Pace, now: datetime) -> timedelta:
        """Return how long until one more failure may be had."""
        short = self._refilled(pace, now).spent + 1 - pace.burst
        if short <= 0:
            return timedelta(0)
        return timedelta(minutes=short / pace.per_minute)

    def failed(self, pace: Pace, now: datetime) -> "Bucket":
        """Return it with one failure more spent."""
        filled = self._refilled(pace, now)
        return replace(filled, spent=min(filled.spent + 1, float(pace.burst)))

    def _refilled(self, pace: Pace, now: datetime) -> "Bucket":
        if self.at is None:
            return Bucket(0.0, now)
        minutes = max(0.0, (now - self.at).total_seconds() / 60)
        return Bucket(max(0.0, self.spent - minutes * pace.per_minute), max(now, self.at))
