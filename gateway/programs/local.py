"""Delivery into the inbox of a local agency: attempt, arrival and outcome in one transaction.

Nothing is dialled, so nothing can be half done; a crash leaves the transfer waiting. A document
that reached the agency by another way first (the axis served it too) is the same document: the
delivery follows what became of it there.
"""

from datetime import datetime, timedelta
from typing import Any, Final

from gateway import faults, observe
from gateway.domain.lifecycle import ArrivalState, DeliveryState, TransferState
from gateway.domain.moments import from_text, to_text
from gateway.errors import IntegrityError
from gateway.ports import Absent, Change, ChangeSet, Conflict, Insert, Row, Update
from gateway.programs import ahead, recalls, statuses, takebacks, tracking, undetermined
from gateway.programs.catalogue import family, name_of, works_in_console
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, entry, event, keep, loads, not_held
from gateway.trust.report import Verdict

_RACES: Final = 8
_LATER: Final = timedelta(minutes=1)
_OPEN: Final = (DeliveryState.PENDING.value, DeliveryState.DEFERRED.value)
_STANDS_FOR: Final = {
    ArrivalState.TAKEN: DeliveryState.ARRIVED,
    ArrivalState.ACCEPTED: DeliveryState.ACCEPTED,
    ArrivalState.ASSIGNED: DeliveryState.ASSIGNED,
    ArrivalState.IN_PROGRESS: DeliveryState.IN_PROGRESS,
    ArrivalState.DONE: DeliveryState.DONE,
    ArrivalState.RETURNED: DeliveryState.RETURNED,
    ArrivalState.RECALLED: DeliveryState.RECALLED,
}


async def deliver_locally(context: Context, transfer: Row) -> None:
    """Put one consignment into the inbox of one local agency."""
    for _ in range(_RACES):
        now = context.clock.now()
        changes, offered = await _planned(context, transfer, now)
        faults.reach("local.before-commit")
        change = ChangeSet(rows=tuple(changes), guards=not_held(transfer))
        result = await context.ledger.commit(change)
        faults.reach("local.after-commit")
        if not isinstance(result, Conflict):
            await _told(context, transfer, offered)
            return
        if isinstance(result.failed, Absent):  # held since a moment
            return
        if getattr(result.failed, "table", "") != "takeback":
            break
    await _look_again_later(context, transfer, now)


async def _told(context: Context, transfer: Row, offered: list[dict[str, Any]]) -> None:
    for arrival in offered:
        if arrival["state"] == ArrivalState.RECALLED.value:
            await tracking.close_if_settled(context, transfer["consignment_id"])
        else:
            own, agency = str(arrival["id"]), str(arrival["agency"])
            observe.arrival_offered(arrival_id=own, agency=agency)


async def _planned(
    context: Context, transfer: Row, now: datetime
) -> tuple[list[Change], list[dict[str, Any]]]:
    """Return all rows of a transfer's end, and the arrivals among them."""
    consignment = await context.ledger.one("consignment", id=transfer["consignment_id"])
    deliveries = await context.ledger.all("deliveries_of_transfer", transfer_id=transfer["id"])
    if consignment is None or not deliveries:
        raise IntegrityError("transfer without its consignment or delivery")
    watched = None
    if consignment["verdict"] == Verdict.INDETERMINATE:
        watched = await context.ledger.one("recheck", subject=consignment["id"])
    changes: list[Change] = _transfer_done(transfer, now)
    offered: list[dict[str, Any]] = []
    for delivery in deliveries:
        there = await _already_there(context, consignment, delivery)
        if there is not None:
            changes += _followed(consignment, delivery, there, now)
            continue
        arrival = arrival_of(context, consignment, delivery, now)
        offered.append(arrival)
        recalled = await ahead.standing(context, arrival, from_text(consignment["accepted_at"]))
        changes += recalled.still
        if recalled.recall is not None and not context.restored:
            changes += _overtaken(context, consignment, delivery, arrival, recalled.recall, now)
            continue
        changes += _delivered(context, consignment, delivery, arrival, now)
        if recalled.recall is not None:
            # What a restored gateway shows may have been there before: nothing is decided yet.
            changes += ahead.attached(context, arrival, recalled.recall, now)
        changes += undetermined.watch_copy(consignment, watched, str(arrival["id"]), now)
        changes += await takebacks.by_document(context, arrival, now)
    return changes, offered


async def _look_again_later(context: Context, transfer: Row, now: datetime) -> None:
    """Another program was faster, or the facts do not fit: say so if it is still waiting."""
    fresh = await context.ledger.one("transfer", id=transfer["id"])
    if fresh is None or any(
        fresh[k] != transfer[k] for k in ("state", "attempts", "hold", "stopped")
    ):
        return
    observe.alarm(what="local delivery", subject=transfer["id"])
    later = {"due_at": to_text(now + _LATER)}
    where = {"id": transfer["id"], "state": transfer["state"]}
    await context.ledger.commit(ChangeSet(rows=(Update("transfer", where, later, expect=None),)))


async def _already_there(context: Context, consignment: Row, delivery: Row) -> Row | None:
    """Return the agency's arrival of this very document, if it came by another way."""
    found = await context.ledger.all(
        "arrivals_of",
        agency=delivery["agency"],
        document_id=consignment["document_id"],
        senders=family(context, consignment["sender"]),
    )
    same = (a for a in found if a["version"] == consignment["version"])
    return next(same, None)


