"""What we do when the clock is known to be wrong (TIM-01): accept, hold stamping and relaying.

An unknown offset only warns; an audited override lets traffic go on.
"""

from datetime import timedelta

from gateway import observe
from gateway.ports import ChangeSet, Row, Update
from gateway.programs.context import Context
from gateway.programs.rows import event

HOLD = "clock"


def is_off(context: Context) -> bool:
    """Tell whether the clock is known to be off by more than the limit, and nobody overrode it."""
    offset = context.clock.offset()
    return offset is not None and abs(offset) > context.policy.max_clock_offset


def mark(context: Context) -> str:
    """Return what a receipt says of the clock: `ok`, `unverified` or `off`."""
    if context.clock.offset() is None:
        return "unverified"
    return "off" if is_off(context) else "ok"


async def hold_transfer(context: Context, transfer: Row) -> None:
    """Hold one transfer until the clock is right again; the janitor releases it."""
    offset = context.clock.offset() or timedelta()
    observe.clock_warning(state="off", offset_s=offset.total_seconds())
    where = {"id": transfer["id"], "state": transfer["state"], "hold": ""}
    change = Update("transfer", where, {"hold": HOLD}, expect=None)
    now = context.clock.now()
    held = event(transfer["id"], "held", now, reason=HOLD)
    await context.ledger.commit(ChangeSet(rows=(change, held)))
