"""tracking: what a status does to the sender's own delivery, its transfer and its consignment.

STS-01 (S003 art 7.3), STS-05 (NĐ30 PL VI): tracked by itself, and the sender sees it.

Promises: a status moves a delivery forward or not at all (STS-07), in whatever order the codes come
the end is the same; a receipt settles the doubt about a lost answer for everyone the parcel was
for, unless another version under the same identifier had left; the last settled delivery closes the
consignment, a late receipt opens it again. Rows only: a crash leaves all or none of them.
"""

from datetime import datetime
from typing import Any, Final

from gateway.domain.lifecycle import (
    DELIVERY,
    ConsignmentState,
    DeliveryEvent,
    DeliveryState,
    RecallState,
    TransferState,
    advance,
    allows,
    settled,
)
from gateway.domain.moments import to_text
from gateway.domain.receipt import delivery_event
from gateway.ports import Absent, Change, ChangeSet, Row, Update
from gateway.programs.context import Context
from gateway.programs.rows import event

_ENTERING: Final = frozenset(
    {
        DeliveryEvent.STATUS_01,
        DeliveryEvent.STATUS_03,
        DeliveryEvent.STATUS_04,
        DeliveryEvent.STATUS_05,
        DeliveryEvent.STATUS_06,
    }
)
_IN_DOUBT: Final = tuple(
    s.value
    for s in (
        TransferState.WAITING,
        TransferState.SENDING,
        TransferState.DEFERRED,
        TransferState.FAILED,
        TransferState.CANCELLED,
    )
)
_NOT_THERE: Final = tuple(
    s.value
    for s in (
        DeliveryState.PENDING,
        DeliveryState.SENDING,
        DeliveryState.DEFERRED,
        DeliveryState.FAILED,
        DeliveryState.CANCELLED,
    )
)
_OPEN: Final = tuple(s.value for s in DeliveryState if not settled(DELIVERY, s))
_REOPENED: Final = (ConsignmentState.CLOSED.value, ConsignmentState.CANCELLED.value)


async def move(  # noqa: PLR0917
    context: Context,
    delivery: Row,
    code: str,
    at: datetime,
    description: str,
    now: datetime,
    *,
    entered: bool = False,
) -> list[Change]:
    """Return the changes one status makes to a delivery of ours.

    Args:
        context: Ports and policy.
        delivery: As the queries `delivery_…` return it.
        code: As reported; an unknown one moves nothing and is kept as an event.
        at: When the reporter says it happened.
        description: Its text; the reason of a refusal.
        now: The instant of the commit.
        entered: Known to have entered the recipient's system at `at`, whatever the code says.
    """
    state = DeliveryState(delivery["state"])
    kind = delivery_event(code)
    after = state
    if kind is not None and allows(DELIVERY, state, kind):
        after = advance(DELIVERY, state, kind)
    moved = after is not state
    values = _columns(delivery, kind, code, after, description, now)
    if entered or kind in _ENTERING:
        # The earliest report counts: a 03 may overtake its own 01. Nothing enters in the future.
        said, known = to_text(min(at, now)), delivery["entered_system_at"]
        values["entered_system_at"] = said if known is None else min(said, known)
    guard = {
        "id": delivery["id"],
        "state": state.value,
        "entered_system_at": delivery["entered_system_at"],
    }
    data = {"code": code, "agency": delivery["agency"], "moved": moved}
    changes: list[Change] = [
        Update("delivery", guard, values),
        event(delivery["consignment_id"], "status", now, **data),
    ]
    if moved and state is DeliveryState.CANCELLED:
        changes.append(there_after_all(delivery["id"]))
    others = await _no_doubt(context, delivery, now) if kind is not None else []
    changes += others
    was, is_settled = settled(DELIVERY, state), settled(DELIVERY, after)
    if was and not is_settled:
        changes += _reopened(delivery, now)
    if is_settled and not was and not others:
        changes += await _closed(context, delivery, now)
    return changes


def _columns(  # noqa: PLR0917
    delivery: Row,
    kind: DeliveryEvent | None,
    code: str,
    after: DeliveryState,
    description: str,
    now: datetime,
) -> dict[str, Any]:
    values: dict[str, Any] = {"state": after.value}
    moved = after.value != delivery["state"]
    # STS-07: what comes late does not turn the display back.
    if kind is not None and (moved or not delivery["last_status"]):
        values["last_status"] = code
    if moved:
        values["reason"] = description[:500] if after is DeliveryState.RETURNED else ""
    if kind is not None and delivery["acknowledged_at"] is None:
        values["acknowledged_at"] = to_text(now)
    return values


async def _other_version_left(context: Context, delivery: Row) -> bool:
    """Tell whether a status may as well be about another version: then it proves nothing of this.

    What is in doubt is sent again; the receiver drops what it has.
    """
    found = await context.ledger.one(
        "version_left_besides",
        sender=delivery["sender"],
        document_id=delivery["document_id"],
        agency=delivery["agency"],
        id=delivery["id"],
    )
    return found is not None


