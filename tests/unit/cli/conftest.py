import contextlib
import json

import pytest

from gateway.__main__ import main
from gateway.cli import common
from tests.world.fake_admin import FakeAdminStore
from tests.world.folder import make_folder


@pytest.fixture
def store(monkeypatch):
    """The admin store every command opens."""
    store = FakeAdminStore()
    monkeypatch.setattr(common, "opened", lambda _config: contextlib.nullcontext(store))
    monkeypatch.setattr(common, "actor", lambda: "tester")
    return store


@pytest.fixture
def config(tmp_path):
    return make_folder(tmp_path / "gw") / "vanlien.toml"


@pytest.fixture
def vanlien(config, capsys):
    """Run one command line beside a settings file; return (code, stdout, stderr)."""

    def run(*args):
        code = main([*args, "--config", str(config)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def vanlien_json(vanlien):
    """The same with --json: (code, the one object)."""

    def run(*args):
        code, out, _ = vanlien(*args, "--json")
        assert out.count("\n") == 1
        return code, json.loads(out)

    return run
