"""The settings themselves: one frozen model a section, every field described in both languages.

The descriptions are the documentation: `gateway.config.page` turns them into the reference page and
the sample file. Pure values; checks across sections live in `gateway.config.cross`.
"""

from collections.abc import Mapping
from datetime import date, time, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    model_validator,
)
from pydantic_core import PydanticCustomError

from gateway.config.kinds import (
    Code,
    CodePrefix,
    DataFolder,
    Duration,
    Endpoint,
    Extension,
    FolderInData,
    Id,
    IdOrNothing,
    ReadableFile,
    ReadableFolder,
    SecretFile,
    Size,
    parse_duration,
    parse_size,
    sqlite_path,
)

Port = Annotated[int, Field(ge=0, le=65535)]
_ZERO: Final = timedelta(0)
REQUIRED: Final = ...


def _field(default: Any, vi: str, en: str, *, sample: str = "", **limits: Any) -> Any:
    """Describe a field: Vietnamese, English, and a value for the sample file when it needs one."""
    extra: dict[str, Any] = {"vi": vi, "sample": sample}
    return Field(default, description=en, json_schema_extra=extra, **limits)


def _d(text: str) -> timedelta:
    return parse_duration(text)


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys fail, defaults are checked like given values."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class GatewaySection(Section):
    """Cổng này là ai. / Who this gateway is."""

    code: Code = _field(
        REQUIRED,
        "Mã của trung tâm liên thông này, ghi vào TraceHeader của mỗi gói tin.",
        "Code of this hub, written to the TraceHeader of every packet.",
        sample='"00.37.W00"',
    )
    name: str = _field(
        "Cổng liên thông văn bản",
        "Tên hiển thị trên hồi báo và báo cáo.",
        "Name shown on receipts and reports.",
        min_length=1,
    )
    profile: Literal["lang_son_2020"] = _field(
        "lang_son_2020",
        "Quy chế áp dụng.",
        "Regulation that applies.",
    )
    data_dir: DataFolder = _field(
        Path("data"),
        "Thư mục dữ liệu; đường dẫn tương đối tính từ thư mục của tệp cấu hình này.",
        "Data folder; relative paths start at the folder of this file.",
    )


class PlainFacade(Section):
    """Cổng HTTP không mã hóa, cho phần mềm cũ trong VPN. / Plain HTTP, for old clients in a VPN."""

    host: str = _field(
        REQUIRED, "Địa chỉ lắng nghe.", "Address to listen on.", sample='"10.20.0.5"', min_length=1
    )
    port: Port = _field(REQUIRED, "Cổng.", "Port.", sample="8280")
    networks: tuple[IPvAnyNetwork, ...] = _field(
        REQUIRED,
        "Các dải địa chỉ được phép gọi; địa chỉ khác bị từ chối.",
        "Address ranges that may call; all others are refused.",
        sample='["10.20.0.0/16"]',
        min_length=1,
    )


class Http(Section):
    """Máy chủ HTTP: API, trang vận hành, cổng VXP. / HTTP server: API, operations, VXP façade."""

    host: str = _field("127.0.0.1", "Địa chỉ lắng nghe.", "Address to listen on.", min_length=1)
    port: Port = _field(8480, "Cổng (0: hệ điều hành chọn).", "Port (0: the system chooses).")
    public_url: Endpoint | None = _field(
        None,
        "Địa chỉ mà các hệ thống dùng để gọi, nếu khác với host:port.",
        "Address callers use, when it is not host:port.",
        sample='"https://lienthong.example.vn"',
    )
    tls_cert: ReadableFile | None = _field(
        None,
        "Chứng thư TLS (PEM). Bắt buộc khi host không phải địa chỉ nội bộ máy (loopback).",
        "TLS certificate chain (PEM). Required unless host is a loopback address.",
        sample='"keys/tls.pem"',
    )
    tls_key: SecretFile | None = _field(
        None, "Khóa riêng TLS (PEM).", "TLS private key (PEM).", sample='"keys/tls.key"'
    )
    max_packet_bytes: Size = _field(
        parse_size("512 MiB"),
        "Gói tin lớn nhất được nhận.",
        "Largest packet taken.",
        ge=1024,
    )
    max_in_flight: int = _field(
        64,
        "Số lần nộp xử lý đồng thời; vượt quá thì trả lời 429.",
        "Submissions handled at once; more are answered 429.",
        ge=1,
        le=10_000,
    )
    plain_facades: tuple[PlainFacade, ...] = Field(
        (),
        alias="plain_facade",
        description="Plain listeners for old clients.",
        json_schema_extra={"vi": "Cổng không mã hóa cho phần mềm cũ.", "sample": ""},
    )


