"""Settings of what is kept: blobs, and the backups of everything. Pure values."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gateway.config.base import Section, duration, field
from gateway.config.kinds import (
    Duration,
    Endpoint,
    FolderInData,
    ReadableFile,
    SecretFile,
    resolved,
)

_S3: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?")


def _bucket_url(value: str) -> str:
    if not _S3.fullmatch(value) or "/../" in f"{value}/" or "/./" in f"{value}/":
        raise PydanticCustomError("bucket_url", "not a bucket address")
    return value.rstrip("/")


TargetFolder = Annotated[Path, AfterValidator(resolved)]
BucketUrl = Annotated[str, AfterValidator(_bucket_url)]


class Blobs(Section):
    """Kho tệp, đặt tên theo nội dung. / Files, named by content."""

    dir: FolderInData = field(
        Path("blobs"),
        "Thư mục kho tệp; khi có url thì chỉ là nơi làm việc tạm. Đường dẫn tương đối tính từ thư "
        "mục dữ liệu.",
        "Folder of the blobs; with url only a place for working files. A relative path starts at "
        "the data folder.",
    )
    shared: bool = field(
        default=False,
        vi="Thư mục kho tệp được nhiều máy dùng chung (NFSv4): không dùng SQLite trong đó.",
        en="The folder is shared by several machines (NFSv4): no SQLite is used in it.",
    )
    url: BucketUrl | None = field(
        None,
        "Kho đối tượng tương thích S3, thay cho thư mục: s3://bucket/tiền-tố.",
        "An S3-compatible object store instead of the folder: s3://bucket/prefix.",
        sample='"s3://vanlien/blobs"',
    )
    endpoint: Endpoint | None = field(
        None,
        "Địa chỉ của kho đối tượng; không có thì theo vùng.",
        "Address of the object store; without, the one of the region.",
        sample='"https://s3.example.vn"',
    )
    region: str = field(
        "us-east-1", "Vùng của kho đối tượng.", "Region of the object store.", min_length=1
    )
    access_key_file: SecretFile | None = field(
        None,
        "Tệp chứa tên khóa truy cập kho đối tượng.",
        "File with the name of the access key.",
        sample='"keys/s3-access.key"',
    )
    secret_key_file: SecretFile | None = field(
        None,
        "Tệp chứa khóa bí mật của kho đối tượng.",
        "File with the secret key.",
        sample='"keys/s3-secret.key"',
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA riêng của kho đối tượng (PEM).",
        "Certificate of the object store's own authority (PEM).",
        sample='"keys/s3-ca.pem"',
    )
    allow_http: bool = field(
        default=False,
        vi="Cho phép kho đối tượng không mã hóa; chỉ trên chính máy này.",
        en="Allow an object store without TLS; only on this very machine.",
    )
    timeout: Duration = field(
        duration("30 s"),
        "Chờ kho đối tượng lâu nhất một lần trả lời.",
        "Longest wait for one answer of the object store.",
        ge=duration("1 s"),
        le=timedelta(minutes=2),
    )


class Backup(Section):
    """Sao lưu định kỳ (S004 Điều 10.2). / Scheduled backups (S004 art 10.2)."""

    to: tuple[TargetFolder, ...] = field(
        (),
        "Các thư mục đích, nên ở hai nơi khác máy này; phải có sẵn (đĩa chưa gắn thì báo lỗi).",
        "Target folders, best two away from this machine; each must exist (an unmounted disk "
        "is an error).",
        sample='["/mnt/sao-luu-1", "/mnt/sao-luu-2"]',
    )
    every: Duration = field(
        duration("7 d"),
        "Chu kỳ tự sao lưu khi có đích (S004: ít nhất hằng tuần).",
        "How often one is made by itself when there is a target (S004: at least weekly).",
        ge=duration("10 m"),
    )
    warn_after: Duration = field(
        duration("7 d"),
        "Cảnh báo khi bản sao lưu tốt gần nhất cũ hơn mức này.",
        "Alarm when the last good backup is older than this.",
        ge=duration("1 h"),
    )
    keep: int = field(
        4,
        "Số bản giữ lại ở mỗi đích; bản tốt cuối cùng không bao giờ bị xóa.",
        "Backups kept in each target; the last good one is never deleted.",
        ge=1,
        le=1000,
    )
