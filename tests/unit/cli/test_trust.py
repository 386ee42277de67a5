"""`vanlien trust`: putting authorities in and out, the log that tells of it, and what is wrong."""

import json
import os
import tomllib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.__main__ import main
from gateway.trust.anchors import TrustStore
from gateway.trust.importlog import digest
from gateway.trust.policytext import TEXT
from gateway.trust.trustlist import read_list
from tests.world.roots import lookalike
from tests.world.signed_files import NOW, pki, trust_of

BY = ("--by", "Nguyễn Văn An", "--reason", "Đã đối chiếu qua điện thoại")


@pytest.fixture
def trust(tmp_path):
    folder = tmp_path / "trust"
    folder.mkdir()
    return folder


@pytest.fixture
def run(trust, capsys):
    """Run `vanlien trust …` on the folder; return the code and the one JSON object."""

    def call(*args):
        code = main(["trust", *map(str, args), "--trust", str(trust), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return code, json.loads(out)

    return call


@pytest.fixture
def said(trust, capsys):
    """Run it for people; return the code and the text."""

    def call(*args):
        code = main(["trust", *map(str, args), "--trust", str(trust)])
        out, err = capsys.readouterr()
        return code, out + err

    return call


def root():
    return pki().root.certificate


def sha256_of(cert):
    return cert.fingerprint(hashes.SHA256()).hex()


def root_sha256():
    return sha256_of(pki().root.load_certificate())


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def listed(folder):
    trust_list, faults = read_list((folder / "trust-list.toml").read_bytes())
    assert faults == ()
    return trust_list


def faults_of(answer):
    return [f["message_en"] if "message_en" in f else f["en"] for f in answer["error"]["faults"]]


# ---------------------------------------------------------------- import


def test_import_puts_it_in_lists_it_and_writes_it_down(run, trust):
    code, answer = run("import", root(), "--class", "duty", *BY)
    assert code == 0
    (one,) = answer["certificates"]
    assert (one["action"], one["class"], one["confirmed"]) == ("added", "duty", False)
    assert one["sha256"] == root_sha256()
    assert one["sha256_grouped"].replace(" ", "").lower() == one["sha256"]
    assert {len(group) for group in one["sha256_grouped"].split()} == {4}
    assert (answer["version"], answer["unlisted"], answer["list_created"]) == ("1", "ignore", True)
    store = TrustStore.load(trust)
    assert [store.trust_class(a) for a in store.anchors] == ["duty"]
    assert store.faults == ()
    code, log = run("log")
    assert (code, log["ok"]) == (0, True)
    (entry,) = log["entries"]
    assert (entry["by"], entry["reason"], entry["action"]) == (BY[1], BY[3], "import")
    assert entry["at"].endswith("+07:00")


def test_dry_run_touches_nothing(run, trust):
    before = contents(trust)
    code, answer = run("import", root(), "--class", "duty", "--dry-run")
    assert (code, answer["dry_run"]) == (0, True)
    assert answer["certificates"][0]["action"] == "added"
    assert contents(trust) == before


def test_a_folder_is_imported_as_one_version(run, trust):
    code, answer = run("import", trust_of(pki()), "--class", "internal")
    assert code == 0
    assert len(answer["certificates"]) == 2
    assert any("import-crl" in f["en"] for f in answer["skipped"])
    assert listed(trust).version == "1"
    assert {a.trust_class for a in listed(trust).anchors} == {"internal"}


def test_an_issuing_authority_takes_its_issuers_class(run, trust):
    run("import", root(), "--class", "duty")
    code, answer = run("import", pki().issuing.certificate)
    assert (code, answer["certificates"][0]["class"]) == (0, "duty")
    # Its evil twin: the issuer is not here, and nobody said the class.
    run("remove", root_sha256(), "--reason", "x")
    run("remove", answer["certificates"][0]["sha256"], "--reason", "x")
    code, answer = run("import", pki().issuing.certificate)
    assert code == 64
    assert any("--class" in text for text in faults_of(answer))


def test_a_class_is_not_taken_over_by_name(run, tmp_path):
    false = tmp_path / "false.pem"
    false.write_bytes(lookalike().public_bytes(Encoding.PEM))
    run("import", false, "--class", "duty")
    code, _ = run("import", pki().issuing.certificate)
    assert code == 64


def test_the_same_again_is_said_and_changes_nothing(run, said, trust):
    run("import", root(), "--class", "duty")
    before = contents(trust)
    code, answer = run("import", root(), "--class", "duty")
    assert (code, answer["certificates"][0]["action"]) == (0, "same")
    assert contents(trust) == before
    code, text = said("import", root())
    assert code == 0
    assert "đã có" in text


def test_confirming_and_windows_change_the_entry(run, trust):
    run("import", root(), "--class", "duty")
    code, answer = run(
        "import", root(), "--confirmed", "--from", "2018-01-01", "--until", "2029-12-31", *BY
    )
    assert (code, answer["certificates"][0]["action"], answer["version"]) == (0, "changed", "2")
    (entry,) = listed(trust).anchors
    assert entry.confirmed
    assert entry.trusted_from.isoformat() == "2018-01-01T00:00:00+07:00"
    assert entry.trusted_until.isoformat() == "2030-01-01T00:00:00+07:00"
    _, log = run("log")
    assert [e["action"] for e in log["entries"]] == ["import", "change"]
    assert log["entries"][1]["certificates"][0]["confirmed"] is True
    _, answer = run("import", root(), "--unconfirmed")
    assert not listed(trust).anchors[0].confirmed


def test_private_keys_are_refused_and_nothing_is_taken(run, trust, tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    (source / "root.pem").write_bytes(root().read_bytes())
    (source / "both.pem").write_bytes(root().read_bytes() + pki().root.key.read_bytes())
    code, answer = run("import", source, "--class", "duty")
    assert code == 64
    assert [f["where"] for f in answer["error"]["faults"]] == ["both.pem"]
    assert "private key" in faults_of(answer)[0]
    assert contents(trust) == {}


def test_a_der_key_is_seen_too(run, trust, tmp_path):
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    key = pki().root.load_key()
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "k.der").write_bytes(der)
    code, answer = run("import", tmp_path / "k.der", "--class", "duty")
    assert (code, "private key" in faults_of(answer)[0]) == (64, True)


def test_a_signers_certificate_is_no_authority(run, trust):
    code, answer = run("import", pki().person().certificate, "--class", "duty")
    assert code == 64
    assert any("not a CA" in text for text in faults_of(answer))
    assert contents(trust) == {}


def test_anchors_that_lay_there_stay_trusted_and_it_is_said(run, said, trust):
    (trust / "alt.pem").write_bytes(root().read_bytes())
    new = pki(NOW, "new").root.certificate
    code, text = said("import", new, "--class", "public")
    assert code == 0
    assert 'unlisted = "trust"' in text
    assert len(TrustStore.load(trust).anchors) == 2
    # imported itself, it only gets its entry: no second copy
    code, answer = run("import", root(), "--class", "duty")
    assert answer["certificates"][0]["file"] == "alt.pem"
    assert len(list(trust.glob("*.pem"))) == 2


@pytest.mark.parametrize(
    "args",
    [
        ("import", "no-such-file.pem"),
        ("import", "@root", "--class", "holy"),
        ("import", "@root", "--class", "duty", "--from", "yesterday"),
        ("import", "@root", "--class", "duty", "--from", "2026-01-02", "--until", "2026-01-01"),
        ("remove", "12"),
        ("remove", "0" * 64, "--reason", "x"),
        ("remove", "@hash", "--reason", " "),
        ("record", "--reason", "x"),
    ],
)
def test_wrong_use_is_64_and_touches_nothing(run, trust, args):
    args = [{"@root": str(root()), "@hash": root_sha256()}.get(a, a) for a in args]
    code, answer = run(*args)
    assert (code, answer["error"]["exit_code"]) == (64, 64)
    assert contents(trust) == {}


def test_a_missing_folder_is_64(capsys, tmp_path):
    code = main(["trust", "list", "--trust", str(tmp_path / "none"), "--json"])
    assert code == 64
    assert "None" not in json.loads(capsys.readouterr().out)["error"]["message_vi"]


def test_a_broken_list_is_never_written_over(run, trust):
    (trust / "trust-list.toml").write_text("version = ")
    before = contents(trust)
    code, answer = run("import", root(), "--class", "duty")
    assert code == 64
    assert answer["error"]["faults"][0]["where"] == "trust-list.toml"
    assert contents(trust) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_64(run, trust):
    trust.chmod(0o500)
    code, _ = run("import", root(), "--class", "duty")
    trust.chmod(0o700)
    assert code == 64


# ---------------------------------------------------------------- remove, record


def test_remove_takes_trust_away_and_keeps_the_file(run, trust):
    run("import", root(), "--class", "duty")
    code, answer = run("remove", root_sha256()[:16], "--reason", "CA ngừng hoạt động")
    assert (code, answer["sha256"]) == (0, root_sha256())
    store = TrustStore.load(trust)
    assert (store.anchors, store.faults) == ((), ())
    assert [p.name for p in (trust / "removed").iterdir()] == answer["files"]
    _, log = run("log")
    assert [e["action"] for e in log["entries"]] == ["import", "remove"]
    # and back again, twice: names in removed/ do not collide
    run("import", root(), "--class", "duty")
    code, _ = run("remove", root_sha256(), "--reason", "x")
    assert (code, len(list((trust / "removed").iterdir()))) == (0, 2)
    assert run("log")[1]["ok"]


def test_remove_without_a_list_works_and_is_logged(run, trust):
    (trust / "root.pem").write_bytes(root().read_bytes())
    code, _ = run("remove", root_sha256(), "--reason", "x")
    assert code == 0
    assert not (trust / "trust-list.toml").exists()
    assert run("log")[1]["entries"][0]["list_version"] == ""


def test_a_bundle_is_not_torn_apart(run, trust):
    both = root().read_bytes() + pki().issuing.certificate.read_bytes()
    (trust / "all.pem").write_bytes(both)
    code, answer = run("remove", root_sha256(), "--reason", "x")
    assert code == 64
    assert answer["error"]["faults"][0]["where"] == "all.pem"
    assert (trust / "all.pem").read_bytes() == both


def test_a_change_by_hand_is_noticed_until_it_is_recorded(run, trust):
    run("import", root(), "--class", "duty")
    path = trust / "trust-list.toml"
    pin = f'\n[[signer]]\nsha256 = "{"1" * 64}"\nrole = "portal"\nagencies = ["H01"]\n'
    path.write_text(path.read_text(encoding="utf-8") + pin, encoding="utf-8")
    code, answer = run("check")
    assert code == 1
    assert any("by hand" in f["en"] for f in answer["faults"])
    code, answer = run("record", "--reason", "Ghim chữ ký của cổng")
    assert (code, answer["version"]) == (0, "2")
    assert run("check")[0] == 0
    _, shown = run("list")
    assert shown["signers"] == [
        {"sha256": "1" * 64, "role": "portal", "agencies": ["H01"], "name": ""}
    ]


# ---------------------------------------------------------------- log


@pytest.fixture
def history(run, trust):
    """A log of three lines."""
    run("import", root(), "--class", "duty", *BY)
    run("import", pki().issuing.certificate)
    run("import", root(), "--confirmed")
    return trust / "import-log.jsonl"


def test_an_untouched_log_holds(run, history):
    code, answer = run("log")
    assert (code, len(answer["entries"])) == (0, 3)
    first, second = history.read_bytes().splitlines()[:2]
    assert json.loads(second)["previous"] == digest(first)


TAMPERED = {
    "first line changed": (lambda lines: [lines[0].replace(b"An", b"Ba"), *lines[1:]], 2),
    "a line dropped": (lambda lines: [lines[0], lines[2]], 2),
    "two lines swapped": (lambda lines: [lines[1], lines[0], lines[2]], 1),
    "a line inserted": (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
    "last line changed": (
        lambda lines: [*lines[:2], lines[2].replace(b'"by": "', b'"by": "x')],
        3,
    ),
    "last line cut off": (lambda lines: lines[:2], 2),
    "a line that is none": (lambda lines: [b"{}", *lines[1:]], 1),
    "not json": (lambda lines: [lines[0], b"\xff\xfe", lines[2]], 2),
}


@pytest.mark.parametrize(("change", "number"), TAMPERED.values(), ids=TAMPERED)
def test_tampering_is_found_by_its_line(run, history, change, number):
    lines = history.read_bytes().splitlines()
    history.write_bytes(b"".join(line + b"\n" for line in change(lines)))
    code, answer = run("log")
    assert (code, answer["ok"]) == (1, False)
    assert answer["faults"][0]["en"].startswith(f"Line {number} ")
    assert run("check")[0] == 1


def test_a_line_a_crash_cut_off_is_dropped_by_the_next_change(run, history):
    whole = history.read_bytes()
    history.write_bytes(whole + b'{"action": "impo')
    assert run("log")[0] == 0
    run("import", pki(NOW, "new").root.certificate, "--class", "public")
    code, answer = run("log")
    assert (code, len(answer["entries"])) == (0, 4)
    assert history.read_bytes().startswith(whole)


def test_a_crash_before_the_list_is_named_and_finished_by_the_same_command(
    run, history, trust, monkeypatch
):
    from gateway.trust import registrar

    real = registrar.replace_file
    new = pki(NOW, "new").root.certificate

    def dies(target, data):
        if target.name == "trust-list.toml":
            raise OSError(5, "power is gone")
        real(target, data)

    monkeypatch.setattr(registrar, "replace_file", dies)
    assert run("import", new, "--class", "public")[0] == 64
    assert len(TrustStore.load(trust).anchors) == 1
    code, answer = run("check")
    assert code == 1
    assert any("not finished" in f["en"] for f in answer["faults"])
    monkeypatch.setattr(registrar, "replace_file", real)
    assert run("import", new, "--class", "public")[0] == 0
    assert run("check")[0] == 0
    assert len(TrustStore.load(trust).anchors) == 2


# ---------------------------------------------------------------- list, check, policy


def test_list_tells_class_window_and_warnings(run, said, trust):
    run("import", root(), "--class", "duty", "--until", "2020-01-01")
    (trust / "giong.pem").write_bytes(lookalike().public_bytes(Encoding.PEM))
    _, answer = run("list")
    by_kind = {a["kind"]: a for a in answer["authorities"]}
    anchor = by_kind["anchor"]
    assert anchor["trusted_until"] == "2020-01-02T00:00:00+07:00"
    assert {"unconfirmed", "window-closed"} <= set(anchor["warnings"])
    assert isinstance(anchor["days_left"], int)
    assert by_kind["untrusted"]["warnings"][0] == "untrusted"
    assert answer["trust_sha256"] == TrustStore.load(trust).sha256
    code, text = said("list")
    assert code == 0
    for word in ("công vụ", "KHÔNG TIN", "cần xác nhận", "giả mạo"):
        assert word in text


def test_check_names_a_listed_certificate_without_a_file(run, trust):
    run("import", root(), "--class", "duty")
    next(trust.glob("*.pem")).unlink()
    code, answer = run("check")
    assert code == 1
    assert any(root_sha256() in f["en"] for f in answer["faults"])
    assert run("list")[1]["authorities"][0]["kind"] == "missing"


def test_an_empty_folder_is_a_fault(run, said):
    code, answer = run("check")
    assert (code, answer["ok"]) == (1, False)
    code, text = said("check")
    assert code == 1
    assert "vanlien trust import" in text


def test_check_tells_everything_at_once(run, trust):
    (trust / "trust-list.toml").write_text("version = 0\nwhat = 1\n")
    (trust / "policy.toml").write_text("name = 1\n")
    (trust / "junk.pem").write_text("-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----")
    code, answer = run("check")
    assert code == 1
    assert {f["file"] for f in answer["faults"]} == {
        "trust-list.toml",
        "policy.toml",
        "junk.pem",
    }
    assert len(answer["faults"]) >= 7


def test_the_policy_to_start_from_can_be_used_at_once(run, said, trust):
    code, text = said("policy", "--print")
    assert (code, text) == (0, TEXT)
    (trust / "policy.toml").write_text(text, encoding="utf-8")
    code, answer = run("policy")
    assert (code, answer["faults"]) == (0, [])
    assert answer["policy"]["name"] == "TT15"
    assert {"name": "sha256", "until": None} in answer["policy"]["digests"]
    assert run("policy", "--print")[1]["text"] == TEXT
    code, text = said("policy")
    assert code == 0
    assert "sha256" in text


def test_a_policy_with_faults_is_1(run, trust):
    (trust / "policy.toml").write_text("name = 1\n")
    code, answer = run("policy")
    assert code == 1
    assert len(answer["faults"]) >= 2


def test_without_trust_the_settings_say_where(tmp_path, capsys):
    folder = tmp_path / "gw"
    assert main(["init", str(folder), "--with-vn-authorities", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert "trust/rootcag2.pem" in made["unconfirmed_authorities"]
    config = folder / "vanlien.toml"
    assert main(["trust", "list", "--config", str(config), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    classes = {(a["kind"], a["class"]) for a in answer["authorities"]}
    assert ("anchor", "duty") in classes
    assert ("anchor", "public") in classes
    assert all("unconfirmed" in a["warnings"] for a in answer["authorities"])
    assert main(["trust", "check", "--config", str(config), "--json"]) == 0
    capsys.readouterr()


def test_init_trusts_nobody_unless_told(tmp_path, capsys):
    folder = tmp_path / "gw"
    main(["init", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["unconfirmed_authorities"] == []
    assert list((folder / "trust").iterdir()) == []


def test_the_authorities_that_come_along_are_as_their_page_says():
    from importlib import resources

    shelf = resources.files("certs")
    page = (shelf / "SOURCES.md").read_text(encoding="utf-8").replace(" ", "").lower()
    rows = tomllib.loads((shelf / "trust-list.toml").read_text(encoding="utf-8"))["authority"]
    files = [f for f in shelf.iterdir() if f.name.endswith(".pem")]
    assert len(files) == len(rows) == 7
    for row in rows:
        assert row["sha256"] in page
        assert row["confirmed"] is False
    for file in files:
        assert b"PRIVATE" not in file.read_bytes()
        assert f"`{file.name}`" in page
