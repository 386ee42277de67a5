"""The circuit breaker of one destination: when to stop dialling, when to ask again.

Promises: it opens only on what says that the destination cannot be reached or cannot take anything
(a refused document says nothing of the kind); while it is open nothing is tried and nothing is
counted against a transfer; exactly one probe at a time decides whether it closes; waits grow, are
scattered over their whole length (full jitter) and never exceed the longest. Pure: instants and
the random number are arguments. It is kept in memory, one a destination and node; a crash forgets
the counts, and what stands in the ledger makes the next start ask before it sends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.machine import Table, Text, advance, rows, stays


class BreakerState(StrEnum):
    """Whether transfers go to a destination (cầu dao của một đích)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerEvent(StrEnum):
    """What is learnt about a destination."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    FAILED = "failed"
    TRIPPED = "tripped"
    PROBE_DUE = "probe_due"
    UNDECIDED = "undecided"


_S = BreakerState
_E = BreakerEvent

BREAKER: Final = Table(
    name="breaker",
    states=BreakerState,
    events=BreakerEvent,
    # OPEN: the last process stopped with it open, so this one asks before it sends.
    initial=frozenset({_S.CLOSED, _S.OPEN}),
    rows=rows(
        ((_S.CLOSED,), _E.TRIPPED, _S.OPEN),
        ((_S.OPEN,), _E.PROBE_DUE, _S.HALF_OPEN),
        # A late answer to an attempt begun before it opened: the destination takes parcels.
        ((_S.OPEN, _S.HALF_OPEN), _E.SUCCEEDED, _S.CLOSED),
        # The line and the destination's program work; what it thinks of one document is another
        # matter, and its sender must hear it.
        ((_S.HALF_OPEN,), _E.REFUSED, _S.CLOSED),
        ((_S.HALF_OPEN,), _E.FAILED, _S.OPEN),
    ),
    stays=stays(
        ((_S.CLOSED,), (_E.SUCCEEDED, _E.REFUSED, _E.FAILED), "counted"),
        ((_S.CLOSED,), (_E.PROBE_DUE, _E.UNDECIDED), "there is nothing to ask"),
        ((_S.OPEN,), (_E.FAILED, _E.TRIPPED), "an attempt begun before it opened"),
        ((_S.OPEN,), (_E.REFUSED, _E.UNDECIDED), "only a probe decides"),
        ((_S.HALF_OPEN,), (_E.PROBE_DUE, _E.TRIPPED), "one probe at a time"),
        ((_S.HALF_OPEN,), (_E.UNDECIDED,), "the probe said nothing: another one is made"),
    ),
    settled=frozenset({_S.CLOSED}),
    texts={
        _S.CLOSED: Text("đang chuyển bình thường", "transfers go"),
        _S.OPEN: Text("đích không phản hồi, tạm ngừng chuyển", "no answer, transfers wait"),
        _S.HALF_OPEN: Text("đang thử lại đích", "asking the destination again"),
    },
)

_COUNTED: Final[Mapping[BreakerEvent, bool]] = MappingProxyType(
    {_E.SUCCEEDED: False, _E.FAILED: True}
)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When it opens and how long it stays so.

    Args:
        failures: So many failures in a row open it.
        window: So many of the newest answers are looked at for the ratio.
        ratio: Share of failures among them that opens it too, 0…1.
        first: Ceiling of the first wait until a probe.
        longest: Ceiling of every wait.
        urgent_every: With an express document waiting, a probe at least so often (SND-03).
    """

    failures: int = 5
    window: int = 20
    ratio: float = 0.8
    first: timedelta = timedelta(seconds=15)
    longest: timedelta = timedelta(minutes=5)
    urgent_every: timedelta = timedelta(seconds=5)

    def ceiling(self, times: int) -> timedelta:
        """Return the longest the wait may be when it opens for the `times`-th time running."""
        grown = self.first.total_seconds() * 2.0 ** min(max(times, 1) - 1, 40)
        return timedelta(seconds=min(grown, self.longest.total_seconds()))


