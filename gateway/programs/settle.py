"""What an attempt's end does: rows of the transfer, its deliveries, events and receipts.

Builders only. States move along the domain's tables, so a late answer heals what was given up, and
what a receipt has settled stays settled. The first row of `deferred` and `failed` is refused when
another program, a later attempt, or a receipt, was faster: then only the attempt's end is recorded.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.lifecycle import (
    DELIVERY,
    ConsignmentState,
    DeliveryEvent,
    DeliveryState,
    TransferState,
    settled,
)
from gateway.domain.moments import iso, to_text
from gateway.ports import Change, Row, Taken, Update
from gateway.programs.context import Context
from gateway.programs.rows import entry, event, loads
from gateway.programs.tracking import there_after_all

_REASON_MAX: Final = 500


def before(kind: DeliveryEvent) -> tuple[str, ...]:
    """Return the states a delivery may leave by this event."""
    return tuple(state.value for state, happens in DELIVERY.rows if happens is kind)


def attempt_ended(row: Row, outcome: str, detail: str, now: datetime) -> Update:
    """Return the attempt's closing row: `taken`, `busy`, `refused` or `damaged`, and why."""
    values = {"ended_at": to_text(now), "outcome": outcome, "detail": detail[:_REASON_MAX]}
    return Update("attempt", {"transfer_id": row["id"], "n": row["attempts"]}, values, expect=None)


def taken(
    context: Context, row: Row, deliveries: Sequence[Row], outcome: Taken, now: datetime
) -> list[Change]:
    """Return what follows when the peer has it."""
    at = to_text(now)
    done = {
        "state": TransferState.DONE.value,
        "peer_doc_id": outcome.peer_doc_id,
        "lease_until": None,
        "reason": "",
    }
    transfer = {"transfer_id": row["id"]}
    moves = transfer | {"state": before(DeliveryEvent.PEER_TOOK)}
    changes: list[Change] = [
        Update("transfer", {"id": row["id"]}, done),
        Update("transfer", {"id": row["id"], "done_at": None}, {"done_at": at}, expect=None),
        # SND-10 (S003 art 11.1): the sending counts once it was acknowledged.
        Update(
            "delivery", transfer | {"acknowledged_at": None}, {"acknowledged_at": at}, expect=None
        ),
        Update(
            "delivery", moves, {"state": DeliveryState.HANDED_OVER.value, "reason": ""}, expect=None
        ),
        event(row["id"], "handed_over", now, hop=row["hop"], peer_doc_id=outcome.peer_doc_id),
        _receipt(context, row, deliveries, outcome, now),
    ]
    if revives(deliveries):
        changes.append(reopened(row["consignment_id"]))
    cancelled = [d["id"] for d in deliveries if d["state"] == DeliveryState.CANCELLED.value]
    if cancelled:
        changes.append(there_after_all(*cancelled))
    return changes


def revives(deliveries: Sequence[Row]) -> bool:
    """Tell whether the peer's late word opens a delivery that was given up.

    One that was answered stays answered: its consignment is closed for good.
    """
    return any(
        settled(DELIVERY, state) and (state, DeliveryEvent.PEER_TOOK) in DELIVERY.rows
        for state in (DeliveryState(d["state"]) for d in deliveries)
    )


def _receipt(
    context: Context, row: Row, deliveries: Sequence[Row], outcome: Taken, now: datetime
) -> Change:
    return entry(
        context.ids,
        "handed_over",
        row["consignment_id"] or row["status_id"],
        row["document_id"],
        now,
        transfer_id=row["id"],
        consignment_id=row["consignment_id"],
        status_id=row["status_id"],
        hop=row["hop"],
        peer_doc_id=outcome.peer_doc_id,
        sha256=row["parcel_sha256"],
        recipients=[d["agency"] for d in deliveries] or loads(row["recipients"]),
        attempt=row["attempts"],
        acknowledged_at=iso(now),
    ).row


def reopened(consignment_id: str) -> Change:
    """Return the row that opens a closed consignment again, if it is closed."""
    where = {"id": consignment_id, "state": ConsignmentState.CLOSED.value}
    values = {"state": ConsignmentState.RELEASED.value, "closed_at": None}
    return Update("consignment", where, values, expect=None)


def _under_way(row: Row) -> dict[str, Any]:
    """Return what the transfer looks like while it is this attempt that is under way.

    A process that stood still for so long that another took over must not end the other's attempt.
    """
    sending = TransferState.SENDING.value
    return {"id": row["id"], "state": sending, "attempts": row["attempts"]}


def deferred(row: Row, reason: str, due: datetime, now: datetime) -> list[Change]:
    """Return what follows when the peer could not take it now."""
    reason = reason[:_REASON_MAX]
    return [
        Update(
            "transfer",
            _under_way(row),
            {
                "state": TransferState.DEFERRED.value,
                "due_at": to_text(due),
                "lease_until": None,
                "reason": reason,
            },
        ),
        Update(
            "delivery",
            {"transfer_id": row["id"], "state": before(DeliveryEvent.PEER_BUSY)},
            {"state": DeliveryState.DEFERRED.value, "reason": reason},
            expect=None,
        ),
        event(row["id"], "deferred", now, reason=reason, due_at=iso(due)),
    ]


def failed(  # noqa: PLR0917
    context: Context, row: Row, kind: str, reason: str, code: str, now: datetime
) -> list[Change]:
    """Return what follows when there will be no further attempt of ours.

    SND-15: never deleted; a dead letter waits for an operator, its reason with it.

    Args:
        context: Ports and policy.
        row: The transfer under way.
        kind: `peer_refused`, `gave_up` or `damaged`.
        reason: Why, as the peer or we say it.
        code: The peer's own answer code, or "".
        now: Aware instant.
    """
    reason = reason[:_REASON_MAX]
    return [
        Update(
            "transfer",
            _under_way(row),
            {"state": TransferState.FAILED.value, "lease_until": None, "reason": reason},
        ),
        Update(
            "delivery",
            {"transfer_id": row["id"], "state": before(DeliveryEvent.GAVE_UP)},
            {"state": DeliveryState.FAILED.value, "reason": reason},
            expect=None,
        ),
        event(row["id"], kind, now, reason=reason),
        entry(
            context.ids,
            "failed",
            row["consignment_id"] or row["status_id"],
            row["document_id"],
            now,
            transfer_id=row["id"],
            consignment_id=row["consignment_id"],
            status_id=row["status_id"],
            hop=row["hop"],
            attempt=row["attempts"],
            reason=kind.replace("_", "-"),
            code=code,
        ).row,
    ]
