"""Settings of the broker: lanes inside the process, or RabbitMQ. Pure values."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Duration, ReadableFile, SecretFile

_PREFIX: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"


def _broker_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port, password = parts.port, parts.password
    except ValueError:
        raise PydanticCustomError("broker_url", "not a broker's address") from None
    if password is not None:
        # Addresses stand in logs and in lists of processes: no secret is part of one.
        raise PydanticCustomError("broker_password", "a password in the address")
    good = (
        parts.scheme in {"amqp", "amqps"}
        and parts.username
        and parts.hostname
        and port != 0
        and "/" not in parts.path[1:]
        and not parts.query
        and not parts.fragment
        and not re.search(r"\s", url)
    )
    if not good:
        raise PydanticCustomError("broker_url", "not a broker's address")
    return url


class BrokerSection(Section):
    """Hàng đợi giữa sổ cái và các chương trình. / Queues between the ledger and the programs."""

    url: Annotated[str, AfterValidator(_broker_url)] | None = field(
        None,
        "Địa chỉ RabbitMQ: amqps://tài-khoản@máy:cổng/vhost (amqp:// chỉ trên chính máy này); "
        "không đặt thì dùng hàng đợi trong tiến trình.",
        "Address of RabbitMQ: amqps://user@host:port/vhost (amqp:// only on this very machine); "
        "without it, queues inside the process.",
        sample='"amqps://vanlien@mq.example.vn:5671/vanlien"',
    )
    password_file: SecretFile | None = field(
        None,
        "Tệp chứa mật khẩu RabbitMQ.",
        "File with the password of RabbitMQ.",
        sample='"keys/broker.password"',
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA của máy chủ RabbitMQ (PEM); không đặt thì tin các CA của hệ điều hành.",
        "Certificate of the authority of the RabbitMQ server (PEM); without it, those of the "
        "operating system are trusted.",
        sample='"keys/broker-ca.pem"',
    )
    prefix: Annotated[str, Field(pattern=_PREFIX)] = field(
        "vanlien",
        "Phần đầu tên các hàng đợi; hai cổng dùng chung một vhost phải khác nhau.",
        "What the queues' names begin with; two gateways on one vhost need different ones.",
    )
    confirm_timeout: Duration = field(
        duration("10 s"),
        "Chờ RabbitMQ xác nhận nhiều nhất bao lâu; quá hạn thì gửi lại sau, không mất gì.",
        "How long to wait for RabbitMQ to confirm; later it is sent again, and nothing is lost.",
        ge=duration("100 ms"),
    )
    heartbeat: Duration = field(
        duration("10 s"),
        "Nhịp kiểm tra kết nối; im lặng khoảng ba nhịp thì nối lại.",
        "Heartbeat; a connection silent for about three of them is made again.",
        ge=duration("1 s"),
        le=duration("10 m"),
    )
    remember: Duration = field(
        duration("1 m"),
        "Một việc đã xếp hàng không được xếp lại trong thời gian này; RabbitMQ bị xóa trắng thì "
        "trong thời gian này mọi việc được xếp lại từ sổ cái.",
        "A wish that was queued is not queued again for so long; a RabbitMQ that was emptied is "
        "full again from the ledger within it.",
        ge=duration("1 s"),
        le=duration("1 h"),
    )
