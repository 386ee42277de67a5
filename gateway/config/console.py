"""Settings of the console. Pure values."""

from datetime import timedelta
from typing import Final, Literal

from pydantic import Field, IPvAnyNetwork

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Code, Duration

_ZERO: Final = timedelta(0)


class PaperRuleSection(Section):
    """Khi nào gửi kèm bản giấy (SND-06). / When paper goes along (SND-06)."""

    receivers: tuple[Code, ...] = field(
        (),
        "Mã nơi nhận, kể cả các đơn vị trực thuộc; bỏ trống: mọi nơi nhận.",
        "Receivers' codes, with all below them; empty: everybody.",
        sample='["G22"]',
    )
    types: tuple[str, ...] = field(
        (),
        "Tên loại văn bản; bỏ trống: mọi loại.",
        "Types of document by name; empty: all.",
        sample='["Tờ trình"]',
    )
    purpose: str = field(
        "",
        "Lý do, hiện cho văn thư.",
        "Why, shown to the clerk.",
        sample='"Hồ sơ trình Chính phủ, Thủ tướng Chính phủ"',
        max_length=200,
    )
    source: str = field(
        "",
        "Căn cứ.",
        "Where it is written.",
        sample='"QĐ28 điều 7.2a"',
        max_length=200,
    )


class ConsoleSection(Section):
    """Trang làm việc cho văn thư, vận hành, quản trị. / Pages for clerks, operators, admins."""

    enabled: bool = field(
        True,
        "Mở trang làm việc tại /console của cổng API.",
        "Serve the console at /console of the API's listener.",
    )
    name: str = field(
        "Liên thông văn bản",
        "Tên hiện ở đầu mỗi trang.",
        "Name at the top of each page.",
        min_length=1,
        max_length=80,
    )
    proxies: tuple[IPvAnyNetwork, ...] = field(
        (),
        "Máy trung gian (reverse proxy) của ta: địa chỉ và giao thức người dùng do chúng khai "
        "(X-Forwarded-For, X-Forwarded-Proto) mới được tính.",
        "Reverse proxies of ours: what they say of a visitor's address and TLS counts "
        "(X-Forwarded-For, X-Forwarded-Proto), nobody else's word does.",
        sample='["10.0.0.5/32"]',
    )
    training: bool = field(
        False,
        "Hệ thống tập huấn: mọi trang, tệp, báo cáo, thư đều mang chữ “DỮ LIỆU THỬ”.",
        "A system for training: every page, file, report and mail is marked as training data.",
    )
    training_peers: tuple[str, ...] = field(
        (),
        "Bên liên thông mà hệ thống tập huấn vẫn được nối tới, vì cũng là hệ thống thử.",
        "Peers a system for training may have, because they are for training too.",
        sample='["truc-thu"]',
    )
    issue_deadline: Literal["morning", "end-of-day"] = field(
        "morning",
        "Phát hành chậm nhất: hết buổi sáng, hoặc hết ngày làm việc tiếp theo (SND-01, SND-02).",
        "Latest issue: the morning, or the end, of the next working day (SND-01, SND-02).",
    )
    follow_up_after: Duration = field(
        duration("24 h"),
        "Nơi nhận chưa hồi báo sau khoảng này thì nhắc văn thư (SND-08).",
        "A receiver that has confirmed nothing for so long is pointed out (SND-08).",
        gt=_ZERO,
    )
    paper_rules: tuple[PaperRuleSection, ...] = Field(
        (
            PaperRuleSection(
                receivers=("G22",),
                purpose="Gửi Chính phủ, Thủ tướng Chính phủ theo quy chế làm việc",
                source="S003 điều 6.5; QĐ28 điều 7.2a",
            ),
        ),
        description="When a paper copy goes beside the electronic document (SND-06).",
        json_schema_extra={
            "vi": "Khi nào gửi kèm bản giấy ngoài bản điện tử (SND-06).",
            "sample": "",
        },
    )
