"""`vanlien doctor`: each thing a gateway needs is tried, and what is wrong is said beside the rest."""

import json

import pytest

from gateway.__main__ import main
from gateway.config import load
from gateway.secrets import write_private
from gateway.stores import create_ledger, open_blobs
from tests.world.folder import CONFIG, make_folder


@pytest.fixture
def doctor(tmp_path, capsys):
    """Write settings, ask, return the exit code and what was found by name."""

    def ask(more=""):
        config = make_folder(tmp_path / "gw", CONFIG + more) / "vanlien.toml"
        settings = load(config)
        if not settings.ledger.is_file or not settings.ledger.path.exists():
            create_ledger(settings)
        code = main(["doctor", "--json", "--config", str(config)])
        answer = json.loads(capsys.readouterr().out)
        return code, answer["findings"], settings

    return ask


def test_a_gateway_that_is_well_and_what_it_lacks_still(doctor):
    code, found, settings = doctor()
    assert code == 0
    states = {one["what"]: one["state"] for one in found}
    assert states == {
        "ledger": "ok",
        "nodes": "warning",
        "queue": "ok",
        "blobs": "ok",
        "broker": "ok",
        "receipt key": "ok",
        "tls": "ok",
        "clock": "warning",
        "backup": "warning",
        "disk": "ok",
        "scan": "ok",
    }
    assert all(one["next"] for one in found if one["state"] != "ok")
    blobs = open_blobs(settings)
    assert list(blobs.names()) == []  # nothing stays
    blobs.close()


def test_one_thing_wrong_hides_no_other(doctor, tmp_path):
    write_private(tmp_path / "password", b"x")
    code, found, _ = doctor(
        f'[broker]\nurl = "amqp://v@127.0.0.1:1/v"\npassword_file = "{tmp_path / "password"}"\n'
        f'[backup]\nto = ["{tmp_path / "not-mounted"}"]\n'
    )
    assert code == 1
    bad = {one["what"]: one["en"] for one in found if one["state"] == "bad"}
    assert set(bad) == {"broker", "backup"}
    assert "refused" in bad["broker"]
    assert "not-mounted" in bad["backup"]
    assert {"what": "ledger", "state": "ok"}.items() <= found[0].items()


def test_settings_that_do_not_hold_are_told_first(tmp_path, capsys):
    config = tmp_path / "vanlien.toml"
    config.write_text("[http]\nport = 'x'\n")
    assert main(["doctor", "--config", str(config)]) == 64
    assert "http.port" in capsys.readouterr().out


@pytest.mark.parametrize(("mode", "scan"), [("required", "bad"), ("best-effort", "warning")])
def test_a_scanner_and_a_folder_that_are_not_there(doctor, mode, scan):
    code, found, _ = doctor(
        f'[scan]\nmode = "{mode}"\nclamd = "unix:/khong/co.ctl"\n'
        '[[spool]]\nfolder = "khong-co"\nsystem = "qlvb"\n'
    )
    states = {one["what"]: one["state"] for one in found}
    assert (code, states["scan"], states["spool:qlvb"]) == (1, scan, "bad")
