"""How often somebody may guess, remembered in this process (decision 0033).

Promises: nobody is locked out by others: what counts belongs to one account seen from one address,
or to one browser that was signed in to it before, or to an address as a whole, which refills. A try
is counted before it is looked at, so many at the same time count as many. Memory is bounded. A
crash forgets all of it: a guesser gains a handful of tries.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final, Generic, TypeVar

from gateway import observe
from gateway.domain.pacing import Bucket, Pace, Run

K = TypeVar("K")
V = TypeVar("V")
_MOST: Final = 10_000


class Throttle:
    """Counts failures at the sign-in of persons.

    Args:
        pace: The rules of waiting.
        now: The time.
    """

    def __init__(self, pace: Pace, now: Callable[[], datetime]) -> None:
        self._pace = pace
        self._now = now
        self._runs: _Latest[tuple[str, str], Run] = _Latest()
        self._buckets: _Latest[str, Bucket] = _Latest()

    def begin(self, who: str, address: str, device: str = "") -> float:
        """Count a try; return the seconds it must wait, 0 when it may be looked at.

        A known device answers for itself alone; what must wait does not count.
        """
        now, place, network = self._now(), device or network_of(address), network_of(address)
        run = self._runs.get((who, place), Run())
        bucket = self._buckets.get(network, Bucket())
        wait = run.wait(self._pace, now).total_seconds()
        if not device:
            wait = max(wait, bucket.wait(self._pace, now).total_seconds())
        if wait > 0:
            return wait
        self._runs.put((who, place), grown := run.failed(self._pace, now))
        if grown.failures == self._pace.free + 1:
            observe.signins_failing(route="console", failures=grown.failures)
        if not device:
            self._buckets.put(network, bucket.failed(self._pace, now))
        return 0.0

    def succeeded(self, who: str, address: str, device: str = "") -> None:
        """Take back the try that was good, and forget its run."""
        self._runs.drop((who, device or network_of(address)))
        if not device:
            found = self._buckets.get(network_of(address), Bucket())
            back = Bucket(max(0.0, found.spent - 1), found.at)
            self._buckets.put(network_of(address), back)


class _Latest(Generic[K, V]):
    """The latest of many; the oldest are forgotten."""

    def __init__(self) -> None:
        self._kept: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K, default: V) -> V:
        return self._kept.get(key, default)

    def put(self, key: K, value: V) -> None:
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def drop(self, key: K) -> None:
        self._kept.pop(key, None)


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 the /64, which one visitor has to himself."""
    try:
        read = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if read.version == 4:
        return str(read)
    if read.ipv4_mapped is not None:
        return str(read.ipv4_mapped)
    return str(ipaddress.ip_network((read, 64), strict=False))
