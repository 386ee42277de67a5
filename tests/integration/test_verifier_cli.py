import json
import os
from pathlib import Path

import pytest
from lxml import etree

from gateway.__main__ import main
from gateway.trust.render import from_json
from tests.world import signed_files as world
from tests.world.etsi_bindings import bindings, faults
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


# ---------------------------------------------------------------- reports, several files


def test_reports_are_written_in_the_form_of_their_suffix(run, tmp_path):
    names = ("bao-cao.html", "bao-cao.xml", "bao-cao.JSON")
    outputs = [word for name in names for word in ("--report", str(tmp_path / name))]
    code, out, err = run(twice(), *outputs)
    assert code == 0
    assert out.startswith("HỢP LỆ")
    assert err == ""
    page = (tmp_path / "bao-cao.html").read_text()
    assert "Nguyễn Văn An" in page
    assert "data:image/png;base64," in page
    assert "<rect" in page
    xml = (tmp_path / "bao-cao.xml").read_bytes()
    assert etree.fromstring(xml).tag == "{http://uri.etsi.org/19102/v1.2.1#}ValidationReport"
    assert from_json(json.loads((tmp_path / "bao-cao.JSON").read_text())).verdict == "valid"
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == sorted(
        ["van-ban.pdf", *names]
    )


def test_what_we_report_on_ourselves_fits_the_bindings_and_the_schema(run, tmp_path):
    target = tmp_path / "a.xml"
    run(world.overlaid(twice()), "--report", str(target))
    root = etree.parse(target).getroot()
    assert faults(root, bindings().ValidationReport) == []


@pytest.mark.parametrize("name", ["a.docx", "a", "no/such/folder/a.html", "van-ban.pdf"])
def test_a_report_that_cannot_be_is_refused_before_any_work(run, tmp_path, name):
    code, out, err = run(letter(), "--report", str(tmp_path / name))
    assert (code, out) == (64, "")
    assert "--report" in err
    assert (tmp_path / "van-ban.pdf").read_bytes() == letter()


def test_a_report_never_takes_the_place_of_the_file(run, tmp_path):
    (tmp_path / "loop.html").symlink_to(tmp_path / "van-ban.pdf")
    code, _, err = run(letter(), "--report", str(tmp_path / "loop.html"))
    assert code == 64
    assert "đang kiểm tra" in err


def test_several_files_give_the_worst_and_a_table(tmp_path, capsys):
    files = {"a.pdf": twice(), "b.pdf": letter(), "c.pdf": world.flipped(once())}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    names = [str(tmp_path / name) for name in files]
    more = ["--trust", str(pki().trust_dir), "--at", AT]
    assert main(["verify", *names, *more, "--lang", "vi"]) == 1
    out = capsys.readouterr().out
    for word in ("a.pdf", "✓ HỢP LỆ", "b.pdf", "– KHÔNG CÓ CHỮ KÝ SỐ", "✗ KHÔNG HỢP LỆ"):
        assert word in out
    assert "VALID" not in out
    assert main(["verify", *names[:2], *more, "--json"]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "unsigned"
    assert [f["file"] for f in answer["files"]] == ["a.pdf", "b.pdf"]
    assert [f["verdict"] for f in answer["files"]] == ["valid", "unsigned"]
    report = tmp_path / "all.html"
    assert main(["verify", *names, *more, "--report", str(report)]) == 1
    capsys.readouterr()
    assert all(name in report.read_text() for name in files)


def test_one_language(run):
    _, out, _ = run(twice(), "--lang", "en")
    assert out.startswith("VALID\nAccept.")
    assert "Hợp lệ" not in out
    code, _, err = run(twice(), "--lang", "fr")
    assert code == 64
    assert "--lang" in err


def test_the_technician_of_the_settings_is_named(run, tmp_path):
    folder = tmp_path / "home"
    assert main(["init", str(folder), "--code", "00.37.W00", "--name", "Cổng thử"]) == 0
    settings = folder / "vanlien.toml"
    text = settings.read_text()
    head, line, tail = text.partition("[reports]\n")
    assert line
    settings.write_text(f'{head}{line}technician_name = "Trần B"\n{tail}')
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    _, out, _ = run(once(), "--config", str(settings), trust=nobody)
    assert "cán bộ kỹ thuật (Trần B)" in out
