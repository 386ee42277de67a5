"""What an operator or a circuit breaker holds, as the sender's clerk is shown it.

Reads the ledger, so every node says the same whichever of them holds. Nothing is changed here.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.holds import hold_stands
from gateway.domain.lifecycle import DeliveryState
from gateway.domain.moments import local_text, to_text
from gateway.ports import Ledger, Row
from gateway.programs.routing import LOCAL, local_hop
from gateway.programs.rows import dumps

_WAITING: Final = frozenset(
    {
        DeliveryState.PENDING,
        DeliveryState.SENDING,
        DeliveryState.DEFERRED,
        DeliveryState.FAILED,
    }
)
_SPANS: Final = 50


def _hop(delivery: Row) -> str:
    return local_hop(delivery["agency"]) if delivery["hop"] == LOCAL else str(delivery["hop"])


async def standing(
    ledger: Ledger, deliveries: Sequence[Row], now: datetime
) -> Mapping[str, list[dict[str, Any]]]:
    """Return why each delivery waits on purpose, by its id; those that do not are left out."""
    waiting = [d for d in deliveries if d["state"] in _WAITING and d["transfer_id"]]
    if not waiting:
        return {}
    subjects = {s for d in waiting for s in (d["transfer_id"], d["consignment_id"], _hop(d))}
    rows = await ledger.all("holds_of_many", subjects=json.dumps(sorted(subjects)))
    found = [r for r in rows if hold_stands(r["until"], r["released_at"], now)]
    shown: dict[str, list[dict[str, Any]]] = {}
    for delivery in waiting:
        keys = {
            ("transfer", delivery["transfer_id"]),
            ("document", delivery["consignment_id"]),
            ("hop", _hop(delivery)),
        }
        holds = [_shown(row) for row in found if (row["scope"], row["subject"]) in keys]
        if holds:
            shown[delivery["id"]] = holds
    return shown


def _shown(row: Row) -> dict[str, Any]:
    since = local_text(row["since"])
    if row["kind"] == "breaker":
        text = f"đích không phản hồi từ {since}; sẽ tự gửi khi có phản hồi"
    else:
        text = f"được giữ lại từ {since}: {row['reason']} ({row['held_by']})"
    return {
        "kind": row["kind"],
        "scope": row["scope"],
        "since": since,
        "reason": row["reason"],
        "by": row["held_by"] if row["kind"] == "operator" else "",
        "text": text,
    }


async def of_destinations(ledger: Ledger, transfers: Sequence[Row], now: datetime) -> list[Row]:
    """Return events of the destinations that transfers waited for, as if they were theirs.

    The last fifty spans of each; those of the transfer itself are its own events already.
    """
    events: list[Row] = []
    for transfer in transfers:
        until = transfer["done_at"] or to_text(now)
        spans = await ledger.all(
            "holds_of",
            transfer_id="",
            consignment_id="",
            hop=transfer["hop"],
            after=transfer["created_at"],
        )
        for span in [s for s in spans if s["since"] < until][-_SPANS:]:
            events += _told(transfer, span, until)
    return events


def _told(transfer: Row, span: Row, until: str) -> list[Row]:
    operator = span["kind"] == "operator"
    data: dict[str, Any] = {"scope": "hop", "hop": span["subject"], "reason": span["reason"]}
    if operator:
        data["actor"] = span["held_by"]
    began = max(span["since"], transfer["created_at"])
    kind = "queue_held" if operator else "breaker_opened"
    told = [{"subject": transfer["id"], "type": kind, "at": began, "data": dumps(data)}]
    if span["released_at"] is not None and span["released_at"] <= until:
        data = {"scope": "hop", "hop": span["subject"]}
        if operator:
            data["actor"] = span["released_by"]
        kind = "queue_released" if operator else "breaker_closed"
        told.append(
            {
                "subject": transfer["id"],
                "type": kind,
                "at": span["released_at"],
                "data": dumps(data),
            }
        )
    return list(told)
