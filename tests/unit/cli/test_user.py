"""`vanlien user`: from the first link to closing, and a list of many."""

import csv
import stat

import openpyxl
import pytest

from gateway import stores
from gateway.cli import common
from gateway.ports import AgencyRecord
from gateway.store import setup
from tests.world.folder import make_folder


@pytest.fixture
def config(tmp_path, monkeypatch):
    folder = make_folder(tmp_path / "gw")
    setup.create(folder / "data/ledger.sqlite")
    monkeypatch.setattr(common, "actor", lambda: "tester")
    config = folder / "vanlien.toml"
    with stores.open_admin(config) as admin:
        admin.put_agency(AgencyRecord("H37.61", "UBND phường", connected="local"), by="t")
    return config


def add(vanlien_json, login="lan"):
    return vanlien_json(
        "user",
        "add",
        login,
        "--name",
        "Trần Thị Lan",
        "--agency",
        "H37.61",
        "--reference",
        "12/SNV",
    )


def test_the_first_administrator_comes_by_a_link(vanlien_json):
    code, told = vanlien_json("user", "first")
    assert code == 0
    assert "/console/link/" in told["link"]


def test_an_account_is_made_once_and_has_no_rights(vanlien_json, vanlien):
    code, told = add(vanlien_json)
    assert (code, told["login"], told["invited"], told["grants"]) == (0, "lan", True, [])
    assert "/console/link/" in told["link"]
    assert add(vanlien_json)[0] == 64
    code, _, err = vanlien(
        "user", "add", "Ộ", "--name", " ", "--agency", "H37.77", "--reference", "1"
    )
    assert code == 64
    for part in ("Tên đăng nhập", "Thiếu họ tên", "Không có cơ quan H37.77"):
        assert part in err


def test_rights_are_shown_before_they_are_given(vanlien_json, vanlien):
    add(vanlien_json)
    given = ("user", "grant", "lan", "clerk@H37.61", "--reference", "12/SNV")
    code, plan = vanlien_json(*given)
    assert (code, plan["done"]) == (0, False)
    assert "send@H37.61" in plan["gains"]
    assert vanlien_json("user", "show", "lan")[1]["grants"] == []
    assert vanlien_json(*given, "--yes")[1]["done"]
    (grant,) = vanlien_json("user", "show", "LAN")[1]["grants"]
    assert (grant["role"], grant["agency"]) == ("clerk", "H37.61")
    code, _, err = vanlien("user", "grant", "lan", "clerk", "--reference", "1", "--yes")
    assert code == 64
    assert "phải gắn với một cơ quan" in err
    assert vanlien("user", "grant", "lan", "king", "--reference", "1", "--yes")[0] == 64
    gone = vanlien_json("user", "revoke", "lan", "clerk@H37.61", "--reference", "1", "--yes")[1]
    assert "send@H37.61" in gone["losses"]
    assert vanlien("user", "revoke", "lan", "clerk@H37.61", "--reference", "1", "--yes")[0] == 64


def test_locked_reset_closed(vanlien_json, vanlien):
    add(vanlien_json)
    assert vanlien("user", "lock", "lan", "--code", "x", "--reference", "1")[0] == 64
    locked = vanlien_json("user", "lock", "lan", "--code", "a", "--reference", "45/QĐ")[1]
    assert locked["lock"] == {"code": "a", "reference": "45/QĐ", "by": "tester"}
    assert vanlien("user", "reset", "lan", "--reason", "quên")[0] == 64, "locked"
    assert vanlien_json("user", "unlock", "lan", "--reference", "50/QĐ")[1]["lock"] is None
    assert "/console/link/" in vanlien_json("user", "reset", "lan", "--reason", "quên")[1]["link"]
    ended = vanlien_json("user", "sessions", "lan", "--end", "--reason", "mất máy")[1]
    assert ended["ended"] == 0
    assert vanlien_json("user", "close", "lan", "--reference", "60/QĐ")[1]["state"] == "closed"
    assert vanlien_json("user", "list", "tran thi")[1]["accounts"][0]["state"] == "closed"
    assert vanlien("user", "show", "nobody")[0] == 64


LIST = """\
login;name;agency;mail;roles;request_ref
lan;Trần Thị Lan;H37.61;LAN@danang.gov.vn;clerk;12/SNV
mai;Phạm Thị Mai;H37.61;;clerk,officer;12/SNV
"""


def test_a_list_is_compared_then_taken_over_then_the_same(vanlien_json, tmp_path):
    add(vanlien_json)
    path, links = tmp_path / "ds.csv", tmp_path / "links.csv"
    path.write_text("\ufeff" + LIST, encoding="utf-8")
    code, dry = vanlien_json("user", "import", str(path), "--dry-run")
    assert (code, dry["done"], dry["counts"]) == (0, False, {"add": 1, "change": 1, "same": 0})
    assert dry["lines"][0]["changed"] == ["mail"]
    assert vanlien_json("user", "import", str(path))[0] == 64, "invitations need a file"
    code, done = vanlien_json("user", "import", str(path), "--links", str(links))
    assert (code, done["done"]) == (0, True)
    assert stat.S_IMODE(links.stat().st_mode) == 0o600
    with links.open(encoding="utf-8", newline="") as rows:
        assert [row["login"] for row in csv.DictReader(rows)] == ["mai"]
    roles = {g["role"] for g in vanlien_json("user", "show", "mai")[1]["grants"]}
    assert roles == {"clerk", "officer"}
    again = vanlien_json("user", "import", str(path))[1]
    assert again["counts"] == {"add": 0, "change": 0, "same": 2}


def test_every_fault_of_a_list_is_said_and_nothing_done(vanlien_json, tmp_path):
    path = tmp_path / "ds.xlsx"
    book = openpyxl.Workbook()
    for row in (
        ("login", "name", "agency", "roles", "request_ref", "mail"),
        ("lan", "Lan", "H37.61", "clerk", "12/SNV", "a@x.vn"),
        ("lan", "Lan khác", "H37.61", "", "12/SNV", "A@x.vn"),
        ("x", None, "H37.61", "king", None, None),
    ):
        book.active.append(row)
    book.save(path)
    code, told = vanlien_json("user", "import", str(path))
    assert code == 64
    assert [f["line"] for f in told["faults"]] == [3, 3, 4, 4, 4, 4]
    path.write_bytes(b"PK\x03\x04 no sheet")
    assert vanlien_json("user", "import", str(path))[0] == 64
    assert vanlien_json("user", "list")[1]["accounts"] == []
