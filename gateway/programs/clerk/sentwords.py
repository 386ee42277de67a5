"""What happened to a document that was sent, in words for persons; builders only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway.domain.machine import Text
from gateway.domain.receipt import STATUS_TEXTS, known_code
from gateway.ports.clerk_send import Step
from gateway.programs.clerk.history import STATUS_TONES

_EVENTS: Final[Mapping[str, tuple[str, Text]]] = {
    "accepted": ("good", Text("Hệ thống đã nhận văn bản", "The gateway took the document")),
    "numbered": ("none", Text("Đã cấp số thứ tự", "It was given its ordinal")),
    "released": ("good", Text("Đã phát hành", "Issued")),
    "refused": ("bad", Text("Bị từ chối phát hành", "Refused")),
    "recipients_added": ("none", Text("Thêm nơi nhận", "Recipients were added")),
    "to_do": ("doubt", Text("Nơi nhận phải gửi bằng hình thức khác", "To be sent by other means")),
    "handed_over": ("good", Text("Bên nhận đã nhận gói tin", "The other end took the packet")),
    "deferred": ("doubt", Text("Chưa gửi được, sẽ gửi lại", "Not yet, it will be tried again")),
    "peer_refused": ("bad", Text("Bên nhận từ chối gói tin", "The other end refused it")),
    "gave_up": ("bad", Text("Hết thời gian gửi lại", "Given up after trying for long")),
    "damaged": ("bad", Text("Gói tin hỏng, báo vận hành", "Damaged: tell operations")),
    "requeued": ("none", Text("Được đưa lại hàng chờ gửi", "Put back into its lane")),
    "queue_held": ("doubt", Text("Vận hành giữ lại", "Held by operations")),
    "queue_released": ("none", Text("Vận hành cho gửi tiếp", "Let go by operations")),
    "breaker_opened": ("doubt", Text("Đích không phản hồi", "The destination does not answer")),
    "breaker_closed": ("none", Text("Đích phản hồi lại", "The destination answers again")),
    "verdict_changed": ("doubt", Text("Kết quả kiểm tra chữ ký thay đổi", "The verdict changed")),
    "submitted_again": ("none", Text("Được gửi lại y nguyên", "Sent once more, unchanged")),
    "forwarded": ("none", Text("Chuyển tiếp tới mã mới", "Passed on to the new code")),
    "brought_forward": ("none", Text("Được gửi sớm hơn", "Brought forward")),
    "recall": ("doubt", Text("Yêu cầu thu hồi", "Asked back")),
    "recall_asked": ("doubt", Text("Yêu cầu thu hồi", "Asked back")),
    "recalled": ("good", Text("Đã thu hồi", "Taken back")),
    "recall_refused": ("bad", Text("Từ chối trả lại", "Not given back")),
    "cancelled": ("none", Text("Đã hủy gửi", "Cancelled")),
    "held": ("doubt", Text("Giữ theo yêu cầu pháp lý", "Put under legal hold")),
    "hold_ended": ("none", Text("Bỏ giữ", "The hold was lifted")),
    "retention_purged": ("none", Text("Tệp hết thời hạn lưu giữ", "Files let go by retention")),
    "closed": ("good", Text("Đã kết thúc", "Closed")),
}
# Steps of one recipient's way, which the page tells there, and the machinery's own.
QUIET: Final = frozenset({"delivery", "attempt_began", "receipt_came", "program_died"})


def told(one: Mapping[str, Any]) -> Step:
    """Return one event, as `ports.Desk` answers it, in words."""
    data = one["data"]
    if one["type"] == "status":
        tone, text = _said(str(data.get("code", "")))
    else:
        tone, text = _EVENTS.get(one["type"], ("none", Text(one["type"], one["type"])))
    more = ", ".join(
        str(data[key]) for key in ("agency", "hop", "ordinal", "reason", "actor") if data.get(key)
    )
    more = f" ({more})" if more else ""
    at = datetime.fromisoformat(one["at"])
    return Step(at, tone, f"{text.vi}{more}", f"{text.en}{more}")


def _said(code: str) -> tuple[str, Text]:
    known = known_code(code)
    words = STATUS_TEXTS[known] if known is not None else Text(code, code)
    tone = STATUS_TONES.get(code, "good")
    return tone, Text(f"Hồi báo {code} – {words.vi}", f"Status {code}: {words.en}")
