"""How often somebody may guess, as this process knows it (decision 0033); `waits` is for all nodes.

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
        wait = self.wait(who, address, device)
        if wait > 0:
            return wait
        run, bucket = self._known(who, address, device)
        now = self._now()
        run, bucket = run.failed(self._pace, now), bucket.failed(self._pace, now)
        self.keep(who, address, device, run, bucket, grown=True)
        return 0.0

    def wait(self, who: str, address: str, device: str = "") -> float:
        """Return the seconds a try must wait, without counting it."""
        now = self._now()
        run, bucket = self._known(who, address, device)
        wait = run.wait(self._pace, now).total_seconds()
        return wait if device else max(wait, bucket.wait(self._pace, now).total_seconds())

    def _known(self, who: str, address: str, device: str) -> tuple[Run, Bucket]:
        network = network_of(address)
        run = self._runs.get((who, device or network), Run())
        return run, self._buckets.get(network, Bucket())

    def keep(
        self, who: str, address: str, device: str, run: Run, bucket: Bucket, *, grown: bool = False
    ) -> None:
        """Remember the counts of a try; `grown`: a failure more than before."""
        network = network_of(address)
        self._runs.put((who, device or network), run)
        if not device:
            self._buckets.put(network, bucket)
        if grown and run.failures == self._pace.free + 1:
            observe.signins_failing(route="console", failures=run.failures)

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
