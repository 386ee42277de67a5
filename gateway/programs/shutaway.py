"""A secrecy stamp that came to light after a document went on: it is shut away where it stands.

SEC-01 (S003 art 1.2): whoever has read it has read it; from here on it is offered to nobody, its
bytes wait for two persons. Rows only: a crash leaves all of them or none.
"""

from datetime import datetime
from typing import Final

from gateway import observe
from gateway.domain.lifecycle import (
    ARRIVAL,
    CONSIGNMENT,
    ArrivalEvent,
    ArrivalState,
    ConsignmentEvent,
    ConsignmentState,
    DeliveryState,
    TransferState,
    advance,
)
from gateway.ports import Change, Row, Update
from gateway.programs import quarantine, statuses
from gateway.programs.arrivals import stripped
from gateway.programs.context import Context
from gateway.programs.rows import dumps, event
from gateway.programs.statuses import Said

_UNREAD: Final = frozenset({ArrivalState.OFFERED, ArrivalState.TAKEN})
_WAITING: Final = (TransferState.WAITING.value, TransferState.DEFERRED.value)
_UNSENT: Final = (
    DeliveryState.PENDING.value,
    DeliveryState.DEFERRED.value,
    DeliveryState.NOT_CONNECTED.value,
)


def shut_away(context: Context, kind: str, document: Row, now: datetime) -> list[Change]:
    """Return the rows that put a document, sent or received, into quarantine.

    Args:
        context: Ports and policy.
        kind: `consignment` or `arrival`.
        document: Its row.
        now: The instant of the commit.
    """
    rows = _arrival(context, document, now) if kind == "arrival" else _consignment(document)
    name = document["document_id"] or "" if kind == "consignment" else ""
    rows += quarantine.stub(
        context, document["id"], kind, document["sender"], name, document["received_sha256"], now
    )
    rows.append(event(document["id"], "quarantined", now))
    observe.alarm(what="secrecy stamp found late", subject=document["id"])
    return rows


def _arrival(context: Context, document: Row, now: datetime) -> list[Change]:
    state = ArrivalState(document["state"])
    after = advance(ARRIVAL, state, ArrivalEvent.SECRECY_FOUND)
    columns = {"state": after.value, "envelope": dumps(stripped(document["envelope"]))}
    rows: list[Change] = []
    if state in _UNREAD:
        # As for one found at once: answered 02 with R11, and nothing else.
        columns["sent_codes"] = "02"
        rows += statuses.tell(context, document, Said("02", quarantine.REASON, now), now)
    where = {k: document[k] for k in ("id", "state", "verdict", "sent_codes")}
    return [Update("arrival", where, columns), *rows]


def _consignment(document: Row) -> list[Change]:
    state = ConsignmentState(document["state"])
    after = advance(CONSIGNMENT, state, ConsignmentEvent.SECRECY_FOUND)
    of_it = {"consignment_id": document["id"]}
    reason = {"reason": quarantine.REASON}
    where = {k: document[k] for k in ("id", "state", "verdict")}
    return [
        Update("consignment", where, {"state": after.value} | reason),
        Update(
            "transfer",
            of_it | {"state": _WAITING},
            {"state": TransferState.CANCELLED.value} | reason,
            expect=None,
        ),
        Update(
            "delivery",
            of_it | {"state": _UNSENT},
            {"state": DeliveryState.CANCELLED.value} | reason,
            expect=None,
        ),
    ]
