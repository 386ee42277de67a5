"""Over the samples beside the project; RESULTS.txt there is how another kit took them, not us."""

from pathlib import Path

import pytest

from gateway.codec.edxml import emit_document
from gateway.codec.schema import check
from gateway.codec.status import emit_status
from gateway.errors import Reason, RejectedError

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "edxml"
FILES = sorted(SAMPLES.glob("*/*.edxml"))
REFUSED = {
    "24b64_bad.edxml": Reason.BASE64_BROKEN,
    "38entity_bomb_small.edxml": Reason.DOCTYPE_REFUSED,
}
# name → repairs; a sample that is not named here needs none
REPAIRED = {
    "01date_dmy": {"date-dmy"},
    "02date_iso": {"date-iso"},
    "03date_time": {"date-with-time"},
    "06type_empty": {"type-defaulted"},
    "07type_text": {"type-defaulted"},
    "08type_missing": {"type-defaulted"},
    "12amount_text": {"number-unreadable"},
    "14steering_empty": {"steering-empty"},
    "17trace_ts_dmy": {"date-dmy"},
    "18trace_ts_iso": {"date-iso"},
    "19trace_ts_dateonly": {"time-missing"},
    "25cte_noprefix": {"prefix"},
    "26name_missing": {"name-from-manifest"},
    "27pdf_type_zip_content": {"zip-mislabelled"},
    "28zip_type_raw_content": {"zip-mislabelled"},
    "29utf16": {"utf-16"},
    "32name_traversal": {"name-unsafe"},
    "33direction_1": {"direction-form"},
    "34businesscorrect": {"business-spelling"},
    "39stray_before_decl": {"junk-before-declaration"},
    "40soap_wrapped": {"soap-wrapper"},
    "bkav_edoc_new.slim": {"date-dmy"},
    "edoc_new.slim": {"junk-before-declaration"},
    "nested_in_edoc_new_attachment.slim": {"undeclared-prefix", "prefix"},
}

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not FILES, reason="no samples beside the project"),
]
each = pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)


@each
def test_refused_or_read_with_the_repairs_listed(read, path):
    if path.name in REFUSED:
        with pytest.raises(RejectedError) as caught:
            read(path.read_bytes())
        assert caught.value.reason is REFUSED[path.name]
        return
    result = read(path.read_bytes())
    assert {r.code for r in result.repairs} == REPAIRED.get(path.stem, set())
    assert result.findings == ()


@each
def test_goes_out_strict_and_comes_back_the_same(read, path):
    if path.name in REFUSED:
        pytest.skip("refused")
    first = read(path.read_bytes())
    if first.status is not None:
        out = emit_status(first.status)
        second = read(out)
        assert second.repairs == ()
        assert check(second.skeleton) == ()
        assert emit_status(second.status) == out
        return
    out = b"".join(again(first))
    second = read(out)
    assert second.repairs == ()
    assert [f.read_bytes() for f in second.files] == [f.read_bytes() for f in first.files]
    assert b"".join(again(second)) == out


def again(result):
    return emit_document(
        result.envelope.header,
        result.envelope.attachments,
        lambda a: [result.files[a.index].read_bytes()],
    )


@pytest.mark.parametrize("number", range(4))
def test_our_header_is_the_kits_byte_for_byte(read, number):
    packet = (SAMPLES / "sdk_emitted" / f"emit_{number}.edxml").read_bytes()
    ours = b"".join(again(read(packet)))
    cut = b"<edXML:edXMLBody>"
    assert ours.partition(cut)[0] == packet.partition(cut)[0]


def test_our_status_is_the_kits_byte_for_byte(read):
    packet = (SAMPLES / "sdk_emitted" / "emit_status03.edxml").read_bytes()
    assert emit_status(read(packet).status) == packet


def test_the_kits_packets_are_strict(read):
    for name in ("emit_0", "emit_1", "emit_2", "emit_3", "emit_min", "emit_status03"):
        result = read((SAMPLES / "sdk_emitted" / f"{name}.edxml").read_bytes())
        assert check(result.skeleton) == ()


def test_zipped_attachments_are_undone(read):
    result = read((SAMPLES / "sdk_emitted" / "emit_2.edxml").read_bytes())
    assert [
        (a.name, a.size_bytes, bool(a.wrapped_sha256)) for a in result.envelope.attachments
    ] == [
        ("ghi-chu.txt", 26, True),
        ("van-ban.pdf", 21, False),
        ("bang-bieu.xlsx", 8, True),
        ("to-trinh.docx", 8, False),
        ("goi.zip", 109, False),
        ("HOA.PDF", 11, False),
    ]
