"""`vanlien ledger`, `init --ledger` and `check-config` on a real server and on a file."""

import json
import os

import pytest

from gateway.__main__ import main
from gateway.datafolder import take_lock
from gateway.store import revisions
from gateway.store.places import SqliteFile, place_of
from tests.world.folder import CONFIG, make_folder
from tests.world.ledgers import ask
from tests.world.newer import make_newer

HALVES = """
def upgrade():
    op.create_index("ix_made_up", "recall", ["reason"])

def finish():
    op.drop_index("ix_made_up", "recall")
"""
SHUT = "postgresql://vanlien@127.0.0.1:1/vanlien"


@pytest.fixture
def run(capfd):
    """Run one command line; return exit code and its one object."""

    def command(*args):
        capfd.readouterr()
        code = main([*(str(a) for a in args), "--json"])
        return code, json.loads(capfd.readouterr().out)

    return command


def on(folder, url):
    """A gateway's folder whose ledger is at a URL."""
    return make_folder(folder, f'{CONFIG}[ledger]\nurl = "{url}"\n') / "vanlien.toml"


def faults(answer):
    return [(f["where"], f["en"]) for f in answer["faults"]]


def test_init_makes_the_ledger_on_a_server(tmp_path, postgres_url, run):
    code, made = run("init", tmp_path / "gw", "--ledger", postgres_url)
    assert code == 0, made
    assert postgres_url in made["created"]
    config = tmp_path / "gw" / "vanlien.toml"
    assert run("check-config", "--config", config) == (
        0,
        {"config": str(config), "ok": True, "faults": []},
    )
    code, told = run("ledger", "status", "--config", config)
    assert code == 0
    assert told == {
        "engine": "postgresql",
        "where": postgres_url,
        "revision": revisions.HEAD,
        "works_since": revisions.HEAD,
        "program": revisions.HEAD,
        "usable": True,
        "fault": None,
    }
    # A second gateway never takes the ledger of another for its own.
    code, refused = run("init", tmp_path / "other", "--ledger", postgres_url)
    assert (code, refused["error"]["kind"]) == (64, "configuration")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_ledger_that_is_not_there(tmp_path, run, engine, request):
    url = "sqlite:///ledger.sqlite"
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url")
    config = on(tmp_path / "gw", url)
    code, told = run("check-config", "--config", config)
    assert code == 64
    ((where, en),) = faults(told)
    assert where == "ledger.url"
    assert "there is no ledger; run" in en
    assert run("ledger", "status", "--config", config)[0] == 64
    assert run("ledger", "upgrade", "--config", config)[0] == 64
    assert run("ledger", "create", "--config", config)[0] == 0
    assert run("check-config", "--config", config)[0] == 0
    assert run("ledger", "create", "--config", config)[0] == 64


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_older_and_newer_ledgers_are_told_apart(tmp_path, run, engine, request, monkeypatch):
    url = "sqlite:///ledger.sqlite"
    place = SqliteFile(tmp_path / "gw" / "data" / "ledger.sqlite")
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url")
        place = place_of(url)
    config = on(tmp_path / "gw", url)
    assert run("ledger", "create", "--config", config)[0] == 0

    ask(place, "UPDATE alembic_version SET version_num = '9999'")
    ask(place, "UPDATE meta SET value = '9999' WHERE key = 'works_since'")
    code, told = run("check-config", "--config", config)
    assert code == 64
    assert "newer than this program" in faults(told)[0][1]
    assert run("ledger", "upgrade", "--config", config)[0] == 64
    assert run("ledger", "upgrade", "--finish", "--config", config)[0] == 64

    ask(place, "UPDATE alembic_version SET version_num = '0001'")
    ask(place, "UPDATE meta SET value = '0001' WHERE key = 'works_since'")
    monkeypatch.setattr(revisions, "REVISIONS", ("0001", "0002"))
    monkeypatch.setattr(revisions, "HEAD", "0002")
    code, told = run("check-config", "--config", config)
    assert code == 64
    assert "at the older revision 0001" in faults(told)[0][1]


