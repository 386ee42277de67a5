"""Strict reading of a small TOML file: every fault is told at once, with its place.

Promises: a key nobody knows is a fault, not a silence; a value of another kind is a fault; a date
means the day in Vietnam, and an instant without a zone is refused. Pure.
"""

import tomllib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from typing import Any

from gateway.trust.policy import TrustFault
from gateway.trust.report import VIETNAM

_TEXT_LIMIT = 300


class Faults:
    """Collects what is wrong with one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.found: list[TrustFault] = []

    def add(self, where: str, vi: str, en: str) -> None:
        """Note a fault at a place of the file."""
        place = f"{where}: " if where else ""
        self.found.append(TrustFault(self.file, f"{place}{vi}", f"{place}{en}"))


def parse(data: bytes, faults: Faults) -> "Table | None":
    """Return the file's top table, None (and a fault) when it is no TOML."""
    try:
        content = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        faults.add("", "không phải văn bản UTF-8.", "not UTF-8 text.")
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        faults.add("", f"sai cú pháp TOML: {exc}.", f"not TOML: {exc}.")
    else:
        return Table(content, "", faults)
    return None


class Table:
    """One table of the file; keys are taken out one by one, what is left is unknown."""

    def __init__(self, content: dict[str, Any], where: str, faults: Faults) -> None:
        self._content = dict(content)
        self.where = where
        self._faults = faults

    def place(self, key: str) -> str:
        """Return the path of a key."""
        return f"{self.where}.{key}" if self.where else key

    def fault(self, key: str, vi: str, en: str) -> None:
        """Note a fault at a key."""
        self._faults.add(self.place(key) if key else self.where, vi, en)

    def end(self) -> None:
        """Say that all known keys were taken."""
        for key in self._content:
            self.fault(key, "không có mục này; xóa hoặc sửa tên.", "no such key; remove or rename.")
        self._content.clear()

    def has(self, key: str) -> bool:
        """Tell whether a key is (still) there."""
        return key in self._content

    # ------------------------------------------------------------ values

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text; without a default it is required."""
        value = self._checked(
            key,
            default,
            lambda v: (
                isinstance(v, str)
                and len(v) <= _TEXT_LIMIT
                and (default is not None or bool(v.strip()))
            ),
            ("phải là một đoạn chữ ngắn.", "must be a short text."),
        )
        return "" if value is None else str(value)

    def choice(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """Take one of some words."""
        words = ", ".join(sorted(allowed))
        value = self._checked(
            key,
            default,
            lambda v: isinstance(v, str) and v in allowed,
            (f"phải là một trong: {words}.", f"must be one of: {words}."),
        )
        return (default or min(allowed)) if value is None else str(value)

    def words(
        self, key: str, allowed: Collection[str], default: tuple[str, ...] | None
    ) -> tuple[str, ...]:
        """Take one or several words; of some, or of any when none are named."""
        known = f": {', '.join(sorted(allowed))}." if allowed else "."
        value = self._checked(
            key,
            None if default is None else list(default),
            lambda v: _are_words([v] if isinstance(v, str) else v, allowed),
            (f"phải là một hoặc nhiều chữ{known}", f"must be one or several words{known}"),
        )
        if value is None:
            return default or ()
        return tuple(dict.fromkeys([value] if isinstance(value, str) else value))

    def integer(self, key: str, least: int, default: int | None = None) -> int:
        """Take a whole number that is not less than `least`."""
        value = self._checked(
            key,
            default,
            lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least,
            (f"phải là số nguyên, ít nhất {least}.", f"must be a number, at least {least}."),
        )
        return least if value is None else int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._checked(
            key,
            default,
            lambda v: isinstance(v, bool),
            ("phải là true hoặc false.", "must be true or false."),
        )
        return default if value is None else bool(value)

    def day(self, key: str) -> date:
        """Take a day; required."""
        value = self._checked(
            key,
            None,
            lambda v: isinstance(v, date) and not isinstance(v, datetime),
            ("phải là ngày, như 2026-11-22.", "must be a day, like 2026-11-22."),
        )
        return value if isinstance(value, date) else date.min

    def since(self, key: str) -> datetime | None:
        """Take the first instant of a window; a day begins at its midnight in Vietnam."""
        return self._instant(key, days=0)

    def until(self, key: str) -> datetime | None:
        """Take the first instant after a window; a day counts to its end in Vietnam."""
        return self._instant(key, days=1)

    def _instant(self, key: str, *, days: int) -> datetime | None:
        value = self._content.pop(key, None)
        if value is None:
            return None
        if isinstance(value, datetime):
            if value.tzinfo is not None:
                return value
        elif isinstance(value, date):
            with suppress(OverflowError):
                return datetime.combine(value + timedelta(days=days), time(), VIETNAM)
        self.fault(
            key,
            "phải là ngày (2026-11-22) hoặc thời điểm có múi giờ (2026-11-22T08:00:00+07:00).",
            "must be a day (2026-11-22) or an instant with its zone (2026-11-22T08:00:00+07:00).",
        )
        return None

    # ------------------------------------------------------------ tables

    def table(self, key: str) -> "Table":
        """Take a table; an absent one is empty."""
        value = self._content.pop(key, {})
        if not isinstance(value, dict):
            self.fault(key, f"phải là một bảng [{key}].", f"must be a table [{key}].")
            value = {}
        return Table(value, self.place(key), self._faults)

    def tables(self, key: str) -> Iterator["Table"]:
        """Take all tables of an array, each with its number in its place."""
        value = self._content.pop(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            self.fault(key, f"phải là các bảng [[{key}]].", f"must be tables [[{key}]].")
            value = []
        for number, content in enumerate(value, 1):
            yield Table(content, f"{self.place(key)}[{number}]", self._faults)

    def _checked(
        self, key: str, default: Any, good: Callable[[Any], bool], wrong: tuple[str, str]
    ) -> Any:
        """Take a value that is good; None, and one fault, when it is missing or not."""
        value = self._content.pop(key, default)
        if value is None:
            self.fault(key, "thiếu; phải có.", "is missing; it is required.")
            return None
        if not good(value):
            self.fault(key, *wrong)
            return None
        return value


def _are_words(value: Any, allowed: Collection[str]) -> bool:
    return isinstance(value, list) and all(
        isinstance(v, str) and bool(v) and (not allowed or v in allowed) for v in value
    )
