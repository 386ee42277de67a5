"""mending: the last line that was never written, and times that a clock set back left far ahead.

`newest` and `everything` close what is settled but for its closing and end attempts nobody works on
any more: the ledger was away, or a process died, between an outcome and what follows from it.
`bring_forward` sees to it that nothing waits longer than any schedule would let it: a clock that
jumped forward and was set back leaves due times and leases of a day that is far away.

Every step is one change set and safe to repeat; nothing is decided anew, and nothing is given up.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import observe
from gateway.domain.delivery import LONGEST_WISH
from gateway.domain.moments import iso, to_text
from gateway.ports import Absent, Change, ChangeSet, Conflict, Row, Update
from gateway.programs import tracking, turns
from gateway.programs.context import Context
from gateway.programs.rows import event

_PAGE: Final = 200
"""Documents looked at in one question: each is looked for in three tables."""

_LIMIT: Final = 500
_SLACK: Final = timedelta(minutes=15)
"""Longer than any wait that is no schedule's: a peer that is not configured, a local trouble."""

_LONGEST_LEASE: Final = timedelta(hours=6)
_LONGEST_RECHECK: Final = timedelta(days=1)


# ---------------------------------------------------------------- what was not written


async def newest(context: Context) -> None:
    """Mend what the last thousand events were about."""
    ledger = context.ledger
    for row in await ledger.all("consignments_unclosed_last"):
        await tracking.close_if_settled(context, row["id"])
    await _end(context, await ledger.all("attempts_left_open_last"))


async def everything(context: Context) -> None:
    """Mend whatever there is, page by page: no question looks at a whole table."""
    ledger, after = context.ledger, ""
    while (last := await _last_of("consignments", context, after)) is not None:
        for row in await ledger.all("consignments_unclosed", after=after, last=last):
            await tracking.close_if_settled(context, row["id"])
        after = last
        await turns.rest()
    after = ""
    while (last := await _last_of("transfers", context, after)) is not None:
        await _end(context, await ledger.all("attempts_left_open", after=after, last=last))
        after = last
        await turns.rest()


async def _last_of(table: str, context: Context, after: str) -> str | None:
    page = await context.ledger.one(f"page_{table}", after=after, limit=_PAGE)
    return None if page is None else page["last"]


async def _end(context: Context, attempts: Iterable[Row]) -> None:
    """End attempts as a dead process's, unless one of them is under way after all."""
    count = 0
    for row in attempts:
        mine = {"transfer_id": row["transfer_id"], "n": row["n"], "ended_at": None}
        ended = {"ended_at": to_text(context.clock.now()), "outcome": "died", "detail": ""}
        busy = {"id": row["transfer_id"], "state": "sending", "attempts": row["n"]}
        change = ChangeSet(
            guards=(Absent("transfer", busy),), rows=(Update("attempt", mine, ended),)
        )
        count += not isinstance(await context.ledger.commit(change), Conflict)
    if count:
        observe.janitor_swept(what="attempts left open", count=count)


# ---------------------------------------------------------------- times far ahead


def longest_wait(context: Context) -> timedelta:
    """Return the longest that a transfer is ever made to wait for its next try."""
    schedules = context.policy.schedules.values()
    waits = [max(s.longest, s.first + LONGEST_WISH) for s in schedules]
    return max(*waits, LONGEST_WISH, context.policy.lease) + _SLACK


async def bring_forward(context: Context) -> None:
    """Make due now what is due later than anything can be."""
    ledger, now = context.ledger, context.clock.now()
    far = to_text(now + longest_wait(context))
    count = 0
    for found in await ledger.all("hops_waiting"):
        # What was never tried waits for no schedule: a small jump of the clock is noticed too.
        asked: dict[str, Any] = {"hop": found["hop"], "limit": _LIMIT}
        untried = await ledger.all("transfers_untried_later", now=to_text(now + _SLACK), **asked)
        for row in (*untried, *await ledger.all("transfers_later", now=far, **asked)):
            count += await _sooner(context, row, now)
    at = {"due_at": to_text(now)}
    rows = await ledger.all("inbound_too_late", far=far, limit=_LIMIT)
    changes: list[Change] = [
        Update("inbound", {"id": row["id"], "state": "received"}, at, expect=None) for row in rows
    ]
    recheck = max(_LONGEST_RECHECK, context.policy.recheck_every) + _SLACK
    rows = await ledger.all("recheck_too_late", far=to_text(now + recheck), limit=_LIMIT)
    changes += [Update("recheck", {"subject": row["subject"]}, at, expect=None) for row in rows]
    changes += await _leases(context, now)
    if changes:
        await ledger.commit(ChangeSet(rows=tuple(changes)))
    if count + len(changes):
        observe.janitor_swept(what="times far ahead", count=count + len(changes))


async def _sooner(context: Context, row: Row, now: datetime) -> bool:
    where = {"id": row["id"], "due_at": row["due_at"], "state": ("waiting", "deferred")}
    told = event(row["id"], "brought_forward", now, was=row["due_at"], due_at=iso(now))
    change = ChangeSet(rows=(Update("transfer", where, {"due_at": to_text(now)}), told))
    return not isinstance(await context.ledger.commit(change), Conflict)


async def _leases(context: Context, now: datetime) -> list[Change]:
    """Return what ends leases in hours: an attempt that is alive ends before, by itself."""
    until = to_text(now + _LONGEST_LEASE)
    rows = await context.ledger.all("leases_too_long", far=until, limit=_LIMIT)
    return [
        Update(
            "transfer",
            {"id": row["id"], "attempts": row["attempts"], "state": "sending"},
            {"lease_until": until},
            expect=None,
        )
        for row in rows
    ]
