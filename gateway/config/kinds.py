"""Kinds of values a setting can have: durations, sizes, codes, addresses, files.

Each kind refuses with a stable error type of `gateway.config.texts`, never with a library's text.
Files are resolved against the folder of the settings file, which the loader gives as context; they
are looked at only when it says so (`look`), so that settings can also be built in memory.
"""

import os
import re
import stat
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo
from pydantic_core import PydanticCustomError

_PART: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)(?=[\s\d]|$)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|KiB|MiB|GiB)\s*")
_BYTES: Final = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_CODE: Final = re.compile(r"[0-9A-Z]+(\.[0-9A-Z]+)*")
_HOST_PORT: Final = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]{0,252}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?"
)
_URL_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def parse_duration(value: object) -> timedelta:
    """Read `10 s`, `500 ms`, `1 h 30 m`, `2 d`; at least 0."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        seconds, at = 0.0, 0
        while match := _PART.match(value, at):
            seconds += float(match[1]) * _SECONDS[match[2]]
            at = match.end()
        if at and not value[at:].strip():
            try:
                return timedelta(seconds=seconds)
            except OverflowError:
                pass
    raise PydanticCustomError("duration", "not a duration")


def show_duration(value: timedelta) -> str:
    """Write a duration so that `parse_duration` reads the same."""
    ms = round(value.total_seconds() * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if ms and ms % size == 0 and not (unit == "d" and ms // size == 1):
            return f"{ms // size} {unit}"
    return f"{ms} ms" if ms else "0 s"


def parse_size(value: object) -> int:
    """Read `512 MiB`, `4 KB` or a plain count of bytes."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(Decimal(match[1]) * _BYTES[match[2]])  # exact, unlike a float
    raise PydanticCustomError("size", "not a size")


def show_size(value: int) -> str:
    """Write a size so that `parse_size` reads the same."""
    for unit in ("GiB", "MiB", "KiB"):
        if value and value % _BYTES[unit] == 0:
            return f"{value // _BYTES[unit]} {unit}"
    return f"{value} B"


def _code(value: str) -> str:
    # ID-03 (QCVN102 SĐ1:2022): digits, capital letters and dots, at most 35 characters.
    if not _CODE.fullmatch(value) or len(value) > 35:
        raise PydanticCustomError("agency_code", "not an agency code")
    return value


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise PydanticCustomError("identifier", "not an identifier")
    return value


def _endpoint(value: str) -> str:
    try:
        url = urlsplit(value)
        port = url.port
    except ValueError:
        raise PydanticCustomError("endpoint", "not an address") from None
    good = (
        url.scheme in {"http", "https"}
        and url.hostname
        and port != 0
        and url.username is None
        and not url.query
        and not url.fragment
        and not re.search(r"\s", value)
    )
    if not good:
        raise PydanticCustomError("endpoint", "not an address")
    return value.rstrip("/")


def _url_path(value: str) -> str:
    if not _URL_PATH.fullmatch(value):
        raise PydanticCustomError("url_path", "not a path")
    return value


def _host_port(value: str) -> str:
    if not _HOST_PORT.fullmatch(value):
        raise PydanticCustomError("host_port", "not a host or host:port")
    return value.lower()


def _host_mapping(value: str) -> str:
    name, _, target = value.lower().partition("=")
    if not _HOST_PORT.fullmatch(name) or ":" in name or not _HOST_PORT.fullmatch(target):
        raise PydanticCustomError("host_mapping", "not a mapping")
    return f"{name}={target}"


def _extension(value: str) -> str:
    plain = value.strip().lower().removeprefix(".")
    if not re.fullmatch(r"[a-z0-9]{1,10}", plain):
        raise PydanticCustomError("extension", "not a file extension")
    return plain


# ---------------------------------------------------------------- files


def _context(info: ValidationInfo) -> dict[str, Any]:
    return info.context or {}


