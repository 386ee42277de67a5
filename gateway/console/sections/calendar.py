"""Lịch làm việc: holidays, days made up, office hours; decided with their effect in sight."""

import functools
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any, Final

from gateway.console.pages import (
    BASE,
    Answer,
    Group,
    Nav,
    Page,
    Say,
    Section,
    See,
    Shown,
    Visit,
    Whose,
)
from gateway.domain.access import EVERYWHERE, Right
from gateway.domain.moments import VIETNAM
from gateway.domain.timetable import SessionsError, read_sessions, sessions_text
from gateway.errors import Reason, RejectedError
from gateway.ports.timetable import NewHours, Timekeeping

PATH: Final = "/calendar"
_YEARS: Final = range(2020, 2101)
_WEEK: Final = tuple(range(7))
DAYS: Final = (
    Say("Thứ Hai", "Monday"),
    Say("Thứ Ba", "Tuesday"),
    Say("Thứ Tư", "Wednesday"),
    Say("Thứ Năm", "Thursday"),
    Say("Thứ Sáu", "Friday"),
    Say("Thứ Bảy", "Saturday"),
    Say("Chủ nhật", "Sunday"),
)

Work = Callable[[Timekeeping, Visit], Awaitable[Answer]]

_ALL: Final = Right.CONFIGURE
_HOURS: Final = (Right.CONFIGURE, Right.OFFICE_HOURS)


def section(times: Timekeeping) -> Section:
    """Return the section."""

    def bound(work: Work) -> Callable[[Visit], Awaitable[Answer]]:
        return functools.partial(work, times)

    return Section(
        pages=(
            Page("GET", PATH, "calendar", bound(_show)),
            Page("POST", f"{PATH}/day", "calendar-day", bound(_day), _ALL, takes="form"),
            Page("POST", f"{PATH}/year", "calendar-year", bound(_year), _ALL, takes="form"),
            Page("POST", f"{PATH}/hours", "office-hours", bound(_hours), _HOURS, takes="form"),
            Page(
                "POST",
                f"{PATH}/hours/{{id}}",
                "office-hours-change",
                bound(_change_hours),
                _HOURS,
                takes="form",
                about=Whose.PROGRAM,
            ),
        ),
        nav=(Nav(PATH, "Lịch làm việc", "Working calendar", Group.DUTIES, order=10),),
    )


# ---------------------------------------------------------------- looking


async def _show(times: Timekeeping, visit: Visit) -> Answer:
    return await _page(times, visit)


async def _page(
    times: Timekeeping, visit: Visit, faults: dict[str, Say] | None = None, status: int = 200
) -> Shown:
    today = visit.now.astimezone(VIETNAM).date()
    year = _number(visit.query("year"), today.year)
    agency = visit.query("agency").upper() or visit.text("agency").upper()
    mine = sorted(a for a in visit.me.agencies(Right.OFFICE_HOURS, Right.READ) if a)
    agency = agency or (mine[0] if mine else "")
    hours = times.hours(agency)
    values: dict[str, Any] = {
        "view": await times.year(year),
        "agency": agency,
        "mine": mine,
        "now": _week(hours.period(today)),
        "now_confirmed": getattr(hours.period(today), "confirmed", False),
        "entries": await times.entries(agency) if agency else [],
        "general": await times.entries(EVERYWHERE),
        "may_hours": visit.me.may(Right.OFFICE_HOURS, agency),
        "may_configure": visit.me.may(Right.CONFIGURE),
        "tomorrow": today + timedelta(days=1),
        "today": today,
        "days": DAYS,
        "text": sessions_text,
        "faults": faults or {},
        "form": visit.form,
    }
    return Shown("calendar.html.j2", values, status=status)


def _week(period: Any) -> list[tuple[Say, str]]:
    sessions = {} if period is None else period.sessions
    return [(DAYS[day], sessions_text(sessions.get(day, ()))) for day in _WEEK]


# ---------------------------------------------------------------- deciding


