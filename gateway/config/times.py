"""Working time and holidays as settings: [times] and [[times.office_hours]]. Pure values."""

from datetime import date, time
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from gateway.config.base import Section, field
from gateway.config.kinds import Code


def _sessions(value: tuple[tuple[time, time], ...]) -> tuple[tuple[time, time], ...]:
    flat = [moment for session in value for moment in session]
    if any(early >= late for early, late in pairwise(flat)):
        raise PydanticCustomError("sessions", "not in order")
    return value


class OfficeHours(Section):
    """Giờ hành chính (TIM-04). / Office hours (TIM-04)."""

    agency: Code | None = field(
        None, "Cơ quan áp dụng; bỏ trống: tất cả.", "Agency; empty: all.", sample='"H37.02"'
    )
    valid_from: date | None = field(None, "Từ ngày.", "First day.", sample="2026-04-15")
    valid_to: date | None = field(None, "Đến hết ngày.", "Last day.", sample="2026-10-15")
    working_days: tuple[Annotated[int, Field(ge=1, le=7)], ...] = field(
        (1, 2, 3, 4, 5), "Ngày làm việc, 1 là thứ Hai.", "Working days, 1 is Monday.", min_length=1
    )
    sessions: Annotated[tuple[tuple[time, time], ...], AfterValidator(_sessions)] = field(
        ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0))),
        "Các buổi làm việc, giờ Việt Nam.",
        "Sessions, Vietnam time.",
        min_length=1,
    )
    confirmed: bool = field(
        False,
        "Đã được cơ quan xác nhận; nếu không, giờ nhận mang dấu «chưa xác nhận».",
        "Confirmed by the agency; if not, receive times carry «chưa xác nhận».",
    )


class Times(Section):
    """Giờ làm việc và ngày nghỉ. / Working time and holidays."""

    lunch_counts_as_out: bool = field(
        True,
        "Nghỉ trưa tính là ngoài giờ (TIM-03).",
        "The lunch break counts as out of hours (TIM-03).",
    )
    holidays: tuple[date, ...] = field(
        (),
        "Ngày nghỉ thêm, ngoài ngày lễ của Bộ luật Lao động (TIM-05).",
        "Days off besides the public holidays of the Labour Code (TIM-05).",
        sample="[2026-01-02]",
    )
    extra_working_days: tuple[date, ...] = field(
        (),
        "Ngày làm bù (TIM-06).",
        "Days made working days (TIM-06).",
        sample="[2026-01-10]",
    )
    office_hours: tuple[OfficeHours, ...] = Field(
        (OfficeHours(),),
        description="Office hours; the most particular row that applies wins.",
        json_schema_extra={"vi": "Giờ hành chính; dòng cụ thể nhất được dùng.", "sample": ""},
        min_length=1,
    )
