"""Settings of a node among others: roles, drain, admission, retention. Pure values."""

from datetime import timedelta
from typing import Final, Literal

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Duration, Size, parse_size

_ZERO: Final = timedelta(0)

RoleName = Literal[
    "api", "issue", "dispatch", "relay", "collect", "receive", "janitor", "amqp", "all"
]


class Node(Section):
    """Máy (tiến trình) này trong cụm. / This process among those of one ledger."""

    name: str = field(
        "",
        "Tên của tiến trình này, khác nhau trong cụm; để trống: tên máy.",
        "Name of this process, its own among all of one ledger; the machine's name when empty.",
        max_length=64,
        pattern=r"^[A-Za-z0-9._-]*$",
    )
    roles: tuple[RoleName, ...] = field(
        ("all",),
        "Việc của tiến trình này: api, issue, dispatch, relay, collect, receive, janitor, amqp, "
        "hoặc all; sổ cái SQLite chỉ chạy được all.",
        "What this process does: api, issue, dispatch, relay, collect, receive, janitor, amqp, or "
        "all; an SQLite ledger takes all only.",
        min_length=1,
    )
    drain: Duration = field(
        duration("0 s"),
        "Khi dừng: /ready trả lời 503 chừng ấy thời gian mà vẫn phục vụ, để proxy kịp biết.",
        "Before stopping, /ready says 503 for so long while requests are served, so that a proxy "
        "sees it.",
        ge=_ZERO,
        le=timedelta(minutes=10),
    )
    finish: Duration = field(
        duration("5 s"),
        "Khi dừng: việc đang làm được chờ nhiều nhất chừng ấy.",
        "Before stopping, work under way is waited for at most so long.",
        ge=_ZERO,
        le=timedelta(minutes=10),
    )
    lease: Duration = field(
        duration("15 s"),
        "Sau chừng ấy thời gian không thấy tiến trình giữ việc còn sống thì tiến trình khác làm.",
        "After so long without a sign of life from who does what only one may do, another does it.",
        ge=timedelta(seconds=3),
        le=timedelta(minutes=5),
    )


class Admission(Section):
    """Nhận có chừng mực: quá tải thì hẹn lại, không nhận thứ không giữ được.

    / Admission: overloaded, it asks to come again, and takes nothing that it cannot keep.
    """

    max_backlog: int = field(
        20_000,
        "Số văn bản đã nhận mà chưa kết luận nhiều nhất.",
        "Most documents accepted and not yet decided.",
        ge=1,
    )
    max_oldest: Duration = field(
        duration("1 d"),
        "Văn bản chờ kết luận lâu nhất; quá mức này thì không nhận thêm.",
        "Longest wait of a document accepted and not yet decided; over it, no more are taken.",
        gt=_ZERO,
    )
    max_outbox: int = field(
        200_000,
        "Số việc chờ đưa vào hàng đợi nhiều nhất (khi RabbitMQ ngừng).",
        "Most ids owed to the lanes (the broker is down).",
        ge=1,
    )
    slow_commit: Duration = field(
        duration("15 s"),
        "Sổ cái ghi chậm hơn mức này thì không nhận thêm.",
        "A ledger that takes longer than this to commit lets no more in.",
        gt=_ZERO,
    )
    disk_floor: Size = field(
        parse_size("256 MiB"),
        "Đĩa còn trống ít hơn mức này thì không nhận thêm.",
        "With less than this free on the disk, no more are taken.",
        ge=0,
    )
    disk_floor_percent: float = field(
        0.0,
        "Như trên, theo phần trăm của đĩa.",
        "The same in percent of the disk.",
        ge=0,
        le=50,
    )
    urgent_share: float = field(
        0.1,
        "Phần của mỗi giới hạn để dành cho văn bản khẩn.",
        "Part of each limit that is kept for urgent documents.",
        ge=0,
        le=0.9,
    )
    caller_share: float = field(
        0.5,
        "Khi đã quá nửa giới hạn, một hệ thống không chiếm quá phần này của max_backlog.",
        "Over half the limit, one caller has at most this part of max_backlog.",
        gt=0,
        le=1,
    )


class Retention(Section):
    """Thời hạn lưu theo loại dữ liệu ; trống: giữ mãi. / How long data is kept; unset: for ever."""

    packets: Duration | None = field(
        None,
        "Gói tin nguyên gốc của văn bản đã xong, tính từ khi kết thúc.",
        "Packets as received, of letters that are settled, from when they were.",
        sample='"3650 d"',
        ge=duration("30 d"),
    )
    files: Duration | None = field(
        None,
        "Tệp đính kèm của văn bản đã xong.",
        "Attachments of letters that are settled.",
        sample='"3650 d"',
        ge=duration("30 d"),
    )
    parcels: Duration | None = field(
        None,
        "Gói tin đã làm cho chặng kế tiếp, của văn bản đã xong.",
        "Packets made for next hops, of letters that are settled.",
        sample='"365 d"',
        ge=duration("30 d"),
    )
    reports: Duration | None = field(
        None,
        "Báo cáo kiểm tra của tệp không còn lưu.",
        "Verification reports on files that are no longer kept.",
        sample='"3650 d"',
        ge=duration("30 d"),
    )
    recalled: Duration | None = field(
        duration("30 d"),
        "Nội dung văn bản đến đã bị thu hồi, tính từ khi đồng ý; dấu vết thu hồi được giữ mãi "
        "(REC-02). Văn bản đang giữ theo yêu cầu pháp lý thì không xóa.",
        "Content of received documents that were given back, from when it was agreed; the record "
        "of the recall stays for ever (REC-02). What is under legal hold stays.",
        ge=duration("1 d"),
    )
    idempotency_keys: Duration = field(
        duration("7 d"),
        "Khóa chống lặp của các hệ thống gọi.",
        "Idempotency keys of callers.",
        ge=duration("1 d"),
    )
    disk_warn: Duration = field(
        duration("30 d"),
        "Cảnh báo khi đĩa sẽ đầy trong thời gian này, theo tốc độ hiện nay.",
        "Alarm when the disk will be full within this, at the present pace.",
        ge=_ZERO,
    )
