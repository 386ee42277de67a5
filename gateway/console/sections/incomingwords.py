"""Words that pages of incoming documents share (rules section D). Pure."""

from typing import Any, Final

from gateway.console.pages import Say
from gateway.domain.lifecycle import ARRIVAL, ArrivalState
from gateway.domain.precheck import GOOD
from gateway.ports.clerk_receive import Box

BOXES: Final = {
    Box.WAITING: Say("Chờ tiếp nhận", "Waiting"),
    Box.ACCEPTED: Say("Đã tiếp nhận", "Accepted"),
    Box.WORK: Say("Đang xử lý", "In progress"),
    Box.DUE: Say("Sắp đến hạn, quá hạn", "Due soon, overdue"),
    Box.DONE: Say("Hoàn thành", "Done"),
    Box.RETURNED: Say("Từ chối, trả lại", "Refused, returned"),
    Box.RECALLED: Say("Đã thu hồi", "Recalled"),
}
UNTAKEN: Final = frozenset({ArrivalState.OFFERED, ArrivalState.TAKEN})
TAKEN_OVER: Final = Say(
    "Đã nhận bàn giao. Hãy tiếp nhận hoặc trả lại văn bản.",
    "Taken over. Now accept it or return it.",
)
ALL: Final[dict[str, Any]] = {
    "urgencies": {
        0: Say("Thường", "Normal"),
        1: Say("Khẩn", "Urgent"),
        2: Say("Thượng khẩn", "Very urgent"),
        3: Say("Hỏa tốc", "Express"),
        4: Say("Hỏa tốc hẹn giờ", "Express, timed"),
    },
    "verdicts": {
        "valid": ("good", Say("Chữ ký hợp lệ", "Valid")),
        "invalid": ("bad", Say("Chữ ký không hợp lệ", "Invalid")),
        "indeterminate": ("doubt", Say("Chữ ký chưa xác định", "Undetermined")),
        "unreadable": ("doubt", Say("Không đọc được", "Unreadable")),
        "unsigned": ("none", Say("Không ký số", "Unsigned")),
        "pending": ("none", Say("Đang kiểm tra chữ ký", "Being verified")),
    },
    "arrival_texts": ARRIVAL.texts,
    "business": {
        1: Say("Thu hồi", "Recall"),
        2: Say("Cập nhật", "Update"),
        3: Say("Thay thế", "Replacement"),
    },
    "good_answer": GOOD,
    "tones": {
        "good": Say("Đạt", "Good"),
        "doubt": Say("Cần xem", "Look"),
        "bad": Say("Không đạt", "Bad"),
    },
}
REASON_MISSING: Final = Say(
    "Chữ ký số chưa xác định được: ghi lý do tiếp nhận.",
    "Its signatures are undetermined: say why you accept it.",
)
REFUSED: Final = Say(
    "Đã từ chối, trả lại. Bên gửi được báo trạng thái 02 kèm lý do.",
    "Refused and returned. The sender is told (02) with the reason.",
)
REFUSED_BEFORE: Final = Say("Văn bản này đã được trả lại trước đó.", "It had been returned before.")
NOBODY_NAMED: Final = Say(
    "Chọn người xử lý hoặc ghi đơn vị chủ trì.", "Choose a person, or name the unit in the lead."
)
NO_DAY: Final = Say("Ngày không đúng.", "Not a day.")
ASSIGNED: Final = Say("Đã phân công xử lý.", "Assigned.")
PART_ENDED: Final = Say(
    "Đã kết thúc phần việc; các đơn vị khác tiếp tục.", "That part has ended; the others go on."
)
IN_PROGRESS: Final = Say("Đã báo bên gửi: đang xử lý (05).", "The sender is told: in progress.")
FINISHED: Final = Say("Đã báo bên gửi: hoàn thành (06).", "The sender is told: done.")
IRREGULAR_PAPER: Final = Say(
    "Đã ghi nhận, báo người có trách nhiệm. Bản giấy: báo bên gửi bằng đường khác.",
    "Recorded; the person responsible is told. It came on paper: tell its sender by other means.",
)
SAY_WHAT: Final = Say("Ghi rõ dấu hiệu bất thường.", "Say what is irregular.")
IRREGULAR: Final = Say(
    "Đã ghi nhận, báo người có trách nhiệm và bên gửi. Việc tiếp nhận, trả lại hay xử lý văn bản "
    "không thay đổi.",
    "Recorded; the person responsible and the sender are told. What is to be done about the "
    "document stays as it is.",
)
