"""The verifier against hostile files, big files, and alone in a folder of its own."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from gateway.errors import IntegrityError, Reason, RejectedError
from gateway.receipts import proof, sign
from gateway.receipts.log import EMPTY, canonical, entry_hash, sequence
from gateway.receipts.sign import Acceptance
from tests.world.receipt_log import AT, ReceiptLog, Tampered, body, key

DEEP = b"[" * 200_000


@pytest.fixture(scope="module")
def book():
    return ReceiptLog(9, head_sizes=(4,), receipts=True)


# ---------------------------------------------------------------- hostile files


def header(**changes):
    record = Tampered(ReceiptLog(3).export()).lines[0] | changes
    return proof.compact({k: v for k, v in record.items() if v is not None}).encode() + b"\n"


HOSTILE = {
    "empty": b"",
    "blank": b"\n\n\n",
    "binary": bytes(range(256)) * 500,
    "zip": b"PK\x03\x04" + bytes(400),
    "not utf-8": b'{"format":"\xff"}\n',
    "bom": b"\xef\xbb\xbf" + header(),
    "utf-16": header().decode().encode("utf-16"),
    "deep list": DEEP,
    "deep object": b'{"a":' * 200_000,
    "deep list closed": b"[" * 90_000 + b"]" * 90_000 + b"\n",
    "huge number": b'{"version":' + b"9" * 100_000 + b"}\n",
    "endless line": b"a" * (3 * proof.MAX_LINE),
    "header only, no end of line": header()[:-1],
    "list": b"[]\n",
    "number": b"1\n",
    "null": b"null\n",
    "NaN": b'{"version":NaN}\n',
    "another format": header(format="other"),
    "another version": header(version=2),
    "version as float": header(version=1).replace(b'"version":1', b'"version":1.0'),
    "another scope": header(scope="all"),
    "no keys": header(keys=""),
    "keys no text": header(keys=[1]),
    "keys broken": header(keys="-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    "keys missing": header(keys=None),
    "gateway no text": header(gateway=1),
    "document without indexes": header(scope="document", document="x"),
    "indexes no list": header(scope="document", document="x", indexes=7),
    "indexes falling": header(scope="document", document="x", indexes=[2, 1]),
    "indexes huge": header(scope="document", document="x", indexes=[10**400]),
    "indexes no numbers": header(scope="document", document="x", indexes=["1", None, True]),
    "duplicate keys": header().replace(b'{"exported_at"', b'{"exported_at":"x","exported_at"'),
    "spaces": header().replace(b":", b": ", 1),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_export_is_unreadable(data, book):
    report = book.verify(data)
    assert (report.exit_code, report.notes) == (3, ["unreadable"])
    assert report.to_json()["verdict"] == "unreadable"
    assert "UNREADABLE" in report.to_text()


BAD_LINES = {
    "empty": b"",
    "binary": bytes(range(1, 10)) + b"\xff",
    "deep": DEEP,
    "huge": b'{"index":' + b"9" * 50_000 + b"}",
    "too long": b"a" * (2 * proof.MAX_LINE),
    "list": b"[]",
    "unknown type": b'{"type":"gift"}',
    "type no text": b'{"type":[]}',
    "no type": b"{}",
    "bare entry": b'{"type":"entry"}',
    "bare head": b'{"type":"head"}',
    "bare end": b'{"type":"end"}',
    "bare consistency": b'{"type":"consistency"}',
    "second header": header()[:-1],
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
@pytest.mark.parametrize("document", [None, "H37.02,2026/03/02,0/SNV-VP"])
def test_a_line_that_is_none_of_ours_is_named_by_the_entry_due(line, document, book):
    lines = book.export(document).splitlines()
    lines.insert(3, line)
    report = book.verify(b"\n".join(lines) + b"\n")
    assert report.exit_code == 1
    assert report.faults[0].code == "damaged"
    assert report.faults[0].line == 4


@pytest.mark.parametrize("name", ["index", "prev", "chain", "body", "receipt"])
@pytest.mark.parametrize("value", [None, -1, 2**53, 10**200, True, [], {}, "", "zz" * 32, "\x00"])
def test_wrong_types_in_an_entry_are_named(name, value, book):
    t = Tampered(book.export())
    t.entry(4)[name] = value
    report = book.verify(t.bytes())
    assert report.exit_code == 1
    assert report.index in ({4} if name != "receipt" or value is not None else {4, None})


@pytest.mark.parametrize("value", [None, 1, [], "", "a.b.c", "a" * 5000, "…"])
def test_wrong_tokens_are_named(value, book):
    for kind, name in [("head", "jws"), ("end", "statement")]:
        t = Tampered(book.export())
        next(r for r in t.lines if r["type"] == kind)[name] = value
        report = book.verify(t.bytes())
        assert report.exit_code == 1
        assert report.faults[0].code == {"head": "head", "end": "statement"}[kind]


def test_a_flood_of_faults_stops(book):
    report = book.verify(book.export() + b"x\n" * 100_000)
    assert len(report.faults) == proof.MAX_FAULTS
    assert report.notes[0] == "many"
    assert report.exit_code == 1


def test_a_log_and_a_document_export_cannot_be_passed_for_each_other(book):
    t = Tampered(book.export())
    t.lines[0] |= {"scope": "document", "document": "x", "indexes": list(range(9))}
    assert book.verify(t.bytes()).exit_code == 1
    t = Tampered(book.export("H37.02,2026/03/02,0/SNV-VP"))
    t.lines[0]["scope"] = "log"
    assert book.verify(t.bytes()).exit_code == 1


def test_a_receipt_of_another_entry_is_named(book):
    t = Tampered(book.export())
    t.entry(5)["receipt"] = t.entry(6)["receipt"]
    report = book.verify(t.bytes())
    assert (report.index, report.faults[0].code) == (5, "receipt")


def test_a_receipt_given_before_the_number_verifies():
    log = ReceiptLog(1)
    facts = {k: v for k, v in body(0).items() if k != "document_id"}
    log.bodies = [canonical(facts)]
    log.rows = sequence(EMPTY, log.bodies)
    log.nodes[0, 0] = log.rows[0].leaf_hash
    log.heads = [log.head(1)]
    claims = dict.fromkeys(Acceptance.__dataclass_fields__, "") | {"accepted_at": AT}
    claims |= {"entry_id": facts["entry_id"], "entry_hash": entry_hash(log.bodies[0]).hex()}
    log.receipts = {0: sign.acceptance_receipt(log.key, Acceptance(**claims))}
    report = log.verify(log.export())
    assert (report.exit_code, report.acceptance_receipts) == (0, 1)


def test_an_endless_file_does_not_hang():
    class Endless:
        def readline(self, size):
            return b"a" * size

    assert proof.verify(Endless()).exit_code == 3


# ---------------------------------------------------------------- keys and heads


def test_without_a_key_the_signer_is_open(book):
    import io

    report = proof.verify(io.BytesIO(book.export()))
    assert (report.exit_code, report.notes) == (2, ["no-head", "no-key"])
    assert report.signers == {book.key.kid}


def test_several_pinned_keys_serve_a_log_signed_across_a_key_change(book):
    import io

    t = Tampered(book.export())
    early = next(n for n, r in enumerate(t.lines) if r["type"] == "head")
    size = 4
    old = key(9)
    t.resign(book.key)
    t.lines[0]["keys"] += sign.public_pem(old)
    root = proof.Frontier()
    for row in book.rows[:size]:
        root.add(row.leaf_hash)
    t.lines[early]["jws"] = sign.tree_head(old, size, root.root().hex(), AT)
    claims = json.loads(proof._part(t.lines[-1]["statement"].split(".")[1]))
    claims["sha256"] = proof.hashlib.sha256(t.bytes(t.lines[:-1])).hexdigest()
    t.lines[-1]["statement"] = sign.export_statement(book.key, claims)
    assert book.verify(t.bytes()).exit_code == 2
    both = proof.load_keys((sign.public_pem(old) + sign.public_pem(book.key)).encode())
    assert proof.verify(io.BytesIO(t.bytes()), both).exit_code == 0


def test_a_forged_head_is_no_judge(book):
    token = sign.tree_head(book.key, 4, "00" * 32, AT)
    forged = proof.Head(4, bytes(32), AT, token[:-8] + "AAAAAAAA")
    report = book.verify(book.export(), forged)
    assert (report.exit_code, report.notes) == (3, ["bad-head"])


def test_a_matching_head_by_an_unknown_key_leaves_the_signer_open(book):
    stranger = key(5)
    root = book.heads[0].root.hex()
    head = proof.read_head(sign.tree_head(stranger, 4, root, AT).encode())
    report = book.verify(book.export(), head)
    assert report.exit_code == 2
    assert stranger.kid in report.signers


@pytest.mark.parametrize("data", [b"", b"\xff", b"{}", b"[", b'{"tree_head":1}', DEEP, b"a.b.c"])
def test_what_is_no_head_is_refused(data):
    with pytest.raises(ValueError, match=r".+"):
        proof.read_head(data)


def test_an_empty_log(book):
    empty = ReceiptLog(0)
    report = empty.verify(empty.export())
    assert (report.exit_code, report.tree_size) == (0, 0)
    assert report.root == proof.EMPTY_ROOT.hex()


# ---------------------------------------------------------------- the writer


def test_nothing_signed_yet_is_refused():
    log = ReceiptLog(2)
    log.heads = []
    with pytest.raises(RejectedError) as caught:
        log.export()
    assert caught.value.reason is Reason.NOT_FOUND


def test_an_unknown_document_is_refused(book):
    with pytest.raises(RejectedError) as caught:
        book.export("no such document")
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_head_newer_than_the_log_is_refused(book):
    with pytest.raises(RejectedError) as caught:
        book.export("H37.02,2026/03/02,0/SNV-VP", ReceiptLog(20).latest_head())
    assert caught.value.reason is Reason.BAD_REQUEST


def test_a_damaged_ledger_is_not_exported():
    log = ReceiptLog(5)
    del log.rows[2], log.bodies[2]
    with pytest.raises(IntegrityError):
        log.export()
    log = ReceiptLog(5)
    del log.rows[4]
    with pytest.raises(IntegrityError):
        log.export()


def test_entries_sequenced_after_the_last_head_wait_for_the_next_export():
    log = ReceiptLog(9, head_sizes=(6,))
    log.heads.pop()
    report = log.verify(log.export())
    assert (report.exit_code, report.entries, report.tree_size) == (0, 6, 6)


# ---------------------------------------------------------------- alone


@pytest.fixture
def alone(tmp_path, book):
    shutil.copy(proof.__file__, tmp_path / "proof.py")
    (tmp_path / "key.pem").write_text(sign.public_pem(book.key))
    (tmp_path / "log.jsonl").write_bytes(book.export())
    (tmp_path / "head.jws").write_text(book.heads[0].token + "\n")

    def run(*args):
        done = subprocess.run(
            [sys.executable, "-I", "proof.py", *args],
            cwd=tmp_path,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            check=False,
        )
        assert b"Traceback" not in done.stderr
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    run.folder = tmp_path
    return run


def test_a_single_copied_file_verifies(alone):
    code, out, _ = alone("log.jsonl", "--key", "key.pem")
    assert (code, out.splitlines()[0]) == (0, "TỐT / GOOD")
    assert "can't be seen" in out
    code, out, _ = alone("log.jsonl", "--key", "key.pem", "--head", "head.jws", "--json")
    facts = json.loads(out)
    assert code == facts["exit_code"] == 0
    assert (facts["verdict"], facts["notes"], facts["index"]) == ("good", [], None)
    assert alone("log.jsonl")[0] == 2


def test_a_single_copied_file_names_the_index(alone):
    path = alone.folder / "log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"H37.02,2026/03/02,1", b"H37.02,2026/03/02,8", 1))
    code, out, _ = alone("log.jsonl", "--key", "key.pem", "--json")
    assert (code, json.loads(out)["index"]) == (1, 1)
    assert "mục 1 đã bị sửa / entry 1 was changed" in alone("log.jsonl")[1]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["absent.jsonl"], 3),
        (["."], 3),
        (["key.pem"], 3),
        (["log.jsonl", "--head", "absent"], 3),
        (["log.jsonl", "--head", "key.pem"], 3),
        (["log.jsonl", "--key", "absent"], 64),
        (["log.jsonl", "--key", "log.jsonl", "--json"], 64),
        (["log.jsonl", "--key", "head.jws"], 64),
        ([], 64),
        (["log.jsonl", "--nonsense"], 64),
    ],
)
def test_wrong_use_is_told(alone, args, code):
    assert alone(*args)[0] == code


def write_big(path, count):
    log = ReceiptLog(0)
    tail, tree = log.rows, proof.Frontier()
    del tail
    digest, size = proof.hashlib.sha256(), 0
    with path.open("wb") as out:

        def line(record):
            data = proof.compact(record).encode() + b"\n"
            digest.update(data)
            out.write(data)

        line(Tampered(log.export()).lines[0])
        prev = proof.GENESIS
        for size in range(count):
            text = proof.compact({"at": AT, "entry_id": f"e{size}", "kind": "status"})
            chain = proof.chain_hash(prev, size, proof.entry_hash(text.encode()))
            record = {"type": "entry", "index": size, "prev": prev.hex(), "chain": chain.hex()}
            line({**record, "body": text})
            tree.add(proof.leaf_hash(chain))
            prev = chain
        line({"type": "head", "jws": sign.tree_head(log.key, count, tree.root().hex(), AT)})
        counts = {"entries": count, "tree_heads": 1, "acceptance_receipts": 0, "tree_size": count}
        claims = {**counts, "sha256": digest.hexdigest(), "at": AT}
        line({"type": "end", "statement": sign.export_statement(log.key, claims)})


PEAK = """
import runpy, sys
from pathlib import Path
sys.argv = ["proof.py", sys.argv[1], "--key", "key.pem"]
try:
    runpy.run_path("proof.py", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
# Not ru_maxrss: that remembers how large the parent was when it forked.
status = Path("/proc/self/status").read_text()
print(status.partition("VmHWM:")[2].split()[0], file=sys.stderr)
"""


def peak_kib(folder, name):
    done = subprocess.run(
        [sys.executable, "-I", "-c", PEAK, name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return int(done.stderr.split()[-1])


def test_memory_does_not_grow_with_the_log(alone):
    write_big(alone.folder / "small.jsonl", 100)
    write_big(alone.folder / "big.jsonl", 100_000)
    assert (alone.folder / "big.jsonl").stat().st_size > 25_000_000
    grown = peak_kib(alone.folder, "big.jsonl") - peak_kib(alone.folder, "small.jsonl")
    assert grown < 4096
