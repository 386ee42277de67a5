"""How long certificates are still valid, said before it is too late.

Promises: one alarm and a standing warning for each certificate that ends within the time set, until
it is replaced; a metric with the seconds left, always. Reads only.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import observe
from gateway.keys.watch import Trouble


@dataclass(frozen=True, slots=True)
class Term:
    """What ends, and when: `tls certificate`, `report seal certificate`."""

    what: str
    ends_at: datetime


class ExpiryWatch:
    """Watches terms.

    Args:
        terms: What there is now; asked at each look, since certificates are replaced meanwhile.
        now: The time.
        warn_before: How long before the end the warning begins.
    """

    def __init__(
        self,
        terms: Callable[[], Iterable[Term]],
        now: Callable[[], datetime],
        warn_before: timedelta,
    ) -> None:
        self._terms = terms
        self._now = now
        self._warn_before = warn_before
        self._troubles: dict[str, Trouble] = {}

    async def look(self, *, now: bool) -> None:
        """Say what ends soon, and what no longer does."""
        at = self._now()
        for term in self._terms():
            left = term.ends_at - at
            observe.key_expires(what=term.what, in_s=left.total_seconds())
            trouble = self._troubles.setdefault(term.what, Trouble(f"{term.what} expires"))
            if left < self._warn_before:
                trouble.begin(subject=term.ends_at.isoformat())
            else:
                trouble.end()
