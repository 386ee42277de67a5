"""recalls: taking a document back (13), and the answers 15 and 16 to it and to updates.

A recall (thu hồi) is a record beside the delivery. Promises: only who sent a document asks for it
back; what has not left is cancelled, what may have left is asked for; 15 to a recall takes the
delivery back, 15 to an update or replacement does not. Rows only: a crash leaves all or none.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.codec.edxml import envelope_from_json
from gateway.domain.envelope import BusinessType, Header, ResponseFor, StatusCode
from gateway.domain.lifecycle import (
    DELIVERY,
    RECALL_ASKABLE,
    ArrivalState,
    DeliveryState,
    RecallState,
    TransferState,
    allows,
    moves_nothing,
)
from gateway.domain.moments import from_text, to_text
from gateway.domain.recall import RecallAct, recall_act, sent_after, sent_off_at, targets
from gateway.domain.receipt import delivery_event, known_code
from gateway.errors import Reason, RejectedError, UnavailableError
from gateway.ports import Change, Insert, Row, Update
from gateway.programs import matching, tracking
from gateway.programs.catalogue import family
from gateway.programs.context import Context
from gateway.programs.routing import LOCAL
from gateway.programs.rows import dumps, event, loads

BY_STATUS: Final = "13"
BY_DOCUMENT: Final = "1"
ANSWERS: Final = frozenset({StatusCode.RECALL_AGREED, StatusCode.RECALL_DECLINED})
_OPEN: Final = (RecallState.WAITING.value, RecallState.ASKED.value)
_UTTERED: Final = tuple(
    s.value for s in (RecallState.ASKED, RecallState.AGREED, RecallState.DECLINED)
)
_UNANSWERED: Final = tuple(s.value for s in RecallState if s is not RecallState.AGREED)
_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """How a document is asked back.

    Args:
        means: `13`, or `1` for a document of BussinessDocType 1.
        notice_id: The status report, or the arrival that asks.
        reason: Why, as the sender says.
    """

    means: str
    notice_id: str
    reason: str


def is_answer(code: str) -> bool:
    """Tell whether a code answers a recall or an update: 15 or 16."""
    return known_code(code) in ANSWERS


# ---------------------------------------------------------------- 13, on the issuer's side


def order_row(
    context: Context, consignment: Row, reason: str, now: datetime, **how: str | int
) -> Insert:
    """Return the row of a decision to take a sending back (REC-03); `how`: who, whole or not."""
    values = {
        "id": context.ids.new(),
        "consignment_id": consignment["id"],
        "sender": consignment["sender"],
        "document_id": consignment["document_id"] or "",
        "reason": reason[:500],
        "system_id": consignment["system_id"],
        "asked_at": to_text(now),
    }
    return Insert("recall_order", values | how)


def wish_row(  # noqa: PLR0917
    context: Context, delivery: Row, order: Row, state: RecallState, now: datetime, notice: str = ""
) -> Insert:
    """Return the row of an order's part for one recipient."""
    values = {
        "id": context.ids.new(),
        "delivery_id": delivery["id"],
        "state": state.value,
        "reason": order["reason"],
        "asked_at": to_text(now),
        "order_id": order["id"],
        "sender": order["sender"],
        "notice_id": notice,
    }
    return Insert("recall", values)


async def ask(context: Context, delivery: Row, reason: str, now: datetime) -> list[Change]:
    """Return what a 13 of the issuer does to its delivery; empty when it was asked already.

    Raises:
        RejectedError: ILLEGAL_TRANSITION, there is nothing (any more) to take back.
        UnavailableError: An attempt is running; its end decides.
    """
    state = DeliveryState(delivery["state"])
    match recall_act(state):
        case RecallAct.ASK:
            return await _asked(context, delivery, reason, now)
        case RecallAct.CANCEL if context.restored:
            # The backup may not know that it left.
            raise UnavailableError(public="restored from a backup and not released yet")
        case RecallAct.CANCEL:
            changes = await _cancelled(context, delivery, now)
            if await _may_be_there(context, delivery):
                changes += await _asked(context, delivery, reason, now)
            return changes
        case RecallAct.WAIT:
            raise UnavailableError(
                public="the document is just being sent; ask again", retry_after_s=5
            )
        case _:
            raise RejectedError(
                Reason.ILLEGAL_TRANSITION,
                f"nothing to take back: the delivery to {delivery['agency']} is {state.value}",
            )


