"""Settings of verification reports and of the seal on printed ones. Pure values."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import model_validator

from gateway.config.base import REQUIRED, Section, duration, field
from gateway.config.kinds import Duration, Endpoint, ReadableFile, SecretFile, Size, parse_size

_ZERO: Final = timedelta(0)


class ReportSeal(Section):
    """Niêm phong báo cáo PDF bằng chứng thư của cổng. / The seal of printed (PDF) reports."""

    key_file: SecretFile | None = field(
        None,
        "Khóa riêng PEM, hoặc PKCS#12 có cả chứng thư; không có thì báo cáo PDF không niêm phong.",
        "PEM private key, or PKCS#12 with its certificate; PDF reports are not sealed without.",
        sample='"keys/seal.key"',
    )
    certificate_file: ReadableFile | None = field(
        None,
        "Chứng thư của cổng (PEM), kèm chứng thư nơi cấp nếu có; PKCS#12 thì bỏ trống.",
        "The gateway's certificate (PEM), its authorities after it; none for PKCS#12.",
        sample='"keys/seal.pem"',
    )
    password_file: SecretFile | None = field(
        None,
        "Tệp một dòng: mật khẩu của khóa.",
        "File with the key's password, one line.",
        sample='"keys/seal.password"',
    )
    tsa_url: Endpoint | None = field(
        None,
        "Máy chủ cấp dấu thời gian (RFC 3161); không có thì báo cáo chưa đóng dấu thời gian.",
        "Time-stamp authority (RFC 3161); reports carry no time-stamp without.",
        sample='"http://tsa.ca.gov.vn"',
    )
    tsa_proxy: Endpoint | None = field(
        None,
        "Proxy HTTP để đến máy chủ cấp dấu thời gian.",
        "HTTP forward proxy to the time-stamp authority.",
        sample='"http://10.1.2.4:3128"',
    )
    tsa_timeout: Duration = field(
        duration("5 s"),
        "Chờ dấu thời gian tối đa; quá hạn thì báo cáo được đóng dấu thời gian sau.",
        "Longest wait for a time-stamp; over it, the report is stamped later.",
        gt=_ZERO,
    )
    max_proof_bytes: Size = field(
        parse_size("1 MiB"),
        "CRL và trả lời OCSP nhúng vào báo cáo nhiều nhất bấy nhiêu.",
        "Most bytes of lists and OCSP answers put into a report.",
        ge=1024,
    )
    keep: Duration = field(
        duration("30 d"),
        "Giữ báo cáo đã niêm phong đủ bao lâu; cần lại thì lập và niêm phong mới.",
        "How long complete sealed reports are kept; made and sealed anew when asked for later.",
        ge=_ZERO,
    )


class Reports(Section):
    """Báo cáo kiểm tra chữ ký số. / Verification reports."""

    technician_name: str = field(
        "",
        "Tên cán bộ kỹ thuật ghi trong báo cáo khi cần hỗ trợ.",
        "Name of the technician, where a report says whom to call.",
        sample='"Nguyễn Văn B"',
        max_length=80,
    )
    technician_phone: str = field(
        "",
        "Điện thoại của cán bộ kỹ thuật.",
        "Telephone of the technician.",
        sample='"0205 3812 345"',
        max_length=40,
    )
    seal: ReportSeal = field(REQUIRED, "Niêm phong.", "The seal.")

    @model_validator(mode="before")
    @classmethod
    def _seal_defaults(cls, value: Any) -> Any:
        """Read a sub-section that is not there like an empty one."""
        return {"seal": {}, **value} if isinstance(value, Mapping) else value