async def _no_doubt(context: Context, delivery: Row, now: datetime) -> list[Change]:
    """STS-08: a receipt proves that the peer has the parcel; it need not be sent again."""
    if not delivery["transfer_id"]:
        return []
    transfer = await context.ledger.one("transfer", id=delivery["transfer_id"])
    if transfer is None or transfer["state"] not in _IN_DOUBT:
        return []
    if await _other_version_left(context, delivery):
        return []
    at = to_text(now)
    done = {"state": TransferState.DONE.value, "done_at": at, "lease_until": None, "reason": ""}
    covered = await context.ledger.all("deliveries_of_transfer", transfer_id=transfer["id"])
    changes: list[Change] = [
        Update("transfer", {"id": transfer["id"], "state": transfer["state"]}, done),
        event(transfer["id"], "receipt_came", now, agency=delivery["agency"]),
    ]
    if transfer["state"] == TransferState.SENDING:
        changes.append(_answered_otherwise(transfer, at))
    for other in covered:
        if other["id"] == delivery["id"] or other["state"] not in _NOT_THERE:
            continue
        there = {
            "state": DeliveryState.HANDED_OVER.value,
            "reason": "",
            "acknowledged_at": other["acknowledged_at"] or at,
        }
        where = {"id": other["id"], "state": other["state"]}
        changes.append(Update("delivery", where, there))
        if other["state"] == DeliveryState.CANCELLED.value:
            changes.append(there_after_all(other["id"]))
        if settled(DELIVERY, DeliveryState(other["state"])):
            changes += _reopened(delivery, now)
    return changes


def there_after_all(*delivery_ids: str) -> Update:
    """Return the row that takes up a recall again: what was cancelled in doubt did get there.

    REC-07: it is asked for by the next sweep, whatever asked before: that came too early.
    """
    where = {"delivery_id": delivery_ids, "state": RecallState.NOT_NEEDED.value}
    values = {"state": RecallState.WAITING.value, "answered_at": None, "notice_id": ""}
    return Update("recall", where, values, expect=None)


def _answered_otherwise(transfer: Row, at: str) -> Change:
    """Return the row that ends the attempt under way.

    Nobody else may be left to do it: who dialled can have died, and without a lease the janitor
    does not look. If it lives, what it learns replaces this.
    """
    detail = "biên nhận đến trước câu trả lời / a receipt came before the answer"
    under_way = {"transfer_id": transfer["id"], "n": transfer["attempts"], "ended_at": None}
    ended = {"ended_at": at, "outcome": "taken", "detail": detail}
    return Update("attempt", under_way, ended, expect=None)


def _reopened(delivery: Row, now: datetime) -> list[Change]:
    if delivery["consignment_state"] not in _REOPENED:
        return []
    where = {"id": delivery["consignment_id"], "state": _REOPENED}
    values = {"state": ConsignmentState.RELEASED.value, "closed_at": None}
    return [
        Update("consignment", where, values, expect=None),
        event(delivery["consignment_id"], "reopened", now, agency=delivery["agency"]),
    ]


async def _closed(context: Context, delivery: Row, now: datetime) -> list[Change]:
    """Return the rows that close a consignment with its last open delivery, in one transaction."""
    if delivery["consignment_state"] != ConsignmentState.RELEASED.value:
        return []
    rows = await context.ledger.all("deliveries", consignment_id=delivery["consignment_id"])
    rest = [d for d in rows if d["id"] != delivery["id"]]
    if any(d["state"] in _OPEN for d in rest):
        return []
    where = {"id": delivery["consignment_id"], "state": ConsignmentState.RELEASED.value}
    values = {"state": ConsignmentState.CLOSED.value, "closed_at": to_text(now)}
    return [
        # Nothing changes in these rows: they refuse the set if another one was opened meanwhile.
        *(
            Update("delivery", {"id": d["id"], "state": d["state"]}, {"state": d["state"]})
            for d in rest
        ),
        Update("consignment", where, values),
        event(delivery["consignment_id"], "closed", now),
    ]


async def close_if_settled(context: Context, consignment_id: str | None) -> None:
    """Close a consignment when every delivery of it is settled; safe to repeat.

    Asked again inside the transaction: a receipt that opened a delivery meanwhile wins.
    """
    if consignment_id is None:
        return
    deliveries = await context.ledger.all("deliveries", consignment_id=consignment_id)
    if any(d["state"] in _OPEN for d in deliveries):
        return
    row = await context.ledger.one("consignment", id=consignment_id)
    if row is None or row["state"] != ConsignmentState.RELEASED.value:
        return
    now = context.clock.now()
    where = {"id": consignment_id, "state": ConsignmentState.RELEASED.value}
    values = {"state": ConsignmentState.CLOSED.value, "closed_at": to_text(now)}
    await context.ledger.commit(
        ChangeSet(
            guards=(Absent("delivery", {"consignment_id": consignment_id, "state": _OPEN}),),
            rows=(
                Update("consignment", where, values),
                event(consignment_id, "closed", now),
            ),
        )
    )