class LedgerSection(Section):
    """Sổ cái: sự thật duy nhất. / The ledger: the only truth."""

    url: Annotated[str, AfterValidator(sqlite_path)] = _field(
        "sqlite:///ledger.sqlite",
        "Địa chỉ sổ cái; đường dẫn tương đối tính từ thư mục dữ liệu.",
        "Address of the ledger; a relative path starts at the data folder.",
    )

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.url.removeprefix("sqlite:///"))


class Blobs(Section):
    """Kho tệp, đặt tên theo nội dung. / Files, named by content."""

    dir: FolderInData = _field(
        Path("blobs"),
        "Thư mục kho tệp; đường dẫn tương đối tính từ thư mục dữ liệu.",
        "Folder of the blobs; a relative path starts at the data folder.",
    )


class Verify(Section):
    """Kiểm tra chữ ký số. / Verification of signatures."""

    trust_dir: ReadableFolder = _field(
        Path("trust"),
        "Thư mục chứng thư tin cậy (tự ký: gốc; còn lại: trung gian) và CRL.",
        "Folder of trusted certificates (self-signed: anchors; others: intermediates) and CRLs.",
    )
    workers: int = _field(2, "Số tiến trình kiểm tra.", "Verifier processes.", ge=1, le=64)
    budget: Duration = _field(
        _d("10 s"),
        "Thời gian một lần nộp chờ kết quả; quá hạn thì nhận trước, kết luận sau.",
        "How long a submission waits for the verdict; over it, accepted now and decided later.",
        ge=_ZERO,
    )
    timeout: Duration = _field(
        _d("60 s"),
        "Thời gian tối đa cho một tệp; quá hạn thì dừng tiến trình.",
        "Longest time for one file; a worker over it is killed.",
        gt=_ZERO,
    )
    memory: Size = _field(
        parse_size("1 GiB"),
        "Bộ nhớ tối đa của một tiến trình kiểm tra.",
        "Memory limit of one verifier process.",
        ge=128 * 2**20,
    )
    verify_max_bytes: Size = _field(
        parse_size("128 MiB"),
        "Tệp lớn hơn không được kiểm tra: kết luận «chưa xác định» (quá lớn).",
        "Larger files are not verified: indeterminate (too large).",
        ge=1,
    )


class Receipts(Section):
    """Nhật ký hồi báo. / The receipt log."""

    key_file: SecretFile = _field(
        Path("keys/receipts.pem"),
        "Khóa riêng Ed25519 (PEM) ký hồi báo và đầu cây.",
        "Ed25519 private key (PEM) that signs receipts and tree heads.",
    )


class Secrets(Section):
    """Bảo vệ khóa chung của các hệ thống gọi. / Protection of callers' shared secrets."""

    key_file: SecretFile = _field(
        Path("keys/secrets.key"),
        "Khóa 32 byte (base64) mã hóa khóa HMAC trong sổ cái.",
        "32-byte key (base64) that encrypts HMAC secrets in the ledger.",
    )


class ClockCheck(Section):
    """Đồng hồ (TIM-01). / The clock (TIM-01)."""

    ntp_server: str | None = _field(
        None,
        "Máy chủ giờ chuẩn để đối chiếu; không có thì độ lệch là «chưa biết» và được ghi dấu.",
        "Time server to compare with; without one the offset is unknown, and marked so.",
        sample='"vn.pool.ntp.org"',
        min_length=1,
    )
    check_every: Duration = _field(
        _d("5 m"), "Chu kỳ đối chiếu.", "How often to compare.", ge=_d("1 s")
    )
    max_offset: Duration = _field(
        _d("1 s"), "Lệch quá mức này thì cảnh báo.", "An offset above this alerts.", gt=_ZERO
    )
    hold_over: Duration = _field(
        _d("5 s"),
        "Lệch quá mức này thì vẫn nhận nhưng tạm dừng ghi giờ và chuyển đi.",
        "Above this, documents are accepted but stamping and relaying are held.",
        gt=_ZERO,
    )


class Numbering(Section):
    """Mã định danh văn bản (DID-01). / Document identifiers (DID-01)."""

    document_id_form: Literal["code,date,notation", "code,year,ordinal"] = _field(
        "code,date,notation",
        "Dạng mã định danh khi bên gửi không tự ghi.",
        "Form of the identifier when the sender wrote none.",
    )