async def ask_for(
    context: Context, delivery: Row, reason: str, now: datetime
) -> tuple[list[Change], list[Row]]:
    """Return what a 13 of the issuer does, and what it asks for that its recipient may have.

    It names an identifier: behind a peer it is about every version of the document that was sent
    off by now. One that is not there (any more) stands in the way of none of the others.
    """
    concerned = [delivery]
    if delivery["hop"] != LOCAL:
        concerned += [
            other
            for other in await _bodies(context, delivery, delivery["document_id"])
            if other["id"] != delivery["id"] and DeliveryState(other["state"]) in RECALL_ASKABLE
        ]
    live = [d for d in concerned if recall_act(DeliveryState(d["state"])) is not RecallAct.NOTHING]
    changes: list[Change] = []
    left: list[Row] = []
    for one in live or [delivery]:
        changes += await ask(context, one, reason, now)
        if await _may_be_there(context, one):
            left.append(one)
    return changes, left


async def _may_be_there(context: Context, delivery: Row) -> bool:
    """Tell whether a recipient may have a delivery: an attempt that failed can have got there."""
    sent = delivery["left_at"] or delivery["at_gateway_at"]
    return bool(sent) or await may_have_left(context, delivery)


def said_at(report_at: datetime | None, left: Sequence[Row], now: datetime) -> datetime:
    """Return when a 13 was said, for who reads it: after what it asks for was sent off.

    The clock of the system that asks may be behind; the order in which things came is known.
    """
    times = [from_text(d["left_at"]) for d in left if d["left_at"]]
    return max([report_at or now, *times])


async def may_have_left(context: Context, delivery: Row) -> bool:
    """Tell whether a delivery that seems not to have left may have, before a restoration.

    What waited in the backup may have been sent in the time that is lost: its recipient is asked
    beside it, for nobody here will ever be told.
    """
    if context.lost_until is None or delivery["hop"] == LOCAL or not delivery["transfer_id"]:
        return False
    transfer = await context.ledger.one("transfer", id=delivery["transfer_id"])
    return transfer is not None and from_text(transfer["created_at"]) <= context.lost_until


async def _asked(context: Context, delivery: Row, reason: str, now: datetime) -> list[Change]:
    values = {
        "state": RecallState.ASKED.value,
        "reason": reason[:500],
        "asked_at": to_text(now),
    }
    told = event(delivery["consignment_id"], "recall_asked", now, agency=delivery["agency"])
    known = await context.ledger.one("recall_of", delivery_id=delivery["id"])
    if known is not None:
        if known["state"] in _OPEN:
            return []
        if known["state"] == RecallState.AGREED.value:
            raise RejectedError(Reason.ILLEGAL_TRANSITION, "the document was given back already")
        where = {"id": known["id"], "state": known["state"]}
        return [Update("recall", where, values | {"answered_at": None, "answer": ""}), told]
    consignment = {**delivery, "id": delivery["consignment_id"]}
    before = await context.ledger.all("recall_orders_of", consignment_id=consignment["id"], limit=1)
    changes: list[Change] = [told]
    if before:
        order = before[0]
    else:
        made = order_row(context, consignment, reason, now, asked_by=delivery["system_id"])
        order = made.values
        changes.append(made)
    changes.append(wish_row(context, delivery, order, RecallState.ASKED, now))
    return changes


