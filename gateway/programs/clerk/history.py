"""What happened to an arrival, in words for persons; builders only."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from gateway.domain.machine import Text
from gateway.domain.moments import from_text
from gateway.domain.receipt import STATUS_TEXTS, known_code
from gateway.domain.refusals import REFUSALS
from gateway.ports import Row
from gateway.ports.clerk_receive import Event
from gateway.programs.rows import loads

# Type of event → words, tone.
_WORDS: Final[Mapping[str, tuple[Text, str]]] = {
    "offered": (Text("Đã đến cổng, đã kiểm tra", "Arrived at the gateway, checked"), "good"),
    "entered_system": (Text("Nhập vào hệ thống của đơn vị", "Entered the agency's system"), "good"),
    "registered": (Text("Vào sổ văn bản đến", "Registered"), "good"),
    "taken_undetermined": (
        Text("Tiếp nhận khi chữ ký chưa xác định", "Taken with undetermined signatures"),
        "doubt",
    ),
    "repeated": (Text("Bên gửi gửi lại cùng văn bản", "The same document came again"), "none"),
    "forwarded": (Text("Chuyển tiếp từ mã cũ", "Forwarded from a closed code"), "none"),
    "returned": (Text("Hệ thống trả lại theo chính sách", "Returned by policy"), "bad"),
    "quarantined": (Text("Đã cách ly", "Set apart"), "bad"),
    "verdict": (Text("Kết quả kiểm tra chữ ký thay đổi", "The verdict changed"), "doubt"),
    "not_usable": (
        Text("Hệ thống của đơn vị không đọc được", "The agency's system could not use it"),
        "doubt",
    ),
    "recall_asked": (Text("Bên gửi yêu cầu lấy lại", "The sender asks for it back"), "doubt"),
    "recalled": (Text("Đã thu hồi", "Taken back"), "bad"),
    "recall_refused": (Text("Từ chối trả lại bên gửi", "Kept, the sender was told"), "doubt"),
    "retention_purged": (Text("Tệp hết thời hạn lưu giữ", "Files let go by retention"), "none"),
    "recalled-purged": (Text("Đã hủy nội dung bị thu hồi", "Content taken back is gone"), "none"),
    "recheck_ended": (Text("Kết thúc kiểm tra lại chữ ký", "No further look at it"), "none"),
    "arrival-accepted": (Text("Văn thư tiếp nhận", "Accepted by the clerk"), "good"),
    "arrival-taken-over": (Text("Đơn vị kế thừa nhận bàn giao", "Taken over"), "good"),
    "arrival-refused": (Text("Từ chối, trả lại bên gửi", "Refused, returned"), "bad"),
    "arrival-assigned": (Text("Phân công xử lý", "Assigned"), "good"),
    "assignment-ended": (Text("Kết thúc phần việc", "A part has ended"), "good"),
    "arrival-progress": (Text("Đang xử lý", "In progress"), "good"),
    "arrival-finished": (Text("Hoàn thành", "Done"), "good"),
    "arrival-irregular": (Text("Báo bất thường", "Irregularity reported"), "bad"),
    "irregular_told": (
        Text("Đã báo bên gửi dấu hiệu bất thường", "The sender is told what is irregular"),
        "doubt",
    ),
    "arrival-entered": (Text("Nhập văn bản giấy", "Paper arrival entered"), "good"),
}
STATUS_TONES: Final = {"02": "bad", "16": "doubt"}


def history(events: Sequence[Mapping[str, Any]], acts: Sequence[Row]) -> tuple[Event, ...]:
    """Return what happened, oldest first.

    Args:
        events: Of the arrival, as `ports.Desk` answers them.
        acts: Rows of what persons did to it.
    """
    # Of one instant, what a person did comes before what came of it.
    found = [_told(row["type"], from_text(row["at"]), loads(row["data"])) for row in acts]
    found += [_told(e["type"], datetime.fromisoformat(e["at"]), e["data"]) for e in events]
    return tuple(sorted(found, key=lambda event: event.at))


def _told(kind: str, at: datetime, data: Mapping[str, Any]) -> Event:
    if kind == "status":
        return _status(at, data)
    text, tone = _WORDS.get(kind, (Text(kind, kind), "none"))
    if kind == "registered" and "number" in data:
        text = Text(f"{text.vi}: số đến {data['number']}", f"{text.en}: number {data['number']}")
    return Event(at, text, tone, str(data.get("actor", "")), _detail(data))


def _status(at: datetime, data: Mapping[str, Any]) -> Event:
    code = str(data.get("code", ""))
    known = known_code(code)
    words = STATUS_TEXTS[known] if known is not None else Text(code, code)
    sent = bool(data.get("sent"))
    text = Text(
        f"Hồi báo {code} – {words.vi}" + ("" if sent else " (không gửi lại)"),
        f"Status {code}: {words.en}" + ("" if sent else " (not sent again)"),
    )
    return Event(at, text, STATUS_TONES.get(code, "good"))


def _detail(data: Mapping[str, Any]) -> str:
    record = data.get("record")
    if isinstance(record, Mapping):
        return str(record.get("reason", ""))
    code = str(data.get("code", ""))
    said = str(data.get("reason", "") or data.get("note", ""))
    if code in REFUSALS and not said:
        return f"{code}: {REFUSALS[code].text.vi}"
    return said