@dataclass(frozen=True, slots=True)
class Breaker:
    """What one node knows of one destination.

    Args:
        state: As the table says.
        recent: The newest answers, oldest first; True for a failure.
        times: How often it opened since it was last closed.
        changed_at: When it last opened or closed; failures begun before it are old news.
        since: When the destination stopped answering; None while closed.
        probe_at: When the next probe is due; None while closed.
        asked_at: When the last probe began, or when it opened.
    """

    state: BreakerState = BreakerState.CLOSED
    recent: tuple[bool, ...] = ()
    times: int = 0
    changed_at: datetime | None = None
    since: datetime | None = None
    probe_at: datetime | None = None
    asked_at: datetime | None = None

    @property
    def flows(self) -> bool:
        """Return whether transfers are tried."""
        return self.state is BreakerState.CLOSED


def found_open(since: datetime, now: datetime) -> Breaker:
    """Return the breaker of a destination that did not answer when the last process stopped."""
    return Breaker(BreakerState.OPEN, times=1, changed_at=now, since=since, probe_at=now)


def hear(  # noqa: PLR0917
    breaker: Breaker,
    event: BreakerEvent,
    began_at: datetime,
    now: datetime,
    random: float,
    policy: BreakerPolicy,
    *,
    retry_after: timedelta | None = None,
) -> Breaker:
    """Return the breaker after one attempt or probe ended.

    Args:
        breaker: As it was.
        event: SUCCEEDED, REFUSED, FAILED or UNDECIDED.
        began_at: When the attempt or probe began.
        now: When it ended.
        random: 0 ≤ random < 1, from a port.
        policy: When it opens, how long it waits.
        retry_after: The destination's own wish, already within bounds.
    Source: SND-15; a refusal is about the document, not about the destination.
    """
    # Old news, unless the clock was set back since: then nothing would count for ever.
    stale = breaker.changed_at is not None and began_at < breaker.changed_at <= now
    if event is BreakerEvent.FAILED and stale:
        return breaker
    counted = _COUNTED.get(event)
    if breaker.flows and counted is not None:
        recent = (*breaker.recent, counted)[-max(policy.window, policy.failures) :]
        breaker = replace(breaker, recent=recent)
        if counted and _trips(recent, policy):
            event = BreakerEvent.TRIPPED
    state = advance(BREAKER, breaker.state, event)
    if state is breaker.state:
        return breaker
    if state is BreakerState.CLOSED:
        return Breaker(changed_at=now)
    return _opened(breaker, now, random, policy, retry_after)


def _trips(recent: tuple[bool, ...], policy: BreakerPolicy) -> bool:
    row = recent[-policy.failures :]
    if len(row) == policy.failures and all(row):
        return True
    window = recent[-policy.window :]
    return len(window) == policy.window and sum(window) >= policy.ratio * policy.window


def _opened(
    breaker: Breaker,
    now: datetime,
    random: float,
    policy: BreakerPolicy,
    retry_after: timedelta | None,
) -> Breaker:
    times = breaker.times + 1
    # Full jitter: anywhere between nought and the ceiling, so that many gateways that lost the same
    # axis do not come back to it in step.
    wait = random * policy.ceiling(times)
    return Breaker(
        BreakerState.OPEN,
        times=times,
        changed_at=now,
        since=breaker.since or now,
        probe_at=now + max(wait, retry_after or timedelta(0)),
        asked_at=breaker.asked_at or now,
    )


def probe_is_due(breaker: Breaker, now: datetime, policy: BreakerPolicy, *, urgent: bool) -> bool:
    """Return whether the destination should be asked now.

    Args:
        breaker: As it is.
        now: Aware instant.
        policy: How soon an express document may ask.
        urgent: An express document waits for this destination (SND-03).
    """
    if breaker.state is not BreakerState.OPEN or breaker.probe_at is None:
        return False
    if now >= breaker.probe_at:
        return True
    last = breaker.asked_at or breaker.changed_at
    if last is None or now < last:  # the clock went back: do not wait for it to come again
        return True
    return urgent and now >= last + policy.urgent_every


def asking(breaker: Breaker, now: datetime) -> Breaker:
    """Return the breaker with its probe under way, the next one if the last decided nothing."""
    state = advance(BREAKER, breaker.state, BreakerEvent.PROBE_DUE)
    return replace(breaker, state=state, changed_at=now, asked_at=now)
