"""Which status report (hồi báo) is owed to whom, when, and how often.

Promises: a machine's 01 never precedes the moment the document entered the receiver's system; each
code goes out once for one document and agency, except 05; a refusal without a reason cannot be
made. Pure; the ledger keeps which codes went out, so a crash owes the same again.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from gateway.domain.envelope import StatusCode
from gateway.domain.lifecycle import ArrivalEvent, DeliveryEvent, Text

REPEATABLE: Final = frozenset({StatusCode.IN_PROGRESS})
"""Codes that may go out more than once for one document and agency."""

NEEDS_REASON: Final = frozenset(
    {StatusCode.RETURNED, StatusCode.RECALL_ASKED, StatusCode.RECALL_DECLINED}
)
"""Codes that say nothing without a reason (RCV-04, REC-03)."""

FROM_RECEIVER: Final = frozenset(StatusCode) - {StatusCode.RECALL_ASKED}
"""Codes a receiving agency may report."""

FROM_SENDER: Final = frozenset({StatusCode.RECALL_ASKED})
"""Codes an issuing agency may send."""

MAX_REASON_LENGTH: Final = 1000

_IRREGULAR: Final = "RCV-03 báo bất thường: "
"""What a report begins with that tells the sender of errors or irregular signs."""

STATUS_TEXTS: Final[dict[StatusCode, Text]] = {
    StatusCode.ARRIVED: Text("Đã đến", "arrived"),
    StatusCode.RETURNED: Text("Từ chối tiếp nhận (trả lại)", "returned"),
    StatusCode.ACCEPTED: Text("Đã tiếp nhận", "accepted"),
    StatusCode.ASSIGNED: Text("Phân công", "assigned"),
    StatusCode.IN_PROGRESS: Text("Đang xử lý", "in progress"),
    StatusCode.DONE: Text("Hoàn thành", "done"),
    StatusCode.RECALL_ASKED: Text("Yêu cầu lấy lại", "take-back asked"),
    StatusCode.RECALL_AGREED: Text("Đồng ý, lấy lại thành công", "take-back done"),
    StatusCode.RECALL_DECLINED: Text("Từ chối lấy lại", "take-back refused"),
}
"""The codes in words (rules C6)."""


class RecipientKind(StrEnum):
    """How the receiving agency works with us."""

    CONSOLE = "console"
    SYSTEM = "system"
    REMOTE = "remote"


class Moment(StrEnum):
    """What just happened to an arrival."""

    COMMITTED = "committed"
    ENTERED_SYSTEM = "entered-system"
    ACCEPTED = "accepted"
    RETURNED = "returned"


def irregular_reason(text: str) -> str:
    """Return the words that tell a sender what is irregular about its document.

    RCV-03 (NĐ30 art 21.2b): no code of C6 is for this, so the last one is said again with these
    words: every dialect carries them, and a code said again moves nothing (STS-07).
    """
    return f"{_IRREGULAR}{text.strip()}"[:MAX_REASON_LENGTH]


def is_irregular(description: str) -> bool:
    """Tell whether a report is no repeat of its code, but word of something irregular."""
    return description.startswith(_IRREGULAR)


def last_said(sent: Collection[str]) -> StatusCode:
    """Return the last code of handling an agency reported, 01 before any (RCV-03)."""
    said = [code for code in map(known_code, sent) if code is not None and code <= StatusCode.DONE]
    return said[-1] if said else StatusCode.ARRIVED


def known_code(text: str) -> StatusCode | None:
    """Return the code of rules C6, None for one that is only data; `1` is read as `01`."""
    padded = text.strip().zfill(2)
    try:
        return StatusCode(padded)
    except ValueError:
        return None


def needs_reason(code: str) -> bool:
    """Return whether a report of this code must say why (RCV-04)."""
    return known_code(code) in NEEDS_REASON


def may_go_out(code: StatusCode, sent: Collection[str]) -> bool:
    """Return whether a code may still be sent for one document and agency.

    Args:
        code: The code.
        sent: Codes already reported for it, the receiver's own included.
    Source: STS-07: each code once, only 05 may repeat.
    """
    return code in REPEATABLE or code not in sent


def owed(kind: RecipientKind, moment: Moment, sent: Collection[str]) -> tuple[StatusCode, ...]:
    """Return the codes the gateway itself owes the sender at a moment.

    Args:
        kind: How the agency works: in our console, in its own system, or behind another hop.
        moment: What happened.
        sent: Codes already reported for this document and agency.
    Source: STS-08, RCV-05 (receipt within the day), RCV-06.
    """
    due: StatusCode | None = None
    match moment:
        case Moment.COMMITTED:
            # STS-08: for a console agency the commit here is the entry into its system.
            due = StatusCode.ARRIVED if kind is RecipientKind.CONSOLE else None
        case Moment.ENTERED_SYSTEM:
            due = StatusCode.ARRIVED if kind is not RecipientKind.REMOTE else None
        case Moment.ACCEPTED:
            due = StatusCode.ACCEPTED if kind is RecipientKind.CONSOLE else None
        case Moment.RETURNED:
            due = StatusCode.RETURNED if kind is RecipientKind.CONSOLE else None
    return (due,) if due is not None and may_go_out(due, sent) else ()


def delivery_event(code: str) -> DeliveryEvent | None:
    """Return what a status code does to the sender's delivery; None for what moves nothing.

    13 and 16 belong to the recall's record; unknown codes are data.
    """
    known = known_code(code)
    return _DELIVERY_EVENTS.get(known) if known is not None else None


def arrival_event(code: str) -> ArrivalEvent | None:
    """Return what a status code posted by the receiving agency does to its arrival."""
    known = known_code(code)
    return _ARRIVAL_EVENTS.get(known) if known is not None else None


_DELIVERY_EVENTS: Final[dict[StatusCode, DeliveryEvent]] = {
    StatusCode.ARRIVED: DeliveryEvent.STATUS_01,
    StatusCode.RETURNED: DeliveryEvent.STATUS_02,
    StatusCode.ACCEPTED: DeliveryEvent.STATUS_03,
    StatusCode.ASSIGNED: DeliveryEvent.STATUS_04,
    StatusCode.IN_PROGRESS: DeliveryEvent.STATUS_05,
    StatusCode.DONE: DeliveryEvent.STATUS_06,
    StatusCode.RECALL_AGREED: DeliveryEvent.RECALL_AGREED,
}

_ARRIVAL_EVENTS: Final[dict[StatusCode, ArrivalEvent]] = {
    StatusCode.ARRIVED: ArrivalEvent.STATUS_01,
    StatusCode.RETURNED: ArrivalEvent.STATUS_02,
    StatusCode.ACCEPTED: ArrivalEvent.STATUS_03,
    StatusCode.ASSIGNED: ArrivalEvent.STATUS_04,
    StatusCode.IN_PROGRESS: ArrivalEvent.STATUS_05,
    StatusCode.DONE: ArrivalEvent.STATUS_06,
    StatusCode.RECALL_AGREED: ArrivalEvent.RECALL_AGREED,
    StatusCode.RECALL_DECLINED: ArrivalEvent.RECALL_DECLINED,
}