async def _cancelled(context: Context, delivery: Row, now: datetime) -> list[Change]:
    """REC-07: taking back what has not left simply cancels it."""
    changes: list[Change] = []
    if delivery["transfer_id"]:
        transfer = await context.ledger.one("transfer", id=delivery["transfer_id"])
        covered = await context.ledger.all(
            "deliveries_of_transfer", transfer_id=delivery["transfer_id"]
        )
        # The parcel names all its recipients as the sender wrote them: it leaves whole or not.
        if transfer is None or len(covered) > 1:
            raise RejectedError(
                Reason.ILLEGAL_TRANSITION,
                "the document has not left yet and shares its parcel with other recipients: ask "
                "again once it was handed over",
            )
        where = {"id": transfer["id"], "state": transfer["state"]}
        values = {"state": TransferState.CANCELLED.value, "reason": "recalled before sending"}
        changes.append(Update("transfer", where, values))
    where = {"id": delivery["id"], "state": delivery["state"]}
    changes.append(Update("delivery", where, {"state": DeliveryState.CANCELLED.value}))
    changes.append(
        event(delivery["consignment_id"], "cancelled", now, agency=delivery["agency"], by="13")
    )
    return changes


async def asked_for(context: Context, delivery: Row) -> Row:
    """Return the delivery a 13 is about: never what asks for a document under its identifier."""
    if delivery["business_type"] != BusinessType.RECALL:
        return delivery
    bodies = await _bodies(context, delivery, delivery["document_id"])
    return bodies[-1] if bodies else delivery


async def sent_by_others(
    context: Context, recipient: str, issuer: str, document_id: str
) -> Row | None:
    """Return what another agency of ours sent to a recipient under this identifier (REC-06)."""
    if not document_id.strip():
        return None
    ours = set(json.loads(family(context, issuer)))
    for row in await context.ledger.all("consignments_named", document_id=document_id):
        deliveries = await context.ledger.all("deliveries", consignment_id=row["id"])
        if row["sender"] not in ours and any(d["agency"] == recipient for d in deliveries):
            return row
    return None


# ---------------------------------------------------------------- by document, on either side


async def concerned_arrival(context: Context, arrival: Row) -> Row | None:
    """Return the arrival that an incoming recall, update or replacement is about, if it is here."""
    header = _header(arrival)
    named = await matching.arrivals_named(
        context, arrival["agency"], arrival["sender"], arrival["document_id"]
    )
    own = any(a["id"] != arrival["id"] for a in named)
    for target in targets(header, own_id_exists=own):
        found = await arrival_named(context, arrival, target)
        if found is not None:
            return found
    return None


async def arrival_named(context: Context, arrival: Row, name: str) -> Row | None:
    """Return what is here of a document that an incoming message names, never the message."""
    found = await matching.arrivals_named(context, arrival["agency"], arrival["sender"], name)
    others = [one for one in found if one["id"] != arrival["id"]]
    return version_asked(others, sent_off_at(_header(arrival)))


def version_asked(versions: Sequence[Row], asked_at: datetime | None) -> Row | None:
    """Return the newest version that had been sent off when its sender asked for the document.

    None of those set apart (SEC-01), and no notice under the identifier of what it asks for.
    """
    hidden = ArrivalState.QUARANTINED.value
    there = [v for v in versions if v["state"] != hidden and not names_itself(v)]
    before = (
        one
        for one in there
        if asked_at is None or not sent_after(sent_off_at(_header(one)), asked_at)
    )
    return next(before, there[0] if there else None)


def names_itself(arrival: Row) -> bool:
    """Tell whether what asks for a document bears the identifier of what it asks for."""
    if arrival["business_type"] != BusinessType.RECALL:
        return False
    return arrival["document_id"] in targets(_header(arrival), own_id_exists=True)


def several(arrival: Row) -> tuple[str, ...]:
    """Return the documents an incoming recall names, where they are several: else nothing.

    REC-05: each is looked for, given back and answered by itself.
    """
    if arrival["business_type"] != BusinessType.RECALL:
        return ()
    names = tuple(dict.fromkeys(targets(_header(arrival), own_id_exists=False)))[:_NAMED]
    return names if len(names) > 1 else ()


