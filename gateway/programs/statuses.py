"""Statuses between agencies: what a code does to an arrival, to a delivery, and who is told.

Promises: every report is kept; each code goes out once per document and agency, except 05; a late,
repeated or unknown code moves nothing and is kept as an event. All rows of one report are one
change set: a crash leaves all of it or none.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from gateway.domain.envelope import StaffInfo, StatusCode
from gateway.domain.lifecycle import (
    ARRIVAL,
    DELIVERY,
    RECALL_ASKABLE,
    ArrivalEvent,
    ArrivalState,
    DeliveryEvent,
    DeliveryState,
    TransferState,
    advance,
    allows,
    settled,
)
from gateway.domain.moments import from_text, iso, to_text
from gateway.domain.receipt import arrival_event, delivery_event, known_code
from gateway.domain.worktime import received_at_legal
from gateway.ports import Change, Insert, Row, Update
from gateway.programs.catalogue import whois
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL, topic_of
from gateway.programs.rows import dumps, entry, event, loads, wake

_STATUS_LANE: Final = 1


# ---------------------------------------------------------------- the sender's side


def move_delivery(  # noqa: PLR0917
    context: Context, delivery: Row, code: str, at: datetime, description: str, now: datetime
) -> list[Change]:
    """Return the changes one status makes to a delivery of ours; none of them go back (STS-07)."""
    state = DeliveryState(delivery["state"])
    kind = delivery_event(code)
    after = advance(DELIVERY, state, kind) if kind is not None and _legal(state, kind) else state
    values: dict[str, Any] = {"state": after.value}
    if kind is not None:
        values["last_status"] = code
    if after is not state:
        values["reason"] = description[:500] if after is DeliveryState.RETURNED else ""
    if kind is not None and delivery["entered_system_at"] is None and after in _INSIDE:
        values["entered_system_at"] = to_text(at)
    if kind is not None and delivery["acknowledged_at"] is None:
        values["acknowledged_at"] = to_text(now)
    changes: list[Change] = [
        Update("delivery", {"id": delivery["id"], "state": state.value}, values),
        event(
            delivery["consignment_id"],
            "status",
            now,
            code=code,
            agency=delivery["agency"],
            moved=after is not state,
        ),
    ]
    if delivery["transfer_id"] and kind is not None:
        # STS-08: the receipt settles the doubt of a lost answer and stops the retry.
        open_states = (TransferState.WAITING, TransferState.DEFERRED, TransferState.FAILED)
        changes.append(
            Update(
                "transfer",
                {"id": delivery["transfer_id"], "state": tuple(s.value for s in open_states)},
                {"state": TransferState.DONE.value, "done_at": to_text(now), "reason": ""},
                expect=None,
            )
        )
    changes += _recall_answer(delivery, code, description, now)
    return changes


_INSIDE: Final = frozenset(
    {
        DeliveryState.ARRIVED,
        DeliveryState.ACCEPTED,
        DeliveryState.ASSIGNED,
        DeliveryState.IN_PROGRESS,
        DeliveryState.DONE,
    }
)


def _legal(state: DeliveryState, kind: DeliveryEvent) -> bool:
    return allows(DELIVERY, state, kind)


def _recall_answer(delivery: Row, code: str, description: str, now: datetime) -> list[Change]:
    # REC-01 (S003 art 9.3): 15 agrees, 16 declines; the record is apart from the state.
    answers = {StatusCode.RECALL_AGREED: "agreed", StatusCode.RECALL_DECLINED: "declined"}
    found = known_code(code)
    state = answers.get(found) if found is not None else None
    if state is None:
        return []
    values = {"state": state, "answered_at": to_text(now), "answer": description[:500]}
    where = {"delivery_id": delivery["id"], "state": "asked"}
    return [Update("recall", where, values, expect=None)]


def ask_recall(context: Context, delivery: Row, reason: str, now: datetime) -> list[Change]:
    """Return the record of a take-back asked (13), empty where there is nothing to take back."""
    if DeliveryState(delivery["state"]) not in RECALL_ASKABLE:
        return []
    values = {
        "id": context.ids.new(),
        "delivery_id": delivery["id"],
        "state": "asked",
        "reason": reason[:500],
        "asked_at": to_text(now),
    }
    return [
        Insert("recall", values),
        event(delivery["consignment_id"], "recall_asked", now, agency=delivery["agency"]),
    ]


# ---------------------------------------------------------------- the recipient's side


def entered(context: Context, arrival: Row, now: datetime) -> dict[str, Any]:
    """Return the columns that say: the document entered the agency's system at `now`.

    RCV-06 (S003 art 11.2): out of office hours the law counts the next opening.
    """
    legal = received_at_legal(now, context.calendar(arrival["agency"]))
    return {"entered_system_at": to_text(now), "received_at_legal": to_text(legal)}


def take(context: Context, arrival: Row, now: datetime, *, source: str) -> list[Change]:
    """Return the changes of an arrival entering its agency's system, receipt 01 owed included."""
    state = ArrivalState(arrival["state"])
    after = advance(ARRIVAL, state, ArrivalEvent.TAKEN)
    columns = entered(context, arrival, now) | {"state": after.value}
    mark = _mark(arrival, StatusCode.ARRIVED) if _owes_01(context, arrival) else None
    if mark is not None:
        columns["sent_codes"] = mark
    guard = {"id": arrival["id"], "state": state.value, "entered_system_at": None}
    changes: list[Change] = [
        Update("arrival", guard, columns),
        event(arrival["id"], "entered_system", now, by=source),
        entry(
            context.ids,
            "entered_system",
            arrival["id"],
            arrival["document_id"],
            now,
            arrival_id=arrival["id"],
            agency=arrival["agency"],
            sender=arrival["sender"],
            received_at_legal=iso(from_text(columns["received_at_legal"])),
        ).row,
    ]
    if mark is not None:
        # RCV-05 (NĐ30 art 21.2c), STS-08: the machine's receipt, never before the commit.
        changes += tell(context, arrival, StatusCode.ARRIVED, "", now, at=now)
    return changes


