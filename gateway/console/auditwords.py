"""What entries of the audit log say, in words: what was done, to what, and the facts beside it.

An entry keeps the codes of the day it was written, and some may be of a later version: what has no
row here is shown as it stands. Pure values.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.console.pages import Lang, Say

ACTIONS: Final[Mapping[str, Say]] = {
    "viewed": Say("Xem", "Viewed"),
    "refused": Say("Bị từ chối", "Refused"),
    # persons and their accounts
    "signed-in": Say("Đăng nhập", "Signed in"),
    "signed-out": Say("Đăng xuất", "Signed out"),
    "sign-in-failed": Say("Đăng nhập sai", "Sign-in failed"),
    "account-added": Say("Tạo tài khoản", "Account made"),
    "account-changed": Say("Sửa tài khoản", "Account changed"),
    "account-locked": Say("Khóa tài khoản", "Account locked"),
    "account-unlocked": Say("Mở khóa tài khoản", "Account unlocked"),
    "account-closed": Say("Đóng tài khoản", "Account closed"),
    "account-reset": Say("Cấp lại mật khẩu", "Password reset"),
    "account-identity-joined": Say("Nối đăng nhập một lần", "Single sign-on joined"),
    "right-granted": Say("Cấp vai trò", "Role granted"),
    "right-revoked": Say("Thu hồi vai trò", "Role revoked"),
    "rights-changed": Say("Đổi vai trò", "Roles changed"),
    "role-lent": Say("Ủy quyền", "Role lent"),
    "role-taken-back": Say("Thôi ủy quyền", "Role taken back"),
    "work-handed-over": Say("Bàn giao việc", "Work handed over"),
    "password-changed": Say("Đổi mật khẩu", "Password changed"),
    "second-factor-set": Say("Cài xác thực bước hai", "Second factor set up"),
    "second-factor-removed": Say("Gỡ xác thực bước hai", "Second factor removed"),
    "proved-again": Say("Nhập lại mã bước hai", "Second factor given again"),
    "first-link-made": Say("Tạo đường dẫn quản trị đầu tiên", "First administrator's link made"),
    "sessions-ended": Say("Kết thúc phiên", "Sessions ended"),
    # documents that came
    "arrival-numbered": Say("Cấp số đến", "Arrival number given"),
    "arrival-accepted": Say("Tiếp nhận văn bản", "Document accepted"),
    "arrival-refused": Say("Từ chối, trả lại văn bản", "Document returned"),
    "arrival-taken-over": Say("Nhận bàn giao văn bản đến", "Arrival taken over"),
    "arrival-assigned": Say("Phân công xử lý", "Assigned"),
    "assignment-ended": Say("Kết thúc phần việc", "Assignment ended"),
    "arrival-progress": Say("Báo đang xử lý", "Progress reported"),
    "arrival-finished": Say("Báo hoàn thành", "Reported as done"),
    "arrival-irregular": Say("Báo bất thường", "Irregularity reported"),
    "arrival-entered": Say("Nhập văn bản giấy", "Paper arrival entered"),
    "taken-undetermined": Say("Nhận khi chữ ký chưa xác định", "Taken while undetermined"),
    "recheck-asked": Say("Yêu cầu kiểm tra lại chữ ký", "Signatures to be checked again"),
    # documents that go
    "draft-created": Say("Soạn dự thảo", "Draft begun"),
    "draft-ready": Say("Trình phát hành", "Draft ready"),
    "draft-sent-back": Say("Trả lại dự thảo", "Draft sent back"),
    "draft-set-apart": Say("Cách ly dự thảo", "Draft set apart"),
    "draft-dropped": Say("Bỏ dự thảo", "Draft dropped"),
    "draft-released-as-original": Say("Phát hành bản gốc", "Issued as an original"),
    "draft-released-as-reference": Say("Phát hành để tham khảo", "Issued for reference"),
    "recipient-group-changed": Say("Sửa nhóm nơi nhận", "Group of recipients changed"),
    "todo-done-other-means": Say("Đã gửi bằng hình thức khác", "Sent by other means"),
    "todo-done-paper": Say("Đã gửi bản giấy", "Paper copy sent"),
    "todo-done-collect-printed": Say("Đã thu bản in", "Printed copies collected"),
    "todo-done-recall-onward": Say("Đã thu hồi nơi chuyển tiếp", "Recalled where it was sent on"),
    "recall-ordered": Say("Ra lệnh thu hồi", "Recall ordered"),
    "recall-agreed": Say("Đồng ý trả lại", "Recall agreed to"),
    "recall-declined": Say("Từ chối trả lại", "Recall declined"),
    "legal-hold-set": Say("Giữ theo yêu cầu pháp lý", "Legal hold set"),
    "legal-hold-lifted": Say("Thôi giữ pháp lý", "Legal hold lifted"),
    "purge-asked": Say("Yêu cầu hủy nội dung", "Purge asked for"),
    "recalled-purged": Say("Hủy nội dung bị thu hồi", "Recalled content purged"),
    "retention-purged": Say("Hủy tệp hết hạn lưu", "Files let go by retention"),
    # operation
    "transfer-held": Say("Giữ lần gửi", "Transfer held"),
    "transfer-released": Say("Thôi giữ lần gửi", "Transfer released"),
    "transfer-requeued": Say("Gửi lại", "Transfer put back"),
    "document-held": Say("Giữ văn bản", "Document held"),
    "document-released": Say("Thôi giữ văn bản", "Document released"),
    "document-requeued": Say("Gửi lại văn bản", "Document put back"),
    "hop-held": Say("Giữ đích", "Destination held"),
    "hop-released": Say("Thôi giữ đích", "Destination released"),
    "hop-requeued": Say("Gửi lại tới đích", "Destination put back"),
    "inbox-rewound": Say("Phát lại hộp đến", "Inbox rewound"),
    "alert-acknowledged": Say("Nhận cảnh báo", "Alert acknowledged"),
    "alert-dismissed": Say("Bỏ cảnh báo", "Alert dismissed"),
    "duty-turn-added": Say("Xếp lịch trực", "Duty turn added"),
    "duty-turn-removed": Say("Bỏ phiên trực", "Duty turn removed"),
    "incident-opened": Say("Ghi sự cố", "Incident recorded"),
    "incident-noted": Say("Ghi chú sự cố", "Incident noted"),
    "incident-closed": Say("Kết thúc sự cố", "Incident closed"),
    "maintenance-announced": Say("Thông báo bảo trì", "Maintenance announced"),
    "maintenance-begin": Say("Bắt đầu bảo trì", "Maintenance begun"),
    "maintenance-finish": Say("Hoàn thành bảo trì", "Maintenance finished"),
    "maintenance-cancel": Say("Hủy bảo trì", "Maintenance cancelled"),
    "maintenance-begun": Say("Nút vào bảo trì", "Maintenance of a node begun"),
    "maintenance-ended": Say("Nút hết bảo trì", "Maintenance of a node ended"),
    "outage-entered": Say("Nhập bù sau sự cố", "Entered after an outage"),
    "day-closed": Say("Khóa nhật ký vận hành ngày", "Day of the operation log closed"),
    "figures-frozen": Say("Chốt số liệu tháng", "Figures of a month frozen"),
    "backup-made": Say("Sao lưu", "Backup made"),
    "restore-reconciled": Say("Đối chiếu sau khôi phục", "Reconciled after a restore"),
    "restore-released": Say("Cho chạy sau khôi phục", "Released after a restore"),
    # directory, systems, keys, calendar
    "agency-added": Say("Thêm cơ quan", "Agency added"),
    "agency-changed": Say("Sửa cơ quan", "Agency changed"),
    "agency-locked": Say("Khóa mã cơ quan", "Agency locked"),
    "agency-active": Say("Mở lại mã cơ quan", "Agency opened again"),
    "agency-closed": Say("Đóng mã cơ quan", "Agency closed"),
    "agencies-imported": Say("Nhập danh mục cơ quan", "Directory imported"),
    "alias-put": Say("Ghi mã cũ của cơ quan", "Alias of an agency set"),
    "system-added": Say("Thêm hệ thống", "System added"),
    "system-rotated": Say("Đổi khóa hệ thống", "Key of a system rotated"),
    "system-disabled": Say("Ngừng hệ thống", "System disabled"),
    "webhook-added": Say("Thêm đăng ký sự kiện", "Webhook added"),
    "webhook-paused": Say("Tạm ngừng đăng ký sự kiện", "Webhook paused"),
    "webhook-resumed": Say("Dùng lại đăng ký sự kiện", "Webhook resumed"),
    "webhook-removed": Say("Bỏ đăng ký sự kiện", "Webhook removed"),
    "webhook-rotated": Say("Đổi khóa đăng ký sự kiện", "Key of a webhook rotated"),
    "webhook-replayed": Say("Báo lại sự kiện", "Events told again"),
    "counter-set": Say("Đặt số của sổ", "Counter set"),
    "key-device-registered": Say("Ghi thiết bị lưu khóa", "Key device registered"),
    "key-device-hand-over": Say("Giao thiết bị lưu khóa", "Key device handed over"),
    "key-device-return": Say("Nhận lại thiết bị lưu khóa", "Key device taken back"),
    "key-device-lose": Say("Báo mất thiết bị lưu khóa", "Key device lost"),
    "key-device-destroy": Say("Hủy thiết bị lưu khóa", "Key device destroyed"),
    "receipt-key-made": Say("Tạo khóa sổ hồi báo", "Receipt key made"),
    "receipt-key-retired": Say("Thôi dùng khóa sổ hồi báo", "Receipt key retired"),
    "secrets-resealed": Say("Niêm phong lại bí mật", "Secrets sealed anew"),
    "office-hours-entered": Say("Ghi giờ làm việc", "Office hours entered"),
    "office-hours-confirmed": Say("Xác nhận giờ làm việc", "Office hours confirmed"),
    "office-hours-ended": Say("Thôi giờ làm việc", "Office hours ended"),
    "calendar-year-confirmed": Say("Xác nhận lịch nghỉ năm", "Holidays of a year confirmed"),
    "day-made-off": Say("Cho nghỉ một ngày", "Day made off"),
    "day-made-working": Say("Làm bù một ngày", "Day made a working day"),
    "clock-overridden": Say("Bỏ qua lệch đồng hồ", "Clock overridden"),
    "clock-override-ended": Say("Thôi bỏ qua lệch đồng hồ", "Clock override ended"),
}

TARGETS: Final[Mapping[str, Say]] = {
    "account": Say("Tài khoản", "Account"),
    "agency": Say("Cơ quan", "Agency"),
    "alert": Say("Cảnh báo", "Alert"),
    "arrival": Say("Văn bản đến", "Arrival"),
    "consignment": Say("Văn bản đi", "Sent document"),
    "counter": Say("Sổ số", "Counter"),
    "day": Say("Ngày", "Day"),
    "document": Say("Văn bản", "Document"),
    "draft": Say("Dự thảo", "Draft"),
    "figures": Say("Số liệu", "Figures"),
    "hop": Say("Đích", "Destination"),
    "incident": Say("Sự cố", "Incident"),
    "key-device": Say("Thiết bị lưu khóa", "Key device"),
    "list": Say("Danh sách", "List"),
    "maintenance": Say("Bảo trì", "Maintenance"),
    "page": Say("Trang", "Page"),
    "recall": Say("Thu hồi", "Recall"),
    "search": Say("Tìm kiếm", "Search"),
    "system": Say("Hệ thống", "System"),
    "todo": Say("Việc cần làm", "To-do"),
    "transfer": Say("Lần gửi", "Transfer"),
}

FACTS: Final[Mapping[str, Say]] = {
    "address": Say("địa chỉ", "address"),
    "agency": Say("cơ quan", "agency"),
    "arrival_id": Say("văn bản đến", "arrival"),
    "arrival_number": Say("số đến", "arrival number"),
    "code": Say("mã", "code"),
    "consignment_id": Say("văn bản đi", "sent document"),
    "count": Say("số lượng", "count"),
    "document_id": Say("mã định danh văn bản", "document"),
    "holder": Say("người giữ", "holder"),
    "legal_class": Say("giá trị", "legal class"),
    "login": Say("tên đăng nhập", "login"),
    "mail": Say("thư công vụ", "mail"),
    "name": Say("tên", "name"),
    "parties": Say("các bên", "parties"),
    "reason": Say("lý do", "reason"),
    "reason_sha256": Say("mã băm của lý do", "hash of the reason"),
    "rules": Say("điều kiện", "rules"),
    "session": Say("phiên", "session"),
    "state": Say("trạng thái", "state"),
    "to": Say("tới", "to"),
    "transfer_id": Say("lần gửi", "transfer"),
    "valid_from": Say("từ", "from"),
    "valid_to": Say("đến", "until"),
    "value": Say("giá trị", "value"),
    "via": Say("qua", "by way of"),
}


def action_text(action: str, lang: Lang) -> str:
    """Return what was done."""
    return ACTIONS[action].to(lang) if action in ACTIONS else action


def target_text(target: str, lang: Lang) -> str:
    """Return to what: the kind in words, the id as it stands."""
    kind, _, which = target.partition(":")
    return f"{TARGETS[kind].to(lang)} {which}".strip() if kind in TARGETS else target


def fact_text(name: str, lang: Lang) -> str:
    """Return the name of a fact."""
    return FACTS[name].to(lang) if name in FACTS else name


def facts_text(facts: Mapping[str, Any], lang: Lang) -> str:
    """Return what else an entry says, on one line; a hash is shown by the entry itself."""
    return " · ".join(
        f"{fact_text(name, lang)}: {_value(value)}"
        for name, value in facts.items()
        if not name.endswith("_sha256")
    )


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
