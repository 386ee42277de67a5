import json
import os
from pathlib import Path

import pytest

from gateway.__main__ import main
from tests.world import signed_files as world
from tests.world.signed_files import NOW, letter, once, pki, trust_of, twice

AT = "2026-11-22T05:10:00Z"


@pytest.fixture
def run(tmp_path, capsys):
    def command(data: bytes | None, *more: str, trust: Path | None = None, at: str = AT):
        file = tmp_path / "van-ban.pdf"
        if data is not None:
            file.write_bytes(data)
        code = main(
            ["verify", str(file), "--trust", str(trust or pki().trust_dir), "--at", at, *more]
        )
        out = capsys.readouterr()
        return code, out.out, out.err

    return command


CASES = [
    (twice, 0, "valid"),
    (lambda: world.flipped(once()), 1, "invalid"),
    (lambda: once() + b"rubbish", 2, "indeterminate"),
    (lambda: b"hello", 3, "unreadable"),
    (lambda: b"", 3, "unreadable"),
    (letter, 4, "unsigned"),
]


@pytest.mark.parametrize(("make", "code", "verdict"), CASES)
def test_the_verdict_is_the_exit_code(run, make, code, verdict):
    got, out, _ = run(make(), "--json")
    answer = json.loads(out)
    assert (got, answer["verdict"]) == (code, verdict)
    assert len(answer["sha256"]) == 64


def test_the_json_answer_names_signer_time_coverage_and_changes(run):
    _, out, _ = run(twice(), "--json")
    answer = json.loads(out)
    assert out.count("\n") == 1
    person, agency = answer["signatures"]
    assert person["signer"]["common_name"] == "Nguyễn Văn An"
    assert person["signed_at"] == "2026-11-22T12:00:00+07:00"
    assert person["signed_at_source"] == "timestamp"
    assert (person["coverage"], person["later_changes"]) == ("revision", "signature")
    assert (person["role"], agency["role"]) == ("person", "organization")
    assert answer["trust_faults"] == []


def test_a_clerk_reads_it_in_one_glance(run):
    code, out, err = run(twice())
    assert code == 0
    assert out.startswith("HỢP LỆ / VALID\nTiếp nhận.")
    assert "1. Nguyễn Văn An" in out
    assert "✓ Phần được ký còn nguyên vẹn / Signed bytes intact: có / yes" in out
    assert err == ""


def test_a_changed_file_is_told_in_red_words(run):
    code, out, _ = run(world.overlaid(once()))
    assert code == 1
    assert out.startswith("KHÔNG HỢP LỆ / INVALID\nKhông tiếp nhận")
    assert "Nội dung trang đã bị sửa sau khi ký" in out


def test_a_remark_is_in_the_headline(run):
    _, out, _ = run(once(stamped=False))
    assert out.startswith("HỢP LỆ, CÓ LƯU Ý")


def test_a_secrecy_stamp_is_told(run):
    _, out, _ = run(letter(urgency="MẬT"))
    assert "TRANG 1 CÓ DẤU ĐỘ MẬT: MẬT" in out


def test_bad_trust_files_are_told(run):
    trust = trust_of(pki())
    (trust / "junk.pem").write_bytes(b"junk")
    code, out, _ = run(twice(), "--json", trust=trust)
    assert code == 0
    assert [f["file"] for f in json.loads(out)["trust_faults"]] == ["junk.pem"]


@pytest.mark.parametrize(
    ("at", "word"),
    [("2026-11-22T05:10:00", "múi giờ"), ("2026-11-22", "múi giờ"), ("hôm qua", "ISO 8601")],
)
def test_a_time_without_zone_is_refused(run, at, word):
    code, out, err = run(twice(), at=at)
    assert (code, out) == (64, "")
    assert word in err


def test_a_missing_file_or_trust_directory_is_a_usage_error(run, tmp_path):
    code, out, _ = run(None, "--json")
    assert (code, json.loads(out)["error"]["exit_code"]) == (64, 64)
    code, _, err = run(b"x", trust=tmp_path / "none")
    assert code == 64
    assert "chứng thư" in err
    assert main(["verify", str(tmp_path / "a.pdf")]) == 64


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_usage_error(run, tmp_path):
    (tmp_path / "van-ban.pdf").write_bytes(b"x")
    (tmp_path / "van-ban.pdf").chmod(0)
    assert run(None)[0] == 64


def test_now_is_the_default_time(tmp_path, capsys):
    (tmp_path / "a.pdf").write_bytes(letter())
    assert main(["verify", str(tmp_path / "a.pdf"), "--trust", str(pki().trust_dir), "--json"]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert answer["verified_at"].endswith("+07:00")
    assert answer["verified_at"] != NOW.isoformat()
