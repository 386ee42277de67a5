"""The settings themselves: one frozen model a section, every field described in both languages.

The descriptions are the documentation: `gateway.config.page` turns them into the reference page and
the sample file. Pure values; checks across sections live in `gateway.config.cross`.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, IPvAnyNetwork, PrivateAttr, model_validator

from gateway.config.accounts import AccountsSection
from gateway.config.base import REQUIRED, Section, duration, field
from gateway.config.broker import AgenciesAmqp, BrokerSection
from gateway.config.console import ConsoleSection
from gateway.config.keeping import Backup, Blobs
from gateway.config.kinds import (
    Code,
    DataFolder,
    Duration,
    Endpoint,
    Extension,
    FolderInData,
    HostMapping,
    HostPort,
    LaterFile,
    ReadableFile,
    ReadableFolder,
    SecretFile,
    Size,
    UrlPath,
    parse_size,
)
from gateway.config.ledger import LedgerSection
from gateway.config.partners import Agency, Peer
from gateway.config.reporting import Reports
from gateway.config.running import Admission, Node, Retention
from gateway.config.scanning import Scan
from gateway.config.spool import Spool
from gateway.config.telling import Webhooks
from gateway.config.times import Times
from gateway.config.watching import MailSection, WatchSection

Port = Annotated[int, Field(ge=0, le=65535)]
_ZERO: Final = timedelta(0)


class GatewaySection(Section):
    """Cổng này là ai. / Who this gateway is."""

    code: Code = field(
        REQUIRED,
        "Mã của trung tâm liên thông này, ghi vào TraceHeader của mỗi gói tin.",
        "Code of this hub, written to the TraceHeader of every packet.",
        sample='"00.37.W00"',
    )
    name: str = field(
        "Cổng liên thông văn bản",
        "Tên hiển thị trên hồi báo và báo cáo.",
        "Name shown on receipts and reports.",
        min_length=1,
    )
    data_dir: DataFolder = field(
        Path("data"),
        "Thư mục dữ liệu; đường dẫn tương đối tính từ thư mục của tệp cấu hình này.",
        "Data folder; relative paths start at the folder of this file.",
    )


FacadeName = Literal["vxp", "bkav", "langson", "wso2"]


class PlainFacade(Section):
    """Cổng HTTP không mã hóa, cho phần mềm cũ trong VPN. / Plain HTTP, for old clients in a VPN."""

    host: str = field(
        REQUIRED, "Địa chỉ lắng nghe.", "Address to listen on.", sample='"10.20.0.5"', min_length=1
    )
    port: Port = field(REQUIRED, "Cổng.", "Port.", sample="8280")
    networks: tuple[IPvAnyNetwork, ...] = field(
        REQUIRED,
        "Các dải địa chỉ được phép gọi; địa chỉ khác bị từ chối.",
        "Address ranges that may call; all others are refused.",
        sample='["10.20.0.0/16"]',
        min_length=1,
    )
    facades: tuple[FacadeName, ...] = field(
        ("vxp",),
        "Các giao thức mở trên cổng này.",
        "Dialects open on this listener.",
        min_length=1,
    )


class Http(Section):
    """Máy chủ HTTP: API, trang vận hành, cổng VXP. / HTTP server: API, operations, VXP façade."""

    host: str = field("127.0.0.1", "Địa chỉ lắng nghe.", "Address to listen on.", min_length=1)
    port: Port = field(8480, "Cổng (0: hệ điều hành chọn).", "Port (0: the system chooses).")
    public_url: Endpoint | None = field(
        None,
        "Địa chỉ mà các hệ thống dùng để gọi, nếu khác với host:port.",
        "Address callers use, when it is not host:port.",
        sample='"https://lienthong.example.vn"',
    )
    tls_cert: ReadableFile | None = field(
        None,
        "Chứng thư TLS (PEM). Bắt buộc khi host không phải địa chỉ nội bộ máy (loopback).",
        "TLS certificate chain (PEM). Required unless host is a loopback address.",
        sample='"keys/tls.pem"',
    )
    tls_key: SecretFile | None = field(
        None, "Khóa riêng TLS (PEM).", "TLS private key (PEM).", sample='"keys/tls.key"'
    )
    max_packet_bytes: Size = field(
        parse_size("512 MiB"),
        "Gói tin lớn nhất được nhận.",
        "Largest packet taken.",
        ge=1024,
    )
    max_in_flight: int = field(
        512,
        "Số yêu cầu xử lý đồng thời; vượt quá thì trả lời 503; một hệ thống gọi: ba phần tư, 429.",
        "Requests handled at once; more are answered 503; one caller: three quarters, then 429.",
        ge=1,
        le=10_000,
    )
    max_coming_bytes: Size = field(
        parse_size("8 GiB"),
        "Tổng dung lượng đang được gửi lên cùng lúc; vượt quá thì trả lời 503 trước khi nhận nội "
        "dung; một hệ thống gọi: ba phần tư, 429.",
        "Bytes on their way in at once; more are answered 503 before their body is read; one "
        "caller: three quarters, then 429.",
        ge=1024,
    )
    max_streams: int = field(
        1000,
        "Số luồng sự kiện (/api/v1/events) mở cùng lúc.",
        "Streams of events (/api/v1/events) open at once.",
        ge=1,
        le=10_000,
    )
    max_streams_per_caller: int = field(
        8,
        "Số luồng sự kiện của một hệ thống gọi.",
        "Streams of events of one caller.",
        ge=1,
        le=1000,
    )
    facades: tuple[FacadeName, ...] = field(
        ("vxp",),
        "Các giao thức trục mà phần mềm của đơn vị được gọi tới cổng này.",
        "Axis dialects in which agencies' software may call this gateway.",
    )
    wso2_base: UrlPath = field(
        "/truclienthong/v1.0.0",
        "Đường dẫn gốc của giao thức wso2, như trục của tỉnh đang dùng; token ở /token.",
        "Base path of the dialect wso2, as the province's axis has it; tokens are at /token.",
    )
    plain_facades: tuple[PlainFacade, ...] = Field(
        (),
        alias="plain_facade",
        description="Plain listeners for old clients.",
        json_schema_extra={"vi": "Cổng không mã hóa cho phần mềm cũ.", "sample": ""},
    )


class Revocation(Section):
    """Thông tin thu hồi: CRL, OCSP (SIG-42). / Revocation information: CRL, OCSP (SIG-42)."""

    dir: FolderInData = field(
        Path("revocation"),
        "Thư mục lưu mọi CRL và trả lời OCSP đã nhận; thả tệp CRL vào thư mục con incoming.",
        "Folder of every CRL and OCSP answer taken; drop CRL files into its folder incoming.",
    )
    urls: tuple[Endpoint, ...] = field(
        (),
        "Địa chỉ CRL được tải theo lịch; không có thì không tải gì.",
        "Addresses of CRLs fetched on schedule; nothing is fetched without.",
        sample='["http://ca.gov.vn/pki/pub/crl/cpcag2.crl"]',
    )
    ocsp: tuple[Endpoint, ...] = field(
        (),
        "Máy chủ OCSP, hỏi về người ký khi danh sách chưa đủ để kết luận.",
        "OCSP responders, asked about a signer when lists leave it undetermined.",
        sample='["http://ocsp.ca.gov.vn"]',
    )
    hosts: tuple[HostPort, ...] = field(
        (),
        "Máy chủ được phép tải CRL theo địa chỉ ghi trong chứng thư CA tin cậy.",
        "Hosts whose CRL addresses are taken from the certificates of trusted authorities.",
        sample='["ca.gov.vn"]',
    )
    private: tuple[HostPort, ...] = field(
        (),
        "Địa chỉ nội bộ (máy:cổng) được phép; mọi địa chỉ nội bộ khác bị từ chối.",
        "Private addresses (host:port) that may be dialled; all others are refused.",
        sample='["10.1.2.3:80"]',
    )
    host_map: tuple[HostMapping, ...] = field(
        (),
        "Máy chủ đi đường khác: tên=địa chỉ hoặc tên=địa chỉ:cổng (phải có trong private nếu là"
        " địa chỉ nội bộ).",
        "Hosts reached elsewhere: name=address or name=address:port (listed in private if so).",
        sample='["ca.gov.vn=10.1.2.3:80"]',
    )
    proxy: Endpoint | None = field(
        None,
        "Proxy HTTP ra ngoài.",
        "HTTP forward proxy.",
        sample='"http://10.1.2.4:3128"',
    )
    every: Duration = field(
        duration("6 h"),
        "Chu kỳ hỏi danh sách mới; sớm hơn khi danh sách sắp hết hạn.",
        "How often to ask for a newer list; sooner when one is about to expire.",
        ge=duration("1 m"),
    )
    timeout: Duration = field(
        duration("60 s"), "Thời gian tối đa một lần tải.", "Longest time of one fetch.", gt=_ZERO
    )
    max_bytes: Size = field(
        parse_size("64 MiB"), "Danh sách lớn nhất được tải.", "Largest list fetched.", ge=1024
    )
    warn_before: Duration = field(
        duration("1 d"),
        "Cảnh báo khi danh sách còn hạn ít hơn mức này.",
        "Alarm when a list is in force for less than this.",
        ge=_ZERO,
    )


class Verify(Section):
    """Kiểm tra chữ ký số. / Verification of signatures."""

    trust_dir: ReadableFolder = field(
        Path("trust"),
        "Thư mục chứng thư tin cậy (tự ký: gốc; còn lại: trung gian) và CRL.",
        "Folder of trusted certificates (self-signed: anchors; others: intermediates) and CRLs.",
    )
    workers: int = field(
        0,
        "Số tiến trình kiểm tra; 0: bằng số nhân xử lý.",
        "Verifier processes; 0: as many as there are cores.",
        ge=0,
        le=256,
    )
    budget: Duration = field(
        duration("10 s"),
        "Thời gian một lần nộp chờ kết quả; quá hạn thì nhận trước, kết luận sau.",
        "How long a submission waits for the verdict; over it, accepted now and decided later.",
        ge=_ZERO,
    )
    timeout: Duration = field(
        duration("60 s"),
        "Thời gian tối đa cho một tệp; quá hạn thì dừng tiến trình.",
        "Longest time for one file; a worker over it is killed.",
        gt=_ZERO,
    )
    memory: Size = field(
        parse_size("1 GiB"),
        "Bộ nhớ tối đa của một tiến trình kiểm tra.",
        "Memory limit of one verifier process.",
        ge=128 * 2**20,
    )
    verify_max_bytes: Size = field(
        parse_size("128 MiB"),
        "Tệp lớn hơn không được kiểm tra: kết luận «chưa xác định» (quá lớn).",
        "Larger files are not verified: indeterminate (too large).",
        ge=1,
    )
    revocation: Revocation = field(REQUIRED, "Thông tin thu hồi.", "Revocation information.")

    @model_validator(mode="before")
    @classmethod
    def _revocation_defaults(cls, value: Any) -> Any:
        """Read a sub-section that is not there like an empty one."""
        return {"revocation": {}, **value} if isinstance(value, Mapping) else value

    page: bool = field(
        True,
        "Mở trang /verify để kiểm tra một tệp bất kỳ (chỉ từ máy này hoặc có khóa API).",
        "Serve the page /verify for any file (from this machine, or with an API key).",
    )
    page_per_minute: int = field(
        30,
        "Số tệp một địa chỉ được kiểm tra qua /verify trong một phút.",
        "Files an address may have verified at /verify in a minute.",
        ge=1,
        le=10_000,
    )
    evidence_dir: FolderInData = field(
        Path("evidence"),
        "Thư mục bằng chứng: trạng thái tin cậy của mọi báo cáo, để kiểm tra lại về sau.",
        "Folder of evidence: the trust state behind every report, to verify again years later.",
    )
    recheck_every: Duration = field(
        duration("1 h"),
        "Bao lâu thì kiểm tra lại văn bản chưa xác định được khi không có dữ liệu mới; lần sau "
        "thưa dần, nhiều nhất một ngày.",
        "How long until an undetermined document is verified again with nothing new; the waits "
        "grow, to a day at most.",
        ge=duration("10 s"),
    )
    recheck_for: Duration = field(
        duration("30 d"),
        "Sau thời gian này thì thôi tự kiểm tra lại; kết quả giữ là chưa xác định.",
        "After this it is verified again no more; the verdict stays undetermined.",
        gt=_ZERO,
    )


class Receipts(Section):
    """Nhật ký hồi báo. / The receipt log."""

    key_file: SecretFile | None = field(
        Path("keys/receipts.pem"),
        "Khóa riêng Ed25519 (PEM) ký hồi báo và đầu cây; đã đổi khóa thì theo ring_file.",
        "Ed25519 private key (PEM) that signs receipts and tree heads; after a change of keys, "
        "ring_file says which one signs.",
    )
    key: str | None = field(
        None,
        "Khóa nằm trong thiết bị PKCS#11 thay cho key_file; PIN để trong pin_file.",
        "A key in a PKCS#11 token instead of key_file; its PIN is in pin_file.",
        sample='"pkcs11:token=vanlien;object=receipts?module-path=/usr/lib/softhsm/libsofthsm2.so"',
    )
    pin_file: SecretFile | None = field(
        None,
        "Tệp chứa PIN của thiết bị, một dòng.",
        "File with the token's PIN, one line.",
        sample='"keys/token.pin"',
    )
    ring_file: LaterFile = field(
        Path("keys/receipts.ring.json"),
        "Danh sách mọi khóa hồi báo và ngày bắt đầu ký; lệnh vanlien receipts key ghi tệp này.",
        "All receipt keys and from when each signs; written by vanlien receipts key.",
    )

    @model_validator(mode="before")
    @classmethod
    def _token_instead(cls, value: Any) -> Any:
        """A key in a token stands in for the file that would be there by default."""
        if isinstance(value, Mapping) and value.get("key"):
            return {"key_file": None, **value}
        return value


class Secrets(Section):
    """Bảo vệ khóa chung của các hệ thống gọi. / Protection of callers' shared secrets."""

    key_file: SecretFile = field(
        Path("keys/secrets.key"),
        "Khóa 32 byte (base64) mã hóa khóa HMAC trong sổ cái.",
        "32-byte key (base64) that encrypts HMAC secrets in the ledger.",
    )


