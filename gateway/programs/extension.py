"""Extension: further recipients of a document on record get deliveries, the others none.

One transaction: deliveries, receipt entry, outbox. Its answer covers all recipients so far and goes
to a blob of its own, so that the first answer stays what it was. A crash before the commit leaves a
blob no row names.
"""

from dataclasses import replace

from gateway.codec.edxml import envelope_from_json, envelope_to_json
from gateway.domain.lifecycle import ConsignmentState
from gateway.ports import Accepted, Change, ChangeSet, Conflict, Row, Update
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
from gateway.programs.repeats import ADDED, answers
from gateway.programs.rows import dumps, event, keep, loads


async def extend(context: Context, wanted: Wanted, earlier: Row) -> Accepted | None:
    """Add recipients to a consignment on record; None when its facts changed meanwhile."""
    now = context.clock.now()
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
    )
    before = loads((await answers(context, earlier))[-1])["deliveries"]
    deliveries = [*before, *routed.answer]
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
    where = {k: earlier[k] for k in ("id", "envelope", "receipt", "state")}
    count = len(wanted.planned)
    rows: list[Change] = [
        Update("consignment", where, columns),
        proof.row,
        *routed.rows,
        event(earlier["id"], ADDED, now, count=count, answer=blob.sha256),
        *todo(wanted, earlier["id"], now),
        keep(blob.sha256, earlier["id"]),
        *kept(wanted, earlier["id"]),
        *key_rows(wanted, earlier["id"], now),
    ]
    key = wanted.options.idempotency_key
    guards = () if key is None else (key_is_free(wanted.caller, key),)
    result = await context.ledger.commit(ChangeSet(rows=tuple(rows), guards=guards))
    if isinstance(result, Conflict):
        return None
    return Accepted(earlier["id"], document_id, text, replayed=False)


def _with_recipients(wanted: Wanted, earlier: Row) -> str:
    """Return the envelope on record with the new recipients as the sender wrote them."""
    before = envelope_from_json(loads(earlier["envelope"]))
    written = {o.organ_id for o in before.header.recipients}
    codes = {code for p in wanted.planned for code in p.addressed_as} - written
    added = tuple(o for o in wanted.envelope.header.recipients if o.organ_id in codes)
    header = replace(before.header, recipients=(*before.header.recipients, *added))
    return dumps(envelope_to_json(replace(before, header=header)))
