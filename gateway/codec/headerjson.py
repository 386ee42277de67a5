"""Header, Envelope and StatusReport ⇄ JSON, lossless: what the ledger keeps, the API shows.

Pure. Every field by its own name; dates and moments as ISO 8601 (`+07:00`), enumerations as
numbers, None for what is absent. Reading names every fault at once.
"""

import dataclasses
import functools
import re
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from gateway.codec.dates import LOCAL
from gateway.codec.tree import is_legal
from gateway.domain.envelope import Envelope, Header, StatusReport
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError

T = TypeVar("T")
Json = dict[str, Any]
_Faults = list[tuple[str, str, str]]
_Reader = Callable[[object, str, _Faults], Any]
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def header_to_json(header: Header) -> Json:
    """Return the header as JSON-ready values; `header_from_json` gives the same header back."""
    return cast("Json", _plain(header))


def header_from_json(data: Mapping[str, Any]) -> Header:
    """Return the header of that JSON object; absent keys take their defaults.

    Raises:
        RejectedError: BAD_REQUEST with one finding for each fault (MD-10).
    """
    return _read(Header, data)


def envelope_to_json(envelope: Envelope) -> Json:
    """Return `{header, manifest, attachments, repairs}` as JSON-ready values."""
    return cast("Json", _plain(envelope))


def envelope_from_json(data: Mapping[str, Any]) -> Envelope:
    """Return the envelope of that JSON object.

    Raises:
        RejectedError: BAD_REQUEST with one finding for each fault (MD-10).
    """
    return _read(Envelope, data)


def status_to_json(report: StatusReport) -> Json:
    """Return the status report as JSON-ready values."""
    return cast("Json", _plain(report))


def status_from_json(data: Mapping[str, Any]) -> StatusReport:
    """Return the status report of that JSON object.

    Raises:
        RejectedError: BAD_REQUEST with one finding for each fault (MD-10).
    """
    return _read(StatusReport, data)


# ---------------------------------------------------------------- out


@functools.cache
def _names(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(kind))


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool or value is None or kind is int:
        return value
    if kind is tuple:
        return [_plain(item) for item in value]
    if kind is datetime:
        return value.astimezone(LOCAL).isoformat()
    if kind is date:
        return value.isoformat()
    if isinstance(value, IntEnum):
        return int(value)
    return {name: _plain(getattr(value, name)) for name in _names(cast("Any", kind))}


# ---------------------------------------------------------------- in


def _read(kind: type[T], data: object) -> T:
    faults: _Faults = []
    reader: _Reader = _reader(cast("Any", kind))
    value = reader(data, "", faults)
    if faults:
        findings = tuple(
            Finding("MD-10", Severity.ERROR, where, vi, en, refusal="R07")
            for where, vi, en in faults
        )
        text = "; ".join(f"{where}: {en}" for where, _, en in faults[:20])
        raise RejectedError(Reason.BAD_REQUEST, text, findings=findings)
    return cast("T", value)


@functools.cache
def _reader(kind: Any) -> _Reader:
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        inner = _reader(next(a for a in get_args(kind) if a is not type(None)))
        return lambda v, path, faults: None if v is None else inner(v, path, faults)
    if origin is tuple:
        return functools.partial(_tuple, _reader(get_args(kind)[0]))
    if dataclasses.is_dataclass(kind):
        return functools.partial(_object, kind)
    if issubclass(kind, IntEnum):
        return functools.partial(_enum, kind)
    simple: dict[Any, _Reader] = {
        str: _text,
        bool: _bool,
        int: _int,
        date: _date,
        datetime: _moment,
    }
    return simple[kind]


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _object(kind: Any, value: object, path: str, faults: _Faults) -> Any:
    if not isinstance(value, Mapping):
        faults.append((path or "/", "phải là một đối tượng JSON", "must be a JSON object"))
        return None
    before = len(faults)
    hints = _hints(kind)
    faults.extend(
        (_join(path, str(key)[:60]), "trường không được biết", "unknown field")
        for key in value
        if key not in hints
    )
    found = {}
    for field in dataclasses.fields(kind):
        where = _join(path, field.name)
        if field.name in value:
            found[field.name] = _reader(hints[field.name])(value[field.name], where, faults)
        elif field.default is dataclasses.MISSING and (
            field.default_factory is dataclasses.MISSING
        ):
            faults.append((where, "thiếu trường bắt buộc", "required field is missing"))
    return None if len(faults) > before else kind(**found)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _tuple(inner: _Reader, value: object, path: str, faults: _Faults) -> Any:
    if not isinstance(value, list | tuple):
        faults.append((path, "phải là một danh sách", "must be a list"))
        return ()
    return tuple(inner(item, f"{path}[{i}]", faults) for i, item in enumerate(value))


def _text(value: object, path: str, faults: _Faults) -> str:
    if not isinstance(value, str):
        faults.append((path, "phải là chữ", "must be text"))
        return ""
    if not is_legal(value):
        faults.append((path, "có ký tự điều khiển", "holds control characters"))
    return value


def _bool(value: object, path: str, faults: _Faults) -> bool:
    if not isinstance(value, bool):
        faults.append((path, "phải là true hoặc false", "must be true or false"))
    return value is True


def _int(value: object, path: str, faults: _Faults) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        faults.append((path, "phải là số nguyên không âm", "must be a whole number, 0 or more"))
        return 0
    return value


def _enum(kind: type[IntEnum], value: object, path: str, faults: _Faults) -> IntEnum | None:
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return kind(value)
    except ValueError:
        pass
    allowed = ", ".join(str(int(m)) for m in kind)
    faults.append((path, f"phải là một trong: {allowed}", f"must be one of: {allowed}"))
    return None


def _date(value: object, path: str, faults: _Faults) -> date | None:
    try:
        if isinstance(value, str) and _DATE.match(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    faults.append((path, "phải là ngày yyyy-MM-dd có thật", "must be a real date yyyy-MM-dd"))
    return None


def _moment(value: object, path: str, faults: _Faults) -> datetime | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        if found is not None and found.tzinfo is not None:
            return found.astimezone(LOCAL)
    except (ValueError, OverflowError):
        pass
    faults.append(
        (path, "phải là thời điểm ISO 8601 có múi giờ", "must be an ISO 8601 moment with zone")
    )
    return None
