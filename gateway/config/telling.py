"""Settings of webhooks. Pure values."""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, IPvAnyNetwork

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Duration, ReadableFile

_ZERO: Final = timedelta(0)

ReceiverPort = Annotated[int, Field(ge=1, le=65535)]


class Webhooks(Section):
    """Webhook: báo sự kiện tới địa chỉ của hệ thống. / Webhooks: events told to a system."""

    networks: tuple[IPvAnyNetwork, ...] = field(
        (),
        "Dải địa chỉ nội bộ được phép gọi tới, kể cả không có TLS; không khai thì chỉ địa chỉ công "
        "cộng qua https.",
        "Ranges inside the house that may be called, without TLS too; none: public addresses over "
        "https only.",
        sample='["10.20.0.0/16"]',
    )
    ports: tuple[ReceiverPort, ...] = field(
        (443,), "Các cổng được phép gọi tới.", "Ports that may be called.", min_length=1
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA (PEM) được tin thêm khi gọi tới.",
        "Further CA certificates (PEM) that count when calling.",
        sample='"keys/ca-noi-bo.pem"',
    )
    timeout: Duration = field(
        duration("15 s"), "Thời gian tối đa của một lần gọi.", "Longest time of one call.", gt=_ZERO
    )
    give_up_after: Duration = field(
        duration("3 d"),
        "Thôi thử một sự kiện sau chừng ấy; nó vẫn được giữ và gửi lại được.",
        "One message is tried for so long; it stays on record and can be played again.",
        gt=_ZERO,
    )
    max_per_system: int = field(
        20, "Số webhook của một hệ thống.", "Webhooks of one system.", ge=1, le=1000
    )
