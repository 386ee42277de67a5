"""Settings of the watch and of mail. Pure values."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Duration, Endpoint, ReadableFile, SecretFile

_ZERO: Final = timedelta(0)

MailAddress = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
]


class WatchSection(Section):
    """Giám sát, cảnh báo, bản tin đầu ngày. / The watch: alerts and the morning's digest."""

    not_picked_up: Duration = field(
        duration("4 h"),
        "Đã chuyển đi mà chưa có hồi báo 01 quá lâu thì cảnh báo bên gửi (SND-08).",
        "Handed over and without 01 for so long: the sender is alerted (SND-08).",
        gt=_ZERO,
    )
    not_acknowledged: Duration = field(
        duration("8 h"),
        "Đã đến mà chưa có 03 hoặc 02 sau bấy nhiêu giờ hành chính của bên nhận (SND-08).",
        "Arrived, neither 03 nor 02 in so many office hours of the receiver (SND-08).",
        gt=_ZERO,
    )
    not_fetched: Duration = field(
        duration("1 h"),
        "Văn bản đến chờ phần mềm của đơn vị lấy quá lâu thì cảnh báo đơn vị.",
        "Documents wait for the agency's system for so long: the agency is alerted.",
        gt=_ZERO,
    )
    urgent: Duration = field(
        duration("60 m"),
        "Văn bản khẩn chờ quá mức này thì cảnh báo; tính cả ngày đêm (SND-03, RCV-09).",
        "An urgent document that waits longer alerts, day and night (SND-03, RCV-09).",
        gt=_ZERO,
    )
    very_urgent: Duration = field(
        duration("30 m"),
        "Mức này cho văn bản thượng khẩn.",
        "The same for very urgent ones.",
        gt=_ZERO,
    )
    express: Duration = field(
        duration("10 m"), "Mức này cho văn bản hỏa tốc.", "The same for express ones.", gt=_ZERO
    )
    express_timed: Duration = field(
        duration("5 m"),
        "Mức này cho văn bản hỏa tốc hẹn giờ.",
        "The same for express ones with an hour set.",
        gt=_ZERO,
    )
    destination_down: Duration = field(
        duration("10 m"),
        "Nơi nhận không trả lời quá lâu thì báo cho mọi người trên đầu trang.",
        "A destination that does not answer for so long is told to everybody.",
        gt=_ZERO,
    )
    operations: tuple[MailAddress, ...] = field(
        (),
        "Thư điện tử của bộ phận vận hành: nhận cảnh báo của cổng và mức báo cuối cùng.",
        "Mail of operations: alerts of the gateway itself, and the last level of all.",
        sample='["van-hanh@example.vn"]',
    )
    webhook_url: Endpoint | None = field(
        None,
        "Webhook của bộ phận vận hành: nhận mọi cảnh báo, ký theo Standard Webhooks.",
        "Webhook of operations: every alert, signed as by Standard Webhooks.",
        sample='"https://truc-ban.example.vn/canh-bao"',
    )
    webhook_secret_file: SecretFile | None = field(
        None,
        "Khóa ký của webhook đó.",
        "Secret that signs its messages.",
        sample='"keys/watch-webhook.secret"',
    )
    digest: bool = field(
        True,
        "Gửi bản tin đầu mỗi ngày làm việc (RPT-13) tới văn thư và lãnh đạo có thư điện tử.",
        "Send a digest as each working day begins (RPT-13) to clerks and leaders with mail.",
    )


class MailSection(Section):
    """Máy chủ thư, để gửi cảnh báo. / The mail server, for alerts."""

    host: str = field(
        "",
        "Máy chủ SMTP; để trống thì không gửi thư.",
        "SMTP server; empty: no mail is sent.",
        sample='"mail.example.vn"',
        max_length=253,
        pattern=r"^[A-Za-z0-9.:\[\]-]*$",
    )
    port: Annotated[int, Field(ge=1, le=65535)] = field(587, "Cổng.", "Port.")
    security: Literal["starttls", "tls", "none"] = field(
        "starttls",
        "`starttls` (bắt buộc), `tls` ngay từ đầu, hoặc `none` chỉ với máy chủ trên chính máy này.",
        "`starttls` (demanded), `tls` from the first byte, `none` only for one on this machine.",
    )
    sender: MailAddress = field("vanlien@localhost.localdomain", "Địa chỉ gửi.", "Address in From.")
    user: str = field("", "Tài khoản gửi; để trống nếu không cần.", "User; empty for none.")
    password_file: SecretFile | None = field(
        None, "Mật khẩu của tài khoản đó.", "Its password.", sample='"keys/mail.secret"'
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA (PEM) được tin thêm.",
        "Further CA certificates (PEM) that count.",
        sample='"keys/ca-noi-bo.pem"',
    )
    timeout: Duration = field(
        duration("30 s"), "Thời gian tối đa của một thư.", "Longest time of one letter.", gt=_ZERO
    )
    per_minute: int = field(
        30, "Số thư nhiều nhất mỗi phút.", "Most letters a minute.", ge=1, le=10_000
    )
    identifiers: bool = field(
        True,
        "Nêu mã định danh văn bản trong thư; không bao giờ có nội dung.",
        "Name identifiers of documents in mails; content never is.",
    )
