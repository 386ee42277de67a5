"""`vanlien init` and `check-config`: a folder that serves at once, or one left alone."""

import json
import stat
import sys
import tomllib
import types

import pytest

from gateway.__main__ import main


@pytest.fixture(autouse=True)
def ledger(monkeypatch):
    """A composition root whose ledger is one empty file."""
    stores = types.ModuleType("gateway.stores")

    def create_ledger(settings):
        settings.ledger.path.write_bytes(b"")

    stores.create_ledger = create_ledger
    stores.ledger_fault = lambda _settings: None
    monkeypatch.setitem(sys.modules, "gateway.stores", stores)
    return stores


def run(capsys, *args):
    code = main([*args, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_new_folder_passes_check_config_at_once(tmp_path, capsys):
    folder = tmp_path / "a" / "b"
    code, answer = run(capsys, "init", str(folder))
    assert code == 0
    assert answer["config"] == str(folder / "vanlien.toml")
    code, answer = run(capsys, "check-config", "--config", str(folder / "vanlien.toml"))
    assert (code, answer["ok"], answer["faults"]) == (0, True, [])


def test_only_the_owner_may_look(tmp_path, capsys):
    folder = tmp_path / "gw"
    run(capsys, "init", str(folder))
    for path in [folder, *folder.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == 0o700, path
        elif path.suffix in {".pem", ".key", ".toml"} and not path.name.endswith(".pub.pem"):
            assert mode == 0o600, path
    assert not list(folder.glob(".*"))


def test_code_and_name_are_written_as_given(tmp_path, capsys):
    folder = tmp_path / "gw"
    name = 'Trục "A" \\ Lạng Sơn'
    run(capsys, "init", str(folder), "--code", "00.53.W00", "--name", name)
    text = (folder / "vanlien.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["gateway"] == {"code": "00.53.W00", "name": name}
    assert "# " in text


def test_two_gateways_never_share_keys(tmp_path, capsys):
    for name in ("one", "two"):
        run(capsys, "init", str(tmp_path / name))
    for key in ("keys/secrets.key", "keys/receipts.pem"):
        assert (tmp_path / "one" / key).read_bytes() != (tmp_path / "two" / key).read_bytes()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "x").write_text("precious")
    before = tmp_path.stat().st_mode
    code, answer = run(capsys, "init", str(tmp_path))
    assert (code, answer["error"]["kind"]) == (64, "usage")
    assert [p.name for p in tmp_path.iterdir()] == ["x"]
    assert tmp_path.stat().st_mode == before


def test_an_empty_folder_is_taken(tmp_path, capsys):
    (tmp_path / "gw").mkdir(mode=0o755)
    assert run(capsys, "init", str(tmp_path / "gw"))[0] == 0


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_no_folder_is_refused(tmp_path, capsys, kind):
    target = tmp_path / "gw"
    if kind == "file":
        target.write_text("x")
    else:
        target.symlink_to(tmp_path / "elsewhere")
    assert run(capsys, "init", str(target))[0] == 64
    assert not (tmp_path / "elsewhere").exists()


def test_a_bad_code_is_a_configuration_fault_and_nothing_to_serve(tmp_path, capsys):
    code, answer = run(capsys, "init", str(tmp_path / "gw"), "--code", "h37")
    assert (code, answer["error"]["kind"]) == (64, "configuration")
    assert answer["error"]["faults"][0]["where"] == "gateway.code"
    assert not (tmp_path / "gw").exists()


def test_a_ledger_that_fails_leaves_nothing_behind(tmp_path, capsys, ledger):
    def broken(settings):
        raise OSError(28, "No space left on device")

    ledger.create_ledger = broken
    assert run(capsys, "init", str(tmp_path / "gw"))[0] == 70
    assert not (tmp_path / "gw").exists()
    (tmp_path / "mine").mkdir()
    assert run(capsys, "init", str(tmp_path / "mine"))[0] == 70
    assert list((tmp_path / "mine").iterdir()) == []


def test_check_config_tells_every_fault(tmp_path, capsys):
    config = tmp_path / "vanlien.toml"
    config.write_text("[http]\nport = 'x'\nprot = 1\n")
    code = main(["check-config", "--config", str(config)])
    out = capsys.readouterr().out
    assert code == 64
    for place in ("gateway.code", "http.port", "http.prot", "receipts.key_file"):
        assert f"  {place}: " in out
    code, answer = run(capsys, "check-config", "--config", str(config))
    assert code == 64
    assert not answer["ok"]
    assert {"where", "vi", "en"} == set(answer["faults"][0])