def _followed(consignment: Row, delivery: Row, arrival: Row, now: datetime) -> list[Change]:
    """Return the rows of a delivery whose document the agency has already."""
    at = to_text(now)
    if arrival["digest"] != consignment["digest"]:
        reason = f"đơn vị đã có văn bản khác cùng mã / another document is there: {arrival['id']}"
        took = {"state": DeliveryState.FAILED.value, "reason": reason}
    else:
        state = _STANDS_FOR.get(ArrivalState(arrival["state"]), DeliveryState.HANDED_OVER)
        took = {
            "state": state.value,
            "reason": "",
            "left_at": delivery["left_at"] or at,
            "acknowledged_at": delivery["acknowledged_at"] or at,
            "at_gateway_at": arrival["at_gateway_at"],
            "entered_system_at": arrival["entered_system_at"],
        }
    return [
        Update("delivery", {"id": delivery["id"], "state": _OPEN}, took),
        event(
            consignment["id"],
            "delivery",
            now,
            agency=delivery["agency"],
            state=took["state"],
            arrival_id=arrival["id"],
        ),
    ]


def _transfer_done(transfer: Row, now: datetime) -> list[Change]:
    attempt = transfer["attempts"] + 1
    at = to_text(now)
    done = {"state": TransferState.DONE.value, "attempts": attempt, "done_at": at, "reason": ""}
    return [
        Update(
            "transfer",
            {"id": transfer["id"], "state": transfer["state"], "hold": "", "stopped": 0},
            done,
        ),
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


def arrival_of(context: Context, consignment: Row, delivery: Row, now: datetime) -> dict[str, Any]:
    """Return the arrival row of a delivery inside this gateway, offered at once."""
    at = to_text(now)
    envelope = loads(consignment["envelope"])
    return {
        "id": context.ids.new(),
        "agency": delivery["agency"],
        "addressed_as": delivery["addressed_as"],
        "forwarded_from": "[]",
        "sender": consignment["sender"],
        "sender_written": consignment["sender_written"],
        "sender_name": envelope["header"]["sender"].get("organ_name")
        or name_of(context.directory(), consignment["sender"]),
        "document_id": consignment["document_id"],
        "version": consignment["version"],
        "digest": consignment["digest"],
        "state": ArrivalState.OFFERED.value,
        "envelope": consignment["envelope"],
        "findings": _for_recipient(consignment["findings"]),
        "verdict": consignment["verdict"],
        "legal_class": consignment["legal_class"],
        "scans": consignment["scans"],
        "urgency": consignment["urgency"],
        "business_type": consignment["business_type"],
        "code_number": consignment["code_number"],
        "code_notation": consignment["code_notation"],
        "promulgation_date": consignment["promulgation_date"],
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
    context: Context, consignment: Row, delivery: Row, arrival: dict[str, Any], now: datetime
) -> list[Change]:
    at = to_text(now)
    took = {
        "state": DeliveryState.HANDED_OVER.value,
        "reason": "",
        "left_at": delivery["left_at"] or at,
        "acknowledged_at": delivery["acknowledged_at"] or at,
        "at_gateway_at": at,
    }
    agency = delivery["agency"]
    changes: list[Change] = [
        Insert("arrival", arrival),
        event(str(arrival["id"]), "offered", now, agency=agency),
        *_came(context, consignment, arrival, now),
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


def _came(
    context: Context, consignment: Row, arrival: dict[str, Any], now: datetime
) -> list[Change]:
    """Return what keeps an arrival's bytes, and its entry in the receipt log."""
    own = str(arrival["id"])
    return [
        keep(consignment["received_sha256"], own),
        entry(
            context.ids,
            "arrived_at_gateway",
            own,
            consignment["document_id"],
            now,
            agency=arrival["agency"],
            sender=consignment["sender"],
            arrival_id=own,
            consignment_id=consignment["id"],
            content_sha256=consignment["digest"],
        ).row,
    ]


def _overtaken(  # noqa: PLR0917
    context: Context,
    consignment: Row,
    delivery: Row,
    arrival: dict[str, Any],
    recall: Row,
    now: datetime,
) -> list[Change]:
    """Return the rows of a document whose recall was here first: both sides have it taken back."""
    at = to_text(now)
    took = {
        "state": DeliveryState.RECALLED.value,
        "reason": "",
        "left_at": delivery["left_at"] or at,
        "acknowledged_at": delivery["acknowledged_at"] or at,
        "at_gateway_at": at,
        "last_status": "15",
    }
    agency = delivery["agency"]
    return [
        *ahead.withdrawn(context, arrival, recall, now),
        *_came(context, consignment, arrival, now),
        Update("delivery", {"id": delivery["id"], "state": _OPEN}, took),
        event(consignment["id"], "delivery", now, agency=agency, state=took["state"]),
        *recalls.recorded(delivery, ahead.OVERTAKEN, now, agreed=True),
    ]


def _for_recipient(findings: str) -> str:
    """Return the findings a recipient needs: not those about the other recipients."""
    if "/To[" not in findings:
        return findings
    return dumps([f for f in loads(findings) if "/To[" not in f["where"]])
