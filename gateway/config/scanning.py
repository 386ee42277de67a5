"""Settings of the malware scan. Pure values."""

import re
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from gateway.config.base import Section, duration, field
from gateway.config.kinds import Duration, Size, parse_size

_ZERO: Final = timedelta(0)
_TCP: Final = re.compile(r"tcp:([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})")


def _address(value: str) -> str:
    found = _TCP.fullmatch(value)
    if value.startswith("unix:/") or (found and 0 < int(found[2]) < 65536):
        return value
    raise PydanticCustomError("clamd_address", "not an address of clamd")


ClamdAddress = Annotated[str, AfterValidator(_address)]


class Scan(Section):
    """Quét mã độc bằng ClamAV (FMT-14). / Malware scan with ClamAV (FMT-14)."""

    mode: Literal["off", "best-effort", "required"] = field(
        "off",
        "off: không quét; best-effort: tệp chưa quét được vẫn qua, kèm cảnh báo; required: chưa "
        "quét thì không gửi đi và không chuyển cho đơn vị.",
        "off: nothing is scanned; best-effort: what could not be scanned passes with a warning; "
        "required: nothing is sent or offered before it is scanned.",
    )
    clamd: ClamdAddress = field(
        "unix:/run/clamav/clamd.ctl",
        "Nơi clamd lắng nghe: unix:/đường/dẫn hoặc tcp:máy:cổng (chỉ trên máy này: clamd không mã "
        "hóa).",
        "Where clamd listens: unix:/path or tcp:host:port (this machine only: clamd has no "
        "encryption).",
    )
    max_bytes: Size = field(
        parse_size("100 MiB"),
        "Tệp lớn nhất đưa cho clamd, đặt bằng StreamMaxLength của nó; lớn hơn là chưa quét.",
        "Largest file given to clamd; set it to its StreamMaxLength. Larger ones are not scanned.",
        ge=1024,
    )
    timeout: Duration = field(
        duration("60 s"), "Thời gian quét tối đa một tệp.", "Longest scan of one file.", gt=_ZERO
    )
    max_age: Duration = field(
        duration("3 d"),
        "Cảnh báo khi bộ mẫu mã độc cũ hơn mức này.",
        "Signatures older than this are warned about.",
        gt=_ZERO,
    )
    connections: int = field(4, "Số tệp quét đồng thời.", "Files scanned at once.", ge=1, le=64)
