"""What a calling system hears of: the public names of events, and who each is for. A table.

An event of the ledger is for the system that sent the document (`s:` and its id), for the agency
that received something (`a:` and its code), or for all of them (`e:`). What is not named here is
nobody's outside.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SENT: Final = "s:"
RECEIVED: Final = "a:"
EVERYBODY: Final = "e:"

KINDS: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        (SENT, "accepted"): "document.accepted",
        (SENT, "released"): "document.released",
        (SENT, "refused"): "document.refused",
        (SENT, "verdict_changed"): "document.verdict_changed",
        (SENT, "closed"): "document.closed",
        (SENT, "reopened"): "document.reopened",
        (SENT, "to_do"): "delivery.not_connected",
        (SENT, "delivery"): "delivery.handed_over",
        (SENT, "handed_over"): "delivery.handed_over",
        (SENT, "receipt_came"): "delivery.handed_over",
        (SENT, "deferred"): "delivery.deferred",
        (SENT, "peer_refused"): "delivery.failed",
        (SENT, "gave_up"): "delivery.failed",
        (SENT, "damaged"): "delivery.failed",
        (SENT, "requeued"): "delivery.requeued",
        (SENT, "status"): "delivery.status",
        (SENT, "cancelled"): "delivery.cancelled",
        (SENT, "recall_asked"): "recall.asked",
        (SENT, "change_agreed"): "change.agreed",
        (SENT, "change_declined"): "change.declined",
        (RECEIVED, "offered"): "inbox.document",
        (RECEIVED, "status_offered"): "inbox.status",
        (RECEIVED, "entered_system"): "inbox.entered",
        (RECEIVED, "status"): "inbox.answered",
        (RECEIVED, "returned"): "inbox.returned",
        (RECEIVED, "recall_asked"): "inbox.recall_asked",
        (RECEIVED, "verdict_changed"): "inbox.verdict_changed",
        (RECEIVED, "alert_raised"): "alert.raised",
        (RECEIVED, "alert_ended"): "alert.ended",
        # OPS-06 (S003 art 21.3): units are told before maintenance, and when it is over.
        (EVERYBODY, "maintenance_announce"): "maintenance.announced",
        (EVERYBODY, "maintenance_begin"): "maintenance.begun",
        (EVERYBODY, "maintenance_finish"): "maintenance.finished",
        (EVERYBODY, "maintenance_cancel"): "maintenance.cancelled",
    }
)
"""Public name by side and by type of the ledger's event."""

MAINTENANCE: Final[Mapping[str, str]] = MappingProxyType(
    {name: kind.partition("_")[2] for (side, kind), name in KINDS.items() if side == EVERYBODY}
)
"""Public names of notices of maintenance, and the act each is about."""

EVENT_TYPES: Final = tuple(sorted({kind for _, kind in KINDS}))
"""Types of events that are anybody's outside."""

NAMES: Final = tuple(sorted(set(KINDS.values())))
"""Public names, all of them."""


def audiences(system_id: str, agencies: frozenset[str]) -> tuple[str, ...]:
    """Return whom a system hears as."""
    return (f"{SENT}{system_id}", *(f"{RECEIVED}{code}" for code in sorted(agencies)), EVERYBODY)


def named(audience: str, event_type: str) -> str | None:
    """Return the public name of an event, None when it has none for this audience."""
    return KINDS.get((audience[:2], event_type))


def wanted(kinds: tuple[str, ...], kind: str) -> bool:
    """Tell whether a choice of names (`inbox.*` for a group; none for all) holds one."""
    return not kinds or kind in kinds or f"{kind.partition('.')[0]}.*" in kinds