def as_named(arrival: Row, name: str = "") -> Row:
    """Return what an answer to a recall of what is not here is about: as its sender named it.

    C5: 15 and 16 are about the document concerned; a message that names none is answered itself.
    """
    if arrival["business_type"] != BusinessType.RECALL:
        return arrival
    header = _header(arrival)
    names = (name,) if name else targets(header, own_id_exists=False)
    if not names or names[0] == arrival["document_id"]:
        return arrival
    about = next((r for r in header.response_for if r.document_id == names[0]), ResponseFor())
    dated = about.promulgation_date
    told = {
        "code_number": about.code,
        "code_notation": "",
        "promulgation_date": dated.isoformat() if dated else "",
    }
    return {**arrival, "document_id": names[0], "envelope": dumps({"header": told})}


# ---------------------------------------------------------------- 15 and 16


async def meant(context: Context, delivery: Row, code: str) -> Row:
    """Return the delivery a status is about, where what asks for a document bears its identifier.

    Both are answered under one name: the document comes first, as long as the code moves it.
    """
    if delivery["business_type"] != BusinessType.RECALL or is_answer(code):
        return delivery
    kind = delivery_event(code)
    if kind is None:
        return delivery
    bodies = await _bodies(context, delivery, delivery["document_id"])
    # Nobody reports on a version that was taken back before it left, if another one did leave.
    for body in reversed([b for b in bodies if b["left_at"]] or bodies):
        state = DeliveryState(body["state"])
        if allows(DELIVERY, state, kind) and not moves_nothing(DELIVERY, state, kind):
            return body
    return delivery


async def answered(  # noqa: PLR0917
    context: Context,
    delivery: Row,
    code: str,
    at: datetime,
    description: str,
    now: datetime,
    *,
    name: str = "",
) -> list[Change]:
    """Return what a 15 or 16 does on the issuer's side.

    REC-01 (S003 art 9.3): 15 to a recall means that the receiver has cancelled the document; 15 to
    an update or replacement means that it has taken the new one, and nothing is taken back. `name`
    is the document an answer to a recall of several is about, "" for all of them.
    """
    kind = BusinessType(delivery["business_type"])
    agreed = known_code(code) is StatusCode.RECALL_AGREED
    if kind is BusinessType.RECALL:
        found = await _recalled_by(context, delivery, name)
        concerned, unasked = await _asked_among(context, found)
        concerned = concerned or unasked
    else:
        others = await _bodies(context, delivery, delivery["document_id"])
        versions = [delivery, *(o for o in others if o["id"] != delivery["id"])]
        changed = kind in {BusinessType.UPDATE, BusinessType.REPLACE}
        concerned, _ = await _asked_among(context, versions, open_only=changed)
        # What is asked back is answered first: an update need not be answered at all.
        if not concerned and (changed or await _is_changed(context, delivery)):
            return [_change_answered(delivery, now, agreed=agreed)]
        concerned = concerned or [delivery]
    changes = await given_back(context, concerned, code, at, description, now)
    if not changes:
        changes.append(_change_answered(delivery, now, agreed=agreed))
    return changes


async def given_back(  # noqa: PLR0917
    context: Context,
    concerned: Sequence[Row],
    code: str,
    at: datetime,
    description: str,
    now: datetime,
) -> list[Change]:
    """Return what a 15 or 16 does to the deliveries it is known to be about."""
    agreed = known_code(code) is StatusCode.RECALL_AGREED
    changes: list[Change] = []
    for one in concerned:
        changes += recorded(one, description, now, agreed=agreed)
        changes += await tracking.move(context, one, code, at, description, now)
    return changes