async def _day(times: Timekeeping, visit: Visit) -> Answer:
    person = visit.must(Right.CONFIGURE)
    day, worked = _date(visit.text("day")), visit.text("kind") == "worked"
    if day is None or not visit.text("name"):
        fault = Say("Cần ngày và tên (hoặc lý do)", "A day and its name (or the reason) are needed")
        return await _page(times, visit, {"day": fault}, 422)
    if visit.text("sure") != "1":
        found = await times.effect_of_day(day, worked=worked, agency=EVERYWHERE)
        return _effect(visit, found, f"{PATH}/day", ("day", "kind", "name", "source"))
    name, source = visit.text("name"), visit.text("source")
    await times.decide_day(person, day, worked=worked, name=name, source=source)
    return See(f"{BASE}{PATH}?year={day.year}", Say("Đã ghi ngày", "The day is recorded"))


async def _year(times: Timekeeping, visit: Visit) -> Answer:
    person = visit.must(Right.CONFIGURE)
    year = _number(visit.text("year"), 0)
    await times.confirm_year(person, year)
    told = Say(f"Đã xác nhận ngày nghỉ năm {year}", f"The holidays of {year} are confirmed")
    return See(f"{BASE}{PATH}?year={year}", told)


async def _hours(times: Timekeeping, visit: Visit) -> Answer:
    agency = visit.text("agency").upper()
    person = visit.must(Right.OFFICE_HOURS if agency else Right.CONFIGURE, agency)
    new, faults = _read_hours(visit, agency)
    if new is None:
        return await _page(times, visit, faults, 422)
    if visit.text("sure") != "1":
        found = await times.effect_of_hours(new)
        kept = ("agency", "valid_from", "valid_to", "source", *(f"d{day}" for day in _WEEK))
        return _effect(visit, found, f"{PATH}/hours", kept)
    await times.enter_hours(person, new)
    told = Say("Đã ghi giờ làm việc mới", "The new office hours are recorded")
    return See(f"{BASE}{PATH}?agency={agency}", told)


async def _change_hours(times: Timekeeping, visit: Visit) -> Answer:
    agency = visit.text("agency").upper()
    person = visit.must(Right.OFFICE_HOURS if agency else Right.CONFIGURE, agency)
    entry_id = visit.request.match_info["id"]
    if entry_id not in {entry.id for entry in await times.entries(agency)}:
        raise RejectedError(Reason.NOT_FOUND)
    if visit.text("act") == "confirm":
        await times.confirm_hours(person, entry_id)
        told = Say("Đã xác nhận giờ làm việc", "The office hours are confirmed")
    else:
        await times.end_hours(person, entry_id)
        told = Say("Đã bỏ giờ làm việc này", "These office hours are taken back")
    return See(f"{BASE}{PATH}?agency={agency}", told)


def _effect(visit: Visit, found: Any, target: str, kept: tuple[str, ...]) -> Shown:
    fields = [(name, visit.text(name)) for name in kept]
    values = {"effects": found, "target": target, "fields": fields, "text": sessions_text}
    return Shown("calendar-effect.html.j2", values)


# ---------------------------------------------------------------- reading forms


def _read_hours(visit: Visit, agency: str) -> tuple[NewHours | None, dict[str, Say]]:
    faults: dict[str, Say] = {}
    week = {}
    for day in _WEEK:
        if text := visit.text(f"d{day}"):
            try:
                week[day] = read_sessions(text)
            except SessionsError as exc:
                faults[f"d{day}"] = Say(
                    f"Không đọc được “{exc}”: viết như 07:30-11:30, 13:30-17:00",
                    f"“{exc}” cannot be read: write 07:30-11:30, 13:30-17:00",
                )
    first, last = _date(visit.text("valid_from")), _date(visit.text("valid_to"))
    if first is None:
        faults["valid_from"] = Say("Cần ngày bắt đầu áp dụng", "The first day is needed")
    if visit.text("valid_to") and last is None:
        faults["valid_to"] = Say("Ngày không đúng", "This is no day")
    if not week and not faults:
        faults["d0"] = Say("Cần ít nhất một buổi làm việc", "At least one session is needed")
    if faults or first is None:
        return None, faults
    return NewHours(agency, week, first, last, visit.text("source")), {}


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _number(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and int(text) in _YEARS else default
