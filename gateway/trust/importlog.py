"""The import log: who put which authority into the trust folder, or took it out, when and why.

Promises: one JSON object a line, each with the hash of the line before it, so that a changed,
dropped, swapped or inserted line is found by its number; the trust list names the last line, so
that the last one cannot be changed or cut off either. Pure: bytes in, values out.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from gateway.trust.policy import TrustFault, TrustList
from gateway.trust.trustlist import body_sha256

LOG_FILE: Final = "import-log.jsonl"
NOTHING: Final = "0" * 64
ACTIONS: Final = ("import", "change", "remove", "record")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One change of the trust folder (một lần thay đổi).

    Args:
        number: From 1.
        at: When, ISO 8601 with its zone.
        by: Who.
        action: `import`, `change`, `remove`, or `record` for a list changed by hand.
        reason: Why.
        certificates: `{sha256, name, class, confirmed}` of each certificate concerned.
        list_version: Of the list this made, "" when there is none.
        list_sha256: Of that list, its own `log` line left out; "" when there is none.
        previous: SHA-256 of the line before, zeros for the first.
    """

    number: int
    at: str
    by: str
    action: str
    reason: str
    certificates: tuple[dict[str, Any], ...]
    list_version: str
    list_sha256: str
    previous: str

    def line(self) -> bytes:
        """Return the entry's line, without its end."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()


def digest(line: bytes) -> str:
    """Return the hash the next line carries."""
    return hashlib.sha256(line).hexdigest()


def whole_lines(data: bytes) -> tuple[bytes, ...]:
    """Return the lines of a log; one that a crash cut off is none."""
    return tuple(data.split(b"\n")[:-1])


def read_log(data: bytes) -> tuple[tuple[LogEntry, ...], tuple[TrustFault, ...]]:
    """Return the entries that can be read, and every break of the chain by its line's number."""
    entries: list[LogEntry] = []
    faults: list[TrustFault] = []
    previous = NOTHING
    for number, line in enumerate(whole_lines(data), 1):
        entry = _entry(line)
        if entry is None:
            faults.append(_fault(number, "không đọc được", "cannot be read"))
        else:
            entries.append(entry)
            if entry.previous != previous:
                faults.append(
                    _fault(
                        number,
                        "không nối với dòng trước: có dòng bị sửa, xóa, đổi chỗ hoặc chèn thêm",
                        "does not follow the line before: one was changed, dropped or inserted",
                    )
                )
            elif entry.number != number:
                faults.append(_fault(number, "mang số khác", "carries another number"))
        previous = digest(line)
    return tuple(entries), tuple(faults)


def compare(data: bytes, trust_list: TrustList, list_data: bytes | None) -> tuple[TrustFault, ...]:
    """Return how the log and the list beside it disagree.

    Args:
        data: The log.
        trust_list: The list as read.
        list_data: Its file, None when there is none.
    """
    lines = whole_lines(data)
    if list_data is None:
        return ()
    if not trust_list.log:
        return () if not lines else (_unlinked(),)
    heads = [digest(line) for line in lines]
    if trust_list.log not in heads:
        return (
            _fault(
                len(lines),
                "không phải dòng mà danh sách tin cậy ghi nhận: nhật ký bị sửa hoặc cắt",
                "is not the line the trust list names: the log was changed or cut",
            ),
        )
    position = heads.index(trust_list.log)
    if position + 1 < len(lines):
        return (
            _fault(
                position + 2,
                "ghi một thay đổi chưa làm xong; chạy lại lệnh đó",
                "tells of a change that was not finished; repeat that command",
            ),
        )
    entry = _entry(lines[position])
    if entry is not None and entry.list_sha256 != body_sha256(list_data):
        return (_by_hand(),)
    return ()


def _entry(line: bytes) -> LogEntry | None:
    try:
        content = json.loads(line)
        content["certificates"] = tuple(content["certificates"])
        entry = LogEntry(**content)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    texts: tuple[Any, ...] = (entry.at, entry.by, entry.action, entry.reason, entry.previous)
    if not all(isinstance(t, str) for t in (*texts, entry.list_sha256, entry.list_version)):
        return None
    return entry if all(isinstance(c, dict) for c in content["certificates"]) else None


def _fault(number: int, vi: str, en: str) -> TrustFault:
    return TrustFault(LOG_FILE, f"Dòng {number} {vi}.", f"Line {number} {en}.")


def _unlinked() -> TrustFault:
    return TrustFault(
        LOG_FILE,
        "Danh sách tin cậy không ghi nhận nhật ký này; xem lại rồi: vanlien trust record.",
        "The trust list does not name this log; look at it, then: vanlien trust record.",
    )


def _by_hand() -> TrustFault:
    return TrustFault(
        LOG_FILE,
        "Danh sách tin cậy đã được sửa tay sau dòng cuối; nếu đúng: vanlien trust record --reason.",
        "The trust list was changed by hand since the last line; if rightly so: vanlien trust "
        "record --reason.",
    )


def as_facts(entries: Sequence[LogEntry]) -> list[dict[str, Any]]:
    """Return entries as JSON-ready objects."""
    return [asdict(e) for e in entries]
