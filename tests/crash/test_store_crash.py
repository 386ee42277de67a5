"""kill -9 while the ledger commits and blobs are stored: what was acknowledged is there, whole."""

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.receipts import log, merkle
from gateway.store import setup
from gateway.store.blobs import FolderBlobs
from gateway.store.ledger import connect
from gateway.store.sequencer import node_reader

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.crash


@pytest.fixture
def folder(tmp_path):
    setup.create(tmp_path / "ledger.sqlite")
    return tmp_path


def killed_at(folder, point, run):
    """Run a writer until it dies at `point`; return what it had said by then."""
    env = {**os.environ, "VANLIEN_FAULT": point, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.crash.store_writer", str(folder), run]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=90)  # noqa: PLW1510
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    return done.stdout.decode().splitlines()


def check(folder, said):
    """The invariants, whenever the process died."""
    connection = connect(folder / "ledger.sqlite")  # recovers
    assert connection.execute("PRAGMA integrity_check").fetchall()[0][0] == "ok"
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    given = check_sets(connection, said)
    check_log(connection, given)
    check_blobs(connection, folder, said)
    connection.close()
    return given


def check_sets(connection, said):
    rows = connection.execute("SELECT key, value FROM meta WHERE key LIKE 'set %'").fetchall()
    given = {row["key"].removeprefix("set "): int(row["value"]) for row in rows}
    for line in said:
        if line.startswith("set "):
            _, number, name = line.split()
            assert given.get(name) == int(number), f"acknowledged, then lost: {line}"
    # no number twice, no gap among those committed, the counter where the last one was given
    assert sorted(given.values()) == list(range(1, len(given) + 1))
    counter = connection.execute("SELECT last FROM counter").fetchone()
    assert (counter["last"] if counter else 0) == len(given)
    return given


def check_log(connection, given):
    entries = connection.execute("SELECT * FROM receipt_entry ORDER BY idx").fetchall()
    facts = {e["subject"]: json.loads(e["body"])["issue_ordinal"] for e in entries}
    assert facts == given
    placed = log.sequence(log.EMPTY, [e["body"].encode() for e in entries])
    assert [(e["idx"], e["chain_hash"]) for e in entries] == [
        (p.index, p.chain_hash.hex()) for p in placed
    ]
    if entries:
        tree = merkle.Frontier()
        for place in placed:
            tree.add(place.leaf_hash)
        assert merkle.root(len(entries), node_reader(connection)) == tree.root()
    cursors = [r["seq"] for r in connection.execute("SELECT seq FROM event ORDER BY id")]
    assert cursors == list(range(1, len(given) + 1))


def check_blobs(connection, folder, said):
    blobs = FolderBlobs(folder / "blobs")
    kept = {r["sha256"] for r in connection.execute("SELECT sha256 FROM blob_ref")}
    promised = {line.split()[1]: int(line.split()[2]) for line in said if line.startswith("blob ")}
    for name in kept | promised.keys() | set(blobs.names()):
        data = b"".join(blobs.chunks(name))
        assert hashlib.sha256(data).hexdigest() == name
        assert len(data) == promised.get(name, len(data))
    blobs.close()


@pytest.mark.parametrize(
    "point",
    [
        "ledger.before-commit:1",
        "ledger.before-commit:7",
        "ledger.after-commit:1",
        "ledger.after-commit:7",
        "blobs.after-rename:1",
        "blobs.after-rename:60",
    ],
)
def test_killed_at(folder, point):
    said = killed_at(folder, point, "a")
    given = check(folder, said)
    acknowledged = sum(line.startswith("set ") for line in said)
    if point == "ledger.after-commit:1":
        assert (len(given) > 0, acknowledged) == (True, 0), "committed, and nobody told yet"
    if point == "ledger.before-commit:1":
        assert (len(given), acknowledged) == (0, 0)


def test_killed_again_and_again_the_numbers_go_on(folder):
    said = []
    for run, point in enumerate(("ledger.before-commit:5", "ledger.after-commit:4") * 2):
        before = len(said)
        said += killed_at(folder, point, f"r{run}")
        assert len(said) > before
        check(folder, said)


def test_an_unnamed_half_blob_is_swept(folder):
    killed_at(folder, "blobs.after-rename:30", "a")
    blobs = FolderBlobs(folder / "blobs")
    left = len(list((folder / "blobs" / "tmp").iterdir()))
    assert blobs.sweep_temporary(-1) == left
    assert list((folder / "blobs" / "tmp").iterdir()) == []
    blobs.close()


def test_the_check_sees_a_lost_set_and_a_bad_link(folder):
    said = killed_at(folder, "ledger.before-commit:6", "a")
    good = next(line for line in said if line.startswith("set "))
    with pytest.raises(AssertionError, match="acknowledged, then lost"):
        check(folder, [*said, "set 9999 nobody"])
    with sqlite3.connect(folder / "ledger.sqlite") as connection:
        connection.execute("UPDATE receipt_entry SET chain_hash = ? WHERE idx = 0", ("0" * 64,))
    connection.close()
    with pytest.raises(AssertionError):
        check(folder, [good])
