"""Read the settings: file, then environment, then every check; all faults at once.

`load` and `check` are the same code: `vanlien check-config` cannot disagree with `vanlien serve`.
Reads files only; writes nothing.
"""

import copy
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.cross import cross_faults
from gateway.config.sections import Settings
from gateway.config.texts import texts
from gateway.errors import ConfigurationError, Fault

ENV_PREFIX: Final = "VANLIEN__"
Place = tuple[str | int, ...]


@dataclass(slots=True)
class _Raw:
    """What was written: the merged tables, where environment values came from, early faults."""

    values: dict[str, Any]
    from_env: dict[Place, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a gateway, or refuse with every fault there is.

    Args:
        path: The TOML file; relative paths inside start at its folder.
        environ: Environment with overrides `VANLIEN__SECTION__KEY`; None: the process's own.

    Raises:
        ConfigurationError: `faults` holds all of them, in the order of the file's sections.
    """
    settings, faults = _examine(path, os.environ if environ is None else environ)
    if faults or settings is None:
        raise ConfigurationError(f"{len(faults)} fault(s) in {path}:", tuple(faults))
    return settings


def check(path: Path, environ: Mapping[str, str] | None = None) -> list[Fault]:
    """Return every fault of the settings; empty when `load` would succeed."""
    return _examine(path, os.environ if environ is None else environ)[1]


def _examine(path: Path, environ: Mapping[str, str]) -> tuple[Settings | None, list[Fault]]:
    raw = _read(path)
    if raw.faults:
        return None, raw.faults
    _override(raw, environ)
    context = _context(path, raw.values)
    try:
        settings = Settings.model_validate(raw.values, context=context)
    except ValidationError as exc:
        errors = exc.errors(include_url=False)
        faults = raw.faults + [_fault(error, raw) for error in errors if not _echo(error, errors)]
        # Checks across sections still run, on what is left without the faulty keys.
        left = _survivor(raw.values, errors, context)
        return None, faults + (_between(left, raw, faults) if left else [])
    return settings, raw.faults + _between(settings, raw, raw.faults)


def _between(settings: Settings, raw: _Raw, told: Sequence[Fault]) -> list[Fault]:
    """Return the faults between keys, but for keys whose own fault is told already."""
    places = {fault.where.partition(" (")[0] for fault in told}
    return [f for f in cross_faults(settings, raw.values) if f.where not in places]


def _context(path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    base = path.absolute().parent
    section = values.get("gateway")
    data = section.get("data_dir", "data") if isinstance(section, dict) else "data"
    folder = base / Path(data).expanduser() if isinstance(data, str) else base / "data"
    return {"base": base, "data": folder, "look": True, "file": path.absolute()}


# ---------------------------------------------------------------- file and environment


def _read(path: Path) -> _Raw:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return _Raw(tomllib.loads(text.replace("\r\n", "\n")))
    except OSError as exc:
        why = exc.strerror or type(exc).__name__
        fault = Fault(str(path), f"không đọc được tệp cấu hình: {why}", f"cannot be read: {why}")
    except UnicodeDecodeError as exc:
        where = f"byte {exc.start}"
        fault = Fault(str(path), f"không phải UTF-8 ({where})", f"is not UTF-8 ({where})")
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        fault = Fault(str(path), f"sai cú pháp TOML: {exc}", f"is not TOML: {exc}")
    return _Raw({}, faults=[fault])


def _override(raw: _Raw, environ: Mapping[str, str]) -> None:
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX):
            continue
        place: Place = tuple(
            int(part) if part.isdecimal() else part
            for part in name.removeprefix(ENV_PREFIX).lower().split("__")
        )
        if not _put(raw.values, place, _env_value(environ[name])):
            raw.faults.append(
                Fault(
                    f"{where_text(place)} ({name})",
                    "biến môi trường này không ứng với khóa nào",
                    "this environment variable matches no key",
                )
            )
        raw.from_env[place] = name


def _env_value(text: str) -> Any:
    """Lists and tables are TOML; all else is text, which the field's own kind reads."""
    if text[:1] in {"[", "{"}:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text
    return text


def _put(values: dict[str, Any], place: Place, value: Any) -> bool:
    node: Any = values
    for key in place[:-1]:
        if isinstance(node, dict) and isinstance(key, str) and key:
            node = node.setdefault(key, {})
        elif isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
        else:
            return False
    key = place[-1]
    fits = (isinstance(node, dict) and isinstance(key, str) and bool(key)) or (
        isinstance(node, list) and isinstance(key, int) and key < len(node)
    )
    if fits:
        node[key] = value
    return fits


# ---------------------------------------------------------------- faults


def where_text(place: Sequence[str | int]) -> str:
    """Return a key path as it is shown: `peer[0].endpoint`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _echo(error: ErrorDetails, errors: Sequence[ErrorDetails]) -> bool:
    """Tell a list that is "too short" only because its items are faulty themselves."""
    place = error["loc"]
    return error["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in errors
    )


def _fault(error: ErrorDetails, raw: _Raw) -> Fault:
    place = error["loc"]
    context = {**error.get("ctx", {}), "key": str(place[-1]) if place else ""}
    known = _known_keys(place[:-1]) if error["type"] == "extra_forbidden" else ()
    vi, en = texts(error["type"], context, error["input"], known, error["msg"])
    env = raw.from_env.get(place)
    return Fault(where_text(place) + (f" ({env})" if env else ""), vi, en)


def _known_keys(place: Sequence[str | int]) -> list[str]:
    model = _submodel_at(place)
    fields = model.model_fields if model is not None else {}
    return [info.alias or name for name, info in fields.items()]


def _submodel_at(place: Sequence[str | int]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = Settings
    for part in place:
        if isinstance(part, str) and model is not None:
            model = _submodel(model, part)
    return model


def _submodel(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    for name, info in model.model_fields.items():
        if key == (info.alias or name):
            found = info.annotation
            inner = getattr(found, "__args__", (found,))[0]
            return inner if isinstance(inner, type) and issubclass(inner, BaseModel) else None
    return None


# ---------------------------------------------------------------- what is left

# Values for required keys that are missing or faulty, so that checks between keys can still run.
# They name nothing an operator could have written, and differ by index.
_STAND_INS: Final[Mapping[Place, Any]] = {
    ("gateway", "code"): "0",
    ("http", "plain_facade", "host"): "127.0.0.1",
    ("http", "plain_facade", "port"): 0,
    ("http", "plain_facade", "networks"): ["127.0.0.0/8"],
    ("peer", "id"): "stand-in-{index}",
    ("peer", "endpoint"): "http://stand-in",
    ("peer", "system_id"): "stand-in",
    ("peer", "secret_file"): "stand-in",
    ("peer", "codes_behind"): ["0.{index}"],
    ("agency", "code"): "0.{index}",
    ("agency", "name"): "stand-in",
}


def _survivor(
    values: Mapping[str, Any], errors: Sequence[ErrorDetails], context: Mapping[str, Any]
) -> Settings | None:
    """Return the settings with every faulty key at its default or stand-in.

    Items of lists of tables keep their index. None when what was written is beyond that.
    """
    left = copy.deepcopy(dict(values))
    for _ in range(4):
        places = {error["loc"]: error["type"] == "missing" for error in errors}
        for place in sorted(places, key=_later_first):
            _heal(left, place, missing=places[place])
        try:
            return Settings.model_validate(left, context={**context, "look": False})
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
    return None


def _later_first(place: Place) -> list[tuple[int, str]]:
    """Order so that taking an item out of a list leaves the indexes still to come in place."""
    return [(-part, "") if isinstance(part, int) else (0, part) for part in place]


def _heal(values: dict[str, Any], place: Place, *, missing: bool) -> None:
    holder: Any = values
    for part in place[:-1]:
        try:
            holder = holder[part]
        except (KeyError, IndexError, TypeError):
            return
    key = place[-1]
    if missing:
        indexes = [part for part in place if isinstance(part, int)]
        stand_in = _STAND_INS.get(tuple(part for part in place if isinstance(part, str)))
        holder[key] = _numbered(stand_in, indexes[-1] if indexes else 0)
    elif isinstance(holder, list) and isinstance(key, int) and key < len(holder):
        if _submodel_at(place[:-1]) is not None:
            holder[key] = {}  # a row that is no table
        else:
            del holder[key]
    elif isinstance(holder, dict):
        holder.pop(key, None)


def _numbered(value: Any, index: int) -> Any:
    if isinstance(value, list):
        return [_numbered(item, index) for item in value]
    return value.format(index=index) if isinstance(value, str) else value