def _resolve(value: Path, info: ValidationInfo) -> Path:
    base = _context(info).get("base")
    return value if base is None else Path(os.path.normpath(Path(base) / value.expanduser()))


resolved = _resolve
"""Start a relative path at the folder of the settings file; nothing need be there."""


def _resolve_data(value: Path, info: ValidationInfo) -> Path:
    data = _context(info).get("data")
    return value if data is None else Path(os.path.normpath(Path(data) / value.expanduser()))


def _look(info: ValidationInfo) -> bool:
    return bool(_context(info).get("look"))


def _is_file(value: Path, info: ValidationInfo) -> Path:
    if _look(info):
        if not value.exists():
            raise PydanticCustomError("file_missing", "missing", {"path": str(value)})
        if not value.is_file():
            raise PydanticCustomError("file_kind", "not a file", {"path": str(value)})
        if not os.access(value, os.R_OK):
            raise PydanticCustomError("file_access", "unreadable", {"path": str(value)})
    return value


def _is_private(value: Path, info: ValidationInfo) -> Path:
    if _look(info) and stat.S_IMODE(value.stat().st_mode) & (stat.S_IROTH | stat.S_IWOTH):
        raise PydanticCustomError("file_open", "readable by all", {"path": str(value)})
    return value


def _is_folder(value: Path, info: ValidationInfo) -> Path:
    if _look(info):
        if not value.is_dir():
            raise PydanticCustomError("folder_missing", "missing", {"path": str(value)})
        if not os.access(value, os.R_OK | os.X_OK):
            raise PydanticCustomError("file_access", "unreadable", {"path": str(value)})
    return value


def _is_writable(value: Path, info: ValidationInfo) -> Path:
    """Refuse a folder we could not write to; one that is not there yet, when it cannot be made."""
    if not _look(info):
        return value
    nearest = value
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if value.exists() and not value.is_dir():
        raise PydanticCustomError("folder_kind", "not a folder", {"path": str(value)})
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise PydanticCustomError("folder_access", "unwritable", {"path": str(value)})
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]


def _code_prefix(value: str) -> str:
    return value if value == "*" else _code(value)


def _id_or_nothing(value: str) -> str:
    return _id(value) if value else value


Code = Annotated[str, AfterValidator(_code)]
CodePrefix = Annotated[str, AfterValidator(_code_prefix)]
Id = Annotated[str, AfterValidator(_id)]
IdOrNothing = Annotated[str, AfterValidator(_id_or_nothing)]
HostPort = Annotated[str, AfterValidator(_host_port)]
HostMapping = Annotated[str, AfterValidator(_host_mapping)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
UrlPath = Annotated[str, AfterValidator(_url_path)]
Extension = Annotated[str, AfterValidator(_extension)]
ReadableFile = Annotated[Path, AfterValidator(_resolve), AfterValidator(_is_file)]
LaterFile = Annotated[Path, AfterValidator(_resolve)]
SecretFile = Annotated[ReadableFile, AfterValidator(_is_private)]
ReadableFolder = Annotated[Path, AfterValidator(_resolve), AfterValidator(_is_folder)]
DataFolder = Annotated[Path, AfterValidator(_resolve), AfterValidator(_is_writable)]
FolderInData = Annotated[Path, AfterValidator(_resolve_data), AfterValidator(_is_writable)]


def sqlite_path(url: str, info: ValidationInfo) -> str:
    """Check a ledger address and resolve its file against the data folder."""
    prefix = "sqlite:///"
    if not url.startswith(prefix) or not url.removeprefix(prefix) or "?" in url:
        raise PydanticCustomError("ledger_url", "not a ledger address")
    path = _resolve_data(Path(url.removeprefix(prefix)), info)
    if _look(info):
        if path.is_dir():
            raise PydanticCustomError("file_kind", "not a file", {"path": str(path)})
        _is_writable(path.parent, info)
    return prefix + str(path)
