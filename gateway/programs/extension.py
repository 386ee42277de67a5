"""Extension: further recipients of a document on record get deliveries, the others none.

Also those that could not be reached when it was sent and now can: nothing ever left for them.

One transaction: deliveries, receipt entry, outbox. Its answer covers all recipients so far and goes
to a blob of its own, so that the first answer stays what it was. A crash before the commit leaves a
blob no row names.
"""

from dataclasses import replace
from typing import Final

from gateway.codec.edxml import envelope_from_json, envelope_to_json
from gateway.domain.lifecycle import ConsignmentState, DeliveryState
from gateway.errors import Reason, RejectedError
from gateway.ports import Absent, Accepted, Change, ChangeSet, Conflict, Insert, Row, Update
from gateway.programs.acceptance import (
    Wanted,
    answer_of,
    kept,
    key_is_free,
    key_rows,
    prove,
    todo,
)
from gateway.programs.context import Context
from gateway.programs.recipients import check_number, route
from gateway.programs.repeats import ADDED, answers, key_hash
from gateway.programs.rows import dumps, event, keep, loads

_ORDERS: Final = 1000


async def extend(context: Context, wanted: Wanted, earlier: Row) -> Accepted | None:
    """Add recipients to a consignment on record; None when its facts changed meanwhile."""
    now = context.clock.now()
    await _must_not_be_frozen(context, earlier)
    number = None
    if earlier["issue_ordinal"] is not None:
        number = (earlier["issue_year"], earlier["issue_ordinal"])
    document_id = earlier["document_id"] or ""
    # Nothing of it may leave before its verdict, whenever the recipients were named.
    waiting = earlier["state"] == ConsignmentState.ACCEPTED.value
    state = (ConsignmentState.ACCEPTED if waiting else ConsignmentState.RELEASED).value
    routed = route(
        context,
        earlier["id"],
        document_id,
        earlier["sender_written"],
        wanted.planned,
        earlier["urgency"],
        now,
        open_gate=not waiting,
        sender=earlier["sender"],
    )
    before = loads((await answers(context, earlier))[-1].text)["deliveries"]
    now_told = {d["agency"]: d for d in routed.answer}
    deliveries = [now_told.pop(d["agency"], d) for d in before] + list(now_told.values())
    check_number(d["agency"] for d in deliveries)
    proof = prove(
        context,
        wanted,
        earlier["id"],
        document_id,
        [d["agency"] for d in deliveries],
        now,
        number,
    )
    text = dumps(
        answer_of(
            wanted,
            earlier["id"],
            document_id,
            state,
            earlier["verdict"],
            deliveries,
            proof.receipt,
            number,
        )
    )
    blob = await context.blobs.put(text.encode())
    columns = {
        "envelope": _with_recipients(wanted, earlier),
        "receipt": proof.receipt,
        "state": state,
        "closed_at": None,
    }
    where = {k: earlier[k] for k in ("id", "receipt", "state")}
    caller, key = wanted.caller.system_id, wanted.options.idempotency_key
    named = {"count": len(wanted.planned), "answer": blob.sha256, "key": key_hash(caller, key)}
    rows: list[Change] = [
        Update("consignment", where, columns),
        proof.row,
        *(_revived(row, wanted) for row in routed.rows),
        event(earlier["id"], ADDED, now, **named),
        *todo(context, wanted, earlier["id"], now),
        keep(blob.sha256, earlier["id"]),
        *kept(wanted, earlier["id"]),
        *key_rows(wanted, earlier["id"], now),
    ]
    thawed = Absent("recall_order", {"consignment_id": earlier["id"], "whole": 1})
    guards = (thawed,) if key is None else (thawed, key_is_free(wanted.caller, key))
    result = await context.ledger.commit(ChangeSet(rows=tuple(rows), guards=guards))
    if isinstance(result, Conflict):
        return None
    return Accepted(earlier["id"], document_id, text, replayed=False)


async def _must_not_be_frozen(context: Context, earlier: Row) -> None:
    """REC-02 (NĐ30 PL VI I.III.8): what was taken back stays as it is; nobody gets it any more.

    Taken back before its verdict, it was never issued: it has no number, and nobody looked at it.
    """
    unissued = earlier["state"] == ConsignmentState.CANCELLED.value and earlier["issued_at"] is None
    orders = await context.ledger.all(
        "recall_orders_of", consignment_id=earlier["id"], limit=_ORDERS
    )
    if unissued or any(order["whole"] for order in orders):
        raise RejectedError(
            Reason.CONFLICT, "the document was taken back by its sender: it is read-only"
        )


def _revived(row: Change, wanted: Wanted) -> Change:
    """Return a delivery of one who could not be reached as a change of the row that says so."""
    if not isinstance(row, Insert) or row.table != "delivery":
        return row
    if row.values["agency"] not in wanted.known.revived:
        return row
    key = {name: row.values[name] for name in ("consignment_id", "agency")}
    where = key | {"state": DeliveryState.NOT_CONNECTED.value}
    values = {k: v for k, v in row.values.items() if k not in {"id", *key}}
    return Update("delivery", where, values)


def _with_recipients(wanted: Wanted, earlier: Row) -> str:
    """Return the envelope on record with the new recipients as the sender wrote them."""
    before = envelope_from_json(loads(earlier["envelope"]))
    written = {o.organ_id for o in before.header.recipients}
    codes = {code for p in wanted.planned for code in p.addressed_as} - written
    added = tuple(o for o in wanted.envelope.header.recipients if o.organ_id in codes)
    header = replace(before.header, recipients=(*before.header.recipients, *added))
    return dumps(envelope_to_json(replace(before, header=header)))
