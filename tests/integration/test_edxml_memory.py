"""A large packet is read and emitted in little memory: measured in a process of its own."""

import json
import random
import subprocess
import sys

import pytest

MIB = 1 << 20
SIZE_BYTES = 100 * MIB
LIMIT_KIB = 200 * 1024

MEASURED = """
import io, json, sys
from contextlib import redirect_stdout
from pathlib import Path
from gateway.__main__ import main
out = io.StringIO()
with redirect_stdout(out):
    code = main(sys.argv[1:])
# Not ru_maxrss: that remembers how large the parent was when it forked.
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0])
print(json.dumps({"code": code, "kib": peak, "answer": json.loads(out.getvalue())}))
"""

AGAIN = """
import hashlib, json, sys, tempfile
from pathlib import Path
from gateway.codec.edxml import emit_document
from gateway.codec.reader import read_packet

def chunks(path):
    with open(path, "rb") as source:
        while data := source.read(65536):
            yield data

with tempfile.TemporaryDirectory() as spool:
    packet = read_packet(chunks(sys.argv[1]), Path(spool))
    size, digest = 0, hashlib.sha256()
    for piece in emit_document(packet.envelope.header, packet.envelope.attachments,
                               lambda a: chunks(packet.files[a.index])):
        size += len(piece)
        digest.update(piece)
# Not ru_maxrss: that remembers how large the parent was when it forked.
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0])
print(json.dumps({"kib": peak, "size": size, "sha256": digest.hexdigest(),
                  "read": packet.sha256, "repairs": len(packet.repairs)}))
"""


@pytest.fixture(scope="module", params=["pdf", "txt"])
def large(request, tmp_path_factory):
    """A strict packet of about SIZE_BYTES with one attachment, raw or zipped."""
    from datetime import date, datetime

    from gateway.codec.dates import LOCAL
    from gateway.codec.edxml import emit_document
    from gateway.domain.envelope import Attachment, Header, Organization, TraceHop

    name = f"lon.{request.param}"
    header = Header(
        Organization("H99"),
        (Organization("H98"),),
        "H99,2026/01/01,1/A",
        "1",
        "A",
        promulgation_date=date(2026, 1, 1),
        subject="Gói tin lớn",
        trace=(TraceHop("H99", datetime(2026, 1, 1, tzinfo=LOCAL)),),
    )
    blocks = [random.Random(seed).randbytes(MIB) for seed in range(4)]
    count = (SIZE_BYTES * 3 // 4 if request.param == "pdf" else SIZE_BYTES // 3) // MIB
    attachment = Attachment(0, name, name, "a", "", "", "", count * MIB)
    path = tmp_path_factory.mktemp("large") / f"{name}.edxml"
    with path.open("wb") as out:
        for piece in emit_document(
            header, (attachment,), lambda _: (blocks[i % 4] for i in range(count))
        ):
            out.write(piece)
    yield path
    path.unlink()


def measured(program, *args):
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, args)],
        capture_output=True, text=True, check=True, timeout=100,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_show_is_flat(large):
    result = measured(MEASURED, "edxml", "show", large, "--json")
    assert result["code"] == 0
    assert result["answer"]["attachments"][0]["size_bytes"] >= SIZE_BYTES // 4
    assert result["kib"] < LIMIT_KIB


def test_lint_is_flat(large):
    result = measured(MEASURED, "edxml", "lint", large, "--json")
    assert result["code"] == 0, result["answer"]
    assert result["kib"] < LIMIT_KIB


def test_read_and_emit_again_is_flat_and_the_same(large):
    result = measured(AGAIN, large)
    assert result["repairs"] == 0
    assert result["size"] == large.stat().st_size
    assert result["sha256"] == result["read"]
    assert result["kib"] < LIMIT_KIB
