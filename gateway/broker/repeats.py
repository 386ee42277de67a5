"""Which wishes were queued already: the janitor repeats each of them every second.

A wish that was sent is not sent again for a while, after which it may have been lost: a broker that
forgot everything is full again within that time. Where a lane holds plenty already, a repeated wish
waits until it does not: nobody there is short of work, and queues do not grow with every repeat.
Bounded in number; what is forgotten too early is queued twice, and the second finds nothing to do.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.ports import Wanted

LIMIT: Final = 100_000
"""Ids remembered, about 30 MB at worst."""


class Repeats:
    """Remembers (topic, id, stamp) of what was sent.

    Args:
        remember_s: How long a wish is not sent again.
        now: A clock that never goes back, in seconds.
        limit: Ids remembered at most; the oldest are forgotten first.
    """

    def __init__(
        self,
        remember_s: float,
        now: Callable[[], float] = time.monotonic,
        limit: int = LIMIT,
    ) -> None:
        self._remember_s, self._now, self._limit = remember_s, now, limit
        self._sent: OrderedDict[tuple[str, str], dict[str, float]] = OrderedDict()

    def wants(self, one: Wanted, *, crowded: bool) -> bool:
        """Tell whether a wish is to be sent now, and note that it is.

        Args:
            one: The wish.
            crowded: Its lane holds plenty already.
        """
        known = self._sent.get((one.topic, one.ref))
        at = None if known is None else known.get(one.stamp)
        now = self._now()
        if at is not None and (crowded or now - at < self._remember_s):
            return False
        if known is None:
            known = self._sent[one.topic, one.ref] = {}
            if len(self._sent) > self._limit:
                self._sent.popitem(last=False)
        self._sent.move_to_end((one.topic, one.ref))
        known.pop(one.stamp, None)
        known[one.stamp] = now
        while len(known) > 4:
            del known[next(iter(known))]
        return True

    def failed(self, one: Wanted) -> None:
        """Take back what was noted: the broker does not keep it."""
        known = self._sent.get((one.topic, one.ref))
        if known is not None:
            known.pop(one.stamp, None)

    def done(self, topic: str, ref: str) -> None:
        """Forget an id whose work is done: its next wish is a new one."""
        self._sent.pop((topic, ref), None)

    def lost(self, topic: str) -> None:
        """Forget a topic whose queue was gone."""
        for key in [key for key in self._sent if key[0] == topic]:
            del self._sent[key]
