"""The other words of the report: headlines, roles, answers, places, one table a kind of value.

A value without a row is shown as «chưa rõ / unknown»: reports are data, also those of a later
version. Pure values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.reports.advice import Words
from gateway.rules.malware import WHY
from gateway.trust.headline import State, of_state

UNKNOWN: Final = Words("chưa rõ", "unknown")


@dataclass(frozen=True, slots=True)
class Headline:
    """One state: the word, the tone (colour) and the sign beside it, so that colour never tells."""

    words: Words
    tone: str
    icon: str


_TONES: Final = {"green": "good", "yellow": "doubt", "red": "bad", "grey": "none"}
_ICONS: Final = {"green": "✓", "yellow": "?", "red": "✗", "grey": "–"}


def _headline(state: State) -> Headline:
    told = of_state(state)
    return Headline(Words(told.vi, told.en), _TONES[told.colour], _ICONS[told.colour])


HEADLINES: Final[dict[str, Headline]] = {
    **{state.value: _headline(state) for state in State},
    "pending": Headline(Words("ĐANG KIỂM TRA", "BEING VERIFIED"), "none", "…"),
}

ROLES: Final = {
    "person": Words("Người ký", "Signer"),
    "organization": Words("Cơ quan, tổ chức", "Agency"),
    "portal": Words("Cổng thông tin điện tử", "Portal"),
    "clerk": Words("Văn thư", "Clerk"),
    "tsa": Words("Dấu thời gian", "Time-stamp"),
    "unknown": Words("Chưa rõ vai trò", "Role unknown"),
}

SCANS: Final = {
    "clean": Words("không thấy mã độc", "no malware found"),
    "infected": Words("CÓ MÃ ĐỘC", "MALWARE FOUND"),
    "not-scanned": Words("chưa quét", "not scanned"),
}
UNSCANNED: Final = {reason.value: Words(vi, en) for reason, (vi, en) in WHY.items()}

QUESTIONS: Final = {
    "intact": Words("Phần được ký còn nguyên vẹn", "Signed bytes intact"),
    "trusted": Words("Chứng thư tin cậy", "Signer trusted"),
    "not_revoked": Words("Chứng thư không bị thu hồi khi ký", "Not revoked at the time"),
    "time_proven": Words("Thời gian ký được chứng minh", "Time proven"),
}
ANSWERS: Final = {
    "yes": Words("Có", "Yes"),
    "no": Words("Không", "No"),
    "unknown": Words("Chưa rõ", "Unknown"),
}
ANSWER_TONES: Final = {"yes": "good", "no": "bad", "unknown": "doubt"}
ANSWER_ICONS: Final = {"yes": "✓", "no": "✗", "unknown": "?"}

SOURCES: Final = {
    "timestamp": Words("theo dấu thời gian", "by time-stamp"),
    "document-timestamp": Words("theo dấu thời gian của tài liệu", "by document time-stamp"),
    "claimed": Words("người ký tự khai, chưa được xác thực", "claimed by the signer, not proven"),
    "none": Words("không có thời gian ký", "no signing time"),
}
COVERAGES: Final = {
    "whole-file": Words("toàn bộ tệp", "the whole file"),
    "revision": Words("toàn bộ bản tại lúc ký", "all of the state that was signed"),
    "partial": Words("chỉ một phần tệp", "only a part of the file"),
    "unclear": Words("không rõ phạm vi", "unclear"),
}
CHANGES: Final = {
    "none": Words("không có thay đổi nào sau khi ký", "nothing was changed after signing"),
    "archive-data": Words("thêm dữ liệu lưu trữ lâu dài", "data for long-term proof was added"),
    "signature": Words("thêm chữ ký khác", "another signature was added"),
    "form-filling": Words("điền hoặc sửa ô biểu mẫu", "form fields were filled or changed"),
    "annotation": Words("thêm ghi chú trên trang", "remarks were added on a page"),
    "other": Words("thay đổi khác", "other changes"),
    "not-analysed": Words("không phân tích được thay đổi", "changes could not be analysed"),
    "page-added": Words("thêm trang", "a page was added"),
    "page-removed": Words("bớt trang", "a page was removed"),
    "page-changed": Words("sửa nội dung trang", "page content was changed"),
}
REVISIONS: Final = {
    **CHANGES,
    "content": Words("Nội dung ban đầu", "First content"),
    "signature": Words("Ký số", "Signed"),
    "timestamp": Words("Đóng dấu thời gian", "Time-stamped"),
    "archive-data": Words("Thêm dữ liệu lưu trữ lâu dài", "Data for long-term proof"),
    "form-filling": Words("Điền hoặc sửa ô biểu mẫu", "Form fields filled or changed"),
    "annotation": Words("Thêm ghi chú", "Remarks added"),
    "other": Words("Thay đổi khác", "Other changes"),
    "not-analysed": Words("Thay đổi không phân tích được", "Changes not analysed"),
    "none": Words("Không đổi nội dung", "Content unchanged"),
}
TRUST_CLASSES: Final = {
    "duty": Words("công vụ (Ban Cơ yếu Chính phủ)", "official duty (Government Cipher Committee)"),
    "public": Words("công cộng", "public"),
    "foreign": Words("nước ngoài", "foreign"),
    "internal": Words("nội bộ", "internal"),
    "unlisted": Words(
        "chưa phân loại (chứng thư gốc không có trong danh sách tin cậy)",
        "unclassified (its anchor is on no trust list)",
    ),
    "": Words("không tin cậy được", "not trusted"),
}
REVOCATION: Final = {
    "good": Words("còn hiệu lực", "good"),
    "revoked": Words("chứng thư bị thu hồi", "certificate revoked"),
    "unknown": Words("chưa rõ có bị thu hồi hay không", "unknown whether revoked"),
    "anchor": Words("chứng thư gốc, được tin cậy trực tiếp", "anchor, trusted by itself"),
}
REVOCATION_SOURCES: Final = {
    "file-ocsp": Words("trả lời OCSP trong tệp", "OCSP answer in the file"),
    "file-crl": Words("danh sách (CRL) trong tệp", "CRL in the file"),
    "stored-ocsp": Words("trả lời OCSP hệ thống lưu", "OCSP answer kept here"),
    "stored-crl": Words("danh sách (CRL) hệ thống lưu", "CRL kept here"),
}
REVOCATION_REASONS: Final = {
    "key_compromise": Words("lộ khóa", "key compromised"),
    "ca_compromise": Words("nơi cấp bị lộ khóa", "authority compromised"),
    "affiliation_changed": Words("thay đổi đơn vị công tác", "affiliation changed"),
    "superseded": Words("đã có chứng thư thay thế", "superseded"),
    "cessation_of_operation": Words("ngừng sử dụng", "cessation of operation"),
    "certificate_hold": Words("tạm dừng", "on hold"),
    "privilege_withdrawn": Words("rút quyền", "privilege withdrawn"),
    "unspecified": Words("không nêu lý do", "unspecified"),
}
KINDS: Final = {
    "pdf": Words("PDF", "PDF"),
    "xml": Words("XML", "XML"),
    "zip": Words("tệp nén", "archive"),
    "other": Words("tệp khác", "other file"),
}
CERTIFICATIONS: Final = {
    "P1": Words("người chứng thực không cho phép sửa gì", "the certifier permits no change"),
    "P2": Words(
        "người chứng thực cho phép điền biểu mẫu và ký",
        "the certifier permits form filling and signing",
    ),
    "P3": Words(
        "người chứng thực cho phép điền biểu mẫu, ký và ghi chú",
        "the certifier permits form filling, signing and remarks",
    ),
}
ACTIVE: Final = {
    "javascript": Words("mã JavaScript", "JavaScript"),
    "launch": Words("lệnh mở chương trình", "launch action"),
    "embedded-files": Words("tệp nhúng", "embedded files"),
    "xfa": Words("biểu mẫu XFA", "XFA form"),
}
UNEXAMINED: Final = {
    "too-deep": Words("nén lồng quá nhiều lớp", "packed too deep"),
    "too-many": Words("quá nhiều tệp bên trong", "too many files inside"),
    "too-large": Words("quá lớn", "too large"),
    "encrypted": Words("có mật khẩu", "locked with a password"),
    "damaged": Words("bị hỏng", "damaged"),
}
# SIG-01 (S003 art 5): signed by person and agency, it has the value of the paper original.
LEGAL: Final = {
    "original": Words(
        "Bản gốc: có giá trị pháp lý như bản gốc văn bản giấy",
        "Original: legally worth the paper original",
    ),
    "copy": Words(
        "Bản sao: có giá trị như bản chính nếu việc sao đúng quy định",
        "Copy: worth the original if duly made",
    ),
    "reference": Words(
        "Tham khảo: chưa đủ chữ ký số của người có thẩm quyền và của cơ quan",
        "For reference: not signed by both the competent person and the agency",
    ),
    "unsigned": Words("Tham khảo: không ký số", "For reference: unsigned"),
    "invalid": Words(
        "Tham khảo: chữ ký số không hợp lệ", "For reference: the signature is invalid"
    ),
    "undetermined": Words(
        "Tham khảo: chưa xác định được chữ ký số", "For reference: the signature is undetermined"
    ),
}


def words(table: Mapping[str, Words], value: str) -> Words:
    """Return the words of a value, or «chưa rõ» for one the table does not have."""
    return table.get(value, UNKNOWN)
