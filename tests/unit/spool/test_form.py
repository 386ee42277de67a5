"""FMT-12: a small file beside a scan, or its name, says what the document is; every fault at once."""

import json
from datetime import date

import pytest

from adapters.spool import form, names
from gateway.domain.envelope import Urgency
from gateway.errors import Reason, RejectedError

ONE = frozenset({"H37.02"})
INI = "Số = 45\nKý hiệu = SNV-VP\nNgày=20/11/2026\nNơi nhận= H37.04; G09\nĐộ khẩn = Hoả tốc\n"
SAME = {"code_number": "45", "code_notation": "SNV-VP", "promulgation_date": "2026-11-20"}
JSON = SAME | {"recipients": ["H37.04", "G09"], "urgency": 3}
CSV = "so;ky_hieu;ngay;noi_nhan;do_khan\n45;SNV-VP;20261120;H37.04,G09;express\n"
PAIRS = "so,45\nky_hieu,SNV-VP\nngay,2026/11/20\nnoi_nhan,H37.04+G09\ndo_khan,3\n"


def read(suffix, text, *, stem="45", speaks_for=ONE):
    data = text.encode("utf-8") if isinstance(text, str) else text
    return form.read(stem, suffix, data, speaks_for)


def faults(suffix, text, **how):
    with pytest.raises(RejectedError) as refused:
        read(suffix, text, **how)
    return refused.value.reason, [f.rule for f in refused.value.findings]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".ini", INI),
        (".ini", f"\ufeff[bất kỳ]\n{INI}"),
        (".json", json.dumps(JSON)),
        (".csv", CSV),
        (".csv", PAIRS),
    ],
)
def test_three_ways_to_say_the_same(suffix, text):
    found = read(suffix, text)
    header = found.header
    assert (header.sender.organ_id, found.secrecy) == ("H37.02", 0)
    assert [r.organ_id for r in header.recipients] == ["H37.04", "G09"]
    assert (header.code_number, header.code_notation) == ("45", "SNV-VP")
    assert (header.promulgation_date, header.urgency) == (date(2026, 11, 20), Urgency.EXPRESS)


def test_a_name_alone():
    stem = "45_SNV-VP_20261120_H37.04+G09_V-v bao cao_quy 4"
    assert form.is_described(stem)
    header = form.read(stem, "", None, ONE).header
    assert (header.code_number, header.promulgation_date) == ("45", date(2026, 11, 20))
    assert header.subject == "V-v bao cao quy 4"
    # What the small file says counts more.
    assert read(".ini", "so = 46", stem=stem).header.code_number == "46"
    for other in ("45", "45_SNV", "45_SNV_2026_H37", "a_b_20261120_", "quet 1"):
        assert not form.is_described(other)


def test_secrecy_is_heard_and_what_nobody_knows_is_the_highest():
    levels = ("", "0", "Thường", "Mật", "2", "TUYỆT MẬT", "kín lắm")
    told = [read(".ini", f"{INI}độ mật = {level}\n").secrecy for level in levels]
    assert told == [0, 0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        (".json", '{"do_mat": "Mật", "secrecy": ""}'),
        (".json", '{"do_mat": "Mật", "do_mat": ""}'),
        (".json", '{"do_mat": null, "secrecy": "Mật"}'),
        (".csv", "do_mat,Mật\nsecrecy,thường\n"),
        (".csv", "do_mat;do_mat;so\nMật;;5\n"),
        (".ini", "do_mat = Mật\n[khác]\ndo_mat =\n"),
        (".ini", "độ mật = Mật\nsecrecy =\n"),
    ],
)
def test_a_secrecy_level_is_not_taken_back_by_a_second_one(suffix, text):
    stem = "45_SNV-VP_20261120_H37.04_V-v bao cao"
    assert faults(suffix, text, stem=stem) == (Reason.SCHEMA_BROKEN, ["MD-10"])


