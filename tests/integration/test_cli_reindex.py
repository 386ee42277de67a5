"""`vanlien ledger reindex`: the books made anew, beside a server or without one."""

import asyncio
import json
import os

import pytest

from gateway import stores
from gateway.__main__ import main
from gateway.config import load
from gateway.datafolder import take_lock
from gateway.domain.wording import asked
from gateway.ports.books import Mark, Question
from tests.world import ledger_rows as rows
from tests.world.folder import CONFIG, make_folder
from tests.world.ledgers import commit_rows


def header(subject):
    return json.dumps({"header": {"code_number": "5", "code_notation": "QĐ", "subject": subject}})


@pytest.fixture
def config(tmp_path):
    """A gateway's folder with two documents in its ledger."""
    path = make_folder(tmp_path / "gw") / "vanlien.toml"
    settings = load(path)
    stores.create_ledger(settings)
    sent, came = (f"01a2061e-cc0{n}-7014-970d-0b83e4f3ba1f" for n in (1, 2))
    documents = (
        rows.consignment(sent, envelope=header("hoà giải")),
        rows.arrival(came, envelope=header("tiếp công dân")),
        rows.event(sent),
        rows.event(came),
    )
    asyncio.run(commit_rows(stores.ledger_place(settings), *documents))
    return path


@pytest.fixture
def run(capfd):
    """Run one command line; return exit code and its one object."""

    def command(*args):
        capfd.readouterr()
        code = main([*(str(a) for a in args), "--json"])
        return code, json.loads(capfd.readouterr().out)

    return command


def found(books, text):
    return asyncio.run(books.find(Question(asked(text)))).hits


def test_the_books_are_made_anew(config, run):
    settings = load(config)
    place = stores.books_path(settings)
    place.parent.mkdir(parents=True)
    place.write_bytes(b"no database at all" * 100)
    code, told = run("ledger", "reindex", "--config", config, "--workers", "0")
    assert code == 0, told
    assert (told["books"], told["documents"], told["in_use"]) == (str(place), 2, True)
    books = stores.open_books(settings)
    try:
        assert [hit.shown["subject"] for hit in found(books, "hoa giai")] == ["hoà giải"]
        assert asyncio.run(books.mark()).cursor == 2
        assert [path.name for path in place.parent.glob("*.sqlite.*")] == []
    finally:
        books.close()
    assert oct(place.stat().st_mode)[-3:] == "600"


def test_a_running_server_takes_them_over(config, run):
    settings = load(config)
    books = stores.open_books(settings)
    lock = take_lock(settings.gateway.data_dir)  # as a server has it
    try:
        asyncio.run(books.put([], [], Mark(1)))
        code, told = run("ledger", "reindex", "--config", config, "--workers", "1")
        assert code == 0, told
        assert told["in_use"] is False
        assert found(books, "cong dan") == []  # what it has open is in use until it looks
        assert asyncio.run(books.adopt()) is True
        assert len(found(books, "cong dan")) == 1
        assert asyncio.run(books.adopt()) is False
        asyncio.run(books.put([], [found(books, "cong dan")[0].subject], Mark(3)))
        assert found(books, "cong dan") == []
    finally:
        os.close(lock)
        books.close()
    again = stores.open_books(settings)
    assert asyncio.run(again.mark()) == Mark(3)
    again.close()


def test_what_cannot_be_done_is_said(tmp_path, config, run, monkeypatch):
    empty = make_folder(tmp_path / "empty") / "vanlien.toml"
    code, told = run("ledger", "reindex", "--config", empty, "--workers", "0")
    assert (code, told["error"]["kind"]) == (64, "configuration")
    shut = make_folder(tmp_path / "shut", f"{CONFIG}[console]\nenabled = false\n") / "vanlien.toml"
    code, told = run("ledger", "reindex", "--config", shut)
    assert (code, told["error"]["faults"][0]["where"]) == (64, "console.enabled")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.store.booksfile.kept", full)
    settings = load(config)
    code, told = run("ledger", "reindex", "--config", config, "--workers", "0")
    assert (code, told["error"]["kind"]) == (70, "unavailable")
    assert not list(stores.books_path(settings).parent.glob("*"))  # nothing half made is left
