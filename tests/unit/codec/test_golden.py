import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.codec.edxml import emit_document
from gateway.codec.schema import check
from gateway.codec.status import emit_status
from gateway.errors import RejectedError

GOLDEN = Path(__file__).parents[2] / "golden" / "edxml"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
READABLE = sorted(n for n, e in EXPECTED.items() if e["readable"])
REFUSED = sorted(n for n, e in EXPECTED.items() if not e["readable"])


def test_every_sample_has_an_expectation():
    assert {p.name for p in GOLDEN.glob("*.edxml")} == set(EXPECTED)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(read, name):
    with pytest.raises(RejectedError) as caught:
        read((GOLDEN / name).read_bytes())
    assert str(caught.value.reason) == EXPECTED[name]["reason"]
    (finding,) = caught.value.findings
    assert finding.rule == EXPECTED[name]["rule"]
    assert finding.vi
    assert finding.en
    assert finding.vi != finding.en


@pytest.mark.parametrize("name", READABLE)
def test_readable(read, name):
    result = read((GOLDEN / name).read_bytes())
    expected = EXPECTED[name]
    assert result.skeleton.kind == expected["kind"]
    assert [r.code for r in result.repairs] == expected["repairs"]
    assert [f.rule for f in result.findings] == expected["findings"]
    strict = not result.repairs and not result.findings and not check(result.skeleton)
    assert strict is expected["strict"]


@pytest.mark.parametrize("name", [n for n in READABLE if EXPECTED[n]["kind"] == "document"])
def test_whatever_came_in_goes_out_strict_and_stays_the_same(read, name):
    first = read((GOLDEN / name).read_bytes())
    out = b"".join(again(first))
    second = read(out)
    assert [r.code for r in second.repairs] == []
    left_out = {"extras": (), "has_signature_block": False, "has_xml_signature": False}
    assert replace(second.envelope.header, **left_out) == replace(first.envelope.header, **left_out)
    assert [a.sha256 for a in second.envelope.attachments] == [
        a.sha256 for a in first.envelope.attachments
    ]
    assert b"".join(again(second)) == out


def again(result):
    return emit_document(
        result.envelope.header,
        result.envelope.attachments,
        lambda a: [result.files[a.index].read_bytes()],
    )


def test_strict_samples_are_what_we_emit(read):
    for name in ("strict", "strict_replacement", "strict_recall", "strict_minimal"):
        data = (GOLDEN / f"{name}.edxml").read_bytes()
        assert b"".join(again(read(data))) == data
    data = (GOLDEN / "status_strict.edxml").read_bytes()
    assert emit_status(read(data).status) == data