class Keys(Section):
    """Khóa và chứng thư của cổng. / Keys and certificates of the gateway."""

    warn_before: Duration = field(
        duration("30 d"),
        "Cảnh báo khi chứng thư TLS hoặc chứng thư niêm phong còn hạn ít hơn mức này.",
        "Alarm when the TLS or the seal certificate is valid for less than this.",
        ge=_ZERO,
    )


class ClockCheck(Section):
    """Đồng hồ (TIM-01). / The clock (TIM-01)."""

    ntp_server: str | None = field(
        None,
        "Máy chủ giờ chuẩn để đối chiếu; không có thì độ lệch là «chưa biết» và được ghi dấu.",
        "Time server to compare with; without one the offset is unknown, and marked so.",
        sample='"vn.pool.ntp.org"',
        min_length=1,
    )
    check_every: Duration = field(
        duration("5 m"), "Chu kỳ đối chiếu.", "How often to compare.", ge=duration("1 s")
    )
    max_offset: Duration = field(
        duration("1 s"), "Lệch quá mức này thì cảnh báo.", "An offset above this alerts.", gt=_ZERO
    )
    hold_over: Duration = field(
        duration("5 s"),
        "Lệch quá mức này thì vẫn nhận nhưng tạm dừng ghi giờ và chuyển đi.",
        "Above this, documents are accepted but stamping and relaying are held.",
        gt=_ZERO,
    )


