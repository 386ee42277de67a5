"""When to try again, when to stop, and what an attempt's end means for the states.

Promises: waits grow and are scattered, an urgent document is tried again sooner than a normal one,
and giving up is never deleting: the delivery becomes a dead letter (FAILED) that an operator sees
and can put back. Pure: the attempt's number, the clock's difference and the random number are
arguments, so the same facts give the same decision after a crash.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.envelope import Urgency
from gateway.domain.lifecycle import DeliveryEvent, TransferEvent

TELL_CLERK_AFTER: Final = 5
"""Failed tries after which the clerk is told while we go on (SND-15)."""

LONGEST_WISH: Final = timedelta(hours=1)
"""A peer's Retry-After is obeyed up to this: a mistaken year must not keep a document here."""


class Lane(IntEnum):
    """Queue class (rules C1); the higher number goes first and equals the edXML Priority."""

    NORMAL = 0
    URGENT = 1
    VERY_URGENT = 2
    EXPRESS = 3
    EXPRESS_TIMED = 4


def lane_of(urgency: Urgency) -> Lane:
    """Return the lane of an urgency; urgent documents never wait behind normal ones (SND-03)."""
    return Lane(urgency.value)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How one lane tries again.

    Args:
        first: Longest wait after the first failed try.
        longest: No wait is longer.
        factor: Growth from one wait to the next.
        jitter: Random part of a wait, 0…1. 1 is full jitter: anywhere between nought and the
            nominal wait; 0.2 between 80 % of it and the whole; 0 always the whole.
        give_up_after: Time since the first try after which the transfer is a dead letter.
    """

    first: timedelta
    longest: timedelta
    factor: float = 2.0
    jitter: float = 1.0
    give_up_after: timedelta = timedelta(days=7)

    def nominal(self, attempt: int) -> timedelta:
        """Return the wait after try `attempt` (from 1) without its random part."""
        if attempt < 1:
            raise ValueError("attempts are counted from 1")
        try:
            seconds = self.first.total_seconds() * self.factor ** (attempt - 1)
        except OverflowError:
            return self.longest
        return min(timedelta(seconds=min(seconds, 1e9)), self.longest)

    def nominal_total(self, attempt: int) -> timedelta:
        """Return how long the tries before try number `attempt` nominally took."""
        total, step = timedelta(0), 1
        while step < attempt:
            wait = self.nominal(step)
            if wait >= self.longest or self.factor <= 1:
                return total + wait * (attempt - step)
            total += wait
            step += 1
        return total

    def most(self, attempt: int) -> timedelta:
        """Return the longest time that `attempt` tries may stand for, wishes and calls included.

        A process that was off for a week, or a clock that jumped, has not tried for a week.
        """
        return self.nominal_total(attempt) + LONGEST_WISH * min(attempt, 1_000_000)


SCHEDULES: Final[Mapping[int, Schedule]] = MappingProxyType(
    {
        Lane.EXPRESS_TIMED: Schedule(timedelta(seconds=5), timedelta(minutes=2)),
        Lane.EXPRESS: Schedule(timedelta(seconds=5), timedelta(minutes=2)),
        Lane.VERY_URGENT: Schedule(timedelta(seconds=10), timedelta(minutes=5)),
        Lane.URGENT: Schedule(timedelta(seconds=15), timedelta(minutes=10)),
        Lane.NORMAL: Schedule(timedelta(seconds=30), timedelta(minutes=30)),
    }
)
"""The schedules by lane unless the configuration says otherwise."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a failed try.

    Args:
        wait: Until the next try; None to give up.
        tell_clerk: The clerk should know that it does not get through.
    """

    wait: timedelta | None
    tell_clerk: bool = False

    @property
    def gives_up(self) -> bool:
        """Return whether this ends in a dead letter."""
        return self.wait is None


def back_off(
    attempt: int,
    lane: int,
    random: float,
    *,
    waited: timedelta | None = None,
    retry_after: timedelta | None = None,
    schedules: Mapping[int, Schedule] = SCHEDULES,
) -> Decision:
    """Return what follows when try number `attempt` does not get through.

    Args:
        attempt: The try just begun or ended, from 1.
        lane: Lane number, 0 (normal) to 4.
        random: 0 ≤ random < 1, from a port.
        waited: Time since the first try; None takes what the tries nominally took. No more of it
            counts than so many tries can have taken.
        retry_after: The peer's own wish; never answered sooner, up to `LONGEST_WISH`.
        schedules: By lane; a lane without one goes by the normal one.
    Source: SND-15 (back-off with jitter, then a dead letter), SND-03 (urgent first).
    """
    schedule = schedules.get(lane) or schedules[Lane.NORMAL]
    tell_clerk = attempt >= TELL_CLERK_AFTER
    # SND-15: what ends it is having been tried for so long, not that so long has gone by.
    past = (
        schedule.nominal_total(attempt) if waited is None else min(waited, schedule.most(attempt))
    )
    if past >= schedule.give_up_after:
        return Decision(None, tell_clerk=True)
    # Full jitter scatters best what failed together; a wait is never longer than nominal, so that
    # the settings say what an operator may count on.
    wait = schedule.nominal(attempt) * (1 - schedule.jitter + schedule.jitter * random)
    if retry_after is not None:
        wish = min(max(retry_after, timedelta(0)), LONGEST_WISH)
        # All who heard the same wish must not come back at the same instant.
        wait = max(wait, wish + schedule.first * schedule.jitter * random)
    return Decision(wait, tell_clerk)


class AttemptEnd(StrEnum):
    """How one try ended."""

    TAKEN = "taken"
    BUSY = "busy"
    REFUSED = "refused"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What the end of a try does: events for both tables, and the wait before the next try."""

    transfer: TransferEvent
    delivery: DeliveryEvent
    wait: timedelta | None = None
    tell_clerk: bool = False


_ENDS: Final[Mapping[AttemptEnd, tuple[TransferEvent, DeliveryEvent]]] = MappingProxyType(
    {
        AttemptEnd.TAKEN: (TransferEvent.PEER_TOOK, DeliveryEvent.PEER_TOOK),
        AttemptEnd.BUSY: (TransferEvent.PEER_BUSY, DeliveryEvent.PEER_BUSY),
        AttemptEnd.REFUSED: (TransferEvent.PEER_REFUSED, DeliveryEvent.PEER_REFUSED),
        AttemptEnd.DIED: (TransferEvent.PROGRAM_DIED, DeliveryEvent.PROGRAM_DIED),
    }
)


def react(end: AttemptEnd, decision: Decision) -> Reaction:
    """Return the events and the wait that follow the end of a try.

    Args:
        end: How it ended.
        decision: From `back_off` for the same try; only busy and died look at it.
    Source: SND-15: business refusals stop at once, network trouble is tried again.
    """
    transfer, delivery = _ENDS[end]
    if end is AttemptEnd.TAKEN:
        return Reaction(transfer, delivery)
    if end is AttemptEnd.REFUSED:
        return Reaction(transfer, delivery, tell_clerk=True)
    if decision.wait is None:
        return Reaction(TransferEvent.GAVE_UP, DeliveryEvent.GAVE_UP, tell_clerk=True)
    return Reaction(transfer, delivery, decision.wait, decision.tell_clerk)


FINAL_AXIS_CODES: Final = frozenset({10, 15, 18, 19, 22, 23})
"""Answer codes of a provincial axis that never pass when repeated (rules C7)."""


def axis_code_is_final(code: int) -> bool:
    """Return whether an axis answer code is a business error; unknown codes are tried again.

    Source: SND-15, ID-09.
    """
    return code in FINAL_AXIS_CODES
