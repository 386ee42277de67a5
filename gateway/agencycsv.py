"""Read a catalogue of agencies from CSV: whole, strictly, every fault with its line. Reads only."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from gateway.domain.catalogue_plan import BLANK, Listed
from gateway.domain.identifiers import registration_findings
from gateway.ports import AgencyRecord

COLUMNS: Final = ("code", "successor", *BLANK)
_REQUIRED: Final = ("code", "name")
_TRUE: Final = frozenset({"1", "true", "yes", "x", "có"})
_FALSE: Final = frozenset({"", "0", "false", "no", "không"})
_CHOICES: Final = (
    ("numbered_by", ("gateway", "own-system")),
    ("status", ("active", "locked", "closed")),
)
_DAYS: Final = ("valid_from", "valid_to", "forward_until")
_NOTHING: Final = "-"
_MAX_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class CsvFault:
    """One fault: line of the file (1 is the header), Vietnamese, English."""

    line: int
    vi: str
    en: str


def read_csv(path: Path, peers: frozenset[str]) -> tuple[list[Listed], list[CsvFault]]:
    """Return the agencies of a file, each with what the file says of it, and every fault in it.

    Args:
        path: CSV with a header of `COLUMNS` (code and name at least); comma or semicolon; UTF-8,
            with or without mark; aliases and successors are separated by blanks, a successor may
            bear its days (`H42@2025-07-01..`); `-` empties a day or the successors.
        peers: Known peers, for the column `connected`.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        return [], [CsvFault(1, f"không đọc được: {exc.strerror}", f"unreadable: {exc.strerror}")]
    return parse_csv(data, peers)


def parse_csv(data: bytes, peers: frozenset[str]) -> tuple[list[Listed], list[CsvFault]]:
    """Return the same of a file's bytes."""
    if len(data) > _MAX_BYTES:
        return [], [CsvFault(1, "tệp quá lớn (64 MiB)", "the file is too large (64 MiB)")]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data[: exc.start].count(b"\n") + 1
        return [], [CsvFault(line, "không phải UTF-8", "is not UTF-8")]
    return _rows(text, peers)


def record_faults(record: AgencyRecord, peers: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with an agency, Vietnamese and English."""
    heirs = [record.successor] if record.successor else []
    said = {
        "name": record.name,
        "legacy_code": record.legacy_code,
        "parent": record.parent,
        "connected": record.connected,
        "console": record.console,
        "status": record.status,
    }
    yield from _faults(record.code, said, heirs, peers)


def successor_of(text: str) -> tuple[str, str | None, str | None]:
    """Return a successor with its days: `H42`, `H42@2025-07-01`, `H42@2025-07-01..2026-06-30`.

    Raises:
        ValueError: A day that is none.
    """
    code, _, days = text.partition("@")
    since, _, until = days.partition("..")
    return code, _day(since), _day(until)


def _day(text: str) -> str | None:
    return date.fromisoformat(text).isoformat() if text else None


def _faults(
    code: str, said: Mapping[str, Any], heirs: Iterable[str], peers: frozenset[str]
) -> Iterator[tuple[str, str]]:
    codes = (code, said.get("legacy_code", ""), said.get("parent", ""), *heirs)
    for written in filter(None, codes):
        for finding in registration_findings(written):
            yield finding.vi, finding.en
    if not code:
        yield "thiếu mã (code)", "the code is missing"
    if not said.get("name"):
        yield "thiếu tên (name)", "the name is missing"
    connected = said.get("connected", "")
    if connected not in {"", "local"} | peers:
        yield (
            f"connected: không có peer nào tên “{connected}” trong cấu hình",
            f"connected: the settings have no peer called “{connected}”",
        )
    if said.get("console") and connected != "local":
        yield 'console chỉ đi với connected "local"', 'console goes with connected "local" only'
    if heirs and said.get("status") != "closed":
        yield 'successor chỉ đi với status "closed"', 'successor goes with status "closed" only'


def _rows(text: str, peers: frozenset[str]) -> tuple[list[Listed], list[CsvFault]]:
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    listed: list[Listed] = []
    try:
        faults = list(_header_faults(reader.fieldnames or ()))
        seen: dict[str, int] = {}
        for row in [] if faults else reader:
            line = reader.line_num
            one, wrong = _listed(row, peers)
            if one is not None:
                first = seen.setdefault(one.code, line)
                if first != line:
                    wrong.append((f"trùng dòng {first}", f"the same as line {first}"))
                listed.append(one)
            faults += [CsvFault(line, vi, en) for vi, en in wrong]
    except csv.Error as exc:
        faults.append(CsvFault(reader.line_num, f"CSV hỏng: {exc}", f"broken CSV: {exc}"))
    if not listed and not faults:
        faults.append(CsvFault(1, "tệp không có dòng nào", "the file has no rows"))
    return listed, faults


def _header_faults(names: Any) -> Iterator[CsvFault]:
    for name in names:
        if name not in COLUMNS:
            yield CsvFault(1, f"cột lạ “{name}”", f"unknown column “{name}”")
    for name in _REQUIRED:
        if name not in names:
            yield CsvFault(1, f"thiếu cột “{name}”", f"the column “{name}” is missing")


def _listed(
    row: dict[str, Any], peers: frozenset[str]
) -> tuple[Listed | None, list[tuple[str, str]]]:
    if None in row or None in row.values():
        return None, [("sai số cột", "wrong number of columns")]
    cells = {name: str(value).strip() for name, value in row.items()}
    said, wrong = _said(cells)
    if wrong:
        return None, wrong
    code = cells.get("code", "")
    heirs = [link[0] for link in said.get("successors", ())]
    return Listed(code, said), list(_faults(code, said, heirs, peers))


def _said(cells: Mapping[str, str]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return what a row says; a blank cell of a choice, a day or successors says nothing."""
    said: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for name in ("name", "legacy_code", "parent", "mail", "connected"):
        if name in cells:
            said[name] = " ".join(cells[name].split())
    for name, allowed in _CHOICES:
        if not cells.get(name):
            continue
        said[name] = cells[name]
        if cells[name] not in allowed:
            wrong.append(
                (
                    f"{name}: “{cells[name]}” phải là {' | '.join(allowed)}",
                    f"{name}: one of {allowed}",
                )
            )
    if "console" in cells:
        said["console"] = cells["console"].lower() in _TRUE
        if cells["console"].lower() not in _TRUE | _FALSE:
            shown = cells["console"]
            wrong.append((f"console: “{shown}” phải là true | false", "console: true or false"))
    if "aliases" in cells:
        said["aliases"] = cells["aliases"].split()
    wrong += _read_days(cells, said)
    return said, wrong


def _read_days(cells: Mapping[str, str], said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _DAYS:
        text = cells.get(name, "")
        try:
            if text:
                said[name] = None if text == _NOTHING else _day(text)
        except ValueError:
            yield f"{name}: “{text}” không phải ngày, ví dụ 2025-07-01", f"{name}: no day"
    text = f"{cells.get('successor', '')} {cells.get('successors', '')}".strip()
    try:
        if text:
            said["successors"] = [] if text == _NOTHING else [successor_of(t) for t in text.split()]
    except ValueError:
        yield f"successors: “{text}” sai ngày", "successors: no day"