@pytest.mark.parametrize("level", ["{}", '{"a": "b"}', "true", "1.5"])
def test_a_secrecy_level_that_is_no_text_is_a_fault(level):
    stem = "45_SNV-VP_20261120_H37.04_V-v bao cao"
    assert faults(".json", f'{{"do_mat": {level}}}', stem=stem)[1] == ["MD-10"]


@pytest.mark.parametrize("section", ["DEFAULT", "default", "văn bản"])
def test_no_section_is_left_out(section):
    stem = "45_SNV-VP_20261120_H37.04_V-v bao cao"
    assert read(".ini", f"[{section}]\ndo_mat = Mật\n", stem=stem).secrecy == 1


@pytest.mark.parametrize(
    ("suffix", "value"),
    [(".json", '{"trich_yeu": "a\\u0000b"}'), (".json", '{"trich_yeu": "a\\ud800b"}'),
     (".json", '{"nguoi_ky": ["a\\u001bb"]}'), (".ini", "trich_yeu = a\x00b"), (".csv", "so,a\x07b")],
)  # fmt: skip
def test_what_no_packet_can_carry_is_a_fault_of_the_form(suffix, value):
    stem = "45_SNV-VP_20261120_H37.04_V-v bao cao"
    assert faults(suffix, value, stem=stem) == (Reason.SCHEMA_BROKEN, ["FMT-06"])


def test_every_fault_at_once():
    reason, rules = faults(".ini", "ngày = 31/02/2026\nđộ khẩn = gấp\nsố tờ = hai\nlạ = 1")
    assert reason is Reason.SCHEMA_BROKEN
    assert sorted(rules) == ["MD-01", "MD-10", "MD-10", "MD-10", "MD-10"]
    two = frozenset({"H37.02", "H37.04"})
    assert faults(".ini", INI, speaks_for=two) == (Reason.SCHEMA_BROKEN, ["MD-01"])
    assert faults(".json", '{"so": [1], "noi_nhan": "H37.04"}')[1] == ["MD-10"]


@pytest.mark.parametrize(
    ("suffix", "data", "rule"),
    [
        (".ini", "số = Hà Nội".encode("utf-16"), "FMT-06"),
        (".json", b"\xff\xfe{}", "FMT-06"),
        (".json", "[1]", "MD-10"),
        (".json", "{", "MD-10"),
        (".json", '"{}"', "MD-10"),
        (".json", '[["so", "45"]]', "MD-10"),
        (".json", "[" * 30_000, "MD-10"),
        (".csv", "a,b,c\n1,2\n", "MD-10"),
        (".ini", "khong co dau bang", "MD-10"),
        (".ini", "so = 1\nso = 2", "MD-10"),
    ],
)
def test_what_cannot_be_read_says_so(suffix, data, rule):
    assert faults(suffix, data) == (Reason.MALFORMED, [rule])


def test_percent_signs_are_text():
    assert read(".ini", f"{INI}trich_yeu = tăng 5% so với %(so)s\n").header.subject.endswith(
        "%(so)s"
    )


def test_names():
    assert names.is_good("Công văn số 5.edxml")
    for bad in ("a\nb.edxml", "x" * 200, "\udcff.edxml", "a\u202eb.pdf"):
        assert not names.is_good(bad)
    assert names.stand_in("a\nb") != names.stand_in("a\nc")
    assert names.stand_in("\udcff").startswith("ten-khong-hop-le-")
    assert names.other_name("a.b.edxml", "0123456789abcdef") == "a.b~0123456789ab.edxml"
    assert names.other_name("khong-duoi", "0123456789abcdef") == "khong-duoi~0123456789ab"
    assert names.key_of("a", "b") != names.key_of("a", "c") != names.key_of("b", "c")
    item = "0191e0c2-7d1f-7000-8000-000000000001"
    assert names.item_of(f"20261122-093000_{item}") == item
    assert names.item_of(f"20261122-093000_{item}.lai2") == item
    for other in (item, f"20261122-093000_{item}/..", f"20261122-093000_{item}\n", ".."):
        assert names.item_of(other) is None
