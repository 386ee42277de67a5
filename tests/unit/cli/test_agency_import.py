"""`vanlien agency import|apply|seed|close`: compared, shown, reviewed, carried out once."""

import json

import pytest

from gateway import stores
from gateway.cli import common
from gateway.domain.catalogue_data import NATIONAL_LEVEL1
from gateway.ports import AgencyRecord
from gateway.store import setup
from gateway.store.places import SqliteFile
from tests.world.folder import make_folder
from tests.world.ledgers import ask

H02 = AgencyRecord("H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", connected="local")
CSV = """code;name;legacy_code;connected;console;status;aliases
H37.02;Sở Nội vụ;000.00.02.H37;local;;;
H37.05;"Sở Y tế; Dân số";;local;x;active;05.H37 06.H37
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "gw")
    setup.create(folder / "data/ledger.sqlite")
    monkeypatch.setattr(common, "actor", lambda: "tester")
    config = folder / "vanlien.toml"
    with stores.open_admin(config) as admin:
        admin.put_agency(H02, by="t")
    return config


@pytest.fixture
def agencies(config):
    def look():
        with stores.open_admin(config) as admin:
            return list(admin.agencies())

    return look


@pytest.fixture
def csv(tmp_path):
    def write(text, name="c.csv"):
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        return str(file)

    return write


def test_a_catalogue_is_imported_and_repeats_change_nothing(agencies, vanlien_json, csv):
    file = csv("\ufeff" + CSV.replace("\n", "\r\n"))
    code, dry = vanlien_json("agency", "import", file, "--dry-run")
    assert (code, dry["ok"], dry["dry_run"]) == (0, True, True)
    assert (dry["added"], dry["changed"], dry["same"]) == (1, 0, 1)
    assert agencies() == [H02]
    done = vanlien_json("agency", "import", file)[1]
    assert (done["added"], done["applied"], done["already"]) == (1, 1, 0)
    again = vanlien_json("agency", "import", file)[1]
    assert (again["added"], again["changed"], again["same"], again["applied"]) == (0, 0, 2, 0)
    health = agencies()[1]
    assert (health.name, health.console) == ("Sở Y tế; Dân số", True)
    assert health.aliases == ("05.H37", "06.H37")
    assert health.numbered_by == "gateway"


def test_a_column_that_is_not_there_changes_nothing(agencies, vanlien_json, csv):
    done = vanlien_json("agency", "import", csv("code,name\nH37.02,Sở Nội vụ mới\n"))[1]
    assert done["counts"] == {"renamed": 1}
    (row,) = agencies()
    assert (row.name, row.legacy_code, row.connected) == (
        "Sở Nội vụ mới",
        "000.00.02.H37",
        "local",
    )


def test_every_fault_of_a_catalogue_is_told_with_its_line(agencies, vanlien_json, csv):
    file = csv(
        "code,name,status,console,connected,valid_from,successors\n"
        "h37,x,,,,,\n"
        "H37.03,,,,,,\n"
        "H37.04,x,shut,,,,\n"
        "H37.05,x,,maybe,,,\n"
        "H37.06,x,,,nowhere,,\n"
        "H37.07,x\n"
        "H37.08,x,,,,,\n"
        "H37.08,x,,,,,\n"
        "H37.09,x,,,,2026-13-01,\n"
        "H37.10,x,closed,,,,H37.02@gần đây\n"
        "H37.11,x,,,,,H37.02\n"
    )
    code, answer = vanlien_json("agency", "import", file)
    assert code == 64
    assert [f["line"] for f in answer["faults"]] == [2, 3, 4, 5, 6, 7, 9, 10, 11, 12]
    assert agencies() == [H02]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"code,name\n",
        b"code\nH37\n",
        b"code,name,colour\nH37,x,red\n",
        b"code,name\nH37,\xff\n",
        b'code,name\nH37,"x\n',
        b"\x00\x01\x02",
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(agencies, vanlien_json, tmp_path, content):
    file = tmp_path / "c.csv"
    file.write_bytes(content)
    code, answer = vanlien_json("agency", "import", str(file))
    assert code == 64
    assert answer["faults"]
    assert agencies() == [H02]


def test_what_was_reviewed_is_what_is_applied(agencies, vanlien_json, csv, tmp_path):
    plan = tmp_path / "ke-hoach.json"
    file = csv(CSV)
    made = vanlien_json("agency", "import", file, "--plan", str(plan))[1]
    assert agencies() == [H02]
    held = json.loads(plan.read_bytes())
    assert held["sha256"] == made["plan"]
    csv("code,name\nH37.06,Khác hẳn\n")  # the list changes, the plan does not
    code, done = vanlien_json("agency", "apply", str(plan))
    assert (code, done["applied"], done["already"]) == (0, 1, 0)
    assert {a.code for a in agencies()} == {"H37.02", "H37.05"}
    code, twice = vanlien_json("agency", "apply", str(plan))
    assert (code, twice["applied"], twice["already"]) == (0, 0, 1)
    # No plan is written over another.
    assert vanlien_json("agency", "import", file, "--plan", str(plan))[0] == 64


def test_a_plan_for_a_catalogue_that_changed_is_refused_with_the_difference(
    config, agencies, vanlien_json, csv, tmp_path
):
    plan = tmp_path / "p.json"
    file = csv("code,name\nH37.02,Tên trong kế hoạch\nH37.05,Sở Y tế\n")
    vanlien_json("agency", "import", file, "--plan", str(plan))
    with stores.open_admin(config) as admin:
        admin.put_agency(AgencyRecord("H37.02", "Ai đó đã sửa", connected="local"), by="t")
    code, answer = vanlien_json("agency", "apply", str(plan))
    assert code == 64
    assert answer["applied"] == 0
    (one,) = answer["differences"]
    assert (one["code"], one["expected"], one["found"]) == (
        "H37.02",
        {"name": "Sở Nội vụ"},
        {"name": "Ai đó đã sửa"},
    )
    assert [a.code for a in agencies()] == ["H37.02"]


@pytest.mark.parametrize("where", [b'"steps"', b'"forced"', b"H37.05"])
def test_a_plan_edited_by_hand_is_refused(agencies, vanlien_json, csv, tmp_path, where):
    plan = tmp_path / "p.json"
    vanlien_json("agency", "import", csv(CSV), "--plan", str(plan))
    data = plan.read_bytes()
    plan.write_bytes(data.replace(where, where[:-2] + b"x" + where[-1:], 1))
    assert vanlien_json("agency", "apply", str(plan))[0] == 64
    assert agencies() == [H02]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"format": "vanlien-agency-plan/1"}'])
def test_what_is_no_plan_is_refused(config, vanlien_json, tmp_path, content):
    plan = tmp_path / "p.json"
    plan.write_bytes(content)
    assert vanlien_json("agency", "apply", str(plan))[0] == 64


def test_a_list_that_closes_too_much_must_be_forced(agencies, vanlien_json, csv, tmp_path):
    rows = "".join(f"H37.{n},Sở {n}\n" for n in range(10, 50))
    vanlien_json("agency", "import", csv("code,name\n" + rows))
    short = csv("code,name\n" + "".join(rows.splitlines(keepends=True)[:30]), "short.csv")
    args = ("agency", "import", short, "--close-missing")
    code, answer = vanlien_json(*args)
    assert code == 64
    assert answer["too_many"] == "11/41"
    assert all(a.status == "active" for a in agencies())
    # Neither by way of a plan, unless the plan itself was forced.
    plan, forced = tmp_path / "p.json", tmp_path / "f.json"
    vanlien_json(*args, "--plan", str(plan))
    assert vanlien_json("agency", "apply", str(plan))[0] == 64
    vanlien_json(*args, "--plan", str(forced), "--force")
    assert vanlien_json("agency", "apply", str(forced))[1]["applied"] == 11
    assert sum(a.status == "closed" for a in agencies()) == 11
    # What is missing is not closed unless asked for.
    assert vanlien_json("agency", "import", short)[1]["counts"] == {}


def test_conflicts_stop_an_import_and_forced_are_left_out(agencies, vanlien_json, csv):
    file = csv("code,name,legacy_code\nH37.07,Trùng mã cũ,000.00.02.H37\nH37.08,Được,\n")
    code, answer = vanlien_json("agency", "import", file)
    assert code == 64
    assert [c["code"] for c in answer["conflicts"]] == ["H37.07"]
    assert agencies() == [H02]
    code, answer = vanlien_json("agency", "import", file, "--force")
    assert (code, answer["applied"]) == (0, 1)
    assert [a.code for a in agencies()] == ["H37.02", "H37.08"]


def test_level_1_and_the_mergers_come_as_a_plan(agencies, vanlien_json, vanlien, tmp_path):
    plan = tmp_path / "2025.json"
    made = vanlien_json("agency", "seed", "--plan", str(plan))[1]
    assert made["added"] == len(NATIONAL_LEVEL1)
    assert agencies() == [H02]
    # For people: what is not sure says so.
    assert "xác nhận" in vanlien("agency", "seed", "--dry-run")[1]
    assert vanlien_json("agency", "apply", str(plan))[1]["applied"] == len(NATIONAL_LEVEL1)
    found = {a.code: a for a in agencies()}
    assert (found["H25"].status, found["H25"].successor) == ("closed", "H42")
    assert found["H42"].status == "active"
    assert vanlien_json("agency", "seed")[1]["counts"] == {}
    assert vanlien_json("agency", "seed", "--connected", "nowhere")[0] == 64


def test_a_code_is_closed_with_several_successors_and_a_term(config, vanlien_json):
    file_rows = [AgencyRecord(f"H37.{n}", f"Sở {n}", connected="local") for n in (10, 11, 12)]
    with stores.open_admin(config) as admin:
        for row in file_rows:
            admin.put_agency(row, by="t")
    args = ("agency", "close", "H37.10", "--reason", "chia tách")
    heirs = ("--successor", "H37.11", "--successor", "H37.12@2026-07-01..2027-06-30")
    code, answer = vanlien_json(*args, *heirs, "--forward-until", "2027-01-31")
    assert code == 0
    assert answer["successors"] == [
        ["H37.11", None, None],
        ["H37.12", "2026-07-01", "2027-06-30"],
    ]
    assert answer["forward_until"] == "2027-01-31"
    for wrong in (
        ("--successor", "H37.11", "--successor", "H37.11"),
        ("--successor", "H37.10@2026-01-01"),
        ("--successor", "H37.11@2026-02-30"),
        ("--successor", "H37.11@2026-03-01..2026-02-01"),
        ("--successor", "H99@2026-03-01"),
        ("--forward-until", "mai"),
    ):
        assert vanlien_json(*args, *wrong)[0] == 64, wrong
    # In a circle by way of another closed code.
    circle = ("agency", "close", "H37.11", "--reason", "x", "--successor", "H37.10@2026-01-01")
    assert vanlien_json(*circle)[0] == 64
    place = SqliteFile(config.parent / "data/ledger.sqlite")
    assert len(ask(place, "SELECT * FROM agency_succession")) == 2
    kinds = [
        r["type"] for r in ask(place, "SELECT type FROM event WHERE subject = 'agency:H37.10'")
    ]
    assert kinds[-2:] == ["agency-closed", "agency-forwarded-until"]
    # One plain successor afterwards is the only one.
    vanlien_json("agency", "close", "H37.10", "--reason", "x", "--successor", "H37.12")
    assert ask(place, "SELECT * FROM agency_succession") == []


def test_agencies_are_found_in_the_terminal_too(config, vanlien_json, vanlien):
    vanlien_json("agency", "seed", "--yes")
    (one,) = vanlien_json("agency", "find", "noi vu so")[1]["agencies"]
    assert one["code"] == "H37.02"
    assert vanlien_json("agency", "find", "ubnd ha nam")[1]["agencies"] == []
    (gone,) = vanlien_json("agency", "find", "ubnd ha nam", "--all")[1]["agencies"]
    assert (gone["code"], gone["status"], gone["successors"]) == ("H25", "closed", ["H42"])
    assert "Sở Nội vụ" in vanlien("agency", "find", "h37.0")[1]


def test_an_import_is_audited(config, vanlien_json, csv):
    made = vanlien_json("agency", "import", csv(CSV), "--reason", "danh mục tháng 11")[1]
    place = SqliteFile(config.parent / "data/ledger.sqlite")
    target = f"agency-plan:{made['plan']}"
    (told,) = ask(place, "SELECT data FROM event WHERE subject = ?", target)
    assert json.loads(told["data"]) == {
        "actor": "tester",
        "reason": "danh mục tháng 11",
        "value": 1,
        "added": ["H37.05"],
    }
    (logged,) = ask(place, "SELECT body FROM receipt_entry WHERE subject = ?", target)
    body = json.loads(logged["body"])
    assert (body["sha256"], body["value"], body["actor"]) == (made["plan"], 1, "tester")
    assert "tháng" not in logged["body"]


@pytest.mark.parametrize("args", [(), ("--from-peer", "nobody")])
def test_an_import_names_its_list(config, vanlien_json, args):
    assert vanlien_json("agency", "import", *args)[0] == 64