def _owes_01(context: Context, arrival: Row) -> bool:
    return arrival["source"] == LOCAL or context.peer(arrival["source"]).receipt_01_by == "gateway"


def _mark(arrival: Row, code: str) -> str | None:
    sent = [c for c in arrival["sent_codes"].split(",") if c]
    if code in sent and code != StatusCode.IN_PROGRESS:
        return None
    return ",".join([*sent, code]) if code not in sent else arrival["sent_codes"]


def report_on(
    context: Context,
    arrival: Row,
    code: str,
    reason: str,
    now: datetime,
    *,
    staff: StaffInfo | None = None,
) -> list[Change]:
    """Return the changes of one status an agency posts on its arrival.

    The caller has checked that the state allows it.
    """
    state = ArrivalState(arrival["state"])
    kind = arrival_event(code)
    after = advance(ARRIVAL, state, kind) if kind is not None else state
    columns: dict[str, Any] = {"state": after.value}
    changes: list[Change] = []
    sent = dict(arrival)
    if arrival["entered_system_at"] is None and kind is not None:
        columns |= entered(context, arrival, now)
        changes += [event(arrival["id"], "entered_system", now, by="status")]
        if code != StatusCode.ARRIVED and _owes_01(context, arrival):
            sent["sent_codes"] = _mark(sent, StatusCode.ARRIVED) or sent["sent_codes"]
            changes += tell(context, arrival, StatusCode.ARRIVED, "", now, at=now)
    mark = _mark(sent, code)
    columns["sent_codes"] = mark if mark is not None else sent["sent_codes"]
    guard = {"id": arrival["id"], "state": state.value, "sent_codes": arrival["sent_codes"]}
    changes.insert(0, Update("arrival", guard, columns))
    changes.append(
        event(
            arrival["id"], "status", now, code=code, moved=after is not state, sent=mark is not None
        )
    )
    if mark is not None:
        changes += tell(context, arrival, code, reason, now, at=now, staff=staff)
    return changes


