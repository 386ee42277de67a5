"""Dates and moments of the packet: strict out, every form partners write in. Pure.

TIM-02: on the wire a date is `yyyy/MM/dd` and a moment `yyyy/MM/dd HH:mm:ss`, Vietnamese time
without a zone; nothing without one goes further than here. Other forms are told apart by the
position of the four-digit group.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Final, NamedTuple

LOCAL: Final = timezone(timedelta(hours=7))

_STRICT_DATE: Final = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}\Z")
_STRICT_MOMENT: Final = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\Z")
_CLOCK = (
    r"(?:[T ]+(?P<h>[0-9]{1,2}):(?P<mi>[0-9]{2})(?::(?P<s>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
    r"\s*(?P<z>Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_YEAR_FIRST: Final = re.compile(
    r"(?P<y>[0-9]{4})(?P<sep>[/.-])(?P<m>[0-9]{1,2})(?P=sep)(?P<d>[0-9]{1,2})" + _CLOCK + r"\Z"
)
_YEAR_LAST: Final = re.compile(
    r"(?P<d>[0-9]{1,2})(?P<sep>[/.-])(?P<m>[0-9]{1,2})(?P=sep)(?P<y>[0-9]{4})" + _CLOCK + r"\Z"
)
_EPOCH_MS: Final = re.compile(r"-?[0-9]{11,13}\Z")


class Reading(NamedTuple):
    """A value read and the repair it took: code of `repairs`, "" when it was strict."""

    value: datetime | None
    has_time: bool
    repair: str


def format_date(value: date) -> str:
    """Return `yyyy/MM/dd`."""
    return f"{value.year:04d}/{value.month:02d}/{value.day:02d}"


def format_moment(value: datetime) -> str:
    """Return `yyyy/MM/dd HH:mm:ss` in local time; `value` is aware."""
    at = value.astimezone(LOCAL)
    return f"{format_date(at)} {at.hour:02d}:{at.minute:02d}:{at.second:02d}"


def read_date(text: str) -> tuple[date | None, str]:
    """Return the date and the repair code ("" when strict, `date-unreadable` with None)."""
    if _STRICT_DATE.match(text):
        try:
            return date(int(text[:4]), int(text[5:7]), int(text[8:])), ""
        except ValueError:
            return None, "date-unreadable"
    reading = _read(text.strip())
    if reading.value is None:
        return None, "date-unreadable"
    code = reading.repair
    if code == "date-form" and reading.has_time:
        code = "date-with-time"
    return reading.value.date(), code


def read_moment(text: str) -> tuple[datetime | None, str]:
    """Return the aware local moment and the repair code, `time-missing` when only a date."""
    found, code = _moment(text)
    try:
        if found is not None:
            found.astimezone(UTC)
    except OverflowError:
        # `0001/01/01 00:00:00`, some programs' word for "never": there is no such time in UTC.
        return None, "date-unreadable"
    return found, code


def _moment(text: str) -> tuple[datetime | None, str]:
    if _STRICT_MOMENT.match(text):
        try:
            return (
                datetime(
                    int(text[:4]),
                    int(text[5:7]),
                    int(text[8:10]),
                    int(text[11:13]),
                    int(text[14:16]),
                    int(text[17:]),
                    tzinfo=LOCAL,
                ),
                "",
            )
        except ValueError:
            return None, "date-unreadable"
    reading = _read(text.strip())
    if reading.value is None:
        return None, "date-unreadable"
    code = reading.repair
    if not reading.has_time:
        code = "time-missing"
    elif code == "date-form":
        code = "time-form"
    return reading.value.replace(microsecond=0), code


def _read(text: str) -> Reading:
    if _EPOCH_MS.match(text):
        return _epoch(int(text))
    if match := _YEAR_FIRST.match(text):
        iso = match["sep"] == "-" or match["z"] or "T" in text
        return _built(match, "date-iso" if iso else "date-form")
    if match := _YEAR_LAST.match(text):
        return _built(match, "date-dmy")
    return Reading(None, has_time=False, repair="date-unreadable")


def _epoch(milliseconds: int) -> Reading:
    try:
        value = datetime.fromtimestamp(milliseconds / 1000, tz=LOCAL)
    except (ValueError, OverflowError, OSError):
        return Reading(None, has_time=False, repair="date-unreadable")
    return Reading(value, has_time=True, repair="date-epoch")


def _built(match: re.Match[str], code: str) -> Reading:
    try:
        value = datetime.combine(
            date(int(match["y"]), int(match["m"]), int(match["d"])),
            time(int(match["h"] or 0), int(match["mi"] or 0), int(match["s"] or 0)),
            tzinfo=_zone(match["z"]),
        ).astimezone(LOCAL)
    except (ValueError, OverflowError):
        return Reading(None, has_time=False, repair="date-unreadable")
    return Reading(value, has_time=match["h"] is not None, repair=code)


def _zone(text: str | None) -> timezone:
    if not text:
        return LOCAL
    if text == "Z":
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)
