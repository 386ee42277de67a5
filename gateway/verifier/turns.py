"""Whose turn it is: a bounded queue a lane, the urgent first, and a way past slow files.

 1. Every lane has a queue of its own bound: a flood of normal files keeps no urgent one out.
 2. A free place goes to the most urgent file waiting, and among equals to the oldest.
 3. All places are everybody's, so that no processor idles. When an urgent file has waited
    `patience_s` because slow files hold every place, an extra place is opened for it: at most as
    many as there are places, only for urgent files, closed again when it is left.

So a slow file costs an urgent one at most the patience and the start of a process, never its own
time. A reserved place would halve what two cores do on every normal day, and would still be held by
the first slow urgent file. Promises: a place taken is given back whoever gives up when. Keeps
nothing; a crash loses only the order.
"""

import asyncio
from dataclasses import dataclass, field

from gateway.errors import Reason, UnavailableError

URGENT = 1
"""The lowest lane that may open an extra place."""


@dataclass(slots=True, eq=False)
class Turn:
    """One file's place in the queue.

    Args:
        lane: Urgency, higher first.
        number: Order of arrival.
        extra: It was given an extra place.
    """

    lane: int
    number: int
    called: asyncio.Future[None] = field(default_factory=lambda: _loop().create_future())
    impatient: bool = False
    extra: bool = False
    alarm: asyncio.TimerHandle | None = None


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


class Turns:
    """Hands out places.

    Args:
        places: How many files are worked on at once.
        max_waiting: Files waiting in one lane at most.
        patience_s: How long an urgent file waits before an extra place is opened.
    """

    def __init__(self, places: int, *, max_waiting: int, patience_s: float) -> None:
        self._free = places
        self._extra = places
        self._max_waiting = max_waiting
        self._patience_s = patience_s
        self._number = 0
        self._queue: list[Turn] = []

    @property
    def waiting(self) -> int:
        """How many files wait."""
        return len(self._queue)

    def waiting_in(self, lane: int) -> int:
        """How many files wait in one lane."""
        return sum(1 for turn in self._queue if turn.lane == lane)

    def join(self, lane: int) -> Turn:
        """Enter the queue.

        Args:
            lane: Urgency, higher first.

        Raises:
            UnavailableError: That lane's queue is full.
        """
        if self.waiting_in(lane) >= self._max_waiting:
            raise UnavailableError(Reason.OVERLOADED, "verifier queue full", retry_after_s=5.0)
        self._number += 1
        turn = Turn(lane, self._number)
        self._queue.append(turn)
        self._watch(turn)
        self._call()
        return turn

    def hurry(self, turn: Turn, lane: int) -> None:
        """Move a file that waits up to a more urgent lane; never down."""
        if lane > turn.lane:
            turn.lane = lane
            if turn in self._queue:
                self._watch(turn)
                self._call()

    async def wait(self, turn: Turn) -> None:
        """Return when it is this file's turn; given up, it leaves the queue."""
        try:
            await turn.called
        except asyncio.CancelledError:
            if turn in self._queue:
                self._leave_queue(turn)
            elif turn.called.done() and not turn.called.cancelled():
                self.leave(turn)  # called and given up in one moment
            raise

    def leave(self, turn: Turn) -> None:
        """Give a place back."""
        if turn.extra:
            self._extra += 1
        else:
            self._free += 1
        self._call()

    # ------------------------------------------------------------ the order

    def _watch(self, turn: Turn) -> None:
        if turn.lane >= URGENT and turn.alarm is None:
            turn.alarm = _loop().call_later(self._patience_s, self._lose_patience, turn)

    def _lose_patience(self, turn: Turn) -> None:
        turn.impatient = True
        self._call()

    def _call(self) -> None:
        """Call whoever can be called; (2) and (3)."""
        while self._queue:
            first = max(self._queue, key=lambda t: (t.lane, -t.number))
            if self._free > 0:
                self._free -= 1
            elif self._extra > 0 and any(t.impatient for t in self._queue):
                self._extra -= 1
                first.extra = True
            else:
                return
            self._leave_queue(first)
            first.called.set_result(None)

    def _leave_queue(self, turn: Turn) -> None:
        self._queue.remove(turn)
        if turn.alarm is not None:
            turn.alarm.cancel()
            turn.alarm = None