def tell(
    context: Context,
    arrival: Row,
    code: str,
    reason: str,
    now: datetime,
    *,
    at: datetime,
    staff: StaffInfo | None = None,
) -> list[Change]:
    """Return the rows that carry a status to the sender of an arrival.

    A sender behind a peer gets one message per code it addressed the agency under: old and new
    code are two rows in its book, and both must be answered.
    """
    if arrival["source"] == LOCAL:
        written = loads(arrival["addressed_as"])[0]
        row = _report_row(context, arrival, written, code, reason, now, at, staff, offered=True)
        return [row, status_entry(context, row.values, now)]
    changes: list[Change] = []
    for written in loads(arrival["addressed_as"]):
        row = _report_row(context, arrival, written, code, reason, now, at, staff, offered=False)
        changes.append(row)
        changes += status_transfer(context, row.values, arrival["source"], now)
    return changes


def _report_row(  # noqa: PLR0917
    context: Context,
    arrival: Row,
    written: str,
    code: str,
    reason: str,
    now: datetime,
    at: datetime,
    staff: StaffInfo | None,
    *,
    offered: bool,
) -> Insert:
    envelope = loads(arrival["envelope"])["header"]
    number, notation = envelope.get("code_number", ""), envelope.get("code_notation", "")
    return Insert(
        "status_report",
        {
            "id": context.ids.new(),
            "sender": arrival["agency"],
            "sender_written": written,
            "recipient": arrival["sender"],
            "recipient_written": arrival["sender_written"],
            "document_id": arrival["document_id"],
            "notation": f"{number}/{notation}" if notation else number,
            "promulgation_date": envelope.get("promulgation_date") or "",
            "code": code,
            "description": reason,
            "at": to_text(at),
            "staff": dumps(asdict(staff) if staff else None),
            "source": "local",
            "consignment_id": arrival["consignment_id"],
            "delivery_id": arrival["delivery_id"],
            "arrival_id": arrival["id"],
            "created_at": to_text(now),
            "offered_at": to_text(now) if offered else None,
        },
    )


def status_transfer(context: Context, report: Row, hop: str, now: datetime) -> list[Change]:
    """Return the rows that send a status report to a peer, and its receipt entry."""
    transfer_id = context.ids.new()
    return [
        Insert(
            "transfer",
            {
                "id": transfer_id,
                "status_id": report["id"],
                "kind": "status",
                "hop": hop,
                "state": TransferState.WAITING.value,
                "lane": _STATUS_LANE,
                "due_at": to_text(now),
                "sender_written": report["sender_written"],
                "recipients": dumps([report["recipient_written"]]),
                "document_id": report["document_id"],
                "created_at": to_text(now),
            },
        ),
        wake(topic_of(hop), transfer_id, _STATUS_LANE),
        status_entry(context, report, now),
    ]


def status_entry(context: Context, report: Row, now: datetime) -> Insert:
    """Return the receipt entry of a status report."""
    subject = report["consignment_id"] or report["arrival_id"] or report["id"]
    return entry(
        context.ids,
        "status",
        subject,
        report["document_id"],
        now,
        status_id=report["id"],
        arrival_id=report["arrival_id"],
        consignment_id=report["consignment_id"],
        code=report["code"],
        sender=report["sender"],
        recipient=report["recipient"],
    ).row


def all_settled(deliveries: Sequence[Row]) -> bool:
    """Tell whether nothing of a consignment is open any more."""
    return all(settled(DELIVERY, DeliveryState(d["state"])) for d in deliveries)


def recipient_hop(context: Context, code: str) -> str:
    """Return the hop behind which an agency is reached, "" when there is none."""
    return whois(context, code).hop
