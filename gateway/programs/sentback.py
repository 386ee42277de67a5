"""An incoming document that cannot be taken: kept, answered 02 at once, not offered.

Promises: only a row of the operator's own policy does this, or a closed code without one successor
here, never a default; the document, its
report and the reason stay with the arrival; the sender learns the rule and what to do. Rows only; a
crash leaves all of them or none.
"""

from datetime import datetime
from typing import Any

from gateway import observe
from gateway.domain.finding import Finding
from gateway.domain.lifecycle import ARRIVAL, ArrivalEvent, ArrivalState, advance
from gateway.domain.moments import to_text
from gateway.errors import Reason
from gateway.ports import Change, Insert, Row
from gateway.programs import statuses
from gateway.programs.context import Context
from gateway.programs.rows import entry, event, loads
from gateway.programs.statuses import Said
from gateway.programs.verifying import Verdicts


def came_in(
    context: Context, row: Row, arrival: dict[str, Any], now: datetime, verdicts: Verdicts
) -> Insert:
    """Return the entry of the receipt log for an arrival, offered or returned."""
    return entry(
        context.ids,
        "arrived_at_gateway",
        arrival["id"],
        arrival["document_id"],
        now,
        arrival_id=arrival["id"],
        agency=arrival["agency"],
        sender=arrival["sender"],
        hop=row["peer"],
        peer_doc_id=row["peer_doc_id"],
        packet_sha256=row["sha256"],
        content_sha256=arrival["digest"],
        verdict=arrival["verdict"],
        reports=list(verdicts.named) or None,
        addressed_as=loads(arrival["forwarded_from"]) or None,
    ).row


def send_back(  # noqa: PLR0917
    context: Context,
    row: Row,
    arrival: dict[str, Any],
    why: Finding,
    now: datetime,
    verdicts: Verdicts,
) -> list[Change]:
    """Return the rows of an arrival that is returned as it comes in.

    Args:
        context: Ports and policy.
        row: Its inbound row.
        arrival: Its own row, not stored yet.
        why: The policy's refusal, or that its code is closed and nobody can be found.
        now: The instant of the commit.
        verdicts: What the refusal rests on.
    Source: RCV-03, ID-05.
    """
    returned = advance(ARRIVAL, ArrivalState.OFFERED, ArrivalEvent.STATUS_02)
    arrival |= {"state": returned.value, "offered_at": to_text(now), "sent_codes": "02"}
    closed = why.rule == "ID-05"
    reason = f"{why.rule} {why.refusal}: {why.vi}"
    found: list[Change] = [
        Insert("arrival", arrival),
        event(
            str(arrival["id"]),
            "returned",
            now,
            agency=arrival["agency"],
            rule=why.rule,
            by="catalogue" if closed else "policy",
        ),
        came_in(context, row, arrival, now, verdicts),
        *statuses.tell(context, arrival, Said("02", reason, now), now),
    ]
    observe.arrival_refused(
        arrival_id=str(arrival["id"]),
        peer=row["peer"],
        reason=(Reason.RECIPIENT_CLOSED if closed else Reason.SIGNATURE_INVALID).value,
        rules=[why.rule],
    )
    return found
