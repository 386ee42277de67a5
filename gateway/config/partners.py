"""Who we exchange with, as settings: [[peer]] and [[agency]]. Pure values."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator

from gateway.config.base import REQUIRED, Section, duration, field
from gateway.config.kinds import (
    Code,
    CodePrefix,
    Duration,
    Endpoint,
    Id,
    IdOrNothing,
    ReadableFile,
    SecretFile,
    Size,
    parse_size,
)

VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {
    "bkav": ("rest", "soap11", "soap12"),
    "langson": ("v1", "lgspedoc"),
    "wso2": ("object", "text", "form"),
}
"""Forms of a dialect, the usual one first; a dialect that is not here has one."""
_ZERO: Final = timedelta(0)


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Peer(Section):
    """Hệ thống ở đầu bên kia: trục, cổng khác. / A system at the other end: axis, gateway."""

    id: Id = field(
        REQUIRED, "Tên gọi trong cổng này.", "Name within this gateway.", sample='"truc-qg"'
    )
    dialect: Literal["vxp", "bkav", "langson", "wso2"] = field(
        "vxp", "Giao thức bên kia dùng.", "Protocol the other end speaks."
    )
    endpoint: Endpoint = field(
        REQUIRED,
        "Địa chỉ gốc.",
        "Base address.",
        sample='"https://truc.example.vn/XrdAdapter/adapter"',
    )
    system_id: str = field(
        REQUIRED,
        "Mã hệ thống do bên kia cấp.",
        "System id the other end gave us.",
        sample='"00.37.W00"',
        min_length=1,
    )
    secret_file: SecretFile = field(
        REQUIRED,
        "Tệp chứa khóa HMAC do bên kia cấp, một dòng.",
        "File with the HMAC secret the other end gave us, one line.",
        sample='"keys/truc-qg.secret"',
    )
    poll_every: Duration = field(
        duration("60 s"),
        "Chu kỳ hỏi văn bản mới.",
        "How often to ask for mail.",
        ge=duration("100 ms"),
    )
    timeout: Duration = field(
        duration("120 s"), "Thời gian chờ một lần gọi.", "Deadline of one call.", gt=_ZERO
    )
    max_in_flight: int = field(
        4, "Số lần gửi đồng thời.", "Parcels under way at once.", ge=1, le=256
    )
    max_bytes: Size = field(
        parse_size("500 MiB"),
        "Gói tin lớn nhất bên kia nhận; kiểm tra trước khi nhận văn bản.",
        "Largest packet the other end takes; checked before acceptance.",
        ge=1024,
    )
    hash_form: Literal["unpadded", "padded"] = field(
        "unpadded",
        "Dạng mã băm gửi đi: unpadded như bộ SDK, padded là hex đầy đủ.",
        "Form of the hash we send: unpadded as the SDK does, padded is full hex.",
    )
    variant: str = field(
        "",
        'Dạng của giao thức, để trống là dạng thường dùng (đứng đầu): bkav: "rest", "soap11", '
        '"soap12"; langson: "v1", "lgspedoc"; wso2: "object", "text", "form".',
        'Form of the protocol, the usual one (the first) when empty: bkav: "rest", "soap11", '
        '"soap12"; langson: "v1", "lgspedoc"; wso2: "object", "text", "form".',
    )
    token_endpoint: Endpoint | None = field(
        None,
        "Địa chỉ xin token OAuth2, nếu khác /token của endpoint (wso2).",
        "Address where OAuth2 tokens are asked for, if not /token of the endpoint (wso2).",
        sample='"https://lgsp.example.vn:8243/token"',
    )
    unit_secret_file: SecretFile | None = field(
        None,
        "Tệp chứa secretDonVi, một dòng, nếu trục yêu cầu (wso2).",
        "File with secretDonVi, one line, where the axis wants one (wso2).",
        sample='"keys/truc-tinh.don-vi"',
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA (PEM) đã ký chứng thư máy chủ của bên kia; mặc định: CA của hệ điều hành.",
        "CA certificates (PEM) behind the other end's server; the system's when left out.",
        sample='"keys/ca-truc-tinh.pem"',
    )
    certificate_file: ReadableFile | None = field(
        None,
        "Chứng thư TLS (PEM) của cổng này, nếu bên kia đòi (TLS hai chiều).",
        "Our own TLS certificate chain (PEM), where the other end asks for one (mutual TLS).",
        sample='"keys/cong-nay.pem"',
    )
    key_file: SecretFile | None = field(
        None,
        "Khóa riêng (PEM) của certificate_file.",
        "Private key (PEM) of certificate_file.",
        sample='"keys/cong-nay.key"',
    )
    username: str = field(
        "",
        "Tên đăng nhập do bên kia cấp, nếu khác system_id (langson).",
        "Name we sign in by there, if it is not the system_id (langson).",
    )
    password_file: SecretFile | None = field(
        None,
        "Tệp chứa mật khẩu đăng nhập, một dòng, nếu khác khóa trong secret_file (langson).",
        "File with the password we sign in with, one line, if not the secret (langson).",
        sample='"keys/truc-tinh.password"',
    )
    application_code: str = field(
        "",
        "Mã ứng dụng khai khi đăng nhập (langson).",
        "Application code told when signing in (langson).",
    )
    receipt_01_by: Literal["gateway", "recipient"] = field(
        "gateway",
        "Ai gửi hồi báo 01: cổng này, hoặc hệ thống bên nhận.",
        "Who sends receipt 01: this gateway, or the recipient's system.",
    )
    max_code_length: int = field(
        35,
        "Mã đơn vị dài nhất bên kia nhận (ID-10); dài hơn thì cảnh báo, không cắt.",
        "Longest agency code the other end takes (ID-10); longer ones warn, never cut.",
        ge=1,
        le=255,
    )
    codes_behind: Annotated[tuple[CodePrefix, ...], BeforeValidator(_listed)] = field(
        REQUIRED,
        'Các cơ quan ở phía bên kia: danh sách mã đầu, hoặc "*" cho mọi mã không thuộc cổng này.',
        'Agencies reached through it: code prefixes, or "*" for every code that is not ours.',
        sample='"*"',
        min_length=1,
    )
    recall_by: Literal["13", "1", "both"] = field(
        "13",
        "Thu hồi bằng trạng thái 13, bằng văn bản nghiệp vụ thu hồi (BussinessDocType 1), hay cả "
        "hai.",
        "Take back by status 13, by a document of BussinessDocType 1, or by both.",
    )

    @property
    def reaches_all(self) -> bool:
        """Whether every code that is not ours is reached through this peer."""
        return "*" in self.codes_behind


class Agency(Section):
    """Cơ quan khai báo sẵn khi khởi động. / An agency seeded at start."""

    code: Code = field(REQUIRED, "Mã định danh.", "Code.", sample='"H37.02"')
    name: str = field(REQUIRED, "Tên.", "Name.", sample='"Sở Nội vụ tỉnh Lạng Sơn"', min_length=1)
    legacy_code: Code | None = field(
        None, "Mã cũ (13 ký tự).", "Old code (13 characters).", sample='"000.00.02.H37"'
    )
    parent: Code | None = field(None, "Mã cơ quan cấp trên.", "Code above.", sample='"H37"')
    mail: str = field("", "Thư điện tử.", "Mail address.")
    connected: IdOrNothing = field(
        "local",
        'Nối ở đâu: "local", tên một peer, hoặc "" (không liên thông).',
        'Where it is: "local", the id of a peer, or "" (not connected).',
    )
    console: bool = field(
        False,
        "Làm việc trên trang của cổng này (sổ đến ở đây).",
        "Works in our console (the arrival register is here).",
    )
    numbered_by: Literal["gateway", "own-system"] = field(
        "gateway", "Ai cấp số định danh.", "Who counts its identifiers."
    )
    successor: Code | None = field(
        None, "Mã tiếp nhận khi đã đóng (ID-05).", "Code that took over (ID-05).", sample='"H37.05"'
    )
    status: Literal["active", "locked", "closed"] = field("active", "Trạng thái.", "Status.")
