"""Settings made of anything: every fault is told, nothing crashes, both languages speak."""

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.config import Settings, check
from gateway.config.kinds import parse_duration, parse_size, show_duration, show_size
from tests.world.folder import make_folder

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
SCALARS = st.one_of(
    TEXT,
    st.integers(-(2**40), 2**40),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["*", "local", "H37", "keys/secrets.key", "10 s", "1 MiB", "0.0.0.0", "::"]),
)


def known_keys(model):
    for name, info in model.model_fields.items():
        yield info.alias or name
        for part in (info.annotation, *getattr(info.annotation, "__args__", ())):
            if isinstance(part, type) and hasattr(part, "model_fields"):
                yield from known_keys(part)


KEYS = st.one_of(st.sampled_from(sorted(set(known_keys(Settings)))), TEXT.filter(bool))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)
SECTIONS = st.dictionaries(
    st.one_of(st.sampled_from([f.alias or n for n, f in Settings.model_fields.items()]), KEYS),
    VALUES,
    max_size=6,
)


def toml(value):
    match value:
        case dict():
            return "{" + ", ".join(f"{toml(str(k))} = {toml(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case bool():
            return str(value).lower()
        case _:
            return repr(value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("config") / "gw")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(SECTIONS)
def test_any_file_is_settings_or_faults(folder, sections):
    path = folder / "any.toml"
    lines = [f"{toml(key)} = {toml(value)}" for key, value in sections.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    faults = check(path, {})
    assert all(f.vi and f.en for f in faults)
    assert len({(f.where, f.en) for f in faults}) == len(faults)
    gateway = sections.get("gateway")
    if not (isinstance(gateway, dict) and "code" in gateway):
        assert any(f.where.startswith("gateway") for f in faults)


@settings(deadline=None)
@given(st.dictionaries(KEYS.map(lambda k: f"VANLIEN__{k}"), TEXT, max_size=4))
def test_any_environment_is_settings_or_faults(folder, environ):
    check(folder / "vanlien.toml", environ)


@given(st.integers(0, 10**12))
def test_durations_round_trip(ms):
    value = timedelta(milliseconds=ms)
    assert parse_duration(show_duration(value)) == value


@given(st.integers(0, 2**62))
def test_sizes_round_trip(size):
    assert parse_size(show_size(size)) == size
