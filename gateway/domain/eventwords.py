"""Events of a document and its transfers, in words for clerks and operators. Pure values."""

from collections.abc import Mapping
from typing import Final

from gateway.domain.machine import Text

# Type of event → tone, words.
EVENTS: Final[Mapping[str, tuple[str, Text]]] = {
    "accepted": ("good", Text("Hệ thống đã nhận văn bản", "The gateway took the document")),
    "numbered": ("none", Text("Đã cấp số thứ tự", "It was given its ordinal")),
    "released": ("good", Text("Đã phát hành", "Issued")),
    "refused": ("bad", Text("Bị từ chối phát hành", "Refused")),
    "recipients_added": ("none", Text("Thêm nơi nhận", "Recipients were added")),
    "to_do": ("doubt", Text("Nơi nhận phải gửi bằng hình thức khác", "To be sent by other means")),
    "attempt_began": ("none", Text("Bắt đầu một lần gửi", "An attempt began")),
    "program_died": ("doubt", Text("Lần gửi bị cắt ngang", "The attempt was cut short")),
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

# How an attempt ended.
OUTCOMES: Final[Mapping[str, Text]] = {
    "taken": Text("Đã nhận", "Taken"),
    "busy": Text("Chưa nhận, gửi lại sau", "Busy, tried again later"),
    "refused": Text("Từ chối", "Refused"),
    "damaged": Text("Gói tin hỏng", "Damaged"),
    "died": Text("Bị cắt ngang", "Cut short"),
}