class Numbering(Section):
    """Mã định danh văn bản (DID-01). / Document identifiers (DID-01)."""

    document_id_form: Literal["code,date,notation", "code,year,ordinal"] = field(
        "code,date,notation",
        "Dạng mã định danh khi bên gửi không tự ghi.",
        "Form of the identifier when the sender wrote none.",
    )


class Policy(Section):
    """Chính sách. / Policy."""

    outgoing_invalid: Literal["refuse", "flag"] = field(
        "refuse", "Văn bản đi có chữ ký không hợp lệ.", "Outgoing with an invalid signature."
    )
    outgoing_indeterminate: Literal["refuse", "flag"] = field(
        "flag",
        "Văn bản đi chưa xác định được chữ ký; flag: đi kèm dấu «tham khảo» (SIG-02).",
        "Outgoing with an undecided signature; flag: marked «tham khảo» (SIG-02).",
    )
    outgoing_unsigned: Literal["refuse", "flag"] = field(
        "flag",
        "Văn bản đi không có chữ ký số; flag: đi kèm dấu «tham khảo» (SIG-02).",
        "Outgoing without signature; flag: marked «tham khảo» (SIG-02).",
    )
    appearance: Literal["warn", "note", "off"] = field(
        "warn",
        "Lỗi thể thức của chữ ký số hiển thị (màu, vị trí, chữ): cảnh báo, ghi chú hoặc bỏ qua "
        "(SIG-26).",
        "Faults of form in shown signatures (colour, place, words): warned of, noted or left out "
        "(SIG-26).",
    )
    seal_mm_least: float = field(
        25, "Dấu nhỏ nhất, mm (SIG-21).", "Smallest seal, mm (SIG-21).", gt=0, le=200
    )
    seal_mm_most: float = field(
        55, "Dấu lớn nhất, mm (SIG-21).", "Largest seal, mm (SIG-21).", gt=0, le=200
    )
    overlap_least: float = field(
        0.2,
        "Dấu trùm ít nhất bấy nhiêu chiều ngang hình chữ ký (SIG-21).",
        "The seal covers at least this part of the signature's width (SIG-21).",
        ge=0,
        le=1,
    )
    overlap_most: float = field(
        0.5,
        "Dấu trùm nhiều nhất bấy nhiêu (SIG-21).",
        "It covers at most this part (SIG-21).",
        ge=0,
        le=1,
    )
    sent_ack: Literal["first-hop", "01"] = field(
        "first-hop",
        "Giờ gửi có hiệu lực khi chặng đầu xác nhận, hoặc khi có hồi báo 01 (SND-10).",
        "Sent time counts once the first hop acknowledged, or once receipt 01 is in (SND-10).",
    )
    recall_agree: Literal["clerk", "automatic"] = field(
        "clerk",
        "Cơ quan dùng bàn làm việc: văn thư đồng ý thu hồi, hay tự động khi văn bản chưa xong.",
        "For agencies that work in the console: a clerk agrees to a recall, or the gateway by "
        "itself as long as the document is not finished.",
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

    allow: tuple[Extension, ...] = field(
        ALLOWED, "Phần mở rộng được phép.", "Extensions allowed.", min_length=1
    )
    deny: tuple[Extension, ...] = field(
        DENIED, "Phần mở rộng luôn bị từ chối.", "Extensions always refused."
    )


class LaneRetry(Section):
    """Lịch gửi lại của một làn. / Retry schedule of one lane."""

    first: Duration = field(duration("30 s"), "Chờ lần đầu.", "First wait.", gt=_ZERO)
    factor: float = field(2.0, "Hệ số tăng.", "Growth of the wait.", ge=1, le=10)
    longest: Duration = field(duration("30 m"), "Chờ lâu nhất.", "Longest wait.", gt=_ZERO)
    jitter: float = field(
        1.0,
        "Phần ngẫu nhiên của thời gian chờ; 1: ngẫu nhiên từ 0 đến hết thời gian chờ.",
        "Random part of the wait; 1: full jitter, anywhere from nought to the whole wait.",
        ge=0,
        le=1,
    )
    give_up_after: Duration = field(
        duration("7 d"),
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

    express_timed: LaneRetry = field(REQUIRED, "Hỏa tốc hẹn giờ.", "Express, timed.")
    express: LaneRetry = field(REQUIRED, "Hỏa tốc.", "Express.")
    very_urgent: LaneRetry = field(REQUIRED, "Thượng khẩn.", "Very urgent.")
    urgent: LaneRetry = field(REQUIRED, "Khẩn.", "Urgent.")
    normal: LaneRetry = field(REQUIRED, "Thường.", "Normal.")

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


class BreakerSection(Section):
    """Cầu dao của từng đích: ngừng gửi khi đích không phản hồi. / Circuit breaker of each peer."""

    failures: int = field(
        5,
        "Số lần liên tiếp không tới được hoặc bận thì ngừng gửi tới đích.",
        "So many tries in a row that find the peer away or busy stop sending to it.",
        ge=1,
        le=1000,
    )
    window: int = field(
        20, "Số kết quả gần nhất được xét tỷ lệ.", "Newest results looked at.", ge=2, le=1000
    )
    ratio: float = field(
        0.8,
        "Tỷ lệ không tới được trong số đó cũng làm ngừng gửi.",
        "Share of failures among them that stops sending too.",
        gt=0,
        le=1,
    )
    first: Duration = field(
        duration("15 s"),
        "Chờ nhiều nhất bấy nhiêu trước lần thử lại đầu tiên; ngẫu nhiên từ 0.",
        "Longest wait before the first probe; anywhere from nought to it.",
        gt=_ZERO,
    )
    longest: Duration = field(
        duration("5 m"),
        "Thời gian chờ tăng gấp đôi mỗi lần, nhiều nhất bấy nhiêu.",
        "The wait doubles each time, up to this.",
        gt=_ZERO,
    )
    urgent_every: Duration = field(
        duration("5 s"),
        "Khi có văn bản hỏa tốc chờ gửi: thử lại ít nhất mỗi khoảng này (SND-03).",
        "With an express document waiting: a probe at least so often (SND-03).",
        gt=_ZERO,
    )


class Log(Section):
    """Nhật ký vận hành. / Operations log."""

    level: Literal["debug", "info", "warning", "error"] = field("info", "Mức ghi.", "Level.")
    json_lines: bool = field(True, "Mỗi dòng một đối tượng JSON.", "One JSON object a line.")


class Settings(Section):
    """All settings of a gateway process."""

    _file: Path | None = PrivateAttr(None)

    gateway: GatewaySection
    node: Node
    http: Http
    admission: Admission
    ledger: LedgerSection
    blobs: Blobs
    backup: Backup
    broker: BrokerSection
    agencies_amqp: AgenciesAmqp
    verify: Verify
    scan: Scan
    reports: Reports
    receipts: Receipts
    secrets: Secrets
    keys: Keys
    clock: ClockCheck
    numbering: Numbering
    policy: Policy
    times: Times
    formats: Formats
    retry: Retry
    breaker: BreakerSection
    retention: Retention
    webhooks: Webhooks
    console: ConsoleSection
    accounts: AccountsSection
    watch: WatchSection
    mail: MailSection
    log: Log
    peers: tuple[Peer, ...] = Field((), alias="peer")
    agencies: tuple[Agency, ...] = Field((), alias="agency")
    spools: tuple[Spool, ...] = Field((), alias="spool")

    @property
    def file(self) -> Path | None:
        """The file they were read from, None when they were not read from one."""
        return self._file

    def model_post_init(self, context: Any, /) -> None:
        """Remember the file."""
        self._file = (context or {}).get("file")

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
