"""The catalogue of repairs: faults of partners that we read all the same, in both languages.

Pure data. A code is stable: partners' reports and tests name it.
"""

from typing import Final

from gateway.domain.envelope import Repair

_TEXTS: Final[dict[str, tuple[str, str]]] = {
    # -- bytes and markup
    "bom": ("Có dấu BOM ở đầu tệp; đã bỏ.", "A byte order mark at the start; dropped."),
    "utf-16": (
        "Mã hóa UTF-16 thay vì UTF-8; đã đọc đúng.",
        "Encoded in UTF-16 instead of UTF-8; read as such.",
    ),
    "declaration-missing": (
        "Thiếu khai báo XML ở dòng đầu; đã đọc là UTF-8.",
        "No XML declaration; read as UTF-8.",
    ),
    "junk-before-declaration": (
        "Có ký tự thừa trước khai báo XML; đã bỏ.",
        "Stray characters before the XML declaration; dropped.",
    ),
    "undeclared-prefix": (
        "Tiền tố chưa khai báo không gian tên; đã hiểu theo nghĩa quen dùng.",
        "A prefix without a declared namespace; read in its usual meaning.",
    ),
    "soap-wrapper": (
        "Gói tin nằm trong phong bì SOAP; đã lấy phần edXML bên trong.",
        "The packet is wrapped in a SOAP envelope; the edXML inside was read.",
    ),
    "namespace-old": (
        "Không gian tên cũ e-doc.vn; đã đọc như QCVN 102:2016.",
        "The old e-doc.vn namespace; read as QCVN 102:2016.",
    ),
    "namespace-missing": (
        "Thiếu không gian tên; đã đọc như QCVN 102:2016.",
        "No namespace; read as QCVN 102:2016.",
    ),
    "prefix": (
        "Tiền tố khác mẫu chuẩn (edXML:); nơi nhận dùng .NET có thể từ chối.",
        "A prefix other than the standard one (edXML:); .NET receivers may refuse it.",
    ),
    "element-spelling": (
        "Tên phần tử viết khác chuẩn; đã đọc như phần tử chuẩn.",
        "An element's name is spelled differently; read as the standard one.",
    ),
    "element-place": (
        "Phần tử đứng sai chỗ; đã đọc như ở đúng chỗ.",
        "An element stands in the wrong place; read as if in the right one.",
    ),
    "business-spelling": (
        "Viết Business thay vì Bussiness (hai chữ s); đã đọc đúng nghĩa.",
        "Spelled Business instead of Bussiness (double s); read as meant.",
    ),
    "status-element": (
        "Dùng phần tử Status thay vì MessageHeader; đã đọc như MessageHeader.",
        "Element Status in place of MessageHeader; read as MessageHeader.",
    ),
    "duplicate-element": (
        "Phần tử lặp lại; đã dùng phần tử đầu, giữ phần còn lại để xem.",
        "A repeated element; the first counts, the rest is kept to look at.",
    ),
    "stray-text": (
        "Có chữ lạc giữa các phần tử; đã bỏ qua.",
        "Stray text between elements; ignored.",
    ),
    "markup-in-text": (
        "Có thẻ XML bên trong phần chữ; đã lấy phần chữ.",
        "Markup inside a text element; its text was read.",
    ),
    "whitespace-trimmed": (
        "Mã có khoảng trắng ở đầu hoặc cuối; đã bỏ.",
        "White space around a code; trimmed.",
    ),
    # -- dates and numbers
    "date-dmy": ("Ngày viết dd/MM/yyyy; đã đọc theo thứ tự đó.", "Date written dd/MM/yyyy."),
    "date-iso": ("Ngày viết kiểu ISO 8601; đã đọc.", "Date written as ISO 8601."),
    "date-epoch": (
        "Ngày viết bằng số mili giây; đã đổi sang giờ Việt Nam.",
        "Date written as epoch milliseconds; turned into Vietnamese time.",
    ),
    "date-form": ("Ngày viết khác mẫu yyyy/MM/dd; đã đọc.", "Date not in the form yyyy/MM/dd."),
    "date-with-time": ("Ô ngày có kèm giờ; đã bỏ giờ.", "A time in a date field; dropped."),
    "time-form": (
        "Thời điểm viết khác mẫu yyyy/MM/dd HH:mm:ss; đã đọc.",
        "Time not in the form yyyy/MM/dd HH:mm:ss.",
    ),
    "time-missing": (
        "Thời điểm chỉ có ngày; đã hiểu là 00:00:00.",
        "A moment without time of day; read as 00:00:00.",
    ),
    "date-unreadable": (
        "Không đọc được ngày; để trống, giữ nguyên văn.",
        "Unreadable date; left empty, the text is kept.",
    ),
    "number-unreadable": (
        "Phải là số; để trống, giữ nguyên văn.",
        "Not a number; left empty, the text is kept.",
    ),
    "type-defaulted": (
        "Thiếu hoặc sai loại văn bản (Type); đã dùng 2 (văn bản hành chính).",
        "Type missing or not a number; read as 2 (administrative document).",
    ),
    "steering-empty": (
        "SteeringType rỗng làm hỏng phần mềm nơi nhận; đã bỏ.",
        "An empty SteeringType breaks receivers; dropped.",
    ),
    "priority-unknown": (
        "Mức độ khẩn không thuộc 0..4; đã đọc là 0 (thường).",
        "Priority outside 0..4; read as 0 (normal).",
    ),
    "direction-form": (
        "Direction phải là true hoặc false; đã đọc giá trị đã ghi.",
        "Direction must be true or false; read as meant.",
    ),
    # -- attachments, trace, status
    "cid-double": ("Tiền tố cid: bị lặp; đã bỏ bớt.", "The prefix cid: is doubled; dropped."),
    "cid-prefix-missing": (
        "ContentId thiếu tiền tố cid:; đã hiểu là có.",
        "ContentId without the prefix cid:; read as if with it.",
    ),
    "name-from-manifest": (
        "Tệp thiếu AttachmentName; đã lấy tên trong danh mục (manifest).",
        "Attachment without AttachmentName; the manifest's name was taken.",
    ),
    "name-unsafe": (
        "Tên tệp có đường dẫn hoặc ký tự không an toàn; đã đổi tên.",
        "The file name holds a path or unsafe characters; renamed.",
    ),
    "zip-mislabelled": (
        "ContentType không khớp nội dung tệp; đã xét theo nội dung.",
        "ContentType does not match the file's content; judged by content.",
    ),
    "trace-organ-missing": (
        "TraceHeader thiếu mã đơn vị; giữ nguyên như đã ghi.",
        "TraceHeader without an agency code; kept as written.",
    ),
    "status-code-padding": (
        "Mã trạng thái thiếu số 0 ở đầu; đã thêm.",
        "Status code without its leading zero; added.",
    ),
    "unknown-dropped": (
        "Phần tử lạ trong bản tin trạng thái; đã bỏ qua.",
        "Unknown element in a status message; ignored.",
    ),
    "more": ("Còn nhiều chỗ sửa khác, không liệt kê hết.", "More repairs that are not listed."),
}

CODES: Final = frozenset(_TEXTS)


def repair(code: str, where: str, was: str = "") -> Repair:
    """Return the repair of that code; `was` is shortened to 80 characters."""
    vi, en = _TEXTS[code]
    return Repair(code, where, was if len(was) <= 80 else was[:79] + "…", vi, en)
