"""Words and small pieces that the pages of operations share."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway.console.pages import BASE, Say, Visit
from gateway.domain.access import Right
from gateway.errors import Reason, RejectedError

OPS: Final = "/ops"
HOME: Final = f"{BASE}{OPS}"
REASON_LONGEST: Final = 500

LANES: Final[Mapping[int, Say]] = {
    4: Say("Hẹn giờ", "Timed"),
    3: Say("Hỏa tốc", "Express"),
    2: Say("Thượng khẩn", "Very urgent"),
    1: Say("Khẩn", "Urgent"),
    0: Say("Thường", "Normal"),
}
STATES: Final[Mapping[str, Say]] = {
    "open": Say("Chưa xong", "Not settled"),
    "waiting": Say("Đang chờ", "Waiting"),
    "sending": Say("Đang gửi", "Sending"),
    "deferred": Say("Chờ gửi lại", "Deferred"),
    "failed": Say("Không gửi được", "Dead letter"),
    "held": Say("Đang giữ", "Held"),
    "done": Say("Xong", "Done"),
    "cancelled": Say("Đã hủy", "Cancelled"),
}
STANDINGS: Final[Mapping[str, Say]] = {
    "up": Say("đang chạy", "up"),
    "maintenance": Say("đang bảo trì", "in maintenance"),
    "draining": Say("đang rút", "draining"),
    "down": Say("đã ngừng", "down"),
    "active": Say("đang hoạt động", "active"),
    "locked": Say("tạm khóa", "locked"),
    "closed": Say("đã đóng", "closed"),
    "not-yet": Say("chưa hiệu lực", "not in force yet"),
    "disabled": Say("đã ngừng dùng", "disabled"),
}
"""How machines, systems and codes of agencies stand."""
TONES: Final[Mapping[str, str]] = {
    "waiting": "none",
    "sending": "good",
    "deferred": "doubt",
    "failed": "bad",
    "held": "doubt",
    "done": "good",
    "cancelled": "none",
    "up": "good",
    "maintenance": "doubt",
    "draining": "doubt",
    "down": "bad",
    "active": "good",
    "locked": "doubt",
    "closed": "none",
    "disabled": "none",
}


def seeing(visit: Visit) -> None:
    """Refuse who may not look at the whole gateway's operations."""
    visit.must(Right.SEE_OPERATIONS)


def acting(visit: Visit, right: Right = Right.OPERATE) -> tuple[str, str]:
    """Return the reason given and who acts, once that person may.

    Raises:
        ForbiddenError: The right is missing.
        RejectedError: BAD_REQUEST without a reason.
    """
    person = visit.must(right)
    return reason_of(visit), person.login


def reason_of(visit: Visit) -> str:
    """Return the reason a form gives.

    Raises:
        RejectedError: BAD_REQUEST without one, or for one that is too long.
    """
    reason = visit.text("reason")
    if not reason or len(reason) > REASON_LONGEST:
        raise RejectedError(
            Reason.BAD_REQUEST,
            f"Hãy ghi lý do, không quá {REASON_LONGEST} ký tự / "
            f"give a reason of at most {REASON_LONGEST} characters",
        )
    return reason


def age(since: datetime | None, now: datetime, lang: str) -> str:
    """Return how long ago something was, in two words at most: `3 phút`, `2 giờ`, `5 ngày`."""
    if since is None:
        return ""
    seconds = max(0, int((now - since).total_seconds()))
    for size, vi, en in ((86400, "ngày", "d"), (3600, "giờ", "h"), (60, "phút", "min")):
        if seconds >= size:
            return f"{seconds // size} {vi if lang == 'vi' else en}"
    return f"{seconds} {'giây' if lang == 'vi' else 's'}"
