"""Names of every state and event of the tables in `gateway.domain.lifecycle`.

They cover the statuses the law names (STS-02: đã đến, đã tiếp nhận, đã chuyển xử lý, đang xử lý, đã
hoàn thành, từ chối nhận, thu hồi). The values are stored in the ledger and shown in the API, so a
name here is for ever. `StrEnum` members of two tables may be equal (`cancelled`): never mix states
of two tables in one mapping.
"""

from enum import StrEnum, auto


class ConsignmentState(StrEnum):
    """One sending to many recipients (lượt gửi)."""

    ACCEPTED = auto()
    RELEASED = auto()
    CLOSED = auto()
    CANCELLED = auto()
    REFUSED = auto()
    QUARANTINED = auto()


class ConsignmentEvent(StrEnum):
    """What can happen to a consignment."""

    VERDICT_KNOWN = auto()
    REFUSED = auto()
    CANCELLED = auto()
    ALL_SETTLED = auto()
    REOPENED = auto()
    DAMAGE_FOUND = auto()
    SECRECY_FOUND = auto()
    CLEARED = auto()


class DeliveryState(StrEnum):
    """The part of a consignment for one agency (phần gửi cho một đơn vị nhận)."""

    NOT_CONNECTED = auto()
    PENDING = auto()
    SENDING = auto()
    DEFERRED = auto()
    HANDED_OVER = auto()
    ARRIVED = auto()
    ACCEPTED = auto()
    ASSIGNED = auto()
    IN_PROGRESS = auto()
    DONE = auto()
    RETURNED = auto()
    FAILED = auto()
    CANCELLED = auto()
    RECALLED = auto()


class DeliveryEvent(StrEnum):
    """What can happen to a delivery; `STATUS_nn` are the exchange status codes (rules C6)."""

    ATTEMPT_BEGAN = auto()
    PEER_TOOK = auto()
    PEER_BUSY = auto()
    PEER_REFUSED = auto()
    PROGRAM_DIED = auto()
    DUE_AGAIN = auto()
    GAVE_UP = auto()
    CANCELLED = auto()
    REQUEUED = auto()
    BOUNCED = auto()
    CONNECTED = auto()
    STATUS_01 = auto()
    STATUS_02 = auto()
    STATUS_03 = auto()
    STATUS_04 = auto()
    STATUS_05 = auto()
    STATUS_06 = auto()
    RECALL_AGREED = auto()


class TransferState(StrEnum):
    """One consignment on its way to one next hop (lượt chuyển): parcel, attempts, lease."""

    WAITING = auto()
    SENDING = auto()
    DEFERRED = auto()
    DONE = auto()
    FAILED = auto()
    CANCELLED = auto()


class TransferEvent(StrEnum):
    """What can happen to a transfer."""

    ATTEMPT_BEGAN = auto()
    PEER_TOOK = auto()
    PEER_BUSY = auto()
    PEER_REFUSED = auto()
    PROGRAM_DIED = auto()
    DUE_AGAIN = auto()
    GAVE_UP = auto()
    CANCELLED = auto()
    REQUEUED = auto()
    RECEIPT_CAME = auto()
    BOUNCED = auto()


class ArrivalState(StrEnum):
    """A document that came in for one agency (văn bản đến)."""

    ENTERED = auto()
    CHECKED = auto()
    OFFERED = auto()
    TAKEN = auto()
    ACCEPTED = auto()
    ASSIGNED = auto()
    IN_PROGRESS = auto()
    DONE = auto()
    RETURNED = auto()
    RECALLED = auto()
    QUARANTINED = auto()


class ArrivalEvent(StrEnum):
    """What can happen to an arrival; `STATUS_nn` are posted by the receiving agency."""

    CHECKS_DONE = auto()
    OFFERED = auto()
    TAKEN = auto()
    DAMAGE_FOUND = auto()
    SECRECY_FOUND = auto()
    CLEARED = auto()
    STATUS_01 = auto()
    STATUS_02 = auto()
    STATUS_03 = auto()
    STATUS_04 = auto()
    STATUS_05 = auto()
    STATUS_06 = auto()
    RECALL_AGREED = auto()
    RECALL_DECLINED = auto()


class RecallState(StrEnum):
    """The sender's wish to take a document back from one agency (yêu cầu thu hồi)."""

    WAITING = auto()
    ASKED = auto()
    AGREED = auto()
    DECLINED = auto()
    NOT_NEEDED = auto()


class RecallEvent(StrEnum):
    """What becomes of a recall: asked (13 or type 1 left), 15, 16, wished for again.

    `NOTHING_LEFT`: what had not left was cancelled, or was returned. `THERE_AFTER_ALL`: a receipt
    shows that a cancelled delivery had got there.
    """

    ASKED = auto()
    ASKED_AGAIN = auto()
    AGREED = auto()
    DECLINED = auto()
    NOTHING_LEFT = auto()
    THERE_AFTER_ALL = auto()
    ORDERED_AGAIN = auto()
