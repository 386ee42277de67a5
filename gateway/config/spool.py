"""Settings of a folder as a door, [[spool]]. Pure values."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator

from gateway.config.base import REQUIRED, Section, duration, field
from gateway.config.kinds import Duration, resolved

_ZERO: Final = timedelta(0)

# Not looked at before it is used: a share that is not mounted yet must not keep a gateway down.
LaterFolder = Annotated[Path, AfterValidator(resolved)]


class Spool(Section):
    """Thư mục thả tệp cho phần mềm không có API. / A folder as a door, for software with no API."""

    folder: LaterFolder = field(
        REQUIRED,
        "Thư mục, tạo bằng vanlien spool init.",
        "The folder, made by vanlien spool init.",
        sample='"/srv/lien-thong/qlvb-cu"',
    )
    system: str = field(
        REQUIRED,
        "Hệ thống mà thư mục này làm thay (vanlien system add).",
        "System the folder acts for (vanlien system add).",
        sample='"qlvb-cu"',
        min_length=1,
    )
    poll: Duration = field(
        duration("2 s"), "Chu kỳ nhìn thư mục.", "How often to look.", ge=duration("100 ms")
    )
    settle: Duration = field(
        duration("2 s"),
        "Tệp phải nằm yên bao lâu mới được đọc, cho phần mềm ghi thẳng vào out/new; phần mềm luôn "
        "đổi tên từ out/tmp thì đặt 0 s.",
        "How long a file must lie still before it is read, for software that writes into out/new "
        "directly; 0 s for software that always renames from out/tmp.",
        ge=_ZERO,
    )
    patience: Duration = field(
        duration("10 m"),
        "Tệp chưa dùng được (thiếu tệp mô tả, là liên kết…) được chờ bao lâu trước khi bị từ chối.",
        "How long what cannot be taken as it is (no small file beside it, a link…) is waited for "
        "before it is refused.",
        ge=_ZERO,
    )
    scans: bool = field(
        True,
        "Nhận một tệp quét đã ký, kèm tệp mô tả JSON, INI hoặc CSV cùng tên (FMT-12).",
        "Take one scanned, signed file with a small JSON, INI or CSV beside it (FMT-12).",
    )
