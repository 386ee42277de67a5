"""Values as people read them: moments, ages, sizes, a stranger's words. Pure."""

from datetime import datetime, timedelta
from typing import Final

from gateway.reports.advice import Words
from gateway.trust.notes import clean
from gateway.trust.report import VIETNAM

MAX_NAME: Final = 120
MAX_LINE: Final = 300
_UNITS: Final = ((86400, "ngày", "day"), (3600, "giờ", "hour"), (60, "phút", "minute"))


def stranger(text: object, most: int = MAX_NAME) -> str:
    """Return words of a file or certificate: one line, no control or direction marks, cut."""
    # A stranger may write megabytes: only what could be shown is looked at.
    return clean(str(text)[: 16 * most], most)


def moment(at: datetime | None) -> str:
    """Return a time as a clerk reads it, Vietnam time, or "" for none."""
    return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S +07:00") if at else ""


def day(at: datetime) -> str:
    """Return a date as a clerk reads it, Vietnam time."""
    return at.astimezone(VIETNAM).strftime("%d/%m/%Y")


def span(length: timedelta) -> Words:
    """Return a length of time in its largest whole unit."""
    seconds = int(abs(length).total_seconds())
    for size, vi, en in _UNITS:
        if seconds >= size:
            count = seconds // size
            return Words(f"{count} {vi}", f"{count} {en}{'s' if count > 1 else ''}")
    return Words("dưới một phút", "under a minute")


def size(size_bytes: int) -> Words:
    """Return a size in bytes, and in a unit people feel."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size_bytes >= step:
            vi = f"{size_bytes / step:.1f}".replace(".", ",")
            return Words(f"{vi} {unit}", f"{size_bytes / step:.1f} {unit}")
    return Words(f"{size_bytes} byte", f"{size_bytes} bytes")


def both(text: str) -> Words:
    """Return the same text in both languages."""
    return Words(text, text)
