"""Settings of accounts: sessions, second factor, passwords, sign-in. Pure values."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import StringConstraints, model_validator

from gateway.config.base import REQUIRED, Section, duration, field
from gateway.config.kinds import Duration, ReadableFile, SecretFile
from gateway.domain.access import Role

_ZERO: Final = timedelta(0)

MailDomain = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)+$")
]


class SingleSignOn(Section):
    """Đăng nhập một lần qua OpenID Connect (ACC-05). / Single sign-on by OpenID Connect."""

    issuer: str | None = field(
        None,
        "Nhà cung cấp, đúng như nó tự xưng (issuer); không có thì không có đăng nhập một lần.",
        "The provider, just as it calls itself (issuer); without one there is no single sign-on.",
        sample='"https://sso.danang.gov.vn"',
        pattern=r"^https?://[^\s?#]+$",
    )
    name: str = field(
        "Thư công vụ",
        "Tên trên nút đăng nhập.",
        "What the button says.",
        min_length=1,
        max_length=60,
    )
    client_id: str = field(
        "vanlien",
        "Tên của cổng này ở nhà cung cấp.",
        "This gateway's name there.",
        min_length=1,
        max_length=200,
    )
    secret_file: SecretFile | None = field(
        None,
        "Tệp chứa mật khẩu ở nhà cung cấp, một dòng; không có: chỉ dùng PKCE.",
        "File with the secret there, one line; without one: PKCE alone.",
        sample='"keys/sso.secret"',
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA (PEM) đã ký chứng thư của nhà cung cấp; mặc định: CA của hệ điều hành.",
        "CA certificates (PEM) behind the provider's; the system's when left out.",
        sample='"keys/ca-sso.pem"',
    )


class AccountsSection(Section):
    """Tài khoản cá nhân và đăng nhập. / Personal accounts and signing in."""

    idle: Duration = field(
        duration("30 m"),
        "Phiên làm việc tự hết khi không dùng chừng ấy.",
        "A session ends after so long without use.",
        gt=_ZERO,
    )
    longest: Duration = field(
        duration("12 h"),
        "Phiên làm việc dài nhất, dù vẫn đang dùng.",
        "Longest session, used or not.",
        gt=_ZERO,
    )
    link: Duration = field(
        duration("3 d"),
        "Đường dẫn một lần (mời, đặt lại mật khẩu) còn dùng được trong chừng ấy.",
        "A one-time link (invitation, reset) is good for.",
        gt=_ZERO,
    )
    second_factor: tuple[Role, ...] = field(
        (Role.SYS_ADMIN, Role.UNIT_ADMIN, Role.PROVIDER_OPS),
        "Vai trò phải đăng nhập bằng hai yếu tố; không có thì quyền của vai trò chưa có hiệu lực.",
        "Roles that need a second factor; without one their rights do not count.",
    )
    second_factor_again: Duration = field(
        duration("15 m"),
        "Việc vận hành có thể gây hại hỏi lại mã khi lần nhập trước đã quá chừng ấy.",
        "Acts of operation that can do harm ask for a code again after so long.",
        gt=_ZERO,
    )
    password_least: int = field(
        12,
        "Mật khẩu ngắn nhất, ký tự; không đòi chữ hoa, chữ số, ký hiệu.",
        "Shortest password, characters; no rules about kinds of characters.",
        ge=8,
        le=64,
    )
    password_memory: int = field(
        65_536,
        "Bộ nhớ cho một lần thử mật khẩu (argon2id), KiB.",
        "Memory of one guess at a password (argon2id), KiB.",
        ge=64,
        le=4_194_304,
    )
    free_failures: int = field(
        5,
        "Số lần sai liên tiếp của một tài khoản từ một nơi trước khi phải chờ.",
        "Failures in a row of one account from one place before it must wait.",
        ge=1,
        le=100,
    )
    longest_wait: Duration = field(
        duration("5 m"), "Thời gian chờ dài nhất giữa hai lần thử.", "Longest wait.", gt=_ZERO
    )
    address_burst: int = field(
        30,
        "Số lần sai từ một địa chỉ trước khi phải chờ, mọi tài khoản cộng lại.",
        "Failures from one address before it must wait, all accounts together.",
        ge=1,
        le=10_000,
    )
    address_per_minute: int = field(
        5,
        "Số lần thử mà một địa chỉ được trả lại mỗi phút.",
        "How many of them an address gets back a minute.",
        ge=1,
        le=10_000,
    )
    domains: tuple[MailDomain, ...] = field(
        (),
        "Tên miền thư công vụ được đăng nhập một lần (ACC-05).",
        "Mail domains whose accounts single sign-on may open (ACC-05).",
        sample='["danang.gov.vn"]',
    )
    oidc: SingleSignOn = field(REQUIRED, "Đăng nhập một lần.", "Single sign-on.")

    @model_validator(mode="before")
    @classmethod
    def _oidc_defaults(cls, value: Any) -> Any:
        """Read a sub-section that is not there like an empty one."""
        return {"oidc": {}, **value} if isinstance(value, Mapping) else value
