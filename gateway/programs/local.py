"""Delivery into the inbox of a local agency: attempt, arrival and outcome in one transaction.

Nothing is dialled, so nothing can be half done; a crash leaves the transfer waiting.
"""

from datetime import datetime

from gateway import faults, observe
from gateway.domain.lifecycle import ArrivalState, DeliveryState, TransferState
from gateway.domain.moments import to_text
from gateway.errors import IntegrityError
from gateway.ports import Change, ChangeSet, Conflict, Insert, Row, Update
from gateway.programs import statuses
from gateway.programs.catalogue import works_in_console
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL
from gateway.programs.rows import entry, event, keep, loads

_OPEN = (DeliveryState.PENDING.value, DeliveryState.DEFERRED.value)


async def deliver_locally(context: Context, transfer: Row) -> None:
    """Put one consignment into the inbox of one local agency."""
    consignment = await context.ledger.one("consignment", id=transfer["consignment_id"])
    deliveries = await context.ledger.all("deliveries_of_transfer", transfer_id=transfer["id"])
    if consignment is None or not deliveries:
        raise IntegrityError("transfer without its consignment or delivery")
    now = context.clock.now()
    changes: list[Change] = _transfer_done(transfer, now)
    for delivery in deliveries:
        arrival = arrival_of(context, consignment, delivery, now)
        changes += _delivered(context, consignment, delivery, arrival, now)
    faults.reach("relay.after-attempt")
    result = await context.ledger.commit(ChangeSet(rows=tuple(changes)))
    faults.reach("relay.after-outcome")
    if not isinstance(result, Conflict):
        for delivery in deliveries:
            observe.arrival_offered(arrival_id=delivery["id"], agency=delivery["agency"])


def _transfer_done(transfer: Row, now: datetime) -> list[Change]:
    attempt = transfer["attempts"] + 1
    at = to_text(now)
    done = {"state": TransferState.DONE.value, "attempts": attempt, "done_at": at, "reason": ""}
    return [
        Update("transfer", {"id": transfer["id"], "state": transfer["state"], "hold": ""}, done),
        Insert(
            "attempt",
            {
                "transfer_id": transfer["id"],
                "n": attempt,
                "began_at": at,
                "ended_at": at,
                "outcome": "taken",
                "detail": "",
            },
        ),
    ]


def arrival_of(
    context: Context, consignment: Row, delivery: Row, now: datetime
) -> dict[str, object]:
    """Return the arrival row of a delivery inside this gateway, offered at once."""
    at = to_text(now)
    envelope = loads(consignment["envelope"])
    return {
        "id": context.ids.new(),
        "agency": delivery["agency"],
        "addressed_as": delivery["addressed_as"],
        "sender": consignment["sender"],
        "sender_written": consignment["sender_written"],
        "sender_name": envelope["header"]["sender"].get("organ_name", ""),
        "document_id": consignment["document_id"],
        "version": consignment["version"],
        "digest": consignment["digest"],
        "state": ArrivalState.OFFERED.value,
        "envelope": consignment["envelope"],
        "findings": consignment["findings"],
        "verdict": consignment["verdict"],
        "legal_class": consignment["legal_class"],
        "urgency": consignment["urgency"],
        "business_type": consignment["business_type"],
        "source": LOCAL,
        "consignment_id": consignment["id"],
        "delivery_id": delivery["id"],
        "received_sha256": consignment["received_sha256"],
        "received_size": consignment["received_size"],
        "at_gateway_at": at,
        "offered_at": at,
        "entered_system_at": None,
        "arrival_number": None,
        "sent_codes": "",
    }


def _delivered(
    context: Context, consignment: Row, delivery: Row, arrival: dict[str, object], now: datetime
) -> list[Change]:
    at = to_text(now)
    document_id = consignment["document_id"]
    took = {
        "state": DeliveryState.HANDED_OVER.value,
        "reason": "",
        "left_at": delivery["left_at"] or at,
        "acknowledged_at": delivery["acknowledged_at"] or at,
        "at_gateway_at": at,
    }
    arrival_id = str(arrival["id"])
    agency = delivery["agency"]
    changes: list[Change] = [
        Insert("arrival", arrival),
        keep(consignment["received_sha256"], arrival_id),
        event(arrival_id, "offered", now, agency=agency),
        entry(
            context.ids,
            "arrived_at_gateway",
            arrival_id,
            document_id,
            now,
            agency=agency,
            sender=consignment["sender"],
            arrival_id=arrival_id,
            consignment_id=consignment["id"],
            content_sha256=consignment["digest"],
        ).row,
    ]
    where = {"id": delivery["id"], "state": _OPEN}
    if works_in_console(context, agency):
        # RCV-06 (S003 art 11.2): for an agency that works in our console this commit is the entry.
        changes += statuses.take(context, arrival, now, source="console")
        took |= {
            "state": DeliveryState.ARRIVED.value,
            "entered_system_at": at,
            "last_status": "01",
        }
    changes.append(Update("delivery", where, took))
    changes.append(event(consignment["id"], "delivery", now, agency=agency, state=took["state"]))
    return changes
