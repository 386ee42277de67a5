"""`vanlien alerts`: beside a ledger; exit codes; one JSON object."""

import json
import sqlite3

import pytest

from gateway.__main__ import main
from gateway.config import load
from tests.world.gatehouse import write_config

ALERT = "01990b6e-8f3c-7a51-9d2e-5b1f0c7a4e11"
AT = "2026-11-22T06:14:13.123456Z"


@pytest.fixture
def config(tmp_path):
    return write_config(tmp_path)


def run(capsys, config, *words):
    code = main(["alerts", *words, "--config", str(config), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_listed_taken_on_and_named(config, capsys):
    with sqlite3.connect(load(config).ledger.path) as ledger:
        ledger.execute(
            "INSERT INTO alert (id, kind, subject, severity, state, since, first_seen, last_seen) "
            "VALUES (?, 'backup-old', 'backup:last', 2, 'open', ?, ?, ?)",
            (ALERT, AT, AT, AT),
        )
    ledger.close()
    code, told = run(capsys, config, "list")
    assert (code, [a["kind"] for a in told["alerts"]]) == (0, ["backup-old"])
    assert run(capsys, config, "list", "--agency", "H37.61")[1] == {"alerts": []}
    code, told = run(capsys, config, "ack", ALERT, "--note", "đang xem")
    assert (code, told["alert"]["state"], told["alert"]["note"]) == (0, "acknowledged", "đang xem")


def test_one_about_documents_is_ended_with_a_reason_others_are_not(config, capsys):
    with sqlite3.connect(load(config).ledger.path) as ledger:
        row = "INSERT INTO alert (id, kind, subject, severity, state, since, first_seen, last_seen)"
        values = "VALUES (?, ?, 'x:1', 2, 'open', ?, ?, ?)"
        ledger.execute(f"{row} {values}", (ALERT, "backup-old", AT, AT, AT))
        ledger.execute(f"{row} {values}", (ALERT[:-1] + "2", "not-fetched", AT, AT, AT))
    ledger.close()
    assert run(capsys, config, "end", ALERT, "--reason", "x")[0] != 0
    code, told = run(capsys, config, "end", ALERT[:-1] + "2", "--reason", "đã giải thể")
    assert (code, told["alert"]["state"]) == (0, "dismissed")


def test_what_is_not_there_and_mail_that_is_not_set(config, capsys):
    assert run(capsys, config, "ack", "nothing")[0] != 0
    assert run(capsys, config, "test-mail", "--to", "a@x.vn")[0] == 64


def test_mail_that_does_not_get_through(tmp_path, capsys):
    config = write_config(tmp_path, '[mail]\nhost = "127.0.0.1"\nport = 9\nsecurity = "none"\n')
    code, told = run(capsys, config, "test-mail", "--to", "a@x.vn")
    assert (code, told["sent"]) == (1, False)
