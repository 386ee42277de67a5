"""The four families of trouble and the catalogue of refusal reasons.

The class of an error says what to do next; its reason says why. A library's exceptions stop at the
file that calls the library (`raise … from exc`). `public` texts are safe to show a stranger.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Reason(StrEnum):
    """Stable machine codes of everything we refuse or put off."""

    MALFORMED = "malformed"
    DOCTYPE_REFUSED = "doctype-refused"
    LIMIT_EXCEEDED = "limit-exceeded"
    BASE64_BROKEN = "base64-broken"
    SCHEMA_BROKEN = "schema-broken"
    RULES_BROKEN = "rules-broken"
    SIGNATURE_INVALID = "signature-invalid"
    SECRECY = "secrecy"
    UNAUTHENTICATED = "unauthenticated"
    SENDER_NOT_CALLER = "sender-not-caller"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    GONE = "gone"
    CONFLICT = "conflict"
    IDEMPOTENCY_REUSED = "idempotency-reused"
    IN_FLIGHT = "in-flight"
    RECIPIENT_UNKNOWN = "recipient-unknown"
    RECIPIENT_CLOSED = "recipient-closed"
    RECIPIENT_LOCKED = "recipient-locked"
    NOT_CONNECTED = "not-connected"
    TOO_LARGE = "too-large"
    HASH_MISMATCH = "hash-mismatch"
    BAD_REQUEST = "bad-request"
    ILLEGAL_TRANSITION = "illegal-transition"
    UNAVAILABLE = "unavailable"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """One row of the catalogue: HTTP status, code on a provincial axis (C7), texts."""

    http: int
    axis: int
    vi: str
    en: str


CATALOGUE: Final[dict[Reason, ReasonRow]] = {
    Reason.MALFORMED: ReasonRow(422, 22, "Gói tin không đọc được", "The packet cannot be read"),
    Reason.DOCTYPE_REFUSED: ReasonRow(
        422, 22, "Gói tin chứa DOCTYPE, không được phép", "The packet carries a DOCTYPE"
    ),
    Reason.LIMIT_EXCEEDED: ReasonRow(
        422, 10, "Gói tin vượt giới hạn cho phép", "The packet exceeds a limit"
    ),
    Reason.BASE64_BROKEN: ReasonRow(
        422, 10, "Tệp đính kèm mã hóa base64 sai", "An attachment is not valid base64"
    ),
    Reason.SCHEMA_BROKEN: ReasonRow(
        422, 22, "Gói tin sai cấu trúc", "The packet does not follow the schema"
    ),
    Reason.RULES_BROKEN: ReasonRow(
        422, 22, "Văn bản chưa đủ điều kiện gửi", "The document breaks exchange rules"
    ),
    Reason.SIGNATURE_INVALID: ReasonRow(
        422, 10, "Chữ ký số không hợp lệ", "A digital signature is invalid"
    ),
    Reason.SECRECY: ReasonRow(
        422, 10, "Văn bản có dấu hiệu bí mật nhà nước", "The document shows a secrecy level"
    ),
    Reason.UNAUTHENTICATED: ReasonRow(
        401, 15, "Thiếu hoặc sai thông tin xác thực", "Missing or wrong credentials"
    ),
    Reason.SENDER_NOT_CALLER: ReasonRow(
        403,
        19,
        "Đơn vị gửi không đúng với đơn vị đã đăng ký",
        "The sender is not one the caller speaks for",
    ),
    Reason.FORBIDDEN: ReasonRow(403, 15, "Không có quyền", "Not allowed"),
    Reason.NOT_FOUND: ReasonRow(404, 10, "Không tìm thấy", "Not found"),
    Reason.GONE: ReasonRow(410, 10, "Không còn được giữ", "Not kept any more"),
    Reason.CONFLICT: ReasonRow(
        409, 10, "Trùng mã định danh, nội dung khác", "Same identifier, other content"
    ),
    Reason.IDEMPOTENCY_REUSED: ReasonRow(
        422, 10, "Khóa chống lặp đã dùng cho yêu cầu khác", "Idempotency key used for another body"
    ),
    Reason.IN_FLIGHT: ReasonRow(
        409, 20, "Yêu cầu cùng khóa đang xử lý", "The same key is being handled"
    ),
    Reason.RECIPIENT_UNKNOWN: ReasonRow(
        422, 18, "Không tìm thấy đơn vị nhận", "Receiving agency unknown"
    ),
    Reason.RECIPIENT_CLOSED: ReasonRow(
        422, 23, "Đơn vị nhận đã đóng mã định danh", "Receiving agency's code is closed"
    ),
    Reason.RECIPIENT_LOCKED: ReasonRow(
        422, 23, "Đơn vị nhận đang bị khóa", "Receiving agency is locked"
    ),
    Reason.NOT_CONNECTED: ReasonRow(
        422, 18, "Đơn vị nhận không liên thông", "Receiving agency is not connected"
    ),
    Reason.TOO_LARGE: ReasonRow(413, 10, "Gói tin quá lớn", "The packet is too large"),
    Reason.HASH_MISMATCH: ReasonRow(
        422, 10, "Mã băm của tệp không khớp", "The file's hash does not match"
    ),
    Reason.BAD_REQUEST: ReasonRow(400, 22, "Yêu cầu sai", "Bad request"),
    Reason.ILLEGAL_TRANSITION: ReasonRow(
        409, 22, "Trạng thái không cho phép thao tác này", "The state does not allow this"
    ),
    Reason.UNAVAILABLE: ReasonRow(
        503, 20, "Tạm thời không phục vụ được", "Temporarily unavailable"
    ),
    Reason.OVERLOADED: ReasonRow(429, 20, "Hệ thống đang quá tải", "Too many requests"),
    Reason.INTERNAL: ReasonRow(500, 20, "Lỗi của hệ thống", "Our own failure"),
}


class GatewayError(Exception):
    """Root of our errors.

    Args:
        reason: Stable code from the catalogue.
        public: What a stranger may read (English; Vietnamese comes from the catalogue).
    """

    def __init__(self, reason: Reason, public: str = "") -> None:
        self.reason = reason
        self.public = public or CATALOGUE[reason].en
        super().__init__(f"{reason}: {self.public}")


class RejectedError(GatewayError):
    """The sender must change something; the same request will never succeed.

    Args:
        reason: Stable code from the catalogue.
        public: What a stranger may read.
        findings: Everything that is wrong, at once (`domain.finding.Finding`; this module is below
            the domain and does not name it).
    """

    def __init__(self, reason: Reason, public: str = "", *, findings: tuple[Any, ...] = ()) -> None:
        super().__init__(reason, public)
        self.findings = findings


class UnavailableError(GatewayError):
    """Try again; `retry_after_s` says when, if we know."""

    def __init__(
        self,
        reason: Reason = Reason.UNAVAILABLE,
        public: str = "",
        *,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason, public)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the settings: key path (`http.port`), what to do in Vietnamese and English."""

    where: str
    vi: str
    en: str


class ConfigurationError(GatewayError):
    """The operator must change something; we refuse to start. `faults` are all of them at once."""

    def __init__(self, public: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(Reason.INTERNAL, public)
        self.faults = faults


class IntegrityError(GatewayError):
    """Damage or a bug of ours: keep the evidence, raise an alert, never guess."""

    def __init__(self, public: str) -> None:
        super().__init__(Reason.INTERNAL, public)
