"""What unmodified connector kits send breaks no rule that refuses (MD-01, FMT-01 to FMT-05)."""

from datetime import date
from pathlib import Path

import pytest

from gateway.codec.reader import read_packet
from gateway.domain.finding import errors
from gateway.rules.registry import Facts, FileFacts, run_all
from gateway.rules.sniff import HEAD_BYTES

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "edxml" / "sdk_emitted"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason="no sample folder beside the project"),
]


def judged(name, folder, direction):
    read = read_packet([(SAMPLES / name).read_bytes()], folder)
    files = tuple(
        FileFacts.of(attachment, path.read_bytes()[:HEAD_BYTES])
        for attachment, path in zip(read.envelope.attachments, read.files, strict=True)
    )
    return run_all(Facts(read.envelope, direction, date(2026, 11, 22), files=files))


@pytest.mark.parametrize("direction", ["out", "in"])
@pytest.mark.parametrize("name", [f"emit_{n}.edxml" for n in (0, 1, 2, 3)])
def test_full_messages_of_the_kit(name, direction, tmp_path):
    assert errors(judged(name, tmp_path, direction)) == ()


@pytest.mark.parametrize("direction", ["out", "in"])
def test_the_minimal_message_of_the_kit_only_warns(direction, tmp_path):
    found = judged("emit_min.edxml", tmp_path, direction)
    assert errors(found) == ()
    assert {f.where.rpartition("/")[2] for f in found if f.rule == "MD-01"} == {
        "TypeName",
        "FullName",
    }


def test_a_message_without_its_minimum_is_refused_out_only(tmp_path):
    assert errors(judged("emit_sig.edxml", tmp_path, "out"))
    assert errors(judged("emit_sig.edxml", tmp_path, "in")) == ()
