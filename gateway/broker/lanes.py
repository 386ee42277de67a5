"""In-process lanes: ids by topic, urgent first, with workers reserved for urgent ones.

Promises only order and delivery inside this process. Losing them loses nothing: every id is also a
row that the janitor finds again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.broker.shelf import Shelf
from gateway.ports import Wanted


@dataclass(frozen=True, slots=True)
class Taken:
    """An id taken from a lane; the ledger knows whether its work was done."""

    ref: str

    async def done(self) -> None:
        """Nothing is kept here, so nothing is acknowledged."""


class Lanes:
    """Topics of five lanes each; the most urgent id of a topic is taken first."""

    def __init__(self) -> None:
        self._shelves: defaultdict[str, Shelf[str]] = defaultdict(Shelf)
        self._queued: defaultdict[str, set[str]] = defaultdict(set)

    async def publish(self, wanted: Sequence[Wanted]) -> None:
        """Queue ids; an id already queued in its topic is not queued twice."""
        for one in wanted:
            queued = self._queued[one.topic]
            if one.ref not in queued:
                queued.add(one.ref)
                self._shelves[one.topic].put(one.lane, one.ref, one.flow)

    async def take(self, topic: str, *, lowest: int = 0) -> Taken:
        """Return the most urgent id of a topic, waiting for one in lane `lowest` or above."""
        ref = await self._shelves[topic].take(lowest)
        self._queued[topic].discard(ref)
        return Taken(ref)

    def depth(self) -> dict[tuple[str, int], int]:
        """Return how many ids wait, by topic and lane."""
        return {
            (topic, lane): count
            for topic, shelf in self._shelves.items()
            for lane, count in enumerate(shelf.depths())
        }

    async def close(self) -> None:
        """Nothing to let go of."""
