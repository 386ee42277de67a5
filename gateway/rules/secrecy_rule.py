"""SEC-01, SND-12: nothing that shows a state secret passes.

The stamps are found by `gateway.rules.secrecy` in the text of page 1 and given as facts; here they
are judged, together with the secrecy level of the metadata. A finding of this rule means
quarantine, in both directions. The texts never repeat the document's content. Pure.
"""

from collections.abc import Iterator
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.rules.facts import Facts
from gateway.rules.registry import rule

_LEVELS: Final = {
    "1": "Mật",
    "2": "Tối mật",
    "3": "Tuyệt mật",
    "mật": "Mật",
    "tối mật": "Tối mật",
    "tuyệt mật": "Tuyệt mật",
    "confidential": "Mật",
    "secret": "Tối mật",
    "top secret": "Tuyệt mật",
}
# Rules C2: circulation marks are not secrecy levels.
_OPEN: Final = frozenset(
    {"", "0", "thường", "không", "không mật", "none", "normal", "lưu hành nội bộ"}
)


def secrecy_level(value: int | str | None) -> str | None:
    """Return the secrecy level a metadata value states, None when it is open.

    A value nobody knows counts as secret: the clerk decides, not the machine.

    Source: SEC-01 (metadata `secrecy` ≠ 0).
    """
    if value is None:
        return None
    text = " ".join(str(value).split()).lower()
    if text in _OPEN:
        return None
    return _LEVELS.get(text, text[:20])


@rule("SEC-01", source="S003 art 1.2, 12.1; QĐ28 art 1.2")
def no_state_secrets(facts: Facts) -> Iterator[Finding]:
    """Refuse a stated secrecy level and secrecy stamps on page 1."""
    level = secrecy_level(facts.secrecy)
    if level is not None:
        yield Finding(
            "SEC-01",
            Severity.ERROR,
            "secrecy",
            f"Văn bản ghi độ mật “{level}”: không được gửi, nhận trên hệ thống này. "
            "Chuyển sang cách ly; gửi bằng đường dành cho bí mật nhà nước.",
            f"The document states the secrecy level “{level}”: it must not travel here. "
            "It is quarantined; send it the way meant for state secrets.",
            "R11",
        )
    if facts.secrecy_marks:
        marks = ", ".join(sorted(set(facts.secrecy_marks)))
        yield Finding(
            "SEC-01",
            Severity.ERROR,
            "/edXML/AttachmentEncoded",
            f"Trang đầu có dấu chỉ độ mật: {marks}. Chuyển sang cách ly để hai người có thẩm quyền "
            "xem xét.",
            f"Page 1 bears a secrecy stamp: {marks}. It is quarantined for two authorised persons "
            "to decide.",
            "R11",
        )
