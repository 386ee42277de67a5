"""The way of a document to each recipient, from the desk's own answer and the statuses that came.

Reads nothing and keeps nothing: rows in, words out (`gateway.domain.parcelway`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain.envelope import StatusCode
from gateway.domain.lifecycle import DELIVERY, DeliveryState, state_text
from gateway.domain.machine import Text
from gateway.domain.moments import from_text
from gateway.domain.parcelway import NOW, TONES, Mark, Try, in_order, tries_told
from gateway.domain.receipt import STATUS_TEXTS, is_irregular
from gateway.ports import Row
from gateway.ports.clerk_send import Step, Way

_UNTAKEN: Final = frozenset(
    {
        DeliveryState.PENDING,
        DeliveryState.SENDING,
        DeliveryState.DEFERRED,
        DeliveryState.HANDED_OVER,
    }
)
_BAD_CODES: Final = frozenset({StatusCode.RETURNED, StatusCode.RECALL_DECLINED})


def way_of(
    delivery: Mapping[str, Any],
    issued_at: datetime | None,
    statuses: Sequence[Row],
    now: datetime,
    follow_up_after: timedelta,
) -> Way:
    """Return the way to one recipient.

    Args:
        delivery: As `Desk.document` shows it.
        issued_at: When the document was issued, None before.
        statuses: Status reports about this delivery.
        now: Aware instant.
        follow_up_after: After how long silence is pointed out (SND-08).
    """
    state = DeliveryState(delivery["state"])
    text = state_text(DELIVERY, state)
    waits = issued_at is not None and now - issued_at >= follow_up_after
    todo = NOW[state]
    if holds := delivery.get("holds"):
        said = "; ".join(h["text"] for h in holds if h.get("text"))
        todo = Text(f"{todo.vi} ({said})", f"{todo.en} ({said})") if said else todo
    return Way(
        delivery_id=delivery["id"],
        agency=delivery["agency"],
        name=delivery["name"] or delivery["agency"],
        state=state.value,
        tone=TONES[state],
        state_text=(text.vi, text.en),
        now=(todo.vi, todo.en),
        steps=tuple(
            Step(m.at, m.tone, m.text.vi, m.text.en)
            for m in in_order(_marks(delivery, state, issued_at, statuses))
        ),
        may_resend=state is DeliveryState.FAILED,
        follow_up=waits and state in _UNTAKEN,
    )


def _marks(
    delivery: Mapping[str, Any],
    state: DeliveryState,
    issued_at: datetime | None,
    statuses: Sequence[Row],
) -> list[Mark]:
    marks = []
    if issued_at is not None:
        marks.append(Mark(issued_at, "good", Text("Đã phát hành", "Issued")))
    marks += tries_told([_try(a) for a in delivery["attempts"]])
    for name, text in _MOMENTS.items():
        if at := _at(delivery[name]):
            marks.append(Mark(at, "good", text))
    marks += [_status(row) for row in statuses]
    if state in {DeliveryState.FAILED, DeliveryState.NOT_CONNECTED, DeliveryState.CANCELLED}:
        text = state_text(DELIVERY, state)
        why = f": {delivery['reason']}" if delivery["reason"] else ""
        marks.append(Mark(None, TONES[state], Text(f"{text.vi}{why}", f"{text.en}{why}")))
    return marks


_MOMENTS: Final = {
    "acknowledged_at": Text("Điểm nhận đầu tiên xác nhận", "The first hop acknowledged it"),
    "at_gateway_at": Text("Đã đến cổng của nơi nhận", "At the receiver's gateway"),
    "entered_system_at": Text("Đã vào hệ thống của nơi nhận", "In the receiver's system"),
}


def _status(row: Row) -> Mark:
    code = row["code"]
    known = STATUS_TEXTS.get(StatusCode(code)) if code in set(StatusCode) else None
    vi, en = known or (f"Trạng thái {code}", f"Status {code}")
    more = f": {row['description']}" if row["description"] else ""
    bad = code in _BAD_CODES or is_irregular(row["description"])
    tone = "bad" if bad else "good"
    return Mark(
        from_text(row["created_at"]), tone, Text(f"{code} {vi}{more}", f"{code} {en}{more}")
    )


def _try(attempt: Mapping[str, Any]) -> Try:
    began, ended = datetime.fromisoformat(attempt["began_at"]), _at(attempt["ended_at"])
    return Try(attempt["n"], began, ended, attempt["outcome"], attempt["detail"])


def _at(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
