"""The reference page and the sample file, made from the field descriptions. Pure.

What the page says about a key is what the loader does with it, because both read the same field.
"""

from collections.abc import Iterator, Mapping
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config.kinds import show_duration, show_size
from gateway.config.sections import LANE_WAITS, Settings

_OPTIONAL: Final = ("retry.", "verify.", "reports.", "accounts.")
_LATER_LANES: Final = tuple(f"retry.{lane}" for lane in LANE_WAITS)[1:]
_HEAD_EN: Final = """\
# Configuration

<!-- Made by `make docs` from the field descriptions in gateway/config/sections.py. -->

One TOML file, usually `vanlien.toml`, made by `vanlien init DIR` and checked by
`vanlien check-config`. Unknown keys fail, and every fault is told at once. Each key can be given by
an environment variable as well: `VANLIEN__HTTP__PORT=8443` is `port` in `[http]`,
`VANLIEN__PEER__0__ENDPOINT` belongs to the first `[[peer]]`; lists are written as in TOML.
Secrets are never values, only paths to files that not everyone may read.

Durations are written `10 s`, `500 ms`, `1 h 30 m`, `2 d`; sizes `512 MiB`, `4 KB`, or a count of
bytes. Relative paths start at the folder of the file.
"""
_HEAD_SAMPLE: Final = """\
# vanlien: tệp cấu hình / configuration
#
# Mọi khóa đều có giá trị mặc định ghi sau dấu #; bỏ dấu # để đổi. Kiểm tra: vanlien check-config
# Every key shows its default after a #; take the # away to change it. Check: vanlien check-config
# Biến môi trường / environment: VANLIEN__HTTP__PORT=8443
"""


def reference() -> str:
    """Return docs/configuration.md."""
    parts = [_HEAD_EN]
    for path, table, model in _tables(Settings):
        vi, en = _about(model)
        parts.append(f"## `{'[[' if table else '['}{path}{']]' if table else ']'}`\n\n{en}\n{vi}\n")
        parts.append("| key | default | what it is |\n|---|---|---|")
        parts += [_row(path, name, info) for name, info in _plain_fields(model)]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def sample(values: Mapping[str, str] | None = None) -> str:
    """Return a commented settings file that passes `check-config` beside its keys.

    Args:
        values: Values to set, by key path (`gateway.code`), already as TOML.
    """
    given = dict(values or {})
    parts = [_HEAD_SAMPLE]
    for path, table, model in _tables(Settings):
        vi, en = _about(model)
        # A list of tables and an optional sub-table are examples: commented as a whole.
        off = "# " if table or path.startswith(_OPTIONAL) else ""
        opening, closing = ("[[", "]]") if table else ("[", "]")
        parts.append(f"\n# {vi} / {en}\n{off}{opening}{path}{closing}")
        for name, info in _plain_fields(model):
            if path in _LATER_LANES and name not in LANE_WAITS["express"]:
                continue  # the same in every lane, shown with the first
            key = f"{path}.{name}"
            parts.append(f"# {_vi(info)}\n# {info.description}")
            if key in given:
                parts.append(f"{name} = {given.pop(key)}")
            else:
                required = info.is_required() and not table
                parts.append(
                    f"{'' if required else '# '}{name} = {_sample_value(path, name, info)}"
                )
    if given:
        raise KeyError(f"no such keys: {sorted(given)}")
    return "\n".join(parts) + "\n"


# ---------------------------------------------------------------- walking the models


def _tables(root: type[BaseModel]) -> Iterator[tuple[str, bool, type[BaseModel]]]:
    """Yield (path, is a list, model) in the order in which TOML can hold them."""
    yield from _below("", root)


def _below(path: str, model: type[BaseModel]) -> Iterator[tuple[str, bool, type[BaseModel]]]:
    for name, info in model.model_fields.items():
        inner, many = _inner(info)
        if inner is not None:
            full = f"{path}.{info.alias or name}".lstrip(".")
            yield full, many, inner
            yield from _below(full, inner)


def _inner(info: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    found, many = info.annotation, False
    if get_origin(found) is tuple:
        found, many = get_args(found)[0], True
    if isinstance(found, type) and issubclass(found, BaseModel):
        return found, many
    return None, many


def _plain_fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in model.model_fields.items():
        if _inner(info)[0] is None:
            yield info.alias or name, info


# ---------------------------------------------------------------- words


def _about(model: type[BaseModel]) -> tuple[str, str]:
    vi, _, en = " ".join((model.__doc__ or "").split()).partition(" / ")
    return vi, en


def _extra(info: FieldInfo) -> Mapping[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, Mapping) else {}


def _vi(info: FieldInfo) -> str:
    return str(_extra(info)["vi"])


def _row(path: str, name: str, info: FieldInfo) -> str:
    default = _default(path, name, info)
    shown = "required" if default is None and info.is_required() else f"`{default or 'none'}`"
    choices = _choices(info.annotation)
    more = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    return f"| `{name}` | {shown} | {info.description}{more} <br> {_vi(info)} |"


def _choices(annotation: Any) -> tuple[str, ...]:
    values = get_args(annotation) if get_origin(annotation) is not None else ()
    text = tuple(str(value) for value in values if isinstance(value, str))
    return text if len(text) > 1 else ()


def _default(path: str, name: str, info: FieldInfo) -> str | None:
    """Return the default as TOML, None when there is none."""
    lane = path.removeprefix("retry.")
    if path != lane and name in LANE_WAITS[lane]:
        return f'"{LANE_WAITS[lane][name]}"'
    if info.is_required() or info.default is None:
        return None
    return _toml(info.default, size="bytes" in name or name == "memory")


def _sample_value(path: str, name: str, info: FieldInfo) -> str:
    return str(_extra(info)["sample"]) or _default(path, name, info) or '""'


def _toml(value: object, *, size: bool = False) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() if size:
            return f'"{show_size(value)}"'
        case int() | float():
            return str(value)
        case timedelta():
            return f'"{show_duration(value)}"'
        case time():
            return f'"{value:%H:%M}"'
        case date():
            return value.isoformat()
        case tuple():
            return f"[{', '.join(_toml(item) for item in value)}]"
        case str() | Path():
            escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case _:
            raise TypeError(f"no TOML for {value!r}")
