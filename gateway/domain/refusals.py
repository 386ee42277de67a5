"""Why a document is refused or returned: the list of reasons, each with its rule.

Promises: a refusal names a reason of the list; the one outside it says in words why, and that it
has no ground in the rules (RCV-04: who refuses answers for it). Pure.
"""

from dataclasses import dataclass
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.domain.machine import Text

OTHER: Final = "R14"
"""Reason outside the list: text obligatory, and no rule stands behind it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason (lý do từ chối, trả lại).

    Args:
        code: `R01`…`R14`.
        text: In both languages.
        rule: The rule that allows it, "" for none.
    """

    code: str
    text: Text
    rule: str


_LIST: Final = (
    Refusal("R01", Text("sai nơi nhận", "wrong addressee"), "RCV-03"),
    Refusal("R02", Text("thiếu nội dung hoặc phụ lục", "content or annex missing"), "MD-01"),
    Refusal("R03", Text("chữ ký không hợp lệ", "invalid signature"), "SIG-40"),
    Refusal("R04", Text("tài liệu bị sửa đổi", "document altered"), "SIG-49"),
    Refusal(
        "R05",
        Text(
            "chứng thư hết hạn, bị thu hồi hoặc không tin cậy",
            "certificate expired, revoked or not trusted",
        ),
        "SIG-41",
    ),
    Refusal("R06", Text("định dạng không cho phép", "format not allowed"), "FMT-01"),
    Refusal("R07", Text("sai cấu trúc gói tin", "packet not to the standard"), "MD-10"),
    Refusal("R08", Text("thiếu trường bắt buộc", "obligatory field missing"), "MD-01"),
    Refusal(
        "R09",
        Text("mã định danh không hợp lệ hoặc đã đóng", "code invalid or closed"),
        "ID-05",
    ),
    Refusal("R10", Text("trùng văn bản", "duplicate"), "DID-07"),
    Refusal("R11", Text("có dấu hiệu bí mật nhà nước", "signs of a state secret"), "SEC-01"),
    Refusal("R12", Text("có mã độc", "malware"), "FMT-14"),
    Refusal("R13", Text("bảng mã ký tự không đúng", "wrong character set"), "FMT-06"),
    Refusal(OTHER, Text("lý do khác", "another reason"), ""),
)
REFUSALS: Final = {one.code: one for one in _LIST}
"""The list of rules A7, in its order."""


def refusal_faults(code: str, text: str, *, answered_for: bool) -> tuple[Finding, ...]:
    """Return everything wrong with a refusal before it is made, all at once.

    Args:
        code: The reason chosen.
        text: What the person adds.
        answered_for: The person confirmed to answer for a reason outside the list.
    Source: RCV-04 (S003 art 6.4).
    """
    if code not in REFUSALS:
        return (_fault("/code", "Chọn một lý do trong danh mục R01–R14.", "Choose a reason."),)
    if code != OTHER:
        return ()
    found = []
    if not text.strip():
        found.append(
            _fault(
                "/text",
                "Lý do khác (R14) phải ghi rõ nội dung.",
                "Another reason (R14) must be put in words.",
            )
        )
    if not answered_for:
        found.append(
            _fault(
                "/answered_for",
                "Lý do ngoài danh mục không có căn cứ pháp lý sẵn có: xác nhận chịu trách nhiệm về "
                "việc từ chối, hoặc chọn lý do khác trong danh mục.",
                "A reason outside the list has no legal ground of its own: confirm that you answer "
                "for the refusal, or choose one of the list.",
            )
        )
    return tuple(found)


def refusal_text(code: str, text: str) -> str:
    """Return a refusal as the sender reads it: code, words, what the person adds."""
    said = f"{code}: {REFUSALS[code].text.vi}"
    return f"{said}. {text.strip()}" if text.strip() else said


def _fault(where: str, vi: str, en: str) -> Finding:
    return Finding("RCV-04", Severity.ERROR, where, vi, en)