class Policy(Section):
    """Chính sách. / Policy."""

    incoming: Literal["flag", "refuse"] = _field(
        "flag",
        "Văn bản đến có chữ ký không hợp lệ: flag (đánh dấu, văn thư quyết định) hoặc refuse.",
        "Incoming with an invalid signature: flag (the clerk decides) or refuse.",
    )
    outgoing_invalid: Literal["refuse", "flag"] = _field(
        "refuse", "Văn bản đi có chữ ký không hợp lệ.", "Outgoing with an invalid signature."
    )
    outgoing_indeterminate: Literal["refuse", "flag"] = _field(
        "flag",
        "Văn bản đi chưa xác định được chữ ký; flag: đi kèm dấu «tham khảo» (SIG-02).",
        "Outgoing with an undecided signature; flag: marked «tham khảo» (SIG-02).",
    )
    outgoing_unsigned: Literal["refuse", "flag"] = _field(
        "flag",
        "Văn bản đi không có chữ ký số; flag: đi kèm dấu «tham khảo» (SIG-02).",
        "Outgoing without signature; flag: marked «tham khảo» (SIG-02).",
    )
    sent_ack: Literal["first-hop", "01"] = _field(
        "first-hop",
        "Giờ gửi có hiệu lực khi chặng đầu xác nhận, hoặc khi có hồi báo 01 (SND-10).",
        "Sent time counts once the first hop acknowledged, or once receipt 01 is in (SND-10).",
    )


def _sessions(value: tuple[tuple[time, time], ...]) -> tuple[tuple[time, time], ...]:
    flat = [moment for session in value for moment in session]
    if any(early >= late for early, late in pairwise(flat)):
        raise PydanticCustomError("sessions", "not in order")
    return value


class OfficeHours(Section):
    """Giờ hành chính (TIM-04). / Office hours (TIM-04)."""

    agency: Code | None = _field(
        None, "Cơ quan áp dụng; bỏ trống: tất cả.", "Agency; empty: all.", sample='"H37.02"'
    )
    valid_from: date | None = _field(None, "Từ ngày.", "First day.", sample="2026-04-15")
    valid_to: date | None = _field(None, "Đến hết ngày.", "Last day.", sample="2026-10-15")
    working_days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = _field(
        (1, 2, 3, 4, 5), "Ngày làm việc, 1 là thứ Hai.", "Working days, 1 is Monday.", min_length=1
    )
    sessions: Annotated[tuple[tuple[time, time], ...], AfterValidator(_sessions)] = _field(
        ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0))),
        "Các buổi làm việc, giờ Việt Nam.",
        "Sessions, Vietnam time.",
        min_length=1,
    )
    confirmed: bool = _field(
        False,
        "Đã được cơ quan xác nhận; nếu không, giờ nhận mang dấu «chưa xác nhận».",
        "Confirmed by the agency; if not, receive times carry «chưa xác nhận».",
    )


class Times(Section):
    """Giờ làm việc và ngày nghỉ. / Working time and holidays."""

    lunch_counts_as_out: bool = _field(
        True,
        "Nghỉ trưa tính là ngoài giờ (TIM-03).",
        "The lunch break counts as out of hours (TIM-03).",
    )
    holidays: tuple[date, ...] = _field(
        (),
        "Ngày nghỉ thêm, ngoài ngày lễ của Bộ luật Lao động (TIM-05).",
        "Days off besides the public holidays of the Labour Code (TIM-05).",
        sample="[2026-01-02]",
    )
    extra_working_days: tuple[date, ...] = _field(
        (),
        "Ngày làm bù (TIM-06).",
        "Days made working days (TIM-06).",
        sample="[2026-01-10]",
    )
    office_hours: tuple[OfficeHours, ...] = Field(
        (OfficeHours(),),
        description="Office hours; the most particular row that applies wins.",
        json_schema_extra={"vi": "Giờ hành chính; dòng cụ thể nhất được dùng.", "sample": ""},
        min_length=1,
    )


# FMT-01…FMT-05 (S003 art 4.3): the texts, sheets and pictures the regulation names; the list of
# graphics files and all that is denied are ours.
ALLOWED: Final = (
    *("pdf", "doc", "docx", "odt", "txt", "rtf"),
    *("xls", "xlsx", "ods", "csv"),
    *("png", "jpg", "jpeg", "tif", "tiff", "svg", "dwg", "zip"),
)
DENIED: Final = (
    *("exe", "com", "bat", "cmd", "ps1", "vbs", "js", "jar", "msi", "scr", "dll", "hta", "lnk"),
    *("sh", "docm", "xlsm", "pptm", "dotm"),
)


