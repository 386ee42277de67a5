"""Failed sign-ins, counted by who they say they are and where they come from.

Promises: nobody is locked out: secrets are looked at every time, and the right one always opens,
whatever others did under that name or from that address. What grows is the wait that a wrong one is
told, and the alarm: once for every run of failures. Memory is bounded: the oldest are forgotten. A
crash forgets all of it, which harms nobody.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway import observe

FREE: Final = 10
_FORGET: Final = timedelta(minutes=15)
_LONGEST_S: Final = 900.0
_MOST: Final = 10_000


@dataclass(slots=True)
class _Run:
    count: int
    last_at: datetime


class SignIns:
    """Counts failed sign-ins at one door.

    Args:
        now: The time.
        route: The door, for the alarm.
        most: Runs remembered.
    """

    def __init__(self, now: Callable[[], datetime], route: str, *, most: int = _MOST) -> None:
        self._now = now
        self._route = route
        self._most = most
        self._runs: OrderedDict[bytes, _Run] = OrderedDict()

    def failed(self, system_id: str, remote: str | None) -> float:
        """Count a failure; return the seconds to wait before the next try, 0 while it is free."""
        key, now = _key(system_id, remote), self._now()
        run = self._runs.pop(key, None)
        if run is None or not timedelta(0) <= now - run.last_at < _FORGET:
            run = _Run(0, now)
        run.count, run.last_at = run.count + 1, now
        self._runs[key] = run
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)
        over = run.count - FREE
        if over == 1:
            observe.signins_failing(route=self._route, failures=run.count)
        return min(_LONGEST_S, 2.0 ** min(over, 16)) if over > 0 else 0.0

    def succeeded(self, system_id: str, remote: str | None) -> None:
        """Forget the failures of who has now come in."""
        self._runs.pop(_key(system_id, remote), None)


def _key(system_id: str, remote: str | None) -> bytes:
    """Return what a run is known by: short, whatever somebody calls himself."""
    told = f"{remote or ''}\0{system_id}".encode("utf-8", "replace")
    return hashlib.sha256(told).digest()[:16]
