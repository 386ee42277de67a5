"""Settings of the console. Pure values."""

from gateway.config.base import Section, field


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
    training: bool = field(
        False,
        "Hệ thống tập huấn: mọi trang mang chữ “DỮ LIỆU THỬ”.",
        "A system for training: every page is marked as training data.",
    )
