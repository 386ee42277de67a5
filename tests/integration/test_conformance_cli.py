"""`vanlien simulate axis` and `vanlien conformance` as a vendor runs them, one against the other."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from gateway import observe
from gateway.__main__ import main

SYSTEM = ["--system-id", "sim-h37-02", "--as", "H37.02", "--to", "H37.04"]


@pytest.fixture
def run(capsys):
    def go(*args):
        code = main([*map(str, args)])
        return code, *capsys.readouterr()

    yield go
    observe.silence()  # the commands spoke to this test's standard error


def refused(run, *args):
    """Run what is refused for how it was asked; return the Vietnamese and English words."""
    code, out, err = run(*args, "--json")
    assert code == 64, err
    error = json.loads(out)["error"]
    assert error["message_vi"] != error["message_en"]
    return error["message_en"]


def simulated(folder, *args):
    """Start a simulated axis as a child; return it with its credentials once it listens."""
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway", "simulate", "axis", "--folder", str(folder), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = folder / "credentials.json"
    ends = time.monotonic() + 60
    while not told.exists() or not told.read_text().endswith("}"):
        assert child.poll() is None, child.stderr.read()
        assert time.monotonic() < ends
        time.sleep(0.05)
    return child, json.loads(told.read_text())


def test_one_against_the_other(tmp_path, run):
    box = tmp_path / "box"
    child, told = simulated(
        box,
        *("--dialect", "vxp", "--json", "--seed", "7", "--remembers", "--max-bytes", "1 MiB"),
        *("--agency", "H37.02=Sở Nội vụ", "--agency", "H37.04=Sở Tài chính;H37.05"),
        *("--locked", "H37.77", "--partner", "G09=Bộ Nội vụ", "--send", "1"),
        *("--faults", "latency=1ms..2ms,busy@getReceivedEdocList=0%"),
    )
    try:
        for path in box.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert [s["agencies"] for s in told["systems"]] == [["H37.02"], ["H37.04", "H37.05"]]
        common = [
            *("conformance", told["endpoint"], "--dialect", "vxp", *SYSTEM),
            *("--secret-file", box / "sim-h37-02.secret"),
            *("--to-system-id", "sim-h37-04", "--to-secret-file", box / "sim-h37-04.secret"),
        ]
        page = tmp_path / "card.html"
        code, out, _ = run(
            *common,
            *("--also", "H37.05", "--locked", "H37.77", "--max-bytes", "1 MiB"),
            *("--html", page, "--json"),
        )
        card = json.loads(out)
        failed = {line["id"] for line in card["results"] if line["state"] == "failed"}
        assert failed == {"status-accepted.receipt-01", "broken-base64"}
        assert (code, card["exit_code"], card["counts"]["must"]["not-played"]) == (0, 0, 0)
        html = page.read_text()
        for part in ("Đạt mọi yêu cầu bắt buộc", "Every must is kept", "send-and-fetch", "vxp"):
            assert part in html
        assert "<script" not in html
        # Less was asked, so less is known: never green.
        code, out, _ = run(*common, "--only", "answers,locked-recipient")
        assert code == 2
        assert "Chưa thử hết" in out
        wrong = box / "wrong.secret"
        wrong.write_text("khong dung")
        wrong.chmod(0o600)
        code, out, _ = run(*common, "--only", "answers", "--secret-file", wrong, "--json")
        assert code == 1
        assert json.loads(out)["results"][0]["state"] == "failed"
    finally:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    story = json.loads(out)
    assert (story["seed"], story["dialect"]) == (7, "vxp")
    assert {call["doing"] for call in story["calls"]} >= {"send", "list", "fetch", "acknowledge"}
    assert story["faults"] == {}
    letters = [d for d in story["documents"] if d["sender"] == "G09"]
    assert {d["to"] for d in letters} == {"H37.02", "H37.04", "H37.05"}
    secrets = [(box / s["secret_file"]).read_text() for s in told["systems"]]
    assert not [secret for secret in secrets if secret in out + err]


def test_the_cases_can_be_read_beforehand(run):
    code, out, _ = run("conformance", "--list", "--json")
    cases = json.loads(out)["cases"]
    assert code == 0
    assert {c["level"] for c in cases} == {"must", "should"}
    assert all(c["vi"] and c["en"] and c["rules"] for c in cases)
    code, out, _ = run("conformance", "--list", "--only", "repeat")
    assert (code, "gửi lại" in out) == (0, True)


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "a.secret"
    path.write_text("bi-mat")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    ("url", "more", "word"),
    [
        ("https://truc.example.vn/adapter", (), "--yes"),
        ("http://10.0.0.1/adapter", (), "--yes"),
        ("http://user:pass@127.0.0.1/adapter", (), "password"),
        ("http://127.0.0.1/adapter?secretKey=x", (), "query"),
        ("ftp://127.0.0.1/", (), "http"),
        ("127.0.0.1:80", (), "http"),
        ("http://127.0.0.1:9/", ("--only", "no-such"), "no-such"),
        ("http://127.0.0.1:9/", ("--dialect", "telex"), "telex"),
        ("http://127.0.0.1:9/", ("--variant", "soap99"), "soap99"),
        ("http://127.0.0.1:9/", ("--max-bytes", "much"), "much"),
        ("http://127.0.0.1:9/", ("--patience", "0s"), "0s"),
        ("http://127.0.0.1:9/", ("--ca-file", "no-such.pem"), "no-such.pem"),
        ("http://127.0.0.1:9/", ("--html", "no-such-folder/card.html"), "no-such-folder"),
        ("http://127.0.0.1:9/", ("--html", "/"), "--html"),
        ("http://127.0.0.1:9/", ("--to-system-id", "x"), "--to-secret-file"),
        ("", (), "URL"),
    ],
)
def test_what_cannot_be_asked(run, secret, url, more, word):
    words = refused(
        run, "conformance", url, "--dialect", "vxp", *SYSTEM, "--secret-file", secret, *more
    )
    assert word in words


def test_nobody_there_is_a_failure_of_theirs_not_ours(run, secret):
    code, out, _ = run(
        *("conformance", "http://127.0.0.1:9/x", "--dialect", "vxp", *SYSTEM),
        *("--secret-file", secret, "--only", "answers,catalogue", "--json"),
    )
    card = json.loads(out)
    assert code == 1
    assert {line["state"] for line in card["results"]} == {"failed"}


# ---------------------------------------------------------------- the box


def test_faults_are_listed(run):
    code, out, _ = run("simulate", "axis", "--faults", "list", "--json")
    names = {fault["name"] for fault in json.loads(out)["faults"]}
    assert code == 0
    assert names >= {"latency", "lose-request", "lose-answer", "tear-answer", "busy", "html"}


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--faults", "lose-answer=200%"), "lose-answer=200%"),
        (("--faults", "no-such=1%"), "no-such"),
        (("--faults", "latency=soon"), "latency=soon"),
        (("--faults", "latency=2s..1s"), "latency"),
        (("--dialect", "telex"), "telex"),
        (("--listen", "8080"), "HOST:PORT"),
        (("--listen", "127.0.0.1:99999"), "HOST:PORT"),
        (("--agency", "không phải mã"), "agency"),
        (("--agency", "H37", "--partner", "H37"), "H37"),
        (("--auto-reply", "no-such.json"), "no-such.json"),
        (("--for", "ever"), "ever"),
    ],
)
def test_what_the_box_cannot_do(run, args, word):
    assert word in refused(run, "simulate", "axis", *args)


def test_a_script_that_is_none(run, tmp_path):
    script = tmp_path / "script.json"
    for text in ("{}", '[{"after": "1s"}]', '[{"code": "01", "after": "soon"}]', "["):
        script.write_text(text)
        assert "--auto-reply" in refused(
            run, "simulate", "axis", "--auto-reply", script, "--for", "1ms"
        )


def test_it_stops_by_itself(run, tmp_path):
    script = tmp_path / "script.json"
    script.write_text('[{"code": "01"}, {"code": "02", "after": "1m", "description": "nhầm"}]')
    code, out, err = run(
        *("simulate", "axis", "--dialect", "wso2", "--partner", "G09", "--for", "200ms"),
        *("--auto-reply", script, "--json"),
    )
    assert code == 0
    assert json.loads(out)["endpoint"] in err
    assert os.environ.get("HOME", "/") not in out