def meta(place, key):
    (row,) = ask(place, "SELECT value FROM meta WHERE key = ?", key)
    return row["value"]


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_upgrade_without_a_backup(tmp_path, run, engine, request, monkeypatch):
    url = "sqlite:///ledger.sqlite"
    place = SqliteFile(tmp_path / "gw" / "data" / "ledger.sqlite")
    if engine == "postgresql":
        url = request.getfixturevalue("postgres_url")
        place = place_of(url)
    (tmp_path / "to").mkdir()
    config = on(tmp_path / "gw", url)
    assert run("ledger", "create", "--config", config)[0] == 0
    program = make_newer(tmp_path / "migrations", monkeypatch, HALVES)
    bare = config.read_text(encoding="utf-8")
    config.write_text(f'{bare}[backup]\nto = ["{tmp_path / "to"}"]\n', encoding="utf-8")

    program("0001", "0002")
    code, told = run("ledger", "upgrade", "--config", config)
    assert (code, faults(told["error"])[0][0]) == (64, "backup.to")
    program("0001")
    assert run("backup", "--config", config)[0] == 0
    good_at = json.loads(meta(place, "backup"))["good_at"]
    ask(place, "UPDATE meta SET value = ? WHERE key = 'backup'", '{"good_at": "2020-01-01T00:00Z"}')
    program("0001", "0002")
    assert run("ledger", "upgrade", "--config", config)[0] == 64  # it is too old
    fresh = json.dumps({"good_at": good_at})
    ask(place, "UPDATE meta SET value = ? WHERE key = 'backup'", fresh)
    code, told = run("ledger", "upgrade", "--config", config)
    assert (code, told["revision"], told["works_since"]) == (0, "0002", "0001"), told

    # The second half takes something away: a backup is made then and there.
    config.write_text(f'{bare}[backup]\nto = ["{tmp_path / "gone"}"]\n', encoding="utf-8")
    code, told = run("ledger", "upgrade", "--finish", "--config", config)
    assert (code, meta(place, "works_since")) == (70, "0001"), told
    config.write_text(bare, encoding="utf-8")
    code, told = run("ledger", "upgrade", "--finish", "--config", config)
    assert (code, meta(place, "works_since")) == (64, "0001"), told
    config.write_text(f'{bare}[backup]\nto = ["{tmp_path / "to"}"]\n', encoding="utf-8")
    code, told = run("ledger", "upgrade", "--finish", "--config", config)
    assert (code, told["works_since"], len(told["backups"])) == (0, "0002", 1), told
    assert (tmp_path / "to" / told["backups"][0]).is_dir()
    assert run("ledger", "upgrade", "--finish", "--config", config)[1]["backups"] == []


def test_an_operator_may_have_a_backup_elsewhere(tmp_path, run, monkeypatch):
    config = on(tmp_path / "gw", "sqlite:///ledger.sqlite")
    assert run("ledger", "create", "--config", config)[0] == 0
    make_newer(tmp_path / "migrations", monkeypatch, HALVES)("0001", "0002")
    for half in ((), ("--finish",)):
        assert run("ledger", "upgrade", *half, "--config", config)[0] == 64
        assert run("ledger", "upgrade", *half, "--no-backup", "--config", config)[0] == 0


def test_a_server_that_cannot_be_reached(tmp_path, run):
    config = on(tmp_path / "gw", SHUT)
    code, told = run("check-config", "--config", config)
    assert code == 64
    ((where, en),) = faults(told)
    assert (where, SHUT in en) == ("ledger.url", True)
    code, told = run("ledger", "status", "--config", config)
    assert (code, told["usable"], told["revision"]) == (64, False, None)
    assert run("ledger", "upgrade", "--config", config)[0] == 70
    assert run("queue", "list", "--config", config)[0] == 70


def test_a_file_somebody_serves_is_not_upgraded(tmp_path, run):
    config = on(tmp_path / "gw", "sqlite:///ledger.sqlite")
    assert run("ledger", "create", "--config", config)[0] == 0
    assert run("ledger", "upgrade", "--config", config)[0] == 0
    lock = take_lock(tmp_path / "gw" / "data")
    code, told = run("ledger", "upgrade", "--config", config)
    assert code == 64
    assert "another vanlien serves this folder" in json.dumps(told)
    os.close(lock)


def test_a_password_in_the_address_and_a_far_server_in_the_clear(tmp_path, run):
    config = on(tmp_path / "a", "postgresql://vanlien:geheim@127.0.0.1/vanlien")
    code, told = run("check-config", "--config", config)
    assert (code, faults(told)) == (
        64,
        [("ledger.url", "no password in the address: set password_file")],
    )
    assert "geheim" not in json.dumps(told)
    config = on(tmp_path / "b", "postgresql://vanlien@db.example.vn/vanlien")
    code, told = run("check-config", "--config", config)
    assert (code, faults(told)[0][0]) == (64, "ledger.ca_file")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql+asyncpg", "mysql", "sqlite"])
def test_a_secret_is_not_said_again_whatever_else_is_wrong(tmp_path, run, scheme):
    config = on(tmp_path / "a", f"{scheme}://vanlien:geheim@127.0.0.1/vanlien")
    code, told = run("check-config", "--config", config)
    assert code == 64
    assert "geheim" not in json.dumps(told)
