"""Every state machine of the gateway, as tables.

Promises: a state moves only along a row; what is real but moves nothing (a late, repeated or
backward status) is listed under `stays`, never an error; anything else is a bug of the caller and
raises `IllegalTransitionError`. `docs/states.md` is drawn from these tables. Nothing here keeps
state, so a crash leaves nothing behind: the ledger holds the one current state of each thing.

`hold` is a flag beside the state, and a recall (thu hồi) is a record of its own, because both would
need a way back to "the state before".
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.domain.breaker import BREAKER
from gateway.domain.machine import (
    IllegalTransitionError,
    Table,
    Text,
    advance,
    allows,
    moves_nothing,
    rows,
    settled,
    state_text,
    stays,
)
from gateway.domain.states import (
    ArrivalEvent,
    ArrivalState,
    ConsignmentEvent,
    ConsignmentState,
    DeliveryEvent,
    DeliveryState,
    RecallEvent,
    RecallState,
    TransferEvent,
    TransferState,
)

__all__ = [
    "ARRIVAL",
    "CONSIGNMENT",
    "DELIVERY",
    "RECALL",
    "RECALL_ASKABLE",
    "TABLES",
    "TRANSFER",
    "ArrivalEvent",
    "ArrivalState",
    "ConsignmentEvent",
    "ConsignmentState",
    "DeliveryEvent",
    "DeliveryState",
    "IllegalTransitionError",
    "RecallEvent",
    "RecallState",
    "Table",
    "Text",
    "TransferEvent",
    "TransferState",
    "advance",
    "allows",
    "moves_nothing",
    "rank",
    "settled",
    "state_text",
]

# ---------------------------------------------------------------- consignment

_C = ConsignmentState
_CE = ConsignmentEvent

CONSIGNMENT: Final = Table(
    name="consignment",
    states=ConsignmentState,
    events=ConsignmentEvent,
    initial=frozenset({_C.ACCEPTED, _C.RELEASED, _C.QUARANTINED}),
    rows=rows(
        ((_C.ACCEPTED,), _CE.VERDICT_KNOWN, _C.RELEASED),
        ((_C.ACCEPTED,), _CE.REFUSED, _C.REFUSED),
        ((_C.ACCEPTED, _C.RELEASED), _CE.CANCELLED, _C.CANCELLED),
        ((_C.RELEASED,), _CE.ALL_SETTLED, _C.CLOSED),
        # A receipt that comes late, or an operator who puts a delivery back, opens it again.
        ((_C.CLOSED, _C.CANCELLED), _CE.REOPENED, _C.RELEASED),
        ((_C.ACCEPTED, _C.RELEASED, _C.CLOSED), _CE.DAMAGE_FOUND, _C.QUARANTINED),
        # SEC-01 (S003 art 1.2): what shows a secrecy level leaves the normal way at once.
        ((_C.ACCEPTED, _C.RELEASED, _C.CLOSED), _CE.SECRECY_FOUND, _C.QUARANTINED),
        ((_C.QUARANTINED,), _CE.CLEARED, _C.ACCEPTED),
    ),
    stays=stays(
        ((_C.RELEASED,), (_CE.VERDICT_KNOWN, _CE.REOPENED), "already released"),
        ((_C.CLOSED,), (_CE.ALL_SETTLED,), "already closed"),
        ((_C.CANCELLED,), (_CE.CANCELLED, _CE.ALL_SETTLED), "already cancelled"),
        (
            (_C.QUARANTINED,),
            (_CE.DAMAGE_FOUND, _CE.SECRECY_FOUND, _CE.ALL_SETTLED, _CE.REOPENED),
            "stays in quarantine until two persons decide",
        ),
    ),
    settled=frozenset({_C.CLOSED, _C.CANCELLED, _C.REFUSED, _C.QUARANTINED}),
    texts={
        _C.ACCEPTED: Text("đã nhận, chờ kiểm tra", "accepted, waiting for its checks"),
        _C.RELEASED: Text("đã phát hành, đang gửi", "released, on its way"),
        _C.CLOSED: Text("đã kết thúc", "closed"),
        _C.CANCELLED: Text("đã hủy gửi", "cancelled"),
        _C.REFUSED: Text("bị từ chối phát hành", "refused"),
        _C.QUARANTINED: Text("đã cách ly", "in quarantine"),
    },
)

# ---------------------------------------------------------------- delivery

_D = DeliveryState
_DE = DeliveryEvent

# An answer of the peer can be lost on the way: any receipt settles the doubt. FAILED and CANCELLED
# too: a receipt proves that the document is there, and the sender must see it.
_IN_DOUBT: Final = (_D.PENDING, _D.SENDING, _D.DEFERRED, _D.HANDED_OVER, _D.FAILED, _D.CANCELLED)
_WITH_RECEIVER: Final = (_D.ARRIVED, _D.ACCEPTED, _D.ASSIGNED, _D.IN_PROGRESS, _D.DONE)
_ENDED: Final = (_D.RETURNED, _D.RECALLED)
_STATUSES: Final = (
    _DE.STATUS_01,
    _DE.STATUS_02,
    _DE.STATUS_03,
    _DE.STATUS_04,
    _DE.STATUS_05,
    _DE.STATUS_06,
)
_PEER_ANSWERS: Final = (_DE.PEER_TOOK, _DE.PEER_BUSY, _DE.PEER_REFUSED, _DE.PROGRAM_DIED)

DELIVERY: Final = Table(
    name="delivery",
    states=DeliveryState,
    events=DeliveryEvent,
    initial=frozenset({_D.PENDING, _D.NOT_CONNECTED}),
    rows=rows(
        ((_D.PENDING, _D.DEFERRED), _DE.ATTEMPT_BEGAN, _D.SENDING),
        # A slow program may report after the janitor gave its lease away: the peer has it.
        (
            (_D.PENDING, _D.SENDING, _D.DEFERRED, _D.FAILED, _D.CANCELLED),
            _DE.PEER_TOOK,
            _D.HANDED_OVER,
        ),
        ((_D.SENDING,), _DE.PEER_BUSY, _D.DEFERRED),
        ((_D.SENDING,), _DE.PEER_REFUSED, _D.FAILED),
        ((_D.SENDING,), _DE.PROGRAM_DIED, _D.DEFERRED),
        ((_D.DEFERRED,), _DE.DUE_AGAIN, _D.PENDING),
        ((_D.PENDING, _D.SENDING, _D.DEFERRED), _DE.GAVE_UP, _D.FAILED),
        (
            (_D.PENDING, _D.DEFERRED, _D.NOT_CONNECTED, _D.FAILED),
            _DE.CANCELLED,
            _D.CANCELLED,
        ),
        ((_D.FAILED, _D.RETURNED, _D.NOT_CONNECTED), _DE.REQUEUED, _D.PENDING),
        ((_D.NOT_CONNECTED,), _DE.CONNECTED, _D.PENDING),
        ((_D.HANDED_OVER, _D.DEFERRED), _DE.BOUNCED, _D.FAILED),
        # STS-07: any forward skip is good, 01 → 05 as well as handed over → 06.
        (_IN_DOUBT, _DE.STATUS_01, _D.ARRIVED),
        ((*_IN_DOUBT, _D.ARRIVED), _DE.STATUS_03, _D.ACCEPTED),
        ((*_IN_DOUBT, _D.ARRIVED, _D.ACCEPTED), _DE.STATUS_04, _D.ASSIGNED),
        ((*_IN_DOUBT, _D.ARRIVED, _D.ACCEPTED, _D.ASSIGNED), _DE.STATUS_05, _D.IN_PROGRESS),
        (
            (*_IN_DOUBT, _D.ARRIVED, _D.ACCEPTED, _D.ASSIGNED, _D.IN_PROGRESS),
            _DE.STATUS_06,
            _D.DONE,
        ),
        # RCV-03: sent to the wrong place is often found late, after 03, 04 or 05.
        (
            (*_IN_DOUBT, _D.ARRIVED, _D.ACCEPTED, _D.ASSIGNED, _D.IN_PROGRESS),
            _DE.STATUS_02,
            _D.RETURNED,
        ),
        # REC-01: agreed from handed over on, a finished document included.
        ((*_IN_DOUBT, *_WITH_RECEIVER), _DE.RECALL_AGREED, _D.RECALLED),
    ),
    stays=stays(
        ((_D.ARRIVED,), (_DE.STATUS_01,), "repeated"),
        ((_D.ACCEPTED,), (_DE.STATUS_01, _DE.STATUS_03), "late or repeated"),
        ((_D.ASSIGNED,), (_DE.STATUS_01, _DE.STATUS_03, _DE.STATUS_04), "late or repeated"),
        (
            (_D.IN_PROGRESS,),
            (_DE.STATUS_01, _DE.STATUS_03, _DE.STATUS_04, _DE.STATUS_05),
            "late, or 05 again (it may repeat)",
        ),
        ((_D.DONE,), _STATUSES, "finished: later statuses are kept as events"),
        (_ENDED, (*_STATUSES, _DE.RECALL_AGREED), "ended: later statuses are kept as events"),
        (
            (_D.NOT_CONNECTED,),
            (*_STATUSES, _DE.RECALL_AGREED),
            "nothing left here: the status is kept for the clerk",
        ),
        # What the sending program says after a receipt, or after another program, decided.
        (
            (_D.HANDED_OVER, *_WITH_RECEIVER, *_ENDED),
            (_DE.ATTEMPT_BEGAN, *_PEER_ANSWERS, _DE.DUE_AGAIN, _DE.GAVE_UP),
            "the receiver has it, whatever the sending program learned",
        ),
        (
            (_D.FAILED, _D.CANCELLED),
            (_DE.PEER_BUSY, _DE.PEER_REFUSED, _DE.PROGRAM_DIED, _DE.GAVE_UP, _DE.BOUNCED),
            "already given up or cancelled",
        ),
        ((_D.CANCELLED,), (_DE.CANCELLED,), "already cancelled"),
        ((_D.DEFERRED,), (_DE.PEER_BUSY, _DE.PROGRAM_DIED), "already deferred"),
        ((_D.PENDING,), (_DE.DUE_AGAIN, _DE.REQUEUED, _DE.CONNECTED), "already waiting to be sent"),
        (
            (_D.PENDING, _D.SENDING, _D.NOT_CONNECTED),
            (_DE.BOUNCED,),
            "a bounce of an earlier attempt",
        ),
        (
            (*_WITH_RECEIVER, *_ENDED),
            (_DE.BOUNCED,),
            "the receiver's status outweighs a bounce",
        ),
    ),
    settled=frozenset(
        {_D.NOT_CONNECTED, _D.DONE, _D.RETURNED, _D.FAILED, _D.CANCELLED, _D.RECALLED}
    ),
    texts={
        _D.NOT_CONNECTED: Text("không liên thông", "not connected"),
        _D.PENDING: Text("chờ gửi", "queued"),
        _D.SENDING: Text("đang gửi", "sending"),
        _D.DEFERRED: Text("chờ gửi lại", "waiting to be sent again"),
        _D.HANDED_OVER: Text(
            "đã đến trục, chưa vào hệ thống bên nhận",
            "at the axis, not yet in the receiver's system",
        ),
        _D.ARRIVED: Text("đã đến, chờ tiếp nhận", "arrived, waiting to be accepted"),
        _D.ACCEPTED: Text("đã tiếp nhận", "accepted"),
        _D.ASSIGNED: Text("đã phân công", "assigned"),
        _D.IN_PROGRESS: Text("đang xử lý", "in progress"),
        _D.DONE: Text("đã hoàn thành", "done"),
        _D.RETURNED: Text("bị trả lại", "returned"),
        _D.FAILED: Text("gửi lỗi", "failed"),
        _D.CANCELLED: Text("đã hủy gửi", "cancelled"),
        _D.RECALLED: Text("đã thu hồi", "recalled"),
    },
)

RECALL_ASKABLE: Final = frozenset({_D.HANDED_OVER, *_WITH_RECEIVER})
"""Delivery states in which status 13 may be asked (rules C6: 13 from 01…06)."""

# ---------------------------------------------------------------- transfer

_T = TransferState
_TE = TransferEvent

TRANSFER: Final = Table(
    name="transfer",
    states=TransferState,
    events=TransferEvent,
    initial=frozenset({_T.WAITING}),
    rows=rows(
        ((_T.WAITING, _T.DEFERRED), _TE.ATTEMPT_BEGAN, _T.SENDING),
        (
            (_T.WAITING, _T.SENDING, _T.DEFERRED, _T.FAILED, _T.CANCELLED),
            _TE.PEER_TOOK,
            _T.DONE,
        ),
        # The lost-answer case: a receipt of any recipient proves that the peer has the parcel.
        (
            (_T.WAITING, _T.SENDING, _T.DEFERRED, _T.FAILED, _T.CANCELLED),
            _TE.RECEIPT_CAME,
            _T.DONE,
        ),
        ((_T.SENDING,), _TE.PEER_BUSY, _T.DEFERRED),
        ((_T.SENDING,), _TE.PEER_REFUSED, _T.FAILED),
        ((_T.SENDING,), _TE.PROGRAM_DIED, _T.DEFERRED),
        ((_T.DEFERRED,), _TE.DUE_AGAIN, _T.WAITING),
        # SND-15: out of tries is a dead letter an operator can put back, never a deletion.
        ((_T.WAITING, _T.SENDING, _T.DEFERRED), _TE.GAVE_UP, _T.FAILED),
        ((_T.WAITING, _T.DEFERRED, _T.FAILED), _TE.CANCELLED, _T.CANCELLED),
        ((_T.FAILED, _T.DONE), _TE.REQUEUED, _T.WAITING),
        ((_T.DONE, _T.DEFERRED), _TE.BOUNCED, _T.FAILED),
    ),
    stays=stays(
        (
            (_T.DONE,),
            (
                _TE.PEER_TOOK,
                _TE.PEER_BUSY,
                _TE.PEER_REFUSED,
                _TE.PROGRAM_DIED,
                _TE.DUE_AGAIN,
                _TE.GAVE_UP,
                _TE.RECEIPT_CAME,
            ),
            "the peer has it",
        ),
        (
            (_T.FAILED, _T.CANCELLED),
            (
                _TE.PEER_BUSY,
                _TE.PEER_REFUSED,
                _TE.PROGRAM_DIED,
                _TE.DUE_AGAIN,
                _TE.GAVE_UP,
                _TE.BOUNCED,
            ),
            "already given up or cancelled",
        ),
        ((_T.CANCELLED,), (_TE.CANCELLED,), "already cancelled"),
        ((_T.DEFERRED,), (_TE.PEER_BUSY, _TE.PROGRAM_DIED), "already deferred"),
        ((_T.WAITING,), (_TE.DUE_AGAIN, _TE.REQUEUED), "already waiting"),
        ((_T.WAITING, _T.SENDING), (_TE.BOUNCED,), "a bounce of an earlier attempt"),
    ),
    settled=frozenset({_T.DONE, _T.FAILED, _T.CANCELLED}),
    texts={
        _T.WAITING: Text("chờ gửi", "waiting"),
        _T.SENDING: Text("đang gửi", "sending"),
        _T.DEFERRED: Text("chờ gửi lại", "waiting to be sent again"),
        _T.DONE: Text("đã chuyển", "handed over"),
        _T.FAILED: Text("gửi lỗi, chờ người xử lý", "failed, waiting for an operator"),
        _T.CANCELLED: Text("đã hủy", "cancelled"),
    },
)

# ---------------------------------------------------------------- arrival

_A = ArrivalState
_AE = ArrivalEvent
_A_OPEN: Final = (_A.OFFERED, _A.TAKEN)
_A_WORK: Final = (_A.ACCEPTED, _A.ASSIGNED, _A.IN_PROGRESS, _A.DONE)
_A_STATUSES: Final = (
    _AE.STATUS_01,
    _AE.STATUS_02,
    _AE.STATUS_03,
    _AE.STATUS_04,
    _AE.STATUS_05,
    _AE.STATUS_06,
)

ARRIVAL: Final = Table(
    name="arrival",
    states=ArrivalState,
    events=ArrivalEvent,
    initial=frozenset({_A.ENTERED}),
    rows=rows(
        ((_A.ENTERED,), _AE.CHECKS_DONE, _A.CHECKED),
        ((_A.CHECKED,), _AE.OFFERED, _A.OFFERED),
        # RCV-06 (S003 art 11.2): this is the moment it enters the agency's system.
        ((_A.OFFERED,), _AE.TAKEN, _A.TAKEN),
        ((_A.OFFERED,), _AE.STATUS_01, _A.TAKEN),
        (_A_OPEN, _AE.STATUS_03, _A.ACCEPTED),
        ((*_A_OPEN, _A.ACCEPTED), _AE.STATUS_04, _A.ASSIGNED),
        ((*_A_OPEN, _A.ACCEPTED, _A.ASSIGNED), _AE.STATUS_05, _A.IN_PROGRESS),
        ((*_A_OPEN, _A.ACCEPTED, _A.ASSIGNED, _A.IN_PROGRESS), _AE.STATUS_06, _A.DONE),
        # RCV-03: returned until it is finished; a wrong addressee is often found late.
        ((*_A_OPEN, _A.ACCEPTED, _A.ASSIGNED, _A.IN_PROGRESS), _AE.STATUS_02, _A.RETURNED),
        ((_A.CHECKED, *_A_OPEN, *_A_WORK), _AE.RECALL_AGREED, _A.RECALLED),
        ((_A.ENTERED, _A.CHECKED, *_A_OPEN), _AE.DAMAGE_FOUND, _A.QUARANTINED),
        (
            (_A.ENTERED, _A.CHECKED, *_A_OPEN, *_A_WORK),
            _AE.SECRECY_FOUND,
            _A.QUARANTINED,
        ),
        ((_A.QUARANTINED,), _AE.CLEARED, _A.CHECKED),
    ),
    stays=stays(
        ((_A.CHECKED,), (_AE.CHECKS_DONE,), "already checked"),
        ((_A.OFFERED,), (_AE.CHECKS_DONE, _AE.OFFERED), "already offered"),
        ((_A.TAKEN,), (_AE.OFFERED, _AE.TAKEN, _AE.STATUS_01), "already taken"),
        ((_A.ACCEPTED,), (_AE.TAKEN, _AE.STATUS_01, _AE.STATUS_03), "late or repeated"),
        (
            (_A.ASSIGNED,),
            (_AE.TAKEN, _AE.STATUS_01, _AE.STATUS_03, _AE.STATUS_04),
            "late or repeated",
        ),
        (
            (_A.IN_PROGRESS,),
            (_AE.TAKEN, _AE.STATUS_01, _AE.STATUS_03, _AE.STATUS_04, _AE.STATUS_05),
            "late, or 05 again (it may repeat)",
        ),
        (
            (_A.DONE,),
            (_AE.TAKEN, _AE.STATUS_01, _AE.STATUS_03, _AE.STATUS_04, _AE.STATUS_05, _AE.STATUS_06),
            "finished: late or repeated",
        ),
        ((_A.RETURNED,), (_AE.TAKEN, _AE.STATUS_01, _AE.STATUS_02, _AE.RECALL_AGREED), "returned"),
        ((_A.RECALLED,), (_AE.TAKEN, _AE.RECALL_AGREED), "recalled"),
        (
            (_A.CHECKED, *_A_OPEN, *_A_WORK, _A.RETURNED, _A.RECALLED),
            (_AE.RECALL_DECLINED,),
            "the refusal is kept on the recall record",
        ),
        (
            (_A.QUARANTINED,),
            (_AE.DAMAGE_FOUND, _AE.SECRECY_FOUND, _AE.CHECKS_DONE),
            "stays in quarantine until two persons decide",
        ),
    ),
    settled=frozenset({_A.DONE, _A.RETURNED, _A.RECALLED, _A.QUARANTINED}),
    texts={
        _A.ENTERED: Text("đã đến cổng, đang kiểm tra", "at the gateway, being checked"),
        _A.CHECKED: Text("đã kiểm tra", "checked"),
        _A.OFFERED: Text("chờ hệ thống của đơn vị lấy về", "offered to the agency's system"),
        _A.TAKEN: Text("đã đến, chờ tiếp nhận", "arrived, waiting to be accepted"),
        _A.ACCEPTED: Text("đã tiếp nhận", "accepted"),
        _A.ASSIGNED: Text("đã phân công", "assigned"),
        _A.IN_PROGRESS: Text("đang xử lý", "in progress"),
        _A.DONE: Text("đã hoàn thành", "done"),
        _A.RETURNED: Text("đã trả lại bên gửi", "returned to the sender"),
        _A.RECALLED: Text("đã bị thu hồi", "recalled by the sender"),
        _A.QUARANTINED: Text("đã cách ly", "in quarantine"),
    },
)

# ---------------------------------------------------------------- recall

_R = RecallState
_RE = RecallEvent

RECALL: Final = Table(
    name="recall",
    states=RecallState,
    events=RecallEvent,
    # A system's own 13 is asked at once; a person's order waits for the end of what is under way.
    initial=frozenset({_R.WAITING, _R.ASKED}),
    rows=rows(
        ((_R.WAITING,), _RE.ASKED, _R.ASKED),
        ((_R.WAITING,), _RE.NOTHING_LEFT, _R.NOT_NEEDED),
        # REC-07: cancelled in doubt, and the receiver has it: now it is asked for.
        ((_R.NOT_NEEDED,), _RE.THERE_AFTER_ALL, _R.WAITING),
        # REC-01: 15 agrees; a receiver may agree after it first declined, not the other way round.
        ((_R.WAITING, _R.ASKED, _R.DECLINED, _R.NOT_NEEDED), _RE.AGREED, _R.AGREED),
        ((_R.ASKED,), _RE.DECLINED, _R.DECLINED),
        ((_R.DECLINED, _R.NOT_NEEDED), _RE.ASKED_AGAIN, _R.ASKED),
        ((_R.DECLINED, _R.NOT_NEEDED), _RE.ORDERED_AGAIN, _R.WAITING),
    ),
    stays=stays(
        ((_R.WAITING, _R.ASKED), (_RE.ASKED_AGAIN, _RE.ORDERED_AGAIN), "already wished for"),
        ((_R.WAITING,), (_RE.DECLINED, _RE.THERE_AFTER_ALL), "not asked yet"),
        (
            (_R.ASKED, _R.DECLINED),
            (_RE.ASKED, _RE.NOTHING_LEFT, _RE.THERE_AFTER_ALL),
            "already asked",
        ),
        ((_R.DECLINED,), (_RE.DECLINED,), "repeated"),
        (
            (_R.NOT_NEEDED,),
            (_RE.ASKED, _RE.DECLINED, _RE.NOTHING_LEFT),
            "there is nothing to take back",
        ),
        ((_R.AGREED,), tuple(e for e in _RE if e is not _RE.AGREED), "already taken back"),
        ((_R.AGREED,), (_RE.AGREED,), "repeated"),
    ),
    settled=frozenset({_R.AGREED, _R.DECLINED, _R.NOT_NEEDED}),
    texts={
        _R.WAITING: Text("chờ kết thúc lượt gửi", "waiting for the sending to end"),
        _R.ASKED: Text("yêu cầu lấy lại", "take-back asked"),
        _R.AGREED: Text("lấy lại thành công", "take-back done"),
        _R.DECLINED: Text("từ chối lấy lại", "take-back refused"),
        _R.NOT_NEEDED: Text("không phải lấy lại", "nothing to take back"),
    },
)

TABLES: Final[tuple[Table[Any, Any], ...]] = (
    CONSIGNMENT,
    DELIVERY,
    TRANSFER,
    ARRIVAL,
    RECALL,
    BREAKER,
)
"""Every table, for the drawn documentation and the tests."""

# ---------------------------------------------------------------- rank

_RANK: Final[Mapping[DeliveryState, int]] = {
    _D.NOT_CONNECTED: 0,
    _D.PENDING: 1,
    _D.DEFERRED: 1,
    _D.SENDING: 2,
    _D.FAILED: 2,
    _D.CANCELLED: 2,
    _D.HANDED_OVER: 3,
    _D.ARRIVED: 4,
    _D.ACCEPTED: 5,
    _D.ASSIGNED: 6,
    _D.IN_PROGRESS: 7,
    _D.DONE: 8,
    _D.RETURNED: 9,
    _D.RECALLED: 10,
}


def rank(state: DeliveryState) -> int:
    """Return how far a delivery has come; exchange statuses never lower it (STS-07)."""
    return _RANK[state]