class Formats(Section):
    """Định dạng tệp (FMT-01…FMT-05). / File formats (FMT-01…FMT-05)."""

    allow: tuple[Extension, ...] = _field(
        ALLOWED, "Phần mở rộng được phép.", "Extensions allowed.", min_length=1
    )
    deny: tuple[Extension, ...] = _field(
        DENIED, "Phần mở rộng luôn bị từ chối.", "Extensions always refused."
    )


class LaneRetry(Section):
    """Lịch gửi lại của một làn. / Retry schedule of one lane."""

    first: Duration = _field(_d("30 s"), "Chờ lần đầu.", "First wait.", gt=_ZERO)
    factor: float = _field(2.0, "Hệ số tăng.", "Growth of the wait.", ge=1, le=10)
    longest: Duration = _field(_d("30 m"), "Chờ lâu nhất.", "Longest wait.", gt=_ZERO)
    jitter: float = _field(
        0.2, "Dao động ngẫu nhiên, phần của thời gian chờ.", "Random part of the wait.", ge=0, le=1
    )
    give_up_after: Duration = _field(
        _d("7 d"),
        "Sau thời gian này chuyển sang hàng chờ xử lý tay; không bao giờ xóa.",
        "After this the transfer is dead-lettered, visible; nothing is ever deleted.",
        gt=_ZERO,
    )


LANE_WAITS: Final[Mapping[str, Mapping[str, str]]] = {
    "express_timed": {"first": "5 s", "longest": "2 m"},
    "express": {"first": "5 s", "longest": "2 m"},
    "very_urgent": {"first": "10 s", "longest": "5 m"},
    "urgent": {"first": "15 s", "longest": "10 m"},
    "normal": {"first": "30 s", "longest": "30 m"},
}


class Retry(Section):
    """Gửi lại, theo làn khẩn. / Retries, by lane."""

    express_timed: LaneRetry = _field(REQUIRED, "Hỏa tốc hẹn giờ.", "Express, timed.")
    express: LaneRetry = _field(REQUIRED, "Hỏa tốc.", "Express.")
    very_urgent: LaneRetry = _field(REQUIRED, "Thượng khẩn.", "Very urgent.")
    urgent: LaneRetry = _field(REQUIRED, "Khẩn.", "Urgent.")
    normal: LaneRetry = _field(REQUIRED, "Thường.", "Normal.")

    @model_validator(mode="before")
    @classmethod
    def _lane_defaults(cls, value: Any) -> Any:
        """Give each lane its own waits under what the operator wrote for it."""
        if not isinstance(value, Mapping):
            return value
        lanes = dict(value)
        for lane, waits in LANE_WAITS.items():
            given = lanes.get(lane, {})
            lanes[lane] = {**waits, **given} if isinstance(given, Mapping) else given
        return lanes


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Peer(Section):
    """Hệ thống ở đầu bên kia: trục, cổng khác. / A system at the other end: axis, gateway."""

    id: Id = _field(
        REQUIRED, "Tên gọi trong cổng này.", "Name within this gateway.", sample='"truc-qg"'
    )
    dialect: Literal["vxp"] = _field("vxp", "Giao thức.", "Protocol.")
    endpoint: Endpoint = _field(
        REQUIRED,
        "Địa chỉ gốc.",
        "Base address.",
        sample='"https://truc.example.vn/XrdAdapter/adapter"',
    )
    system_id: str = _field(
        REQUIRED,
        "Mã hệ thống do bên kia cấp.",
        "System id the other end gave us.",
        sample='"00.37.W00"',
        min_length=1,
    )
    secret_file: SecretFile = _field(
        REQUIRED,
        "Tệp chứa khóa HMAC do bên kia cấp, một dòng.",
        "File with the HMAC secret the other end gave us, one line.",
        sample='"keys/truc-qg.secret"',
    )
    poll_every: Duration = _field(
        _d("60 s"), "Chu kỳ hỏi văn bản mới.", "How often to ask for mail.", ge=_d("100 ms")
    )
    timeout: Duration = _field(
        _d("120 s"), "Thời gian chờ một lần gọi.", "Deadline of one call.", gt=_ZERO
    )
    max_in_flight: int = _field(
        4, "Số lần gửi đồng thời.", "Parcels under way at once.", ge=1, le=256
    )
    max_bytes: Size = _field(
        parse_size("500 MiB"),
        "Gói tin lớn nhất bên kia nhận; kiểm tra trước khi nhận văn bản.",
        "Largest packet the other end takes; checked before acceptance.",
        ge=1024,
    )
    hash_form: Literal["unpadded", "padded"] = _field(
        "unpadded",
        "Dạng mã băm gửi đi: unpadded như bộ SDK, padded là hex đầy đủ.",
        "Form of the hash we send: unpadded as the SDK does, padded is full hex.",
    )
    receipt_01_by: Literal["gateway", "recipient"] = _field(
        "gateway",
        "Ai gửi hồi báo 01: cổng này, hoặc hệ thống bên nhận.",
        "Who sends receipt 01: this gateway, or the recipient's system.",
    )
    max_code_length: int = _field(
        35,
        "Mã đơn vị dài nhất bên kia nhận (ID-10); dài hơn thì cảnh báo, không cắt.",
        "Longest agency code the other end takes (ID-10); longer ones warn, never cut.",
        ge=1,
        le=255,
    )
    codes_behind: Annotated[tuple[CodePrefix, ...], BeforeValidator(_listed)] = _field(
        REQUIRED,
        'Các cơ quan ở phía bên kia: danh sách mã đầu, hoặc "*" cho mọi mã không thuộc cổng này.',
        'Agencies reached through it: code prefixes, or "*" for every code that is not ours.',
        sample='"*"',
        min_length=1,
    )

    @property
    def reaches_all(self) -> bool:
        """Whether every code that is not ours is reached through this peer."""
        return "*" in self.codes_behind


