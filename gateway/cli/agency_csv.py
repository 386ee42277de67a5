"""Read a catalogue of agencies from CSV: whole, strictly, every fault with its line. Reads only."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from gateway.domain.identifiers import registration_findings
from gateway.ports import AgencyRecord

COLUMNS: Final = tuple(field.name for field in fields(AgencyRecord))
_REQUIRED: Final = ("code", "name")
_TRUE: Final = frozenset({"1", "true", "yes", "x", "có"})
_FALSE: Final = frozenset({"", "0", "false", "no", "không"})
_MAX_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class CsvFault:
    """One fault: line of the file (1 is the header), Vietnamese, English."""

    line: int
    vi: str
    en: str


def read_csv(path: Path, peers: frozenset[str]) -> tuple[list[AgencyRecord], list[CsvFault]]:
    """Return the agencies of a file, and every fault in it.

    Args:
        path: CSV with a header of `AgencyRecord`'s names (code and name at least); comma or
            semicolon; UTF-8, with or without mark; aliases are separated by blanks.
        peers: Known peers, for the column `connected`.
    """
    try:
        data = path.read_bytes()
        if len(data) > _MAX_BYTES:
            return [], [CsvFault(1, "tệp quá lớn (64 MiB)", "the file is too large (64 MiB)")]
        text = data.decode("utf-8-sig")
    except OSError as exc:
        return [], [CsvFault(1, f"không đọc được: {exc.strerror}", f"unreadable: {exc.strerror}")]
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        return [], [CsvFault(line, "không phải UTF-8", "is not UTF-8")]
    return _rows(text, peers)


def record_faults(record: AgencyRecord, peers: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an agency, Vietnamese and English."""
    for code in filter(None, (record.code, record.legacy_code, record.parent, record.successor)):
        for finding in registration_findings(code):
            yield finding.vi, finding.en
    if not record.code:
        yield "thiếu mã (code)", "the code is missing"
    if not record.name:
        yield "thiếu tên (name)", "the name is missing"
    if record.connected not in {"", "local"} | peers:
        yield (
            f"connected: không có peer nào tên “{record.connected}” trong cấu hình",
            f"connected: the settings have no peer called “{record.connected}”",
        )
    if record.console and record.connected != "local":
        yield 'console chỉ đi với connected "local"', 'console goes with connected "local" only'
    if record.successor and record.status != "closed":
        yield 'successor chỉ đi với status "closed"', 'successor goes with status "closed" only'


def _rows(text: str, peers: frozenset[str]) -> tuple[list[AgencyRecord], list[CsvFault]]:
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        faults = list(_header_faults(reader.fieldnames or ()))
        records: list[AgencyRecord] = []
        seen: dict[str, int] = {}
        for row in [] if faults else reader:
            line = reader.line_num
            record, wrong = _record(row)
            wrong += list(record_faults(record, peers)) if record else []
            if record:
                first = seen.setdefault(record.code, line)
                if first != line:
                    wrong.append((f"trùng dòng {first}", f"the same as line {first}"))
                records.append(record)
            faults += [CsvFault(line, vi, en) for vi, en in wrong]
    except csv.Error as exc:
        faults.append(CsvFault(reader.line_num, f"CSV hỏng: {exc}", f"broken CSV: {exc}"))
    if not records and not faults:
        faults.append(CsvFault(1, "tệp không có dòng nào", "the file has no rows"))
    return records, faults


def _header_faults(names: Any) -> Iterator[CsvFault]:
    for name in names:
        if name not in COLUMNS:
            yield CsvFault(1, f"cột lạ “{name}”", f"unknown column “{name}”")
    for name in _REQUIRED:
        if name not in names:
            yield CsvFault(1, f"thiếu cột “{name}”", f"the column “{name}” is missing")


def _record(row: dict[str, Any]) -> tuple[AgencyRecord | None, list[tuple[str, str]]]:
    if None in row or None in row.values():
        return None, [("sai số cột", "wrong number of columns")]
    cells = {name: str(value).strip() for name, value in row.items()}
    wrong = [
        (f"{name}: “{cells[name]}” phải là {' | '.join(allowed)}", f"{name}: one of {allowed}")
        for name, allowed in (
            ("numbered_by", ("gateway", "own-system")),
            ("status", ("active", "locked", "closed")),
        )
        if cells.get(name) and cells[name] not in allowed
    ]
    console = cells.get("console", "").lower()
    if console not in _TRUE | _FALSE:
        wrong.append((f"console: “{console}” phải là true | false", "console: true or false"))
    if wrong:
        return None, wrong
    values: dict[str, Any] = {
        **{name: value for name, value in cells.items() if value},
        "name": " ".join(cells["name"].split()),
        "console": console in _TRUE,
        "aliases": tuple(sorted(cells.get("aliases", "").split())),
    }
    return AgencyRecord(**{"code": "", **values}), []
