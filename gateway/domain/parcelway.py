"""A document's way to one recipient, told as a parcel tracker tells it: steps, and who acts now.

Promises: every state of a delivery has words for what must be done and by whom; many tries are
told briefly, none is hidden from the count. Pure: facts in, words out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gateway.domain.machine import Text
from gateway.domain.states import DeliveryState

_D = DeliveryState
_SHOWN_TRIES: Final = 3

TONES: Final[Mapping[DeliveryState, str]] = {
    _D.NOT_CONNECTED: "doubt",
    _D.PENDING: "none",
    _D.SENDING: "none",
    _D.DEFERRED: "doubt",
    _D.HANDED_OVER: "none",
    _D.ARRIVED: "none",
    _D.ACCEPTED: "good",
    _D.ASSIGNED: "good",
    _D.IN_PROGRESS: "good",
    _D.DONE: "good",
    _D.RETURNED: "bad",
    _D.FAILED: "bad",
    _D.CANCELLED: "none",
    _D.RECALLED: "doubt",
}

NOW: Final[Mapping[DeliveryState, Text]] = {
    _D.NOT_CONNECTED: Text(
        "Văn thư gửi bằng hình thức khác rồi ghi nhận ở mục “Gửi hình thức khác”.",
        "The clerk sends it by other means and records that among the things to do.",
    ),
    _D.PENDING: Text("Hệ thống đang gửi, không phải làm gì.", "The gateway is sending it."),
    _D.SENDING: Text("Hệ thống đang gửi, không phải làm gì.", "The gateway is sending it."),
    _D.DEFERRED: Text(
        "Hệ thống sẽ tự gửi lại; nếu gấp, báo bộ phận vận hành.",
        "The gateway tries again by itself; if it is urgent, tell operations.",
    ),
    _D.HANDED_OVER: Text(
        "Chờ hệ thống của nơi nhận lấy về.", "Waiting for the receiver's system to fetch it."
    ),
    _D.ARRIVED: Text(
        "Chờ văn thư nơi nhận kiểm tra, tiếp nhận.",
        "Waiting for the receiver's clerk to check and accept it.",
    ),
    _D.ACCEPTED: Text("Nơi nhận đang phân công xử lý.", "The receiver is assigning it."),
    _D.ASSIGNED: Text("Nơi nhận xử lý.", "The receiver handles it."),
    _D.IN_PROGRESS: Text("Nơi nhận xử lý.", "The receiver handles it."),
    _D.DONE: Text("", ""),
    _D.RETURNED: Text(
        "Xem lý do trả lại; sửa văn bản rồi soạn lại để gửi.",
        "Read why it was returned; correct the document, then draft it again.",
    ),
    _D.FAILED: Text(
        "Xem lý do; bấm “Gửi lại”, hoặc gửi bằng hình thức khác.",
        "Read why; press “Send again”, or send it by other means.",
    ),
    _D.CANCELLED: Text("", ""),
    _D.RECALLED: Text(
        "Nhắc nơi nhận thu hồi các bản đã in.",
        "Remind the receiver to collect printed copies.",
    ),
}


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to carry it: when, how it ended (`taken`, `busy`, `refused`, `died`, "")."""

    n: int
    began_at: datetime
    ended_at: datetime | None
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Mark:
    """One step: when, how it looks, in words."""

    at: datetime | None
    tone: str
    text: Text


_ENDS: Final[Mapping[str, tuple[str, Text]]] = {
    "taken": ("good", Text("bên kia đã nhận gói tin", "the other end took it")),
    "busy": ("doubt", Text("chưa được, sẽ gửi lại", "not yet, it will be tried again")),
    "refused": ("bad", Text("bên kia từ chối", "the other end refused it")),
    "died": ("doubt", Text("bị ngắt giữa chừng, sẽ gửi lại", "cut short, it will be tried again")),
}
_RUNNING: Final = ("none", Text("đang gửi", "under way"))


def tries_told(tries: Sequence[Try]) -> list[Mark]:
    """Return the tries in plain words: the first, the last ones, and how many lie between."""
    if len(tries) <= _SHOWN_TRIES + 1:
        return [_told(t) for t in tries]
    between = len(tries) - 1 - _SHOWN_TRIES
    middle = Mark(
        None,
        "none",
        Text(f"… {between} lần gửi khác, chưa được", f"… {between} more tries, not yet"),
    )
    return [_told(tries[0]), middle, *map(_told, tries[-_SHOWN_TRIES:])]


def _told(one: Try) -> Mark:
    tone, end = _ENDS.get(one.outcome, _RUNNING)
    more = f" ({one.detail})" if one.detail and one.outcome != "taken" else ""
    return Mark(
        one.ended_at or one.began_at,
        tone,
        Text(f"Gửi lần {one.n}: {end.vi}{more}", f"Try {one.n}: {end.en}{more}"),
    )


def in_order(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """Return steps by their times; one without a time stays behind the one before it."""
    keyed: list[tuple[datetime | None, int, Mark]] = []
    last: datetime | None = None
    for place, mark in enumerate(marks):
        last = mark.at or last
        keyed.append((last, place, mark))
    first = min((at for at, _, _ in keyed if at is not None), default=None)
    if first is None:
        return tuple(marks)
    return tuple(m for _, _, m in sorted(keyed, key=lambda k: (k[0] or first, k[1])))