class Agency(Section):
    """Cơ quan khai báo sẵn khi khởi động. / An agency seeded at start."""

    code: Code = _field(REQUIRED, "Mã định danh.", "Code.", sample='"H37.02"')
    name: str = _field(REQUIRED, "Tên.", "Name.", sample='"Sở Nội vụ tỉnh Lạng Sơn"', min_length=1)
    legacy_code: Code | None = _field(
        None, "Mã cũ (13 ký tự).", "Old code (13 characters).", sample='"000.00.02.H37"'
    )
    parent: Code | None = _field(None, "Mã cơ quan cấp trên.", "Code above.", sample='"H37"')
    mail: str = _field("", "Thư điện tử.", "Mail address.")
    connected: IdOrNothing = _field(
        "local",
        'Nối ở đâu: "local", tên một peer, hoặc "" (không liên thông).',
        'Where it is: "local", the id of a peer, or "" (not connected).',
    )
    console: bool = _field(
        False,
        "Làm việc trên trang của cổng này (sổ đến ở đây).",
        "Works in our console (the arrival register is here).",
    )
    numbered_by: Literal["gateway", "own-system"] = _field(
        "gateway", "Ai cấp số định danh.", "Who counts its identifiers."
    )
    successor: Code | None = _field(
        None, "Mã tiếp nhận khi đã đóng (ID-05).", "Code that took over (ID-05).", sample='"H37.05"'
    )
    status: Literal["active", "locked", "closed"] = _field("active", "Trạng thái.", "Status.")


class Log(Section):
    """Nhật ký vận hành. / Operations log."""

    level: Literal["debug", "info", "warning", "error"] = _field("info", "Mức ghi.", "Level.")
    json_lines: bool = _field(True, "Mỗi dòng một đối tượng JSON.", "One JSON object a line.")


class Settings(Section):
    """All settings of a gateway process."""

    gateway: GatewaySection
    http: Http
    ledger: LedgerSection
    blobs: Blobs
    verify: Verify
    receipts: Receipts
    secrets: Secrets
    clock: ClockCheck
    numbering: Numbering
    policy: Policy
    times: Times
    formats: Formats
    retry: Retry
    log: Log
    peers: tuple[Peer, ...] = Field((), alias="peer")
    agencies: tuple[Agency, ...] = Field((), alias="agency")

    @model_validator(mode="before")
    @classmethod
    def _all_sections(cls, value: Any) -> Any:
        """Read a section that is not there like an empty one, so that its defaults are checked."""
        if not isinstance(value, Mapping):
            return value
        return {**{name: {} for name in SECTIONS}, **value}


SECTIONS: Final = tuple(
    name for name, field in Settings.model_fields.items() if field.alias is None
)
