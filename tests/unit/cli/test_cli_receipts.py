"""`vanlien receipts`: exit codes, one JSON object, files that appear whole or not at all."""

import json
from contextlib import contextmanager

import pytest
import typer

from gateway.cli import frame, receipts
from gateway.errors import Reason, RejectedError
from gateway.receipts import sign
from tests.world.receipt_log import ReceiptLog

DOCUMENT = "H37.02,2026/03/02,1/SNV-VP"


@pytest.fixture
def log():
    return ReceiptLog(9, head_sizes=(4,), receipts=True)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys, log):
    @contextmanager
    def opened(config):
        yield log

    monkeypatch.setattr(receipts, "_open_receipts", opened)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key.pem").write_text(sign.public_pem(log.key))
    (tmp_path / "head.jws").write_text(log.heads[0].token)
    app = typer.Typer()
    app.callback()(lambda: None)
    receipts.register(app)

    def call(*args):
        code = frame.run(app, ["receipts", *args])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, json.loads(said.out) if "--json" in args else said.out

    return call


def test_the_whole_log_goes_out_and_verifies(run, tmp_path):
    code, facts = run("export", "-o", "log.jsonl", "--json")
    assert (code, facts["entries"], facts["tree_heads"], facts["tree_size"]) == (0, 9, 2, 9)
    assert facts["size_bytes"] == (tmp_path / "log.jsonl").stat().st_size
    code, report = run("verify", "log.jsonl", "--key", "key.pem", "--head", "head.jws", "--json")
    assert (code, report["verdict"], report["root"]) == (0, "good", facts["root"])


def test_one_document_goes_out_and_verifies(run):
    code, facts = run("export", "--document", DOCUMENT, "--head", "head.jws", "-o", "d", "--json")
    assert (code, facts["entries"], facts["document"]) == (0, 3, DOCUMENT)
    code, text = run("verify", "d", "--key", "key.pem", "--head", "head.jws")
    assert code == 0
    assert text.startswith("TỐT / GOOD")


def test_verdicts_are_the_exit_code(run, tmp_path):
    run("export", "-o", "log.jsonl")
    assert run("verify", "log.jsonl", "--json")[0] == 2
    path = tmp_path / "log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"2026/03/02,1/", b"2026/03/02,9/", 1))
    code, report = run("verify", "log.jsonl", "--key", "key.pem", "--json")
    assert (code, report["exit_code"], report["index"]) == (1, 1, 1)
    assert run("verify", "absent.jsonl", "--json")[0] == 3
    assert run("verify", "key.pem", "--json")[0] == 3
    assert run("verify", "log.jsonl", "--head", "key.pem", "--json")[0] == 3


@pytest.mark.parametrize(
    "args",
    [
        ["verify"],
        ["verify", "x", "--key", "absent.pem"],
        ["verify", "x", "--key", "head.jws"],
        ["export"],
        ["export", "-o", "no/such/folder/x"],
        ["export", "-o", "x", "--head", "head.jws"],
        ["export", "-o", "x", "--document", DOCUMENT, "--head", "key.pem"],
        ["export", "-o", "x", "--document", "unknown"],
        ["nonsense"],
    ],
)
def test_wrong_use_ends_in_64_with_one_object(run, args, tmp_path):
    code, facts = run(*args, "--json")
    assert code == 64
    assert facts["error"]["message_vi"]
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "x.part").exists()


def test_a_failed_export_leaves_the_earlier_file_alone(run, tmp_path, log):
    (tmp_path / "log.jsonl").write_text("earlier")

    def fail(claims):
        raise RejectedError(Reason.NOT_FOUND)

    log.statement = fail
    assert run("export", "-o", "log.jsonl")[0] == 64
    assert (tmp_path / "log.jsonl").read_text() == "earlier"
    assert not (tmp_path / "log.jsonl.part").exists()
