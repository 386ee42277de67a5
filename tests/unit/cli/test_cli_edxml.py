import json
from pathlib import Path

import pytest

from gateway.__main__ import main

GOLDEN = Path(__file__).parents[2] / "golden" / "edxml"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())


@pytest.fixture
def run(capsys):
    def go(*args):
        code = main(["edxml", *map(str, args)])
        return code, capsys.readouterr().out

    return go


@pytest.fixture
def run_json(run):
    def go(*args):
        code, out = run(*args, "--json")
        assert out.count("\n") == 1
        return code, json.loads(out)

    return go


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_show_exits_by_readability(run_json, name):
    code, answer = run_json("show", GOLDEN / name)
    expected = EXPECTED[name]
    assert code == (0 if expected["readable"] else 1)
    assert answer["exit_code"] == code
    assert answer["readable"] is expected["readable"]
    if expected["readable"]:
        assert [r["code"] for r in answer["repairs"]] == expected["repairs"]
        assert [f["rule"] for f in answer["findings"]] == expected["findings"]
    else:
        assert answer["reason"] == expected["reason"]
        assert answer["message_vi"]
        assert answer["findings"]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_lint_exits_by_strictness(run_json, name):
    code, answer = run_json("lint", GOLDEN / name)
    strict = EXPECTED[name].get("strict", False)
    assert code == (0 if strict else 1)
    assert answer.get("strict", False) is strict
    if not strict:
        assert answer["repairs"] or answer["findings"]


def test_show_has_every_field_and_the_digests(run_json):
    _, answer = run_json("show", GOLDEN / "strict.edxml")
    header = answer["header"]
    assert header["steering_type"] == 1
    assert header["due_date"] == "2026-06-01"
    assert [r["document_id"] for r in header["response_for"]] == [
        "H99,2026/04/20,12/UBND-TH", "H99.12,2026/04/28,3/BC-UBND"]  # fmt: skip
    assert header["task_codes"] == ["NV-1", "NV-2"]
    assert header["trace"][0] == {"organ_id": "H99.07", "at": "2026-05-04T09:10:11+07:00"}
    assert [a["name"] for a in answer["attachments"]] == ["77-STN-VP.pdf", "ghi chú.txt"]
    assert all(len(a["sha256"]) == 64 and a["size_bytes"] for a in answer["attachments"])
    assert len(answer["content_digest"]) == 64


def test_show_keeps_unknown_elements(run_json):
    _, answer = run_json("show", GOLDEN / "extra_unknown.edxml")
    (extra,) = answer["header"]["extras"]
    assert extra["parent"] == "edXML/edXMLEnvelope/edXMLHeader/MessageHeader"
    assert "giữ lại" in extra["xml"]


def test_people_read_vietnamese_first(run):
    code, out = run("show", GOLDEN / "date_dmy.edxml")
    assert code == 0
    assert "Ủy ban nhân dân xã Giả Định" in out
    assert "hỏa tốc" in out
    assert "04/05/2026" in out
    assert "date-dmy" in out
    code, out = run("show", GOLDEN / "doctype.edxml")
    assert code == 1
    assert "TỪ CHỐI" in out
    assert "MD-10" in out
    _, out = run("lint", GOLDEN / "strict.edxml")
    assert "Đúng dạng chuẩn" in out
    code, out = run("lint", GOLDEN / "subject_twice.edxml")
    assert code == 1
    assert "KHÔNG đúng dạng chuẩn" in out


def test_a_strangers_text_cannot_steer_the_terminal(run):
    _, out = run("show", GOLDEN / "name_bidi.edxml")
    assert "\u202e" not in out
    assert "\x1b" not in out


@pytest.mark.parametrize("command", ["show", "lint"])
def test_a_missing_file_or_a_folder_is_a_usage_error(run_json, tmp_path, command):
    for path in (tmp_path / "none.edxml", tmp_path):
        code, answer = run_json(command, path)
        assert code == 64
        assert answer["error"]["message_vi"]


def test_nothing_is_left_in_the_temporary_folder(run, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    run("show", GOLDEN / "strict.edxml")
    run("show", GOLDEN / "base64_bad.edxml")
    assert list(tmp_path.iterdir()) == []