async def returned_meanwhile(context: Context, given: Sequence[Row]) -> list[Row]:
    """Return the other versions of what is answered that were returned after they were asked for.

    A document of type 1 asks for all that bear one identifier: no other answer comes for these.
    """
    known = {one["id"] for one in given}
    gone = [
        other
        for one in given[:1]
        for other in await _bodies(context, one, one["document_id"])
        if other["id"] not in known and other["state"] == DeliveryState.RETURNED.value
    ]
    asked, _ = await _asked_among(context, gone, open_only=True)
    return asked


async def _asked_among(
    context: Context, versions: Sequence[Row], *, open_only: bool = False
) -> tuple[list[Row], list[Row]]:
    """Return the versions that were asked back, which an answer is about; and those never wanted.

    A wish that still waits was heard by nobody. Where `open_only`, what has its answer counts only
    beside what has none.
    """
    rows = await context.ledger.all(
        "recalls_of_deliveries", ids=json.dumps([v["id"] for v in versions])
    )
    states = {r["delivery_id"]: r["state"] for r in rows}
    unwanted = [v for v in versions if v["id"] not in states]
    if open_only and RecallState.ASKED.value not in states.values():
        return [], unwanted
    return [v for v in versions if states.get(v["id"]) in _UTTERED], unwanted


def recorded(delivery: Row, answer: str, now: datetime, *, agreed: bool) -> list[Change]:
    """Return what an answer does to the record of the recall of a delivery."""
    # The table of recalls: agreed also after a first refusal, refused only when asked.
    state = RecallState.AGREED if agreed else RecallState.DECLINED
    before = _UNANSWERED if agreed else (RecallState.ASKED.value,)
    where = {"delivery_id": delivery["id"], "state": before}
    values = {"state": state.value, "answered_at": to_text(now), "answer": answer[:500]}
    return [Update("recall", where, values, expect=None)]


def _change_answered(delivery: Row, now: datetime, *, agreed: bool) -> Change:
    kind = "change_agreed" if agreed else "change_declined"
    return event(delivery["consignment_id"], kind, now, agency=delivery["agency"])


async def _is_changed(context: Context, delivery: Row) -> bool:
    """Tell whether the newest later message about a document updates or replaces it."""
    later = await context.ledger.all(
        "consignments_concerning",
        senders=family(context, delivery["sender"]),
        after=delivery["consignment_id"],
    )
    for row in reversed(later):
        if delivery["document_id"] in targets(_header(row), own_id_exists=True):
            return bool(row["business_type"] != BusinessType.RECALL)
    return False


async def _recalled_by(context: Context, delivery: Row, name: str = "") -> list[Row]:
    """Return the deliveries, to the same agency, that a recall by document takes back."""
    notice = await context.ledger.one("consignment", id=delivery["consignment_id"])
    if notice is None:
        return []
    found: dict[str, Row] = {}
    for target in (name,) if name else targets(_header(notice), own_id_exists=False):
        row = await context.ledger.one(
            "delivery_named",
            senders=family(context, delivery["sender"]),
            agencies=family(context, delivery["agency"]),
            agency=delivery["agency"],
            document_ids=matching.spellings(target),
        )
        # A notice may bear the identifier of what it recalls: it is not what is taken back.
        if row is not None and row["business_type"] != BusinessType.RECALL:
            found[row["id"]] = row
        for other in await _bodies(context, delivery, target):
            found[other["id"]] = other
    found.pop(delivery["id"], None)
    return list(found.values())


async def _bodies(context: Context, delivery: Row, document_id: str) -> list[Row]:
    """Return the deliveries, to the same agency, of all versions under an identifier."""
    rows = await context.ledger.all(
        "consignment_versions",
        senders=family(context, delivery["sender"]),
        document_id=document_id,
    )
    found = []
    for row in rows:
        if row["business_type"] == BusinessType.RECALL:
            continue
        for other in await context.ledger.all("deliveries", consignment_id=row["id"]):
            if other["agency"] == delivery["agency"]:
                whole = await context.ledger.one("delivery_whole", id=other["id"])
                found += [whole] if whole is not None else []
    return found


def _header(row: Row) -> Header:
    return envelope_from_json(loads(row["envelope"])).header
