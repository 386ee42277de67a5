"""Settings of the broker: lanes inside the process, or RabbitMQ. Pure values."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Duration, ReadableFile, SecretFile, Size, parse_size

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


SystemName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]


class AgenciesAmqp(Section):
    """RabbitMQ cho hệ thống của các cơ quan gửi, nhận văn bản. / RabbitMQ as a door for agencies.

    Không đặt url thì không dùng. Mỗi hệ thống có một tài khoản RabbitMQ trùng mã hệ thống. /
    Unused without url. Each system has a RabbitMQ user that bears the system's id.
    """

    url: Annotated[str, AfterValidator(_broker_url)] | None = field(
        None,
        "Địa chỉ RabbitMQ của các cơ quan: amqps://tài-khoản@máy:cổng/vhost (amqp:// chỉ trên "
        "chính máy này); nên là một vhost riêng.",
        "Address of the agencies' RabbitMQ: amqps://user@host:port/vhost (amqp:// only on this "
        "very machine); better a virtual host of its own.",
        sample='"amqps://vanlien@mq.example.vn:5671/agencies"',
    )
    password_file: SecretFile | None = field(
        None,
        "Tệp chứa mật khẩu RabbitMQ.",
        "File with the password of RabbitMQ.",
        sample='"keys/agencies-broker.password"',
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
        "Phần đầu tên của exchange và hàng đợi: vanlien.in, vanlien.reply.…, vanlien.out.…",
        "What the names of exchange and queues begin with: vanlien.in, vanlien.reply.…, "
        "vanlien.out.…",
    )
    systems: tuple[SystemName, ...] = field(
        (),
        "Các hệ thống được đưa văn bản đến vào hàng đợi riêng (vanlien.out.<mã hệ thống>).",
        "Systems that are brought their documents in a queue of their own "
        "(vanlien.out.<system id>).",
        sample='["qlvb-tinh"]',
    )
    max_bytes: Size = field(
        parse_size("16 MiB"),
        "Gói tin lớn nhất nằm trong một thông điệp; lớn hơn thì gửi và nhận bằng tham chiếu.",
        "Largest packet inside a message; larger ones are sent and received by reference.",
        ge=parse_size("64 KiB"),
        le=parse_size("64 MiB"),
    )
    hands: int = field(
        8,
        "Số thông điệp được xử lý cùng lúc; thông điệp khẩn có thêm một phần tư.",
        "Messages worked on at a time; urgent ones have a quarter more of their own.",
        ge=1,
        le=256,
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
